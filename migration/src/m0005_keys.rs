use sea_orm_migration::prelude::*;

use crate::{drop_table, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key = owned(manager, "signing_key");
        key.col(ColumnDef::new("algorithm").text().not_null())
            .col(ColumnDef::new("public").text().not_null())
            .col(ColumnDef::new("sealed_private").blob().not_null())
            .col(ColumnDef::new("active_from").big_integer().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("created_by").text().not_null());
        manager.create_table(key).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "signing_key").await
    }
}
