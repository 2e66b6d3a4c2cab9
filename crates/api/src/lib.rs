//! The HTTP API on actix-web: routes of one line, handlers that translate, one guard, one error renderer.
//!
//! An endpoint's path, policy and summary stand on one line and its schemas in one signature; the router, the guard,
//! the OpenAPI document and the test of every route's policy are read from there. See docs/adding-an-endpoint.md.

mod body;
mod call;
mod clients;
mod communication;
mod configuration;
mod console;
mod credentials;
mod customer_feed;
mod customer_import;
mod customer_login;
mod customer_search;
mod customer_tokens;
mod customers;
mod customers_settings;
mod error;
mod events;
mod exchange;
mod forwarded;
mod grants;
mod health;
mod installer_identity;
mod installer_pages;
mod installer_profile;
mod installer_review;
mod installer_terms;
mod installers;
mod keys;
mod limits;
mod management;
mod members;
mod messages;
mod metrics;
mod mfa;
mod oauth;
mod observe;
mod oidc;
mod openapi;
mod pages;
mod passwordless;
mod query;
mod redirect;
mod reply;
mod roles;
mod route;
mod server;
mod settings;
mod tags;
mod terms;
mod token_request;
mod tokens;
mod totp;
mod transfer;
mod ui;
mod usage;
mod users;
mod well_known;
mod wire;

pub use body::strictly;
pub use configuration::Configuration;
pub use metrics::{describe_metrics, metrics_app};
pub use openapi::document;
pub use route::{Access, Policy, Route, routes};
pub use server::{Options, State, Traced, app};
