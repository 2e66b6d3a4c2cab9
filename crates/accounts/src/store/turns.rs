//! Turns: how writes take place. On PostgreSQL a turn is a transaction of its own. SQLite has one writer, so there the
//! turns of the whole process share it: what can wait is written with the COMMIT that serves up to 64 of them, and a turn with
//! statements of its own behind another's runs in a savepoint. What was committed is synced while the next batch runs (see
//! `wal`).
//!
//! The shared connection belongs to one task; turns reach it through a bounded queue. So a caller that goes away
//! stops nothing that runs, and a turn that panics takes what it wrote with it and nobody else's.

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
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::events::{self, EventRow};
use super::grants::GrantRow;
use super::roles::RoleRow;
use super::wal::{Commit, Log, Settle, Syncer};
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
                let mut shared = Shared::new(db);
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

/// The transaction that turns share, begun when the first of them needs it.
pub(crate) struct Shared<'d> {
    db: &'d DatabaseConnection,
    tx: OnceCell<DatabaseTransaction>,
}

impl<'d> Shared<'d> {
    fn new(db: &'d DatabaseConnection) -> Self {
        Self { db, tx: OnceCell::new() }
    }

    async fn tx(&self) -> Result<&DatabaseTransaction, DbErr> {
        let immediate =
            TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
        self.tx.get_or_try_init(|| self.db.begin_with_options(immediate)).await
    }

    /// Takes everything back; `false` where that is not certain.
    async fn undo(&mut self) -> bool {
        let Some(tx) = self.tx.take() else { return true };
        tx.rollback().await.inspect_err(|error| tracing::warn!(%error, "rollback failed")).is_ok()
    }

    /// Writes what could wait, and commits. After an error it has to be undone.
    async fn commit(&mut self, last: Last) -> Result<()> {
        let backend = self.db.get_database_backend();
        let (claims, rows) = (last.claims.len(), last.rows());
        let mut statements = last.statements(backend);
        // SQLite takes several at once. Not where there are many: each mixture of them would be prepared anew.
        let at_once = backend == DatabaseBackend::Sqlite && rows <= 2 * ROWS;
        if at_once {
            if !self.tx.initialized() && rows > 0 {
                let alone = |sql: &str| Statement::from_string(backend, sql);
                statements.insert(0, alone("BEGIN IMMEDIATE"));
                statements.push(alone("COMMIT"));
            }
            statements = statements.into_iter().reduce(both).into_iter().collect();
        } else {
            self.tx().await.map_err(storage)?;
        }
        let mut claimed = 0;
        for statement in statements {
            claimed += match self.tx.get() {
                Some(tx) => tx.query_all_raw(statement).await.map_err(storage)?.len(),
                None => self.db.query_all_raw(statement).await.map_err(|error| unknown(&error))?.len(),
            };
        }
        if claimed != claims {
            return Err(Error::Internal(format!("{claimed} of {claims} accounts that were written have a row")));
        }
        match self.tx.take() {
            Some(tx) => tx.commit().await.map_err(|error| unknown(&error)),
            None => Ok(()),
        }
    }
}

/// A transaction in progress, as an operation sees it: for statements, and for what can wait until the commit.
///
/// Of what runs beside others in one transaction, the first statement also begins the savepoint. The numbers of rows that
/// a database tells are therefore not to be used.
pub(crate) struct Tx<'t> {
    shared: &'t Shared<'t>,
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
    fn new(shared: &'t Shared<'t>, nested: bool) -> Self {
        Self { shared, nested, savepoint: Mutex::new(Savepoint::None), last: Mutex::default() }
    }

    /// Claims the next version of an account, if the turn ends well: where nobody else can write it, and its version is
    /// known. `false`: that is not so, and it has to be claimed with a statement of its own, at once.
    pub(crate) fn claim_last(&self, account: AccountId) -> bool {
        let alone = self.get_database_backend() == DatabaseBackend::Sqlite;
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
    async fn run<T>(
        &self,
        mut statement: Statement,
        run: impl AsyncFnOnce(&DatabaseTransaction, Statement) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let tx = self.shared.tx().await?;
        if !self.nested || *lock(&self.savepoint) != Savepoint::None {
            return run(tx, statement).await;
        }
        *lock(&self.savepoint) = Savepoint::Unknown;
        statement.sql.insert_str(0, "SAVEPOINT turn; ");
        let done = run(tx, statement).await;
        // A refusal by a rule of the schema comes from the statement behind it.
        if done.as_ref().map_or_else(|error| error.sql_err().is_some(), |_| true) {
            *lock(&self.savepoint) = Savepoint::Begun;
        }
        done
    }

    fn into_parts(self) -> (Savepoint, Last) {
        let inner = |error: PoisonError<_>| error.into_inner();
        (*lock(&self.savepoint), self.last.into_inner().unwrap_or_else(inner))
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx<'_> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.shared.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(statement, async |tx, statement| tx.execute_raw(statement).await).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(statement, async |tx, statement| tx.query_one_raw(statement).await).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(statement, async |tx, statement| tx.query_all_raw(statement).await).await
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

    fn rows(&self) -> usize {
        self.claims.len() + self.grants.len() + self.roles.len() + self.events.len()
    }

    /// What writes it; the claims yield a row each.
    fn statements(self, backend: DatabaseBackend) -> Vec<Statement> {
        let claims = accounts::claim_all(&self.claims, backend);
        let nouns = [inserts(self.grants, backend), inserts(self.roles, backend), events::inserts(&self.events, backend)];
        claims.into_iter().chain(nouns.into_iter().flatten()).collect()
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
        let nested = shared.tx.initialized();
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
    if sound && last.rows() == 0 && !shared.tx.initialized() {
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
