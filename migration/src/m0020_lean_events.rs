use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Every configuration write has one event, and each index of it is one more page to write. Those are few beside the activity
/// of an account, and walked: by id, which is the order of `seq`. Only activity is looked up by kind and by subject.
const UP: [&str; 6] = [
    "DROP INDEX event_seq",
    "CREATE INDEX event_of_configuration ON event (account_id, id) WHERE seq IS NOT NULL",
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) \
     WHERE seq IS NULL AND kind NOT IN ('token.exchanged', 'token.exchange_requested')",
    "DROP INDEX event_by_subject",
    "CREATE INDEX event_by_subject ON event (account_id, subject, id) WHERE seq IS NULL",
];
const DOWN: [&str; 6] = [
    "DROP INDEX event_by_subject",
    "CREATE INDEX event_by_subject ON event (account_id, subject, id)",
    "DROP INDEX event_by_kind",
    "CREATE INDEX event_by_kind ON event (account_id, kind, id) \
     WHERE kind NOT IN ('token.exchanged', 'token.exchange_requested')",
    "DROP INDEX event_of_configuration",
    "CREATE UNIQUE INDEX event_seq ON event (account_id, seq) WHERE seq IS NOT NULL",
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
