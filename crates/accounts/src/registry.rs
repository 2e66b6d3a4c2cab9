//! All accounts that are awake: each is loaded once, on its first use, and forgotten when it rests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tenantry_domain::{AccountId, Error, Result, Seconds};
use tokio::sync::Semaphore;

use crate::account::{Account, Need};
use crate::directory::Directory;
use crate::measures::Passivation;
use crate::platform::Platform;

/// How many accounts may be loading at once.
const LOADS: usize = 64;

/// How long a request waits until an account has been read.
const LOAD_PATIENCE: Duration = Duration::from_secs(5);

/// The way to every account. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    platform: Arc<Platform>,
    slots: DashMap<AccountId, Slot>,
    loads: Semaphore,
    arbiters: Vec<ArbiterHandle>,
}

enum Slot {
    Awake(Account),
    /// Everybody who asks meanwhile waits for the same load.
    Loading(Loading),
}

#[derive(Clone)]
struct Loading {
    /// What the account is told while it is being read: it stands here before that begins.
    need: Need,
    load: Shared<BoxFuture<'static, Result<Account>>>,
}

impl Slot {
    /// Whether it is this very load.
    fn loads(&self, need: &Need) -> bool {
        matches!(self, Self::Loading(loading) if Arc::ptr_eq(&loading.need, need))
    }
}

impl Registry {
    /// A registry whose accounts' actors run on `threads` threads of their own; if that is one, on the one that writes, so that
    /// a write goes from thread to thread less often.
    pub fn new(platform: Arc<Platform>, threads: usize) -> Self {
        let arbiters = match threads {
            0 | 1 => vec![platform.store.arbiter.clone()],
            _ => (0..threads).map(|_| Arbiter::new().handle()).collect(),
        };
        Self(Arc::new(Inner { platform, slots: DashMap::new(), loads: Semaphore::new(LOADS), arbiters }))
    }

    /// What all accounts share.
    pub fn platform(&self) -> &Arc<Platform> {
        &self.0.platform
    }

    /// The account, loaded if need be; `NotFound` for one that never was. An unknown id leaves nothing behind. What is known of it
    /// is as fresh as it has to be; `Unavailable` if nobody can tell.
    pub async fn get(&self, id: AccountId) -> Result<Account> {
        self.be_fresh().await?;
        let account = match self.if_awake(id) {
            Some(account) => account,
            // Boxed: what happens seldom makes no request's future larger.
            None => Box::pin(self.load(id)).await?,
        };
        account.touch();
        if account.may_be_behind() {
            account.refresh().await?;
        }
        Ok(account)
    }

    async fn load(&self, id: AccountId) -> Result<Account> {
        let Loading { need, load } = match self.0.slots.entry(id) {
            Entry::Occupied(slot) => match slot.get() {
                Slot::Awake(account) => return Ok(account.clone()),
                Slot::Loading(loading) => loading.clone(),
            },
            Entry::Vacant(slot) => {
                let need = Need::default();
                // A task of its own ends even if everybody who waits for it goes away.
                let task = tokio::spawn(Self::wake(self.clone(), id, need.clone()));
                let load = async { task.await.unwrap_or(Err(Error::Unavailable)) }.boxed().shared();
                let loading = Loading { need, load };
                slot.insert(Slot::Loading(loading.clone()));
                loading
            }
        };
        // It goes on, and whoever comes later finds it.
        let loaded = tokio::time::timeout(LOAD_PATIENCE, load).await.map_err(|_| Error::Unavailable)?;
        if loaded.is_err() {
            // Only this load: another may have begun since.
            self.0.slots.remove_if(&id, |_, slot| slot.loads(&need));
        }
        loaded
    }

    /// As `get`; where loading one account asks for another, a type must stand between them.
    fn get_boxed(self, id: AccountId) -> BoxFuture<'static, Result<Account>> {
        async move { self.get(id).await }.boxed()
    }

    /// Loads an account, after the one above it, and puts it in its slot; unless all were forgotten meanwhile.
    async fn wake(self, id: AccountId, need: Need) -> Result<Account> {
        let woken = self.clone().read(id, need.clone()).await;
        match &woken {
            Ok(account) => {
                if let Entry::Occupied(mut slot) = self.0.slots.entry(id)
                    && slot.get().loads(&need)
                {
                    slot.insert(Slot::Awake(account.clone()));
                    self.0.platform.measures.live.inc();
                    if self.0.platform.is_crowded() {
                        self.0.platform.crowded.notify_one();
                    }
                }
            }
            Err(_) => drop(self.0.slots.remove_if(&id, |_, slot| slot.loads(&need))),
        }
        woken
    }

    async fn read(self, id: AccountId, need: Need) -> Result<Account> {
        let parent: Option<Account> = match id.parent() {
            // Before a place among the loads is taken: children must not keep their parent from loading.
            Some(parent) => Some(self.clone().get_boxed(parent).await?),
            None => None,
        };
        let platform = &self.0.platform;
        let _place = self.0.loads.acquire().await.map_err(|_| Error::Unavailable)?;
        let epoch = platform.news.epoch();
        let directory = Directory::load_now(&platform.store, id).await?.ok_or(Error::NotFound)?;
        platform.measures.activations.inc();
        let number = id.as_str().bytes().fold(0_usize, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
        let arbiter = &self.0.arbiters[number % self.0.arbiters.len()];
        Ok(Account::start(platform.clone(), parent, directory, (need, epoch), arbiter))
    }

    /// Forgets accounts that nobody has used for `idle` seconds. Only what nobody holds goes: a handle in a request, in
    /// a queued write or in a sub-account that is awake keeps an account here, so no change of it can be missed.
    pub fn forget_idle(&self, idle: Seconds) {
        self.0.slots.retain(|_, slot| {
            let rests = matches!(slot, Slot::Awake(account) if account.rests(idle));
            if rests {
                self.0.platform.measures.forgotten(Passivation::Idle);
            }
            !rests
        });
    }

    /// Forgets an account for want of room, if nobody uses it just now.
    pub(crate) fn forget(&self, id: AccountId) -> bool {
        let forgotten = self.0.slots.remove_if(&id, |_, slot| matches!(slot, Slot::Awake(account) if account.rests(0)));
        if forgotten.is_some() {
            self.0.platform.measures.forgotten(Passivation::Memory);
        }
        forgotten.is_some()
    }

    /// The account, if it is awake.
    pub(crate) fn if_awake(&self, id: AccountId) -> Option<Account> {
        match self.0.slots.get(&id).as_deref() {
            Some(Slot::Awake(account)) => Some(account.clone()),
            _ => None,
        }
    }

    /// Shows every account that is awake.
    pub(crate) fn each_awake(&self, mut look: impl FnMut(&Account)) {
        for slot in &self.0.slots {
            if let Slot::Awake(account) = slot.value() {
                look(account);
            }
        }
    }

    /// Forgets every account: what is known of them may be of another time.
    pub(crate) fn forget_all(&self) {
        self.0.slots.clear();
        self.0.platform.measures.live.set(0);
    }

    /// Somebody has written this version of an account: an older one is not used any more. What nobody here knows is read when
    /// somebody asks.
    pub(crate) fn tell(&self, id: AccountId, version: i64) {
        match self.0.slots.get(&id).as_deref() {
            Some(Slot::Awake(account)) => account.need(version),
            Some(Slot::Loading(loading)) => drop(loading.need.fetch_max(version, Ordering::AcqRel)),
            None => {}
        }
    }

    /// What has to be done from time to time: forgets idle accounts, and addresses whose rates are whole again.
    pub fn sweep(&self, idle: Seconds) {
        self.forget_idle(idle);
        self.keep_within_memory();
        self.0.platform.limits.sweep();
    }

    /// How many accounts are awake or loading.
    pub fn awake(&self) -> usize {
        self.0.slots.len()
    }
}
