//! Clients (contract nos. 10-14).

use serde::{Deserialize, Serialize};
use tenantry_domain::{Checks, Client, Error, Instant, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{Id, Query};
use crate::reply::{List, Ok200};
use crate::route::{ACCOUNTS_INSPECT, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Route, delete, get, post, put};
use crate::wire::{Entity, shown, text};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/auth/clients", ACCOUNTS_INSPECT, list_clients, "List API clients"),
        post("/v1/accounts/{oid}/auth/clients", ACCOUNTS_WRITE, create_client, "Register a client and show its secret once"),
        get("/v1/accounts/{oid}/auth/clients/{id}", ACCOUNTS_INSPECT, get_client, "Read one client"),
        put(
            "/v1/accounts/{oid}/auth/clients/{id}",
            ACCOUNTS_REPAIR,
            update_client,
            "Replace a client's name, description and callbacks",
        ),
        delete("/v1/accounts/{oid}/auth/clients/{id}", ACCOUNTS_REPAIR, delete_client, "Remove a client with its grants"),
        post(
            "/v1/accounts/{oid}/auth/clients/{id}/rotate-secret",
            ACCOUNTS_REPAIR,
            rotate_client_secret,
            "Replace the client's secret, at once or with an overlap",
        ),
        get(
            "/v1/accounts/{oid}/auth/clients/{id}/old-secret",
            ACCOUNTS_INSPECT,
            get_old_secret,
            "See whether the secret before the current one still lives and is used",
        ),
        delete(
            "/v1/accounts/{oid}/auth/clients/{id}/old-secret",
            ACCOUNTS_REPAIR,
            delete_old_secret,
            "End the secret before the current one",
        ),
    ]
}

async fn list_clients(call: Call) -> Result<List<ClientView>> {
    call.account.learn_uses().await?;
    Ok(List(call.account.clients().iter().map(|client| ClientView::new(client)).collect()))
}

async fn create_client(call: Call, Json(body): Json<ClientInput>) -> Result<Ok200<ClientWithSecret>> {
    let (client, secret) = call.account.create_client(call.caller, body.parse()?).await?;
    Ok(Ok200(ClientWithSecret::new(&client, &secret)))
}

async fn get_client(call: Call, Id(id): Id<String>) -> Result<Ok200<ClientView>> {
    call.account.learn_uses().await?;
    Ok(Ok200(ClientView::new(&*call.account.client(&id)?)))
}

async fn update_client(call: Call, Id(id): Id<String>, Json(body): Json<ClientInput>) -> Result<Ok200<ClientView>> {
    let client = call.account.update_client(call.caller, id, body.parse()?).await?;
    Ok(Ok200(ClientView::new(&client)))
}

async fn delete_client(call: Call, Id(id): Id<String>) -> Result<Ok200<ClientView>> {
    let client = call.account.delete_client(call.caller, id).await?;
    Ok(Ok200(ClientView::new(&client)))
}

async fn rotate_client_secret(
    call: Call,
    Id(id): Id<String>,
    Query(query): Query<RotateQuery>,
) -> Result<Ok200<ClientWithSecret>> {
    let overlap = query.overlap.unwrap_or_default();
    call.account.learn_uses().await?;
    let (client, secret) = call.account.rotate_client_secret(call.caller, id, overlap).await?;
    Ok(Ok200(ClientWithSecret::new(&client, &secret)))
}

async fn get_old_secret(call: Call, Id(id): Id<String>) -> Result<Ok200<OldSecret>> {
    call.account.learn_uses().await?;
    OldSecret::of(&*call.account.client_with_old_secret(&id)?)
}

async fn delete_old_secret(call: Call, Id(id): Id<String>) -> Result<Ok200<OldSecret>> {
    OldSecret::of(&*call.account.delete_old_client_secret(call.caller, id).await?)
}

/// How a secret is replaced. A misspelt overlap would end the old secret at once, so nothing else is taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateQuery {
    /// How long the old secret lives on, in seconds.
    #[schema(minimum = 0, maximum = 86400, default = 0)]
    overlap: Option<i64>,
}

/// The secret before the current one, while it lives.
#[derive(Serialize, ToSchema)]
struct OldSecret {
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
    /// When a client last showed it; absent if none did.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Instant>,
}

impl OldSecret {
    fn of(client: &Client) -> Result<Ok200<Self>> {
        let (secret, expires_at) = client.old_secret.as_ref().ok_or(Error::NotFound)?;
        Ok(Ok200(Self { expires_at: *expires_at, last_used_at: secret.used.at() }))
    }
}

/// A client as it is sent; everything may be left out.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "web shop", "callbacks": ["https://shop.example.com/back"]}))]
pub(crate) struct ClientInput {
    /// A name for people. At most 255 characters.
    pub(crate) name: Option<String>,
    /// What the client is for. At most 1000 characters.
    pub(crate) description: Option<String>,
    /// Chosen by the caller or made by the server: 1 to 128 of A-Z a-z 0-9 - . _ ~. Never given to another client, and never changed.
    pub(crate) client_id: Option<String>,
    /// Allowed redirect targets, compared byte by byte; at most 100. https, or http on the loopback address.
    pub(crate) callbacks: Option<Vec<String>>,
}

impl ClientInput {
    pub(crate) fn parse(self) -> Result<tenantry_domain::ClientInput> {
        let mut checks = Checks::default();
        let name = text(&mut checks, "name", self.name);
        let description = text(&mut checks, "description", self.description);
        let client_id = checks.take("client_id", self.client_id.map(|id| id.parse()).transpose());
        let callbacks = self.callbacks.unwrap_or_default();
        if callbacks.len() > 100 {
            checks.fault("callbacks", "must have at most 100 entries");
        }
        let callback =
            |(at, text): (usize, &String)| checks.take(&format!("callbacks[{at}]"), tenantry_domain::ClientInput::callback(text));
        let callbacks = callbacks.iter().enumerate().map(callback).collect::<Option<Vec<_>>>();
        let input = (|| {
            Some(tenantry_domain::ClientInput {
                name: name?,
                description: description?,
                client_id: client_id?,
                callbacks: callbacks?,
            })
        })();
        Ok(checks.done(input)?)
    }
}

/// A client as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
struct ClientView {
    #[serde(flatten)]
    entity: Entity,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What the client is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Its public name.
    client_id: String,
    /// Allowed redirect targets.
    callbacks: Vec<String>,
    /// When it last showed its current secret; absent if it never did. Written down once a minute.
    #[schema(read_only, value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Instant>,
}

impl ClientView {
    fn new(client: &Client) -> Self {
        Self {
            entity: Entity::new(client.key.0, &client.stamp),
            name: shown(client.name.as_ref()),
            description: shown(client.description.as_ref()),
            client_id: client.client_id.to_string(),
            callbacks: client.callbacks.clone(),
            last_used_at: client.secret.used.at(),
        }
    }
}

/// A client with its secret, which is not shown again.
#[derive(Serialize, ToSchema)]
struct ClientWithSecret {
    #[serde(flatten)]
    client: ClientView,
    /// Shown once, at creation or rotation: 43 characters of A-Z a-z 0-9.
    client_secret: String,
}

impl ClientWithSecret {
    fn new(client: &Client, secret: &Secret) -> Self {
        Self { client: ClientView::new(client), client_secret: secret.reveal().to_owned() }
    }
}
