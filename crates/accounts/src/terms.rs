//! Terms that customers agree to (contract nos. 54-57). Texts are long and rarely read: they stand in SQL only.

use serde_json::json;
use tenantry_domain::{Error, MAX_TERMS, Result, Stamp, Terms, TermsId, Text};

use crate::account::Account;
use crate::caller::Caller;
use crate::store;

impl Account {
    /// One live text.
    pub async fn terms(&self, id: TermsId) -> Result<Terms> {
        store::terms::find(&self.platform().store.read, self.id(), id).await?.ok_or(Error::NotFound)
    }

    /// Texts in order of creation.
    pub async fn all_terms(&self, include_deleted: bool, after: Option<TermsId>, limit: u64) -> Result<Vec<Terms>> {
        store::terms::page(&self.platform().store.read, self.id(), include_deleted, after, limit).await
    }

    /// Publishes a text. It is never changed.
    pub async fn create_terms(&self, by: Caller, terms: Text<MAX_TERMS>) -> Result<Terms> {
        self.write(&by, async move |draft| {
            let terms = Terms { id: TermsId(draft.new_id()), stamp: Stamp::new(draft.now, draft.by.subject()), terms };
            store::terms::insert(draft.tx, draft.account(), &terms).await?;
            draft.record(draft.event("terms.created", terms.id).after(json!({"terms": terms.terms.as_str()})));
            Ok(terms)
        })
        .await
    }

    /// Soft-deletes a text; whoever agreed to it still has.
    pub async fn delete_terms(&self, by: Caller, id: TermsId) -> Result<Terms> {
        self.write(&by, async move |draft| {
            let old = store::terms::find(draft.tx, draft.account(), id).await?.ok_or(Error::NotFound)?;
            let terms = Terms { stamp: old.stamp.removed(draft.now, draft.by.subject()), ..old };
            store::terms::update(draft.tx, draft.account(), &terms).await?;
            draft.record(draft.event("terms.deleted", id));
            Ok(terms)
        })
        .await
    }
}
