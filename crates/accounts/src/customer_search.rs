//! Looking for customers (contract no. 32): all filters must hold. One of them leads along an index, in an order of its own;
//! what it leads past is held against the others. No search reads more than so many customers.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use tenantry_domain::{AccountId, Attribute, Customer, CustomerType, Error, Instant, Result, TagId};
use uuid::Uuid;

use crate::account::Account;
use crate::customers::Known;
use crate::store;
use crate::store::customer_marks::Mark;
use crate::store::customers::{Field, Life, Reached, Walk, sought};
use crate::vault::Place;

/// How many customers one search looks at before it gives up.
const CANDIDATES: usize = 10_000;
/// How many customers a page tells for whom contacts on it speak; a page with more is shorter.
const SPOKEN_FOR: usize = 1000;
/// How many are read at a time where some may not be meant.
const BATCH: usize = 200;
/// All kinds.
const KINDS: [CustomerType; 5] =
    [CustomerType::Customer, CustomerType::Company, CustomerType::Contact, CustomerType::Employee, CustomerType::Other];

/// Which customers to look for; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct CustomerFilter {
    /// The beginning of the mail address.
    pub email: Option<String>,
    /// The beginning of the telephone number.
    pub phone_number: Option<String>,
    /// The beginning of a name, the number, the `customer_id` or the address.
    pub search: Option<String>,
    /// The kinds; none: all but contacts.
    pub kinds: Vec<CustomerType>,
    /// Whoever has this tag.
    pub tag: Option<TagId>,
    /// Whoever has a live token of this value.
    pub token_value: Option<String>,
    /// Whoever has a live token of this type; with a value: of both.
    pub token_type: Option<String>,
    /// Whoever has these attributes, with this value if there is one.
    pub attributes: Vec<(String, Option<String>)>,
    /// Whoever was changed at or after this moment, in the order of that.
    pub since: Option<Instant>,
    /// Also those who were erased.
    pub include_deleted: bool,
    /// After the place that a page before ended with: its token, or its last customer's id or `customer_id`.
    pub after: Option<String>,
    /// How many at most.
    pub limit: usize,
    /// Whether they are to be counted, too.
    pub total: bool,
}

/// What was found.
pub struct Found {
    /// The customers, and after them those for whom contacts among them speak.
    pub customers: Vec<Known>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
    /// How many there are in all.
    pub total: Option<u64>,
}

/// What leads to customers, in an order of its own.
enum Lead {
    /// These walks together, by record.
    Merged(Vec<Walk>),
    /// These walks, one after the other; whoever stands in several counts in the first.
    Chained(Vec<(Field, String)>),
    /// These walks along the changes together, by time.
    Changed(Vec<Walk>),
    /// Whoever has a tag, by record.
    Tag(TagId),
    /// Whoever has an attribute, by record.
    Mark(Mark),
    /// Whoever has a token, by record.
    Token(Option<String>, Option<String>),
}

/// How far a search has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct At {
    /// Which walk of a chain.
    nth: usize,
    #[serde(flatten)]
    reached: Option<Reached>,
}

impl At {
    fn id(&self) -> Uuid {
        self.reached.as_ref().map(|reached| reached.id).unwrap_or_default()
    }
}

/// The filters, in the form in which customers are held against them.
#[derive(Default)]
struct Sieve {
    kinds: Vec<CustomerType>,
    fields: Vec<(Field, String)>,
    search: Option<Vec<(Field, String)>>,
    tag: Option<TagId>,
    marks: Vec<Mark>,
    token: Option<(Option<String>, Option<String>)>,
    dead: bool,
}

fn begins(customer: &Customer, (field, prefix): &(Field, String)) -> bool {
    field.of(customer).is_some_and(|text| text.starts_with(prefix.as_str()))
}

/// What a search term may be the beginning of.
fn places(term: &str) -> Vec<(Field, String)> {
    let name = sought(term);
    let mut places = vec![
        (Field::Name, name.clone()),
        (Field::LastName, name.clone()),
        (Field::Company, name),
        (Field::CustomerId, term.trim().to_owned()),
    ];
    places.extend(digits(term).map(|digits| (Field::Phone, digits)));
    places.push((Field::Email, address(term)));
    places
}

/// The beginning of a telephone number, as digits.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && (1..=15).contains(&digits.len())).then(|| digits.to_owned())
}

/// The beginning of a mail address, in the form that is compared.
fn address(text: &str) -> String {
    let text: String = text.trim().chars().flat_map(char::to_lowercase).collect();
    match text.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            // As much of the domain as is whole.
            tenantry_domain::domain_to_ascii(domain).map_or(text.clone(), |ascii| format!("{local}@{ascii}"))
        }
        _ => text,
    }
}

impl Account {
    /// Looks for customers.
    ///
    /// Errors: `QueryTooBroad`; `Invalid` for a place that is none of this search.
    pub async fn customers(&self, filter: &CustomerFilter) -> Result<Found> {
        let declared = self.directory().customers_settings();
        let mut sieve = Sieve::new(filter, &declared.attributes)?;
        let lead = sieve.lead(filter);
        let reads = &self.platform().store;
        let begun = self.begin_at(filter, &lead).await?;
        let mut search = Search { db: &reads.read, account: self.id(), lead: &lead, sieve: &sieve, seen: 0 };
        let mut found = search.some(begun, filter.limit).await?;
        let mut spoken_for = 0;
        let fit = found.iter().take_while(|customer| {
            spoken_for += customer.profile.contact_for.len();
            spoken_for <= SPOKEN_FOR
        });
        let fit = fit.count();
        let more = found.len() == filter.limit || fit < found.len();
        found.truncate(fit.max(1));
        let total = match &lead {
            _ if !filter.total => None,
            Lead::Merged(walks) if sieve.is_open() => {
                let mut total = 0;
                for walk in walks {
                    if let Walk::Kind(kind, life) = walk {
                        total += store::customers::count(&reads.read, self.id(), *kind, *life).await?;
                    }
                }
                Some(total)
            }
            _ => {
                search.seen = 0;
                Some(search.some(At::default(), usize::MAX).await?.len() as u64)
            }
        };
        let next = match found.last() {
            Some(last) if more => Some(self.name_of_place(filter, &lead, last)?),
            _ => None,
        };
        let customers = self.with_those_spoken_for(found).await?;
        Ok(Found { customers: self.all_known(customers, false).await?, next, total })
    }

    /// Contacts, and then those for whom they speak.
    async fn with_those_spoken_for(&self, mut found: Vec<Customer>) -> Result<Vec<Customer>> {
        let here: HashSet<Uuid> = found.iter().map(|customer| customer.key.0).collect();
        let mut meant: Vec<Uuid> = found.iter().flat_map(|customer| &customer.profile.contact_for).copied().collect();
        meant.retain(|key| !here.contains(key));
        meant.sort_unstable();
        meant.dedup();
        if !meant.is_empty() {
            found.extend(store::customers::these(&self.platform().store.read, self.id(), &meant).await?);
        }
        Ok(found)
    }

    /// What names the place where a page ends: where customers are in the order of their records, the last one.
    fn name_of_place(&self, filter: &CustomerFilter, lead: &Lead, last: &Customer) -> Result<String> {
        let at = lead.at(last).filter(|_| lead.is_keyed());
        let Some(at) = at else { return Ok(last.key.to_string()) };
        let text = serde_json::to_vec(&at).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(self.platform().vault.seal(self.place_in(filter), &text)))
    }

    /// Where the name of a place in a list belongs: to this list alone.
    fn place_in(&self, filter: &CustomerFilter) -> Place<'static> {
        let list = CustomerFilter { after: None, limit: 0, total: false, ..filter.clone() };
        let id = self.platform().vault.alias(self.id(), "list of customers", &format!("{list:?}"));
        Place { account: self.id(), kind: "place", id }
    }

    /// Where a search goes on.
    async fn begin_at(&self, filter: &CustomerFilter, lead: &Lead) -> Result<At> {
        let Some(text) = &filter.after else { return Ok(At::default()) };
        let unknown = || Error::invalid("starting_after", "is no place in this list");
        if lead.is_keyed()
            && let Ok(sealed) = URL_SAFE_NO_PAD.decode(text)
            && let Ok(plain) = self.platform().vault.open(self.place_in(filter), &sealed)
        {
            let at: At = serde_json::from_slice(&plain).map_err(|_| unknown())?;
            return if matches!(lead, Lead::Chained(places) if at.nth >= places.len()) { Err(unknown()) } else { Ok(at) };
        }
        // When that one was changed last is not when it was told of.
        if matches!(lead, Lead::Changed(_)) {
            return Err(Error::invalid(
                "starting_after",
                "does not go together with since_datetime, unless it is a paging-token",
            ));
        }
        let last = store::customers::record_of(&self.platform().store.read, self.id(), text).await?.ok_or_else(unknown)?;
        lead.at(&last).ok_or_else(unknown)
    }
}

impl Lead {
    /// Whether the order is not that of the records.
    const fn is_keyed(&self) -> bool {
        matches!(self, Self::Chained(_) | Self::Changed(_))
    }

    /// Where somebody stands in the order, if anywhere.
    fn at(&self, customer: &Customer) -> Option<At> {
        let id = customer.key.0;
        let (nth, key) = match self {
            Self::Chained(places) => {
                let nth = places.iter().position(|place| begins(customer, place))?;
                (nth, places[nth].0.of(customer))
            }
            Self::Changed(_) => (0, Some(customer.stamp.updated_at.micros().to_string())),
            Self::Merged(_) | Self::Tag(_) | Self::Mark(_) | Self::Token(..) => (0, None),
        };
        Some(At { nth, reached: Some(Reached { key, id }) })
    }
}

impl Sieve {
    fn new(filter: &CustomerFilter, declared: &[Attribute]) -> Result<Self> {
        let mut sieve = Self { dead: filter.include_deleted, tag: filter.tag, ..Self::default() };
        sieve.kinds = match &filter.kinds[..] {
            [] => KINDS.into_iter().filter(|kind| *kind != CustomerType::Contact).collect(),
            kinds => kinds.to_vec(),
        };
        if let Some(email) = &filter.email {
            sieve.fields.push((Field::Email, address(email)));
        }
        if let Some(phone) = &filter.phone_number {
            let digits = digits(phone).ok_or_else(|| Error::invalid("phone_number", "must be the beginning of a number"))?;
            sieve.fields.push((Field::Phone, digits));
        }
        sieve.search = filter.search.as_deref().filter(|term| !term.trim().is_empty()).map(places);
        for (nth, (name, value)) in filter.attributes.iter().enumerate() {
            let attribute = declared.iter().find(|attribute| attribute.name == *name);
            let unknown = || Error::invalid(format!("attributes_keys[{nth}]"), "is no attribute of this account's customers");
            let attribute = attribute.ok_or_else(unknown)?;
            sieve.marks.push(match value {
                None => Mark::any(name),
                Some(value) => {
                    let key = attribute.kind.sought(value);
                    Mark::of(name, &key.map_err(|fault| Error::invalid(format!("attributes_values[{nth}]"), fault))?)
                }
            });
        }
        if filter.token_value.is_some() || filter.token_type.is_some() {
            sieve.token = Some((filter.token_type.clone(), filter.token_value.clone()));
        }
        Ok(sieve)
    }

    /// Takes the filter out that is to lead: the one that lets the fewest through.
    fn lead(&mut self, filter: &CustomerFilter) -> Lead {
        let lives = if self.dead { &[Life::Alive, Life::Gone][..] } else { &[Life::Alive] };
        let walks = self.kinds.iter().flat_map(|kind| lives.iter().map(move |life| (*kind, *life)));
        if let Some(since) = filter.since {
            return Lead::Changed(walks.map(|(kind, life)| Walk::Changed(kind, life, since)).collect());
        }
        let walks = walks.map(|(kind, life)| Walk::Kind(kind, life)).collect();
        if let Some((kind, Some(value))) = &self.token {
            let lead = Lead::Token(kind.clone(), Some(value.clone()));
            self.token = None;
            return lead;
        }
        if !self.fields.is_empty() {
            return Lead::Chained(vec![self.fields.remove(0)]);
        }
        if let Some(nth) = self.marks.iter().position(|mark| !mark.is_any()) {
            return Lead::Mark(self.marks.remove(nth));
        }
        if let Some(places) = self.search.take() {
            return Lead::Chained(places);
        }
        if let Some(tag) = self.tag.take() {
            return Lead::Tag(tag);
        }
        if let Some(mark) = self.marks.pop() {
            return Lead::Mark(mark);
        }
        if let Some((kind, value)) = self.token.take() {
            return Lead::Token(kind, value);
        }
        Lead::Merged(walks)
    }

    /// Whether whatever a walk along the kinds leads to passes.
    fn is_open(&self) -> bool {
        self.fields.is_empty() && self.search.is_none() && self.tag.is_none() && self.marks.is_empty() && self.token.is_none()
    }

    fn lets_through(&self, customer: &Customer) -> bool {
        self.kinds.contains(&customer.kind)
            && (self.dead || customer.stamp.deleted.is_none())
            && self.fields.iter().all(|field| begins(customer, field))
            && self.search.as_ref().is_none_or(|places| places.iter().any(|place| begins(customer, place)))
    }

    /// Which of these have the tag, the attributes and the token.
    async fn having(&self, db: &impl ConnectionTrait, account: AccountId, of: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let mut left = of;
        if let Some(tag) = self.tag.filter(|_| !left.is_empty()) {
            left = store::customer_marks::with_tag(db, account, tag, &left).await?;
        }
        for mark in &self.marks {
            if !left.is_empty() {
                left = store::customer_marks::with_mark(db, account, mark, &left).await?;
            }
        }
        if let Some((kind, value)) = self.token.as_ref().filter(|_| !left.is_empty()) {
            left = store::tokens::owners_among(db, account, (kind.as_deref(), value.as_deref()), &left).await?;
        }
        Ok(left)
    }
}

/// A search under way.
struct Search<'s, C> {
    db: &'s C,
    account: AccountId,
    lead: &'s Lead,
    sieve: &'s Sieve,
    /// How many customers it has looked at.
    seen: usize,
}

impl<C: ConnectionTrait> Search<'_, C> {
    /// So many customers from `at` on.
    async fn some(&mut self, mut at: At, limit: usize) -> Result<Vec<Customer>> {
        let mut found: Vec<Customer> = Vec::new();
        let mut size = self.size(limit);
        while found.len() < limit {
            let lacking = limit - found.len();
            let (batch, end) = self.next(&at, size).await?;
            self.seen += size;
            if let Some(end) = &end {
                at.reached = Some(end.clone());
            }
            let passed: Vec<Customer> =
                batch.into_iter().filter(|customer| self.sieve.lets_through(customer) && self.is_first(&at, customer)).collect();
            let having = self.sieve.having(self.db, self.account, passed.iter().map(|customer| customer.key.0).collect()).await?;
            let having: HashSet<Uuid> = having.into_iter().collect();
            let passed: Vec<Customer> = passed.into_iter().filter(|customer| having.contains(&customer.key.0)).collect();
            if passed.len() >= lacking {
                found.extend(passed.into_iter().take(lacking));
                break;
            }
            found.extend(passed);
            size = BATCH;
            if end.is_none() {
                match self.lead {
                    Lead::Chained(places) if at.nth + 1 < places.len() => {
                        at = At { nth: at.nth + 1, reached: None };
                        size = self.size(limit - found.len());
                    }
                    _ => break,
                }
            } else if self.seen >= CANDIDATES {
                return Err(Error::QueryTooBroad);
            }
        }
        Ok(found)
    }

    /// How many to read first: no more than are wanted, where nothing but their kind could keep them out.
    fn size(&self, wanted: usize) -> usize {
        if self.sieve.is_open() { wanted.min(BATCH) } else { BATCH }
    }

    /// Whether no walk before the present one of a chain leads to somebody.
    fn is_first(&self, at: &At, customer: &Customer) -> bool {
        let Lead::Chained(places) = self.lead else { return true };
        !places[..at.nth].iter().any(|place| begins(customer, place))
    }

    /// The next customers, whoever they are, and how far that is; `None`: there are no more.
    async fn next(&self, at: &At, size: usize) -> Result<(Vec<Customer>, Option<Reached>)> {
        let customers = match self.lead {
            Lead::Merged(walks) | Lead::Changed(walks) => {
                let mut all = Vec::new();
                for walk in walks {
                    all.extend(self.along(walk, at, size).await?);
                }
                let by_time = matches!(self.lead, Lead::Changed(_));
                all.sort_unstable_by_key(|customer| (by_time.then_some(customer.stamp.updated_at), customer.key.0));
                all.truncate(size);
                all
            }
            Lead::Chained(places) => {
                let (field, prefix) = places[at.nth].clone();
                self.along(&Walk::Prefix(field, prefix, self.sieve.dead), at, size).await?
            }
            Lead::Tag(_) | Lead::Mark(_) | Lead::Token(..) => {
                let keys = self.having_lead(at.id(), size as u64).await?;
                let end = keys.last().filter(|_| keys.len() == size).map(|id| Reached { key: None, id: *id });
                return Ok((store::customers::these(self.db, self.account, &keys).await?, end));
            }
        };
        // In the walk that leads, which need not be the first that leads to somebody.
        let key = |end: &Customer| match self.lead {
            Lead::Chained(places) => places[at.nth].0.of(end),
            lead => lead.at(end)?.reached?.key,
        };
        let end = customers.last().filter(|_| customers.len() == size);
        let end = end.map(|end| Reached { key: key(end), id: end.key.0 });
        Ok((customers, end))
    }

    async fn along(&self, walk: &Walk, at: &At, size: usize) -> Result<Vec<Customer>> {
        store::customers::walk(self.db, self.account, walk, at.reached.as_ref(), size as u64).await
    }

    /// The next customers with what leads, by record.
    async fn having_lead(&self, after: Uuid, limit: u64) -> Result<Vec<Uuid>> {
        let (db, account) = (self.db, self.account);
        match self.lead {
            Lead::Tag(tag) => store::customer_marks::tagged(db, account, *tag, after, limit).await,
            Lead::Mark(mark) => store::customer_marks::marked(db, account, mark, after, limit).await,
            Lead::Token(kind, value) => {
                store::tokens::owners(db, account, (kind.as_deref(), value.as_deref()), after, limit).await
            }
            Lead::Merged(_) | Lead::Chained(_) | Lead::Changed(_) => Ok(Vec::new()),
        }
    }
}
