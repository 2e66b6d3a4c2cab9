//! Roles.

use futures_util::future::join_all;
use serde_json::json;
use tenantry_tests::TestApp;

#[actix_web::test]
async fn a_role_lives_its_life() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let created = partner
        .post("auth/roles", json!({"name": "Support", "description": "d", "scope": ["read:accounts", "read:accounts"]}))
        .await
        .ok();
    assert_eq!(created["scope"], json!(["read:accounts"]));
    assert!(created["deleted_at"].is_null() && created["created_at"] == created["updated_at"]);
    let path = format!("auth/roles/{}", created["id"].as_str().unwrap());
    app.pass(1);
    let updated = partner.put(&path, json!({"scope": []})).await.ok();
    assert!(updated["name"].is_null(), "PUT replaces");
    assert_ne!(updated["updated_at"], created["updated_at"]);
    assert_eq!(partner.get(&path).await.ok(), updated);
    let deleted = partner.delete(&path).await.ok();
    assert!(deleted["deleted_at"].is_string() && deleted["deleted_by"].is_string());
    for again in [partner.get(&path).await, partner.delete(&path).await, partner.put(&path, json!({"scope": []})).await] {
        again.refused(404, "not_found");
    }
}

#[actix_web::test]
async fn a_name_is_unique_among_live_roles_without_regard_to_case() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let one = partner.role("Støtte Å").await;
    partner.post("auth/roles", json!({"name": "støtte A\u{30a}", "scope": []})).await.refused(400, "duplicate");
    let two = partner.role("other").await;
    partner.put(&format!("auth/roles/{two}"), json!({"name": "STØTTE Å", "scope": []})).await.refused(400, "duplicate");
    partner.delete(&format!("auth/roles/{one}")).await.ok();
    partner.role("støtte å").await;
    for _ in 0..2 {
        partner.post("auth/roles", json!({"scope": []})).await.ok();
    }
}

#[actix_web::test]
async fn of_many_rivals_for_one_name_exactly_one_wins() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let rivals = (0..50).map(|_| partner.post("auth/roles", json!({"name": "contested", "scope": []})));
    let answers = join_all(rivals).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400 | 429)));
}

#[actix_web::test]
async fn nobody_gives_away_scopes_that_they_lack() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let writer = partner.client(&["write:accounts"]).await;
    writer.post("auth/roles", json!({"scope": ["write:accounts:/auth/users"]})).await.ok();
    for wider in ["admin:accounts", "read:accounts", "read:customers", "read:checkout"] {
        writer.post("auth/roles", json!({"scope": [wider]})).await.refused(403, "scope_not_delegable");
    }
    let role = partner.role("mine").await;
    writer.put(&format!("auth/roles/{role}"), json!({"scope": ["admin:accounts"]})).await.refused(403, "scope_not_delegable");
    partner.post("auth/roles", json!({"scope": ["read:checkout", "openid"]})).await.ok();
    partner.post("auth/roles", json!({"scope": ["read:customers"]})).await.refused(403, "scope_not_delegable");
}

#[actix_web::test]
async fn lists_are_paged_searched_and_stable() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let mut ids = Vec::new();
    for number in 0..12 {
        app.pass(1);
        ids.push(partner.role(&format!("Role {number:02}")).await);
    }
    let first = partner.get("auth/roles").await;
    assert_eq!(first.ok().as_array().unwrap().len(), 10);
    assert_eq!(first.header("paging-token"), ids[9]);
    let link = first.header("link").to_owned();
    assert!(link.ends_with("; rel=\"next\""), "{link}");
    let next = partner.get(link.trim_start_matches('<').split('>').next().unwrap()).await;
    let rest: Vec<_> = next.ok().as_array().unwrap().iter().map(|role| role["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rest, ids[10..]);
    assert_eq!(next.header("paging-token"), "");

    let found = async |query: &str| partner.get(&format!("auth/roles?{query}")).await.ok().as_array().unwrap().len();
    assert_eq!(found("search=ole+03").await, 1);
    assert_eq!(found("name=ROLE+04").await, 1);
    assert_eq!(found("name=ROLE").await, 0);
    assert_eq!(found(&format!("search={}", ids[5])).await, 1);
    partner.delete(&format!("auth/roles/{}", ids[3])).await.ok();
    assert_eq!(found("search=ole+03").await, 0);
    assert_eq!(found("search=ole+03&include_deleted=true").await, 1);
    assert_eq!(found("include_deleted=true&limit=100").await, 12);
    assert_eq!(found(&format!("include_deleted=true&limit=5&starting_after={}", ids[8])).await, 3);

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("starting_after=x", "starting_after"),
        ("include_deleted=maybe", "include_deleted"),
        ("search=%00", "search"),
        ("limit=1&limit=2", "limit"),
    ] {
        partner.get(&format!("auth/roles?{query}")).await.names(field);
    }
}

#[actix_web::test]
async fn bad_roles_are_refused_by_name_and_write_nothing() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let before = partner.events().await.len();
    for (body, field) in [
        (json!({}), "scope"),
        (json!({"scope": "read:accounts"}), "scope"),
        (json!({"scope": [1]}), "scope[0]"),
        (json!({"scope": ["read:accounts", ""]}), "scope[1]"),
        (json!({"scope": ["a b"]}), "scope[0]"),
        (json!({"scope": ["x".repeat(129)]}), "scope[0]"),
        (json!({"scope": vec!["a"; 101]}), "scope"),
        (json!({"scope": [], "name": 1}), "name"),
        (json!({"scope": [], "name": "x".repeat(256)}), "name"),
        (json!({"scope": [], "name": "a\u{7}b"}), "name"),
        (json!({"scope": [], "name": "a\0b"}), "body"),
        (json!({"scope": [], "description": "x".repeat(1001)}), "description"),
        (json!([]), "body"),
        (json!(null), "body"),
    ] {
        partner.post("auth/roles", body).await.names(field);
    }
    let all = partner.post("auth/roles", json!({"scope": [""], "name": "x".repeat(256)})).await;
    all.names("name").names("scope[0]");
    for id in ["x", "1", "00000000000070008000000000000000", "%00", "../clients"] {
        let answer = partner.get(&format!("auth/roles/{id}")).await;
        assert!(answer.status == 400 || answer.status == 404 || answer.status == 200, "{id}: {}", answer.text);
        assert_ne!(answer.status, 500);
    }
    partner.get("auth/roles/x").await.names("role_id");
    assert_eq!(partner.events().await.len(), before, "nothing was written");
}

/// A record can be sent back as it was read: what only the server may set is ignored.
#[actix_web::test]
async fn read_only_fields_in_a_request_are_ignored() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let mut role = partner.post("auth/roles", json!({"name": "r", "scope": [], "id": "mine", "created_by": "me"})).await.ok();
    assert_ne!(role["id"], "mine");
    assert_ne!(role["created_by"], "me");
    let path = format!("auth/roles/{}", role["id"].as_str().unwrap());
    role["created_by"] = json!("me");
    role["deleted_at"] = json!("2020-01-01T00:00:00Z");
    let again = partner.put(&path, role).await.ok();
    assert_ne!(again["created_by"], "me");
    assert!(again["deleted_at"].is_null());
}
