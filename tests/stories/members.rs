//! Members: the people who administer accounts (contract section 9).

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{PASSWORD, Person, SHOP, TestApp};

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[actix_web::test]
async fn a_member_signs_in_changes_account_and_is_refused_when_its_role_loses_the_scope() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let two = app.partner("P11300000").await;
    let body = json!({"name": "support", "scope": ["read:accounts", "write:accounts"]});
    let role = text(&one.post("auth/roles", body).await.ok()["id"]).to_owned();
    let kari = one.person("Kari@example.com", &[], &[&role]).await;
    two.post("management/users", json!({"email": "kari@EXAMPLE.com", "scope": ["read:accounts"], "name": "Kari"})).await.ok();
    let told = &app.messages().await[0];
    assert!(
        text(&told["text"]).contains("https://id.example.com/console"),
        "whoever has a password is not asked for one: {told}"
    );

    let own = app.send(kari.request(Method::GET, "/v1/account/user")).await.ok();
    let accounts: Vec<(&str, &Value)> =
        own["accounts"].as_array().unwrap().iter().map(|one| (text(&one["account_id"]), &one["user"]["scope"])).collect();
    assert_eq!(accounts, [("P11300000", &json!(["read:accounts"])), ("T11200000", &json!(["read:accounts", "write:accounts"]))]);
    assert_eq!(own["accounts"][1]["user"]["last_seen_at"], Value::Null);

    let (in_one, in_two) = (kari.enter("T11200000").await, kari.enter("P11300000").await);
    in_one.post("auth/roles", json!({"name": "mine", "scope": ["read:accounts"]})).await.ok();
    in_two.get("auth/roles").await.ok();
    in_two.post("auth/roles", json!({"name": "x", "scope": []})).await.refused(403, "insufficient_scope");
    app.holder("P11300000", &in_one.token).get("auth/roles").await.refused(404, "not_found");
    let own = app.send(kari.request(Method::GET, "/v1/account/user")).await.ok();
    assert_eq!(own["accounts"][1]["user"]["last_seen_at"], "2026-01-01T00:00:00.000000Z");

    // Nobody gives what it lacks, nor through a role.
    in_one.post("auth/roles", json!({"name": "more", "scope": ["admin:accounts"]})).await.refused(403, "scope_not_delegable");
    let strong = text(&one.post("auth/roles", json!({"name": "all", "scope": ["admin:accounts"]})).await.ok()["id"]).to_owned();
    let grab = json!({"email": "ola@example.com", "roles": [{"id": strong}]});
    in_one.post("management/users", grab).await.refused(403, "scope_not_delegable");
    let id = text(&own["id"]);
    let raise = json!({"scope": ["admin:accounts"]});
    in_one.put(&format!("management/users/{id}"), raise).await.refused(403, "scope_not_delegable");
    assert!(app.messages().await.is_empty());
    // Nor takes what it lacks from whoever has it.
    one.post("management/users", json!({"email": "boss@example.com", "scope": ["admin:accounts"]})).await.ok();
    app.messages().await;
    let boss = one.get("management/users?search=boss").await.ok();
    let boss = format!("management/users/{}", text(&boss[0]["id"]));
    in_one.put(&boss, json!({"scope": []})).await.refused(403, "scope_not_delegable");
    in_one.delete(&boss).await.refused(403, "scope_not_delegable");
    one.put(&boss, json!({"roles": []})).await.names("scope");

    // Who holds a role.
    let holders = async |role: &str| one.get(&format!("management/users?role={role}")).await.ok().as_array().unwrap().clone();
    assert_eq!(holders(&role).await.iter().map(|member| &member["id"]).collect::<Vec<_>>(), [&own["id"]]);
    assert!(holders(&strong).await.is_empty());
    one.get("management/users?role=no-id").await.names("role");

    // At the next request.
    one.put(&format!("auth/roles/{role}"), json!({"name": "support", "scope": ["read:accounts"]})).await.ok();
    in_one.post("auth/roles", json!({"name": "x", "scope": []})).await.refused(403, "insufficient_scope");
    in_one.get("auth/roles").await.ok();
    one.delete(&format!("auth/roles/{role}")).await.ok();
    in_one.get("auth/roles").await.refused(403, "insufficient_scope");
    one.put(&format!("management/users/{id}"), json!({"scope": ["read:accounts"]})).await.ok();
    in_one.get("auth/roles").await.ok();
    let gone = one.delete(&format!("management/users/{id}")).await.ok();
    assert_ne!(gone["deleted_at"], Value::Null);
    in_one.get("auth/roles").await.refused(401, "unauthorized");
    kari.ask_token("T11200000").await.refused(403, "insufficient_scope");
    in_two.get("auth/roles").await.ok();
    one.get(&format!("management/users/{id}")).await.refused(404, "not_found");
    one.delete(&format!("management/users/{id}")).await.refused(404, "not_found");

    let events = one.events().await;
    let of_kari: Vec<&str> =
        events.iter().filter(|event| event["subject"] == format!("user:{id}")).map(|event| text(&event["type"])).collect();
    assert_eq!(of_kari, ["auth.token", "role.created"]);
    // Whoever was removed can be asked again.
    one.post("management/users", json!({"email": "kari@example.com", "scope": ["read:accounts"]})).await.ok();
    kari.enter("T11200000").await.get("auth/roles").await.ok();
}

/// Shut out at the very next request, with the token that it has; let in again, it has what it had.
#[actix_web::test]
async fn a_member_is_shut_out_and_let_in_again() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let shop = one.sub_account("shop").await;
    let role = one.role("support").await;
    let kari = one.person("kari@example.com", &["read:accounts", "admin:accounts"], &[&role]).await;
    let id = text(&one.get("management/users").await.ok()[0]["id"]).to_owned();
    let path = format!("management/users/{id}");
    let inside = kari.enter("T11200000").await;
    let below = inside.enter(&shop).await;
    below.get("auth/roles").await.ok();
    let own = inside.put(&path, json!({"enabled": false, "scope": ["admin:accounts"]})).await;
    own.refused(400, "invalid_request").names("enabled");
    for wrong in [json!("no"), json!(null)] {
        one.put(&path, json!({"enabled": wrong, "scope": []})).await.refused(400, "invalid_request").names("enabled");
    }
    let rights = json!({"scope": ["read:accounts", "admin:accounts"], "roles": [{"id": role}]});
    let mut out = rights.clone();
    out["enabled"] = json!(false);
    assert_eq!(one.put(&path, out).await.ok()["enabled"], false);
    inside.get("auth/roles").await.refused(401, "unauthorized");
    below.get("auth/roles").await.refused(401, "unauthorized");
    let again = json!({"grant_type": "account_user"});
    let entered = app.request(Method::POST, "/v1/accounts/T11200000/auth/token").bearer_auth(&kari.token).json(&again);
    app.send(entered).await.refused(403, "insufficient_scope");
    let own = app.send(kari.request(Method::GET, "/v1/account/user")).await.ok();
    assert_eq!(own["accounts"], json!([]));
    // A change of what it may do lets nobody in.
    let changed = one.put(&path, rights.clone()).await.ok();
    assert_eq!((&changed["enabled"], &changed["roles"][0]["id"]), (&json!(false), &json!(role)));
    inside.get("auth/roles").await.refused(401, "unauthorized");
    let mut back = rights;
    back["enabled"] = json!(true);
    one.put(&path, back).await.ok();
    inside.get("auth/roles").await.ok();
    below.get("auth/roles").await.ok();
}

#[actix_web::test]
async fn what_a_member_did_is_listed() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["admin:accounts"], &[]).await;
    let inside = kari.enter("T11200000").await;
    inside.role("mine").await;
    let members = one.get("management/users?search=KARI@").await.ok();
    let path = format!("management/users/{}/activities", text(&members[0]["id"]));
    let activities = one.get(&path).await.ok();
    let seen: Vec<(&str, &str)> =
        activities.as_array().unwrap().iter().map(|one| (text(&one["action"]), text(&one["context"]["ip"]))).collect();
    assert_eq!(seen, [("auth.token", "127.0.0.1"), ("role.created", "127.0.0.1")]);
    let first = one.get(&format!("{path}?limit=1")).await;
    let next = one.get(&format!("{path}?limit=1&starting_after={}", first.header("paging-token"))).await.ok();
    assert_eq!(next[0]["action"], "role.created");
}

#[actix_web::test]
async fn members_are_listed_and_bad_ones_refused() {
    let app = TestApp::start().await;
    let one = app.partner_with("T11200000", SHOP).await;
    let role = one.role("reader").await;
    for (name, roles) in [("ola", json!([{"id": role}])), ("kari", json!([])), ("per", json!([]))] {
        let body = json!({"email": format!("{name}@example.com"), "name": name, "scope": ["read:customers"], "roles": roles});
        one.post("management/users", body).await.ok();
    }
    let list = one.get("management/users?expand=roles").await.ok();
    let list = list.as_array().unwrap();
    let ola = list.iter().find(|member| member["name"] == "ola").unwrap();
    assert_eq!(ola["roles"], json!([{"id": role, "name": "reader", "scope": ["read:accounts"]}]));
    assert_eq!((&ola["authentication_type"], list.len()), (&json!("password"), 3));
    let page = one.get("management/users?limit=2").await;
    let rest = one.get(&format!("management/users?limit=2&starting_after={}", page.header("paging-token"))).await.ok();
    assert_eq!((&rest[0]["id"], rest.as_array().unwrap().len()), (&list[2]["id"], 1));
    one.post("management/users", json!({"email": "OLA@example.com"})).await.refused(400, "duplicate");
    for (field, body) in [
        ("email", json!({"email": "ola"})),
        ("roles[0].id", json!({"email": "x@example.com", "roles": [{"id": "1"}]})),
        ("roles[0].id", json!({"email": "x@example.com", "roles": [{"id": "00000000-0000-7000-8000-000000000000"}]})),
        ("scope[0]", json!({"email": "x@example.com", "scope": [""]})),
        ("authentication_type", json!({"email": "x@example.com", "authentication_type": "magic"})),
    ] {
        one.post("management/users", body).await.names(field);
    }
    one.get("management/users/kari").await.names("uid");
    // Whoever signs in elsewhere is not written to.
    app.messages().await;
    one.post("management/users", json!({"email": "ext@example.com", "authentication_type": "external"})).await.ok();
    assert!(app.messages().await.is_empty());
}

#[actix_web::test]
async fn the_link_of_an_invitation_works_once_and_only_where_it_belongs() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    one.post("management/users", json!({"email": "kari@example.com", "scope": ["read:accounts"]})).await.ok();
    let token = app.password_token().await;
    app.sign_in("kari@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    app.choose_password(&token, "12345678").await.names("password");
    app.choose_password(&token, "kari@example.com").await.names("password");
    app.choose_password(&format!("{token}0"), PASSWORD).await.refused(400, "invalid_grant");
    app.pass(7 * 86_400 - 10);
    assert_eq!(app.choose_password(&token, PASSWORD).await.status, 204);
    app.choose_password(&token, PASSWORD).await.refused(400, "invalid_grant");
    let kari = Person::new(&app, &app.sign_in("kari@example.com", PASSWORD).await);
    kari.enter("T11200000").await.get("auth/roles").await.ok();
    let two = app.operator().await;
    two.post("management/users", json!({"email": "ola@example.com", "scope": []})).await.ok();
    let late = app.password_token().await;
    app.pass(7 * 86_400 + 1);
    app.choose_password(&late, PASSWORD).await.refused(400, "invalid_grant");
}

#[actix_web::test]
async fn a_partners_member_enters_sub_accounts_as_its_role_allows() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("Shop").await;
    let role = partner.role("reader").await;
    let kari = partner.person("kari@example.com", &[], &[&role]).await;
    let at_partner = kari.enter("T11200000").await;
    kari.ask_token(&shop).await.refused(403, "insufficient_scope");
    let inside = at_partner.enter(&shop).await;
    inside.get("auth/roles").await.ok();
    inside.post("auth/roles", json!({"name": "x", "scope": []})).await.refused(403, "insufficient_scope");
    // In one step, too (RFC 8693).
    let body = json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": at_partner.token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    let token = app.send(app.request(Method::POST, &format!("/v1/accounts/{shop}/auth/token")).json(&body)).await.ok();
    let at_once = app.holder(&shop, text(&token["access_token"]));
    at_once.get("auth/roles").await.ok();
    let events = app.holder(&shop, &partner.enter(&shop).await.token).events().await;
    let acted: Vec<&Value> =
        events.iter().filter(|event| event["act"]["sub"].as_str().is_some_and(|sub| sub.starts_with("user:"))).collect();
    assert!(!acted.is_empty(), "the log of the shop says who acted: {events:#?}");
    // What it gave ends with the role, and with the session.
    partner.put(&format!("auth/roles/{role}"), json!({"name": "reader", "scope": []})).await.ok();
    inside.get("auth/roles").await.refused(403, "insufficient_scope");
    partner.put(&format!("auth/roles/{role}"), json!({"name": "reader", "scope": ["read:accounts"]})).await.ok();
    inside.get("auth/roles").await.ok();
    assert_eq!(kari.with_cookie("/v1/account/logout").await.status, 204);
    for token in [&inside, &at_once, &at_partner] {
        token.get("auth/roles").await.refused(401, "unauthorized");
    }
}
