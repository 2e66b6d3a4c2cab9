//! Rows of `customer_token`, `token_pair` and `token_event`.

use std::collections::HashMap;

use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, Set, Statement,
};
use tenantry_domain::{
    AccountId, CustomerKey, Error, Followed, Instant, Result, Token, TokenEvent, TokenEventInput, TokenId, TokenKey, TokenPair,
    TokenPairId,
};
use tenantry_entity::customer_token::{ActiveModel, Column, Entity, Model};
use tenantry_entity::{token_event, token_pair};
use uuid::Uuid;

use super::{ROWS, corrupt, json, stamp, stamped, storage, to_json};

/// How many events of a pair are told at most.
const EVENTS: u64 = 100;

fn of(account: AccountId) -> Select<Entity> {
    Entity::find().filter(Column::AccountId.eq(account.as_str()))
}

fn live(account: AccountId) -> Select<Entity> {
    of(account).filter(Column::DeletedAt.is_null())
}

/// Which tokens of a customer to list.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Exactly this type.
    pub kind: Option<String>,
    /// Also deleted ones.
    pub include_deleted: bool,
    /// After this token.
    pub after: Option<Uuid>,
    /// How many at most.
    pub limit: u64,
}

fn listed(account: AccountId, customer: CustomerKey, filter: &TokenFilter) -> Select<Entity> {
    let query = if filter.include_deleted { of(account) } else { live(account) };
    let kind = filter.kind.as_ref().map(|kind| Column::Kind.eq(kind));
    query.filter(Column::Customer.eq(customer.0)).filter(Condition::all().add_option(kind))
}

/// A customer's tokens by record.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: CustomerKey,
    filter: &TokenFilter,
) -> Result<Vec<Token>> {
    let after = filter.after.map(|after| Column::Id.gt(after));
    let query = listed(account, customer, filter).filter(Condition::all().add_option(after));
    let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    rows.into_iter().map(record).collect()
}

/// How many there are.
pub(crate) async fn count(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: CustomerKey,
    filter: &TokenFilter,
) -> Result<u64> {
    listed(account, customer, filter).count(db).await.map_err(storage)
}

/// A customer's live token of this name; nobody else changes it before the end of the transaction.
pub(crate) async fn lock(db: &impl ConnectionTrait, account: AccountId, customer: CustomerKey, id: &TokenId) -> Result<Token> {
    let row = live(account).filter(Column::Customer.eq(customer.0)).filter(Column::TokenId.eq(id.as_str())).lock_exclusive();
    record(row.one(db).await.map_err(storage)?.ok_or(Error::NotFound)?)
}

/// The live token that is known by a pair: that of a caller, or the first of those that the server made.
pub(crate) async fn known_by(db: &impl ConnectionTrait, account: AccountId, pair: &TokenPair) -> Result<Option<Token>> {
    let query = live(account).filter(Column::Value.eq(&pair.value)).filter(Column::Kind.eq(&pair.kind));
    query.order_by_asc(Column::Slot).limit(1).one(db).await.map_err(storage)?.map(record).transpose()
}

/// A new token; `duplicate` names what another live one has.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, token: &Token) -> Result<()> {
    let refused = |error: sea_orm::DbErr| match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(text)) if text.contains("called") || text.contains("token_id") => {
            Error::Duplicate("token_id")
        }
        _ => super::taken("type and value")(error),
    };
    Entity::insert(columns(account, token)).exec_without_returning(db).await.map_err(refused)?;
    Ok(())
}

/// Replaces a token.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, token: &Token) -> Result<()> {
    columns(account, token).update(db).await.map_err(storage)?;
    Ok(())
}

/// Customers with a live token of this type, or of this value, or both, by record after `after`.
pub(crate) async fn owners(
    db: &impl ConnectionTrait,
    account: AccountId,
    (kind, value): (Option<&str>, Option<&str>),
    after: Uuid,
    limit: u64,
) -> Result<Vec<Uuid>> {
    let query = sought(account, kind, value).filter(Column::Customer.gt(after)).distinct();
    query.order_by_asc(Column::Customer).limit(limit).into_tuple().all(db).await.map_err(storage)
}

/// Which of these have one.
pub(crate) async fn owners_among(
    db: &impl ConnectionTrait,
    account: AccountId,
    (kind, value): (Option<&str>, Option<&str>),
    among: &[Uuid],
) -> Result<Vec<Uuid>> {
    let query = sought(account, kind, value).filter(Column::Customer.is_in(among.iter().copied()));
    query.into_tuple().all(db).await.map_err(storage)
}

fn sought(account: AccountId, kind: Option<&str>, value: Option<&str>) -> Select<Entity> {
    live(account)
        .select_only()
        .column(Column::Customer)
        .filter(Condition::all().add_option(kind.map(|kind| Column::Kind.eq(kind))))
        .filter(Condition::all().add_option(value.map(|value| Column::Value.eq(value))))
}

/// Makes the tokens that the server keeps for a customer these. `new`: it has none yet.
pub(crate) async fn set_auto(
    db: &impl ConnectionTrait,
    account: AccountId,
    customer: CustomerKey,
    (wanted, new): (Vec<Token>, bool),
) -> Result<()> {
    if !new {
        let old = Entity::delete_many()
            .filter(Column::AccountId.eq(account.as_str()))
            .filter(Column::Customer.eq(customer.0))
            .filter(Column::Slot.ne(""));
        old.exec(db).await.map_err(storage)?;
    }
    let rows: Vec<ActiveModel> = wanted.iter().map(|token| columns(account, token)).collect();
    for rows in rows.chunks(ROWS) {
        Entity::insert_many(rows.to_vec()).exec_without_returning(db).await.map_err(storage)?;
    }
    Ok(())
}

/// Forgets whose a customer's tokens were, and what was kept with them. Those that the server made go, as do deleted ones; all
/// of them if they are not to be kept. What happened to a pair goes where no live token has it any more.
pub(crate) async fn erase(db: &impl ConnectionTrait, account: AccountId, customer: Uuid, all: bool) -> Result<()> {
    let backend = db.get_database_backend();
    let run = async |sql: String| {
        let postgres = backend == DatabaseBackend::Postgres;
        let sql = if postgres { sql.replace("?1", "$1").replace("?2", "$2") } else { sql };
        let statement = Statement::from_sql_and_values(backend, sql, [account.as_str().into(), customer.into()]);
        db.execute_raw(statement).await.map(drop).map_err(storage)
    };
    let kept = |token: &str| {
        if all { "FALSE".to_owned() } else { format!("({token}.slot = '' AND {token}.deleted_at IS NULL)") }
    };
    let pairs = |which: &str| {
        format!(
            "(SELECT p.id FROM customer_token t JOIN token_pair p ON p.account_id = t.account_id AND p.value = t.value \
             AND p.kind = t.kind WHERE t.account_id = ?1 AND t.customer = ?2 AND {which})"
        )
    };
    let gone = pairs(&format!(
        "NOT {} AND NOT EXISTS (SELECT 1 FROM customer_token o WHERE o.account_id = t.account_id AND o.value = t.value \
         AND o.kind = t.kind AND o.deleted_at IS NULL AND (o.customer IS NULL OR o.customer <> ?2 OR {}))",
        kept("t"),
        kept("o")
    ));
    run(format!("DELETE FROM token_event WHERE account_id = ?1 AND pair IN {gone}")).await?;
    run(format!("DELETE FROM token_pair WHERE account_id = ?1 AND id IN {gone}")).await?;
    run(format!("DELETE FROM customer_token AS t WHERE account_id = ?1 AND customer = ?2 AND NOT {}", kept("t"))).await?;
    if all {
        return Ok(());
    }
    run(format!("UPDATE token_event SET metadata = NULL WHERE account_id = ?1 AND pair IN {}", pairs("TRUE"))).await?;
    // Its name may be one that the customer was known by.
    let name = if backend == DatabaseBackend::Postgres { "id::text" } else { "lower(hex(id))" };
    run(format!(
        "UPDATE customer_token SET customer = NULL, metadata = NULL, token_id = {name} WHERE account_id = ?1 AND customer = ?2"
    ))
    .await
}

fn pair_is(account: AccountId, pair: &TokenPair) -> Condition {
    Condition::all()
        .add(token_pair::Column::AccountId.eq(account.as_str()))
        .add(token_pair::Column::Value.eq(&pair.value))
        .add(token_pair::Column::Kind.eq(&pair.kind))
}

async fn pair_of(db: &impl ConnectionTrait, account: AccountId, pair: &TokenPair) -> Result<Option<token_pair::Model>> {
    token_pair::Entity::find().filter(pair_is(account, pair)).one(db).await.map_err(storage)
}

/// What happened to a pair and still counts, the latest first; `None` for one to which nothing ever did.
pub(crate) async fn followed(
    db: &impl ConnectionTrait,
    account: AccountId,
    pair: &TokenPair,
    now: Instant,
) -> Result<Option<Followed>> {
    let Some(row) = pair_of(db, account, pair).await? else { return Ok(None) };
    Ok(with_events(db, account, vec![row], now).await?.pop())
}

/// Which pairs to list.
#[derive(Debug, Clone, Default)]
pub struct PairFilter {
    /// Those to which something happened at or after this moment.
    pub since: Option<Instant>,
    /// Those that were taken from their events at or after this moment, and no others.
    pub deleted_since: Option<Instant>,
    /// After this pair; and where a moment is asked for, after this change of it, in microseconds since 1970.
    pub after: Option<(i64, Uuid)>,
    /// How many at most.
    pub limit: u64,
}

/// Pairs with what happened to them: by record, or by the time of the latest where one is asked for.
pub(crate) async fn pairs(
    db: &impl ConnectionTrait,
    account: AccountId,
    filter: &PairFilter,
    now: Instant,
) -> Result<Vec<Followed>> {
    use token_pair::Column;
    let mut query = token_pair::Entity::find().filter(Column::AccountId.eq(account.as_str()));
    query = match filter.deleted_since {
        Some(since) => query.filter(Column::DeletedAt.gte(since.micros())).filter(Column::UpdatedAt.gte(since.micros())),
        None => query.filter(Column::DeletedAt.is_null()),
    };
    if let Some(since) = filter.since {
        query = query.filter(Column::UpdatedAt.gte(since.micros()));
    }
    let walks = filter.since.is_some() || filter.deleted_since.is_some();
    if walks {
        query = query.order_by_asc(Column::UpdatedAt);
    }
    if let Some((at, id)) = filter.after {
        let later = Column::Id.gt(id);
        query = query.filter(if walks {
            let same = Condition::all().add(Column::UpdatedAt.eq(at)).add(later);
            Condition::all().add(Column::UpdatedAt.gte(at)).add(Condition::any().add(Column::UpdatedAt.gt(at)).add(same))
        } else {
            Condition::all().add(later)
        });
    }
    let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    with_events(db, account, rows, now).await
}

async fn with_events(
    db: &impl ConnectionTrait,
    account: AccountId,
    rows: Vec<token_pair::Model>,
    now: Instant,
) -> Result<Vec<Followed>> {
    use token_event::Column;
    let mut events: HashMap<Uuid, Vec<TokenEvent>> = HashMap::new();
    for pair in &rows {
        let query = token_event::Entity::find()
            .filter(Column::AccountId.eq(account.as_str()))
            .filter(Column::Pair.eq(pair.id))
            .filter(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now.micros())));
        let found = query.order_by_desc(Column::Id).limit(EVENTS).all(db).await.map_err(storage)?;
        events.insert(pair.id, found.into_iter().map(happened).collect::<Result<_>>()?);
    }
    let followed = |row: token_pair::Model| Followed {
        id: TokenPairId(row.id),
        updated_at: Instant::from_micros(row.updated_at),
        events: events.remove(&row.id).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(followed).collect())
}

/// Notes that something happened to a pair, whose record is made if there is none. `deleted`: from here on it is as if nothing
/// had happened before.
pub(crate) async fn follow(
    db: &impl ConnectionTrait,
    account: AccountId,
    (pair, new): (&TokenPair, Uuid),
    (event, deleted): (&TokenEvent, bool),
) -> Result<()> {
    use token_pair::{ActiveModel, Column};
    let row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(new),
        kind: Set(pair.kind.clone()),
        value: Set(pair.value.clone()),
        updated_at: Set(event.created_at.micros()),
        deleted_at: Set(deleted.then(|| event.created_at.micros())),
    };
    let known = sea_orm::sea_query::OnConflict::columns([Column::AccountId, Column::Value, Column::Kind])
        .update_columns([Column::UpdatedAt, Column::DeletedAt])
        .to_owned();
    let row = token_pair::Entity::insert(row).on_conflict(known).exec_with_returning(db).await.map_err(storage)?;
    if deleted {
        forget_events(db, account, pair).await?;
    }
    let happened = token_event::ActiveModel {
        account_id: Set(account.into()),
        id: Set(new),
        pair: Set(row.id),
        event: Set(event.said.event.clone()),
        status: Set(event.said.status.clone()),
        metadata: Set(event.said.metadata.as_ref().map(to_json)),
        created_at: Set(event.created_at.micros()),
        expires_at: Set(event.expires_at.map(Instant::micros)),
    };
    token_event::Entity::insert(happened).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// Forgets what happened to a pair.
pub(crate) async fn forget_events(db: &impl ConnectionTrait, account: AccountId, pair: &TokenPair) -> Result<()> {
    let of = Query::select().column(token_pair::Column::Id).from(token_pair::Entity).cond_where(pair_is(account, pair)).take();
    let gone = token_event::Entity::delete_many()
        .filter(token_event::Column::AccountId.eq(account.as_str()))
        .filter(token_event::Column::Pair.in_subquery(of));
    gone.exec(db).await.map_err(storage)?;
    Ok(())
}

fn columns(account: AccountId, token: &Token) -> ActiveModel {
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(token.key.0),
        customer: Set(token.customer.map(|customer| customer.0)),
        token_id: Set(token.token_id.as_str().to_owned()),
        kind: Set(token.pair.kind.clone()),
        value: Set(token.pair.value.clone()),
        slot: Set(if token.auto { token.key.to_string() } else { String::new() }),
        metadata: Set(token.metadata.as_ref().map(to_json)),
        ..Default::default()
    };
    stamped!(row, &token.stamp);
    row
}

fn record(row: Model) -> Result<Token> {
    Ok(Token {
        key: TokenKey(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        customer: row.customer.map(CustomerKey),
        token_id: row.token_id.parse().map_err(corrupt)?,
        pair: TokenPair { kind: row.kind, value: row.value },
        metadata: row.metadata.as_deref().map(json).transpose()?,
        auto: !row.slot.is_empty(),
    })
}

fn happened(row: token_event::Model) -> Result<TokenEvent> {
    Ok(TokenEvent {
        created_at: Instant::from_micros(row.created_at),
        expires_at: row.expires_at.map(Instant::from_micros),
        said: TokenEventInput { event: row.event, status: row.status, metadata: row.metadata.as_deref().map(json).transpose()? },
    })
}
