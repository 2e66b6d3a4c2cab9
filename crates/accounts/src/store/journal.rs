//! Activity on its way to the log. It changes no configuration and no version, so what many accounts tell at once goes in
//! with one turn and one commit; whoever tells waits for that commit.

use std::sync::Arc;
use std::time::Duration;

use actix_rt::ArbiterHandle;
use tenantry_domain::{AccountId, Error, EventId, Instant, Result};
use tokio::sync::{mpsc, oneshot};

use super::events::Told;
use super::{Turns, events};
use crate::events::Content;
use crate::permits::Permit;
use crate::source::Source;

/// How many entries one turn writes at most.
const BATCH: usize = 256;
/// How many may wait. Each holds a permit of its account, so that nobody fills this alone.
const MAX_WAITING: usize = 4096;
/// Where so many came together, as many will again: they are waited for, since a commit costs the same for one and for all.
const CROWD: usize = 8;
/// How long, at most.
const PAUSE: Duration = Duration::from_millis(5);

/// The way to the log for activity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(mpsc::Sender<Waiting>);

/// What is told in the logs of two accounts.
pub(crate) struct Entry {
    accounts: [AccountId; 2],
    told: Arc<Told>,
}

impl Entry {
    /// Writes the content out at once: less goes from thread to thread.
    pub(crate) fn new(accounts: [AccountId; 2], content: &Content) -> Self {
        Self { accounts, told: Told::new(content).into() }
    }
}

struct Waiting {
    entry: Entry,
    source: Source,
    /// Held until it is written, even if whoever tells has gone away.
    permit: Permit,
    reply: oneshot::Sender<Result<()>>,
}

impl Journal {
    /// A journal that takes these turns, on this thread.
    pub(crate) fn start(turns: Turns, arbiter: &ArbiterHandle) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        arbiter.spawn_fn(move || drop(actix_rt::spawn(serve(turns, waiting))));
        Self(queue)
    }

    /// Tells, and returns once it is durable. Ids come from `source`.
    pub(crate) async fn tell(&self, entry: Entry, source: Source, permit: Permit) -> Result<()> {
        let (reply, outcome) = oneshot::channel();
        self.0.send(Waiting { entry, source, permit, reply }).await.map_err(|_| Error::Unavailable)?;
        outcome.await.unwrap_or(Err(Error::OutcomeUnknown))
    }
}

/// Writes what waits, as much as has come together while the last commit ran.
async fn serve(turns: Turns, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut crowded = false;
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        if crowded && batch.len() < BATCH {
            tokio::time::sleep(PAUSE).await;
            let room = BATCH - batch.len();
            batch.extend(std::iter::from_fn(|| waiting.try_recv().ok()).take(room));
        }
        crowded = batch.len() >= CROWD;
        let (mut entries, mut callers) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Waiting { entry, source, permit, reply } in batch.drain(..) {
            entries.push((entry, source));
            callers.push((permit, reply));
        }
        let written = turns.take(async move |tx| {
            // Only here, where nobody else writes: an id that is older than what is stored already would be passed over by
            // whoever reads the log on and on.
            for (Entry { accounts, told }, source) in entries {
                for account in accounts {
                    tx.append(events::row(account, EventId(source.id(Instant::from_micros(told.at))), told.clone(), None));
                }
            }
            Ok(())
        });
        let written = written.await;
        for (permit, reply) in callers {
            drop(permit);
            drop(reply.send(written.clone()));
        }
    }
}
