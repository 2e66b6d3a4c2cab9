use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut user = owned(manager, "auth_user");
        user.col(ColumnDef::new("username").text().not_null())
            .col(key(manager, "username_key").not_null())
            .col(ColumnDef::new("password").text().not_null())
            .col(ColumnDef::new("links").text().not_null())
            .col(ColumnDef::new("mfa").text())
            .col(ColumnDef::new("enabled").boolean().not_null());
        manager.create_table(stamp(&mut user).to_owned()).await?;
        let name = Index::create()
            .name("auth_user_name")
            .table("auth_user")
            .col("account_id")
            .col("username_key")
            .unique()
            .and_where(Expr::col("deleted_at").is_null())
            .to_owned();
        manager.create_index(name).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "auth_user").await
    }
}
