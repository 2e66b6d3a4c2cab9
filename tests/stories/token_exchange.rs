//! Exchange in one step, as RFC 8693 has it.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, PUBLIC, TestApp, TestDatabase};

use crate::exchange::claims;

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
