use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Whoever lists the accounts below one walks over none that are gone, and finds names in their order; whoever looks for news reads
/// nothing but an index.
const UP: [&str; 4] = [
    "CREATE INDEX account_below ON account (parent, id) WHERE deleted_at IS NULL",
    "CREATE INDEX account_below_by_name ON account (parent, name_key, id) WHERE deleted_at IS NULL",
    "DROP INDEX account_by_parent",
    "DROP INDEX account_by_name",
];
const DOWN: [&str; 4] = [
    "CREATE INDEX account_by_name ON account (parent, name_key)",
    "CREATE INDEX account_by_parent ON account (parent, id)",
    "DROP INDEX account_below_by_name",
    "DROP INDEX account_below",
];

/// What a look for news reads, all of it in the index.
const NEWS: &str = "event_of_nodes";
const OF: &str = "WHERE seq IS NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &UP).await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            run(manager, &[&format!("DROP INDEX {NEWS}"), &format!("CREATE INDEX {NEWS} ON event (tx, account_id, seq) {OF}")])
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            run(manager, &[&format!("DROP INDEX {NEWS}"), &format!("CREATE INDEX {NEWS} ON event (tx, account_id) {OF}")])
                .await?;
        }
        run(manager, &DOWN).await
    }
}
