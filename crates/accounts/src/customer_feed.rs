//! What changed of an account's customers, in the order in which it came to be seen: whoever reads on from where it was misses
//! nothing, also not of a transaction that took long.

use std::fmt;
use std::str::FromStr;

use tenantry_domain::{CustomerId, Error, EventId, Instant, Result};
use uuid::Uuid;

use crate::account::Account;
use crate::store;

/// A place in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPlace {
    /// How often the database had been put back: what was seen before is no place any more.
    pub(crate) epoch: i64,
    /// The transaction; 0 where there is no need to tell them apart.
    pub(crate) tx: i64,
    /// The event.
    pub(crate) id: EventId,
}

impl FeedPlace {
    /// The event.
    #[must_use]
    pub const fn id(self) -> Uuid {
        self.id.0
    }
}

impl FromStr for FeedPlace {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let place = match parts[..] {
            [epoch, tx, id] => epoch.parse().ok().zip(tx.parse().ok()).zip(id.parse().ok()),
            _ => None,
        };
        place.map(|((epoch, tx), id)| Self { epoch, tx, id }).ok_or_else(|| "is no place in this feed".to_owned())
    }
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch, self.tx, self.id)
    }
}

/// A change of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerMoved {
    /// Where it stands.
    pub place: FeedPlace,
    /// What happened: `customer.created`, `customer.updated`.
    pub kind: String,
    /// When.
    pub at: Instant,
    /// Who did it.
    pub subject: String,
    /// The customer's record.
    pub customer: Uuid,
    /// What it is called now.
    pub customer_id: Option<CustomerId>,
    /// Which version it has since; none where nothing of itself changed.
    pub version: Option<i64>,
    /// What changed, by name.
    pub fields: Vec<String>,
}

impl Account {
    /// Changes of customers after a place, at most so many. A place of before the database was put back to an earlier state is
    /// refused: whoever follows has to begin anew.
    pub async fn customer_feed(&self, after: Option<FeedPlace>, limit: u64) -> Result<Vec<CustomerMoved>> {
        let read = &self.platform().store.read;
        let epoch = store::instance::epoch(read).await?;
        if after.is_some_and(|after| after.epoch != epoch) {
            return Err(Error::invalid("after", "is of before the database was put back to an earlier state: begin without it"));
        }
        let mut moved = store::events::feed(read, self.id(), after, limit).await?;
        let customers: Vec<Uuid> = moved.iter().map(|moved| moved.customer).collect();
        let names = store::customers::all_names(read, self.id(), &customers).await?;
        for one in &mut moved {
            one.place.epoch = epoch;
            one.customer_id = names.get(&one.customer).cloned();
        }
        Ok(moved)
    }
}
