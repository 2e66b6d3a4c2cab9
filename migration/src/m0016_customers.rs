use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut customer = owned(manager, "customer");
        customer
            .col(key(manager, "customer_id").not_null())
            .col(key(manager, "kind").not_null())
            .col(ColumnDef::new("first_name").text())
            .col(ColumnDef::new("last_name").text())
            .col(ColumnDef::new("email").text())
            .col(key(manager, "email_key"))
            .col(ColumnDef::new("phone").text())
            .col(key(manager, "phone_key"));
        manager.create_table(stamp(&mut customer).to_owned()).await?;
        // A customer_id is never given again.
        let customer_id = Index::create()
            .name("customer_customer_id")
            .table("customer")
            .col("account_id")
            .col("customer_id")
            .unique()
            .to_owned();
        manager.create_index(customer_id).await?;
        let living = |name, columns: &[&'static str]| {
            let mut index = Index::create().name(name).table("customer").col("account_id").unique().to_owned();
            for column in columns {
                index.col(*column);
            }
            index.and_where(Expr::col("deleted_at").is_null()).to_owned()
        };
        manager.create_index(living("customer_email", &["email_key", "kind"])).await?;
        manager.create_index(living("customer_phone", &["phone_key"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "customer").await
    }
}
