//! sea-orm: the only place that names tables. Free functions, `db` first, the account second; no function works
//! without an account. A row that does not parse is an error, never a default.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseBackend,
    DatabaseConnection, DbErr, EntityTrait, QueryTrait, RuntimeErr, SqlErr, Statement,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use tenantry_domain::{Error, Instant, Result, Stamp};

use crate::catalogue::Catalogue;
use crate::measures::Measures;

pub(crate) mod accounts;
pub(crate) mod attempts;
mod backup;
pub(crate) mod challenges;
pub(crate) mod clients;
pub(crate) mod customer_marks;
pub(crate) mod customers;
pub(crate) mod events;
pub(crate) mod grants;
mod health;
pub(crate) mod installers;
pub(crate) mod instance;
mod journal;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod members;
pub(crate) mod news;
pub(crate) mod outbox;
mod pool;
pub(crate) mod replays;
pub(crate) mod roles;
mod schema;
pub(crate) mod sessions;
pub(crate) mod tags;
pub(crate) mod terms;
pub(crate) mod tokens;
pub(crate) mod transfer;
mod turns;
mod tx;
pub(crate) mod users;
mod wal;

pub use backup::{ASIDE, Aside, Contents};
pub use health::Health;
pub(crate) use journal::{Entry, Journal};
pub(crate) use pool::Pool;
pub use schema::{Lock, Schema};
pub(crate) use turns::Turns;
pub(crate) use tx::Tx;

/// How long a connection from the pool is waited for.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(5);

/// How long news of what others write may take to come.
const NEWS: Duration = Duration::from_secs(1);

/// Which database to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file: one process, no server.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by its URL.
    Postgres(String),
}

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// Write, on SQLite, where [`wal`] syncs what is committed.
    Turns,
}

impl Database {
    /// Reads `sqlite://PATH` or `postgres://...`. `?mode=rwc`, as other tools write it, is understood and says nothing new.
    pub fn parse(url: &str) -> Result<Self, String> {
        match url.strip_suffix("?mode=rwc").unwrap_or(url).split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') => Ok(Self::Sqlite(path.into())),
            // The parser's own words may repeat the password.
            Some(("postgres" | "postgresql", _)) => match url.parse::<PgConnectOptions>() {
                Ok(_) => Ok(Self::Postgres(url.to_owned())),
                Err(_) => Err("is not a valid PostgreSQL URL".to_owned()),
            },
            _ => Err("must be sqlite://PATH or postgres://USER@HOST/NAME".to_owned()),
        }
    }

    /// Opens pools for reading and writing. The database must exist; `create` makes a missing SQLite file.
    /// What happens in them is counted in `all`.
    pub async fn open(&self, connections: u32, create: bool, all: &mut Catalogue) -> Result<Store, String> {
        let measures = Arc::new(Measures::new(all));
        let arbiter = Arbiter::new().handle();
        let (read, turns, news) = match self {
            Self::Sqlite(path) => {
                if !create && !path.exists() {
                    return Err(format!("there is no database at {}: run `tenantry bootstrap` first", path.display()));
                }
                if create {
                    self.create()?;
                }
                let writer = self.connect_writer(&measures).await?;
                let read = Pool::open(self, connections, Access::Read, &measures).await?;
                (read, Turns::sqlite(self.clone(), writer, measures.clone(), &arbiter), None)
            }
            Self::Postgres(_) => {
                let read = Pool::open(self, connections, Access::Write, &measures).await?;
                durable(&read).await?;
                let turns = Turns::postgres(read.clone(), measures.clone());
                (read, turns, Some(Pool::single(self, Some(&measures), NEWS).await?))
            }
        };
        pool::register(Some(read.clone()), all);
        let journal = Journal::start(turns.clone(), &arbiter);
        Ok(Store { database: self.clone(), read, news, journal, turns, measures, arbiter })
    }

    /// Makes a missing SQLite file, for its owner only.
    pub fn create(&self) -> Result<(), String> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        let mut options = std::fs::OpenOptions::new();
        let made = options.create(true).truncate(false).write(true).mode(0o600).open(path);
        made.map(drop).map_err(|error| format!("the database {} cannot be made: {error}", path.display()))
    }

    async fn connect_writer(&self, measures: &Arc<Measures>) -> Result<DatabaseConnection, String> {
        self.connect_measured(1, Access::Turns, Some(measures), false).await
    }

    async fn connect_measured(
        &self,
        connections: u32,
        access: Access,
        measures: Option<&Arc<Measures>>,
        lazy: bool,
    ) -> Result<DatabaseConnection, String> {
        let mut db = self.connect_when(connections, access, lazy).await?;
        if let Some(measures) = measures.cloned() {
            db.set_metric_callback(move |statement| measures.statements.observe(statement.elapsed.as_secs_f64()));
        }
        Ok(db)
    }

    async fn connect(&self, connections: u32, access: Access) -> Result<DatabaseConnection, String> {
        self.connect_when(connections, access, false).await
    }

    /// Connects now, or, where that is enough, when it is needed.
    async fn connect_when(&self, connections: u32, access: Access, lazy: bool) -> Result<DatabaseConnection, String> {
        let url = match self {
            Self::Sqlite(path) => {
                format!("sqlite://{}?mode={}", path.display(), if access == Access::Read { "ro" } else { "rw" })
            }
            Self::Postgres(url) => url.clone(),
        };
        // The writer keeps the pages that it changes over and over, 32 MiB of them; readers 2 MiB each, as usual.
        let (cache, synchronous) = match access {
            Access::Turns => ("-32768", SqliteSynchronous::Normal),
            Access::Read | Access::Write => ("-2000", SqliteSynchronous::Full),
        };
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(ACQUIRE)
            .connect_timeout(ACQUIRE)
            .connect_lazy(lazy)
            .test_before_acquire_if_idle_for(Duration::from_secs(1))
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(move |options| {
                options
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(synchronous)
                    // What is erased is overwritten at once.
                    .pragma("secure_delete", "ON")
                    // What a savepoint may have to undo is kept in memory, not in a file made for it.
                    .pragma("temp_store", "MEMORY")
                    .pragma("cache_size", cache)
                    // 64 MiB: a page that many commits change is copied into the file once for all of them.
                    .pragma("wal_autocheckpoint", "16384")
                    // Nor look up the account of each row: claims have it, and accounts never go.
                    .foreign_keys(access != Access::Turns)
                    .busy_timeout(STATEMENT)
                    .statement_cache_capacity(200)
            })
            .map_sqlx_postgres_opts(|options| {
                // What a process that froze has begun holds nobody up for ever.
                let millis = STATEMENT.as_millis().to_string();
                let settings = [("statement_timeout", millis.clone()), ("idle_in_transaction_session_timeout", millis)];
                options.application_name("tenantry").options(settings)
            });
        if connections == 1 {
            // For as long as it is sound: it may hold a lock, or its log of changes is synced beside it.
            options.idle_timeout(None).max_lifetime(None).test_before_acquire(access != Access::Turns);
        }
        SeaOrm::connect(options).await.map_err(|error| match self {
            Self::Sqlite(path) => format!("the database {} cannot be opened, or is locked: {error}", path.display()),
            Self::Postgres(_) => unreachable(&error),
        })
    }
}

/// The URL may hold a password: it is not repeated.
fn unreachable(error: &DbErr) -> String {
    format!("the PostgreSQL database cannot be reached: {error}")
}

/// Refuses a PostgreSQL that loses acknowledged writes in a crash; warns of one that may lose the last few.
async fn durable(db: &Pool) -> Result<(), String> {
    let setting = async |name: &str| {
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), format!("SHOW {name}"))).await;
        row.ok().flatten().and_then(|row| row.try_get_by_index::<String>(0).ok()).unwrap_or_default()
    };
    if setting("fsync").await == "off" {
        return Err("PostgreSQL runs with fsync=off and would lose acknowledged writes: refusing to use it".to_owned());
    }
    if setting("synchronous_commit").await == "off" {
        tracing::warn!("PostgreSQL runs with synchronous_commit=off: a crash may lose the last acknowledged writes");
    }
    Ok(())
}

/// The database: a pool to read from, and turns to write in.
#[derive(Clone)]
pub struct Store {
    database: Database,
    pub(crate) read: Pool,
    /// One connection of its own for news of what others write: no load of this process keeps them away. None on SQLite, which
    /// one process serves.
    pub(crate) news: Option<Pool>,
    pub(crate) turns: Turns,
    pub(crate) journal: Journal,
    pub(crate) measures: Arc<Measures>,
    /// The thread from which SQLite is written.
    pub(crate) arbiter: ArbiterHandle,
}

impl Store {
    /// Lists what [`Database::open`] counts, for docs/metrics.md.
    pub fn describe(all: &mut Catalogue) {
        drop(Measures::new(all));
        pool::register(None, all);
    }

    /// Whether the database answers, for reading and for writing, and has this program's schema.
    pub async fn ready(&self) -> Result<()> {
        schema::check(&self.read).await.map_err(Error::Internal)?;
        let asked = async |tx: &Tx<'_>| tx.execute_unprepared("SELECT 1").await.map(drop).map_err(storage);
        self.turns.take(asked).await
    }

    /// Whether nothing was ever started on this database.
    pub async fn is_new(&self) -> Result<bool> {
        Ok(instance::keys(&self.read).await?.is_none())
    }

    /// Brings all of SQLite's log of changes into the database and empties it: what was erased is then in neither. PostgreSQL sees
    /// to that itself.
    pub async fn empty_log(&self) -> Result<()> {
        if self.read.get_database_backend() == DatabaseBackend::Postgres {
            return Ok(());
        }
        let db = self.database.connect(1, Access::Write).await.map_err(Error::Internal)?;
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.map_err(storage)?;
        db.close().await.map_err(storage)
    }
}

/// Removes up to `limit` rows of `table` whose `column` is before `before`, whosesoever they are; how many it were.
pub(crate) async fn prune(
    db: &impl ConnectionTrait,
    (table, column): (&str, &str),
    before: Instant,
    limit: u32,
) -> Result<usize> {
    let sql = format!(
        "DELETE FROM {table} WHERE (account_id, id) IN (SELECT account_id, id FROM {table} WHERE {column} < {} LIMIT {limit}) \
         RETURNING id",
        before.micros()
    );
    let gone = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.map_err(storage)?;
    Ok(gone.len())
}

/// What a database failure means to a caller. The text goes to the log and never into an answer.
pub(crate) fn storage(error: DbErr) -> Error {
    match error {
        error if is_away(&error) => {
            tracing::error!(%error, "the database cannot do this now");
            Error::Unavailable
        }
        error => Error::Internal(error.to_string()),
    }
}

/// Whether the database is away, full or stopping, rather than asked something wrong. PostgreSQL says it in the class of
/// an SQLSTATE (08 connection, 53 resources, 57 operator), SQLite in the low byte of its code (BUSY, LOCKED, IOERR, FULL,
/// CANTOPEN).
fn is_away(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(cause)) | DbErr::Exec(RuntimeErr::SqlxError(cause))) = error else {
        return matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_));
    };
    match cause.as_ref() {
        sqlx::Error::Database(told) => match told.code() {
            // Two that waited for each other: one of them may try again.
            Some(state) if state.len() == 5 => {
                state == "40P01" || ["08", "53", "57"].iter().any(|class| state.starts_with(class))
            }
            Some(code) => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14)),
            None => false,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// As [`storage`], but a taken unique value is the caller's mistake: `duplicate`.
pub(crate) fn taken(duplicate: &'static str) -> impl Fn(DbErr) -> Error {
    move |error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::Duplicate(duplicate),
        _ => storage(error),
    }
}

/// Whether a column's text begins with `prefix`: a range, which an index serves on both databases.
fn begins_with(column: impl ColumnTrait, prefix: &str) -> Condition {
    begins_with_from(column, prefix, prefix)
}

/// The same, and is `from` or comes after it: one bound on each side, or SQLite thinks too well of the range.
fn begins_with_from(column: impl ColumnTrait, prefix: &str, from: &str) -> Condition {
    let from = Condition::all().add(column.gte(from));
    after_prefix(prefix).map_or_else(|| from.clone(), |end| from.clone().add(column.lt(end)))
}

/// The least text that is greater than every text beginning with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The gap of surrogates is not made of characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// How many rows one statement writes at most. Few, so that there are few different statements, and each is prepared once.
const ROWS: usize = 32;

/// How rows are inserted on SQLite. Whatever fails there undoes the whole transaction: nothing need be kept with which to
/// undo the statement alone.
const INSERT: &str = "INSERT OR FAIL";

/// The statements that write new rows, if there are any.
fn inserts<R: ActiveModelTrait>(rows: Vec<R>, backend: DatabaseBackend) -> Vec<Statement> {
    let (mut rows, mut statements) = (rows.into_iter().peekable(), Vec::new());
    while rows.peek().is_some() {
        let mut insert = R::Entity::insert_many(rows.by_ref().take(ROWS)).build(backend);
        if backend == DatabaseBackend::Sqlite {
            insert.sql = insert.sql.replacen("INSERT", INSERT, 1);
        }
        statements.push(insert);
    }
    statements
}

/// A row that breaks our own rules.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::Internal(format!("a stored row does not parse: {what}"))
}

/// JSON that we wrote ourselves.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(corrupt)
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a record of plain values is JSON")
}

/// Reads the five columns that every record has.
fn stamp(created_at: i64, created_by: String, updated_at: i64, deleted_at: Option<i64>, deleted_by: Option<String>) -> Stamp {
    Stamp {
        created_at: Instant::from_micros(created_at),
        created_by,
        updated_at: Instant::from_micros(updated_at),
        deleted: deleted_at.map(|at| (Instant::from_micros(at), deleted_by.unwrap_or_default())),
    }
}

/// Writes the five columns that every record has into an active model.
macro_rules! stamped {
    ($model:ident, $stamp:expr) => {{
        let stamp: &tenantry_domain::Stamp = $stamp;
        $model.created_at = sea_orm::Set(stamp.created_at.micros());
        $model.created_by = sea_orm::Set(stamp.created_by.clone());
        $model.updated_at = sea_orm::Set(stamp.updated_at.micros());
        $model.deleted_at = sea_orm::Set(stamp.deleted.as_ref().map(|(at, _)| at.micros()));
        $model.deleted_by = sea_orm::Set(stamp.deleted.as_ref().map(|(_, by)| by.clone()));
    }};
}
pub(crate) use stamped;

/// Ends live records of an account, some dozens by one statement: what is their own stays. Yields how many there were.
macro_rules! ended {
    ($db:expr, $account:expr, $column:expr, $ids:expr, $at:expr, $by:expr) => {{
        let (at, mut ended): (tenantry_domain::Instant, usize) = ($at, 0);
        for ids in $ids.chunks($crate::store::ROWS) {
            let live = Entity::update_many().filter(Column::AccountId.eq($account.as_str())).filter(Column::DeletedAt.is_null());
            let these = live.filter($column.is_in(ids.iter().map(|id| id.0)));
            let these = these.col_expr(Column::UpdatedAt, at.micros().into()).col_expr(Column::DeletedAt, at.micros().into());
            let rows = these.col_expr(Column::DeletedBy, $by.into()).exec_with_returning($db).await;
            ended += rows.map_err(super::storage)?.len();
        }
        ended
    }};
}
pub(crate) use ended;

/// What an account has in memory has a row.
fn all_of(wanted: usize, ended: usize) -> Result<()> {
    if ended == wanted { Ok(()) } else { Err(Error::Internal(format!("{ended} of {wanted} records that end have a row"))) }
}

#[cfg(test)]
mod tests {
    use super::{Database, after_prefix};

    #[test]
    fn a_database_is_named_by_its_url() {
        let sqlite = |path: &str| Ok(Database::Sqlite(path.into()));
        assert_eq!(Database::parse("sqlite://data/x.db"), sqlite("data/x.db"));
        assert_eq!(Database::parse("sqlite:///var/x.db?mode=rwc"), sqlite("/var/x.db"));
        assert!(matches!(Database::parse("postgres://u:p@h:5432/x"), Ok(Database::Postgres(_))));
        for bad in ["", "x", "sqlite://", "sqlite://x?mode=ro", "mysql://u:hush@h/x", "postgres://u:hush@h:port/x"] {
            let told = Database::parse(bad).unwrap_err();
            assert!(!told.contains("hush"), "{told}");
        }
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        assert_eq!(after_prefix("foo").as_deref(), Some("fop"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix(""), None);
    }
}
