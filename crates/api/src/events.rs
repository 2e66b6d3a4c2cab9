//! The account's log (contract section 9).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantry_accounts::{Event, EventFilter};
use tenantry_domain::{Audience, Instant, PublicUrl};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::query::{self, Query};
use crate::reply::Page;
use crate::route::{ACCOUNTS_INSPECT, Route, get};

pub(crate) fn routes() -> Vec<Route> {
    vec![get("/v1/accounts/{oid}/management/events", ACCOUNTS_INSPECT, list_events, "List what happened in the account")]
}

async fn list_events(call: Call, Query(filter): Query<EventQuery>) -> Result<Page<EventView>> {
    let limit = query::limit(filter.limit)?;
    let events = call.account.events(&filter.parse()?).await?;
    let view = |event| EventView::new(event, call.public());
    Ok(Page::new(events.into_iter().map(view).collect(), limit, |event| event.id.to_string()))
}

/// Which events to list.
#[derive(Deserialize, ToSchema)]
struct EventQuery {
    /// Exactly this type, `role.created`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Exactly this subject.
    subject: Option<String>,
    /// At or after this time.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Before this time.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// `desc`: the latest first.
    #[serde(default)]
    order: Order,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The event that the page before ended with.
    starting_after: Option<String>,
}

/// In which order events are listed.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventOrder, default = "asc")]
pub(crate) enum Order {
    /// In order of time.
    #[default]
    Asc,
    /// The latest first.
    Desc,
}

impl EventQuery {
    fn parse(self) -> Result<EventFilter> {
        let time = |field: &str, text: Option<String>| {
            text.map(|text| Instant::parse(&text)).transpose().map_err(|fault| ApiError::invalid(field, fault))
        };
        Ok(EventFilter {
            since: time("since", self.since)?,
            until: time("until", self.until)?,
            after: query::optional("starting_after", self.starting_after.as_deref())?,
            latest_first: matches!(self.order, Order::Desc),
            limit: query::limit(self.limit)?.into(),
            kind: self.kind,
            subject: self.subject,
        })
    }
}

/// An event as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct EventView {
    /// Its id.
    id: Uuid,
    /// Its number among the changes of configuration, without a gap; absent for activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "role.created")]
    kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// Whose token did it.
    subject: String,
    /// The partner that acted on this account, if one did (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<ActView>,
    /// The record it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// The caller's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// The caller's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// The request that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The record before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The record after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

/// The partner that acted.
#[derive(Serialize, ToSchema)]
#[schema(as = Act)]
struct ActView {
    /// Its client.
    sub: String,
    /// Its account.
    oid: String,
}

impl EventView {
    fn new(event: Event, public: &PublicUrl) -> Self {
        let content = event.content;
        let content = content.as_ref();
        // Grants are told with the stored form of their audience, also where they are some of many.
        let grant = |value: &mut Value| {
            if let Some(audience) = value.get("audience").and_then(Value::as_str) {
                value["audience"] = Audience::from_stored(audience).text(public).into();
            }
        };
        let many = event.kind == "configuration.applied";
        let shown = |mut value: Value| {
            match &mut value {
                Value::Object(records) if many => records.values_mut().for_each(grant),
                value => grant(value),
            }
            value
        };
        Self {
            id: event.id.0,
            seq: event.seq,
            kind: event.kind,
            created_at: event.at,
            subject: event.subject,
            act: content.and_then(|content| content.act.clone()).map(|act| ActView { sub: act.sub, oid: act.oid.to_string() }),
            target: content.and_then(|content| content.target.clone()),
            ip: content.and_then(|content| content.ip.clone()),
            user_agent: content.and_then(|content| content.user_agent.clone()),
            request_id: content.and_then(|content| content.request_id.clone()),
            before: content.and_then(|content| content.before.clone()).map(shown),
            after: content.and_then(|content| content.after.clone()).map(shown),
        }
    }
}
