//! Roles (contract nos. 18-22).

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{Error, Result, Role, RoleId, RoleInput, Stamp, fold};

use crate::account::Account;
use crate::caller::Caller;
use crate::draft::Draft;
use crate::store;

/// How many live roles an account may have.
const MAX_ROLES: usize = 1000;
/// How many rows a search through deleted roles reads at a time.
const BATCH: u64 = 500;

/// Which roles to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RoleFilter {
    /// A part of the id, name or description, without regard to case.
    pub search: Option<String>,
    /// Exactly this name, without regard to case.
    pub name: Option<String>,
    /// Also deleted roles.
    pub include_deleted: bool,
    /// After this role.
    pub after: Option<RoleId>,
    /// How many at most.
    pub limit: usize,
}

impl RoleFilter {
    fn matches(&self, role: &Role) -> bool {
        let named = |name: &String| role.name_key().as_ref() == Some(&fold(name));
        let found = |part: &String| {
            let part = fold(part);
            let texts = [
                role.name.as_ref().map(tenantry_domain::Text::as_str),
                role.description.as_ref().map(tenantry_domain::Text::as_str),
            ];
            role.id.to_string().contains(&part) || texts.iter().flatten().any(|text| fold(text).contains(&part))
        };
        self.name.as_ref().is_none_or(named) && self.search.as_ref().is_none_or(found)
    }
}

impl Account {
    /// One live role.
    pub fn role(&self, id: RoleId) -> Result<Arc<Role>> {
        self.directory().roles.get(&id).cloned().ok_or(Error::NotFound)
    }

    /// Roles in order of creation. Live ones come from the snapshot; only a look at deleted ones costs SQL.
    pub async fn roles(&self, filter: &RoleFilter) -> Result<Vec<Arc<Role>>> {
        if !filter.include_deleted {
            let directory = self.directory();
            return Ok(directory
                .roles
                .after(filter.after)
                .filter(|role| filter.matches(role))
                .take(filter.limit)
                .cloned()
                .collect());
        }
        let (mut found, mut after) = (Vec::new(), filter.after);
        loop {
            let rows = store::roles::page(&self.platform().store.read, self.id(), after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = Some(last.id);
            found.extend(rows.into_iter().filter(|role| filter.matches(role)).map(Arc::new));
            if found.len() >= filter.limit {
                found.truncate(filter.limit);
                return Ok(found);
            }
        }
    }

    /// Creates a role; the caller must itself hold every scope that the role gives.
    pub async fn create_role(&self, by: Caller, input: RoleInput) -> Result<Arc<Role>> {
        self.write(&by, async move |draft| draft.create_role(input)).await
    }

    /// Replaces a role's content; the caller must itself hold every scope that the role then gives.
    pub async fn update_role(&self, by: Caller, id: RoleId, input: RoleInput) -> Result<Arc<Role>> {
        self.write(&by, async move |draft| draft.update_role(id, input).await).await
    }

    /// Soft-deletes a role.
    pub async fn delete_role(&self, by: Caller, id: RoleId) -> Result<Arc<Role>> {
        self.write(&by, async move |draft| draft.delete_role(id).await).await
    }
}

impl Draft<'_> {
    pub(crate) fn create_role(&mut self, input: RoleInput) -> Result<Arc<Role>> {
        let key = input.name.as_ref().map(|name| fold(name.as_str()));
        if key.is_some_and(|key| self.directory.roles.values().any(|other| other.is_named(&key))) {
            return Err(Error::Duplicate("name"));
        }
        self.add_role(input)
    }

    /// Creates a role whose name no other has.
    pub(crate) fn add_role(&mut self, input: RoleInput) -> Result<Arc<Role>> {
        self.may_delegate(&input.scope)?;
        if self.directory.roles.len() >= MAX_ROLES {
            return Err(Error::LimitReached { noun: "roles", max: MAX_ROLES });
        }
        let stamp = Stamp::new(self.now, self.by.subject());
        let RoleInput { name, description, scope } = input;
        let role = Arc::new(Role { id: RoleId(self.new_id()), stamp, name, description, scope });
        self.tx.add_role(store::roles::columns(self.account(), &role));
        self.directory.roles.insert(role.id, role.clone());
        self.record(self.event("role.created", role.id).after(told(&role)));
        Ok(role)
    }

    pub(crate) async fn update_role(&mut self, id: RoleId, input: RoleInput) -> Result<Arc<Role>> {
        let old = self.directory.roles.get(&id).cloned().ok_or(Error::NotFound)?;
        self.may_delegate(&input.scope)?;
        let RoleInput { name, description, scope } = input;
        let role = Arc::new(Role { id, stamp: old.stamp.touched(self.now), name, description, scope });
        store::roles::update(self.tx, self.account(), &role).await?;
        self.directory.roles.insert(id, role.clone());
        self.record(self.event("role.updated", id).before(told(&old)).after(told(&role)));
        Ok(role)
    }

    pub(crate) async fn delete_role(&mut self, id: RoleId) -> Result<Arc<Role>> {
        let role = self.take_role(id)?;
        self.end_roles(&[id]).await?;
        Ok(role)
    }

    /// Takes a role out and tells of it; `end_roles` has to end its row.
    pub(crate) fn take_role(&mut self, id: RoleId) -> Result<Arc<Role>> {
        let old = self.directory.roles.remove(&id).ok_or(Error::NotFound)?;
        let role = Arc::new(Role { stamp: old.stamp.removed(self.now, self.by.subject()), ..(*old).clone() });
        self.record(self.event("role.deleted", id).before(told(&old)));
        Ok(role)
    }

    pub(crate) async fn end_roles(&self, ids: &[RoleId]) -> Result<()> {
        store::roles::end(self.tx, self.account(), ids, self.now, self.by.subject()).await
    }
}

/// The role as an event tells of it.
fn told(role: &Role) -> Value {
    json!({
        "name": role.name.as_ref().map(tenantry_domain::Text::as_str),
        "description": role.description.as_ref().map(tenantry_domain::Text::as_str),
        "scope": role.scope,
    })
}
