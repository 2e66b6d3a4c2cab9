//! Installers: they sign up, log in and look after themselves (contract nos. 60-63, 66-68). Each stands in a row of its own; its
//! password stands with those of users, in a realm of its own, so that logging in is one thing for all.

use serde_json::{Value, json};
use tenantry_domain::{
    Audience, AuthUser, AuthUserId, Channel, ClientId, ClientKey, Email, Error, GrantType, Installer, InstallerChange,
    InstallerId, InstallerSignup, KeyPurpose, Password, Realm, Recovery, Result, Scopes, Seconds, Stamp, Verification, fold,
};
use uuid::Uuid;

use crate::account::Account;
use crate::attempts::network;
use crate::caller::{Caller, Origin};
use crate::events::Content;
use crate::installer_links::InstallerLink;
use crate::measures::Issued;
use crate::people::Person;
use crate::sessions::Wanted;
use crate::store::{self, Tx};
use crate::tokens::{AccessToken, Claims, TokenUse};

/// The client of their tokens. No client of an account has this record.
const CLIENT: ClientKey = ClientKey(Uuid::nil());
/// Its name in tokens.
const CLIENT_ID: &str = "installer";
/// How long their tokens, and the sessions behind them, live.
const LIFETIME: Seconds = 3600;
/// How long an address may wait to be confirmed.
const PENDING: Seconds = 86_400;
/// How many may sign up from one network in an hour.
const SIGN_UPS: i64 = 100;

fn client_id() -> ClientId {
    CLIENT_ID.parse().expect("it is a client id")
}

impl Account {
    pub(crate) fn wanted_of_installer(&self) -> Wanted {
        let audience = Audience::Account(self.id());
        Wanted { client: CLIENT, client_id: client_id(), audience, grant: GrantType::Password, scope: Scopes::default() }
    }

    /// Whom installers' tokens are for.
    pub(crate) fn installer_audience(&self) -> String {
        format!("{}/installer", self.platform().public.account(self.id()))
    }

    /// Whether it never confirmed its address: it is as if it had never been.
    pub(crate) fn has_lapsed(&self, installer: &Installer) -> bool {
        installer.pending_until.is_some_and(|until| until <= self.now())
    }

    /// Opens an installer's account (contract nos. 60 and 61); with `confirm` it waits until its address is confirmed by the link
    /// that is sent there, a day at most.
    ///
    /// Errors: `AccountSuspended`, `AccountFrozen`; `EmailTaken`; `WeakPassword` for the address itself; `TooManyAttempts`; `Busy` and `Unavailable` where too many
    /// passwords wait.
    pub async fn sign_up(&self, origin: Origin, sign_up: InstallerSignup, confirm: bool) -> Result<Installer> {
        let InstallerSignup { email, password, profile } = sign_up;
        let caller = Caller::at(origin);
        self.refuse_suspended(&self.directory())?;
        if self.is_frozen(&self.directory()) {
            return Err(Error::AccountFrozen);
        }
        InstallerSignup::differing("password", &password, &email)?;
        self.allow_sign_up(&caller).await?;
        let known = store::installers::by_email(&self.platform().store.read, self.id(), &email, false).await?;
        if known.is_some_and(|known| !self.has_lapsed(&known)) {
            return Err(Error::EmailTaken);
        }
        let password = self.hash(password).await?;
        let now = self.now();
        let id = InstallerId(self.platform().source.id(now));
        let stamp = Stamp::new(now, &id.to_string());
        let user = AuthUser {
            id: AuthUserId(id.0),
            stamp: stamp.clone(),
            realm: Realm::Installers,
            username: email.key().parse().map_err(|fault: String| Error::invalid("email", fault))?,
            password,
            links: Vec::new(),
            mfa: None,
            enabled: true,
            totp: None,
            recovery: Recovery::default(),
            pin: None,
        };
        let installer = Installer {
            id,
            stamp,
            profile,
            pending_until: confirm.then(|| now.plus(PENDING)),
            suspended: false,
            verification: Verification::NotSubmitted,
            document: None,
            reviewed: None,
            rejection_reason: None,
            consent: None,
            email,
        };
        let challenge =
            confirm.then(|| self.installer_challenge(InstallerLink::Confirmation, Some(id), &installer.email, PENDING));
        let (account, by) = (self.clone(), caller.clone());
        let made = self.write_rows(&caller, async move |tx| {
            let known = store::installers::by_email(tx, account.id(), &installer.email, true).await?;
            if let Some(lapsed) = known.filter(|known| account.has_lapsed(known)) {
                store::installers::remove(tx, account.id(), lapsed.id).await?;
            }
            store::installers::insert(tx, account.id(), &installer).await?;
            store::users::insert(tx, account.id(), &user).await.map_err(store::installers::email_taken)?;
            if let Some(challenge) = challenge {
                store::challenges::insert(tx, account.id(), &challenge, now).await?;
                let letter = account.letter(&challenge, Channel::Email, Some(installer.email.as_str().to_owned()));
                account.put_out(tx, &letter).await?;
            }
            account.tell(tx, &account.own_activity("installer.signed_up", &by, id));
            Ok(installer)
        });
        let made = made.await?;
        self.platform().mail.notify_one();
        Ok(made)
    }

    /// Counts somebody who signs up, before it costs anything.
    async fn allow_sign_up(&self, caller: &Caller) -> Result<()> {
        let from = caller.origin.ip.map(network).unwrap_or_default();
        let counted = self.platform().vault.alias(self.id(), "installer sign-up", &from);
        let account = self.clone();
        self.write_rows(caller, async move |tx: &Tx<'_>| account.count_within(tx, counted, (SIGN_UPS, 3600)).await).await
    }

    /// What an installer did itself.
    pub(crate) fn own_activity(&self, kind: &'static str, by: &Caller, id: InstallerId) -> Content {
        Content { subject: id.to_string(), ..self.activity(kind, by, id) }
    }

    /// A token for the installer who knows this address's password (contract no. 62). An address that nobody has and a wrong
    /// password take the same time and are refused in the same words.
    ///
    /// Errors: `InvalidCredentials`; `AccountPending` and `AccountSuspended` for whoever knows the password; `TooManyAttempts`.
    pub async fn log_in_installer(&self, origin: Origin, email: &str, password: Password) -> Result<(AccessToken, InstallerId)> {
        self.refuse_suspended(&self.directory())?;
        let (address, caller) = (origin.ip, Caller::at(origin));
        let name = email.parse::<Email>().map_or_else(|_| fold(email), |email| email.key().to_owned());
        let proven = self.prove_password(&caller, Realm::Installers, (&name, password), address).await?;
        let id = InstallerId(proven.user.id.0);
        let session = self.session_for(&Person::User(proven.user.clone(), Vec::new()), self.wanted_of_installer(), LIFETIME);
        let (account, by, opened) = (self.clone(), caller.clone(), session.clone());
        let admitted = self.write_rows(&caller, async move |tx| {
            let installer = store::installers::get(tx, account.id(), id, true).await?;
            let installer = installer.filter(|installer| !account.has_lapsed(installer)).ok_or(Error::InvalidCredentials)?;
            account.admit(tx, &proven).await?;
            // Whoever knows the password is told, and has not failed.
            if installer.suspended {
                return Ok(Some(Error::AccountSuspended));
            }
            if installer.is_pending() {
                return Ok(Some(Error::AccountPending));
            }
            store::sessions::insert(tx, account.id(), &opened).await?;
            account.tell(tx, &account.logged_in(&by, id.to_string(), id));
            Ok(None)
        });
        if let Some(why) = admitted.await? {
            return Err(why);
        }
        let scope = session.wanted.scope.clone();
        let mut claims = self.claims(&client_id(), self.installer_audience(), &scope, LIFETIME);
        claims.sub = session.subject;
        claims.sid = Some(session.id);
        claims.token_use = TokenUse::Installer;
        let token = self.sign_with(KeyPurpose::Installers, claims.token_use.typ(), &claims).await?;
        self.platform().measures.issued(Issued::Installer);
        Ok((AccessToken { token, expires_in: LIFETIME, scope, refresh_token: None, allowance: None }, id))
    }

    /// Ends the session behind the token that calls (contract no. 63).
    pub async fn log_out_installer(&self, caller: Caller) -> Result<()> {
        let session = caller.claims().and_then(|claims| claims.sid).ok_or(Error::Unauthorized)?;
        self.end_session(caller, session, None).await
    }

    /// Why a token of an installer is good for nothing, whose session has ended.
    pub(crate) async fn why_ended(&self, claims: &Claims) -> Result<Error> {
        let Ok(id) = claims.sub.parse() else { return Ok(Error::Unauthorized) };
        let installer = store::installers::get(&self.platform().store.read, self.id(), id, false).await?;
        let suspended = installer.is_some_and(|installer| installer.suspended);
        Ok(if suspended { Error::AccountSuspended } else { Error::TokenExpired })
    }

    /// The installer who calls (contract nos. 66 and 68).
    ///
    /// Errors: `Unauthorized`; `AccountSuspended`.
    pub async fn own_installer(&self, caller: &Caller) -> Result<Installer> {
        let found = store::installers::get(&self.platform().store.read, self.id(), caller.installer()?, false).await?;
        refuse_shut_out(found)
    }

    /// Changes the installer who calls, alone, in one turn, and tells of it, but never what stands in its fields.
    pub(crate) async fn move_own_installer(
        &self,
        by: Caller,
        kind: &'static str,
        change: impl FnOnce(Installer) -> Result<(Installer, Value)> + Send + 'static,
    ) -> Result<Installer> {
        let (account, caller, now, id) = (self.clone(), by.clone(), self.now(), by.installer()?);
        self.write_rows(&by, async move |tx| {
            let old = refuse_shut_out(store::installers::get(tx, account.id(), id, true).await?)?;
            let (installer, told) = change(old.clone())?;
            if installer == old {
                return Ok(old);
            }
            let installer = Installer { stamp: installer.stamp.touched(now), ..installer };
            store::installers::update(tx, account.id(), &installer).await?;
            account.tell(tx, &account.activity(kind, &caller, id).after(told));
            Ok(installer)
        })
        .await
    }

    /// Forgets an installer wholly: only its id stays, in the log, without where it was. Its address is free again.
    ///
    /// Errors: `NotFound`.
    pub async fn erase_installer(&self, by: Caller, id: InstallerId) -> Result<()> {
        let (account, caller, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx| {
            store::installers::get(tx, account.id(), id, true).await?.ok_or(Error::NotFound)?;
            store::installers::remove(tx, account.id(), id).await?;
            store::sessions::end_all(tx, account.id(), &[id.0], now).await?;
            store::events::forget_whereabouts(tx, account.id(), &[id.to_string()]).await?;
            let mut told = account.activity("installer.erased", &caller, id);
            if caller.subject() == id.to_string() {
                (told.ip, told.user_agent) = (None, None);
            }
            account.tell(tx, &told);
            Ok(())
        })
        .await
    }

    /// The same for the installer who calls.
    pub async fn erase_own_installer(&self, by: Caller) -> Result<()> {
        let id = self.own_installer(&by).await?.id;
        self.erase_installer(by, id).await
    }

    /// Changes the profile of the installer who calls (contract no. 67). Whoever was approved under another name is looked at
    /// again.
    ///
    /// Errors: `Invalid` for another name while somebody looks at it: who is approved is who was looked at.
    pub async fn update_own_installer(&self, by: Caller, change: InstallerChange) -> Result<Installer> {
        let change = move |old: Installer| {
            let (profile, fields) = old.profile.with(change);
            let renamed = fields.iter().find(|field| field.ends_with("_name"));
            let verification = match (old.verification, renamed) {
                (Verification::UnderReview, Some(field)) => {
                    return Err(Error::invalid(*field, "cannot change while your identity is under review"));
                }
                (Verification::Approved, Some(_)) => Verification::UnderReview,
                (verification, _) => verification,
            };
            Ok((Installer { profile, verification, ..old }, json!({"fields": fields})))
        };
        self.move_own_installer(by, "installer.updated", change).await
    }
}

/// Refuses one that is gone, or shut out.
fn refuse_shut_out(installer: Option<Installer>) -> Result<Installer> {
    let installer = installer.ok_or(Error::Unauthorized)?;
    if installer.suspended { Err(Error::AccountSuspended) } else { Ok(installer) }
}
