//! Rows of `event`: an append-only log for each account.

use std::borrow::Cow;
use std::sync::Arc;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement, Value,
};
use tenantry_domain::{AccountId, EventId, Instant, Result};
use tenantry_entity::event::{Column, Entity as Events, Model};
use uuid::Uuid;

use super::{INSERT, ROWS, Store, Tx, corrupt, json, storage, to_json};
use crate::customer_feed::{CustomerMoved, FeedPlace};
use crate::events::{Content, Event, EventFilter, Link};
use crate::source::Source;

/// Kinds that make up most of a busy log, and are found by walking it.
const COMMON: [&str; 4] = ["token.exchanged", "token.exchange_requested", "customer.created", "customer.updated"];
/// What the index of the other kinds is about, word for word.
const BY_KIND: &str = "seq IS NULL AND kind NOT IN \
     ('token.exchanged', 'token.exchange_requested', 'customer.created', 'customer.updated')";
/// What the index of the changes of customers is about.
const OF_CUSTOMERS: &str = "kind >= 'customer.' AND kind < 'customer/'";
/// Which transactions nobody can be behind: those that ended before every one that is under way. What bears a number that is not
/// yet given comes from another server's database.
const SETTLED: &str = "(tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
     OR tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)";
/// What the index by subject is about.
const ACTIVITY: &str = "seq IS NULL";
/// What the index of the events of configuration is about.
const CONFIGURATION: &str = "seq IS NOT NULL";

/// What an event tells, written out: its columns, and all of it as JSON.
pub(crate) struct Told {
    pub(crate) at: i64,
    pub(crate) content: String,
    kind: Cow<'static, str>,
    subject: String,
}

impl Told {
    pub(crate) fn new(content: &Content) -> Self {
        let Content { at, kind, subject, .. } = content;
        Self { at: *at, content: to_json(content), kind: kind.clone(), subject: subject.clone() }
    }
}

/// A row of this table, ready to be written.
pub(crate) struct EventRow {
    account: AccountId,
    id: EventId,
    told: Arc<Told>,
    link: Option<Link>,
}

/// One event as a row; a link joins it to the account's chain.
pub(crate) fn row(account: AccountId, id: EventId, told: Arc<Told>, link: Option<Link>) -> EventRow {
    EventRow { account, id, told, link }
}

/// The statements that write rows. Every write has some, so they are not put together from parts.
pub(super) fn inserts(rows: &[EventRow], backend: DatabaseBackend) -> Vec<Statement> {
    const COLUMNS: usize = 10;
    let statement = |rows: &[EventRow]| {
        let verb = if backend == DatabaseBackend::Sqlite { INSERT } else { "INSERT" };
        let mut sql =
            format!("{verb} INTO event (account_id, id, seq, kind, subject, at, content, salt, content_hash, hash) VALUES ");
        let mut values = Vec::with_capacity(COLUMNS * rows.len());
        for (nth, EventRow { account, id, told, link }) in rows.iter().enumerate() {
            sql.push_str(if nth == 0 { "(" } else { ", (" });
            for column in 0..COLUMNS {
                sql.push_str(if column == 0 { "" } else { ", " });
                if backend == DatabaseBackend::Sqlite {
                    sql.push('?');
                } else {
                    sql.extend(["$", &(nth * COLUMNS + column + 1).to_string()]);
                }
            }
            sql.push(')');
            let link = link.as_ref();
            values.extend([
                account.as_str().into(),
                id.0.into(),
                link.map(|link| link.seq).into(),
                told.kind.as_ref().into(),
                told.subject.as_str().into(),
                told.at.into(),
                told.content.as_str().into(),
                link.map(|link| link.salt.to_vec()).into(),
                link.map(|link| link.content_hash.to_vec()).into(),
                Value::from(link.map(|link| link.hash.to_vec())),
            ]);
        }
        Statement::from_sql_and_values(backend, sql, values)
    };
    rows.chunks(ROWS).map(statement).collect()
}

/// The head of the account's chain: the id and the hash of its event number `seq`.
pub(crate) async fn head(db: &impl ConnectionTrait, account: AccountId, seq: i64) -> Result<(EventId, [u8; 32])> {
    let last = chained(account).order_by_desc(Column::Id).limit(1).one(db).await.map_err(storage)?;
    let last =
        last.filter(|row| row.seq == Some(seq)).ok_or_else(|| corrupt(format!("{account} does not end in event {seq}")))?;
    let hash = last.hash.and_then(|hash| hash.try_into().ok()).ok_or_else(|| corrupt("an event's hash"))?;
    Ok((EventId(last.id), hash))
}

/// The events of configuration.
fn chained(account: AccountId) -> Select<Events> {
    Events::find().filter(Column::AccountId.eq(account.as_str())).filter(Expr::cust(CONFIGURATION))
}

/// Events by id, that is by time, beyond `filter.after`. Those of a kind or a subject are looked for in two places, at one
/// moment.
pub(crate) async fn page(store: &Store, account: AccountId, filter: &EventFilter) -> Result<Vec<Event>> {
    let all = Events::find().filter(Column::AccountId.eq(account.as_str()));
    let rows = if filter.kind.is_none() && filter.subject.is_none() {
        some(&store.read, all, filter).await?
    } else {
        let common = filter.kind.as_ref().is_some_and(|kind| COMMON.contains(&kind.as_str()));
        let indexed = if filter.kind.is_some() && !common { BY_KIND } else { ACTIVITY };
        let read = async |snapshot: &Tx<'_>| {
            let mut rows = some(snapshot, all.filter(Expr::cust(indexed)), filter).await?;
            if !common {
                rows.extend(some(snapshot, chained(account), filter).await?);
                rows.sort_unstable_by_key(|row| row.id);
                if filter.latest_first {
                    rows.reverse();
                }
                rows.truncate(filter.limit.try_into().unwrap_or(usize::MAX));
            }
            Ok(rows)
        };
        store.read.as_of_one_moment(read).await?
    };
    let event = |row: Model| {
        Ok(Event {
            id: EventId(row.id),
            seq: row.seq,
            at: Instant::from_micros(row.at),
            kind: row.kind,
            subject: row.subject,
            content: row.content.as_deref().map(json).transpose()?,
        })
    };
    rows.into_iter().map(event).collect()
}

/// What of a query the filter lets through.
async fn some(db: &impl ConnectionTrait, mut query: Select<Events>, filter: &EventFilter) -> Result<Vec<Model>> {
    if let Some(kind) = &filter.kind {
        query = query.filter(Column::Kind.eq(kind));
    }
    if let Some(subject) = &filter.subject {
        query = query.filter(Column::Subject.eq(subject));
    }
    if let Some(since) = filter.since {
        // Ids are never earlier than their events, so the key itself leads there.
        query = query.filter(Column::Id.gte(Source::first_id(since))).filter(Column::At.gte(since.micros()));
    }
    if let Some(until) = filter.until {
        query = query.filter(Column::At.lt(until.micros()));
    }
    if let Some(after) = filter.after {
        query = query.filter(if filter.latest_first { Column::Id.lt(after.0) } else { Column::Id.gt(after.0) });
    }
    let order = if filter.latest_first { Order::Desc } else { Order::Asc };
    query.order_by(Column::Id, order).limit(filter.limit).all(db).await.map_err(storage)
}

/// Changes of customers in the order in which they came to be seen, after a place.
pub(crate) async fn feed(
    db: &impl ConnectionTrait,
    account: AccountId,
    after: Option<FeedPlace>,
    limit: u64,
) -> Result<Vec<CustomerMoved>> {
    let mut query = Events::find().filter(Column::AccountId.eq(account.as_str())).filter(Expr::cust(OF_CUSTOMERS));
    if db.get_database_backend() == DatabaseBackend::Postgres {
        query = query.filter(Expr::cust(SETTLED)).order_by_asc(Column::Tx);
        if let Some(FeedPlace { tx, id, .. }) = after {
            let same = Condition::all().add(Column::Tx.eq(tx)).add(Column::Id.gt(id.0));
            query = query.filter(Column::Tx.gte(tx)).filter(Condition::any().add(Column::Tx.gt(tx)).add(same));
        }
    } else {
        // The same for all: named, so that the index serves.
        query = query.filter(Column::Tx.is_null());
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.id.0));
        }
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?;
    rows.into_iter().filter_map(|row| moved(row).transpose()).collect()
}

/// What an event tells of a customer, if it is about one.
fn moved(row: Model) -> Result<Option<CustomerMoved>> {
    let Some(content) = row.content.as_deref().map(json::<Content>).transpose()? else { return Ok(None) };
    let Some(customer) = content.target.as_deref().and_then(|target| Uuid::try_parse(target).ok()) else { return Ok(None) };
    let after = content.after.unwrap_or_default();
    let fields = after["fields"].as_array().into_iter().flatten().filter_map(|field| field.as_str().map(str::to_owned));
    Ok(Some(CustomerMoved {
        place: FeedPlace { epoch: 0, tx: row.tx.unwrap_or_default(), id: EventId(row.id) },
        kind: row.kind,
        at: Instant::from_micros(row.at),
        subject: row.subject,
        customer,
        customer_id: None,
        version: after["version"].as_i64(),
        fields: fields.collect(),
    }))
}

/// Takes from the activity of these subjects where they were and with what. The chain is of configuration: nothing of it changes.
pub(crate) async fn forget_whereabouts(db: &impl ConnectionTrait, account: AccountId, subjects: &[String]) -> Result<()> {
    for subject in subjects {
        let mut last = Uuid::nil();
        loop {
            let rows = Events::find()
                .filter(Column::AccountId.eq(account.as_str()))
                .filter(Column::Subject.eq(subject))
                .filter(Expr::cust(ACTIVITY))
                .filter(Column::Id.gt(last));
            let rows = rows.order_by_asc(Column::Id).limit(500).all(db).await.map_err(storage)?;
            let Some(row) = rows.last() else { break };
            last = row.id;
            for row in rows {
                let Some(content) = row.content.as_deref().map(json::<Content>).transpose()? else { continue };
                if content.ip.is_some() || content.user_agent.is_some() {
                    let content = Content { ip: None, user_agent: None, ..content };
                    let bare = Events::update_many().col_expr(Column::Content, to_json(&content).into());
                    let bare = bare.filter(Column::AccountId.eq(account.as_str())).filter(Column::Id.eq(row.id));
                    bare.exec(db).await.map_err(storage)?;
                }
            }
        }
    }
    Ok(())
}

/// Walks the chain of an account from its beginning and returns how many events it has.
/// Fails where an event is missing, was changed, or does not follow from the one before it.
pub(crate) async fn verify(db: &impl ConnectionTrait, account: AccountId) -> Result<i64> {
    let (mut seq, mut head, mut last) = (0, [0; 32], Uuid::nil());
    loop {
        let rows = chained(account).filter(Column::Id.gt(last)).order_by_asc(Column::Id).limit(500).all(db).await;
        let rows = rows.map_err(storage)?;
        if rows.is_empty() {
            return Ok(seq);
        }
        for row in rows {
            let broken = |what: &str| corrupt(format!("{account} event {}: {what}", row.seq.unwrap_or_default()));
            if row.seq != Some(seq + 1) {
                return Err(broken("one is missing before it"));
            }
            let content_hash: [u8; 32] =
                row.content_hash.as_deref().and_then(|hash| hash.try_into().ok()).ok_or_else(|| broken("no content hash"))?;
            if let (Some(content), Some(salt)) = (&row.content, &row.salt) {
                let told: Content = json(content)?;
                let same = told.kind == row.kind && told.subject == row.subject && told.at == row.at;
                if !same || Link::content_hash(salt, content) != content_hash {
                    return Err(broken("it was changed"));
                }
            }
            (seq, last) = (seq + 1, row.id);
            head = Link::hash(&head, seq, &content_hash);
            if row.hash.as_deref() != Some(&head[..]) {
                return Err(broken("it does not follow from the one before"));
            }
        }
    }
}
