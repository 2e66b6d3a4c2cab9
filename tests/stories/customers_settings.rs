//! Settings of an account's customers.

use serde_json::json;
use tenantry_tests::{SHOP, TestApp};

#[actix_web::test]
async fn what_is_given_replaces_and_the_rest_stays() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let fresh = shop.get("customers/settings").await.ok();
    assert_eq!(fresh["users"]["head"], json!({"enabled": false}));
    assert_eq!((&fresh["users"]["customer_id_format"], &fresh["attributes"]), (&json!("uuid"), &json!([])));
    let attributes = json!([{"name": "size", "type": "integer", "multiple_values": false, "private": true}]);
    let mfa = json!({"enabled": true, "login": {"challenge_type": "oob", "oob_channel": "sms"},
        "login_recovery": {"challenge_type": "oob", "oob_channel": "email"}});
    let users = json!({"head": {"enabled": true}, "mfa": mfa, "customer_id_format": "sequence",
        "phone_number_validation": {"allow_duplicates": true}, "verifications": {"phone_number": "sms"}});
    shop.put("customers/settings", json!({"attributes": attributes})).await.ok();
    let tokens = json!({"event_expiry": [{"status": "ACTIVE", "time_to_live": 60}]});
    let told = shop.put("customers/settings", json!({"users": users, "tokens": tokens})).await.ok();
    assert_eq!((&told["attributes"], &told["users"], &told["tokens"]), (&attributes, &users, &tokens));
    let public = shop.client(&["public:customers"]).await;
    assert_eq!(public.get("customers/settings").await.ok(), told);
    public.put("customers/settings", json!({})).await.refused(403, "insufficient_scope");
    let kinds: Vec<_> = shop.events().await.into_iter().map(|event| event["type"].clone()).collect();
    assert!(kinds.contains(&json!("customers_settings.updated")), "{kinds:?}");
}

#[actix_web::test]
async fn keys_of_automatic_tokens_are_never_told() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let auto = |email| shop.put("customers/settings", json!({"auto_tokens": {"email": email}}));
    auto(json!([{"type": "HMAC-SHA256"}])).await.names("auto_tokens.email[0].secret");
    let told = auto(json!([{"type": "HMAC-SHA256", "secret": "canary-of-a-key"}, {"type": "SHA256"}])).await;
    assert_eq!(told.ok()["auto_tokens"]["email"], json!([{"type": "HMAC-SHA256"}, {"type": "SHA256"}]));
    // What was read can be sent back: the key stays.
    auto(json!([{"type": "HMAC-SHA256"}])).await.ok();
    let events = json!(shop.events().await).to_string();
    assert!(events.contains("hmac-sha256:email") && !events.contains("canary"), "{events}");
}

#[actix_web::test]
async fn bad_settings_are_refused_by_their_field() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let factor = |channel: &str| json!({"challenge_type": "oob", "oob_channel": channel});
    let many: Vec<_> = (0..101).map(|n| json!({"name": n.to_string(), "type": "string"})).collect();
    for (field, body) in [
        (
            "users.mfa.login_recovery.oob_channel",
            json!({"users": {"mfa": {"enabled": true, "login": factor("sms"), "login_recovery": factor("sms")}}}),
        ),
        ("users.mfa.enabled", json!({"users": {"mfa": {"login": factor("sms"), "login_recovery": factor("email")}}})),
        (
            "users.mfa.login.oob_channel",
            json!({"users": {"mfa": {"enabled": true, "login": factor("fax"), "login_recovery": factor("sms")}}}),
        ),
        ("users.customer_id_format", json!({"users": {"customer_id_format": "roman"}})),
        ("users.verifications.phone_number", json!({"users": {"verifications": {"phone_number": "email"}}})),
        ("auto_tokens.email[0].type", json!({"auto_tokens": {"email": [{"type": "MD5"}]}})),
        ("auto_tokens.email[0]", json!({"auto_tokens": {"email": [["HMAC-SHA256", "a secret"]]}})),
        ("tokens", json!({"tokens": [[]]})),
        ("auto_tokens.email[1].type", json!({"auto_tokens": {"email": [{"type": "SHA256"}, {"type": "SHA256"}]}})),
        ("tokens.event_expiry[0].time_to_live", json!({"tokens": {"event_expiry": [{"status": "A", "time_to_live": 0}]}})),
        (
            "tokens.event_expiry[1].status",
            json!({"tokens": {"event_expiry": [{"status": "A", "time_to_live": 1}, {"status": "A", "time_to_live": 2}]}}),
        ),
        ("attributes[0].type", json!({"attributes": [{"name": "a", "type": "colour"}]})),
        ("attributes[0].name", json!({"attributes": [{"name": " ", "type": "string"}]})),
        ("attributes[1].name", json!({"attributes": [{"name": "a", "type": "string"}, {"name": "a", "type": "real"}]})),
        ("attributes", json!({"attributes": many})),
    ] {
        shop.put("customers/settings", body).await.names(field);
    }
    assert_eq!(shop.get("customers/settings").await.ok()["attributes"], json!([]));
}
