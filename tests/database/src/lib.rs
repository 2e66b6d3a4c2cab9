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
            Some(server) => {
                static NUMBER: AtomicU32 = AtomicU32::new(0);
                let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
                let db = Database::connect(format!("{server}/postgres")).await.expect("the PostgreSQL server for tests");
                db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database of its own");
                format!("{server}/{name}")
            }
        };
        Self { url, directory }
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
