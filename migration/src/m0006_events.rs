use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut event = owned(manager, "event");
        event
            .col(ColumnDef::new("seq").big_integer())
            .col(key(manager, "kind").not_null())
            .col(key(manager, "subject").not_null())
            .col(ColumnDef::new("at").big_integer().not_null())
            .col(ColumnDef::new("content").text())
            .col(ColumnDef::new("salt").blob())
            .col(ColumnDef::new("content_hash").blob())
            .col(ColumnDef::new("hash").blob());
        manager.create_table(event).await?;
        let seq = Index::create().name("event_seq").table("event").col("account_id").col("seq").unique().to_owned();
        manager.create_index(seq).await?;
        let by = |name: &'static str, column: &'static str| {
            Index::create().name(name).table("event").col("account_id").col(column).col("id").to_owned()
        };
        manager.create_index(by("event_by_kind", "kind")).await?;
        manager.create_index(by("event_by_subject", "subject")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "event").await
    }
}
