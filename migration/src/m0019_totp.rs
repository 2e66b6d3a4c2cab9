use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new("totp").binary().take(),
            ColumnDef::new("totp_confirmed").boolean().take(),
            ColumnDef::new("totp_step").big_integer().take(),
            ColumnDef::new("recovery_generation").big_integer().take(),
            ColumnDef::new("recovery_used").big_integer().take(),
        ];
        add_columns(manager, "auth_user", columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = ["totp", "totp_confirmed", "totp_step", "recovery_generation", "recovery_used"];
        drop_columns(manager, "auth_user", columns).await
    }
}
