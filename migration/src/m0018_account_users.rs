use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns, drop_table, key, owned, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "auth_user", [key(manager, "realm").not_null().default("users").take()]).await?;
        manager.drop_index(Index::drop().name("auth_user_name").table("auth_user").to_owned()).await?;
        manager.create_index(names(&["realm", "username_key"])).await?;
        let mut member = owned(manager, "member");
        member
            .col(ColumnDef::new("email").text().not_null())
            .col(ColumnDef::new("name").text())
            .col(ColumnDef::new("scope").text().not_null())
            .col(ColumnDef::new("roles").text().not_null())
            .col(ColumnDef::new("external").boolean().not_null())
            .col(ColumnDef::new("seen_at").big_integer());
        manager.create_table(stamp(&mut member).to_owned()).await?;
        // For a person who looks for its accounts.
        let of_person = Index::create().name("member_of_person").table("member").col("id").to_owned();
        manager.create_index(of_person).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_table(manager, "member").await?;
        manager.drop_index(Index::drop().name("auth_user_name").table("auth_user").to_owned()).await?;
        // The operator's people have no place in the schema of before.
        manager.get_connection().execute_unprepared("DELETE FROM auth_user WHERE realm <> 'users'").await?;
        manager.create_index(names(&["username_key"])).await?;
        drop_columns(manager, "auth_user", ["realm"]).await
    }
}

/// Names are unique among live users.
fn names(columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name("auth_user_name").table("auth_user").col("account_id").unique().to_owned();
    for column in columns {
        index.col(*column);
    }
    index.and_where(Expr::col("deleted_at").is_null()).to_owned()
}
