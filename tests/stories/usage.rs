//! What an account is told of how it is used, and a partner of its tree.

use serde_json::{Value, json};
use tenantry_accounts::Quotas;
use tenantry_tests::{SHOP, TestApp};

fn quotas() -> Quotas {
    let quota = |text: &str| text.parse().unwrap();
    Quotas { address: quota("50/200"), account: quota("20/100"), client: quota("10/40"), tree: quota("100/300") }
}

#[actix_web::test]
async fn an_account_sees_how_it_is_used_and_a_partner_who_is_busy() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner_with("T11200000", SHOP).await;
    let (noisy, quiet) = (partner.sub_account("noisy").await, partner.sub_account("quiet").await);
    let inside = partner.enter(&noisy).await;
    let admin = inside.client(&["admin:accounts"]).await;
    let reader = inside.client(&["read:accounts"]).await;
    inside.user("ola").await;
    app.pass(60);
    let before = admin.get("management/usage").await.ok();
    assert_eq!(before["usage"]["requests_per_second"], 0.0, "{before}");
    assert!(before["usage"]["p50_ms"].is_null() && before["tree"].is_null(), "{before}");
    assert_eq!((before["account_id"].as_str(), before["permits"].as_i64()), (Some(noisy.as_str()), Some(16)));
    assert_eq!(before["rate"], json!({"quota": {"requests_per_second": 20, "burst": 100}, "remaining": 99}));

    app.pass(60);
    for _ in 0..60 {
        reader.get("auth/roles").await;
    }
    partner.enter(&quiet).await.get("auth/roles").await.ok();
    let seen = admin.get("management/usage").await.ok();
    let seconds = seen["seconds"].as_f64().unwrap();
    assert!((10.0..20.0).contains(&seconds), "{seen}");
    let answered = seen["usage"]["requests_per_second"].as_f64().unwrap() * seconds;
    assert!((answered - 40.0).abs() < 0.5, "{seen}");
    let refused = json!({"account": 0, "client": 20, "tree": 0, "attempts": 0, "busy": 0, "unavailable": 0});
    assert_eq!(seen["usage"]["refused"], refused);
    let (p50, p99) = (seen["usage"]["p50_ms"].as_f64().unwrap(), seen["usage"]["p99_ms"].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 < 10_000.0, "{seen}");
    // Forty requests, and this one.
    assert_eq!(seen["rate"]["remaining"], 59, "{seen}");
    assert_eq!((seen["usage"]["failed"].as_i64(), seen["usage"]["writes_under_way"].as_i64()), (Some(0), Some(0)));

    let tree = partner.get("management/usage").await.ok()["tree"].clone();
    assert_eq!(tree["accounts"], 3);
    let names: Vec<&Value> = tree["busiest"].as_array().unwrap().iter().map(|busy| &busy["account_id"]).collect();
    assert_eq!(names, [&json!(noisy), &json!(quiet)]);
    assert_eq!(tree["usage"]["refused"]["client"], 20);
    assert_eq!(tree["busiest"][0]["usage"]["refused"]["client"], 20);
    assert_eq!(tree["budget"]["quota"]["burst"], 300);
    assert!(tree["budget"]["remaining"].as_i64().unwrap() < 260, "{tree}");
    // What strangers are refused counts for nobody.
    for path in ["auth/roles", "management/usage", "auth/clients"] {
        app.holder(&noisy, "not.a.token").get(path).await.refused(401, "unauthorized");
        app.get(&format!("/v1/accounts/{noisy}/{path}")).await.refused(401, "unauthorized");
    }
    app.token(&noisy, "nobody", "a wrong secret", "https://elsewhere.example.com").await.refused(401, "invalid_client");
    let after = admin.get("management/usage").await.ok();
    let answered = after["usage"]["requests_per_second"].as_f64().unwrap() * after["seconds"].as_f64().unwrap();
    assert!((answered - 41.0).abs() < 0.5, "only the question before was answered, too: {after}");
    // A sub-account learns nothing of the tree above it, and nobody of another's account.
    assert!(seen["tree"].is_null());
    app.holder("T11200000", &admin.token).get("management/usage").await.refused(404, "not_found");

    // Hashes cost what they cost.
    app.pass(60);
    let people = inside.app_client(SHOP, &["read:accounts"]).await;
    for _ in 0..3 {
        people.bring("ola", "not the password").await;
    }
    let seen = admin.get("management/usage").await.ok();
    assert_eq!(seen["usage"]["hashes"], 3, "{seen}");
    assert!(seen["usage"]["hash_seconds"].as_f64().unwrap() > 0.0, "{seen}");
    // What is past is told no more.
    app.pass(60);
    let seen = admin.get("management/usage").await.ok();
    assert_eq!((&seen["usage"]["hashes"], &seen["usage"]["requests_per_second"]), (&json!(0), &json!(0.0)));
}
