//! An account as a document says it is to be: all that differs is changed in one write, with one event, or nothing is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tenantry_domain::{
    AccountChange, Audience, AuthUserId, Change, Checks, Client, ClientId, ClientInput, Email, Error, Fault, Grant, GrantInput,
    Member, MemberInput, MemberRights, Result, Role, RoleId, RoleInput, Scopes, Secret, Text, fold,
};
use tokio::sync::oneshot;

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::draft::Draft;
use crate::tokens::Claims;

/// How many records one write changes at most: others wait for it.
const MAX_CHANGES: usize = 500;

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
    /// Roles by name, without regard to case, or by id.
    pub roles: Vec<String>,
    /// Whether it signs in elsewhere; `None`: as until now, and of a new one that it does not.
    pub external: Option<bool>,
    /// Whether it may do anything. A new one that may not is not written to.
    pub enabled: bool,
}

/// How a document is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// What the document does not name goes, but for what the caller is signed in with.
    pub prune: bool,
    /// Everything is tried, and nothing kept.
    pub dry_run: bool,
    /// Only if the account is at this version.
    pub version: Option<i64>,
}

/// What came of a document.
#[derive(Debug)]
pub struct Configured {
    /// The account before.
    pub before: Directory,
    /// The account as it is now, or as it would be.
    pub after: Directory,
    /// The version that the account is at now.
    pub version: i64,
    /// The secrets of new clients, which are seen here and nowhere else.
    pub secrets: Vec<(ClientId, Secret)>,
}

impl Account {
    /// Makes the account what `wanted` says, in one write with one event. Where nothing differs nothing is written.
    ///
    /// Errors: those of each single change, with its place in the document; `Invalid` for what stands there twice, for more changes than
    /// one write makes, and for a change of what the caller is signed in with; `VersionMismatch`.
    pub async fn configure(&self, by: Caller, wanted: Wanted, manner: Manner) -> Result<Configured> {
        let named = Named::of(&wanted)?;
        let (tell, told) = oneshot::channel();
        let account = self.clone();
        let done = self.write(&by, async move |draft| {
            let before = draft.directory.clone();
            let version = before.version - 1;
            if manner.version.is_some_and(|asked| asked != version) {
                return Err(Error::VersionMismatch(version));
            }
            let mut work = Work { account: &account, own: Own::of(draft), draft, told: Told::default(), secrets: Vec::new() };
            work.run(wanted, manner.prune.then_some(&named)).await?;
            let Work { told: Told { changes, before: was, after: is }, secrets, .. } = work;
            let configured = Configured { before, after: draft.directory.clone(), version, secrets };
            if manner.dry_run || changes == 0 {
                drop(tell.send(configured));
                return Err(Error::Unchanged);
            }
            let event = draft.event("configuration.applied", draft.account());
            draft.record(event.before(Value::Object(was)).after(Value::Object(is)));
            Ok(Configured { version: version + 1, ..configured })
        });
        match done.await {
            Err(Error::Unchanged) => told.await.map_err(|_| Error::OutcomeUnknown),
            done => {
                self.platform().mail.notify_one();
                done
            }
        }
    }
}

/// What a document names, by what tells one record from another.
struct Named {
    roles: Option<BTreeSet<String>>,
    clients: Option<BTreeSet<ClientId>>,
    grants: Option<BTreeSet<(ClientId, String, &'static str)>>,
    members: Option<BTreeSet<String>>,
}

impl Named {
    fn of(wanted: &Wanted) -> Result<Self> {
        let mut checks = Checks::default();
        let named = Self {
            roles: each(&mut checks, "roles", wanted.roles.as_deref(), role_key),
            clients: each(&mut checks, "clients", wanted.clients.as_deref(), |client| client.client_id.clone()),
            grants: each(&mut checks, "grants", wanted.grants.as_deref(), |grant| {
                Some((grant.client_id.clone(), grant.audience.stored().to_string(), grant.kind.as_str()))
            }),
            members: each(&mut checks, "users", wanted.members.as_deref(), |member| Some(member.email.key().to_owned())),
        };
        checks.done(Some(named))
    }
}

/// The keys of records; a finding names one that has none, or that of one before it.
fn each<T, K: Ord>(checks: &mut Checks, noun: &str, wanted: Option<&[T]>, key: impl Fn(&T) -> Option<K>) -> Option<BTreeSet<K>> {
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

fn role_key(role: &RoleInput) -> Option<String> {
    role.name.as_ref().map(|name| fold(name.as_str()))
}

/// What the caller is signed in with, where that is of this account: nobody takes it from oneself.
struct Own {
    client: Option<ClientId>,
    member: Option<AuthUserId>,
    roles: Vec<RoleId>,
}

impl Own {
    fn of(draft: &Draft<'_>) -> Self {
        let claims = draft.by.claims().filter(|claims| claims.act.is_none() && claims.aid == draft.account());
        let member = claims.and_then(Claims::member);
        let client = claims.filter(|_| member.is_none()).map(|claims| claims.client_id.clone());
        let roles = member.and_then(|id| draft.directory.members.get(&id)).map(|member| member.roles.clone());
        Self { client, member, roles: roles.unwrap_or_default() }
    }

    fn role(&self, role: &Role) -> bool {
        self.roles.contains(&role.id)
    }

    fn client(&self, client: &Client) -> bool {
        self.client.as_ref() == Some(&client.client_id)
    }

    fn grant(&self, client: &ClientId, audience: &Audience, draft: &Draft<'_>) -> bool {
        self.client.as_ref() == Some(client) && *audience == Audience::Account(draft.account())
    }

    fn member(&self, member: &Member) -> bool {
        self.member == Some(member.id)
    }
}

fn refuse_own(own: bool, place: &str) -> Result<()> {
    if own { Err(Error::invalid(place, "is what you are signed in with: let somebody else change it")) } else { Ok(()) }
}

/// The changes as they are made.
struct Work<'w, 't> {
    account: &'w Account,
    draft: &'w mut Draft<'t>,
    own: Own,
    told: Told,
    secrets: Vec<(ClientId, Secret)>,
}

/// What the event tells: by what would be an event of its own, `role.updated ID`.
#[derive(Default)]
struct Told {
    changes: usize,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Work<'_, '_> {
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

    /// Takes note of a change that has been made.
    fn noted(&mut self) -> Result<()> {
        let event = self.draft.take_event().ok_or_else(|| Error::Internal("a change told nothing of itself".to_owned()))?;
        let told = &mut self.told;
        told.changes += 1;
        if told.changes > MAX_CHANGES {
            let parts = format!("would change more than {MAX_CHANGES} records at once: apply it in parts");
            return Err(Error::invalid("body", parts));
        }
        let name = format!("{} {}", event.kind, event.target.unwrap_or_default());
        told.before.extend(event.before.map(|before| (name.clone(), before)));
        told.after.extend(event.after.map(|after| (name, after)));
        Ok(())
    }

    async fn settings(&mut self, mut wanted: AccountChange) -> Result<()> {
        let old = self.draft.directory.account.clone();
        if let (Change::Set(wanted), Some(old)) = (&mut wanted.jwks, &old.settings.jwks) {
            // Who it speaks for is not said anew where it is the same.
            let same = (&wanted.name, &wanted.uri, &wanted.issuer, &wanted.audience)
                == (&old.name, &old.uri, &old.issuer, &old.audience);
            if same {
                wanted.scope.clone_from(&old.scope);
            }
        }
        let next = old.with(wanted.clone(), old.stamp.clone());
        if next == *old {
            return Ok(());
        }
        if next.settings.jwks == old.settings.jwks {
            wanted.jwks = Change::Keep;
        }
        self.draft.update_settings(wanted).await.map_err(|error| error.within("settings"))?;
        self.noted()
    }

    /// Takes out what is not named, but for what is the caller's own. Who goes is judged by what it has until then.
    async fn prune(&mut self, named: &Named) -> Result<()> {
        let all = self.draft.directory.clone();
        for member in all.members.values() {
            let kept = named.members.as_ref().is_none_or(|named| named.contains(member.email.key()));
            if !kept && !self.own.member(member) {
                let place = format!("users ({})", member.email);
                self.draft.remove_member(member.id).await.map_err(|error| error.within(&place))?;
                self.noted()?;
            }
        }
        for client in all.clients.values() {
            let kept = named.clients.as_ref().is_none_or(|named| named.contains(&client.client_id));
            if !kept && !self.own.client(client) {
                self.draft.delete_client(client).await?;
                self.noted()?;
            }
        }
        for grant in all.grants.values() {
            let key = (grant.client_id.clone(), grant.audience.stored().to_string(), grant.kind.as_str());
            let kept = named.grants.as_ref().is_none_or(|named| named.contains(&key));
            let gone = !self.draft.directory.grants.contains_key(&grant.id);
            if !kept && !gone && !self.own.grant(&grant.client_id, &grant.audience, self.draft) {
                self.draft.delete_grant(grant.id).await?;
                self.noted()?;
            }
        }
        for role in all.roles.values() {
            let kept = named.roles.as_ref().zip(role.name_key()).is_none_or(|(named, key)| named.contains(&key));
            if !kept && !self.own.role(role) {
                self.draft.delete_role(role.id).await?;
                self.noted()?;
            }
        }
        Ok(())
    }

    async fn roles(&mut self, wanted: Vec<RoleInput>) -> Result<()> {
        let known = self.draft.directory.roles.values().filter_map(|role| Some((role.name_key()?, role.clone())));
        let known: BTreeMap<_, _> = known.collect();
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("roles[{nth}]");
            match role_key(&input).and_then(|key| known.get(&key)) {
                None => self.draft.create_role(input).map(drop),
                Some(old) => {
                    let same = (&old.name, &old.description) == (&input.name, &input.description);
                    if same && same_scopes(&old.scope, &input.scope) {
                        continue;
                    }
                    refuse_own(self.own.role(old), &place)?;
                    self.draft.update_role(old.id, input).await.map(drop)
                }
            }
            .map_err(|error| error.within(&place))?;
            self.noted()?;
        }
        Ok(())
    }

    async fn clients(&mut self, wanted: Vec<ClientInput>) -> Result<()> {
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("clients[{nth}]");
            let known = input.client_id.as_ref().and_then(|id| self.draft.directory.clients.get(id)).cloned();
            match known {
                None => self.draft.create_client(&self.account.platform().source, input).await.map(|(client, secret)| {
                    self.secrets.push((client.client_id.clone(), secret));
                }),
                Some(old) => {
                    let same = (&old.name, &old.description) == (&input.name, &input.description);
                    if same && same_texts(&old.callbacks, &input.callbacks) {
                        continue;
                    }
                    self.draft.update_client(&old, input).await.map(drop)
                }
            }
            .map_err(|error| error.within(&place))?;
            self.noted()?;
        }
        Ok(())
    }

    async fn grants(&mut self, wanted: Vec<GrantInput>) -> Result<()> {
        let known = |grant: &Grant| (grant.client_id.clone(), grant.audience.clone(), grant.kind);
        let known: BTreeMap<_, _> = self.draft.directory.grants.values().map(|grant| (known(grant), grant.clone())).collect();
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("grants[{nth}]");
            let key = (input.client_id, input.audience, input.kind);
            let old = known.get(&key);
            if old.is_some_and(|old| same_scopes(&old.scope, &input.scope)) {
                continue;
            }
            let (client_id, audience, kind) = key;
            // Also a new one of the caller's own: one of a narrower type would count instead of it.
            refuse_own(self.own.grant(&client_id, &audience, self.draft), &place)?;
            match old {
                None => {
                    let input = GrantInput { client_id, audience, kind, ..input };
                    self.draft.create_grant(&self.account.platform().vault, input).map(drop).map_err(|error| match error {
                        Error::NotFound => Error::invalid("client_id", "must be a client of the account"),
                        error => error,
                    })
                }
                Some(old) => self.draft.update_grant(old.id, input.scope).await.map(drop),
            }
            .map_err(|error| error.within(&place))?;
            self.noted()?;
        }
        Ok(())
    }

    async fn members(&mut self, wanted: Vec<WantedMember>) -> Result<()> {
        let roles = self.draft.directory.roles.values().filter_map(|role| Some((role.name_key()?, role.id)));
        let roles: BTreeMap<_, _> = roles.collect();
        let known = self.draft.directory.members.values().map(|member| (member.email.key().to_owned(), member.clone()));
        let known: BTreeMap<_, _> = known.collect();
        for (nth, input) in wanted.into_iter().enumerate() {
            let place = format!("users[{nth}]");
            let WantedMember { email, name, scope, roles: named, external, enabled } = input;
            let ids = self.roles_named(&roles, &named).map_err(|error| error.within(&place))?;
            let rights = MemberRights { name, scope, roles: ids, enabled: Some(enabled) };
            match known.get(email.key()) {
                None => {
                    let external = external.unwrap_or_default();
                    let input = MemberInput { email, rights, external };
                    self.draft.create_member(self.account, input, enabled && !external).await.map(drop)
                }
                Some(old) if external.is_some_and(|external| external != old.external) => {
                    Err(Error::invalid("authentication_type", "cannot be changed"))
                }
                Some(old) => {
                    let live = |id: &&RoleId| self.draft.directory.roles.contains_key(*id);
                    let held: Vec<RoleId> = old.roles.iter().filter(live).copied().collect();
                    let same = old.name == rights.name && old.enabled == enabled && same_texts(&held, &rights.roles);
                    if same && same_scopes(&old.scope, &rights.scope) {
                        continue;
                    }
                    refuse_own(self.own.member(old), &place)?;
                    self.draft.update_member(old.id, rights).await.map(drop)
                }
            }
            .map_err(|error| error.within(&place))?;
            self.noted()?;
        }
        Ok(())
    }

    /// The roles with these names, each once.
    fn roles_named(&self, roles: &BTreeMap<String, RoleId>, named: &[String]) -> Result<Vec<RoleId>> {
        let (mut ids, mut faults) = (Vec::new(), Vec::new());
        for (nth, name) in named.iter().enumerate() {
            let by_id = || name.parse().ok().filter(|id| self.draft.directory.roles.contains_key(id));
            match roles.get(&fold(name)).copied().or_else(by_id) {
                Some(id) if ids.contains(&id) => {}
                Some(id) => ids.push(id),
                None => {
                    faults.push(Fault { field: format!("roles[{nth}]"), message: "must be a role of the account".to_owned() });
                }
            }
        }
        if faults.is_empty() { Ok(ids) } else { Err(Error::Invalid(faults)) }
    }
}

/// Whether two lists have the same scopes, in any order.
fn same_scopes(one: &Scopes, other: &Scopes) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}

/// Whether two lists have the same entries, in any order.
fn same_texts<T: Ord>(one: &[T], other: &[T]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}
