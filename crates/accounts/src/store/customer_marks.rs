//! Rows of `customer_tag` and `customer_attribute`: what customers are found by, many to a customer.

use aws_lc_rs::digest::{SHA256, digest};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, Statement};
use tenantry_domain::{AccountId, Result, TagId};
use tenantry_entity::{customer_attribute, customer_tag};
use uuid::Uuid;

use super::{ROWS, storage};

/// The tags of a customer, deleted ones among them.
pub(crate) async fn tags(db: &impl ConnectionTrait, account: AccountId, customer: Uuid) -> Result<Vec<TagId>> {
    use customer_tag::{Column, Entity};
    let query = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::Customer.eq(customer));
    Ok(query.all(db).await.map_err(storage)?.into_iter().map(|row| TagId(row.tag)).collect())
}

/// Gives a customer these tags and no others.
pub(crate) async fn set_tags(db: &impl ConnectionTrait, account: AccountId, customer: Uuid, tags: &[TagId]) -> Result<()> {
    use customer_tag::{ActiveModel, Column, Entity};
    let old = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Customer.eq(customer));
    old.exec(db).await.map_err(storage)?;
    let row = |tag: &TagId| ActiveModel { account_id: Set(account.into()), tag: Set(tag.0), customer: Set(customer) };
    for tags in tags.chunks(ROWS) {
        Entity::insert_many(tags.iter().map(row)).exec_without_returning(db).await.map_err(storage)?;
    }
    Ok(())
}

/// An attribute as a customer is found by it: its name, and one of its values, or nothing for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    name: String,
    value: String,
}

impl Mark {
    /// That there is a value.
    pub(crate) fn any(name: &str) -> Self {
        Self { name: name.to_owned(), value: String::new() }
    }

    /// Whether any value will do.
    pub(crate) fn is_any(&self) -> bool {
        self.value.is_empty()
    }

    /// That there is this one, in the form that is compared. A long one is known by its hash.
    pub(crate) fn of(name: &str, key: &str) -> Self {
        let hex = |text: &str| {
            digest(&SHA256, text.as_bytes()).as_ref().iter().fold("#".to_owned(), |hex, byte| hex + &format!("{byte:02x}"))
        };
        Self { name: name.to_owned(), value: if key.len() > 255 { hex(key) } else { format!("={key}") } }
    }
}

/// Lets a customer be found by these and no others. `new`: it was by none.
pub(crate) async fn set_attributes(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: Uuid,
    (mut marks, new): (Vec<Mark>, bool),
) -> Result<()> {
    use customer_attribute::{ActiveModel, Column, Entity};
    if !new {
        let old = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Customer.eq(customer));
        old.exec(db).await.map_err(storage)?;
    }
    marks.sort_unstable();
    marks.dedup();
    let row = |Mark { name, value }: &Mark| ActiveModel {
        account_id: Set(account.into()),
        name: Set(name.clone()),
        value: Set(value.clone()),
        customer: Set(customer),
    };
    for marks in marks.chunks(ROWS) {
        Entity::insert_many(marks.iter().map(row)).exec_without_returning(db).await.map_err(storage)?;
    }
    Ok(())
}

/// Customers with a tag by record, after `after`.
pub(crate) async fn tagged(
    db: &impl ConnectionTrait,
    account: AccountId,
    tag: TagId,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Uuid>> {
    use customer_tag::{Column, Entity};
    let query = Entity::find()
        .select_only()
        .column(Column::Customer)
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Tag.eq(tag.0))
        .filter(Column::Customer.gt(after));
    query.order_by_asc(Column::Customer).limit(limit).into_tuple().all(db).await.map_err(storage)
}

/// Which of these have a tag.
pub(crate) async fn with_tag(db: &impl ConnectionTrait, account: AccountId, tag: TagId, of: &[Uuid]) -> Result<Vec<Uuid>> {
    use customer_tag::{Column, Entity};
    let query = Entity::find()
        .select_only()
        .column(Column::Customer)
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Tag.eq(tag.0))
        .filter(Column::Customer.is_in(of.iter().copied()));
    query.into_tuple().all(db).await.map_err(storage)
}

/// Customers with an attribute by record, after `after`.
pub(crate) async fn marked(
    db: &impl ConnectionTrait,
    account: AccountId,
    mark: &Mark,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Uuid>> {
    use customer_attribute::{Column, Entity};
    let query = Entity::find()
        .select_only()
        .column(Column::Customer)
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Name.eq(&mark.name))
        .filter(Column::Value.eq(&mark.value))
        .filter(Column::Customer.gt(after));
    query.order_by_asc(Column::Customer).limit(limit).into_tuple().all(db).await.map_err(storage)
}

/// Which of these have an attribute.
pub(crate) async fn with_mark(db: &impl ConnectionTrait, account: AccountId, mark: &Mark, of: &[Uuid]) -> Result<Vec<Uuid>> {
    use customer_attribute::{Column, Entity};
    let query = Entity::find()
        .select_only()
        .column(Column::Customer)
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Name.eq(&mark.name))
        .filter(Column::Value.eq(&mark.value))
        .filter(Column::Customer.is_in(of.iter().copied()));
    query.into_tuple().all(db).await.map_err(storage)
}

/// Takes up to `limit` deleted tags from customers, whosesoever they are; how many it were.
pub(crate) async fn prune_tags(db: &impl ConnectionTrait, limit: u32) -> Result<usize> {
    let sql = format!(
        "DELETE FROM customer_tag WHERE (account_id, tag, customer) IN (SELECT c.account_id, c.tag, c.customer FROM tag t \
         JOIN customer_tag c ON c.account_id = t.account_id AND c.tag = t.id WHERE t.deleted_at IS NOT NULL LIMIT {limit}) \
         RETURNING customer"
    );
    let gone = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.map_err(storage)?;
    Ok(gone.len())
}
