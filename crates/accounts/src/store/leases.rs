//! Rows of `lease`. PostgreSQL only; times are those of its clock.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use tenantry_domain::Result;
use tenantry_entity::lease::{Column, Entity};
use uuid::Uuid;

use super::storage;
use crate::leases::{Job, LEASE};

/// The fence counts the holders. A lease that ends much later than one that is taken now was taken by a clock that has been set back:
/// it is free.
const TAKE: &str = "\
    INSERT INTO lease (name, holder, fence, until) \
    VALUES ($1, $2, 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $3) \
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, \
        fence = lease.fence + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END \
    WHERE lease.holder = excluded.holder OR lease.until < excluded.until - $3 OR lease.until > excluded.until + $3 \
    RETURNING fence";

/// Takes a lease that is free, or renews it, and locks its row until the transaction ends; `false`: another has it.
pub(crate) async fn take(db: &impl ConnectionTrait, job: Job, holder: Uuid) -> Result<bool> {
    let lasts = i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX);
    let values = [job.name().into(), holder.into(), lasts.into()];
    let taken = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), TAKE, values)).await;
    Ok(taken.map_err(storage)?.is_some())
}

/// Ends the leases of a holder.
pub(crate) async fn give_up(db: &impl ConnectionTrait, holder: Uuid) -> Result<()> {
    let given = Entity::update_many().col_expr(Column::Until, 0.into()).filter(Column::Holder.eq(holder));
    given.exec(db).await.map_err(storage)?;
    Ok(())
}
