//! Turns: how writes take place. On PostgreSQL a turn is a transaction of its own. SQLite has one writer, so there the
//! turns of the whole process share it: what can wait is written with the COMMIT that serves up to 64 of them, and a turn with
//! statements of its own behind another's runs in a savepoint. What was committed is synced while the next batch runs (see
//! `wal`).
//!
//! The shared connection belongs to one task; turns reach it through a bounded queue. So a caller that goes away
//! stops nothing that runs, and a turn that panics takes what it wrote with it and nobody else's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::ArbiterHandle;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tenantry_domain::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::tx::{Last, Savepoint, Shared, Tx};
use super::wal::{Commit, Log, Settle, Syncer};
use super::{Database, Pool, storage};
use crate::measures::{Measures, Refusal};

/// How many turns one COMMIT serves at most.
const MAX_TURNS: u32 = 64;
/// How many turns may wait; beyond that the server is full.
const MAX_WAITING: usize = 1024;
/// How long a full queue is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way to the database for writes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Turns {
    way: Way,
    measures: Arc<Measures>,
}

#[derive(Clone)]
enum Way {
    Postgres(Pool),
    Sqlite(mpsc::Sender<Box<dyn Turn>>),
}

impl Turns {
    /// Turns that are transactions on a pool.
    pub(crate) fn postgres(pool: Pool, measures: Arc<Measures>) -> Self {
        Self { way: Way::Postgres(pool), measures }
    }

    /// Turns on the one writer connection of a SQLite database, which is opened anew after a failure.
    pub(crate) fn sqlite(
        database: Database,
        first: DatabaseConnection,
        measures: Arc<Measures>,
        arbiter: &ArbiterHandle,
    ) -> Self {
        let (queue, turns) = mpsc::channel(MAX_WAITING);
        let counted = measures.clone();
        arbiter.spawn_fn(move || drop(actix_rt::spawn(serve(database, first, turns, counted))));
        Self { way: Way::Sqlite(queue), measures }
    }

    /// Runs `op` in a transaction and returns once what it wrote is durable. A refusal writes nothing, and neither does an
    /// operation that panics. That, and an end that was not seen, is `Error::OutcomeUnknown`.
    pub(crate) async fn take<T: Send + 'static>(&self, op: impl AsyncFnOnce(&Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        match &self.way {
            // Boxed: a turn on the other database is no larger for it.
            Way::Postgres(pool) => Box::pin(self.transaction(pool, op)).await,
            Way::Sqlite(queue) => {
                let (reply, outcome) = oneshot::channel();
                let full = |_| {
                    self.measures.refused(Refusal::Turns);
                    Error::Unavailable
                };
                queue.send_timeout(Box::new(Op { op, reply }), PATIENCE).await.map_err(full)?;
                outcome.await.unwrap_or(Err(Error::OutcomeUnknown))
            }
        }
    }

    async fn transaction<T>(&self, pool: &Pool, op: impl AsyncFnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let db = pool.current();
        let mut shared = Shared::on(pool, &db);
        let turn = Tx::new(&shared, false);
        let done = caught(op(&turn)).await;
        let last = turn.into_parts().1;
        match done {
            Ok(value) => {
                let begun = Instant::now();
                let committed = shared.commit(last).await;
                self.measures.commit(1, begun.elapsed());
                if committed.is_err() {
                    shared.undo().await;
                }
                committed.map(|()| value)
            }
            Err(refusal) => {
                shared.undo().await;
                Err(refusal)
            }
        }
    }
}

/// Takes a panic for an outcome: it is logged where it happens.
async fn caught<T>(op: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(Box::pin(op)).catch_unwind().await.unwrap_or(Err(Error::OutcomeUnknown))
}

/// One turn, whatever it returns.
pub(crate) trait Turn: Send {
    /// Answers `Error::Unavailable`: the turn was not begun.
    fn refuse(self: Box<Self>);
    /// Runs the turn. Where it is refused and `nested`, the transaction is as if it had not run; else it has to be undone.
    fn run<'s>(self: Box<Self>, shared: &'s Shared<'s>, nested: bool) -> LocalBoxFuture<'s, Done>;
}

/// How a turn ended.
pub(crate) enum Done {
    /// Well, if the commit is; this is to be written before.
    Well(Settle, Last),
    /// It was refused, and its caller knows.
    Refused,
    /// The transaction is broken.
    Broken(Settle),
}

struct Op<F, T> {
    op: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Turn for Op<F, T>
where
    F: AsyncFnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    fn refuse(self: Box<Self>) {
        drop(self.reply.send(Err(Error::Unavailable)));
    }

    fn run<'s>(self: Box<Self>, shared: &'s Shared<'s>, nested: bool) -> LocalBoxFuture<'s, Done> {
        // The receiver of the reply may be gone: its caller went away, and the turn counts all the same.
        let Self { op, reply } = *self;
        Box::pin(async move {
            let turn = Tx::new(shared, nested);
            let done = caught(op(&turn)).await;
            let (savepoint, last) = turn.into_parts();
            match done {
                // The savepoint needs no release: the commit ends all of them.
                Ok(value) => {
                    let settle = move |durable| drop(reply.send(if durable { Ok(value) } else { Err(Error::OutcomeUnknown) }));
                    Done::Well(Box::new(settle), last)
                }
                // Of the savepoints with this name the last is meant, so it has to be this turn's.
                Err(refusal) if savepoint == Savepoint::Begun => {
                    let undone = async { shared.tx().await?.execute_unprepared("ROLLBACK TO turn").await };
                    match undone.await {
                        Ok(_) => refused(reply, refusal),
                        Err(error) => Done::Broken(Box::new(move |_| drop(reply.send(Err(storage(error)))))),
                    }
                }
                Err(refusal) if savepoint == Savepoint::Unknown => {
                    Done::Broken(Box::new(move |_| drop(reply.send(Err(refusal)))))
                }
                Err(refusal) => refused(reply, refusal),
            }
        })
    }
}

/// A refusal needs no commit to be true.
fn refused<T>(reply: oneshot::Sender<Result<T>>, refusal: Error) -> Done {
    drop(reply.send(Err(refusal)));
    Done::Refused
}

/// Serves turns until nobody can ask for one any more.
async fn serve(database: Database, first: DatabaseConnection, mut turns: mpsc::Receiver<Box<dyn Turn>>, measures: Arc<Measures>) {
    let Database::Sqlite(path) = &database else { return };
    let syncer = Syncer::start(measures.clone());
    let (mut writer, mut log, mut syncing) = (Some(first), None, None);
    while let Some(turn) = turns.recv().await {
        let db = match writer.take() {
            Some(db) => db,
            None => match database.connect_writer(&measures).await {
                Ok(db) => db,
                Err(error) => {
                    tracing::error!(%error, "the database cannot be opened for writing");
                    turn.refuse();
                    continue;
                }
            },
        };
        let sound = match batch(&db, turn, &mut turns, &mut syncing).await {
            Ended::Broken => false,
            Ended::Empty => true,
            Ended::Committed(commit) => {
                match log.take().filter(|log: &Arc<Log>| log.stands()).map_or_else(|| Log::of(path).map(Arc::new), Ok) {
                    Ok(open) => {
                        syncer.keep(Arc::clone(&open), commit);
                        log = Some(open);
                        true
                    }
                    Err(error) => {
                        tracing::error!(%error, "the log of changes cannot be opened");
                        commit.settle(false);
                        false
                    }
                }
            }
        };
        if sound {
            writer = Some(db);
        } else {
            // Whatever state the connection is in, a new one has none.
            drop(db.close().await);
            log = None;
        }
    }
}

/// The next turn, if there is one before the sync that is under way ends.
async fn another(
    waiting: &mut mpsc::Receiver<Box<dyn Turn>>,
    syncing: &mut Option<oneshot::Receiver<()>>,
) -> Option<Box<dyn Turn>> {
    if let Ok(turn) = waiting.try_recv() {
        return Some(turn);
    }
    let sync = syncing.as_mut()?;
    tokio::select! {
        turn = waiting.recv() => turn,
        _ = sync => {
            *syncing = None;
            None
        }
    }
}

/// How a batch ended.
enum Ended {
    /// Nothing was written, so nothing has to be synced.
    Empty,
    Committed(Commit),
    /// Everyone knows; the connection must not be used again.
    Broken,
}

/// Runs `turn` and those that come while the last commit is `syncing`, and commits: a sync costs the same for one and for all.
async fn batch(
    db: &DatabaseConnection,
    turn: Box<dyn Turn>,
    waiting: &mut mpsc::Receiver<Box<dyn Turn>>,
    syncing: &mut Option<oneshot::Receiver<()>>,
) -> Ended {
    let mut shared = Shared::new(db);
    let (mut settles, mut last, mut taken, mut sound) = (Vec::new(), Last::default(), 0_u32, true);
    let mut next = Some(turn);
    while let Some(turn) = next {
        taken += 1;
        let nested = shared.begun();
        match turn.run(&shared, nested).await {
            Done::Well(settle, its_last) => {
                settles.push(settle);
                last.add(its_last);
            }
            Done::Refused if nested => {}
            // Nothing else is in the transaction yet.
            Done::Refused => sound = shared.undo().await,
            Done::Broken(settle) => {
                settles.push(settle);
                sound = false;
            }
        }
        next = if sound && taken < MAX_TURNS { another(waiting, syncing).await } else { None };
    }
    let (told, end) = oneshot::channel();
    *syncing = Some(end);
    let commit = Commit { begun: Instant::now(), turns: taken, settles, told };
    if sound && last.rows() == 0 && !shared.begun() {
        commit.settle(true);
        return Ended::Empty;
    }
    if sound {
        match shared.commit(last).await {
            Ok(()) => return Ended::Committed(commit),
            Err(error) => tracing::error!(%error, turns = commit.turns, "turns cannot be committed"),
        }
    }
    shared.undo().await;
    commit.settle(false);
    Ended::Broken
}
