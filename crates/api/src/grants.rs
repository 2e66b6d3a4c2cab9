//! Client grants (contract nos. 15-17, and PATCH of section 9).

use serde::{Deserialize, Serialize};
use tenantry_domain::{Audience, Checks, ClientId, Error, Grant, GrantId, GrantType, PublicUrl, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{List, Ok200};
use crate::route::{ACCOUNTS_INSPECT, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Route, delete, get, patch, post};
use crate::wire::{Entity, ScopeName, scope_names, scopes};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get(
            "/v1/accounts/{oid}/auth/client-grants",
            ACCOUNTS_INSPECT,
            list_client_grants,
            "List grants, optionally for one audience or client",
        ),
        post(
            "/v1/accounts/{oid}/auth/client-grants",
            ACCOUNTS_WRITE,
            create_client_grant,
            "Allow a client to obtain scopes for an audience",
        ),
        patch("/v1/accounts/{oid}/auth/client-grants/{id}", ACCOUNTS_REPAIR, update_client_grant, "Change a grant's scope"),
        delete("/v1/accounts/{oid}/auth/client-grants/{id}", ACCOUNTS_REPAIR, delete_client_grant, "Withdraw a grant"),
    ]
}

async fn list_client_grants(call: Call, Query(filter): Query<GrantQuery>) -> Result<List<GrantView>> {
    let client: Option<ClientId> = query::optional("client_id", filter.client_id.as_deref())?;
    let audience = filter.audience.map(|text| Audience::parse(&text, call.public())).transpose();
    let audience = audience.map_err(|fault| Error::invalid("audience", fault))?;
    let grants = call.account.grants(client.as_ref(), audience.as_ref());
    Ok(List(grants.iter().map(|grant| GrantView::new(grant, call.public())).collect()))
}

async fn create_client_grant(call: Call, Json(body): Json<GrantInput>) -> Result<Ok200<GrantView>> {
    let input = body.parse(call.public())?;
    let grant = call.account.create_grant(call.caller.clone(), input).await?;
    Ok(Ok200(GrantView::new(&grant, call.public())))
}

async fn update_client_grant(call: Call, Id(id): Id<GrantId>, Json(body): Json<GrantChange>) -> Result<Ok200<GrantView>> {
    let mut checks = Checks::default();
    let scope = scopes(&mut checks, &body.scope);
    let grant = call.account.update_grant(call.caller.clone(), id, checks.done(scope)?).await?;
    Ok(Ok200(GrantView::new(&grant, call.public())))
}

async fn delete_client_grant(call: Call, Id(id): Id<GrantId>) -> Result<Ok200<GrantView>> {
    let grant = call.account.delete_grant(call.caller.clone(), id).await?;
    Ok(Ok200(GrantView::new(&grant, call.public())))
}

/// Which grants to list.
#[derive(Deserialize, ToSchema)]
struct GrantQuery {
    /// Exactly this audience.
    audience: Option<String>,
    /// Exactly this client.
    client_id: Option<String>,
}

/// A grant as it is sent.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "client_id": "shop",
    "audience": "https://api.example.com/v1/accounts/T11200001",
    "scope": ["read:accounts"],
}))]
pub(crate) struct GrantInput {
    /// Who may ask for tokens.
    pub(crate) client_id: String,
    /// Whom they are for: this account, one directly below it, or a resource server elsewhere.
    #[schema(format = "uri")]
    pub(crate) audience: String,
    /// What they carry; at most 100 scopes, each of which the caller must hold.
    pub(crate) scope: Vec<ScopeName>,
    /// Restricts which token request may use this grant.
    #[serde(rename = "type", default)]
    pub(crate) kind: GrantTypeName,
    /// An identity provider; needs type `authorization_code`.
    #[schema(nullable = false)]
    pub(crate) oidc: Option<OidcConfig>,
}

impl GrantInput {
    pub(crate) fn parse(self, public: &PublicUrl) -> Result<tenantry_domain::GrantInput> {
        let mut checks = Checks::default();
        let client_id = checks.take("client_id", self.client_id.parse::<ClientId>());
        let audience = checks.take("audience", Audience::parse(&self.audience, public));
        let scope = scopes(&mut checks, &self.scope);
        let kind = GrantType::from(self.kind);
        if self.oidc.is_some() && kind != GrantType::AuthorizationCode {
            checks.fault("oidc", "needs type authorization_code");
        }
        let oidc = self.oidc.map(|oidc| oidc.parse(&mut checks));
        let input =
            (|| Some(tenantry_domain::GrantInput { client_id: client_id?, audience: audience?, scope: scope?, kind, oidc }))();
        Ok(checks.done(input)?)
    }
}

/// The part of a grant that can change.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"scope": ["read:accounts"]}))]
struct GrantChange {
    /// What tokens carry from now on; at most 100 scopes, each of which the caller must hold.
    scope: Vec<ScopeName>,
}

/// Which token request may use a grant.
#[derive(Deserialize, Serialize, ToSchema, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schema(as = GrantType, default = "any")]
pub(crate) enum GrantTypeName {
    #[default]
    Any,
    AuthorizationCode,
    ClientCredentials,
    Password,
}

impl From<GrantTypeName> for GrantType {
    fn from(name: GrantTypeName) -> Self {
        match name {
            GrantTypeName::Any => Self::Any,
            GrantTypeName::AuthorizationCode => Self::AuthorizationCode,
            GrantTypeName::ClientCredentials => Self::ClientCredentials,
            GrantTypeName::Password => Self::Password,
        }
    }
}

impl From<GrantType> for GrantTypeName {
    fn from(kind: GrantType) -> Self {
        match kind {
            GrantType::Any => Self::Any,
            GrantType::AuthorizationCode => Self::AuthorizationCode,
            GrantType::ClientCredentials => Self::ClientCredentials,
            GrantType::Password => Self::Password,
        }
    }
}

/// An identity provider that vouches for people.
#[derive(Deserialize, ToSchema)]
pub(crate) struct OidcConfig {
    /// Our id at the identity provider.
    client_id: String,
    /// Our secret there; taken and never answered.
    #[schema(write_only)]
    client_secret: String,
    /// Issuer URL used for discovery; https.
    #[schema(format = "uri", example = "https://identity.example.com/access")]
    authority: String,
}

impl OidcConfig {
    fn parse(self, checks: &mut Checks) -> tenantry_domain::OidcInput {
        for (field, text) in [("oidc.client_id", &self.client_id), ("oidc.client_secret", &self.client_secret)] {
            if text.is_empty() || text.len() > 1000 {
                checks.fault(field, "must be 1 to 1000 characters");
            }
        }
        // A callback's rules fit an issuer: https (http on the loopback), nothing that two parsers read differently.
        checks.take("oidc.authority", tenantry_domain::ClientInput::callback(&self.authority));
        let Self { client_id, client_secret, authority } = self;
        tenantry_domain::OidcInput { client_id, client_secret: Secret::new(client_secret), authority }
    }
}

/// A grant as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Grant)]
struct GrantView {
    #[serde(flatten)]
    entity: Entity,
    /// Who may ask for tokens.
    client_id: String,
    /// Whom they are for.
    #[schema(format = "uri")]
    audience: String,
    /// What they carry.
    scope: Vec<ScopeName>,
    /// Which token request may use it.
    #[serde(rename = "type")]
    kind: GrantTypeName,
    /// The identity provider, without its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OidcConfig>)]
    oidc: Option<OidcView>,
}

/// An identity provider as it is answered: an [`OidcConfig`] without its secret.
#[derive(Serialize)]
struct OidcView {
    client_id: String,
    authority: String,
}

impl GrantView {
    fn new(grant: &Grant, public: &PublicUrl) -> Self {
        Self {
            entity: Entity::new(grant.id.0, &grant.stamp),
            client_id: grant.client_id.to_string(),
            audience: grant.audience.text(public),
            scope: scope_names(&grant.scope),
            kind: grant.kind.into(),
            oidc: grant
                .oidc
                .as_ref()
                .map(|oidc| OidcView { client_id: oidc.client_id.clone(), authority: oidc.authority.clone() }),
        }
    }
}
