//! The words of the business from outside: what each rule is for, and what holds of whatever anybody writes.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod installers;
#[cfg(test)]
mod people;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scopes;

#[cfg(test)]
use tenantry_domain::{Instant, Stamp};

/// A record that `system` made a second after 1970 began.
#[cfg(test)]
fn stamp() -> Stamp {
    Stamp::new(Instant::from_micros(1_000_000), "system")
}
