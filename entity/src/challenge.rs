//! A code that was sent, or is to be, and what it buys.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "challenge")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub person: Option<Uuid>,
    pub client: Uuid,
    pub client_id: String,
    pub audience: String,
    pub scope: String,
    pub grant_type: Option<String>,
    pub counted: Uuid,
    pub login_session: Option<Uuid>,
    pub step: i64,
    pub passed: Option<String>,
    pub channel: Option<String>,
    pub target: Option<String>,
    pub code: i64,
    pub tries: i64,
    pub created_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
