//! The harness of the black-box tests: a server with a database of its own and a clock that stands still, people who
//! talk to it over real HTTP, and the real program as a process.

mod answer;
mod app;
mod clock;
mod cluster;
mod person;
mod process;
mod tenant;

pub use answer::Answer;
pub use app::PUBLIC;
pub use app::{TestApp, http};
pub use clock::Clock;
pub use cluster::{Namespace, OwnServer, round_robin};
pub use person::Person;
pub use process::{Program, asked, binary, bootstrap, program, program_at, stderr};
pub use tenant::{AppClient, PASSWORD, Tenant};
pub use tenantry_test_database::TestDatabase;

/// What a shop's administrator holds.
pub const SHOP: &[&str] = &["admin:accounts", "admin:customers", "admin:installers"];
