//! A server in this process: real HTTP, a database of its own, a clock that stands still.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::{HttpServer, web};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tenantry_accounts::{Catalogue, Choices, Database, MasterKeys, Platform, Quotas, Registry, Schema, Source, Vault};
use tenantry_api::{Options, State, app};
use tenantry_delivery::{Delivery, Ways};
use tenantry_domain::PublicUrl;

use crate::TestDatabase;
use crate::answer::{Answer, text};
use crate::cluster::round_robin;
use crate::process::PATIENCE;
use crate::tenant::Tenant;

/// The name of the service in tests; not where it listens.
pub const PUBLIC: &str = "https://id.example.com";
/// 2026-01-01T00:00:00Z in microseconds.
const NEW_YEAR: i64 = 1_767_225_600_000_000;

/// A running server.
pub struct TestApp {
    base: String,
    /// Where it is since it has another master key.
    moved: OnceLock<String>,
    master_key: [u8; 32],
    choices: Choices,
    http: Client,
    clock: Arc<AtomicI64>,
    /// The accounts behind it: of the first node, where there are several.
    pub registry: Registry,
    registries: Vec<Registry>,
    /// The database behind it.
    pub database: TestDatabase,
    metrics: prometheus::Registry,
    delivery: Delivery,
    operator: [(String, String); 2],
}

/// No rates, providers on this machine, and nothing that happens by itself when a test lets years pass.
fn settled() -> Choices {
    Choices { quotas: None, federation_loopback: true, signing_key_lifetime: 0, ..Choices::default() }
}

/// The accounts of one process.
async fn runtime(
    database: &Database,
    source: &Source,
    keys: MasterKeys,
    choices: &Choices,
    catalogue: &mut Catalogue,
) -> Registry {
    let store = database.open(4, true, catalogue).await.expect("a store");
    let vault = Vault::claim(&store, keys, source.clone()).await.expect("a vault").expect("its master keys");
    let public = PublicUrl::parse(PUBLIC).expect("a public URL");
    Registry::new(Arc::new(Platform::new(store, source.clone(), vault, public, choices.clone())), 2)
}

/// Serves them; where.
fn serve(registry: &Registry, catalogue: &mut Catalogue, options: Options) -> SocketAddr {
    let state = web::Data::new(State::new(registry.clone(), catalogue, options));
    let server = HttpServer::new(move || app(state.clone())).workers(2).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).expect("a port");
    let at = server.addrs()[0];
    actix_rt::spawn(server.run());
    at
}

impl TestApp {
    /// A server with the operator's accounts and nothing else.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The same with these choices of HTTP.
    pub async fn start_with(options: Options) -> Self {
        Self::start_on(options, settled(), nodes()).await
    }

    /// The same where rates are limited; one node, since each counts for itself.
    pub async fn limited(quotas: Quotas) -> Self {
        Self::start_on(Options::default(), Choices { quotas: Some(quotas), ..settled() }, 1).await
    }

    /// One node, for what each knows by itself.
    pub async fn alone() -> Self {
        Self::start_on(Options::default(), settled(), 1).await
    }

    /// The same, whose signing keys are followed by others by themselves.
    pub async fn renewing() -> Self {
        let choices = Choices { signing_key_lifetime: Choices::default().signing_key_lifetime, ..settled() };
        Self::start_on(Options::default(), choices, 1).await
    }

    async fn start_on(options: Options, choices: Choices, nodes: usize) -> Self {
        // Several are asked in turn, and whatever one has acknowledged the next one has to know: each looks at every request.
        let freshness = if nodes > 1 { Duration::ZERO } else { Choices::default().freshness };
        let choices = Choices { freshness, ..choices };
        let database = TestDatabase::create().await;
        let opened = Database::parse(&database.url).expect("a database URL");
        Schema::up(&opened).await.expect("the schema");
        let clock = Arc::new(AtomicI64::new(NEW_YEAR));
        let source = Source::fixed(clock.clone());
        let master_key = source.bytes::<32>();
        let mut catalogue = Catalogue::default();
        let (mut registries, mut bases, mut made) = (Vec::new(), Vec::new(), None);
        for _ in 0..nodes {
            catalogue = Catalogue::default();
            let keys = MasterKeys::new(&master_key).expect("a master key");
            let registry = runtime(&opened, &source, keys, &choices, &mut catalogue).await;
            made = registry.platform().bootstrap().await.expect("a bootstrap").or(made);
            bases.push(serve(&registry, &mut catalogue, options.clone()));
            registries.push(registry);
        }
        let front = if nodes > 1 { round_robin("127.0.0.1", bases).await } else { bases[0] };
        let registry = registries[0].clone();
        let ways = Ways { directory: database.file("outbox"), ..Ways::default() };
        let delivery = Delivery::new(registry.clone(), ways, &mut Catalogue::default()).expect("a delivery");
        let made = made.expect("an empty database");
        let operator = [made.production, made.test].map(|made| (made.client_id, made.client_secret));
        let (base, metrics) = (format!("http://{front}"), catalogue.registry().clone());
        let moved = OnceLock::new();
        Self {
            base,
            moved,
            master_key,
            choices,
            http: http(),
            clock,
            registry,
            registries,
            database,
            metrics,
            delivery,
            operator,
        }
    }

    /// Gives the installation another master key, and goes on with a process that has that one alone; how many secrets were sealed
    /// anew.
    pub async fn rekey(&self) -> u64 {
        let database = Database::parse(&self.database.url).expect("a database URL");
        let source = Source::fixed(self.clock.clone());
        let master_key = source.bytes::<32>();
        let new = || MasterKeys::new(&master_key).expect("a master key");
        let both = new().and(&self.master_key).expect("the one before");
        let registry = runtime(&database, &source, both, &self.choices, &mut Catalogue::default()).await;
        let sealed = registry.rewrap(|| ()).await.expect("all of it");
        let mut catalogue = Catalogue::default();
        let registry = runtime(&database, &source, new(), &self.choices, &mut catalogue).await;
        let at = serve(&registry, &mut catalogue, Options::default());
        self.moved.set(format!("http://{at}")).expect("once");
        sealed
    }

    fn base(&self) -> &str {
        self.moved.get().unwrap_or(&self.base)
    }

    /// Writes down on every node when secrets were last used.
    pub async fn store_uses(&self) {
        for registry in &self.registries {
            registry.platform().store_uses().await.expect("they are written");
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.base().trim_start_matches("http://")
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base()))
    }

    /// Hands on what is due now, by these ways; how many messages that were.
    pub async fn deliver(&self, ways: Ways) -> usize {
        let delivery = Delivery::new(self.registry.clone(), ways, &mut Catalogue::default()).expect("a delivery");
        delivery.deliver().await.expect("the outbox")
    }

    /// The messages that were put out since somebody last asked, as they are delivered to files; by address.
    pub async fn messages(&self) -> Vec<Value> {
        while self.delivery.deliver().await.expect("the outbox") > 0 {}
        let Ok(directory) = std::fs::read_dir(self.database.file("outbox")) else { return Vec::new() };
        let mut messages = Vec::new();
        for file in directory.map(|file| file.expect("a file").path()) {
            messages.push(serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON"));
            std::fs::remove_file(file).expect("it can go");
        }
        messages.sort_by_key(|message: &Value| message["to"].to_string());
        messages
    }

    /// The code in the one message that was put out since somebody last asked, and where it went.
    pub async fn code(&self) -> (String, String) {
        let messages = self.messages().await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        let digits = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        let text = member(&messages[0], "text");
        let code = text.split_whitespace().find(digits).expect("a code").to_owned();
        (code, member(&messages[0], "to"))
    }

    /// How often a histogram was fed.
    pub fn counted(&self, metric: &str) -> u64 {
        let families = self.metrics.gather();
        let of = families.iter().filter(|family| family.name() == metric).flat_map(prometheus::proto::MetricFamily::get_metric);
        of.map(|one| one.get_histogram().get_sample_count()).sum()
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.metrics.gather().iter().map(|family| family.get_metric().len()).sum()
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("an answer")).await
    }

    /// A GET without a token.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// The operator, on the test side.
    pub async fn operator(&self) -> Tenant<'_> {
        let (id, secret) = &self.operator[1];
        self.login("T00000000", id, secret).await
    }

    /// The operator, on the production side.
    pub async fn production_operator(&self) -> Tenant<'_> {
        let (id, secret) = &self.operator[0];
        self.login("P00000000", id, secret).await
    }

    /// A client of `account` with its own token.
    pub async fn login(&self, account: &str, client_id: &str, secret: &str) -> Tenant<'_> {
        let token = self.token(account, client_id, secret, &audience(account)).await.ok();
        Tenant { app: self, account: account.to_owned(), token: text(&token["access_token"]) }
    }

    /// Asks for a token with HTTP Basic and JSON.
    pub async fn token(&self, account: &str, client_id: &str, secret: &str, audience: &str) -> Answer {
        let body = serde_json::json!({"grant_type": "client_credentials", "audience": audience});
        self.send(self.request(Method::POST, &token_path(account)).basic_auth(client_id, Some(secret)).json(&body)).await
    }

    /// Trades an exchange token on `account`.
    pub async fn redeem(&self, account: &str, ticket: &str) -> Answer {
        let body = serde_json::json!({"grant_type": "client_credentials", "audience": audience(account)});
        self.send(self.request(Method::POST, &token_path(account)).bearer_auth(ticket).json(&body)).await
    }

    /// A partner with a client that holds `admin:accounts`, made by the operator through exchange.
    pub async fn partner(&self, account: &str) -> Tenant<'_> {
        self.partner_with(account, &["admin:accounts"]).await
    }

    /// The same with these scopes.
    pub async fn partner_with(&self, account: &str, scopes: &[&str]) -> Tenant<'_> {
        let operator = if account.starts_with('P') { self.production_operator().await } else { self.operator().await };
        operator
            .create_account(serde_json::json!({"account_id": account, "display_name": format!("Partner {account}")}))
            .await
            .ok();
        let inside = operator.enter(account).await;
        inside.client(scopes).await
    }

    /// Someone with any token at all, for hostile tests.
    pub fn holder(&self, account: &str, token: &str) -> Tenant<'_> {
        Tenant { app: self, account: account.to_owned(), token: token.to_owned() }
    }
}

/// The HTTP client of this process: to make one takes longer than a round of most tests.
pub fn http() -> Client {
    static HTTP: OnceLock<Client> = OnceLock::new();
    let make = || {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        // Where several nodes are asked in turn, each request has a connection of its own.
        let client = if nodes() > 1 { client.pool_max_idle_per_host(0) } else { client };
        client.build().expect("an HTTP client")
    };
    HTTP.get_or_init(make).clone()
}

/// How many nodes serve: one, or on PostgreSQL as `make test` says.
#[expect(clippy::disallowed_methods, reason = "`make test` asks for two")]
fn nodes() -> usize {
    let asked = std::env::var("TENANTRY_TEST_NODES").ok().and_then(|nodes| nodes.parse().ok());
    asked.filter(|_| TestDatabase::is_postgres()).unwrap_or(1)
}

/// The audience of an account.
pub(crate) fn audience(account: &str) -> String {
    format!("{PUBLIC}/v1/accounts/{account}")
}

/// The token endpoint of an account.
pub(crate) fn token_path(account: &str) -> String {
    format!("/v1/accounts/{account}/auth/token")
}

/// The JSON text of `value[name]`.
pub(crate) fn member(value: &Value, name: &str) -> String {
    text(&value[name])
}
