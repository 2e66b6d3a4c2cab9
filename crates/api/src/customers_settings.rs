//! Settings of an account's customers (contract nos. 58 and 59).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tenantry_domain::{
    Attribute, AttributeType, AutoToken, AutoTokens, Checks, CustomersMfa, CustomersSettings, CustomersSettingsChange,
    EventExpiry, Seconds, Secret, Text, UsersSettings,
};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::reply::Ok200;
use crate::route::{CUSTOMERS_SHOW, CUSTOMERS_WRITE, Route, get, put};
use crate::token_request::secret;
use crate::users::{ChallengeType, OobChannel};
use crate::wire::given;

/// How many entries a list of settings may have.
const MAX_ENTRIES: usize = 100;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{aid}/customers/settings", CUSTOMERS_SHOW, get_customers_settings, "Read customer settings"),
        put("/v1/accounts/{aid}/customers/settings", CUSTOMERS_WRITE, update_customers_settings, "Change customer settings"),
    ]
}

async fn get_customers_settings(call: Call) -> Result<Ok200<SettingsBody>> {
    Ok(Ok200(SettingsBody::new(&call.account.directory().customers_settings())))
}

async fn update_customers_settings(call: Call, Json(body): Json<SettingsBody>) -> Result<Ok200<SettingsBody>> {
    let settings = call.account.change_customers_settings(call.caller, body.parse()?).await?;
    Ok(Ok200(SettingsBody::new(&settings)))
}

/// Settings of customers. In a change, what is left out stays; what is given replaces what there was under that name.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersSettings, example = json!({"users": {"head": {"enabled": true}}}))]
struct SettingsBody {
    /// What holds of the customers themselves.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    users: Option<UsersBody>,
    /// Hashes that are kept as tokens, in step with these fields.
    #[schema(nullable = false)]
    auto_tokens: Option<AutoTokensBody>,
    /// What holds of tokens.
    #[schema(nullable = false)]
    tokens: Option<TokensBody>,
    /// What may be known of a customer beside what every customer has.
    #[schema(nullable = false)]
    attributes: Option<Vec<AttributeBody>>,
}

/// What holds of the customers themselves.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersUsersSettings)]
struct UsersBody {
    /// Opens the existence check.
    #[schema(nullable = false)]
    head: Option<HeadBody>,
    /// Shared numbers rule out login codes by sms.
    #[schema(nullable = false)]
    phone_number_validation: Option<PhoneBody>,
    /// What a `customer_id` that nobody chose looks like: `sequence` is one more than the highest number there ever was.
    #[serde(default)]
    #[schema(required = false)]
    customer_id_format: CustomerIdFormat,
    /// The second factor of customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mfa: Option<MfaBody>,
    /// What has to be proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    verifications: Option<VerificationsBody>,
}

/// The existence check.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersHead)]
struct HeadBody {
    #[serde(default)]
    #[schema(required = false, default = false)]
    enabled: bool,
}

/// What holds of telephone numbers.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersPhoneValidation)]
struct PhoneBody {
    #[serde(default)]
    #[schema(required = false, default = false)]
    allow_duplicates: bool,
}

/// What a `customer_id` that nobody chose looks like.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "uuid")]
enum CustomerIdFormat {
    #[default]
    Uuid,
    Sequence,
}

/// The second factor of customers.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersMfa)]
struct MfaBody {
    /// Whether customers must use the login with a second factor.
    #[schema(default = false)]
    enabled: bool,
    /// Where the code goes.
    login: FactorBody,
    /// Where the first code goes when the password is lost: another channel.
    login_recovery: FactorBody,
}

/// Where a code goes.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersMfaFactor)]
struct FactorBody {
    challenge_type: ChallengeType,
    oob_channel: OobChannel,
}

/// What has to be proven.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersVerifications)]
struct VerificationsBody {
    /// A changed number takes effect once a code has proven it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<ProvenBy>,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProvenBy {
    Sms,
}

/// Hashes that are kept as tokens.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AutoTokens)]
struct AutoTokensBody {
    /// Of the telephone number.
    #[serde(default)]
    #[schema(required = false)]
    phone_number: Vec<AutoTokenBody>,
    /// Of the mail address.
    #[serde(default)]
    #[schema(required = false)]
    email: Vec<AutoTokenBody>,
}

/// How a value is hashed.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged, from = "AutoTokenMembers")]
#[schema(as = AutoToken)]
enum AutoTokenBody {
    Hmac(AutoTokenHmac),
    Sha256(AutoTokenSha256),
}

/// [`AutoTokenBody`], as it comes.
#[derive(Deserialize)]
struct AutoTokenMembers {
    #[serde(rename = "type")]
    kind: AutoTokenKind,
    #[serde(default, deserialize_with = "secret")]
    secret: Option<Secret>,
}

#[derive(Deserialize)]
enum AutoTokenKind {
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
    #[serde(rename = "SHA256")]
    Sha256,
}

impl From<AutoTokenMembers> for AutoTokenBody {
    fn from(AutoTokenMembers { kind, secret }: AutoTokenMembers) -> Self {
        match kind {
            AutoTokenKind::HmacSha256 => Self::Hmac(AutoTokenHmac { kind: Hmac::HmacSha256, secret }),
            AutoTokenKind::Sha256 => Self::Sha256(AutoTokenSha256 { kind: Sha256::Sha256 }),
        }
    }
}

/// SHA-256 of the value.
#[derive(Serialize, ToSchema)]
struct AutoTokenSha256 {
    #[serde(rename = "type")]
    kind: Sha256,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
enum Sha256 {
    #[serde(rename = "SHA256")]
    Sha256,
}

/// HMAC-SHA-256 of the value.
#[derive(Serialize, ToSchema)]
struct AutoTokenHmac {
    #[serde(rename = "type")]
    kind: Hmac,
    /// The key of the digest. Never answered; may be left out to keep the one there is.
    #[serde(skip_serializing_if = "hidden", serialize_with = "never")]
    #[schema(value_type = String, required = false, write_only, min_length = 1)]
    secret: Option<Secret>,
}

/// Keys are never answered.
#[expect(clippy::ref_option, reason = "serde hands it over so")]
const fn hidden(_: &Option<Secret>) -> bool {
    true
}

/// See [`hidden`].
#[expect(clippy::ref_option, reason = "serde hands it over so")]
fn never<S: serde::Serializer>(_: &Option<Secret>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

#[derive(Clone, Copy, Serialize, ToSchema)]
enum Hmac {
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
}

/// What holds of tokens.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomersTokensSettings)]
struct TokensBody {
    /// How long events of a status count.
    #[serde(default)]
    #[schema(required = false)]
    event_expiry: Vec<ExpiryBody>,
}

/// How long events of a status count.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = TokenEventExpiry)]
struct ExpiryBody {
    /// The status.
    status: String,
    /// In seconds.
    #[schema(value_type = i64, minimum = 1)]
    time_to_live: Seconds,
}

/// Something that may be known of a customer.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CustomerAttribute)]
struct AttributeBody {
    /// What it is called.
    name: String,
    /// What its values are.
    #[serde(rename = "type")]
    kind: AttributeType,
    /// Whether a customer may have several: an array.
    #[serde(default)]
    #[schema(required = false, default = false)]
    multiple_values: bool,
    /// Hidden from the customer.
    #[serde(default)]
    #[schema(required = false, default = false)]
    private: bool,
}

impl SettingsBody {
    fn new(settings: &CustomersSettings) -> Self {
        let auto = |tokens: &[AutoToken<_>]| tokens.iter().map(AutoTokenBody::new).collect();
        Self {
            users: Some(UsersBody::new(&settings.users)),
            auto_tokens: Some(AutoTokensBody {
                phone_number: auto(&settings.auto_tokens.phone_number),
                email: auto(&settings.auto_tokens.email),
            }),
            tokens: Some(TokensBody {
                event_expiry: settings
                    .event_expiry
                    .iter()
                    .map(|expiry| ExpiryBody { status: expiry.status.clone(), time_to_live: expiry.time_to_live })
                    .collect(),
            }),
            attributes: Some(settings.attributes.iter().map(AttributeBody::new).collect()),
        }
    }

    fn parse(self) -> Result<CustomersSettingsChange> {
        let mut checks = Checks::default();
        let change = CustomersSettingsChange {
            users: self.users.map(|users| users.parse(&mut checks)),
            auto_tokens: self.auto_tokens.map(|tokens| AutoTokens {
                phone_number: AutoTokenBody::parse(&mut checks, "phone_number", tokens.phone_number),
                email: AutoTokenBody::parse(&mut checks, "email", tokens.email),
            }),
            event_expiry: self.tokens.map(|tokens| tokens.parse(&mut checks)),
            attributes: self.attributes.map(|attributes| AttributeBody::parse(&mut checks, attributes)),
        };
        Ok(checks.done(Some(change))?)
    }
}

impl UsersBody {
    fn new(users: &UsersSettings) -> Self {
        let factor =
            |channel: tenantry_domain::Channel| FactorBody { challenge_type: ChallengeType::Oob, oob_channel: channel.into() };
        Self {
            head: Some(HeadBody { enabled: users.head }),
            phone_number_validation: Some(PhoneBody { allow_duplicates: users.shared_phones }),
            customer_id_format: match users.customer_id_format {
                tenantry_domain::CustomerIdFormat::Uuid => CustomerIdFormat::Uuid,
                tenantry_domain::CustomerIdFormat::Sequence => CustomerIdFormat::Sequence,
            },
            mfa: users.mfa.map(|mfa| MfaBody {
                enabled: mfa.enabled,
                login: factor(mfa.login),
                login_recovery: factor(mfa.recovery),
            }),
            verifications: users.verified_phones.then_some(VerificationsBody { phone_number: Some(ProvenBy::Sms) }),
        }
    }

    fn parse(self, checks: &mut Checks) -> UsersSettings {
        let mfa = self.mfa.map(|mfa| CustomersMfa {
            enabled: mfa.enabled,
            login: mfa.login.oob_channel.into(),
            recovery: mfa.login_recovery.oob_channel.into(),
        });
        if mfa.is_some_and(|mfa| mfa.login == mfa.recovery) {
            checks.fault("users.mfa.login_recovery.oob_channel", "must be another channel than that of login");
        }
        UsersSettings {
            head: self.head.is_some_and(|head| head.enabled),
            shared_phones: self.phone_number_validation.is_some_and(|phones| phones.allow_duplicates),
            customer_id_format: match self.customer_id_format {
                CustomerIdFormat::Uuid => tenantry_domain::CustomerIdFormat::Uuid,
                CustomerIdFormat::Sequence => tenantry_domain::CustomerIdFormat::Sequence,
            },
            mfa,
            verified_phones: self.verifications.is_some_and(|verified| verified.phone_number.is_some()),
        }
    }
}

impl AutoTokenBody {
    fn new<K>(token: &AutoToken<K>) -> Self {
        match token {
            AutoToken::Sha256 => Self::Sha256(AutoTokenSha256 { kind: Sha256::Sha256 }),
            AutoToken::HmacSha256(_) => Self::Hmac(AutoTokenHmac { kind: Hmac::HmacSha256, secret: None }),
        }
    }

    fn parse(checks: &mut Checks, field: &str, bodies: Vec<Self>) -> Vec<AutoToken<Option<Secret>>> {
        let mut kinds = HashSet::new();
        let mut tokens = Vec::new();
        for (at, body) in bodies.into_iter().enumerate() {
            let token = match body {
                Self::Sha256(_) => AutoToken::Sha256,
                Self::Hmac(AutoTokenHmac { secret, .. }) => {
                    if secret.as_ref().is_some_and(|secret| !(1..=1000).contains(&secret.reveal().len())) {
                        checks.fault(format!("auto_tokens.{field}[{at}].secret"), "must be 1 to 1000 bytes");
                    }
                    AutoToken::HmacSha256(secret)
                }
            };
            if !kinds.insert(token.kind(field)) {
                checks.fault(format!("auto_tokens.{field}[{at}].type"), "must be there once");
            }
            tokens.push(token);
        }
        tokens
    }
}

impl TokensBody {
    fn parse(self, checks: &mut Checks) -> Vec<EventExpiry> {
        if self.event_expiry.len() > MAX_ENTRIES {
            checks.fault("tokens.event_expiry", format!("must have at most {MAX_ENTRIES} entries"));
        }
        let mut known = HashSet::new();
        let mut expiries = Vec::new();
        for (at, expiry) in self.event_expiry.into_iter().enumerate() {
            let field = |name: &str| format!("tokens.event_expiry[{at}].{name}");
            checks.take(&field("status"), Text::<255>::not_blank(&expiry.status));
            if !known.insert(expiry.status.clone()) {
                checks.fault(field("status"), "must be there once");
            }
            if !(1..=100 * 366 * 86_400).contains(&expiry.time_to_live) {
                checks.fault(field("time_to_live"), "must be 1 second to 100 years");
            }
            expiries.push(EventExpiry { status: expiry.status, time_to_live: expiry.time_to_live });
        }
        expiries
    }
}

impl AttributeBody {
    fn new(attribute: &Attribute) -> Self {
        let Attribute { name, kind, multiple_values, private } = attribute;
        Self { name: name.clone(), kind: *kind, multiple_values: *multiple_values, private: *private }
    }

    fn parse(checks: &mut Checks, bodies: Vec<Self>) -> Vec<Attribute> {
        if bodies.len() > MAX_ENTRIES {
            checks.fault("attributes", format!("must have at most {MAX_ENTRIES} entries"));
        }
        let mut known = HashSet::new();
        for (at, body) in bodies.iter().enumerate() {
            checks.take(&format!("attributes[{at}].name"), Text::<100>::not_blank(&body.name));
            if !known.insert(&body.name) {
                checks.fault(format!("attributes[{at}].name"), "must be there once");
            }
        }
        let attribute = |Self { name, kind, multiple_values, private }| Attribute { name, kind, multiple_values, private };
        bodies.into_iter().map(attribute).collect()
    }
}
