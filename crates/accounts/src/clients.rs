//! Clients (contract nos. 10-14).

use std::sync::Arc;

use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tenantry_domain::{Client, ClientId, ClientInput, ClientKey, Error, KeptSecret, Result, Seconds, Secret, Stamp};

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::draft::Draft;
use crate::events::sha256;
use crate::store;
use crate::tokens::ClientSecret;

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
        self.write(&by, async move |draft| draft.create_client(input).await).await
    }

    /// Replaces what a client is called and where it may send people; its `client_id` stays. The caller must itself hold every scope that
    /// the client's grants give: whoever says where people are sent gets their tokens.
    pub async fn update_client(&self, by: Caller, id: String, input: ClientInput) -> Result<Arc<Client>> {
        self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            draft.update_client(&old, input).await
        })
        .await
    }

    /// Gives a client a new secret; the old one lives on for `overlap` seconds, by default not at all, and one that was
    /// old before ends at once. The caller must itself hold every scope that the client's grants give.
    pub async fn rotate_client_secret(&self, by: Caller, id: String, overlap: Seconds) -> Result<(Arc<Client>, Secret)> {
        if !(0..=Client::LONGEST_OVERLAP).contains(&overlap) {
            return Err(Error::invalid("overlap", format!("must be between 0 and {} seconds", Client::LONGEST_OVERLAP)));
        }
        let secret = self.platform().source.secret();
        let kept = KeptSecret::new(sha256(&[secret.reveal().as_bytes()]));
        let client = self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            // Whoever learns the secret can do what the client can.
            may_be(draft, &old)?;
            let until = draft.now.plus(overlap);
            let client = Arc::new(Client {
                secret: kept,
                old_secret: (overlap > 0).then(|| (old.secret.clone(), until)),
                stamp: old.stamp.touched(draft.now),
                ..(*old).clone()
            });
            store::clients::update(draft.tx, draft.account(), &client).await?;
            keep(draft, client.clone());
            let told = draft.event("client.secret_rotated", client.key);
            draft.record(told.after((overlap > 0).then(|| json!({"old_secret_until": until}))));
            Ok(client)
        });
        Ok((client.await?, secret))
    }

    /// A client whose old secret still lives; `NotFound` where it has none, or no longer.
    pub fn client_with_old_secret(&self, id: &str) -> Result<Arc<Client>> {
        let client = find(&self.directory(), id)?;
        if client.old_secret(self.now()).is_some() { Ok(client) } else { Err(Error::NotFound) }
    }

    /// Ends a client's old secret before its time, and yields the client as it was.
    pub async fn delete_old_client_secret(&self, by: Caller, id: String) -> Result<Arc<Client>> {
        self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            old.old_secret(draft.now).ok_or(Error::NotFound)?;
            let client = Arc::new(Client { old_secret: None, stamp: old.stamp.touched(draft.now), ..(*old).clone() });
            store::clients::update(draft.tx, draft.account(), &client).await?;
            keep(draft, client);
            draft.record(draft.event("client.old_secret_deleted", old.key));
            Ok(old)
        })
        .await
    }

    /// The client that this secret proves, its current one or its old one. An unknown client takes as long to refuse.
    pub(crate) fn prove(&self, proof: &ClientSecret) -> Result<Arc<Client>> {
        let (directory, now) = (self.directory(), self.now());
        let known = proof.client_id.parse().ok().and_then(|id: ClientId| directory.clients.get(&id));
        let hash = sha256(&[proof.secret.reveal().as_bytes()]);
        let current = known.map(|client| &client.secret);
        let old = known.and_then(|client| client.old_secret(now)).map(|(secret, _)| secret);
        let mut proven = None;
        for secret in [current, old] {
            let same: bool = hash.ct_eq(secret.map_or(&[0; 32], |secret| &secret.hash)).into();
            proven = secret.filter(|_| same).or(proven);
        }
        let (Some(client), Some(secret)) = (known, proven) else { return Err(Error::InvalidClient) };
        self.platform().uses.touch(self.id(), client.key, secret, now);
        Ok(client.clone())
    }

    /// Soft-deletes a client with its grants. Its tokens are worth nothing from the next request on.
    pub async fn delete_client(&self, by: Caller, id: String) -> Result<Arc<Client>> {
        self.write(&by, async move |draft| {
            let old = find(&draft.directory, &id)?;
            draft.delete_client(&old).await
        })
        .await
    }
}

impl Draft<'_> {
    pub(crate) async fn create_client(&mut self, input: ClientInput) -> Result<(Arc<Client>, Secret)> {
        if self.directory.clients.len() >= MAX_CLIENTS && !self.by.is_system() {
            return Err(Error::LimitReached { noun: "clients", max: MAX_CLIENTS });
        }
        let source = self.source();
        let client_id = input.client_id.map_or_else(|| source.client_id().parse(), Ok).map_err(Error::Internal)?;
        let secret = source.secret();
        let client = Arc::new(Client {
            key: ClientKey(self.new_id()),
            stamp: Stamp::new(self.now, self.by.subject()),
            client_id,
            name: input.name,
            description: input.description,
            callbacks: input.callbacks,
            secret: KeptSecret::new(sha256(&[secret.reveal().as_bytes()])),
            old_secret: None,
        });
        store::clients::insert(self.tx, self.account(), &client).await?;
        keep(self, client.clone());
        self.record(self.event("client.created", client.key).after(told(&client)));
        Ok((client, secret))
    }

    pub(crate) async fn update_client(&mut self, old: &Client, input: ClientInput) -> Result<Arc<Client>> {
        may_be(self, old)?;
        let client = Arc::new(Client {
            name: input.name,
            description: input.description,
            callbacks: input.callbacks,
            stamp: old.stamp.touched(self.now),
            ..old.clone()
        });
        store::clients::update(self.tx, self.account(), &client).await?;
        keep(self, client.clone());
        self.record(self.event("client.updated", client.key).before(told(old)).after(told(&client)));
        Ok(client)
    }

    pub(crate) async fn delete_client(&mut self, old: &Client) -> Result<Arc<Client>> {
        let client = self.take_client(old);
        self.end_clients(&[client.key]).await?;
        Ok(client)
    }

    /// Takes a client out with its grants and tells of it; `end_clients` has to end their rows.
    pub(crate) fn take_client(&mut self, old: &Client) -> Arc<Client> {
        self.directory.clients.remove(&old.client_id);
        self.directory.grants.retain(|grant| grant.client != old.key);
        self.record(self.event("client.deleted", old.key).before(told(old)));
        Arc::new(Client { stamp: old.stamp.removed(self.now, self.by.subject()), ..old.clone() })
    }

    pub(crate) async fn end_clients(&self, keys: &[ClientKey]) -> Result<()> {
        let (now, who) = (self.now, self.by.subject());
        store::grants::end_of(self.tx, self.account(), keys, now, who).await?;
        store::clients::end(self.tx, self.account(), keys, now, who).await
    }
}

/// A record id names a client before a `client_id` does.
fn find(directory: &Directory, id: &str) -> Result<Arc<Client>> {
    let by_key = id.parse().ok().and_then(|key| directory.client(key));
    let found = by_key.or_else(|| id.parse().ok().and_then(|name| directory.clients.get(&name)));
    found.cloned().ok_or(Error::NotFound)
}

/// Refuses to let a caller become a client that can do what the caller cannot (security A6).
fn may_be(draft: &Draft<'_>, client: &Client) -> Result<()> {
    let mut grants = draft.directory.grants.values().filter(|grant| grant.client == client.key);
    grants.try_for_each(|grant| draft.may_act_on(&grant.scope))
}

fn keep(draft: &mut Draft<'_>, client: Arc<Client>) {
    draft.directory.clients.insert(client.client_id.clone(), client);
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
