//! Rows of `outbox`: messages that are to be sent.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{AccountId, Channel, Instant, Result};
use tenantry_entity::outbox::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{corrupt, json, storage, to_json};
use crate::outbox::{Letter, Template};

/// Puts a message out.
pub(crate) async fn insert(db: &impl ConnectionTrait, letter: &Letter, now: Instant) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(letter.account.into()),
        id: Set(letter.id),
        template: Set(to_json(&letter.template)),
        about: Set(letter.about),
        number: Set(letter.number.into()),
        channel: Set(to_json(&letter.channel)),
        target: Set(letter.target.clone()),
        tries: Set(0),
        created_at: Set(now.micros()),
        // What goes nowhere is never due.
        next_at: Set(if letter.target.is_some() { now.micros() } else { letter.expires_at.micros() }),
        expires_at: Set(letter.expires_at.micros()),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Messages that are due, the oldest first.
pub(crate) async fn due(db: &impl ConnectionTrait, now: Instant, limit: u64) -> Result<Vec<Letter>> {
    let rows = Entity::find().filter(Column::NextAt.lte(now.micros())).filter(Column::ExpiresAt.gt(now.micros()));
    let rows = rows.order_by_asc(Column::NextAt).limit(limit).all(db).await.map_err(storage)?.into_iter();
    // One that cannot be read stops none of the others.
    let read = |row: Model| record(row).inspect_err(|error| tracing::error!(?error, "a message in the outbox")).ok();
    Ok(rows.filter_map(read).collect())
}

/// Takes a message to send it now: nobody else does before `until`. `false`: somebody has it.
pub(crate) async fn take(db: &impl ConnectionTrait, letter: &Letter, now: Instant, until: Instant) -> Result<bool> {
    let taken = Entity::update_many()
        .filter(Column::AccountId.eq(letter.account.as_str()))
        .filter(Column::Id.eq(letter.id))
        .filter(Column::NextAt.lte(now.micros()))
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
        .col_expr(Column::NextAt, until.micros().into());
    Ok(!taken.exec_with_returning(db).await.map_err(storage)?.is_empty())
}

/// Puts the next try of a message off.
pub(crate) async fn delay(db: &impl ConnectionTrait, account: AccountId, id: Uuid, until: Instant) -> Result<()> {
    let delayed = Entity::update_many()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id))
        .col_expr(Column::NextAt, until.micros().into());
    delayed.exec(db).await.map_err(storage)?;
    Ok(())
}

/// A message was sent: nothing is left of it.
pub(crate) async fn remove(db: &impl ConnectionTrait, account: AccountId, id: Uuid) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Id.eq(id));
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

/// Takes back what was to be sent about anybody with one of these records.
pub(crate) async fn forget(db: &impl ConnectionTrait, account: AccountId, records: &[Uuid]) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(
        Condition::any()
            .add(Column::About.in_subquery(super::challenges::of(account, records)))
            .add(Column::About.is_in(records.iter().copied())),
    );
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

fn record(row: Model) -> Result<Letter> {
    Ok(Letter {
        account: row.account_id.parse().map_err(corrupt)?,
        id: row.id,
        template: json::<Template>(&row.template)?,
        about: row.about,
        number: u32::try_from(row.number).map_err(corrupt)?,
        channel: json::<Channel>(&row.channel)?,
        target: row.target,
        tries: u32::try_from(row.tries).map_err(corrupt)?,
        expires_at: Instant::from_micros(row.expires_at),
    })
}
