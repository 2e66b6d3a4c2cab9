//! Logging in with a name and a password (contract no. 8, `password`).

use std::net::IpAddr;

use tenantry_domain::{AuthUser, Error, GrantType, Password, PasswordHash, Pin, Realm, Result, Username};

use crate::account::Account;
use crate::attempts::Attempt;
use crate::caller::Caller;
use crate::challenges::{Challenge, Kind};
use crate::events::Content;
use crate::hashing::Place;
use crate::people::Person;
use crate::sessions::{Login, Session, Wanted};
use crate::store::{self, Tx};
use crate::tokens::narrowed;

/// The scope of whoever sets what people prove themselves with.
pub(crate) const USERS: &str = "write:accounts:/auth/users";
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

/// Somebody who has shown a user's password. It counts as a failure until it is admitted.
pub(crate) struct Proven {
    pub(crate) user: AuthUser,
    attempt: Attempt,
    /// The password in today's form, if it is kept in another.
    better: Option<PasswordHash>,
    /// Whether it was the pin.
    by_pin: bool,
}

/// What somebody shows.
pub(crate) enum Shown {
    /// Its password.
    Password(Password),
    /// Its pin, under the key of the server.
    Pin(Password),
}

/// Under which name attempts of somebody are counted.
pub(crate) fn counted_name(realm: Realm, key: &str) -> String {
    match realm {
        Realm::Users => key.to_owned(),
        Realm::Console => format!("console {key}"),
        Realm::Installers => format!("installer {key}"),
    }
}

impl Account {
    /// A token for the person who knows a user's password, or the handle of a challenge where that is not enough. A name that
    /// nobody has, a user that is shut out and a wrong password take the same time and are refused in the same words.
    ///
    /// Errors: `InvalidCredentials`; `TooManyAttempts`; `GrantMissing` where the client has no grant for passwords and this
    /// audience; `Busy` and `Unavailable` where too many passwords wait.
    pub async fn login(&self, caller: Caller, login: PasswordLogin<'_>) -> Result<Login> {
        let directory = self.directory();
        let (client, held) = (self.calling_client(&caller)?, caller.scopes(self, &directory)?);
        let client_id = caller.claims().ok_or(Error::Unauthorized)?.client_id.clone();
        let audience = self.own_audience(login.audience)?;
        let grant = directory.grant(&client_id, &audience, GrantType::Password).ok_or(Error::GrantMissing)?;
        let scope = narrowed(&grant.scope, login.scope)?;
        let wanted = Wanted { client, client_id, audience, grant: GrantType::Password, scope };
        let shown = (login.username, login.password);
        let proven = self.prove_password(&caller, Realm::Users, shown, login.address).await?;
        let person = Person::User(proven.user.clone(), Vec::new());
        if let Some((record, key)) = self.second_factor_of(&person).await?.filter(|_| !held.has(NO_MFA)) {
            let challenge = self.challenge(Kind::SecondFactor, (Some(record), &key), wanted);
            self.admit_to(&caller, proven, challenge.clone()).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&challenge)));
        }
        let session = self.new_session(&caller, &person, wanted)?;
        self.admit_with(&caller, proven, session.clone()).await?;
        self.open_session(&caller, &session).await.map(Login::Done)
    }

    /// Checks a password. The attempt is counted before anybody knows.
    pub(crate) async fn prove_password(
        &self,
        caller: &Caller,
        realm: Realm,
        (username, password): (&str, Password),
        address: Option<IpAddr>,
    ) -> Result<Proven> {
        let platform = self.platform();
        // A flood is turned away before it costs a write.
        let place = self.place_for_hash()?;
        // What cannot be a name is nobody's.
        let name = username.parse::<Username>().ok();
        let key = name.as_ref().map_or_else(|| username.to_owned(), Username::key);
        let attempt = self.attempt(&counted_name(realm, &key), address, caller.origin.ip);
        self.count(attempt).await?;
        let user = match &name {
            Some(name) => store::users::find(&platform.store.read, self.id(), realm, name).await?,
            None => None,
        };
        self.compare(caller, (place, attempt), user, Shown::Password(password)).await
    }

    /// Compares what is shown with what is kept of somebody, or of nobody.
    pub(crate) async fn compare(
        &self,
        caller: &Caller,
        (place, attempt): (Place, Attempt),
        user: Option<AuthUser>,
        shown: Shown,
    ) -> Result<Proven> {
        let platform = self.platform();
        let user = user.filter(|user| user.enabled);
        let (shown, kept) = match shown {
            // Whoever has not chosen a password yet is as nobody.
            Shown::Password(password) => {
                let kept = user.as_ref().map(|user| user.password.clone()).filter(|kept| !kept.as_str().is_empty());
                (password, kept.map(|kept| (kept, false)))
            }
            Shown::Pin(pin) => {
                let kept = self.try_pin(user.as_ref()).await?;
                (pin, kept.map(|kept| (kept, true)))
            }
        };
        let (kept, by_pin) = kept.unzip();
        let checked = platform.hashes.check(place, shown, kept, platform.source.bytes()).await?;
        if !checked.right {
            let (account, by) = (self.clone(), caller.clone());
            // Told, and thereby written, for whomever it was: one refusal takes as long as another.
            let known = user.map(|user| user.id.to_string());
            let tell = async move |tx: &Tx<'_>| {
                account.tell(tx, &Content { target: known, ..account.activity("login.refused", &by, "") });
                Ok(())
            };
            self.write_rows(caller, tell).await?;
            return Err(Error::InvalidCredentials);
        }
        let by_pin = by_pin.unwrap_or_default();
        Ok(Proven { user: user.ok_or(Error::InvalidCredentials)?, attempt, better: checked.better.filter(|_| !by_pin), by_pin })
    }

    /// Counts a try of a pin, before anybody compares it; yields it where it may be tried. For nobody as much is written.
    async fn try_pin(&self, user: Option<&AuthUser>) -> Result<Option<PasswordHash>> {
        let (account, id) = (self.id(), user.map(|user| user.id.0).unwrap_or_default());
        self.platform().store.turns.take(async move |tx| store::users::try_pin(tx, account, id, Pin::TRIES).await).await
    }

    /// The challenge of somebody whose password alone is not enough.
    pub(crate) fn challenge_for(&self, proven: &Proven, wanted: Wanted) -> Challenge {
        let key = counted_name(proven.user.realm, &proven.user.username.key());
        self.challenge(Kind::SecondFactor, (Some(proven.user.id.0), &key), wanted)
    }

    /// Lets somebody in as far as a challenge.
    pub(crate) async fn admit_to(&self, caller: &Caller, proven: Proven, challenge: Challenge) -> Result<()> {
        let account = self.clone();
        let begin = async move |tx: &Tx<'_>| {
            account.admit(tx, &proven).await?;
            store::challenges::insert(tx, account.id(), &challenge, account.now()).await
        };
        self.write_rows(caller, begin).await
    }

    /// Lets somebody in, with a session.
    pub(crate) async fn admit_with(&self, caller: &Caller, proven: Proven, session: Session) -> Result<()> {
        let (account, by) = (self.clone(), caller.clone());
        let open = async move |tx: &Tx<'_>| {
            let user = account.admit(tx, &proven).await?;
            if user.has_second_factor() && !proven.user.has_second_factor() {
                // It was turned on meanwhile, and has not been shown.
                return Err(Error::InvalidCredentials);
            }
            store::sessions::insert(tx, account.id(), &session).await?;
            account.tell(tx, &account.logged_in(&by, proven.user.subject(), proven.user.id));
            Ok(())
        };
        self.write_rows(caller, open).await
    }

    /// The attempt has not failed. Whoever was shut out, or got another password, since it was compared, stays out. Yields what is kept
    /// of them now.
    pub(crate) async fn admit(&self, tx: &Tx<'_>, proven: &Proven) -> Result<AuthUser> {
        proven.attempt.succeeded(tx, self).await?;
        let now_kept = store::users::get(tx, self.id(), proven.user.id.0, true).await?;
        let pin = |user: &AuthUser| user.pin.as_ref().map(|pin| pin.hash.clone());
        let same = |now_kept: &AuthUser| {
            let same = if proven.by_pin { pin(now_kept) == pin(&proven.user) } else { now_kept.password == proven.user.password };
            same && now_kept.enabled
        };
        let mut user = now_kept.filter(same).ok_or(Error::InvalidCredentials)?;
        if let Some(pin) = user.pin.as_mut().filter(|_| proven.by_pin) {
            pin.failures = 0;
        }
        if let Some(better) = &proven.better {
            user.password = better.clone();
        }
        if proven.by_pin || proven.better.is_some() {
            store::users::update(tx, self.id(), &user).await?;
        }
        Ok(user)
    }
}
