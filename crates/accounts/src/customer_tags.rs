//! Tags of customers (contract nos. 52 and 53).

use std::sync::Arc;

use tenantry_domain::{Customer, CustomerId, Error, Result, Tag, TagId};

use crate::account::Account;
use crate::caller::Caller;
use crate::store;

/// How many tags a customer may have.
const TAGS: usize = 100;

impl Account {
    /// The live tags of a customer, in the order in which they were made.
    pub async fn customer_tags(&self, by: &Caller, id: &CustomerId) -> Result<Vec<Arc<Tag>>> {
        self.may_read(by, id)?;
        let read = &self.platform().store.read;
        let customer = store::customers::find(read, self.id(), id).await?.ok_or(Error::NotFound)?;
        let mut tags = store::customer_marks::tags(read, self.id(), customer.key.0).await?;
        tags.sort_unstable();
        let directory = self.directory();
        Ok(tags.iter().filter_map(|tag| directory.tags.get(tag).cloned()).collect())
    }

    /// Gives a customer these tags and no others.
    ///
    /// Errors: `Invalid` for one that is not there.
    pub async fn set_customer_tags(&self, by: Caller, id: CustomerId, mut tags: Vec<TagId>) -> Result<Vec<Arc<Tag>>> {
        self.may_write(&by, &id)?;
        store::customers::find(&self.platform().store.read, self.id(), &id).await?.ok_or(Error::NotFound)?;
        let directory = self.directory();
        if let Some(nth) = tags.iter().position(|tag| !directory.tags.contains_key(tag)) {
            return Err(Error::invalid(format!("[{nth}]"), "is no tag of this account"));
        }
        tags.sort_unstable();
        tags.dedup();
        if tags.len() > TAGS {
            return Err(Error::invalid("body", format!("must have at most {TAGS} tags")));
        }
        let given = tags.clone();
        self.move_customer(by, id, "customer.updated", async move |account, tx, old, _| {
            store::customer_marks::set_tags(tx, account.id(), old.key.0, &given).await?;
            Ok((Customer { version: old.version + 1, ..old }, vec!["tags"]))
        })
        .await?;
        Ok(tags.iter().filter_map(|tag| directory.tags.get(tag).cloned()).collect())
    }
}
