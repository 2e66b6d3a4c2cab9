//! Several real processes on one real PostgreSQL: what one acknowledges holds on all of them within the horizon, whatever freezes,
//! hangs, restarts or is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tenantry_tests::{Namespace, OwnServer, Program, TestDatabase, bootstrap, http, program, round_robin};

use crate::processes::token;

/// The promise: how long an acknowledged change may be unknown elsewhere.
const HORIZON: Duration = Duration::from_secs(1);
/// How long each fault lasts: longer than that, so that nothing may be served on the strength of what was known before.
const FAULT: Duration = Duration::from_secs(6);
/// How soon all is well again.
const RECOVERY: Duration = Duration::from_secs(5);
const ROLES: &str = "/v1/accounts/T00000000/auth/roles";

fn node(database: &TestDatabase) -> std::process::Command {
    let mut command = program(database, &["serve"]);
    command.env("TENANTRY_FRESHNESS_MS", HORIZON.as_millis().to_string()).env("TENANTRY_POLL_MS", "100");
    command.env("TENANTRY_LIMITS_ENABLED", "false");
    command
}

/// Somebody with a token, who asks a node.
#[derive(Clone)]
struct Asks {
    http: Client,
    base: String,
    token: String,
}

impl Asks {
    async fn of(server: &Program, credentials: &Value) -> Self {
        let token = token(server, credentials).await.expect("a token");
        // A connection that hangs in a fault is not waited for.
        let http = Client::builder().timeout(Duration::from_secs(8)).build().unwrap();
        Self { http, base: server.base.clone(), token }
    }

    fn at(&self, server: &Program) -> Self {
        Self { base: server.base.clone(), ..self.clone() }
    }

    /// The status and the answer; 0 where there was none.
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        match request.send().await {
            Ok(answer) => {
                let (status, waits) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                assert!(status != 503 || waits, "503 says when to come again");
                (status, answer.json().await.unwrap_or_default())
            }
            Err(_) => (0, Value::Null),
        }
    }

    async fn get(&self, path: &str) -> u16 {
        self.send(Method::GET, path, None).await.0
    }

    async fn role(&self) -> String {
        let (status, role) = self.send(Method::POST, ROLES, Some(json!({"scope": []}))).await;
        assert_eq!(status, 200, "{role}");
        format!("{ROLES}/{}", role["id"].as_str().unwrap())
    }

    /// A client with a token of its own, and where it stands.
    async fn client(&self, server: &Program) -> (Self, String) {
        let made = self.send(Method::POST, "/v1/accounts/T00000000/auth/clients", Some(json!({}))).await.1;
        let audience = "https://id.example.com/v1/accounts/T00000000";
        let grant = json!({"client_id": made["client_id"], "audience": audience, "scope": ["read:accounts"]});
        assert_eq!(self.send(Method::POST, "/v1/accounts/T00000000/auth/client-grants", Some(grant)).await.0, 200);
        let mut credentials = made.clone();
        (credentials["account_id"], credentials["audience"]) = (json!("T00000000"), json!(audience));
        let place = format!("/v1/accounts/T00000000/auth/clients/{}", made["id"].as_str().unwrap());
        (Self::of(server, &credentials).await, place)
    }
}

/// Counts upwards in a role of its own until it is told to stop: the last number that was acknowledged.
struct Writer {
    role: String,
    told: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: actix_rt::task::JoinHandle<()>,
}

impl Writer {
    async fn start(asks: Asks) -> Self {
        let role = asks.role().await;
        let (told, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (path, noted, ends) = (role.clone(), told.clone(), stop.clone());
        let task = actix_rt::spawn(async move {
            for number in 1_u64.. {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let body = json!({"scope": [], "description": number.to_string()});
                match asks.send(Method::PUT, &path, Some(body)).await.0 {
                    200 => noted.store(number, Ordering::Relaxed),
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Self { role, told, stop, task }
    }
}

/// Who writes on several nodes at once, to one account; and what became of it.
struct Ledger(Vec<Writer>);

impl Ledger {
    async fn start(nodes: &[&Asks]) -> Self {
        let mut writers = Vec::new();
        for asks in nodes.iter().flat_map(|node| [*node, *node]) {
            writers.push(Writer::start(asks.clone()).await);
        }
        Self(writers)
    }

    /// Waits until each has written something since now.
    async fn goes_on(&self) {
        let before: Vec<u64> = self.0.iter().map(|writer| writer.told.load(Ordering::Relaxed)).collect();
        while self.0.iter().zip(&before).any(|(writer, before)| writer.told.load(Ordering::Relaxed) == *before) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends all, and compares: nothing that was acknowledged is missing, and each change stands in the log. How many were
    /// acknowledged, and how many are stored.
    async fn settle(mut self, asks: &Asks) -> (u64, u64) {
        let (mut acknowledged, mut stored) = (0, 0);
        for writer in &self.0 {
            writer.stop.store(true, Ordering::Relaxed);
        }
        join_all(self.0.iter_mut().map(|writer| &mut writer.task)).await.into_iter().for_each(Result::unwrap);
        // So long one node may not know what the other has acknowledged.
        tokio::time::sleep(HORIZON).await;
        for writer in self.0 {
            let told = writer.told.load(Ordering::Relaxed);
            let role = asks.send(Method::GET, &writer.role, None).await.1;
            let found: u64 = role["description"].as_str().unwrap_or("0").parse().unwrap();
            assert!(found >= told, "{told} was acknowledged, {found} is stored");
            (acknowledged, stored) = (acknowledged + told, stored + found);
        }
        (acknowledged, stored)
    }
}

/// How many reads on `asks` that began later than the horizon after `cut` were answered, for as long as the fault lasts.
async fn answers_nothing_stale(asks: &Asks, path: &str, cut: Instant, until: Instant) -> u32 {
    let (mut stale, mut refused, mut seen) = (0, 0, Vec::new());
    while Instant::now() < until {
        let begun = Instant::now();
        let status = asks.get(path).await;
        if begun > cut + HORIZON {
            stale += u32::from(status == 200);
            refused += u32::from(status == 503);
            seen.push((status, begun.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(refused > 0, "it is told to come again: {seen:?}");
    stale
}

/// How long until reading and writing work again there.
async fn recovers(asks: &Asks, path: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let write = async || asks.send(Method::PUT, path, Some(json!({"scope": [], "description": "again"}))).await.0;
        if asks.get(path).await == 200 && write().await == 200 {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < RECOVERY, "it does not recover");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn what_one_node_has_acknowledged_the_other_knows_within_the_horizon() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let (one, other) = (Program::start(node(&database)), Program::start(node(&database)));
    let (here, mut delays) = (Asks::of(&one, &made).await, Vec::new());
    for _ in 0..20 {
        let (client, place) = here.client(&one).await;
        let client = client.at(&other);
        while client.get(ROLES).await != 200 {}
        assert_eq!(here.send(Method::DELETE, &place, None).await.0, 200);
        let acknowledged = Instant::now();
        while client.get(ROLES).await == 200 {}
        delays.push(acknowledged.elapsed());
    }
    delays.sort_unstable();
    println!("a revocation is refused elsewhere after {:?} (median), {:?} (worst)", delays[10], delays[19]);
    assert!(delays[19] < HORIZON, "{delays:?}");

    // Both write one account at once: every acknowledged write is one version and one event.
    let there = here.at(&other);
    let ledger = Ledger::start(&[&here, &there]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (acknowledged, stored) = ledger.settle(&there).await;
    let seq = "SELECT (version - (SELECT count(*) FROM event e WHERE e.account_id = a.id AND seq IS NOT NULL))::text \
               FROM account a WHERE id = 'T00000000'";
    assert_eq!(database.column(seq).await, ["0"], "each version has its event");
    println!("two nodes wrote one account: acknowledged {acknowledged}, stored {stored}");
    assert!(acknowledged > 50 && stored == acknowledged);
}

/// Of two nodes one ends in order, under load, and is started again; then the other. Whoever is led to a node that says it is ready
/// has no request refused.
#[actix_web::test]
async fn nodes_are_replaced_one_by_one_without_a_failed_request() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let start = || {
        let mut command = node(&database);
        command.env("TENANTRY_SHUTDOWN_DELAY", "1");
        Program::start(command)
    };
    let mut nodes = [start(), start()];
    let asks = Asks::of(&nodes[0], &made).await;
    let role = asks.role().await;
    // What a load balancer knows: the nodes that say they are ready.
    let ready = Arc::new(std::sync::Mutex::new(vec![nodes[0].base.clone(), nodes[1].base.clone()]));
    let stop = Arc::new(AtomicBool::new(false));
    let callers = (0..4_usize).map(|nth| {
        let (asks, ready, stop, role) = (asks.clone(), ready.clone(), stop.clone(), role.clone());
        actix_rt::spawn(async move {
            let mut answered = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let base = {
                    let ready = ready.lock().unwrap();
                    ready[(nth + answered as usize) % ready.len()].clone()
                };
                let asks = Asks { base, ..asks.clone() };
                let body = json!({"scope": [], "description": answered.to_string()});
                let done = if nth == 0 {
                    asks.send(Method::PUT, &role, Some(body)).await
                } else {
                    asks.send(Method::GET, &role, None).await
                };
                assert_eq!(done.0, 200, "{}", done.1);
                answered += 1;
            }
            answered
        })
    });
    let callers: Vec<_> = callers.collect();
    for node in &mut nodes {
        let leaving = node.base.clone();
        node.signal("TERM");
        while http().get(format!("{leaving}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) {}
        ready.lock().unwrap().retain(|base| *base != leaving);
        let mut ended = std::mem::replace(node, start());
        ready.lock().unwrap().push(node.base.clone());
        let (well, ended) = tokio::task::spawn_blocking(move || (ended.ended_well(), ended)).await.unwrap();
        assert!(well, "{}", ended.log());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let answered: u32 = join_all(callers).await.into_iter().map(Result::unwrap).sum();
    println!("two nodes were replaced: {answered} requests, none failed");
    assert!(answered > 100);
}

/// A node that stood still while another changed things: what it was asked meanwhile it does not answer from what it knew.
#[actix_web::test]
async fn a_node_that_was_frozen_serves_nothing_of_before() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let (one, other) = (Program::start(node(&database)), Program::start(node(&database)));
    let here = Asks::of(&one, &made).await;
    let there = here.at(&other);
    let role = here.role().await;
    let ledger = Ledger::start(&[&here, &there]).await;
    let mut stale = 0;
    let mut worst = Duration::ZERO;
    for _ in 0..rounds() {
        let (client, place) = here.client(&one).await;
        let client = client.at(&other);
        while client.get(ROLES).await != 200 {}
        ledger.goes_on().await;
        other.signal("STOP");
        // It may hold the account's row: the database lets go of it after five seconds.
        let mut ended = 0;
        while ended != 200 && ended != 404 {
            ended = here.send(Method::DELETE, &place, None).await.0;
        }
        tokio::time::sleep(HORIZON + Duration::from_millis(100)).await;
        let asked = join_all((0..8).map(|_| {
            let client = client.clone();
            async move { client.get(ROLES).await }
        }));
        let thaw = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            other.signal("CONT");
        };
        stale += futures_util::future::join(asked, thaw).await.0.iter().filter(|status| **status == 200).count();
        worst = worst.max(recovers(&there, &role).await);
    }
    let (acknowledged, stored) = ledger.settle(&here).await;
    println!("frozen node: acknowledged {acknowledged}, stored {stored}, stale {stale}, recovered after {worst:?} at most");
    assert_eq!(stale, 0);
}

/// One node's line to the database is cut: it answers 503 once it cannot know, the other goes on, and it comes back by itself.
#[actix_web::test]
async fn a_node_that_is_cut_off_serves_nothing_stale_and_comes_back() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let one = Program::start(node(&database));
    let namespace = Namespace::make();
    let server = database.url.split(['@', '/']).nth(3).unwrap();
    let line = round_robin(namespace.database_side(), vec![server.parse().unwrap()]).await;
    let mut command = node(&database);
    command.env("TENANTRY_DATABASE_URL", database.url.replace(server, &line.to_string()));
    command.env("TENANTRY_LISTEN", format!("{}:0", namespace.address)).env("TENANTRY_METRICS_LISTEN", "127.0.0.1:0");
    let command = namespace.inside(&command);
    let (other, namespace) = tokio::task::spawn_blocking(move || (Program::start(command), namespace)).await.unwrap();
    let here = Asks::of(&one, &made).await;
    let there = here.at(&other);
    let role = here.role().await;
    let mut worst = Duration::ZERO;
    let (mut stale, mut sums) = (0, (0, 0));
    for _ in 0..rounds() {
        let (client, place) = here.client(&one).await;
        let client = client.at(&other);
        while client.get(ROLES).await != 200 {}
        let ledger = Ledger::start(&[&here, &there]).await;
        ledger.goes_on().await;
        namespace.cut(true);
        // Whatever the lost node had begun is ended by the database in five seconds.
        let mut ended = 0;
        while ended != 200 && ended != 404 {
            ended = here.send(Method::DELETE, &place, None).await.0;
        }
        stale += answers_nothing_stale(&client, ROLES, Instant::now(), Instant::now() + FAULT).await;
        namespace.cut(false);
        worst = worst.max(recovers(&there, &role).await);
        assert_eq!(client.get(ROLES).await, 401);
        let (acknowledged, stored) = ledger.settle(&here).await;
        sums = (sums.0 + acknowledged, sums.1 + stored);
    }
    println!("cut off: acknowledged {}, stored {}, stale {stale}, recovered after {worst:?} at most", sums.0, sums.1);
    assert_eq!(stale, 0);
}

/// The database stops, hangs, or is started anew, under two nodes that write one account.
#[actix_web::test]
async fn whatever_becomes_of_the_database_nothing_is_lost_and_nothing_stale_is_served() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let server = OwnServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let made = bootstrap(&database)["test"].clone();
    let (one, other) = (Program::start(node(&database)), Program::start(node(&database)));
    let here = Asks::of(&one, &made).await;
    let there = here.at(&other);
    let role = here.role().await;
    for fault in ["stopped", "hung", "restarted"] {
        let ledger = Ledger::start(&[&here, &there]).await;
        ledger.goes_on().await;
        match fault {
            "stopped" => server.stop(),
            "hung" => server.freeze(true),
            _ => server.restart(),
        }
        let mut stale = 0;
        if fault != "restarted" {
            let (cut, until) = (Instant::now(), Instant::now() + FAULT);
            let nodes = [&here, &there].map(|node| answers_nothing_stale(node, &role, cut, until));
            stale = join_all(nodes).await.into_iter().sum();
        }
        match fault {
            "stopped" => server.start_again(),
            "hung" => server.freeze(false),
            _ => {}
        }
        let worst = join_all([&here, &there].map(|node| recovers(node, &role))).await.into_iter().max().unwrap();
        ledger.goes_on().await;
        let (acknowledged, stored) = ledger.settle(&there).await;
        println!("database {fault}: acknowledged {acknowledged}, stored {stored}, stale {stale}, recovered after {worst:?}");
        assert_eq!(stale, 0);
    }
}

/// A database that is put back to an earlier state takes what nodes know with it.
#[actix_web::test]
async fn a_database_that_was_put_back_takes_every_snapshot_with_it() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let server = OwnServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let made = bootstrap(&database)["test"].clone();
    let (one, other) = (Program::start(node(&database)), Program::start(node(&database)));
    let here = Asks::of(&one, &made).await;
    let there = here.at(&other);
    let role = here.role().await;
    server.stop();
    server.copy(false);
    server.start_again();
    recovers(&here, &role).await;
    // After the copy was made: a client that will never have been.
    let (client, _) = here.client(&one).await;
    while client.at(&other).get(ROLES).await != 200 {}
    server.stop();
    server.copy(true);
    server.start_again();
    let back = Instant::now();
    let mut worst = Duration::ZERO;
    for node in [&one, &other] {
        while client.at(node).get(ROLES).await != 401 {
            assert!(back.elapsed() < RECOVERY);
        }
        worst = worst.max(back.elapsed());
    }
    for node in [&here, &there] {
        recovers(node, &role).await;
    }
    println!("database put back: what it never heard of is refused everywhere after {worst:?}");
}

/// How often each fault is tried: once, or as `make soak` says.
#[expect(clippy::disallowed_methods, reason = "`make soak` asks for more")]
fn rounds() -> u64 {
    std::env::var("TENANTRY_TEST_FAULTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}
