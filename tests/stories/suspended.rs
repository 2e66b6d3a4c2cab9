//! Nobody comes in through any door of an account that is suspended, and everybody does again afterwards.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, PASSWORD, PUBLIC, SHOP, TestApp};

const OWN: &[&str] = &["write:accounts", "write:accounts:/auth/users", "create:accounts:auth:refresh_token"];

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[actix_web::test]
async fn a_suspended_account_lets_nobody_in_by_any_door() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let client = shop.app_client(OWN, &["read:accounts"]).await;
    let kari = shop.person("kari@example.com", &["read:accounts"], &[]).await;
    shop.customer(json!({"customer_id": "c-1", "email": "ola@example.com"})).await;
    shop.user("ola").await;
    let factor = json!({"challenge_type": "oob", "oob_channels": ["email"]});
    let careful = json!({"username": "careful", "password": PASSWORD, "mfa": factor,
        "links": [{"rel": "email", "href": "mailto:careful@example.com"}]});
    shop.post("auth/users", careful).await.ok();

    let session = client.log_in("ola").await;
    let mfa_token = client.bring("careful", PASSWORD).await.json()["mfa_token"].clone();
    let oob = json!({"challenge_type": "oob", "oob_channel": "email", "mfa_token": mfa_token});
    let oob_code = client.tenant.post("auth/mfa/challenge", oob.clone()).await.ok()["oob_code"].clone();
    let handed = client.hand_code("c-1").await.ok()["verification_code"].clone();
    let person = client.person(&session);
    let inside = kari.enter("T11200000").await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");

    operator.put("management/accounts/T11200000", json!({"active": false})).await.ok();
    let shut = |answer: Answer| {
        answer.refused(403, "account_suspended");
    };
    shut(client.bring("ola", PASSWORD).await);
    shut(client.renew(text(&session["refresh_token"])).await);
    let code = json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": "000000", "mfa_token": mfa_token});
    shut(client.tenant.post("auth/token", code).await);
    shut(client.tenant.post("auth/mfa/challenge", oob).await);
    let lost = json!({"challenge_type": "oob", "oob_channel": "email", "username": "ola", "audience": audience});
    shut(client.tenant.post("auth/mfa/recovery", lost).await);
    shut(client.ask_code("ola@example.com", json!({})).await);
    shut(client.hand_code("c-1").await);
    shut(client.bring_code("user_id", "c-1", text(&handed)).await);
    shut(client.bring_code("email", "ola@example.com", "000000").await);
    shut(person.post("auth/redirect", json!({"redirect_uri": "https://shop.example/back?x=1"})).await);
    let query = [
        ("audience", audience.as_str()),
        ("response_type", "authenticate"),
        ("client_id", &client.id),
        ("verification_code", text(&handed)),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    shut(app.get(&format!("/v1/accounts/T11200000/auth/authorize?{query}")).await);
    shut(kari.ask_token("T11200000").await);
    shut(inside.get("auth/roles").await);
    // Who one is does not depend on it: a person has other accounts.
    let own = app.send(kari.request(Method::GET, "/v1/account/user")).await.ok();
    assert_eq!(own["accounts"][0]["active"], false);

    operator.put("management/accounts/T11200000", json!({"active": true})).await.ok();
    client.renew(text(&session["refresh_token"])).await.ok();
    client.bring_code("user_id", "c-1", text(&handed)).await.ok();
    kari.ask_token("T11200000").await.ok();
}

#[actix_web::test]
async fn a_crowd_that_signs_in_is_told_when_to_come_again() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    shop.person("kari@example.com", &["read:accounts"], &[]).await;
    let crowd = (0..40).map(|_| app.sign_in("kari@example.com", PASSWORD));
    let answers = futures_util::future::join_all(crowd).await;
    let (refused, let_in): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status != 200);
    assert!(!let_in.is_empty() && !refused.is_empty());
    for answer in refused {
        assert!(answer.refused(429, "too_many_requests").header("retry-after").parse::<u32>().is_ok());
    }
    app.sign_in("kari@example.com", PASSWORD).await.ok();
}
