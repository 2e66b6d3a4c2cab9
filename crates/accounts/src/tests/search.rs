//! Looking for customers: what is found is what a plain look at all of them finds, on either database; and no search walks a
//! large account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, Statement};
use tenantry_domain::{
    Attribute, AttributeType, Change, CustomerChange, CustomerCompany, CustomerType, CustomersSettingsChange, Proof, TagId,
    TagInput, TokenInput, TokenPair, fold,
};
use tenantry_test_database::TestDatabase;

use super::{World, operator, partner};
use crate::{
    Account, Caller, Catalogue, Choices, CustomerFilter, Database, Idempotency, MasterKeys, Platform, Registry, Schema, Source,
    Vault,
};

/// Somebody, as the test thinks of it.
#[derive(Debug, Clone)]
struct Somebody {
    kind: CustomerType,
    first: Option<&'static str>,
    last: Option<&'static str>,
    company: Option<&'static str>,
    email: Option<String>,
    phone: Option<String>,
    id: String,
    shoe: Option<i64>,
    tags: [bool; 2],
    card: Option<u8>,
    gone: bool,
}

const FIRST: [&str; 6] = ["Ola", "Åse", "ÅSMUND", "Kari", "ola", "Ø"];
const LAST: [&str; 5] = ["Nordmann", "Åsen", "Berg", "Olsen", "Aas"];
const COMPANIES: [&str; 3] = ["Åsane Mat", "Ola & Sønn", "Berg AS"];
const KINDS: [CustomerType; 5] =
    [CustomerType::Customer, CustomerType::Customer, CustomerType::Company, CustomerType::Contact, CustomerType::Employee];

fn somebody() -> impl Strategy<Value = Somebody> {
    let name = |of: &'static [&'static str]| proptest::option::weighted(0.8, proptest::sample::select(of));
    let rest = (proptest::option::of(0_i64..3), any::<[bool; 2]>(), proptest::option::of(0_u8..4), proptest::bool::weighted(0.1));
    (
        proptest::sample::select(&KINDS[..]),
        name(&FIRST),
        name(&LAST),
        proptest::sample::select(&COMPANIES[..]),
        any::<[bool; 2]>(),
        rest,
    )
        .prop_map(|(kind, first, last, company, [email, phone], (shoe, tags, card, gone))| Somebody {
            kind,
            first,
            last,
            company: (kind == CustomerType::Company).then_some(company),
            email: email.then(|| first.map_or("x", |first| if first.is_ascii() { first } else { "å" }).to_owned()),
            phone: phone.then(String::new),
            id: String::new(),
            shoe,
            tags,
            card,
            gone,
        })
}

/// A search, as the test thinks of it.
#[derive(Debug, Clone)]
#[expect(clippy::option_option, reason = "the outer one is whether it is asked for, the inner one whether for a value")]
struct Asked {
    email: Option<&'static str>,
    phone: Option<&'static str>,
    search: Option<&'static str>,
    kinds: Vec<CustomerType>,
    tag: Option<usize>,
    shoe: Option<Option<i64>>,
    card: Option<Option<u8>>,
    dead: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let some = |of: &'static [&'static str]| proptest::option::weighted(0.2, proptest::sample::select(of));
    let kinds =
        proptest::sample::select(vec![vec![], vec![CustomerType::Customer], vec![CustomerType::Contact], KINDS[1..].to_vec()]);
    (
        some(&["o", "OLA", "å", "ola.1", "nobody"]),
        some(&["+47", "4711", "47", "9"]),
        proptest::option::weighted(
            0.5,
            proptest::sample::select(&["ås", "ola", "Berg", "c-1", "47", "ola nord", "åsen å", "x", "kari.2@"][..]),
        ),
        kinds,
        proptest::option::weighted(0.2, 0_usize..2),
        proptest::option::weighted(0.2, proptest::option::of(0_i64..3)),
        proptest::option::weighted(0.2, proptest::option::of(0_u8..4)),
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(email, phone, search, kinds, tag, shoe, card, dead)| Asked {
            email,
            phone,
            search,
            kinds,
            tag,
            shoe,
            card,
            dead,
        })
}

impl Somebody {
    fn begins(&self, what: &str, prefix: &str) -> Option<String> {
        let names = |a: Option<&str>, b: Option<&str>| {
            let joined = [a, b].into_iter().flatten().collect::<Vec<_>>().join(" ");
            (!joined.is_empty()).then(|| fold(&joined))
        };
        let (text, prefix) = match what {
            "name" => (names(self.first, self.last), fold(prefix)),
            "last" => (names(self.last, self.first).filter(|_| self.first.is_some() && self.last.is_some()), fold(prefix)),
            "company" => (self.company.map(fold), fold(prefix)),
            "id" => return Some(self.id.clone()).filter(|id| id.starts_with(prefix)),
            "phone" => {
                let digits = prefix.trim_start_matches('+');
                (self.phone.clone().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())), digits.to_owned())
            }
            _ => (self.email.as_ref().map(|email| email.to_lowercase()), prefix.to_lowercase()),
        };
        text.filter(|text| !self.gone && text.starts_with(&prefix))
    }

    fn passes(&self, asked: &Asked) -> bool {
        let kinds = if asked.kinds.is_empty() { self.kind != CustomerType::Contact } else { asked.kinds.contains(&self.kind) };
        let search =
            |term: &str| ["name", "last", "company", "id", "phone", "email"].iter().any(|what| self.begins(what, term).is_some());
        kinds
            && (asked.dead || !self.gone)
            && asked.email.is_none_or(|prefix| self.begins("email", prefix).is_some())
            && asked.phone.is_none_or(|prefix| self.begins("phone", prefix).is_some())
            && asked.search.is_none_or(search)
            && asked.tag.is_none_or(|tag| self.tags[tag] && !self.gone)
            && asked.shoe.is_none_or(|shoe| !self.gone && self.shoe.is_some() && (shoe.is_none() || self.shoe == shoe))
            && asked.card.is_none_or(|card| !self.gone && self.card.is_some() && (card.is_none() || self.card == card))
    }
}

fn draw<T>(runner: &mut TestRunner, from: &impl Strategy<Value = T>) -> T {
    from.new_tree(runner).unwrap().current()
}

/// Makes somebody a customer.
async fn make(account: &Account, one: &Somebody, tags: &[TagId]) {
    let by = Caller::system;
    let text = |text: Option<&str>| text.map_or(Change::Keep, |text| Change::Set(text.parse().unwrap()));
    let attributes = one.shoe.map(|shoe| std::iter::once(("shoe".to_owned(), shoe.into())).collect());
    let company = one.company.map(|name| CustomerCompany {
        bussiness_name: name.to_owned(),
        organization_number: None,
        department: None,
        industry: None,
        website: None,
        number_of_employees: None,
    });
    let change = CustomerChange {
        kind: Some(one.kind),
        first_name: text(one.first),
        last_name: text(one.last),
        email: one.email.as_ref().map_or(Change::Keep, |email| Change::Set(email.parse().unwrap())),
        phone: one.phone.as_ref().map_or(Change::Keep, |phone| Change::Set(phone.parse().unwrap())),
        attributes: attributes.map_or(Change::Keep, Change::Set),
        company: company.map_or(Change::Keep, Change::Set),
        ..CustomerChange::default()
    };
    let id: tenantry_domain::CustomerId = one.id.parse().unwrap();
    account.create_customer(by(), Some(id.clone()), change, Proof::default(), None::<Idempotency>).await.unwrap();
    let carried = tags.iter().zip(one.tags).filter_map(|(tag, has)| has.then_some(*tag)).collect();
    account.set_customer_tags(by(), id.clone(), carried).await.unwrap();
    if let Some(card) = one.card {
        for kind in ["card", "copy"] {
            let pair =
                TokenPair { kind: kind.to_owned(), value: format!("{}-{card}", if kind == "card" { &one.id } else { "" }) };
            let input = TokenInput { pair, token_id: None, metadata: None };
            // Of a copy there is one for each value: whoever comes first has it.
            drop(account.create_token(by(), id.clone(), input, false).await);
        }
    }
    if one.gone {
        account.delete_customer(by(), id, true).await.unwrap();
    }
}

#[actix_rt::test]
async fn every_search_finds_what_a_look_at_all_finds_on_either_database() {
    let world = World::new().await;
    let account = world.operator().await;
    let shoe = Attribute { name: "shoe".to_owned(), kind: AttributeType::Integer, multiple_values: false, private: false };
    let settings = CustomersSettingsChange { attributes: Some(vec![shoe]), ..CustomersSettingsChange::default() };
    account.change_customers_settings(Caller::system(), settings).await.unwrap();
    let mut tags = Vec::new();
    for tag in ["a", "b"] {
        let input = TagInput { tag: tag.parse().unwrap(), metadata: None };
        tags.push(account.create_tag(Caller::system(), input).await.unwrap().id);
    }
    let mut runner = TestRunner::deterministic();
    let mut all = Vec::new();
    for n in 0..150 {
        let mut one = draw(&mut runner, &somebody());
        one.id = format!("c-{n}");
        one.email = one.email.map(|local| format!("{local}.{n}@example.com"));
        one.phone = one.phone.map(|_| format!("47{:02}{n}", n % 20 + 10));
        make(&account, &one, &tags).await;
        all.push(one);
    }
    let mut found = 0;
    for round in 0..400 {
        let asked = draw(&mut runner, &asked());
        // Cards have values of their own; by type alone all of them.
        let (token_type, token_value) = match asked.card {
            Some(None) => (Some("card".to_owned()), None),
            _ => (None, None),
        };
        let asked = Asked { card: asked.card.filter(Option::is_none), ..asked };
        let expected: Vec<&Somebody> = all.iter().filter(|one| one.passes(&asked)).collect();
        let filter = CustomerFilter {
            email: asked.email.map(str::to_owned),
            phone_number: asked.phone.map(str::to_owned),
            search: asked.search.map(str::to_owned),
            kinds: asked.kinds.clone(),
            tag: asked.tag.map(|tag| tags[tag]),
            attributes: asked.shoe.iter().map(|shoe| ("shoe".to_owned(), shoe.map(|shoe| shoe.to_string()))).collect(),
            token_type,
            token_value,
            include_deleted: asked.dead,
            limit: 7 + round % 5,
            total: true,
            ..CustomerFilter::default()
        };
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = account.customers(&CustomerFilter { after: after.clone(), ..filter.clone() }).await.unwrap();
            assert_eq!(page.total, Some(expected.len() as u64), "{asked:?}");
            ids.extend(page.customers.iter().map(|known| known.customer.customer_id.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        // In order of the field that leads, where one does; else of creation.
        let ordered = order(&asked, &expected);
        assert_eq!(ids, ordered, "{asked:?}");
        found += ids.len();
    }
    assert!(found > 2000, "only {found} were found");
}

/// In which order a search tells what it has found.
fn order(asked: &Asked, found: &[&Somebody]) -> Vec<String> {
    let by = |what: &[&'static str], prefix: &str| {
        let mut ranked: BTreeMap<(usize, String, usize), String> = BTreeMap::new();
        for (nth, one) in found.iter().enumerate() {
            let key = what.iter().enumerate().find_map(|(rank, what)| Some((rank, one.begins(what, prefix)?)));
            let (rank, key) = key.unwrap();
            ranked.insert((rank, key, nth), one.id.clone());
        }
        ranked.into_values().collect()
    };
    match (asked.email, asked.phone, asked.shoe, asked.search) {
        (Some(email), ..) => by(&["email"], email),
        (_, Some(phone), ..) => by(&["phone"], phone),
        (_, _, Some(Some(_)), _) => found.iter().map(|one| one.id.clone()).collect(),
        (.., Some(search)) => by(&["name", "last", "company", "id", "phone", "email"], search),
        _ => found.iter().map(|one| one.id.clone()).collect(),
    }
}

/// Fills an account with so many customers, each with a tag, an attribute and a token, by SQL alone.
async fn fill(db: &impl ConnectionTrait, tag: TagId, count: usize) {
    let postgres = TestDatabase::is_postgres();
    let numbers = if postgres {
        format!("SELECT n FROM generate_series(1, {count}) n")
    } else {
        format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT n FROM c")
    };
    let key = if postgres {
        "('01890f5e-7b6a-7000-8000-' || lpad(n::text, 12, '0'))::uuid"
    } else {
        "unhex('01890f5e7b6a70008000' || printf('%012d', n))"
    };
    let tag = if postgres { format!("'{tag}'::uuid") } else { format!("unhex('{}')", tag.0.simple()) };
    for sql in [
        format!(
            "INSERT INTO customer (account_id, id, customer_id, kind, first_name, last_name, profile, name_key, last_key, company_key, email, email_key, \
             phone, phone_key, phone_slot, version, created_at, created_by, updated_at) SELECT 'T00000000', {key}, 'n' || n, \
             CASE n % 5 WHEN 0 THEN '\"company\"' ELSE '\"customer\"' END, 'name' || n, 'last' || n, \
             '{{\"company\":{{\"bussiness_name\":\"company' || n || '\"}}}}', 'name' || n || ' last' || n, \
             'last' || n || ' name' || n, 'company' || n, \
             'm' || n || '@example.com', 'm' || n || '@example.com', '47' || (10000000 + n), '47' || (10000000 + n), '', 1, n, 'x', n \
             FROM ({numbers}) numbers"
        ),
        format!("INSERT INTO customer_tag (account_id, tag, customer) SELECT 'T00000000', {tag}, {key} FROM ({numbers}) numbers"),
        format!(
            "INSERT INTO customer_attribute (account_id, name, value, customer) SELECT 'T00000000', 'shoe', '=' || (n % 3), {key} \
             FROM ({numbers}) numbers"
        ),
        format!(
            "INSERT INTO customer_token (account_id, id, customer, token_id, kind, value, slot, created_at, created_by, updated_at) \
             SELECT 'T00000000', {key}, {key}, 't' || n, 'card', 'v' || n, '', n, 'x', n FROM ({numbers}) numbers"
        ),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
    // PostgreSQL does so by itself; SQLite plans without.
    if postgres {
        db.execute_unprepared("ANALYZE").await.unwrap();
    }
}

/// A runtime of which every statement that reads is heard.
async fn overheard() -> (TestDatabase, Registry, Arc<Mutex<Vec<Statement>>>) {
    let database = TestDatabase::create().await;
    let opened = Database::parse(&database.url).unwrap();
    Schema::up(&opened).await.unwrap();
    let source = Source::system();
    let vault = Vault::new(MasterKeys::new(b"0123456789abcdef0123456789abcdef").unwrap(), source.clone());
    let public = tenantry_domain::PublicUrl::parse("https://id.example.com").unwrap();
    let store = opened.open(2, true, &mut Catalogue::default()).await.unwrap();
    let asked: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let heard = asked.clone();
    store.read.overhear(move |told| heard.lock().unwrap().push(told.statement.clone()));
    let registry = Registry::new(Arc::new(Platform::new(store, source, vault, public, Choices::default())), 1);
    registry.platform().bootstrap().await.unwrap().unwrap();
    (database, registry, asked)
}

/// A partner lists and searches as many accounts as it may have, page by page.
#[actix_rt::test]
async fn no_list_of_accounts_walks_over_all_of_them() {
    let (database, registry, asked) = overheard().await;
    let partner = partner(&registry).await;
    let writer = sea_orm::Database::connect(&database.url).await.unwrap();
    let many = 30_000;
    let (numbers, id) = if TestDatabase::is_postgres() {
        (format!("SELECT n FROM generate_series(1, {many}) n"), "lpad(n::text, 5, '0')")
    } else {
        let all = format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {many}) SELECT n FROM c");
        (all, "printf('%05d', n)")
    };
    // Every third has the same name, and every tenth is gone.
    let columns = "parent, version, next_child, active, settings, created_by, created_at, updated_at";
    let rest = "parent, version, 1, active, settings, created_by, created_at, updated_at";
    let sql = format!(
        "INSERT INTO account (id, display_name, name_key, deleted_at, {columns}) SELECT 'T112' || {id}, 'Shop', \
         CASE WHEN n % 3 = 0 THEN 'shop' ELSE 'shop ' || n END, CASE WHEN n % 10 = 0 THEN n END, {rest} \
         FROM ({numbers}) numbers, (SELECT 'T11200000' AS parent, version, active, settings, created_by, created_at, updated_at \
         FROM account WHERE id = 'T11200000') one"
    );
    writer.execute_unprepared(&sql).await.unwrap();
    if TestDatabase::is_postgres() {
        writer.execute_unprepared("ANALYZE").await.unwrap();
    }
    let name = |n: usize| if n.is_multiple_of(3) { "shop".to_owned() } else { format!("shop {n}") };
    for (search, wanted) in [
        (None, (1..=many).filter(|n| n % 10 != 0).collect::<Vec<_>>()),
        (Some("t11202"), (2000..3000).filter(|n| n % 10 != 0).collect()),
        (Some("T11209999"), vec![9999]),
        (Some(" SHOP 2999 "), vec![2999, 29990, 29991, 29992, 29993, 29994, 29995, 29996, 29997, 29998, 29999]),
        (Some("shop"), (1..=many).filter(|n| n % 10 != 0).collect()),
        (Some("nobody"), vec![]),
        (Some("t11"), vec![]),
    ] {
        let mut wanted: Vec<usize> = wanted.into_iter().filter(|n| n % 10 != 0).collect();
        if search.is_some_and(|search| search.trim().to_lowercase().starts_with("shop")) {
            wanted.retain(|n| search.is_none_or(|search| name(*n).starts_with(&search.trim().to_lowercase())));
            wanted.sort_by_key(|n| (name(*n), *n));
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            asked.lock().unwrap().clear();
            let page = partner.accounts_below(search, after, 100).await.unwrap();
            if found.len() < 300 {
                let statements = std::mem::take(&mut *asked.lock().unwrap());
                for statement in statements {
                    walks_little(&writer, &statement.to_string()).await;
                }
            }
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            found.extend(page.iter().map(|account| account.id.as_str()[4..].parse::<usize>().unwrap()));
        }
        assert!(found == wanted, "{search:?}: {} of {}", found.len(), wanted.len());
    }
    let elsewhere = partner.accounts_below(Some("shop"), Some("T11300001".parse().unwrap()), 10).await;
    assert!(matches!(elsewhere, Err(tenantry_domain::Error::Invalid(_))));
}

#[actix_rt::test]
async fn no_search_walks_a_large_account() {
    let (database, registry, asked) = overheard().await;
    let account = registry.get(operator()).await.unwrap();
    let shoe = Attribute { name: "shoe".to_owned(), kind: AttributeType::Integer, multiple_values: false, private: false };
    let settings = CustomersSettingsChange { attributes: Some(vec![shoe]), ..CustomersSettingsChange::default() };
    account.change_customers_settings(Caller::system(), settings).await.unwrap();
    let input = TagInput { tag: "all".parse().unwrap(), metadata: None };
    let tag = account.create_tag(Caller::system(), input).await.unwrap().id;
    let writer = sea_orm::Database::connect(&database.url).await.unwrap();
    fill(&writer, tag, 30_000).await;

    let some = |text: &str| Some(text.to_owned());
    let one = || CustomerFilter { limit: 10, ..CustomerFilter::default() };
    let filters = [
        one(),
        CustomerFilter { kinds: vec![CustomerType::Company], ..one() },
        CustomerFilter { kinds: vec![CustomerType::Contact], ..one() },
        CustomerFilter { include_deleted: true, ..one() },
        CustomerFilter { include_deleted: true, kinds: vec![CustomerType::Contact], total: true, ..one() },
        CustomerFilter { include_deleted: true, email: some("m29"), ..one() },
        CustomerFilter { include_deleted: true, search: some("n29"), ..one() },
        CustomerFilter { email: some("m1"), ..one() },
        CustomerFilter { email: some("m29999@example.com"), ..one() },
        CustomerFilter { phone_number: some("+471"), ..one() },
        CustomerFilter { search: some("nam"), ..one() },
        CustomerFilter { search: some("last2"), ..one() },
        CustomerFilter { search: some("company"), ..one() },
        CustomerFilter { search: some("n29"), ..one() },
        CustomerFilter { search: some("nobody"), ..one() },
        CustomerFilter { tag: Some(tag), ..one() },
        CustomerFilter { token_value: some("v7"), ..one() },
        CustomerFilter { token_value: some("v7"), token_type: some("card"), ..one() },
        CustomerFilter { token_type: some("card"), ..one() },
        CustomerFilter { attributes: vec![("shoe".to_owned(), some("2"))], ..one() },
        CustomerFilter { since: Some(tenantry_domain::Instant::from_micros(29_000)), ..one() },
        CustomerFilter { since: Some(tenantry_domain::Instant::from_micros(0)), kinds: vec![CustomerType::Contact], ..one() },
        CustomerFilter { since: Some(tenantry_domain::Instant::from_micros(20_000)), include_deleted: true, ..one() },
        CustomerFilter { email: some("m"), tag: Some(tag), token_type: some("card"), ..one() },
    ];
    for filter in filters {
        let mut after = None;
        // The page after the first goes the same way.
        for _ in 0..2 {
            asked.lock().unwrap().clear();
            let page = account.customers(&CustomerFilter { after: after.clone(), ..filter.clone() }).await.unwrap();
            let statements = std::mem::take(&mut *asked.lock().unwrap());
            assert!(!statements.is_empty(), "nothing was heard");
            for statement in statements {
                walks_little(&writer, &statement.to_string()).await;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    // Too much to look at is refused, not walked.
    let too_broad = CustomerFilter { email: some("m"), phone_number: some("99"), ..one() };
    assert_eq!(account.customers(&too_broad).await.err(), Some(tenantry_domain::Error::QueryTooBroad));
    let too_many = CustomerFilter { email: some("m"), total: true, ..one() };
    assert_eq!(account.customers(&too_many).await.err(), Some(tenantry_domain::Error::QueryTooBroad));
    let counted = account.customers(&CustomerFilter { total: true, ..one() }).await.unwrap();
    assert_eq!(counted.total, Some(30_000));
}

/// Asserts that a statement reads few rows, by an index and in its order.
async fn walks_little(db: &impl ConnectionTrait, sql: &str) {
    if !sql.starts_with("SELECT") {
        return;
    }
    let postgres = TestDatabase::is_postgres();
    let explain = if postgres { "EXPLAIN (ANALYZE, FORMAT TEXT) " } else { "EXPLAIN QUERY PLAN " };
    let plan = db.query_all_raw(Statement::from_string(db.get_database_backend(), format!("{explain}{sql}"))).await.unwrap();
    let lines: Vec<String> = plan.iter().map(|row| row.try_get_by_index(if postgres { 0 } else { 3 }).unwrap()).collect();
    for line in &lines {
        if postgres {
            assert!(!line.contains("Seq Scan"), "{sql}\n{lines:#?}");
            let rows = line.split("rows=").nth(2).and_then(|rest| rest.split([' ', '.', ')']).next()?.parse::<f64>().ok());
            assert!(rows.is_none_or(|rows| rows <= 2000.0), "{rows:?} rows: {sql}\n{lines:#?}");
        } else {
            assert!(!line.starts_with("SCAN"), "{sql}\n{lines:#?}");
            assert!(!line.starts_with("USE TEMP B-TREE FOR ORDER BY"), "{sql}\n{lines:#?}");
        }
    }
}
