//! Accounts as their owners and those above them see them (contract section 9, `management`).

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{
    AccountChange, AccountId, AccountInput, AccountRecord, Change, Error, EventId, Result, Scopes, Settings, Stamp,
};

use crate::account::Account;
use crate::caller::Caller;
use crate::draft::Draft;
use crate::events::{Content, Link};
use crate::registry::Registry;
use crate::store;
use crate::store::events::Told;

impl Account {
    /// Creates an account directly below this one: a partner's sub-account, or the operator's partner.
    ///
    /// Errors: `Invalid` for a number that is not below this account, `Duplicate` for one that was ever used,
    /// `LimitReached` when there are none left, `NotFound` below a sub-account.
    pub async fn create_account(&self, by: Caller, input: AccountInput) -> Result<Arc<AccountRecord>> {
        if !self.id().is_partner() {
            return Err(Error::NotFound);
        }
        if input.account_id.is_some_and(|id| !id.is_child_of(self.id())) {
            return Err(Error::invalid("account_id", "must be directly below this account"));
        }
        let source = self.platform().source.clone();
        self.write(&by, async move |draft| {
            let id = match input.account_id {
                Some(id) => id,
                None => store::accounts::next_child(draft.tx, draft.account())
                    .await?
                    .ok_or(Error::LimitReached { noun: "accounts below it", max: 99_999 })?,
            };
            let record = Arc::new(AccountRecord {
                id,
                stamp: Stamp::new(draft.now, draft.by.subject()),
                display_name: input.display_name,
                company: input.company,
                language_code: input.language_code,
                active: true,
                settings: Settings::default(),
                limits: None,
                client_limits: None,
                budget: None,
                customers: None,
            });
            let told = draft.event("account.created", id).after(told(&record));
            insert(draft.tx, &record, source.bytes(), EventId(draft.new_id()), &told).await?;
            draft.record(told);
            Ok(record)
        })
        .await
    }

    /// Live accounts directly below this one, by id; with `search` those whose id begins with it, if it looks like the beginning of
    /// one, else those whose name does, by name.
    ///
    /// Errors: `Invalid` for an `after` that is not below this account.
    pub async fn accounts_below(&self, search: Option<&str>, after: Option<AccountId>, limit: u64) -> Result<Vec<AccountRecord>> {
        store::accounts::children(&self.platform().store.read, self.id(), search, after, limit).await
    }

    /// Changes what an account decides for itself; what only its parent may change is left out of `change` by the caller.
    pub async fn update_settings(&self, by: Caller, change: AccountChange) -> Result<Arc<AccountRecord>> {
        self.write(&by, async move |draft| draft.update_settings(change).await).await
    }

    async fn change(&self, by: Caller, change: AccountChange) -> Result<Arc<AccountRecord>> {
        self.write(&by, async move |draft| draft.change_account(change).await).await
    }

    /// Soft-deletes the account: its tokens and those exchanged for it end with the next request, its id is never
    /// given out again.
    async fn delete(&self, by: Caller) -> Result<Arc<AccountRecord>> {
        self.write(&by, async move |draft| {
            let old = draft.directory.account.clone();
            if old.stamp.deleted.is_some() {
                return Err(Error::NotFound);
            }
            let stamp = old.stamp.removed(draft.now, draft.by.subject());
            let record = Arc::new(AccountRecord { stamp, ..(*old).clone() });
            store::accounts::update(draft.tx, &record).await?;
            draft.directory.account = record.clone();
            let event = draft.event("account.deleted", record.id).before(told(&old));
            tell_parent(draft, &event);
            draft.record(event);
            Ok(record)
        })
        .await
    }
}

impl Draft<'_> {
    pub(crate) async fn update_settings(&mut self, change: AccountChange) -> Result<Arc<AccountRecord>> {
        if self.by.act().is_some() && change.partner_access == Some(false) {
            let own = "can be closed only with a token of the account's own, or nobody could open it again";
            return Err(Error::invalid("partner_access", own));
        }
        self.change_account(change).await
    }

    async fn change_account(&mut self, mut change: AccountChange) -> Result<Arc<AccountRecord>> {
        let old = self.directory.account.clone();
        if old.stamp.deleted.is_some() {
            return Err(Error::NotFound);
        }
        if let Change::Set(jwks) = &mut change.jwks {
            // Whoever names an issuer speaks for the members that it vouches for.
            jwks.scope = self.scopes().map(Scopes::claim).unwrap_or_default();
        }
        let record = Arc::new(old.with(change, old.stamp.touched(self.now)));
        store::accounts::update(self.tx, &record).await?;
        self.directory.account = record.clone();
        let kind = match (old.active, record.active) {
            (true, false) => "account.suspended",
            (false, true) => "account.resumed",
            _ if record.settings.frozen && !old.settings.frozen => "account.frozen",
            _ if old.settings.frozen && !record.settings.frozen => "account.unfrozen",
            _ if self.by.home() == Some(record.id) => "settings.updated",
            _ => "account.updated",
        };
        let event = self.event(kind, record.id).before(told(&old)).after(told(&record));
        tell_parent(self, &event);
        self.record(event);
        Ok(record)
    }
}

/// What the account above an account does to it. `parent` comes from the guard.
impl Registry {
    /// One live account directly below `parent`; every other id is `NotFound`.
    pub async fn account_below(&self, parent: &Account, id: AccountId) -> Result<Account> {
        if !id.is_child_of(parent.id()) {
            return Err(Error::NotFound);
        }
        let account = self.get(id).await?;
        if account.directory().account.stamp.deleted.is_some() { Err(Error::NotFound) } else { Ok(account) }
    }

    /// Changes an account directly below `parent`; `active: false` suspends it and, if it is a partner, all below it.
    pub async fn update_account(
        &self,
        parent: &Account,
        by: Caller,
        id: AccountId,
        change: AccountChange,
    ) -> Result<Arc<AccountRecord>> {
        self.account_below(parent, id).await?.change(by, change).await
    }

    /// Soft-deletes an account directly below `parent`.
    pub async fn delete_account(&self, parent: &Account, by: Caller, id: AccountId) -> Result<Arc<AccountRecord>> {
        self.account_below(parent, id).await?.delete(by).await
    }
}

/// A new account's row and the first event of its log.
pub(crate) async fn insert(
    tx: &store::Tx<'_>,
    record: &AccountRecord,
    salt: [u8; 16],
    event: EventId,
    told: &Content,
) -> Result<()> {
    store::accounts::insert(tx, record).await?;
    let told = Told::new(told);
    let link = Link::new(&[0; 32], 1, salt, &told.content);
    tx.append(store::events::row(record.id, event, told.into(), Some(link)));
    Ok(())
}

/// What a parent does to an account stands in the parent's log, too.
fn tell_parent(draft: &Draft<'_>, event: &Content) {
    if let Some(parent) = draft.account().parent().filter(|parent| draft.by.home() == Some(*parent)) {
        draft.tell(parent, event);
    }
}

/// The account as an event tells of it.
pub(crate) fn told(account: &AccountRecord) -> Value {
    json!({
        "display_name": account.display_name.as_str(),
        "company": account.company,
        "language_code": account.language_code,
        "active": account.active,
        "settings": account.settings,
        "limits": account.limits,
        "client_limits": account.client_limits,
        "budget": account.budget,
    })
}
