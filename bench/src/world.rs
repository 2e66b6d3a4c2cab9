//! The accounts that the load is about, made over the API.

use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::http::{Connection, Request};
use crate::server::{Server, bootstrap};

/// Where tokens are for.
const PUBLIC: &str = "https://id.example.com";
/// How many callers make things at once.
const MAKERS: usize = 16;
/// The grant type of RFC 8693.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A partner with a client, and its sub-accounts.
pub(crate) struct World {
    pub(crate) partner: Member,
    basic: String,
    /// The operator's token on the partner: all scopes there are.
    pub(crate) inside: Member,
    pub(crate) below: Vec<Member>,
}

/// An account, and a token that may do everything there.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) token: String,
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("{name} in {value}"))?.to_owned())
}

impl Member {
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/{rest}", self.id)
    }

    pub(crate) fn post(&self, rest: &str, body: &Value) -> Request {
        Request::json("POST", &self.path(rest), &self.token, body)
    }

    pub(crate) fn delete(&self, rest: &str) -> Request {
        Request::new("DELETE", &self.path(rest), &format!("Authorization: Bearer {}\r\n", self.token), "")
    }

    /// A request for a token on an account below it, in one step.
    pub(crate) fn exchange(&self, id: &str) -> Request {
        let body = json!({"grant_type": EXCHANGE, "subject_token": self.token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"});
        Request::new("POST", &format!("/v1/accounts/{id}/auth/token"), "Content-Type: application/json\r\n", &body.to_string())
    }

    /// The audience of its tokens.
    pub(crate) fn audience(&self) -> String {
        format!("{PUBLIC}/v1/accounts/{}", self.id)
    }

    /// A request for a token of its own with these credentials.
    pub(crate) fn client_credentials(&self, basic: &str) -> Request {
        let body = json!({"grant_type": "client_credentials", "audience": self.audience()});
        Request::token(&self.path("auth/token"), basic, &body)
    }

    /// A role, as each of the loads creates them.
    pub(crate) fn create_role(&self) -> Request {
        self.post("auth/roles", &json!({"description": "made by a load", "scope": ["read:accounts"]}))
    }
}

impl World {
    /// The partner `T11200000` on a new database in `data`; `server` serves it already.
    pub(crate) async fn new(server: &Server, operator: &Value) -> Result<Self> {
        let mut wire = Connection::open(server.api).await?;
        let operator = login(&mut wire, operator).await?;
        let (inside, partner, basic) = Self::partner(&mut wire, &operator, "T11200000").await?;
        Ok(Self { partner, basic, inside, below: Vec::new() })
    }

    /// A new partner: the operator's token on it, a token of its own, and the credentials of that one's client.
    pub(crate) async fn partner(wire: &mut Connection, operator: &Member, id: &str) -> Result<(Member, Member, String)> {
        wire.json(&operator.post("management/accounts", &json!({"account_id": id, "display_name": "Partner"}))).await?;
        let inside = enter(wire, operator, id).await?;
        let (partner, basic) = inside.client(wire).await?;
        Ok((inside, partner, basic))
    }

    /// Bootstraps `data`, serves it with `settings`, and makes the partner and `below` sub-accounts.
    pub(crate) async fn start(data: &Path, settings: &[(&str, &str)], below: usize) -> Result<(Server, Self)> {
        let made = bootstrap(data, settings)?;
        let server = Server::start(data, settings)?;
        let mut world = Self::new(&server, &made["test"]).await?;
        world.grow(&server, below).await?;
        Ok((server, world))
    }

    /// Makes sub-accounts, each with a signing key and a token of the partner's on it.
    pub(crate) async fn grow(&mut self, server: &Server, count: usize) -> Result<()> {
        let partner = &self.partner;
        let makers = (0..MAKERS).map(async |maker| {
            let mut wire = Connection::open(server.api).await?;
            let mut made = Vec::new();
            for _ in (maker..count).step_by(MAKERS) {
                let account = wire.json(&partner.post("management/accounts", &json!({"display_name": "Shop"}))).await?;
                made.push(enter(&mut wire, partner, &text(&account, "account_id")?).await?);
            }
            anyhow::Ok(made)
        });
        self.below.extend(try_join_all(makers).await?.into_iter().flatten());
        Ok(())
    }

    /// Fills each sub-account with clients, grants, roles and keys.
    pub(crate) async fn furnish(&self, server: &Server, shape: Shape) -> Result<()> {
        let makers = (0..MAKERS).map(async |maker| {
            let mut wire = Connection::open(server.api).await?;
            for member in self.below.iter().skip(maker).step_by(MAKERS) {
                member.furnish(&mut wire, shape).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(makers).await.map(drop)
    }

    /// A request for a token of the partner's own.
    pub(crate) fn client_credentials(&self) -> Request {
        self.partner.client_credentials(&self.basic)
    }

    /// A request for a token on `member`, in one step.
    pub(crate) fn exchange(&self, member: &Member) -> Request {
        self.partner.exchange(&member.id)
    }
}

/// How many of each an account has. The first client makes two of the grants.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    pub(crate) grants: usize,
    pub(crate) roles: usize,
    pub(crate) keys: usize,
    /// Who administer it.
    pub(crate) users: usize,
}

impl Shape {
    /// How many rows that is.
    pub(crate) fn rows(self) -> usize {
        self.clients + self.grants + self.roles + self.keys + self.users
    }
}

impl Member {
    /// A client of this account's own that may do everything there: its token, and its credentials for HTTP Basic.
    pub(crate) async fn client(&self, wire: &mut Connection) -> Result<(Self, String)> {
        let client = wire.json(&self.post("auth/clients", &json!({}))).await?;
        let audience = format!("{PUBLIC}/v1/accounts/{}", self.id);
        let scope = ["admin:accounts", "admin:customers"];
        let grant = json!({"client_id": client["client_id"], "audience": audience, "scope": scope});
        wire.json(&self.post("auth/client-grants", &grant)).await?;
        let credentials = json!({"account_id": self.id, "audience": audience, "client_id": client["client_id"],
            "client_secret": client["client_secret"]});
        Ok((login(wire, &credentials).await?, basic(&credentials)?))
    }

    pub(crate) async fn furnish(&self, wire: &mut Connection, shape: Shape) -> Result<()> {
        let mut clients = Vec::new();
        for number in 0..shape.clients {
            let body = json!({"name": format!("Client {number}"), "callbacks": ["https://shop.example.com/signed-in"]});
            clients.push(text(&wire.json(&self.post("auth/clients", &body)).await?, "client_id")?);
        }
        for number in 0..shape.grants {
            let client = &clients[number % clients.len()];
            let audience = match number / clients.len() {
                0 => format!("{PUBLIC}/v1/accounts/{}", self.id),
                other => format!("https://service-{other}.example.com/"),
            };
            let body =
                json!({"client_id": client, "audience": audience, "scope": ["read:accounts", "write:accounts:/auth/users"]});
            wire.json(&self.post("auth/client-grants", &body)).await?;
        }
        for number in 0..shape.users {
            let email = format!("kari.{number}.{}@example.com", self.id.to_lowercase());
            let body =
                json!({"email": email, "name": "Kari Nordmann", "scope": ["read:accounts"], "authentication_type": "external"});
            wire.json(&self.post("management/users", &body)).await?;
        }
        for number in 0..shape.roles {
            let scope = ["read:accounts", "write:accounts", "admin:accounts"];
            let body = json!({"name": format!("Role {number}"), "description": "What it is for", "scope": scope});
            wire.json(&self.post("auth/roles", &body)).await?;
        }
        for _ in 1..shape.keys {
            wire.json(&self.post("auth/keys/rotate", &json!({"activate_in": 3600}))).await?;
        }
        Ok(())
    }
}

pub(crate) fn basic(credentials: &Value) -> Result<String> {
    Ok(STANDARD.encode(format!("{}:{}", text(credentials, "client_id")?, text(credentials, "client_secret")?)))
}

/// A client's own token.
pub(crate) async fn login(wire: &mut Connection, credentials: &Value) -> Result<Member> {
    let id = text(credentials, "account_id")?;
    let body = json!({"grant_type": "client_credentials", "audience": credentials["audience"]});
    let request = Request::token(&format!("/v1/accounts/{id}/auth/token"), &basic(credentials)?, &body);
    let token = text(&wire.json(&request).await?, "access_token")?;
    Ok(Member { id, token })
}

/// A token of `above` on an account below it.
pub(crate) async fn enter(wire: &mut Connection, above: &Member, id: &str) -> Result<Member> {
    let token = text(&wire.json(&above.exchange(id)).await?, "access_token")?;
    Ok(Member { id: id.to_owned(), token })
}
