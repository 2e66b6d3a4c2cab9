//! All accounts that are awake: each is loaded once, on its first use, and forgotten when it rests.

use std::sync::Arc;

use actix_rt::{Arbiter, ArbiterHandle};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tenantry_domain::{AccountId, Error, Result, Seconds};
use tokio::sync::Semaphore;

use crate::account::Account;
use crate::directory::Directory;
use crate::platform::Platform;

/// How many accounts may be loading at once.
const LOADS: usize = 64;

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
    Loading(Shared<BoxFuture<'static, Result<Account>>>),
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

    /// The account, loaded if need be; `NotFound` for one that never was. An unknown id leaves nothing behind.
    pub async fn get(&self, id: AccountId) -> Result<Account> {
        let awake = match self.0.slots.get(&id).as_deref() {
            Some(Slot::Awake(account)) => Some(account.clone()),
            _ => None,
        };
        let account = match awake {
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
        let loading = match self.0.slots.entry(id) {
            Entry::Occupied(slot) => match slot.get() {
                Slot::Awake(account) => return Ok(account.clone()),
                Slot::Loading(loading) => loading.clone(),
            },
            Entry::Vacant(slot) => {
                // A task of its own ends even if everybody who waits for it goes away.
                let task = tokio::spawn(Self::wake(self.clone(), id));
                let loading = async { task.await.unwrap_or(Err(Error::Unavailable)) }.boxed().shared();
                slot.insert(Slot::Loading(loading.clone()));
                loading
            }
        };
        let loaded = loading.clone().await;
        if loaded.is_err() {
            // Only this load: another may have begun since.
            let failed = |slot: &Slot| matches!(slot, Slot::Loading(other) if other.ptr_eq(&loading));
            self.0.slots.remove_if(&id, |_, slot| failed(slot));
        }
        loaded
    }

    /// As `get`; where loading one account asks for another, a type must stand between them.
    fn get_boxed(self, id: AccountId) -> BoxFuture<'static, Result<Account>> {
        async move { self.get(id).await }.boxed()
    }

    /// Loads an account, after the one above it, and puts it in its slot.
    async fn wake(self, id: AccountId) -> Result<Account> {
        let woken = self.clone().read(id).await;
        // A slot that is gone by now belonged to this very load: nobody else takes it away.
        match &woken {
            Ok(account) => drop(self.0.slots.insert(id, Slot::Awake(account.clone()))),
            Err(_) => drop(self.0.slots.remove(&id)),
        }
        woken
    }

    async fn read(self, id: AccountId) -> Result<Account> {
        let parent: Option<Account> = match id.parent() {
            // Before a place among the loads is taken: children must not keep their parent from loading.
            Some(parent) => Some(self.clone().get_boxed(parent).await?),
            None => None,
        };
        let platform = &self.0.platform;
        let _place = self.0.loads.acquire().await.map_err(|_| Error::Unavailable)?;
        let snapshot = platform.store.snapshot().await?;
        let directory = Directory::load(&snapshot, id).await?.ok_or(Error::NotFound)?;
        platform.measures.activations.inc();
        platform.measures.live.inc();
        let number = id.as_str().bytes().fold(0_usize, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
        let arbiter = &self.0.arbiters[number % self.0.arbiters.len()];
        Ok(Account::start(platform.clone(), parent, directory, arbiter))
    }

    /// Forgets accounts that nobody has used for `idle` seconds. Only what nobody holds goes: a handle in a request, in
    /// a queued write or in a sub-account that is awake keeps an account here, so no change of it can be missed.
    pub fn forget_idle(&self, idle: Seconds) {
        self.0.slots.retain(|_, slot| {
            let rests = matches!(slot, Slot::Awake(account) if account.rests(idle));
            if rests {
                self.0.platform.measures.live.dec();
                self.0.platform.measures.passivations.inc();
            }
            !rests
        });
    }

    /// What has to be done from time to time: forgets idle accounts, and addresses whose rates are whole again.
    pub fn sweep(&self, idle: Seconds) {
        self.forget_idle(idle);
        self.0.platform.limits.sweep();
    }

    /// How many accounts are awake or loading.
    pub fn awake(&self) -> usize {
        self.0.slots.len()
    }
}
