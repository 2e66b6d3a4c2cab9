//! Rows of `event`: an append-only log for each account.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{AccountId, EventId, Instant, Result};
use tenantry_entity::event::{ActiveModel, Column, Entity as Events};

use super::{corrupt, json, storage, to_json};
use crate::events::{Content, Event, EventFilter, Link};
use crate::source::Source;

/// A row of this table, ready to be written.
pub(crate) type EventRow = ActiveModel;

/// How many rows one statement writes at most: each has ten values, and SQLite takes 32,766.
const ROWS: usize = 1000;

/// Writes rows, if there are any.
pub(crate) async fn insert_rows(db: &impl ConnectionTrait, rows: Vec<EventRow>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        Events::insert_many(rows.by_ref().take(ROWS)).exec_without_returning(db).await.map_err(storage)?;
    }
    Ok(())
}

/// Appends one event; a link joins it to the account's chain.
pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: EventId,
    content: &Content,
    link: Option<&Link>,
) -> Result<()> {
    Events::insert(row(account, id, content, link)).exec_without_returning(db).await.map_err(storage)?;
    Ok(())
}

/// One event as a row; a link joins it to the account's chain.
pub(crate) fn row(account: AccountId, id: EventId, content: &Content, link: Option<&Link>) -> EventRow {
    let text = link.map_or_else(|| to_json(content), |link| link.content.clone());
    columns(account, id, content, text, link)
}

fn columns(account: AccountId, id: EventId, content: &Content, text: String, link: Option<&Link>) -> ActiveModel {
    ActiveModel {
        account_id: Set(account.into()),
        id: Set(id.0),
        seq: Set(link.map(|link| link.seq)),
        kind: Set(content.kind.clone().into_owned()),
        subject: Set(content.subject.clone()),
        at: Set(content.at),
        content: Set(Some(text)),
        salt: Set(link.map(|link| link.salt.to_vec())),
        content_hash: Set(link.map(|link| link.content_hash.to_vec())),
        hash: Set(link.map(|link| link.hash.to_vec())),
    }
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
    let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    rows.into_iter()
        .map(|row| {
            Ok(Event {
                id: EventId(row.id),
                seq: row.seq,
                at: Instant::from_micros(row.at),
                kind: row.kind,
                subject: row.subject,
                content: row.content.as_deref().map(json).transpose()?,
            })
        })
        .collect()
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
