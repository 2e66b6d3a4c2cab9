//! What was written since somebody last looked, whoever wrote it. PostgreSQL only: nobody else writes a SQLite database.

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use sqlx::postgres::PgListener;
use tenantry_domain::{AccountId, Error, Result};

use super::{Database, corrupt, storage};

/// Accounts written by transactions that had not ended when somebody last looked, or began since. Numbers of transactions that
/// do not exist yet came with a restored database and tell nothing.
///
/// An epoch is another one where the database may have been put back to an earlier state: the server was started anew, or is
/// another; the tables were made anew; or somebody has said so.
const NEWS: &str = "\
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_is_in_recovery(), \
        concat_ws('/', (SELECT max(store_epoch) FROM instance), pg_postmaster_start_time(), pg_relation_filenode('account')), \
        written.account_id, written.version \
    FROM (VALUES (1)) AS one LEFT JOIN ( \
        SELECT account_id, max(seq) AS version FROM event \
        WHERE tx >= $1 AND tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint AND seq IS NOT NULL GROUP BY account_id \
    ) AS written ON true";

/// One look.
pub(crate) struct News {
    /// Every transaction with a smaller number has ended.
    pub(crate) ended: i64,
    /// Another one than before: what was known of any account is worth nothing.
    pub(crate) epoch: String,
    /// Accounts, and the versions that they have at least.
    pub(crate) written: Vec<(AccountId, i64)>,
}

/// What was written by transactions from number `since` on. `Error::Unavailable` where this server only follows another.
pub(crate) async fn since(db: &impl ConnectionTrait, since: i64) -> Result<News> {
    let asked = Statement::from_sql_and_values(db.get_database_backend(), NEWS, [since.into()]);
    let rows = db.query_all_raw(asked).await.map_err(storage)?;
    let first = rows.first().ok_or_else(|| corrupt("no news"))?;
    if first.try_get_by_index(1).map_err(storage)? {
        tracing::error!("this database server follows another one: it cannot be written to");
        return Err(Error::Unavailable);
    }
    let mut news = News {
        ended: first.try_get_by_index(0).map_err(storage)?,
        epoch: first.try_get_by_index(2).map_err(storage)?,
        written: Vec::new(),
    };
    for row in &rows {
        let account: Option<String> = row.try_get_by_index(3).map_err(storage)?;
        if let Some(account) = account {
            news.written.push((account.parse().map_err(corrupt)?, row.try_get_by_index(4).map_err(storage)?));
        }
    }
    Ok(news)
}

/// The channel of those who want to be told at once.
const CHANNEL: &str = "tenantry";

/// Tells other processes, when the transaction commits, that there is something to look for.
pub(crate) async fn tell(db: &impl ConnectionTrait) -> Result<()> {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        db.execute_unprepared(&format!("NOTIFY {CHANNEL}")).await.map_err(storage)?;
    }
    Ok(())
}

impl Database {
    /// Calls `told` whenever another process says that there is something to look for. Returns when the connection is lost.
    pub async fn listen(&self, told: impl Fn()) -> Result<(), String> {
        let Self::Postgres(url) = self else { return std::future::pending().await };
        let failed = |error: sqlx::Error| format!("nobody tells of news: {error}");
        let mut listener = PgListener::connect(url).await.map_err(failed)?;
        listener.listen(CHANNEL).await.map_err(failed)?;
        loop {
            listener.recv().await.map_err(failed)?;
            told();
        }
    }
}
