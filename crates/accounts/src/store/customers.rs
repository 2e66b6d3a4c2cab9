//! Rows of `customer`.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Select, Set, SqlErr};
use tenantry_domain::{AccountId, Customer, CustomerId, CustomerKey, CustomerType, Email, Error, Result};
use tenantry_entity::customer::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{corrupt, json, stamp, stamped, storage, to_json};

fn live(account: AccountId) -> Select<Entity> {
    Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null())
}

async fn one(db: &impl ConnectionTrait, query: Select<Entity>) -> Result<Option<Customer>> {
    query.one(db).await.map_err(storage)?.map(record).transpose()
}

/// The live customer with this id.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: &CustomerId) -> Result<Option<Customer>> {
    one(db, live(account).filter(Column::CustomerId.eq(id.as_str()))).await
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

/// A new customer; `duplicate` names what another one has.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, customer: &Customer) -> Result<()> {
    let text = |text: &str| text.to_owned();
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(customer.key.0),
        customer_id: Set(customer.customer_id.to_string()),
        kind: Set(to_json(&customer.kind)),
        first_name: Set(customer.first_name.as_ref().map(|name| text(name.as_str()))),
        last_name: Set(customer.last_name.as_ref().map(|name| text(name.as_str()))),
        email: Set(customer.email.as_ref().map(|email| text(email.as_str()))),
        email_key: Set(customer.email.as_ref().map(|email| text(email.key()))),
        phone: Set(customer.phone.as_ref().map(|phone| text(phone.as_str()))),
        phone_key: Set(customer.phone.as_ref().map(|phone| text(phone.key()))),
        ..Default::default()
    };
    stamped!(row, &customer.stamp);
    Entity::insert(row).exec_without_returning(db).await.map_err(taken)?;
    Ok(())
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
    Ok(Customer {
        key: CustomerKey(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        customer_id: row.customer_id.parse().map_err(corrupt)?,
        kind: json(&row.kind)?,
        first_name: row.first_name.map(|name| name.parse()).transpose().map_err(corrupt)?,
        last_name: row.last_name.map(|name| name.parse()).transpose().map_err(corrupt)?,
        email: row.email.map(|email| email.parse()).transpose().map_err(corrupt)?,
        phone: row.phone.map(|phone| phone.parse()).transpose().map_err(corrupt)?,
    })
}
