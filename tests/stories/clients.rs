//! Clients.

use serde_json::{Value, json};
use tenantry_tests::{Answer, TestApp};

#[actix_web::test]
async fn a_client_lives_its_life() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let body = json!({"name": "shop", "description": "d", "client_id": "web-shop.1", "callbacks": ["https://shop.example/back"]});
    let created = partner.post("auth/clients", body).await.ok();
    assert_eq!(created["client_id"], "web-shop.1");
    let secret = created["client_secret"].as_str().unwrap();
    assert!(secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let by_id = partner.get(&format!("auth/clients/{}", created["id"].as_str().unwrap())).await.ok();
    let by_name = partner.get("auth/clients/web-shop.1").await.ok();
    assert_eq!(by_id, by_name);
    assert!(by_id["client_secret"].is_null(), "a secret is shown once");
    let listed = partner.get("auth/clients").await;
    assert!(!listed.text.contains("client_secret") && !listed.text.contains(secret));
    let deleted = partner.delete("auth/clients/web-shop.1").await.ok();
    assert!(deleted["deleted_at"].is_string() && deleted["client_secret"].is_null());
    partner.get("auth/clients/web-shop.1").await.refused(404, "not_found");
    partner.delete("auth/clients/web-shop.1").await.refused(404, "not_found");
    partner.post_empty("auth/clients/web-shop.1/rotate-secret").await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_client_is_changed_but_for_its_id_and_secret() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let made = partner.post("auth/clients", json!({"name": "shop", "client_id": "web-shop", "callbacks": []})).await.ok();
    let secret = made["client_secret"].as_str().unwrap();
    partner.grant("web-shop", &["read:accounts"]).await;
    let body = json!({"description": "d", "client_id": "another", "callbacks": ["https://shop.example/back"]});
    let changed = partner.put("auth/clients/web-shop", body).await.ok();
    assert_eq!(partner.get("auth/clients/web-shop").await.ok()["callbacks"], json!(["https://shop.example/back"]));
    assert_eq!((&changed["id"], &changed["client_id"]), (&made["id"], &json!("web-shop")));
    assert!(changed["name"].is_null() && changed["description"] == "d" && changed["client_secret"].is_null(), "{changed}");
    assert!(works(&app, "web-shop", secret).await);
    let told = partner.events().await;
    let told = told.iter().find(|event| event["type"] == "client.updated").unwrap();
    assert_eq!((&told["before"]["name"], &told["after"]["description"]), (&json!("shop"), &json!("d")));

    partner
        .put("auth/clients/web-shop", json!({"callbacks": ["http://shop.example"]}))
        .await
        .refused(400, "invalid_request")
        .names("callbacks[0]");
    partner.put("auth/clients/nobody", json!({})).await.refused(404, "not_found");
    // Whoever says where people are sent gets their tokens: not those of a client that may do more.
    let narrow = partner.client(&["write:accounts"]).await;
    narrow.put("auth/clients/web-shop", json!({"callbacks": ["https://evil.example"]})).await.refused(403, "scope_not_delegable");
}

#[actix_web::test]
async fn a_rotated_secret_ends_the_old_one_at_once() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, old) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    let rotated = partner.post_empty(&format!("auth/clients/{id}/rotate-secret")).await.ok();
    let audience = "https://id.example.com/v1/accounts/T11200000";
    app.token("T112", &id, &old, audience).await.refused(401, "invalid_client");
    app.token("T112", &id, rotated["client_secret"].as_str().unwrap(), audience).await.ok();
}

/// Whether a secret of `client` in T11200000 gets a token.
async fn works(app: &TestApp, client: &str, secret: &str) -> bool {
    app.token("T11200000", client, secret, "https://id.example.com/v1/accounts/T11200000").await.status == 200
}

fn secret(answer: &Answer) -> String {
    answer.ok()["client_secret"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn with_an_overlap_both_secrets_work_until_the_old_one_ends() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, first) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    let old_secret = format!("auth/clients/{id}/old-secret");
    let rotate = async |query: &str| partner.post_empty(&format!("auth/clients/{id}/rotate-secret{query}")).await;
    partner.get(&old_secret).await.refused(404, "not_found");

    let second = secret(&rotate("?overlap=600").await);
    let seen = partner.get(&old_secret).await.ok();
    assert_eq!(seen, json!({"expires_at": "2026-01-01T00:10:00.000000Z"}));
    app.pass(599);
    assert!(works(&app, &id, &first).await && works(&app, &id, &second).await);
    assert_eq!(partner.get(&old_secret).await.ok()["last_used_at"], "2026-01-01T00:09:59.000000Z");
    assert_eq!(partner.get(&format!("auth/clients/{id}")).await.ok()["last_used_at"], "2026-01-01T00:09:59.000000Z");
    app.pass(1);
    assert!(!works(&app, &id, &first).await && works(&app, &id, &second).await);
    partner.get(&old_secret).await.refused(404, "not_found");
    partner.delete(&old_secret).await.refused(404, "not_found");

    // Never three: what was old before ends when another becomes old.
    let third = secret(&rotate("?overlap=600").await);
    let fourth = secret(&rotate("?overlap=86400").await);
    assert!(!works(&app, &id, &second).await && works(&app, &id, &third).await && works(&app, &id, &fourth).await);
    // Ended before its time; and without an overlap at once.
    let ended = partner.delete(&old_secret).await.ok();
    assert!(ended["last_used_at"].is_string() && ended["expires_at"].is_string(), "{ended}");
    assert!(!works(&app, &id, &third).await && works(&app, &id, &fourth).await);
    let fifth = secret(&rotate("").await);
    assert!(!works(&app, &id, &fourth).await && works(&app, &id, &fifth).await);
    partner.get(&old_secret).await.refused(404, "not_found");

    for bad in ["-1", "86401", "x", "", "1.5", "9999999999999999999999"] {
        rotate(&format!("?overlap={bad}")).await.names("overlap");
    }
    // A misspelt overlap would end the old secret at once.
    let misspelt = rotate("?overlapp=60").await;
    assert!(misspelt.refused(400, "invalid_request").text.contains("overlapp"), "{}", misspelt.text);
    assert!(works(&app, &id, &fifth).await);
    let kinds: Vec<Value> = partner.events().await.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "client.secret_rotated").count(), 4);
    assert_eq!(kinds.iter().filter(|kind| *kind == "client.old_secret_deleted").count(), 1);
}

/// The moment is kept over a restart; a failed attempt is no use.
#[actix_web::test]
async fn the_last_use_of_a_secret_is_written_down() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, first) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    let client = format!("auth/clients/{id}");
    assert!(!works(&app, &id, "wrong").await);
    assert_eq!(partner.get(&client).await.ok()["last_used_at"], Value::Null);
    let second = secret(&partner.post_empty(&format!("{client}/rotate-secret?overlap=600")).await);
    app.pass(5);
    works(&app, &id, &first).await;
    app.pass(5);
    works(&app, &id, &second).await;
    app.store_uses().await;
    app.pass(100);
    while app.registry.awake() > 0 {
        app.registry.forget_idle(60); // the partner first, and once its actor has stopped the operator above it
        tokio::task::yield_now().await;
    }
    assert_eq!(partner.get(&client).await.ok()["last_used_at"], "2026-01-01T00:00:10.000000Z");
    assert_eq!(partner.get(&format!("{client}/old-secret")).await.ok()["last_used_at"], "2026-01-01T00:00:05.000000Z");
}

/// CVE-2026-27803 and its kin: whoever learns a client's secret can do what the client can.
#[actix_web::test]
async fn nobody_takes_over_a_client_that_may_do_more() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (strong, _) = partner.bare_client().await;
    partner.grant(&strong, &["admin:accounts"]).await;
    let (weak, _) = partner.bare_client().await;
    partner.grant(&weak, &["write:accounts:/auth/users"]).await;
    let writer = partner.client(&["write:accounts"]).await;
    writer.post_empty(&format!("auth/clients/{strong}/rotate-secret")).await.refused(403, "scope_not_delegable");
    writer.post_empty(&format!("auth/clients/{weak}/rotate-secret")).await.ok();
    partner.post_empty(&format!("auth/clients/{strong}/rotate-secret")).await.ok();
}

#[actix_web::test]
async fn deleting_a_client_ends_its_grants() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, _) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    partner.delete(&format!("auth/clients/{id}")).await.ok();
    assert_eq!(partner.get(&format!("auth/client-grants?client_id={id}")).await.ok(), json!([]));
}

#[actix_web::test]
async fn bad_clients_are_refused_by_name() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    partner.post("auth/clients", json!({"client_id": "taken"})).await.ok();
    partner.post("auth/clients", json!({"client_id": "taken"})).await.refused(400, "duplicate");
    for (body, field) in [
        (json!({"client_id": ""}), "client_id"),
        (json!({"client_id": "a:b"}), "client_id"),
        (json!({"client_id": "a%41"}), "client_id"),
        (json!({"client_id": "x".repeat(129)}), "client_id"),
        (json!({"callbacks": "https://x.example"}), "callbacks"),
        (json!({"callbacks": ["https://ok.example", "http://shop.example"]}), "callbacks[1]"),
        (json!({"callbacks": ["https://a@b.example"]}), "callbacks[0]"),
        (json!({"name": []}), "name"),
    ] {
        partner.post("auth/clients", body).await.names(field);
    }
}
