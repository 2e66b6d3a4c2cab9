//! The release before this one and this one on one database: its program goes on beside the new schema, and back again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, binary, http, program_at};

use crate::{printed, root, said, tools};

/// The operator of an installation, and the programs that serve it.
struct Site {
    database: TestDatabase,
    operator: Value,
    old: PathBuf,
    new: PathBuf,
}

impl Site {
    fn run(&self, program: &Path, arguments: &[&str]) -> String {
        printed(&mut program_at(program, &self.database, arguments))
    }

    fn serve(&self, program: &Path) -> Program {
        Program::start(program_at(program, &self.database, &["serve"]))
    }

    async fn ask(&self, server: &Program, token: &str, method: Method, path: &str, body: &Value) -> Value {
        let request = http().request(method, format!("{}/v1/accounts/T00000000/{path}", server.base)).bearer_auth(token);
        let answer = request.json(body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What a deployment lives by: a token, writes of every way, and what is read of them.
    async fn works(&self, server: &Program, round: &str) -> Value {
        let body = json!({"grant_type": "client_credentials", "audience": self.operator["audience"]});
        let token = http().post(format!("{}/v1/accounts/T00000000/auth/token", server.base)).json(&body);
        let (id, secret) = (self.operator["client_id"].as_str().unwrap(), self.operator["client_secret"].as_str());
        let token: Value = token.basic_auth(id, secret).send().await.unwrap().json().await.unwrap();
        let token = token["access_token"].as_str().unwrap_or_else(|| panic!("{round}: {token}"));
        let post = async |path: &str, body: Value| self.ask(server, token, Method::POST, path, &body).await;
        let role = post("auth/roles", json!({"name": round, "scope": ["read:accounts"]})).await;
        let role = format!("auth/roles/{}", role["id"].as_str().unwrap());
        self.ask(server, token, Method::PUT, &role, &json!({"name": format!("{round} again"), "scope": []})).await;
        let client = post("auth/clients", json!({"name": round})).await;
        let grant = json!({"client_id": client["client_id"], "audience": self.operator["audience"], "scope": ["read:accounts"]});
        post("auth/client-grants", grant).await;
        post("auth/users", json!({"username": round, "password": "correct horse battery"})).await;
        post("customers/users", json!({"customer_id": round, "email": format!("{round}@example.com")})).await;
        post("customers/tags", json!({"tag": round})).await;
        post("management/accounts", json!({"display_name": round})).await;
        post("auth/keys/rotate", json!({"activate_in": 0})).await;
        let mut read = json!({});
        for path in [
            "auth/roles",
            "auth/clients",
            "auth/client-grants",
            "auth/users",
            "customers/users/export",
            "customers/tags",
            "management/accounts",
            "auth/keys",
        ] {
            let path = path.replace("users/export", "users:export");
            let answer =
                http().get(format!("{}/v1/accounts/T00000000/{path}", server.base)).bearer_auth(token).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{round}: {path}");
            read[path] = json!(answer.text().await.unwrap());
        }
        read
    }

    /// Every column: its table, name, type, and whether it must be given.
    async fn columns(&self) -> BTreeSet<String> {
        let columns = if TestDatabase::is_postgres() {
            "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable = 'NO' AND column_default IS NULL)
               FROM information_schema.columns WHERE table_schema = 'public'"
        } else {
            "SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || (c.\"notnull\" AND c.dflt_value IS NULL)
               FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        };
        self.database.column(columns).await.into_iter().collect()
    }
}

#[actix_web::test]
async fn the_program_of_before_goes_on_beside_the_schema_of_this_one() {
    let (old, new, database) = (tools("scripts/previous"), binary(), TestDatabase::create().await);
    let made = printed(&mut program_at(&old, &database, &["bootstrap", "--json"]));
    let operator = serde_json::from_str::<Value>(&made).unwrap()["test"].clone();
    let site = Site { database, operator, old, new };
    let mut serving = Some(site.serve(&site.old));
    site.works(serving.as_ref().unwrap(), "first").await;

    // Steps add: nothing goes or changes its type, and who does not know of a column need not give it.
    let before = site.columns().await;
    if !TestDatabase::is_postgres() {
        serving.take();
    }
    site.run(&site.new, &["migrate", "up"]);
    let after = site.columns().await;
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.is_empty(), "{gone:?}");
    let tables: BTreeSet<_> = before.iter().filter_map(|column| column.split(' ').next()).collect();
    let is_asked_for = |column: &&String| column.ends_with(" t") || column.ends_with(" true") || column.ends_with(" 1");
    let asked_for = after.difference(&before).filter(is_asked_for);
    let asked_for: Vec<_> = asked_for.filter(|column| tables.contains(column.split(' ').next().unwrap())).collect();
    assert!(asked_for.is_empty(), "{asked_for:?}");

    // The one of before, still or again; then ours, beside it where several may serve; and the one of before once more.
    let old = serving.take().unwrap_or_else(|| site.serve(&site.old));
    site.works(&old, "second").await;
    let beside = TestDatabase::is_postgres().then_some(old);
    let server = site.serve(&site.new);
    let read = site.works(&server, "third").await;
    assert!(["first", "second", "third"].iter().all(|round| read["auth/roles"].as_str().unwrap().contains(round)), "{read}");
    if let Some(old) = &beside {
        site.works(old, "beside").await;
        site.works(&server, "ours-again").await;
    }
    drop((server, beside));
    site.works(&site.serve(&site.old), "back").await;
    site.works(&site.serve(&site.new), "last").await;
}

/// Whoever gives a version by hand forgets one of the places.
#[test]
fn every_place_says_the_same_version() {
    let version = env!("CARGO_PKG_VERSION");
    let says = |file: &str, line: String| assert!(crate::text(file).contains(&line), "{file}: {line}");
    says("Cargo.toml", format!("version = \"{version}\""));
    says("helm/tenantry/Chart.yaml", format!("\nversion: {version}\nappVersion: {version}\n"));
    says("Dockerfile", format!("version=\"{version}\""));
    says("CHANGELOG.md", format!("## {version}"));
    let program = printed(Command::new(binary()).arg("--version"));
    assert_eq!(program.trim(), format!("tenantry {version}"));
}

/// In a copy of what is committed, as somebody does who releases.
#[test]
fn a_release_says_its_version_in_every_place() {
    let directory = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).current_dir(&directory).output().unwrap();
    let git = |arguments: &[&str]| {
        let done = run("git", &[&["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"], arguments].concat());
        assert!(done.status.success(), "{}", said(&done));
    };
    git(&["clone", "--quiet", "--no-local", "--depth=1", &format!("file://{}", root().canonicalize().unwrap().display()), "."]);
    std::fs::copy(root().join("scripts/release"), directory.path().join("scripts/release")).unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--allow-empty", "--message=as it is"]);
    let refused = |version: &str, reason: &str| {
        let done = run("scripts/release", &["--edit", version]);
        assert!(!done.status.success() && said(&done).contains(reason), "{version}: {}", said(&done));
    };
    let version = env!("CARGO_PKG_VERSION");
    for wrong in ["", "1", "v1.2.3", "1.2.3-rc1", "01.2.3"] {
        refused(wrong, "say the version");
    }
    refused("9.8.7", "CHANGELOG.md has no section \"9.8.7 (unreleased)\"");
    let changelog = directory.path().join("CHANGELOG.md");
    let text = std::fs::read_to_string(&changelog).unwrap();
    std::fs::write(&changelog, text.replacen("# Changelog\n", "# Changelog\n\n## 9.8.7 (unreleased)\n", 1)).unwrap();
    refused("9.8.7", "changes that are not committed");
    git(&["commit", "--quiet", "--all", "--message=news"]);
    git(&["tag", "v10.0.0"]);
    refused("9.8.7", "9.8.7 is before v10.0.0");
    git(&["tag", "--delete", "v10.0.0"]);
    let done = run("scripts/release", &["--edit", "9.8.7"]);
    assert!(done.status.success(), "{}", said(&done));
    let changed = run("git", &["diff", "--name-only"]);
    let changed = String::from_utf8(changed.stdout).unwrap();
    assert_eq!(
        changed.lines().collect::<Vec<_>>(),
        ["CHANGELOG.md", "Cargo.lock", "Cargo.toml", "Dockerfile", "helm/tenantry/Chart.yaml"]
    );
    let diff = String::from_utf8(run("git", &["diff", "--unified=0"]).stdout).unwrap();
    let lines = |sign: char| {
        diff.lines()
            .filter(|line| line.starts_with(sign) && !line.starts_with(&format!("{sign}{sign}{sign}")))
            .collect::<Vec<_>>()
    };
    assert!(lines('-').iter().all(|line| line.contains(version) || line.contains("unreleased")), "{diff}");
    assert!(lines('+').iter().all(|line| line.contains("9.8.7")), "{diff}");
}
