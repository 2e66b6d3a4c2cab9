//! A partner, its sub-accounts, and the exchange between them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{PUBLIC, TestApp};

pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[actix_web::test]
async fn a_partner_creates_a_sub_account_exchanges_a_token_and_works_there() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("Corner shop").await;
    assert_eq!(shop, "T11200001");
    let acting = partner.enter(&shop).await;

    let token = claims(&acting.token);
    let account = format!("{PUBLIC}/v1/accounts/{shop}");
    assert_eq!((token["iss"].as_str(), token["aud"].as_str()), (Some(&*account), Some(&*account)));
    assert_eq!((token["oid"].as_str(), token["aid"].as_str()), (Some(&*shop), Some(&*shop)));
    assert_eq!(token["act"], json!({"sub": token["client_id"], "oid": "T11200000"}));

    let role = acting.role("order support").await;
    assert_eq!(acting.get("auth/roles").await.ok().as_array().unwrap().len(), 1);
    acting.put(&format!("auth/roles/{role}"), json!({"scope": ["write:accounts"]})).await.ok();
    acting.delete(&format!("auth/roles/{role}")).await.ok();

    let there = acting.events().await;
    let kinds: Vec<&str> = there.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "account.created",
            "key.created",
            "token.exchange_requested",
            "token.exchanged",
            "role.created",
            "role.updated",
            "role.deleted"
        ]
    );
    for event in there.iter().filter(|event| event["type"].as_str().unwrap().starts_with("role.")) {
        assert_eq!(event["act"]["oid"], "T11200000");
    }
    let here = partner.events().await;
    for kind in ["token.exchange_requested", "token.exchanged"] {
        let told: Vec<_> = here.iter().filter(|event| event["type"] == kind && event["target"] == *shop).collect();
        assert_eq!(told.len(), 1, "{kind}");
        assert_eq!(told[0]["act"]["oid"], "T11200000");
    }
}

#[actix_web::test]
async fn a_partners_plain_token_is_unknown_on_a_sub_account() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    partner.get(&format!("/v1/accounts/{shop}/auth/roles")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn exchange_reaches_only_the_partners_own_live_sub_accounts() {
    let app = TestApp::start().await;
    let (partner, other) = (app.partner("T11200000").await, app.partner("T11300000").await);
    let (mine, theirs) = (partner.sub_account("mine").await, other.sub_account("theirs").await);
    for target in [&*theirs, "T11300000", "T11200099", "T11200000", "T00000000", "P11200001"] {
        partner.exchange(target).await.refused(403, "not_a_sub_account");
    }
    partner.exchange("nonsense").await.names("account_id");
    let acting = partner.enter(&mine).await;
    // An exchanged token asks for another exchange: there is nothing below, and it is no partner's token.
    acting.post("/v1/accounts/T11200000/auth/exchange_token", json!({"account_id": mine})).await.refused(404, "not_found");
    let operator = app.operator().await;
    let inside = operator.enter("T11200000").await;
    inside.exchange(&mine).await.refused(403, "not_a_sub_account");
    operator.exchange(&mine).await.refused(403, "not_a_sub_account");
    partner.delete(&format!("management/accounts/{mine}")).await.ok();
    partner.exchange(&mine).await.refused(403, "not_a_sub_account");
    acting.get("auth/roles").await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn exchanged_scopes_are_those_of_both_sides_and_never_wider() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let audience = format!("{PUBLIC}/v1/accounts/{shop}");
    let (id, secret) = partner.bare_client().await;
    let own = partner.grant(&id, &["read:accounts"]).await;
    let narrow = app.login("T11200000", &id, &secret).await;
    // A grant for the sub-account that is wider than the token does not widen it.
    partner.post("auth/client-grants", json!({"client_id": id, "audience": audience, "scope": ["admin:accounts"]})).await.ok();
    let acting = narrow.enter(&shop).await;
    assert_eq!(claims(&acting.token)["scope"], "read:accounts");
    acting.post("auth/roles", json!({"scope": []})).await.refused(403, "insufficient_scope");
    // And one that is narrower than the token narrows it.
    partner.patch(&format!("auth/client-grants/{own}"), json!({"scope": ["admin:accounts"]})).await.ok();
    let grants = partner.get(&format!("auth/client-grants?audience={audience}")).await.ok();
    let grant = grants[0]["id"].as_str().unwrap();
    partner.patch(&format!("auth/client-grants/{grant}"), json!({"scope": ["write:accounts"]})).await.ok();
    let wide = app.login("T11200000", &id, &secret).await;
    assert_eq!(claims(&wide.enter(&shop).await.token)["scope"], "write:accounts");
    partner.patch(&format!("auth/client-grants/{grant}"), json!({"scope": []})).await.ok();
    wide.exchange(&shop).await.refused(403, "insufficient_scope");
}

#[actix_web::test]
async fn an_exchanged_token_ends_with_the_token_it_came_from() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    app.pass(14_400 - 100);
    let ticket = partner.exchange(&shop).await.ok();
    assert_eq!(ticket["expires_in"], 100);
    assert!(ticket["refresh_token"].is_null());
    app.pass(40);
    let token = app.redeem(&shop, ticket["access_token"].as_str().unwrap()).await.ok();
    assert_eq!(token["expires_in"], 60);
    app.pass(60);
    app.redeem(&shop, ticket["access_token"].as_str().unwrap()).await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn an_exchange_token_is_good_for_one_step_on_one_account() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (one, two) = (partner.sub_account("one").await, partner.sub_account("two").await);
    let ticket = partner.exchange(&one).await.ok()["access_token"].as_str().unwrap().to_owned();
    app.redeem(&two, &ticket).await.refused(404, "not_found");
    app.holder(&one, &ticket).get("auth/roles").await.refused(401, "unauthorized");
    let acting = partner.enter(&one).await;
    app.redeem(&one, &acting.token).await.refused(401, "unauthorized");
    app.redeem(&one, &ticket).await.ok();
    // The partner's audience names the same step, as older clients send it; nobody else's does.
    let ask = |audience: String| {
        let body = json!({"grant_type": "client_credentials", "audience": audience});
        app.send(app.request(Method::POST, &format!("/v1/accounts/{one}/auth/token")).bearer_auth(&ticket).json(&body))
    };
    ask(format!("{PUBLIC}/v1/accounts/T11200000")).await.ok();
    ask(format!("{PUBLIC}/v1/accounts/{two}")).await.names("audience");
    ask("https://elsewhere.example/".to_owned()).await.names("audience");
    app.pass(300);
    app.redeem(&one, &ticket).await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn suspending_a_partner_refuses_its_tree_at_the_next_request_and_lifting_it_restores_it() {
    let app = TestApp::start().await;
    let (operator, partner) = (app.operator().await, app.partner("T11200000").await);
    let shop = partner.sub_account("shop").await;
    let acting = partner.enter(&shop).await;
    let ticket = partner.exchange(&shop).await.ok()["access_token"].as_str().unwrap().to_owned();
    let own = acting.client(&["read:accounts"]).await;
    let (id, secret) = acting.bare_client().await;
    acting.grant(&id, &["read:accounts"]).await;

    operator.put("management/accounts/T11200000", json!({"active": false})).await.ok();
    for refused in [&partner, &acting, &own] {
        refused.get("auth/roles").await.refused(403, "account_suspended");
    }
    app.redeem(&shop, &ticket).await.refused(403, "account_suspended");
    app.token(&shop, &id, &secret, &format!("{PUBLIC}/v1/accounts/{shop}")).await.refused(403, "account_suspended");

    operator.put("management/accounts/T11200000", json!({"active": true})).await.ok();
    for restored in [&partner, &acting, &own] {
        restored.get("auth/roles").await.ok();
    }
    app.redeem(&shop, &ticket).await.ok();
}

#[actix_web::test]
async fn a_closed_door_refuses_exchange_and_tokens_already_exchanged() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let acting = partner.enter(&shop).await;
    let ticket = partner.exchange(&shop).await.ok()["access_token"].as_str().unwrap().to_owned();
    acting.put("management/settings", json!({"partner_access": false})).await.names("partner_access");
    let own = acting.client(&["admin:accounts"]).await;
    own.put("management/settings", json!({"partner_access": false})).await.ok();
    partner.exchange(&shop).await.refused(403, "not_a_sub_account");
    acting.get("auth/roles").await.refused(403, "not_a_sub_account");
    app.redeem(&shop, &ticket).await.refused(403, "not_a_sub_account");
    own.get("auth/roles").await.ok();
    own.put("management/settings", json!({"partner_access": true})).await.ok();
    acting.get("auth/roles").await.ok();
}

#[actix_web::test]
async fn what_an_exchange_gave_ends_with_the_partners_client_and_grant() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let (id, secret) = partner.bare_client().await;
    let grant = partner.grant(&id, &["admin:accounts"]).await;
    let acting = app.login("T11200000", &id, &secret).await.enter(&shop).await;
    partner.patch(&format!("auth/client-grants/{grant}"), json!({"scope": ["read:accounts"]})).await.ok();
    acting.get("auth/roles").await.refused(403, "insufficient_scope");
    partner.patch(&format!("auth/client-grants/{grant}"), json!({"scope": ["admin:accounts"]})).await.ok();
    acting.get("auth/roles").await.ok();
    partner.delete(&format!("auth/client-grants/{grant}")).await.ok();
    acting.get("auth/roles").await.refused(403, "insufficient_scope");
    partner.delete(&format!("auth/clients/{id}")).await.ok();
    acting.get("auth/roles").await.refused(401, "unauthorized");
}

/// What was exchanged is worth no more than what it came from: the partner's own grant counts beside the one for the
/// sub-account.
#[actix_web::test]
async fn an_exchanged_token_falls_with_the_partners_own_grant() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let (id, secret) = partner.bare_client().await;
    let own = partner.grant(&id, &["admin:accounts"]).await;
    let audience = format!("{PUBLIC}/v1/accounts/{shop}");
    partner.post("auth/client-grants", json!({"client_id": id, "audience": audience, "scope": ["admin:accounts"]})).await.ok();
    let holder = app.login("T11200000", &id, &secret).await;
    let acting = holder.enter(&shop).await;
    let ticket = holder.exchange(&shop).await.ok()["access_token"].as_str().unwrap().to_owned();
    partner
        .patch(&format!("auth/client-grants/{own}"), json!({"scope": ["read:customers"]}))
        .await
        .refused(403, "scope_not_delegable");
    partner.patch(&format!("auth/client-grants/{own}"), json!({"scope": ["x:y"]})).await.ok();
    acting.get("auth/roles").await.refused(403, "insufficient_scope");
    app.redeem(&shop, &ticket).await.refused(403, "insufficient_scope");
    partner.delete(&format!("auth/client-grants/{own}")).await.ok();
    acting.get("auth/roles").await.refused(403, "insufficient_scope");
    app.redeem(&shop, &ticket).await.refused(403, "insufficient_scope");
}

/// An account's own client with the name of the partner's must not pass for it.
#[actix_web::test]
async fn a_client_of_the_same_name_in_another_account_is_another_client() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let make = json!({"client_id": "same"});
    let theirs = partner.post("auth/clients", make.clone()).await.ok();
    partner.grant("same", &["admin:accounts"]).await;
    let partner_same = app.login("T11200000", "same", theirs["client_secret"].as_str().unwrap()).await;
    let acting = partner_same.enter(&shop).await;
    let own = acting.post("auth/clients", make).await.ok();
    let audience = format!("{PUBLIC}/v1/accounts/{shop}");
    // It has no grant of its own, and the partner's secret is not its.
    app.token(&shop, "same", own["client_secret"].as_str().unwrap(), &audience).await.refused(403, "grant_missing");
    app.token(&shop, "same", theirs["client_secret"].as_str().unwrap(), &audience).await.refused(401, "invalid_client");
    // The partner's client goes; the shop's own stays, and so the exchanged token must not live on through it.
    acting.grant("same", &["admin:accounts"]).await;
    partner.delete("auth/clients/same").await.ok();
    acting.get("auth/roles").await.refused(401, "unauthorized");
    app.login(&shop, "same", own["client_secret"].as_str().unwrap()).await.get("auth/roles").await.ok();
}

#[actix_web::test]
async fn test_and_production_never_mix() {
    let app = TestApp::start().await;
    let (test, production) = (app.partner("T11200000").await, app.partner("P11200000").await);
    test.get("/v1/accounts/P11200000/auth/roles").await.refused(404, "not_found");
    test.get("/v1/accounts/P112/auth/roles").await.refused(404, "not_found");
    let shop = production.sub_account("shop").await;
    assert_eq!(shop, "P11200001");
    test.exchange(&shop).await.refused(403, "not_a_sub_account");
    test.create_account(json!({"display_name": "x", "account_id": "P11200002"})).await.names("account_id");
}
