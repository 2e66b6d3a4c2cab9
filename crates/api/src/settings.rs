//! An account's view of itself (contract section 9).

use serde::{Deserialize, Serialize};
use tenantry_domain::{
    AccountChange, AccountRecord, Address, Algorithm, Change, Checks, ClientInput, Company, Instant, Jwks, Mode, Quota, Text,
};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::reply::Ok200;
use crate::route::{ACCOUNTS_INSPECT, ACCOUNTS_REPAIR, Route, get, put};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{aid}/management/settings", ACCOUNTS_INSPECT, get_settings, "Read the account's own settings"),
        put("/v1/accounts/{aid}/management/settings", ACCOUNTS_REPAIR, update_settings, "Change the account's own settings"),
    ]
}

async fn get_settings(call: Call) -> Result<Ok200<AccountView>> {
    Ok(Ok200(AccountView::new(&call.account.directory().account)))
}

async fn update_settings(call: Call, Json(body): Json<SettingsInput>) -> Result<Ok200<AccountView>> {
    let account = call.account.update_settings(call.caller, body.parse()?).await?;
    Ok(Ok200(AccountView::new(&account)))
}

/// A change to the account's own settings; what is left out stays, null clears what may be absent. What only the account above may set is ignored.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"partner_access": false}))]
pub(crate) struct SettingsInput {
    /// A name for people, at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The company behind it.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<CompanyBody>)]
    company: Change<CompanyBody>,
    /// ISO 639-1, two small letters.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    language_code: Change<String>,
    /// Whether the partner above may exchange tokens into this account; `false` ends those it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_access: Option<bool>,
    /// How long access tokens live, in seconds; null for the server's default.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 86400)]
    token_lifetime: Change<i64>,
    /// What the next signing key signs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<AlgorithmName>,
    /// What the next key for installers' tokens signs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    installer_signing_algorithm: Option<AlgorithmName>,
    /// Where the account's logo is, https: stands in mails and beside its name; null for none.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>, format = "uri", max_length = 2000)]
    icon_url: Change<String>,
    /// Who else may say who the account's users are; null: nobody.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<JwksBody>)]
    jwks: Change<JwksBody>,
}

impl SettingsInput {
    pub(crate) fn parse(self) -> Result<AccountChange> {
        let mut checks = Checks::default();
        if self.token_lifetime.given().is_some_and(|seconds| !(60..=86_400).contains(seconds)) {
            checks.fault("token_lifetime", "must be between 60 and 86400 seconds");
        }
        let display_name = checks.take("display_name", self.display_name.as_deref().map(Text::not_blank).transpose());
        language(&mut checks, self.language_code.given());
        checks.take("icon_url", self.icon_url.given().map(|url| logo(url)).transpose());
        let change = display_name.map(|display_name| AccountChange {
            display_name,
            company: self.company.map(|company| company.parse(&mut checks)),
            language_code: self.language_code,
            partner_access: self.partner_access,
            token_lifetime: self.token_lifetime,
            signing_algorithm: self.signing_algorithm.map(Into::into),
            installer_signing_algorithm: self.installer_signing_algorithm.map(Into::into),
            icon_url: self.icon_url.map(String::into_boxed_str),
            jwks: self.jwks.map(|jwks| jwks.parse(&mut checks)),
            ..Default::default()
        });
        Ok(checks.done(change)?)
    }

    /// What an account has set.
    pub(crate) fn new(account: &AccountRecord) -> Self {
        fn set<T>(value: Option<T>) -> Change<T> {
            value.map_or(Change::Keep, Change::Set)
        }
        let settings = &account.settings;
        Self {
            display_name: Some(account.display_name.as_str().to_owned()),
            company: set(account.company.as_ref().map(CompanyBody::new)),
            language_code: set(account.language_code.clone()),
            partner_access: Some(settings.partner_access),
            token_lifetime: set(settings.token_lifetime),
            signing_algorithm: Some(settings.signing_algorithm.into()),
            installer_signing_algorithm: Some(settings.installer_signing_algorithm.into()),
            icon_url: set(settings.icon_url.as_deref().map(ToOwned::to_owned)),
            jwks: set(settings.jwks.clone().map(JwksBody::new)),
        }
    }
}

/// What mails load is as strict as where people are sent, and not on anybody's own machine.
fn logo(url: &str) -> std::result::Result<String, String> {
    let url = ClientInput::callback(url)?;
    if url.starts_with("https:") { Ok(url) } else { Err("must be https".to_owned()) }
}

/// Checks a language code.
pub(crate) fn language(checks: &mut Checks, code: Option<&String>) {
    if code.is_some_and(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_lowercase())) {
        checks.fault("language_code", "must be two small letters, as in ISO 639-1");
    }
}

/// A signature algorithm.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy)]
#[schema(as = Algorithm)]
enum AlgorithmName {
    ES256,
    RS256,
    EdDSA,
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::ES256 => Self::ES256,
            AlgorithmName::RS256 => Self::RS256,
            AlgorithmName::EdDSA => Self::EdDsa,
        }
    }
}

impl From<Algorithm> for AlgorithmName {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::ES256,
            Algorithm::RS256 => Self::RS256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// An issuer of ID tokens whose word counts for the grant `account_user`: `email` of a member, with `email_verified`.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AccountJwks)]
struct JwksBody {
    /// What people call it.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Where its keys are; https.
    #[schema(format = "uri")]
    uri: String,
    /// The `iss` of its tokens.
    #[schema(min_length = 1, max_length = 1000)]
    issuer: String,
    /// The `aud` that they must have.
    #[schema(min_length = 1, max_length = 1000)]
    audience: String,
}

impl JwksBody {
    fn new(Jwks { name, uri, issuer, audience, .. }: Jwks) -> Self {
        Self { name, uri, issuer, audience }
    }

    fn parse(self, checks: &mut Checks) -> Jwks {
        for (field, text, most) in
            [("jwks.name", &self.name, 255), ("jwks.issuer", &self.issuer, 1000), ("jwks.audience", &self.audience, 1000)]
        {
            if text.trim().is_empty() || text.chars().count() > most {
                checks.fault(field, format!("must be 1 to {most} characters"));
            }
        }
        // As for an issuer: https (http on the loopback), nothing that two parsers read differently.
        checks.take("jwks.uri", ClientInput::callback(&self.uri));
        Jwks { name: self.name, uri: self.uri, issuer: self.issuer, audience: self.audience, scope: String::new() }
    }
}

/// A company.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Company)]
pub(crate) struct CompanyBody {
    /// Its registered name.
    business_name: String,
    /// Its number in the national register.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_number: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<AddressBody>,
}

/// A postal address.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Address)]
struct AddressBody {
    /// Street and number.
    address_line: String,
    /// A second line.
    #[serde(skip_serializing_if = "Option::is_none")]
    address_line_2: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    /// Town.
    postal_place: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "NO")]
    country: String,
}

impl CompanyBody {
    pub(crate) fn parse(self, checks: &mut Checks) -> Company {
        let mut check = |field: &str, text: Option<&String>| {
            checks.take(&format!("company.{field}"), text.map(|text| text.parse::<Text<255>>()).transpose());
        };
        check("business_name", Some(&self.business_name));
        check("organization_number", self.organization_number.as_ref());
        if let Some(address) = &self.address {
            check("address.address_line", Some(&address.address_line));
            check("address.address_line_2", address.address_line_2.as_ref());
            check("address.postal_code", address.postal_code.as_ref());
            check("address.postal_place", Some(&address.postal_place));
            if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                checks.fault("company.address.country", "must be two capital letters, as in ISO 3166-1");
            }
        }
        if self.business_name.trim().is_empty() {
            checks.fault("company.business_name", "must not be empty");
        }
        Company {
            business_name: self.business_name,
            organization_number: self.organization_number,
            address: self.address.map(|AddressBody { address_line, address_line_2, postal_code, postal_place, country }| {
                Address { address_line, address_line_2, postal_code, postal_place, country }
            }),
        }
    }

    fn new(company: &Company) -> Self {
        Self {
            business_name: company.business_name.clone(),
            organization_number: company.organization_number.clone(),
            address: company.address.clone().map(
                |Address { address_line, address_line_2, postal_code, postal_place, country }| AddressBody {
                    address_line,
                    address_line_2,
                    postal_code,
                    postal_place,
                    country,
                },
            ),
        }
    }
}

/// A rate.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaBody {
    /// Requests a second.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000)]
    requests_per_second: i64,
    /// Requests at once.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000)]
    burst: i64,
}

impl QuotaBody {
    fn parse(self, checks: &mut Checks, field: &str) -> Option<Quota> {
        let requests_per_second = checks.take(&format!("{field}.requests_per_second"), Quota::number(self.requests_per_second));
        let burst = checks.take(&format!("{field}.burst"), Quota::number(self.burst));
        Some(Quota { requests_per_second: requests_per_second?, burst: burst? })
    }

    /// Checks a rate that may be left out or cleared; `None` where something is wrong with it.
    pub(crate) fn change(change: Change<Self>, checks: &mut Checks, field: &str) -> Option<Change<Quota>> {
        match change {
            Change::Keep => Some(Change::Keep),
            Change::Clear => Some(Change::Clear),
            Change::Set(quota) => quota.parse(checks, field).map(Change::Set),
        }
    }

    pub(crate) fn new(quota: Quota) -> Self {
        Self { requests_per_second: quota.requests_per_second.get().into(), burst: quota.burst.get().into() }
    }
}

/// An account as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
#[expect(clippy::struct_excessive_bools, reason = "the contract has them so")]
pub(crate) struct AccountView {
    /// The account: mode letter and 8 digits. Also its record id.
    id: String,
    /// The same.
    account_id: String,
    /// The partner's number.
    #[schema(example = "T112")]
    partner_id: String,
    /// `true` for production, `false` for test.
    livemode: bool,
    /// `false` while suspended; set by the account above.
    active: bool,
    /// Whether it can be read and signed in to, but not changed; set by the account above.
    frozen: bool,
    /// A name for people.
    display_name: String,
    /// The company behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<CompanyBody>,
    /// ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    language_code: Option<String>,
    /// Whether the partner above may exchange tokens into this account.
    partner_access: bool,
    /// How long access tokens live, in seconds; the server's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime: Option<i64>,
    /// What the next signing key signs with.
    signing_algorithm: AlgorithmName,
    /// What the next key for installers' tokens signs with.
    installer_signing_algorithm: AlgorithmName,
    /// Where the account's logo is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    icon_url: Option<String>,
    /// Who else may say who the account's users are.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<JwksBody>,
    /// The account's own rate; set by the account above, the server's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<QuotaBody>,
    /// The rate of each of its clients; set by the account above, the server's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_limits: Option<QuotaBody>,
    /// The rate of a partner's whole tree; set by the account above, the server's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<QuotaBody>,
    /// How much of its partner's budget is its own, beside the others'; set by its parent.
    #[schema(minimum = 1, maximum = 1000)]
    weight: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// Subject that made it.
    created_by: String,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Instant,
    /// Time of soft deletion; absent while it lives.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Instant>,
    /// Subject that soft-deleted it; absent while it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<String>,
}

impl AccountView {
    pub(crate) fn new(account: &AccountRecord) -> Self {
        let (deleted_at, deleted_by) = account.stamp.deleted.clone().unzip();
        Self {
            id: account.id.to_string(),
            account_id: account.id.to_string(),
            partner_id: account.id.partner_number().to_owned(),
            livemode: account.id.mode() == Mode::Production,
            active: account.active,
            frozen: account.settings.frozen,
            display_name: account.display_name.as_str().to_owned(),
            company: account.company.as_ref().map(CompanyBody::new),
            language_code: account.language_code.clone(),
            partner_access: account.settings.partner_access,
            token_lifetime: account.settings.token_lifetime,
            signing_algorithm: account.settings.signing_algorithm.into(),
            installer_signing_algorithm: account.settings.installer_signing_algorithm.into(),
            icon_url: account.settings.icon_url.as_deref().map(ToOwned::to_owned),
            jwks: account.settings.jwks.clone().map(JwksBody::new),
            limits: account.limits.map(QuotaBody::new),
            client_limits: account.client_limits.map(QuotaBody::new),
            budget: account.budget.map(QuotaBody::new),
            weight: account.settings.weight.get(),
            created_at: account.stamp.created_at,
            created_by: account.stamp.created_by.clone(),
            updated_at: account.stamp.updated_at,
            deleted_at,
            deleted_by,
        }
    }

    /// The cursor of a page that ends with this account.
    pub(crate) fn cursor(&self) -> String {
        self.id.clone()
    }
}
