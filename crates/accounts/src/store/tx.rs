//! A transaction in progress, as an operation sees it, and what waits until its commit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::sea_query::Values;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, IsolationLevel, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tenantry_domain::{AccountId, Error, Result};
use tokio::sync::OnceCell;

use super::events::{self, EventRow};
use super::grants::GrantRow;
use super::roles::RoleRow;
use super::{Pool, ROWS, accounts, inserts, storage};

/// A transaction, begun when something needs it: that which turns share, or one to read from.
pub(crate) struct Shared<'d> {
    db: &'d DatabaseConnection,
    /// Where its connection comes from, if it is not always the same.
    pool: Option<(&'d Pool, &'d Arc<DatabaseConnection>)>,
    how: TransactionOptions,
    tx: OnceCell<DatabaseTransaction>,
    /// The server has said nothing in time: this connection is not used any more.
    silent: AtomicBool,
}

impl<'d> Shared<'d> {
    /// One to write in, on the writer's own connection.
    pub(super) fn new(db: &'d DatabaseConnection) -> Self {
        let immediate = Some(SqliteTransactionMode::Immediate);
        let how = TransactionOptions { sqlite_transaction_mode: immediate, ..Default::default() };
        Self { db, pool: None, how, tx: OnceCell::new(), silent: AtomicBool::new(false) }
    }

    /// One on a connection of this pool as of now.
    pub(super) fn on(pool: &'d Pool, db: &'d Arc<DatabaseConnection>) -> Self {
        Self { pool: Some((pool, db)), how: TransactionOptions::default(), ..Self::new(db) }
    }

    /// One on a connection of this pool as of now, in which everything is seen as of one moment.
    pub(super) fn of_one_moment(pool: &'d Pool, db: &'d Arc<DatabaseConnection>) -> Self {
        let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let isolation_level = postgres.then_some(IsolationLevel::RepeatableRead);
        Self { how: TransactionOptions { isolation_level, ..Default::default() }, ..Self::on(pool, db) }
    }

    /// Waits for the database as long as it may take.
    async fn bounded<T>(&self, asked: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let Some((pool, db)) = self.pool else { return asked.await };
        let told = pool.bounded(db, asked).await;
        self.silent.fetch_or(told.is_none(), Ordering::Relaxed);
        told.unwrap_or_else(|| Err(Pool::silence()))
    }

    /// Whether it has been begun.
    pub(super) fn begun(&self) -> bool {
        self.tx.initialized()
    }

    pub(super) async fn tx(&self) -> Result<&DatabaseTransaction, DbErr> {
        self.tx.get_or_try_init(|| self.bounded(self.db.begin_with_options(self.how))).await
    }

    /// Takes everything back; `false` where that is not certain.
    pub(super) async fn undo(&mut self) -> bool {
        let Some(tx) = self.tx.take() else { return true };
        if self.silent.load(Ordering::Relaxed) {
            return false;
        }
        self.bounded(tx.rollback()).await.inspect_err(|error| tracing::warn!(%error, "rollback failed")).is_ok()
    }

    /// Writes what could wait, and commits. After an error it has to be undone.
    pub(super) async fn commit(&mut self, last: Last) -> Result<()> {
        let backend = self.db.get_database_backend();
        let (claims, rows) = (last.claims.len(), last.rows());
        let mut statements = last.statements(backend);
        // SQLite takes several at once. Not where there are many: each mixture of them would be prepared anew.
        let at_once = backend == DatabaseBackend::Sqlite && rows <= 2 * ROWS;
        if at_once {
            if !self.begun() && rows > 0 {
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
            let told = match self.tx.get() {
                Some(tx) => self.bounded(tx.query_all_raw(statement)).await.map_err(storage)?,
                None => self.db.query_all_raw(statement).await.map_err(|error| unknown(&error))?,
            };
            for count in told {
                claimed += count.try_get_by_index::<i64>(0).map_err(storage)?;
            }
        }
        if usize::try_from(claimed) != Ok(claims) {
            return Err(Error::Internal(format!("{claimed} of {claims} accounts that were written have a row")));
        }
        match self.tx.take() {
            Some(tx) => self.bounded(tx.commit()).await.map_err(|error| unknown(&error)),
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
pub(super) enum Savepoint {
    None,
    Begun,
    /// Nobody knows whether it was begun.
    Unknown,
}

impl<'t> Tx<'t> {
    pub(super) fn new(shared: &'t Shared<'t>, nested: bool) -> Self {
        Self { shared, nested, savepoint: Mutex::new(Savepoint::None), last: Mutex::default() }
    }

    /// Claims the version after `known` of an account, if the turn ends well: where nobody else can write it. `false`: that is
    /// not so, and it has to be claimed with a statement of its own, at once.
    pub(crate) fn claim_last(&self, account: AccountId, known: i64) -> bool {
        let alone = self.get_database_backend() == DatabaseBackend::Sqlite;
        if alone {
            lock(&self.last).claims.push((account, known));
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
            return self.shared.bounded(run(tx, statement)).await;
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

    pub(super) fn into_parts(self) -> (Savepoint, Last) {
        let inner = |error: PoisonError<_>| error.into_inner();
        (*lock(&self.savepoint), self.last.into_inner().unwrap_or_else(inner))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
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
    claims: Vec<(AccountId, i64)>,
    grants: Vec<GrantRow>,
    roles: Vec<RoleRow>,
    events: Vec<EventRow>,
}

impl Last {
    pub(super) fn add(&mut self, other: Self) {
        self.claims.extend(other.claims);
        self.grants.extend(other.grants);
        self.roles.extend(other.roles);
        self.events.extend(other.events);
    }

    pub(super) fn rows(&self) -> usize {
        self.claims.len() + self.grants.len() + self.roles.len() + self.events.len()
    }

    /// What writes it, and yields one row, of how many claims hold, where there are any.
    fn statements(self, backend: DatabaseBackend) -> Vec<Statement> {
        let claims = accounts::claim_all(&self.claims);
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

fn unknown(error: &DbErr) -> Error {
    tracing::error!(%error, "a commit failed");
    Error::OutcomeUnknown
}
