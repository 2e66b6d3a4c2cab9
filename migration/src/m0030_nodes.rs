use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::{drop_table, key, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What several processes on one database have to know of each other: which accounts were written since a transaction (the
/// events of configuration tell of each write), whether all of it was put back to an earlier state, and who does what only one may.
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["ALTER TABLE instance ADD COLUMN store_epoch BIGINT NOT NULL DEFAULT 0"]).await?;
        let mut lease = Table::create();
        lease
            .table("lease")
            .col(key(manager, "name").not_null().primary_key())
            .col(ColumnDef::new("holder").uuid().not_null())
            .col(ColumnDef::new("fence").big_integer().not_null())
            .col(ColumnDef::new("until").big_integer().not_null());
        manager.create_table(lease).await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            run(manager, &["CREATE INDEX event_of_nodes ON event (tx, account_id) WHERE seq IS NOT NULL"]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            run(manager, &["DROP INDEX event_of_nodes"]).await?;
        }
        drop_table(manager, "lease").await?;
        run(manager, &["ALTER TABLE instance DROP COLUMN store_epoch"]).await
    }
}
