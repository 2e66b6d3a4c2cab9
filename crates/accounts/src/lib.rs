//! The heart: one actor for each account, which owns its configuration, writes it one change at a time and publishes
//! a snapshot that every request reads.
//!
//! [`Registry`] wakes accounts, [`Account`] is the handle to one; features are `impl Account` blocks, one noun a file.
//! Nothing here knows of HTTP, and nothing outside [`store`] knows of tables.

mod account;
mod addresses;
mod attempts;
mod bootstrap;
mod caller;
mod catalogue;
mod challenges;
mod clients;
mod communication;
mod console;
mod customer_search;
mod customer_tokens;
mod customers;
mod customers_settings;
mod derived;
mod directory;
mod draft;
mod entering;
mod events;
mod exchange;
mod federation;
mod grants;
mod hash_kinds;
mod hashing;
mod id_tokens;
mod introspection;
mod keys;
mod limits;
mod login;
mod measures;
mod members;
mod nouns;
mod outbox;
mod own;
mod password_links;
mod passwordless;
mod people;
mod permits;
mod platform;
mod pruning;
mod registry;
mod roles;
mod sessions;
mod source;
mod store;
mod sub_accounts;
mod tags;
mod terms;
mod tokens;
mod totp;
mod users;
mod uses;
mod vault;

pub use account::Account;
pub use bootstrap::{Bootstrapped, Credentials};
pub use caller::{Act, Admitted, Caller, Demand, Origin};
pub use catalogue::Catalogue;
pub use challenges::{Recovery, Redeemed, Sent};
pub use communication::communication;
pub use customer_search::{CustomerFilter, Found};
pub use customers::{Idempotency, Known};
pub use derived::Ticket;
pub use directory::Directory;
pub use entering::Membership;
pub use events::{Content, Event, EventFilter};
pub use exchange::TokenExchange;
pub use federation::{OidcLogin, OidcRequest};
pub use hash_kinds::imported_hash;
pub use id_tokens::Redirect;
pub use introspection::Introspection;
pub use keys::{Jwk, SigningKey};
pub use limits::Quotas;
pub use login::PasswordLogin;
pub use members::MemberFilter;
pub use nouns::Nouns;
pub use outbox::{Message, Template};
pub use passwordless::{CodeRequest, Ident, Link};
pub use permits::{Lane, PERMITS};
pub use platform::{Choices, Platform};
pub use registry::Registry;
pub use roles::RoleFilter;
pub use sessions::Login;
pub use source::Source;
pub use store::tokens::{PairFilter, TokenFilter};
pub use store::{Database, Lock, Schema, Store};
pub use tokens::{AccessToken, Claims, ClientSecret, TokenUse};
pub use totp::{Shown, TotpSetup};
pub use users::UserFilter;
pub use vault::Vault;

#[cfg(test)]
mod tests;
