//! The one row of this installation.

use sea_orm::{ConnectionTrait, EntityTrait, Set};
use tenantry_domain::{Instant, Result};
use tenantry_entity::instance::{ActiveModel, Entity};

use super::{storage, taken};

/// The id of the master key that this installation's secrets are sealed under; `None` before the first start.
pub(crate) async fn master_key(db: &impl ConnectionTrait) -> Result<Option<String>> {
    Ok(Entity::find_by_id(1).one(db).await.map_err(storage)?.map(|row| row.master_key_id))
}

/// How often this installation was put back to an earlier state.
pub(crate) async fn epoch(db: &impl ConnectionTrait) -> Result<i64> {
    Ok(Entity::find_by_id(1).one(db).await.map_err(storage)?.map_or(0, |row| row.store_epoch))
}

/// Notes the master key at the first start.
pub(crate) async fn insert(db: &impl ConnectionTrait, now: Instant, master_key_id: String) -> Result<()> {
    let (created_at, master_key_id) = (Set(now.micros()), Set(master_key_id));
    let row = ActiveModel { id: Set(1), created_at, master_key_id, store_epoch: Set(0) };
    Entity::insert(row).exec_without_returning(db).await.map_err(taken("instance"))?;
    Ok(())
}
