//! What changed of an account's customers (beyond the contract).

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use tenantry_accounts::{CustomerMoved, FeedPlace};
use tenantry_domain::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::error::Result;
use crate::openapi::{Describe, Operation};
use crate::query::{self, Query};
use crate::route::{CUSTOMERS_READ, Route, get};

pub(crate) fn routes() -> Vec<Route> {
    vec![get("/v1/accounts/{aid}/customers/events", CUSTOMERS_READ, list_customer_events, "Follow the changes of customers")]
}

async fn list_customer_events(call: Call, Query(asked): Query<FeedQuery>) -> Result<Feed> {
    let limit = query::limit(asked.limit)?;
    let after: Option<FeedPlace> = query::optional("after", asked.after.as_deref())?;
    let moved = call.account.customer_feed(after, limit.into()).await?;
    let place = moved.last().map(|moved| moved.place).or(after).map(|place| place.to_string());
    Ok(Feed { items: moved.into_iter().map(MovedView::new).collect(), place })
}

/// From where to follow.
#[derive(Deserialize, ToSchema)]
struct FeedQuery {
    /// The `paging-token` of the answer before; from the beginning if left out.
    after: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
}

/// 200 with changes; the place where they end stands in a header, also where there are none.
struct Feed {
    items: Vec<MovedView>,
    place: Option<String>,
}

impl Responder for Feed {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        if let Some(place) = self.place.and_then(|place| HeaderValue::from_str(&place).ok()) {
            answer.insert_header((HeaderName::from_static("paging-token"), place));
        }
        answer.json(self.items)
    }
}

impl Describe for Feed {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply_list::<MovedView>(true);
    }
}

/// A change of a customer. What stands in its fields is read from the customer.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerEvent)]
struct MovedView {
    /// The event.
    id: Uuid,
    /// `customer.created`, `customer.updated`, `customer.renamed`, `customer.verified`, `customer.deleted` and what happened to
    /// its tokens.
    #[serde(rename = "type")]
    kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// Who did it.
    created_by: String,
    /// The customer's record.
    customer: Uuid,
    /// What the customer is called now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer_id: Option<String>,
    /// Its version since: later ones have greater numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    version: Option<i64>,
    /// What changed, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    fields: Vec<String>,
}

impl MovedView {
    fn new(moved: CustomerMoved) -> Self {
        Self {
            id: moved.place.id(),
            kind: moved.kind,
            created_at: moved.at,
            created_by: moved.subject,
            customer: moved.customer,
            customer_id: moved.customer_id.map(|id| id.to_string()),
            version: moved.version,
            fields: moved.fields,
        }
    }
}
