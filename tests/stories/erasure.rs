//! Who is erased is in no table, index, event, outbox or log: looked for in the very bytes of the database.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program};

use crate::processes::token;

#[actix_web::test]
async fn nothing_is_left_of_an_erased_customer() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database);
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_LOG", "trace");
    let mut server = Program::start(command);
    let operator = token(&server, &made["test"]).await.expect("a token");
    let base = server.base.clone();
    let ask = async |method: Method, path: &str, bearer: &str, body: Value| -> Value {
        // A person's own program is the person's, also where it logs in; that of a client is not.
        let own = bearer.strip_prefix("person ");
        let agent = if own.is_some() || path.ends_with("/login") { "canary-agent" } else { "a client" };
        let bearer = own.unwrap_or(bearer);
        let request = http().request(method, format!("{base}/v1/accounts/T00000000/{path}")).bearer_auth(bearer);
        let request = request.header("user-agent", agent).header("idempotency-key", "canary-key");
        let answer = request.json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    };
    let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
    let audience = made["test"]["audience"].as_str().unwrap();
    let client = ask(post.clone(), "auth/clients", &operator, json!({})).await;
    for (kind, scope) in [
        ("client_credentials", json!(["admin:customers", "write:accounts:/auth/users", "write:accounts:/auth/passwordless"])),
        ("password", json!(["user:customers"])),
    ] {
        let grant = json!({"client_id": client["client_id"], "audience": audience, "type": kind, "scope": scope});
        ask(post.clone(), "auth/client-grants", &operator, grant).await;
    }
    let credentials = json!({"account_id": "T00000000", "client_id": client["client_id"], "client_secret": client["client_secret"], "audience": audience});
    let desk = token(&server, &credentials).await.expect("a token");
    let auto = json!({"email": [{"type": "SHA256"}], "phone_number": [{"type": "HMAC-SHA256", "secret": "key"}]});
    let attributes = json!([{"name": "pet", "type": "string"}]);
    let users = json!({"verifications": {"phone_number": "sms"}});
    ask(put.clone(), "customers/settings", &desk, json!({"auto_tokens": auto, "attributes": attributes, "users": users})).await;
    let body = json!({
        "customer_id": "c-1", "type": "company", "email": "canary@example.com", "phone_number": "+4715161718", "first_name": "Canary",
        "last_name": "Canarysen", "password": "canary horse battery", "pin": "482917", "gender": "canary", "status": "canary",
        "favorite_store": "canary", "date_of_birth": "1991-12-13", "metadata": {"canary": "canary"}, "attributes": {"pet": "canary"},
        "enrolled_by": {"value": "canary"}, "company": {"bussiness_name": "Canary AS"},
        "addresses": [{"address_line": "Canary 1", "postal_place": "Canary", "country": "NO"}],
    });
    ask(post.clone(), "customers/users", &desk, body).await;
    ask(put.clone(), "customers/users/c-1", &desk, json!({"email": "canary2@example.com", "phone_number": "+4719202122"})).await;
    ask(
        post.clone(),
        "customers/users/c-1/tokens",
        &desk,
        json!({"type": "card", "value": "kept-value", "token_id": "canary-id", "metadata": {"canary": 1}}),
    )
    .await;
    let event = json!({"token": {"type": "card", "value": "kept-value"}, "event": {"event": "seen", "metadata": {"canary": 1}}});
    ask(post.clone(), "customers/tokens/events", &desk, event).await;
    ask(post.clone(), "customers/users/c-1/communication/send-verification-code/phone_number", &desk, json!({})).await;
    let link = json!({"audience": audience, "email": "canary2@example.com", "type": "company"});
    ask(post.clone(), "customers/change_password", &desk, link).await;
    let login =
        json!({"audience": audience, "email": "canary2@example.com", "type": "company", "password": "canary horse battery"});
    let person = ask(post.clone(), "customers/login", &desk, login).await["access_token"].as_str().unwrap().to_owned();
    ask(put.clone(), "customers/users/c-1", &format!("person {person}"), json!({"first_name": "Canary again"})).await;
    // Renamed: also what it was called before is its own.
    ask(post.clone(), "customers/users/c-1/change_customer_id", &desk, json!({"customer_id": "c-2"})).await;
    let told = ask(delete.clone(), "customers/users/c-2", &desk, json!({})).await;
    assert!(told["email"].is_null() && told["customer_id"] == "c-2", "{told}");
    server.signal("TERM");
    assert!(server.ended_well());

    let hash = {
        use sha2::Digest;
        sha2::Sha256::digest(b"canary2@example.com").iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    let mut places: Vec<(String, Vec<u8>)> = vec![("log".to_owned(), server.log().into_bytes())];
    if TestDatabase::is_postgres() {
        places.extend(database.rows_of("T00000000").await.into_iter().map(|(table, rows)| (table, rows.into_bytes())));
    } else {
        for name in ["tenantry.db", "tenantry.db-wal", "tenantry.db-shm"] {
            places.push((name.to_owned(), std::fs::read(database.file(name)).unwrap_or_default()));
        }
    }
    let mut seen = false;
    for (place, bytes) in &places {
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
        seen |= holds("kept-value");
        for secret in ["canary", "15161718", "19202122", "1991-12-13", &hash] {
            assert!(!holds(secret), "{secret} is in {place}: {}", context(bytes, secret));
        }
    }
    assert!(seen, "what is to be kept was looked for, too");
}

/// What stands around a finding.
fn context(bytes: &[u8], text: &str) -> String {
    let at = bytes.windows(text.len()).position(|part| part.eq_ignore_ascii_case(text.as_bytes())).unwrap_or_default();
    String::from_utf8_lossy(&bytes[at.saturating_sub(300)..bytes.len().min(at + 200)]).into_owned()
}
