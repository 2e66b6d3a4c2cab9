//! One tenant: what is known of it, and the version of its configuration.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub parent: Option<String>,
    pub version: i64,
    pub next_child: i32,
    pub display_name: String,
    pub name_key: String,
    pub company: Option<String>,
    pub language_code: Option<String>,
    pub active: bool,
    pub settings: String,
    pub limits: Option<String>,
    pub client_limits: Option<String>,
    pub budget: Option<String>,
    pub customers: Option<String>,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
