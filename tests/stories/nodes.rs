//! Several real processes on one real PostgreSQL: what one acknowledges holds on all of them within the horizon, whatever freezes,
//! hangs, restarts or is cut off.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tenantry_tests::{Namespace, OwnServer, Program, TestDatabase, bootstrap, program, round_robin};

use crate::processes::token;

/// The promise: how long an acknowledged change may be unknown elsewhere.
pub(crate) const HORIZON: Duration = Duration::from_secs(1);
/// How long each fault lasts: longer than that, so that nothing may be served on the strength of what was known before.
const FAULT: Duration = Duration::from_secs(6);
/// How soon all is well again.
const RECOVERY: Duration = Duration::from_secs(5);
/// Whatever takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const ROLES: &str = "/v1/accounts/T00000000/auth/roles";

pub(crate) fn node(database: &TestDatabase) -> Command {
    let mut command = program(database, &["serve"]);
    command.env("TENANTRY_FRESHNESS_MS", HORIZON.as_millis().to_string()).env("TENANTRY_POLL_MS", "100");
    command.env("TENANTRY_LIMITS_ENABLED", "false");
    command
}

/// Somebody with a token, who asks a node.
#[derive(Clone)]
pub(crate) struct Asks {
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

    pub(crate) async fn get(&self, path: &str) -> u16 {
        self.send(Method::GET, path, None).await.0
    }

    pub(crate) async fn role(&self) -> String {
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

/// Two nodes on one database, the operator on both, and a role.
pub(crate) struct Two {
    one: Program,
    other: Program,
    pub(crate) here: Asks,
    pub(crate) there: Asks,
    pub(crate) role: String,
}

impl Two {
    async fn start(database: &TestDatabase) -> Self {
        let command = node(database);
        Self::start_beside(database, command).await
    }

    /// The second by this command.
    pub(crate) async fn start_beside(database: &TestDatabase, second: Command) -> Self {
        let made = bootstrap(database)["test"].clone();
        let (one, other) = (started(node(database)).await, started(second).await);
        let here = Asks::of(&one, &made).await;
        let (there, role) = (here.at(&other), here.role().await);
        Self { one, other, here, there, role }
    }

    /// A client that both know: what it asks of the second, and where it stands.
    pub(crate) async fn client(&self) -> (Asks, String) {
        let (client, place) = self.here.client(&self.one).await;
        let client = client.at(&self.other);
        answers(&client, ROLES, |status| status == 200).await;
        (client, place)
    }

    /// Ends the client, however long others keep the account's row: what is acknowledged then was acknowledged now.
    pub(crate) async fn end(&self, place: &str) {
        let begun = Instant::now();
        loop {
            let ended = self.here.send(Method::DELETE, place, None).await.0;
            if ended == 200 || ended == 404 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "answered {ended}");
        }
    }
}

/// Starts a node; the test goes on meanwhile.
async fn started(command: Command) -> Program {
    tokio::task::spawn_blocking(move || Program::start(command)).await.unwrap()
}

/// Asks until the status is this one; yields when the last that was not had begun.
pub(crate) async fn answers(asks: &Asks, path: &str, wanted: impl Fn(u16) -> bool) -> Instant {
    let begun = Instant::now();
    let mut last = begun;
    loop {
        let asked = Instant::now();
        let status = asks.get(path).await;
        if wanted(status) {
            return last;
        }
        last = asked;
        assert!(begun.elapsed() < PATIENCE, "still answered {status}");
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
pub(crate) struct Ledger(Vec<Writer>);

impl Ledger {
    pub(crate) async fn start(nodes: &[&Asks]) -> Self {
        let mut writers = Vec::new();
        for asks in nodes.iter().flat_map(|node| [*node, *node]) {
            writers.push(Writer::start(asks.clone()).await);
        }
        Self(writers)
    }

    /// Waits until each has written something since now.
    pub(crate) async fn goes_on(&self) {
        let begun = Instant::now();
        let before: Vec<u64> = self.0.iter().map(|writer| writer.told.load(Ordering::Relaxed)).collect();
        while self.0.iter().zip(&before).any(|(writer, before)| writer.told.load(Ordering::Relaxed) == *before) {
            assert!(begun.elapsed() < PATIENCE, "nobody writes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends all, and compares: nothing that was acknowledged is missing, and each change stands in the log. How many were
    /// acknowledged, and how many are stored.
    pub(crate) async fn settle(mut self, asks: &Asks) -> (u64, u64) {
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
pub(crate) async fn recovers(asks: &Asks, path: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let write = async || asks.send(Method::PUT, path, Some(json!({"scope": [], "description": "again"}))).await.0;
        let well = asks.get(path).await == 200 && write().await == 200;
        assert!(begun.elapsed() < RECOVERY, "it does not recover: {:?}", begun.elapsed());
        if well {
            return begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn what_one_node_has_acknowledged_the_other_knows_within_the_horizon() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let two = Two::start(&database).await;
    let mut delays = Vec::new();
    for _ in 0..20 {
        let (client, place) = two.client().await;
        two.end(&place).await;
        let acknowledged = Instant::now();
        delays.push(answers(&client, ROLES, |status| status != 200).await.saturating_duration_since(acknowledged));
    }
    delays.sort_unstable();
    println!("a revocation is refused elsewhere after {:?} (median), {:?} (worst)", delays[10], delays[19]);
    assert!(delays[19] < HORIZON, "{delays:?}");

    // Both write one account at once: every acknowledged write is one version and one event.
    let ledger = Ledger::start(&[&two.here, &two.there]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Four write: however busy the machine is, that is more than fifty.
    for _ in 0..13 {
        ledger.goes_on().await;
    }
    let (acknowledged, stored) = ledger.settle(&two.there).await;
    let seq = "SELECT (version - (SELECT count(*) FROM event e WHERE e.account_id = a.id AND seq IS NOT NULL))::text \
               FROM account a WHERE id = 'T00000000'";
    assert_eq!(database.column(seq).await, ["0"], "each version has its event");
    println!("two nodes wrote one account: acknowledged {acknowledged}, stored {stored}");
    assert!(acknowledged > 50 && stored == acknowledged);
}

/// A node that has not heard of a client yet does not say that there is none.
#[actix_web::test]
async fn what_was_just_made_on_one_node_is_not_refused_on_the_other() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let mut seldom = node(&database);
    seldom.env("TENANTRY_POLL_MS", "10000").env("TENANTRY_FRESHNESS_MS", "30000");
    let two = Two::start_beside(&database, seldom).await;
    two.there.role().await;
    for _ in 0..3 {
        // Its token comes from the second node, at once; so does what it reads there.
        let (client, place) = two.here.client(&two.other).await;
        assert_eq!(client.get(ROLES).await, 200);
        // What it may not do is refused all the same.
        assert_eq!(client.send(Method::POST, ROLES, Some(json!({"scope": []}))).await.0, 403);
        two.end(&place).await;
    }
}

/// Whoever has nothing to show does not make a node look, however often: only as often as its address may try.
#[actix_web::test]
async fn a_flood_of_bad_credentials_is_no_flood_of_looks() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let mut seldom = node(&database);
    seldom.env("TENANTRY_POLL_MS", "10000").env("TENANTRY_FRESHNESS_MS", "30000");
    seldom.env("TENANTRY_LIMITS_ENABLED", "true").env("TENANTRY_LIMIT_ADDRESS", "5/10");
    let server = started(seldom).await;
    let asks = Asks::of(&server, &made).await;
    assert_eq!(asks.get(ROLES).await, 200);
    // A token of this account, were it not for its signature.
    let forged = Asks { token: format!("{}AAAA", &asks.token[..asks.token.len() - 4]), ..asks.clone() };
    let wrong_secret = async || {
        let url = format!("{}/v1/accounts/T00000000/auth/token", server.base);
        let body = json!({"grant_type": "client_credentials", "audience": made["audience"]});
        let request = asks.http.post(url).basic_auth(made["client_id"].as_str().unwrap(), Some("not the secret"));
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    let statements = async || {
        let scraped = asks.http.get(&server.metrics).send().await.unwrap().text().await.unwrap();
        let count = scraped.lines().find_map(|line| line.strip_prefix("tenantry_database_statement_duration_seconds_count "));
        count.unwrap().parse::<u64>().unwrap()
    };
    let before = statements().await;
    let mut refused = 0;
    for _ in 0..200 {
        let bad = [forged.get(ROLES).await, wrong_secret().await];
        assert!(bad.iter().all(|status| matches!(status, 401 | 429)), "{bad:?}");
        refused += bad.iter().filter(|status| **status == 429).count();
    }
    let asked = statements().await - before;
    assert!(refused > 300 && asked < 100, "{refused} refused, {asked} statements");
    println!("bad credentials: 400, of them over the rate {refused}, statements {asked}");
}

/// Nodes that seldom look by themselves tell each other.
#[actix_web::test]
async fn nodes_that_tell_each_other_know_at_once() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let mut seldom = node(&database);
    seldom.env("TENANTRY_NOTIFY", "true").env("TENANTRY_POLL_MS", "5000").env("TENANTRY_FRESHNESS_MS", "10000");
    let made = bootstrap(&database)["test"].clone();
    let mut teller = node(&database);
    teller.env("TENANTRY_NOTIFY", "true");
    let (one, other) = (started(teller).await, started(seldom).await);
    let here = Asks::of(&one, &made).await;
    for _ in 0..3 {
        let (client, place) = here.client(&one).await;
        let client = client.at(&other);
        answers(&client, ROLES, |status| status == 200).await;
        assert_eq!(here.send(Method::DELETE, &place, None).await.0, 200);
        let acknowledged = Instant::now();
        let delay = answers(&client, ROLES, |status| status != 200).await.saturating_duration_since(acknowledged);
        assert!(delay < Duration::from_secs(1), "{delay:?}");
    }
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
        started(command)
    };
    let mut nodes = [start().await, start().await];
    let asks = Asks::of(&nodes[0], &made).await;
    let role = asks.role().await;
    // What a load balancer knows: the nodes that say they are ready.
    let ready = Arc::new(Mutex::new(nodes.each_ref().map(|node| node.base.clone()).to_vec()));
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> =
        (0..4).map(|nth| actix_rt::spawn(keep_asking(asks.clone(), role.clone(), nth, ready.clone(), stop.clone()))).collect();
    for node in &mut nodes {
        let leaving = node.base.clone();
        node.signal("TERM");
        answers(&Asks { base: leaving.clone(), ..asks.clone() }, "/readyz", |status| status != 200).await;
        ready.lock().unwrap().retain(|base| *base != leaving);
        let mut ended = std::mem::replace(node, start().await);
        ready.lock().unwrap().push(node.base.clone());
        let (well, ended) = tokio::task::spawn_blocking(move || (ended.ended_well(), ended)).await.unwrap();
        assert!(well, "{}", ended.log());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let answered: usize = join_all(callers).await.into_iter().map(Result::unwrap).sum();
    println!("two nodes were replaced: {answered} requests, none failed");
    assert!(answered > 100);
}

/// Reads a role of nodes that are ready in turn, or, as the first of several, writes it; how often, until it is told to stop.
async fn keep_asking(asks: Asks, role: String, nth: usize, ready: Arc<Mutex<Vec<String>>>, stop: Arc<AtomicBool>) -> usize {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let base = {
            let ready = ready.lock().unwrap();
            ready[(nth + answered) % ready.len()].clone()
        };
        let asks = Asks { base, ..asks.clone() };
        let body = json!({"scope": [], "description": answered.to_string()});
        let (method, body) = if nth == 0 { (Method::PUT, Some(body)) } else { (Method::GET, None) };
        let (status, answer) = asks.send(method, &role, body).await;
        assert_eq!(status, 200, "{answer}");
        answered += 1;
    }
    answered
}

/// A node that stood still while another changed things: what it was asked meanwhile it does not answer from what it knew.
#[actix_web::test]
async fn a_node_that_was_frozen_serves_nothing_of_before() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let two = Two::start(&database).await;
    let ledger = Ledger::start(&[&two.here, &two.there]).await;
    let (mut stale, mut worst) = (0, Duration::ZERO);
    for _ in 0..rounds() {
        let (client, place) = two.client().await;
        ledger.goes_on().await;
        two.other.signal("STOP");
        // It may hold the account's row: the database lets go of it after five seconds.
        two.end(&place).await;
        tokio::time::sleep(HORIZON + Duration::from_millis(100)).await;
        let asked = join_all((0..8).map(|_| client.get(ROLES)));
        let thaw = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            two.other.signal("CONT");
        };
        stale += futures_util::future::join(asked, thaw).await.0.iter().filter(|status| **status == 200).count();
        worst = worst.max(recovers(&two.there, &two.role).await);
        assert_eq!(client.get(ROLES).await, 401);
    }
    let (acknowledged, stored) = ledger.settle(&two.here).await;
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
    let namespace = Namespace::make();
    let server = database.url.split(['@', '/']).nth(3).unwrap();
    let line = round_robin(namespace.database_side(), vec![server.parse().unwrap()]).await;
    let mut command = node(&database);
    command.env("TENANTRY_DATABASE_URL", database.url.replace(server, &line.to_string()));
    command.env("TENANTRY_LISTEN", format!("{}:0", namespace.address));
    let two = Two::start_beside(&database, namespace.inside(&command)).await;
    let (mut stale, mut sums, mut worst) = (0, (0, 0), Duration::ZERO);
    for round in 0..rounds() {
        let (client, place) = two.client().await;
        let ledger = Ledger::start(&[&two.here, &two.there]).await;
        ledger.goes_on().await;
        namespace.cut(true);
        // Whatever the lost node had begun is ended by the database in five seconds.
        two.end(&place).await;
        // Mended at various moments: whoever waits for a lost packet to be sent again waits the longer, the longer it was cut.
        let until = Instant::now() + FAULT + Duration::from_millis(500) * u32::try_from(round % 8).unwrap();
        stale += answers_nothing_stale(&client, ROLES, Instant::now(), until).await;
        namespace.cut(false);
        worst = worst.max(recovers(&two.there, &two.role).await);
        assert_eq!(client.get(ROLES).await, 401);
        let (acknowledged, stored) = ledger.settle(&two.here).await;
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
    let two = Two::start(&database).await;
    for fault in ["stopped", "hung", "restarted"] {
        let ledger = Ledger::start(&[&two.here, &two.there]).await;
        ledger.goes_on().await;
        match fault {
            "stopped" => server.stop(),
            "hung" => server.freeze(true),
            _ => server.restart(),
        }
        let mut stale = 0;
        if fault != "restarted" {
            let (cut, until) = (Instant::now(), Instant::now() + FAULT);
            let nodes = [&two.here, &two.there].map(|node| answers_nothing_stale(node, &two.role, cut, until));
            stale = join_all(nodes).await.into_iter().sum();
        }
        match fault {
            "stopped" => server.start_again(),
            "hung" => server.freeze(false),
            _ => {}
        }
        let worst = join_all([&two.here, &two.there].map(|node| recovers(node, &two.role))).await.into_iter().max().unwrap();
        ledger.goes_on().await;
        let (acknowledged, stored) = ledger.settle(&two.there).await;
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
    let two = Two::start(&database).await;
    server.stop();
    server.copy(false);
    server.start_again();
    // What was known before the stop serves nobody any more.
    tokio::time::sleep(HORIZON).await;
    recovers(&two.here, &two.role).await;
    // After the copy was made: a client that will never have been.
    let (client, _) = two.client().await;
    server.stop();
    server.copy(true);
    server.start_again();
    let (back, mut worst) = (Instant::now(), Duration::ZERO);
    for node in [&two.one, &two.other] {
        answers(&client.at(node), ROLES, |status| status == 401).await;
        worst = worst.max(back.elapsed());
    }
    assert!(worst < RECOVERY, "{worst:?}");
    for node in [&two.here, &two.there] {
        recovers(node, &two.role).await;
    }
    println!("database put back: what it never heard of is refused everywhere after {worst:?}");
}

/// How often each fault is tried: once, or as `make faults` says.
#[expect(clippy::disallowed_methods, reason = "`make faults` asks for more")]
pub(crate) fn rounds() -> u64 {
    std::env::var("TENANTRY_TEST_FAULTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// What only one node does goes on elsewhere when that one is killed: messages that it would have handed on are handed on.
#[actix_web::test]
async fn another_node_hands_messages_on_when_one_is_killed() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    // Each hands on to files of its own.
    let directories = ["one", "other"].map(|name| database.file(name));
    let mut nodes = Vec::new();
    for directory in &directories {
        std::fs::create_dir(directory).unwrap();
        let mut command = node(&database);
        command.env("TENANTRY_DATA_DIR", directory).env("TENANTRY_MASTER_KEY_FILE", database.file("master.key"));
        nodes.push(started(command).await);
    }
    let asks = Asks::of(&nodes[0], &made).await;
    let handed_on = |by: usize| {
        let files = std::fs::read_dir(directories[by].join("outbox")).into_iter().flatten();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "json")).count()
    };
    let invite = async |by: &Program, email: &str| {
        let invited = json!({"email": email});
        let (status, answer) = asks.at(by).send(Method::POST, "/v1/accounts/T00000000/management/users", Some(invited)).await;
        assert_eq!(status, 200, "{answer}");
    };
    let comes = async |who: &dyn Fn() -> Option<usize>| {
        let begun = Instant::now();
        loop {
            if let Some(by) = who() {
                return (by, begun.elapsed());
            }
            assert!(begun.elapsed() < PATIENCE, "nobody hands the message on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    invite(&nodes[0], "one@example.com").await;
    let (holder, _) = comes(&|| [0, 1].into_iter().find(|by| handed_on(*by) > 0)).await;
    let survivor = 1 - holder;
    assert_eq!(handed_on(survivor), 0, "one of them does");
    nodes[holder].kill();
    invite(&nodes[survivor], "other@example.com").await;
    let (_, took) = comes(&|| (handed_on(survivor) > 0).then_some(survivor)).await;
    println!("the other node hands messages on {took:?} after the first was killed");
    assert_eq!((handed_on(holder), handed_on(survivor)), (1, 1));
}
