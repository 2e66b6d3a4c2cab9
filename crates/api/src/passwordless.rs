//! Logging in without a password (contract nos. 1, 4 and 5).

use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use tenantry_accounts::{Caller, CodeRequest, Link};
use tenantry_domain::{Channel, Checks, Email};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::Json;
use crate::call::{Call, Unproven, origin};
use crate::error::Result;
use crate::openapi::{Describe, Operation};
use crate::pages::{is_browser, link_page};
use crate::query::Query;
use crate::reply::{Found302, NoContent204, Ok200};
use crate::route::{Policy, Route, get, post};

/// Who may have codes sent; the last two over one channel each.
const SEND: Policy = Policy::any_of(&[
    "admin:accounts",
    "write:accounts",
    "write:accounts:/auth/passwordless",
    "write:accounts:/auth/passwordless-sms",
    "write:accounts:/auth/passwordless-email",
])
.signs_in();
/// Who may hand codes over.
const MAKE: Policy = Policy::any_of(&["admin:accounts", "write:accounts", "write:accounts:/auth/passwordless/code"]).signs_in();
/// Any live token.
const ANYONE: Policy = Policy::any_of(&[]).signs_in();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{oid}/auth/passwordless", SEND, send_code, "Send a one-time login code by e-mail or SMS"),
        post("/v1/accounts/{oid}/auth/passwordless/code", MAKE, make_code, "Make a one-time code for the caller to hand over"),
        post("/v1/accounts/{oid}/auth/authorize", ANYONE, authorize, "Go to a callback with an ID token, for a one-time code"),
        get("/v1/accounts/{oid}/auth/authorize", Policy::public(), follow, "The same for a link that was clicked"),
    ]
}

async fn send_code(call: Call, Json(body): Json<PasswordlessRequest>) -> Result<NoContent204> {
    let mut checks = Checks::default();
    let email = checks.take("email", body.email.ok_or("is required: it finds the customer".to_owned()).and_then(|e| e.parse()));
    let session = body.login_session_id.map(|id| Uuid::try_parse(&id)).transpose();
    let login_session = checks.take("login_session_id", session.map_err(|_| "must be a UUID"));
    let (email, login_session): (Email, _) = checks.done((|| Some((email?, login_session?)))())?;
    let (client_id, audience) = (body.client_id.as_str(), body.audience.as_str());
    let (channel, kind) = (body.connection.into(), body.kind.into());
    let request = CodeRequest { client_id, audience, channel, email: &email, kind, login_session };
    call.account.send_login_code(call.caller, request).await?;
    Ok(NoContent204)
}

async fn make_code(call: Call, Json(body): Json<PasswordlessCodeRequest>) -> Result<Ok200<PasswordlessCode>> {
    let code = call.account.make_login_code(call.caller, &body.client_id, &body.audience, &body.user_id).await?;
    Ok(Ok200(PasswordlessCode { verification_code: code.reveal().to_owned() }))
}

async fn authorize(call: Call, Query(query): Query<AuthorizeQuery>) -> Result<Found302> {
    Ok(Found302(call.account.follow_link(call.caller, query.link()).await?))
}

async fn follow(at: Unproven, Query(query): Query<AuthorizeQuery>) -> Result<LinkReply> {
    let (account, link) = (at.account().await?, query.link());
    if is_browser(&at.request) {
        let callback = account.callback_of(&link)?;
        return Ok(LinkReply(link_page(&at.request, account.id(), &link, &callback)?));
    }
    let target = account.follow_link(Caller::at(origin(&at.request)), link).await?;
    Ok(LinkReply(Found302(target).respond_to(&at.request)))
}

/// A page for a person, a redirect for a program.
struct LinkReply(HttpResponse);

impl Responder for LinkReply {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Describe for LinkReply {
    fn describe(operation: &mut Operation<'_>) {
        operation.page();
        Found302::describe(operation);
    }
}

/// Who is to be sent a code.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "client_id": "shop-web",
    "audience": "https://api.example.com/v1/accounts/T11200000",
    "connection": "email",
    "email": "ola@example.com",
}))]
struct PasswordlessRequest {
    /// The client whose customers log in.
    client_id: String,
    /// Whom the token is to be for; a live grant of type `authorization_code` must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// How the code is sent; by SMS to the customer's own number.
    connection: Connection,
    /// Finds the customer. Needed.
    #[schema(nullable = false)]
    email: Option<String>,
    /// What kind of customer has this address.
    #[serde(rename = "type", default)]
    #[schema(required = false)]
    kind: LoginType,
    /// What is sent.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    #[serde(default)]
    #[schema(required = false)]
    send: SendType,
    /// Chosen by the caller; said again, it sends the same code again, also over the other channel.
    #[schema(format = "uuid", nullable = false)]
    login_session_id: Option<String>,
}

/// How a code is sent.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PasswordlessConnection)]
enum Connection {
    Email,
    Sms,
}

impl From<Connection> for Channel {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::Email => Self::Email,
            Connection::Sms => Self::Sms,
        }
    }
}

/// Which customers can log in.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PasswordlessType, default = "customer")]
enum LoginType {
    #[default]
    Customer,
    Company,
}

impl From<LoginType> for tenantry_domain::CustomerType {
    fn from(kind: LoginType) -> Self {
        match kind {
            LoginType::Customer => Self::Customer,
            LoginType::Company => Self::Company,
        }
    }
}

/// What is sent.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PasswordlessSend, default = "code")]
enum SendType {
    #[default]
    Code,
}

/// Whom a code is to log in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "client_id": "shop-web",
    "audience": "https://api.example.com/v1/accounts/T11200000",
    "user_id": "customer:c-17",
}))]
struct PasswordlessCodeRequest {
    /// Whom the token is to be for; a live grant of type `authorization_code` must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// The client whose grant the user will get.
    client_id: String,
    /// The `sub` of the user's tokens: `customer:` and a `customer_id`, or `auth-user:` and an id; a bare `customer_id`, too.
    user_id: String,
}

/// A code to hand over. It works once and for ten minutes.
#[derive(Serialize, ToSchema)]
struct PasswordlessCode {
    /// For the token endpoint with `ident_type` `user_id`, or for a link.
    verification_code: String,
}

/// A link to a callback.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AuthorizeQuery {
    /// For which audience the code was made.
    audience: String,
    /// What happens.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    response_type: ResponseType,
    /// For which client it was made.
    client_id: String,
    /// What was handed over.
    verification_code: String,
    /// What is asked for: who it is.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    scope: Option<IdScope>,
    /// Echoed.
    state: Option<String>,
    /// One of the client's callbacks, byte for byte; its only one if left out.
    redirect_uri: Option<String>,
    /// How the code was sent; for the log of the caller.
    #[expect(dead_code, reason = "of no consequence here")]
    connection: Option<String>,
}

impl AuthorizeQuery {
    pub(crate) fn link(&self) -> Link<'_> {
        Link {
            client_id: &self.client_id,
            audience: &self.audience,
            code: &self.verification_code,
            redirect_uri: self.redirect_uri.as_deref(),
            state: self.state.as_deref(),
        }
    }
}

/// What happens at a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthorizeResponseType)]
enum ResponseType {
    Authenticate,
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthorizeScope)]
enum IdScope {
    Openid,
}
