//! Turns: how writes take place. On PostgreSQL a turn is a transaction of its own. SQLite has one writer, so there the
//! turns of the whole process share it: the first runs in the transaction itself, each that waits behind it in a savepoint,
//! and one COMMIT (one fsync) serves up to 64 of them.
//!
//! The shared connection belongs to one task; turns reach it through a bounded queue. So a caller that goes away
//! stops nothing that runs, and a turn that panics takes its own savepoint with it and nobody else's.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tenantry_domain::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::events::{self, EventRow};
use super::{Database, storage};
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
    Postgres(DatabaseConnection),
    Sqlite(mpsc::Sender<Box<dyn Turn>>),
}

impl Turns {
    /// Turns that are transactions on a pool.
    pub(crate) fn postgres(pool: DatabaseConnection, measures: Arc<Measures>) -> Self {
        Self { way: Way::Postgres(pool), measures }
    }

    /// Turns on the one writer connection of a SQLite database, which is opened anew after a failure.
    pub(crate) fn sqlite(database: Database, first: DatabaseConnection, measures: Arc<Measures>) -> Self {
        let (queue, turns) = mpsc::channel(MAX_WAITING);
        let counted = measures.clone();
        actix_rt::Arbiter::new().spawn_fn(move || drop(actix_rt::spawn(serve(database, first, turns, counted))));
        Self { way: Way::Sqlite(queue), measures }
    }

    /// Runs `op` in a transaction and returns once what it wrote is durable. A refusal writes nothing, and neither does an
    /// operation that panics. That, and an end that was not seen, is `Error::OutcomeUnknown`.
    pub(crate) async fn take<T: Send + 'static>(&self, op: impl AsyncFnOnce(&Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        match &self.way {
            Way::Postgres(db) => {
                let tx = db.begin().await.map_err(storage)?;
                let turn = Tx::new(&tx);
                let done = async {
                    let value = op(&turn).await?;
                    events::insert_rows(&tx, turn.events.take()).await?;
                    Ok(value)
                };
                match caught(done).await {
                    Ok(value) => {
                        let begun = Instant::now();
                        let committed = tx.commit().await;
                        self.measures.commit(1, begun.elapsed());
                        committed.map(|()| value).map_err(|error| unknown(&error))
                    }
                    Err(refusal) => {
                        if let Err(error) = tx.rollback().await {
                            tracing::warn!(%error, "rollback failed");
                        }
                        Err(refusal)
                    }
                }
            }
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
}

/// A transaction in progress, as an operation sees it.
pub(crate) struct Tx<'t> {
    db: &'t DatabaseTransaction,
    /// Written just before the commit, those of all turns that share it in one statement.
    events: RefCell<Vec<EventRow>>,
}

impl<'t> Tx<'t> {
    fn new(db: &'t DatabaseTransaction) -> Self {
        Self { db, events: RefCell::default() }
    }

    /// Appends an event, if the turn ends well.
    pub(crate) fn append(&self, event: EventRow) {
        self.events.borrow_mut().push(event);
    }
}

impl Deref for Tx<'_> {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        self.db
    }
}

/// Takes a panic for an outcome: it is logged where it happens.
async fn caught<T>(op: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(Box::pin(op)).catch_unwind().await.unwrap_or(Err(Error::OutcomeUnknown))
}

fn unknown(error: &sea_orm::DbErr) -> Error {
    tracing::error!(%error, "a commit failed");
    Error::OutcomeUnknown
}

/// Tells a turn's caller how it ended, once it is known whether the batch is durable.
type Settle = Box<dyn FnOnce(bool)>;

/// One turn, whatever it returns.
pub(crate) trait Turn: Send {
    /// Answers `Error::Unavailable`: the turn was not begun.
    fn refuse(self: Box<Self>);
    /// Runs the turn in `tx`. Where it is refused and `nested`, `tx` is as if it had not run; else it has to be rolled back.
    fn run(self: Box<Self>, tx: &DatabaseTransaction, nested: bool) -> LocalBoxFuture<'_, Done>;
}

/// How a turn ended.
pub(crate) enum Done {
    /// Well, if the commit is; these events are to be written before.
    Well(Settle, Vec<EventRow>),
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

    fn run(self: Box<Self>, tx: &DatabaseTransaction, nested: bool) -> LocalBoxFuture<'_, Done> {
        // The receiver of the reply may be gone: its caller went away, and the turn counts all the same.
        let Self { op, reply } = *self;
        Box::pin(async move {
            let turn = Tx::new(tx);
            let begun = if nested { tx.execute_unprepared("SAVEPOINT turn").await.map(drop) } else { Ok(()) };
            let done = match begun {
                Ok(()) => caught(op(&turn)).await,
                Err(error) => return Done::Broken(Box::new(move |_| drop(reply.send(Err(storage(error)))))),
            };
            match done {
                // It needs no release: the commit ends all savepoints.
                Ok(value) => {
                    let settle = move |durable| drop(reply.send(if durable { Ok(value) } else { Err(Error::OutcomeUnknown) }));
                    Done::Well(Box::new(settle), turn.events.into_inner())
                }
                // Of the savepoints with this name the last is meant.
                Err(refusal) if nested => match tx.execute_unprepared("ROLLBACK TO turn").await {
                    Ok(_) => refused(reply, refusal),
                    Err(error) => Done::Broken(Box::new(move |_| drop(reply.send(Err(storage(error)))))),
                },
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
    let mut writer = Some(first);
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
        if batch(&db, turn, &mut turns, &measures).await {
            writer = Some(db);
        } else {
            // Whatever state the connection is in, a new one has none.
            drop(db.close().await);
        }
    }
}

/// Runs `turn` and those that wait behind it, commits, and tells everyone. `false`: the connection must not be used again.
async fn batch(
    db: &DatabaseConnection,
    turn: Box<dyn Turn>,
    waiting: &mut mpsc::Receiver<Box<dyn Turn>>,
    measures: &Measures,
) -> bool {
    let immediate = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let tx = match db.begin_with_options(immediate).await {
        Ok(tx) => tx,
        Err(error) => {
            tracing::error!(%error, "a transaction cannot begin");
            turn.refuse();
            return false;
        }
    };
    let (mut settles, mut told, mut taken, mut sound) = (Vec::new(), Vec::new(), 0_u32, true);
    let mut next = Some(turn);
    while let Some(turn) = next {
        taken += 1;
        match turn.run(&tx, taken > 1).await {
            Done::Well(settle, events) => {
                settles.push(settle);
                told.extend(events);
            }
            Done::Refused if taken > 1 => {}
            // Nothing else is in the transaction yet.
            Done::Refused => return tx.rollback().await.inspect_err(|error| tracing::warn!(%error, "rollback failed")).is_ok(),
            Done::Broken(settle) => {
                settles.push(settle);
                sound = false;
            }
        }
        next = if sound && taken < MAX_TURNS { waiting.try_recv().ok() } else { None };
    }
    if sound && let Err(error) = events::insert_rows(&tx, told).await {
        tracing::error!(%error, "events cannot be written");
        sound = false;
    }
    let durable = if sound {
        let begun = Instant::now();
        let committed = tx.commit().await;
        measures.commit(taken, begun.elapsed());
        committed.inspect_err(|error| tracing::error!(%error, "a commit failed")).is_ok()
    } else {
        drop(tx.rollback().await);
        false
    };
    for settle in settles {
        settle(durable);
    }
    durable
}
