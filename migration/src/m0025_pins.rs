use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [ColumnDef::new("pin").text().take(), ColumnDef::new("pin_failures").integer().take()];
        add_columns(manager, "auth_user", columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, "auth_user", ["pin", "pin_failures"]).await
    }
}
