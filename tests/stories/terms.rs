//! Terms that customers agree to.

use serde_json::{Value, json};
use tenantry_tests::{SHOP, TestApp};

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn terms_are_published_listed_and_deleted() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let first = shop.post("customers/terms", json!({"terms": "One point\nfor each krone."})).await.ok();
    let second = shop.post("customers/terms", json!({"terms": "Two points."})).await.ok();
    let public = shop.client(&["public:customers"]).await;
    assert_eq!(public.get(&format!("customers/terms/{}", id(&first))).await.ok(), first);
    let page = public.get("customers/terms?limit=1").await;
    assert_eq!(page.ok(), json!([first]));
    let rest = public.get(&format!("customers/terms?limit=1&starting_after={}", page.header("paging-token"))).await;
    assert_eq!(rest.ok(), json!([second]));
    let deleted = shop.delete(&format!("customers/terms/{}", id(&first))).await.ok();
    assert!(deleted["deleted_at"].is_string());
    shop.get(&format!("customers/terms/{}", id(&first))).await.refused(404, "not_found");
    shop.delete(&format!("customers/terms/{}", id(&first))).await.refused(404, "not_found");
    assert_eq!(shop.get("customers/terms").await.ok(), json!([second]));
    assert_eq!(shop.get("customers/terms?include_deleted=true").await.ok(), json!([deleted, second]));
    public.post("customers/terms", json!({"terms": "x"})).await.refused(403, "insufficient_scope");
    let kinds: Vec<Value> = shop.events().await.iter().map(|event| event["type"].clone()).collect();
    assert!(kinds.contains(&json!("terms.created")) && kinds.contains(&json!("terms.deleted")));
}

#[actix_web::test]
async fn bad_terms_are_refused_by_their_field() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    for body in
        [json!({}), json!({"terms": ""}), json!({"terms": " "}), json!({"terms": 1}), json!({"terms": "x".repeat(100_001)})]
    {
        shop.post("customers/terms", body).await.names("terms");
    }
    shop.get("customers/terms/1").await.names("tid");
    shop.get("customers/terms?limit=0").await.names("limit");
    shop.get("customers/terms?limit=101").await.names("limit");
    shop.post("customers/terms", json!({"terms": "x".repeat(100_000)})).await.ok();
}
