//! Load: many connections that ask as fast as they are answered, or at a steady rate.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::try_join_all;

use crate::http::{Connection, Request};

/// What a load saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Answers with 429.
    pub(crate) refused: usize,
    /// Nanoseconds from a request to its answer, sorted; refusals are not among them.
    latencies: Vec<u64>,
}

impl Seen {
    /// The latency that `share` of the answers did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let place = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(place.min(self.latencies.len().saturating_sub(1))).map_or(f64::NAN, |nanos| *nanos as f64 / 1e6)
    }

    /// What was seen another time is seen, too; the rate stays.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.refused += other.refused;
    }

    pub(crate) fn answered(&self) -> usize {
        self.latencies.len()
    }
}

/// How to ask.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// Requests a second over all connections; as fast as they are answered if unset.
    pub(crate) rate: Option<f64>,
    /// Whether 429 with `Retry-After` is an answer, too.
    pub(crate) refusals: bool,
}

impl Load {
    /// As fast as `connections` are answered.
    pub(crate) fn closed(connections: usize, duration: Duration) -> Self {
        Self { connections, duration, rate: None, refusals: false }
    }

    /// Runs it: `request(connection, nth)` says what to ask. Any answer that is not 2xx fails the run.
    pub(crate) async fn run<'r>(self, address: SocketAddr, request: impl Fn(usize, usize) -> &'r Request) -> Result<Seen> {
        let begun = Instant::now();
        let request = &request;
        let runs = (0..self.connections).map(|connection| self.connection(address, begun, connection, request));
        let mut seen = Seen::default();
        // Whoever waits in the kernel has to be woken, and the sender pays for that: the load stays awake.
        let awake = actix_rt::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let runs = try_join_all(runs).await;
        let took = begun.elapsed();
        awake.abort();
        for one in runs? {
            seen.add(one);
        }
        seen.rate = seen.latencies.len() as f64 / took.as_secs_f64();
        Ok(seen)
    }

    async fn connection<'r>(
        self,
        address: SocketAddr,
        begun: Instant,
        connection: usize,
        request: &impl Fn(usize, usize) -> &'r Request,
    ) -> Result<Seen> {
        let mut wire = Connection::open(address).await?;
        let mut seen = Seen::default();
        let gap = self.rate.map(|rate| Duration::from_secs_f64(self.connections as f64 / rate));
        for nth in 0.. {
            let mut asked = Instant::now();
            if let Some(gap) = gap {
                let due = begun + gap * nth as u32 + gap * connection as u32 / self.connections as u32;
                if due > asked {
                    tokio::time::sleep_until(due.into()).await;
                    asked = Instant::now();
                } else {
                    asked = due; // what waits for a slow answer before it counts as slow, too
                }
            }
            if begun.elapsed() >= self.duration {
                break;
            }
            let answer = wire.ask(request(connection, nth)).await?;
            match answer.status {
                // Where few are asked, the first request of each connection, which the server had to take up, would be the slowest.
                200..300 if nth == 0 && self.rate.is_some() && !self.refusals => {}
                200..300 => seen.latencies.push(asked.elapsed().as_nanos() as u64),
                429 if self.refusals && answer.retry_after => seen.refused += 1,
                status => bail!("answered {status}: {}", String::from_utf8_lossy(answer.body)),
            }
        }
        Ok(seen)
    }
}
