//! Tags of customers (contract nos. 49-51).

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{Error, Result, Stamp, Tag, TagId, TagInput};

use crate::account::Account;
use crate::caller::Caller;
use crate::store;

/// How many tags an account may have.
const MAX_TAGS: usize = 500;

impl Account {
    /// Creates a tag.
    ///
    /// Errors: `Duplicate` for the text of another live one; `LimitReached`.
    pub async fn create_tag(&self, by: Caller, input: TagInput) -> Result<Arc<Tag>> {
        self.write(&by, async move |draft| {
            if draft.directory.tags.len() >= MAX_TAGS {
                return Err(Error::LimitReached { noun: "tags", max: MAX_TAGS });
            }
            let stamp = Stamp::new(draft.now, draft.by.subject());
            let tag = Arc::new(Tag { id: TagId(draft.new_id()), stamp, tag: input.tag, metadata: input.metadata });
            let key = tag.key();
            if draft.directory.tags.values().any(|other| other.key() == key) {
                return Err(Error::Duplicate("tag"));
            }
            store::tags::insert(draft.tx, draft.account(), &tag).await?;
            draft.directory.tags.insert(tag.id, tag.clone());
            draft.record(draft.event("tag.created", tag.id).after(told(&tag)));
            Ok(tag)
        })
        .await
    }

    /// Soft-deletes a tag.
    pub async fn delete_tag(&self, by: Caller, id: TagId) -> Result<Arc<Tag>> {
        self.write(&by, async move |draft| {
            let old = draft.directory.tags.remove(&id).ok_or(Error::NotFound)?;
            let tag = Arc::new(Tag { stamp: old.stamp.removed(draft.now, draft.by.subject()), ..(*old).clone() });
            store::tags::update(draft.tx, draft.account(), &tag).await?;
            draft.record(draft.event("tag.deleted", id).before(told(&old)));
            Ok(tag)
        })
        .await
    }
}

/// The tag as an event tells of it.
fn told(tag: &Tag) -> Value {
    json!({"tag": tag.tag.as_str(), "metadata": tag.metadata})
}
