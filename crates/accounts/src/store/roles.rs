//! Rows of `role`.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{AccountId, Instant, Result, Role, RoleId, Scopes};
use tenantry_entity::role::{ActiveModel, Column, Entity, Model};

use super::{all_of, corrupt, ended, stamp, stamped, storage, taken};

/// The live roles of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Role>> {
    let live = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null());
    live.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// Roles of an account, deleted ones too, by id after `after`.
pub(crate) async fn page(db: &impl ConnectionTrait, account: AccountId, after: Option<RoleId>, limit: u64) -> Result<Vec<Role>> {
    let mut query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.0));
    }
    query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A row of this table, ready to be written.
pub(crate) type RoleRow = ActiveModel;

/// Replaces a role; `duplicate` if another live one has its name.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, role: &Role) -> Result<()> {
    columns(account, role).update(db).await.map_err(taken("name"))?;
    Ok(())
}

/// Ends roles.
pub(crate) async fn end(db: &impl ConnectionTrait, account: AccountId, ids: &[RoleId], at: Instant, by: &str) -> Result<()> {
    all_of(ids.len(), ended!(db, account, Column::Id, ids, at, by))
}

/// A role as a row.
pub(crate) fn columns(account: AccountId, role: &Role) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(role.id.0),
        name: Set(role.name.as_ref().map(|name| name.as_str().to_owned())),
        name_key: Set(role.name_key()),
        description: Set(role.description.as_ref().map(|text| text.as_str().to_owned())),
        scope: Set(role.scope.claim()),
        ..Default::default()
    };
    stamped!(row, &role.stamp);
    row
}

fn record(row: Model) -> Result<Role> {
    Ok(Role {
        id: RoleId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        name: row.name.map(|name| name.parse()).transpose().map_err(corrupt)?,
        description: row.description.map(|text| text.parse()).transpose().map_err(corrupt)?,
        scope: Scopes::parse_claim(&row.scope).map_err(corrupt)?,
    })
}
