//! The token endpoint, and tokens that somebody made up.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, PUBLIC, TestApp};

const PATH: &str = "/v1/accounts/T11200000/auth/token";
const AUDIENCE: &str = "https://id.example.com/v1/accounts/T11200000";

/// A partner's client with a grant, and its secret.
async fn client(app: &TestApp) -> (String, String) {
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    (id, secret)
}

async fn form(app: &TestApp, body: &str, basic: Option<(&str, &str)>) -> Answer {
    let mut request =
        app.request(Method::POST, PATH).header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned());
    if let Some((id, secret)) = basic {
        request = request.basic_auth(id, Some(secret));
    }
    app.send(request).await
}

#[actix_web::test]
async fn a_client_gets_a_token_by_every_usual_way() {
    let app = TestApp::start().await;
    let (id, secret) = client(&app).await;
    let json_basic = app.token("T112", &id, &secret, AUDIENCE).await;
    let token = json_basic.ok();
    assert_eq!((token["token_type"].as_str(), token["expires_in"].as_i64()), (Some("Bearer"), Some(14_400)));
    assert_eq!((json_basic.header("cache-control"), json_basic.header("pragma")), ("no-store", "no-cache"));
    app.token("T112", &id, &secret, "https://T11200000@id.example.com/v1/accounts/T112").await.ok();

    let encoded = id.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
    form(&app, &format!("grant_type=client_credentials&audience={AUDIENCE}"), Some((&encoded, &secret))).await.ok();
    form(&app, &format!("grant_type=client_credentials&audience={AUDIENCE}&client_id={id}&client_secret={secret}"), None)
        .await
        .ok();
    let body = json!({"grant_type": "client_credentials", "audience": AUDIENCE, "client_id": id, "client_secret": secret});
    app.send(app.request(Method::POST, PATH).json(&body)).await.ok();
    let chunks = format!("grant_type=client_credentials&audience={AUDIENCE}");
    let chunks = reqwest::Body::wrap_stream(futures_util::stream::iter(
        chunks.into_bytes().into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte])),
    ));
    let chunked = app.request(Method::POST, PATH).header("Content-Type", "application/x-www-form-urlencoded");
    app.send(chunked.basic_auth(&id, Some(&secret)).body(chunks)).await.ok();
}

#[actix_web::test]
async fn a_refusal_takes_the_callers_form() {
    let app = TestApp::start().await;
    let (id, secret) = client(&app).await;
    let wrong = app.token("T112", &id, "wrong", AUDIENCE).await;
    wrong.refused(401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    app.token("T112", "nobody", &secret, AUDIENCE).await.refused(401, "invalid_client");
    app.token("T999", &id, &secret, AUDIENCE).await.refused(401, "invalid_client");
    app.token("T112", &id, &secret, "https://elsewhere.example").await.refused(403, "grant_missing");
    app.token("T112", &id, &secret, "https://id.example.com/v1/accounts/T11300000").await.names("audience");
    app.token("T112", &id, &secret, "nonsense").await.names("audience");

    let refused = |answer: Answer, status: u16, code: &str| {
        let json = answer.json();
        assert_eq!((answer.status, json["error"].as_str()), (status, Some(code)), "{}", answer.text);
        assert!(json["error_description"].is_string());
    };
    let grant = format!("grant_type=client_credentials&audience={AUDIENCE}");
    refused(form(&app, &grant, Some((&id, "wrong"))).await, 401, "invalid_client");
    refused(form(&app, &grant, None).await, 401, "invalid_client");
    refused(form(&app, "grant_type=nonsense", Some((&id, &secret))).await, 400, "unsupported_grant_type");
    refused(form(&app, "", Some((&id, &secret))).await, 400, "invalid_request");
    let elsewhere = "grant_type=client_credentials&audience=https://elsewhere.example";
    refused(form(&app, elsewhere, Some((&id, &secret))).await, 400, "unauthorized_client");
    refused(form(&app, &format!("{grant}&audience=x"), Some((&id, &secret))).await, 400, "invalid_request");
    refused(form(&app, &format!("{grant}&client_secret={secret}"), Some((&id, &secret))).await, 400, "invalid_request");
    refused(form(&app, &format!("{grant}&client_id=another"), Some((&id, &secret))).await, 400, "invalid_request");
}

#[actix_web::test]
async fn malformed_token_requests_are_refused_by_name() {
    let app = TestApp::start().await;
    let (id, secret) = client(&app).await;
    let ask = async |body: &str| {
        let request = app.request(Method::POST, PATH).header("Content-Type", "application/json").body(body.to_owned());
        app.send(request.basic_auth(&id, Some(&secret))).await
    };
    ask("{}").await.names("grant_type");
    ask(r#"{"grant_type":"client_credentials"}"#).await.names("audience");
    ask(r#"{"grant_type":"client_credentials","grant_type":"x"}"#).await.names("grant_type");
    ask(r#"{"grant_type":1}"#).await.names("grant_type");
    ask("[").await.names("body");
    for other in ["implicit", "device_code"] {
        ask(&format!(r#"{{"grant_type":"{other}"}}"#)).await.refused(400, "unsupported_grant_type");
    }
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for header in ["Basic", "Basic ", "Basic !!!", &basic("no colon"), "Digest x", ""] {
        let body = json!({"grant_type": "client_credentials", "audience": AUDIENCE});
        let answer = app.send(app.request(Method::POST, PATH).header("Authorization", header).json(&body)).await;
        answer.refused(401, "invalid_client");
    }
    let twice = app.request(Method::POST, PATH).basic_auth(&id, Some(&secret)).header("Authorization", "Bearer x");
    app.send(twice.json(&json!({"grant_type": "client_credentials", "audience": AUDIENCE}))).await.names("Authorization");
}

#[actix_web::test]
async fn a_revoked_client_gets_no_token_and_its_old_ones_are_refused_at_once() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    let grant = partner.grant(&id, &["read:accounts"]).await;
    let holder = app.login("T112", &id, &secret).await;
    let holder = app.holder("T11200000", &holder.token);
    holder.get("auth/roles").await.ok();
    partner.delete(&format!("auth/client-grants/{grant}")).await.ok();
    holder.get("auth/roles").await.refused(403, "insufficient_scope");
    app.token("T112", &id, &secret, AUDIENCE).await.refused(403, "grant_missing");
    partner.grant(&id, &["read:accounts"]).await;
    holder.get("auth/roles").await.ok();
    partner.delete(&format!("auth/clients/{id}")).await.ok();
    holder.get("auth/roles").await.refused(401, "unauthorized");
    app.token("T112", &id, &secret, AUDIENCE).await.refused(401, "invalid_client");
    // The name is never given out again: the old token must not come back to life.
    partner.post("auth/clients", json!({"client_id": id})).await.refused(400, "duplicate");
}

#[actix_web::test]
async fn a_token_for_another_audience_is_not_for_us() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    let body = json!({"client_id": id, "audience": "https://elsewhere.example/api", "scope": ["admin:accounts", "read:orders"]});
    partner.post("auth/client-grants", body).await.ok();
    partner.grant(&id, &["admin:accounts"]).await;
    let token = app.token("T112", &id, &secret, "https://elsewhere.example/api").await.ok();
    app.holder("T11200000", token["access_token"].as_str().unwrap()).get("auth/roles").await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn a_token_ends_when_it_says() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    app.pass(14_399);
    partner.get("auth/roles").await.ok();
    app.pass(1);
    partner.get("auth/roles").await.refused(401, "unauthorized");
}

/// RFC 6749 section 3.3: a client may ask for less, and is told what it got.
#[actix_web::test]
async fn a_client_may_ask_for_fewer_scopes() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["admin:accounts"]).await;
    let ask = |scope: &str| form_with(&app, format!("grant_type=client_credentials&audience={AUDIENCE}{scope}"), &id, &secret);
    assert_eq!(ask("").await.ok()["scope"], "admin:accounts");
    let narrow = ask("&scope=read:accounts").await.ok();
    assert_eq!(narrow["scope"], "read:accounts");
    let narrow = app.holder("T11200000", narrow["access_token"].as_str().unwrap());
    narrow.get("auth/roles").await.ok();
    narrow.post("auth/roles", json!({"scope": []})).await.refused(403, "insufficient_scope");
    assert_eq!(ask("&scope=").await.ok()["scope"], "admin:accounts");
    for bad in ["admin:customers", "%22"] {
        assert_eq!(ask(&format!("&scope={bad}")).await.json()["error"], "invalid_scope");
    }
    let many = (0..65).fold(String::new(), |text, number| text + &format!("&x{number}="));
    assert_eq!(ask(&many).await.json()["error"], "invalid_request");
    assert_eq!(ask("&scope=a&scope=b").await.json()["error"], "invalid_request");
    let body = json!({"grant_type": "client_credentials", "audience": AUDIENCE, "scope": "admin:customers"});
    app.send(app.request(Method::POST, PATH).basic_auth(&id, Some(&secret)).json(&body)).await.refused(400, "invalid_scope");
}

async fn form_with(app: &TestApp, body: String, id: &str, secret: &str) -> Answer {
    form(app, &body, Some((id, secret))).await
}

/// Somebody made these up without the key: alg none, HS256 with the public key, another account's signature, a changed
/// claim or header. What the key itself must not be tricked into is tried in the accounts crate.
#[actix_web::test]
async fn forged_tokens_are_refused() {
    let app = TestApp::start().await;
    let (partner, other) = (app.partner("T11200000").await, app.partner("T11300000").await);
    let keys = app.get("/v1/accounts/T112/.well-known/jwks.json").await.ok();
    let kid = keys["keys"][0]["kid"].as_str().unwrap().to_owned();
    let part = |token: &str, at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    let (header, claims) = (part(&partner.token, 0), part(&partner.token, 1));
    let signature = partner.token.split('.').nth(2).unwrap();
    let b64 = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let refused = async |token: String| {
        app.holder("T11200000", &token).get("auth/roles").await.refused(401, "unauthorized");
    };

    refused(format!("{}.{}.", b64(&json!({"alg": "none", "typ": "at+jwt", "kid": kid})), b64(&claims))).await;
    refused(format!("{}.{}.{signature}", b64(&json!({"alg": "none", "typ": "at+jwt", "kid": kid})), b64(&claims))).await;
    let secret = EncodingKey::from_secret(keys["keys"][0].to_string().as_bytes());
    let mut hs256 = Header::new(Algorithm::HS256);
    (hs256.kid, hs256.typ) = (Some(kid.clone()), Some("at+jwt".to_owned()));
    refused(encode(&hs256, &claims, &secret).unwrap()).await;

    let mut wider = claims.clone();
    wider["scope"] = json!("admin:accounts admin:customers");
    refused(format!("{}.{}.{signature}", b64(&header), b64(&wider))).await;
    // Another account's genuine signature over claims for this one.
    let theirs = part(&other.token, 0);
    refused(format!("{}.{}.{}", b64(&theirs), b64(&claims), other.token.split('.').nth(2).unwrap())).await;
    for broken in ["", ".", "..", "a.b", "a.b.c.d", "a.b.c"] {
        refused(broken.to_owned()).await;
    }
    partner.get("auth/roles").await.ok();
}

#[actix_web::test]
async fn an_account_decides_how_long_its_tokens_live() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let (id, secret) = partner.bare_client().await;
    partner.grant(&id, &["read:accounts"]).await;
    partner.put("management/settings", json!({"token_lifetime": 60})).await.ok();
    assert_eq!(app.token("T112", &id, &secret, &format!("{PUBLIC}/v1/accounts/T112")).await.ok()["expires_in"], 60);
    partner.put("management/settings", json!({"token_lifetime": null})).await.ok();
    assert_eq!(app.token("T112", &id, &secret, &format!("{PUBLIC}/v1/accounts/T112")).await.ok()["expires_in"], 14_400);
    for bad in [59, 86_401, -1] {
        partner.put("management/settings", json!({"token_lifetime": bad})).await.names("token_lifetime");
    }
}
