//! sea-orm entities, one a table, no logic: the columns as they are stored, and nothing else.
//!
//! Instants are microseconds UTC (`i64`), JSON is text that is never queried, ids are UUID v7. Only
//! `tenantry-accounts::store` names this crate; everyone else sees domain types.

#![expect(missing_docs, reason = "a column is documented by the domain type that it is read into")]

pub mod account;
pub mod attempt;
pub mod auth_user;
pub mod challenge;
pub mod client;
pub mod customer;
pub mod customer_attribute;
pub mod customer_tag;
pub mod customer_token;
pub mod event;
pub mod grant;
pub mod installer;
pub mod installer_terms;
pub mod instance;
pub mod key;
pub mod lease;
pub mod member;
pub mod outbox;
pub mod replay;
pub mod role;
pub mod session;
pub mod tag;
pub mod terms;
pub mod token_event;
pub mod token_pair;

/// The name of every table, but for the list of migrations.
pub const TABLES: [&str; 25] = [
    "account",
    "attempt",
    "auth_user",
    "challenge",
    "client",
    "client_grant",
    "customer",
    "customer_attribute",
    "customer_tag",
    "customer_token",
    "event",
    "installer",
    "installer_terms",
    "instance",
    "lease",
    "member",
    "outbox",
    "replay",
    "role",
    "session",
    "signing_key",
    "tag",
    "terms",
    "token_event",
    "token_pair",
];
