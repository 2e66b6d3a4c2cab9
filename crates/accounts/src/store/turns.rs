//! Turns: how writes take place. On PostgreSQL a turn is a transaction of its own. SQLite has one writer, so there the
//! turns of the whole process share it: the first runs in the transaction itself, each that waits behind it in a savepoint,
//! and one COMMIT serves up to 64 of them. What it wrote is synced while the next batch runs (see `wal`).
//!
//! The shared connection belongs to one task; turns reach it through a bounded queue. So a caller that goes away
//! stops nothing that runs, and a turn that panics takes its own savepoint with it and nobody else's.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sea_orm::sea_query::Values;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tenantry_domain::{AccountId, Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::events::EventRow;
use super::grants::GrantRow;
use super::roles::RoleRow;
use super::wal::{Commit, Settle, Syncer, log_of};
use super::{Database, ROWS, accounts, inserts, storage};
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
                let turn = Tx::new(&tx, false);
                let done = async {
                    let value = op(&turn).await?;
                    let last = std::mem::take(&mut *lock(&turn.last));
                    last.write(&tx).await?;
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

/// A transaction in progress, as an operation sees it: for statements, and for what can wait until the commit.
///
/// Of what runs beside others in one transaction, the first statement also begins the savepoint. The numbers of rows that
/// a database tells are therefore not to be used.
pub(crate) struct Tx<'t> {
    db: &'t DatabaseTransaction,
    /// Others have written in the transaction, so that this turn has to be undone by itself.
    nested: bool,
    savepoint: Mutex<Savepoint>,
    last: Mutex<Last>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    None,
    Begun,
    /// Nobody knows whether it was begun.
    Unknown,
}

impl<'t> Tx<'t> {
    fn new(db: &'t DatabaseTransaction, nested: bool) -> Self {
        Self { db, nested, savepoint: Mutex::new(Savepoint::None), last: Mutex::default() }
    }

    /// Claims the next version of an account, if the turn ends well: where nobody else can write it, and its version is
    /// known. `false`: that is not so, and it has to be claimed with a statement of its own, at once.
    pub(crate) fn claim_last(&self, account: AccountId) -> bool {
        let alone = self.db.get_database_backend() == DatabaseBackend::Sqlite;
        if alone {
            lock(&self.last).claims.push(account);
        }
        alone
    }

    /// Adds a role, if the turn ends well. No live one may have its name.
    pub(crate) fn add_role(&self, role: RoleRow) {
        lock(&self.last).roles.push(role);
    }

    /// Adds a grant, if the turn ends well. Its client may have none for its audience and type.
    pub(crate) fn add_grant(&self, grant: GrantRow) {
        lock(&self.last).grants.push(grant);
    }

    /// Appends an event, if the turn ends well.
    pub(crate) fn append(&self, event: EventRow) {
        lock(&self.last).events.push(event);
    }

    /// Runs a statement. The first one of a nested turn has the savepoint in front of it: two trips to the database in one.
    async fn run<T>(&self, mut statement: Statement, run: impl AsyncFnOnce(Statement) -> Result<T, DbErr>) -> Result<T, DbErr> {
        if !self.nested || *lock(&self.savepoint) != Savepoint::None {
            return run(statement).await;
        }
        *lock(&self.savepoint) = Savepoint::Unknown;
        statement.sql.insert_str(0, "SAVEPOINT turn; ");
        let done = run(statement).await;
        // A refusal by a rule of the schema comes from the statement behind it.
        if done.as_ref().map_or_else(|error| error.sql_err().is_some(), |_| true) {
            *lock(&self.savepoint) = Savepoint::Begun;
        }
        done
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx<'_> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(statement, async |statement| self.db.execute_raw(statement).await).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(statement, async |statement| self.db.query_one_raw(statement).await).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(statement, async |statement| self.db.query_all_raw(statement).await).await
    }
}

/// What is written just before the commit: for all turns that share it, in a statement each.
#[derive(Default)]
pub(crate) struct Last {
    claims: Vec<AccountId>,
    grants: Vec<GrantRow>,
    roles: Vec<RoleRow>,
    events: Vec<EventRow>,
}

impl Last {
    fn add(&mut self, other: Self) {
        self.claims.extend(other.claims);
        self.grants.extend(other.grants);
        self.roles.extend(other.roles);
        self.events.extend(other.events);
    }

    async fn write(self, tx: &DatabaseTransaction) -> Result<()> {
        let backend = tx.get_database_backend();
        let rows = self.claims.len() + self.grants.len() + self.roles.len() + self.events.len();
        let mut statements: Vec<Statement> = accounts::claim_all(&self.claims, backend).into_iter().collect();
        statements.extend(inserts(self.grants, backend));
        statements.extend(inserts(self.roles, backend));
        statements.extend(inserts(self.events, backend));
        // SQLite takes several at once. Not where there are many: each mixture of them would be prepared anew.
        if backend == DatabaseBackend::Sqlite && rows <= 2 * ROWS {
            statements = statements.into_iter().reduce(both).into_iter().collect();
        }
        let mut written = 0;
        for statement in statements {
            written += tx.execute_raw(statement).await.map_err(storage)?.rows_affected();
        }
        if usize::try_from(written) == Ok(rows) {
            Ok(())
        } else {
            Err(Error::Internal(format!("{written} rows were written instead of {rows}")))
        }
    }
}

/// Two statements in one; parameters are counted on.
fn both(mut first: Statement, second: Statement) -> Statement {
    first.sql.push_str("; ");
    first.sql.push_str(&second.sql);
    let values = [first.values, second.values].into_iter().flatten().flat_map(|values| values.0).collect();
    first.values = Some(Values(values));
    first
}

/// Takes a panic for an outcome: it is logged where it happens.
async fn caught<T>(op: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(Box::pin(op)).catch_unwind().await.unwrap_or(Err(Error::OutcomeUnknown))
}

fn unknown(error: &DbErr) -> Error {
    tracing::error!(%error, "a commit failed");
    Error::OutcomeUnknown
}

/// One turn, whatever it returns.
pub(crate) trait Turn: Send {
    /// Answers `Error::Unavailable`: the turn was not begun.
    fn refuse(self: Box<Self>);
    /// Runs the turn in `tx`. Where it is refused and `nested`, `tx` is as if it had not run; else it has to be rolled back.
    fn run(self: Box<Self>, tx: &DatabaseTransaction, nested: bool) -> LocalBoxFuture<'_, Done>;
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

    fn run(self: Box<Self>, tx: &DatabaseTransaction, nested: bool) -> LocalBoxFuture<'_, Done> {
        // The receiver of the reply may be gone: its caller went away, and the turn counts all the same.
        let Self { op, reply } = *self;
        Box::pin(async move {
            let turn = Tx::new(tx, nested);
            let done = caught(op(&turn)).await;
            let (savepoint, last) = (*lock(&turn.savepoint), turn.last.into_inner().unwrap_or_else(PoisonError::into_inner));
            match done {
                // The savepoint needs no release: the commit ends all of them.
                Ok(value) => {
                    let settle = move |durable| drop(reply.send(if durable { Ok(value) } else { Err(Error::OutcomeUnknown) }));
                    Done::Well(Box::new(settle), last)
                }
                // Of the savepoints with this name the last is meant, so it has to be this turn's.
                Err(refusal) if savepoint == Savepoint::Begun => match tx.execute_unprepared("ROLLBACK TO turn").await {
                    Ok(_) => refused(reply, refusal),
                    Err(error) => Done::Broken(Box::new(move |_| drop(reply.send(Err(storage(error)))))),
                },
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
    let (mut writer, mut log) = (Some(first), None);
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
        let sound = match batch(&db, turn, &mut turns).await {
            Ended::Empty => true,
            Ended::Broken => false,
            // As long as the writer is open, so is its log.
            Ended::Committed(commit) => match log.take().map_or_else(|| log_of(path), Ok) {
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
            },
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

/// How a batch ended.
enum Ended {
    /// Nothing was to be committed.
    Empty,
    Committed(Commit),
    /// Everyone knows; the connection must not be used again.
    Broken,
}

/// Runs `turn` and those that wait behind it, and commits.
async fn batch(db: &DatabaseConnection, turn: Box<dyn Turn>, waiting: &mut mpsc::Receiver<Box<dyn Turn>>) -> Ended {
    let immediate = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let tx = match db.begin_with_options(immediate).await {
        Ok(tx) => tx,
        Err(error) => {
            tracing::error!(%error, "a transaction cannot begin");
            turn.refuse();
            return Ended::Broken;
        }
    };
    let (mut settles, mut last, mut taken, mut sound) = (Vec::new(), Last::default(), 0_u32, true);
    let mut next = Some(turn);
    while let Some(turn) = next {
        taken += 1;
        match turn.run(&tx, taken > 1).await {
            Done::Well(settle, its_last) => {
                settles.push(settle);
                last.add(its_last);
            }
            Done::Refused if taken > 1 => {}
            // Nothing else is in the transaction yet.
            Done::Refused => {
                let undone = tx.rollback().await.inspect_err(|error| tracing::warn!(%error, "rollback failed"));
                return if undone.is_ok() { Ended::Empty } else { Ended::Broken };
            }
            Done::Broken(settle) => {
                settles.push(settle);
                sound = false;
            }
        }
        next = if sound && taken < MAX_TURNS { waiting.try_recv().ok() } else { None };
    }
    if sound && let Err(error) = last.write(&tx).await {
        tracing::error!(%error, "a transaction cannot be ended");
        sound = false;
    }
    let commit = Commit { begun: Instant::now(), turns: taken, settles };
    let committed = if sound {
        tx.commit().await.inspect_err(|error| tracing::error!(%error, "a commit failed")).is_ok()
    } else {
        drop(tx.rollback().await);
        false
    };
    if committed {
        Ended::Committed(commit)
    } else {
        commit.settle(false);
        Ended::Broken
    }
}
