//! How customers are reached, and that they are.

use serde_json::{Value, json};
use tenantry_tests::{SHOP, Tenant, TestApp};

async fn verify(who: &Tenant<'_>, id: &str, what: &str, body: Value) -> tenantry_tests::Answer {
    who.post(&format!("customers/users/{id}/communication/{what}"), body).await
}

#[actix_web::test]
async fn a_code_proves_an_address() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let consent = json!({"email": {"consent": true}, "sms": {"consent": false}});
    let id =
        shop.customer(json!({"email": "ola@example.com", "phone_number": "+4712345678", "marketing_consent": consent})).await;
    let told = async || shop.get(&format!("customers/users/{id}/communication")).await.ok()["communication"].clone();
    assert_eq!(told().await, json!({"email": {"allowed": true}, "phone_number": {"allowed": false}}));
    let sent = shop.post_empty(&format!("customers/users/{id}/communication/send-verification-code/email")).await;
    assert_eq!(sent.status, 204, "{}", sent.text);
    let (code, to) = app.code().await;
    assert_eq!(to, "ola@example.com");
    let confirm = "confirm-verification-code/email";
    verify(&shop, &id, confirm, json!({"code": "000000"})).await.refused(400, "invalid_code");
    verify(&shop, &id, "confirm-verification-code/phone_number", json!({"code": code})).await.refused(400, "invalid_code");
    verify(&shop, &id, confirm, json!({})).await.names("code");
    assert_eq!(verify(&shop, &id, confirm, json!({"code": code})).await.status, 204);
    verify(&shop, &id, confirm, json!({"code": code})).await.refused(400, "invalid_code");
    assert!(told().await["email"]["verified_at"].is_string());
    // Another address has to be proven anew, and a code that went to the one before proves it not.
    shop.post_empty(&format!("customers/users/{id}/communication/send-verification-code/email")).await;
    let (code, _) = app.code().await;
    shop.put(&format!("customers/users/{id}"), json!({"email": "new@example.com"})).await.ok();
    assert!(told().await["email"]["verified_at"].is_null());
    verify(&shop, &id, confirm, json!({"code": code})).await.refused(400, "invalid_code");
    shop.put(&format!("customers/users/{id}"), json!({"email": null})).await.ok();
    verify(&shop, &id, "send-verification-code/email", json!({})).await.names("email");
    verify(&shop, &id, confirm, json!({"code": code})).await.names("email");
    verify(&shop, "nobody", "send-verification-code/email", json!({})).await.refused(404, "not_found");
    verify(&shop, &id, "send/email", json!({})).await.names("operation");
    verify(&shop, &id, "send-verification-code/fax", json!({})).await.names("field");
}

#[actix_web::test]
async fn a_changed_number_counts_once_it_is_proven() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.put("customers/settings", json!({"users": {"verifications": {"phone_number": "sms"}}})).await.ok();
    let id = shop.customer(json!({"phone_number": "+4711111111"})).await;
    let path = format!("customers/users/{id}");
    let told = shop.put(&path, json!({"phone_number": "+4722222222", "first_name": "Ola"})).await.ok();
    assert_eq!((&told["phone_number"], &told["first_name"]), (&json!("+4711111111"), &json!("Ola")));
    assert_eq!(verify(&shop, &id, "send-verification-code/phone_number", json!({})).await.status, 204);
    let (code, to) = app.code().await;
    assert_eq!(to, "+4722222222");
    assert_eq!(verify(&shop, &id, "confirm-verification-code/phone_number", json!({"code": code})).await.status, 204);
    assert_eq!(shop.get(&path).await.ok()["phone_number"], "+4722222222");
    // The old number is free, and one that somebody else got meanwhile is not taken from them.
    let other = shop.customer(json!({"phone_number": "+4711111111"})).await;
    shop.put(&format!("customers/users/{other}"), json!({"phone_number": "+4733333333"})).await.ok();
    verify(&shop, &other, "send-verification-code/phone_number", json!({})).await;
    let (code, _) = app.code().await;
    shop.customer(json!({"phone_number": "+4733333333"})).await;
    verify(&shop, &other, "confirm-verification-code/phone_number", json!({"code": code})).await.refused(400, "duplicate");
    // Back to the number that it has: nothing waits any more.
    shop.put(&format!("customers/users/{other}"), json!({"phone_number": "+4711111111"})).await.ok();
    verify(&shop, &other, "send-verification-code/phone_number", json!({})).await;
    assert_eq!(app.code().await.1, "+4711111111");
}

#[actix_web::test]
async fn codes_can_neither_be_guessed_nor_asked_for_without_end() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = shop.customer(json!({"email": "ola@example.com"})).await;
    for _ in 0..3 {
        assert_eq!(verify(&shop, &id, "send-verification-code/email", json!({})).await.status, 204);
    }
    let fourth = verify(&shop, &id, "send-verification-code/email", json!({})).await;
    assert!(fourth.status == 429 && !fourth.header("retry-after").is_empty());
    let last = app.messages().await.pop().unwrap()["text"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        verify(&shop, &id, "confirm-verification-code/email", json!({"code": "x"})).await.refused(400, "invalid_code");
    }
    let code: String = last.chars().filter(char::is_ascii_digit).take(6).collect();
    verify(&shop, &id, "confirm-verification-code/email", json!({"code": code})).await.refused(400, "invalid_code");
}
