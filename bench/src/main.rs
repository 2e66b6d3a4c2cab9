//! `make bench`: how fast and how small Tenantry is, as ratios to what the machine can do.
//!
//! Started on one core (`taskset -c 1`); what is measured runs on the other.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "figures for people")]

mod baseline;
mod customers;
mod growth;
mod http;
mod load;
mod neighbours;
mod nodes;
mod people;
mod report;
mod scale;
mod server;
mod soak;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::http::{Connection, Request};
use crate::load::Load;
use crate::report::{HEAD, Report, Target};
use crate::server::{Server, baseline, bootstrap, directory};
use crate::world::{Member, Shape, World};

/// How often each part is gone through; the median is told.
const ROUNDS: usize = 7;
/// The same where somebody only wants a look: `tenantry-bench quick`.
const QUICK: usize = 3;
/// Loads that are compared run in so many short turns a round: a machine that others use, too, changes its pace within seconds.
const TURNS: usize = 3;
/// How many write at once.
const WRITERS: usize = 16;
/// How many exchange tokens at once: each waits for a commit, and it takes so many to keep a core busy meanwhile.
const CROWD: usize = 256;
/// How many accounts one writer alone goes through, and each of many.
const MANY: usize = 32;
const FEW: usize = 4;
/// How long each of these runs.
const TURN: Duration = Duration::from_millis(700);
/// How long a load runs that is looked at alone.
const ROUND: Duration = Duration::from_secs(2);
/// Rates that are counted but never reached.
const WIDE: [(&str, &str); 4] = [
    ("TENANTRY_LIMIT_ADDRESS", "1000000/1000000"),
    ("TENANTRY_LIMIT_CLIENT", "1000000/1000000"),
    ("TENANTRY_LIMIT_ACCOUNT", "1000000/1000000"),
    ("TENANTRY_LIMIT_TREE", "1000000/1000000"),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let system = actix_rt::System::new();
    match arguments[..] {
        ["hello"] => system.block_on(baseline::hello()),
        ["awake"] => loop {
            std::hint::spin_loop();
        },
        ["hashes"] => baseline::hashes(TURN).map(tell),
        ["creates", url] => system.block_on(baseline::creates(url, TURN)).map(tell),
        ["sign"] => baseline::sign(TURN).map(tell),
        ["commits", directory] => system.block_on(baseline::commits(Path::new(directory), TURN)).map(tell),
        ["growth"] => system.block_on(growth::growth(false)),
        ["growth", "quick"] => system.block_on(growth::growth(true)),
        ["soak", minutes] => system.block_on(soak::soak(minutes.parse()?)),
        ["profile", name] => system.block_on(profile(name)),
        _ => system.block_on(run(&arguments)),
    }
}

fn tell(rate: f64) {
    println!("{rate}");
}

/// One load alone, for a profiler: says which process to look at.
async fn profile(name: &str) -> Result<()> {
    let directory = directory()?;
    let (server, world) = World::start(directory.path(), &WIDE, 64).await?;
    let requests = match name {
        "livez" => vec![Request::new("GET", "/livez", "", "")],
        "read" => vec![read_role(&mut Connection::open(server.api).await?, &world.below[0]).await?],
        "token" => vec![world.client_credentials()],
        "exchange" => world.below.iter().take(64).map(|member| world.exchange(member)).collect(),
        "login" => people::log_ins(&mut Connection::open(server.api).await?, &world).await?,
        "create" | "write" => world.below.iter().map(Member::create_role).collect(),
        _ => anyhow::bail!("there is no load {name}: livez, read, token, exchange, create, write, login"),
    };
    println!("process {}", server.process());
    let load = Load::closed(
        match name {
            "write" => 1,
            "create" | "login" => WRITERS,
            "exchange" => CROWD,
            _ => 64,
        },
        ROUND * 4,
    );
    let seen = load.run(server.api, |connection, nth| &requests[(connection + nth) % requests.len()]).await?;
    for (what, metric) in [
        ("ms a statement", "tenantry_database_statement_duration_seconds"),
        ("ms a commit", "tenantry_commit_duration_seconds"),
        ("turns a commit", "tenantry_commit_turns"),
        ("ms in the mailbox", "tenantry_account_mailbox_wait_seconds"),
    ] {
        let sum = server.counted(&format!("{metric}_sum")).await?;
        let count = server.counted(&format!("{metric}_count")).await?;
        println!("{count} times {:.3} {what}", sum / count * if what.starts_with("ms") { 1000.0 } else { 1.0 });
    }
    println!("{:.0}/s, p50 {:.2} ms, p99 {:.2} ms", seen.rate, seen.percentile(0.5), seen.percentile(0.99));
    Ok(())
}

/// Runs the parts that are named, or all; keeps the results of a whole run, and of parts where that is wanted (`keep`).
async fn run(parts: &[&str]) -> Result<()> {
    let rounds = if parts.contains(&"quick") { QUICK } else { ROUNDS };
    let named: Vec<&str> = parts.iter().copied().filter(|part| !["quick", "keep"].contains(part)).collect();
    let wanted = |part: &str| named.is_empty() || named.contains(&part);
    let mut report = Report::default();
    println!("{HEAD}");
    if wanted("speed") {
        speed(&mut report, rounds).await?;
    }
    if wanted("neighbours") {
        neighbours::neighbours(&mut report, rounds, !parts.contains(&"quick")).await?;
    }
    if wanted("people") {
        people::people(&mut report, rounds).await?;
    }
    if wanted("customers") {
        customers::customers(&mut report, rounds, parts.contains(&"quick")).await?;
    }
    if wanted("nodes") {
        nodes::nodes(&mut report, rounds).await?;
    }
    if wanted("scale") {
        scale::scale(&mut report, rounds, parts.contains(&"quick")).await?;
    }
    if wanted("start") {
        start(&mut report, rounds).await?;
    }
    if wanted("memory") {
        memory(&mut report).await?;
    }
    if named.is_empty() || parts.contains(&"keep") {
        report.keep(&PathBuf::from("bench/RESULTS.md"), &named)?;
    }
    ensure!(report.holds(), "not every figure holds");
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of two loads that ran in the same rounds.
fn ratio(ones: &[f64], others: &[f64]) -> f64 {
    median(ones.iter().zip(others).map(|(one, other)| one / other).collect())
}

/// A guarded read: of a role, made for it.
async fn read_role(wire: &mut Connection, member: &Member) -> Result<Request> {
    let role = wire.json(&member.create_role()).await?;
    Ok(Request::get(&member.path(&format!("auth/roles/{}", role["id"].as_str().context("an id")?)), &member.token))
}

async fn speed(report: &mut Report, rounds: usize) -> Result<()> {
    let directory = directory()?;
    let (server, mut world) = World::start(directory.path(), &WIDE, 64).await?;
    let hello = Server::hello()?;
    let mut wire = Connection::open(server.api).await?;
    let member = world.below[0].clone();
    let read = read_role(&mut wire, &member).await?;
    let (livez, hello_page) = (Request::new("GET", "/livez", "", ""), Request::new("GET", "/", "", ""));
    let jwks = Request::new("GET", &member.path(".well-known/jwks.json"), "", "");
    let token = world.client_credentials();
    let exchanges: Vec<Request> = world.below.iter().map(|member| world.exchange(member)).collect();
    let mut rates: [Vec<f64>; 9] = Default::default();
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let costs = ["tenantry_database_statement_duration_seconds_count", "tenantry_account_mailbox_wait_seconds_count"];
    for turn in 0..rounds * TURNS {
        // Each turn has accounts of its own, so many that none grows beyond what an account has in real use.
        world.below.truncate(64);
        world.grow(&server, 2 * MANY + WRITERS * FEW).await?;
        let creates: Vec<Request> = world.below[64..].iter().map(Member::create_role).collect();
        // One writer goes through many accounts, each of many through a few.
        let alone = |first: usize| {
            let creates = &creates;
            move |_: usize, nth: usize| &creates[first + nth / 16 % MANY]
        };
        let together = |connection: usize, nth: usize| &creates[2 * MANY + FEW * connection + nth / 16 % FEW];
        let many = Load::closed(64, TURN);
        rates[0].push(many.run(server.api, |_, _| &livez).await?.rate);
        let before = (server.counted(costs[0]).await?, server.counted(costs[1]).await?);
        rates[1].push(many.run(server.api, |_, _| &read).await?.rate);
        let after = (server.counted(costs[0]).await?, server.counted(costs[1]).await?);
        // Once a minute the server notes which secrets were used.
        ensure!(
            after.0 - before.0 < 10.0 && after.1 <= before.1,
            "guarded reads cost SQL or a mailbox: {before:?} became {after:?}"
        );
        rates[2].push(many.run(server.api, |_, _| &token).await?.rate);
        rates[3].push(baseline(&["sign"])?);
        let crowd = Load::closed(CROWD, TURN * 2);
        rates[4].push(crowd.run(server.api, |connection, nth| &exchanges[(connection + nth) % exchanges.len()]).await?.rate);
        rates[5].push(many.run(server.api, |_, _| &jwks).await?.rate);
        rates[6].push(many.run(hello.api, |_, _| &hello_page).await?.rate);
        let commits = baseline(&["commits", directory.path().to_str().context("a path")?])?;
        rates[7].push(Load::closed(1, TURN).run(server.api, alone(0)).await?.rate / commits);
        rates[8].push(Load::closed(WRITERS, TURN).run(server.api, together).await?.rate / commits);
        if turn % TURNS == 0 {
            let reads = Load::closed(16, ROUND);
            quiet.push(reads.run(server.api, |_, _| &read).await?.percentile(0.99));
            let with_writes = futures_util::future::try_join(
                reads.run(server.api, |_, _| &read),
                Load::closed(1, ROUND).run(server.api, alone(MANY)),
            );
            busy.push(with_writes.await?.0.percentile(0.99));
        }
        let rates = rates.each_ref().map(|rate| rate.last().copied().unwrap_or_default());
        eprintln!("turn {} of {}: {rates:.2?}", turn + 1, rounds * TURNS);
    }
    let per_second = |rate: &[f64]| format!("{:.0}/s", median(rate.to_vec()));
    let of = |one: usize, other: usize| format!("{} of {}", per_second(&rates[one]), per_second(&rates[other]));
    report.add(
        "client_credentials / ES256 signatures of jsonwebtoken",
        ratio(&rates[2], &rates[3]),
        "",
        Target::AtLeast(0.5),
        of(2, 3),
    );
    report.add("guarded read / `/livez`; no SQL, no mailbox", ratio(&rates[1], &rates[0]), "", Target::AtLeast(0.6), of(1, 0));
    report.add("exchange (RFC 8693) / client_credentials", ratio(&rates[4], &rates[2]), "", Target::AtLeast(0.5), of(4, 2));
    report.add("JWKS / hello", ratio(&rates[5], &rates[6]), "", Target::AtLeast(0.5), of(5, 6));
    let p99 = format!("{:.2} ms, {:.2} ms without", median(busy.clone()), median(quiet.clone()));
    report.add("read p99 while its account is written / without", ratio(&busy, &quiet), "", Target::AtMost(2.0), p99);
    report.add("durable creates, 1 writer / FULL-sync commits", median(rates[7].clone()), "", Target::AtLeast(0.5), "");
    report.add("durable creates, 16 writers / FULL-sync commits", median(rates[8].clone()), "", Target::AtLeast(2.0), "");
    Ok(())
}

async fn start(report: &mut Report, rounds: usize) -> Result<()> {
    let (mut fresh, mut again, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let directory = directory()?;
        let begun = Instant::now();
        bootstrap(directory.path(), &[])?;
        let server = Server::start(directory.path(), &[])?;
        fresh.push(server.ready(begun).await?.as_secs_f64() * 1000.0);
        drop(server);
        let begun = Instant::now();
        let server = Server::start(directory.path(), &[])?;
        again.push(server.ready(begun).await?.as_secs_f64() * 1000.0);
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        resident.push(server.resident()? / 1024.0);
    }
    report.add("ready on a new SQLite file, bootstrap and all", median(fresh), " ms", Target::AtMost(1000.0), "");
    report.add("ready on an existing SQLite file", median(again), " ms", Target::AtMost(300.0), "");
    report.add("resident memory, idle", median(resident), " MiB", Target::AtMost(30.0), "default configuration");
    Ok(())
}

async fn memory(report: &mut Report) -> Result<()> {
    let standard = Shape { clients: 3, grants: 5, roles: 6, keys: 2, users: 4 };
    let large = Shape { clients: 10, grants: 20, roles: 42, keys: 4, users: 4 };
    for (name, shape, accounts, most) in [("standard", standard, 1000, 12.0), ("large", large, 250, 40.0)] {
        let directory = directory()?;
        let (server, mut world) = World::start(directory.path(), &WIDE, 0).await?;
        world.grow(&server, accounts).await?;
        world.furnish(&server, shape).await?;
        drop(server);
        let server = Server::start(directory.path(), &WIDE)?;
        let mut wire = Connection::open(server.api).await?;
        // The first third fills what does not grow with accounts, the database's page caches above all.
        let (warm, counted) = world.below.split_at(accounts / 3);
        let mut wake = async |members: &[Member]| {
            for member in members {
                wire.json(&Request::new("GET", &member.path(".well-known/jwks.json"), "", "")).await?;
            }
            server.resident()
        };
        let before = wake(warm).await?;
        let each = (wake(counted).await? - before) / counted.len() as f64;
        let Shape { clients, grants, roles, keys, users } = shape;
        let detail = format!("{clients} clients, {grants} grants, {roles} roles, {keys} keys, {users} users");
        report.add(&format!("memory of a {name} account, {} rows", shape.rows()), each, " KiB", Target::AtMost(most), detail);
    }
    Ok(())
}
