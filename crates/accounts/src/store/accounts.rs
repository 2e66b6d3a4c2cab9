//! Rows of `account`.

use std::sync::Arc;

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, Statement,
};
use tenantry_domain::{AccountId, AccountRecord, Error, Result, fold};
use tenantry_entity::account::{ActiveModel, Column, Entity, Model};

use super::{begins_with_from, corrupt, json, stamp, stamped, storage, taken, to_json};

/// The account and the version of its configuration.
pub(crate) async fn find(db: &impl ConnectionTrait, account: AccountId) -> Result<Option<(AccountRecord, i64)>> {
    let row = Entity::find_by_id(account.as_str()).one(db).await.map_err(storage)?;
    row.map(|row| Ok((row.version, row))).transpose()?.map(|(version, row)| Ok((record(row)?, version))).transpose()
}

/// Claims the next version of the account's configuration and returns it. On PostgreSQL this takes the row's lock, so
/// that from here to the end of the transaction nobody else writes this account.
pub(crate) async fn claim(db: &impl ConnectionTrait, account: AccountId) -> Result<i64> {
    let claim = Query::update()
        .table(Entity)
        .value(Column::Version, Expr::col(Column::Version).add(1))
        .and_where(Column::Id.eq(account.as_str()))
        .returning_col(Column::Version)
        .take();
    let claimed = db.query_one(&claim).await.map_err(storage)?;
    let claimed = claimed.ok_or_else(|| Error::Internal(format!("account {account} has no row")))?;
    claimed.try_get_by_index(0).map_err(storage)
}

/// The statements that claim the version after the known one of each of these accounts, if there are any, on SQLite. They yield one
/// row, of how many have one, and fail where somebody else was there before: a version is not null.
pub(super) fn claim_all(claims: &[(AccountId, i64)]) -> Vec<Statement> {
    if claims.is_empty() {
        return Vec::new();
    }
    let version = || Expr::col(Column::Version);
    let known = claims.iter().fold(CaseStatement::new(), |known, (id, version)| known.case(Column::Id.eq(id.as_str()), *version));
    let next = CaseStatement::new().case(version().eq(known), version().add(1));
    let mut claim = Query::update();
    claim.table(Entity).value(Column::Version, next);
    claim.and_where(Column::Id.is_in(claims.iter().map(|(id, _)| id.as_str())));
    // Not RETURNING: for that SQLite makes a table each time.
    vec![DatabaseBackend::Sqlite.build(&claim), Statement::from_string(DatabaseBackend::Sqlite, "SELECT changes()")]
}

/// A new account, with version 1.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: &AccountRecord) -> Result<()> {
    let mut row = columns(account);
    row.parent = Set(account.id.parent().map(Into::into));
    row.version = Set(1);
    row.next_child = Set(1);
    Entity::insert(row).exec_without_returning(db).await.map_err(taken("account_id"))?;
    Ok(())
}

/// Replaces what is known of the account.
pub(crate) async fn update(db: &impl ConnectionTrait, account: &AccountRecord) -> Result<()> {
    columns(account).update(db).await.map_err(storage)?;
    Ok(())
}

/// The next number that no account below `parent` has ever had; `None` when they are used up.
pub(crate) async fn next_child(db: &impl ConnectionTrait, parent: AccountId) -> Result<Option<AccountId>> {
    let row = Entity::find_by_id(parent.as_str()).one(db).await.map_err(storage)?.ok_or(Error::NotFound)?;
    let mut number = row.next_child;
    loop {
        let Some(child) = u32::try_from(number).ok().and_then(|number| parent.child(number)) else { return Ok(None) };
        number += 1;
        // Numbers that somebody chose are skipped.
        if Entity::find_by_id(child.as_str()).one(db).await.map_err(storage)?.is_none() {
            let next = ActiveModel { id: Set(parent.into()), next_child: Set(number), ..Default::default() };
            next.update(db).await.map_err(storage)?;
            return Ok(Some(child));
        }
    }
}

/// The ids of all accounts that there ever were, after `after`.
pub(crate) async fn ids(db: &impl ConnectionTrait, after: Option<AccountId>, limit: u64) -> Result<Vec<AccountId>> {
    let mut query = Entity::find().select_only().column(Column::Id).order_by_asc(Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.as_str()));
    }
    let ids: Vec<String> = query.into_tuple().all(db).await.map_err(storage)?;
    ids.iter().map(|id| id.parse().map_err(corrupt)).collect()
}

/// Live accounts directly below `parent`, after `after`: by id; or those whose id begins with what looks like the beginning of one;
/// or those whose name begins with anything else, by name. However many there are, only those of the page are looked at.
pub(crate) async fn children(
    db: &impl ConnectionTrait,
    parent: AccountId,
    search: Option<&str>,
    after: Option<AccountId>,
    limit: u64,
) -> Result<Vec<AccountRecord>> {
    let below = || Entity::find().filter(Column::Parent.eq(parent.as_str()));
    let search = search.map(str::trim).filter(|search| !search.is_empty());
    let by_name = search.filter(|search| !begins_an_id(search)).map(fold);
    let mut query = below().filter(Column::DeletedAt.is_null());
    if let Some(prefix) = by_name {
        let mut from = prefix.clone();
        if let Some(after) = after {
            let reached = below().filter(Column::Id.eq(after.as_str())).one(db).await.map_err(storage)?;
            let key = reached.ok_or_else(|| Error::invalid("starting_after", "is no account below this one"))?.name_key;
            let same = Condition::all().add(Column::NameKey.eq(&key)).add(Column::Id.gt(after.as_str()));
            query = query.filter(Condition::any().add(Column::NameKey.gt(&key)).add(same));
            from = Ord::max(from, key);
        }
        query = query.filter(begins_with_from(Column::NameKey, &prefix, &from)).order_by_asc(Column::NameKey);
    } else {
        let prefix = search.unwrap_or_default().to_uppercase();
        let from = after.as_ref().map_or(prefix.as_str(), |after| Ord::max(prefix.as_str(), after.as_str()));
        query = query.filter(begins_with_from(Column::Id, &prefix, from));
        if let Some(after) = after {
            query = query.filter(Column::Id.ne(after.as_str()));
        }
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?;
    rows.into_iter().map(record).collect()
}

/// Whether this is how an account's id begins: its mode, its partner's number and more. Less is the beginning of a name, too.
fn begins_an_id(text: &str) -> bool {
    let digits = text.strip_prefix(['P', 'p', 'T', 't']).unwrap_or_default();
    (3..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn columns(account: &AccountRecord) -> ActiveModel {
    let mut row = ActiveModel {
        id: Set(account.id.into()),
        display_name: Set(account.display_name.as_str().to_owned()),
        name_key: Set(fold(account.display_name.as_str())),
        company: Set(account.company.as_ref().map(to_json)),
        language_code: Set(account.language_code.clone()),
        active: Set(account.active),
        settings: Set(to_json(&account.settings)),
        limits: Set(account.limits.as_ref().map(to_json)),
        client_limits: Set(account.client_limits.as_ref().map(to_json)),
        budget: Set(account.budget.as_ref().map(to_json)),
        customers: Set(account.customers.as_deref().map(to_json)),
        ..Default::default()
    };
    stamped!(row, &account.stamp);
    row
}

fn record(row: Model) -> Result<AccountRecord> {
    Ok(AccountRecord {
        id: row.id.parse().map_err(corrupt)?,
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        display_name: row.display_name.parse().map_err(corrupt)?,
        company: row.company.as_deref().map(json).transpose()?,
        language_code: row.language_code,
        active: row.active,
        settings: json(&row.settings)?,
        limits: row.limits.as_deref().map(json).transpose()?,
        client_limits: row.client_limits.as_deref().map(json).transpose()?,
        budget: row.budget.as_deref().map(json).transpose()?,
        customers: row.customers.as_deref().map(json).transpose()?.map(Arc::new),
    })
}
