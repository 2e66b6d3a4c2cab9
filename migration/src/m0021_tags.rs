use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut tag = owned(manager, "tag");
        tag.col(ColumnDef::new("tag").text().not_null())
            .col(key(manager, "tag_key").not_null())
            .col(ColumnDef::new("metadata").text());
        manager.create_table(stamp(&mut tag).to_owned()).await?;
        let one = Index::create()
            .name("tag_one")
            .table("tag")
            .col("account_id")
            .col("tag_key")
            .unique()
            .and_where(Expr::col("deleted_at").is_null())
            .to_owned();
        manager.create_index(one).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "tag").await
    }
}
