//! A person with a name and a password in one account.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_user")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub realm: String,
    pub username: String,
    pub username_key: String,
    pub password: String,
    pub links: String,
    pub customer: Option<String>,
    pub mfa: Option<String>,
    pub enabled: bool,
    pub totp: Option<Vec<u8>>,
    pub totp_confirmed: Option<bool>,
    pub totp_step: Option<i64>,
    pub recovery_generation: Option<i64>,
    pub recovery_used: Option<i64>,
    pub pin: Option<String>,
    pub pin_failures: Option<i32>,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
