//! Another master key: everything that was sealed or derived goes on, and the one before is needed no more.

use std::path::PathBuf;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Program, TestApp, TestDatabase, program, stderr};

use crate::backup::{alike, answers, refused};
use crate::installers::{Installers, license};
use crate::processes::token;
use crate::totp::{challenged, show, shown, world};
use crate::transfer::{SHOP, Site};

#[actix_web::test]
async fn everything_that_is_sealed_opens_under_another_master_key() {
    let app = TestApp::start().await;
    let (shop, client, setup, codes) = world(&app).await;
    let jane = Installers::of(&app).member("jane@example.com").await;
    assert_eq!(jane.post("verify-identity", license()).await.status, 202);
    let keys = json!({"auto_tokens": {"phone_number": [], "email": [{"type": "HMAC-SHA256", "secret": "0123456789abcdef"}]}});
    let desk = app.operator().await.enter("T11200000").await.client(&["admin:accounts", "admin:customers"]).await;
    desk.put("customers/settings", keys).await.ok();
    let (id, _) = shop.bare_client().await;
    let oidc = json!({"client_id": "us", "client_secret": "a secret of theirs", "authority": "https://id.example.org"});
    let audience = format!("https://id.example.com/v1/accounts/{}", shop.account);
    let grant =
        json!({"client_id": id, "audience": audience, "type": "authorization_code", "scope": ["user:customers"], "oidc": oidc});
    let oidc = desk.post("auth/client-grants", grant).await.ok();
    let unused =
        desk.post("auth/client-grants", json!({"client_id": id, "audience": "https://x.example", "scope": []})).await.ok();
    let before = json!(shop.events().await).as_array().unwrap().len();

    // Keys of four accounts, an app, a document, a key of tokens, a provider's secret, and that of derived values.
    let signing = app.database.column("SELECT CAST(count(*) AS text) FROM signing_key").await[0].parse::<u64>().unwrap();
    assert_eq!(app.rekey().await, signing + 5);
    app.pass(30);
    let mfa_token = challenged(&client).await;
    let token = show(&client, "mfa_otp", &shown(&setup, 30), &mfa_token).await.ok();
    client.person(&token).get("auth/roles").await.ok();
    let decider = app.production_operator().await.client(&["admin:installers"]).await;
    let list = decider.get("management/installers?verification_status=under_review").await.ok();
    assert_eq!(list[0]["document"]["document_number"], "**********8901");
    jane.get("profile").await.ok();
    let customer = json!({"customer_id": "c-1", "email": "ola@example.com"});
    desk.post("customers/users", customer).await.ok();
    // What was changed then is written from what was read anew, not from what was known before.
    let path = |grant: &Value| format!("auth/client-grants/{}", grant["id"].as_str().unwrap());
    desk.patch(&path(&oidc), json!({"scope": []})).await.ok();
    desk.delete(&path(&unused)).await.ok();
    let events = shop.events().await;
    assert_eq!(events.iter().filter(|event| event["type"] == "account.rewrapped").count(), 1);
    assert!(events.len() >= before + 4);
    // What was derived is what it was.
    let again = challenged(&client).await;
    show(&client, "mfa_recovery_code", &codes[0], &again).await.ok();
}

/// A shop, its program, and a second master key.
struct Rekeyed {
    site: Site,
    old: PathBuf,
    new: PathBuf,
}

impl Rekeyed {
    fn with(&self, arguments: &[&str], key: &PathBuf, others: &[&PathBuf]) -> Command {
        let mut command = program(&self.site.database, arguments);
        command.env("TENANTRY_MASTER_KEY_FILE", key);
        if !others.is_empty() {
            command.env("TENANTRY_OTHER_MASTER_KEY_FILES", format!("{others:?}"));
        }
        command
    }
}

#[actix_web::test]
async fn an_operator_changes_the_master_key_while_the_database_is_in_use() {
    let mut site = Site::with_shop().await;
    let bearer = site.shop["token"].as_str().unwrap().to_owned();
    let (old, new) = (site.database.file("master.key"), site.database.file("next.key"));
    let made = program(&site.database, &["keys", "new", new.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    refused(&program(&site.database, &["keys", "new", new.to_str().unwrap()]).output().unwrap(), "File exists");
    site.stop();
    let mut here = Rekeyed { site, old: old.clone(), new: new.clone() };
    let ask = |here: &Rekeyed, arguments: &[&str], key, others: &[&PathBuf]| {
        let done = here.with(arguments, key, others).output().unwrap();
        (String::from_utf8(done.stdout.clone()).unwrap(), done)
    };
    let (status, _) = ask(&here, &["keys", "status"], &old, &[]);
    let first = status.trim().strip_prefix("seals ").unwrap().trim().to_owned();
    assert!(first.len() == 16 && !status.contains("needed"), "{status}");
    refused(&ask(&here, &["serve"], &new, &[]).1, &first);

    // First every process opens both, and seals under the one before; then under the new one.
    here.site.server = Some(Program::start(here.with(&["serve"], &old, &[&new])));
    let before = answers(here.site.server(), &bearer, SHOP).await;
    here.site.stop();
    here.site.server = Some(Program::start(here.with(&["serve"], &new, &[&old])));
    let (status, _) = ask(&here, &["keys", "status"], &new, &[&old]);
    assert!(status.lines().count() == 2 && status.contains(&format!("needed  {first}")), "{status}");
    refused(&ask(&here, &["keys", "status"], &old, &[&here.site.database.file("none.key")]).1, "none.key");
    if !TestDatabase::is_postgres() {
        refused(
            &ask(&here, &["keys", "rewrap"], &new, &[&old]).1,
            "another tenantry serves this database already: stop it first",
        );
        here.site.stop();
    }
    let (told, done) = ask(&here, &["keys", "rewrap"], &new, &[&old]);
    assert!(told.contains(" secrets were sealed anew; all are sealed under "), "{told}{}", stderr(&done));
    assert!(!told.starts_with("0 "), "{told}");
    let (told, _) = ask(&here, &["keys", "rewrap"], &new, &[&old]);
    assert!(told.starts_with("0 "), "{told}");
    if here.site.server.is_some() {
        // Whoever served meanwhile writes what is sealed anew, not what it knew.
        let kept = json!({"auto_tokens": {"phone_number": [], "email": [{"type": "HMAC-SHA256"}]}});
        let path = format!("/v1/accounts/{SHOP}/customers/settings");
        assert_eq!(crate::backup::ask(here.site.server(), &bearer, Method::PUT, &path, kept).await.0, 200);
        here.site.stop();
    }
    // The one before is gone for good.
    std::fs::remove_file(&here.old).unwrap();
    here.site.server = Some(Program::start(here.with(&["serve"], &here.new, &[])));
    let mut after = answers(here.site.server(), &bearer, SHOP).await;
    let log = format!("/v1/accounts/{SHOP}/management/events");
    assert!(after[&log].1.starts_with(before[&log].1.trim_end_matches(']').get(..400).unwrap()));
    // And the settings say when they were last changed.
    for other in [log, format!("/v1/accounts/{SHOP}/management/settings")] {
        after.insert(other.clone(), before[&other].clone());
    }
    alike(&after, &before);
    assert!(token(here.site.server(), &here.site.shop).await.is_ok());
    let customer = json!({"customer_id": "new", "email": "new@example.com"});
    let path = format!("/v1/accounts/{SHOP}/customers/users");
    assert_eq!(crate::backup::ask(here.site.server(), &bearer, Method::POST, &path, customer).await.0, 200);
}
