//! What monitoring sees: with the real Prometheus where it is installed for the tests.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, asked, bootstrap, http, program};

use crate::processes::token;

const BEARER: &str = "a-scrape-must-show-this";

/// After a change: `target/debug/tenantry metrics > docs/metrics.md`, which `make docs` does.
#[actix_web::test]
async fn the_page_lists_every_metric() {
    let database = TestDatabase::create().await;
    let printed = program(&database, &["metrics"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), include_str!("../../docs/metrics.md"));
    bootstrap(&database);
    let server = Program::serve(&database);
    http().get(format!("{}/livez", server.base)).send().await.unwrap(); // any request makes the series of HTTP
    let scraped = http().get(&server.metrics).send().await.unwrap().text().await.unwrap();
    for family in scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = family.split_once(' ').unwrap();
        assert!(include_str!("../../docs/metrics.md").contains(&format!("| `{name}` | {kind} |")), "{family}");
    }
}

/// A server whose metrics ask for a bearer.
fn guarded(database: &TestDatabase) -> Program {
    std::fs::write(database.file("bearer"), format!("{BEARER}\n")).unwrap();
    let mut command = program(database, &["serve"]);
    command.env("TENANTRY_METRICS_TOKEN_FILE", database.file("bearer"));
    Program::start(command)
}

#[actix_web::test]
async fn a_scrape_without_the_bearer_is_refused() {
    let database = TestDatabase::create().await;
    bootstrap(&database);
    let server = guarded(&database);
    let scrape = || http().get(&server.metrics);
    for refused in [scrape(), scrape().bearer_auth("another-that-is-as-long"), scrape().basic_auth(BEARER, None::<&str>)] {
        let answer = refused.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer realm=\"metrics\"")
        );
        assert_eq!(answer.text().await.unwrap(), "");
    }
    let shown = scrape().bearer_auth(BEARER).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    assert!(!server.log().contains(BEARER));
}

/// A Prometheus of our own, ended when this goes.
struct Prometheus {
    child: Child,
    base: String,
}

impl Prometheus {
    fn scraping(database: &TestDatabase, server: &Program) -> Self {
        let target = server.metrics.trim_start_matches("http://").trim_end_matches("/metrics");
        let config = json!({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [{
                "job_name": "tenantry",
                "static_configs": [{"targets": [target]}],
                "authorization": {"credentials_file": database.file("bearer")},
            }],
        });
        // JSON is YAML.
        std::fs::write(database.file("prometheus.yml"), config.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", database.file("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", database.file("prometheus").display()))
            .arg(format!("--web.listen-address={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus, which scripts/test fetches");
        Self { child, base: format!("http://{port}") }
    }

    /// The value of a query once it is `expected`, or whatever it is after a while.
    async fn value(&self, query: &str, expected: &str) -> String {
        let (begun, mut value) = (Instant::now(), String::new());
        while value != expected && begun.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let asked = http().post(format!("{}/api/v1/query", self.base)).form(&[("query", query)]).send().await;
            let Ok(answer) = asked else { continue };
            let answer: Value = answer.json().await.unwrap_or_default();
            answer["data"]["result"][0]["value"][1].as_str().unwrap_or("none").clone_into(&mut value);
        }
        value
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[actix_web::test]
async fn prometheus_itself_counts_what_a_story_did() {
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let server = guarded(&database);
    let prometheus = Prometheus::scraping(&database, &server);
    let token = token(&server, &credentials).await.unwrap();
    let at = |path: &str| format!("{}/v1/accounts/T000/{path}", server.base);
    let http = http();
    for name in ["one", "two", "three"] {
        let created = http.post(at("auth/roles")).bearer_auth(&token).json(&json!({"name": name, "scope": []})).send().await;
        assert_eq!(created.unwrap().status(), 200);
    }
    for _ in 0..4 {
        assert_eq!(http.get(at("auth/roles")).bearer_auth("nonsense").send().await.unwrap().status(), 401);
    }
    for (query, expected) in [
        ("tenantry_tokens_issued_total{grant_type=\"client_credentials\"}", "1"),
        ("tenantry_http_requests_total{route=\"/v1/accounts/{oid}/auth/roles\",method=\"POST\",status=\"2xx\"}", "3"),
        ("tenantry_http_requests_total{route=\"/v1/accounts/{oid}/auth/roles\",method=\"GET\",status=\"4xx\"}", "4"),
        ("tenantry_account_mailbox_wait_seconds_count", "4"), // three roles and the key that signed the token
        ("tenantry_signature_cache_requests_total{outcome=\"hit\"}", "2"),
        ("tenantry_refusals_total{reason=\"address\"}", "0"),
        ("tenantry_account_permits_in_use", "0"),
        ("tenantry_build_info", "1"),
        ("process_open_fds > bool 10", "1"),
        ("sum(tenantry_database_pool_connections) > bool 0", "1"),
        ("up{job=\"tenantry\"}", "1"),
    ] {
        assert_eq!(prometheus.value(query, expected).await, expected, "{query}");
    }
    // Every panel of the dashboard has something to show, but for the age of news where nobody else writes, and of a backup
    // where none is made.
    let dashboard: Value = serde_json::from_str(include_str!("../../helm/tenantry/files/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    for panel in panels.filter(|panel| !panel["title"].as_str().unwrap().starts_with("Age of")) {
        for target in panel["targets"].as_array().unwrap() {
            let query = format!("count({}) > bool 0", asked(target["expr"].as_str().unwrap()));
            assert_eq!(prometheus.value(&query, "1").await, "1", "{}: {query}", panel["title"]);
        }
    }
}
