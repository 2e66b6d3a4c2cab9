//! The snapshot of one account's configuration that every request reads. Never changed, only replaced.

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use tenantry_domain::{
    AccountId, AccountRecord, Audience, AuthUserId, Client, ClientId, ClientKey, EventId, Grant, GrantId, GrantType, Instant,
    KeyId, KeyPurpose, Member, Result, Role, RoleId, Scopes, Seconds, Tag, TagId,
};

use crate::keys::SigningKey;
use crate::nouns::Nouns;
use crate::store::{self, Store};

/// The configuration of one account as of one version. Its nouns are shared with the version before but for what changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    /// The account itself.
    pub account: Arc<AccountRecord>,
    /// How many configuration writes led here.
    pub version: i64,
    /// The event of that version, and its hash.
    pub(crate) head: (EventId, [u8; 32]),
    /// Live clients by name.
    pub clients: Nouns<ClientId, Client>,
    /// Live grants.
    pub grants: Nouns<GrantId, Grant>,
    /// Live roles.
    pub roles: Nouns<RoleId, Role>,
    /// Live members: the people who administer the account.
    pub members: Nouns<AuthUserId, Member>,
    /// Live tags of customers.
    pub tags: Nouns<TagId, Tag>,
    /// Signing keys, published ones and those that still verify.
    pub keys: Nouns<KeyId, SigningKey>,
}

impl Directory {
    /// No token outlives this, so a key that has been replaced for as long can go.
    pub const LONGEST_TOKEN: Seconds = 86_400;

    /// Reads an account's configuration; `None` for an account that never was.
    pub(crate) async fn load(db: &impl ConnectionTrait, account: AccountId) -> Result<Option<Self>> {
        let Some((record, version)) = store::accounts::find(db, account).await? else { return Ok(None) };
        Self::fill(db, record, version).await.map(Some)
    }

    /// The same, as of one moment.
    pub(crate) async fn load_now(store: &Store, account: AccountId) -> Result<Option<Self>> {
        store.read.as_of_one_moment(async |snapshot| Self::load(snapshot, account).await).await
    }

    /// Reads an account's configuration inside a write that has claimed the version after `version`.
    pub(crate) async fn load_at(db: &impl ConnectionTrait, account: AccountId, version: i64) -> Result<Option<Self>> {
        let Some((record, _)) = store::accounts::find(db, account).await? else { return Ok(None) };
        Self::fill(db, record, version).await.map(Some)
    }

    async fn fill(db: &impl ConnectionTrait, record: AccountRecord, version: i64) -> Result<Self> {
        let account = record.id;
        let clients = store::clients::of(db, account).await?.into_iter();
        let grants = store::grants::of(db, account).await?.into_iter();
        let roles = store::roles::of(db, account).await?.into_iter();
        let members = store::members::of(db, account).await?.into_iter();
        let tags = store::tags::of(db, account).await?.into_iter();
        let keys = store::keys::of(db, account).await?.into_iter();
        Ok(Self {
            account: Arc::new(record),
            version,
            head: store::events::head(db, account, version).await?,
            clients: clients.map(|client| (client.client_id.clone(), Arc::new(client))).collect(),
            grants: grants.map(|grant| (grant.id, Arc::new(grant))).collect(),
            roles: roles.map(|role| (role.id, Arc::new(role))).collect(),
            members: members.map(|member| (member.id, Arc::new(member))).collect(),
            tags: tags.map(|tag| (tag.id, Arc::new(tag))).collect(),
            keys: keys.map(|key| (key.id, Arc::new(key))).collect(),
        })
    }

    /// The client with this record.
    pub fn client(&self, key: ClientKey) -> Option<&Arc<Client>> {
        self.clients.values().find(|client| client.key == key)
    }

    /// The grant that ties a client to an audience for a kind of token request: one of just that type, else `any`.
    pub fn grant(&self, client: &ClientId, audience: &Audience, kind: GrantType) -> Option<&Arc<Grant>> {
        let of = |kind| {
            let mut grants = self.grants.values();
            grants.find(|grant| grant.kind == kind && grant.client_id == *client && grant.audience == *audience)
        };
        of(kind).or_else(|| of(GrantType::Any))
    }

    /// What a member may do now: its own scopes, and those of its roles that live. `None`: it is no member, or is shut out.
    pub fn member_scopes(&self, id: AuthUserId) -> Option<Scopes> {
        self.members.get(&id).filter(|member| member.enabled).map(|member| self.scopes_of(member))
    }

    /// What a member has, whether it is shut out or not.
    pub(crate) fn scopes_of(&self, member: &Member) -> Scopes {
        let roles = member.roles.iter().filter_map(|role| self.roles.get(role));
        Scopes::union(std::iter::once(&member.scope).chain(roles.map(|role| &role.scope)))
    }

    /// The key of this purpose that signs now: the latest that has become active.
    pub fn signing_key(&self, purpose: KeyPurpose, now: Instant) -> Option<&Arc<SigningKey>> {
        self.keys
            .values()
            .filter(|key| key.purpose == purpose && key.active_from <= now)
            .max_by_key(|key| (key.active_from, key.id))
    }

    /// The keys whose tokens may still be alive: all but those replaced longer ago than a token can live.
    pub fn live_keys(&self, now: Instant) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.values().filter(move |key| self.honoured_until(key).is_none_or(|until| now < until))
    }

    /// Until when tokens of a key may be alive; `None` while no other follows it.
    pub fn honoured_until(&self, key: &SigningKey) -> Option<Instant> {
        let after =
            |other: &&Arc<SigningKey>| other.purpose == key.purpose && (other.active_from, other.id) > (key.active_from, key.id);
        let replaced = self.keys.values().filter(after).map(|other| other.active_from).min();
        replaced.map(|at| at.plus(Self::LONGEST_TOKEN + 60))
    }
}
