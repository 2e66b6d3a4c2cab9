use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The key that values are derived with, sealed under the master key: another master key leaves it as it is.
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "instance", [ColumnDef::new("sealed_derivation").binary().take()]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, "instance", ["sealed_derivation"]).await
    }
}
