//! Tags of customers.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tenantry_tests::{SHOP, TestApp};

#[actix_web::test]
async fn a_tag_lives_its_life() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let metadata = json!({"since": 2026, "colours": ["gold", null], "nested": {"a": 1.5}});
    let gold = shop.post("customers/tags", json!({"tag": "Gold", "metadata": metadata})).await.ok();
    assert_eq!((&gold["tag"], &gold["metadata"]), (&json!("Gold"), &metadata));
    let plain = shop.post("customers/tags", json!({"tag": "plain"})).await.ok();
    assert!(plain["metadata"].is_null());
    shop.post("customers/tags", json!({"tag": "gOLD"})).await.refused(400, "duplicate");
    assert_eq!(shop.get("customers/tags").await.ok(), json!([gold, plain]));
    let path = format!("customers/tags/{}", gold["id"].as_str().unwrap());
    let deleted = shop.delete(&path).await.ok();
    assert!(deleted["deleted_at"].is_string() && deleted["deleted_by"].is_string());
    shop.delete(&path).await.refused(404, "not_found");
    shop.delete("customers/tags/gold").await.names("tag_id");
    assert_eq!(shop.get("customers/tags").await.ok(), json!([plain]));
    shop.post("customers/tags", json!({"tag": "gold"})).await.ok();
    let kinds: Vec<Value> = shop.events().await.into_iter().map(|event| event["type"].clone()).collect();
    let of_tags = kinds.iter().filter(|kind| kind.as_str().unwrap().starts_with("tag."));
    assert_eq!(of_tags.collect::<Vec<_>>(), ["tag.created", "tag.created", "tag.deleted", "tag.created"]);
}

#[actix_web::test]
async fn a_bad_tag_is_refused_by_its_field() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let keys = |count: usize| (0..count).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    for (field, body) in [
        ("tag", json!({})),
        ("tag", json!({"tag": ""})),
        ("tag", json!({"tag": "x".repeat(256)})),
        ("metadata", json!({"tag": "x", "metadata": keys(41)})),
        ("metadata", json!({"tag": "x", "metadata": {"": 1}})),
        ("metadata", json!({"tag": "x", "metadata": {"a": "x".repeat(20_000)}})),
        ("metadata", json!({"tag": "x", "metadata": [1]})),
    ] {
        shop.post("customers/tags", body).await.names(field);
    }
    assert_eq!(shop.get("customers/tags").await.ok(), json!([]));
    shop.post("customers/tags", json!({"tag": "x", "metadata": keys(40)})).await.ok();
    let reader = shop.client(&["read:customers"]).await;
    reader.get("customers/tags").await.ok();
    reader.post("customers/tags", json!({"tag": "y"})).await.refused(403, "insufficient_scope");
}

#[actix_web::test]
async fn of_many_rivals_for_one_tag_exactly_one_wins() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let answers = join_all((0..30).map(|_| shop.post("customers/tags", json!({"tag": "contested"})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400 | 429)));
}
