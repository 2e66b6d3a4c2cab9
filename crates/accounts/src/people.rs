//! Who proves itself here: an auth user, or a customer, who may have auth users of its own. And how nobody learns from the time
//! of an answer who is known.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use tenantry_domain::{AccountId, AuthUser, Customer, Email, Result};
use tokio::time::Instant;
use uuid::Uuid;

use crate::store;

/// Several times what finding somebody and writing it down takes.
const BEAT: Duration = Duration::from_millis(20);

/// Lets an answer to whoever names somebody go out at the next full beat after the question, whatever it is: what somebody who
/// is known takes longer than nobody moves few answers from one beat to the next.
pub(crate) async fn at_a_beat<T>(answer: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = answer.await;
    let beats = begun.elapsed().div_duration_f64(BEAT).ceil();
    tokio::time::sleep_until(begun + BEAT.mul_f64(beats)).await;
    answer
}

/// Somebody who may log in now.
#[derive(Debug, Clone)]
pub(crate) enum Person {
    /// By a password, or by a code that was handed over; with all auth users that are the same customer.
    User(AuthUser, Vec<AuthUser>),
    /// By a code; with the auth users that are this customer.
    Customer(Customer, Vec<AuthUser>),
}

impl Person {
    /// The person with this record, if it may log in. With `lock`, nobody shuts it out before the end of the transaction.
    pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: Uuid, lock: bool) -> Result<Option<Self>> {
        if let Some(customer) = store::customers::get(db, account, id, lock).await? {
            return Self::of_customer(db, account, customer, lock).await;
        }
        let Some(user) = store::users::get(db, account, id, lock).await?.filter(|user| user.enabled) else { return Ok(None) };
        let others = match user.customer() {
            Some(customer) => store::users::of_customer(db, account, customer, lock).await?,
            None => Vec::new(),
        };
        Ok(others.iter().all(|user| user.enabled).then_some(Self::User(user, others)))
    }

    /// A customer, if it may log in: whoever is shut out as a user does not come in as a customer.
    pub(crate) async fn of_customer(
        db: &impl ConnectionTrait,
        account: AccountId,
        customer: Customer,
        lock: bool,
    ) -> Result<Option<Self>> {
        if !customer.kind.logs_in() {
            return Ok(None);
        }
        let users = store::users::of_customer(db, account, &customer.customer_id, lock).await?;
        Ok(users.iter().all(|user| user.enabled).then_some(Self::Customer(customer, users)))
    }

    /// Its record.
    pub(crate) const fn id(&self) -> Uuid {
        match self {
            Self::User(user, _) => user.id.0,
            Self::Customer(customer, _) => customer.key.0,
        }
    }

    /// The subject of its tokens (contract section 3.4).
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::User(user, _) => user.subject(),
            Self::Customer(customer, _) => customer.customer_id.subject(),
        }
    }

    /// Its mail address.
    pub(crate) fn email(&self) -> Option<&Email> {
        match self {
            Self::User(user, _) => user.email(),
            Self::Customer(customer, _) => customer.email.as_ref(),
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::User(..) => None,
            Self::Customer(customer, _) => customer.name(),
        }
    }

    /// The user whose second factor it has to show, if there is one.
    pub(crate) fn second_factor(&self) -> Option<&AuthUser> {
        let (first, users) = match self {
            Self::User(user, others) => (Some(user), others),
            Self::Customer(_, users) => (None, users),
        };
        first.into_iter().chain(users).find(|user| user.has_second_factor())
    }
}
