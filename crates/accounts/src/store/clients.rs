//! Rows of `client`.

use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Set};
use tenantry_domain::{AccountId, Client, ClientKey, Instant, KeptSecret, LastUse, Result};
use tenantry_entity::client::{ActiveModel, Column, Entity, Model};

use super::{all_of, corrupt, ended, json, stamp, stamped, storage, taken, to_json};

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

/// Ends clients.
pub(crate) async fn end(db: &impl ConnectionTrait, account: AccountId, ids: &[ClientKey], at: Instant, by: &str) -> Result<()> {
    all_of(ids.len(), ended!(db, account, Column::Id, ids, at, by))
}

/// Notes when a secret was last used; one that has been replaced since is let be.
pub(crate) async fn used(
    db: &impl ConnectionTrait,
    account: AccountId,
    client: ClientKey,
    hash: &[u8; 32],
    at: Instant,
) -> Result<()> {
    for (secret, used) in [(Column::SecretHash, Column::SecretUsedAt), (Column::OldSecretHash, Column::OldSecretUsedAt)] {
        let noted = Entity::update_many().col_expr(used, at.micros().into()).filter(Column::AccountId.eq(account.as_str()));
        let earlier = Condition::any().add(used.is_null()).add(used.lt(at.micros()));
        let noted = noted.filter(Column::Id.eq(client.0)).filter(secret.eq(hash.to_vec())).filter(earlier);
        noted.exec(db).await.map_err(storage)?;
    }
    Ok(())
}

fn columns(account: AccountId, client: &Client) -> ActiveModel {
    let old = client.old_secret.as_ref();
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(client.key.0),
        client_id: Set(client.client_id.as_str().to_owned()),
        name: Set(client.name.as_ref().map(|name| name.as_str().to_owned())),
        description: Set(client.description.as_ref().map(|text| text.as_str().to_owned())),
        callbacks: Set(to_json(&client.callbacks)),
        secret_hash: Set(client.secret.hash.to_vec()),
        secret_used_at: Set(client.secret.used.at().map(Instant::micros)),
        old_secret_hash: Set(old.map(|(secret, _)| secret.hash.to_vec())),
        old_secret_until: Set(old.map(|(_, until)| until.micros())),
        old_secret_used_at: Set(old.and_then(|(secret, _)| secret.used.at()).map(Instant::micros)),
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
        secret: secret(row.secret_hash, row.secret_used_at)?,
        old_secret: match (row.old_secret_hash, row.old_secret_until) {
            (Some(hash), Some(until)) => Some((secret(hash, row.old_secret_used_at)?, Instant::from_micros(until))),
            _ => None,
        },
    })
}

fn secret(hash: Vec<u8>, used: Option<i64>) -> Result<KeptSecret> {
    let hash = hash.try_into().map_err(|_| corrupt("a secret's hash"))?;
    Ok(KeptSecret { hash, used: LastUse::stored(used.map(Instant::from_micros)) })
}
