//! The clock of the server jumps.

use std::time::{Duration, Instant};

use crate::run::spread;
use crate::site::Site;

/// To where, in seconds from the right time, one after the other. Tokens live four hours.
const JUMPS: [i64; 8] = [3600, 0, -50, 20, -3600, 7200, -7, 0];

/// It is set, forwards or back.
pub(crate) async fn jump(site: &mut Site, nth: u32) -> Option<Instant> {
    let clock = site.clock.as_ref().expect("a clock of its own");
    clock.set(JUMPS[nth as usize % JUMPS.len()]);
    let set = Instant::now();
    tokio::time::sleep(spread(nth, Duration::from_millis(500))).await;
    Some(set)
}
