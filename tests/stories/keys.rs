//! Signing keys and their rotation.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tenantry_tests::{PUBLIC, Tenant, TestApp};

fn kid(token: &str) -> String {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The state of each key, the oldest first, and whether an end is known.
async fn states(tenant: &Tenant<'_>) -> Vec<(&'static str, bool)> {
    let keys = tenant.get("management/keys").await.ok();
    let state = |key: &Value| {
        let state = ["next", "signing", "retired"].into_iter().find(|state| key["state"] == *state).expect("a state");
        (state, key.get("honoured_until").is_some())
    };
    keys.as_array().unwrap().iter().map(state).collect()
}

#[actix_web::test]
async fn after_a_rotation_old_tokens_verify_and_new_ones_use_the_new_key_once_it_is_active() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["admin:accounts"]).await;
    let before = app.login("T112", &id, &secret).await;
    let before = app.holder("T11200000", &before.token);
    let rotated = before.post("auth/keys/rotate", json!({"activate_in": 60})).await.ok();
    let new = rotated["kid"].as_str().unwrap();
    assert_ne!(kid(&before.token), new);
    let published = app.get("/v1/accounts/T112/.well-known/jwks.json").await.ok();
    assert_eq!(published["keys"].as_array().unwrap().len(), 2, "the next key is published before it signs");
    assert_eq!(before.get("auth/keys").await.ok(), published["keys"]);
    assert_ne!(kid(&app.login("T112", &id, &secret).await.token), new, "not yet");
    assert_eq!(states(&before).await, [("signing", true), ("next", false)]);
    app.pass(60);
    assert_eq!(states(&before).await, [("retired", true), ("signing", false)]);
    let after = app.holder("T11200000", &app.login("T112", &id, &secret).await.token);
    assert_eq!(kid(&after.token), new);
    before.get("auth/roles").await.ok();
    after.get("auth/roles").await.ok();
    // A day and a minute later no token of the old key can live.
    app.pass(86_400 + 60);
    let later = app.get("/v1/accounts/T112/.well-known/jwks.json").await.ok();
    assert_eq!(later["keys"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_leaked_key_can_be_revoked_with_all_its_tokens() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let acting = partner.enter(&shop).await;
    let own = acting.client(&["read:accounts"]).await;
    acting.post("auth/keys/rotate", json!({"revoke_previous": true})).await.ok();
    own.get("auth/roles").await.refused(401, "unauthorized");
    acting.get("auth/roles").await.refused(401, "unauthorized");
    partner.enter(&shop).await.get("auth/roles").await.ok();
}

/// However often somebody has rotated, a leaked key can still be revoked, and time makes room again.
#[actix_web::test]
async fn revocation_works_when_there_is_no_room_for_another_key() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let mut rotations = 0;
    while partner.post("auth/keys/rotate", json!({"activate_in": 0})).await.status == 200 {
        rotations += 1;
    }
    assert_eq!(rotations, 99);
    partner.post_empty("auth/keys/rotate").await.refused(400, "limit_reached");
    partner.post("auth/keys/rotate", json!({"revoke_previous": true})).await.ok();
    partner.get("auth/roles").await.refused(401, "unauthorized");
    let keys = app.get("/v1/accounts/T112/.well-known/jwks.json").await.ok();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn every_algorithm_signs_what_the_world_can_verify() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    for algorithm in ["RS256", "EdDSA", "ES256"] {
        partner.put("management/settings", json!({"signing_algorithm": algorithm})).await.ok();
        partner.post("auth/keys/rotate", json!({"activate_in": 0})).await.ok();
        app.pass(1);
        let token = app.login("T112", &id, &secret).await.token;
        let keys = app.get("/v1/accounts/T112/.well-known/jwks.json").await.ok();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *kid(&token)).unwrap().clone();
        assert_eq!(key["alg"], algorithm);
        let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(key).unwrap();
        let mut rules = jsonwebtoken::Validation::new(algorithm.parse().unwrap());
        rules.set_audience(&[format!("{PUBLIC}/v1/accounts/T11200000")]);
        rules.set_issuer(&[format!("{PUBLIC}/v1/accounts/T11200000")]);
        rules.validate_exp = false;
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
        jsonwebtoken::decode::<Value>(&token, &decoding, &rules).unwrap();
        app.holder("T11200000", &token).get("auth/roles").await.ok();
    }
}

#[actix_web::test]
async fn bad_rotations_are_refused_by_name() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    partner.post_empty("auth/keys/rotate").await.ok();
    for bad in [json!({"activate_in": -1}), json!({"activate_in": 86_401}), json!({"activate_in": 5, "revoke_previous": true})] {
        partner.post("auth/keys/rotate", bad).await.names("activate_in");
    }
    partner.post("auth/keys/rotate", json!({"revoke_previous": "yes"})).await.names("revoke_previous");
}

#[actix_web::test]
async fn metadata_is_where_rfc_8414_looks_for_it() {
    let app = TestApp::start().await;
    let ours = app.get("/v1/accounts/T000/.well-known/oauth-authorization-server").await.ok();
    let theirs = app.get("/.well-known/oauth-authorization-server/v1/accounts/T00000000").await.ok();
    assert_eq!(ours, theirs);
    assert_eq!(ours["issuer"], format!("{PUBLIC}/v1/accounts/T00000000"));
    assert_eq!(ours["token_endpoint"], format!("{PUBLIC}/v1/accounts/T00000000/auth/token"));
    app.get("/v1/accounts/T999/.well-known/jwks.json").await.refused(404, "not_found");
    app.get("/v1/accounts/X/.well-known/jwks.json").await.names("oid");
}

#[actix_web::test]
async fn a_key_that_has_signed_for_long_is_followed_by_another_when_it_is_next_used() {
    let app = TestApp::renewing().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["admin:accounts"]).await;
    let first = kid(&app.login("T112", &id, &secret).await.token);
    app.pass(90 * 86_400 - 3600);
    assert_eq!(kid(&app.login("T112", &id, &secret).await.token), first);
    app.pass(3600);
    let login = app.login("T112", &id, &secret).await;
    let own = app.holder("T11200000", &login.token);
    assert_eq!(kid(&own.token), first, "nobody waits for it");
    while states(&own).await.len() < 2 {}
    // Once, however many tokens are given meanwhile; and it signs when others have had time to read it.
    for _ in 0..20 {
        assert_eq!(kid(&app.login("T112", &id, &secret).await.token), first);
    }
    assert_eq!(states(&own).await, [("signing", true), ("next", false)]);
    app.pass(3600);
    assert_ne!(kid(&app.login("T112", &id, &secret).await.token), first);
    own.get("auth/roles").await.ok();
    assert_eq!(states(&own).await, [("retired", true), ("signing", false)]);
    let told = own.events().await;
    assert_eq!(told.iter().filter(|event| event["type"] == "key.rotated").count(), 1);
}
