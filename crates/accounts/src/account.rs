//! One account: a handle for everyone, a writer for one at a time.
//!
//! Reads take the published [`Directory`] and never wait. A configuration write is one message to the account's actor,
//! which runs it alone: one transaction, then publish, then reply.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, Addr, AtomicResponse, Context, Handler, Message, WrapFuture};
use actix_rt::ArbiterHandle;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tenantry_domain::{AccountId, Error, Result, Seconds};
use tracing::{Instrument, Span};

use crate::caller::Caller;
use crate::circuit::{Circuit, Witness};
use crate::configuration::Rested;
use crate::directory::Directory;
use crate::draft::Draft;
use crate::hashing::Place;
use crate::limits::Buckets;
use crate::measures::{Refusal, Reload};
use crate::memory::Counted;
use crate::permits::{Lane, Permit, Permits};
use crate::platform::Platform;
use crate::store::Tx;
use crate::usage::Meter;

/// The target of spans that are traced: no log has it, and where nobody collects traces nothing is made of them.
pub const TRACES: &str = "tenantry::trace";

/// How long a request waits until the account has been read again.
const RELOAD_PATIENCE: Duration = Duration::from_secs(2);
/// How long a key waits for the one that is being made before it.
const KEY_PATIENCE: Duration = Duration::from_secs(5);

/// A cheap, cloneable handle to one account.
#[derive(Clone)]
pub struct Account(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    /// Begins with the first write: many accounts are only read.
    writer: OnceLock<Addr<Writer>>,
    arbiter: ArbiterHandle,
    used: AtomicI64,
}

/// What the handle and the writer share.
struct Core {
    id: AccountId,
    platform: Arc<Platform>,
    parent: Option<Account>,
    directory: ArcSwap<Directory>,
    permits: Permits,
    buckets: Buckets,
    circuit: Circuit,
    /// Made for the first request.
    meter: OnceLock<Arc<Meter>>,
    memory: Mutex<Counted>,
    /// Made for the first document.
    documents: OnceLock<Rested>,
    /// Held while a signing key is made.
    key_making: tokio::sync::Mutex<()>,
    /// How many writes ended in a way that nobody saw: the published directory may be behind the database.
    doubts: AtomicU64,
    /// How many of these a reload has settled.
    settled: AtomicU64,
    reload: tokio::sync::Mutex<()>,
    /// The version that somebody has written at least.
    need: Need,
    /// That of the published directory.
    version: AtomicI64,
    /// The epoch in which it was read.
    epoch: u64,
}

/// A version, of which others are told.
pub(crate) type Need = Arc<AtomicI64>;

impl Account {
    pub(crate) fn start(
        platform: Arc<Platform>,
        parent: Option<Self>,
        directory: Directory,
        (need, epoch): (Need, u64),
        arbiter: &ArbiterHandle,
    ) -> Self {
        let used = AtomicI64::new(platform.limits.ticks().micros());
        let permits = Permits::new(platform.measures.permits.clone());
        let core = Arc::new(Core {
            id: directory.account.id,
            parent,
            need,
            epoch,
            version: AtomicI64::new(directory.version),
            memory: Mutex::new(Counted::new(&directory, &platform.measures.memory)),
            directory: ArcSwap::from_pointee(directory),
            permits,
            buckets: Buckets::default(),
            circuit: Circuit::default(),
            meter: OnceLock::new(),
            platform,
            documents: OnceLock::new(),
            key_making: tokio::sync::Mutex::default(),
            doubts: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            reload: tokio::sync::Mutex::default(),
        });
        Self(Arc::new(Handle { core, writer: OnceLock::new(), arbiter: arbiter.clone(), used }))
    }

    /// Its id.
    pub fn id(&self) -> AccountId {
        self.0.core.id
    }

    /// The account as of now. Never waits.
    pub fn directory(&self) -> Arc<Directory> {
        self.0.core.directory.load_full()
    }

    /// The account above: a sub-account's partner, a partner's operator.
    pub fn parent(&self) -> Option<&Self> {
        self.0.core.parent.as_ref()
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.0.core.buckets
    }

    /// What counts how the account is used.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        self.0.core.meter.get_or_init(|| Arc::new(Meter::new(self.platform().limits.ticks().clone())))
    }

    /// A place for a hash.
    ///
    /// Errors: `Busy`, `Unavailable`.
    pub(crate) fn place_for_hash(&self) -> Result<Place> {
        self.platform().hashes.place(self.id(), Some(self.meter().clone()))
    }

    /// What counts how the account is used, if anything was counted.
    pub(crate) fn meter_if_any(&self) -> Option<&Meter> {
        self.0.core.meter.get().map(Arc::as_ref)
    }

    pub(crate) fn circuit(&self) -> &Circuit {
        &self.0.core.circuit
    }

    pub(crate) fn platform(&self) -> &Arc<Platform> {
        &self.0.core.platform
    }

    /// Runs `op` alone on this account, in one transaction, for a caller who is checked again there; publishes its draft
    /// if it succeeds. Once it was sent its end is waited for; a sent write is never sent again.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        by: &Caller,
        op: impl AsyncFnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let begun = std::time::Instant::now();
        let span = tracing::info_span!(target: TRACES, "account.write", tenantry.account = self.id().as_str());
        let written = async {
            let permit = self.enter(self.lane(by)).await?;
            let sent = std::time::Instant::now();
            let write =
                Write { account: self.clone(), by: by.clone(), op, permit, sent, span: Span::current(), reply: PhantomData };
            self.writer().send(write).await.unwrap_or(Err(Error::OutcomeUnknown))
        };
        let outcome = written.instrument(span).await;
        let well = matches!(outcome, Ok(_) | Err(Error::Unchanged));
        self.platform().measures.write(begun.elapsed(), well);
        outcome
    }

    /// Its actor.
    fn writer(&self) -> &Addr<Writer> {
        self.0.writer.get_or_init(|| {
            let core = self.0.core.clone();
            Writer::start_in_arbiter(&self.0.arbiter, move |_| Writer(core))
        })
    }

    /// Runs `op` in one turn on what stands in SQL only. It changes no configuration, waits for no other write of the account,
    /// and races are decided by the rows.
    pub(crate) async fn write_rows<T: Send + 'static>(
        &self,
        by: &Caller,
        op: impl AsyncFnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.enter(self.lane(by)).await?;
        let witness = Witness(self.clone());
        let held = async move |tx: &Tx<'_>| {
            let _held = (permit, witness);
            op(tx).await
        };
        self.platform().store.turns.take(held).await
    }

    /// How a write of `by` is admitted here.
    pub(crate) fn lane(&self, by: &Caller) -> Lane {
        let above = by.home().is_some_and(|home| home != self.id()) && !by.is_identity();
        if above { Lane::Above } else { by.lane }
    }

    /// Leave for one write of this account; `Error::Busy` if it has too much under way, `Error::Unavailable` while it rests.
    pub(crate) async fn enter(&self, lane: Lane) -> Result<Permit> {
        self.refuse_while_it_rests(lane)?;
        let busy = |error| {
            self.platform().measures.refused(Refusal::Permits);
            error
        };
        self.0.core.permits.enter(lane).await.map_err(busy)
    }

    /// Held while a document is applied, and when the last one has been paid for.
    pub(crate) fn documents(&self) -> Rested {
        self.0.core.documents.get_or_init(Rested::default).clone()
    }

    /// Leave to make a signing key of this account, one at a time; `Error::Busy` if others take too long.
    pub(crate) async fn make_key_alone(&self) -> Result<tokio::sync::MutexGuard<'_, ()>> {
        tokio::time::timeout(KEY_PATIENCE, self.0.core.key_making.lock()).await.map_err(|_| {
            self.platform().measures.refused(Refusal::Keys);
            Error::Busy
        })
    }

    /// The same where nobody does so at the moment.
    pub(crate) fn try_make_key_alone(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.0.core.key_making.try_lock().ok()
    }

    /// Does something for which nobody waits.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.arbiter.spawn(work);
    }

    /// Brings the snapshots of this account and of those above it up to the database, where they may be behind it.
    pub(crate) fn refresh(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if let Some(parent) = self.parent() {
                parent.refresh().await?;
            }
            if !self.is_behind() {
                return Ok(());
            }
            // A task of its own ends even if whoever waits for it goes away.
            let reload = tokio::spawn(self.clone().reload());
            match tokio::time::timeout(RELOAD_PATIENCE, reload).await {
                Ok(Ok(reloaded)) => reloaded,
                Ok(Err(_)) | Err(_) => Err(Error::Unavailable),
            }
        }
        .boxed()
    }

    /// Reads the account again, unless somebody has done so meanwhile.
    async fn reload(self) -> Result<()> {
        let core = &self.0.core;
        let _alone = tokio::time::timeout(RELOAD_PATIENCE, core.reload.lock()).await.map_err(|_| Error::Unavailable)?;
        let seen = core.doubts.load(Ordering::Acquire);
        if self.is_behind() {
            let why = if self.in_doubt() { Reload::Doubt } else { Reload::Behind };
            let need = core.need.load(Ordering::Acquire);
            let loaded = Directory::load_now(&core.platform.store, core.id).await?.ok_or(Error::NotFound)?;
            if loaded.version < need {
                tracing::error!(account = %core.id, version = loaded.version, need, "the database has lost a write");
                return Err(Error::Unavailable);
            }
            core.publish(loaded);
            core.platform.measures.reloaded(why);
            // Only now: whoever asked meanwhile has waited.
            core.settled.store(seen, Ordering::Release);
        }
        Ok(())
    }

    /// Whether a write ended unseen, and no reload has settled it: the published directory may be behind the database.
    pub(crate) fn in_doubt(&self) -> bool {
        self.0.core.settled.load(Ordering::Acquire) != self.0.core.doubts.load(Ordering::Acquire)
    }

    /// Whether that is so, or somebody has written a later version.
    fn is_behind(&self) -> bool {
        self.in_doubt() || self.0.core.version.load(Ordering::Acquire) < self.0.core.need.load(Ordering::Acquire)
    }

    /// Whether this account is behind, or one above it.
    pub(crate) fn may_be_behind(&self) -> bool {
        self.is_behind() || self.parent().is_some_and(Self::may_be_behind)
    }

    /// Somebody has written this version.
    pub(crate) fn need(&self, version: i64) {
        self.0.core.need.fetch_max(version, Ordering::AcqRel);
    }

    /// Notes that the account is in use.
    pub(crate) fn touch(&self) {
        self.0.used.store(self.platform().limits.ticks().micros(), Ordering::Relaxed);
    }

    /// When the account was last used, in microseconds of the process.
    pub(crate) fn used(&self) -> i64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// What was counted of its memory.
    pub(crate) fn memory(&self) -> &Mutex<Counted> {
        &self.0.core.memory
    }

    /// Whether the account can be forgotten: nobody but the registry holds it, nothing runs, it has not been used for
    /// `idle` seconds, and nothing is lost with its buckets, since they are full.
    pub(crate) fn rests(&self, idle: Seconds) -> bool {
        let idle = idle.max(self.platform().limits.window(&self.directory().account));
        let before = self.platform().limits.ticks().micros() - idle.saturating_mul(1_000_000);
        Arc::strong_count(&self.0) == 1 && self.0.core.permits.all_free() && self.0.used.load(Ordering::Relaxed) < before
    }

    /// How many writes run or wait.
    pub fn writes_under_way(&self) -> usize {
        self.0.core.permits.taken()
    }
}

impl Core {
    /// Makes a committed directory the one that everybody reads; never goes back to an older one.
    fn publish(&self, next: Directory) {
        let version = next.version;
        let next = Arc::new(next);
        self.directory.rcu(|current| if current.version < next.version { next.clone() } else { current.clone() });
        // After the directory: whoever sees the version reads it, or a later one.
        self.version.fetch_max(version, Ordering::AcqRel);
    }
}

/// The actor: runs one write after the other.
struct Writer(Arc<Core>);

impl Actor for Writer {
    type Context = Context<Self>;
}

struct Write<F, T> {
    account: Account,
    by: Caller,
    op: F,
    permit: Permit,
    sent: std::time::Instant,
    span: Span,
    reply: PhantomData<fn() -> T>,
}

impl<F, T: Send + 'static> Message for Write<F, T> {
    type Result = Result<T>;
}

impl<F, T> Handler<Write<F, T>> for Writer
where
    F: AsyncFnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    // Atomic: other actix handlers would interleave at every await.
    type Result = AtomicResponse<Self, Result<T>>;

    fn handle(&mut self, write: Write<F, T>, _: &mut Context<Self>) -> Self::Result {
        let Write { account, by, op, permit, sent, span, .. } = write;
        self.0.platform.measures.waited(sent.elapsed());
        let span = tracing::info_span!(target: TRACES, parent: &span, "account.turn");
        let work = turn(self.0.platform.store.turns.clone(), account, by, op).instrument(span);
        AtomicResponse::new(Box::pin(work.into_actor(self).map(move |done: Result<_>, this, _| {
            let done = done.and_then(|(reply, next)| {
                this.0.publish(next); // after the commit, before the reply
                // Where all was forgotten meanwhile, this is not what others read.
                if this.0.platform.news.epoch() == this.0.epoch { Ok(reply) } else { Err(Error::OutcomeUnknown) }
            });
            if matches!(done, Err(Error::OutcomeUnknown)) {
                this.0.doubts.fetch_add(1, Ordering::AcqRel);
            }
            drop(permit);
            done
        })))
    }
}

/// One write in one turn: draft, operation, event.
async fn turn<F, T>(turns: crate::store::Turns, account: Account, by: Caller, op: F) -> Result<(T, Directory)>
where
    F: AsyncFnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    turns
        .take(async move |tx| {
            let _witness = Witness(account.clone());
            let mut draft = Draft::begin(tx, &account, &by).await?;
            let reply = op(&mut draft).await?;
            Ok((reply, draft.finish()?))
        })
        .await
}
