//! Customers log in, by their address or number (contract nos. 43-46).

use serde::{Deserialize, Serialize};
use tenantry_accounts::{CustomerIdent, CustomerName, Login};
use tenantry_domain::{Checks, Email, Password, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::forwarded::PersonAddress;
use crate::mfa::BindingMethod;
use crate::reply::{NoContent204, Ok200};
use crate::route::{Policy, Route, post};
use crate::token_request::secret;
use crate::tokens::AccessToken;
use crate::users::{ChallengeType, OobChannel};

/// Who may bring what people prove themselves with.
const BRING: Policy = Policy::any_of(&["write:accounts:/auth/users"]).signs_in();
/// The same for one factor alone.
const BRING_ONE: Policy = Policy::any_of(&["write:accounts:/auth/users", "write:accounts:/auth/users/no-mfa"]).signs_in();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post(
            "/v1/accounts/{aid}/customers/change_password",
            BRING,
            change_customer_password,
            "Mail the customer a way to set a new password",
        ),
        post("/v1/accounts/{aid}/customers/login", BRING_ONE, log_customer_in, "Log a customer in with one factor"),
        post(
            "/v1/accounts/{aid}/customers/mfa_login",
            BRING,
            begin_customer_login,
            "Check the first factor and open a second-factor challenge",
        ),
        post(
            "/v1/accounts/{aid}/customers/mfa_login_recovery",
            BRING,
            begin_customer_recovery,
            "Send a recovery code to a customer who lost password or pin",
        ),
    ]
}

async fn change_customer_password(call: Call, Json(body): Json<ChangeCustomerPassword>) -> Result<NoContent204> {
    let email: Email = body.email.parse().map_err(|fault: String| ApiError::invalid("email", fault))?;
    call.account.change_customer_password(call.caller, &body.audience, (body.kind.into(), &email)).await?;
    Ok(NoContent204)
}

async fn log_customer_in(call: Call, from: PersonAddress, Json(body): Json<CustomerLogin>) -> Result<Ok200<AccessToken>> {
    let mut checks = Checks::default();
    let ident = match (&body.email, body.ident_type, &body.ident) {
        (Some(email), None, None) => checks.take("email", email.parse()).map(CustomerIdent::Email),
        (None, Some(kind), Some(ident)) => kind.parse(&mut checks, ident),
        _ => {
            checks.fault("email", "or ident_type and ident are required, not both");
            None
        }
    };
    let password = checks.take("password", shown(body.password));
    let (ident, password) = checks.done(ident.zip(password))?;
    let name = CustomerName { ident, kind: body.kind.into(), audience: &body.audience };
    match call.account.log_customer_in(call.caller, name, password, from.0).await? {
        Login::Done(token) => Ok(Ok200(AccessToken::new(&token))),
        Login::SecondFactor(handle) => Err(ApiError::MfaRequired(handle)),
    }
}

async fn begin_customer_login(
    call: Call,
    from: PersonAddress,
    Json(body): Json<CustomerMfaLogin>,
) -> Result<Ok200<MfaLoginChallenge>> {
    let mut checks = Checks::default();
    let ident = body.ident_type.parse(&mut checks, &body.ident);
    let secret = checks.take("secret", shown(body.secret));
    let (ident, secret) = checks.done(ident.zip(secret))?;
    let name = CustomerName { ident, kind: body.kind.into(), audience: &body.audience };
    let begun = call.account.begin_customer_login(call.caller.clone(), name, secret, from.0).await?;
    Ok(Ok200(MfaLoginChallenge {
        links: vec![link(&call, LinkRel::MfaChallenge), link(&call, LinkRel::MfaOob)],
        mfa_token: begun.mfa_token.reveal().to_owned(),
        challenge_type: ChallengeType::Oob,
        oob_channel: begun.channel.into(),
    }))
}

async fn begin_customer_recovery(call: Call, Json(body): Json<CustomerMfaRecovery>) -> Result<Ok200<MfaRecoveryChallenge>> {
    let mut checks = Checks::default();
    let ident = body.ident_type.parse(&mut checks, &body.ident);
    let name = CustomerName { ident: checks.done(ident)?, kind: body.kind.into(), audience: &body.audience };
    let sent = call.account.recover_customer(call.caller.clone(), name).await?;
    Ok(Ok200(MfaRecoveryChallenge {
        links: vec![link(&call, LinkRel::MfaOob)],
        binding_method: BindingMethod::Prompt,
        oob_code: sent.oob_code.reveal().to_owned(),
        mfa_token: sent.mfa_token.reveal().to_owned(),
        challenge_type: ChallengeType::Oob,
    }))
}

/// Where a login goes on.
fn link(call: &Call, rel: LinkRel) -> FactorLink {
    let path = match rel {
        LinkRel::MfaChallenge => "auth/mfa/challenge",
        LinkRel::MfaOob => "auth/token",
    };
    FactorLink { rel, href: format!("{}/{path}", call.public().account(call.account.id())) }
}

fn shown(secret: Option<Secret>) -> std::result::Result<Password, String> {
    Password::shown(secret.ok_or("is required")?.reveal().to_owned())
}

/// Kinds of customers that log in.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LoginType {
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

/// By what a customer is known.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CustomerIdentType {
    PhoneNumber,
    Email,
}

impl CustomerIdentType {
    fn parse(self, checks: &mut Checks, ident: &str) -> Option<CustomerIdent> {
        match self {
            Self::Email => checks.take("ident", ident.parse()).map(CustomerIdent::Email),
            Self::PhoneNumber => checks.take("ident", ident.parse()).map(CustomerIdent::Phone),
        }
    }
}

/// Who is to get a link to set a new password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "audience": "https://id.example.com/v1/accounts/T11200000", "email": "ola@example.com", "type": "customer",
}))]
struct ChangeCustomerPassword {
    /// A live grant for passwords must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Where the link goes, if it is the address of a customer of this type.
    email: String,
    /// Two types may share an address.
    #[serde(rename = "type")]
    kind: LoginType,
}

/// A customer's word for one factor.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "audience": "https://id.example.com/v1/accounts/T11200000", "email": "ola@example.com", "type": "customer",
    "password": "correct horse battery staple",
}))]
struct CustomerLogin {
    /// A live grant for passwords must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Two types may share an address.
    #[serde(rename = "type")]
    kind: LoginType,
    /// What the customer knows.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 4, max_length = 255, write_only)]
    password: Option<Secret>,
    /// The customer's address; or else `ident_type` and `ident`.
    #[schema(nullable = false)]
    email: Option<String>,
    /// What `ident` is.
    #[schema(nullable = false)]
    ident_type: Option<CustomerIdentType>,
    /// The customer's address or number.
    #[schema(nullable = false)]
    ident: Option<String>,
}

/// A customer's word for the first factor of two.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "audience": "https://id.example.com/v1/accounts/T11200000", "ident_type": "phone_number", "ident": "+4712345678",
    "type": "customer", "secret": "123456",
}))]
struct CustomerMfaLogin {
    /// A live grant for passwords must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// What `ident` is.
    ident_type: CustomerIdentType,
    /// The customer's address or number.
    ident: String,
    /// Two types may share an address.
    #[serde(rename = "type")]
    kind: LoginType,
    /// Password or pin.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    secret: Option<Secret>,
}

/// A customer who lost password and pin.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "audience": "https://id.example.com/v1/accounts/T11200000", "ident_type": "email", "ident": "ola@example.com",
    "type": "customer",
}))]
struct CustomerMfaRecovery {
    /// A live grant for passwords must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// What `ident` is.
    ident_type: CustomerIdentType,
    /// The customer's address or number.
    ident: String,
    /// Two types may share an address.
    #[serde(rename = "type")]
    kind: LoginType,
}

/// What a link leads to.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MfaLinkRel)]
enum LinkRel {
    MfaChallenge,
    MfaOob,
}

/// Where a login goes on.
#[derive(Serialize, ToSchema)]
#[schema(as = MfaLink)]
struct FactorLink {
    /// What it leads to.
    rel: LinkRel,
    /// Where that is.
    #[schema(format = "uri")]
    href: String,
}

/// The first factor was shown; a code has to be asked for.
#[derive(Serialize, ToSchema)]
struct MfaLoginChallenge {
    /// Where to go on.
    links: Vec<FactorLink>,
    /// The handle for both.
    mfa_token: String,
    /// How the second factor is shown.
    challenge_type: ChallengeType,
    /// Where its code goes.
    #[schema(required = false)]
    oob_channel: OobChannel,
}

/// The first code is on its way, if there is somebody to get it.
#[derive(Serialize, ToSchema)]
struct MfaRecoveryChallenge {
    /// Where to go on.
    links: Vec<FactorLink>,
    /// The person is asked for it.
    #[schema(required = false)]
    binding_method: BindingMethod,
    /// Names the code.
    oob_code: String,
    /// The handle for the token endpoint.
    mfa_token: String,
    /// How the second factor is shown.
    challenge_type: ChallengeType,
}
