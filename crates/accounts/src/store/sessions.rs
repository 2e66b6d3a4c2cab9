//! Rows of `session`. Each move is one conditional UPDATE, so that of many who try one succeeds.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set, UpdateMany};
use tenantry_domain::{AccountId, Audience, ClientKey, Instant, Result, Scopes, SessionId};
use tenantry_entity::session::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{corrupt, storage};
use crate::sessions::{Session, Wanted};

/// A new session.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, session: &Session) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(session.id.0),
        person: Set(session.person),
        subject: Set(session.subject.clone()),
        client: Set(session.wanted.client.0),
        client_id: Set(session.wanted.client_id.to_string()),
        audience: Set(session.wanted.audience.stored().to_owned()),
        kind: Set(session.wanted.grant.as_str().to_owned()),
        scope: Set(session.wanted.scope.claim()),
        generation: Set(session.generation.into()),
        rotated_at: Set(session.rotated_at.micros()),
        created_at: Set(session.rotated_at.micros()),
        expires_at: Set(session.expires_at.micros()),
        ended_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Whether a session has neither ended nor expired.
pub(crate) async fn lives(db: &impl ConnectionTrait, account: AccountId, id: SessionId, now: Instant) -> Result<bool> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id.0))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()));
    Ok(row.select_only().column(Column::Generation).into_tuple::<i64>().one(db).await.map_err(storage)?.is_some())
}

/// A session that has neither ended nor expired.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: SessionId, now: Instant) -> Result<Option<Session>> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id.0))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()));
    row.one(db).await.map_err(storage)?.map(record).transpose()
}

/// Moves a session of `client` from `generation` to the next, if it lives and is there; yields it as it is then.
pub(crate) async fn rotate(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, generation): (SessionId, u32),
    client: ClientKey,
    now: Instant,
) -> Result<Option<Session>> {
    let moved = Entity::update_many()
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::RotatedAt, now.micros().into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id.0))
        .filter(Column::Generation.eq(generation))
        .filter(Column::Client.eq(client.0))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()));
    moved.exec_with_returning(db).await.map_err(storage)?.into_iter().next().map(record).transpose()
}

/// Ends one session; `false` if it had ended before.
pub(crate) async fn end(db: &impl ConnectionTrait, account: AccountId, id: SessionId, now: Instant) -> Result<bool> {
    let ended = Entity::update_many()
        .col_expr(Column::EndedAt, now.micros().into())
        .col_expr(Column::ExpiresAt, now.micros().into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id.0))
        .filter(Column::EndedAt.is_null());
    Ok(!ended.exec_with_returning(db).await.map_err(storage)?.is_empty())
}

/// Ends the sessions of a person but for one.
pub(crate) async fn end_others(
    db: &impl ConnectionTrait,
    account: AccountId,
    person: Uuid,
    kept: Option<SessionId>,
    now: Instant,
) -> Result<()> {
    let ended = ending(account, &[person], now).filter(Column::Id.ne(kept.map_or(Uuid::nil(), |kept| kept.0)));
    ended.exec(db).await.map_err(storage)?;
    Ok(())
}

/// Ends all sessions of a person, who may have several records.
pub(crate) async fn end_all(db: &impl ConnectionTrait, account: AccountId, records: &[Uuid], now: Instant) -> Result<()> {
    ending(account, records, now).exec(db).await.map_err(storage)?;
    Ok(())
}

fn ending(account: AccountId, records: &[Uuid], now: Instant) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::EndedAt, now.micros().into())
        .col_expr(Column::ExpiresAt, now.micros().into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Person.is_in(records.iter().copied()))
        .filter(Column::EndedAt.is_null())
}

fn record(row: Model) -> Result<Session> {
    Ok(Session {
        id: SessionId(row.id),
        person: row.person,
        subject: row.subject,
        wanted: Wanted {
            client: ClientKey(row.client),
            client_id: row.client_id.parse().map_err(corrupt)?,
            audience: Audience::from_stored(&row.audience),
            grant: row.kind.parse().map_err(corrupt)?,
            scope: Scopes::parse_claim(&row.scope).map_err(corrupt)?,
        },
        generation: u32::try_from(row.generation).map_err(corrupt)?,
        rotated_at: Instant::from_micros(row.rotated_at),
        expires_at: Instant::from_micros(row.expires_at),
    })
}
