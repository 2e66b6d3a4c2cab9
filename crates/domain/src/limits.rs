//! Rates: how much anybody may ask, and what is told of it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// A rate: so many requests a second, and so many at once. Neither is ever zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests a second.
    pub requests_per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

impl Quota {
    /// The greatest number that either may be.
    pub const MAX: u32 = 1_000_000;

    /// Checks one of the two numbers.
    pub fn number(value: i64) -> Result<NonZeroU32, String> {
        let fits = u32::try_from(value).ok().filter(|value| *value <= Self::MAX).and_then(NonZeroU32::new);
        fits.ok_or_else(|| format!("must be between 1 and {}", Self::MAX))
    }

    /// How long an empty bucket takes to be full again, in seconds, rounded up.
    #[must_use]
    pub fn window(self) -> Seconds {
        self.burst.get().div_ceil(self.requests_per_second.get()).into()
    }
}

impl FromStr for Quota {
    type Err = String;

    /// Reads `RATE/BURST`, `500/1000`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rate, burst) = text.split_once('/')?;
            Some((rate.trim().parse().ok()?, burst.trim().parse().ok()?))
        };
        let (rate, burst) = parse().ok_or("must be RATE/BURST, as in 500/1000")?;
        Ok(Self { requests_per_second: Self::number(rate)?, burst: Self::number(burst)? })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests_per_second, self.burst)
    }
}

/// Whose rate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// One address that has proven nothing.
    Address,
    /// One account.
    Account,
    /// One client of an account.
    Client,
    /// A partner and all accounts below it.
    Tree,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Address, Self::Account, Self::Client, Self::Tree];

    /// Its name in headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Client => "client",
            Self::Tree => "tree",
        }
    }
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whose rate.
    pub limit: Limit,
    /// The rate.
    pub quota: Quota,
    /// How many more requests would pass now.
    pub remaining: u32,
    /// Where none would: in how many seconds one will. Else how long until all will.
    pub reset: Seconds,
}

#[cfg(test)]
mod tests {
    use super::Quota;

    #[test]
    fn a_quota_is_two_positive_numbers() {
        let quota: Quota = "500/1000".parse().unwrap();
        assert_eq!((quota.to_string().as_str(), quota.window()), ("500/1000", 2));
        for bad in ["", "500", "0/1", "1/0", "-1/5", "1/1000001", "1/2/3", "a/b", "99999999999999999999/1"] {
            assert!(bad.parse::<Quota>().is_err(), "{bad}");
        }
    }
}
