//! Every example of the source document of the installer API, run as it is written there with the real curl: only the host, the
//! installer's token and the token of a mail are replaced.

use std::process::{Command, Output};

use serde_json::Value;
use tenantry_tests::TestApp;

/// Each a command, the status that is shown, and the body.
const EXAMPLES: &str = include_str!("installer_examples.txt");
const HOST: &str = "https://api.dynamo-csms.com";

struct Example {
    command: String,
    status: String,
    body: Value,
}

fn examples() -> Vec<Example> {
    let read = |text: &str| {
        let (command, rest) = text.split_once("\n# ").unwrap();
        let (status, body) = rest.split_once('\n').unwrap();
        let body = serde_json::from_str(body).unwrap_or_default();
        Example { command: format!("curl {command}"), status: status.to_owned(), body }
    };
    EXAMPLES.split("curl ").filter(|text| !text.is_empty()).map(read).collect()
}

/// Whether two values have the same members, of the same kinds; where the one that is shown is null, anything may stand.
fn alike(shown: &Value, told: &Value) -> bool {
    match (shown, told) {
        (Value::Object(shown), Value::Object(told)) => {
            shown.len() == told.len() && shown.iter().all(|(name, value)| told.get(name).is_some_and(|told| alike(value, told)))
        }
        (Value::Null, _) => true,
        _ => std::mem::discriminant(shown) == std::mem::discriminant(told),
    }
}

/// The token in the one mail that was put out since somebody last asked.
async fn token_of_mail(app: &TestApp, word: &str) -> String {
    let messages = app.messages().await;
    let texts: Vec<&str> = messages.iter().filter_map(|message| message["text"].as_str()).collect();
    let token = texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    token.into_iter().find(|token| token.starts_with(word)).expect("a token").to_owned()
}

async fn run(app: &TestApp, example: &Example, token: &str, mailed: &str) -> Value {
    let command = example.command.replace(HOST, &format!("http://{}", app.address()));
    let command = command.replace("INSTALLER_ACCESS_TOKEN", token).replace("rst_4f8a2b1c9d3e7f0a", mailed);
    let command = command.replacen("curl ", "curl --silent --show-error --write-out '\n%{http_code}' ", 1);
    let run = actix_web::rt::task::spawn_blocking(move || Command::new("sh").arg("-c").arg(command).output());
    let Output { stdout, stderr, .. } = run.await.unwrap().expect("a shell and curl");
    let told = String::from_utf8(stdout).unwrap();
    let (body, status) = told.rsplit_once('\n').unwrap_or_default();
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let label = format!("{}\n{status} {body}\n{}", example.command, String::from_utf8_lossy(&stderr));
    assert_eq!(status, example.status, "{label}");
    assert!(alike(&example.body, &told), "{label}");
    told
}

#[actix_web::test]
async fn every_example_of_the_source_document_is_answered_as_it_is_shown() {
    let examples = examples();
    let of = |end: &str, method: &str| {
        let found = examples.iter().find(|example| {
            let (first, _) = example.command.split_once('\n').unwrap_or((&example.command, ""));
            let gets = !first.contains("-X");
            first.trim_end_matches([' ', '\\']).ends_with(end) && if method == "GET" { gets } else { first.contains(method) }
        });
        found.unwrap_or_else(|| panic!("there is no example of {method} {end}"))
    };
    let app = TestApp::start().await;
    run(&app, of("/signup", "POST"), "", "").await;
    let login = run(&app, of("/login", "POST"), "", "").await;
    let token = login["access_token"].as_str().unwrap();
    assert!(token.starts_with("eyJ"));
    assert_eq!(login["expires_in"], 3600);
    run(&app, of("/accept-terms", "POST"), token, "").await;
    run(&app, of("/verify-identity", "POST"), token, "").await;
    let status = run(&app, of("/verification-status", "GET"), token, "").await;
    assert_eq!(status, {
        let mut shown = of("/verification-status", "GET").body.clone();
        shown["installer_id"] = status["installer_id"].clone();
        shown["verification_submitted_at"] = status["verification_submitted_at"].clone();
        shown
    });
    run(&app, of("/profile", "PUT"), token, "").await;
    let profile = run(&app, of("/profile", "GET"), token, "").await;
    assert_eq!((&profile["phone"], &profile["company"]), (&"+1-555-0199".into(), &"Acme EV Services Ltd.".into()));
    run(&app, of("/logout", "POST"), token, "").await;
    run(&app, of("/forgot-password", "POST"), "", "").await;
    let mailed = token_of_mail(&app, "rst_").await;
    run(&app, of("/reset-password", "POST"), "", &mailed).await;
    // The same address signs up in two ways: elsewhere.
    let app = TestApp::start().await;
    run(&app, of("/signup-with-confirmation", "POST"), "", "").await;
    assert_eq!(examples.len(), 11, "one for each operation");
}
