//! What a backup needs of a database: a copy of it while others write, what it is a copy of, and how another takes its place.

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, TransactionTrait};
use tenantry_entity::TABLES;

use super::schema::{applied, failed};
use super::{Access, Database};

/// Where PostgreSQL keeps what a restore has replaced.
pub const ASIDE: &str = "tenantry_replaced";

/// What is said of it until the restore has come to its end.
const RESTORING: &str = "restoring";

/// What was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// A restore is under way, or was ended before its end.
    Restoring,
    /// Nobody needs it, but whoever wants to go back.
    Kept,
}

/// What there is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Steps of the schema, in order.
    pub steps: Vec<String>,
    /// The name of the master key that its secrets are sealed under; none before the first start.
    pub master_key: Option<String>,
    /// How often it was put back to an earlier state.
    pub epoch: i64,
    /// PostgreSQL: the schema that the tables are in.
    pub schema: Option<String>,
}

impl Database {
    /// What there is; `None` where nothing was ever made.
    pub async fn contents(&self) -> Result<Option<Contents>, String> {
        if matches!(self, Self::Sqlite(path) if !path.exists()) {
            return Ok(None);
        }
        let db = self.connect(1, Access::Write).await?;
        let contents = contents(&db).await.map_err(failed);
        db.close().await.map_err(failed)?;
        contents
    }

    /// The number of PostgreSQL's major version.
    pub async fn postgres_major(&self) -> Result<u32, String> {
        let db = self.connect(1, Access::Write).await?;
        let asked = "SELECT current_setting('server_version_num')::int / 10000";
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, asked)).await;
        db.close().await.map_err(failed)?;
        let major: Option<i32> = row.and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose()).map_err(failed)?;
        major.and_then(|major| u32::try_from(major).ok()).ok_or_else(|| "PostgreSQL does not say its version".to_owned())
    }

    /// Writes a copy of a SQLite database into a new file: as of one moment, without what was erased, and while others write. It is
    /// on disk when this returns.
    pub async fn copy_to(&self, file: &Path) -> Result<(), String> {
        let db = self.connect(1, Access::Write).await?;
        let copy = Statement::from_sql_and_values(DatabaseBackend::Sqlite, "VACUUM INTO ?", [file.display().to_string().into()]);
        let copied = db.execute_raw(copy).await.map_err(|error| format!("{} cannot be written: {error}", file.display()));
        db.close().await.map_err(failed)?;
        copied?;
        let synced = std::fs::File::open(file).and_then(|copy| copy.sync_all());
        synced.map_err(|error| format!("{} cannot be written: {error}", file.display()))
    }

    /// Whether a SQLite file is whole.
    pub async fn check(&self) -> Result<(), String> {
        let db = self.connect(1, Access::Write).await?;
        let asked = db.query_one_raw(Statement::from_string(DatabaseBackend::Sqlite, "PRAGMA quick_check(1)")).await;
        let said = asked.and_then(|row| row.map_or(Ok(String::new()), |row| row.try_get_by_index(0)));
        db.close().await.map_err(failed)?;
        match said {
            Ok(said) if said == "ok" => Ok(()),
            Ok(said) => Err(format!("the database is damaged: {said}")),
            Err(error) => Err(format!("the database is damaged: {error}")),
        }
    }

    /// Says that this database was put back to an earlier state: what anybody knows of it is worth nothing. `others` is the epoch
    /// of what stood in its place.
    pub async fn begin_epoch(&self, others: i64) -> Result<(), String> {
        let db = self.connect(1, Access::Write).await?;
        let begun = begin_epoch(&db, others).await.map_err(failed);
        db.close().await.map_err(failed)?;
        begun
    }

    /// PostgreSQL: moves our tables into the schema [`ASIDE`], all or none.
    pub async fn set_aside(&self) -> Result<(), String> {
        self.moved(async |db| {
            let from = current_schema(db).await?;
            let create = format!("CREATE SCHEMA {ASIDE}; COMMENT ON SCHEMA {ASIDE} IS '{RESTORING}'");
            db.execute_unprepared(&create).await?;
            move_tables(db, &from, ASIDE).await
        })
        .await
    }

    /// PostgreSQL: the way back of [`Self::set_aside`]. What stands in the place of the tables goes.
    pub async fn put_back(&self) -> Result<(), String> {
        self.moved(async |db| {
            let to = current_schema(db).await?;
            for table in ours() {
                db.execute_unprepared(&format!("DROP TABLE IF EXISTS \"{to}\".{table} CASCADE")).await?;
            }
            move_tables(db, ASIDE, &to).await?;
            db.execute_unprepared(&format!("DROP SCHEMA {ASIDE}")).await.map(drop)
        })
        .await
    }

    /// PostgreSQL: whether something was set aside.
    pub async fn aside(&self) -> Result<Option<Aside>, String> {
        let db = self.connect(1, Access::Write).await?;
        let query = format!("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = '{ASIDE}'");
        let found = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, query)).await;
        let said = found.and_then(|row| row.map(|row| row.try_get_by_index::<Option<String>>(0)).transpose()).map_err(failed);
        db.close().await.map_err(failed)?;
        let state = |said: Option<String>| if said.as_deref() == Some(RESTORING) { Aside::Restoring } else { Aside::Kept };
        Ok(said?.map(state))
    }

    /// PostgreSQL: the restore for which something was set aside has come to its end.
    pub async fn keep_aside(&self) -> Result<(), String> {
        self.moved(async |db| db.execute_unprepared(&format!("COMMENT ON SCHEMA {ASIDE} IS NULL")).await.map(drop)).await
    }

    async fn moved(&self, change: impl AsyncFn(&sea_orm::DatabaseTransaction) -> Result<(), DbErr>) -> Result<(), String> {
        let db = self.connect(1, Access::Write).await?;
        let transaction = db.begin().await.map_err(failed)?;
        let changed = match change(&transaction).await {
            Ok(()) => transaction.commit().await,
            Err(error) => transaction.rollback().await.and(Err(error)),
        };
        db.close().await.map_err(failed)?;
        changed.map_err(failed)
    }
}

async fn contents(db: &DatabaseConnection) -> Result<Option<Contents>, DbErr> {
    let backend = db.get_database_backend();
    let steps = applied(db).await?;
    if steps.is_empty() {
        return Ok(None);
    }
    let ask = async |sql: &str| db.query_one_raw(Statement::from_string(backend, sql)).await;
    // An older schema has no epoch.
    let (mut master_key, mut epoch) = (None, 0);
    if steps.iter().any(|step| step == "m0030_nodes") {
        if let Some(row) = ask("SELECT master_key_id, store_epoch FROM instance").await? {
            (master_key, epoch) = (Some(row.try_get_by_index(0)?), row.try_get_by_index(1)?);
        }
    } else if let Some(row) = ask("SELECT master_key_id FROM instance").await? {
        master_key = Some(row.try_get_by_index(0)?);
    }
    let schema = match backend {
        DatabaseBackend::Postgres => Some(current_schema(db).await?),
        _ => None,
    };
    Ok(Some(Contents { steps, master_key, epoch, schema }))
}

async fn begin_epoch(db: &DatabaseConnection, others: i64) -> Result<(), DbErr> {
    let begin = "UPDATE instance SET store_epoch = CASE WHEN store_epoch > $1 THEN store_epoch ELSE $1 END + 1";
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), begin, [others.into()])).await?;
    if db.get_database_backend() == DatabaseBackend::Postgres {
        // They count the transactions of another server, or of another time of this one.
        db.execute_unprepared("SET statement_timeout = 0; UPDATE event SET tx = 0 WHERE tx <> 0").await?;
    }
    Ok(())
}

async fn current_schema(db: &impl ConnectionTrait) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, "SELECT current_schema()::text")).await?;
    row.ok_or_else(|| DbErr::Custom("PostgreSQL has no schema for us".to_owned()))?.try_get_by_index(0)
}

/// Our tables, and the list of steps.
fn ours() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().chain(["seaql_migrations"])
}

/// As far as they are there.
async fn move_tables(db: &impl ConnectionTrait, from: &str, to: &str) -> Result<(), DbErr> {
    for table in ours() {
        // Both names come from PostgreSQL's own catalogue, or are ours.
        db.execute_unprepared(&format!("ALTER TABLE IF EXISTS \"{from}\".{table} SET SCHEMA \"{to}\"")).await?;
    }
    Ok(())
}
