//! The disk under SQLite fails, is slow, or is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::spread;
use crate::site::Site;
use crate::strace::Injection;

/// How long calls are tampered with.
const LASTS: Duration = Duration::from_millis(400);
/// The calls that make what was written durable.
const SYNCS: &str = "fsync,fdatasync";
/// How long a sync is held up.
const HELD: Duration = Duration::from_millis(400);
/// How long something is waited for that has to go wrong.
const PATIENCE: Duration = Duration::from_secs(3);

/// The database's file and the log of changes beside it.
fn files(site: &Site) -> Vec<PathBuf> {
    let database = site.database.url.trim_start_matches("sqlite://");
    ["", "-wal"].map(|end| PathBuf::from(format!("{database}{end}"))).to_vec()
}

/// Tampers with calls of processes until one was, and where it is for all of them, a little longer. When that ended.
pub(crate) async fn tamper(processes: &[u32], files: &[PathBuf], calls: &str, how: &str, told: &Path) -> Option<Instant> {
    let injection = Injection::begin(processes, files, calls, how, told);
    let begun = Instant::now();
    while injection.count() == 0 && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if how.contains("when=1+") {
        tokio::time::sleep(LASTS).await;
    }
    let count = injection.end().await;
    (count > 0).then(Instant::now)
}

/// The same on the server's database.
async fn tamper_with(site: &mut Site, calls: &str, how: &str) -> Option<Instant> {
    let (files, told) = (files(site), site.database.file("strace"));
    tamper(&[site.server().id()], &files, calls, how, &told).await
}

/// The log of changes cannot be made durable: one sync fails, and the server ends at once.
pub(crate) async fn sync_fails(site: &mut Site, nth: u32) -> Option<Instant> {
    let (log, told) = (files(site).split_off(1), site.database.file("strace"));
    let over = tamper(&[site.server().id()], &log, SYNCS, &format!("error=EIO:when={}", nth % 5 + 1), &told).await?;
    while !site.server().ended() {
        assert!(over.elapsed() < PATIENCE, "a sync failed, and the server goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Some(over)
}

/// Each sync of the log of changes is held up before it begins: nobody is told of a write any sooner.
pub(crate) async fn sync_held(site: &mut Site, _: u32) -> Option<Instant> {
    let (log, told) = (files(site).split_off(1), site.database.file("strace"));
    let how = format!("delay_enter={}:when=1+", HELD.as_micros());
    let injection = Injection::begin(&[site.server().id()], &log, SYNCS, &how, &told);
    let begun = Instant::now();
    while injection.count() == 0 && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let quickest = site.writers.quickest(HELD * 4).await;
    let count = injection.end().await;
    let quickest = quickest.filter(|_| count > 0)?;
    assert!(quickest >= HELD, "a write was acknowledged after {quickest:?}, and no sync took less than {HELD:?}");
    Some(Instant::now())
}

/// Writes fail: one, or all for a while.
pub(crate) async fn write_fails(site: &mut Site, nth: u32) -> Option<Instant> {
    let error = ["EIO", "ENOSPC"][(nth % 2) as usize];
    let when = if nth % 4 < 2 { format!("{}", nth % 7 + 1) } else { "1+".to_owned() };
    tamper_with(site, "pwrite64,write,ftruncate", &format!("error={error}:when={when}")).await
}

/// The family in which SQLite takes its file for malformed, and the server answers 500 and nothing else: it is told so for EIO.
pub(crate) const READS: &str = "EIO on read";

/// Reads fail for a while.
pub(crate) async fn read_fails(site: &mut Site, _: u32) -> Option<Instant> {
    tamper_with(site, "pread64", "error=EIO:when=1+").await
}

/// Syncs and writes take their time.
pub(crate) async fn slow(site: &mut Site, nth: u32) -> Option<Instant> {
    let delay = Duration::from_millis(20) + spread(nth, Duration::from_millis(180));
    tamper_with(site, "fsync,fdatasync,pwrite64", &format!("delay_enter={}:when=1+", delay.as_micros())).await
}

/// A small disk of memory; gone with it.
pub(crate) struct Small(pub(crate) PathBuf);

impl Small {
    pub(crate) fn at(path: PathBuf, mib: u32) -> Self {
        std::fs::create_dir_all(&path).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "none"]).arg(&path).status();
        assert!(mounted.expect("mount runs").success(), "only root can mount");
        Self(path)
    }

    /// Leaves no room on it.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut zeros = std::io::repeat(0);
        let mut file = std::fs::File::create(&ballast).expect("a file");
        std::io::copy(&mut zeros, &mut file).expect_err("it has an end");
        ballast
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
        drop(std::fs::remove_dir(&self.0));
    }
}

/// Something else fills the disk until writes are refused, and a little longer; each third time the server is killed meanwhile.
pub(crate) async fn full(site: &mut Site, nth: u32, disk: &Small) -> Option<Instant> {
    let before = site.writers.told();
    let ballast = disk.fill();
    let begun = Instant::now();
    let refused = loop {
        let told = site.writers.told();
        let refused = told.refused + told.unsure > before.refused + before.unsure;
        if refused || begun.elapsed() > PATIENCE {
            break refused;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    tokio::time::sleep(spread(nth, Duration::from_millis(600))).await;
    if nth % 3 == 2 {
        site.server().kill();
    }
    std::fs::remove_file(ballast).expect("it can go");
    let over = Instant::now();
    site.tend().await;
    refused.then_some(over)
}
