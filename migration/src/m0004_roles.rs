use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut role = owned(manager, "role");
        role.col(ColumnDef::new("name").text())
            .col(key(manager, "name_key"))
            .col(ColumnDef::new("description").text())
            .col(ColumnDef::new("scope").text().not_null());
        manager.create_table(stamp(&mut role).to_owned()).await?;
        let name = Index::create()
            .name("role_name")
            .table("role")
            .col("account_id")
            .col("name_key")
            .unique()
            .and_where(Expr::col("deleted_at").is_null())
            .to_owned();
        manager.create_index(name).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "role").await
    }
}
