//! Account users: how they sign in, and who they are (contract section 9). All of them stand with the operator, whose key signs what says who they are.

use tenantry_domain::{
    AccountId, Audience, AuthUser, Channel, ClientId, ClientKey, Email, Error, GrantType, Password, Realm, Result, Scopes,
    Seconds, fold,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::{Caller, Origin};
use crate::challenges::{Passed, Redeemed, Sent};
use crate::measures::Issued;
use crate::people::Person;
use crate::registry::Registry;
use crate::sessions::{Login, Session, Wanted};
use crate::store;
use crate::tokens::{AccessToken, TokenUse};
use crate::totp::{Shown, Spent};

/// The client of the tokens of account users. No client of an account has this record.
pub(crate) const CLIENT: ClientKey = ClientKey(Uuid::nil());
/// Its name in tokens.
const CLIENT_ID: &str = "console";
/// What says who somebody is, and no more.
const OPENID: &str = "openid";
/// How long a token that says who somebody is lives; the session renews it.
const IDENTITY_LIFETIME: Seconds = 900;
pub(crate) fn client_id() -> ClientId {
    CLIENT_ID.parse().expect("it is a client id")
}

/// What an account user signs in for.
pub(crate) fn wanted() -> Wanted {
    let scope = Scopes::parse(&[OPENID]).expect("it is a scope");
    let audience = Audience::Account(AccountId::console());
    Wanted { client: CLIENT, client_id: client_id(), audience, grant: GrantType::Password, scope }
}

impl Registry {
    /// The account where account users stand.
    pub async fn console(&self) -> Result<Account> {
        self.get(AccountId::console()).await
    }
}

impl Account {
    /// Whom tokens are for that say who an account user is.
    pub(crate) fn console_audience(&self) -> String {
        format!("{}/v1/account", self.platform().public)
    }

    /// Signs an account user in by address and password, or asks for its second factor.
    ///
    /// Errors: as [`Account::login`].
    pub async fn sign_in(&self, origin: Origin, email: &str, password: Password) -> Result<Login> {
        let (address, caller) = (origin.ip, Caller::at(origin));
        // Compared in one form, whoever writes it; what is no address is nobody's.
        let name = email.parse::<Email>().map_or_else(|_| fold(email), |email| email.key().to_owned());
        let proven = self.prove_password(&caller, Realm::Console, (&name, password), address).await?;
        if proven.user.has_second_factor() {
            let challenge = self.challenge_for(&proven, wanted());
            self.admit_to(&caller, proven, challenge.clone()).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&challenge)));
        }
        let session = self.console_session(&Person::User(proven.user.clone(), Vec::new()));
        self.admit_with(&caller, proven, session.clone()).await?;
        self.identity(&session).await.map(Login::Done)
    }

    /// Sends an account user, whose password was right, a code.
    pub async fn send_sign_in_code(&self, origin: Origin, mfa_token: &str, channel: Channel) -> Result<Sent> {
        self.send_code_for(Caller::at(origin), CLIENT, mfa_token, channel).await
    }

    /// Takes the code back.
    pub async fn sign_in_with_code(&self, origin: Origin, redeemed: Redeemed<'_>) -> Result<Login> {
        let caller = Caller::at(origin);
        match self.pass_code(&caller, CLIENT, redeemed).await? {
            Passed::Halfway(handle) => Ok(Login::SecondFactor(handle)),
            Passed::Wholly(passed) => {
                let session = self.console_session(&passed.1);
                self.spend_for(&caller, passed, session.clone(), Spent::sent()).await?;
                self.identity(&session).await.map(Login::Done)
            }
        }
    }

    /// Takes what an app shows, or a recovery code.
    pub async fn sign_in_with_shown(&self, origin: Origin, mfa_token: &str, shown: Shown<'_>) -> Result<Login> {
        let caller = Caller::at(origin);
        let (passed, mark) = self.pass_shown(&caller, CLIENT, mfa_token, shown).await?;
        let session = self.console_session(&passed.1);
        self.spend_for(&caller, passed, session.clone(), mark).await?;
        self.identity(&session).await.map(Login::Done)
    }

    fn console_session(&self, person: &Person) -> Session {
        self.session_for(person, wanted(), self.platform().session_lifetime)
    }

    /// The token that says who the person of a session is, and what renews it.
    async fn identity(&self, session: &Session) -> Result<AccessToken> {
        let scope = session.wanted.scope.clone();
        let lifetime = IDENTITY_LIFETIME.min(session.expires_at.seconds() - self.now().seconds());
        if lifetime < 1 {
            return Err(Error::InvalidGrant);
        }
        let mut claims = self.claims(&client_id(), self.console_audience(), &scope, lifetime);
        claims.sub.clone_from(&session.subject);
        claims.token_use = TokenUse::Identity;
        claims.sid = Some(session.id);
        let token = self.sign(&claims).await?;
        self.platform().measures.issued(Issued::Identity);
        Ok(AccessToken { token, expires_in: lifetime, scope, refresh_token: Some(self.refresh_token(session)), allowance: None })
    }

    /// A new token for the value that renews it, which is thereby replaced.
    ///
    /// Errors: `Unauthorized` for a value that is none, or of a session that has ended.
    pub async fn stay_signed_in(&self, origin: Origin, value: &str) -> Result<AccessToken> {
        let at = self.session_ticket(value).ok_or(Error::Unauthorized)?;
        let moved = self.move_session(&Caller::at(origin), at, CLIENT, |_| Ok(())).await;
        let (session, ()) = moved.map_err(|error| if error == Error::InvalidGrant { Error::Unauthorized } else { error })?;
        self.identity(&session).await
    }

    /// Ends the session of this value; whatever else it may be, nothing happens.
    pub async fn sign_out(&self, origin: Origin, value: &str) -> Result<()> {
        let caller = Caller::at(origin);
        let Some((id, _)) = self.session_ticket(value) else { return Ok(()) };
        let session = store::sessions::find(&self.platform().store.read, self.id(), id, self.now()).await?;
        match session.filter(|session| session.wanted.client == CLIENT) {
            Some(session) => self.end_session(caller, session.id, None).await,
            None => Ok(()),
        }
    }

    /// The account user who calls.
    pub async fn own_record(&self, caller: &Caller) -> Result<AuthUser> {
        let person = caller.person()?;
        let user = store::users::get(&self.platform().store.read, self.id(), person.0, false).await?;
        user.filter(|user| user.enabled).ok_or(Error::Unauthorized)
    }
}
