//! Rows of `terms`.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{AccountId, Result, Terms, TermsId};
use tenantry_entity::terms::{ActiveModel, Column, Entity, Model};

use super::{corrupt, stamp, stamped, storage};

/// A live text.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: TermsId) -> Result<Option<Terms>> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id.0)).filter(Column::DeletedAt.is_null());
    row.one(db).await.map_err(storage)?.map(record).transpose()
}

/// Texts by id, after `after`.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    account: AccountId,
    include_deleted: bool,
    after: Option<TermsId>,
    limit: u64,
) -> Result<Vec<Terms>> {
    let mut query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
    if !include_deleted {
        query = query.filter(Column::DeletedAt.is_null());
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.0));
    }
    query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A new text.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, terms: &Terms) -> Result<()> {
    Entity::insert(columns(account, terms)).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Replaces a text.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, terms: &Terms) -> Result<()> {
    columns(account, terms).update(db).await.map_err(storage)?;
    Ok(())
}

fn columns(account: AccountId, terms: &Terms) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(terms.id.0),
        terms: Set(terms.terms.as_str().to_owned()),
        ..Default::default()
    };
    stamped!(row, &terms.stamp);
    row
}

fn record(row: Model) -> Result<Terms> {
    Ok(Terms {
        id: TermsId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        terms: row.terms.parse().map_err(corrupt)?,
    })
}
