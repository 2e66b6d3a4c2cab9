//! The schema, step by step, the same on SQLite and PostgreSQL. Each step can be undone.
//!
//! A release only adds (expand); what it no longer uses goes a release later (contract), so that the previous binary
//! runs on the new schema. A step that takes something away has `contract` in its name (`m0042_contract_roles`): a binary that
//! does not know it refuses to serve. `account_id` leads every primary key, unique index and foreign key.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

mod m0001_accounts;
mod m0002_clients;
mod m0003_grants;
mod m0004_roles;
mod m0005_keys;
mod m0006_events;
mod m0007_client_limits;
mod m0008_old_secrets;
mod m0009_event_seq;
mod m0010_lean_indexes;
mod m0011_auth_users;
mod m0012_sessions;
mod m0013_attempts;
mod m0014_challenges;
mod m0015_outbox;
mod m0016_customers;
mod m0017_logins_by_code;
mod m0018_account_users;
mod m0019_totp;
mod m0020_lean_events;
mod m0021_tags;
mod m0022_customers_settings;
mod m0023_terms;
mod m0024_customer_profiles;
mod m0025_pins;
mod m0026_customer_tokens;
mod m0027_customer_feed;
mod m0028_customer_walks;
mod m0029_installers;
mod m0030_nodes;
mod m0031_children;
mod m0032_failures;
mod m0033_members;
mod m0034_derivation;

/// All steps in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let steps: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_clients::Migration),
            Box::new(m0003_grants::Migration),
            Box::new(m0004_roles::Migration),
            Box::new(m0005_keys::Migration),
            Box::new(m0006_events::Migration),
            Box::new(m0007_client_limits::Migration),
            Box::new(m0008_old_secrets::Migration),
            Box::new(m0009_event_seq::Migration),
            Box::new(m0010_lean_indexes::Migration),
            Box::new(m0011_auth_users::Migration),
            Box::new(m0012_sessions::Migration),
            Box::new(m0013_attempts::Migration),
            Box::new(m0014_challenges::Migration),
            Box::new(m0015_outbox::Migration),
            Box::new(m0016_customers::Migration),
            Box::new(m0017_logins_by_code::Migration),
            Box::new(m0018_account_users::Migration),
            Box::new(m0019_totp::Migration),
            Box::new(m0020_lean_events::Migration),
            Box::new(m0021_tags::Migration),
            Box::new(m0022_customers_settings::Migration),
            Box::new(m0023_terms::Migration),
            Box::new(m0024_customer_profiles::Migration),
            Box::new(m0025_pins::Migration),
            Box::new(m0026_customer_tokens::Migration),
            Box::new(m0027_customer_feed::Migration),
            Box::new(m0028_customer_walks::Migration),
            Box::new(m0029_installers::Migration),
            Box::new(m0030_nodes::Migration),
            Box::new(m0031_children::Migration),
            Box::new(m0032_failures::Migration),
            Box::new(m0033_members::Migration),
            Box::new(m0034_derivation::Migration),
        ];
        steps.into_iter().map(|step| Box::new(Whole(step)) as Box<dyn MigrationTrait>).collect()
    }
}

/// A step in one transaction with the note that it was made, on SQLite, too: a kill in the middle of it leaves nothing of it, and the
/// next one makes it from its beginning.
struct Whole(Box<dyn MigrationTrait>);

impl MigrationName for Whole {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Whole {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// A text column that is matched or sorted: by bytes on both databases.
fn key(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.text();
    if manager.get_database_backend() == DatabaseBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// The key of a table whose rows belong to an account: `(account_id, id)`, and the account must exist.
fn owned(manager: &SchemaManager<'_>, table: &'static str) -> TableCreateStatement {
    Table::create()
        .table(table)
        .col(key(manager, "account_id").not_null())
        .col(ColumnDef::new("id").uuid().not_null())
        .primary_key(Index::create().col("account_id").col("id"))
        .foreign_key(ForeignKey::create().from(table, "account_id").to("account", "id"))
        .take()
}

/// Who made a row and when, who deleted it and when.
fn stamp(table: &mut TableCreateStatement) -> &mut TableCreateStatement {
    table
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("created_by").text().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .col(ColumnDef::new("deleted_at").big_integer())
        .col(ColumnDef::new("deleted_by").text())
}

/// Runs statements that both databases understand, one after the other.
async fn run(manager: &SchemaManager<'_>, steps: &[&str]) -> Result<(), DbErr> {
    for step in steps {
        manager.get_connection().execute_unprepared(step).await?;
    }
    Ok(())
}

/// Adds columns that may be absent. One statement each: SQLite knows no more.
async fn add_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> Result<(), DbErr> {
    for column in columns {
        manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
    }
    Ok(())
}

/// Undoes [`add_columns`].
async fn drop_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = &'static str>,
) -> Result<(), DbErr> {
    for column in columns {
        manager.alter_table(Table::alter().table(table).drop_column(column).take()).await?;
    }
    Ok(())
}

/// Undoes a step that made one table.
async fn drop_table(manager: &SchemaManager<'_>, table: &'static str) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(table).to_owned()).await
}
