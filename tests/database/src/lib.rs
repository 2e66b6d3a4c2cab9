//! An empty database for one test: a SQLite file of its own, or a database of its own on the PostgreSQL server that
//! `TENANTRY_TEST_POSTGRES` names. Knows nothing of ours, so that every crate's tests may use it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database, Statement};
use tempfile::TempDir;

/// A database, and a directory that lasts as long as it.
pub struct TestDatabase {
    /// `sqlite://...` or `postgres://...`.
    pub url: String,
    directory: TempDir,
}

impl TestDatabase {
    /// Makes an empty database.
    pub async fn create() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = match server() {
            None => format!("sqlite://{}", directory.path().join("tenantry.db").display()),
            Some(server) => Self::make_on(&server).await,
        };
        Self { url, directory }
    }

    /// Makes an empty database on this PostgreSQL server.
    pub async fn create_on(server: &str) -> Self {
        Self { url: Self::make_on(server).await, directory: tempfile::tempdir().expect("a temporary directory") }
    }

    async fn make_on(server: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let db = Database::connect(format!("{server}/postgres")).await.expect("the PostgreSQL server for tests");
        db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database of its own");
        format!("{server}/{name}")
    }

    /// Whether tests run on PostgreSQL.
    pub fn is_postgres() -> bool {
        server().is_some()
    }

    /// The first column of what a query yields, as text.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let db = Database::connect(&self.url).await.expect("the test's database");
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("an answer");
        rows.iter().map(|row| row.try_get_by_index(0).expect("text")).collect()
    }

    /// Whether it lets somebody in.
    pub async fn answers(&self) -> bool {
        match Database::connect(&self.url).await {
            Ok(db) => db.close().await.is_ok(),
            Err(_) => false,
        }
    }

    /// Runs a statement.
    pub async fn run(&self, sql: &str) {
        let db = Database::connect(&self.url).await.expect("the test's database");
        db.execute_unprepared(sql).await.expect("an answer");
    }

    /// All rows of whatever has an `account_id`, where that is `account`; by table. To see that nothing has changed.
    pub async fn rows_of(&self, account: &str) -> Vec<(String, String)> {
        let tables = if Self::is_postgres() {
            "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = 'public' ORDER BY 1"
        } else {
            "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'account_id' ORDER BY 1"
        };
        let mut rows = Vec::new();
        for table in self.column(tables).await {
            let of_account = if Self::is_postgres() {
                format!(
                    "SELECT coalesce(string_agg(t::text, '|' ORDER BY t::text), '') FROM {table} t WHERE account_id = '{account}'"
                )
            } else {
                let columns = self.column(&format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')")).await;
                let row = columns.join(" || ',' || ");
                format!(
                    "SELECT coalesce(group_concat({row}, '|'), '') FROM (SELECT * FROM {table} WHERE account_id = '{account}' ORDER BY 1, 2)"
                )
            };
            rows.push((table, self.column(&of_account).await.concat()));
        }
        rows
    }

    /// A directory of this test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The server to make databases on, without a path.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where PostgreSQL is")]
fn server() -> Option<String> {
    std::env::var("TENANTRY_TEST_POSTGRES").ok().filter(|server| !server.is_empty())
}
