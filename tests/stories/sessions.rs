//! Sessions: refresh, reuse, revocation (contract nos. 7 and 8, RFC 7009), introspection (RFC 7662).

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, Tenant, TestApp};

const BRINGS: &[&str] = &["write:accounts:/auth/users", "create:accounts:auth:refresh_token"];

fn refresh_token(token: &Value) -> String {
    token["refresh_token"].as_str().expect("a refresh token").to_owned()
}

/// A shop with a user `ola`, and a client of it that may get refresh tokens.
async fn world(app: &TestApp) -> (Tenant<'_>, AppClient<'_>) {
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts", "write:accounts"]).await;
    shop.user("ola").await;
    (shop, client)
}

#[actix_web::test]
async fn a_refresh_token_is_used_once_and_yields_the_next() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let first = client.log_in("ola").await;
    let second = client.renew(&refresh_token(&first)).await.ok();
    assert_ne!(refresh_token(&first), refresh_token(&second));
    client.person(&second).get("auth/roles").await.ok();
    client.person(&first).get("auth/roles").await.ok();
    let third = client.renew(&refresh_token(&second)).await.ok();
    assert_eq!(third["scope"], "read:accounts write:accounts");
    // Fewer scopes for one token take nothing from the session.
    let body = json!({"grant_type": "refresh_token", "refresh_token": refresh_token(&third), "scope": "read:accounts"});
    let fourth = client.tenant.post("auth/token", body).await.ok();
    assert_eq!(fourth["scope"], "read:accounts");
    let fifth = client.renew(&refresh_token(&fourth)).await.ok();
    assert_eq!(fifth["scope"], "read:accounts write:accounts");
    // What is refused in any case uses nothing up.
    let wide = json!({"grant_type": "refresh_token", "refresh_token": refresh_token(&fifth), "scope": "admin:accounts"});
    client.tenant.post("auth/token", wide).await.refused(400, "invalid_scope");
    app.pass(11);
    // What the grant loses, the next token lacks.
    shop.patch(&format!("auth/client-grants/{}", client.grant), json!({"scope": ["read:accounts"]})).await.ok();
    let sixth = client.renew(&refresh_token(&fifth)).await.ok();
    assert_eq!(sixth["scope"], "read:accounts");
    // A client that may not have refresh tokens any more has none.
    let grants = shop.get(&format!("auth/client-grants?client_id={}", client.id)).await.ok();
    let own = grants.as_array().unwrap().iter().find(|grant| grant["type"] == "client_credentials").unwrap();
    let own = format!("auth/client-grants/{}", own["id"].as_str().unwrap());
    shop.patch(&own, json!({"scope": ["write:accounts:/auth/users"]})).await.ok();
    client.renew(&refresh_token(&sixth)).await.refused(403, "insufficient_scope");
}

#[actix_web::test]
async fn a_client_that_saw_no_answer_gets_the_same_successor_for_ten_seconds() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let first = refresh_token(&client.log_in("ola").await);
    let second = refresh_token(&client.renew(&first).await.ok());
    app.pass(9);
    assert_eq!(refresh_token(&client.renew(&first).await.ok()), second);
    app.pass(2);
    client.renew(&first).await.refused(400, "invalid_grant");
    client.renew(&second).await.refused(400, "invalid_grant");
    assert!(shop.events().await.iter().any(|event| event["type"] == "session.refresh_reused"));
}

#[actix_web::test]
async fn reuse_of_a_refresh_token_ends_the_session_and_its_access_tokens() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let first = client.log_in("ola").await;
    let second = client.renew(&refresh_token(&first)).await.ok();
    let third = client.renew(&refresh_token(&second)).await.ok();
    client.person(&third).get("auth/roles").await.ok();
    // Two generations old: no grace.
    client.renew(&refresh_token(&first)).await.refused(400, "invalid_grant");
    client.renew(&refresh_token(&third)).await.refused(400, "invalid_grant");
    for token in [&first, &second, &third] {
        client.person(token).get("auth/roles").await.refused(401, "unauthorized");
    }
    let again = client.log_in("ola").await;
    client.person(&again).get("auth/roles").await.ok();
}

#[actix_web::test]
async fn of_fifty_who_use_a_refresh_token_at_once_all_get_the_one_successor() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let first = refresh_token(&client.log_in("ola").await);
    let answers = join_all((0..50).map(|_| client.renew(&first))).await;
    let mut next: Vec<String> =
        answers.iter().filter(|answer| answer.status == 200).map(|answer| refresh_token(&answer.json())).collect();
    assert!(
        answers.iter().all(|answer| matches!(answer.status, 200 | 429)),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    next.dedup();
    assert_eq!(next.len(), 1, "one move, one successor");
}

#[actix_web::test]
async fn a_refresh_token_is_good_for_its_own_client_account_and_kind_only() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let token = refresh_token(&client.log_in("ola").await);
    let other = shop.app_client(BRINGS, &["read:accounts"]).await;
    other.renew(&token).await.refused(400, "invalid_grant");
    let sibling = app.partner("T11300000").await;
    let theirs = sibling.app_client(BRINGS, &["read:accounts"]).await;
    theirs.renew(&token).await.refused(400, "invalid_grant");
    for bad in ["x", "", &token[1..], &format!("{token}0"), &token.replace("refresh", "reset"), client.tenant.token.as_str()] {
        let status = client.renew(bad).await.status;
        assert_eq!(status, 400, "{bad}");
    }
    // A refresh token is no access token, here or anywhere.
    app.holder("T11200000", &token).get("auth/roles").await.refused(401, "unauthorized");
    // Another client's try has not ended the session.
    client.renew(&token).await.ok();
}

#[actix_web::test]
async fn what_ends_a_person_ends_its_sessions() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let new = json!({"password": "another horse, another staple"});
    for end in ["disable", "password", "delete"] {
        let token = client.log_in("ola").await;
        client.person(&token).get("auth/roles").await.ok();
        match end {
            "disable" => shop.post_empty("auth/users/ola/disable").await,
            "password" => shop.put("auth/users/ola", new.clone()).await,
            _ => shop.delete("auth/users/ola").await,
        }
        .ok();
        client.person(&token).get("auth/roles").await.refused(401, "unauthorized");
        client.renew(&refresh_token(&token)).await.refused(400, "invalid_grant");
        match end {
            "disable" => shop.post_empty("auth/users/ola/enable").await,
            "password" => shop.put("auth/users/ola", json!({"password": PASSWORD})).await,
            _ => shop.post("auth/users", json!({"username": "ola", "password": PASSWORD})).await,
        }
        .ok();
    }
    // A new name ends nothing.
    let token = client.log_in("ola").await;
    shop.post("auth/users/ola/change_username", json!({"username": "kari"})).await.ok();
    client.renew(&refresh_token(&token)).await.ok();
    // A session has an end, however often it is renewed.
    let mut token = client.log_in("kari").await;
    for _ in 0..30 {
        app.pass(86_400 - 600);
        let answer = client_again(&client).await.renew(&refresh_token(&token)).await;
        token = answer.ok();
    }
    app.pass(86_400);
    client_again(&client).await.renew(&refresh_token(&token)).await.refused(400, "invalid_grant");
    assert!(app.registry.platform().prune().await.unwrap() >= 4);
    assert_eq!(app.registry.platform().prune().await.unwrap(), 0);
}

/// The client with a token of today.
async fn client_again<'a>(client: &AppClient<'a>) -> AppClient<'a> {
    let (id, secret) = (client.id.clone(), client.secret.clone());
    let tenant = client.tenant.app.login(&client.tenant.account, &id, &secret).await;
    AppClient { tenant, id, secret, grant: client.grant.clone() }
}

#[actix_web::test]
async fn a_revoked_refresh_token_and_its_access_tokens_are_worth_nothing() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let token = client.log_in("ola").await;
    // Whatever is no live refresh token is answered alike.
    for nothing in ["x", client.tenant.token.as_str()] {
        assert_eq!(shop.post("auth/revoke", json!({"token": nothing})).await.ok(), json!({}));
    }
    shop.post("auth/revoke", json!({"token": ""})).await.names("token");
    client.person(&token).get("auth/roles").await.ok();
    for _ in 0..2 {
        assert_eq!(client.tenant.post("auth/revoke", json!({"token": refresh_token(&token)})).await.ok(), json!({}));
    }
    client.renew(&refresh_token(&token)).await.refused(400, "invalid_grant");
    client.person(&token).get("auth/roles").await.refused(401, "unauthorized");
    let ended = shop.events().await.into_iter().filter(|event| event["type"] == "session.ended").count();
    assert_eq!(ended, 1);
}

async fn oauth(app: &TestApp, what: &str, client: (&str, &str), token: &str) -> Answer {
    let request = app.request(Method::POST, &format!("/v1/accounts/T11200000/auth/oauth/{what}"));
    app.send(request.basic_auth(client.0, Some(client.1)).form(&[("token", token), ("token_type_hint", "refresh_token")])).await
}

#[actix_web::test]
async fn standard_clients_renew_revoke_and_ask_with_their_secret() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let own = (client.id.as_str(), client.secret.as_str());
    let token = client.log_in("ola").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh_token(&token))];
    let request = app.request(Method::POST, "/v1/accounts/T11200000/auth/token");
    let token = app.send(request.basic_auth(own.0, Some(own.1)).form(&form)).await.ok();

    let access = token["access_token"].as_str().unwrap();
    let state = oauth(&app, "introspect", own, access).await.ok();
    assert_eq!(
        (&state["active"], &state["scope"], &state["client_id"]),
        (&json!(true), &json!("read:accounts write:accounts"), &json!(own.0))
    );
    assert_eq!(state["token_type"], "Bearer");
    assert_eq!(oauth(&app, "introspect", own, &refresh_token(&token)).await.ok()["active"], true);
    let nothing = json!({"active": false});
    for worthless in ["x", "a.b.c", &format!("{access}x")] {
        assert_eq!(oauth(&app, "introspect", own, worthless).await.ok(), nothing, "{worthless}");
    }
    let refused = oauth(&app, "introspect", (own.0, "wrong"), access).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("invalid_client")));

    // Another account's client proves nothing here, and another account's token is worth nothing here.
    let sibling = app.partner("T11300000").await;
    let (theirs, secret) = sibling.bare_client().await;
    assert_eq!(oauth(&app, "introspect", (&theirs, &secret), access).await.status, 401);
    assert_eq!(oauth(&app, "revoke", (&theirs, &secret), access).await.status, 401);
    assert_eq!(oauth(&app, "introspect", own, &sibling.token).await.ok(), nothing);
    // Another client's session is not this one's to end, and a wrong secret ends nothing.
    let (other, secret) = shop.bare_client().await;
    oauth(&app, "revoke", (&other, &secret), access).await.ok();
    assert_eq!(oauth(&app, "revoke", (own.0, "wrong"), access).await.status, 401);
    client.person(&token).get("auth/roles").await.ok();
    oauth(&app, "revoke", own, access).await.ok();
    client.person(&token).get("auth/roles").await.refused(401, "unauthorized");
    for dead in [access, &refresh_token(&token)] {
        assert_eq!(oauth(&app, "introspect", own, dead).await.ok(), nothing);
    }
    let metadata = app.get("/v1/accounts/T11200000/.well-known/oauth-authorization-server").await.ok();
    assert!(metadata["introspection_endpoint"].as_str().unwrap().ends_with("/T11200000/auth/oauth/introspect"));
    assert!(metadata["revocation_endpoint"].as_str().unwrap().ends_with("/T11200000/auth/oauth/revoke"));
}
