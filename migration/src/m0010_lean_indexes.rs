use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What every write has to keep up is kept to what somebody looks for. Roles without a name are not found by it. Events of
/// configuration are few and found by walking `event_seq`; so are, by walking the log, the two kinds of activity that make
/// up most of a busy one.
const UP: [&str; 6] = [
    "DROP INDEX role_name",
    "CREATE UNIQUE INDEX role_name ON role (account_id, name_key) WHERE deleted_at IS NULL AND name_key IS NOT NULL",
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) \
     WHERE seq IS NULL AND kind NOT IN ('token.exchanged', 'token.exchange_requested')",
    "DROP INDEX event_by_subject",
    "CREATE INDEX event_by_subject ON event (account_id, subject, id) WHERE seq IS NULL",
];
const DOWN: [&str; 6] = [
    "DROP INDEX role_name",
    "CREATE UNIQUE INDEX role_name ON role (account_id, name_key) WHERE deleted_at IS NULL",
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id)",
    "DROP INDEX event_by_subject",
    "CREATE INDEX event_by_subject ON event (account_id, subject, id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, steps: [&str; 6]) -> Result<(), DbErr> {
    for step in steps {
        manager.get_connection().execute_unprepared(step).await?;
    }
    Ok(())
}
