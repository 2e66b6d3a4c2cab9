use sea_orm_migration::prelude::*;

use crate::{drop_table, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut terms = owned(manager, "terms");
        terms.col(ColumnDef::new("terms").text().not_null());
        manager.create_table(stamp(&mut terms).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "terms").await
    }
}
