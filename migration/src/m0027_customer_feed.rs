use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Changes of customers are read in the order in which they came to be seen: on PostgreSQL that of their transactions, on SQLite,
/// where one follows the other, that of their ids.
const UP: [&str; 3] = [
    "CREATE INDEX event_of_customers ON event (account_id, tx, id) WHERE kind >= 'customer.' AND kind < 'customer/'",
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) WHERE seq IS NULL AND kind NOT IN \
     ('token.exchanged', 'token.exchange_requested', 'customer.created', 'customer.updated')",
];
const DOWN: [&str; 4] = [
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) \
     WHERE seq IS NULL AND kind NOT IN ('token.exchanged', 'token.exchange_requested')",
    "DROP INDEX event_of_customers",
    "ALTER TABLE event DROP COLUMN tx",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let transaction = match manager.get_database_backend() {
            DatabaseBackend::Postgres => "ALTER TABLE event ADD COLUMN tx BIGINT DEFAULT pg_current_xact_id()::text::bigint",
            _ => "ALTER TABLE event ADD COLUMN tx BIGINT",
        };
        run(manager, &[transaction]).await?;
        run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &DOWN).await
    }
}
