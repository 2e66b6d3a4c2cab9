//! What customers prove themselves with: it stands in the auth user that a customer is.

use tenantry_domain::{
    AuthUser, AuthUserId, Customer, CustomerKey, Error, Link, Password, PasswordHash, Pin, Proof, Realm, Recovery, Result,
    Scopes, Stamp,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::login::USERS;
use crate::store::{self, Tx};

/// What a customer is to prove itself with, as it is kept.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) password: Option<PasswordHash>,
    pub(crate) pin: Option<PasswordHash>,
}

impl Account {
    /// The records under which a customer is a person: its own, and its auth users'.
    pub(crate) async fn person_records(&self, tx: &Tx<'_>, customer: &Customer) -> Result<Vec<Uuid>> {
        let users = store::users::of_customer(tx, self.id(), &customer.customer_id, true).await?;
        Ok(users.iter().map(|user| user.id.0).chain([customer.key.0]).collect())
    }

    /// Ends all sessions of a customer, and what was begun to open one.
    pub(crate) async fn end_person(&self, tx: &Tx<'_>, customer: &Customer) -> Result<()> {
        let (records, now) = (self.person_records(tx, customer).await?, self.now());
        store::sessions::end_all(tx, self.id(), &records, now).await?;
        store::challenges::end_all(tx, self.id(), &records, now).await
    }

    /// Hashes what a customer is to prove itself with.
    pub(crate) async fn keep_proof(&self, customer: CustomerKey, proof: Proof) -> Result<Kept> {
        let Proof { password, imported, pin } = proof;
        let password = match password {
            Some(password) => Some(self.hash(password).await?),
            None => imported,
        };
        let pin = match pin {
            Some(pin) => Some(self.hash(self.peppered(customer, &pin)?).await?),
            None => None,
        };
        Ok(Kept { password, pin })
    }

    /// A pin under a key of the server: from the database alone it cannot be guessed.
    pub(crate) fn peppered(&self, customer: CustomerKey, pin: &Password) -> Result<Password> {
        let text = format!("{customer}.{}", pin.reveal());
        Password::shown(self.platform().vault.derived(self.id(), "pin", &text).reveal().to_owned()).map_err(Error::Internal)
    }

    /// Keeps what a customer proves itself with, in its auth user, which is made if there is none. Its sessions end.
    pub(crate) async fn set_proof(&self, tx: &Tx<'_>, customer: &Customer, kept: Kept, by: &Caller) -> Result<()> {
        let Kept { password, pin } = kept;
        if password.is_none() && pin.is_none() {
            return Ok(());
        }
        if !customer.kind.logs_in() {
            return Err(Error::invalid("password", "is only for the types customer and company, which can log in"));
        }
        let pin = pin.map(|hash| Pin { hash, failures: 0 });
        let users = store::users::of_customer(tx, self.id(), &customer.customer_id, true).await?;
        if let Some(user) = users.into_iter().next() {
            let password = password.unwrap_or_else(|| user.password.clone());
            let user = AuthUser { stamp: user.stamp.touched(self.now()), password, pin: pin.or(user.pin), ..user };
            store::users::update(tx, self.id(), &user).await?;
            return self.end_person(tx, customer).await;
        }
        let now = self.now();
        let user = AuthUser {
            id: AuthUserId(self.platform().source.id(now)),
            stamp: Stamp::new(now, by.subject()),
            realm: Realm::Users,
            username: format!("customer-{}", customer.key).parse().map_err(Error::Internal)?,
            password: password.unwrap_or_else(|| PasswordHash::from(String::new())),
            links: vec![Link::Customer(customer.customer_id.clone())],
            mfa: None,
            enabled: true,
            totp: None,
            recovery: Recovery::default(),
            pin,
        };
        store::users::insert(tx, self.id(), &user).await
    }
}

/// What somebody proves itself with is set by those who may set that of auth users.
pub(crate) fn refuse_proof(held: Option<&Scopes>, proof: &Proof) -> Result<()> {
    if proof.is_given() && held.is_some_and(|held| !held.has(USERS)) { Err(Error::InsufficientScope) } else { Ok(()) }
}
