//! Client grants (contract nos. 15-17, and PATCH of section 9).

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{Audience, ClientId, Error, Grant, GrantId, GrantInput, Oidc, Result, Scopes, Stamp};

use crate::account::Account;
use crate::caller::Caller;
use crate::draft::Draft;
use crate::store;
use crate::vault::Place;

/// How many live grants an account may have.
const MAX_GRANTS: usize = 2000;

impl Account {
    /// Live grants in order of creation, optionally those of one client or for one audience.
    pub fn grants(&self, client: Option<&ClientId>, audience: Option<&Audience>) -> Vec<Arc<Grant>> {
        let wanted = |grant: &&Arc<Grant>| {
            client.is_none_or(|client| grant.client_id == *client) && audience.is_none_or(|audience| grant.audience == *audience)
        };
        self.directory().grants.values().filter(wanted).cloned().collect()
    }

    /// Lets a client obtain scopes for an audience; the caller must itself hold them.
    ///
    /// The audience is this account, one directly below it (to choose scopes in an exchange), or one elsewhere.
    /// Errors: `Invalid`, `NotFound` for an unknown client, `ScopeNotDelegable`, `Duplicate`, `LimitReached`.
    pub async fn create_grant(&self, by: Caller, input: GrantInput) -> Result<Arc<Grant>> {
        self.write(&by, async move |draft| draft.create_grant(input)).await
    }

    /// Gives a grant other scopes; the caller must itself hold them. Holds at the next request, for issued tokens, too.
    pub async fn update_grant(&self, by: Caller, id: GrantId, scope: Scopes) -> Result<Arc<Grant>> {
        self.write(&by, async move |draft| draft.update_grant(id, scope).await).await
    }

    /// Soft-deletes a grant. Tokens that it gave are refused from the next request on.
    pub async fn delete_grant(&self, by: Caller, id: GrantId) -> Result<Arc<Grant>> {
        self.write(&by, async move |draft| draft.delete_grant(id).await).await
    }
}

impl Draft<'_> {
    pub(crate) fn create_grant(&mut self, input: GrantInput) -> Result<Arc<Grant>> {
        let own = self.account();
        if matches!(&input.audience, Audience::Account(id) if *id != own && !id.is_child_of(own)) {
            return Err(Error::invalid("audience", "must be this account, one below it, or a resource server elsewhere"));
        }
        self.may_delegate(&input.scope)?;
        if self.directory.grants.len() >= MAX_GRANTS && !self.by.is_system() {
            return Err(Error::LimitReached { noun: "grants", max: MAX_GRANTS });
        }
        let client = self.directory.clients.get(&input.client_id).ok_or(Error::NotFound)?.key;
        let id = GrantId(self.new_id());
        let place = Place { account: own, kind: "grant.oidc", id: id.0 };
        let oidc = input.oidc.map(|oidc| Oidc {
            sealed_secret: self.handle.platform().vault.seal(place, oidc.client_secret.reveal().as_bytes()),
            client_id: oidc.client_id,
            authority: oidc.authority,
        });
        let grant = Arc::new(Grant {
            id,
            stamp: Stamp::new(self.now, self.by.subject()),
            client,
            client_id: input.client_id,
            audience: input.audience,
            scope: input.scope,
            kind: input.kind,
            oidc,
        });
        let same =
            |other: &Arc<Grant>| other.client == grant.client && other.kind == grant.kind && other.audience == grant.audience;
        if self.directory.grants.values().any(same) {
            return Err(Error::Duplicate("client_id, audience and type"));
        }
        self.tx.add_grant(store::grants::columns(own, &grant));
        self.directory.grants.insert(id, grant.clone());
        self.record(self.event("grant.created", id).after(told(&grant)));
        Ok(grant)
    }

    pub(crate) async fn update_grant(&mut self, id: GrantId, scope: Scopes) -> Result<Arc<Grant>> {
        let old = self.directory.grants.get(&id).cloned().ok_or(Error::NotFound)?;
        self.may_delegate(&scope)?;
        let grant = Arc::new(Grant { scope, stamp: old.stamp.touched(self.now), ..(*old).clone() });
        store::grants::update(self.tx, self.account(), &grant).await?;
        self.directory.grants.insert(id, grant.clone());
        self.record(self.event("grant.updated", id).before(told(&old)).after(told(&grant)));
        Ok(grant)
    }

    pub(crate) async fn delete_grant(&mut self, id: GrantId) -> Result<Arc<Grant>> {
        let grant = self.take_grant(id)?;
        self.end_grants(&[id]).await?;
        Ok(grant)
    }

    /// Takes a grant out and tells of it; `end_grants` has to end its row.
    pub(crate) fn take_grant(&mut self, id: GrantId) -> Result<Arc<Grant>> {
        let old = self.directory.grants.remove(&id).ok_or(Error::NotFound)?;
        let grant = Arc::new(Grant { stamp: old.stamp.removed(self.now, self.by.subject()), ..(*old).clone() });
        self.record(self.event("grant.deleted", id).before(told(&old)));
        Ok(grant)
    }

    pub(crate) async fn end_grants(&self, ids: &[GrantId]) -> Result<()> {
        store::grants::end(self.tx, self.account(), ids, self.now, self.by.subject()).await
    }
}

/// The grant as an event tells of it: nothing of the provider's secret.
fn told(grant: &Grant) -> Value {
    json!({
        "client_id": grant.client_id,
        "audience": grant.audience.stored(),
        "scope": grant.scope,
        "type": grant.kind.as_str(),
        "oidc_authority": grant.oidc.as_ref().map(|oidc| &oidc.authority),
    })
}
