//! Logging in with a name and a password (contract no. 8, `password`).

use std::net::IpAddr;

use tenantry_domain::{AuthUser, Error, GrantType, Password, Result, Username};

use crate::account::Account;
use crate::caller::Caller;
use crate::challenges::Kind;
use crate::events::Content;
use crate::people::Person;
use crate::sessions::{Login, Wanted};
use crate::store;
use crate::tokens::narrowed;

/// The scope that lets a client skip the second factor.
pub(crate) const NO_MFA: &str = "write:accounts:/auth/users/no-mfa";

/// A person's word, brought by a client.
pub struct PasswordLogin<'r> {
    /// What the person calls itself.
    pub username: &'r str,
    /// What it proves that with.
    pub password: Password,
    /// Where the person is, if the client says so.
    pub address: Option<IpAddr>,
    /// Whom the token is for.
    pub audience: &'r str,
    /// Fewer scopes than the client's grant gives, blank-separated.
    pub scope: Option<&'r str>,
}

impl Account {
    /// A token for the person who knows a user's password, or the handle of a challenge where that is not enough. A name that
    /// nobody has, a user that is shut out and a wrong password take the same time and are refused in the same words.
    ///
    /// Errors: `InvalidCredentials`; `TooManyAttempts`; `GrantMissing` where the client has no grant for passwords and this
    /// audience; `Busy` and `Unavailable` where too many passwords wait.
    pub async fn login(&self, caller: Caller, login: PasswordLogin<'_>) -> Result<Login> {
        let (directory, platform) = (self.directory(), self.platform());
        let (client, held) = (self.calling_client(&caller)?, caller.scopes(self, &directory)?);
        let client_id = caller.claims().ok_or(Error::Unauthorized)?.client_id.clone();
        let audience = self.own_audience(login.audience)?;
        let grant = directory.grant(&client_id, &audience, GrantType::Password).ok_or(Error::GrantMissing)?;
        let scope = narrowed(&grant.scope, login.scope)?;

        // What cannot be a name is nobody's.
        let name = login.username.parse::<Username>().ok();
        let key = name.as_ref().map_or_else(|| login.username.to_owned(), Username::key);
        let attempt = self.attempt(&key, login.address, caller.origin.ip);
        self.count(attempt).await?;
        let user = match &name {
            Some(name) => store::users::find(&platform.store.read, self.id(), name).await?,
            None => None,
        };
        let kept = user.as_ref().filter(|user| user.enabled).map(|user| user.password.clone());
        let checked = match platform.hashes.check(self.id(), login.password, kept, platform.source.bytes()).await {
            Ok(checked) => checked,
            Err(full) => {
                let account = self.clone();
                self.write_rows(&caller, async move |tx| attempt.untried(tx, &account).await).await?;
                return Err(full);
            }
        };
        if !checked.right {
            let (account, by) = (self.clone(), caller.clone());
            // Told, and thereby written, for whomever it was: one refusal takes as long as another.
            let known = user.map(|user| user.id.to_string());
            let tell = async move |tx: &store::Tx<'_>| {
                account.tell(tx, &Content { target: known, ..account.activity("login.refused", &by, "") });
                Ok(())
            };
            self.write_rows(&caller, tell).await?;
            return Err(Error::InvalidCredentials);
        }
        let user = user.ok_or(Error::InvalidCredentials)?;
        let wanted = Wanted { client, client_id, audience, grant: GrantType::Password, scope };
        let (account, by) = (self.clone(), caller.clone());
        // Whoever was shut out, or got another password, since it was compared, stays out.
        let (id, compared) = (user.id, user.password.clone());
        let admit = async move |tx: &store::Tx<'_>| {
            attempt.succeeded(tx, &account).await?;
            let now_kept = store::users::get(tx, account.id(), id.0, true).await?;
            let now_kept = now_kept.filter(|now_kept| now_kept.password == compared && now_kept.enabled);
            let now_kept = now_kept.ok_or(Error::InvalidCredentials)?;
            if let Some(better) = checked.better {
                store::users::update(tx, account.id(), &AuthUser { password: better, ..now_kept }).await?;
            }
            Ok(())
        };
        if user.mfa.is_some() && !held.has(NO_MFA) {
            let challenge = self.challenge(Kind::SecondFactor, (Some(user.id.0), &key), wanted);
            let (account, kept) = (self.clone(), challenge.clone());
            let begin = async move |tx: &store::Tx<'_>| {
                admit(tx).await?;
                store::challenges::insert(tx, account.id(), &kept, account.now()).await
            };
            self.write_rows(&caller, begin).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&challenge)));
        }
        let session = self.new_session(&caller, &Person::User(user), wanted)?;
        let (account, opened) = (self.clone(), session.clone());
        let open = async move |tx: &store::Tx<'_>| {
            admit(tx).await?;
            store::sessions::insert(tx, account.id(), &opened).await?;
            account.tell(tx, &account.activity("user.logged_in", &by, id));
            Ok(())
        };
        self.write_rows(&caller, open).await?;
        self.open_session(&caller, &session).await.map(Login::Done)
    }
}
