//! Tokens of customers and what happens to them (contract nos. 37-42).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_accounts::{PairFilter, TokenFilter};
use tenantry_domain::{
    Checks, CustomerId, Followed, Instant, Metadata, Token, TokenDetail, TokenEventInput, TokenId, TokenPair, token_status,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::Json;
use crate::call::Call;
use crate::customers::CustomerView;
use crate::error::{ApiError, Result};
use crate::query::{self, Id, Query};
use crate::reply::{Counted, Created201, NoContent204, Ok200, Page};
use crate::route::{CUSTOMER_READ, CUSTOMER_WRITE, CUSTOMERS_READ, CUSTOMERS_WRITE, Route, delete, get, post};
use crate::wire::{Entity, given};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get(
            "/v1/accounts/{aid}/customers/tokens/events",
            CUSTOMERS_READ,
            list_token_events,
            "Page through token pairs with their events",
        ),
        delete(
            "/v1/accounts/{aid}/customers/tokens/events",
            CUSTOMERS_WRITE,
            delete_token_events,
            "Unlink a token pair from its events, noting why",
        ),
        post(
            "/v1/accounts/{aid}/customers/tokens/events",
            CUSTOMERS_WRITE,
            follow_token,
            "Look up a token pair and optionally record an event on it",
        ),
        get(
            "/v1/accounts/{aid}/customers/users/{customer_id}/tokens",
            CUSTOMER_READ,
            list_customer_tokens,
            "List a customer's tokens",
        ),
        post(
            "/v1/accounts/{aid}/customers/users/{customer_id}/tokens",
            CUSTOMER_WRITE,
            create_customer_token,
            "Attach a token to a customer",
        ),
        delete(
            "/v1/accounts/{aid}/customers/users/{customer_id}/tokens/{tid}",
            CUSTOMER_WRITE,
            delete_customer_token,
            "Soft-delete a customer's token",
        ),
    ]
}

async fn list_token_events(call: Call, Query(asked): Query<PairQuery>) -> Result<Page<PairView>> {
    let limit = query::limit(asked.limit)?;
    let walks = asked.since_datetime.is_some() || asked.deleted_since.is_some();
    let after = match asked.starting_after.as_deref() {
        Some(place) if walks => Some(place_in_time(place)?),
        place => record("starting_after", place)?.map(|id| (0, id)),
    };
    let filter = PairFilter {
        since: moment("since_datetime", asked.since_datetime.as_deref())?,
        deleted_since: moment("deleted_since", asked.deleted_since.as_deref())?,
        after,
        limit: limit.into(),
    };
    let pairs = call.account.token_pairs(&filter).await?;
    let next = pairs.last().filter(|_| pairs.len() == limit as usize);
    let next = next.map(|pair| if walks { format!("{}.{}", pair.updated_at.micros(), pair.id) } else { pair.id.to_string() });
    Ok(Page { items: pairs.iter().map(PairView::new).collect(), next })
}

/// Where a page of pairs in the order of time ended.
fn place_in_time(text: &str) -> Result<(i64, Uuid)> {
    let place = text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let fault = "does not go together with a time, unless it is a paging-token";
    place.ok_or_else(|| ApiError::invalid("starting_after", fault))
}

async fn delete_token_events(call: Call, Json(body): Json<TokenEventsDelete>) -> Result<NoContent204> {
    let (pair, event) = body.parse()?;
    call.account.unlink_token(&call.caller, pair, event).await?;
    Ok(NoContent204)
}

async fn follow_token(call: Call, Json(body): Json<TokenEventsLookup>) -> Result<Ok200<DetailView>> {
    let (pair, event) = body.parse()?;
    let detail = call.account.follow_token(&call.caller, pair, event).await?;
    let customer = match &detail.customer {
        Some(customer) => Some(CustomerView::new(&call.account.shown(customer.clone()).await?)),
        None => None,
    };
    Ok(Ok200(DetailView::new(&detail, customer)))
}

async fn list_customer_tokens(call: Call, Id(id): Id<CustomerId>, Query(asked): Query<TokenQuery>) -> Result<Counted<TokenView>> {
    let limit = query::limit(asked.limit)?;
    let filter = TokenFilter {
        kind: asked.kind,
        include_deleted: asked.include_deleted,
        after: record("starting_after", asked.starting_after.as_deref())?,
        limit: limit.into(),
    };
    let (tokens, total) = call.account.tokens(&call.caller, &id, &filter, asked.total).await?;
    let page = Page::new(tokens.iter().map(TokenView::new).collect(), limit, |token: &TokenView| token.entity.id());
    Ok(Counted { items: page.items, next: page.next, total })
}

async fn create_customer_token(
    call: Call,
    Id(id): Id<CustomerId>,
    Query(how): Query<NewTokenQuery>,
    Json(body): Json<CustomerTokenInput>,
) -> Result<Created201<TokenView>> {
    let token = call.account.create_token(call.caller, id, body.parse()?, how.delete_token_events).await?;
    Ok(Created201(TokenView::new(&token)))
}

async fn delete_customer_token(call: Call, Id(id): Id<CustomerId>, Id(token): Id<TokenId, 2>) -> Result<Ok200<TokenView>> {
    let token = call.account.delete_token(call.caller, id, token).await?;
    Ok(Ok200(TokenView::new(&token)))
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Instant>> {
    text.map(Instant::parse).transpose().map_err(|fault| ApiError::invalid(name, fault))
}

fn record(name: &str, text: Option<&str>) -> Result<Option<Uuid>> {
    text.map(Uuid::try_parse).transpose().map_err(|_| ApiError::invalid(name, "must be a UUID"))
}

/// Which pairs to list.
#[derive(Deserialize, ToSchema)]
struct PairQuery {
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// Opaque cursor from the previous page.
    starting_after: Option<String>,
    /// Only records added or changed at or after this time, in that order; of `starting_after` only a paging token goes together with it.
    #[schema(format = "date-time")]
    since_datetime: Option<String>,
    /// Only pairs whose events were deleted since then.
    #[schema(format = "date-time")]
    deleted_since: Option<String>,
}

/// Which tokens to list.
#[derive(Deserialize, ToSchema)]
struct TokenQuery {
    /// Exact token type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// Opaque cursor from the previous page.
    starting_after: Option<String>,
    /// Ask for the total-count header.
    #[serde(default)]
    #[schema(required = false, default = false)]
    total: bool,
    /// Also list soft-deleted records.
    #[serde(default = "yes")]
    #[schema(required = false, default = true)]
    include_deleted: bool,
}

const fn yes() -> bool {
    true
}

/// What becomes of the events of a new token's pair.
#[derive(Deserialize, ToSchema)]
struct NewTokenQuery {
    /// First drop events of the same pair.
    #[serde(default)]
    #[schema(required = false, default = false)]
    delete_token_events: bool,
}

/// What a token is known by.
#[derive(Serialize, Deserialize, ToSchema)]
struct TokenTypeValue {
    /// At most 100 characters.
    #[serde(rename = "type")]
    #[schema(min_length = 1)]
    kind: String,
    /// At most 500 bytes.
    #[schema(min_length = 1)]
    value: String,
}

impl TokenTypeValue {
    fn parse(self, checks: &mut Checks, prefix: &str) -> TokenPair {
        checks.take(&format!("{prefix}type"), TokenPair::check_kind(&self.kind));
        checks.take(&format!("{prefix}value"), TokenPair::check_value(&self.value));
        TokenPair { kind: self.kind, value: self.value }
    }
}

/// A new token.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"type": "card", "value": "5413330089604111"}))]
struct CustomerTokenInput {
    /// At most 100 characters.
    #[serde(rename = "type")]
    #[schema(min_length = 1)]
    kind: String,
    /// At most 500 bytes; unique among live tokens of its type.
    #[schema(min_length = 1)]
    value: String,
    /// What it is called; made by the server when left out.
    #[schema(min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$", nullable = false)]
    token_id: Option<String>,
    /// Free pairs, at most 40 and 16 KiB of JSON.
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

impl CustomerTokenInput {
    fn parse(self) -> Result<tenantry_domain::TokenInput> {
        let mut checks = Checks::default();
        checks.take("type", TokenPair::refuse_own(&self.kind));
        let pair = TokenTypeValue { kind: self.kind, value: self.value }.parse(&mut checks, "");
        let token_id = checks.take("token_id", self.token_id.map(|id| id.parse()).transpose());
        let metadata = metadata(&mut checks, "metadata", self.metadata);
        let input = (|| Some(tenantry_domain::TokenInput { pair, token_id: token_id?, metadata }))();
        Ok(checks.done(input)?)
    }
}

fn metadata(checks: &mut Checks, field: &str, given: Option<Map<String, Value>>) -> Option<Map<String, Value>> {
    let given = given.map(Metadata::parse).transpose();
    checks.take(field, given).flatten().map(|metadata| metadata.pairs().clone())
}

/// Something that happened to a pair.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = TokenEvent)]
struct EventBody {
    /// Until when it counts.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only, value_type = String, format = DateTime, required = false)]
    expires_at: Option<Instant>,
    /// When it happened.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(read_only, value_type = String, format = DateTime, required = false)]
    created_at: Option<Instant>,
    /// What happened.
    event: String,
    /// What has become of the pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<String>,
    /// What the caller keeps with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

/// What the server says itself is not read.
fn ignored<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Instant>, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| None)
}

impl EventBody {
    fn new(event: &tenantry_domain::TokenEvent) -> Self {
        let TokenEventInput { event: what, status, metadata } = event.said.clone();
        Self { expires_at: event.expires_at, created_at: Some(event.created_at), event: what, status, metadata }
    }
}

/// Checks what is said of something that happened.
fn said(checks: &mut Checks, event: Option<&str>, status: Option<String>, given: Option<Map<String, Value>>) -> TokenEventInput {
    let what = event
        .map_or(Ok(String::new()), |what| tenantry_domain::Text::<255>::not_blank(what).map(|what| what.as_str().to_owned()));
    let status_is = status.as_deref().map_or(Ok(()), |status| tenantry_domain::Text::<255>::not_blank(status).map(drop));
    checks.take("event.status", status_is);
    let event = checks.take("event.event", what).unwrap_or_default();
    TokenEventInput { event, status, metadata: metadata(checks, "event.metadata", given) }
}

/// Which pair, and what happened to it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": {"type": "card", "value": "5413330089604111"}, "event": {"event": "seen", "status": "ACTIVE"}}))]
struct TokenEventsLookup {
    token: TokenTypeValue,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    event: Option<EventBody>,
}

impl TokenEventsLookup {
    fn parse(self) -> Result<(TokenPair, Option<TokenEventInput>)> {
        let mut checks = Checks::default();
        let pair = self.token.parse(&mut checks, "token.");
        let event = self.event.map(|event| said(&mut checks, Some(&event.event), event.status, event.metadata));
        Ok(checks.done(Some((pair, event)))?)
    }
}

/// Which pair, and why.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": {"type": "card", "value": "5413330089604111"}, "event": {"event": "lost"}}))]
struct TokenEventsDelete {
    token: TokenTypeValue,
    /// Reason; stored with status DELETED.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    event: Option<ReasonBody>,
}

/// Why a pair is taken from its events.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenEventsReason)]
struct ReasonBody {
    /// What happened.
    #[schema(nullable = false)]
    event: Option<String>,
    /// What the caller keeps with it.
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

impl TokenEventsDelete {
    fn parse(self) -> Result<(TokenPair, TokenEventInput)> {
        let mut checks = Checks::default();
        let pair = self.token.parse(&mut checks, "token.");
        let reason = self.event.unwrap_or(ReasonBody { event: None, metadata: None });
        let event = said(&mut checks, reason.event.as_deref(), None, reason.metadata);
        Ok(checks.done(Some((pair, event)))?)
    }
}

/// A pair with what happened to it.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenEventsItem)]
struct PairView {
    /// The pair's record.
    #[schema(value_type = String, required = false)]
    id: Uuid,
    /// What has become of it.
    #[schema(required = false, default = "UNKNOWN")]
    status: String,
    /// What happened and still counts, the latest first.
    #[schema(required = false)]
    events: Vec<EventBody>,
}

impl PairView {
    fn new(pair: &Followed) -> Self {
        Self {
            id: pair.id.0,
            status: token_status(&pair.events).to_owned(),
            events: pair.events.iter().map(EventBody::new).collect(),
        }
    }
}

/// Everything about a pair.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenDetail)]
struct DetailView {
    /// Stable once the pair is stored; made up otherwise.
    #[schema(value_type = String, required = false)]
    id: Uuid,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer: Option<CustomerView>,
    /// The live token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<TokenView>,
    /// The customer's status, else that of the newest event that still counts and has one, else UNKNOWN.
    #[schema(required = false, default = "UNKNOWN")]
    status: String,
    /// What happened and still counts, the latest first.
    #[schema(required = false)]
    events: Vec<EventBody>,
}

impl DetailView {
    fn new(detail: &TokenDetail, customer: Option<CustomerView>) -> Self {
        Self {
            id: detail.id.0,
            customer,
            token: detail.token.as_ref().map(TokenView::new),
            status: detail.status().to_owned(),
            events: detail.events.iter().map(EventBody::new).collect(),
        }
    }
}

/// A token as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerToken)]
struct TokenView {
    #[serde(flatten)]
    entity: Entity,
    /// What kind of token.
    #[serde(rename = "type")]
    #[schema(min_length = 1)]
    kind: String,
    /// Which.
    #[schema(min_length = 1)]
    value: String,
    /// What it is called.
    #[schema(required = false, min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$")]
    token_id: String,
    /// What the caller keeps with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

impl TokenView {
    fn new(token: &Token) -> Self {
        Self {
            entity: Entity::new(token.key.0, &token.stamp),
            kind: token.pair.kind.clone(),
            value: token.pair.value.clone(),
            token_id: token.token_id.as_str().to_owned(),
            metadata: token.metadata.clone(),
        }
    }
}
