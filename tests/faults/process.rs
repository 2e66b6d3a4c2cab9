//! The process is killed, asked to end, or stands still.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenantry_tests::TestDatabase;

use crate::run::spread;
use crate::site::Site;

/// kill -9.
pub(crate) async fn kill(site: &mut Site, _: u32) -> Option<Instant> {
    let killed = Instant::now();
    site.server().kill();
    site.start().await;
    Some(killed)
}

/// SIGTERM: it ends by itself, and well.
pub(crate) async fn terminate(site: &mut Site, _: u32) -> Option<Instant> {
    let asked = Instant::now();
    end(site).await;
    site.start().await;
    Some(asked)
}

/// Asks it to end, and waits until it has.
pub(crate) async fn end(site: &mut Site) {
    site.server().signal("TERM");
    let mut server = site.server.take().expect("it serves");
    let (well, server) = tokio::task::spawn_blocking(move || (server.ended_well(), server)).await.expect("it ends");
    assert!(well, "SIGTERM did not end well: {}", server.log());
    site.server = Some(server);
}

/// SIGSTOP, and SIGCONT a little later.
pub(crate) async fn freeze(site: &mut Site, nth: u32) -> Option<Instant> {
    site.server().signal("STOP");
    tokio::time::sleep(Duration::from_millis(100) + spread(nth, Duration::from_millis(1500))).await;
    site.server().signal("CONT");
    Some(Instant::now())
}

/// Killed, and killed again while it starts.
pub(crate) async fn kill_at_start(site: &mut Site, nth: u32) -> Option<Instant> {
    site.server().kill();
    let killed = killed_after(site.command(&["serve"]), spread(nth, Duration::from_millis(250))).await;
    let ended = Instant::now();
    site.start().await;
    killed.then_some(ended)
}

/// `tenantry backup` is killed: the server does not care, and what it leaves is no backup, or a whole one.
pub(crate) async fn kill_backup(site: &mut Site, nth: u32) -> Option<Instant> {
    let to = site.database.file("backup");
    let backup = site.command(&["backup", to.to_str().expect("text")]);
    let killed = killed_after(backup, spread(nth, Duration::from_millis(300))).await;
    let ended = Instant::now();
    if to.exists() {
        let check = site.command(&["restore", to.to_str().expect("text"), "--check"]).output().expect("the program runs");
        assert!(check.status.success(), "half a backup: {}", String::from_utf8_lossy(&check.stderr));
    }
    remove(site.database.directory(), "backup");
    killed.then_some(ended)
}

/// `tenantry migrate up` is killed on an empty database, so often; the next one finds its way. How often it was killed in time.
pub(crate) async fn kill_migrations(database: &TestDatabase, first: u32, times: u32) -> u32 {
    let mut killed = 0;
    for nth in first..first + times {
        let migrate = tenantry_tests::program(database, &["migrate", "up"]);
        killed += u32::from(killed_after(migrate, spread(nth, Duration::from_millis(400))).await);
    }
    killed
}

/// Runs a command and kills it after a while; whether it was still at work.
async fn killed_after(mut command: Command, after: Duration) -> bool {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    tokio::time::sleep(after).await;
    let at_work = matches!(child.try_wait(), Ok(None));
    drop(child.kill());
    drop(child.wait());
    at_work
}

/// Removes what begins like that.
fn remove(directory: &Path, start: &str) {
    for entry in std::fs::read_dir(directory).expect("a directory").map_while(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(start) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
