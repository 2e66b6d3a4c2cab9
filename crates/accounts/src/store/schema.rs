//! The schema's state and the locks around it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use tenantry_migration::{Migrator, MigratorTrait};

use super::{ACQUIRE, Access, Database, Pool, unreachable};

/// Names our two advisory locks on PostgreSQL: `TNRY` and a number.
const MIGRATE: i64 = 0x544e_5259_0000_0001;
const SERVE: i64 = 0x544e_5259_0000_0002;

/// How long PostgreSQL may take to notice that a process which was killed is gone, and to free its locks.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a server may take to say who has a lock.
const LOCK: Duration = ACQUIRE.saturating_add(Duration::from_secs(1));

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
        let db = database.connect(1, Access::Write).await?;
        let schema = Self::read(&db).await?;
        db.close().await.map_err(failed)?;
        Ok(schema)
    }

    async fn read(db: &impl ConnectionTrait) -> Result<Self, String> {
        applied(db).await.map(Self::with).map_err(failed)
    }

    /// Steps that this binary knows, in order.
    pub(crate) fn known() -> Vec<String> {
        Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
    }

    /// How a database with these steps stands to this binary.
    pub fn with(applied: Vec<String>) -> Self {
        let known = Self::known();
        let pending = known.iter().filter(|step| !applied.contains(step)).cloned().collect();
        let unknown = applied.iter().filter(|step| !known.contains(step)).cloned().collect();
        Self { applied, pending, unknown }
    }

    /// Refuses, in one line, to change a database that is newer than this binary.
    pub fn check_not_newer(&self) -> Result<(), String> {
        match self.unknown.last() {
            Some(step) => Err(format!("the database is newer than this program (it has {step}): use the program that made it")),
            None => Ok(()),
        }
    }

    /// Refuses, in one line, a database that is older than this binary, or that a later one has taken something from. Steps only
    /// add, but for those that say `contract` in their names: so the binary before runs on the new schema while nodes are
    /// replaced one by one.
    pub fn check(&self) -> Result<(), String> {
        if let Some(step) = self.unknown.iter().find(|step| step.contains("_contract")) {
            return Err(format!("the database has become another one (it has {step}): use a later program"));
        }
        if self.pending.is_empty() {
            Ok(())
        } else {
            Err(format!("the database lacks {} schema steps: run `tenantry migrate up`", self.pending.len()))
        }
    }

    /// Brings the database up to this binary. The caller holds [`Lock::migrate`].
    pub async fn up(database: &Database) -> Result<(), String> {
        database.create()?;
        let db = database.connect(1, Access::Write).await?;
        Self::read(&db).await?.check_not_newer()?;
        Migrator::up(&db, None).await.map_err(failed)?;
        db.close().await.map_err(failed)
    }

    /// Undoes the last `steps` steps. The caller holds [`Lock::migrate`].
    pub async fn down(database: &Database, steps: u32) -> Result<(), String> {
        let db = database.connect(1, Access::Write).await?;
        Self::read(&db).await?.check_not_newer()?;
        Migrator::down(&db, Some(steps)).await.map_err(failed)?;
        db.close().await.map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(super) fn failed(error: DbErr) -> String {
    format!("the database refused: {error}")
}

/// The steps that the database has, in order; none where nothing was ever migrated.
pub(super) async fn applied(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let known = if db.get_database_backend() == DatabaseBackend::Sqlite {
        "SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations'"
    } else {
        "SELECT 1 FROM pg_class WHERE oid = to_regclass('seaql_migrations')"
    };
    if db.query_one_raw(Statement::from_string(db.get_database_backend(), known)).await?.is_none() {
        return Ok(Vec::new());
    }
    let query = Statement::from_string(db.get_database_backend(), "SELECT version FROM seaql_migrations ORDER BY version");
    let rows = db.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Refuses a database that is not this binary's.
pub(super) async fn check(db: &impl ConnectionTrait) -> Result<(), String> {
    Schema::read(db).await?.check()
}

/// Held while nobody else may do the same; freed when dropped, and by the operating system or the database server when
/// the process dies.
pub struct Lock(Held);

enum Held {
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    File(File),
    /// The one connection of this pool holds the lock, alone or with others.
    Session { db: Pool, key: i64, how: Hold, backend: AtomicI32 },
}

/// How a lock is held on PostgreSQL. On SQLite everybody holds it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Alone,
    Shared,
}

impl Lock {
    /// To serve: one process a SQLite database; on PostgreSQL any number, unless one serves that knows of no others.
    pub async fn serve(database: &Database) -> Result<Self, String> {
        let held = match database {
            Database::Sqlite(_) => "another tenantry serves this database already",
            Database::Postgres(_) => "a tenantry that serves alone, or undoes steps of the schema, uses this database",
        };
        Self::take(database, SERVE, Hold::Shared).await?.ok_or_else(|| held.to_owned())
    }

    /// To change the schema: nobody else changes it, and on SQLite nobody serves it.
    pub async fn migrate(database: &Database) -> Result<Self, String> {
        let held = "another tenantry uses this database: stop it first";
        Self::take(database, MIGRATE, Hold::Alone).await?.ok_or_else(|| held.to_owned())
    }

    /// With the lock to change the schema, also that of those who serve, so that nobody does; on SQLite they are one.
    pub async fn and_serve(self, database: &Database) -> Result<(Self, Option<Self>), String> {
        let held = "another tenantry serves this database: stop it first";
        let serve = match database {
            Database::Sqlite(_) => None,
            Database::Postgres(_) => Some(Self::take(database, SERVE, Hold::Alone).await?.ok_or_else(|| held.to_owned())?),
        };
        Ok((self, serve))
    }

    /// Whether somebody else has the lock now: a PostgreSQL that was restarted has forgotten it. Takes it again if it is
    /// free; one's own old session that hangs is nobody else. A database that does not answer proves nothing.
    pub async fn lost(&self) -> bool {
        let Held::Session { db, key, how, backend } = &self.0 else { return false };
        match advisory(db, *key, *how).await {
            Ok(Taken::Ours(now)) => {
                backend.store(now, Ordering::Relaxed);
                false
            }
            Ok(Taken::Theirs(holder)) => holder.is_some_and(|holder| holder != backend.load(Ordering::Relaxed)),
            Err(_) => false,
        }
    }

    async fn take(database: &Database, key: i64, how: Hold) -> Result<Option<Self>, String> {
        match database {
            Database::Sqlite(path) => {
                // One database has one lock, whatever links lead to it.
                let mut lock = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
                lock.as_mut_os_string().push(".lock");
                let cannot = |error: std::io::Error| format!("{} cannot be locked: {error}", lock.display());
                let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(cannot)?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Self(Held::File(file)))),
                    Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                    Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
                }
            }
            Database::Postgres(_) => {
                let db = Pool::single(database, None, LOCK).await?;
                let patience = tokio::time::Instant::now() + PATIENCE;
                loop {
                    match advisory(&db, key, how).await.map_err(|error| unreachable(&error))? {
                        Taken::Ours(backend) => {
                            return Ok(Some(Self(Held::Session { db, key, how, backend: AtomicI32::new(backend) })));
                        }
                        Taken::Theirs(_) if tokio::time::Instant::now() > patience => return Ok(None),
                        Taken::Theirs(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            }
        }
    }
}

/// Who has a lock: this session, by its process id on the server, or another.
enum Taken {
    Ours(i32),
    Theirs(Option<i32>),
}

/// Takes a lock of this session, or says who has it alone; taking one's own again is harmless.
async fn advisory(db: &Pool, key: i64, how: Hold) -> Result<Taken, DbErr> {
    let ask = async |query: String| db.query_one_raw(Statement::from_string(db.get_database_backend(), query)).await;
    let take = match how {
        Hold::Alone => "pg_try_advisory_lock",
        Hold::Shared => "pg_try_advisory_lock_shared",
    };
    let row = ask(format!("SELECT {take}({key}), pg_backend_pid()")).await?;
    let (taken, own): (bool, i32) = match row {
        Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
        None => (false, 0),
    };
    if taken {
        return Ok(Taken::Ours(own));
    }
    let (high, low) = (key >> 32, key & 0xffff_ffff);
    let holder = ask(format!(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND mode = 'ExclusiveLock' \
         AND classid = {high} AND objid = {low} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ));
    Ok(Taken::Theirs(holder.await?.map(|row| row.try_get_by_index(0)).transpose()?))
}
