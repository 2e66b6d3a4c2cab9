use sea_orm_migration::prelude::*;

use crate::{drop_table, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut outbox = owned(manager, "outbox");
        outbox
            .col(ColumnDef::new("template").text().not_null())
            .col(ColumnDef::new("about").uuid().not_null())
            .col(ColumnDef::new("number").big_integer().not_null())
            .col(ColumnDef::new("channel").text().not_null())
            .col(ColumnDef::new("target").text())
            .col(ColumnDef::new("tries").big_integer().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("next_at").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null());
        manager.create_table(outbox).await?;
        // The worker goes through all accounts.
        manager.create_index(Index::create().name("outbox_by_time").table("outbox").col("next_at").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "outbox").await
    }
}
