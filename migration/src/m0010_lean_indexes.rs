use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What every write has to keep up is kept to what somebody looks for: roles without a name are not found by it, and the two
/// kinds of events that make up most of a busy log are found by walking it.
const UP: [&str; 4] = [
    "DROP INDEX IF EXISTS role_name",
    "CREATE UNIQUE INDEX role_name ON role (account_id, name_key) WHERE deleted_at IS NULL AND name_key IS NOT NULL",
    "DROP INDEX IF EXISTS event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) \
     WHERE kind NOT IN ('token.exchanged', 'token.exchange_requested')",
];
const DOWN: [&str; 4] = [
    "DROP INDEX IF EXISTS role_name",
    "CREATE UNIQUE INDEX role_name ON role (account_id, name_key) WHERE deleted_at IS NULL",
    "DROP INDEX IF EXISTS event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id)",
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
