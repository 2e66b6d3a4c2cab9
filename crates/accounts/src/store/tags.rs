//! Rows of `tag`.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{AccountId, Result, Tag, TagId};
use tenantry_entity::tag::{ActiveModel, Column, Entity, Model};

use super::{corrupt, json, stamp, stamped, storage, taken, to_json};

/// The live tags of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Tag>> {
    let live = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null());
    live.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A new tag; `duplicate` if another live one has its text.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, tag: &Tag) -> Result<()> {
    Entity::insert(columns(account, tag)).exec_without_returning(db).await.map_err(taken("tag"))?;
    Ok(())
}

/// Replaces a tag.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, tag: &Tag) -> Result<()> {
    columns(account, tag).update(db).await.map_err(storage)?;
    Ok(())
}

fn columns(account: AccountId, tag: &Tag) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(tag.id.0),
        tag: Set(tag.tag.as_str().to_owned()),
        tag_key: Set(tag.key()),
        metadata: Set(tag.metadata.as_ref().map(to_json)),
        ..Default::default()
    };
    stamped!(row, &tag.stamp);
    row
}

fn record(row: Model) -> Result<Tag> {
    Ok(Tag {
        id: TagId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        tag: row.tag.parse().map_err(corrupt)?,
        metadata: row.metadata.as_deref().map(json).transpose()?,
    })
}
