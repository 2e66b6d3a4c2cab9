//! Members: the people who administer an account, and what they may do there (contract section 9). Who they are stands with
//! the operator; what they may do is configuration, like a client's grants.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_domain::{
    AccountId, AuthUser, AuthUserId, Channel, Email, Error, Link, Member, MemberInput, MemberRights, PasswordHash, Realm,
    Recovery, Result, RoleId, Seconds, Stamp, Text, Username, fold,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::draft::Draft;
use crate::outbox::{Letter, Template};
use crate::store;
use crate::vault::Vault;

/// How many members an account may have.
const MAX_MEMBERS: usize = 2000;
/// How long an invitation is good for.
const INVITATION: Seconds = 604_800;

/// Which members to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// A part of the id, name or address, without regard to case.
    pub search: Option<String>,
    /// Whoever holds this role.
    pub role: Option<RoleId>,
    /// After this member.
    pub after: Option<AuthUserId>,
    /// How many at most.
    pub limit: usize,
}

impl MemberFilter {
    fn matches(&self, member: &Member) -> bool {
        let found = |part: &String| {
            let part = fold(part);
            let name = member.name.as_ref().map(Text::as_str).unwrap_or_default();
            member.id.to_string().contains(&part) || [name, member.email.as_str()].iter().any(|text| fold(text).contains(&part))
        };
        self.role.is_none_or(|role| member.roles.contains(&role)) && self.search.as_ref().is_none_or(found)
    }
}

impl Account {
    /// Live members by id.
    pub fn members(&self, filter: &MemberFilter) -> Vec<Arc<Member>> {
        let directory = self.directory();
        directory.members.after(filter.after).filter(|member| filter.matches(member)).take(filter.limit).cloned().collect()
    }

    /// Makes somebody a member; the caller must itself hold what the member then has. Whoever is not known yet is asked by mail
    /// to choose a password.
    ///
    /// Errors: `Duplicate` for somebody who is a member, `Invalid` for a role that is not there, `ScopeNotDelegable`,
    /// `LimitReached`; `TooManyAttempts` where the address was sent too much.
    pub async fn invite(&self, by: Caller, input: MemberInput) -> Result<Arc<Member>> {
        let letter = !input.external;
        self.make_member(by, input, letter).await
    }

    /// The same without a letter.
    pub(crate) async fn invite_quietly(&self, by: Caller, input: MemberInput) -> Result<Arc<Member>> {
        self.make_member(by, input, false).await
    }

    async fn make_member(&self, by: Caller, input: MemberInput, letter: bool) -> Result<Arc<Member>> {
        let member = self.write(&by, async move |draft| draft.create_member(input, letter).await).await?;
        self.platform().mail.notify_one();
        Ok(member)
    }

    /// Tells a new member of the account, with a link to choose a password where it has none.
    async fn write_invitation(&self, draft: &Draft<'_>, person: &AuthUser) -> Result<()> {
        let Some(email) = person.email() else { return Ok(()) };
        self.allow_sending(draft.tx, "invitation sent", email.as_str()).await?;
        let challenge = self.password_challenge(Some(person.id), email, INVITATION);
        let about = if person.password.as_str().is_empty() {
            store::challenges::insert(draft.tx, AccountId::console(), &challenge, draft.now).await?;
            challenge.id
        } else {
            Uuid::nil()
        };
        let letter = self.letter(&challenge, Channel::Email, Some(email.as_str().to_owned()));
        let letter = Letter { template: Template::Invitation, about, ..letter };
        self.put_out(draft.tx, &letter).await
    }

    /// Says anew what a member has; the caller must itself hold it. Holds at the member's next request.
    pub async fn update_member(&self, by: Caller, id: AuthUserId, rights: MemberRights) -> Result<Arc<Member>> {
        self.write(&by, async move |draft| draft.update_member(id, rights).await).await
    }

    /// Removes a member. Its tokens are refused from the next request on.
    pub async fn remove_member(&self, by: Caller, id: AuthUserId) -> Result<Arc<Member>> {
        self.write(&by, async move |draft| draft.remove_member(id).await).await
    }
}

impl Draft<'_> {
    /// Makes somebody a member, and writes the letter if there is to be one.
    pub(crate) async fn create_member(&mut self, input: MemberInput, letter: bool) -> Result<Arc<Member>> {
        let account = self.handle;
        may_give(self, &input.rights)?;
        if self.directory.members.len() >= MAX_MEMBERS {
            return Err(Error::LimitReached { noun: "account users", max: MAX_MEMBERS });
        }
        let stamp = Stamp::new(self.now, self.by.subject());
        let person = known_or(self, new_person(&account.platform().vault, stamp.clone(), &input.email)?).await?;
        if self.directory.members.contains_key(&person.id) {
            return Err(Error::Duplicate("email"));
        }
        if letter {
            account.write_invitation(self, &person).await?;
        }
        let MemberRights { name, scope, roles, enabled } = input.rights;
        let member = Arc::new(Member {
            id: person.id,
            stamp,
            email: input.email,
            name,
            scope,
            roles,
            external: input.external,
            enabled: enabled.unwrap_or(true),
        });
        store::members::insert(self.tx, self.account(), &member).await?;
        self.directory.members.insert(member.id, member.clone());
        self.record(self.event("user.invited", member.id).after(told(&member)));
        Ok(member)
    }

    pub(crate) async fn update_member(&mut self, id: AuthUserId, rights: MemberRights) -> Result<Arc<Member>> {
        let old = self.directory.members.get(&id).cloned().ok_or(Error::NotFound)?;
        may_give(self, &rights)?;
        may_take(self, id)?;
        let MemberRights { name, scope, roles, enabled } = rights;
        let enabled = enabled.unwrap_or(old.enabled);
        if !enabled && self.by.subject() == id.member_subject() {
            return Err(Error::invalid("enabled", "is for somebody else to take from you"));
        }
        let stamp = old.stamp.touched(self.now);
        let member = Arc::new(Member { stamp, name, scope, roles, enabled, ..(*old).clone() });
        store::members::update(self.tx, self.account(), &member).await?;
        self.directory.members.insert(id, member.clone());
        self.record(self.event("user.rights_changed", id).before(told(&old)).after(told(&member)));
        Ok(member)
    }

    pub(crate) async fn remove_member(&mut self, id: AuthUserId) -> Result<Arc<Member>> {
        let member = self.take_member(id)?;
        self.end_members(std::slice::from_ref(&member)).await?;
        Ok(member)
    }

    /// Takes a member out and tells of it; `end_members` has to end its row.
    pub(crate) fn take_member(&mut self, id: AuthUserId) -> Result<Arc<Member>> {
        may_take(self, id)?;
        let old = self.directory.members.remove(&id).ok_or(Error::NotFound)?;
        let member = Arc::new(Member { stamp: old.stamp.removed(self.now, self.by.subject()), ..(*old).clone() });
        self.record(self.event("user.removed", id).before(told(&old)));
        Ok(member)
    }

    pub(crate) async fn end_members(&self, members: &[Arc<Member>]) -> Result<()> {
        let ids: Vec<_> = members.iter().map(|member| member.id).collect();
        store::members::end(self.tx, self.account(), &ids, self.now, self.by.subject()).await?;
        let targets: Vec<_> = members.iter().map(|member| member.email.as_str()).collect();
        store::outbox::uninvite(self.tx, self.account(), &targets).await
    }
}

/// Refuses roles that are not there, and what the caller itself does not hold (security A6).
fn may_give(draft: &Draft<'_>, rights: &MemberRights) -> Result<()> {
    draft.may_delegate(&rights.scope)?;
    for (at, id) in rights.roles.iter().enumerate() {
        let role = draft.directory.roles.get(id);
        let role = role.ok_or_else(|| Error::invalid(format!("roles[{at}].id"), "must be a role of the account"))?;
        draft.may_delegate(&role.scope).map_err(|error| match error {
            Error::ScopeNotDelegable { scope, .. } => Error::ScopeNotDelegable { field: format!("roles[{at}]"), scope },
            error => error,
        })?;
    }
    Ok(())
}

/// Nor does anybody take from a member what it itself does not hold.
fn may_take(draft: &Draft<'_>, id: AuthUserId) -> Result<()> {
    let member = draft.directory.members.get(&id).ok_or(Error::NotFound)?;
    draft.may_act_on(&draft.directory.scopes_of(member))
}

/// Who has this address already, or else this new person, from now on.
pub(crate) async fn known_or(draft: &Draft<'_>, person: AuthUser) -> Result<AuthUser> {
    let known = store::users::find(draft.tx, AccountId::console(), Realm::Console, &person.username).await?;
    if let Some(known) = known {
        return Ok(known);
    }
    store::users::insert(draft.tx, AccountId::console(), &person).await?;
    Ok(person)
}

/// Somebody who has no password yet. Its id tells nobody whether, or since when, it was known.
pub(crate) fn new_person(vault: &Vault, stamp: Stamp, email: &Email) -> Result<AuthUser> {
    let id = AuthUserId(vault.alias(AccountId::console(), "account user", email.key()));
    let username: Username = email.key().parse().map_err(|fault: String| Error::invalid("email", fault))?;
    Ok(AuthUser {
        id,
        stamp,
        realm: Realm::Console,
        username,
        password: PasswordHash::from(String::new()),
        links: vec![Link::Email(email.clone())],
        mfa: None,
        enabled: true,
        totp: None,
        recovery: Recovery::default(),
        pin: None,
    })
}

/// The member as an event tells of it: its address is no secret among those who administer the account.
fn told(member: &Member) -> Value {
    json!({
        "email": member.email.as_str(),
        "name": member.name.as_ref().map(Text::as_str),
        "scope": member.scope,
        "roles": member.roles,
        "enabled": member.enabled,
    })
}
