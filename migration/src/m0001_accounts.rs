use sea_orm_migration::prelude::*;

use crate::{drop_table, key, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut instance = Table::create();
        instance
            .table("instance")
            .col(ColumnDef::new("id").integer().not_null().primary_key())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("master_key_id").text().not_null());
        manager.create_table(instance).await?;

        let mut account = Table::create();
        account
            .table("account")
            .col(key(manager, "id").not_null().primary_key())
            .col(key(manager, "parent"))
            .col(ColumnDef::new("version").big_integer().not_null())
            .col(ColumnDef::new("next_child").integer().not_null())
            .col(ColumnDef::new("display_name").text().not_null())
            .col(key(manager, "name_key").not_null())
            .col(ColumnDef::new("company").text())
            .col(ColumnDef::new("language_code").text())
            .col(ColumnDef::new("active").boolean().not_null())
            .col(ColumnDef::new("settings").text().not_null())
            .col(ColumnDef::new("limits").text())
            .col(ColumnDef::new("budget").text());
        manager.create_table(stamp(&mut account).to_owned()).await?;
        let by_parent = Index::create().name("account_by_parent").table("account").col("parent").col("id").to_owned();
        manager.create_index(by_parent).await?;
        let by_name = Index::create().name("account_by_name").table("account").col("parent").col("name_key").to_owned();
        manager.create_index(by_name).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "account").await?;
        drop_table(manager, "instance").await
    }
}
