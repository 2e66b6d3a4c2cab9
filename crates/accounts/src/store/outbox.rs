//! Rows of `outbox`: messages that are to be sent.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set};
use tenantry_domain::{AccountId, Channel, Error, Instant, MessageId, Result};
use tenantry_entity::outbox::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{ROWS, corrupt, json, storage, to_json};
use crate::outbox::{Letter, OutboxFilter, Template, Waiting};

/// Puts a message out.
pub(crate) async fn insert(db: &impl ConnectionTrait, letter: &Letter, now: Instant) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(letter.account.into()),
        id: Set(letter.id.0),
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
        failure: Set(None),
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
        .filter(Column::Id.eq(letter.id.0))
        .filter(Column::NextAt.lte(now.micros()))
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
        .col_expr(Column::NextAt, until.micros().into())
        // Whoever asks meanwhile sees that nothing is known of this try yet.
        .col_expr(Column::Failure, Option::<String>::None.into());
    Ok(!taken.exec_with_returning(db).await.map_err(storage)?.is_empty())
}

/// Puts the next try of a message off, and says why; for ever, if there is no time for it.
pub(crate) async fn delay(
    db: &impl ConnectionTrait,
    (account, id): (AccountId, MessageId),
    until: Option<Instant>,
    failure: &str,
) -> Result<()> {
    // What is due when it would come too late is due no more.
    let next_at = until.map_or_else(|| Expr::col(Column::ExpiresAt), |until| Expr::value(until.micros()));
    let delayed = Entity::update_many()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id.0))
        .col_expr(Column::NextAt, next_at)
        .col_expr(Column::Failure, failure.into());
    delayed.exec(db).await.map_err(storage)?;
    Ok(())
}

/// The messages of an account that go somewhere, the latest first.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    account: AccountId,
    filter: &OutboxFilter,
    now: Instant,
) -> Result<Vec<Waiting>> {
    let mut rows = of(account);
    if let Some(failed) = filter.failed {
        let over = Condition::any()
            .add(Column::ExpiresAt.lte(now.micros()))
            .add(Expr::col(Column::NextAt).gte(Expr::col(Column::ExpiresAt)));
        rows = rows.filter(if failed { over } else { over.not() });
    }
    if let Some(after) = filter.after {
        rows = rows.filter(Column::Id.lt(after.0));
    }
    let rows = rows.order_by_desc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    // One that cannot be read hides none of the others.
    let read = |row: Model| waiting(row).inspect_err(|error| tracing::error!(?error, "a message in the outbox")).ok();
    Ok(rows.into_iter().filter_map(read).collect())
}

/// One of them, which nobody else changes before the end of the transaction.
pub(crate) async fn lock(db: &impl ConnectionTrait, account: AccountId, id: MessageId) -> Result<Waiting> {
    let row = of(account).filter(Column::Id.eq(id.0)).lock_exclusive().one(db).await.map_err(storage)?;
    row.map(waiting).transpose()?.ok_or(Error::NotFound)
}

/// Has it tried again now.
pub(crate) async fn hasten(db: &impl ConnectionTrait, account: AccountId, id: MessageId, now: Instant) -> Result<()> {
    let hastened = Entity::update_many()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id.0))
        .col_expr(Column::NextAt, now.micros().into());
    hastened.exec(db).await.map_err(storage)?;
    Ok(())
}

/// What goes somewhere.
fn of(account: AccountId) -> Select<Entity> {
    Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::Target.is_not_null())
}

/// A message was sent: nothing is left of it.
pub(crate) async fn remove(db: &impl ConnectionTrait, account: AccountId, id: MessageId) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Id.eq(id.0));
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

/// Takes back what invites people to an account.
pub(crate) async fn uninvite(db: &impl ConnectionTrait, account: AccountId, targets: &[&str]) -> Result<()> {
    for targets in targets.chunks(ROWS) {
        let gone = Entity::delete_many()
            .filter(Column::AccountId.eq(account.as_str()))
            .filter(Column::Template.eq(to_json(&Template::Invitation)))
            .filter(Column::Target.is_in(targets.iter().copied()));
        gone.exec(db).await.map_err(storage)?;
    }
    Ok(())
}

fn waiting(row: Model) -> Result<Waiting> {
    let (created_at, next_at) = (Instant::from_micros(row.created_at), Instant::from_micros(row.next_at));
    let failure = row.failure.clone();
    Ok(Waiting { letter: record(row)?, created_at, next_at, failure })
}

fn record(row: Model) -> Result<Letter> {
    Ok(Letter {
        account: row.account_id.parse().map_err(corrupt)?,
        id: MessageId(row.id),
        template: json::<Template>(&row.template)?,
        about: row.about,
        number: u32::try_from(row.number).map_err(corrupt)?,
        channel: json::<Channel>(&row.channel)?,
        target: row.target,
        tries: u32::try_from(row.tries).map_err(corrupt)?,
        expires_at: Instant::from_micros(row.expires_at),
    })
}
