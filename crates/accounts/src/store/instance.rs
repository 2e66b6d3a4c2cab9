//! The one row of this installation.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{Instant, Result};
use tenantry_entity::instance::{ActiveModel, Column, Entity};

use super::{storage, taken};

/// What this installation's secrets are sealed under and its values derived with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keys {
    /// The names of master keys, separated by spaces; the latest first.
    pub(crate) master_keys: String,
    /// Sealed; `None` before values had a key of their own.
    pub(crate) derivation: Option<Vec<u8>>,
}

/// The keys of this installation; `None` before the first start.
pub(crate) async fn keys(db: &impl ConnectionTrait) -> Result<Option<Keys>> {
    let row = Entity::find_by_id(1).one(db).await.map_err(storage)?;
    Ok(row.map(|row| Keys { master_keys: row.master_key_id, derivation: row.sealed_derivation }))
}

/// Notes others, unless somebody else has meanwhile.
pub(crate) async fn replace_keys(db: &impl ConnectionTrait, old: &Keys, new: &Keys) -> Result<()> {
    let same = match &old.derivation {
        Some(derivation) => Column::SealedDerivation.eq(derivation.clone()),
        None => Column::SealedDerivation.is_null(),
    };
    let row = ActiveModel {
        master_key_id: Set(new.master_keys.clone()),
        sealed_derivation: Set(new.derivation.clone()),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(Column::MasterKeyId.eq(&old.master_keys)).filter(same);
    update.exec(db).await.map_err(storage)?;
    Ok(())
}

/// How often this installation was put back to an earlier state.
pub(crate) async fn epoch(db: &impl ConnectionTrait) -> Result<i64> {
    Ok(Entity::find_by_id(1).one(db).await.map_err(storage)?.map_or(0, |row| row.store_epoch))
}

/// Notes the master key at the first start, and what values are derived with.
pub(crate) async fn insert(db: &impl ConnectionTrait, now: Instant, master_key: String, derivation: Vec<u8>) -> Result<()> {
    let row = ActiveModel {
        id: Set(1),
        created_at: Set(now.micros()),
        master_key_id: Set(master_key),
        sealed_derivation: Set(Some(derivation)),
        store_epoch: Set(0),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(taken("instance"))?;
    Ok(())
}
