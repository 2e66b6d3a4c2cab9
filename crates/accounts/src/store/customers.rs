//! Rows of `customer`.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Set, SqlErr, Statement, TryIntoModel,
};
use tenantry_domain::{
    AccountId, Customer, CustomerId, CustomerKey, CustomerType, Email, Error, Instant, Phone, Profile, Result, Text, fold,
};
use tenantry_entity::customer::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{ROWS, begins_with_from, corrupt, json, stamp, stamped, storage, to_json};

fn all(account: AccountId) -> Select<Entity> {
    Entity::find().filter(Column::AccountId.eq(account.as_str()))
}

fn live(account: AccountId) -> Select<Entity> {
    all(account).filter(Column::DeletedAt.is_null())
}

async fn one(db: &impl ConnectionTrait, query: Select<Entity>) -> Result<Option<Customer>> {
    query.one(db).await.map_err(storage)?.map(record).transpose()
}

async fn many(db: &impl ConnectionTrait, query: Select<Entity>) -> Result<Vec<Customer>> {
    query.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// The live customer with this id.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: &CustomerId) -> Result<Option<Customer>> {
    one(db, live(account).filter(Column::CustomerId.eq(id.as_str()))).await
}

/// The same, to change it: nobody else changes it before the end of the transaction.
pub(crate) async fn lock(db: &impl ConnectionTrait, account: AccountId, id: &CustomerId) -> Result<Customer> {
    let row = live(account).filter(Column::CustomerId.eq(id.as_str())).lock(LockType::Update);
    one(db, row).await?.ok_or(Error::NotFound)
}

/// The live customer with this record; with `lock`, nobody changes it before the end of the transaction.
pub(crate) async fn get(db: &impl ConnectionTrait, account: AccountId, key: Uuid, lock: bool) -> Result<Option<Customer>> {
    let query = live(account).filter(Column::Id.eq(key));
    one(db, if lock { query.lock_exclusive() } else { query }).await
}

/// The live customer of this kind with this mail address.
pub(crate) async fn by_email(
    db: &impl ConnectionTrait,
    account: AccountId,
    kind: CustomerType,
    email: &Email,
) -> Result<Option<Customer>> {
    one(db, live(account).filter(Column::EmailKey.eq(email.key())).filter(Column::Kind.eq(to_json(&kind)))).await
}

/// The live customer of this kind with this number, if it is one alone.
pub(crate) async fn by_phone(
    db: &impl ConnectionTrait,
    account: AccountId,
    kind: CustomerType,
    phone: &Phone,
) -> Result<Option<Customer>> {
    let query = live(account).filter(Column::PhoneKey.eq(phone.key())).filter(Column::Kind.eq(to_json(&kind)));
    let mut found = many(db, query.limit(2)).await?;
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// The live customers of any kind with this mail address and this number, at most two.
pub(crate) async fn exact(
    db: &impl ConnectionTrait,
    account: AccountId,
    email: Option<&Email>,
    phone: Option<&Phone>,
) -> Result<Vec<Customer>> {
    let mut query = live(account);
    if let Some(email) = email {
        query = query.filter(Column::EmailKey.eq(email.key()));
    }
    if let Some(phone) = phone {
        query = query.filter(Column::PhoneKey.eq(phone.key()));
    }
    many(db, query.limit(2)).await
}

/// These live customers, in the order of their records.
pub(crate) async fn these(db: &impl ConnectionTrait, account: AccountId, keys: &[Uuid]) -> Result<Vec<Customer>> {
    many(db, live(account).filter(Column::Id.is_in(keys.iter().copied())).order_by_asc(Column::Id)).await
}

/// What those of these customers that live are called.
pub(crate) async fn names(db: &impl ConnectionTrait, account: AccountId, keys: &[Uuid]) -> Result<HashMap<Uuid, CustomerId>> {
    called(db, live(account), keys).await
}

async fn called(db: &impl ConnectionTrait, of: Select<Entity>, keys: &[Uuid]) -> Result<HashMap<Uuid, CustomerId>> {
    let query = of.filter(Column::Id.is_in(keys.iter().copied())).select_only();
    let query = query.column(Column::Id).column(Column::CustomerId).into_tuple::<(Uuid, String)>();
    let row = |(key, id): (Uuid, String)| Ok((key, id.parse().map_err(corrupt)?));
    query.all(db).await.map_err(storage)?.into_iter().map(row).collect()
}

/// What these customers are called, alive or not.
pub(crate) async fn all_names(db: &impl ConnectionTrait, account: AccountId, keys: &[Uuid]) -> Result<HashMap<Uuid, CustomerId>> {
    called(db, all(account), keys).await
}

/// Whether a customer, alive or not, has this id.
pub(crate) async fn was_given(db: &impl ConnectionTrait, account: AccountId, id: &CustomerId) -> Result<bool> {
    let found = all(account).filter(Column::CustomerId.eq(id.as_str())).select_only().column(Column::Id);
    Ok(found.into_tuple::<Uuid>().one(db).await.map_err(storage)?.is_some())
}

/// The record of whoever, alive or not, had this record or has this name.
pub(crate) async fn record_of(db: &impl ConnectionTrait, account: AccountId, text: &str) -> Result<Option<Customer>> {
    let query = match Uuid::try_parse(text) {
        Ok(key) => all(account).filter(Condition::any().add(Column::Id.eq(key)).add(Column::CustomerId.eq(text))),
        Err(_) => all(account).filter(Column::CustomerId.eq(text)),
    };
    one(db, query.limit(1)).await
}

/// A new customer; `duplicate` names what another one has. `shared`: several may have its number.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, customer: &Customer, shared: bool) -> Result<()> {
    Entity::insert(columns(account, customer, shared)).exec_without_returning(db).await.map_err(taken)?;
    Ok(())
}

/// New customers; those that are in conflict with somebody are left out. Yields the records of the others.
pub(crate) async fn insert_new(
    db: &impl ConnectionTrait,
    account: AccountId,
    customers: &[Customer],
    shared: bool,
) -> Result<HashSet<Uuid>> {
    let mut made = HashSet::new();
    for customers in customers.chunks(ROWS) {
        let rows = customers.iter().map(|customer| columns(account, customer, shared));
        let mut insert = Entity::insert_many(rows).into_query();
        insert.on_conflict(OnConflict::new().do_nothing().to_owned());
        if db.get_database_backend() == DatabaseBackend::Postgres {
            insert.returning_col(Column::Id);
            for row in db.query_all(&insert).await.map_err(storage)? {
                made.insert(row.try_get_by_index(0).map_err(storage)?);
            }
            continue;
        }
        // SQLite wakes whoever waits for each row that comes back: mostly all are there.
        db.execute(&insert).await.map_err(storage)?;
        let keys = || customers.iter().map(|customer| customer.key.0);
        let there = all(account).filter(Column::Id.is_in(keys()));
        if there.clone().count(db).await.map_err(storage)? == customers.len() as u64 {
            made.extend(keys());
        } else {
            let ids = there.select_only().column(Column::Id).into_tuple::<Uuid>();
            made.extend(ids.all(db).await.map_err(storage)?);
        }
    }
    Ok(made)
}

/// Replaces a customer; `duplicate` names what another one has. `shared`: whether several may have its number, if that is
/// another than before.
pub(crate) async fn update(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: &Customer,
    shared: Option<bool>,
) -> Result<()> {
    let mut row = columns(account, customer, shared.unwrap_or_default());
    if shared.is_none() {
        row.phone_slot = NotSet;
    }
    row.update(db).await.map_err(taken)?;
    Ok(())
}

/// Whether another live customer has this number, by itself or with others.
pub(crate) async fn has_phone(db: &impl ConnectionTrait, account: AccountId, phone: &Phone, but: CustomerKey) -> Result<bool> {
    let others = live(account).filter(Column::PhoneKey.eq(phone.key())).filter(Column::Id.ne(but.0)).select_only();
    Ok(others.column(Column::Id).limit(1).into_tuple::<Uuid>().one(db).await.map_err(storage)?.is_some())
}

/// The number after the highest `customer_id` that is a number. Nobody else gets it before the end of the transaction.
pub(crate) async fn next_number(db: &impl ConnectionTrait, account: AccountId) -> Result<i64> {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let turn = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let turn = Statement::from_sql_and_values(DatabaseBackend::Postgres, turn, [format!("customer {account}").into()]);
        db.execute_raw(turn).await.map_err(storage)?;
    }
    let highest = all(account).filter(Column::Number.is_not_null()).order_by_desc(Column::Number).select_only();
    let highest = highest.column(Column::Number).limit(1).into_tuple::<i64>().one(db).await.map_err(storage)?;
    Ok(highest.unwrap_or(0) + 1)
}

/// A customer as text that [`unpack`] reads.
pub(crate) fn pack(account: AccountId, customer: &Customer) -> Result<String> {
    columns(account, customer, false).try_into_model().map(|row| to_json(&row)).map_err(storage)
}

/// Reads what [`pack`] wrote.
pub(crate) fn unpack(text: &str) -> Result<Customer> {
    record(json(text)?)
}

/// A way through an account's customers, in an order of its own, that an index leads along.
#[derive(Debug, Clone)]
pub(crate) enum Walk {
    /// All that ever were, by record.
    Ever,
    /// Those of a kind, alive or gone, by record.
    Kind(CustomerType, Life),
    /// Those of a kind changed at or after a moment, alive or gone, by that.
    Changed(CustomerType, Life, Instant),
    /// The live ones with a text that begins so, by that text; with `true` also gone ones, which have but their `customer_id`.
    Prefix(Field, String, bool),
}

/// Whether a customer is there or was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    Gone,
}

/// Text that customers are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Its whole name.
    Name,
    /// Its family's name, then its own.
    LastName,
    /// The name of its company.
    Company,
    /// Its `customer_id`.
    CustomerId,
    /// Its number's digits.
    Phone,
    /// Its mail address.
    Email,
}

impl Field {
    const fn column(self) -> Column {
        match self {
            Self::Name => Column::NameKey,
            Self::LastName => Column::LastKey,
            Self::Company => Column::CompanyKey,
            Self::CustomerId => Column::CustomerId,
            Self::Phone => Column::PhoneKey,
            Self::Email => Column::EmailKey,
        }
    }

    /// The text of a customer, in the form that is compared.
    pub(crate) fn of(self, customer: &Customer) -> Option<String> {
        let (first, last) = (customer.first_name.as_ref().map(Text::as_str), customer.last_name.as_ref().map(Text::as_str));
        let joined = |parts: [Option<&str>; 2]| {
            let text = sought(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
            (!text.is_empty()).then_some(text)
        };
        match self {
            Self::Name => joined([first, last]),
            // Who has but one name is found by that.
            Self::LastName => joined([last, first]).filter(|_| first.is_some() && last.is_some()),
            Self::Company => customer.profile.company.as_ref().map(|company| sought(&company.bussiness_name)),
            Self::CustomerId => Some(customer.customer_id.to_string()),
            Self::Phone => customer.phone.as_ref().map(|phone| phone.key().to_owned()),
            Self::Email => customer.email.as_ref().map(|email| email.key().to_owned()),
        }
    }
}

/// The form in which names are compared: so much of it as an index takes.
pub(crate) fn sought(name: &str) -> String {
    fold(name).chars().take(250).collect()
}

/// How far somebody has walked: what a walk is ordered by, and the record.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Reached {
    pub(crate) key: Option<String>,
    pub(crate) id: Uuid,
}

/// The next customers of a walk.
pub(crate) async fn walk(
    db: &impl ConnectionTrait,
    account: AccountId,
    walk: &Walk,
    reached: Option<&Reached>,
    limit: u64,
) -> Result<Vec<Customer>> {
    many(db, along(account, walk, reached).limit(limit)).await
}

fn along(account: AccountId, walk: &Walk, reached: Option<&Reached>) -> Select<Entity> {
    let after = Condition::all().add_option(reached.map(|reached| Column::Id.gt(reached.id)));
    match walk {
        Walk::Ever => all(account).filter(after).order_by_asc(Column::Id),
        Walk::Kind(kind, life) => of_kind(account, *kind, *life).filter(after).order_by_asc(Column::Id),
        Walk::Changed(kind, life, since) => {
            let reached = reached.and_then(|reached| Some((reached.key.as_ref()?.parse::<i64>().ok()?, reached.id)));
            let from = reached.map_or(since.micros(), |(at, _)| at);
            let mut query = of_kind(account, *kind, *life).filter(Column::UpdatedAt.gte(from));
            if let Some((at, id)) = reached {
                let same = Condition::all().add(Column::UpdatedAt.eq(at)).add(Column::Id.gt(id));
                query = query.filter(Condition::any().add(Column::UpdatedAt.gt(at)).add(same));
            }
            query.order_by_asc(Column::UpdatedAt).order_by_asc(Column::Id)
        }
        Walk::Prefix(field, prefix, gone) => {
            let query = if *gone && *field == Field::CustomerId { all(account) } else { live(account) };
            let (column, reached) = (field.column(), reached.and_then(|reached| Some((reached.key.as_deref()?, reached.id))));
            let from = reached.map_or(prefix.as_str(), |(key, _)| key);
            let mut query = query.filter(begins_with_from(column, prefix, from));
            if let Some((key, id)) = reached {
                let same = Condition::all().add(column.eq(key)).add(Column::Id.gt(id));
                query = query.filter(Condition::any().add(column.gt(key)).add(same));
            }
            query.order_by_asc(column).order_by_asc(Column::Id)
        }
    }
}

fn of_kind(account: AccountId, kind: CustomerType, life: Life) -> Select<Entity> {
    let there = match life {
        Life::Alive => Column::DeletedAt.is_null(),
        Life::Gone => Column::DeletedAt.is_not_null(),
    };
    all(account).filter(there).filter(Column::Kind.eq(to_json(&kind)))
}

/// How many customers of a kind there are.
pub(crate) async fn count(db: &impl ConnectionTrait, account: AccountId, kind: CustomerType, life: Life) -> Result<u64> {
    of_kind(account, kind, life).count(db).await.map_err(storage)
}

fn columns(account: AccountId, customer: &Customer, shared: bool) -> ActiveModel {
    let text = |text: Option<&str>| text.map(ToOwned::to_owned);
    let profile = *customer.profile != Profile::default();
    let slot = |_| if shared { customer.key.to_string() } else { String::new() };
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(customer.key.0),
        version: Set(customer.version),
        customer_id: Set(customer.customer_id.to_string()),
        number: Set(customer.customer_id.number()),
        kind: Set(to_json(&customer.kind)),
        first_name: Set(text(customer.first_name.as_ref().map(Text::as_str))),
        last_name: Set(text(customer.last_name.as_ref().map(Text::as_str))),
        name_key: Set(Field::Name.of(customer)),
        last_key: Set(Field::LastName.of(customer)),
        company_key: Set(Field::Company.of(customer)),
        email: Set(text(customer.email.as_ref().map(Email::as_str))),
        email_key: Set(Field::Email.of(customer)),
        email_verified_at: Set(customer.email_verified_at.map(Instant::micros)),
        phone: Set(text(customer.phone.as_ref().map(Phone::as_str))),
        phone_key: Set(Field::Phone.of(customer)),
        phone_slot: Set(customer.phone.as_ref().map(slot)),
        phone_verified_at: Set(customer.phone_verified_at.map(Instant::micros)),
        next_phone: Set(text(customer.next_phone.as_ref().map(Phone::as_str))),
        profile: Set(profile.then(|| to_json(&customer.profile))),
        ..Default::default()
    };
    stamped!(row, &customer.stamp);
    row
}

/// Which unique value another customer has. PostgreSQL names the index, SQLite its columns.
fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(text)) if text.contains("email") => Error::Duplicate("email"),
        Some(SqlErr::UniqueConstraintViolation(text)) if text.contains("phone") => Error::Duplicate("phone_number"),
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::Duplicate("customer_id"),
        _ => storage(error),
    }
}

fn record(row: Model) -> Result<Customer> {
    let name = |name: Option<String>| name.map(|name| name.parse()).transpose().map_err(corrupt);
    let phone = |phone: Option<String>| phone.map(|phone| phone.parse()).transpose().map_err(corrupt);
    Ok(Customer {
        key: CustomerKey(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        version: row.version,
        customer_id: row.customer_id.parse().map_err(corrupt)?,
        kind: json(&row.kind)?,
        first_name: name(row.first_name)?,
        last_name: name(row.last_name)?,
        email: row.email.map(|email| email.parse()).transpose().map_err(corrupt)?,
        email_verified_at: row.email_verified_at.map(Instant::from_micros),
        phone: phone(row.phone)?,
        phone_verified_at: row.phone_verified_at.map(Instant::from_micros),
        next_phone: phone(row.next_phone)?,
        profile: row.profile.as_deref().map(json).transpose()?.unwrap_or_default(),
    })
}
