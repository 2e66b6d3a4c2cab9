//! The runtime's promises, tried where HTTP does not reach: with operations that panic, stall or fail on purpose.

mod master_keys;
mod memory;
mod model;
mod nodes;
mod properties;
mod runtime;
mod schema;
mod search;
mod signatures;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tenantry_domain::{AccountId, AccountInput, PublicUrl, RoleInput, Scopes};
use tenantry_test_database::TestDatabase;

use crate::{Account, Caller, Catalogue, Choices, Database, MasterKeys, Platform, Registry, Schema, Source, Vault};

const MASTER_KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// The runtime on a database of its own, with the operator's accounts and a clock that stands still.
pub(crate) struct World {
    pub(crate) registry: Registry,
    clock: Arc<AtomicI64>,
    pub(crate) database: TestDatabase,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(2).await
    }

    /// One whose accounts run on so many threads.
    async fn on(threads: usize) -> Self {
        let database = TestDatabase::create().await;
        let opened = Database::parse(&database.url).unwrap();
        Schema::up(&opened).await.unwrap();
        let clock = Arc::new(AtomicI64::new(1_767_225_600_000_000));
        let registry = registry(&opened, &clock, threads).await;
        registry.platform().bootstrap().await.unwrap().unwrap();
        Self { registry, clock, database }
    }

    /// Another runtime on the same database: what a second node would be.
    async fn second(&self) -> Registry {
        registry(&Database::parse(&self.database.url).unwrap(), &self.clock, 1).await
    }

    /// So many seconds pass.
    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    async fn operator(&self) -> Account {
        self.registry.get(operator()).await.unwrap()
    }
}

async fn registry(database: &Database, clock: &Arc<AtomicI64>, threads: usize) -> Registry {
    registry_with(database, clock, threads, Choices { quotas: None, ..Choices::default() }).await
}

async fn registry_with(database: &Database, clock: &Arc<AtomicI64>, threads: usize, choices: Choices) -> Registry {
    registry_under(MasterKeys::new(MASTER_KEY).unwrap(), database, clock, threads, choices).await
}

async fn registry_under(
    keys: MasterKeys,
    database: &Database,
    clock: &Arc<AtomicI64>,
    threads: usize,
    choices: Choices,
) -> Registry {
    let source = Source::fixed(clock.clone());
    let public = PublicUrl::parse("https://id.example.com").unwrap();
    let store = database.open(4, true, &mut Catalogue::default()).await.unwrap();
    let vault = Vault::claim(&store, keys, source.clone()).await.unwrap().unwrap();
    Registry::new(Arc::new(Platform::new(store, source, vault, public, choices)), threads)
}

pub(crate) fn operator() -> AccountId {
    "T00000000".parse().unwrap()
}

/// Somebody below the operator, or below a partner.
async fn create_account(above: &Account, id: Option<&str>) -> AccountId {
    let account_id = id.map(|id| id.parse().unwrap());
    let input = AccountInput { display_name: "Shop".parse().unwrap(), account_id, company: None, language_code: None };
    above.create_account(Caller::system(), input).await.unwrap().id
}

/// A new partner below the operator.
async fn partner(registry: &Registry) -> Account {
    let above = registry.get(operator()).await.unwrap();
    registry.get(create_account(&above, Some("T11200000")).await).await.unwrap()
}

fn role(name: &str) -> RoleInput {
    RoleInput { name: name.parse().ok(), description: None, scope: Scopes::default() }
}

async fn create_role(account: &Account, name: impl AsRef<str>) -> Created {
    account.create_role(Caller::system(), role(name.as_ref())).await
}

type Created = tenantry_domain::Result<Arc<tenantry_domain::Role>>;
