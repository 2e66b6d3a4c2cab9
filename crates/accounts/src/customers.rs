//! Customers (contract nos. 30, 31 and 33-36). They stand in SQL only: an account may have millions. Of several who
//! change one customer each waits for the one before; each change has an activity event with the names of its fields.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use tenantry_domain::{
    Change, Customer, CustomerChange, CustomerId, CustomerIdFormat, CustomerKey, CustomerType, CustomersSettings, Email, Error,
    Instant, Link, Phone, Proof, Result, Scopes, Stamp, TermsId,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::customer_proof::refuse_proof;
use crate::replays::{Idempotency, REPLAYS};
use crate::store::customer_marks::Mark;
use crate::store::{self, Tx};

/// Scopes that read every customer; others read their own record.
const READS_ALL: [&str; 2] = ["admin:customers", "read:customers"];
/// Scopes that change every customer, of every kind; others change their own record.
const WRITES_ALL: [&str; 2] = ["admin:customers", "write:customers"];
/// How many customers a contact may speak for.
const CONTACT_FOR: usize = 100;
fn has_one(held: &Scopes, scopes: [&str; 2]) -> bool {
    scopes.into_iter().any(|scope| held.has(scope))
}

/// A customer as whoever asks may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The customer.
    pub customer: Customer,
    /// What those are called whom it speaks for.
    pub speaks_for: Vec<CustomerId>,
}

impl Account {
    /// One live customer. Whoever may read only itself finds nobody else.
    pub async fn customer(&self, by: &Caller, id: &CustomerId) -> Result<Known> {
        let itself = self.may_read(by, id)?;
        let read = &self.platform().store.read;
        let customer = store::customers::find(read, self.id(), id).await?.ok_or(Error::NotFound)?;
        self.known(customer, itself).await
    }

    /// Whether `by` is the customer that it asks for, and may see no other.
    pub(crate) fn may_read(&self, by: &Caller, id: &CustomerId) -> Result<bool> {
        self.may(by, id, READS_ALL)
    }

    /// The same of one that it changes.
    pub(crate) fn may_write(&self, by: &Caller, id: &CustomerId) -> Result<bool> {
        self.may(by, id, WRITES_ALL)
    }

    fn may(&self, by: &Caller, id: &CustomerId, all: [&str; 2]) -> Result<bool> {
        match by.authority(self, &self.directory())? {
            Some(held) if !has_one(&held, all) => {
                if by.subject() == id.subject() {
                    Ok(true)
                } else {
                    Err(Error::NotFound)
                }
            }
            _ => Ok(false),
        }
    }

    /// A customer as whoever asks may see it, with the names of those whom it speaks for.
    pub(crate) async fn known(&self, customer: Customer, itself: bool) -> Result<Known> {
        let mut known = self.all_known(vec![customer], itself).await?;
        known.pop().ok_or_else(|| Error::Internal("one customer is one".to_owned()))
    }

    /// A customer as whoever may see every customer sees it.
    pub async fn shown(&self, customer: Customer) -> Result<Known> {
        self.known(customer, false).await
    }

    /// The same of many.
    pub(crate) async fn all_known(&self, customers: Vec<Customer>, itself: bool) -> Result<Vec<Known>> {
        let settings = self.directory().customers_settings();
        let meant: HashSet<Uuid> = customers.iter().flat_map(|customer| &customer.profile.contact_for).copied().collect();
        let names = if meant.is_empty() {
            HashMap::new()
        } else {
            let meant: Vec<Uuid> = meant.into_iter().collect();
            store::customers::names(&self.platform().store.read, self.id(), &meant).await?
        };
        let known = |mut customer: Customer| {
            customer.profile.attributes.retain(|name, _| !itself || settings.shows(name));
            let speaks_for = customer.profile.contact_for.iter().filter_map(|key| names.get(key).cloned()).collect();
            Known { customer, speaks_for }
        };
        Ok(customers.into_iter().map(known).collect())
    }

    /// Whether there is a live customer with this address and this number (contract no. 31).
    ///
    /// Errors: `Invalid` where neither is given.
    pub async fn has_customer(&self, email: Option<&Email>, phone: Option<&Phone>) -> Result<bool> {
        if email.is_none() && phone.is_none() {
            return Err(Error::invalid("email", "or phone_number is required"));
        }
        Ok(!store::customers::exact(&self.platform().store.read, self.id(), email, phone).await?.is_empty())
    }

    /// Creates a customer, and the auth user that proves it if there is something to prove it with.
    ///
    /// Errors: `Duplicate` for a `customer_id` that was ever given, an address that another live customer of the kind has, a
    /// number that another live customer has; `InsufficientScope` for employees and others with a scope that only makes
    /// customers, and for a password without the scope for auth users; `Invalid` names what breaks a rule;
    /// `IdempotencyConflict` where the key was used for something else.
    pub async fn create_customer(
        &self,
        by: Caller,
        id: Option<CustomerId>,
        change: CustomerChange,
        proof: Proof,
        idempotency: Option<Idempotency>,
    ) -> Result<Known> {
        let held = by.authority(self, &self.directory())?;
        self.refuse_reach(held.as_ref(), id.as_ref(), &change)?;
        refuse_proof(held.as_ref(), &proof)?;
        let replay = idempotency.map(|idempotency| self.replay_of(&by, &idempotency));
        if let Some(replay) = replay
            && let Some(known) = self.replayed(replay).await?
        {
            return Ok(known);
        }
        let now = self.now();
        let key = CustomerKey(self.platform().source.id(now));
        let kept = self.keep_proof(key, proof).await?;
        let (account, by_whom) = (self.clone(), by.clone());
        let made = self.write_rows(&by, async move |tx| {
            let settings = account.directory().customers_settings();
            let customer_id = account.customer_id(tx, id, key, &settings).await?;
            let blank = Customer::new(key, Stamp::new(now, by_whom.subject()), customer_id, change.kind.unwrap_or_default());
            let customer = account.changed(tx, &blank, change, &settings, (false, now)).await?.0;
            account.insert_customer(tx, &customer, &settings).await?;
            account.set_proof(tx, &customer, kept, &by_whom).await?;
            if let Some(replay) = replay {
                let answer = (key.0, store::customers::pack(account.id(), &customer)?);
                store::replays::insert(tx, account.id(), replay, answer, now.plus(REPLAYS)).await?;
            }
            account.tell(tx, &account.activity("customer.created", &by_whom, key).after(json!({"version": customer.version})));
            Ok(customer)
        });
        match (made.await, replay) {
            (Ok(customer), _) => self.known(customer, false).await,
            // Another request of the same name was quicker.
            (Err(error @ (Error::Unchanged | Error::Duplicate(_))), Some(replay)) => {
                let account = self.clone();
                // In a turn: what it sees is committed before this ends.
                let kept = async move |tx: &Tx<'_>| store::replays::find(tx, account.id(), replay.0, now).await;
                let kept = self.write_rows(&by, kept).await?;
                self.replay(kept, replay.1).await?.ok_or(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What a new customer is called.
    pub(crate) async fn customer_id(
        &self,
        tx: &Tx<'_>,
        id: Option<CustomerId>,
        key: CustomerKey,
        settings: &CustomersSettings,
    ) -> Result<CustomerId> {
        let made = match (id, settings.users.customer_id_format) {
            (Some(id), _) => return Ok(id),
            (None, CustomerIdFormat::Uuid) => key.to_string(),
            (None, CustomerIdFormat::Sequence) => store::customers::next_number(tx, self.id()).await?.to_string(),
        };
        made.parse().map_err(Error::Internal)
    }

    /// Some things are for those who may write every customer: employees and others; whom a contact speaks for, which others are
    /// found by; and a number, where the next one follows the highest.
    fn refuse_reach(&self, held: Option<&Scopes>, id: Option<&CustomerId>, change: &CustomerChange) -> Result<()> {
        if held.is_none_or(|held| has_one(held, WRITES_ALL)) {
            return Ok(());
        }
        let staff = matches!(change.kind, Some(CustomerType::Employee | CustomerType::Other));
        let sequence = self.directory().customers_settings().users.customer_id_format == CustomerIdFormat::Sequence;
        let number = sequence && id.is_some_and(|id| id.number().is_some());
        if staff || number || change.contact_for.given().is_some() { Err(Error::InsufficientScope) } else { Ok(()) }
    }

    /// A customer after a change, what it refers to being there; and the fields that are other than they were.
    pub(crate) async fn changed(
        &self,
        tx: &Tx<'_>,
        old: &Customer,
        change: CustomerChange,
        settings: &CustomersSettings,
        at: (bool, Instant),
    ) -> Result<(Customer, Vec<&'static str>)> {
        let contacts = match &change.contact_for {
            Change::Keep => None,
            Change::Clear => Some(Vec::new()),
            Change::Set(ids) if ids.len() > CONTACT_FOR => {
                return Err(Error::invalid("contact_for", format!("must have at most {CONTACT_FOR} entries")));
            }
            Change::Set(ids) => {
                let mut contacts = Vec::new();
                for (nth, id) in ids.iter().enumerate() {
                    let meant = store::customers::find(tx, self.id(), id).await?;
                    let unknown = || Error::invalid(format!("contact_for[{nth}].customer_id"), "is no customer here");
                    contacts.push(meant.ok_or_else(unknown)?.key.0);
                }
                Some(contacts)
            }
        };
        if let Some(id) = change.term.given().and_then(|term| term.id)
            && old.profile.term.as_ref().and_then(|term| term.id) != Some(id)
            && store::terms::find(tx, self.id(), TermsId(id)).await?.is_none()
        {
            return Err(Error::invalid("term.id", "is no terms of this account"));
        }
        let (mut next, fields) = old.with(change, contacts, settings, at)?;
        next.version += 1;
        if next.phone != old.phone
            && let Some(phone) = next.phone.as_ref().filter(|_| self.directory().account.customers.is_some())
            && !settings.users.shared_phones
            && store::customers::has_phone(tx, self.id(), phone, next.key).await?
        {
            return Err(Error::Duplicate("phone_number"));
        }
        Ok((next, fields))
    }

    /// Writes a new customer, and what it is found by.
    pub(crate) async fn insert_customer(&self, tx: &Tx<'_>, customer: &Customer, settings: &CustomersSettings) -> Result<()> {
        store::customers::insert(tx, self.id(), customer, settings.users.shared_phones).await?;
        self.insert_marks(tx, customer, settings).await
    }

    /// Writes what a new customer is found by.
    pub(crate) async fn insert_marks(&self, tx: &Tx<'_>, customer: &Customer, settings: &CustomersSettings) -> Result<()> {
        let marks = marks(customer, settings);
        if !marks.is_empty() {
            store::customer_marks::set_attributes(tx, self.id(), customer.key.0, (marks, true)).await?;
        }
        self.keep_auto_tokens(tx, customer, settings, true).await
    }

    /// Changes a customer.
    ///
    /// Errors: `NotFound`; as [`Account::create_customer`].
    pub async fn update_customer(&self, by: Caller, id: CustomerId, change: CustomerChange, proof: Proof) -> Result<Known> {
        let itself = self.may_write(&by, &id)?;
        let held = by.authority(self, &self.directory())?;
        self.refuse_reach(held.as_ref(), None, &change)?;
        refuse_proof(held.as_ref(), &proof)?;
        let read = &self.platform().store.read;
        let key = store::customers::find(read, self.id(), &id).await?.ok_or(Error::NotFound)?.key;
        let mut kept = Some(self.keep_proof(key, proof).await?);
        let customer = self.move_customer(by, id, "customer.updated", async move |account, tx, old, by| {
            if itself && (!old.kind.logs_in() || change.kind.is_some_and(|kind| kind != old.kind)) {
                return Err(Error::InsufficientScope);
            }
            let settings = account.directory().customers_settings();
            let kept = kept.take().unwrap_or_default();
            let mut moved = account.changed(tx, &old, change, &settings, (itself, account.now())).await?;
            moved.1.extend(kept.password.as_ref().map(|_| "password"));
            moved.1.extend(kept.pin.as_ref().map(|_| "pin"));
            account.set_proof(tx, &moved.0, kept, by).await?;
            if !moved.0.kind.logs_in() && old.kind.logs_in() {
                account.end_person(tx, &moved.0).await?;
            }
            Ok(moved)
        });
        self.known(customer.await?, itself).await
    }

    /// Gives a customer another id (contract no. 36); what it was called stands in its metadata from then on. Its sessions end:
    /// its tokens have the old name.
    ///
    /// Errors: `NotFound`; `Duplicate` for an id that was ever given.
    pub async fn change_customer_id(&self, by: Caller, id: CustomerId, next: Option<CustomerId>) -> Result<Known> {
        let mark: [u8; 8] = self.platform().source.bytes();
        let mark = mark.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let customer = self.move_customer(by, id, "customer.renamed", async move |account, tx, old, by| {
            let settings = account.directory().customers_settings();
            let now = account.now();
            let fresh = CustomerKey(account.platform().source.id(now));
            let customer_id = account.customer_id(tx, next, fresh, &settings).await?;
            if customer_id == old.customer_id {
                return Err(Error::Duplicate("customer_id"));
            }
            account.end_person(tx, &old).await?;
            let mut customer = Customer { customer_id, version: old.version + 1, ..old.clone() };
            let note = json!({
                "created_at": now,
                "created_by": by.subject(),
                "old": old.customer_id.as_str(),
                "new": customer.customer_id.as_str(),
            });
            customer.profile.metadata.note_name(&format!("{}.{mark}", now.seconds()), note);
            for mut user in store::users::of_customer(tx, account.id(), &old.customer_id, true).await? {
                for link in &mut user.links {
                    if *link == Link::Customer(old.customer_id.clone()) {
                        *link = Link::Customer(customer.customer_id.clone());
                    }
                }
                store::users::update(tx, account.id(), &user).await?;
            }
            Ok((customer, vec!["customer_id", "metadata"]))
        });
        self.known(customer.await?, false).await
    }

    /// Changes one live customer, alone, in one turn, and tells of it: which fields, never what stands in them.
    pub(crate) async fn move_customer(
        &self,
        by: Caller,
        id: CustomerId,
        kind: &'static str,
        change: impl AsyncFnOnce(&Self, &Tx<'_>, Customer, &Caller) -> Result<(Customer, Vec<&'static str>)> + Send + 'static,
    ) -> Result<Customer> {
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx: &Tx<'_>| {
            let old = store::customers::lock(tx, account.id(), &id).await?;
            let (mut customer, fields) = change(&account, tx, old.clone(), &by_whom).await?;
            if fields.is_empty() {
                return Ok(old);
            }
            // Never earlier than the change before, so that whoever walks by time misses none.
            customer.stamp = customer.stamp.touched(now.max(old.stamp.updated_at));
            let settings = account.directory().customers_settings();
            let moved = customer.phone != old.phone;
            store::customers::update(tx, account.id(), &customer, moved.then_some(settings.users.shared_phones)).await?;
            if customer.customer_id != old.customer_id {
                // What it was called is nobody else's from now on.
                let key = CustomerKey(account.platform().source.id(now));
                let gone = Stamp::new(now, by_whom.subject()).removed(now, by_whom.subject());
                let name = Customer::new(key, gone, old.customer_id, old.kind);
                store::customers::insert(tx, account.id(), &name, false).await?;
            }
            if fields.contains(&"attributes") {
                let marks = marks(&customer, &settings);
                store::customer_marks::set_attributes(tx, account.id(), customer.key.0, (marks, false)).await?;
            }
            if fields.contains(&"email") || fields.contains(&"phone_number") {
                account.keep_auto_tokens(tx, &customer, &settings, false).await?;
            }
            let told = account.activity(kind, &by_whom, customer.key);
            account.tell(tx, &told.after(json!({"version": customer.version, "fields": fields})));
            Ok(customer)
        })
        .await
    }

    /// Erases a customer; a tombstone keeps its id from being given again. Of its tokens only the pairs that callers made are
    /// left, nobody's, if they are to be.
    pub async fn delete_customer(&self, by: Caller, id: CustomerId, delete_tokens: bool) -> Result<Known> {
        self.may_write(&by, &id)?;
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        let customer = self.write_rows(&by, async move |tx: &Tx<'_>| {
            let old = store::customers::lock(tx, account.id(), &id).await?;
            let (of, key) = (account.id(), old.key.0);
            let records = account.person_records(tx, &old).await?;
            store::sessions::end_all(tx, of, &records, now).await?;
            store::outbox::forget(tx, of, &records).await?;
            store::challenges::forget(tx, of, &records).await?;
            store::users::erase(tx, of, &old.customer_id, (now, by_whom.subject())).await?;
            store::customer_marks::set_tags(tx, of, key, &[]).await?;
            store::customer_marks::set_attributes(tx, of, key, (Vec::new(), false)).await?;
            store::tokens::erase(tx, of, key, delete_tokens).await?;
            store::replays::forget(tx, of, key).await?;
            let names = old.profile.metadata.names().chain([old.customer_id.as_str()]);
            let subjects: Vec<String> = names.map(|name| format!("customer:{name}")).collect();
            store::events::forget_whereabouts(tx, of, &subjects).await?;
            let customer = old.tombstone(now.max(old.stamp.updated_at), by_whom.subject());
            store::customers::update(tx, of, &customer, Some(false)).await?;
            let mut told = account.activity("customer.deleted", &by_whom, customer.key);
            if by_whom.subject() == customer.customer_id.subject() {
                (told.ip, told.user_agent) = (None, None);
            }
            account.tell(tx, &told.after(json!({"version": customer.version})));
            Ok(customer)
        });
        self.known(customer.await?, false).await
    }
}

/// What a customer is found by.
fn marks(customer: &Customer, settings: &CustomersSettings) -> Vec<Mark> {
    let mut marks = Vec::new();
    for attribute in &settings.attributes {
        let value = customer.profile.attributes.get(&attribute.name);
        // What was kept when the attribute was something else is not found.
        let Some(keys) = value.and_then(|value| attribute.keys(value).ok()) else { continue };
        marks.push(Mark::any(&attribute.name));
        marks.extend(keys.iter().map(|key| Mark::of(&attribute.name, key)));
    }
    marks
}
