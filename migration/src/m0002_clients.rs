use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut client = owned(manager, "client");
        client
            .col(key(manager, "client_id").not_null())
            .col(ColumnDef::new("name").text())
            .col(ColumnDef::new("description").text())
            .col(ColumnDef::new("callbacks").text().not_null())
            .col(ColumnDef::new("secret_hash").blob().not_null());
        manager.create_table(stamp(&mut client).to_owned()).await?;
        // Deleted clients keep their name: a token of the old one must never pass for a new one's.
        let name = Index::create().name("client_name").table("client").col("account_id").col("client_id").unique().to_owned();
        manager.create_index(name).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "client").await
    }
}
