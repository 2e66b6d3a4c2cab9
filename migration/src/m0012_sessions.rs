use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut session = owned(manager, "session");
        session
            .col(ColumnDef::new("person").uuid().not_null())
            .col(ColumnDef::new("subject").text().not_null())
            .col(ColumnDef::new("client").uuid().not_null())
            .col(key(manager, "client_id").not_null())
            .col(ColumnDef::new("audience").text().not_null())
            .col(ColumnDef::new("kind").text().not_null())
            .col(ColumnDef::new("scope").text().not_null())
            .col(ColumnDef::new("generation").big_integer().not_null())
            .col(ColumnDef::new("rotated_at").big_integer().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null())
            .col(ColumnDef::new("ended_at").big_integer());
        manager.create_table(session).await?;
        let of_person = Index::create()
            .name("session_of_person")
            .table("session")
            .col("account_id")
            .col("person")
            .and_where(Expr::col("ended_at").is_null())
            .to_owned();
        manager.create_index(of_person).await?;
        // For pruning, which goes through all accounts.
        manager.create_index(Index::create().name("session_by_end").table("session").col("expires_at").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "session").await
    }
}
