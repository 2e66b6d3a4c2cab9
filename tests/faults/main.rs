//! `make faults`: faults of every kind injected into the real program under load, and a ledger of what was acknowledged held
//! against what is there.
//!
//! `tenantry-faults [short] [FAMILY]`: all, or a few of each; only families whose name has that in it. Ends with an error if
//! anything is lost. What it does and what the figures mean: README.md.

mod asks;
mod clock;
mod disk;
mod ledger;
mod load;
mod log;
mod postgres;
mod process;
mod proxy;
mod report;
mod run;
mod site;
mod strace;
mod writers;

use std::path::Path;
use std::process::ExitCode;

use tenantry_tests::{OwnServer, TestDatabase};

use crate::proxy::Proxy;
use crate::run::Run;
use crate::site::Place;

/// How many faults a whole run injects, at least.
const LEAST: usize = 1000;

fn main() -> ExitCode {
    assert!(!TestDatabase::is_postgres(), "it starts PostgreSQL itself: run it without TENANTRY_TEST_POSTGRES");
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = arguments.first().is_some_and(|first| first == "short");
    arguments.drain(..usize::from(short));
    let whole = !short && arguments.is_empty();
    let mut run = Run::new(!short, arguments.join(" "));
    actix_rt::System::new().block_on(async {
        sqlite(&mut run).await;
        postgres(&mut run).await;
    });
    println!("{}", run.report.sums());
    if whole {
        run.report.keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/RESULTS.md"));
    }
    if run.report.holds(if whole { LEAST } else { 1 }) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What may befall the process, whatever it stands on.
async fn anywhere(run: &mut Run, place: &Place) {
    run.family("kill -9", place, [120, 2], process::kill).await;
    run.family("SIGTERM", place, [30, 1], process::terminate).await;
    run.family("SIGSTOP", place, [30, 1], process::freeze).await;
    run.family("kill -9 while it starts", place, [30, 1], process::kill_at_start).await;
    run.migrations(place, [30, 1]).await;
    run.family("kill -9 of a backup", place, [20, 1], process::kill_backup).await;
    run.family("new signing keys", place, [20, 1], load::rotate).await;
    run.family("suspended", place, [20, 1], load::suspend).await;
    run.family("flood", place, [10, 1], load::flood).await;
    let clock = Place { clock: true, ..place.clone() };
    run.family("clock set", &clock, [40, 1], clock::jump).await;
}

async fn sqlite(run: &mut Run) {
    let file = Place::default();
    anywhere(run, &file).await;
    run.family("EIO on fsync", &file, [100, 2], disk::sync_fails).await;
    run.family("fdatasync held up", &file, [30, 1], disk::sync_held).await;
    run.family("EIO, ENOSPC on write", &file, [60, 3], disk::write_fails).await;
    run.family(disk::READS, &file, [30, 1], disk::read_fails).await;
    run.family("slow disk", &file, [30, 1], disk::slow).await;
    let small = disk::Small::at(std::env::temp_dir().join(format!("tenantry-faults-{}", std::process::id())), 64);
    let on_small = Place { directory: Some(small.0.clone()), ..Place::default() };
    run.family("disk full", &on_small, [60, 2], async |site, nth| disk::full(site, nth, &small).await).await;
}

async fn postgres(run: &mut Run) {
    let server = OwnServer::start().await;
    let there = Place { server: Some(server.url.clone()), ..Place::default() };
    anywhere(run, &there).await;
    run.family("database stopped", &there, [30, 1], async |_, nth| postgres::stop(&server, nth).await).await;
    run.family("database hung", &there, [15, 1], async |_, nth| postgres::hang(&server, nth).await).await;
    run.family("connections ended", &there, [60, 2], async |site, nth| postgres::end_backends(&site.database, nth).await).await;
    run.family("kill -9 of a backend", &there, [30, 1], async |site, _| postgres::kill_backend(&site.database).await).await;
    run.family("EIO on its fsync", &there, [30, 1], async |site, _| postgres::sync_fails(&site.database).await).await;
    let (_, address) = server.url.split_once('@').expect("a user");
    let line = Proxy::to(address.parse().expect("an address")).await;
    let over = Place { over: Some(line.address), ..there.clone() };
    run.family("line cut", &over, [60, 2], async |_, _| Some(postgres::cut(&line))).await;
    run.family("line cut at COMMIT", &over, [150, 4], async |_, nth| postgres::cut_at_commit(&line, nth).await).await;
    run.family("line stalled", &over, [20, 1], async |_, nth| postgres::stall(&line, nth).await).await;
    run.family("SIGTERM, line slow", &over, [20, 1], async |site, _| postgres::slow_end(site, &line).await).await;
    run.family("line slow", &over, [20, 1], async |_, nth| postgres::slow(&line, nth).await).await;
}
