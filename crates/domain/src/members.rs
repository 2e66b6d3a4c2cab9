//! Account users: people who administer accounts (contract section 9). Who they are stands with the operator; what they may do
//! stands in each account, as a membership.

use crate::{AuthUserId, Email, RoleId, Scopes, Stamp, Text};

/// What is said of a new member.
#[derive(Debug, Clone)]
pub struct MemberInput {
    /// Who it is, whatever else it is a member of.
    pub email: Email,
    /// What it is to have.
    pub rights: MemberRights,
    /// Whether it signs in elsewhere: then it is not invited to choose a password.
    pub external: bool,
}

/// What can be said anew of a member.
#[derive(Debug, Clone)]
pub struct MemberRights {
    /// What people call it.
    pub name: Option<Text<255>>,
    /// Scopes of its own.
    pub scope: Scopes,
    /// Roles, whose scopes it has as long as they give them.
    pub roles: Vec<RoleId>,
    /// Whether it may do anything; `None`: as until now, and of a new one that it may.
    pub enabled: Option<bool>,
}

/// A member as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub id: AuthUserId,
    /// Who made it a member, and when.
    pub stamp: Stamp,
    /// Its mail address.
    pub email: Email,
    /// What people call it.
    pub name: Option<Text<255>>,
    /// Scopes of its own.
    pub scope: Scopes,
    /// Roles.
    pub roles: Vec<RoleId>,
    /// Whether it signs in elsewhere.
    pub external: bool,
    /// Whether it may do anything. One that is shut out keeps what it has for another time.
    pub enabled: bool,
}
