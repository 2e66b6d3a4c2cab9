use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Whoever asks for a kind does not walk over the others, and whoever asks for the living not over those who are gone. Numbers of
/// more than 15 digits are none of a sequence.
const UP: [&str; 5] = [
    "DROP INDEX customer_updated",
    "CREATE INDEX customer_updated ON customer (account_id, kind, updated_at, id) WHERE deleted_at IS NULL",
    "CREATE INDEX customer_gone ON customer (account_id, kind, id) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX customer_gone_at ON customer (account_id, kind, updated_at, id) WHERE deleted_at IS NOT NULL",
    "UPDATE customer SET number = NULL WHERE number > 999999999999999",
];
const DOWN: [&str; 4] = [
    "DROP INDEX customer_gone_at",
    "DROP INDEX customer_gone",
    "DROP INDEX customer_updated",
    "CREATE INDEX customer_updated ON customer (account_id, updated_at, id)",
];
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &DOWN).await
    }
}
