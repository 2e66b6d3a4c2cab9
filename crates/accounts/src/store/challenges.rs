//! Rows of `challenge`. Each move is one conditional UPDATE, so that of many who try one succeeds.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set, UpdateMany};
use tenantry_domain::{AccountId, Audience, Channel, ClientKey, GrantType, Instant, Result, Scopes};
use tenantry_entity::challenge::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{corrupt, json, storage, to_json};
use crate::challenges::{Challenge, Kind};
use crate::sessions::Wanted;

/// A new challenge.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, challenge: &Challenge, now: Instant) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(challenge.id),
        kind: Set(to_json(&challenge.kind)),
        person: Set(challenge.person),
        client: Set(challenge.wanted.client.0),
        client_id: Set(challenge.wanted.client_id.to_string()),
        audience: Set(challenge.wanted.audience.stored().to_owned()),
        scope: Set(challenge.wanted.scope.claim()),
        grant_type: Set(Some(challenge.wanted.grant.as_str().to_owned())),
        counted: Set(challenge.counted),
        login_session: Set(challenge.login_session),
        step: Set(challenge.step.into()),
        passed: Set(challenge.passed.as_ref().map(to_json)),
        channel: Set(challenge.sent.as_ref().map(|(channel, _)| to_json(channel))),
        target: Set(challenge.sent.as_ref().map(|(_, target)| target.clone())),
        code: Set(challenge.code.into()),
        tries: Set(0),
        created_at: Set(now.micros()),
        expires_at: Set(challenge.expires_at.micros()),
        used_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

fn live(account: AccountId, id: Uuid, now: Instant) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()))
}

async fn moved(db: &impl ConnectionTrait, update: UpdateMany<Entity>) -> Result<Option<Challenge>> {
    update.exec_with_returning(db).await.map_err(storage)?.into_iter().next().map(record).transpose()
}

/// A challenge that lives.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId, id: Uuid, now: Instant) -> Result<Option<Challenge>> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()));
    row.one(db).await.map_err(storage)?.map(record).transpose()
}

/// Gives a challenge a new code, over this channel; the one before is dead.
pub(crate) async fn send(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, step): (Uuid, u32),
    (channel, target): (Channel, &str),
    now: Instant,
) -> Result<Option<Challenge>> {
    let update = live(account, id, now)
        .filter(Column::Step.eq(step))
        .col_expr(Column::Code, Expr::col(Column::Code).add(1))
        .col_expr(Column::Tries, 0.into())
        .col_expr(Column::Channel, to_json(&channel).into())
        .col_expr(Column::Target, target.into());
    moved(db, update).await
}

/// Counts a try of the code with this number, before anybody compares it: at most `most`.
pub(crate) async fn try_code(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, code): (Uuid, u32),
    most: i64,
    now: Instant,
) -> Result<Option<Challenge>> {
    let update = live(account, id, now)
        .filter(Column::Code.eq(code))
        .filter(Column::Tries.lt(most))
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1));
    moved(db, update).await
}

/// Counts a try of something that was not sent, at this step of a challenge: at most `most`.
pub(crate) async fn try_step(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, step): (Uuid, u32),
    most: i64,
    now: Instant,
) -> Result<Option<Challenge>> {
    let update = live(account, id, now)
        .filter(Column::Step.eq(step))
        .filter(Column::Tries.lt(most))
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1));
    moved(db, update).await
}

/// The latest challenge that is counted so and lives, made for this client and audience.
pub(crate) async fn latest(
    db: &impl ConnectionTrait,
    account: AccountId,
    counted: Uuid,
    (client, audience): (ClientKey, &Audience),
    now: Instant,
) -> Result<Option<Challenge>> {
    let rows = Entity::find()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Counted.eq(counted))
        .filter(Column::Client.eq(client.0))
        .filter(Column::Audience.eq(audience.stored()))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now.micros()));
    rows.order_by_desc(Column::Id).one(db).await.map_err(storage)?.map(record).transpose()
}

/// Uses up all challenges that are counted so, made for this client and audience.
pub(crate) async fn end_counted(
    db: &impl ConnectionTrait,
    account: AccountId,
    counted: Uuid,
    (client, audience): (ClientKey, &Audience),
    now: Instant,
) -> Result<()> {
    let ended = Entity::update_many()
        .col_expr(Column::UsedAt, now.micros().into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Counted.eq(counted))
        .filter(Column::Client.eq(client.0))
        .filter(Column::Audience.eq(audience.stored()))
        .filter(Column::UsedAt.is_null());
    ended.exec(db).await.map_err(storage)?;
    Ok(())
}

/// Notes that the code of a challenge went out over this channel, too; `None`: it was tried so often that it is worth nothing.
pub(crate) async fn send_again(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: Uuid,
    (channel, target): (Channel, &str),
    (most, now): (i64, Instant),
) -> Result<Option<Challenge>> {
    let sent = live(account, id, now)
        .filter(Column::Tries.lt(most))
        .col_expr(Column::Channel, to_json(&channel).into())
        .col_expr(Column::Target, target.into());
    moved(db, sent).await
}

/// Uses a challenge up; `false`: somebody did before.
pub(crate) async fn spend(db: &impl ConnectionTrait, account: AccountId, (id, code): (Uuid, u32), now: Instant) -> Result<bool> {
    let update = live(account, id, now).filter(Column::Code.eq(code)).col_expr(Column::UsedAt, now.micros().into());
    Ok(moved(db, update).await?.is_some())
}

/// Takes a challenge to its next step: this channel was passed. `None`: somebody did before.
pub(crate) async fn pass(
    db: &impl ConnectionTrait,
    account: AccountId,
    (id, code): (Uuid, u32),
    channel: Channel,
    now: Instant,
) -> Result<Option<Challenge>> {
    let update = live(account, id, now)
        .filter(Column::Code.eq(code))
        .col_expr(Column::Step, Expr::col(Column::Step).add(1))
        .col_expr(Column::Code, Expr::col(Column::Code).add(1))
        .col_expr(Column::Passed, to_json(&channel).into())
        .col_expr(Column::Channel, Option::<String>::None.into())
        .col_expr(Column::Target, Option::<String>::None.into());
    moved(db, update).await
}

/// Uses up all challenges of a person, who may have several records.
pub(crate) async fn end_all(db: &impl ConnectionTrait, account: AccountId, records: &[Uuid], now: Instant) -> Result<()> {
    let ended = Entity::update_many()
        .col_expr(Column::UsedAt, now.micros().into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Person.is_in(records.iter().copied()))
        .filter(Column::UsedAt.is_null());
    ended.exec(db).await.map_err(storage)?;
    Ok(())
}

/// The challenges of a person, who may have several records.
pub(super) fn of(account: AccountId, records: &[Uuid]) -> SelectStatement {
    Query::select()
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::AccountId.eq(account.as_str()))
        .and_where(Column::Person.is_in(records.iter().copied()))
        .take()
}

/// Forgets all challenges of a person.
pub(crate) async fn forget(db: &impl ConnectionTrait, account: AccountId, records: &[Uuid]) -> Result<()> {
    let gone = Entity::delete_many()
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Person.is_in(records.iter().copied()));
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

fn record(row: Model) -> Result<Challenge> {
    let channel = |text: String| json::<Channel>(&text);
    Ok(Challenge {
        id: row.id,
        kind: json::<Kind>(&row.kind)?,
        person: row.person,
        wanted: Wanted {
            client: ClientKey(row.client),
            client_id: row.client_id.parse().map_err(corrupt)?,
            audience: Audience::from_stored(&row.audience),
            scope: Scopes::parse_claim(&row.scope).map_err(corrupt)?,
            // Rows of before had no other.
            grant: row.grant_type.map_or(Ok(GrantType::Password), |kind| kind.parse()).map_err(corrupt)?,
        },
        counted: row.counted,
        login_session: row.login_session,
        step: u32::try_from(row.step).map_err(corrupt)?,
        passed: row.passed.map(channel).transpose()?,
        sent: row.channel.zip(row.target).map(|(text, target)| Ok((channel(text)?, target))).transpose()?,
        code: u32::try_from(row.code).map_err(corrupt)?,
        expires_at: Instant::from_micros(row.expires_at),
    })
}
