//! Members: the people who administer an account (contract section 9).

use serde::{Deserialize, Serialize};
use tenantry_accounts::{Directory, Event, EventFilter, MemberFilter};
use tenantry_domain::{AuthUserId, Checks, Instant, Member, MemberRights, RoleId};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::events::Order;
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, Page};
use crate::route::{ACCOUNTS_READ, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Route, delete, get, post, put};
use crate::wire::{Entity, ScopeName, given, scope_names, scopes, shown, text};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/management/users", ACCOUNTS_READ, list_members, "List the account's users"),
        post("/v1/accounts/{oid}/management/users", ACCOUNTS_WRITE, invite_member, "Invite somebody to the account"),
        get("/v1/accounts/{oid}/management/users/{uid}", ACCOUNTS_READ, get_member, "Read one of the account's users"),
        put("/v1/accounts/{oid}/management/users/{uid}", ACCOUNTS_REPAIR, update_member, "Say what a user may do here"),
        delete("/v1/accounts/{oid}/management/users/{uid}", ACCOUNTS_REPAIR, remove_member, "Remove a user from the account"),
        get(
            "/v1/accounts/{oid}/management/users/{uid}/activities",
            ACCOUNTS_READ,
            list_activities,
            "List what a user did in the account",
        ),
    ]
}

async fn list_members(call: Call, Query(filter): Query<MemberQuery>) -> Result<Page<MemberView>> {
    let limit = query::limit(filter.limit)?;
    let after = query::optional("starting_after", filter.starting_after.as_deref())?;
    let expand = matches!(filter.expand, Some(Expand::Roles));
    let role = query::optional("role", filter.role.as_deref())?;
    let filter = MemberFilter { search: filter.search, role, after, limit: limit as usize };
    let directory = call.account.directory();
    let views = call.account.members(&filter).iter().map(|member| MemberView::new(member, &directory, expand)).collect();
    Ok(Page::new(views, limit, |view: &MemberView| view.entity.id()))
}

async fn invite_member(call: Call, Json(body): Json<MemberCreate>) -> Result<Ok200<MemberView>> {
    let mut checks = Checks::default();
    let email = checks.take("email", body.email.parse());
    let external = matches!(body.authentication_type, Some(AuthenticationType::External));
    let rights = rights(&mut checks, body.name, &body.scope, &body.roles);
    let input = (|| Some(tenantry_domain::MemberInput { email: email?, rights: rights?, external }))();
    let member = call.account.invite(call.caller, checks.done(input)?).await?;
    Ok(Ok200(MemberView::new(&member, &call.account.directory(), false)))
}

async fn get_member(call: Call, Id(id): Id<AuthUserId>) -> Result<Ok200<MemberView>> {
    let directory = call.account.directory();
    let member = directory.members.get(&id).ok_or(tenantry_domain::Error::NotFound)?;
    Ok(Ok200(MemberView::new(member, &directory, true)))
}

async fn update_member(call: Call, Id(id): Id<AuthUserId>, Json(body): Json<MemberUpdate>) -> Result<Ok200<MemberView>> {
    let mut checks = Checks::default();
    let rights = rights(&mut checks, body.name, &body.scope, &body.roles);
    let rights = rights.map(|rights| MemberRights { enabled: body.enabled, ..rights });
    let member = call.account.update_member(call.caller, id, checks.done(rights)?).await?;
    Ok(Ok200(MemberView::new(&member, &call.account.directory(), false)))
}

async fn remove_member(call: Call, Id(id): Id<AuthUserId>) -> Result<Ok200<MemberView>> {
    let member = call.account.remove_member(call.caller, id).await?;
    Ok(Ok200(MemberView::new(&member, &call.account.directory(), false)))
}

async fn list_activities(call: Call, Id(id): Id<AuthUserId>, Query(page): Query<ActivityQuery>) -> Result<Page<Activity>> {
    let limit = query::limit(page.limit)?;
    let after = query::optional("starting_after", page.starting_after.as_deref())?;
    let filter = EventFilter {
        subject: Some(id.member_subject()),
        after,
        latest_first: matches!(page.order, Order::Desc),
        limit: limit.into(),
        ..EventFilter::default()
    };
    let events = call.account.events(&filter).await?;
    Ok(Page::new(events.into_iter().map(Activity::new).collect(), limit, |activity| activity.id.to_string()))
}

fn rights(checks: &mut Checks, name: Option<String>, scope: &[ScopeName], roles: &[RoleRef]) -> Option<MemberRights> {
    const MAX: usize = 100;
    if roles.len() > MAX {
        checks.fault("roles", format!("must have at most {MAX} entries"));
    }
    let (name, scope) = (text(checks, "name", name), scopes(checks, scope));
    let mut ids: Vec<RoleId> = Vec::new();
    for (at, role) in roles.iter().enumerate() {
        let id = checks.take(&format!("roles[{at}].id"), role.id.parse());
        ids.extend(id.filter(|id| !ids.contains(id)));
    }
    Some(MemberRights { name: name?, scope: scope?, roles: ids, enabled: None })
}

/// Which members to list.
#[derive(Deserialize, ToSchema)]
struct MemberQuery {
    /// A part of the id, name or address, without regard to case.
    search: Option<String>,
    /// Whoever holds this role.
    role: Option<String>,
    /// What is shown in full.
    expand: Option<Expand>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last member of the page before.
    starting_after: Option<String>,
}

/// What is shown in full.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MemberExpand)]
enum Expand {
    Roles,
}

/// A new member.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "kari@example.com", "name": "Kari", "scope": ["read:accounts"]}))]
struct MemberCreate {
    /// Who it is.
    email: String,
    /// What people call it; at most 255 characters.
    name: Option<String>,
    /// Scopes of its own; at most 100, each of which the caller must hold.
    #[serde(default)]
    #[schema(required = false)]
    scope: Vec<ScopeName>,
    /// Roles of the account, whose scopes the caller must hold.
    #[serde(default)]
    #[schema(required = false)]
    roles: Vec<RoleRef>,
    /// `external`: it signs in elsewhere, and is not asked to choose a password.
    #[schema(nullable = false)]
    authentication_type: Option<AuthenticationType>,
}

/// What a member may do from now on; replaces all of it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Kari", "scope": ["read:accounts"], "roles": []}))]
struct MemberUpdate {
    /// `false` shuts it out from the very next request on; it keeps what it has for another time. Left out: as until now.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// What people call it; at most 255 characters.
    name: Option<String>,
    /// Scopes of its own; at most 100, each of which the caller must hold.
    scope: Vec<ScopeName>,
    /// Roles of the account, whose scopes the caller must hold.
    #[serde(default)]
    #[schema(required = false)]
    roles: Vec<RoleRef>,
}

/// A role, by its id.
#[derive(Deserialize, ToSchema)]
struct RoleRef {
    /// The role.
    id: String,
}

/// How a member signs in.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthenticationType {
    Password,
    External,
}

/// A member as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
struct MemberView {
    #[serde(flatten)]
    entity: Entity,
    /// Its address.
    email: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Scopes of its own.
    scope: Vec<ScopeName>,
    /// Its roles.
    roles: Vec<MemberRole>,
    /// How it signs in.
    authentication_type: AuthenticationType,
    /// Whether it may do anything here.
    enabled: bool,
}

/// A role of a member.
#[derive(Serialize, ToSchema)]
struct MemberRole {
    /// The role.
    id: Uuid,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The scopes it gives; only where roles are to be shown in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Vec<ScopeName>>,
}

impl MemberView {
    fn new(member: &Member, directory: &Directory, expand: bool) -> Self {
        let role = |id: &RoleId| {
            let role = directory.roles.get(id)?;
            let scope = expand.then(|| scope_names(&role.scope));
            Some(MemberRole { id: id.0, name: shown(role.name.as_ref()), scope })
        };
        Self {
            entity: Entity::new(member.id.0, &member.stamp),
            email: member.email.to_string(),
            name: shown(member.name.as_ref()),
            scope: scope_names(&member.scope),
            roles: member.roles.iter().filter_map(role).collect(),
            authentication_type: if member.external { AuthenticationType::External } else { AuthenticationType::Password },
            enabled: member.enabled,
        }
    }
}

/// A page of what a member did.
#[derive(Deserialize, ToSchema)]
struct ActivityQuery {
    /// `desc`: the latest first.
    #[serde(default)]
    order: Order,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The activity that the page before ended with.
    starting_after: Option<String>,
}

/// Something that a member did.
#[derive(Serialize, ToSchema)]
#[schema(as = MemberActivity)]
struct Activity {
    /// Its id.
    id: Uuid,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// What: `auth.token`, `role.created`.
    action: String,
    /// Who.
    actor: String,
    /// The record it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    /// From where.
    context: ActivityContext,
}

/// From where something was done.
#[derive(Serialize, ToSchema)]
struct ActivityContext {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// The program.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl Activity {
    fn new(event: Event) -> Self {
        let content = event.content.as_ref();
        Self {
            id: event.id.0,
            created_at: event.at,
            entity: content.and_then(|content| content.target.clone()),
            context: ActivityContext {
                ip: content.and_then(|content| content.ip.clone()),
                user_agent: content.and_then(|content| content.user_agent.clone()),
            },
            action: event.kind,
            actor: event.subject,
        }
    }
}
