use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::{add_columns, drop_columns, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The customer of each user, out of its links.
const CUSTOMER_SQLITE: &str = "UPDATE auth_user SET customer = (SELECT json_extract(value, '$.to') FROM json_each(links) \
    WHERE json_extract(value, '$.rel') = 'customers_user')";
const CUSTOMER_POSTGRES: &str = "UPDATE auth_user SET customer = (SELECT link->>'to' FROM json_array_elements(links::json) link \
    WHERE link->>'rel' = 'customers_user')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "auth_user", [key(manager, "customer")]).await?;
        let customers = match manager.get_database_backend() {
            DatabaseBackend::Postgres => CUSTOMER_POSTGRES,
            _ => CUSTOMER_SQLITE,
        };
        manager.get_connection().execute_unprepared(customers).await?;
        let of_customer = Index::create()
            .name("auth_user_customer")
            .table("auth_user")
            .col("account_id")
            .col("customer")
            .and_where(Expr::col("customer").is_not_null())
            .to_owned();
        manager.create_index(of_customer).await?;
        let columns = [ColumnDef::new("grant_type").text().take(), ColumnDef::new("login_session").uuid().take()];
        add_columns(manager, "challenge", columns).await?;
        let counted = Index::create()
            .name("challenge_counted")
            .table("challenge")
            .col("account_id")
            .col("counted")
            .and_where(Expr::col("used_at").is_null())
            .to_owned();
        manager.create_index(counted).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("challenge_counted").table("challenge").to_owned()).await?;
        drop_columns(manager, "challenge", ["grant_type", "login_session"]).await?;
        manager.drop_index(Index::drop().name("auth_user_customer").table("auth_user").to_owned()).await?;
        drop_columns(manager, "auth_user", ["customer"]).await
    }
}
