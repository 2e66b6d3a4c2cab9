//! Passwords are hashed on threads of their own, fairly: round-robin over accounts, one at a time for each, a few waiting.
//! However many logins one account gets, another's waits for one hash of each, not for all of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::phc;
use argon2::password_hash::{Error as HashError, PasswordVerifier};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use tenantry_domain::{AccountId, Error, Password, PasswordHash, Result};
use tokio::sync::oneshot;

use crate::measures::{Measures, Refusal};

/// KiB of memory, passes and lanes of argon2id: the second choice of RFC 9106, as OWASP writes it.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a salt, and of a hash.
const SALT: usize = 16;
const HASH: usize = 32;
/// How many hashes of one account may wait.
const ACCOUNT_WAITING: usize = 8;
/// How many of all accounts.
const ALL_WAITING: usize = 512;
/// A thread that has had nothing to do for so long gives its memory back.
const REST: Duration = Duration::from_mins(1);
/// Below the threads that answer requests.
const NICENESS: i32 = 5;

/// What a comparison showed.
pub(crate) struct Checked {
    /// The password is the one that was hashed.
    pub(crate) right: bool,
    /// It is, and its hash should be replaced by this one.
    pub(crate) better: Option<PasswordHash>,
}

/// The pool.
pub(crate) struct Hashes {
    shared: Arc<Shared>,
    /// Compared where nobody has that name: it costs the same, and is nobody's.
    nobody: PasswordHash,
}

struct Shared {
    queue: Mutex<Queue>,
    some: Condvar,
    measures: Arc<Measures>,
}

#[derive(Default)]
struct Queue {
    /// Accounts that have something waiting and nothing running, in turn.
    ready: VecDeque<AccountId>,
    waiting: HashMap<AccountId, VecDeque<Job>>,
    running: HashSet<AccountId>,
    ended: bool,
}

/// What a thread hashes in, again and again.
type Memory = Vec<Block>;
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

struct Job {
    since: Instant,
    run: Work,
    /// Whether whoever asked has gone away.
    unwanted: Box<dyn Fn() -> bool + Send>,
}

impl Hashes {
    /// A pool of so many threads.
    pub(crate) fn start(threads: usize, nonce: [u8; SALT + HASH], measures: Arc<Measures>) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), some: Condvar::new(), measures });
        for _ in 0..threads.max(1) {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name("hash".to_owned());
            thread.spawn(move || shared.work()).expect("the system has a thread for hashes");
        }
        Self { shared, nobody: text(&nonce[..SALT], &nonce[SALT..]) }
    }

    /// Hashes a password that was chosen in `account`.
    ///
    /// Errors: `Busy` where the account has too many waiting, `Unavailable` where all have.
    pub(crate) async fn make(&self, account: AccountId, password: Password, salt: [u8; SALT]) -> Result<PasswordHash> {
        self.run(account, move |memory| make(&password, &salt, memory)).await?
    }

    /// Compares a password with the hash that `account` keeps of somebody, or with nobody's.
    ///
    /// Errors: as [`Hashes::make`].
    pub(crate) async fn check(
        &self,
        account: AccountId,
        password: Password,
        kept: Option<PasswordHash>,
        salt: [u8; SALT],
    ) -> Result<Checked> {
        let known = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.clone());
        let check = move |memory: &mut Memory| {
            let right = verify(&password, kept.as_str(), memory) && known;
            let better = if right && is_weak(kept.as_str()) { Some(make(&password, &salt, memory)?) } else { None };
            Ok(Checked { right, better })
        };
        self.run(account, check).await?
    }

    async fn run<T: Send + 'static>(&self, account: AccountId, op: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        let reply = Arc::new(Mutex::new(Some(reply)));
        let watched = reply.clone();
        let unwanted = move || lock(&watched).as_ref().is_none_or(oneshot::Sender::is_closed);
        let run = move |memory: &mut Memory| {
            let done = op(memory);
            if let Some(reply) = lock(&reply).take() {
                drop(reply.send(done));
            }
        };
        let job = Job { since: Instant::now(), run: Box::new(run), unwanted: Box::new(unwanted) };
        self.shared.put(account, job).inspect_err(|_| self.shared.measures.refused(Refusal::Hashes))?;
        outcome.await.map_err(|_| Error::Unavailable)
    }
}

impl Drop for Hashes {
    fn drop(&mut self) {
        lock(&self.shared.queue).ended = true;
        self.shared.some.notify_all();
    }
}

impl Shared {
    fn put(&self, account: AccountId, job: Job) -> Result<()> {
        let mut queue = lock(&self.queue);
        let queue = &mut *queue;
        let all: usize = queue.waiting.values().map(VecDeque::len).sum();
        let waiting = queue.waiting.entry(account).or_default();
        // Whoever went away makes room.
        if waiting.len() >= ACCOUNT_WAITING {
            waiting.retain(|job| !(job.unwanted)());
        }
        if waiting.len() >= ACCOUNT_WAITING {
            return Err(Error::Busy);
        }
        if all >= ALL_WAITING {
            return Err(Error::Unavailable);
        }
        if waiting.is_empty() && !queue.running.contains(&account) {
            queue.ready.push_back(account);
            self.some.notify_one();
        }
        waiting.push_back(job);
        self.measures.hashes_waiting.inc();
        Ok(())
    }

    /// One thread's life.
    fn work(&self) {
        // A thread's own priority; where that is not possible it has the others'.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut memory = Memory::new();
        loop {
            let Some((account, job)) = self.next(&mut memory) else { return };
            if !(job.unwanted)() {
                self.measures.hash_wait.observe(job.since.elapsed().as_secs_f64());
                let begun = Instant::now();
                // A panic is one caller's trouble: its reply is dropped, which it sees.
                let run = std::panic::AssertUnwindSafe(|| (job.run)(&mut memory));
                drop(std::panic::catch_unwind(run));
                self.measures.hashes.observe(begun.elapsed().as_secs_f64());
            }
            self.done(account);
        }
    }

    /// The next job; `None` at the end.
    fn next(&self, memory: &mut Memory) -> Option<(AccountId, Job)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.ended {
                return None;
            }
            if let Some(account) = queue.ready.pop_front()
                && let Some(job) = queue.waiting.get_mut(&account).and_then(VecDeque::pop_front)
            {
                queue.running.insert(account);
                self.measures.hashes_waiting.dec();
                return Some((account, job));
            }
            let (woken, slept) = self.some.wait_timeout(queue, REST).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if slept.timed_out() {
                *memory = Memory::new();
            }
        }
    }

    fn done(&self, account: AccountId) {
        let mut queue = lock(&self.queue);
        queue.running.remove(&account);
        if queue.waiting.get(&account).is_some_and(|waiting| !waiting.is_empty()) {
            queue.ready.push_back(account);
            self.some.notify_one();
        } else {
            queue.waiting.remove(&account);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The PHC text of an argon2id hash with our parameters.
fn text(salt: &[u8], hash: &[u8]) -> PasswordHash {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    PasswordHash::from(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${salt}${hash}"))
}

fn make(password: &Password, salt: &[u8; SALT], memory: &mut Memory) -> Result<PasswordHash> {
    let params = Params::new(MEMORY, PASSES, LANES, Some(HASH)).expect("our parameters are within argon2's bounds");
    let mut hash = [0; HASH];
    fill(Algorithm::Argon2id, Version::V0x13, params, password, salt, &mut hash, memory)
        .map_err(|error| Error::Internal(format!("a password cannot be hashed: {error}")))?;
    Ok(text(salt, &hash))
}

/// Runs argon2 in memory that is used again.
fn fill(
    algorithm: Algorithm,
    version: Version,
    params: Params,
    password: &Password,
    salt: &[u8],
    hash: &mut [u8],
    memory: &mut Memory,
) -> Result<(), argon2::Error> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.reveal().as_bytes(), salt, hash, &mut memory[..])
}

/// Compares a password with a hash of any kind that we take.
fn verify(password: &Password, kept: &str, memory: &mut Memory) -> bool {
    let plain = password.reveal().as_bytes();
    if is_bcrypt(kept) {
        return bcrypt::verify(plain, kept).unwrap_or(false);
    }
    let Ok(phc) = phc::PasswordHash::new(kept) else { return false };
    let right = match phc.algorithm.as_str() {
        "scrypt" => scrypt::Scrypt::default().verify_password(plain, &phc),
        "pbkdf2-sha256" | "pbkdf2-sha512" => pbkdf2::Pbkdf2::default().verify_password(plain, &phc),
        _ => verify_argon2(password, &phc, memory),
    };
    right.is_ok()
}

fn verify_argon2(password: &Password, phc: &phc::PasswordHash, memory: &mut Memory) -> Result<(), HashError> {
    let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else { return Err(HashError::PasswordInvalid) };
    let algorithm = Algorithm::new(phc.algorithm.as_str()).map_err(|_| HashError::Algorithm)?;
    let version = phc.version.map_or(Ok(Version::V0x13), Version::try_from).map_err(|_| HashError::Version)?;
    let mut hash = vec![0; expected.len()];
    fill(algorithm, version, Params::try_from(phc)?, password, salt, &mut hash, memory).map_err(|_| HashError::Internal)?;
    if bool::from(hash.ct_eq(expected.as_bytes())) { Ok(()) } else { Err(HashError::PasswordInvalid) }
}

fn is_bcrypt(kept: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|kind| kept.starts_with(kind))
}

/// Whether a hash is of another kind than ours, or cheaper to try than ours.
fn is_weak(kept: &str) -> bool {
    let Ok(phc) = phc::PasswordHash::new(kept) else { return true };
    let params = Params::try_from(&phc);
    phc.algorithm.as_str() != "argon2id" || params.is_ok_and(|params| params.m_cost() < MEMORY || params.t_cost() < PASSES)
}

/// Reads the hash of a password that was made elsewhere: argon2 (PHC), scrypt (PHC), PBKDF2 with SHA-256 or SHA-512 (PHC), or
/// bcrypt. Refused where comparing it would cost much more than one of ours.
pub fn imported_hash(hash: String) -> Result<PasswordHash, String> {
    let costly = || "would take too long to compare".to_owned();
    let unknown = || "must be a hash of argon2, scrypt or pbkdf2 in PHC form, or of bcrypt".to_owned();
    if hash.len() > 512 {
        return Err(unknown());
    }
    if is_bcrypt(&hash) {
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| unknown())?;
        return if parts.get_cost() <= 14 { Ok(hash.into()) } else { Err(costly()) };
    }
    let phc = phc::PasswordHash::new(&hash).map_err(|_| unknown())?;
    if phc.salt.is_none() || phc.hash.is_none() {
        return Err(unknown());
    }
    let most = |name: &str, most: u32| match phc.params.get_decimal(name) {
        None => Err(unknown()),
        Some(cost) if cost > most => Err(costly()),
        Some(_) => Ok(()),
    };
    match phc.algorithm.as_str() {
        "argon2d" | "argon2i" | "argon2id" => {
            Params::try_from(&phc).map_err(|_| unknown())?;
            most("m", 128 * 1024)?;
            most("t", 10)?;
            most("p", 8)?;
        }
        "scrypt" => {
            scrypt::Params::try_from(&phc).map_err(|_| unknown())?;
            most("ln", 16)?;
            most("r", 8)?;
            most("p", 2)?;
        }
        "pbkdf2-sha256" | "pbkdf2-sha512" => {
            pbkdf2::Params::try_from(&phc).map_err(|_| unknown())?;
            most("i", 1_000_000)?;
        }
        _ => return Err(unknown()),
    }
    Ok(hash.into())
}
