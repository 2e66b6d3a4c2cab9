//! Rows of `replay`.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{AccountId, Error, Instant, Result};
use tenantry_entity::replay::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::storage;

/// A row of this table.
pub(crate) type Replay = Model;

/// What was answered to the request of this name, if that is not too long ago.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: Uuid, now: Instant) -> Result<Option<Model>> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id)).filter(Column::ExpiresAt.gt(now.micros()));
    row.one(db).await.map_err(storage)
}

/// Keeps an answer: the request's name and its content, the record that it made, the answer. `Unchanged` where somebody else did
/// so at the same time.
pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, request): (Uuid, Uuid),
    (record, answer): (Uuid, String),
    expires_at: Instant,
) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(id),
        request: Set(request),
        record: Set(record),
        answer: Set(answer),
        expires_at: Set(expires_at.micros()),
    };
    // One that has expired and was not yet removed is in the way.
    let old = Entity::delete_by_id((account.as_str().to_owned(), id)).filter(Column::ExpiresAt.lte(expires_at.micros() - LIFE));
    old.exec(db).await.map_err(storage)?;
    Entity::insert(row).exec_without_returning(db).await.map_err(|error| match super::taken("")(error) {
        Error::Duplicate(_) => Error::Unchanged,
        other => other,
    })?;
    Ok(())
}

/// How long answers are kept, in microseconds.
const LIFE: i64 = crate::replays::REPLAYS * 1_000_000;

/// Forgets what was answered about a record.
pub(crate) async fn forget(db: &impl ConnectionTrait, account: AccountId, record: Uuid) -> Result<()> {
    let of = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Record.eq(record));
    of.exec(db).await.map_err(storage)?;
    Ok(())
}
