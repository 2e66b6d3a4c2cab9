//! Settings of an account's customers (contract nos. 58 and 59). They are part of its configuration.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{
    AccountId, AccountRecord, AutoToken, AutoTokens, CustomersSettings, CustomersSettingsChange, Error, Result, SealedSecret,
    Secret,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::store;
use crate::vault::{Place, Vault};

/// Where the key of an automatic token belongs.
const fn place(account: AccountId) -> Place<'static> {
    Place { account, kind: "auto_token", id: Uuid::nil() }
}

impl Directory {
    /// What the account has decided about its customers.
    pub fn customers_settings(&self) -> Arc<CustomersSettings> {
        self.account.customers.clone().unwrap_or_default()
    }
}

impl Account {
    /// Changes them; what is not given stays.
    ///
    /// Errors: `Invalid` for an automatic token without a key where there is none yet.
    pub async fn change_customers_settings(&self, by: Caller, change: CustomersSettingsChange) -> Result<Arc<CustomersSettings>> {
        let platform = self.platform().clone();
        self.write(&by, async move |draft| {
            let old = draft.directory.customers_settings();
            let auto_tokens = match change.auto_tokens {
                Some(given) => sealed(&platform.vault, draft.account(), given, &old.auto_tokens)?,
                None => old.auto_tokens.clone(),
            };
            let settings = Arc::new(CustomersSettings {
                users: change.users.unwrap_or_else(|| old.users.clone()),
                auto_tokens,
                event_expiry: change.event_expiry.unwrap_or_else(|| old.event_expiry.clone()),
                attributes: change.attributes.unwrap_or_else(|| old.attributes.clone()),
            });
            let stamp = draft.directory.account.stamp.touched(draft.now);
            let record = AccountRecord { stamp, customers: Some(settings.clone()), ..draft.directory.account.as_ref().clone() };
            store::accounts::update(draft.tx, &record).await?;
            draft.directory.account = Arc::new(record);
            let event = draft.event("customers_settings.updated", draft.account());
            draft.record(event.before(told(&old)).after(told(&settings)));
            Ok(settings)
        })
        .await
    }

    /// The key of an automatic token.
    pub(crate) fn auto_token_key(&self, sealed: &SealedSecret) -> Result<Vec<u8>> {
        self.platform().vault.open(place(self.id()), sealed)
    }
}

/// Seals the keys that are given, and keeps those that were not.
fn sealed(
    vault: &Vault,
    account: AccountId,
    given: AutoTokens<Option<Secret>>,
    old: &AutoTokens<SealedSecret>,
) -> Result<AutoTokens<SealedSecret>> {
    let all = |field: &str, given: Vec<AutoToken<Option<Secret>>>, old: &[AutoToken<SealedSecret>]| {
        let known = old.iter().find(|token| matches!(token, AutoToken::HmacSha256(_)));
        let one = |(at, token)| match (token, known) {
            (AutoToken::Sha256, _) => Ok(AutoToken::Sha256),
            (AutoToken::HmacSha256(Some(secret)), _) => {
                Ok(AutoToken::HmacSha256(vault.seal(place(account), Secret::reveal(&secret).as_bytes())))
            }
            (AutoToken::HmacSha256(None), Some(known)) => Ok(known.clone()),
            (AutoToken::HmacSha256(None), None) => {
                Err(Error::invalid(format!("auto_tokens.{field}[{at}].secret"), "is required"))
            }
        };
        given.into_iter().enumerate().map(one).collect::<Result<_>>()
    };
    Ok(AutoTokens {
        phone_number: all("phone_number", given.phone_number, &old.phone_number)?,
        email: all("email", given.email, &old.email)?,
    })
}

/// Settings as an event tells of them: no keys.
fn told(settings: &CustomersSettings) -> Value {
    let kinds = |tokens: &[AutoToken<SealedSecret>], field: &str| -> Vec<String> {
        tokens.iter().map(|token| token.kind(field)).collect()
    };
    json!({
        "users": settings.users,
        "auto_tokens": {
            "phone_number": kinds(&settings.auto_tokens.phone_number, "phone_number"),
            "email": kinds(&settings.auto_tokens.email, "email"),
        },
        "event_expiry": settings.event_expiry,
        "attributes": settings.attributes,
    })
}
