//! An account as a document says it is to be: all that differs is changed in one write, with one event, or nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tenantry_domain::{
    AccountChange, AccountRecord, Audience, AuthUserId, Change, Checks, Client, ClientId, ClientInput, Email, Error, Grant,
    GrantInput, GrantType, Member, MemberInput, MemberRights, Result, Role, RoleId, RoleInput, Scopes, Secret, Text, fold,
};
use tokio::sync::oneshot;

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::draft::Draft;
use crate::limits::seconds;
use crate::tokens::Claims;

/// How many records one write changes at most: others wait for it.
const MAX_CHANGES: usize = 500;
/// How many people it invites at most: each takes a dozen statements.
const MAX_INVITED: usize = 100;
/// How much its event tells at most, in bytes.
const MAX_TOLD: usize = 256 * 1024;

/// For how many times as long as a document took the next one of its account waits: all accounts may share one writer.
const REST: u32 = 10;
/// How long it waits at most; beyond that it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// When an account's last document has been paid for.
pub(crate) type Rested = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// What an account is to be; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Settings.
    pub settings: Option<AccountChange>,
    /// Roles, told from one another by their names.
    pub roles: Option<Vec<RoleInput>>,
    /// Clients, each with its `client_id`.
    pub clients: Option<Vec<ClientInput>>,
    /// Grants, told from one another by client, audience and type. Identity providers stay as they are.
    pub grants: Option<Vec<GrantInput>>,
    /// Members, told from one another by their addresses.
    pub members: Option<Vec<WantedMember>>,
}

/// What a member is to be.
#[derive(Debug)]
pub struct WantedMember {
    /// Who it is.
    pub email: Email,
    /// What people call it.
    pub name: Option<Text<255>>,
    /// Scopes of its own.
    pub scope: Scopes,
    /// Roles by their ids, or by their names as [`fold`] leaves them.
    pub roles: Vec<String>,
    /// Whether it signs in elsewhere; `None`: as until now, and of a new one that it does not.
    pub external: Option<bool>,
    /// Whether it may do anything; `None`: as until now, and of a new one that it may. A new one that may not is not written to.
    pub enabled: Option<bool>,
}

/// How a document is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// What the document does not name goes, but for what the caller is signed in with and what no document can say.
    pub prune: bool,
    /// Everything is tried, and nothing kept.
    pub dry_run: bool,
    /// Only if the account is at this version.
    pub version: Option<i64>,
}

/// What came of a document.
#[derive(Debug)]
pub struct Configured {
    /// What was changed, or would be, in the order in which it was done.
    pub changes: Vec<Changed>,
    /// The account before.
    pub before: Directory,
    /// The account as it is now, or as it would be.
    pub after: Directory,
    /// The version that the account is at now.
    pub version: i64,
    /// The secrets of new clients, which are seen here and nowhere else.
    pub secrets: Vec<(ClientId, Secret)>,
}

/// A record before and after a change; of a new one there is none before, of one that has gone none after.
#[derive(Debug, Clone)]
pub enum Changed {
    /// The account's own settings.
    Settings(Arc<AccountRecord>, Arc<AccountRecord>),
    /// A role.
    Role(Option<Arc<Role>>, Option<Arc<Role>>),
    /// A client.
    Client(Option<Arc<Client>>, Option<Arc<Client>>),
    /// A grant.
    Grant(Option<Arc<Grant>>, Option<Arc<Grant>>),
    /// A member.
    Member(Option<Arc<Member>>, Option<Arc<Member>>),
}

impl Account {
    /// Makes the account what `wanted` says, in one write with one event. Where nothing differs nothing is written. Each record that is
    /// changed, or would be, is charged as a request, as far as the rate has room for it.
    ///
    /// Errors: those of each single change, with its place in the document; `Invalid` for what stands there twice, for more than one
    /// write changes, and for a change of what the caller is signed in with; `VersionMismatch`.
    pub async fn configure(&self, by: Caller, wanted: Wanted, manner: Manner) -> Result<Configured> {
        let named = Named::of(&wanted)?;
        let mut rested = self.rest().await?;
        let (tell, told) = oneshot::channel();
        let spent = Arc::new(AtomicUsize::new(0));
        let spending = spent.clone();
        let done = self.write(&by, async move |draft| {
            let before = draft.directory.clone();
            let version = before.version - 1;
            if manner.version.is_some_and(|asked| asked != version) {
                return Err(Error::VersionMismatch(version));
            }
            let begun = Instant::now();
            let mut work = Work::new(draft, &before);
            let made = work.run(wanted, manner.prune.then_some(&named)).await;
            *rested = Some(Instant::now() + begun.elapsed() * REST);
            spending.store(work.changes.len(), Ordering::Relaxed);
            made?;
            let Work { changes, secrets, told: Told { before: was, after: is, .. }, .. } = work;
            let unchanged = manner.dry_run || changes.is_empty();
            let configured = Configured { changes, after: draft.directory.clone(), before, version, secrets };
            if unchanged {
                drop(tell.send(configured));
                return Err(Error::Unchanged);
            }
            let event = draft.event("configuration.applied", draft.account());
            draft.record(event.before(Value::Object(was)).after(Value::Object(is)));
            Ok(Configured { version: version + 1, ..configured })
        });
        let done = done.await;
        // As if each had been a request of its own.
        for _ in 1..spent.load(Ordering::Relaxed) {
            if by.charge(self).is_err() {
                break;
            }
        }
        match done {
            Err(Error::Unchanged) => told.await.map_err(|_| Error::OutcomeUnknown),
            done => {
                self.platform().mail.notify_one();
                done
            }
        }
    }
}

impl Account {
    /// One document at a time, and pauses between them.
    ///
    /// Errors: `Busy`, `TooManyAttempts`.
    async fn rest(&self) -> Result<tokio::sync::OwnedMutexGuard<Option<Instant>>> {
        let rested = tokio::time::timeout(PATIENCE, self.documents().lock_owned()).await.map_err(|_| Error::Busy)?;
        let wait = rested.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if wait > PATIENCE {
            return Err(Error::TooManyAttempts(seconds(wait)));
        }
        tokio::time::sleep(wait).await;
        Ok(rested)
    }
}

/// What tells a grant from the others.
type GrantKey = (ClientId, Audience, GrantType);

fn grant_key(grant: &Grant) -> GrantKey {
    (grant.client_id.clone(), grant.audience.clone(), grant.kind)
}

fn role_key(role: &RoleInput) -> Option<String> {
    role.name.as_ref().map(|name| fold(name.as_str()))
}

/// What a document names, by what tells one record from another.
struct Named {
    roles: Option<BTreeSet<String>>,
    clients: Option<BTreeSet<ClientId>>,
    grants: Option<BTreeSet<GrantKey>>,
    members: Option<BTreeSet<String>>,
}

impl Named {
    fn of(wanted: &Wanted) -> Result<Self> {
        let mut checks = Checks::default();
        let named = Self {
            roles: keys(&mut checks, "roles", wanted.roles.as_deref(), role_key),
            clients: keys(&mut checks, "clients", wanted.clients.as_deref(), |client| client.client_id.clone()),
            grants: keys(&mut checks, "grants", wanted.grants.as_deref(), |grant| {
                Some((grant.client_id.clone(), grant.audience.clone(), grant.kind))
            }),
            members: keys(&mut checks, "users", wanted.members.as_deref(), |member| Some(member.email.key().to_owned())),
        };
        checks.done(Some(named))
    }
}

/// The keys of records; a finding names one that has none, or that of one before it.
fn keys<T, K: Ord>(checks: &mut Checks, noun: &str, wanted: Option<&[T]>, key: impl Fn(&T) -> Option<K>) -> Option<BTreeSet<K>> {
    let mut keys = BTreeSet::new();
    for (nth, one) in wanted?.iter().enumerate() {
        match key(one) {
            Some(key) => {
                if !keys.insert(key) {
                    checks.fault(format!("{noun}[{nth}]"), "stands there twice");
                }
            }
            None => checks.fault(format!("{noun}[{nth}]"), "must say which one it is"),
        }
    }
    Some(keys)
}

/// What the caller is signed in with, where that is of this account: nobody takes it from oneself.
struct Own {
    client: Option<ClientId>,
    member: Option<AuthUserId>,
    roles: Vec<RoleId>,
    audience: Audience,
}

impl Own {
    fn of(draft: &Draft<'_>) -> Self {
        let claims = draft.by.claims().filter(|claims| claims.act.is_none() && claims.aid == draft.account());
        let member = claims.and_then(Claims::member);
        let client = claims.filter(|_| member.is_none()).map(|claims| claims.client_id.clone());
        let roles = member.and_then(|id| draft.directory.members.get(&id)).map(|member| member.roles.clone());
        Self { client, member, roles: roles.unwrap_or_default(), audience: Audience::Account(draft.account()) }
    }

    fn role(&self, role: &Role) -> bool {
        self.roles.contains(&role.id)
    }

    fn client(&self, client: &ClientId) -> bool {
        self.client.as_ref() == Some(client)
    }

    fn grant(&self, client: &ClientId, audience: &Audience) -> bool {
        self.client(client) && *audience == self.audience
    }

    fn member(&self, member: &Member) -> bool {
        self.member == Some(member.id)
    }
}

fn refuse_own(own: bool, place: &str) -> Result<()> {
    if own { Err(Error::invalid(place, "is what you are signed in with: let somebody else change it")) } else { Ok(()) }
}

/// What the event tells: by what would be an event of its own, `role.updated ID`.
#[derive(Default)]
struct Told {
    before: Map<String, Value>,
    after: Map<String, Value>,
    bytes: usize,
}

/// The changes as they are made.
struct Work<'w, 't> {
    draft: &'w mut Draft<'t>,
    /// The account as it was: what anybody holds is judged by this.
    before: &'w Directory,
    own: Own,
    changes: Vec<Changed>,
    invited: usize,
    told: Told,
    secrets: Vec<(ClientId, Secret)>,
}

impl<'w, 't> Work<'w, 't> {
    fn new(draft: &'w mut Draft<'t>, before: &'w Directory) -> Self {
        let (own, told) = (Own::of(draft), Told::default());
        Self { draft, before, own, changes: Vec::new(), invited: 0, told, secrets: Vec::new() }
    }

    /// What goes makes room, and what is new may name what is new before it.
    async fn run(&mut self, wanted: Wanted, prune: Option<&Named>) -> Result<()> {
        if let Some(settings) = wanted.settings {
            self.settings(settings).await?;
        }
        if let Some(named) = prune {
            self.prune(named).await?;
        }
        self.roles(wanted.roles.unwrap_or_default()).await?;
        self.clients(wanted.clients.unwrap_or_default()).await?;
        self.grants(wanted.grants.unwrap_or_default()).await?;
        self.members(wanted.members.unwrap_or_default()).await
    }

    /// Takes note of a change that has been made. What stayed the same of a record is not told.
    fn noted(&mut self, change: Changed) -> Result<()> {
        let event = self.draft.take_event().ok_or_else(|| Error::Internal("a change told nothing of itself".to_owned()))?;
        self.changes.push(change);
        let (mut before, mut after) = (event.before, event.after);
        if let (Some(Value::Object(before)), Some(Value::Object(after))) = (&mut before, &mut after) {
            before.retain(|name, value| {
                let same = after.get(name) == Some(value);
                if same {
                    after.remove(name);
                }
                !same
            });
        }
        let size = |told: &Option<Value>| told.as_ref().map_or(0, |told| told.to_string().len());
        self.told.bytes += size(&before) + size(&after) + 64;
        if self.changes.len() > MAX_CHANGES
            || self.invited > MAX_INVITED
            || (self.told.bytes > MAX_TOLD && self.changes.len() > 1)
        {
            let most =
                format!("changes too much at once ({MAX_CHANGES} records, {MAX_INVITED} new users, {} KiB)", MAX_TOLD / 1024);
            return Err(Error::invalid("body", most + ": apply it in parts"));
        }
        let name = format!("{} {}", event.kind, event.target.unwrap_or_default());
        self.told.before.extend(before.map(|before| (name.clone(), before)));
        self.told.after.extend(after.map(|after| (name, after)));
        Ok(())
    }

    async fn settings(&mut self, mut wanted: AccountChange) -> Result<()> {
        let old = self.draft.directory.account.clone();
        let known = old.settings.jwks.as_ref().zip(wanted.jwks.given());
        if known.is_some_and(|(old, wanted)| old.says_the_same(wanted)) {
            // Who it speaks for is not said anew.
            wanted.jwks = Change::Keep;
        }
        if old.with(wanted.clone(), old.stamp.clone()) == *old {
            return Ok(());
        }
        let next = self.draft.update_settings(wanted).await.map_err(|error| error.within("settings"))?;
        self.noted(Changed::Settings(old, next))
    }

    /// Takes out what is not named, but for what is the caller's own, and for roles without names and grants with identity providers, with
    /// their clients: no document can bring them back.
    async fn prune(&mut self, named: &Named) -> Result<()> {
        let all = self.before;
        let mut members = Vec::new();
        for old in all.members.values() {
            let kept = named.members.as_ref().is_none_or(|named| named.contains(old.email.key()));
            if !kept && !self.own.member(old) {
                let place = format!("users ({})", old.email);
                members.push(self.draft.take_member(old.id).map_err(|error| error.within(&place))?);
                self.noted(Changed::Member(Some(old.clone()), None))?;
            }
        }
        self.draft.end_members(&members).await?;
        let goes = |client: &Client| {
            let kept = named.clients.as_ref().is_none_or(|named| named.contains(&client.client_id))
                || self.own.client(&client.client_id);
            !kept && !all.grants.values().any(|grant| grant.client == client.key && grant.oidc.is_some())
        };
        let gone: Vec<_> = all.clients.values().filter(|client| goes(client)).cloned().collect();
        let mut grants = Vec::new();
        for old in all.grants.values() {
            let kept = named.grants.as_ref().is_none_or(|named| named.contains(&grant_key(old))) || old.oidc.is_some();
            let kept =
                (kept || self.own.grant(&old.client_id, &old.audience)) && !gone.iter().any(|client| client.key == old.client);
            if !kept {
                self.draft.take_grant(old.id)?;
                self.noted(Changed::Grant(Some(old.clone()), None))?;
                grants.push(old.id);
            }
        }
        self.draft.end_grants(&grants).await?;
        let clients: Vec<_> = gone.iter().map(|client| client.key).collect();
        for old in gone {
            self.draft.take_client(&old);
            self.noted(Changed::Client(Some(old), None))?;
        }
        self.draft.end_clients(&clients).await?;
        let mut roles = Vec::new();
        for old in all.roles.values() {
            let kept = named.roles.as_ref().zip(old.document_key()).is_none_or(|(named, key)| named.contains(&key));
            if !kept && !self.own.role(old) {
                self.draft.take_role(old.id)?;
                self.noted(Changed::Role(Some(old.clone()), None))?;
                roles.push(old.id);
            }
        }
        self.draft.end_roles(&roles).await
    }

    async fn roles(&mut self, wanted: Vec<RoleInput>) -> Result<()> {
        let known = self.draft.directory.roles.values().filter_map(|role| Some((role.name_key()?, role.clone())));
        let known: BTreeMap<_, _> = known.collect();
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("roles[{nth}]");
            let old = role_key(&input).and_then(|key| known.get(&key));
            let done = match old {
                None => self.draft.add_role(input),
                Some(old) => {
                    let same = (&old.name, &old.description) == (&input.name, &input.description);
                    if same && same_scopes(&old.scope, &input.scope) {
                        continue;
                    }
                    refuse_own(self.own.role(old), &place)?;
                    self.draft.update_role(old.id, input).await
                }
            };
            let next = done.map_err(|error| error.within(&place))?;
            self.noted(Changed::Role(old.cloned(), Some(next)))?;
        }
        Ok(())
    }

    async fn clients(&mut self, wanted: Vec<ClientInput>) -> Result<()> {
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("clients[{nth}]");
            let old = input.client_id.as_ref().and_then(|id| self.draft.directory.clients.get(id)).cloned();
            let done = match &old {
                None => self.draft.create_client(input).await.map(|(client, secret)| {
                    self.secrets.push((client.client_id.clone(), secret));
                    client
                }),
                Some(old) => {
                    let same = (&old.name, &old.description) == (&input.name, &input.description);
                    if same && same_entries(&old.callbacks, &input.callbacks) {
                        continue;
                    }
                    self.may_be(old).map_err(|error| error.within(&place))?;
                    self.draft.update_client(old, input).await
                }
            };
            let next = done.map_err(|error| error.within(&place))?;
            self.noted(Changed::Client(old, Some(next)))?;
        }
        Ok(())
    }

    /// Whoever says where people are sent holds what the client held before any of this.
    fn may_be(&self, client: &Client) -> Result<()> {
        let mut grants = self.before.grants.values().filter(|grant| grant.client == client.key);
        grants.try_for_each(|grant| self.draft.may_act_on(&grant.scope))
    }

    async fn grants(&mut self, wanted: Vec<GrantInput>) -> Result<()> {
        let known: BTreeMap<_, _> = self.draft.directory.grants.values().map(|grant| (grant_key(grant), grant.clone())).collect();
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("grants[{nth}]");
            let key = (input.client_id.clone(), input.audience.clone(), input.kind);
            let old = known.get(&key);
            if old.is_some_and(|old| same_scopes(&old.scope, &input.scope)) {
                continue;
            }
            // Also a new one of the caller's own: one of a narrower type would count instead of it.
            refuse_own(self.own.grant(&input.client_id, &input.audience), &place)?;
            let done = match old {
                None => self.draft.create_grant(input).map_err(|error| match error {
                    Error::NotFound => Error::invalid("client_id", "must be a client of the account"),
                    error => error,
                }),
                Some(old) => self.draft.update_grant(old.id, input.scope).await,
            };
            let next = done.map_err(|error| error.within(&place))?;
            self.noted(Changed::Grant(old.cloned(), Some(next)))?;
        }
        Ok(())
    }

    async fn members(&mut self, wanted: Vec<WantedMember>) -> Result<()> {
        let roles = self.draft.directory.roles.values().filter_map(|role| Some((role.document_key()?, role.id)));
        let roles: BTreeMap<_, _> = roles.collect();
        let known = self.draft.directory.members.values().map(|member| (member.email.key().to_owned(), member.clone()));
        let known: BTreeMap<_, _> = known.collect();
        for (nth, wanted) in wanted.into_iter().enumerate() {
            let place = format!("users[{nth}]");
            let old = known.get(wanted.email.key());
            let done = self.member(wanted, old, &roles).await.map_err(|error| error.within(&place))?;
            if let Some(next) = done {
                self.noted(Changed::Member(old.cloned(), Some(next)))?;
            }
        }
        Ok(())
    }

    /// What becomes of a member; `None`: it stays as it is.
    async fn member(
        &mut self,
        wanted: WantedMember,
        old: Option<&Arc<Member>>,
        roles: &BTreeMap<String, RoleId>,
    ) -> Result<Option<Arc<Member>>> {
        let WantedMember { email, name, scope, roles: named, external, enabled } = wanted;
        let ids = self.roles_named(roles, &named)?;
        let Some(old) = old else {
            self.invited += 1;
            let (external, enabled) = (external.unwrap_or_default(), enabled.unwrap_or(true));
            let rights = MemberRights { name, scope, roles: ids, enabled: Some(enabled) };
            let input = MemberInput { email, rights, external };
            return self.draft.create_member(input, enabled && !external).await.map(Some);
        };
        if external.is_some_and(|external| external != old.external) {
            return Err(Error::invalid("authentication_type", "cannot be changed"));
        }
        let enabled = enabled.unwrap_or(old.enabled);
        let live = |id: &&RoleId| self.draft.directory.roles.contains_key(*id);
        let held: Vec<RoleId> = old.roles.iter().filter(live).copied().collect();
        if old.name == name && old.enabled == enabled && same_entries(&held, &ids) && same_scopes(&old.scope, &scope) {
            return Ok(None);
        }
        refuse_own(self.own.member(old), "")?;
        self.draft.may_act_on(&self.before.scopes_of(old))?;
        self.draft.update_member(old.id, MemberRights { name, scope, roles: ids, enabled: Some(enabled) }).await.map(Some)
    }

    /// The roles with these ids or names, each once. An id comes first: it is what no name can be.
    fn roles_named(&self, roles: &BTreeMap<String, RoleId>, named: &[String]) -> Result<Vec<RoleId>> {
        let (mut ids, mut checks) = (Vec::new(), Checks::default());
        for (nth, name) in named.iter().enumerate() {
            let by_id = name.parse().ok().filter(|id| self.draft.directory.roles.contains_key(id));
            match by_id.or_else(|| roles.get(name).copied()) {
                Some(id) if ids.contains(&id) => {}
                Some(id) => ids.push(id),
                None => checks.fault(format!("roles[{nth}]"), "must be a role of the account"),
            }
        }
        checks.done(Some(ids))
    }
}

/// Whether two lists have the same scopes, in any order.
fn same_scopes(one: &Scopes, other: &Scopes) -> bool {
    one == other || one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}

/// Whether two lists have the same entries, in any order.
fn same_entries<T: Ord>(one: &[T], other: &[T]) -> bool {
    one == other || one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}
