//! The first start: the operator's two accounts, each with one client that may do everything.

use serde::Serialize;
use serde_json::json;
use tenantry_domain::{
    AccountId, AccountRecord, Audience, Client, ClientInput, ClientKey, Error, EventId, Grant, GrantId, GrantInput, GrantType,
    KeptSecret, Mode, Result, Scopes, Settings, Stamp,
};

use crate::caller::Caller;
use crate::events::{Content, sha256};
use crate::platform::Platform;
use crate::registry::Registry;
use crate::store;
use crate::sub_accounts::{insert, told};

/// What the operator's clients and administrators may do.
pub(crate) const OPERATOR: [&str; 3] = ["admin:accounts", "admin:customers", "admin:installers"];

/// A client of the operator, with its secret. Shown once.
#[derive(Serialize)]
pub struct Credentials {
    /// The operator's account.
    pub account_id: AccountId,
    /// The audience to ask a token for.
    pub audience: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// What the first start made.
#[derive(Serialize)]
pub struct Bootstrapped {
    /// The production side.
    #[serde(flatten)]
    pub production: Credentials,
    /// The test side.
    pub test: Credentials,
}

impl Platform {
    /// Makes the operator's accounts. `None` if they exist already; then nothing was changed.
    pub async fn bootstrap(&self) -> Result<Option<Bootstrapped>> {
        let (production, test) = (self.first_client(Mode::Production), self.first_client(Mode::Test));
        let rows = [production.1, test.1];
        let turn = self.store.turns.take(async move |tx| {
            for row in &rows {
                row.write(tx).await?;
            }
            Ok(())
        });
        match turn.await {
            Ok(()) => Ok(Some(Bootstrapped { production: production.0, test: test.0 })),
            Err(Error::Duplicate(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn first_client(&self, mode: Mode) -> (Credentials, First) {
        let (source, now) = (&self.source, self.source.now());
        let id = AccountId::owner(mode);
        let stamp = Stamp::new(now, "bootstrap");
        let (name, secret) = (source.client_id(), source.secret());
        let client_id: tenantry_domain::ClientId = name.parse().expect("a made client id is a client id");
        let account = AccountRecord {
            id,
            stamp: stamp.clone(),
            display_name: "Operator".parse().expect("it is short text"),
            company: None,
            language_code: None,
            active: true,
            settings: Settings::default(),
            limits: None,
            client_limits: None,
            budget: None,
            customers: None,
        };
        let client = Client {
            key: ClientKey(source.id(now)),
            stamp: stamp.clone(),
            client_id: client_id.clone(),
            name: "bootstrap".parse().ok(),
            description: None,
            callbacks: Vec::new(),
            secret: KeptSecret::new(sha256(&[secret.reveal().as_bytes()])),
            old_secret: None,
        };
        let grant = Grant {
            id: GrantId(source.id(now)),
            stamp,
            client: client.key,
            client_id,
            audience: Audience::Account(id),
            scope: Scopes::parse(&OPERATOR).expect("they are scopes"),
            kind: GrantType::Any,
            oidc: None,
        };
        let event = Content { subject: "bootstrap".to_owned(), ..Content::new("account.created", now, &Caller::system(), id) };
        let event = event.after(json!({"account": told(&account), "client_id": name, "scope": OPERATOR}));
        let credentials = Credentials {
            account_id: id,
            audience: self.public.account(id),
            client_id: name,
            client_secret: secret.reveal().to_owned(),
        };
        (credentials, First { account, client, grant, event, event_id: EventId(source.id(now)), salt: source.bytes() })
    }
}

impl Registry {
    /// Gives each of the operator's accounts a new client that may do everything, for when the first one's secret or
    /// grant was lost. Told in their logs.
    pub async fn recover_operator(&self) -> Result<Bootstrapped> {
        let production = self.recover_client(Mode::Production).await?;
        Ok(Bootstrapped { production, test: self.recover_client(Mode::Test).await? })
    }

    async fn recover_client(&self, mode: Mode) -> Result<Credentials> {
        let account = self.get(AccountId::owner(mode)).await?;
        let input = ClientInput { name: "recovered".parse().ok(), ..ClientInput::default() };
        let (client, secret) = account.create_client(Caller::system(), input).await?;
        let grant = GrantInput {
            client_id: client.client_id.clone(),
            audience: Audience::Account(account.id()),
            scope: Scopes::parse(&OPERATOR).expect("they are scopes"),
            kind: GrantType::Any,
            oidc: None,
        };
        account.create_grant(Caller::system(), grant).await?;
        Ok(Credentials {
            account_id: account.id(),
            audience: self.platform().public.account(account.id()),
            client_id: client.client_id.to_string(),
            client_secret: secret.reveal().to_owned(),
        })
    }
}

/// The rows of one of the operator's accounts.
struct First {
    account: AccountRecord,
    client: Client,
    grant: Grant,
    event: Content,
    event_id: EventId,
    salt: [u8; 16],
}

impl First {
    async fn write(&self, tx: &store::Tx<'_>) -> Result<()> {
        insert(tx, &self.account, self.salt, self.event_id, &self.event).await?;
        store::clients::insert(tx, self.account.id, &self.client).await?;
        tx.add_grant(store::grants::columns(self.account.id, &self.grant));
        Ok(())
    }
}
