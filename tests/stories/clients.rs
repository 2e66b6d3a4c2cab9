//! Clients.

use serde_json::json;
use tenantry_tests::TestApp;

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
