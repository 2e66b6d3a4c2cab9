//! Rows of `auth_user`.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set};
use serde::{Deserialize, Serialize};
use tenantry_domain::{
    AccountId, AuthUser, AuthUserId, Channel, CustomerId, Error, Instant, Link, PasswordHash, Pin, Realm, Recovery, Result, Totp,
    Username, fold,
};
use tenantry_entity::auth_user::{ActiveModel, Column, Entity, Model};
use uuid::Uuid;

use super::{begins_with, corrupt, json, stamp, stamped, storage, taken, to_json};

/// A link as it is stored: a customer by its id, since the public URL may change.
#[derive(Serialize, Deserialize)]
#[serde(tag = "rel", content = "to", rename_all = "snake_case")]
enum Stored {
    CustomersUser(String),
    PhoneNumber(String),
    Email(String),
}

fn live(account: AccountId) -> Select<Entity> {
    Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::DeletedAt.is_null())
}

fn of_realm(account: AccountId, realm: Realm) -> Select<Entity> {
    live(account).filter(Column::Realm.eq(realm.as_str()))
}

/// The live user of this name.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    account: AccountId,
    realm: Realm,
    name: &Username,
) -> Result<Option<AuthUser>> {
    let row = of_realm(account, realm).filter(Column::UsernameKey.eq(name.key())).one(db).await.map_err(storage)?;
    row.map(record).transpose()
}

/// The live user with this record; with `lock`, nobody changes it before the end of the transaction.
pub(crate) async fn get(db: &impl ConnectionTrait, account: AccountId, id: Uuid, lock: bool) -> Result<Option<AuthUser>> {
    let query = live(account).filter(Column::Id.eq(id));
    let query = if lock { query.lock_exclusive() } else { query };
    query.one(db).await.map_err(storage)?.map(record).transpose()
}

/// Live users that are this customer; with `lock`, nobody shuts them out before the end of the transaction.
pub(crate) async fn of_customer(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: &CustomerId,
    lock: bool,
) -> Result<Vec<AuthUser>> {
    let mut query = live(account).filter(Column::Customer.eq(customer.as_str())).order_by_asc(Column::Id);
    if lock {
        query = query.lock_exclusive();
    }
    query.all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// The live user of a name, to change it: nobody else changes it before the end of the transaction.
pub(crate) async fn lock(db: &impl ConnectionTrait, account: AccountId, name: &Username) -> Result<AuthUser> {
    let row = of_realm(account, Realm::Users)
        .filter(Column::UsernameKey.eq(name.key()))
        .lock_exclusive()
        .one(db)
        .await
        .map_err(storage)?;
    record(row.ok_or(Error::NotFound)?)
}

/// Users of an account by id, after `after`: those whose name begins with `search`.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    account: AccountId,
    search: Option<&str>,
    after: Option<AuthUserId>,
    limit: u64,
) -> Result<Vec<AuthUser>> {
    let mut query = of_realm(account, Realm::Users);
    if let Some(search) = search {
        query = query.filter(begins_with(Column::UsernameKey, &fold(search)));
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.0));
    }
    query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?.into_iter().map(record).collect()
}

/// A new user; `duplicate` if another live one has its name.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, user: &AuthUser) -> Result<()> {
    Entity::insert(columns(account, user)).exec_without_returning(db).await.map_err(taken("username"))?;
    Ok(())
}

/// Replaces a user; `duplicate` if another live one has its name.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, user: &AuthUser) -> Result<()> {
    columns(account, user).update(db).await.map_err(taken("username"))?;
    Ok(())
}

/// Counts a try of a pin as failed, at most `most` in a row; yields the pin where it may be tried.
pub(crate) async fn try_pin(db: &impl ConnectionTrait, account: AccountId, id: Uuid, most: i32) -> Result<Option<PasswordHash>> {
    let tried = Entity::update_many()
        .col_expr(Column::PinFailures, Expr::col(Column::PinFailures).add(1))
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id))
        .filter(Column::Pin.is_not_null())
        .filter(Column::PinFailures.lt(most));
    let tried = tried.exec_with_returning(db).await.map_err(storage)?;
    Ok(tried.into_iter().next().and_then(|row| row.pin).map(PasswordHash::from))
}

/// Forgets everything about the users that are, or were, this customer. Their names are free again.
pub(crate) async fn erase(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: &CustomerId,
    (now, by): (Instant, &str),
) -> Result<()> {
    let rows = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::Customer.eq(customer.as_str()));
    for row in rows.lock_exclusive().all(db).await.map_err(storage)? {
        let user = record(row)?;
        let stamp = if user.stamp.deleted.is_some() { user.stamp } else { user.stamp.removed(now, by) };
        let erased = AuthUser {
            id: user.id,
            stamp,
            realm: user.realm,
            username: format!("erased-{}", user.id).parse().map_err(corrupt)?,
            password: String::new().into(),
            links: Vec::new(),
            mfa: None,
            enabled: false,
            totp: None,
            recovery: Recovery::default(),
            pin: None,
        };
        update(db, account, &erased).await?;
    }
    Ok(())
}

/// Uses a code of this step up; `false`: it, or a later one, was used before.
pub(crate) async fn use_step(db: &impl ConnectionTrait, account: AccountId, id: Uuid, step: i64) -> Result<bool> {
    let used = Entity::update_many()
        .col_expr(Column::TotpStep, step.into())
        .filter(Column::AccountId.eq(account.as_str()))
        .filter(Column::Id.eq(id))
        .filter(Column::TotpStep.lt(step));
    Ok(!used.exec_with_returning(db).await.map_err(storage)?.is_empty())
}

/// Uses one recovery code of a set up; `false`: it was used before, or there is another set.
pub(crate) async fn use_recovery_code(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: Uuid,
    (generation, number): (u32, u32),
) -> Result<bool> {
    let user = get(db, account, id, true).await?;
    let free = |user: &AuthUser| user.recovery.generation == generation && user.recovery.used & (1 << number) == 0;
    let Some(mut user) = user.filter(free) else { return Ok(false) };
    user.recovery.used |= 1 << number;
    update(db, account, &user).await?;
    Ok(true)
}

fn columns(account: AccountId, user: &AuthUser) -> ActiveModel {
    let links: Vec<Stored> = user
        .links
        .iter()
        .map(|link| match link {
            Link::Customer(id) => Stored::CustomersUser(id.to_string()),
            Link::Phone(phone) => Stored::PhoneNumber(phone.as_str().to_owned()),
            Link::Email(email) => Stored::Email(email.as_str().to_owned()),
        })
        .collect();
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(user.id.0),
        realm: Set(user.realm.as_str().to_owned()),
        username: Set(user.username.as_str().to_owned()),
        username_key: Set(user.username.key()),
        password: Set(user.password.as_str().to_owned()),
        links: Set(to_json(&links)),
        customer: Set(user.customer().map(|id| id.as_str().to_owned())),
        mfa: Set(user.mfa.as_ref().map(to_json)),
        enabled: Set(user.enabled),
        totp: Set(user.totp.as_ref().map(|totp| totp.sealed.clone())),
        totp_confirmed: Set(user.totp.as_ref().map(|totp| totp.confirmed)),
        totp_step: Set(user.totp.as_ref().map(|totp| totp.step)),
        recovery_generation: Set(Some(user.recovery.generation.into())),
        recovery_used: Set(Some(user.recovery.used)),
        pin: Set(user.pin.as_ref().map(|pin| pin.hash.as_str().to_owned())),
        pin_failures: Set(user.pin.as_ref().map(|pin| pin.failures)),
        ..Default::default()
    };
    stamped!(row, &user.stamp);
    row
}

fn record(row: Model) -> Result<AuthUser> {
    let link = |stored| {
        Ok(match stored {
            Stored::CustomersUser(id) => Link::Customer(id.parse().map_err(corrupt)?),
            Stored::PhoneNumber(phone) => Link::Phone(phone.parse().map_err(corrupt)?),
            Stored::Email(email) => Link::Email(email.parse().map_err(corrupt)?),
        })
    };
    Ok(AuthUser {
        id: AuthUserId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        realm: row.realm.parse().map_err(corrupt)?,
        username: row.username.parse().map_err(corrupt)?,
        password: row.password.into(),
        links: json::<Vec<Stored>>(&row.links)?.into_iter().map(link).collect::<Result<_>>()?,
        mfa: row.mfa.as_deref().map(json::<Vec<Channel>>).transpose()?,
        enabled: row.enabled,
        totp: row.totp.map(|sealed| Totp {
            sealed,
            confirmed: row.totp_confirmed.unwrap_or_default(),
            step: row.totp_step.unwrap_or_default(),
        }),
        recovery: Recovery {
            generation: u32::try_from(row.recovery_generation.unwrap_or_default()).map_err(corrupt)?,
            used: row.recovery_used.unwrap_or_default(),
        },
        pin: row.pin.map(|hash| Pin { hash: hash.into(), failures: row.pin_failures.unwrap_or_default() }),
    })
}
