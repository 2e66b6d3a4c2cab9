//! One account as one file: into another installation, into this one as a copy, and whatever can be wrong with such a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program, stderr};

use crate::backup::{alike, answers, ask, refused};
use crate::processes::token;

const PARTNER: &str = "T11200000";
pub(crate) const SHOP: &str = "T11200001";
const SCOPES: [&str; 3] = ["admin:accounts", "admin:customers", "admin:installers"];

/// An installation with a partner and, maybe, its shop.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) server: Option<Program>,
    operator: String,
    /// Of a client of the shop's own.
    pub(crate) shop: Value,
}

impl Site {
    /// The operator and the partner.
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let credentials = bootstrap(&database)["test"].clone();
        let server = Program::serve(&database);
        let operator = token(&server, &credentials).await.unwrap();
        let site = Self { database, server: Some(server), operator, shop: Value::Null };
        let partner = json!({"display_name": "Partner", "account_id": PARTNER});
        site.post(&site.operator, "/v1/accounts/T00000000/management/accounts", partner).await;
        site
    }

    /// With a shop that has something of everything.
    pub(crate) async fn with_shop() -> Self {
        let mut site = Self::new().await;
        let partner = site.enter(&site.operator, "T00000000", PARTNER).await;
        let made =
            site.post(&partner, &format!("/v1/accounts/{PARTNER}/management/accounts"), json!({"display_name": "Shop"})).await;
        assert_eq!(made["account_id"], SHOP);
        // An operator does not reach below a partner; the partner's client does.
        let (id, secret) = site.client(&partner, PARTNER).await;
        let partner = site.token(PARTNER, &id, &secret).await.unwrap();
        let inside = site.enter(&partner, PARTNER, SHOP).await;
        let (id, secret) = site.client(&inside, SHOP).await;
        site.shop = json!({"account_id": SHOP, "client_id": id, "client_secret": secret, "audience": audience(SHOP)});
        let own = site.token(SHOP, &id, &secret).await.unwrap();
        let at = |path: &str| format!("/v1/accounts/{SHOP}/{path}");
        let role = site.post(&own, &at("auth/roles"), json!({"name": "support", "scope": ["read:accounts"]})).await;
        let link = json!([{"rel": "email", "href": "mailto:ola@example.com"}]);
        site.post(&own, &at("auth/users"), json!({"username": "ola", "password": "correct horse battery", "links": link})).await;
        let member = json!({"email": "kari@example.com", "scope": [], "roles": [{"id": role["id"]}]});
        site.post(&own, &at("management/users"), member).await;
        let keys = json!({"auto_tokens": {"phone_number": [], "email": [{"type": "HMAC-SHA256", "secret": "0123456789abcdef0123456789abcdef"}]}});
        let (status, told) = ask(site.server(), &own, Method::PUT, &at("customers/settings"), keys).await;
        assert_eq!(status, 200, "{told}");
        for number in 0..620 {
            let customer = json!({"customer_id": format!("c-{number}"), "email": format!("c{number}@example.com"), "metadata": {"n": number}});
            if number < 3 {
                site.post(&own, &at("customers/users"), customer).await;
            } else {
                site.shop["lines"] = json!(format!("{}{customer}\n", site.shop["lines"].as_str().unwrap_or_default()));
            }
        }
        let import = http().post(format!("{}{}", site.server().base, at("customers/users:import"))).bearer_auth(&own);
        let import = import.header("content-type", "application/x-ndjson").body(site.shop["lines"].as_str().unwrap().to_owned());
        assert_eq!(import.send().await.unwrap().status(), 200);
        site.post(&own, &at("customers/tags"), json!({"tag": "gold"})).await;
        site.post(&own, &at("customers/terms"), json!({"terms": "as agreed"})).await;
        site.shop["token"] = json!(own);
        site
    }

    pub(crate) fn server(&self) -> &Program {
        self.server.as_ref().unwrap()
    }

    async fn post(&self, bearer: &str, path: &str, body: Value) -> Value {
        let (status, text) = ask(self.server(), bearer, Method::POST, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn enter(&self, bearer: &str, from: &str, to: &str) -> String {
        let ticket = self.post(bearer, &format!("/v1/accounts/{from}/auth/exchange_token"), json!({"account_id": to})).await;
        let asked = json!({"grant_type": "client_credentials", "audience": audience(to)});
        let token = self.post(ticket["access_token"].as_str().unwrap(), &format!("/v1/accounts/{to}/auth/token"), asked).await;
        token["access_token"].as_str().unwrap().to_owned()
    }

    /// A client of an account that may do everything there.
    async fn client(&self, bearer: &str, account: &str) -> (String, String) {
        let made = self.post(bearer, &format!("/v1/accounts/{account}/auth/clients"), json!({"name": "all"})).await;
        let grant = json!({"client_id": made["client_id"], "audience": audience(account), "scope": SCOPES});
        self.post(bearer, &format!("/v1/accounts/{account}/auth/client-grants"), grant).await;
        (made["client_id"].as_str().unwrap().to_owned(), made["client_secret"].as_str().unwrap().to_owned())
    }

    async fn token(&self, account: &str, id: &str, secret: &str) -> Result<String, String> {
        let of = json!({"account_id": account, "client_id": id, "client_secret": secret, "audience": audience(account)});
        token(self.server(), &of).await
    }

    pub(crate) fn stop(&mut self) {
        let mut server = self.server.take().unwrap();
        server.signal("TERM");
        assert!(server.ended_well());
    }

    fn run(&self, arguments: &[&str]) -> Output {
        std::fs::write(self.database.file("passphrase"), "correct horse battery staple\n").unwrap();
        program(&self.database, arguments).output().unwrap()
    }

    fn export(&self) -> PathBuf {
        let file = self.database.file("shop.age");
        let passphrase = self.database.file("passphrase");
        let done =
            self.run(&["account", "export", SHOP, file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()]);
        assert!(done.status.success(), "{}", stderr(&done));
        file
    }

    fn import(&self, file: &Path, more: &[&str]) -> Output {
        let passphrase = self.database.file("passphrase");
        let mut arguments = vec!["account", "import", file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
        arguments.extend(more);
        self.run(&arguments)
    }
}

fn audience(account: &str) -> String {
    format!("https://id.example.com/v1/accounts/{account}")
}

#[actix_web::test]
async fn an_account_moves_to_another_installation_with_all_that_it_is() {
    let mut here = Site::with_shop().await;
    here.stop(); // writes down when secrets were last used
    here.server = Some(Program::serve(&here.database));
    let bearer = here.shop["token"].as_str().unwrap().to_owned();
    let before = answers(here.server(), &bearer, SHOP).await;
    let file = here.export(); // while it is in use
    let text = std::fs::read(&file).unwrap();
    assert!(text.starts_with(b"age-encryption.org/v1"));
    assert!(!String::from_utf8_lossy(&text).contains("example.com"));

    let mut there = Site::new().await;
    if !TestDatabase::is_postgres() {
        refused(&there.import(&file, &[]), "another tenantry serves this database already: stop it first");
        there.stop();
    }
    let done = there.import(&file, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    refused(&there.import(&file, &[]), "an account with this id is there, or was: import it --as another");
    there.server.take();
    there.server = Some(Program::serve(&there.database));

    // Tokens of before are good there, and show what they showed; but for the log, which tells of the move, too.
    let mut after = answers(there.server(), &bearer, SHOP).await;
    let events = |answers: &BTreeMap<String, (u16, String)>| {
        let (_, text) = &answers[&format!("/v1/accounts/{SHOP}/management/events")];
        serde_json::from_str::<Vec<Value>>(text).unwrap()
    };
    assert_eq!(events(&after), events(&before)); // its first page
    // Whom an account is administered by is known by the address; who it is stands with each operator.
    let users = format!("/v1/accounts/{SHOP}/management/users");
    let members: Vec<Value> = serde_json::from_str(&after[&users].1).unwrap();
    assert_eq!((members.len(), &members[0]["email"]), (1, &json!("kari@example.com")));
    after.insert(users.clone(), before[&users].clone());
    // What is not the account's.
    let before: BTreeMap<_, _> = before.into_iter().filter(|(path, _)| !path.starts_with("/api/")).collect();
    after.retain(|path, _| !path.starts_with("/api/"));
    alike(&after, &before);
    let last = "SELECT CAST(max(seq) AS text) || ' ' || CAST(count(*) AS text) FROM event WHERE seq IS NOT NULL AND account_id = 'T11200001'";
    let version = "SELECT CAST(version AS text) || ' ' || CAST(version AS text) FROM account WHERE id = 'T11200001'";
    assert_eq!(there.database.column(last).await, there.database.column(version).await);
    let kind = "SELECT kind FROM event WHERE account_id = 'T11200001' ORDER BY id DESC LIMIT 1";
    assert_eq!(there.database.column(kind).await, ["account.imported"]);
    let of_parent = "SELECT kind FROM event WHERE account_id = 'T11200000' AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1";
    assert_eq!(there.database.column(of_parent).await, ["account.imported"]);

    // Its clients, its users' passwords, and what is sealed go on working.
    assert!(token(there.server(), &here.shop).await.is_ok());
    let path = format!("/v1/accounts/{SHOP}/customers/users");
    there.post(&bearer, &path, json!({"customer_id": "new", "email": "new@example.com"})).await;
    let tokens = "SELECT value FROM customer_token WHERE account_id = 'T11200001' AND kind LIKE 'hmac%' ORDER BY value";
    here.post(&bearer, &path, json!({"customer_id": "new", "email": "new@example.com"})).await;
    assert_eq!(there.database.column(tokens).await, here.database.column(tokens).await);
    assert_eq!(here.database.column(tokens).await.len(), 621);
    let role = there.post(&bearer, &format!("/v1/accounts/{SHOP}/auth/roles"), json!({"name": "next", "scope": []})).await;
    assert_eq!(role["name"], "next");
}

#[actix_web::test]
async fn a_copy_has_what_the_other_has_and_a_log_and_keys_of_its_own() {
    let mut site = Site::with_shop().await;
    let bearer = site.shop["token"].as_str().unwrap().to_owned();
    if !TestDatabase::is_postgres() {
        site.stop();
    }
    for (to, reason) in [
        ("T11200001", "an account with this id is there"),
        ("T11300001", "there is no account T11300000"),
        ("T00000000", "is the operator's own account"),
    ] {
        refused(&site.run(&["account", "clone", SHOP, "--as", to]), reason);
    }
    refused(&site.run(&["account", "clone", "T11200007", "--as", "T11200002"]), "there is no account T11200007");
    let done = site.run(&["account", "clone", SHOP, "--as", "T11200002"]);
    assert!(done.status.success(), "{}", stderr(&done));
    if site.server.is_none() {
        site.server = Some(Program::serve(&site.database));
    }
    // The same clients with the same secrets, for the copy.
    let mut copy = site.shop.clone();
    (copy["account_id"], copy["audience"]) = (json!("T11200002"), json!(audience("T11200002")));
    let mut own = token(site.server(), &copy).await;
    while own.is_err() {
        own = token(site.server(), &copy).await; // PostgreSQL: until the server has heard of it
    }
    let own = own.unwrap();
    let (one, two) = (answers(site.server(), &bearer, SHOP).await, answers(site.server(), &own, "T11200002").await);
    for same in [
        "auth/roles",
        "auth/users",
        "customers/users",
        "customers/tags",
        "customers/terms",
        "customers/settings",
        "customers/users:export",
        "management/users",
    ] {
        assert_eq!(one[&format!("/v1/accounts/{SHOP}/{same}")], two[&format!("/v1/accounts/T11200002/{same}")], "{same}");
    }
    assert_eq!(one[&format!("/v1/accounts/{SHOP}/customers/users")].0, 200);
    for other in ["auth/keys", "management/events"] {
        assert_ne!(one[&format!("/v1/accounts/{SHOP}/{other}")], two[&format!("/v1/accounts/T11200002/{other}")], "{other}");
    }
    // Neither is the other's.
    assert_eq!(ask(site.server(), &bearer, Method::GET, "/v1/accounts/T11200002/auth/roles", Value::Null).await.0, 404);
    let path = "/v1/accounts/T11200002/customers/users/c-1";
    assert_eq!(ask(site.server(), &own, Method::DELETE, path, Value::Null).await.0, 200);
    assert_eq!(
        ask(site.server(), &bearer, Method::GET, &format!("/v1/accounts/{SHOP}/customers/users/c-1"), Value::Null).await.0,
        200
    );
    let first = "SELECT CAST(seq AS text) || kind FROM event WHERE account_id = 'T11200002' ORDER BY id LIMIT 1";
    assert_eq!(site.database.column(first).await, ["1account.imported"]);
}

/// What is wrong with a file is said, and nothing of it is taken.
#[actix_web::test]
async fn a_file_with_anything_wrong_makes_no_account() {
    let mut site = Site::with_shop().await;
    let file = site.export();
    let whole = std::fs::read(&file).unwrap();
    let passphrase = site.database.file("passphrase");
    let export = |more: &[&str]| {
        let mut arguments = vec!["account", "export", SHOP, file.to_str().unwrap()];
        arguments.extend(more);
        site.run(&arguments)
    };
    refused(&export(&["--passphrase-file", passphrase.to_str().unwrap()]), "is there already");
    refused(&export(&[]), "say --passphrase-file: there is nobody to ask");
    refused(&export(&["--recipient", "age1nobody"]), "recipients[0] is no age recipient");
    std::fs::write(site.database.file("short"), "short").unwrap();
    refused(&export(&["--passphrase-file", site.database.file("short").to_str().unwrap()]), "at least 12 characters");

    let mut there = Site::new().await;
    there.stop();
    let import = |bytes: &[u8]| {
        let file = there.database.file("changed.age");
        std::fs::write(&file, bytes).unwrap();
        there.import(&file, &[])
    };
    refused(&import(&whole[..whole.len() / 2]), "is damaged, or is not whole");
    refused(&import(&whole[..whole.len() - 1]), "is damaged, or is not whole");
    let mut changed = whole.clone();
    let middle = whole.len() * 3 / 4;
    changed[middle] ^= 1;
    refused(&import(&changed), "is damaged, or is not whole");
    refused(&import(b"SQLite format 3"), "is no file that `account export` wrote");
    refused(&import(b""), "is no file that `account export` wrote");
    std::fs::write(there.database.file("other"), "another passphrase altogether").unwrap();
    let mut other = program(&there.database, &["account", "import"]);
    other.arg(&file).arg("--passphrase-file").arg(there.database.file("other"));
    refused(&other.output().unwrap(), "passphrase or identity is not the one");
    refused(&there.import(&file, &["--as", "T11300001"]), "there is no account T11300000");

    // Whoever has the passphrase can write what they like.
    let key = Age::new(&there.database);
    let clear = key.clear(&site, SHOP);
    let lines: Vec<Value> = clear.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        let text = lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n");
        let mut import = program(&there.database, &["account", "import"]);
        import.arg(key.seal(&text)).arg("--identity").arg(&key.identity).output().unwrap()
    };
    let at = |lines: &[Value], table: &str| lines.iter().position(|line| line["rows"][0] == table).unwrap();
    refused(&with(&|lines| lines[0]["header"]["format"] = json!(9)), "is of a later program (format 9)");
    refused(&with(&|lines| lines[0]["header"]["steps"] = json!(["m9999_later"])), "newer than this program");
    for (table, column) in [("account", "version"), ("member", "email"), ("event", "hash"), ("signing_key", "id")] {
        let without = with(&|lines| {
            let at = at(lines, table);
            lines[at]["rows"][1][0].as_object_mut().unwrap().remove(column);
        });
        refused(&without, "file has a");
    }
    refused(&with(&|lines| drop(lines.remove(0))), "file has no header");
    refused(&with(&|lines| drop(lines.pop())), "ends before its end");
    refused(&with(&|lines| drop(lines.remove(at(lines, "role")))), "is not whole: it has 0 of 1 rows of role");
    refused(&with(&|lines| drop(lines.remove(1))), "does not begin with its account");
    refused(&with(&|lines| lines[1]["rows"][1] = json!([])), "does not begin with its account");
    refused(
        &with(&|lines| {
            let at = at(lines, "role");
            lines[at]["rows"][0] = json!("instance");
        }),
        "instance, which is no table",
    );
    refused(
        &with(&|lines| {
            let at = at(lines, "role");
            lines[at]["rows"][1][0]["admin"] = json!(true);
        }),
        "a column admin",
    );
    refused(
        &with(&|lines| {
            let at = at(lines, "role");
            lines[at]["rows"][1][0]["scope"] = json!(7);
        }),
        "has a scope of another kind",
    );
    refused(
        &with(&|lines| {
            let at = at(lines, "role");
            let row = lines[at]["rows"][1][0].clone();
            lines[at]["rows"][1].as_array_mut().unwrap().push(row);
        }),
        "does not fit together",
    );
    refused(
        &with(&|lines| {
            let at = at(lines, "event");
            lines[at]["rows"][1][1]["content_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        }),
        "has a log that does not fit together",
    );
    refused(
        &with(&|lines| {
            let last = lines.len() - 1;
            lines.insert(last, json!({"rows": ["session", []]}));
        }),
        "session, which is no table of an account",
    );
    assert_eq!(there.database.rows_of(SHOP).await.iter().filter(|(_, rows)| !rows.is_empty()).count(), 0);
    assert_eq!(there.database.column("SELECT CAST(count(*) AS text) FROM account WHERE id = 'T11200001'").await, ["0"]);
    // As it was written, it goes in.
    assert!(with(&|_| {}).status.success());
    site.stop();
}

async fn sent(server: &Program, bearer: &str, path: &str, passphrase: &str, file: Vec<u8>) -> (u16, Value) {
    let request = http().post(format!("{}{path}", server.base)).bearer_auth(bearer).header("tenantry-passphrase", passphrase);
    let answer = request.header("content-type", "application/octet-stream").body(file).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the API hands out and takes in.
#[actix_web::test]
async fn whoever_may_do_everything_has_it_all_and_the_operator_brings_it_back() {
    let here = Site::with_shop().await;
    let server = here.server();
    let bearer = here.shop["token"].as_str().unwrap().to_owned();
    let own = format!("/v1/accounts/{SHOP}/management/export");
    let below = format!("/v1/accounts/T00000000/management/accounts/{SHOP}/export");
    let passphrase = json!({"passphrase": "correct horse battery staple"});
    let export = async |bearer: &str, path: &str, body: &Value| {
        let answer = http().post(format!("{}{path}", server.base)).bearer_auth(bearer).json(body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap().to_vec())
    };
    for (body, field) in [
        (json!({}), "passphrase"),
        (json!({"passphrase": "short"}), "passphrase"),
        (json!({"recipients": []}), "recipients"),
        (json!({"recipients": ["age1nobody"]}), "recipients[0]"),
        (json!({"passphrase": "correct horse battery staple", "recipients": []}), "passphrase"),
    ] {
        let (status, _, told) = export(&bearer, &own, &body).await;
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!((status, &told["error"]["errors"][0]["field"]), (400, &json!(field)), "{body}: {told}");
    }
    let (status, headers, without_keys) = export(&bearer, &own, &passphrase).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-disposition"], "attachment; filename=\"T11200001.age\"");
    assert_eq!(headers["content-length"].to_str().unwrap(), without_keys.len().to_string());
    // Nobody but the operator reaches below; and it with the keys.
    let partner = here.enter(&here.operator, "T00000000", PARTNER).await;
    let by_partner = below.replace("T00000000", PARTNER);
    assert_eq!(export(&partner, &by_partner, &passphrase).await.0, 404);
    assert_eq!(export(&here.operator, &below.replace(SHOP, "T11200007"), &passphrase).await.0, 404);
    assert_eq!(export(&here.operator, &below.replace(SHOP, "P00000000"), &passphrase).await.0, 404);
    let key = Age::new(&here.database);
    let (status, _, sealed) = export(&here.operator, &below, &json!({"recipients": [key.recipient]})).await;
    assert_eq!(status, 200);
    let tables = |text: &str| text.lines().filter(|line| line.contains("signing_key\",[")).count();
    let identity = std::fs::read_to_string(&key.identity).unwrap();
    let identity: age::x25519::Identity = identity.lines().last().unwrap().parse().unwrap();
    assert_eq!(tables(&String::from_utf8(age::decrypt(&identity, &sealed).unwrap()).unwrap()), 1);
    let opened = age::scrypt::Identity::new("correct horse battery staple".to_owned().into());
    assert_eq!(tables(&String::from_utf8(age::decrypt(&opened, &without_keys).unwrap()).unwrap()), 0);
    let told = "SELECT account_id || kind FROM event WHERE kind = 'account.exported' ORDER BY account_id, id";
    let told = here.database.column(told).await;
    assert_eq!(told, ["T00000000account.exported", "T11200001account.exported", "T11200001account.exported"]);

    // Into another installation, and only by its operator.
    let mut there = Site::new().await;
    let import = |account: &str| format!("/v1/accounts/{account}/management/accounts:import");
    let elsewhere = there.enter(&there.operator, "T00000000", PARTNER).await;
    let good = "correct horse battery staple";
    assert_eq!(sent(there.server(), &elsewhere, &import(PARTNER), good, without_keys.clone()).await.0, 403);
    for (passphrase, file, field) in [
        ("another passphrase", without_keys.clone(), "passphrase"),
        (good, without_keys[..without_keys.len() / 2].to_vec(), "file"),
        (good, b"nothing of ours".to_vec(), "file"),
        (good, Vec::new(), "file"),
    ] {
        let (status, told) = sent(there.server(), &there.operator, &import("T00000000"), passphrase, file).await;
        assert_eq!((status, &told["error"]["errors"][0]["field"]), (400, &json!(field)), "{told}");
    }
    let other = format!("{}?account_id=T11300001", import("T00000000"));
    let (status, told) = sent(there.server(), &there.operator, &other, good, without_keys.clone()).await;
    assert_eq!((status, &told["error"]["errors"][0]["message"]), (400, &json!("there is no account T11300000")));
    let (status, made) = sent(there.server(), &there.operator, &import("T00000000"), good, without_keys.clone()).await;
    assert_eq!((status, &made["account_id"]), (200, &json!(SHOP)), "{made}");
    let (status, told) = sent(there.server(), &there.operator, &import("T00000000"), good, without_keys.clone()).await;
    assert_eq!((status, &told["error"]["code"]), (400, &json!("duplicate")));
    // Without its keys: tokens of before are none, and its clients get others.
    let roles = format!("/v1/accounts/{SHOP}/auth/roles");
    assert_eq!(ask(there.server(), &bearer, Method::GET, &roles, Value::Null).await.0, 401);
    let anew = token(there.server(), &here.shop).await.unwrap();
    assert_eq!(ask(there.server(), &anew, Method::GET, &roles, Value::Null).await.0, 200);
    there.stop();
}

/// The key of a passphrase takes a second to make: it is made where nobody waits for it, and only for an export that takes place.
#[actix_web::test]
async fn an_export_that_is_refused_is_so_before_a_key_is_made() {
    let mut site = Site::new().await;
    let unknown = "/v1/accounts/T00000000/management/accounts/T11200007/export";
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let passphrase = json!({"passphrase": "correct horse battery staple"});
        assert_eq!(ask(site.server(), &site.operator, Method::POST, unknown, passphrase).await.0, 404);
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_millis(300), "{quickest:?}");
    site.stop();
}

/// An age identity, with the tool of the tests that writes such files.
struct Age {
    identity: PathBuf,
    recipient: String,
    directory: PathBuf,
}

impl Age {
    fn new(database: &TestDatabase) -> Self {
        let identity = age::x25519::Identity::generate();
        let file = database.file("identity");
        let secret = identity.to_string();
        std::fs::write(&file, format!("# made for a test\n{}\n", age::secrecy::ExposeSecret::expose_secret(&secret))).unwrap();
        Self { identity: file, recipient: identity.to_public().to_string(), directory: database.directory().to_owned() }
    }

    /// What an export holds.
    fn clear(&self, site: &Site, account: &str) -> String {
        let file = self.directory.join("clear.age");
        let done = site.run(&["account", "export", account, file.to_str().unwrap(), "--recipient", &self.recipient]);
        assert!(done.status.success(), "{}", stderr(&done));
        let text = std::fs::read_to_string(&self.identity).unwrap();
        let identity: age::x25519::Identity = text.lines().last().unwrap().parse().unwrap();
        String::from_utf8(age::decrypt(&identity, &std::fs::read(&file).unwrap()).unwrap()).unwrap()
    }

    fn seal(&self, text: &str) -> PathBuf {
        let file = self.directory.join("sealed.age");
        let recipient: age::x25519::Recipient = self.recipient.parse().unwrap();
        std::fs::write(&file, age::encrypt(&recipient, text.as_bytes()).unwrap()).unwrap();
        file
    }
}

/// The tools of age themselves read what we write, and we what they write.
#[actix_web::test]
async fn other_programs_read_the_file_too() {
    let Ok(version) = Command::new("age").arg("--version").output() else { panic!("age, which scripts/test installs") };
    assert!(version.status.success());
    let site = Site::with_shop().await;
    let key = Age::new(&site.database);
    let clear = key.clear(&site, SHOP);
    let by_age = Command::new("age")
        .arg("--decrypt")
        .arg("--identity")
        .arg(&key.identity)
        .arg(key.directory.join("clear.age"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(by_age.stdout).unwrap(), clear);
}
