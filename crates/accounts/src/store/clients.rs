//! Rows of `client`.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{AccountId, Client, ClientKey, Result};
use tenantry_entity::client::{ActiveModel, Column, Entity, Model};

use super::{corrupt, json, stamp, stamped, storage, taken, to_json};

/// The live clients of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Client>> {
    let live = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null());
    live.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A new client; `duplicate` if any client of the account, even a deleted one, has its name.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, client: &Client) -> Result<()> {
    Entity::insert(columns(account, client)).exec_without_returning(db).await.map_err(taken("client_id"))?;
    Ok(())
}

/// Replaces a client.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, client: &Client) -> Result<()> {
    columns(account, client).update(db).await.map_err(storage)?;
    Ok(())
}

fn columns(account: AccountId, client: &Client) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(client.key.0),
        client_id: Set(client.client_id.as_str().to_owned()),
        name: Set(client.name.as_ref().map(|name| name.as_str().to_owned())),
        description: Set(client.description.as_ref().map(|text| text.as_str().to_owned())),
        callbacks: Set(to_json(&client.callbacks)),
        secret_hash: Set(client.secret_hash.to_vec()),
        ..Default::default()
    };
    stamped!(row, &client.stamp);
    row
}

fn record(row: Model) -> Result<Client> {
    Ok(Client {
        key: ClientKey(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        client_id: row.client_id.parse().map_err(corrupt)?,
        name: row.name.map(|name| name.parse()).transpose().map_err(corrupt)?,
        description: row.description.map(|text| text.parse()).transpose().map_err(corrupt)?,
        callbacks: json(&row.callbacks)?,
        secret_hash: row.secret_hash.try_into().map_err(|_| corrupt("a secret's hash"))?,
    })
}
