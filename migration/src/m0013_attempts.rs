use sea_orm_migration::prelude::*;

use crate::{drop_table, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut attempt = owned(manager, "attempt");
        attempt
            .col(ColumnDef::new("failures").big_integer().not_null())
            .col(ColumnDef::new("at").big_integer().not_null())
            .col(ColumnDef::new("until").big_integer().not_null());
        manager.create_table(attempt).await?;
        // For pruning, which goes through all accounts.
        manager.create_index(Index::create().name("attempt_by_end").table("attempt").col("until").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "attempt").await
    }
}
