//! Pools of connections: how long they are waited for, and how much of them is in use.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use tenantry_domain::Result;

use super::tx::{Shared, Tx};
use super::{ACQUIRE, Access, Database, STATEMENT};
use crate::catalogue::Catalogue;
use crate::measures::Measures;

/// How long a statement that may take [`STATEMENT`], after a connection was waited for, is waited for: a server that is hung, or
/// behind a cut line, says nothing.
const PATIENCE: Duration = STATEMENT.saturating_add(ACQUIRE).saturating_add(Duration::from_secs(1));

/// Connections to one database. Where a PostgreSQL server says nothing in time, all of them are left for new ones: nobody knows
/// for how long the operating system would wait. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    current: ArcSwap<DatabaseConnection>,
    database: Database,
    connections: u32,
    access: Access,
    measures: Option<Arc<Measures>>,
    patience: Duration,
}

impl Pool {
    /// Opens so many connections.
    pub(super) async fn open(
        database: &Database,
        connections: u32,
        access: Access,
        measures: &Arc<Measures>,
    ) -> Result<Self, String> {
        let first = database.connect_measured(connections, access, Some(measures), false).await?;
        Ok(Self::of(first, database, connections, access, Some(measures), PATIENCE))
    }

    /// One connection, made when it is needed, whose statements may take so long.
    pub(super) async fn single(
        database: &Database,
        measures: Option<&Arc<Measures>>,
        patience: Duration,
    ) -> Result<Self, String> {
        let first = database.connect_measured(1, Access::Write, measures, true).await?;
        Ok(Self::of(first, database, 1, Access::Write, measures, patience))
    }

    fn of(
        first: DatabaseConnection,
        database: &Database,
        connections: u32,
        access: Access,
        measures: Option<&Arc<Measures>>,
        patience: Duration,
    ) -> Self {
        let (database, measures) = (database.clone(), measures.cloned());
        let current = ArcSwap::from_pointee(first);
        Self(Arc::new(Inner { current, database, connections, access, measures, patience }))
    }

    /// The connections as of now.
    pub(super) fn current(&self) -> Arc<DatabaseConnection> {
        self.0.current.load_full()
    }

    /// Waits for what was asked of `db`, which was [`Pool::current`], as long as that may take; `None`: in vain.
    pub(super) async fn bounded<T>(&self, db: &Arc<DatabaseConnection>, asked: impl Future<Output = T>) -> Option<T> {
        if db.get_database_backend() == DatabaseBackend::Sqlite {
            return Some(asked.await);
        }
        let told = tokio::time::timeout(self.0.patience, asked).await.ok();
        if told.is_none() {
            tracing::warn!("the database server does not answer: its connections are left for new ones");
            self.leave(db).await;
        }
        told
    }

    /// What that means to whoever asked.
    pub(super) fn silence() -> DbErr {
        DbErr::Conn(RuntimeErr::Internal("the server does not answer".to_owned()))
    }

    /// Reads what is to be seen as of one moment.
    pub(crate) async fn as_of_one_moment<T>(&self, read: impl AsyncFnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let db = self.current();
        let mut shared = Shared::of_one_moment(self, &db);
        let snapshot = Tx::new(&shared, false);
        let found = read(&snapshot).await;
        drop(snapshot);
        shared.undo().await;
        found
    }

    /// Goes on with new connections: those there are may be to a server that counts no more.
    pub(crate) async fn renew(&self) {
        self.leave(&self.current()).await;
    }

    /// Goes on with new connections, unless somebody has done so already.
    async fn leave(&self, old: &Arc<DatabaseConnection>) {
        let Inner { database, connections, access, measures, .. } = &*self.0;
        match database.connect_measured(*connections, *access, measures.as_ref(), true).await {
            Ok(fresh) => drop(self.0.current.compare_and_swap(old, Arc::new(fresh))),
            Err(error) => tracing::error!(%error, "there are no new connections"),
        }
    }

    /// Listens to every statement.
    #[cfg(test)]
    pub(crate) fn overhear(&self, heard: impl Fn(&sea_orm::metric::Info<'_>) + Send + Sync + 'static) {
        let mut db = (*self.current()).clone();
        db.set_metric_callback(heard);
        self.0.current.store(Arc::new(db));
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.0.current.load().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let db = self.current();
        self.bounded(&db, db.execute_raw(statement)).await.unwrap_or_else(|| Err(Self::silence()))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let db = self.current();
        self.bounded(&db, db.execute_unprepared(sql)).await.unwrap_or_else(|| Err(Self::silence()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let db = self.current();
        self.bounded(&db, db.query_one_raw(statement)).await.unwrap_or_else(|| Err(Self::silence()))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let db = self.current();
        self.bounded(&db, db.query_all_raw(statement)).await.unwrap_or_else(|| Err(Self::silence()))
    }
}

/// How much of a pool is in use, read off when somebody asks.
struct Gauges {
    pool: Option<Pool>,
    connections: IntGaugeVec,
    busy: IntGauge,
    idle: IntGauge,
}

/// Adds a pool to the metrics; without one, only for docs/metrics.md.
pub(super) fn register(pool: Option<Pool>, all: &mut Catalogue) {
    let told = Opts::new("tenantry_database_pool_connections", "Open connections of the pool, by what they do.");
    let connections = IntGaugeVec::new(told, &["state"]).expect("our own metrics have valid names");
    let [busy, idle] = ["busy", "idle"].map(|state| connections.with_label_values(&[state]));
    all.collector("`state`: busy, idle", Gauges { pool, connections, busy, idle });
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.connections.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(db) = self.pool.as_ref().map(Pool::current) else { return Vec::new() };
        let (size, idle) = if db.get_database_backend() == DatabaseBackend::Postgres {
            let pool = db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        let size = i64::from(size);
        let idle = i64::try_from(idle).unwrap_or(size).min(size);
        self.idle.set(idle);
        self.busy.set(size - idle);
        self.connections.collect()
    }
}
