use sea_orm_migration::prelude::*;

use crate::{drop_table, key, owned, run, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A pair is one live token's, in the slot ''; those that the server makes have slots of their own, since two customers may have
/// one address.
const UP: [&str; 8] = [
    "CREATE UNIQUE INDEX customer_token_pair ON customer_token (account_id, value, kind, slot) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX customer_token_called ON customer_token (account_id, customer, token_id) WHERE deleted_at IS NULL",
    "CREATE INDEX customer_token_of ON customer_token (account_id, customer, id)",
    "CREATE INDEX customer_token_kind ON customer_token (account_id, kind, customer) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX token_pair_one ON token_pair (account_id, value, kind)",
    "CREATE INDEX token_pair_updated ON token_pair (account_id, updated_at, id)",
    "CREATE INDEX token_event_of ON token_event (account_id, pair, id)",
    // For pruning, which goes through all accounts.
    "CREATE INDEX token_event_by_end ON token_event (expires_at) WHERE expires_at IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut token = owned(manager, "customer_token");
        token
            .col(ColumnDef::new("customer").uuid())
            .col(key(manager, "token_id").not_null())
            .col(key(manager, "kind").not_null())
            .col(key(manager, "value").not_null())
            .col(key(manager, "slot").not_null())
            .col(ColumnDef::new("metadata").text());
        manager.create_table(stamp(&mut token).to_owned()).await?;
        let mut pair = owned(manager, "token_pair");
        pair.col(key(manager, "kind").not_null())
            .col(key(manager, "value").not_null())
            .col(ColumnDef::new("updated_at").big_integer().not_null())
            .col(ColumnDef::new("deleted_at").big_integer());
        manager.create_table(pair).await?;
        let mut event = owned(manager, "token_event");
        event
            .col(ColumnDef::new("pair").uuid().not_null())
            .col(ColumnDef::new("event").text().not_null())
            .col(ColumnDef::new("status").text())
            .col(ColumnDef::new("metadata").text())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer());
        manager.create_table(event).await?;
        run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["token_event", "token_pair", "customer_token"] {
            drop_table(manager, table).await?;
        }
        Ok(())
    }
}
