use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut challenge = owned(manager, "challenge");
        challenge
            .col(ColumnDef::new("kind").text().not_null())
            .col(ColumnDef::new("person").uuid())
            .col(ColumnDef::new("client").uuid().not_null())
            .col(key(manager, "client_id").not_null())
            .col(ColumnDef::new("audience").text().not_null())
            .col(ColumnDef::new("scope").text().not_null())
            .col(ColumnDef::new("counted").uuid().not_null())
            .col(ColumnDef::new("step").big_integer().not_null())
            .col(ColumnDef::new("passed").text())
            .col(ColumnDef::new("channel").text())
            .col(ColumnDef::new("target").text())
            .col(ColumnDef::new("code").big_integer().not_null())
            .col(ColumnDef::new("tries").big_integer().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null())
            .col(ColumnDef::new("used_at").big_integer());
        manager.create_table(challenge).await?;
        let of_person = Index::create()
            .name("challenge_of_person")
            .table("challenge")
            .col("account_id")
            .col("person")
            .and_where(Expr::col("used_at").is_null())
            .to_owned();
        manager.create_index(of_person).await?;
        // For pruning, which goes through all accounts.
        manager.create_index(Index::create().name("challenge_by_end").table("challenge").col("expires_at").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "challenge").await
    }
}
