//! Rows of `event`: an append-only log for each account.

use std::borrow::Cow;
use std::sync::Arc;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};
use tenantry_domain::{AccountId, EventId, Instant, Result};
use tenantry_entity::event::{Column, Entity as Events, Model};

use super::{INSERT, ROWS, corrupt, json, storage, to_json};
use crate::events::{Content, Event, EventFilter, Link};
use crate::source::Source;

/// Kinds that make up most of a busy log, and are found by walking it.
const COMMON: [&str; 2] = ["token.exchanged", "token.exchange_requested"];
/// What the index of the other kinds is about, word for word.
const INDEXED: &str = "kind NOT IN ('token.exchanged', 'token.exchange_requested')";

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

/// The head of the account's chain: the hash of its event number `seq`.
pub(crate) async fn head(db: &impl ConnectionTrait, account: AccountId, seq: i64) -> Result<[u8; 32]> {
    let row = Events::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::Seq.eq(seq)).one(db).await;
    let hash = row.map_err(storage)?.and_then(|row| row.hash).ok_or_else(|| corrupt(format!("{account} lacks event {seq}")))?;
    hash.try_into().map_err(|_| corrupt("an event's hash"))
}

/// Events by id, that is by time, after `filter.after`.
pub(crate) async fn page(db: &impl ConnectionTrait, account: AccountId, filter: &EventFilter) -> Result<Vec<Event>> {
    let mut query = Events::find().filter(Column::AccountId.eq(account.as_str()));
    if let Some(kind) = &filter.kind {
        query = query.filter(Column::Kind.eq(kind));
        if !COMMON.contains(&kind.as_str()) {
            query = query.filter(Expr::cust(INDEXED));
        }
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
        query = query.filter(Column::Id.gt(after.0));
    }
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
    let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    rows.into_iter().map(event).collect()
}

/// Walks the chain of an account from its beginning and returns how many events it has.
/// Fails where an event is missing, was changed, or does not follow from the one before it.
pub(crate) async fn verify(db: &impl ConnectionTrait, account: AccountId) -> Result<i64> {
    let (mut seq, mut head) = (0, [0; 32]);
    loop {
        let chained = Events::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::Seq.gt(seq));
        let rows = chained.order_by_asc(Column::Seq).limit(500).all(db).await.map_err(storage)?;
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
            seq += 1;
            head = Link::hash(&head, seq, &content_hash);
            if row.hash.as_deref() != Some(&head[..]) {
                return Err(broken("it does not follow from the one before"));
            }
        }
    }
}
