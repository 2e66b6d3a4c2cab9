//! Looking for customers.

use serde_json::{Value, json};
use tenantry_tests::{SHOP, Tenant, TestApp};

/// The ids that a search yields, page by page.
async fn found(shop: &Tenant<'_>, query: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("customers/users?limit=2&{query}{after}")).await;
        for customer in page.ok().as_array().unwrap() {
            ids.push(customer["customer_id"].as_str().unwrap().to_owned());
        }
        match page.header("paging-token") {
            "" => return ids,
            next => after = format!("&starting_after={next}"),
        }
    }
}

async fn people(shop: &Tenant<'_>) {
    let attributes = json!([{"name": "shoe", "type": "integer"}, {"name": "hobby", "type": "string", "multiple_values": true}]);
    shop.put("customers/settings", json!({"attributes": attributes})).await.ok();
    for body in [
        json!({"customer_id": "1", "first_name": "Åse", "last_name": "Berg", "email": "ase@example.com", "phone_number": "+4711111",
            "attributes": {"shoe": 38, "hobby": ["ski", "chess"]}}),
        json!({"customer_id": "2", "first_name": "Ola", "last_name": "Åsen", "email": "ola@example.com", "phone_number": "+4711112"}),
        json!({"customer_id": "3", "first_name": "Kari", "email": "kari@blåbær.no", "attributes": {"shoe": 38}}),
        json!({"customer_id": "ås-4", "type": "company", "company": {"bussiness_name": "Åsane Mat"}, "phone_number": "+4522",
            "attributes": {"hobby": ["Ski"]}}),
        json!({"customer_id": "5", "type": "employee", "first_name": "ÅSMUND"}),
        json!({"customer_id": "6", "type": "contact", "first_name": "Per", "contact_for": [{"customer_id": "ås-4"}, {"customer_id": "1"}]}),
    ] {
        shop.customer(body).await;
    }
}

#[actix_web::test]
async fn each_filter_finds_its_customers() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    people(&shop).await;
    let gold = shop.post("customers/tags", json!({"tag": "gold"})).await.ok()["id"].as_str().unwrap().to_owned();
    for id in ["2", "5"] {
        shop.put(&format!("customers/users/{id}/tags"), json!([gold])).await.ok();
    }
    for (id, kind, value) in [("1", "card", "c1"), ("1", "card", "c2"), ("3", "card", "c3"), ("3", "plate", "c1")] {
        assert_eq!(shop.post(&format!("customers/users/{id}/tokens"), json!({"type": kind, "value": value})).await.status, 201);
    }
    for (query, expected) in [
        ("", vec!["1", "2", "3", "ås-4", "5"]),
        ("type=customer", vec!["1", "2", "3"]),
        ("type=employee", vec!["5"]),
        ("email=OLA@", vec!["2"]),
        ("email=kari@blåbær.no", vec!["3"]),
        ("email=a", vec!["1"]),
        ("phone_number=%2B47", vec!["1", "2"]),
        ("phone_number=+4711112", vec!["2"]),
        // By first name in its order, then by last name, by company, by customer_id.
        ("search=ås", vec!["1", "5", "2", "ås-4"]),
        ("search=ola%20ås", vec!["2"]),
        ("search=åsen%20ola", vec!["2"]),
        ("search=%2B4522", vec!["ås-4"]),
        ("search=ola@example", vec!["2"]),
        ("search=nobody", vec![]),
        ("search=ås&type=customer", vec!["1", "2"]),
        ("search=ås&email=ola", vec!["2"]),
        (&format!("tag_id={gold}"), vec!["2", "5"]),
        (&format!("tag_id={gold}&search=ola"), vec!["2"]),
        ("token_type=card", vec!["1", "3"]),
        ("token_value=c1", vec!["1", "3"]),
        ("token_value=c1&token_type=plate", vec!["3"]),
        ("token_value=c", vec![]),
        ("attributes_keys=shoe", vec!["1", "3"]),
        ("attributes_keys=shoe&attributes_keys=hobby", vec!["1"]),
        ("attributes_keys=hobby&attributes_values=SKI", vec!["1", "ås-4"]),
        ("attributes_keys=hobby&attributes_values=ski&attributes_keys=shoe&attributes_values=38", vec!["1"]),
        ("attributes_keys=shoe&attributes_values=39", vec![]),
        ("token_type=card&attributes_keys=hobby", vec!["1"]),
    ] {
        assert_eq!(found(&shop, query).await, expected, "{query}");
    }
    for (field, query) in [
        ("limit", "limit=0"),
        ("limit", "limit=101"),
        ("type", "type=friend"),
        ("tag_id", "tag_id=gold"),
        ("phone_number", "phone_number=12x"),
        ("since_datetime", "since_datetime=now"),
        ("attributes_keys[0]", "attributes_keys=colour"),
        ("attributes_values[0]", "attributes_keys=shoe&attributes_values=big"),
        ("attributes_values", "attributes_values=1"),
        ("attributes_keys", "attributes_keys=a&attributes_keys=b&attributes_keys=c&attributes_keys=d&attributes_keys=e"),
        ("starting_after", "starting_after=nobody"),
        ("starting_after", "search=a&starting_after=nobody"),
        ("starting_after", "since_datetime=2026-01-01T00:00:00Z&starting_after=1"),
        ("email", "email=a&email=b"),
    ] {
        shop.get(&format!("customers/users?{query}")).await.names(field);
    }
}

#[actix_web::test]
async fn contacts_bring_those_for_whom_they_speak() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    people(&shop).await;
    let ids = |page: &Value| {
        page.as_array().unwrap().iter().map(|one| one["customer_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let contacts = shop.get("customers/users?type=contact&limit=1&total=true").await;
    assert_eq!(ids(&contacts.ok()), ["6", "1", "ås-4"], "after it, once, outside the limit");
    assert_eq!(contacts.header("total-count"), "1");
    assert_eq!(contacts.ok()[0]["contact_for"], json!([{"customer_id": "ås-4"}, {"customer_id": "1"}]));
    assert_eq!(ids(&shop.get("customers/users?type=any").await.ok()), ["1", "2", "3", "ås-4", "5", "6"]);
    // A contact goes with whoever it spoke for, by whatever name.
    shop.post("customers/users/1/change_customer_id", json!({"customer_id": "one"})).await.ok();
    shop.delete("customers/users/%C3%A5s-4").await.ok();
    assert_eq!(shop.get("customers/users/6").await.ok()["contact_for"], json!([{"customer_id": "one"}]));
}

#[actix_web::test]
async fn pages_stand_still_while_others_write() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    for n in 0..7 {
        shop.customer(json!({"customer_id": format!("c{n}"), "first_name": "Ola", "last_name": format!("{}", n % 3)})).await;
    }
    for (query, expected) in [("type=customer", "c0 c1 c2 c3 c4 c5 c6"), ("type=customer&search=ola", "c0 c3 c6 c1 c4 c2 c5")] {
        let (mut ids, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = shop.get(&format!("customers/users?limit=3&{query}{after}")).await;
            ids.extend(page.ok().as_array().unwrap().iter().map(|one| one["customer_id"].as_str().unwrap().to_owned()));
            pages += 1;
            // Whoever comes before the place where a page ended changes nothing after it.
            shop.customer(json!({"first_name": "Aase", "type": "employee"})).await;
            match page.header("paging-token") {
                "" => break,
                next => after = format!("&starting_after={next}"),
            }
        }
        assert_eq!(
            (ids.iter().filter(|id| id.starts_with('c')).cloned().collect::<Vec<_>>().join(" "), pages),
            (expected.to_owned(), 3)
        );
    }
    // A page may also begin after a customer, by either of its names; never after one of another account's.
    let after = shop.get("customers/users?starting_after=c4&type=customer").await.ok();
    assert_eq!(after[0]["customer_id"], "c5");
    let id = after[0]["id"].as_str().unwrap();
    assert_eq!(shop.get(&format!("customers/users?starting_after={id}&type=customer")).await.ok()[0]["customer_id"], "c6");
    let token = shop.get("customers/users?search=ola&limit=1").await.header("paging-token").to_owned();
    assert!(!token.contains("ola"));
    let other = app.partner_with("T11300000", SHOP).await;
    other.customer(json!({"first_name": "Ola"})).await;
    other.get(&format!("customers/users?starting_after={id}")).await.names("starting_after");
    other.get(&format!("customers/users?search=ola&starting_after={token}")).await.names("starting_after");
    // Nor one of another list.
    for query in ["search=ol", "email=ola", "phone_number=1", "search=ola&type=any", "since_datetime=2000-01-01T00:00:00Z"] {
        shop.get(&format!("customers/users?{query}&starting_after={token}")).await.names("starting_after");
    }
    assert_eq!(shop.get(&format!("customers/users?search=ola&limit=50&starting_after={token}")).await.status, 200);
}

#[actix_web::test]
async fn changes_are_walked_by_their_time() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    for n in 0..3 {
        shop.customer(json!({"customer_id": n.to_string()})).await;
        app.pass(1);
    }
    let since = shop.put("customers/users/0", json!({"first_name": "x"})).await.ok()["updated_at"].as_str().unwrap().to_owned();
    let walk = async |query: String| {
        let page = shop.get(&format!("customers/users?{query}")).await.ok();
        page.as_array().unwrap().iter().map(|one| one["customer_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(walk(format!("since_datetime={since}")).await, ["0"]);
    assert_eq!(walk("since_datetime=2000-01-01T00:00:00Z".to_owned()).await, ["1", "2", "0"]);
    app.pass(1);
    shop.delete("customers/users/1").await.ok();
    assert_eq!(walk("since_datetime=2000-01-01T00:00:00Z".to_owned()).await, ["2", "0"]);
    assert_eq!(walk("since_datetime=2000-01-01T00:00:00Z&include_deleted=true".to_owned()).await, ["2", "0", "1"]);
    assert_eq!(walk("include_deleted=true".to_owned()).await, ["0", "1", "2"]);
    // Of those changed at one moment there may be more than fit on a page.
    let lines = ["i0", "i1", "i2", "i3", "i4"].map(|id| json!({"customer_id": id}).to_string()).join("\n");
    assert_eq!(crate::customer_import::import(&shop, lines).await.status, 200);
    let (mut ids, mut after) = (Vec::new(), String::new());
    for _ in 0..6 {
        let page = shop.get(&format!("customers/users?limit=2&since_datetime=2000-01-01T00:00:00Z{after}")).await;
        ids.extend(page.ok().as_array().unwrap().iter().map(|one| one["customer_id"].as_str().unwrap().to_owned()));
        match page.header("paging-token") {
            "" => break,
            next => after = format!("&starting_after={next}"),
        }
    }
    let imported: std::collections::BTreeSet<&String> = ids[2..].iter().collect();
    assert_eq!((&ids[..2], ids.len(), imported.len()), (&["2".to_owned(), "0".to_owned()][..], 7, 5));
    shop.get("customers/users?since_datetime=2000-01-01T00:00:00Z&starting_after=2").await.names("starting_after");
    for n in 0..5 {
        shop.delete(&format!("customers/users/i{n}")).await.ok();
    }
    let counted = shop.get("customers/users?total=true&limit=1").await;
    assert_eq!(counted.header("total-count"), "2");
    assert_eq!(shop.get("customers/users?total=true&limit=1&search=x").await.header("total-count"), "1");
}
