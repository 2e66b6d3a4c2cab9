//! A partner, its sub-accounts, and the exchange between them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, PUBLIC, TestApp, TestDatabase};

fn claims(token: &str) -> Value {
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

const BY_RFC_8693: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Asks an account for a token in one step.
async fn at_once(app: &TestApp, account: &str, more: Value) -> Answer {
    let mut body = json!({"grant_type": BY_RFC_8693, "subject_token_type": ACCESS_TOKEN});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    app.send(app.request(Method::POST, &format!("/v1/accounts/{account}/auth/token")).json(&body)).await
}

#[actix_web::test]
async fn rfc_8693_gives_in_one_step_what_the_two_steps_give() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let two_steps = partner.enter(&shop).await;
    let answer = at_once(&app, &shop, json!({"subject_token": partner.token})).await;
    let given = answer.ok();
    assert_eq!((given["issued_token_type"].as_str(), given["token_type"].as_str()), (Some(ACCESS_TOKEN), Some("Bearer")));
    assert_eq!((answer.header("cache-control"), given["refresh_token"].is_null()), ("no-store", true));
    let token = given["access_token"].as_str().unwrap();
    let (mut one, mut two) = (claims(token), claims(&two_steps.token));
    assert_ne!(one["jti"], two["jti"]);
    (one["jti"], two["jti"]) = (Value::Null, Value::Null);
    assert_eq!(one, two);
    let acting = app.holder(&shop, token);
    acting.role("made").await;
    // One event in each log for the one step, told like the second of the two.
    let told = |events: Vec<Value>| {
        let of =
            |event: &Value| event["type"] == "token.exchanged" && event["target"] == *shop && event["act"]["oid"] == "T11200000";
        events.iter().filter(|event| of(event)).count()
    };
    assert_eq!((told(partner.events().await), told(acting.events().await)), (2, 2));
    // It ends with the door, as every exchanged token does.
    partner.put(&format!("management/accounts/{shop}"), json!({"active": false})).await.ok();
    acting.get("auth/roles").await.refused(403, "account_suspended");
    at_once(&app, &shop, json!({"subject_token": partner.token})).await.refused(403, "account_suspended");
}

#[actix_web::test]
async fn exchange_in_one_step_takes_forms_clients_and_fewer_scopes() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["admin:accounts"]).await;
    let token = app.login("T11200000", &id, &secret).await.token;
    let audience = format!("{PUBLIC}/v1/accounts/{shop}");
    let form = [
        ("grant_type", BY_RFC_8693),
        ("subject_token", &token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("actor_token", ""),
        ("audience", &audience),
        ("resource", &audience),
        ("scope", "read:accounts"),
    ];
    let path = format!("/v1/accounts/{shop}/auth/token");
    let ask = async |secret: &str| app.send(app.request(Method::POST, &path).basic_auth(&id, Some(secret)).form(&form)).await;
    let given = ask(&secret).await.ok();
    assert_eq!(given["scope"], "read:accounts");
    let wrong = ask("wrong").await;
    assert_eq!((wrong.status, wrong.json()["error"].as_str()), (401, Some("invalid_client")));
    // A client that is not the token's.
    let (other, its_secret) = partner.bare_client().await;
    let foreign = at_once(&app, &shop, json!({"subject_token": token, "client_id": other, "client_secret": its_secret})).await;
    foreign.refused(401, "invalid_client");
    at_once(&app, &shop, json!({"subject_token": token, "client_id": id, "client_secret": secret})).await.ok();

    let elsewhere =
        [("audience", "https://elsewhere.example"), ("grant_type", BY_RFC_8693), ("subject_token_type", ACCESS_TOKEN)];
    let elsewhere = app.request(Method::POST, &path).form(&[&elsewhere[..], &[("subject_token", &*token)]].concat());
    let refused = app.send(elsewhere).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("invalid_target")));
}

#[actix_web::test]
async fn exchange_in_one_step_refuses_by_name_what_cannot_be() {
    let app = TestApp::start().await;
    let (partner, stranger) = (app.partner("T11200000").await, app.partner("T11300000").await);
    let (shop, theirs) = (partner.sub_account("shop").await, stranger.sub_account("theirs").await);
    let token = &partner.token;
    let ask = async |more: Value| at_once(&app, &shop, more).await;
    for (more, field) in [
        (json!({}), "subject_token"),
        (json!({"subject_token": ""}), "subject_token"),
        (json!({"subject_token": "nonsense"}), "subject_token"),
        (json!({"subject_token": stranger.token}), "subject_token"),
        (json!({"subject_token": partner.enter(&shop).await.token}), "subject_token"),
        (json!({"subject_token": token, "subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}), "subject_token_type"),
        (json!({"subject_token": token, "subject_token_type": null}), "subject_token_type"),
        (
            json!({"subject_token": token, "requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "requested_token_type",
        ),
        (json!({"subject_token": token, "actor_token": token}), "actor_token"),
        (json!({"subject_token": token, "actor_token_type": ACCESS_TOKEN}), "actor_token_type"),
        (
            json!({"subject_token": token, "audience": format!("{PUBLIC}/v1/accounts/{shop}"), "resource": "https://x.example"}),
            "resource",
        ),
    ] {
        ask(more).await.names(field);
    }
    let ticket = partner.exchange(&shop).await.ok()["access_token"].as_str().unwrap().to_owned();
    ask(json!({"subject_token": ticket})).await.names("subject_token");
    for audience in [format!("{PUBLIC}/v1/accounts/{theirs}"), "https://elsewhere.example".to_owned(), "x".to_owned()] {
        ask(json!({"subject_token": token, "audience": audience})).await.refused(400, "invalid_target");
    }
    ask(json!({"subject_token": token, "scope": "read:other"})).await.refused(400, "invalid_scope");
    for unknown in ["T11200077", &*theirs] {
        let status = at_once(&app, unknown, json!({"subject_token": token})).await;
        if unknown == theirs {
            status.names("subject_token")
        } else {
            status.refused(403, "not_a_sub_account")
        };
    }
    // The operator has nobody above it.
    at_once(&app, "T00000000", json!({"subject_token": token})).await.names("subject_token");
    // A token that could not take the first step cannot take both.
    let weak = partner.client(&["write:accounts"]).await;
    ask(json!({"subject_token": weak.token})).await.refused(403, "insufficient_scope");
    let inside = app.operator().await.enter("T11200000").await;
    ask(json!({"subject_token": inside.token})).await.refused(403, "not_a_sub_account");
}

/// The life of a token is that of the one it came from, also in one step.
#[actix_web::test]
async fn exchange_in_one_step_outlives_nothing() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    app.pass(14_400 - 60);
    assert_eq!(at_once(&app, &shop, json!({"subject_token": partner.token})).await.ok()["expires_in"], 60);
    app.pass(60);
    at_once(&app, &shop, json!({"subject_token": partner.token})).await.names("subject_token");
}

/// Whoever reads the log on and on sees every exchange, however many write at once.
#[actix_web::test]
async fn a_follower_of_the_log_misses_no_exchange() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let exchange = async || {
        for _ in 0..12 {
            at_once(&app, &shop, json!({"subject_token": partner.token})).await.ok();
        }
    };
    let write = async {
        for number in 0..60 {
            partner.role(&format!("role {number}")).await;
        }
    };
    let follow = async {
        let (mut seen, mut after) = (Vec::new(), String::new());
        for _ in 0..120 {
            let page = partner.get(&format!("management/events?limit=100{after}")).await.ok();
            let page = page.as_array().unwrap().clone();
            if let Some(last) = page.last() {
                after = format!("&starting_after={}", last["id"].as_str().unwrap());
            }
            seen.extend(page);
        }
        (seen, after)
    };
    let busy = futures_util::future::join(futures_util::future::join_all((0..8).map(|_| exchange())), write);
    let (_, (mut seen, after)) = futures_util::future::join(busy, follow).await;
    let exchanged = |events: &[Value]| events.iter().filter(|event| event["type"] == "token.exchanged").count();
    if !TestDatabase::is_postgres() {
        let rest = partner.get(&format!("management/events?limit=100{after}")).await.ok();
        seen.extend(rest.as_array().unwrap().clone());
        assert_eq!(exchanged(&seen), exchanged(&partner.events().await));
    }
}
