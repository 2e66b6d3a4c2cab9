//! The real program: its first start, its refusals, its end, and what survives a kill.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program, stderr};

/// A command that fails with one line on stderr that holds `reason`.
#[track_caller]
fn fails(mut command: impl std::borrow::BorrowMut<Command>, reason: &str) {
    let command = command.borrow_mut();
    let output = command.output().unwrap();
    let told = stderr(&output);
    let last = told.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(last.starts_with("tenantry: ") && last.contains(reason), "{told}");
    assert!(output.stdout.is_empty());
}

/// The operator's token on one side, asked of a running server.
pub(crate) async fn token(server: &Program, credentials: &Value) -> Result<String, String> {
    let body = json!({"grant_type": "client_credentials", "audience": credentials["audience"]});
    let request = http()
        .post(format!("{}/v1/accounts/{}/auth/token", server.base, credentials["account_id"].as_str().expect("an account")))
        .basic_auth(credentials["client_id"].as_str().expect("a client"), credentials["client_secret"].as_str())
        .json(&body);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    answer["access_token"].as_str().map(str::to_owned).ok_or_else(|| format!("{status} {answer}"))
}

/// Whatever is set, every command starts: a mail server is tried as far as that goes without asking it.
#[actix_web::test]
async fn a_server_with_a_mail_server_starts() {
    let database = TestDatabase::create().await;
    let with_mail = |arguments: &[&str]| {
        let mut command = program(&database, arguments);
        command.env("TENANTRY_SMTP_URL", "smtp://127.0.0.1:1");
        command
    };
    for arguments in [&["config", "check"] as &[&str], &["bootstrap", "--json"]] {
        assert!(with_mail(arguments).output().unwrap().status.success(), "{arguments:?}");
    }
    Program::start(with_mail(&["serve"]));
    let mut wrong = program(&database, &["config", "check"]);
    wrong.env("TENANTRY_SMTP_URL", "http://127.0.0.1:1");
    fails(wrong, "smtp_url");
}

#[actix_web::test]
async fn the_first_start_prints_credentials_once_and_they_work() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database);
    assert_eq!(made["account_id"], "P00000000");
    assert_eq!(made["audience"], "https://id.example.com/v1/accounts/P00000000");
    assert_eq!(made["test"]["account_id"], "T00000000");
    fails(program(&database, &["bootstrap", "--json"]), "bootstrapped before");
    assert!(program(&database, &["bootstrap", "--if-needed"]).status().unwrap().success());
    let server = Program::serve(&database);
    for side in [&made, &made["test"]] {
        token(&server, side).await.expect("a token");
    }
    assert_eq!(http().get(format!("{}/readyz", server.base)).send().await.unwrap().status(), 200);
}

/// Credentials that were lost can be made anew by whoever has the machine, while nobody serves.
#[actix_web::test]
async fn lost_credentials_are_made_anew_on_the_machine_itself() {
    let database = TestDatabase::create().await;
    let lost = bootstrap(&database);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let unseen = program(&database, &["bootstrap", "--json", "--recover"]).stdout(full).output().unwrap();
    assert!(stderr(&unseen).contains("could not be shown"), "{}", stderr(&unseen));
    let done = program(&database, &["bootstrap", "--json", "--recover"]).output().unwrap();
    let made: Value = serde_json::from_slice(&done.stdout).unwrap();
    let server = Program::serve(&database);
    fails(program(&database, &["bootstrap", "--recover"]), if TestDatabase::is_postgres() { "serves" } else { "uses" });
    assert_ne!(made["client_id"], lost["client_id"]);
    for side in [&made, &made["test"]] {
        token(&server, side).await.expect("a token");
    }
}

/// What the README shows is what is printed, and what the next test runs.
#[test]
fn the_readme_shows_the_printed_story() {
    assert!(include_str!("../../README.md").contains(include_str!("../../docs/partner-story.sh")));
}

/// The commands that `bootstrap` prints for people, run by a real shell against a real server.
#[actix_web::test]
async fn the_printed_story_runs() {
    let database = TestDatabase::create().await;
    let printed = program(&database, &["bootstrap"]).output().unwrap();
    let server = Program::serve(&database);
    let story = String::from_utf8(printed.stdout).unwrap();
    let commands = story.split_once("BASE=").unwrap().1.split_once('\n').unwrap().1;
    // Audiences carry the public name; requests go to where this server listens.
    let commands = commands.replace("$BASE/v1/accounts/", "$SERVER/v1/accounts/").replace("'$SERVER/", "'$BASE/");
    let script = format!("set -e\nBASE=https://id.example.com\nSERVER={}\n{commands}", server.base);
    let mut shell = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = tokio::task::spawn_blocking(move || shell.wait_with_output().unwrap()).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(told.contains("sub-account T11200001"), "{told}");
    assert!(lines.iter().any(|line| line.contains("\"deleted_by\":\"partner-program\"")), "{told}");
    assert!(lines.iter().any(|line| line.contains("insufficient_scope")), "{told}");
    for log in &lines[lines.len() - 2..] {
        let events: Value = serde_json::from_str(log).unwrap();
        let acted = |event: &&Value| event["act"]["oid"] == "T11200000";
        assert!(events.as_array().unwrap().iter().filter(acted).count() >= 2, "{log}");
    }
}

#[actix_web::test]
async fn what_cannot_work_is_refused_in_one_line() {
    let database = TestDatabase::create().await;
    if TestDatabase::is_postgres() {
        fails(program(&database, &["serve"]), "schema steps");
    } else {
        fails(program(&database, &["serve"]), "there is no database");
        fails(program(&database, &["migrate", "status"]), "there is no database");
    }
    bootstrap(&database);
    let with = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = program(&database, arguments);
        command.env(name, value);
        command
    };
    fails(with("TENANTRY_COLOUR", "red", &["config", "check"]), "there is no setting colour");
    fails(with("TENANTRY_LISTEN", "here", &["config", "check"]), "listen");
    fails(with("TENANTRY_PUBLIC_URL", "ftp://x", &["config", "check"]), "public_url");
    fails(with("TENANTRY_DATABASE_URL", "mysql://secret@x", &["config", "check"]), "database_url");
    fails(with("TENANTRY_TOKEN_LIFETIME", "5", &["config", "check"]), "token_lifetime");
    for key in ["TENANTRY_LIMIT_ADDRESS", "TENANTRY_LIMIT_CLIENT", "TENANTRY_LIMIT_ACCOUNT", "TENANTRY_LIMIT_TREE"] {
        for bad in ["0/5", "5/0", "-1/5", "5/1000001", "fast"] {
            fails(with(key, bad, &["config", "check"]), &key["TENANTRY_".len()..].to_lowercase());
        }
    }
    fails(with("TENANTRY_METRICS_TOKEN", "too-short", &["config", "check"]), "metrics_token");
    let long = "a-token-that-is-long-enough";
    fails(with("TENANTRY_METRICS_TOKEN", long, &["config", "check"]).env("TENANTRY_METRICS_TOKEN_FILE", "x"), "not both");
    let shown = with("TENANTRY_METRICS_TOKEN", long, &["config", "print"]).output().unwrap().stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("metrics_token = \"***\"") && !shown.contains(long), "{shown}");
    fails(with("TENANTRY_CONFIG", "missing.toml", &["config", "check"]), "missing.toml");
    std::fs::write(database.file("odd.toml"), "colour = 'red'").unwrap();
    fails(with("TENANTRY_CONFIG", "odd.toml", &["config", "check"]), "there is no setting colour");
    for url in ["postgres://user:hush@127.0.0.1:1/x", "postgres://user:hush@127.0.0.1:port/x"] {
        let told = stderr(&with("TENANTRY_DATABASE_URL", url, &["serve"]).output().unwrap());
        assert!(told.contains("PostgreSQL") && !told.contains("hush"), "{told}");
    }
    fails(with("TENANTRY_CORS_ORIGINS", "[\"*\"]", &["config", "check"]), "cors_origins");
    fails(with("TENANTRY_LISTEN", "0.0.0.0:0", &["config", "check"]).env_remove("TENANTRY_PUBLIC_URL"), "public_url must be set");
    let fine = with("TENANTRY_MASTER_KEY_FILE", "", &["config", "check"]).env("TENANTRY_SERVICE_HOST", "10.0.0.1").status();
    assert!(fine.unwrap().success(), "empty is unset, and Kubernetes may say what it likes");
    std::fs::write(database.file("broken.toml"), "listen = [\n").unwrap();
    fails(with("TENANTRY_CONFIG", "broken.toml", &["config", "check"]), "not valid");

    let zero = database.file("zero.key");
    std::fs::write(&zero, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    fails(with("TENANTRY_MASTER_KEY_FILE", zero.to_str().unwrap(), &["serve"]), "one byte repeated");
    let other = database.file("other.key");
    std::fs::write(&other, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
    fails(with("TENANTRY_MASTER_KEY_FILE", other.to_str().unwrap(), &["serve"]), "not the one that this database was made with");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    fails(with("TENANTRY_LISTEN", &taken.local_addr().unwrap().to_string(), &["serve"]), "cannot listen");
    let server = Program::serve(&database);
    if !TestDatabase::is_postgres() {
        fails(program(&database, &["serve"]), "serves this database already");
    }
    fails(program(&database, &["migrate", "down", "--yes"]), if TestDatabase::is_postgres() { "serves" } else { "uses" });
    if !TestDatabase::is_postgres() {
        // Another name of the same file.
        let link = database.file("link.db");
        std::os::unix::fs::symlink(database.file("tenantry.db"), &link).unwrap();
        let url = format!("sqlite://{}", link.display());
        fails(with("TENANTRY_DATABASE_URL", &url, &["serve"]), "serves this database already");
    }
    drop(server);

    fails(program(&database, &["migrate", "down"]), "--yes");
    assert!(program(&database, &["migrate", "down", "--yes"]).status().unwrap().success());
    fails(program(&database, &["serve"]), "run `tenantry migrate up`");
    let status = program(&database, &["migrate", "status"]).output().unwrap();
    assert!(String::from_utf8(status.stdout).unwrap().contains("pending  m0034_derivation"));
    assert!(program(&database, &["migrate", "up"]).status().unwrap().success());
    execute(&database, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)").await;
    let server = Program::serve(&database);
    assert_eq!(http().get(format!("{}/readyz", server.base)).send().await.unwrap().status(), 200, "steps only add");
    drop(server);
    for refused in [vec!["migrate", "up"], vec!["migrate", "down", "--yes"], vec!["bootstrap"]] {
        fails(program(&database, &refused), "newer than this program");
    }
    execute(&database, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_contract_future', 0)").await;
    fails(program(&database, &["serve"]), "use a later program");
}

async fn execute(database: &TestDatabase, sql: &str) {
    use sea_orm::ConnectionTrait;
    let db = sea_orm::Database::connect(&database.url).await.unwrap();
    db.execute_unprepared(sql).await.unwrap();
}

#[actix_web::test]
async fn the_whole_schema_can_be_undone_and_made_again() {
    let database = TestDatabase::create().await;
    bootstrap(&database);
    assert!(program(&database, &["migrate", "down", "--steps", "34", "--yes"]).status().unwrap().success());
    bootstrap(&database);
}

/// A step that ends in the middle, by a kill or otherwise, leaves nothing behind that the next try would stumble over.
#[actix_web::test]
async fn a_step_of_the_schema_is_made_as_a_whole_or_not_at_all() {
    let database = TestDatabase::create().await;
    bootstrap(&database);
    let later = "SELECT CAST(count(*) AS text) FROM seaql_migrations WHERE version > 'm0016_customers'";
    let steps = database.column(later).await.concat();
    assert!(program(&database, &["migrate", "down", "--steps", &steps, "--yes"]).status().unwrap().success());
    // The last thing that the next step makes is in its way.
    execute(&database, "CREATE INDEX challenge_counted ON challenge (id)").await;
    fails(program(&database, &["migrate", "up"]), "challenge_counted");
    execute(&database, "DROP INDEX challenge_counted").await;
    let again = program(&database, &["migrate", "up"]).output().unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    drop(Program::serve(&database));
}

#[actix_web::test]
async fn configuration_comes_from_a_file_the_environment_and_flags_in_that_order() {
    let database = TestDatabase::create().await;
    std::fs::write(database.file("tenantry.toml"), "token_lifetime = 100\nlog = 'warn'\nlisten = '127.0.0.1:1'\n").unwrap();
    let mut command = program(&database, &["config", "print", "--listen", "127.0.0.1:3"]);
    command.env("TENANTRY_LISTEN", "127.0.0.1:2").env("TENANTRY_LOG", "info").env("TENANTRY_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]");
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    for line in ["token_lifetime = 100", "log = \"info\"", "listen = \"127.0.0.1:3\"", "trusted_proxies = [\"10.0.0.0/8\"]"] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    std::fs::write(database.file("url"), "postgres://user:hush@127.0.0.1:1/x\n").unwrap();
    let mut command = program(&database, &["config", "print"]);
    command.env_remove("TENANTRY_DATABASE_URL").env("TENANTRY_DATABASE_URL_FILE", "url");
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(shown.contains("postgres://***") && !shown.contains("hush"), "{shown}");
}

/// Invariant 10, and what Prometheus reads.
#[actix_web::test]
async fn no_secret_is_in_the_log_or_the_metrics_and_the_metrics_are_clean() {
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_LOG", "trace");
    let server = Program::start(command);
    let token = token(&server, &credentials).await.expect("a token");
    let http = http();
    let at = |path: &str| format!("{}/v1/accounts/T000/{path}", server.base);
    let client: Value =
        http.post(at("auth/clients")).bearer_auth(&token).json(&json!({})).send().await.unwrap().json().await.unwrap();
    for _ in 0..3 {
        let oidc = json!({"client_id": "c", "client_secret": "provider-secret", "authority": "https://idp.example"});
        let body = json!({"client_id": client["client_id"], "audience": credentials["audience"], "scope": [],
            "type": "authorization_code", "oidc": oidc});
        http.post(at("auth/client-grants")).bearer_auth(&token).json(&body).send().await.unwrap();
        http.get(at("auth/roles?search=query-secret")).bearer_auth("bearer.secret.token").send().await.unwrap();
        http.get(format!("{}/nowhere/path-secret", server.base)).send().await.unwrap();
    }
    let metrics = http.get(&server.metrics).send().await.unwrap().text().await.unwrap();
    let events = http.get(at("management/events?limit=100")).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    let log = server.log();
    let signature = token.rsplit('.').next().unwrap();
    let master = std::fs::read_to_string(database.file("master.key")).unwrap();
    let secrets = [
        credentials["client_secret"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
        signature,
        master.trim(),
        "provider-secret",
        "query-secret",
        "bearer.secret.token",
        "path-secret",
    ];
    for secret in secrets {
        for (place, text) in [("log", &log), ("metrics", &metrics), ("events", &events)] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
    for name in [
        "tenantry_http_requests_total{method=\"POST\",route=\"/v1/accounts/{oid}/auth/token\",status=\"2xx\"} 1",
        "tenantry_http_requests_total{method=\"GET\",route=\"other\",status=\"4xx\"} 3",
        "tenantry_tokens_issued_total{grant_type=\"client_credentials\"} 1",
        "tenantry_accounts_live 1",
        "tenantry_account_activations_total 1",
        "tenantry_account_write_duration_seconds_count",
        "tenantry_http_request_duration_seconds_bucket",
    ] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    let mut promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().expect("promtool");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    assert!(promtool.wait().unwrap().success());
}

/// Invariant 10 for people: passwords, codes, handles and tokens are nowhere but where they belong.
#[actix_web::test]
async fn what_people_prove_themselves_with_is_in_no_log_metric_event_or_error() {
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_LOG", "trace");
    let server = Program::start(command);
    let token = token(&server, &credentials).await.expect("a token");
    let post = async |token: &str, path: &str, body: Value| -> (u16, String) {
        let request = http().post(format!("{}/v1/accounts/T00000000/{path}", server.base)).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let member = |(status, text): &(u16, String), name: &str| -> String {
        let json: Value = serde_json::from_str(text).unwrap();
        json[name].as_str().unwrap_or_else(|| panic!("{name}: {status} {text}")).to_owned()
    };
    let client = post(&token, "auth/clients", json!({"client_id": "app"})).await;
    let own = json!(["write:accounts:/auth/users", "write:accounts:/auth/mfa", "create:accounts:auth:refresh_token"]);
    for (kind, scope) in [("client_credentials", own), ("password", json!(["read:accounts"]))] {
        let body = json!({"client_id": "app", "audience": credentials["audience"], "type": kind, "scope": scope});
        post(&token, "auth/client-grants", body).await;
    }
    let app = json!({"account_id": "T00000000", "audience": credentials["audience"], "client_id": "app",
        "client_secret": member(&client, "client_secret")});
    let app = self::token(&server, &app).await.expect("the app's token");
    let password = "canary horse battery staple";
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["email"]});
    let links = json!([{"rel": "email", "href": "mailto:canary@example.com"}]);
    let made = post(&token, "auth/users", json!({"username": "ola", "password": password, "links": links, "mfa": mfa})).await;
    let login = |password: &str| json!({"grant_type": "password", "username": "ola", "password": password, "audience": credentials["audience"]});
    let wrong = post(&app, "auth/token", login("canary-wrong")).await;
    let mfa_token = member(&post(&app, "auth/token", login(password)).await, "mfa_token");
    let challenge = json!({"challenge_type": "oob", "oob_channel": "email", "mfa_token": mfa_token});
    let oob_code = member(&post(&app, "auth/mfa/challenge", challenge).await, "oob_code");
    // The program itself delivers, to a file.
    let message: Value = loop {
        let mut files = std::fs::read_dir(database.file("outbox")).into_iter().flatten().map(|file| file.unwrap().path());
        match files.find(|file| file.extension().is_some_and(|kind| kind == "json")) {
            Some(file) => break serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let code = message["subject"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let redeem =
        |code: &str| json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": code, "mfa_token": mfa_token});
    let miss = post(&app, "auth/token", redeem("canary")).await;
    let issued = post(&app, "auth/token", redeem(&code)).await;
    let (access, refresh) = (member(&issued, "access_token"), member(&issued, "refresh_token"));
    let renewed = post(&app, "auth/token", json!({"grant_type": "refresh_token", "refresh_token": refresh})).await;
    assert_eq!((wrong.0, miss.0, renewed.0), (401, 400, 200));

    let metrics = http().get(&server.metrics).send().await.unwrap().text().await.unwrap();
    let events = format!("{}/v1/accounts/T00000000/management/events?limit=100", server.base);
    let events = http().get(events).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(events.contains("user.logged_in") && events.contains("login.refused"), "{events}");
    let log = server.log();
    // Six digits may stand in any number: a code is looked for as a word.
    let shown = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
    let secrets =
        [password, "canary-wrong", "canary@example.com", &mfa_token, &oob_code, &refresh, access.rsplit('.').next().unwrap()];
    for (place, text) in [("log", &log), ("metrics", &metrics), ("events", &events), ("errors", &format!("{wrong:?}{miss:?}"))] {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
        assert!(!shown(text), "the code is in the {place}");
    }
    assert!(!made.1.contains(password) && !made.1.contains("argon2"), "{}", made.1);
}

/// As the first start in a container does it, where nobody looks at what is printed.
#[actix_web::test]
async fn the_first_credentials_wait_in_a_file_until_they_are_collected() {
    let database = TestDatabase::create().await;
    let kept = database.file("credentials.json");
    let output = format!("--output={}", kept.display());
    let start = || {
        let flags = ["bootstrap", "--json", "--if-needed", "--admin", "ola@example.com", &output];
        let done = program(&database, &flags).output().unwrap();
        assert!(done.status.success() && done.stdout.is_empty(), "{}", stderr(&done));
    };
    start();
    let (first, mode) = (std::fs::read(&kept).unwrap(), std::fs::metadata(&kept).unwrap().permissions().mode());
    assert_eq!(mode & 0o777, 0o600);
    // The next start leaves it, and brings the schema up if need be.
    assert!(program(&database, &["migrate", "down", "--yes"]).status().unwrap().success());
    start();
    assert_eq!(std::fs::read(&kept).unwrap(), first);
    let refused = program(&database, &["bootstrap", &output]).output().unwrap();
    assert!(!refused.status.success() && stderr(&refused).contains("is there already"), "{}", stderr(&refused));

    let collect = || program(&database, &["bootstrap", "--collect", kept.to_str().unwrap()]).output().unwrap();
    let shown: Value = serde_json::from_slice(&collect().stdout).unwrap();
    assert!(shown["admin_link"].as_str().unwrap().starts_with("https://id.example.com/"));
    assert!(!kept.exists());
    assert!(stderr(&collect()).contains("there is nothing to collect at"));
    start();
    assert!(!kept.exists());
    let server = Program::serve(&database);
    assert!(token(&server, &shown["test"]).await.is_ok());
}

#[actix_web::test]
async fn the_program_says_itself_whether_a_server_is_ready() {
    let database = TestDatabase::create().await;
    bootstrap(&database);
    let mut server = Program::serve(&database);
    let ask = || program(&database, &["ready", &server.base]).output().unwrap();
    assert!(ask().status.success(), "{}", stderr(&ask()));
    let elsewhere = program(&database, &["ready", &format!("{}/v1", server.base)]).output().unwrap();
    assert!(stderr(&elsewhere).contains("/v1/readyz answers 404"), "{}", stderr(&elsewhere));
    let base = server.base.clone();
    server.kill();
    let gone = program(&database, &["ready", &base]).output().unwrap();
    assert!(!gone.status.success() && stderr(&gone).contains("does not answer"), "{}", stderr(&gone));
}

/// Whoever reads only the first line, as `head` does, gets it without a word about the rest.
#[actix_web::test]
async fn what_is_printed_need_not_be_read_to_its_end() {
    let database = TestDatabase::create().await;
    let mut printing = program(&database, &["completions", "bash"]);
    let mut printing = printing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(printing.stdout.take());
    let done = printing.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{}", stderr(&done));
    let manual = database.file("man");
    assert!(program(&database, &["man", manual.to_str().unwrap()]).status().unwrap().success());
    let page = std::fs::read_to_string(manual.join("tenantry-bootstrap.1")).unwrap();
    assert!(page.contains("collect") && page.contains("administrator"));
}

/// What somebody has who is told a request's id, or who asks what became of an account's.
#[actix_web::test]
async fn every_request_has_a_line_with_its_account_and_what_was_refused() {
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let server = Program::serve(&database);
    let token = token(&server, &credentials).await.unwrap();
    let lines = async |path: &str, bearer: &str| {
        let answer = http().get(format!("{}{path}", server.base)).bearer_auth(bearer).send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        loop {
            let log = server.log();
            let of_it = |line: &&str| line.contains(&id);
            if let Some(line) = log.lines().find(of_it) {
                break serde_json::from_str::<Value>(line).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let well = lines("/v1/accounts/T000/auth/roles", &token).await;
    assert_eq!((&well["account"], &well["status"], &well["code"]), (&json!("T00000000"), &json!(200), &Value::Null));
    assert_eq!(well["route"], "/v1/accounts/{oid}/auth/roles");
    let refused = lines("/v1/accounts/T000/auth/roles?limit=0", &token).await;
    assert_eq!((&refused["account"], &refused["code"]), (&json!("T00000000"), &json!("invalid_request")));
    // Whoever has proven nothing is nobody's.
    let stranger = lines("/v1/accounts/T000/auth/roles", "not.a.token").await;
    assert_eq!(
        (&stranger["account"], &stranger["status"], &stranger["code"]),
        (&Value::Null, &json!(401), &json!("unauthorized"))
    );
    assert_eq!(lines("/livez", "").await["account"], Value::Null);
}
