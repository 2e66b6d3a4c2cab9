//! Rows of `attempt`: counted by one statement each, so that no two attempts are counted as one.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, Statement, Value};
use tenantry_domain::{AccountId, Instant, Result, Seconds};
use tenantry_entity::attempt::{Column, Entity};
use uuid::Uuid;

use super::storage;

/// Attempts of so long ago are forgotten.
pub(crate) const MEMORY: Seconds = 3600;
/// No delay is longer.
const LONGEST: Seconds = 900;

/// Counts one more failed attempt, unless the last one bars it still. The first `free` bar nothing, from then on the time
/// doubles from one second. Yields how many there are with this one, or `None`: it is barred.
pub(crate) async fn count(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: Uuid,
    free: i64,
    now: Instant,
) -> Result<Option<i64>> {
    const COUNT: &str = "INSERT INTO attempt (account_id, id, failures, at, until) VALUES (?1, ?2, 1, ?3, ?3) \
        ON CONFLICT (account_id, id) DO UPDATE SET at = excluded.at, \
        failures = CASE WHEN attempt.at < ?4 THEN 1 ELSE attempt.failures + 1 END, \
        until = excluded.at + CASE WHEN attempt.at < ?4 OR attempt.failures + 1 < ?5 THEN 0 \
            WHEN attempt.failures + 1 - ?5 > 9 THEN ?6 \
            ELSE 1000000 * (CAST(1 AS BIGINT) << CAST(attempt.failures + 1 - ?5 AS INTEGER)) END \
        WHERE attempt.until <= excluded.at RETURNING failures";
    let values: [Value; 6] = [
        account.as_str().into(),
        id.into(),
        now.micros().into(),
        now.plus(-MEMORY).micros().into(),
        free.into(),
        (LONGEST * 1_000_000).into(),
    ];
    returned(db, COUNT, values).await
}

/// Counts one more of at most `most` within a `window` that begins with the first; `false`: there were as many.
pub(crate) async fn within(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: Uuid,
    most: i64,
    window: Seconds,
    now: Instant,
) -> Result<bool> {
    const COUNT: &str = "INSERT INTO attempt (account_id, id, failures, at, until) VALUES (?1, ?2, 1, ?3, ?4) \
        ON CONFLICT (account_id, id) DO UPDATE SET at = excluded.at, \
        failures = CASE WHEN attempt.until <= excluded.at THEN 1 ELSE attempt.failures + 1 END, \
        until = CASE WHEN attempt.until <= excluded.at THEN excluded.until ELSE attempt.until END \
        WHERE attempt.until <= excluded.at OR attempt.failures < ?5 RETURNING failures";
    let values: [Value; 5] =
        [account.as_str().into(), id.into(), now.micros().into(), now.plus(window).micros().into(), most.into()];
    Ok(returned(db, COUNT, values).await?.is_some())
}

/// What a statement with numbered parameters yields: `?1` in SQLite, `$1` in PostgreSQL.
async fn returned<const N: usize>(db: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Result<Option<i64>> {
    let backend = db.get_database_backend();
    let sql = if backend == DatabaseBackend::Postgres { sql.replace('?', "$") } else { sql.to_owned() };
    let row = db.query_one_raw(Statement::from_sql_and_values(backend, sql, values)).await.map_err(storage)?;
    row.map(|row| row.try_get_by_index(0).map_err(storage)).transpose()
}

/// Until when attempts are barred.
pub(crate) async fn barred(db: &impl ConnectionTrait, account: AccountId, id: Uuid) -> Result<Instant> {
    let row = Entity::find_by_id((account.as_str().to_owned(), id)).one(db).await.map_err(storage)?;
    Ok(Instant::from_micros(row.map_or(0, |row| row.until)))
}

/// Forgets all attempts: the right password was shown.
pub(crate) async fn forget(db: &impl ConnectionTrait, account: AccountId, id: Uuid) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::AccountId.eq(account.as_str())).filter(Column::Id.eq(id));
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

/// Takes one attempt back, and what it barred: it had not failed.
pub(crate) async fn take_back(db: &impl ConnectionTrait, account: AccountId, id: Uuid) -> Result<()> {
    let one = Entity::update_many()
        .col_expr(Column::Failures, Expr::col(Column::Failures).sub(1))
        .col_expr(Column::Until, Expr::col(Column::At))
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id))
        .filter(Column::Failures.gt(0));
    one.exec(db).await.map_err(storage)?;
    Ok(())
}
