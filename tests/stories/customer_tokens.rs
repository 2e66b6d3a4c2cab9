//! Tokens of customers, and what happens to them.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenantry_tests::{SHOP, Tenant, TestApp};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

async fn look(shop: &Tenant<'_>, kind: &str, value: &str) -> Value {
    shop.post("customers/tokens/events", json!({"token": {"type": kind, "value": value}})).await.ok()
}

#[actix_web::test]
async fn a_token_lives_its_life() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let (ola, kari) = (shop.customer(json!({"status": "GOLD"})).await, shop.customer(json!({})).await);
    let tokens = |of: &str| format!("customers/users/{of}/tokens");
    let made = shop.post(&tokens(&ola), json!({"type": "card", "value": "4111", "metadata": {"a": 1}})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let card = made.json();
    assert_eq!(card["token_id"], card["id"], "made by the server");
    let named = shop.post(&tokens(&ola), json!({"type": "tag", "value": "4111", "token_id": "my tag"})).await.json();
    // A pair is one live token's, in the whole account; a name one of the customer's.
    shop.post(&tokens(&kari), json!({"type": "card", "value": "4111"})).await.refused(400, "duplicate");
    shop.post(&tokens(&ola), json!({"type": "x", "value": "1", "token_id": "my tag"})).await.refused(400, "duplicate");
    for (field, body) in [
        ("type", json!({"value": "1"})),
        ("type", json!({"type": "", "value": "1"})),
        ("type", json!({"type": "sha256:email", "value": "1"})),
        ("value", json!({"type": "a", "value": "x".repeat(501)})),
        ("token_id", json!({"type": "a", "value": "1", "token_id": " 1"})),
        ("metadata", json!({"type": "a", "value": "1", "metadata": []})),
    ] {
        shop.post(&tokens(&ola), body).await.names(field);
    }
    shop.post(&tokens("nobody"), json!({"type": "a", "value": "1"})).await.refused(404, "not_found");
    let all = shop.get(&format!("{}?total=true", tokens(&ola))).await;
    assert_eq!((all.ok(), all.header("total-count")), (json!([card, named]), "2"));
    assert_eq!(shop.get(&format!("{}?type=tag", tokens(&ola))).await.ok(), json!([named]));
    let page = shop.get(&format!("{}?limit=1", tokens(&ola))).await;
    let rest = shop.get(&format!("{}?limit=1&starting_after={}", tokens(&ola), page.header("paging-token"))).await;
    assert_eq!((page.ok(), rest.ok()), (json!([card]), json!([named])));
    let gone = shop.delete(&format!("{}/my%20tag", tokens(&ola))).await.ok();
    assert!(gone["deleted_at"].is_string());
    shop.delete(&format!("{}/my%20tag", tokens(&ola))).await.refused(404, "not_found");
    shop.delete(&format!("{}/{}", tokens(&kari), card["token_id"].as_str().unwrap())).await.refused(404, "not_found");
    assert_eq!(shop.get(&tokens(&ola)).await.ok(), json!([card, gone]));
    assert_eq!(shop.get(&format!("{}?include_deleted=false", tokens(&ola))).await.ok(), json!([card]));
    assert_eq!(shop.post(&tokens(&kari), json!({"type": "tag", "value": "4111"})).await.status, 201, "free again");
    // A till asks by the pair.
    let known = look(&shop, "card", "4111").await;
    assert_eq!((&known["customer"]["customer_id"], &known["token"], &known["status"]), (&json!(ola), &card, &json!("GOLD")));
    assert_eq!(look(&shop, "tag", "4111").await["status"], "UNKNOWN");
}

#[actix_web::test]
async fn what_happens_to_a_pair_is_known_before_its_customer() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.put("customers/settings", json!({"tokens": {"event_expiry": [{"status": "OFFERED", "time_to_live": 60}]}})).await.ok();
    let path = "customers/tokens/events";
    let told = |event: Value| shop.post(path, json!({"token": {"type": "card", "value": "1"}, "event": event}));
    let unknown = look(&shop, "card", "1").await;
    assert_eq!((&unknown["status"], &unknown["events"]), (&json!("UNKNOWN"), &json!([])));
    let first = told(json!({"event": "seen", "status": "SEEN", "metadata": {"till": 3}, "created_at": "ignored"})).await.ok();
    assert_eq!(first["id"], look(&shop, "card", "1").await["id"], "stable once it is stored");
    app.pass(1);
    let offered = told(json!({"event": "offered", "status": "OFFERED"})).await.ok();
    assert_eq!(offered["status"], "OFFERED");
    assert!(offered["events"][0]["expires_at"].is_string() && offered["events"][1]["expires_at"].is_null());
    app.pass(1);
    assert_eq!(told(json!({"event": "noted"})).await.ok()["status"], "OFFERED", "one without a status leaves it");
    app.pass(61);
    let later = look(&shop, "card", "1").await;
    assert_eq!((&later["status"], later["events"].as_array().unwrap().len()), (&json!("SEEN"), 2));
    for (field, body) in [
        ("token.type", json!({"token": {"type": "", "value": "1"}})),
        ("token.value", json!({"token": {"type": "a"}})),
        ("event.event", json!({"token": {"type": "a", "value": "1"}, "event": {"event": " "}})),
        ("token", json!({})),
    ] {
        shop.post(path, body).await.names(field);
    }
    // Listed; by the time of the latest; and gone once unlinked.
    let listed = shop.get(path).await.ok();
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&later["id"], &json!("SEEN")));
    let begun = "2000-01-01T00:00:00Z";
    assert_eq!(shop.get(&format!("{path}?since_datetime={begun}")).await.ok(), listed);
    let (mut walked, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("{path}?limit=1&since_datetime={begun}{after}")).await;
        walked.extend(page.ok().as_array().unwrap().clone());
        match page.header("paging-token") {
            "" => break,
            next => after = format!("&starting_after={next}"),
        }
    }
    assert_eq!(json!(walked), listed);
    let id = listed[0]["id"].as_str().unwrap();
    shop.get(&format!("{path}?since_datetime={begun}&starting_after={id}")).await.names("starting_after");
    assert_eq!(shop.get(&format!("{path}?deleted_since={begun}")).await.ok(), json!([]));
    shop.get(&format!("{path}?since_datetime=today")).await.names("since_datetime");
    let reason = json!({"token": {"type": "card", "value": "1"}, "event": {"event": "lost", "metadata": {"who": "police"}}});
    assert_eq!(shop.delete_with(path, reason).await.status, 204);
    assert_eq!(shop.get(path).await.ok(), json!([]));
    let deleted = shop.get(&format!("{path}?deleted_since={begun}")).await.ok();
    assert_eq!((&deleted[0]["status"], &deleted[0]["events"][0]["event"]), (&json!("DELETED"), &json!("lost")));
    assert_eq!(deleted[0]["events"].as_array().unwrap().len(), 1);
    // A new token may begin without what was before.
    let ola = shop.customer(json!({})).await;
    let query = format!("customers/users/{ola}/tokens?delete_token_events=true");
    assert_eq!(shop.post(&query, json!({"type": "card", "value": "1"})).await.status, 201);
    let fresh = look(&shop, "card", "1").await;
    assert_eq!(
        (&fresh["status"], &fresh["events"], &fresh["customer"]["customer_id"]),
        (&json!("UNKNOWN"), &json!([]), &json!(ola))
    );
}

#[actix_web::test]
async fn automatic_tokens_follow_the_address_and_the_number() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let auto =
        json!({"email": [{"type": "SHA256"}, {"type": "HMAC-SHA256", "secret": "a key"}], "phone_number": [{"type": "SHA256"}]});
    shop.put("customers/settings", json!({"auto_tokens": auto})).await.ok();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key");
    let keyed = |text: &str| hex(hmac::sign(&key, text.as_bytes()).as_ref());
    let plain = |text: &str| hex(&Sha256::digest(text.as_bytes()));
    let ola = shop.customer(json!({"email": "Ola@Example.com", "phone_number": "+4712345678"})).await;
    for (kind, value) in [
        ("sha256:email", plain("ola@example.com")),
        ("hmac-sha256:email", keyed("ola@example.com")),
        ("sha256:phone_number", plain("+4712345678")),
    ] {
        assert_eq!(look(&shop, kind, &value).await["customer"]["customer_id"], json!(ola), "{kind}");
    }
    shop.put(&format!("customers/users/{ola}"), json!({"email": "kari@example.com"})).await.ok();
    assert!(look(&shop, "hmac-sha256:email", &keyed("ola@example.com")).await["customer"].is_null());
    assert_eq!(look(&shop, "hmac-sha256:email", &keyed("kari@example.com")).await["customer"]["customer_id"], json!(ola));
    // Two customers of two types may have one address.
    let company = json!({"type": "company", "company": {"bussiness_name": "x"}, "email": "kari@example.com"});
    let company = shop.customer(company).await;
    shop.put(&format!("customers/users/{ola}"), json!({"email": null})).await.ok();
    assert_eq!(look(&shop, "sha256:email", &plain("kari@example.com")).await["customer"]["customer_id"], json!(company));
    let listed = shop.get(&format!("customers/users/{ola}/tokens")).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let auto = listed[0]["token_id"].as_str().unwrap();
    shop.delete(&format!("customers/users/{ola}/tokens/{auto}")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn what_happened_to_a_pair_stays_with_who_has_it() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let (first, next) = (shop.customer(json!({})).await, shop.customer(json!({})).await);
    let card = json!({"type": "card", "value": "333", "token_id": "card"});
    for owner in [&first, &next] {
        assert_eq!(shop.post(&format!("customers/users/{owner}/tokens"), card.clone()).await.status, 201);
        if owner == &first {
            shop.delete(&format!("customers/users/{owner}/tokens/card")).await.ok();
        }
    }
    let blocked = json!({"token": {"type": "card", "value": "333"}, "event": {"event": "stolen", "status": "BLOCKED"}});
    let told = shop.post("customers/tokens/events", blocked).await.ok();
    shop.delete(&format!("customers/users/{first}?delete_tokens=true")).await.ok();
    let known = look(&shop, "card", "333").await;
    assert_eq!((&known["id"], &known["status"], &known["events"]), (&told["id"], &json!("BLOCKED"), &told["events"]));
    assert_eq!(known["customer"]["customer_id"], json!(next));
    shop.delete(&format!("customers/users/{next}?delete_tokens=true")).await.ok();
    assert_eq!(look(&shop, "card", "333").await["events"], json!([]), "with the last who had it");
}
