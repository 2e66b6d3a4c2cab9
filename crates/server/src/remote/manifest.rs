//! The file that says what an account is to be, and what an account is, in the same words.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenantry_domain::{AccountId, Audience, Checks, ClientId, ClientInput, Email, Error, PublicUrl, Scopes, Text, fold};

use super::Site;

/// Settings that an account has of its own. One that is left out stays as it is.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SettingsSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    company: Option<CompanySpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partner_access: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_lifetime: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installer_signing_algorithm: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompanySpec {
    business_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<AddressSpec>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressSpec {
    address_line: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address_line_2: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    postal_place: String,
    country: String,
}

#[derive(Serialize, Deserialize)]
enum Algorithm {
    ES256,
    RS256,
    EdDSA,
}

impl SettingsSpec {
    fn check(self, checks: &mut Checks) -> Map<String, Value> {
        if self.token_lifetime.is_some_and(|seconds| !(60..=86_400).contains(&seconds)) {
            checks.fault("settings.token_lifetime", "must be between 60 and 86400 seconds");
        }
        let two_letters = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase());
        if !self.language_code.as_ref().is_none_or(two_letters) {
            checks.fault("settings.language_code", "must be two small letters, as in ISO 639-1");
        }
        checks.take("settings.display_name", self.display_name.as_deref().map(Text::<255>::not_blank).transpose());
        match serde_json::to_value(self) {
            Ok(Value::Object(settings)) => settings,
            _ => Map::new(),
        }
    }
}

/// The file. A section that is left out is none of its business.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Whose it is; it is applied to no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<RoleSpec>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clients: Option<Vec<ClientSpec>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grants: Option<Vec<GrantSpec>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) users: Option<Vec<UserSpec>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleSpec {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    scope: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientSpec {
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    callbacks: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantSpec {
    client_id: String,
    /// The account itself, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) audience: Option<String>,
    #[serde(rename = "type", default = "any", skip_serializing_if = "is_any")]
    kind: String,
    scope: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserSpec {
    email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scope: Vec<String>,
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    enabled: bool,
}

fn any() -> String {
    "any".to_owned()
}

fn is_any(kind: &String) -> bool {
    kind == "any"
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_yes(enabled: &bool) -> bool {
    *enabled
}

/// The kinds of records, in the order in which one may need those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Role,
    Client,
    Grant,
    User,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Role, Self::Client, Self::Grant, Self::User];

    pub(super) const fn name(self) -> &'static str {
        ["role", "client", "grant", "user"][self as usize]
    }

    pub(super) const fn path(self) -> &'static str {
        ["auth/roles", "auth/clients", "auth/client-grants", "management/users"][self as usize]
    }
}

/// A record: what it is known by, and what else it has. Lists that are sets are in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// What a person calls it.
    pub(super) label: String,
    /// On the server only.
    pub(super) id: String,
    pub(super) fields: Map<String, Value>,
}

impl Record {
    /// A field as text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The roles of a user, as they are told from one another.
    pub(super) fn roles(&self) -> impl Iterator<Item = &str> {
        self.fields.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Records of a kind, by what tells one from another.
pub(super) type Records = BTreeMap<String, Record>;

/// What an account is, or is to be.
#[derive(Default, PartialEq)]
pub(super) struct State {
    pub(super) settings: Option<Map<String, Value>>,
    /// `None`: not told of.
    pub(super) records: BTreeMap<Kind, Records>,
    /// What there is that no file says.
    pub(super) left_out: Vec<String>,
}

/// The account's own audience, and where the server is known to be.
pub(super) struct Names {
    own: String,
    public: PublicUrl,
}

impl Names {
    /// The account's own audience.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    pub(super) async fn of(site: &Site) -> Result<Self> {
        let metadata = site.get(".well-known/openid-configuration").await?;
        let own = metadata["issuer"].as_str().context("the server does not say how the account is named")?.to_owned();
        let public = own.split("/v1/accounts/").next().unwrap_or_default();
        let public = PublicUrl::parse(public).map_err(|fault| anyhow!("the server's address {fault}"))?;
        Ok(Self { own, public })
    }
}

pub(super) fn record(label: String, fields: Value) -> Record {
    let mut fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.retain(|_, value| !value.is_null());
    Record { label, id: String::new(), fields }
}

/// A list in which the order says nothing.
pub(super) fn set<'t>(texts: impl IntoIterator<Item = &'t str>) -> Value {
    texts.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

impl Manifest {
    /// Reads a file and says everything that is wrong with it, each with its place.
    pub(super) fn parse(text: &str, names: &Names) -> Result<(Option<AccountId>, State)> {
        let first = |text: &str| text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let manifest: Self = serde_saphyr::from_str(text).map_err(|error| anyhow!(first(&error.to_string())))?;
        let mut checks = Checks::default();
        let account = manifest.account;
        let state = manifest.check(&mut checks, names);
        match checks.done(Some(state)) {
            Ok(state) => Ok((account, state)),
            Err(Error::Invalid(faults)) => {
                let faults: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
                Err(anyhow!("{}", faults.join("; ")))
            }
            Err(error) => Err(anyhow!("{error}")),
        }
    }

    fn check(self, checks: &mut Checks, names: &Names) -> State {
        let mut records = BTreeMap::new();
        let mut put = |kind: Kind, all: Option<Vec<(String, Record)>>, checks: &mut Checks| {
            let Some(all) = all else { return };
            let mut known = Records::new();
            for (nth, (key, record)) in all.into_iter().enumerate() {
                if known.insert(key, record).is_some() {
                    checks.fault(format!("{}s[{nth}]", kind.name()), "stands there twice");
                }
            }
            records.insert(kind, known);
        };
        let of = |checks: &mut Checks, nth, role: RoleSpec| role.check(checks, nth);
        put(Kind::Role, each(self.roles, checks, of), checks);
        let of = |checks: &mut Checks, nth, client: ClientSpec| client.check(checks, nth);
        put(Kind::Client, each(self.clients, checks, of), checks);
        let of = |checks: &mut Checks, nth, grant: GrantSpec| grant.check(checks, nth, names);
        put(Kind::Grant, each(self.grants, checks, of), checks);
        let of = |checks: &mut Checks, nth, user: UserSpec| user.check(checks, nth);
        put(Kind::User, each(self.users, checks, of), checks);
        let settings = self.settings.map(|settings| settings.check(checks));
        State { settings, records, left_out: Vec::new() }
    }
}

fn each<S>(
    specs: Option<Vec<S>>,
    checks: &mut Checks,
    check: impl Fn(&mut Checks, usize, S) -> (String, Record),
) -> Option<Vec<(String, Record)>> {
    Some(specs?.into_iter().enumerate().map(|(nth, spec)| check(checks, nth, spec)).collect())
}

fn scopes(checks: &mut Checks, place: &str, entries: &[String]) -> Value {
    if let Err((at, message)) = Scopes::parse(entries) {
        checks.fault(format!("{place}.scope{at}"), message);
    }
    set(entries.iter().map(String::as_str))
}

impl RoleSpec {
    fn check(self, checks: &mut Checks, nth: usize) -> (String, Record) {
        let place = format!("roles[{nth}]");
        checks.take(&format!("{place}.name"), Text::<255>::not_blank(&self.name));
        checks.take(&format!("{place}.description"), self.description.as_deref().map(str::parse::<Text<1000>>).transpose());
        let scope = scopes(checks, &place, &self.scope);
        let fields = json!({"name": self.name, "description": self.description, "scope": scope});
        (fold(&self.name), record(self.name, fields))
    }
}

impl ClientSpec {
    fn check(self, checks: &mut Checks, nth: usize) -> (String, Record) {
        let place = format!("clients[{nth}]");
        checks.take(&format!("{place}.client_id"), self.client_id.parse::<ClientId>());
        checks.take(&format!("{place}.name"), self.name.as_deref().map(str::parse::<Text<255>>).transpose());
        checks.take(&format!("{place}.description"), self.description.as_deref().map(str::parse::<Text<1000>>).transpose());
        for (at, callback) in self.callbacks.iter().enumerate() {
            checks.take(&format!("{place}.callbacks[{at}]"), ClientInput::callback(callback));
        }
        let callbacks = set(self.callbacks.iter().map(String::as_str));
        let fields =
            json!({"client_id": self.client_id, "name": self.name, "description": self.description, "callbacks": callbacks});
        (self.client_id.clone(), record(self.client_id, fields))
    }
}

impl GrantSpec {
    fn check(self, checks: &mut Checks, nth: usize, names: &Names) -> (String, Record) {
        let place = format!("grants[{nth}]");
        checks.take(&format!("{place}.client_id"), self.client_id.parse::<ClientId>());
        let audience = self.audience.as_deref().unwrap_or(&names.own);
        // However it is spelt.
        let audience = checks.take(&format!("{place}.audience"), Audience::parse(audience, &names.public));
        let audience = audience.map_or_else(String::new, |audience| audience.text(&names.public));
        if !["any", "authorization_code", "client_credentials", "password"].contains(&&self.kind[..]) {
            checks.fault(format!("{place}.type"), "must be any, authorization_code, client_credentials or password");
        }
        let scope = scopes(checks, &place, &self.scope);
        grant(&self.client_id, &audience, &self.kind, &scope)
    }
}

pub(super) fn grant(client_id: &str, audience: &str, kind: &str, scope: &Value) -> (String, Record) {
    let fields = json!({"client_id": client_id, "audience": audience, "type": kind, "scope": scope});
    (format!("{client_id} {audience} {kind}"), record(format!("{client_id} for {audience}"), fields))
}

impl UserSpec {
    fn check(self, checks: &mut Checks, nth: usize) -> (String, Record) {
        let place = format!("users[{nth}]");
        let email = checks.take(&format!("{place}.email"), self.email.parse::<Email>());
        let scope = scopes(checks, &place, &self.scope);
        let roles: BTreeSet<String> = self.roles.iter().map(|role| fold(role)).collect();
        let fields = json!({"email": self.email, "name": self.name, "scope": scope, "roles": roles, "enabled": self.enabled});
        let key = email.map_or_else(|| self.email.clone(), |email| email.key().to_owned());
        (key, record(self.email, fields))
    }
}
