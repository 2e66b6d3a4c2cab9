//! Tags of customers (contract nos. 49-51).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_domain::{Checks, Metadata, Tag, TagId, Text};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::Id;
use crate::reply::{List, Ok200};
use crate::route::{CUSTOMERS_READ, CUSTOMERS_WRITE, Route, delete, get, post};
use crate::wire::Entity;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{aid}/customers/tags", CUSTOMERS_READ, list_tags, "List the account's tags"),
        post("/v1/accounts/{aid}/customers/tags", CUSTOMERS_WRITE, create_tag, "Create a tag"),
        delete("/v1/accounts/{aid}/customers/tags/{tag_id}", CUSTOMERS_WRITE, delete_tag, "Delete a tag everywhere"),
    ]
}

async fn list_tags(call: Call) -> Result<List<TagView>> {
    Ok(List(call.account.directory().tags.values().map(|tag| TagView::new(tag)).collect()))
}

async fn create_tag(call: Call, Json(body): Json<TagInput>) -> Result<Ok200<TagView>> {
    let tag = call.account.create_tag(call.caller, body.parse()?).await?;
    Ok(Ok200(TagView::new(&tag)))
}

async fn delete_tag(call: Call, Id(id): Id<TagId>) -> Result<Ok200<TagView>> {
    let tag = call.account.delete_tag(call.caller, id).await?;
    Ok(Ok200(TagView::new(&tag)))
}

/// A new tag.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"tag": "gold", "metadata": {"since": 2026}}))]
struct TagInput {
    /// Unique among live tags, without regard to case.
    #[schema(min_length = 1, max_length = 255)]
    tag: String,
    /// Free pairs, at most 40 and 16 KiB of JSON.
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

impl TagInput {
    fn parse(self) -> Result<tenantry_domain::TagInput> {
        let mut checks = Checks::default();
        let tag = checks.take("tag", Text::not_blank(&self.tag));
        let metadata = checks.take("metadata", self.metadata.map(Metadata::parse).transpose());
        let input = (|| Some(tenantry_domain::TagInput { tag: tag?, metadata: metadata? }))();
        Ok(checks.done(input)?)
    }
}

/// A tag as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Tag)]
pub(crate) struct TagView {
    #[serde(flatten)]
    entity: Entity,
    /// Its text.
    tag: String,
    /// What the caller keeps with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, nullable = false)]
    metadata: Option<Map<String, Value>>,
}

impl TagView {
    pub(crate) fn new(tag: &Tag) -> Self {
        Self {
            entity: Entity::new(tag.id.0, &tag.stamp),
            tag: tag.tag.as_str().to_owned(),
            metadata: tag.metadata.as_ref().map(|metadata| metadata.pairs().clone()),
        }
    }
}
