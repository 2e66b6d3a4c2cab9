//! Roles (contract nos. 18-22).

use serde::{Deserialize, Serialize};
use tenantry_accounts::RoleFilter;
use tenantry_domain::{Checks, Role, RoleId};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, Page};
use crate::route::{ACCOUNTS_READ, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Route, delete, get, post, put};
use crate::wire::{Entity, ScopeName, scope_names, scopes, shown, text};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/auth/roles", ACCOUNTS_READ, list_roles, "List roles by filter"),
        post("/v1/accounts/{oid}/auth/roles", ACCOUNTS_WRITE, create_role, "Create a named bundle of scopes"),
        get("/v1/accounts/{oid}/auth/roles/{role_id}", ACCOUNTS_READ, get_role, "Read one role"),
        put("/v1/accounts/{oid}/auth/roles/{role_id}", ACCOUNTS_REPAIR, update_role, "Replace a role's content"),
        delete("/v1/accounts/{oid}/auth/roles/{role_id}", ACCOUNTS_REPAIR, delete_role, "Soft-delete a role"),
    ]
}

async fn list_roles(call: Call, Query(filter): Query<RoleQuery>) -> Result<Page<RoleView>> {
    let limit = query::limit(filter.limit)?;
    let roles = call.account.roles(&filter.parse()?).await?;
    Ok(Page::new(roles.iter().map(|role| RoleView::new(role)).collect(), limit, |role| role.entity.id()))
}

async fn create_role(call: Call, Json(body): Json<RoleInput>) -> Result<Ok200<RoleView>> {
    let role = call.account.create_role(call.caller, body.parse()?).await?;
    Ok(Ok200(RoleView::new(&role)))
}

async fn get_role(call: Call, Id(id): Id<RoleId>) -> Result<Ok200<RoleView>> {
    Ok(Ok200(RoleView::new(&*call.account.role(id)?)))
}

async fn update_role(call: Call, Id(id): Id<RoleId>, Json(body): Json<RoleInput>) -> Result<Ok200<RoleView>> {
    let role = call.account.update_role(call.caller, id, body.parse()?).await?;
    Ok(Ok200(RoleView::new(&role)))
}

async fn delete_role(call: Call, Id(id): Id<RoleId>) -> Result<Ok200<RoleView>> {
    let role = call.account.delete_role(call.caller, id).await?;
    Ok(Ok200(RoleView::new(&role)))
}

/// Which roles to list.
#[derive(Deserialize, ToSchema)]
struct RoleQuery {
    /// A part of the id, name or description, without regard to case.
    search: Option<String>,
    /// Exactly this name, without regard to case.
    name: Option<String>,
    /// Also list soft-deleted roles.
    #[schema(default = false)]
    include_deleted: Option<bool>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last role of the page before.
    starting_after: Option<String>,
}

impl RoleQuery {
    fn parse(self) -> Result<RoleFilter> {
        Ok(RoleFilter {
            include_deleted: self.include_deleted.unwrap_or_default(),
            after: query::optional("starting_after", self.starting_after.as_deref())?,
            limit: query::limit(self.limit)? as usize,
            search: self.search,
            name: self.name,
        })
    }
}

/// A role as it is sent; replaces all of it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "order support", "description": "Administrate orders", "scope": ["read:accounts"]}))]
pub(crate) struct RoleInput {
    /// Unique among live roles, without regard to case. At most 255 characters.
    pub(crate) name: Option<String>,
    /// What the role is for. At most 1000 characters.
    pub(crate) description: Option<String>,
    /// The scopes it gives; at most 100.
    pub(crate) scope: Vec<ScopeName>,
}

impl RoleInput {
    pub(crate) fn parse(self) -> Result<tenantry_domain::RoleInput> {
        let mut checks = Checks::default();
        let name = text(&mut checks, "name", self.name);
        let description = text(&mut checks, "description", self.description);
        let scope = scopes(&mut checks, &self.scope);
        let input = (|| Some(tenantry_domain::RoleInput { name: name?, description: description?, scope: scope? }))();
        Ok(checks.done(input)?)
    }
}

/// A role as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleView {
    #[serde(flatten)]
    entity: Entity,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The scopes it gives.
    scope: Vec<ScopeName>,
}

impl RoleView {
    fn new(role: &Role) -> Self {
        Self {
            entity: Entity::new(role.id.0, &role.stamp),
            name: shown(role.name.as_ref()),
            description: shown(role.description.as_ref()),
            scope: scope_names(&role.scope),
        }
    }
}
