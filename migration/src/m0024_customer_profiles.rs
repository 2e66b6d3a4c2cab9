use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns, drop_table, key, owned, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What is searched by prefix is in indexes that end in the record, which is the order within equals. A number that one customer
/// alone may have is in the slot ''.
const UP: [&str; 15] = [
    "UPDATE customer SET phone_slot = '' WHERE phone_key IS NOT NULL",
    "UPDATE customer SET name_key = lower(trim(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) \
     WHERE first_name IS NOT NULL OR last_name IS NOT NULL",
    "DROP INDEX customer_phone",
    "CREATE UNIQUE INDEX customer_phone ON customer (account_id, phone_key, phone_slot) \
     WHERE deleted_at IS NULL AND phone_key IS NOT NULL",
    "CREATE INDEX customer_name ON customer (account_id, name_key, id) WHERE deleted_at IS NULL AND name_key IS NOT NULL",
    "CREATE INDEX customer_last_name ON customer (account_id, last_key, id) WHERE deleted_at IS NULL AND last_key IS NOT NULL",
    "CREATE INDEX customer_company ON customer (account_id, company_key, id) \
     WHERE deleted_at IS NULL AND company_key IS NOT NULL",
    "CREATE INDEX customer_kind ON customer (account_id, kind, id) WHERE deleted_at IS NULL",
    "CREATE INDEX customer_updated ON customer (account_id, updated_at, id)",
    "CREATE INDEX customer_number ON customer (account_id, number) WHERE number IS NOT NULL",
    "CREATE INDEX customer_tag_of ON customer_tag (account_id, customer)",
    "CREATE INDEX customer_attribute_of ON customer_attribute (account_id, customer)",
    "CREATE INDEX replay_of ON replay (account_id, record)",
    // For pruning, which goes through all accounts.
    "CREATE INDEX replay_by_end ON replay (expires_at)",
    "CREATE INDEX tag_deleted ON tag (account_id, id) WHERE deleted_at IS NOT NULL",
];

const COLUMNS: [&str; 10] = [
    "version",
    "name_key",
    "last_key",
    "company_key",
    "phone_slot",
    "number",
    "email_verified_at",
    "phone_verified_at",
    "next_phone",
    "profile",
];

/// A table of what customers have, `columns` of it in front of the customer.
async fn had(manager: &SchemaManager<'_>, table: &'static str, columns: Vec<ColumnDef>) -> Result<(), DbErr> {
    let mut one = Index::create().col("account_id").take();
    let mut made = Table::create().table(table).col(key(manager, "account_id").not_null()).take();
    for mut column in columns {
        one.col(column.get_column_name());
        made.col(column.not_null());
    }
    let made = made
        .col(ColumnDef::new("customer").uuid().not_null())
        .primary_key(one.col("customer"))
        .foreign_key(ForeignKey::create().from(table, "account_id").to("account", "id"));
    manager.create_table(made.to_owned()).await
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = COLUMNS.map(|name| match name {
            "version" => ColumnDef::new(name).big_integer().not_null().default(1).take(),
            "number" | "email_verified_at" | "phone_verified_at" => ColumnDef::new(name).big_integer().take(),
            "next_phone" | "profile" => ColumnDef::new(name).text().take(),
            _ => key(manager, name),
        });
        add_columns(manager, "customer", columns).await?;
        had(manager, "customer_tag", vec![ColumnDef::new("tag").uuid().take()]).await?;
        had(manager, "customer_attribute", vec![key(manager, "name"), key(manager, "value")]).await?;
        let mut replay = owned(manager, "replay");
        replay
            .col(ColumnDef::new("request").uuid().not_null())
            .col(ColumnDef::new("record").uuid().not_null())
            .col(ColumnDef::new("answer").text().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null());
        manager.create_table(replay).await?;
        run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP INDEX tag_deleted"]).await?;
        for table in ["replay", "customer_attribute", "customer_tag"] {
            drop_table(manager, table).await?;
        }
        for index in ["number", "updated", "kind", "company", "last_name", "name", "phone"] {
            run(manager, &[&format!("DROP INDEX customer_{index}")]).await?;
        }
        // Numbers that several have are in nobody's way.
        run(manager, &["UPDATE customer SET phone_key = NULL WHERE phone_slot <> ''"]).await?;
        drop_columns(manager, "customer", COLUMNS).await?;
        run(manager, &["CREATE UNIQUE INDEX customer_phone ON customer (account_id, phone_key) WHERE deleted_at IS NULL"]).await
    }
}
