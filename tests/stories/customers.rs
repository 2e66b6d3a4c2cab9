//! Customers.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
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
    let company = json!({"type": "company", "company": {"bussiness_name": "Ola AS"}, "email": "ola@example.com"});
    let other = desk.post("customers/users", company).await.ok();
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

fn everything() -> Value {
    json!({
        "type": "company", "customer_id": "C-1", "first_name": "Ola", "last_name": "Nordmann", "email": "Ola@Example.com",
        "phone_number": "+4712345678", "status": "GOLD", "favorite_store": "Oslo S", "gender": "male", "date_of_birth": "1990-02-28",
        "metadata": {"a": 1, "b": {"c": [null]}},
        "enrolled_by": {"type": "campaign", "value": {"id": 7}},
        "marketing_consent": {"sms": {"consent": true, "updated_at": "2026-01-01T00:00:00.000000Z"}, "push": {"consent": false}},
        "addresses": [{"address_line": "Storgata 1", "postal_place": "Oslo", "country": "NO", "latitude": 59.9, "longitude": 10.7,
            "type": "work", "postal_code": "0155"}],
        "company": {"bussiness_name": "Nordmann AS", "organization_number": "999888777"},
    })
}

#[actix_web::test]
async fn all_that_is_said_of_a_customer_is_kept_and_changed_field_by_field() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let body = everything();
    let made = shop.post("customers/users", body.clone()).await.ok();
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!(shop.get("customers/users/C-1").await.ok(), made);
    app.pass(1);
    // What is left out stays; null clears; objects and arrays are replaced; metadata is merged.
    let change = json!({"first_name": null, "status": "SILVER", "metadata": {"a": null, "d": 4}, "company": {"bussiness_name": "N"},
        "addresses": [], "customer_id": "ignored", "id": "ignored"});
    let next = shop.put("customers/users/C-1", change).await.ok();
    assert!(next["first_name"].is_null());
    assert_eq!(
        (&next["last_name"], &next["status"], &next["metadata"], &next["company"], &next["addresses"], &next["customer_id"]),
        (
            &json!("Nordmann"),
            &json!("SILVER"),
            &json!({"b": {"c": [null]}, "d": 4}),
            &json!({"bussiness_name": "N"}),
            &json!([]),
            &json!("C-1")
        )
    );
    assert_ne!(next["updated_at"], made["updated_at"]);
    assert_eq!((&next["created_at"], &next["id"]), (&made["created_at"], &made["id"]));
    let cleared = shop.put("customers/users/C-1", json!({"metadata": null, "email": null})).await.ok();
    assert!(cleared["metadata"].is_null() && cleared["email"].is_null());
    // A change that changes nothing is none.
    assert_eq!(shop.put("customers/users/C-1", json!({"status": "SILVER"})).await.ok(), cleared);
    shop.put("customers/users/nobody", json!({})).await.refused(404, "not_found");
    let events = shop.events().await;
    let told: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "customer.updated").map(|event| &event["after"]).collect();
    assert_eq!(told[0]["version"], 2);
    assert_eq!(told[0]["fields"], json!(["first_name", "metadata", "status", "addresses", "company"]));
    assert_eq!(told.len(), 2);
    assert!(!json!(events).to_string().contains("Nordmann"), "values of customers stand in no event");
}

#[actix_web::test]
async fn every_rule_of_a_customer_is_kept() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let keys = |count: usize| (0..count).map(|n| (n.to_string(), json!(n))).collect::<Map<_, _>>();
    shop.post("customers/users", json!({"customer_id": "1", "metadata": keys(40)})).await.ok();
    shop.put("customers/users/1", json!({"metadata": {"more": 1}})).await.names("metadata");
    let address = |field: &str, value: Value| {
        let mut address = json!({"address_line": "a", "postal_place": "b", "country": "NO"});
        address[field] = value;
        json!({"addresses": [address]})
    };
    let company = |fields: Value| json!({"type": "company", "company": fields});
    let contact = |id: &str| json!({"type": "contact", "contact_for": [{"customer_id": id}]});
    let elsewhere = app.partner_with("T11300000", SHOP).await;
    elsewhere.customer(json!({"customer_id": "foreign"})).await;
    let foreign_terms = elsewhere.post("customers/terms", json!({"terms": "x"})).await.ok()["id"].clone();
    for (field, body) in [
        ("metadata", json!({"metadata": keys(41)})),
        ("phone_number", json!({"phone_number": 4_712_345_678_i64})),
        ("phone_number", json!({"phone_number": "0047123"})),
        ("date_of_birth", json!({"date_of_birth": "2024-02-30"})),
        ("attributes.colour", json!({"attributes": {"colour": "red"}})),
        ("company", json!({"type": "company"})),
        ("company.bussiness_name", company(json!({}))),
        ("company.bussiness_name", company(json!({"bussiness_name": " "}))),
        ("company", json!({"type": "employee", "company": {"bussiness_name": "x"}})),
        ("contact_for", json!({"type": "customer", "contact_for": [{"customer_id": "1"}]})),
        ("contact_for[0].customer_id", contact("foreign")),
        ("contact_for[0].customer_id", contact(" ")),
        ("term.id", json!({"term": {"id": foreign_terms}})),
        ("term.id", json!({"term": {"id": "x"}})),
        ("term.accepted_at", json!({"term": {"accepted_at": "yesterday"}})),
        ("addresses[0].country", address("country", json!("no"))),
        ("addresses[0].latitude", address("latitude", json!(91))),
        ("addresses[0].type", address("type", json!("boat"))),
        ("addresses[0].address_line", address("address_line", json!(""))),
        ("enrolled_by.value", json!({"enrolled_by": {}})),
        ("marketing_consent.sms.consent", json!({"marketing_consent": {"sms": {"consent": "yes"}}})),
        ("gender", json!({"gender": "x".repeat(256)})),
        ("password", json!({"password": "short"})),
        ("pin", json!({"pin": "12345"})),
    ] {
        shop.client(&["write:customers", "write:accounts:/auth/users"]).await.post("customers/users", body).await.names(field);
        app.pass(1);
    }
    let all = shop.get("customers/users?type=any").await.ok();
    assert_eq!(all.as_array().unwrap().len(), 1, "nothing was written: {all}");
    // Two addresses that fold to one.
    shop.post("customers/users", json!({"email": "Å@example.com"})).await.ok();
    shop.post("customers/users", json!({"email": "å@EXAMPLE.com"})).await.refused(400, "duplicate");
    shop.put("customers/users/1", json!({"email": "å@example.com"})).await.refused(400, "duplicate");
    shop.post("customers/users", json!({"type": "company", "company": {"bussiness_name": "x"}, "email": "å@example.com"}))
        .await
        .ok();
}

#[actix_web::test]
async fn declared_attributes_are_typed_and_private_ones_hidden() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let attributes = json!([{"name": "shoe", "type": "real"}, {"name": "score", "type": "integer", "private": true},
        {"name": "hobbies", "type": "string", "multiple_values": true}]);
    shop.put("customers/settings", json!({"attributes": attributes})).await.ok();
    let given = json!({"shoe": 42.5, "score": 7, "hobbies": ["ski", "Chess"]});
    shop.post("customers/users", json!({"email": "ola@example.com", "customer_id": "1", "attributes": given})).await.ok();
    for (field, bad) in [("shoe", json!("42")), ("score", json!(1.5)), ("hobbies", json!("ski")), ("shoe", json!([1]))] {
        shop.put("customers/users/1", json!({"attributes": {field: bad}})).await.names(&format!("attributes.{field}"));
    }
    let client = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers"]).await;
    client.ask_code("ola@example.com", json!({})).await;
    let person = client.person(&client.bring_code("email", "ola@example.com", &app.code().await.0).await.ok());
    assert_eq!(person.get("customers/users/1").await.ok()["attributes"], json!({"shoe": 42.5, "hobbies": ["ski", "Chess"]}));
    person.put("customers/users/1", json!({"attributes": {"score": 100}})).await.names("attributes.score");
    let told = person.put("customers/users/1", json!({"attributes": {"shoe": 43}})).await.ok();
    assert_eq!(told["attributes"], json!({"shoe": 43}));
    assert_eq!(shop.get("customers/users/1").await.ok()["attributes"], json!({"shoe": 43, "score": 7}));
    // What was private stays so when it is declared no more; its customer neither sees it nor takes it away.
    shop.put("customers/settings", json!({"attributes": [{"name": "shoe", "type": "real"}]})).await.ok();
    assert_eq!(person.get("customers/users/1").await.ok()["attributes"], json!({"shoe": 43}));
    assert_eq!(person.get("customers/users/1/export").await.ok()["customer"]["attributes"], json!({"shoe": 43}));
    person.put("customers/users/1", json!({"attributes": {"shoe": 44}})).await.ok();
    assert_eq!(shop.get("customers/users/1").await.ok()["attributes"], json!({"shoe": 44, "score": 7}));
}

#[actix_web::test]
async fn a_customer_changes_itself_and_nobody_else() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let tag = shop.post("customers/tags", json!({"tag": "gold"})).await.ok()["id"].clone();
    let (ola, kari) = (shop.customer(json!({"email": "ola@example.com"})).await, shop.customer(json!({})).await);
    let client = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers"]).await;
    client.ask_code("ola@example.com", json!({})).await;
    let person = client.person(&client.bring_code("email", "ola@example.com", &app.code().await.0).await.ok());
    let own = |path: &str| format!("customers/users/{ola}{path}");
    let foreign = |path: &str| format!("customers/users/{kari}{path}");
    person.put(&own(""), json!({"first_name": "Ola"})).await.ok();
    person.put(&own("/tags"), json!([tag])).await.ok();
    assert_eq!(person.post(&own("/tokens"), json!({"type": "card", "value": "1"})).await.status, 201);
    for path in ["", "/tags", "/tokens"] {
        person.get(&own(path)).await.ok();
        person.get(&foreign(path)).await.refused(404, "not_found");
    }
    person.put(&foreign(""), json!({"first_name": "x"})).await.refused(404, "not_found");
    person.put(&foreign("/tags"), json!([])).await.refused(404, "not_found");
    person.post(&foreign("/tokens"), json!({"type": "card", "value": "2"})).await.refused(404, "not_found");
    person.delete(&foreign("")).await.refused(404, "not_found");
    person.put(&own(""), json!({"type": "employee"})).await.refused(403, "insufficient_scope");
    // Whom it speaks for others would find it by.
    let contact = json!({"type": "contact", "contact_for": [{"customer_id": kari}]});
    person.put(&own(""), contact.clone()).await.refused(403, "insufficient_scope");
    person.put(&own(""), json!({"type": "contact"})).await.refused(403, "insufficient_scope");
    person.put(&own(""), json!({"contact_for": [{"customer_id": "nobody"}]})).await.refused(403, "insufficient_scope");
    let desk = shop.client(&["create:customers:/users"]).await;
    desk.post("customers/users", contact).await.refused(403, "insufficient_scope");
    // What happened to a pair is not for its owner to take away.
    let forget = own("/tokens?delete_token_events=true");
    person.post(&forget, json!({"type": "card", "value": "3"})).await.refused(403, "insufficient_scope");
    person.put(&own(""), json!({"password": "correct horse battery"})).await.refused(403, "insufficient_scope");
    person.get("customers/users").await.refused(403, "insufficient_scope");
    person.post(&own("/change_customer_id"), json!({"customer_id": "x"})).await.refused(403, "insufficient_scope");
    person.delete(&own("")).await.ok();
    person.get(&own("")).await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn one_may_ask_whether_somebody_is_a_customer_once_that_is_opened() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let public = shop.client(&["public:customers"]).await;
    shop.customer(json!({"email": "ola@example.com", "phone_number": "+4712345678"})).await;
    assert_eq!(public.head("customers/users?email=ola@example.com").await, 405);
    shop.put("customers/settings", json!({"users": {"head": {"enabled": true}}})).await.ok();
    for (query, status) in [
        ("email=OLA@example.com", 200),
        ("phone_number=%2B4712345678", 200),
        ("email=ola@example.com&phone_number=4712345678", 200),
        ("email=ola@example.com&phone_number=4712345679", 404),
        ("email=ol@example.com", 404),
        ("email=nobody", 400),
        ("", 400),
    ] {
        assert_eq!(public.head(&format!("customers/users?{query}")).await, status, "{query}");
    }
}

#[actix_web::test]
async fn a_customer_id_is_changed_and_the_old_one_remembered() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.customer(json!({"customer_id": "a", "email": "ola@example.com", "metadata": {"x": 1}})).await;
    shop.customer(json!({"customer_id": "b"})).await;
    let client = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers"]).await;
    client.ask_code("ola@example.com", json!({})).await;
    let person = client.person(&client.bring_code("email", "ola@example.com", &app.code().await.0).await.ok());
    let change = |from: &str, to: Value| {
        let path = format!("customers/users/{from}/change_customer_id");
        let shop = &shop;
        async move { shop.post(&path, to).await }
    };
    change("a", json!({"customer_id": "b"})).await.refused(400, "duplicate");
    change("a", json!({"customer_id": "a"})).await.refused(400, "duplicate");
    change("a", json!({"customer_id": " "})).await.names("customer_id");
    change("nobody", json!({"customer_id": "c"})).await.refused(404, "not_found");
    let renamed = change("a", json!({"customer_id": "c"})).await.ok();
    let (key, note) = renamed["metadata"].as_object().unwrap().iter().find(|(key, _)| key.starts_with("tenantry_")).unwrap();
    assert!(key.starts_with("tenantry_change_customer_id_") && key.contains('.'), "{key}");
    assert_eq!((&note["old"], &note["new"]), (&json!("a"), &json!("c")));
    assert!(note["created_at"].is_string() && note["created_by"].is_string());
    shop.get("customers/users/a").await.refused(404, "not_found");
    person.get("customers/users/a").await.refused(401, "unauthorized");
    // The trail is neither counted nor changed by callers.
    let keys: Map<_, _> = (0..39).map(|n| (n.to_string(), json!(n))).collect();
    let told = shop.put("customers/users/c", json!({"metadata": keys})).await.ok();
    assert_eq!(told["metadata"][key], *note);
    let told = shop.put("customers/users/c", json!({"metadata": {key: null, "tenantry_change_customer_id_1.x": {}}})).await.ok();
    assert_eq!((&told["metadata"][key], told["metadata"].as_object().unwrap().len()), (note, 41));
    let made = change("c", json!({})).await.ok();
    assert_eq!(made["customer_id"].as_str().unwrap().len(), 36);
    // What it was called is nobody else's: what happened under that name stays its own.
    for id in ["a", "c"] {
        shop.post("customers/users", json!({"customer_id": id})).await.refused(400, "duplicate");
        change("b", json!({"customer_id": id})).await.refused(400, "duplicate");
    }
    let gone = shop.get("customers/users?include_deleted=true&search=a").await.ok();
    assert!(gone[0]["deleted_at"].is_string() && gone[0]["email"].is_null(), "{gone}");
}

#[actix_web::test]
async fn customer_ids_may_be_numbers_in_sequence() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.customer(json!({"customer_id": "41"})).await;
    shop.customer(json!({"customer_id": "0099"})).await;
    shop.put("customers/settings", json!({"users": {"customer_id_format": "sequence"}})).await.ok();
    assert_eq!(shop.customer(json!({})).await, "42");
    shop.customer(json!({"customer_id": "1000"})).await;
    assert_eq!(shop.customer(json!({})).await, "1001");
    shop.delete("customers/users/1001").await.ok();
    assert_eq!(shop.customer(json!({})).await, "1002", "a number is never given again");
    let made: Vec<String> = join_all((0..20).map(|_| shop.customer(json!({})))).await;
    let distinct: std::collections::HashSet<&String> = made.iter().collect();
    assert_eq!(distinct.len(), 20);
    // The number of a card leads no sequence, and who may only create customers leads none anywhere.
    shop.customer(json!({"customer_id": "4111111111111111"})).await;
    let desk = shop.client(&["create:customers:/users"]).await;
    let chosen = json!({"customer_id": "999999999999999"});
    desk.post("customers/users", chosen).await.refused(403, "insufficient_scope");
    desk.post("customers/users", json!({"customer_id": "c-1"})).await.ok();
    assert_eq!(desk.post("customers/users", json!({})).await.ok()["customer_id"], "1023");
}

#[actix_web::test]
async fn several_may_have_one_number_where_the_account_allows_it() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let phone = json!({"phone_number": "+4712345678"});
    shop.customer(phone.clone()).await;
    shop.post("customers/users", phone.clone()).await.refused(400, "duplicate");
    let allow = |allowed: bool| json!({"users": {"phone_number_validation": {"allow_duplicates": allowed}}});
    shop.put("customers/settings", allow(true)).await.ok();
    let second = shop.customer(phone.clone()).await;
    let third = shop.customer(json!({"phone_number": "+4799"})).await;
    shop.put("customers/settings", allow(false)).await.ok();
    shop.post("customers/users", phone.clone()).await.refused(400, "duplicate");
    shop.post("customers/users", json!({"phone_number": "4799"})).await.refused(400, "duplicate");
    shop.put(&format!("customers/users/{third}"), phone).await.refused(400, "duplicate");
    shop.put(&format!("customers/users/{second}"), json!({"first_name": "still"})).await.ok();
}

#[actix_web::test]
async fn an_idempotency_key_replays_its_answer() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let (id, secret) = shop.bare_client().await;
    shop.grant(&id, &["admin:customers"]).await;
    let other = shop.client(&["write:customers"]).await;
    let shop_again = || app.login("T11200000", &id, &secret);
    let path = "/v1/accounts/T11200000/customers/users";
    let make = |who: &tenantry_tests::Tenant<'_>, key: &str, body: Value| {
        let request = app.request(reqwest::Method::POST, path).bearer_auth(&who.token).header("idempotency-key", key).json(&body);
        app.send(request)
    };
    let body = json!({"email": "ola@example.com"});
    let shop = shop_again().await;
    let first = make(&shop, "k1", body.clone()).await.ok();
    app.pass(60);
    let customer = first["customer_id"].as_str().unwrap().to_owned();
    shop.put(&format!("customers/users/{customer}"), json!({"first_name": "Ola"})).await.ok();
    assert_eq!(make(&shop, "k1", body.clone()).await.ok(), first);
    make(&shop, "k1", json!({"email": "kari@example.com"})).await.refused(409, "idempotency_conflict");
    make(&shop, "", body.clone()).await.names("Idempotency-Key");
    make(&shop, &"x".repeat(256), body.clone()).await.names("Idempotency-Key");
    // It is the caller's own.
    make(&other, "k1", body.clone()).await.refused(400, "duplicate");
    // Of many at once one is acted on, and all get its answer.
    let answers = join_all((0..8).map(|_| make(&shop, "k2", json!({"first_name": "Per"})))).await;
    let ids: std::collections::HashSet<String> = answers.iter().map(|answer| answer.ok()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    // A refusal is not kept.
    make(&shop, "k3", body.clone()).await.refused(400, "duplicate");
    shop.put(&format!("customers/users/{customer}"), json!({"email": null})).await.ok();
    make(&shop, "k3", body.clone()).await.ok();
    // After a day it is forgotten, and at once where the customer is.
    app.pass(86_401);
    make(&shop_again().await, "k2", json!({"first_name": "other"})).await.ok();
}

#[actix_web::test]
async fn a_customer_has_tags() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let mut tags = Vec::new();
    for tag in ["a", "b"] {
        tags.push(shop.post("customers/tags", json!({"tag": tag})).await.ok());
    }
    let id = shop.customer(json!({})).await;
    let path = format!("customers/users/{id}/tags");
    let ids = |of: &[&Value]| of.iter().map(|tag| tag["id"].clone()).collect::<Vec<_>>();
    assert_eq!(shop.put(&path, json!(ids(&[&tags[1], &tags[0], &tags[1]]))).await.ok(), json!(tags));
    assert_eq!(shop.get(&path).await.ok(), json!(tags));
    shop.put(&path, json!(["x"])).await.names("[0]");
    shop.put(&path, json!([tags[0]["id"], "00000000-0000-7000-8000-000000000000"])).await.names("[1]");
    shop.put(&path, json!({})).await.names("body");
    shop.delete(&format!("customers/tags/{}", tags[0]["id"].as_str().unwrap())).await.ok();
    assert_eq!(shop.get(&path).await.ok(), json!([tags[1]]));
    assert_eq!(shop.put(&path, json!([])).await.ok(), json!([]));
    shop.get("customers/users/nobody/tags").await.refused(404, "not_found");
}

#[actix_web::test]
async fn of_many_rivals_for_one_address_exactly_one_wins() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    for round in 0..200 {
        let make = |kind: usize| {
            let email = if kind == 0 { format!("ola{round}@example.com") } else { format!("OLA{round}@example.com") };
            shop.post("customers/users", json!({"email": email}))
        };
        let (one, other) = futures_util::future::join(make(0), make(1)).await;
        let mut told = [one.status, other.status];
        told.sort_unstable();
        assert_eq!(told, [200, 400], "{} {}", one.text, other.text);
        if round % 20 == 0 {
            app.pass(1);
        }
    }
}

#[actix_web::test]
async fn erasing_changing_and_reading_at_the_same_time() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    for round in 0..30 {
        let id = shop.customer(json!({"first_name": "canary", "customer_id": format!("c{round}")})).await;
        let (path, renamed) = (format!("customers/users/{id}"), format!("customers/users/r{round}"));
        let change = shop.put(&path, json!({"last_name": "canary"}));
        let (changed, erased) = futures_util::future::join(change, shop.delete(&path)).await;
        assert!(matches!(changed.status, 200 | 404) && erased.status == 200, "{} {}", changed.text, erased.text);
        let left = shop.get(&format!("customers/users?include_deleted=true&search=c{round}&type=any")).await.ok();
        assert!(left[0]["deleted_at"].is_string() && !left.to_string().contains("canary"), "{left}");
        let other = shop.customer(json!({"customer_id": format!("d{round}")})).await;
        let path = format!("customers/users/{other}");
        let change = format!("{path}/change_customer_id");
        let rename = shop.post(&change, json!({"customer_id": format!("r{round}")}));
        let (_, before, after) = futures_util::future::join3(rename, shop.get(&path), shop.get(&renamed)).await;
        for seen in [before, after] {
            assert!(matches!(seen.status, 200 | 404), "{}", seen.text);
        }
        shop.get(&path).await.refused(404, "not_found");
        shop.get(&renamed).await.ok();
        app.pass(1);
    }
}

#[actix_web::test]
async fn changes_are_followed_and_none_is_missed() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let follow = async |after: &str| {
        let page = shop.get(&format!("customers/events?limit=100{after}")).await;
        (page.ok().as_array().unwrap().clone(), page.header("paging-token").to_owned())
    };
    // On PostgreSQL a change is told once every transaction that began before it has ended, also those of other databases.
    let told = async |after: &str, count: usize| {
        for _ in 0..200 {
            let page = follow(after).await;
            if page.0.len() >= count {
                return page;
            }
            actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("fewer than {count} changes are told in 10 s");
    };
    assert_eq!(follow("").await, (vec![], String::new()));
    shop.customer(json!({"customer_id": "a"})).await;
    shop.put("customers/users/a", json!({"first_name": "Ola"})).await.ok();
    let (events, place) = told("", 2).await;
    let seen: Vec<_> =
        events.iter().map(|event| (event["type"].clone(), event["version"].clone(), event["fields"].clone())).collect();
    assert_eq!(
        seen,
        [(json!("customer.created"), json!(1), Value::Null), (json!("customer.updated"), json!(2), json!(["first_name"]))]
    );
    assert_eq!(follow(&format!("&after={place}")).await, (vec![], place.clone()), "the place stays where nothing happened");
    shop.post("customers/users/a/change_customer_id", json!({"customer_id": "b"})).await.ok();
    shop.delete("customers/users/b").await.ok();
    let (events, place) = told(&format!("&after={place}"), 2).await;
    assert_eq!(
        events.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["customer.renamed", "customer.deleted"]
    );
    assert!(events.iter().all(|event| event["customer_id"] == "b"), "as it is called now");
    shop.get("customers/events?after=x").await.names("after");
    // Many write at once, and one follows: in the end it has seen each exactly once.
    let (mut seen, mut place) = (Vec::new(), place);
    let writers = join_all((0..10).map(|writer| {
        let shop = &shop;
        async move {
            for n in 0..10 {
                let made = shop.post("customers/users", json!({"customer_id": format!("{writer}-{n}")})).await;
                assert!(matches!(made.status, 200 | 429), "{}", made.text);
            }
        }
    }));
    let follower = async {
        for _ in 0..60 {
            let (events, next) = follow(&format!("&after={place}")).await;
            seen.extend(events.iter().map(|event| event["customer_id"].as_str().unwrap().to_owned()));
            place = next;
        }
    };
    futures_util::future::join(writers, follower).await;
    let all: usize = shop.get("customers/users?total=true&limit=1").await.header("total-count").parse().unwrap();
    while seen.len() < all {
        let (events, next) = told(&format!("&after={place}"), 1).await;
        seen.extend(events.iter().map(|event| event["customer_id"].as_str().unwrap().to_owned()));
        place = next;
    }
    assert_eq!(follow(&format!("&after={place}")).await.0, Vec::<Value>::new());
    let distinct: std::collections::HashSet<&String> = seen.iter().collect();
    assert_eq!((distinct.len(), seen.len()), (all, all));
}

/// On SQLite no transaction runs beside another.
#[actix_web::test]
async fn a_slow_transaction_is_not_passed_over() {
    if !tenantry_tests::TestDatabase::is_postgres() {
        return;
    }
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let first = shop.post("customers/users", json!({"customer_id": "first"})).await.ok()["id"].as_str().unwrap().to_owned();
    let slow = format!(
        "DO $$ BEGIN INSERT INTO event (account_id, id, kind, subject, at, content) SELECT account_id, gen_random_uuid(), \
         'customer.updated', subject, at, replace(content, 'customer.created', 'customer.updated') FROM event \
         WHERE content LIKE '%{first}%' LIMIT 1; PERFORM pg_sleep(1.5); END $$"
    );
    let follow = async |after: &str| {
        let page = shop.get(&format!("customers/events?limit=100{after}")).await;
        let kinds =
            page.ok().as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (kinds, page.header("paging-token").to_owned())
    };
    while follow("").await.0.is_empty() {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let meanwhile = async {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(500)).await;
        shop.customer(json!({"customer_id": "second"})).await;
        let (kinds, place) = follow("").await;
        assert_eq!(kinds, ["customer.created"], "what began after the slow one waits for it");
        place
    };
    let (_, place) = futures_util::future::join(app.database.column(&slow), meanwhile).await;
    let mut kinds = Vec::new();
    for _ in 0..200 {
        kinds = follow(&format!("&after={place}")).await.0;
        if kinds.len() == 2 {
            break;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["customer.created", "customer.updated"]);
}
