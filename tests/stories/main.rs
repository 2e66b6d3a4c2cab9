//! Stories: what the product promises, told over real HTTP and with the real program.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod canaries;
mod clients;
mod communication;
mod console;
mod customer_import;
mod customer_login;
mod customer_search;
mod customer_tokens;
mod customers;
mod customers_settings;
mod delivery;
mod erasure;
mod exchange;
mod federation;
mod grants;
mod http;
mod installer_examples;
mod installer_review;
mod installers;
mod isolation;
mod keys;
mod kills;
mod limits;
mod logins;
mod management;
mod members;
mod metrics;
mod mfa;
mod neighbours;
mod nodes;
mod openapi;
mod passwordless;
mod policies;
mod processes;
mod roles;
mod sessions;
mod standards;
mod suspended;
mod tags;
mod terms;
mod token_exchange;
mod tokens;
mod totp;
mod users;
