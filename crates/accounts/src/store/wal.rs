//! SQLite's commits, made durable while the next ones are already prepared.
//!
//! The writer commits with `synchronous=NORMAL`: what a commit wrote stands in the write-ahead log, in order, and a crash of
//! the process cannot take it away; one of the machine could. So nobody is told that it is there before the log was synced
//! here. One sync serves all that was committed before it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::measures::Measures;

/// Tells a turn's caller how it ended: `true` once it is durable, `false` if nobody knows.
pub(super) type Settle = Box<dyn FnOnce(bool) + Send>;

/// A commit that is not durable yet.
pub(super) struct Commit {
    /// When it began.
    pub(super) begun: Instant,
    /// How many turns it serves.
    pub(super) turns: u32,
    /// Their callers.
    pub(super) settles: Vec<Settle>,
    /// Closed when all have been told.
    #[expect(dead_code, reason = "it is closed by going away")]
    pub(super) told: oneshot::Sender<()>,
}

impl Commit {
    /// Tells everyone.
    pub(super) fn settle(self, durable: bool) {
        self.settles.into_iter().for_each(|settle| settle(durable));
    }
}

/// The thread that syncs.
pub(super) struct Syncer(Sender<(Arc<Log>, Commit)>);

impl Syncer {
    /// Callers are told on this very thread, all of a commit at once: for each by itself the system would go from one thread to the
    /// other and back.
    pub(super) fn start(measures: Arc<Measures>) -> Self {
        let (queue, commits) = channel();
        let (synced, mut durable) = unbounded_channel::<Commit>();
        let thread = std::thread::Builder::new().name("wal-sync".to_owned());
        thread.spawn(move || sync(&commits, &synced)).expect("the system has a thread for the log of changes");
        actix_rt::spawn(async move {
            while let Some(commit) = durable.recv().await {
                measures.commit(commit.turns, commit.begun.elapsed());
                commit.settle(true);
            }
        });
        Self(queue)
    }

    /// Makes a commit in `log` durable, and then tells its callers.
    pub(super) fn keep(&self, log: Arc<Log>, commit: Commit) {
        self.0.send((log, commit)).unwrap_or_else(|unsent| unsent.0.1.settle(false));
    }
}

/// The log of changes beside a database that is open.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    inode: u64,
}

impl Log {
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        let mut path = database.canonicalize()?;
        path.as_mut_os_string().push("-wal");
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?; // its name has to be durable, too
        }
        let file = File::open(&path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { path, file, inode })
    }

    /// Whether it is still the one: SQLite makes a new one when nobody had the database open.
    pub(super) fn stands(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|now| now.ino() == self.inode)
    }
}

fn sync(commits: &Receiver<(Arc<Log>, Commit)>, synced: &UnboundedSender<Commit>) {
    while let Ok(first) = commits.recv() {
        let (mut log, mut waiting) = (first.0, vec![first.1]);
        let one = |log: &Log| {
            log.file.sync_data().unwrap_or_else(|error| {
                // What the system could not write it may have thrown away, and later commits build on it: only what is
                // read again from the file can be relied upon.
                tracing::error!(%error, "the log of changes cannot be made durable: ending");
                std::process::abort();
            });
        };
        for (other, commit) in commits.try_iter() {
            if !Arc::ptr_eq(&log, &other) {
                one(&log);
                log = other;
            }
            waiting.push(commit);
        }
        one(&log);
        for commit in waiting {
            // Where that thread is gone, so are those who would be told.
            drop(synced.send(commit));
        }
    }
}
