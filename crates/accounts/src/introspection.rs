//! What a token is worth now, for resource servers elsewhere (RFC 7662).

use tenantry_domain::{Audience, Error, Result, Scopes};

use crate::account::Account;
use crate::caller::standing;
use crate::tokens::{Claims, Signatures, TokenUse};

/// A live token.
pub enum Introspection {
    /// An access token: what it says, and which of its scopes still count.
    Access(Box<Claims>, Scopes),
    /// A refresh token.
    Refresh {
        /// Whose it is.
        client_id: String,
        /// The person.
        subject: String,
        /// What it is good for.
        scope: Scopes,
        /// When its session ends, in seconds since 1970.
        expires: i64,
    },
}

impl Account {
    /// What a token of this account is worth at this moment; `None` for every text that is worth nothing.
    ///
    /// Errors: only those of the database.
    pub async fn introspect(&self, token: &str) -> Result<Option<Introspection>> {
        if let Some(session) = self.session(token).await? {
            let (client_id, subject) = (session.wanted.client_id.to_string(), session.subject.clone());
            let expires = session.expires_at.seconds();
            return Ok(self.grant_of(&session.wanted).ok().map(|grant| {
                let scope = session.wanted.scope.held_by(&grant.scope);
                Introspection::Refresh { client_id, subject, scope, expires }
            }));
        }
        match self.worth(token).await {
            Ok(live) => Ok(Some(live)),
            Err(error @ (Error::Unavailable | Error::Internal(_))) => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn worth(&self, token: &str) -> Result<Introspection> {
        let (directory, above) = (self.directory(), self.parent().map(Self::directory));
        let (signatures, name) = (&self.platform().signatures, Signatures::name_elsewhere(self.id(), token));
        let verified = match signatures.get(&name) {
            Some(known) => known,
            None => signatures.keep(name, self.open(token, &directory)?, self.now()),
        };
        self.check_time(&verified, TokenUse::Access)?;
        let audience = Audience::parse(&verified.claims.aud, &self.platform().public).map_err(|_| Error::Unauthorized)?;
        let scopes = standing(&verified, &directory, above.as_deref(), &audience, self.now())?;
        self.check_session(&verified.claims).await?;
        Ok(Introspection::Access(Box::new(verified.claims.clone()), scopes))
    }
}
