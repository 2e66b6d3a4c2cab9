//! Auth users (contract nos. 24-27). They stand in SQL only: an account may have millions.

use serde_json::json;
use tenantry_domain::{
    AuthUser, AuthUserChange, AuthUserId, AuthUserInput, Change, Credential, Error, Instant, Password, PasswordHash, Realm,
    Recovery, Result, Stamp, Username, check_channels, fold,
};

use crate::account::Account;
use crate::caller::Caller;
use crate::store::{self, Tx};

/// What the names of users begin with whom an identity provider vouches for.
pub(crate) const FEDERATED: &str = "oidc-";

/// Which users to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// What the username begins with, without regard to case.
    pub search: Option<String>,
    /// After this user.
    pub after: Option<AuthUserId>,
    /// How many at most.
    pub limit: u64,
}

impl Account {
    /// One live user.
    pub async fn user(&self, name: &Username) -> Result<AuthUser> {
        store::users::find(&self.platform().store.read, self.id(), Realm::Users, name).await?.ok_or(Error::NotFound)
    }

    /// Live users in order of creation.
    pub async fn users(&self, filter: &UserFilter) -> Result<Vec<AuthUser>> {
        let read = &self.platform().store.read;
        store::users::page(read, self.id(), filter.search.as_deref(), filter.after, filter.limit).await
    }

    /// Creates a user.
    ///
    /// Errors: `Duplicate` where another live user has the name, `Invalid` for a second factor that leads nowhere.
    pub async fn create_user(&self, by: Caller, input: AuthUserInput) -> Result<AuthUser> {
        let AuthUserInput { username, credential, links, mfa } = input;
        check_mfa(mfa.as_deref(), &links)?;
        let password = match credential {
            Credential::Password(password) => self.hash(differing(password, &username)?).await?,
            Credential::Imported(hash) => hash,
        };
        let (source, now) = (self.platform().source.clone(), self.now());
        let id = AuthUserId(source.id(now));
        let stamp = Stamp::new(now, by.subject());
        let user = AuthUser {
            id,
            stamp,
            realm: Realm::Users,
            username,
            password,
            links,
            mfa,
            enabled: true,
            totp: None,
            recovery: Recovery::default(),
            pin: None,
        };
        let (account, by_whom) = (self.clone(), by.clone());
        self.write_rows(&by, async move |tx| {
            store::users::insert(tx, account.id(), &user).await?;
            account.tell(tx, &account.activity("user.created", &by_whom, user.id));
            Ok(user)
        })
        .await
    }

    /// Sets a user's password and, where they are given, its links and second factor. Its sessions end.
    pub async fn update_user(&self, by: Caller, name: Username, change: AuthUserChange) -> Result<AuthUser> {
        let AuthUserChange { password, links, mfa } = change;
        let fields: Vec<&str> = [("password", true), ("links", links.is_some()), ("mfa", mfa != Change::Keep)]
            .into_iter()
            .filter_map(|(field, given)| given.then_some(field))
            .collect();
        let password = self.hash(differing(password, &name)?).await?;
        self.move_user(by, name, "user.updated", fields, Sessions::End, move |mut user, _| {
            user.password = password;
            user.links = links.unwrap_or(user.links);
            user.mfa = mfa.apply(user.mfa);
            check_mfa(user.mfa.as_deref(), &user.links)?;
            Ok(user)
        })
        .await
    }

    /// Gives a user another name. Its sessions go on.
    ///
    /// Errors: `Duplicate` where another live user has the name.
    pub async fn rename_user(&self, by: Caller, name: Username, next: Username) -> Result<AuthUser> {
        if name.as_str().starts_with(FEDERATED) {
            return Err(Error::invalid("username", "is what its identity provider is known by, and stays"));
        }
        let rename = move |user, _| Ok(AuthUser { username: next, ..user });
        self.move_user(by, name, "user.renamed", vec!["username"], Sessions::Keep, rename).await
    }

    /// Lets a user in again, or shuts it out; then its sessions end.
    pub async fn enable_user(&self, by: Caller, name: Username, enabled: bool) -> Result<AuthUser> {
        let (kind, sessions) = if enabled { ("user.enabled", Sessions::Keep) } else { ("user.disabled", Sessions::End) };
        self.move_user(by, name, kind, vec!["enabled"], sessions, move |user, _| Ok(AuthUser { enabled, ..user })).await
    }

    /// Soft-deletes a user. Its sessions end, its password is forgotten, its name is free again.
    pub async fn delete_user(&self, by: Caller, name: Username) -> Result<AuthUser> {
        let who = by.subject().to_owned();
        self.move_user(by, name, "user.deleted", Vec::new(), Sessions::End, move |user, now| {
            let stamp = user.stamp.removed(now, &who);
            Ok(AuthUser { stamp, password: PasswordHash::from(String::new()), enabled: false, ..user })
        })
        .await
    }

    /// Changes one live user, alone, in one turn, and tells of it: which fields, never what stands in them.
    async fn move_user(
        &self,
        by: Caller,
        name: Username,
        kind: &'static str,
        fields: Vec<&'static str>,
        sessions: Sessions,
        change: impl FnOnce(AuthUser, Instant) -> Result<AuthUser> + Send + 'static,
    ) -> Result<AuthUser> {
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx: &Tx<'_>| {
            let old = store::users::lock(tx, account.id(), &name).await?;
            let mut records = vec![old.id.0];
            if let (Sessions::End, Some(id)) = (sessions, old.customer()) {
                // Whoever is the same customer is the same person.
                records.extend(store::customers::find(tx, account.id(), id).await?.map(|customer| customer.key.0));
                records.extend(store::users::of_customer(tx, account.id(), id, false).await?.iter().map(|user| user.id.0));
            }
            let mut user = change(old, now)?;
            if user.stamp.deleted.is_none() {
                user.stamp = user.stamp.touched(now);
            }
            store::users::update(tx, account.id(), &user).await?;
            if sessions == Sessions::End {
                store::sessions::end_all(tx, account.id(), &records, now).await?;
                // What was begun with the old password or the old telephone ends, too.
                store::challenges::end_all(tx, account.id(), &records, now).await?;
                store::outbox::forget(tx, account.id(), &records).await?;
            }
            let told = account.activity(kind, &by_whom, user.id);
            account.tell(tx, &if fields.is_empty() { told } else { told.after(json!({"fields": fields})) });
            Ok(user)
        })
        .await
    }

    /// Hashes a password that was chosen here.
    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash> {
        let platform = self.platform();
        platform.hashes.make(self.place_for_hash()?, password, platform.source.bytes()).await
    }
}

/// What becomes of a user's sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sessions {
    Keep,
    End,
}

/// Refuses a password that is the user's name.
pub(crate) fn differing(password: Password, name: &Username) -> Result<Password> {
    let same = fold(password.reveal()) == name.key();
    if same { Err(Error::invalid("password", "must not be the username")) } else { Ok(password) }
}

fn check_mfa(mfa: Option<&[tenantry_domain::Channel]>, links: &[tenantry_domain::Link]) -> Result<()> {
    mfa.map_or(Ok(()), |mfa| check_channels(mfa, links)).map_err(|fault| Error::invalid("mfa.oob_channels", fault))
}
