use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut grant = owned(manager, "client_grant");
        grant
            .col(ColumnDef::new("client").uuid().not_null())
            .col(key(manager, "client_id").not_null())
            .col(key(manager, "audience").not_null())
            .col(key(manager, "kind").not_null())
            .col(ColumnDef::new("scope").text().not_null())
            .col(ColumnDef::new("oidc").text())
            .foreign_key(
                ForeignKey::create()
                    .from_tbl("client_grant")
                    .from_col("account_id")
                    .from_col("client")
                    .to_tbl("client")
                    .to_col("account_id")
                    .to_col("id"),
            );
        manager.create_table(stamp(&mut grant).to_owned()).await?;
        let one = Index::create()
            .name("client_grant_one")
            .table("client_grant")
            .col("account_id")
            .col("client")
            .col("audience")
            .col("kind")
            .unique()
            .and_where(Expr::col("deleted_at").is_null())
            .to_owned();
        manager.create_index(one).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "client_grant").await
    }
}
