//! Accounts below an account, settings, and the log.

use serde_json::{Value, json};
use tenantry_tests::TestApp;

#[actix_web::test]
async fn numbers_are_given_in_order_and_never_twice() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    assert_eq!(partner.sub_account("one").await, "T11200001");
    partner.create_account(json!({"display_name": "chosen", "account_id": "T11200002"})).await.ok();
    assert_eq!(partner.sub_account("three").await, "T11200003");
    partner.delete("management/accounts/T11200003").await.ok();
    assert_eq!(partner.sub_account("four").await, "T11200004");
    for used in ["T11200001", "T11200002", "T11200003"] {
        let body = json!({"display_name": "again", "account_id": used});
        partner.create_account(body).await.refused(400, "duplicate");
    }
    let operator = app.operator().await;
    assert_eq!(operator.sub_account("next partner").await, "T00100000");
    let shop = partner.enter("T11200001").await;
    shop.create_account(json!({"display_name": "below a shop"})).await.refused(404, "not_found");
}

#[actix_web::test]
async fn accounts_below_are_listed_searched_changed_and_deleted() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    for name in ["Bakery", "Butcher", "Bank", "Ærlig"] {
        partner.sub_account(name).await;
    }
    let found = async |query: &str| {
        let list = partner.get(&format!("management/accounts?{query}")).await.ok();
        list.as_array().unwrap().iter().map(|account| account["display_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["Bakery", "Butcher", "Bank", "Ærlig"]);
    assert_eq!(found("search=BA").await, ["Bakery", "Bank"]);
    assert_eq!(found("search=%C3%A6").await, ["Ærlig"]);
    assert_eq!(found("search=t11200002").await, ["Butcher"]);
    assert_eq!(found("search=T11200").await.len(), 4);
    assert_eq!(found("search=%25").await.len(), 0);
    let motors = partner.sub_account("T9 Motors").await;
    assert_eq!(found("search=t9").await, ["T9 Motors"]);
    partner.delete(&format!("management/accounts/{motors}")).await.ok();
    let page = partner.get("management/accounts?limit=2").await;
    assert_eq!(page.header("paging-token"), "T11200002");
    assert_eq!(found("limit=2&starting_after=T11200002").await, ["Bank", "Ærlig"]);

    let company =
        json!({"business_name": "Bakery AS", "address": {"address_line": "Gate 1", "postal_place": "Oslo", "country": "NO"}});
    let change = json!({"display_name": "Bakery 2", "company": company, "limits": {"requests_per_second": 5, "burst": 10}, "language_code": "no"});
    let changed = partner.put("management/accounts/T11200001", change).await.ok();
    assert_eq!((&changed["company"], changed["limits"]["burst"].as_i64()), (&company, Some(10)));
    assert_eq!(partner.get("management/accounts/T11200001").await.ok(), changed);
    let acting = partner.enter("T11200001").await;
    assert_eq!(acting.get("management/settings").await.ok(), changed);
    // What only the partner may set is ignored here.
    let own = acting.put("management/settings", json!({"active": false, "limits": null, "display_name": "Mine"})).await.ok();
    assert_eq!(
        (own["active"].as_bool(), own["limits"]["burst"].as_i64(), own["display_name"].as_str()),
        (Some(true), Some(10), Some("Mine"))
    );

    let cleared = partner.put("management/accounts/T11200001", json!({"limits": null, "company": null})).await.ok();
    assert!(cleared["limits"].is_null() && cleared["company"].is_null() && cleared["language_code"] == "no", "{cleared}");

    assert!(partner.delete("management/accounts/T11200001").await.ok()["deleted_at"].is_string());
    partner.get("management/accounts/T11200001").await.refused(404, "not_found");
    partner.delete("management/accounts/T11200001").await.refused(404, "not_found");
    acting.get("management/settings").await.refused(401, "unauthorized");
    assert_eq!(found("").await, ["Butcher", "Bank", "Ærlig"]);
}

#[actix_web::test]
async fn bad_accounts_and_settings_are_refused_by_name() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    partner.sub_account("shop").await;
    for (body, field) in [
        (json!({}), "display_name"),
        (json!({"display_name": "x".repeat(256)}), "display_name"),
        (json!({"display_name": " "}), "display_name"),
        (json!({"display_name": "x", "account_id": "x"}), "account_id"),
        (json!({"display_name": "x", "account_id": "T11300001"}), "account_id"),
        (json!({"display_name": "x", "account_id": "T11200000"}), "account_id"),
        (json!({"display_name": "x", "language_code": "NO"}), "language_code"),
        (json!({"display_name": "x", "company": {}}), "company.business_name"),
        (json!({"display_name": "x", "company": {"business_name": " "}}), "company.business_name"),
    ] {
        partner.create_account(body).await.names(field);
    }
    for (body, field) in [
        (json!({"limits": {"requests_per_second": 0, "burst": 1}}), "limits.requests_per_second"),
        (json!({"limits": {"requests_per_second": 1, "burst": 1_000_001}}), "limits.burst"),
        (json!({"limits": {"requests_per_second": -1, "burst": 1}}), "limits.requests_per_second"),
        (json!({"budget": {"burst": 1}}), "budget.requests_per_second"),
        (json!({"active": "no"}), "active"),
    ] {
        partner.put("management/accounts/T11200001", body).await.names(field);
    }
    partner.put("management/settings", json!({"signing_algorithm": "HS256"})).await.names("signing_algorithm");
    partner.get("management/accounts/x").await.names("aid");
    partner.get("management/accounts?starting_after=x").await.names("starting_after");
}

#[actix_web::test]
async fn the_log_tells_of_every_change_once_and_without_a_gap() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let role = partner.role("one").await;
    app.pass(5);
    partner.put(&format!("auth/roles/{role}"), json!({"name": "two", "scope": []})).await.ok();
    partner.post("auth/roles", json!({"scope": [""]})).await.names("scope[0]");
    partner.post("auth/roles", json!({"name": "TWO", "scope": []})).await.refused(400, "duplicate");
    partner.delete(&format!("auth/roles/{role}")).await.ok();
    let shop = partner.sub_account("shop").await;
    partner.put(&format!("management/accounts/{shop}"), json!({"active": false})).await.ok();

    let events = partner.events().await;
    let seqs: Vec<i64> = events.iter().filter_map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=seqs.len().try_into().unwrap()).collect::<Vec<i64>>());
    let about: Vec<&str> =
        events.iter().filter(|event| event["target"] == *role).map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(about, ["role.created", "role.updated", "role.deleted"]);
    let updated = events.iter().find(|event| event["type"] == "role.updated").unwrap();
    assert_eq!((updated["before"]["name"].as_str(), updated["after"]["name"].as_str()), (Some("one"), Some("two")));
    assert!(updated["ip"].is_string() && updated["request_id"].is_string() && updated["subject"].is_string());
    let suspended = events.iter().find(|event| event["type"] == "account.suspended").unwrap();
    assert!(suspended["target"] == *shop && suspended["seq"].is_null(), "an activity of the partner's");

    let count =
        async |query: &str| partner.get(&format!("management/events?limit=100&{query}")).await.ok().as_array().unwrap().len();
    assert_eq!(count("type=role.updated").await, 1);
    assert_eq!(count("subject=nobody").await, 0);
    let since = updated["created_at"].as_str().unwrap();
    assert_eq!(count(&format!("since={since}&type=role.created")).await, 0);
    assert_eq!(count(&format!("until={since}&type=role.updated")).await, 0);
    // The latest first, page by page; those of a subject stand in two places.
    for query in [String::new(), format!("&subject={}", updated["subject"].as_str().unwrap())] {
        let all = partner.get(&format!("management/events?limit=100{query}")).await.ok();
        let mut backwards = Vec::new();
        let mut after = String::new();
        loop {
            let page = partner.get(&format!("management/events?limit=2&order=desc{query}{after}")).await;
            let Some(last) = page.ok().as_array().unwrap().last().cloned() else { break };
            backwards.extend(page.ok().as_array().unwrap().clone());
            assert!(backwards.len() <= 100, "it goes on and on: {query}");
            after = format!("&starting_after={}", last["id"].as_str().unwrap());
        }
        backwards.reverse();
        assert!(backwards.len() > 2 && Value::Array(backwards) == all, "{query}");
    }
    partner.get("management/events?order=up").await.names("order");
    partner.get("management/events?since=yesterday").await.names("since");
    partner.get("management/events?starting_after=x").await.names("starting_after");

    let account = app.registry.get("T11200000".parse().unwrap()).await.unwrap();
    assert_eq!(account.verify_events().await.unwrap(), *seqs.last().unwrap());
}
