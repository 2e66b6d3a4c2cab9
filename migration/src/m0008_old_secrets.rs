use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new("secret_used_at").big_integer().take(),
            ColumnDef::new("old_secret_hash").binary().take(),
            ColumnDef::new("old_secret_until").big_integer().take(),
            ColumnDef::new("old_secret_used_at").big_integer().take(),
        ];
        add_columns(manager, "client", columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = ["secret_used_at", "old_secret_hash", "old_secret_until", "old_secret_used_at"];
        drop_columns(manager, "client", columns).await
    }
}
