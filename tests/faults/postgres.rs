//! PostgreSQL, and the line to it: stopped, hung, restarted, cut.

use std::process::Command;
use std::time::{Duration, Instant};

use tenantry_tests::{OwnServer, TestDatabase};

use crate::disk;
use crate::process;
use crate::proxy::{Line, Proxy};
use crate::run::spread;
use crate::site::{self, Site};

/// How long something is waited for that has to come about.
const PATIENCE: Duration = Duration::from_secs(3);

/// Stopped at once, as a crash would, and started again.
pub(crate) async fn stop(server: &OwnServer, nth: u32) -> Option<Instant> {
    server.stop();
    tokio::time::sleep(spread(nth, Duration::from_millis(800))).await;
    server.start_again();
    Some(Instant::now())
}

/// All its processes stand still; each fifth time for longer than it is waited for.
pub(crate) async fn hang(server: &OwnServer, nth: u32) -> Option<Instant> {
    server.freeze(true);
    let long = if nth % 5 == 4 { Duration::from_secs(9) } else { Duration::from_millis(300) };
    tokio::time::sleep(long + spread(nth, Duration::from_millis(1500))).await;
    server.freeze(false);
    Some(Instant::now())
}

/// The backends of this database, but for the one that asks.
const BACKENDS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                        AND backend_type = 'client backend'";

/// Its connections are ended by an administrator: all, or one.
pub(crate) async fn end_backends(database: &TestDatabase, nth: u32) -> Option<Instant> {
    let some = if nth.is_multiple_of(2) { "" } else { "ORDER BY random() LIMIT 1" };
    let ended = database.column(&format!("SELECT pg_terminate_backend(pid)::text {BACKENDS} {some}")).await;
    (!ended.is_empty()).then(Instant::now)
}

/// kill -9 of one backend: the server ends all others, and recovers.
pub(crate) async fn kill_backend(database: &TestDatabase) -> Option<Instant> {
    let backend = database.column(&format!("SELECT pid::text {BACKENDS} ORDER BY random() LIMIT 1")).await.concat();
    let killed = Command::new("kill").args(["-9", &backend]).status().expect("kill runs").success();
    if killed { Some(recovered(database).await) } else { None }
}

/// When PostgreSQL is there again after a crash of its own: how long it takes for that is not ours.
async fn recovered(database: &TestDatabase) -> Instant {
    let crashed = Instant::now();
    // Until it has noticed, it lets people in.
    tokio::time::sleep(Duration::from_millis(100)).await;
    while !database.answers().await {
        assert!(crashed.elapsed() < site::PATIENCE, "PostgreSQL does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Instant::now()
}

/// The line is cut, all connections at once.
pub(crate) fn cut(line: &Proxy) -> Instant {
    line.cut();
    Instant::now()
}

/// A connection is cut at a COMMIT: it does not arrive, or it does and its answer does not come back.
pub(crate) async fn cut_at_commit(line: &Proxy, nth: u32) -> Option<Instant> {
    let before = line.cut_at_commit();
    let after = (!nth.is_multiple_of(4)).then(|| spread(nth, Duration::from_millis(5)));
    line.set(Line::CutAtCommit(after));
    let begun = Instant::now();
    while line.cut_at_commit() == before && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    line.set(Line::Open);
    (line.cut_at_commit() > before).then(Instant::now)
}

/// Nothing comes over the line for a while; each fifth time for longer than it is waited for.
pub(crate) async fn stall(line: &Proxy, nth: u32) -> Option<Instant> {
    line.set(Line::Stalled);
    let long = if nth % 5 == 4 { Duration::from_secs(9) } else { Duration::from_millis(200) };
    tokio::time::sleep(long + spread(nth, Duration::from_millis(1500))).await;
    line.set(Line::Open);
    Some(Instant::now())
}

/// Everything comes later for a while.
pub(crate) async fn slow(line: &Proxy, nth: u32) -> Option<Instant> {
    line.set(Line::Slow(Duration::from_millis(5) + spread(nth, Duration::from_millis(60))));
    tokio::time::sleep(Duration::from_millis(800)).await;
    line.set(Line::Open);
    Some(Instant::now())
}

/// SIGTERM while everything comes later: it ends well all the same.
pub(crate) async fn slow_end(site: &mut Site, line: &Proxy) -> Option<Instant> {
    line.set(Line::Slow(Duration::from_millis(30)));
    process::end(site).await;
    line.set(Line::Open);
    let over = Instant::now();
    site.start().await;
    Some(over)
}

/// A sync fails in one of the server's processes, or several: it takes its own state for lost, and recovers from its log.
pub(crate) async fn sync_fails(database: &TestDatabase) -> Option<Instant> {
    let backends = database.column(&format!("SELECT pid::text {BACKENDS}")).await;
    let processes: Vec<u32> = backends.iter().map(|process| process.parse().expect("a number")).collect();
    disk::tamper(&processes, &[], "fsync,fdatasync", "error=EIO:when=1", &database.file("strace")).await?;
    Some(recovered(database).await)
}
