//! Rows of `signing_key`.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{AccountId, Instant, KeyId, Result};
use tenantry_entity::key::{ActiveModel, Column, Entity, Model};

use super::{corrupt, json, storage, to_json};
use crate::keys::SigningKey;

/// The signing keys of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<SigningKey>> {
    let rows = Entity::find().filter(Column::AccountId.eq(account.as_str())).all(db).await.map_err(storage)?;
    rows.into_iter().map(record).collect()
}

/// A new key.
pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    account: AccountId,
    key: &SigningKey,
    now: Instant,
    by: &str,
) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(key.id.0),
        algorithm: Set(key.algorithm.as_str().to_owned()),
        purpose: Set(key.purpose.as_str().to_owned()),
        public: Set(to_json(&key.jwk)),
        sealed_private: Set(key.sealed.to_vec()),
        active_from: Set(key.active_from.micros()),
        created_at: Set(now.micros()),
        created_by: Set(by.to_owned()),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Removes keys that nothing valid is signed with any more.
pub(crate) async fn delete(db: &impl ConnectionTrait, account: AccountId, keys: &[KeyId]) -> Result<()> {
    let ids = keys.iter().map(|key| key.0);
    let gone = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Id.is_in(ids));
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

fn record(row: Model) -> Result<SigningKey> {
    let (purpose, algorithm) = (row.purpose.parse().map_err(corrupt)?, row.algorithm.parse().map_err(corrupt)?);
    let (id, active_from) = (KeyId(row.id), Instant::from_micros(row.active_from));
    Ok(SigningKey::stored(id, purpose, algorithm, active_from, json(&row.public)?, row.sealed_private.into()))
}
