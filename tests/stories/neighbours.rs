//! One account floods; the others do not notice, and it can still be stopped. The long form is `make bench`.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::Client;
use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, bootstrap, http};

use crate::processes::token;

/// How long each phase lasts.
const PHASE: Duration = Duration::from_millis(1500);

/// Somebody with a token on an account of a running server.
struct Somebody<'s> {
    server: &'s Program,
    http: Client,
    account: String,
    token: String,
}

impl<'s> Somebody<'s> {
    fn new(server: &'s Program, account: &str, token: String) -> Self {
        Self { server, http: http(), account: account.to_owned(), token }
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Response {
        let url = format!("{}/v1/accounts/{}/{path}", self.server.base, self.account);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.send(method, path, Some(body)).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// The partner's token on an account below, in one step.
    async fn enter(&self, account: &str) -> Self {
        let body = json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": self.token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"});
        let url = format!("{}/v1/accounts/{account}/auth/token", self.server.base);
        let given: Value = self.http.post(url).json(&body).send().await.unwrap().json().await.unwrap();
        Self::new(self.server, account, given["access_token"].as_str().unwrap().to_owned())
    }

    /// A client of this account's own.
    async fn client(&self) -> Self {
        let mut client = self.done("POST", "auth/clients", json!({})).await;
        let audience = format!("https://id.example.com/v1/accounts/{}", self.account);
        let grant = json!({"client_id": client["client_id"], "audience": audience, "scope": ["admin:accounts"]});
        self.done("POST", "auth/client-grants", grant).await;
        (client["account_id"], client["audience"]) = (json!(self.account), json!(audience));
        Self::new(self.server, &self.account, token(self.server, &client).await.unwrap())
    }

    /// Reads at a steady rate; yields the time that 99 of 100 answers did not exceed.
    async fn p99(&self) -> Duration {
        let (begun, mut seen) = (Instant::now(), Vec::new());
        while begun.elapsed() < PHASE {
            let asked = Instant::now();
            assert_eq!(self.send("GET", "auth/roles", None).await.status(), 200);
            seen.push(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        seen.sort_unstable();
        seen[seen.len() * 99 / 100]
    }

    /// Ten times the rate of the account, which is 20 a second. Yields how often it was answered and how often refused.
    async fn flood(&self) -> (usize, usize) {
        let (begun, mut answered, mut refused) = (Instant::now(), 0, 0);
        while begun.elapsed() < PHASE {
            let wave = join_all((0..4).map(|_| self.send("GET", "auth/roles", None))).await;
            for answer in wave {
                match answer.status().as_u16() {
                    200 => answered += 1,
                    429 => {
                        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                        assert!(wait >= 1);
                        refused += 1;
                    }
                    other => panic!("{other}"),
                }
            }
            tokio::time::sleep(Duration::from_millis(18)).await;
        }
        (answered, refused)
    }
}

/// Less than twice as slow; a few milliseconds are the scheduler's.
fn unnoticed(alone: Duration, beside: Duration) -> bool {
    beside < 2 * alone + Duration::from_millis(3)
}

#[actix_web::test]
async fn a_flood_on_one_account_is_refused_unnoticed_by_its_neighbour_and_can_be_stopped() {
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let server = Program::serve(&database);
    let operator = Somebody::new(&server, "T00000000", token(&server, &credentials).await.unwrap());
    operator.done("POST", "management/accounts", json!({"account_id": "T11200000", "display_name": "Partner"})).await;
    let partner = operator.enter("T11200000").await.client().await;
    let mut below = Vec::new();
    for name in ["noisy", "quiet"] {
        let made = partner.done("POST", "management/accounts", json!({"display_name": name})).await;
        below.push(partner.enter(made["account_id"].as_str().unwrap()).await.client().await);
    }
    let (noisy, quiet) = (&below[0], &below[1]);
    let noisy_account = format!("management/accounts/{}", noisy.account);
    partner.done("PUT", &noisy_account, json!({"limits": {"requests_per_second": 20, "burst": 20}})).await;

    // What makes the neighbour slower does so each time; what the machine does beside us does not.
    let mut seen = Vec::new();
    while seen.len() < 3 && !seen.last().is_some_and(|(alone, beside)| unnoticed(*alone, *beside)) {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            alone.push(quiet.p99().await);
            let (p99, (answered, refused)) = join(quiet.p99(), noisy.flood()).await;
            beside.push(p99);
            // What it may at once, what it may in the time, and a little for the clock.
            assert!(answered <= 20 + 30 + 10, "{answered} of a flood were answered");
            assert!(refused > 50, "only {refused} of a flood were refused");
        }
        alone.sort_unstable();
        beside.sort_unstable();
        seen.push((alone[1], beside[1]));
    }
    let (alone, beside) = *seen.last().unwrap();
    assert!(unnoticed(alone, beside), "p99 alone and beside a flood: {seen:?}");

    let stop = async {
        tokio::time::sleep(PHASE / 3).await;
        partner.done("PUT", &noisy_account, json!({"active": false})).await;
    };
    let drown = async {
        let begun = Instant::now();
        while begun.elapsed() < PHASE {
            // Writes on the reserved lane, as many as the connection takes.
            let change = || Some(json!({"display_name": "flooded"}));
            join_all((0..40).map(|_| noisy.send("PUT", "management/settings", change()))).await;
        }
    };
    join(stop, drown).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = noisy.send("GET", "auth/roles", None).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "account_suspended");
}
