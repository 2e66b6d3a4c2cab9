//! How much of the pool of connections is in use, read off when somebody asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts};
use sea_orm::{DatabaseBackend, DatabaseConnection};

use crate::catalogue::Catalogue;

struct Pool {
    db: DatabaseConnection,
    connections: IntGaugeVec,
    busy: IntGauge,
    idle: IntGauge,
}

/// Adds the pool behind `db` to the metrics.
pub(super) fn register(db: DatabaseConnection, all: &mut Catalogue) {
    let told = Opts::new("tenantry_database_pool_connections", "Open connections of the pool, by what they do.");
    let connections = IntGaugeVec::new(told, &["state"]).expect("our own metrics have valid names");
    let [busy, idle] = ["busy", "idle"].map(|state| connections.with_label_values(&[state]));
    all.collector("`state`: busy, idle", Pool { db, connections, busy, idle });
}

impl Collector for Pool {
    fn desc(&self) -> Vec<&Desc> {
        self.connections.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (size, idle) = if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let pool = self.db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = self.db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        let size = i64::from(size);
        let idle = i64::try_from(idle).unwrap_or(size).min(size);
        self.idle.set(idle);
        self.busy.set(size - idle);
        self.connections.collect()
    }
}
