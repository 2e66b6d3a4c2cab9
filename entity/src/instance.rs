//! The one row of this installation.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "instance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub created_at: i64,
    /// The names of the master keys that something may be sealed under, separated by spaces; the latest first.
    pub master_key_id: String,
    /// What values are derived with.
    pub sealed_derivation: Option<Vec<u8>>,
    /// Another number says that all was put back to an earlier state.
    pub store_epoch: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
