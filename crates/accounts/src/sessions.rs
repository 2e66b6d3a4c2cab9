//! Sessions: what the tokens of a person live by. A refresh token names a session and its generation; using it moves the
//! session on. Who shows an older one, once the grace is over, has a copy: the session ends (RFC 9700 section 4.14.2).

use std::sync::Arc;

use tenantry_domain::{
    AccountId, Audience, Client, ClientId, ClientKey, Error, Grant, GrantType, Instant, Result, Scopes, Seconds, Secret,
    SessionId,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::{Caller, Origin};
use crate::console;
use crate::derived::Ticket;
use crate::measures::Issued;
use crate::people::Person;
use crate::store::{self, Tx};
use crate::tokens::{AccessToken, Claims, ClientSecret, TokenUse, narrowed};

/// The scope that a client needs to get refresh tokens.
pub(crate) const REFRESH: &str = "create:accounts:auth:refresh_token";
/// How refresh tokens are told from all other opaque values.
const TICKET: &str = "refresh";
/// So long after its use a refresh token still yields the same successor, for a client that saw no answer.
const GRACE: Seconds = 10;

/// What a client asks for in a person's name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) client: ClientKey,
    pub(crate) client_id: ClientId,
    pub(crate) audience: Audience,
    /// How the person proves itself, and thereby which grant of the client counts.
    pub(crate) grant: GrantType,
    /// What is asked for of that grant's scopes.
    pub(crate) scope: Scopes,
}

/// A person who has proven itself to a client of an account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The record of the person.
    pub(crate) person: Uuid,
    /// The subject of its tokens.
    pub(crate) subject: String,
    pub(crate) wanted: Wanted,
    pub(crate) generation: u32,
    pub(crate) rotated_at: Instant,
    pub(crate) expires_at: Instant,
}

/// What became of a login.
pub enum Login {
    /// A token.
    Done(AccessToken),
    /// Something more has to be shown: the handle for it.
    SecondFactor(Secret),
}

impl Account {
    /// The grant that gives a client what it asks for, as it is today.
    pub(crate) fn grant_of(&self, wanted: &Wanted) -> Result<Arc<Grant>> {
        let directory = self.directory();
        directory.grant(&wanted.client_id, &wanted.audience, wanted.grant).cloned().ok_or(Error::GrantMissing)
    }

    /// A session of a person, for a client and what it asked for. Written by the caller.
    pub(crate) fn new_session(&self, caller: &Caller, person: &Person, wanted: Wanted) -> Result<Session> {
        let directory = self.directory();
        let refreshable = caller.scopes(self, &directory)?.has(REFRESH);
        let lives = if refreshable { self.platform().session_lifetime } else { self.token_lifetime(&directory) };
        Ok(self.session_for(person, wanted, lives))
    }

    /// A session that lives so long. Written by the caller.
    pub(crate) fn session_for(&self, person: &Person, wanted: Wanted, lives: Seconds) -> Session {
        let now = self.now();
        Session {
            id: SessionId(self.platform().source.id(now)),
            person: person.id(),
            subject: person.subject(),
            wanted,
            generation: 0,
            rotated_at: now,
            expires_at: now.plus(lives),
        }
    }

    /// The first tokens of a session that was written.
    pub(crate) async fn open_session(&self, caller: &Caller, session: &Session) -> Result<AccessToken> {
        let issued = self.session_token(session).await?;
        self.platform().measures.issued(match session.wanted.grant {
            GrantType::AuthorizationCode => Issued::AuthorizationCode,
            _ => Issued::Password,
        });
        let refreshable = caller.scopes(self, &self.directory())?.has(REFRESH);
        Ok(AccessToken { refresh_token: refreshable.then(|| self.refresh_token(session)), ..issued })
    }

    /// The refresh token of a session as it is now.
    pub(crate) fn refresh_token(&self, session: &Session) -> Secret {
        let Session { id, generation, .. } = session;
        self.platform().vault.hand_out(Ticket { account: self.id(), kind: TICKET, id: id.0, generation: *generation })
    }

    /// The access token of a session as it is now: what its client's grant gives today of what was asked for.
    ///
    /// Errors: `GrantMissing` where the client has no such grant any more.
    pub(crate) async fn session_token(&self, session: &Session) -> Result<AccessToken> {
        let Wanted { client_id, audience, .. } = &session.wanted;
        let (scope, now) = (session.wanted.scope.held_by(&self.grant_of(&session.wanted)?.scope), self.now());
        let lifetime = self.token_lifetime(&self.directory()).min(session.expires_at.seconds() - now.seconds());
        if lifetime < 1 {
            return Err(Error::InvalidGrant);
        }
        let mut claims = self.claims(client_id, audience.text(&self.platform().public), &scope, lifetime);
        claims.sub.clone_from(&session.subject);
        claims.sid = Some(session.id);
        claims.gty = Some(session.wanted.grant);
        let token = self.sign(&claims).await?;
        Ok(AccessToken { token, expires_in: lifetime, scope, refresh_token: None, allowance: None })
    }

    /// A new access token, and the next refresh token, for the client that has this one (RFC 6749 section 6). `wanted`: fewer
    /// scopes than the session has, for this access token.
    ///
    /// Errors: `InvalidGrant` for a token that is none, has ended, is another client's, or was used before; then, after
    /// the grace, the session has ended, too. `InsufficientScope` for a client that may not have refresh tokens (any more);
    /// `GrantMissing`; `InvalidScope`.
    pub async fn renew(&self, caller: Caller, token: &str, wanted: Option<&str>) -> Result<AccessToken> {
        let (id, generation) = self.session_ticket(token).ok_or(Error::InvalidGrant)?;
        let client = self.calling_client(&caller)?;
        if !caller.scopes(self, &self.directory())?.has(REFRESH) {
            return Err(Error::InsufficientScope);
        }
        let asked = wanted.map(str::to_owned);
        let (session, scope) = self.move_on(&caller, (id, generation), client, asked).await?;
        let narrowed = Session { wanted: Wanted { scope, ..session.wanted.clone() }, ..session.clone() };
        let issued = self.session_token(&narrowed).await?;
        self.platform().measures.issued(Issued::Refresh);
        Ok(AccessToken { refresh_token: Some(self.refresh_token(&session)), ..issued })
    }

    /// The ticket of a session, if this is one.
    pub(crate) fn session_ticket(&self, token: &str) -> Option<(SessionId, u32)> {
        let ticket = self.platform().vault.take_back(self.id(), TICKET, token)?;
        Some((SessionId(ticket.id), ticket.generation))
    }

    /// Moves a session on from this generation, and yields it with the scopes that were asked for. What is refused in any case
    /// does not move it.
    ///
    /// Errors: `InvalidGrant` where it has ended, is another client's, or was moved on before; then it has ended now.
    /// `GrantMissing`; `InvalidScope`.
    async fn move_on(
        &self,
        caller: &Caller,
        at: (SessionId, u32),
        client: ClientKey,
        asked: Option<String>,
    ) -> Result<(Session, Scopes)> {
        let account = self.clone();
        let moved = self.move_session(caller, at, client, move |session| {
            account.grant_of(&session.wanted)?;
            narrowed(&session.wanted.scope, asked.as_deref())
        });
        moved.await
    }

    /// Moves a session on from this generation if `may` lets it, and yields both. One that is not the latest ends it.
    pub(crate) async fn move_session<T: Send + 'static>(
        &self,
        caller: &Caller,
        at: (SessionId, u32),
        client: ClientKey,
        may: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<(Session, T)> {
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let moved = self.write_rows(caller, async move |tx| {
            let moved = match store::sessions::rotate(tx, account.id(), at, client, now).await? {
                Some(session) => Some(session),
                None => account.used_again(tx, &by, at, client, now).await?,
            };
            // A refusal undoes the move with its turn.
            moved.map(|session| may(&session).map(|let_go| (session, let_go))).transpose()
        });
        moved.await?.ok_or(Error::InvalidGrant)
    }

    /// A refresh token that is not the latest of its session: within the grace the same successor, else its end.
    async fn used_again(
        &self,
        tx: &Tx<'_>,
        by: &Caller,
        (id, generation): (SessionId, u32),
        client: ClientKey,
        now: Instant,
    ) -> Result<Option<Session>> {
        let session = store::sessions::find(tx, self.id(), id, now).await?;
        // Another client's token proves nothing about this one.
        let Some(session) = session.filter(|session| session.wanted.client == client) else { return Ok(None) };
        // A browser shows what it has for as long as it has seen no other: there the answer was lost.
        let patient = client == console::CLIENT || now < session.rotated_at.plus(GRACE);
        let retried = session.generation == generation + 1 && patient;
        if retried {
            return Ok(Some(session));
        }
        if store::sessions::end(tx, self.id(), id, now).await? {
            self.tell(tx, &self.activity("session.refresh_reused", by, id));
        }
        Ok(None)
    }

    /// Ends the session behind a refresh token (contract no. 7), if there is one. Whatever else the text may be, nothing
    /// happens.
    pub async fn revoke(&self, caller: Caller, token: &str) -> Result<()> {
        match self.session_ticket(token) {
            Some((session, _)) => self.end_session(caller, session, None).await,
            None => Ok(()),
        }
    }

    /// A client that knows its secret ends a session of its own, by its refresh token or by an access token of it
    /// (RFC 7009). Whatever else the text may be, nothing happens.
    ///
    /// Errors: `InvalidClient`.
    pub async fn revoke_for(&self, proof: &ClientSecret, token: &str, origin: Origin) -> Result<()> {
        let client = self.prove(proof)?;
        let refresh = self.session_ticket(token).map(|(session, _)| session);
        let access = || self.open(token, &self.directory()).ok().and_then(|verified| verified.claims.sid);
        match refresh.or_else(access) {
            Some(session) => self.end_session(Caller::at(origin), session, Some(client)).await,
            None => Ok(()),
        }
    }

    /// Ends one session; where a client is given, only if it is that one's.
    pub(crate) async fn end_session(&self, caller: Caller, id: SessionId, of: Option<Arc<Client>>) -> Result<()> {
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let mut told = account.activity("session.ended", &by, id);
            if let Some(client) = of {
                let session = store::sessions::find(tx, account.id(), id, now).await?;
                if session.is_none_or(|session| session.wanted.client != client.key) {
                    return Ok(());
                }
                told.subject = client.client_id.to_string();
            }
            if store::sessions::end(tx, account.id(), id, now).await? {
                account.tell(tx, &told);
            }
            Ok(())
        })
        .await
    }

    /// The live session behind a refresh token.
    pub(crate) async fn session(&self, token: &str) -> Result<Option<Session>> {
        let Some((id, generation)) = self.session_ticket(token) else { return Ok(None) };
        let session = store::sessions::find(&self.platform().store.read, self.id(), id, self.now()).await?;
        Ok(session.filter(|session| session.generation == generation))
    }

    /// Refuses where the session of a token, if it has one, has ended.
    pub(crate) async fn check_session(&self, claims: &Claims) -> Result<()> {
        let Some(id) = claims.sid else { return Ok(()) };
        let account = if claims.member().is_some() { AccountId::console() } else { self.id() };
        let lives = store::sessions::lives(&self.platform().store.read, account, id, self.now()).await?;
        match claims.token_use {
            _ if lives => Ok(()),
            TokenUse::Installer => Err(self.why_ended(claims).await?),
            _ => Err(Error::Unauthorized),
        }
    }

    /// The client that calls for itself: no person and no partner can vouch for a login.
    pub(crate) fn calling_client(&self, caller: &Caller) -> Result<ClientKey> {
        let claims = caller.claims().filter(|claims| claims.sid.is_none() && claims.act.is_none() && claims.member().is_none());
        let client = claims.and_then(|claims| self.directory().clients.get(&claims.client_id).map(|client| client.key));
        client.ok_or(Error::InsufficientScope)
    }
}
