//! A field technician's account; its password stands in `auth_user`, under the same id.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email_key: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub company: String,
    pub phone: Option<String>,
    pub pending_until: Option<i64>,
    pub suspended: bool,
    pub verification: String,
    pub document_type: Option<String>,
    pub document_number: Option<Vec<u8>>,
    pub document_expiry: Option<String>,
    pub selfie_url: Option<String>,
    pub document_front_url: Option<String>,
    pub document_back_url: Option<String>,
    pub submitted_at: Option<i64>,
    pub reviewed_at: Option<i64>,
    pub reviewed_by: Option<String>,
    pub rejection_reason: Option<String>,
    pub terms_version: Option<String>,
    pub terms_accepted_at: Option<i64>,
    pub terms_address: Option<String>,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
