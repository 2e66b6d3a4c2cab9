//! What an account is, as the server tells it, in the words of a file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};
use tenantry_domain::{AccountId, Email, fold};

use super::Site;
use super::manifest::{Kind, Manifest, Names, Record, Records, State, grant, record, set};

impl State {
    /// What the account is now.
    pub(super) async fn of(site: &Site) -> Result<Self> {
        let mut settings = match site.get("management/settings").await? {
            Value::Object(settings) => settings,
            _ => Map::new(),
        };
        let known = [
            "display_name",
            "company",
            "language_code",
            "partner_access",
            "token_lifetime",
            "signing_algorithm",
            "installer_signing_algorithm",
            "icon_url",
            "jwks",
        ];
        settings.retain(|name, value| known.contains(&&name[..]) && !value.is_null());
        let (mut records, mut left_out) = (BTreeMap::new(), Vec::new());
        for kind in Kind::ALL {
            let paged = matches!(kind, Kind::Role | Kind::User);
            let all = if paged {
                site.list(kind.path(), &[], usize::MAX).await?.0
            } else {
                site.get(kind.path()).await?.as_array().cloned().unwrap_or_default()
            };
            left_out.extend(all.iter().filter_map(|one| unsaid(kind, one)));
            records.insert(kind, all.iter().filter_map(|one| stored(kind, one)).collect());
        }
        Ok(Self { settings: Some(settings), records, left_out })
    }

    pub(super) fn known(&self, kind: Kind) -> &Records {
        static NONE: Records = Records::new();
        self.records.get(&kind).unwrap_or(&NONE)
    }

    /// The same as a file.
    pub(super) fn manifest(&self, account: AccountId, names: &Names) -> Result<String> {
        let mut file = json!({"account": account, "settings": self.settings});
        for (kind, records) in &self.records {
            file[format!("{}s", kind.name())] = records.values().map(|record| Value::Object(record.fields.clone())).collect();
        }
        let mut file: Manifest = serde_json::from_value(file).context("what the server answers is no file")?;
        for grant in file.grants.iter_mut().flatten().filter(|grant| grant.audience.as_deref() == Some(names.own())) {
            grant.audience = None;
        }
        // Roles by what people call them.
        for role in file.users.iter_mut().flatten().flat_map(|user| &mut user.roles) {
            if let Some(known) = self.known(Kind::Role).get(role) {
                role.clone_from(&known.label);
            }
        }
        serde_saphyr::to_string(&file).map_err(|error| anyhow!("{error}"))
    }
}

/// What of a record no file says.
fn unsaid(kind: Kind, one: &Value) -> Option<String> {
    let of = |name: &str| format!("{} {}", kind.name(), one[name].as_str().unwrap_or_default());
    match kind {
        Kind::Role if one["name"].is_null() => Some(format!("{}, which has no name", of("id"))),
        Kind::Grant if !one["oidc"].is_null() => Some(format!("{}: its identity provider", of("client_id"))),
        Kind::User if one["authentication_type"] == "external" => Some(format!("{}: signs in elsewhere", of("email"))),
        _ => None,
    }
}

/// A record as the server has it; a role without a name is left alone.
fn stored(kind: Kind, one: &Value) -> Option<(String, Record)> {
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    let texts = |name: &str| set(one[name].as_array().into_iter().flatten().filter_map(Value::as_str));
    let (key, record) = match kind {
        Kind::Role => {
            let name = one["name"].as_str()?;
            let fields = json!({"name": name, "description": one["description"], "scope": texts("scope")});
            (fold(name), record(name.to_owned(), fields))
        }
        Kind::Client => {
            let id = text("client_id");
            let fields =
                json!({"client_id": id, "name": one["name"], "description": one["description"], "callbacks": texts("callbacks")});
            (id.to_owned(), record(id.to_owned(), fields))
        }
        Kind::Grant => grant(text("client_id"), text("audience"), text("type"), &texts("scope")),
        Kind::User => {
            let email = text("email");
            // One without a name is known by its id.
            let roles = one["roles"].as_array().into_iter().flatten();
            let roles = roles.filter_map(|role| role["name"].as_str().or(role["id"].as_str()));
            let roles: BTreeSet<String> = roles.map(fold).collect();
            let fields = json!({"email": email, "name": one["name"], "scope": texts("scope"), "roles": roles,
                "enabled": one["enabled"]});
            let key = email.parse::<Email>().map_or_else(|_| email.to_owned(), |email| email.key().to_owned());
            (key, record(email.to_owned(), fields))
        }
    };
    Some((key, Record { id: text(if kind == Kind::Client { "client_id" } else { "id" }).to_owned(), ..record }))
}
