//! What the doctor finds, with the real database, mail server and gateway.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use tenantry_tests::{TestDatabase, bootstrap, http, program, stderr};

use crate::delivery::MailServer;

/// What it says: `how` of each thing, and all of it. And whether it ended well.
fn doctor(mut command: Command) -> (impl Fn(&str) -> String, String, bool) {
    let done = command.output().unwrap();
    let text = String::from_utf8(done.stdout.clone()).unwrap();
    let found: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {}", stderr(&done)));
    let how = move |what: &str| {
        let worst = |how: &&str| ["ok", "warning", "failure"].iter().position(|known| known == how);
        let all = found.iter().filter(|finding| finding["what"] == what).map(|finding| finding["how"].as_str().unwrap());
        all.max_by_key(worst).unwrap_or("nothing").to_owned()
    };
    (how, text, done.status.success())
}

#[actix_web::test]
async fn the_doctor_finds_what_is_well_and_what_is_not() {
    let database = TestDatabase::create().await;
    let examine = |settings: &[(&str, &str)]| {
        let mut command = program(&database, &["doctor", "--json"]);
        command.envs(settings.iter().copied());
        doctor(command)
    };
    // Before the first start.
    let (how, _, well) = examine(&[]);
    assert_eq!((how("master key"), well), ("failure".to_owned(), false));
    assert!(examine(&[]).1.contains("can be read by everybody: chmod 700"));
    std::fs::set_permissions(database.directory(), std::fs::Permissions::from_mode(0o700)).unwrap();
    bootstrap(&database);

    let mail = MailServer::start(0);
    let gateway = HttpServer::new(|| {
        let account = |request: HttpRequest| async move {
            // ACtest:right
            let known = request.headers().get("authorization").is_some_and(|said| said == "Basic QUN0ZXN0OnJpZ2h0");
            if known { HttpResponse::Ok().finish() } else { HttpResponse::Unauthorized().finish() }
        };
        App::new().route("/2010-04-01/Accounts/ACtest.json", web::get().to(account))
    });
    let gateway = gateway.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let sms = format!("http://{}", gateway.addrs()[0]);
    actix_web::rt::spawn(gateway.run());
    // Its threads are begun at the first poll; the commands below keep this one.
    while http().get(&sms).send().await.is_err() {}
    let key = database.file("kept.key");
    std::fs::copy(database.file("master.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let backups = database.file("backups");
    let settings = [
        ("TENANTRY_SMTP_URL", mail.url.as_str()),
        ("TENANTRY_SMS_URL", &sms),
        ("TENANTRY_SMS_ACCOUNT", "ACtest"),
        ("TENANTRY_SMS_TOKEN", "right"),
        ("TENANTRY_SMS_FROM", "Tenantry"),
        ("TENANTRY_MASTER_KEY_FILE", key.to_str().unwrap()),
        ("TENANTRY_BACKUP_DIR", backups.to_str().unwrap()),
        ("TENANTRY_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut settings = settings.to_vec();
        settings.retain(|(known, _)| *known != name);
        settings.push((name, value));
        settings
    };
    let (how, told, well) = examine(&settings);
    for what in ["settings", "public_url", "data_dir", "master key", "database", "schema", "mail", "sms"] {
        assert_eq!(how(what), "ok", "{what}: {told}");
    }
    assert_eq!((how("backups"), well), ("warning".to_owned(), true), "{told}");
    assert!(told.contains("there is none in"), "{told}");
    let mut backup = program(&database, &["backup"]);
    backup.env("TENANTRY_BACKUP_DIR", &backups);
    assert!(backup.status().unwrap().success());
    assert_eq!(examine(&settings).0("backups"), "ok");

    for (name, value, what, expected, reason) in [
        ("TENANTRY_SMTP_URL", "smtp://127.0.0.1:1", "mail", "failure", "cannot be reached"),
        ("TENANTRY_SMS_TOKEN", "wrong", "sms", "failure", "does not take sms_account and sms_token"),
        ("TENANTRY_SMS_URL", "http://127.0.0.1:1", "sms", "failure", "cannot be reached"),
        ("TENANTRY_PUBLIC_URL", "http://id.example.com", "public_url", "failure", "is not https"),
        ("TENANTRY_PUBLIC_URL", "http://localhost:8080", "public_url", "warning", "from this machine only"),
        ("TENANTRY_MASTER_KEY_FILE", "/nowhere", "master key", "failure", "there is no master key at /nowhere"),
        ("TENANTRY_TRUSTED_PROXIES", "[]", "trusted_proxies", "warning", "one address"),
        ("TENANTRY_LIMITS_ENABLED", "false", "limits_enabled", "warning", "false"),
    ] {
        let (how, told, well) = examine(&with(name, value));
        assert_eq!((how(what).as_str(), well), (expected, expected == "warning"), "{name}={value}: {told}");
        assert!(told.contains(reason), "{name}={value}: {told}");
        assert!(!told.contains("right"), "no secret is told: {told}");
    }
    std::fs::write(database.file("other.key"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let other = database.file("other.key").to_str().unwrap().to_owned().leak() as &str;
    assert!(examine(&with("TENANTRY_MASTER_KEY_FILE", other)).1.contains("is not the one that this database was made with"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(examine(&settings).1.contains("can be read by everybody: chmod 600"));

    assert!(program(&database, &["migrate", "down", "--yes"]).status().unwrap().success());
    let (how, told, _) = examine(&settings);
    assert_eq!(how("schema"), "failure");
    assert!(told.contains("run `tenantry migrate up`"), "{told}");
    let mut elsewhere = program(&database, &["doctor"]);
    elsewhere.env("TENANTRY_DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none");
    let done = elsewhere.output().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(told.contains("FAILURE  database: the PostgreSQL database cannot be reached"), "{told}");
    assert!(!told.contains("secret") && stderr_last(&done.stderr).contains("have to be mended"), "{told}");
}

fn stderr_last(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().last().unwrap_or_default().to_owned()
}
