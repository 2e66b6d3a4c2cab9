//! What was written since somebody last looked, whoever wrote it. PostgreSQL only: nobody else writes a SQLite database.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use sqlx::postgres::PgListener;
use tenantry_domain::{AccountId, Error, Result};

use super::{Database, corrupt, storage};

/// Accounts written by transactions that were under way when somebody last looked, or that began since; a slow one is neither missed
/// nor a reason to read what came after it again and again. Numbers of transactions that do not exist yet came with a restored
/// database and tell nothing.
///
/// An epoch is another one where the database may have been put back to an earlier state: the server was started anew, or is
/// another; the tables were made anew; or somebody has said so.
const NEWS: &str = "\
    SELECT pg_current_snapshot()::text, pg_is_in_recovery(), \
        concat_ws('/', (SELECT max(store_epoch) FROM instance), pg_postmaster_start_time(), pg_relation_filenode('account')), \
        written.account_id, written.version \
    FROM (VALUES (1)) AS one LEFT JOIN ( \
        SELECT account_id, max(seq) AS version FROM event \
        WHERE (tx >= $1 AND tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint \
            OR tx = ANY (string_to_array($2, ',')::bigint[])) AND seq IS NOT NULL GROUP BY account_id \
    ) AS written ON true";

/// Up to where somebody has seen: what a snapshot of PostgreSQL tells of itself, `xmin:xmax:xip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// No transaction with this number or a greater one had ended.
    next: i64,
    /// Those with smaller numbers that had not either, separated by commas.
    under_way: String,
}

impl Seen {
    /// Nobody has looked, and nothing is known that could be old.
    pub(crate) fn nothing() -> Self {
        Self { next: i64::MAX, under_way: String::new() }
    }

    fn parse(snapshot: &str) -> Option<Self> {
        let (_, rest) = snapshot.split_once(':')?;
        let (next, under_way) = rest.split_once(':')?;
        Some(Self { next: next.parse().ok()?, under_way: under_way.to_owned() })
    }
}

/// One look.
pub(crate) struct News {
    /// Up to where.
    pub(crate) seen: Seen,
    /// Another one than before: what was known of any account is worth nothing.
    pub(crate) epoch: String,
    /// Accounts, and the versions that they have at least.
    pub(crate) written: Vec<(AccountId, i64)>,
}

/// What was written since `seen`. `Error::Unavailable` where this server only follows another.
pub(crate) async fn since(db: &impl ConnectionTrait, seen: &Seen) -> Result<News> {
    let asked =
        Statement::from_sql_and_values(db.get_database_backend(), NEWS, [seen.next.into(), seen.under_way.as_str().into()]);
    let rows = db.query_all_raw(asked).await.map_err(storage)?;
    let first = rows.first().ok_or_else(|| corrupt("no news"))?;
    if first.try_get_by_index(1).map_err(storage)? {
        tracing::error!("this database server follows another one: it cannot be written to");
        return Err(Error::Unavailable);
    }
    let snapshot: String = first.try_get_by_index(0).map_err(storage)?;
    let mut news = News {
        seen: Seen::parse(&snapshot).ok_or_else(|| corrupt(snapshot))?,
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

/// How long nobody may say anything before another line is taken.
const QUIET: Duration = Duration::from_mins(1);

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
    /// Calls `told` whenever another process says that there is something to look for. Returns when the connection is lost, or
    /// may be.
    pub async fn listen(&self, told: impl Fn()) -> Result<(), String> {
        let Self::Postgres(url) = self else { return std::future::pending().await };
        let failed = |error: sqlx::Error| format!("nobody tells of news: {error}");
        let mut listener = PgListener::connect(url).await.map_err(failed)?;
        listener.listen(CHANNEL).await.map_err(failed)?;
        loop {
            // A line that has been cut says nothing, either: now and then another is taken.
            match tokio::time::timeout(QUIET, listener.recv()).await {
                Ok(heard) => drop(heard.map_err(failed)?),
                Err(_) => return Ok(()),
            }
            told();
        }
    }
}
