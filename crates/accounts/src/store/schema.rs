//! The schema's state and the locks around it.

use std::fs::File;
use std::path::PathBuf;

use sea_orm::{ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DbErr, Statement};
use tenantry_migration::{Migrator, MigratorTrait};

use super::{ACQUIRE, Database, unreachable};

/// Names our two advisory locks on PostgreSQL: `TNRY` and a number.
const MIGRATE: i64 = 0x544e_5259_0000_0001;
const SERVE: i64 = 0x544e_5259_0000_0002;

/// How the database stands to this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Steps that the database has.
    pub applied: Vec<String>,
    /// Steps that this binary knows and the database lacks.
    pub pending: Vec<String>,
    /// Steps that the database has and this binary does not know.
    pub unknown: Vec<String>,
}

impl Schema {
    /// Reads the state; changes nothing.
    pub async fn of(database: &Database) -> Result<Self, String> {
        let db = database.connect(1, false).await?;
        let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
        let applied = applied(&db).await;
        let pending = known.iter().filter(|step| !applied.contains(step)).cloned().collect();
        let unknown = applied.iter().filter(|step| !known.contains(step)).cloned().collect();
        db.close().await.map_err(failed)?;
        Ok(Self { applied, pending, unknown })
    }

    /// Refuses, in one line, a database that is older or newer than this binary.
    pub fn check(&self) -> Result<(), String> {
        if let Some(step) = self.unknown.last() {
            Err(format!("the database is newer than this program (it has {step}): use the program that made it"))
        } else if self.pending.is_empty() {
            Ok(())
        } else {
            Err(format!("the database lacks {} schema steps: run `tenantry migrate up`", self.pending.len()))
        }
    }

    /// Brings the database up to this binary. The caller holds [`Lock::migrate`].
    pub async fn up(database: &Database) -> Result<(), String> {
        let db = database.connect(1, false).await?;
        Migrator::up(&db, None).await.map_err(failed)?;
        db.close().await.map_err(failed)
    }

    /// Undoes the last `steps` steps. The caller holds [`Lock::migrate`].
    pub async fn down(database: &Database, steps: u32) -> Result<(), String> {
        let db = database.connect(1, false).await?;
        Migrator::down(&db, Some(steps)).await.map_err(failed)?;
        db.close().await.map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: DbErr) -> String {
    format!("the database refused: {error}")
}

/// The steps that the database has, in order; none where nothing was ever migrated.
async fn applied(db: &DatabaseConnection) -> Vec<String> {
    let query = Statement::from_string(db.get_database_backend(), "SELECT version FROM seaql_migrations ORDER BY version");
    let rows = db.query_all_raw(query).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.try_get_by_index(0).ok()).collect()
}

/// Held while nobody else may do the same; freed when dropped, and by the operating system or the database server when
/// the process dies.
pub struct Lock(Held);

enum Held {
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    File(File),
    /// The one connection of this pool holds the lock.
    Session(DatabaseConnection, i64),
}

impl Lock {
    /// To serve: one process a database.
    pub async fn serve(database: &Database) -> Result<Self, String> {
        let held = "another tenantry serves this database already";
        Self::take(database, SERVE).await?.ok_or_else(|| held.to_owned())
    }

    /// To change the schema: nobody else changes it, and on SQLite nobody serves it.
    pub async fn migrate(database: &Database) -> Result<Self, String> {
        let held = "another tenantry uses this database: stop it first";
        Self::take(database, MIGRATE).await?.ok_or_else(|| held.to_owned())
    }

    /// Whether the lock is still held; a PostgreSQL that was restarted has forgotten it. Takes it again if it is free.
    pub async fn keep(&self) -> bool {
        match &self.0 {
            Held::File(_) => true,
            Held::Session(db, key) => try_advisory(db, *key).await.unwrap_or(true),
        }
    }

    async fn take(database: &Database, key: i64) -> Result<Option<Self>, String> {
        match database {
            Database::Sqlite(path) => {
                let mut lock = PathBuf::from(path);
                lock.as_mut_os_string().push(".lock");
                let cannot = |error: std::io::Error| format!("{} cannot be locked: {error}", lock.display());
                let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(cannot)?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Self(Held::File(file)))),
                    Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                    Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
                }
            }
            Database::Postgres(url) => {
                let mut options = ConnectOptions::new(url.clone());
                options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
                options.acquire_timeout(ACQUIRE).connect_timeout(ACQUIRE);
                let db = SeaOrm::connect(options).await.map_err(|error| unreachable(&error))?;
                Ok(try_advisory(&db, key).await.map_err(failed)?.then_some(Self(Held::Session(db, key))))
            }
        }
    }
}

/// Takes a lock of this session; taking one's own again is harmless.
async fn try_advisory(db: &DatabaseConnection, key: i64) -> Result<bool, DbErr> {
    let query = Statement::from_string(db.get_database_backend(), format!("SELECT pg_try_advisory_lock({key})"));
    let row = db.query_one_raw(query).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}
