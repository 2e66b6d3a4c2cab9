//! What can be seen of a database's state, for whoever runs it.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement};
use tenantry_domain::Instant;

use super::schema::failed;
use super::{Access, Database};

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `SQLite 3.46.0`, `PostgreSQL 15.14`.
    pub version: String,
    /// PostgreSQL: the number of its major version.
    pub major: Option<u32>,
    /// PostgreSQL: how far its clock is from this machine's.
    pub clock: Option<Duration>,
    /// PostgreSQL: this server follows another one.
    pub standby: bool,
    /// PostgreSQL: how many connections it takes.
    pub connections: Option<u32>,
    /// PostgreSQL: `fsync` and `synchronous_commit`; SQLite: `quick_check`.
    pub durability: String,
}

impl Database {
    /// Asks a database that is there. `now` is this machine's time.
    pub async fn health(&self, now: impl Fn() -> Instant) -> Result<Health, String> {
        let db = self.connect(1, Access::Write).await?;
        let health = match self {
            Self::Sqlite(_) => sqlite(&db).await,
            Self::Postgres(_) => postgres(&db, now).await,
        };
        db.close().await.map_err(failed)?;
        health.map_err(failed)
    }
}

async fn text(db: &DatabaseConnection, sql: &str) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::Custom("no answer".to_owned()))?.try_get_by_index(0)
}

async fn sqlite(db: &DatabaseConnection) -> Result<Health, DbErr> {
    debug_assert_eq!(db.get_database_backend(), DatabaseBackend::Sqlite);
    Ok(Health {
        version: format!("SQLite {}", text(db, "SELECT sqlite_version()").await?),
        major: None,
        clock: None,
        standby: false,
        connections: None,
        durability: text(db, "PRAGMA quick_check(1)").await?,
    })
}

async fn postgres(db: &DatabaseConnection, now: impl Fn() -> Instant) -> Result<Health, DbErr> {
    let number = |text: String| text.parse().map_err(|_| DbErr::Custom(format!("{text} is no number")));
    let theirs = text(db, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text").await?;
    let apart = now().micros().abs_diff(theirs.parse().unwrap_or_default());
    let version: u32 = number(text(db, "SHOW server_version_num").await?)?;
    Ok(Health {
        version: format!("PostgreSQL {}", text(db, "SHOW server_version").await?),
        major: Some(version / 10_000),
        clock: Some(Duration::from_micros(apart)),
        standby: text(db, "SELECT pg_is_in_recovery()::text").await? == "true",
        connections: Some(number(text(db, "SHOW max_connections").await?)?),
        durability: format!("{} {}", text(db, "SHOW fsync").await?, text(db, "SHOW synchronous_commit").await?),
    })
}
