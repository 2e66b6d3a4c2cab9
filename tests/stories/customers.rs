//! Customers (contract nos. 30 and 33), as far as logging in needs them.

use serde_json::json;
use tenantry_tests::{SHOP, TestApp};

#[actix_web::test]
async fn a_customer_is_made_and_read() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let desk = shop.client(&["write:customers", "read:customers"]).await;
    let body = json!({"customer_id": "c 7/ø", "email": "Ola@Example.com", "phone_number": "+4712345678", "first_name": "Ola",
        "id": "mine", "created_by": "me"});
    let made = desk.post("customers/users", body).await.ok();
    assert_eq!(
        (&made["customer_id"], &made["type"], &made["email"]),
        (&json!("c 7/ø"), &json!("customer"), &json!("Ola@Example.com"))
    );
    assert_ne!(made["id"], "mine");
    assert_eq!(desk.get("customers/users/c%207%2F%C3%B8").await.ok(), made);
    let other = desk.post("customers/users", json!({"type": "company", "email": "ola@example.com"})).await.ok();
    assert_eq!(other["customer_id"], other["id"], "made by the server, and an address may be there once for each type");
    desk.get("customers/users/nobody").await.refused(404, "not_found");
    let events = json!(shop.events().await).to_string();
    assert!(events.contains("customer.created") && !events.contains("Ola@") && !events.contains("c 7"), "{events}");
}

#[actix_web::test]
async fn what_another_customer_has_is_refused() {
    let app = TestApp::start().await;
    let desk = app.partner_with("T11200000", SHOP).await.client(&["write:customers", "create:customers:/users"]).await;
    let make = |body| desk.post("customers/users", body);
    make(json!({"customer_id": "1", "email": "ola@example.com", "phone_number": "+4712345678"})).await.ok();
    for (field, body) in [
        ("customer_id", json!({"customer_id": "1"})),
        ("email", json!({"email": "OLA@example.COM"})),
        ("phone_number", json!({"type": "contact", "phone_number": "4712345678"})),
    ] {
        let told = make(body).await;
        let told = told.refused(400, "duplicate").json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(told.contains(field), "{told}");
    }
    for (field, body) in [
        ("customer_id", json!({"customer_id": " 1"})),
        ("email", json!({"email": "nobody"})),
        ("email", json!({"email": "\u{212a}ari@example.com"})),
        ("phone_number", json!({"phone_number": "12 34"})),
        ("type", json!({"type": "friend"})),
        ("first_name", json!({"first_name": "x".repeat(256)})),
    ] {
        make(body).await.names(field);
    }
    // Elsewhere all of it is free.
    let elsewhere = app.partner_with("T11300000", SHOP).await.client(&["write:customers"]).await;
    let body = json!({"customer_id": "1", "email": "ola@example.com", "phone_number": "+4712345678"});
    elsewhere.post("customers/users", body).await.ok();
}

#[actix_web::test]
async fn staff_is_made_by_those_who_may_write() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let till = shop.client(&["create:customers:/users"]).await;
    for kind in ["employee", "other"] {
        till.post("customers/users", json!({"type": kind})).await.refused(403, "insufficient_scope");
        shop.client(&["write:customers"]).await.post("customers/users", json!({"type": kind})).await.ok();
    }
    till.post("customers/users", json!({"type": "contact"})).await.ok();
}

#[actix_web::test]
async fn a_person_reads_itself_and_nobody_else() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let desk = shop.client(&["admin:customers"]).await;
    let (ola, kari) = (desk.customer(json!({"email": "ola@example.com"})).await, desk.customer(json!({})).await);
    let client = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers:/customer/details"]).await;
    client.ask_code("ola@example.com", json!({})).await;
    let token = client.bring_code("email", "ola@example.com", &app.code().await.0).await.ok();
    let person = client.person(&token);
    assert_eq!(person.get(&format!("customers/users/{ola}")).await.ok()["customer_id"], json!(ola));
    let foreign = person.get(&format!("customers/users/{kari}")).await;
    let unknown = person.get("customers/users/nobody").await;
    assert_eq!((foreign.status, foreign.text), (unknown.status, unknown.text));
    person.post("customers/users", json!({})).await.refused(403, "insufficient_scope");
    // A client that holds the scope for itself is nobody's person.
    let machine = shop.client(&["user:customers"]).await;
    machine.get(&format!("customers/users/{ola}")).await.refused(404, "not_found");
}
