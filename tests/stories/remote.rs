//! Commands that ask a server: signing in, records, and an account as a file says it is to be; with the real program and a real server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, http, program, stderr};

use crate::processes::token;

const OPERATOR: &str = "T00000000";
const EMAIL: &str = "kari@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A server, and a shell beside it.
struct Shell {
    database: TestDatabase,
    server: Program,
    made: Value,
}

impl Shell {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[&str]) -> Self {
        let database = TestDatabase::create().await;
        let made = program(&database, &[&["bootstrap", "--json"], more].concat()).output().unwrap();
        let made = serde_json::from_slice(&made.stdout).unwrap();
        let server = Program::serve(&database);
        Self { database, server, made }
    }

    /// Signed in as the operator's client.
    async fn signed_in() -> Self {
        let shell = Self::new().await;
        shell.well(&shell.login());
        shell
    }

    fn login(&self) -> Vec<&str> {
        let id = self.made["test"]["client_id"].as_str().unwrap();
        vec!["login", &self.server.base, "--account", OPERATOR, "--client-id", id]
    }

    /// The administrator chooses a password.
    async fn choose_password(&self) {
        let link = self.made["admin_link"].as_str().unwrap_or_else(|| panic!("{}", self.made));
        let ticket = link.split("token=").nth(1).unwrap();
        let chosen = http().post(format!("{}/v1/account/password", self.server.base));
        let chosen = chosen.json(&json!({"token": ticket, "password": PASSWORD})).send().await.unwrap();
        assert_eq!(chosen.status(), 204);
    }

    /// Signs in as the administrator.
    async fn sign_in(&self, account: &str) {
        self.choose_password().await;
        self.sign_in_again(account);
    }

    fn sign_in_again(&self, account: &str) {
        let password = self.file("password", &format!("{PASSWORD}\n"));
        let password = ["--password-file", password.to_str().unwrap()];
        self.well(&[&["login", &self.server.base, "--email", EMAIL, "--account", account], &password[..]].concat());
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.database.file(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.database, arguments);
        let secret = self.made["test"]["client_secret"].as_str().unwrap();
        command.env("TENANTRY_SESSION", self.database.file("session.json")).env("TENANTRY_CLIENT_SECRET", secret);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    #[track_caller]
    fn well(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.well(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// A command that fails in one line that says all of `reasons`.
    #[track_caller]
    fn fails(&self, arguments: &[&str], reasons: &[&str]) {
        let done = self.run(arguments);
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {told}");
        let last = told.lines().last().unwrap_or_default();
        for reason in reasons {
            assert!(last.starts_with("tenantry: ") && last.contains(reason), "{reason}: {told}");
        }
    }

    /// `plan` or `apply` of this file.
    fn of<'a>(what: &'a str, file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&[what, "--file", file], more].concat()
    }
}

#[actix_web::test]
async fn whoever_has_signed_in_works_with_records() {
    let shell = Shell::new().await;
    shell.fails(&["roles", "list"], &["nobody has signed in"]);
    let mut wrong = shell.command(&shell.login());
    let wrong = wrong.env("TENANTRY_CLIENT_SECRET", "wrong").output().unwrap();
    assert!(stderr(&wrong).contains("401"), "{}", stderr(&wrong));
    assert!(shell.well(&shell.login()).starts_with("signed in to T00000000"));
    let kept = shell.database.file("session.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&kept).unwrap().contains(shell.made["test"]["client_secret"].as_str().unwrap()));

    let made =
        shell.json(&["roles", "create", "name=support", "description=Helps", "scope=read:accounts", "scope=read:customers"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["scope"], json!(["read:accounts", "read:customers"]));
    let changed = shell.json(&["roles", "update", id, "name=help desk"]);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("help desk"), &json!("Helps")));
    let table = shell.well(&["roles", "list"]);
    assert!(table.starts_with("ID ") && table.contains("help desk  read:accounts, read:customers"), "{table}");
    for number in 0..12 {
        shell.well(&["roles", "create", &format!("name=role {number}"), "scope="]);
    }
    assert_eq!(shell.json(&["roles", "list"]).as_array().unwrap().len(), 13); // more than a page
    assert_eq!(shell.json(&["roles", "list", "--limit", "11"]).as_array().unwrap().len(), 11);
    assert_eq!(shell.json(&["roles", "list", "search=desk"]).as_array().unwrap().len(), 1);
    shell.fails(&["roles", "delete", id], &["--yes"]);
    shell.well(&["roles", "delete", id, "--yes"]);
    shell.fails(&["roles", "show", id], &["404"]);
    shell.fails(&["roles", "create", "scope=not a scope"], &["400", "scope[0]"]);

    let customer = shell.file("customer.json", r#"{"customer_id": "a/b", "email": "ola@example.com"}"#);
    shell.well(&["customers", "create", "--file", customer.to_str().unwrap(), "phone_number=+4712345678"]);
    assert_eq!(shell.json(&["customers", "show", "a/b"])["phone_number"], "+4712345678");
    assert_eq!(shell.json(&["customers", "list", "email=ola@example.com"])[0]["customer_id"], "a/b");
    shell.well(&["accounts", "create", "account_id=T11200000", "display_name=Partner"]);
    assert!(shell.well(&["accounts", "list"]).contains("T11200000   Partner"));
    assert_eq!(shell.json(&["accounts", "update", "T11200000", "weight:=2"])["display_name"], "Partner");
    shell.fails(&["accounts", "update", "T11200000", "weight=2"], &["400", "weight"]);
    let below = shell.json(&["clients", "create", "client_id=till", "--on", "T11200000"]);
    assert_eq!(below["client_secret"].as_str().unwrap().len(), 43);
    assert_eq!(shell.json(&["clients", "list", "--on", "T11200000"]).as_array().unwrap().len(), 1);
    shell.fails(&["clients", "list", "--on", "T99900000"], &["cannot act on T99900000"]);

    shell.well(&["logout"]);
    assert!(!kept.exists());
    shell.fails(&["roles", "list"], &["nobody has signed in"]);
}

#[actix_web::test]
async fn a_person_signs_in_and_out() {
    let shell = Shell::with(&["--admin", EMAIL]).await;
    shell.choose_password().await;
    let password = shell.file("password", &format!("{PASSWORD}\n"));
    let password = password.to_str().unwrap();
    let login = |account: &'static [&'static str]| {
        [&["login", &shell.server.base, "--email", EMAIL, "--password-file", password], account].concat()
    };
    shell.fails(&login(&[]), &["say --account", "P00000000", OPERATOR]);
    shell.well(&login(&["--account", OPERATOR]));
    let own = shell.json(&["users", "list"]);
    assert_eq!(own[0]["email"], EMAIL);
    let kept = shell.database.file("session.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(!text.contains(PASSWORD));

    // A token that has ended is renewed, as long as the person's session lives.
    let mut session: Value = serde_json::from_str(&text).unwrap();
    let before = session["token"].clone();
    session["ends"] = json!(0);
    std::fs::write(&kept, session.to_string()).unwrap(); // still for its owner only
    shell.well(&["roles", "list"]);
    let renewed: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
    assert_ne!(renewed["token"], before);

    let ended = std::fs::read_to_string(&kept).unwrap();
    shell.well(&["logout"]);
    std::fs::write(&kept, ended).unwrap(); // as somebody would who had copied it
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
    shell.fails(&["roles", "list"], &["tenantry login"]);
}

const FILE: &str = "
account: T00000000
settings: {display_name: The operator, token_lifetime: 3600, language_code: no}
roles:
  - {name: support, description: Helps, scope: [read:customers, read:accounts]}
  - {name: billing, scope: ['read:accounts']}
clients:
  - {client_id: web-shop, name: Web shop, callbacks: ['https://shop.example.com/back']}
grants:
  - {client_id: web-shop, scope: [read:customers]}
  - {client_id: web-shop, audience: 'https://stock.example.com/', scope: [read:stock]}
users:
  - {email: ola@example.com, name: Ola, roles: [Support]}
";

#[actix_web::test]
async fn an_account_becomes_what_its_file_says_and_stays_so() {
    let shell = Shell::signed_in().await;
    let (file, secrets) = (shell.file("account.yaml", FILE), shell.database.file("secrets"));
    let (file, secrets) = (file.to_str().unwrap(), secrets.to_str().unwrap());
    let before = shell.well(&["pull"]);
    let shown = shell.well(&Shell::of("plan", file, &[]));
    for line in [
        "+ role support\n",
        "    scope: read:accounts, read:customers\n",
        "+ client web-shop",
        "+ grant web-shop\n",
        "+ grant web-shop for https://stock.example.com/\n",
        "+ user ola@example.com",
        "token_lifetime:  -> 3600",
        "language_code:  -> no",
        "6 to make, 1 to change, 0 to remove",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let code = shell.run(&Shell::of("plan", file, &["--exit-code"])).status.code();
    assert_eq!(code, Some(3));
    shell.fails(&Shell::of("apply", file, &["--yes"]), &["--secrets"]);
    shell.fails(&Shell::of("apply", file, &["--secrets", secrets]), &["--yes"]);
    assert_eq!(shell.well(&["pull"]), before, "nothing was done until now");

    shell.well(&Shell::of("apply", file, &["--yes", "--secrets", secrets]));
    let kept = std::fs::read_to_string(secrets).unwrap();
    assert_eq!(std::fs::metadata(secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client: Value = serde_json::from_str(&kept).unwrap();
    client["account_id"] = json!(OPERATOR);
    client["audience"] = json!("https://id.example.com/v1/accounts/T00000000");
    token(&shell.server, &client).await.expect("the secret is the client's");
    let ola = shell.json(&["users", "list", "search=ola"]);
    assert_eq!((&ola[0]["roles"][0]["name"], &ola[0]["enabled"]), (&json!("support"), &json!(true)));

    // Again: nothing to do, by the file and by what is pulled.
    let pulled = shell.file("pulled.yaml", &shell.well(&["pull"]));
    for same in [file, pulled.to_str().unwrap()] {
        assert_eq!(
            shell.well(&Shell::of("apply", same, &["--prune"])).lines().next(),
            Some("the account is as the file says"),
            "{same}"
        );
        assert_eq!(shell.run(&Shell::of("plan", same, &["--exit-code"])).status.code(), Some(0));
    }

    let other = FILE.replace("read:accounts']", "write:accounts']").replace("[Support]}", "[Support], enabled: false}");
    let other = other.replace("name: Web shop,", "name: The web shop,");
    let other = other.replace("  - {client_id: web-shop, audience: 'https://stock.example.com/', scope: [read:stock]}\n", "");
    let other = shell.file("other.yaml", &other);
    let other = other.to_str().unwrap();
    let shown = shell.json(&Shell::of("plan", other, &["--prune"]));
    let told: Vec<String> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {}", step["action"], step["kind"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["delete grant", "update role", "update client", "update user"]);
    assert_eq!(
        shell.json(&Shell::of("plan", other, &[]))["changes"].as_array().unwrap().len(),
        3,
        "nothing goes unless it is said"
    );
    shell.well(&Shell::of("apply", other, &["--prune", "--yes"]));
    assert_eq!(shell.json(&["grants", "list", "client_id=web-shop"]).as_array().unwrap().len(), 1);
    assert_eq!(shell.json(&["users", "list", "search=ola"])[0]["enabled"], false);
    assert!(shell.well(&Shell::of("plan", other, &["--prune"])).contains("as the file says"));

    // Nothing is left but what the one who asks is signed in with.
    let empty = shell.file("empty.yaml", "{roles: [], clients: [], grants: [], users: []}");
    let empty = empty.to_str().unwrap();
    assert!(shell.well(&Shell::of("apply", empty, &["--prune", "--yes"])).contains("0 to make, 0 to change, 5 to remove"));
    assert!(shell.well(&Shell::of("plan", empty, &["--prune"])).contains("as the file says"));
}

#[actix_web::test]
async fn what_is_refused_takes_all_of_it_back() {
    let shell = Shell::signed_in().await;
    let role = shell.json(&["roles", "create", "name=billing", "description=Counts", "scope=read:accounts"]);
    let before = shell.well(&["pull"]);
    // Only the server knows that this account stands nowhere below.
    let elsewhere = "https://id.example.com/v1/accounts/T99900001";
    let file = shell.file("account.yaml", &FILE.replace("https://stock.example.com/", elsewhere));
    let secrets = shell.database.file("secrets");
    let arguments = Shell::of("apply", file.to_str().unwrap(), &["--yes", "--secrets", secrets.to_str().unwrap()]);
    shell.fails(&arguments, &["400", "grants[1].audience"]);
    assert_eq!(shell.well(&["pull"]), before);
    assert_eq!(shell.json(&["roles", "show", role["id"].as_str().unwrap()])["description"], "Counts");
    assert!(!secrets.exists());
    let letters = std::fs::read_dir(shell.database.file("outbox")).map_or(0, Iterator::count);
    assert_eq!(letters, 0, "nobody is written to before all else is well");
}

/// Where answers are lost nobody says that nothing was done.
#[actix_web::test]
async fn what_becomes_of_a_change_is_what_the_server_has() {
    let shell = Shell::new().await;
    let lossy = lossy(&shell.server.base, "PUT /v1/accounts/T00000000/management/configuration?prune=false&dry_run=false");
    let mut login = shell.login();
    login[1] = &lossy;
    shell.well(&login);
    let file = shell.file("account.yaml", "{settings: {token_lifetime: 600}, clients: [{client_id: lost}]}");
    let secrets = shell.database.file("secrets");
    let apply = Shell::of("apply", file.to_str().unwrap(), &["--yes", "--secrets", secrets.to_str().unwrap()]);
    shell.fails(&apply, &["nobody can tell whether anything was changed", "rotate-secret"]);
    assert!(!secrets.exists());
    assert!(shell.well(&apply).contains("as the file says"));
    let rotated = shell.json(&["clients", "rotate-secret", "lost", "--overlap", "60"]);
    assert_eq!(rotated["client_secret"].as_str().unwrap().len(), 43);
}

/// A way to a server on which the first answer to such a request is lost; where it is.
fn lossy(base: &str, lost: &'static str) -> String {
    let (listener, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), base.trim_start_matches("http://").to_owned());
    let here = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut once = false;
        for client in listener.incoming().map_while(Result::ok) {
            let mut client = BufReader::new(client);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && client.read_line(&mut head).is_ok_and(|read| read > 0) {}
            for line in head.to_lowercase().lines() {
                length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).unwrap();
            let mut there = TcpStream::connect(&server).unwrap();
            let asked = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            there.write_all(&[asked.as_bytes(), &body].concat()).unwrap();
            let mut answer = Vec::new();
            there.read_to_end(&mut answer).unwrap();
            if once || !head.starts_with(lost) {
                client.get_mut().write_all(&answer).unwrap();
            } else {
                once = true;
            }
        }
    });
    here
}

#[actix_web::test]
async fn nothing_of_a_sign_in_goes_where_it_should_not() {
    let shell = Shell::new().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("http://{}", elsewhere.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = elsewhere.accept().unwrap();
        let mut head = [0; 4096];
        assert!(client.read(&mut head).unwrap() > 0);
        let body = "{\"error\": {\"message\": \"\\u001b[2J\\u202ehi\"}}";
        let answer = format!(
            "HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        client.write_all(answer.as_bytes()).unwrap();
    });
    let mut login = shell.login();
    login[1] = &there;
    shell.fails(&login, &["the server answers 307", "\u{fffd}[2J\u{fffd}hi"]);
    for wrong in ["127.0.0.1:1", "http://user:secret@127.0.0.1:1", "http://127.0.0.1:1/path", "ftp://127.0.0.1"] {
        login[1] = wrong;
        shell.fails(&login, &["must be https"]);
    }
    login[1] = "http://id.example.com";
    shell.fails(&login, &["is not encrypted"]);
    shell.well(&shell.login());
    let kept = shell.database.file("session.json");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o644)).unwrap();
    shell.fails(&["roles", "list"], &["can be read by others"]);
}

/// Whoever administers by a role does not take it from itself.
#[actix_web::test]
async fn nobody_shuts_oneself_out() {
    let shell = Shell::with(&["--admin", EMAIL]).await;
    shell.well(&shell.login());
    let role = shell.json(&["roles", "create", "name=admins", "scope=admin:accounts"]);
    let id = shell.json(&["users", "list"])[0]["id"].as_str().unwrap().to_owned();
    let roles = format!("roles:=[{{\"id\": {}}}]", role["id"]);
    shell.well(&["users", "update", &id, "scope=", &roles]);
    shell.sign_in(OPERATOR).await;
    let file = shell.file("a.yaml", "roles: [{name: admins, scope: ['read:accounts']}]");
    shell.fails(&Shell::of("apply", file.to_str().unwrap(), &["--yes"]), &["roles[0]", "signed in with"]);
    let own = shell.made["test"]["client_id"].as_str().unwrap();
    shell.well(&shell.login());
    let narrower = format!("grants: [{{client_id: {own}, type: client_credentials, scope: []}}]");
    let narrower = shell.file("c.yaml", &narrower);
    shell.fails(&Shell::of("apply", narrower.to_str().unwrap(), &["--yes"]), &["grants[0]", "signed in with"]);
    shell.sign_in_again(OPERATOR);
    let file = shell.file("b.yaml", "roles: []");
    assert!(shell.well(&Shell::of("apply", file.to_str().unwrap(), &["--yes", "--prune"])).contains("as the file says"));
}

#[actix_web::test]
async fn a_file_that_cannot_be_is_refused_before_anything_is_done() {
    let shell = Shell::signed_in().await;
    let before = shell.well(&["pull"]);
    let own = shell.made["test"]["client_id"].as_str().unwrap();
    shell.well(&["clients", "create", "client_id=till", "name=Till"]);
    let with_till = shell.well(&["pull"]);
    let narrowed = format!("grants: [{{client_id: {own}, scope: ['read:accounts']}}]");
    for (text, reasons) in [
        ("roles: [{name: x, scope: [], colour: red}]", &["does not have roles[0].colour"] as &[&str]),
        ("settings: {company: {business_name: X, adress: {}}}", &["does not have settings.company.adress"]),
        ("roles: [{name: x, scope: ['a b', '']}]", &["roles[0].scope[0]"]),
        ("roles: [{name: x, scope: []}, {name: X, scope: []}]", &["roles[1]", "twice"]),
        ("roles: [{name: ' ', scope: []}]", &["roles[0].name"]),
        ("clients: [{client_id: 'a b'}]", &["clients[0].client_id"]),
        ("clients: [{client_id: a, callbacks: ['http://example.com']}]", &["clients[0].callbacks[0]"]),
        ("grants: [{client_id: nobody, scope: []}]", &["grants[0].client_id", "must be a client"]),
        ("grants: [{client_id: till, audience: nowhere, scope: []}]", &["grants[0].audience"]),
        ("grants: [{client_id: till, type: x, scope: []}]", &["is not valid", "line 1", "`x`"]),
        ("users: [{email: nobody}]", &["users[0].email"]),
        ("users: [{email: a@example.com, roles: [nothing]}]", &["users[0].roles[0]", "must be a role"]),
        ("{roles: [{name: '', scope: ['']}], users: [{email: ''}]}", &["roles[0].name", "users[0].email"]),
        ("roles: [{name: \"\\x1b[2J\", scope: ['a b']}]", &["roles[0].scope[0]"]),
        ("settings: {limits: {}}", &["does not have settings.limits"]),
        ("settings: {token_lifetime: 5}", &["settings.token_lifetime"]),
        ("settings: {language_code: NO}", &["settings.language_code"]),
        ("settings: {signing_algorithm: rs256}", &["rs256"]),
        ("{account: T11200000, roles: []}", &["account must be T00000000"]),
        (&narrowed, &["signed in with"]),
        ("roles:", &["is not valid", "must not be empty"]),
        ("# nothing", &["it says nothing"]),
        ("roles: [", &["is not valid"]),
    ] {
        let file = shell.file("wrong.yaml", text);
        for what in ["plan", "apply"] {
            shell.fails(&Shell::of(what, file.to_str().unwrap(), &["--prune"]), reasons);
        }
    }
    shell.fails(&Shell::of("plan", "nowhere.yaml", &[]), &["nowhere.yaml cannot be read"]);
    assert_eq!(shell.well(&["pull"]), with_till);
    shell.well(&["clients", "delete", "till", "--yes"]);
    assert_eq!(shell.well(&["pull"]), before);
}
