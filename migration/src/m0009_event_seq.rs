use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Activity has no `seq`: it needs no place in this index.
const PARTIAL: &str = "CREATE UNIQUE INDEX event_seq ON event (account_id, seq) WHERE seq IS NOT NULL";
const WHOLE: &str = "CREATE UNIQUE INDEX event_seq ON event (account_id, seq)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, PARTIAL).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, WHOLE).await
    }
}

async fn replace(manager: &SchemaManager<'_>, index: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared("DROP INDEX event_seq").await?;
    manager.get_connection().execute_unprepared(index).await.map(drop)
}
