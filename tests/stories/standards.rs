//! Clients that know nothing of us but the standards: Authlib, and the `openidconnect` crate.

use std::process::Command;

use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreProviderMetadata};
use openidconnect::{ClientId, HttpRequest, HttpResponse, IssuerUrl, Nonce, http};
use serde_json::{Value, json};
use tenantry_tests::{PASSWORD, PUBLIC, SHOP, TestApp, http as client_of};

#[actix_web::test]
async fn authlib_gets_and_refreshes_tokens() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    shop.user("ola").await;
    let own = ["write:accounts:/auth/users", "create:accounts:auth:refresh_token"];
    let client = shop.app_client(&own, &["read:accounts"]).await;
    let given = json!({
        "base": format!("http://{}/v1/accounts/T11200000", app.address()),
        "audience": format!("{PUBLIC}/v1/accounts/T11200000"),
        "client_id": client.id, "client_secret": client.secret, "password": PASSWORD,
    });
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let run = move || {
        let python = Command::new(format!("{here}/scripts/python-tools")).output().unwrap();
        let python = format!("{}/python", String::from_utf8(python.stdout).unwrap().trim());
        Command::new(python).arg(format!("{here}/scripts/authlib_client.py")).arg(given.to_string()).output().unwrap()
    };
    let done = actix_web::web::block(run).await.unwrap();
    let told: Value =
        serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    let expected =
        json!({"own": "Bearer", "person": "read:accounts", "renewed": true, "roles": 200, "live": true, "dead": false});
    assert_eq!(told, json!({"client_secret_basic": expected, "client_secret_post": expected}));
}

#[actix_web::test]
async fn the_openidconnect_crate_discovers_us_and_validates_our_id_tokens() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let own = ["write:accounts:/auth/users", "write:accounts:/auth/passwordless/code"];
    let client = shop.app_client(&own, &["read:accounts"]).await;
    shop.customer(json!({"customer_id": "c-1", "email": "ola@example.com"})).await;
    let handed = client.hand_code("c-1").await.ok();
    let token = client.bring_code("user_id", "c-1", handed["verification_code"].as_str().unwrap()).await.ok();
    let callback = "https://shop.example/back?x=1";
    let path = "/v1/accounts/T11200000/auth/redirect";
    let bearer = client.person(&token).token;
    let asked = app.request(reqwest::Method::POST, path).bearer_auth(bearer).header("accept", "application/json");
    let led = app.send(asked.json(&json!({"redirect_uri": callback, "claims": ["email"]}))).await.ok();
    let led = url::Url::parse(led["redirect_uri"].as_str().unwrap()).unwrap();
    let id_token: CoreIdToken = led.query_pairs().find(|(name, _)| name == "id_token").unwrap().1.parse().unwrap();

    // Our public name leads to the server of the test.
    let base = format!("http://{}", app.address());
    let ask = |request: HttpRequest| {
        let (head, _) = request.into_parts();
        let url = head.uri.to_string().replace(PUBLIC, &base);
        async move {
            let answer = client_of().get(url).send().await?;
            let status = answer.status();
            let response = http::Response::builder().status(status).header("content-type", "application/json");
            Ok::<HttpResponse, reqwest::Error>(response.body(answer.bytes().await?.to_vec()).unwrap())
        }
    };
    let issuer = IssuerUrl::new(format!("{PUBLIC}/v1/accounts/T11200000")).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer.clone(), &ask).await.unwrap();
    let algorithms = metadata.id_token_signing_alg_values_supported().clone();
    let verifier =
        CoreIdTokenVerifier::new_public_client(ClientId::new(callback.to_owned()), issuer.clone(), metadata.jwks().clone());
    let new_year = || chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let verifier = verifier.set_allowed_algs(algorithms.clone()).set_time_fn(new_year);
    let no_nonce = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |_| Err("there is none".to_owned()));
    let claims = id_token.claims(&verifier, no_nonce).unwrap();
    assert_eq!((claims.subject().as_str(), claims.email().unwrap().as_str()), ("customer:c-1", "ola@example.com"));
    let another = CoreIdTokenVerifier::new_public_client(
        ClientId::new("https://evil.example/".to_owned()),
        issuer,
        metadata.jwks().clone(),
    );
    assert!(id_token.claims(&another.set_allowed_algs(algorithms).set_time_fn(new_year), no_nonce).is_err());
}
