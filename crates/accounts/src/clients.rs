//! Clients (contract nos. 10-14).

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{Client, ClientInput, ClientKey, Error, Result, Secret, Stamp};

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::draft::Draft;
use crate::events::sha256;
use crate::store;

/// How many live clients an account may have.
const MAX_CLIENTS: usize = 500;

impl Account {
    /// One live client, by its record or by its `client_id`.
    pub fn client(&self, id: &str) -> Result<Arc<Client>> {
        find(&self.directory(), id)
    }

    /// All live clients in order of creation.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.directory().clients.values().cloned().collect();
        clients.sort_by_key(|client| client.key);
        clients
    }

    /// Registers a client and makes its secret, which is seen here and nowhere else.
    pub async fn create_client(&self, by: Caller, input: ClientInput) -> Result<(Arc<Client>, Secret)> {
        let secret = self.platform().source.secret();
        let secret_hash = sha256(&[secret.reveal().as_bytes()]);
        let made_id = self.platform().source.client_id();
        let client = self.write(&by, async move |draft| {
            if draft.directory.clients.len() >= MAX_CLIENTS && !draft.by.is_system() {
                return Err(Error::LimitReached { noun: "clients", max: MAX_CLIENTS });
            }
            let client_id = input.client_id.map_or_else(|| made_id.parse(), Ok).map_err(Error::Internal)?;
            let client = Arc::new(Client {
                key: ClientKey(draft.new_id()),
                stamp: Stamp::new(draft.now, draft.by.subject()),
                client_id,
                name: input.name,
                description: input.description,
                callbacks: input.callbacks,
                secret_hash,
            });
            store::clients::insert(draft.tx, draft.account(), &client).await?;
            keep(draft, client.clone());
            draft.record(draft.event("client.created", client.key).after(told(&client)));
            Ok(client)
        });
        Ok((client.await?, secret))
    }

    /// Gives a client a new secret; the old one ends at once. The caller must itself hold every scope that the client's
    /// grants give.
    pub async fn rotate_client_secret(&self, by: Caller, id: String) -> Result<(Arc<Client>, Secret)> {
        let secret = self.platform().source.secret();
        let secret_hash = sha256(&[secret.reveal().as_bytes()]);
        let client = self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            // Whoever learns the secret can do what the client can.
            for grant in draft.directory.grants.values().filter(|grant| grant.client == old.key) {
                draft.may_delegate(&grant.scope)?;
            }
            let client = Arc::new(Client { secret_hash, stamp: old.stamp.touched(draft.now), ..(*old).clone() });
            store::clients::update(draft.tx, draft.account(), &client).await?;
            keep(draft, client.clone());
            draft.record(draft.event("client.secret_rotated", client.key));
            Ok(client)
        });
        Ok((client.await?, secret))
    }

    /// Soft-deletes a client with its grants. Its tokens are worth nothing from the next request on.
    pub async fn delete_client(&self, by: Caller, id: String) -> Result<Arc<Client>> {
        self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            let (now, who) = (draft.now, draft.by.subject());
            let client = Arc::new(Client { stamp: old.stamp.removed(now, who), ..(*old).clone() });
            for grant in draft.directory.grants.values().filter(|grant| grant.client == client.key) {
                let ended = tenantry_domain::Grant { stamp: grant.stamp.removed(now, who), ..(**grant).clone() };
                store::grants::update(draft.tx, draft.account(), &ended).await?;
            }
            store::clients::update(draft.tx, draft.account(), &client).await?;
            Arc::make_mut(&mut draft.directory.clients).remove(&client.client_id);
            Arc::make_mut(&mut draft.directory.grants).retain(|_, grant| grant.client != client.key);
            draft.record(draft.event("client.deleted", client.key).before(told(&old)));
            Ok(client)
        })
        .await
    }
}

/// A record id names a client before a `client_id` does.
fn find(directory: &Directory, id: &str) -> Result<Arc<Client>> {
    let by_key = id.parse().ok().and_then(|key| directory.client(key));
    let found = by_key.or_else(|| id.parse().ok().and_then(|name| directory.clients.get(&name)));
    found.cloned().ok_or(Error::NotFound)
}

fn keep(draft: &mut Draft<'_>, client: Arc<Client>) {
    Arc::make_mut(&mut draft.directory.clients).insert(client.client_id.clone(), client);
}

/// The client as an event tells of it: nothing of its secret.
fn told(client: &Client) -> Value {
    json!({
        "client_id": client.client_id,
        "name": client.name.as_ref().map(tenantry_domain::Text::as_str),
        "description": client.description.as_ref().map(tenantry_domain::Text::as_str),
        "callbacks": client.callbacks,
    })
}
