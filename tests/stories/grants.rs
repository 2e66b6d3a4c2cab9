//! Client grants.

use serde_json::json;
use tenantry_tests::{PUBLIC, TestApp};

#[actix_web::test]
async fn a_grant_lives_its_life() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, _) = partner.bare_client().await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let with_user = "https://T112@id.example.com/v1/accounts/T112";
    let created = partner
        .post("auth/client-grants", json!({"client_id": id, "audience": with_user, "scope": ["read:accounts"]}))
        .await
        .ok();
    assert_eq!((created["audience"].as_str(), created["type"].as_str()), (Some(&*audience), Some("any")));
    let listed = partner.get(&format!("auth/client-grants?client_id={id}&audience={audience}")).await.ok();
    assert_eq!(listed, json!([created]));
    let path = format!("auth/client-grants/{}", created["id"].as_str().unwrap());
    assert_eq!(partner.patch(&path, json!({"scope": ["write:accounts"]})).await.ok()["scope"], json!(["write:accounts"]));
    assert!(partner.delete(&path).await.ok()["deleted_at"].is_string());
    partner.delete(&path).await.refused(404, "not_found");
    partner.patch(&path, json!({"scope": []})).await.refused(404, "not_found");
    partner.post("auth/client-grants", json!({"client_id": id, "audience": audience, "scope": []})).await.ok();
}

#[actix_web::test]
async fn there_is_one_grant_for_each_client_audience_and_type() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = |kind: &str, scope: &str| json!({"client_id": id, "audience": audience, "scope": [scope], "type": kind});
    partner.post("auth/client-grants", body("any", "read:accounts")).await.ok();
    partner.post("auth/client-grants", body("any", "write:accounts")).await.refused(400, "duplicate");
    partner.post("auth/client-grants", body("password", "write:accounts")).await.ok();
    // The one of just the right type decides.
    partner.post("auth/client-grants", body("client_credentials", "write:accounts")).await.ok();
    let holder = app.login("T11200000", &id, &secret).await;
    holder.get("auth/roles").await.refused(403, "insufficient_scope");
    holder.post("auth/roles", json!({"scope": []})).await.ok();
}

#[actix_web::test]
async fn a_grant_of_another_type_gives_no_client_token() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"client_id": id, "audience": audience, "scope": ["read:accounts"], "type": "password"});
    partner.post("auth/client-grants", body).await.ok();
    app.token("T112", &id, &secret, &audience).await.refused(403, "grant_missing");
}

#[actix_web::test]
async fn bad_grants_are_refused_by_name() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, _) = partner.bare_client().await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = |change: serde_json::Value| {
        let mut body = json!({"client_id": id, "audience": audience, "scope": ["read:accounts"]});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    for (change, field) in [
        (json!({"client_id": null}), "client_id"),
        (json!({"client_id": "a b"}), "client_id"),
        (json!({"audience": "nonsense"}), "audience"),
        (json!({"audience": format!("{PUBLIC}/v1/accounts/T11300000")}), "audience"),
        (json!({"audience": format!("{PUBLIC}/elsewhere")}), "audience"),
        (json!({"scope": [""]}), "scope[0]"),
        (json!({"type": "implicit"}), "type"),
        (json!({"oidc": {"client_id": "c", "client_secret": "s", "authority": "https://idp.example"}}), "oidc"),
        (
            json!({"type": "authorization_code", "oidc": {"client_id": "c", "authority": "https://idp.example"}}),
            "oidc.client_secret",
        ),
        (
            json!({"type": "authorization_code", "oidc": {"client_id": "c", "client_secret": "s", "authority": "http://idp.example"}}),
            "oidc.authority",
        ),
    ] {
        partner.post("auth/client-grants", body(change)).await.names(field);
    }
    partner.post("auth/client-grants", body(json!({"client_id": "nobody"}))).await.refused(404, "not_found");
    partner.post("auth/client-grants", body(json!({"scope": ["admin:customers"]}))).await.refused(403, "scope_not_delegable");
    partner.get("auth/client-grants?audience=nonsense").await.names("audience");
}

#[actix_web::test]
async fn a_providers_secret_is_taken_and_never_answered() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, _) = partner.bare_client().await;
    let oidc = json!({"client_id": "ours", "client_secret": "very-secret-indeed", "authority": "https://idp.example/realm"});
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"client_id": id, "audience": audience, "scope": [], "type": "authorization_code", "oidc": oidc});
    let created = partner.post("auth/client-grants", body).await;
    assert_eq!(created.ok()["oidc"], json!({"client_id": "ours", "authority": "https://idp.example/realm"}));
    for answer in [created, partner.get("auth/client-grants").await, partner.get("management/events?limit=100").await] {
        assert!(!answer.text.contains("very-secret-indeed"));
    }
}
