//! Many customers at once: taken over in batches, each in one turn, and handed out page by page. Memory does not grow with how
//! many there are.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_domain::{
    Channel, Customer, CustomerChange, CustomerId, CustomerIdFormat, CustomerKey, Error, Proof, Result, Stamp,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::communication::communication;
use crate::customers::Known;
use crate::events::EventFilter;
use crate::store::customers::{Reached, Walk};
use crate::store::tokens::TokenFilter;
use crate::store::{self, Tx};

/// How often a batch that finds the account busy tries again, and after what pause.
const TRIES: u32 = 100;
/// See [`TRIES`].
const PAUSE: Duration = Duration::from_millis(50);
/// How many customers a page of an export has.
const PAGE: u64 = 200;
/// How many events are handed out of one customer.
const EVENTS: u64 = 1000;

/// A customer to take over.
pub struct ImportRow {
    /// What it is to be called; made if left out.
    pub customer_id: Option<CustomerId>,
    /// Everything about it.
    pub change: CustomerChange,
    /// What it proves itself with, perhaps as another system has kept it.
    pub proof: Proof,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// It is a customer now.
    Created(CustomerId),
    /// Its id was given before, perhaps by an import that was begun again.
    Exists(CustomerId),
    /// It is not taken over.
    Refused(Error),
}

impl Account {
    /// Takes customers over, all in one turn but for those that need a look of their own. Each by itself: what is wrong with one
    /// hinders no other.
    ///
    /// Errors: what hinders all of them, as the loss of the right to it.
    pub async fn import_customers(&self, by: &Caller, rows: Vec<ImportRow>) -> Result<Vec<Imported>> {
        by.authority(self, &self.directory())?;
        let mut outcomes: Vec<Option<Imported>> = rows.iter().map(|_| None).collect();
        let plain = |row: &ImportRow| {
            !row.proof.is_given() && row.change.contact_for.given().is_none() && row.change.term.given().is_none()
        };
        let (batch, single): (Vec<_>, Vec<_>) = rows.into_iter().enumerate().partition(|(_, row)| plain(row));
        let again = self.import_batch(by, batch, &mut outcomes).await?;
        for (nth, row) in single.into_iter().chain(again) {
            outcomes[nth] = Some(self.import_one(by, row).await?);
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Takes plain rows over; yields those that are in conflict with somebody, to be looked at by themselves.
    async fn import_batch(
        &self,
        by: &Caller,
        batch: Vec<(usize, ImportRow)>,
        outcomes: &mut [Option<Imported>],
    ) -> Result<Vec<(usize, ImportRow)>> {
        let (settings, now) = (self.directory().customers_settings(), self.now());
        let numbered = settings.users.customer_id_format == CustomerIdFormat::Sequence;
        let (mut ready, mut again) = (Vec::new(), Vec::new());
        for (nth, row) in batch {
            let ImportRow { customer_id, change, .. } = row;
            // The next number is not known before the turn.
            if numbered && customer_id.is_none() {
                again.push((nth, ImportRow { customer_id, change, proof: Proof::default() }));
                continue;
            }
            let key = CustomerKey(self.platform().source.id(now));
            let called = customer_id.clone().map_or_else(|| key.to_string().parse().map_err(Error::Internal), Ok)?;
            let blank = Customer::new(key, Stamp::new(now, by.subject()), called, change.kind.unwrap_or_default());
            match blank.with(change.clone(), None, &settings, (false, now)) {
                Ok((customer, _)) => ready.push((nth, Customer { version: 1, ..customer }, customer_id, change)),
                Err(error) => outcomes[nth] = Some(Imported::Refused(error)),
            }
        }
        let customers: Vec<Customer> = ready.iter().map(|(_, customer, ..)| customer.clone()).collect();
        let made = self.patiently(async || {
            let (account, by_whom, customers, settings) = (self.clone(), by.clone(), customers.clone(), settings.clone());
            self.write_rows(by, async move |tx: &Tx<'_>| {
                let checked = account.without_shared_phones(tx, customers, &settings).await?;
                let made = store::customers::insert_new(tx, account.id(), &checked, settings.users.shared_phones).await?;
                for customer in checked.iter().filter(|customer| made.contains(&customer.key.0)) {
                    account.insert_marks(tx, customer, &settings).await?;
                    let told = account.activity("customer.created", &by_whom, customer.key);
                    account.tell(tx, &told.after(json!({"version": 1})));
                }
                Ok(made)
            })
            .await
        });
        let made = if customers.is_empty() { HashSet::new() } else { made.await? };
        for (nth, customer, customer_id, change) in ready {
            if made.contains(&customer.key.0) {
                outcomes[nth] = Some(Imported::Created(customer.customer_id));
            } else {
                again.push((nth, ImportRow { customer_id, change, proof: Proof::default() }));
            }
        }
        Ok(again)
    }

    /// Those whose number nobody has who once could share it.
    async fn without_shared_phones(
        &self,
        tx: &Tx<'_>,
        customers: Vec<Customer>,
        settings: &tenantry_domain::CustomersSettings,
    ) -> Result<Vec<Customer>> {
        if settings.users.shared_phones || self.directory().account.customers.is_none() {
            return Ok(customers);
        }
        let mut free = Vec::new();
        for customer in customers {
            let taken = match &customer.phone {
                Some(phone) => store::customers::has_phone(tx, self.id(), phone, customer.key).await?,
                None => false,
            };
            if !taken {
                free.push(customer);
            }
        }
        Ok(free)
    }

    async fn import_one(&self, by: &Caller, row: ImportRow) -> Result<Imported> {
        let ImportRow { customer_id, change, proof } = row;
        let made = self
            .patiently(async || {
                let (id, change, proof) = (customer_id.clone(), change.clone(), proof.clone());
                self.create_customer(by.clone(), id, change, proof, None).await
            })
            .await;
        match (made, customer_id) {
            (Ok(known), _) => Ok(Imported::Created(known.customer.customer_id)),
            (Err(error @ Error::Duplicate(_)), Some(id)) => {
                let known = store::customers::was_given(&self.platform().store.read, self.id(), &id).await?;
                Ok(if known { Imported::Exists(id) } else { Imported::Refused(error) })
            }
            (Err(error @ (Error::OutcomeUnknown | Error::Unavailable | Error::Internal(_) | Error::Busy)), _) => Err(error),
            (Err(error), _) => Ok(Imported::Refused(error)),
        }
    }

    /// Does something that may find the account busy, again and again.
    async fn patiently<T>(&self, work: impl AsyncFn() -> Result<T>) -> Result<T> {
        for _ in 0..TRIES {
            match work().await {
                Err(Error::Busy | Error::Unavailable) => tokio::time::sleep(PAUSE).await,
                done => return done,
            }
        }
        Err(Error::Busy)
    }

    /// Live customers of all kinds after a place, by record; and the place where they end, if there may be more.
    pub async fn export_customers(&self, by: &Caller, after: Option<Uuid>) -> Result<(Vec<Known>, Option<Uuid>)> {
        by.authority(self, &self.directory())?;
        let reached = after.map(|id| Reached { key: None, id });
        let read = &self.platform().store.read;
        let customers = store::customers::walk(read, self.id(), &Walk::Ever, reached.as_ref(), PAGE).await?;
        let end = customers.last().filter(|_| customers.len() as u64 == PAGE).map(|customer| customer.key.0);
        let living = customers.into_iter().filter(|customer| customer.stamp.deleted.is_none()).collect();
        Ok((self.all_known(living, false).await?, end))
    }

    /// Everything that is known of a customer beside its record: for its own eyes (GDPR, articles 15 and 20).
    pub async fn customer_file(&self, by: &Caller, id: &CustomerId) -> Result<(Known, Value)> {
        let known = self.customer(by, id).await?;
        let key = known.customer.key;
        let read = &self.platform().store.read;
        let filter = TokenFilter { include_deleted: true, limit: EVENTS, ..TokenFilter::default() };
        let tokens = store::tokens::page(read, self.id(), key, &filter).await?;
        let tokens: Vec<Value> = tokens
            .into_iter()
            .map(|token| {
                json!({"type": token.pair.kind, "value": token.pair.value, "token_id": token.token_id.as_str(),
                    "metadata": token.metadata, "created_at": token.stamp.created_at})
            })
            .collect();
        let tags: Vec<String> = self.customer_tags(by, id).await?.iter().map(|tag| tag.tag.as_str().to_owned()).collect();
        let events = EventFilter { subject: Some(id.subject()), latest_first: true, limit: EVENTS, ..EventFilter::default() };
        let events: Vec<Value> = self
            .events(&events)
            .await?
            .into_iter()
            .rev()
            .map(|event| {
                let content = event.content.as_ref();
                json!({"type": event.kind, "created_at": event.at, "ip": content.and_then(|content| content.ip.clone()),
                    "user_agent": content.and_then(|content| content.user_agent.clone())})
            })
            .collect();
        let users = store::users::of_customer(read, self.id(), id, false).await?;
        let proven = |channel| {
            let (verified_at, allowed) = communication(&known.customer, channel);
            json!({"verified_at": verified_at, "allowed": allowed})
        };
        let file = json!({
            "communication": {"email": proven(Channel::Email), "phone_number": proven(Channel::Sms)},
            "tags": tags,
            "tokens": tokens,
            "logins": users.iter().map(|user| json!({"username": user.username.as_str(), "created_at": user.stamp.created_at})).collect::<Vec<_>>(),
            "events": events,
        });
        Ok((known, file))
    }
}
