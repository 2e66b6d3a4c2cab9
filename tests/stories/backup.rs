//! The whole database in another place: copied while it is in use, put back, and everything that can be wrong with a copy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::routes;
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program, stderr};

use crate::policies::{NOBODY, path};
use crate::processes::token;

const PARTNER: &str = "T00000000";

/// An installation with records of every kind in the operator's test account.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) server: Program,
    pub(crate) credentials: Value,
    pub(crate) token: String,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create().await;
        let credentials = bootstrap(&database)["test"].clone();
        let server = Program::serve(&database);
        let token = token(&server, &credentials).await.unwrap();
        Self { database, server, credentials, token }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        ask(&self.server, &self.token, method, &format!("/v1/accounts/{PARTNER}/{path}"), body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, text) = self.ask(Method::POST, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn fill(&self) {
        let link = json!([{"rel": "email", "href": "mailto:ola@example.com"}]);
        self.post("auth/roles", json!({"name": "support", "scope": ["read:accounts"]})).await;
        self.post("auth/clients", json!({"name": "shop", "client_id": "shop"})).await;
        let grant = json!({"client_id": "shop", "audience": "https://orders.example.com/", "scope": ["read:accounts"]});
        self.post("auth/client-grants", grant).await;
        self.post("auth/users", json!({"username": "ola", "password": "correct horse battery", "links": link})).await;
        self.post("customers/users", json!({"customer_id": "c-1", "email": "ola@example.com", "first_name": "Ola"})).await;
        self.post("customers/terms", json!({"terms": "as agreed"})).await;
        self.post("customers/tags", json!({"tag": "gold"})).await;
        self.post("management/accounts", json!({"display_name": "Partner", "account_id": "T11200000"})).await;
    }

    /// Runs a command of the program for this database.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        program(&self.database, arguments).output().unwrap()
    }

    fn backup(&self, name: &str) -> PathBuf {
        let to = self.database.file(name);
        let done = self.run(&["backup", to.to_str().unwrap()]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert_eq!(String::from_utf8(done.stdout).unwrap().trim(), to.to_str().unwrap());
        to
    }
}

pub(crate) async fn ask(server: &Program, token: &str, method: Method, path: &str, body: Value) -> (u16, String) {
    let mut request = http().request(method, format!("{}{path}", server.base)).bearer_auth(token);
    if !body.is_null() {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What every operation that only reads answers, but for what it tells of the process itself.
pub(crate) async fn answers(server: &Program, token: &str, account: &str) -> BTreeMap<String, (u16, String)> {
    let mut answers = BTreeMap::new();
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.ends_with("/usage")) {
        let path = path(route, account, NOBODY);
        let about_us = ["/livez", "/readyz", "/console", "/docs"].iter().any(|start| path.starts_with(start));
        if !about_us {
            let (status, mut text) = ask(server, token, Method::GET, &path, Value::Null).await;
            if path.ends_with("/management/configuration") {
                // How many writes led there; the log tells it, too.
                let mut told: Value = serde_json::from_str(&text).unwrap();
                told.as_object_mut().unwrap().remove("version");
                text = told.to_string();
            }
            answers.insert(path, (status, text));
        }
    }
    let found = answers.values().filter(|(status, text)| *status == 200 && text.len() > 2).count();
    assert!(found > 12, "only {found} answers tell anything: {answers:?}");
    answers
}

#[track_caller]
pub(crate) fn alike(there: &BTreeMap<String, (u16, String)>, here: &BTreeMap<String, (u16, String)>) {
    assert!(there.keys().eq(here.keys()));
    for (path, answer) in here {
        assert_eq!(&there[path], answer, "{path}");
    }
}

/// Another place for a backup of `of`: with its master key, and nothing else yet.
async fn elsewhere(of: &TestDatabase) -> TestDatabase {
    let database = TestDatabase::create().await;
    std::fs::copy(of.file("master.key"), database.file("master.key")).unwrap();
    database
}

fn restore(database: &TestDatabase, from: &Path, flags: &[&str]) -> Output {
    let mut command = program(database, &["restore", from.to_str().unwrap()]);
    command.args(flags).output().unwrap()
}

#[track_caller]
pub(crate) fn refused(output: &Output, reason: &str) {
    let told = stderr(output);
    // Behind it may be what the pool of connections says at the end.
    let said = told.lines().any(|line| line.starts_with("tenantry: ") && line.contains(reason));
    assert!(!output.status.success() && said, "{told}");
}

#[actix_web::test]
async fn a_backup_restored_elsewhere_answers_as_before() {
    let mut site = Site::new().await;
    site.fill().await;
    // When secrets were last used is written down once a minute, and at the end.
    site.server.signal("TERM");
    assert!(site.server.ended_well());
    site.server = Program::serve(&site.database);
    let before = answers(&site.server, &site.token, PARTNER).await;
    let rows = site.database.rows_of(PARTNER).await;
    let backup = site.backup("backup");
    let manifest: Value = serde_json::from_slice(&std::fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["format"], &manifest["version"]), (&json!(1), &json!(env!("CARGO_PKG_VERSION"))));

    let there = elsewhere(&site.database).await;
    let check = restore(&there, &backup, &["--check"]);
    assert!(String::from_utf8_lossy(&check.stdout).contains("is whole"), "{}", stderr(&check));
    let done = restore(&there, &backup, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let server = Program::serve(&there);
    alike(&answers(&server, &site.token, PARTNER).await, &before);
    // On PostgreSQL the numbers of another server's transactions are worth nothing; all else is as it was.
    for ((table, there), (_, here)) in there.rows_of(PARTNER).await.iter().zip(&rows) {
        assert!(there == here || table == "event" && TestDatabase::is_postgres(), "{table}: {there} was {here}");
    }
    // And it goes on from there.
    assert!(token(&server, &site.credentials).await.is_ok());
    let path = format!("/v1/accounts/{PARTNER}/auth/roles");
    let (status, text) = ask(&server, &site.token, Method::POST, &path, json!({"name": "next", "scope": []})).await;
    assert_eq!(status, 200, "{text}");
}

/// Everything that was acknowledged before it was begun is in it, and what is in it fits together.
#[actix_web::test]
async fn a_backup_taken_while_others_write_is_of_one_moment() {
    let site = Site::new().await;
    let role = site.post("auth/roles", json!({"name": "0", "scope": []})).await["id"].as_str().unwrap().to_owned();
    let (base, bearer) = (site.server.base.clone(), site.token.clone());
    let told = std::rc::Rc::new(std::cell::Cell::new(0_u64));
    let counts = told.clone();
    let writer = actix_rt::spawn(async move {
        let url = format!("{base}/v1/accounts/{PARTNER}/auth/roles/{role}");
        for number in 1_u64.. {
            let body = json!({"name": number.to_string(), "scope": []});
            let answer = http().put(&url).bearer_auth(&bearer).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            counts.set(number);
        }
    });
    while told.get() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (begun, to) = (told.get(), site.database.file("backup"));
    let mut backup = tokio_command(program(&site.database, &["backup", to.to_str().unwrap()]));
    let done = backup.output().await.unwrap();
    let ended = told.get();
    writer.abort();
    assert!(done.status.success() && ended > begun, "{begun} {ended} {}", stderr(&done));

    let there = elsewhere(&site.database).await;
    assert!(restore(&there, &to, &[]).status.success());
    let server = Program::serve(&there);
    let get = async |path: &str| {
        let (status, text) = ask(&server, &site.token, Method::GET, &format!("/v1/accounts/{PARTNER}/{path}"), Value::Null).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let stored: u64 = get("auth/roles").await[0]["name"].as_str().unwrap().parse().unwrap();
    assert!((begun..=ended).contains(&stored), "{begun} {stored} {ended}");
    let of_account = format!("SELECT CAST(count(*) AS text) FROM event WHERE seq IS NOT NULL AND account_id = '{PARTNER}'");
    let version = format!("SELECT CAST(version AS text) FROM account WHERE id = '{PARTNER}'");
    assert_eq!(there.column(&of_account).await, there.column(&version).await);
}

fn tokio_command(command: Command) -> tokio::process::Command {
    command.into()
}

#[actix_web::test]
async fn what_is_replaced_is_kept_and_nobody_goes_on_from_what_they_saw() {
    let mut site = Site::new().await;
    site.fill().await;
    let backup = site.backup("backup");
    site.post("auth/roles", json!({"name": "later", "scope": []})).await;
    let url = format!("{}/v1/accounts/{PARTNER}/customers/events", site.server.base);
    let place = http().get(&url).bearer_auth(&site.token).send().await.unwrap().headers()["paging-token"].clone();
    let place = place.to_str().unwrap().to_owned();

    refused(&restore(&site.database, &backup, &["--replace"]), "another tenantry");
    site.server.signal("TERM");
    assert!(site.server.ended_well());
    refused(&restore(&site.database, &backup, &[]), "there is a database already: say --replace");
    let done = restore(&site.database, &backup, &["--replace"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let told = String::from_utf8(done.stdout).unwrap();
    let kept = told.lines().find_map(|line| line.strip_prefix("what was there is kept: ")).expect("a place");

    let later = "SELECT CAST(count(*) AS text) FROM role WHERE name = 'later'";
    let of_before = if TestDatabase::is_postgres() {
        refused(&restore(&site.database, &backup, &["--replace"]), "an earlier restore has left the schema tenantry_replaced");
        site.database.column(&later.replace("FROM role", "FROM tenantry_replaced.role")).await
    } else {
        let db = sea_orm::Database::connect(format!("sqlite://{kept}")).await.unwrap();
        let row = sea_orm::ConnectionTrait::query_one_raw(
            &db,
            sea_orm::Statement::from_string(sea_orm::DatabaseBackend::Sqlite, later),
        );
        vec![row.await.unwrap().unwrap().try_get_by_index(0).unwrap()]
    };
    assert_eq!((site.database.column(later).await, of_before), (vec!["0".to_owned()], vec!["1".to_owned()]));

    if TestDatabase::is_postgres() {
        // As a kill at the end of it leaves it: what stands there may be in use since, and is not touched.
        site.database.run("COMMENT ON SCHEMA tenantry_replaced IS 'restoring'").await;
        refused(&restore(&site.database, &backup, &["--replace"]), "an earlier restore did not come to its end");
        assert_eq!(site.database.column("SELECT CAST(count(*) AS text) FROM account WHERE id = 'T00000000'").await, ["1"]);
    }
    site.server = Program::serve(&site.database);
    let url = format!("{}/v1/accounts/{PARTNER}/customers/events", site.server.base);
    let answer = http().get(format!("{url}?after={place}")).bearer_auth(&site.token).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("put back to an earlier state"));
    let anew = http().get(&url).bearer_auth(&site.token).send().await.unwrap();
    let place = anew.headers()["paging-token"].to_str().unwrap().to_owned();
    site.post("customers/users", json!({"customer_id": "c-2"})).await;
    // On PostgreSQL a change comes to be seen when no transaction of the server that is older is under way, whosesoever it is.
    let next = loop {
        let next = http().get(format!("{url}?after={place}")).bearer_auth(&site.token).send().await.unwrap();
        match next.json::<Value>().await.unwrap().as_array().unwrap().clone() {
            next if next.is_empty() => tokio::time::sleep(Duration::from_millis(20)).await,
            next => break next,
        }
    };
    assert_eq!((next.len(), &next[0]["customer_id"]), (1, &json!("c-2")));
}

#[actix_web::test]
async fn a_backup_with_anything_wrong_changes_nothing() {
    let mut site = Site::new().await;
    site.fill().await;
    let backup = site.backup("backup");
    site.server.kill();
    let rows = site.database.rows_of(PARTNER).await;
    let data = backup.join(if TestDatabase::is_postgres() { "database.dump" } else { "database.sqlite" });
    let (whole, manifest) = (std::fs::read(&data).unwrap(), std::fs::read_to_string(backup.join("manifest.json")).unwrap());
    let told: Value = serde_json::from_str(&manifest).unwrap();
    let with = |name: &str, value: Value| {
        let mut other = told.clone();
        other[name] = value;
        std::fs::write(backup.join("manifest.json"), other.to_string()).unwrap();
    };
    let again = || restore(&site.database, &backup, &["--replace"]);

    std::fs::write(&data, &whole[..whole.len() - 1]).unwrap();
    refused(&again(), "is damaged: it has");
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    std::fs::write(&data, &changed).unwrap();
    refused(&again(), "its checksum is another one");
    // Whoever changes both is not stopped by a checksum, but by the database itself.
    changed = whole.clone();
    changed[16..whole.len() / 2].fill(0x55);
    std::fs::write(&data, &changed).unwrap();
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &changed);
    let hex = sum.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    with("sha256", json!(hex));
    assert!(!again().status.success());
    std::fs::write(&data, &whole).unwrap();

    with("format", json!(2));
    refused(&again(), "the backup is newer than this program (format 2)");
    with("steps", json!(["m0001_accounts", "m9999_later"]));
    refused(&again(), "the database is newer than this program (it has m9999_later)");
    with("master_key", json!("0123456789abcdef"));
    refused(&again(), "made under another master key");
    with("file", json!(if TestDatabase::is_postgres() { "database.sqlite" } else { "database.dump" }));
    refused(&again(), "and database_url is");
    with("file", json!("../../etc/passwd"));
    refused(&again(), "is not the manifest of a backup");
    for text in ["", "{}", "[]", &manifest[..manifest.len() / 2]] {
        std::fs::write(backup.join("manifest.json"), text).unwrap();
        refused(&again(), "is not the manifest of a backup");
    }
    std::fs::remove_file(backup.join("manifest.json")).unwrap();
    refused(&again(), "is no backup");
    refused(&restore(&site.database, &site.database.file("nowhere"), &[]), "is no backup");

    assert_eq!(site.database.rows_of(PARTNER).await, rows);
    let left =
        std::fs::read_dir(site.database.directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("restoring") || name.contains("replaced")).count(), 0);
    std::fs::write(backup.join("manifest.json"), &manifest).unwrap();
    let done = again();
    assert!(done.status.success(), "{}", stderr(&done));
}

/// A small file system, ended with this.
struct Small(PathBuf);

impl Small {
    fn at(path: PathBuf, kib: u32) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"]).arg(&path).status();
        assert!(mounted.unwrap().success(), "only root can mount");
        Self(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[actix_web::test]
async fn a_full_disk_leaves_no_half_of_a_backup() {
    let mut site = Site::new().await;
    site.fill().await;
    let small = Small::at(site.database.file("small"), 32);
    let to = small.0.join("backup");
    refused(
        &site.run(&["backup", to.to_str().unwrap()]),
        if TestDatabase::is_postgres() { "pg_dump failed" } else { "cannot be written" },
    );
    assert_eq!(std::fs::read_dir(&small.0).unwrap().count(), 0);
    assert_eq!(site.ask(Method::GET, "auth/roles", Value::Null).await.0, 200);

    // Nor does it take a database away that it has no room to replace.
    if !TestDatabase::is_postgres() {
        let backup = site.backup("backup");
        site.server.kill();
        let small = Small::at(site.database.file("larger"), 128);
        let database = small.0.join("tenantry.db");
        std::fs::write(&database, "").unwrap();
        let mut command = program(&site.database, &["restore", backup.to_str().unwrap(), "--replace"]);
        command.env("TENANTRY_DATABASE_URL", format!("sqlite://{}", database.display()));
        refused(&command.output().unwrap(), "cannot be written: No space left on device");
        let left = std::fs::read_dir(&small.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["tenantry.db", "tenantry.db.lock"]);
    }
}

#[actix_web::test]
async fn a_server_backs_up_by_itself_and_keeps_some() {
    let site = Site::new().await;
    let (directory, there) = (site.database.file("backups"), |directory: &Path| {
        let names =
            std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    });
    let with = |arguments: &[&str], every: &str| {
        let mut command = program(&site.database, arguments);
        command.env("TENANTRY_BACKUP_DIR", &directory).env("TENANTRY_BACKUP_EVERY", every).env("TENANTRY_BACKUP_KEEP", "2");
        command
    };
    for _ in 0..3 {
        assert!(with(&["backup"], "0").status().unwrap().success());
    }
    let by_hand = there(&directory);
    assert_eq!(by_hand.len(), 3);
    refused(
        &program(&site.database, &["config", "check"]).env("TENANTRY_BACKUP_EVERY", "60").output().unwrap(),
        "backup_every needs a backup_dir",
    );

    let Site { database, mut server, .. } = site;
    server.kill();
    let serve = |every: &str| {
        let mut command = program(&database, &["serve"]);
        command.env("TENANTRY_BACKUP_DIR", &directory).env("TENANTRY_BACKUP_EVERY", every).env("TENANTRY_BACKUP_KEEP", "2");
        Program::start(command)
    };
    let last = async |server: &Program| {
        let metrics = http().get(&server.metrics).send().await.unwrap().text().await.unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("tenantry_backup_last_success_timestamp_seconds "))
            .unwrap()
            .to_owned();
        line.parse::<f64>().unwrap()
    };
    // The last is not a day old: none is due.
    let quiet = serve("86400");
    while last(&quiet).await == 0.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(there(&directory), by_hand);
    drop(quiet);
    std::fs::create_dir(directory.join("somebody else's")).unwrap();
    let due = serve("1");
    while !due.log().contains("backed up") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while there(&directory).len() > 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = there(&directory);
    assert!(left.contains(&by_hand[2]) && left.contains(&"somebody else's".to_owned()), "{left:?}");
    assert!(last(&due).await > 1_700_000_000.0);
}

/// What is shown once must have somewhere to be.
#[actix_web::test]
async fn no_room_for_the_credentials_makes_no_accounts() {
    let database = TestDatabase::create().await;
    let small = Small::at(database.file("small"), 8);
    let file = small.0.join("credentials");
    let into = |file: &Path| program(&database, &["bootstrap", "--json", "--output", file.to_str().unwrap()]).output().unwrap();
    refused(&into(&file), "cannot be written");
    refused(&into(&database.file("nowhere/credentials")), "cannot be written");
    assert!(!file.exists());
    let there = database.file("credentials");
    let done = into(&there);
    assert!(done.status.success(), "{}", stderr(&done));
    let told = std::fs::read_to_string(&there).unwrap();
    assert!(told.ends_with("}\n") && serde_json::from_str::<Value>(&told).is_ok(), "{told}");
    // Nothing is made the second time, and nothing left.
    refused(&into(&database.file("again")), "bootstrapped before");
    assert!(!database.file("again").exists());
}
