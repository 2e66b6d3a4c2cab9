use sea_orm_migration::prelude::*;

use crate::{add_columns, drop_columns, drop_table, key, owned, run, stamp};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let purpose = key(manager, "purpose").not_null().default("account").take();
        add_columns(manager, "signing_key", [purpose]).await?;

        let mut installer = owned(manager, "installer");
        installer
            .col(key(manager, "email_key").not_null())
            .col(ColumnDef::new("email").text().not_null())
            .col(ColumnDef::new("first_name").text().not_null())
            .col(ColumnDef::new("last_name").text().not_null())
            .col(ColumnDef::new("company").text().not_null())
            .col(ColumnDef::new("phone").text())
            .col(ColumnDef::new("pending_until").big_integer())
            .col(ColumnDef::new("suspended").boolean().not_null())
            .col(key(manager, "verification").not_null())
            .col(ColumnDef::new("document_type").text())
            .col(ColumnDef::new("document_number").binary())
            .col(ColumnDef::new("document_expiry").text())
            .col(ColumnDef::new("selfie_url").text())
            .col(ColumnDef::new("document_front_url").text())
            .col(ColumnDef::new("document_back_url").text())
            .col(ColumnDef::new("submitted_at").big_integer())
            .col(ColumnDef::new("reviewed_at").big_integer())
            .col(ColumnDef::new("reviewed_by").text())
            .col(ColumnDef::new("rejection_reason").text())
            .col(ColumnDef::new("terms_version").text())
            .col(ColumnDef::new("terms_accepted_at").big_integer())
            .col(ColumnDef::new("terms_address").text());
        manager.create_table(stamp(&mut installer).to_owned()).await?;

        let mut terms = owned(manager, "installer_terms");
        terms
            .col(key(manager, "version").not_null())
            .col(ColumnDef::new("url").text())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("created_by").text().not_null());
        manager.create_table(terms).await?;

        let steps = [
            "CREATE UNIQUE INDEX installer_email ON installer (account_id, email_key)",
            // What reviewers look through.
            "CREATE INDEX installer_review ON installer (account_id, verification, id)",
            // Those who never confirmed are removed, whoever's they are.
            "CREATE INDEX installer_pending ON installer (pending_until) WHERE pending_until IS NOT NULL",
            "CREATE UNIQUE INDEX installer_terms_version ON installer_terms (account_id, version)",
        ];
        run(manager, &steps).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // They have no place in the schema of before.
        let gone = ["DELETE FROM auth_user WHERE realm = 'installers'", "DELETE FROM signing_key WHERE purpose <> 'account'"];
        run(manager, &gone).await?;
        drop_table(manager, "installer_terms").await?;
        drop_table(manager, "installer").await?;
        drop_columns(manager, "signing_key", ["purpose"]).await
    }
}
