//! Rows of `client_grant`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};
use tenantry_domain::{AccountId, Audience, ClientKey, Grant, GrantId, Instant, Oidc, Result, Scopes};
use tenantry_entity::grant::{ActiveModel, Column, Entity, Model};

use super::{all_of, corrupt, ended, json, stamp, stamped, storage, to_json};

/// The live grants of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Grant>> {
    let live = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null());
    live.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A row of this table, ready to be written.
pub(crate) type GrantRow = ActiveModel;

/// Replaces a grant.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, grant: &Grant) -> Result<()> {
    columns(account, grant).update(db).await.map_err(storage)?;
    Ok(())
}

/// Ends grants.
pub(crate) async fn end(db: &impl ConnectionTrait, account: AccountId, ids: &[GrantId], at: Instant, by: &str) -> Result<()> {
    all_of(ids.len(), ended!(db, account, Column::Id, ids, at, by))
}

/// Ends all grants of these clients.
pub(crate) async fn end_of(db: &impl ConnectionTrait, account: AccountId, of: &[ClientKey], at: Instant, by: &str) -> Result<()> {
    ended!(db, account, Column::Client, of, at, by);
    Ok(())
}

/// The stored form of an identity provider.
#[derive(Serialize, Deserialize)]
struct OidcJson {
    client_id: String,
    sealed_secret: String,
    authority: String,
}

/// A grant as a row.
pub(crate) fn columns(account: AccountId, grant: &Grant) -> ActiveModel {
    let oidc = grant.oidc.as_ref().map(|oidc| OidcJson {
        client_id: oidc.client_id.clone(),
        sealed_secret: STANDARD.encode(&oidc.sealed_secret),
        authority: oidc.authority.clone(),
    });
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(grant.id.0),
        client: Set(grant.client.0),
        client_id: Set(grant.client_id.as_str().to_owned()),
        audience: Set(grant.audience.stored().to_owned()),
        kind: Set(grant.kind.as_str().to_owned()),
        scope: Set(grant.scope.claim()),
        oidc: Set(oidc.as_ref().map(to_json)),
        ..Default::default()
    };
    stamped!(row, &grant.stamp);
    row
}

fn record(row: Model) -> Result<Grant> {
    let oidc = row.oidc.as_deref().map(json::<OidcJson>).transpose()?;
    let oidc = oidc.map(|oidc| {
        let sealed_secret = STANDARD.decode(oidc.sealed_secret).map_err(corrupt)?;
        Ok(Oidc { client_id: oidc.client_id, sealed_secret, authority: oidc.authority })
    });
    Ok(Grant {
        id: GrantId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        client: ClientKey(row.client),
        client_id: row.client_id.parse().map_err(corrupt)?,
        audience: Audience::from_stored(&row.audience),
        scope: Scopes::parse_claim(&row.scope).map_err(corrupt)?,
        kind: row.kind.parse().map_err(corrupt)?,
        oidc: oidc.transpose()?,
    })
}
