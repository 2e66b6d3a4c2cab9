//! Terms that customers agree to (contract nos. 54-57).

use serde::{Deserialize, Serialize};
use tenantry_domain::{Checks, Terms, TermsId, Text};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, Page};
use crate::route::{CUSTOMERS_SHOW, CUSTOMERS_WRITE, Route, delete, get, post};
use crate::wire::Entity;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{aid}/customers/terms", CUSTOMERS_WRITE, create_terms, "Publish a terms text"),
        get("/v1/accounts/{aid}/customers/terms", CUSTOMERS_SHOW, list_terms, "List terms texts"),
        get("/v1/accounts/{aid}/customers/terms/{tid}", CUSTOMERS_SHOW, get_terms, "Read one terms text"),
        delete("/v1/accounts/{aid}/customers/terms/{tid}", CUSTOMERS_WRITE, delete_terms, "Soft-delete a terms text"),
    ]
}

async fn create_terms(call: Call, Json(body): Json<TermsInput>) -> Result<Ok200<TermsView>> {
    let mut checks = Checks::default();
    let terms = checks.take("terms", Text::not_blank(&body.terms));
    let terms = call.account.create_terms(call.caller, checks.done(terms)?).await?;
    Ok(Ok200(TermsView::new(&terms)))
}

async fn list_terms(call: Call, Query(filter): Query<TermsQuery>) -> Result<Page<TermsView>> {
    let limit = query::limit(filter.limit)?;
    let after = query::optional("starting_after", filter.starting_after.as_deref())?;
    let terms = call.account.all_terms(filter.include_deleted, after, limit.into()).await?;
    Ok(Page::new(terms.iter().map(TermsView::new).collect(), limit, |terms: &TermsView| terms.entity.id()))
}

async fn get_terms(call: Call, Id(id): Id<TermsId>) -> Result<Ok200<TermsView>> {
    Ok(Ok200(TermsView::new(&call.account.terms(id).await?)))
}

async fn delete_terms(call: Call, Id(id): Id<TermsId>) -> Result<Ok200<TermsView>> {
    let terms = call.account.delete_terms(call.caller, id).await?;
    Ok(Ok200(TermsView::new(&terms)))
}

/// A new text.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"terms": "You collect one point for each krone."}))]
struct TermsInput {
    /// What it says; at most 100,000 characters.
    #[schema(min_length = 1)]
    terms: String,
}

/// Which texts to list.
#[derive(Deserialize, ToSchema)]
struct TermsQuery {
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last text of the page before.
    starting_after: Option<String>,
    /// Also deleted ones.
    #[serde(default)]
    #[schema(required = false, default = false)]
    include_deleted: bool,
}

/// A text as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Terms)]
struct TermsView {
    #[serde(flatten)]
    entity: Entity,
    /// What it says.
    terms: String,
}

impl TermsView {
    fn new(terms: &Terms) -> Self {
        Self { entity: Entity::new(terms.id.0, &terms.stamp), terms: terms.terms.as_str().to_owned() }
    }
}
