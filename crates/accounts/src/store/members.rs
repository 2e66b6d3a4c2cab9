//! Rows of `member`.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{AccountId, AuthUserId, Instant, Member, Result, Scopes};
use tenantry_entity::member::{ActiveModel, Column, Entity, Model};

use super::{all_of, corrupt, ended, json, stamp, stamped, storage, to_json};

/// The live members of an account.
pub(crate) async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Member>> {
    let live = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null());
    live.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// The accounts that a person is a member of, and when it last entered each. The one look across accounts, at rows of one
/// person.
pub(crate) async fn accounts_of(db: &impl ConnectionTrait, person: AuthUserId) -> Result<Vec<(AccountId, Option<Instant>)>> {
    let rows = Entity::find().filter(Column::Id.eq(person.0)).filter(Column::DeletedAt.is_null());
    let rows = rows.select_only().columns([Column::AccountId, Column::SeenAt]).order_by_asc(Column::AccountId);
    let rows: Vec<(String, Option<i64>)> = rows.into_tuple().all(db).await.map_err(storage)?;
    let read = |(account, seen): (String, Option<i64>)| Ok((account.parse().map_err(corrupt)?, seen.map(Instant::from_micros)));
    rows.into_iter().map(read).collect()
}

/// A new member, or one that comes back.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, member: &Member) -> Result<()> {
    let replaced = [
        Column::Email,
        Column::Name,
        Column::Scope,
        Column::Roles,
        Column::External,
        Column::Enabled,
        Column::CreatedAt,
        Column::CreatedBy,
        Column::UpdatedAt,
        Column::DeletedAt,
        Column::DeletedBy,
    ];
    let again = OnConflict::columns([Column::AccountId, Column::Id]).update_columns(replaced).to_owned();
    Entity::insert(columns(account, member)).on_conflict(again).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Replaces a member.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, member: &Member) -> Result<()> {
    columns(account, member).update(db).await.map_err(storage)?;
    Ok(())
}

/// Ends members.
pub(crate) async fn end(db: &impl ConnectionTrait, account: AccountId, ids: &[AuthUserId], at: Instant, by: &str) -> Result<()> {
    all_of(ids.len(), ended!(db, account, Column::Id, ids, at, by))
}

/// Notes that a member entered the account.
pub(crate) async fn seen(db: &impl ConnectionTrait, account: AccountId, member: AuthUserId, now: Instant) -> Result<()> {
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(member.0),
        seen_at: Set(Some(now.micros())),
        ..Default::default()
    };
    row.update(db).await.map_err(storage)?;
    Ok(())
}

fn columns(account: AccountId, member: &Member) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(member.id.0),
        email: Set(member.email.as_str().to_owned()),
        name: Set(member.name.as_ref().map(|name| name.as_str().to_owned())),
        scope: Set(member.scope.claim()),
        roles: Set(to_json(&member.roles)),
        external: Set(member.external),
        enabled: Set(member.enabled),
        ..Default::default()
    };
    stamped!(row, &member.stamp);
    row
}

fn record(row: Model) -> Result<Member> {
    Ok(Member {
        id: AuthUserId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        email: row.email.parse().map_err(corrupt)?,
        name: row.name.map(|name| name.parse()).transpose().map_err(corrupt)?,
        scope: Scopes::parse_claim(&row.scope).map_err(corrupt)?,
        roles: json(&row.roles)?,
        external: row.external,
        enabled: row.enabled,
    })
}
