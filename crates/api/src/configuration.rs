//! An account's configuration as one document (beyond the contract).

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tenantry_accounts::{Changed, Configured, Directory, Manner, Wanted, WantedMember};
use tenantry_domain::{
    AccountId, Audience, Checks, Client, ClientId, Error, Grant, GrantType, Member, PublicUrl, Role, RoleId, Secret, fold,
};
use utoipa::ToSchema;

use crate::body::Document;
use crate::call::Call;
use crate::clients::ClientInput;
use crate::error::Result;
use crate::grants::{GrantInput, GrantTypeName};
use crate::members::AuthenticationType;
use crate::query::Query;
use crate::reply::Ok200;
use crate::roles::RoleInput;
use crate::route::{ACCOUNTS_READ, Policy, Route, get, put};
use crate::settings::SettingsInput;
use crate::wire::{ScopeName, scope_names, scopes, shown, text};

/// How many roles a user may have.
const MAX_ROLES: usize = 100;
/// Whoever may change everything, and read it: what is answered tells what was there.
const ADMIN: Policy = Policy::any_of(&["admin:accounts"]);

pub(crate) fn routes() -> Vec<Route> {
    const PATH: &str = "/v1/accounts/{oid}/management/configuration";
    vec![
        get(PATH, ACCOUNTS_READ, get_configuration, "Read the account's configuration as one document"),
        put(PATH, ADMIN, apply_configuration, "Make the account what a document says, all of it or nothing"),
    ]
}

async fn get_configuration(call: Call) -> Result<Ok200<CurrentConfiguration>> {
    let directory = call.account.directory();
    Ok(Ok200(CurrentConfiguration {
        version: directory.version,
        left_out: left_out(&directory),
        configuration: Configuration::new(&directory, call.public()),
    }))
}

async fn apply_configuration(
    call: Call,
    Query(query): Query<ApplyQuery>,
    Document(body): Document<Configuration>,
) -> Result<Ok200<AppliedConfiguration>> {
    let (public, manner) = (call.public().clone(), query.manner());
    let wanted = body.parse(call.account.id(), &public)?;
    let done = call.account.configure(call.caller, wanted, manner).await?;
    let secrets = if manner.dry_run { Vec::new() } else { done.secrets.iter().map(NewSecret::new).collect() };
    Ok(Ok200(AppliedConfiguration { version: done.version, changes: changes(&done, &public), secrets }))
}

/// How a document is applied. A misspelt `dry_run` would do what was only to be looked at, so nothing else is taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyQuery {
    /// Also remove what the sections of the document do not name, but for what the caller is signed in with.
    #[schema(default = false)]
    prune: Option<bool>,
    /// Try everything and keep nothing: the answer says what would be done.
    #[schema(default = false)]
    dry_run: Option<bool>,
    /// Only if the account is at this version, else 412.
    version: Option<i64>,
}

impl ApplyQuery {
    fn manner(&self) -> Manner {
        Manner { prune: self.prune.unwrap_or_default(), dry_run: self.dry_run.unwrap_or_default(), version: self.version }
    }
}

/// What an account is, or is to be. A section that is left out is left alone.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "settings": {"token_lifetime": 3600},
    "roles": [{"name": "support", "scope": ["read:accounts"]}],
    "clients": [{"client_id": "web-shop", "callbacks": ["https://shop.example.com/back"]}],
    "grants": [{"client_id": "web-shop", "scope": ["read:customers"]}],
    "users": [{"email": "kari@example.com", "roles": ["support"]}],
}))]
pub struct Configuration {
    /// Whose it is; it is applied to no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// Its own settings. One that is left out stays as it is.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    settings: Option<SettingsInput>,
    /// Roles, told from one another by their names.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    roles: Option<Vec<RoleSpec>>,
    /// Clients, told from one another by their `client_id`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clients: Option<Vec<ClientSpec>>,
    /// Grants, told from one another by client, audience and type. An identity provider of one stays as it is.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    grants: Option<Vec<GrantSpec>>,
    /// Who administers it, told from one another by their addresses.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    users: Option<Vec<UserSpec>>,
}

/// What is there is not null: a section that somebody forgot to fill is not one that is to be empty.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<T>, D::Error> {
    Option::deserialize(from)?.map(Some).ok_or_else(|| D::Error::custom("a section that is there must not be empty"))
}

/// A role in a document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationRole)]
struct RoleSpec {
    /// Unique without regard to case; at most 255 characters.
    name: String,
    /// What it is for; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The scopes it gives; at most 100, each of which the caller must hold.
    scope: Vec<ScopeName>,
}

/// A client in a document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationClient)]
struct ClientSpec {
    /// 1 to 128 of A-Z a-z 0-9 - . _ ~; never given to another client.
    client_id: String,
    /// A name for people; at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What it is for; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Allowed redirect targets; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    callbacks: Vec<String>,
}

/// A grant in a document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationGrant)]
struct GrantSpec {
    /// Who may ask for tokens.
    client_id: String,
    /// Whom they are for; the account itself, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    /// Restricts which token request may use it.
    #[serde(rename = "type", default, skip_serializing_if = "is_any")]
    kind: GrantTypeName,
    /// What tokens carry; at most 100, each of which the caller must hold.
    scope: Vec<ScopeName>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_any(kind: &GrantTypeName) -> bool {
    *kind == GrantTypeName::Any
}

/// One of the account's users in a document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationUser)]
struct UserSpec {
    /// Who it is.
    email: String,
    /// What people call it; at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Scopes of its own; at most 100, each of which the caller must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    scope: Vec<ScopeName>,
    /// Roles by name, or one without a name by its id; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    roles: Vec<String>,
    /// How it signs in; as until now, if left out, and of a new one `password`.
    #[serde(default, deserialize_with = "crate::wire::given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    authentication_type: Option<AuthenticationType>,
    /// `false` shuts it out; as until now, if left out. A new one that is shut out is not written to.
    #[serde(default, deserialize_with = "crate::wire::given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// A sorted list: the order of scopes says nothing.
fn sorted(mut names: Vec<ScopeName>) -> Vec<ScopeName> {
    names.sort();
    names
}

impl Configuration {
    /// What an account is now.
    fn new(directory: &Directory, public: &PublicUrl) -> Self {
        let own = Audience::Account(directory.account.id);
        let roles = directory.roles.values().filter(|role| role.document_key().is_some()).map(|role| RoleSpec::new(role));
        let clients = directory.clients.values().map(|client| ClientSpec::new(client));
        let grants = directory.grants.values().map(|grant| GrantSpec::new(grant, &own, public));
        let users = directory.members.values().map(|member| UserSpec::new(member, directory));
        Self {
            account: Some(directory.account.id.to_string()),
            settings: Some(SettingsInput::new(&directory.account)),
            roles: Some(roles.collect()),
            clients: Some(clients.collect()),
            grants: Some(grants.collect()),
            users: Some(users.collect()),
        }
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        let Self { account: _, settings, roles, clients, grants, users } = self;
        settings.is_none() && roles.is_none() && clients.is_none() && grants.is_none() && users.is_none()
    }

    fn parse(self, account: AccountId, public: &PublicUrl) -> Result<Wanted> {
        let mut checks = Checks::default();
        if self.is_empty() {
            checks.fault("body", "must have a section: settings, roles, clients, grants or users");
        }
        if self.account.is_some_and(|named| named != account.as_str()) {
            checks.fault("account", format!("must be {account}, to which it is applied"));
        }
        let settings = self.settings.map(|settings| checks.within("settings", domain(settings.parse())));
        let wanted = Wanted {
            settings: settings.flatten(),
            roles: each(&mut checks, ("roles", 1000), self.roles, RoleSpec::parse),
            clients: each(&mut checks, ("clients", 500), self.clients, ClientSpec::parse),
            grants: each(&mut checks, ("grants", 2000), self.grants, |grant| grant.parse(account, public)),
            members: each(&mut checks, ("users", 2000), self.users, UserSpec::parse),
        };
        Ok(checks.done(Some(wanted))?)
    }
}

/// The records of a section, of which an account has so many at most; findings name the place of one in it.
fn each<S, T>(
    checks: &mut Checks,
    (noun, most): (&str, usize),
    specs: Option<Vec<S>>,
    parse: impl Fn(S) -> Result<T>,
) -> Option<Vec<T>> {
    let specs = specs?;
    if specs.len() > most {
        checks.fault(noun, format!("must have at most {most} entries"));
        return None;
    }
    let specs = specs.into_iter().enumerate();
    Some(specs.filter_map(|(nth, spec)| checks.within(&format!("{noun}[{nth}]"), domain(parse(spec)))).collect())
}

/// What is wrong with a part is always one of the business.
fn domain<T>(parsed: Result<T>) -> tenantry_domain::Result<T> {
    parsed.map_err(|error| match error {
        crate::error::ApiError::Domain(error) => error,
        error => Error::invalid("", error.to_string()),
    })
}

impl RoleSpec {
    fn new(role: &Role) -> Self {
        Self {
            name: shown(role.name.as_ref()).unwrap_or_default(),
            description: shown(role.description.as_ref()),
            scope: sorted(scope_names(&role.scope)),
        }
    }

    fn parse(self) -> Result<tenantry_domain::RoleInput> {
        let Self { name, description, scope } = self;
        if name.trim().is_empty() || fold(&name).parse::<RoleId>().is_ok() {
            return Err(Error::invalid("name", "must be neither blank nor an id").into());
        }
        RoleInput { name: Some(name), description, scope }.parse()
    }
}

impl ClientSpec {
    fn new(client: &Client) -> Self {
        Self {
            client_id: client.client_id.to_string(),
            name: shown(client.name.as_ref()),
            description: shown(client.description.as_ref()),
            callbacks: client.callbacks.clone(),
        }
    }

    fn parse(self) -> Result<tenantry_domain::ClientInput> {
        let Self { client_id, name, description, callbacks } = self;
        ClientInput { client_id: Some(client_id), name, description, callbacks: Some(callbacks) }.parse()
    }
}

impl GrantSpec {
    fn new(grant: &Grant, own: &Audience, public: &PublicUrl) -> Self {
        Self {
            client_id: grant.client_id.to_string(),
            audience: (grant.audience != *own).then(|| grant.audience.text(public)),
            kind: grant.kind.into(),
            scope: sorted(scope_names(&grant.scope)),
        }
    }

    /// What people call it.
    fn name(&self) -> String {
        let to = self.audience.as_ref().map_or_else(String::new, |audience| format!(" for {audience}"));
        let kind = if is_any(&self.kind) { String::new() } else { format!(" ({})", GrantType::from(self.kind).as_str()) };
        format!("{}{to}{kind}", self.client_id)
    }

    fn parse(self, account: AccountId, public: &PublicUrl) -> Result<tenantry_domain::GrantInput> {
        let Self { client_id, audience, kind, scope } = self;
        let audience = audience.unwrap_or_else(|| public.account(account));
        GrantInput { client_id, audience, scope, kind, oidc: None }.parse(public)
    }
}

impl UserSpec {
    fn new(member: &Member, directory: &Directory) -> Self {
        let roles = member.roles.iter().filter_map(|id| directory.roles.get(id));
        let name =
            |role: &Role| role.document_key().and_then(|_| shown(role.name.as_ref())).unwrap_or_else(|| role.id.to_string());
        let roles = roles.map(|role| name(role));
        Self {
            email: member.email.to_string(),
            name: shown(member.name.as_ref()),
            scope: sorted(scope_names(&member.scope)),
            roles: roles.collect::<BTreeSet<_>>().into_iter().collect(),
            authentication_type: member.external.then_some(AuthenticationType::External),
            enabled: Some(member.enabled),
        }
    }

    fn parse(self) -> Result<WantedMember> {
        let mut checks = Checks::default();
        let email = checks.take("email", self.email.parse());
        let (name, scope) = (text::<255>(&mut checks, "name", self.name), scopes(&mut checks, &self.scope));
        let external = self.authentication_type.map(|kind| kind == AuthenticationType::External);
        if self.roles.len() > MAX_ROLES {
            checks.fault("roles", format!("must have at most {MAX_ROLES} entries"));
        }
        let (roles, enabled) = (self.roles.iter().map(|role| fold(role)).collect(), self.enabled);
        let wanted = (|| Some(WantedMember { email: email?, name: name?, scope: scope?, roles, external, enabled }))();
        Ok(checks.done(wanted)?)
    }
}

/// What of an account no document says.
fn left_out(directory: &Directory) -> Vec<String> {
    let roles = directory.roles.values().filter(|role| role.document_key().is_none());
    let roles = roles.map(|role| format!("role {}, which has no name, or an id for one", role.id));
    let grants = directory.grants.values().filter(|grant| grant.oidc.is_some());
    roles.chain(grants.map(|grant| format!("the identity provider of a grant of client {}", grant.client_id))).collect()
}

/// An account's configuration.
#[derive(Serialize, ToSchema)]
struct CurrentConfiguration {
    /// How many changes of configuration led here.
    version: i64,
    /// The document: it can be sent back.
    configuration: Configuration,
    /// What there is besides, that no document says.
    left_out: Vec<String>,
}

/// What came of a document.
#[derive(Serialize, ToSchema)]
struct AppliedConfiguration {
    /// The version that the account is at now.
    version: i64,
    /// What was changed, or would be; nothing where the account was as the document says.
    changes: Vec<ConfigurationChange>,
    /// The secrets of new clients, which are not shown again.
    secrets: Vec<NewSecret>,
}

/// One record that was changed, in the words of the document.
#[derive(Serialize, ToSchema)]
struct ConfigurationChange {
    /// What was done.
    action: Action,
    /// To what kind of record.
    kind: Kind,
    /// Which one.
    name: String,
    /// The record before; of settings only those that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The record after; of settings only those that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

/// What was done to a record.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConfigurationAction)]
enum Action {
    Create,
    Update,
    Delete,
}

/// A kind of record.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConfigurationKind)]
enum Kind {
    Settings,
    Role,
    Client,
    Grant,
    User,
}

/// A new client's secret, which is not shown again.
#[derive(Serialize, ToSchema)]
struct NewSecret {
    /// The client.
    client_id: String,
    /// 43 characters of A-Z a-z 0-9.
    client_secret: String,
}

impl NewSecret {
    fn new((client_id, secret): &(ClientId, Secret)) -> Self {
        Self { client_id: client_id.to_string(), client_secret: secret.reveal().to_owned() }
    }
}

/// What was changed, in the words of the document.
fn changes(done: &Configured, public: &PublicUrl) -> Vec<ConfigurationChange> {
    let own = Audience::Account(done.after.account.id);
    let change = |kind, name: String, before: Option<Value>, after: Option<Value>| {
        let action = match (&before, &after) {
            (None, _) => Action::Create,
            (_, None) => Action::Delete,
            _ => Action::Update,
        };
        ConfigurationChange { action, kind, name, before, after }
    };
    let changed = |changed: &Changed| match changed {
        Changed::Settings(before, after) => {
            let (was, is) = (json(&SettingsInput::new(before)), json(&SettingsInput::new(after)));
            change(Kind::Settings, "settings".to_owned(), Some(differing(&was, &is)), Some(differing(&is, &was)))
        }
        Changed::Role(before, after) => {
            let [before, after] = [before, after].map(|role| role.as_ref().map(|role| RoleSpec::new(role)));
            let name = after.as_ref().or(before.as_ref()).map(|role| role.name.clone());
            change(Kind::Role, name.unwrap_or_default(), before.as_ref().map(json), after.as_ref().map(json))
        }
        Changed::Client(before, after) => {
            let [before, after] = [before, after].map(|client| client.as_ref().map(|client| ClientSpec::new(client)));
            let name = after.as_ref().or(before.as_ref()).map(|client| client.client_id.clone());
            change(Kind::Client, name.unwrap_or_default(), before.as_ref().map(json), after.as_ref().map(json))
        }
        Changed::Grant(before, after) => {
            let [before, after] = [before, after].map(|grant| grant.as_ref().map(|grant| GrantSpec::new(grant, &own, public)));
            let name = after.as_ref().or(before.as_ref()).map(GrantSpec::name);
            change(Kind::Grant, name.unwrap_or_default(), before.as_ref().map(json), after.as_ref().map(json))
        }
        Changed::Member(before, after) => {
            let before = before.as_ref().map(|member| UserSpec::new(member, &done.before));
            let after = after.as_ref().map(|member| UserSpec::new(member, &done.after));
            let name = after.as_ref().or(before.as_ref()).map(|user| user.email.clone());
            change(Kind::User, name.unwrap_or_default(), before.as_ref().map(json), after.as_ref().map(json))
        }
    };
    done.changes.iter().map(changed).collect()
}

fn json<T: Serialize>(record: &T) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

/// The members of an object that another does not have so.
fn differing(one: &Value, other: &Value) -> Value {
    let members = one.as_object().into_iter().flatten().filter(|(name, value)| other.get(name) != Some(value));
    members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}
