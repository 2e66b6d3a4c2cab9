//! Logging in without a password (contract nos. 1, 4 and 5) and redirects with an ID token (no. 6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, PUBLIC, SHOP, Tenant, TestApp};

const BRINGS: &[&str] = &[
    "write:accounts:/auth/users",
    "write:accounts:/auth/passwordless",
    "write:accounts:/auth/passwordless/code",
    "write:accounts:/auth/mfa",
    "create:accounts:auth:refresh_token",
];
const CALLBACK: &str = "https://shop.example/back?x=1";

/// A shop with a customer `c-1`, and a client of it whose customers may read roles.
async fn world(app: &TestApp) -> (Tenant<'_>, AppClient<'_>) {
    let shop = app.partner_with("T11200000", SHOP).await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    let ola = json!({"customer_id": "c-1", "email": "Ola@example.com", "phone_number": "4712345678",
        "first_name": "Ola", "last_name": "Nordmann"});
    shop.customer(ola).await;
    (shop, client)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn sent(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

#[actix_web::test]
async fn a_code_by_mail_logs_a_customer_in() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    sent(&client.ask_code("OLA@example.com", json!({})).await);
    let (code, to) = app.code().await;
    assert_eq!(to, "Ola@example.com", "it goes to the address that is on record");
    let token = client.bring_code("email", "ola@EXAMPLE.com", &code).await.ok();
    assert_eq!(token["scope"], "read:accounts");
    client.person(&token).get("auth/roles").await.ok();
    let claims = claims(text(&token["access_token"]));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("customer:c-1"), &json!(client.id)));
    client.renew(text(&token["refresh_token"])).await.ok();
    client.bring_code("email", "ola@example.com", &code).await.refused(400, "invalid_grant");
    let events = json!(shop.events().await).to_string();
    assert!(events.contains("login_code.sent") && !events.contains("la@example.com") && !events.contains(&code));
}

/// What a token says; its signature is another's matter.
fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[actix_web::test]
async fn one_session_sends_the_same_code_by_mail_and_by_sms() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let session = "5f0c2ae4-6d1f-4b0a-9a55-0d3f4a3c9b11";
    sent(&client.ask_code("ola@example.com", json!({"login_session_id": session})).await);
    let (by_mail, _) = app.code().await;
    sent(&client.ask_code("ola@example.com", json!({"login_session_id": session, "connection": "sms"})).await);
    let (by_sms, to) = app.code().await;
    assert_eq!((to.as_str(), &by_sms), ("+4712345678", &by_mail));
    client.bring_code("email", "ola@example.com", &by_sms).await.ok();
    // The same session once more is a new login, and so is another one.
    let mut codes = Vec::new();
    app.pass(601);
    let client = fresh(&client).await;
    for body in [json!({"login_session_id": session}), json!({}), json!({})] {
        sent(&client.ask_code("ola@example.com", body).await);
        codes.push(app.code().await.0);
    }
    assert!(!codes.contains(&by_mail), "{codes:?} {by_mail}");
    client.bring_code("email", "ola@example.com", &codes[0]).await.refused(400, "invalid_grant");
    client.bring_code("email", "ola@example.com", &codes[2]).await.ok();
    client.bring_code("email", "ola@example.com", &codes[1]).await.refused(400, "invalid_grant");
    client.ask_code("ola@example.com", json!({"login_session_id": "mine"})).await.names("login_session_id");
}

/// The client with a token of now.
async fn fresh<'a>(client: &AppClient<'a>) -> AppClient<'a> {
    let tenant = client.tenant.app.login("T11200000", &client.id, &client.secret).await;
    AppClient { tenant, id: client.id.clone(), secret: client.secret.clone(), grant: client.grant.clone() }
}

#[actix_web::test]
async fn each_scope_sends_over_its_channel() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    for (scope, by_mail, by_sms) in [
        ("write:accounts:/auth/passwordless", true, true),
        ("write:accounts:/auth/passwordless-email", true, false),
        ("write:accounts:/auth/passwordless-sms", false, true),
        ("write:accounts:/auth/users", false, false),
    ] {
        let web = shop.client(&[scope]).await;
        let asking = AppClient { tenant: web, id: client.id.clone(), secret: String::new(), grant: String::new() };
        for (connection, may) in [("email", by_mail), ("sms", by_sms)] {
            let answer = asking.ask_code("ola@example.com", json!({"connection": connection})).await;
            if may { sent(&answer) } else { drop(answer.refused(403, "insufficient_scope").clone()) }
        }
    }
    assert_eq!(app.messages().await.len(), 4);
}

#[actix_web::test]
async fn whether_a_customer_is_there_nobody_learns() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    shop.customer(json!({"type": "contact", "email": "contact@example.com"})).await;
    let links = json!([{"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-2")}]);
    shop.customer(json!({"customer_id": "c-2", "email": "out@example.com"})).await;
    shop.post("auth/users", json!({"username": "out", "password": PASSWORD, "links": links})).await.ok();
    shop.post_empty("auth/users/out/disable").await.ok();
    let mut seen = Vec::new();
    for email in ["ola@example.com", "nobody@example.com", "contact@example.com", "out@example.com"] {
        let mut told = Vec::new();
        for connection in ["email", "sms", "email", "email", "email"] {
            told.push(client.ask_code(email, json!({"connection": connection})).await);
        }
        assert_eq!(told.last().unwrap().status, 429, "more than three to one place in ten minutes");
        for _ in 0..12 {
            told.push(client.bring_code("email", email, "no code").await);
        }
        seen.push(told);
    }
    for answers in &seen {
        for (answer, first) in answers.iter().zip(&seen[0]) {
            assert_eq!(answer.told(), first.told());
        }
    }
    assert_eq!(app.messages().await.len(), 4, "only to the one who may log in");
    // Nor which kind of customer it is: both kinds are counted as one place.
    app.pass(601);
    let client = fresh(&client).await;
    shop.customer(json!({"type": "company", "company": {"bussiness_name": "x"}, "email": "company@example.com"})).await;
    for email in ["company@example.com", "nobody2@example.com"] {
        let mut told = Vec::new();
        for kind in ["customer", "customer", "company", "company"] {
            told.push(client.ask_code(email, json!({"type": kind})).await.status);
        }
        assert_eq!(told, [204, 204, 204, 429], "{email}");
    }
    // Whoever was sent no code cannot be barred by wrong ones.
    shop.customer(json!({"email": "kari@example.com"})).await;
    app.messages().await;
    for _ in 0..12 {
        client.bring_code("email", "kari@example.com", "000000").await.refused(400, "invalid_grant");
    }
    client.ask_code("kari@example.com", json!({})).await;
    client.bring_code("email", "kari@example.com", &app.code().await.0).await.ok();
}

#[actix_web::test]
async fn a_code_has_five_tries_and_ten_minutes() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    client.ask_code("ola@example.com", json!({})).await;
    let (code, _) = app.code().await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        client.bring_code("email", "ola@example.com", wrong).await.refused(400, "invalid_grant");
    }
    client.bring_code("email", "ola@example.com", &code).await.refused(400, "invalid_grant");
    client.ask_code("ola@example.com", json!({})).await;
    let (code, _) = app.code().await;
    app.pass(601);
    let client = fresh(&client).await;
    client.bring_code("email", "ola@example.com", &code).await.refused(400, "invalid_grant");
}

#[actix_web::test]
async fn of_fifty_who_show_a_code_at_once_one_logs_in() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    client.ask_code("ola@example.com", json!({})).await;
    let (code, _) = app.code().await;
    let handed = text(&client.hand_code("c-1").await.ok()["verification_code"]).to_owned();
    for (kind, ident, code) in [("email", "ola@example.com", code), ("user_id", "c-1", handed)] {
        join_all((0..50).map(|_| client.tenant.get("auth/roles"))).await;
        let answers = join_all((0..50).map(|_| client.bring_code(kind, ident, &code))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 429)), "{statuses:?}");
    }
}

#[actix_web::test]
async fn a_code_that_is_handed_over_logs_in_whom_it_was_made_for() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let kari = text(&shop.user("kari").await["id"]).to_owned();
    for (user_id, same, subject) in [
        ("customer:c-1".to_owned(), "c-1", "customer:c-1".to_owned()),
        ("c-1".to_owned(), "customer:c-1", "customer:c-1".to_owned()),
        (format!("auth-user:{kari}"), "", format!("auth-user:{kari}")),
    ] {
        let same = if same.is_empty() { &user_id } else { same };
        let code = text(&client.hand_code(&user_id).await.ok()["verification_code"]).to_owned();
        client.bring_code("user_id", "somebody", &code).await.refused(400, "invalid_grant");
        client.bring_code("email", "ola@example.com", &code).await.refused(400, "invalid_grant");
        let token = client.bring_code("user_id", same, &code).await.ok();
        assert_eq!(claims(text(&token["access_token"]))["sub"], json!(subject));
        client.person(&token).get("auth/roles").await.ok();
        client.bring_code("user_id", same, &code).await.refused(400, "invalid_grant");
    }
    for nobody in ["nobody", "customer:", "auth-user:x", "auth-user:00000000-0000-7000-8000-000000000000", "user:1"] {
        client.hand_code(nobody).await.refused(404, "not_found");
    }
    let other = shop.app_client(BRINGS, &["read:accounts"]).await;
    let code = text(&client.hand_code("c-1").await.ok()["verification_code"]).to_owned();
    other.bring_code("user_id", "c-1", &code).await.refused(400, "invalid_grant");
    let elsewhere = app.partner_with("T11300000", SHOP).await.app_client(BRINGS, &["read:accounts"]).await;
    elsewhere.bring_code("user_id", "c-1", &code).await.refused(400, "invalid_grant");
    let bare = shop.client(BRINGS).await;
    let without = AppClient { tenant: bare, id: "no-such-client".to_owned(), secret: String::new(), grant: String::new() };
    without.hand_code("c-1").await.refused(403, "grant_missing");
    without.ask_code("ola@example.com", json!({})).await.refused(403, "grant_missing");
    client.bring_code("user_id", "c-1", &code).await.ok();
}

#[actix_web::test]
async fn a_customer_may_be_called_as_anothers_address() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    shop.customer(json!({"customer_id": "ola@example.com", "email": "other@example.com"})).await;
    let link = text(&client.hand_code("ola@example.com").await.ok()["verification_code"]).to_owned();
    client.ask_code("ola@example.com", json!({})).await;
    let (code, _) = app.code().await;
    // Neither ends, nor stands for, the other.
    let token = client.bring_code("user_id", "ola@example.com", &link).await.ok();
    assert_eq!(claims(text(&token["access_token"]))["sub"], "customer:ola@example.com");
    let token = client.bring_code("email", "ola@example.com", &code).await.ok();
    assert_eq!(claims(text(&token["access_token"]))["sub"], "customer:c-1");
}

#[actix_web::test]
async fn a_second_factor_is_asked_for_over_another_channel() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let links = json!([
        {"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-1")},
        {"rel": "phone_number", "href": "tel:+4712345678"},
        {"rel": "email", "href": "mailto:ola@example.com"},
    ]);
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms", "email"]});
    shop.post("auth/users", json!({"username": "ola", "password": PASSWORD, "links": links, "mfa": mfa})).await.ok();
    client.ask_code("ola@example.com", json!({})).await;
    let asked = client.bring_code("email", "ola@example.com", &app.code().await.0).await;
    let mfa_token = text(&asked.refused(403, "mfa_required").json()["mfa_token"]).to_owned();
    let challenge = |channel: &'static str| {
        let body = json!({"challenge_type": "oob", "oob_channel": channel, "mfa_token": mfa_token});
        client.tenant.post("auth/mfa/challenge", body)
    };
    challenge("email").await.names("oob_channel");
    // Nor is one code two factors by being sent over both channels: each is another one.
    let session = "5f0c2ae4-6d1f-4b0a-9a55-0d3f4a3c9b11";
    client.ask_code("ola@example.com", json!({"login_session_id": session})).await;
    let (mailed, _) = app.code().await;
    client.ask_code("ola@example.com", json!({"login_session_id": session, "connection": "sms"})).await;
    assert_ne!(app.code().await.0, mailed);
    client.bring_code("email", "ola@example.com", &mailed).await.refused(400, "invalid_grant");
    // And a link vouches for nobody who has two factors.
    let handed = text(&client.hand_code("c-1").await.ok()["verification_code"]).to_owned();
    let query = [
        ("audience", "https://id.example.com/v1/accounts/T11200000"),
        ("response_type", "authenticate"),
        ("client_id", &client.id),
        ("verification_code", &handed),
    ];
    follow(&app, None, &query).await.refused(400, "invalid_grant");
    let oob_code = text(&challenge("sms").await.ok()["oob_code"]).to_owned();
    let body = json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": app.code().await.0, "mfa_token": mfa_token});
    let token = client.tenant.post("auth/token", body).await.ok();
    let person = client.person(&token);
    person.get("auth/roles").await.ok();
    // Whoever may skip it does; and with the user every session of the customer ends.
    let mut skips = BRINGS.to_vec();
    skips.push("write:accounts:/auth/users/no-mfa");
    let skipping = shop.app_client(&skips, &["read:accounts"]).await;
    skipping.ask_code("ola@example.com", json!({})).await;
    let token = skipping.bring_code("email", "ola@example.com", &app.code().await.0).await.ok();
    let skipped = skipping.person(&token);
    skipped.get("auth/roles").await.ok();
    shop.post_empty("auth/users/ola/disable").await.ok();
    person.get("auth/roles").await.refused(401, "unauthorized");
    skipped.get("auth/roles").await.refused(401, "unauthorized");
}

/// Follows a link without being led on; with a token, as the seed has it.
async fn follow(app: &TestApp, bearer: Option<&str>, query: &[(&str, &str)]) -> Answer {
    let method = if bearer.is_some() { Method::POST } else { Method::GET };
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let mut request = app.request(method, &format!("/v1/accounts/T11200000/auth/authorize?{query}"));
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    app.send(request).await
}

#[actix_web::test]
async fn a_link_leads_to_the_callback_with_an_id_token() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    for bearer in [None, Some(client.tenant.token.as_str())] {
        let handed = client.hand_code("c-1").await.ok();
        let code = text(&handed["verification_code"]);
        let link = |change: &[(&'static str, &'static str)]| {
            let mut query = vec![
                ("audience", audience.as_str()),
                ("response_type", "authenticate"),
                ("client_id", &client.id),
                ("verification_code", code),
                ("state", "a b&c"),
                ("redirect_uri", CALLBACK),
            ];
            for (name, value) in change {
                query.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    query.push((name, value));
                }
            }
            query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let go = async |change: &[(&'static str, &'static str)]| {
            let query = link(change);
            let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            follow(&app, bearer, &query).await
        };
        for wrong in [
            "https://shop.example/back",
            "https://shop.example/back?x=1&y",
            "https://SHOP.example/back?x=1",
            "https://shop.example@evil.example/back?x=1",
            "https://shop.example/back?x=1/../",
            "javascript:alert(1)",
        ] {
            go(&[("redirect_uri", wrong)]).await.refused(400, "invalid_redirect_uri");
        }
        go(&[("verification_code", "T11200000.link.x")]).await.refused(400, "invalid_grant");
        go(&[("response_type", "token")]).await.names("response_type");
        go(&[("client_id", "nobody")]).await.refused(403, "grant_missing");
        go(&[("audience", "https://id.example.com/v1/accounts/T11300000")]).await.names("audience");
        // None of these has used the link up.
        let answer = go(&[("redirect_uri", "")]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (302, "no-store"), "{}", answer.text);
        let location = url::Url::parse(answer.header("location")).unwrap();
        let query: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        assert_eq!((query[0].1.as_str(), query[2].1.as_str(), query.len()), ("1", "a b&c", 3), "{location}");
        assert!(location.as_str().starts_with("https://shop.example/back?x=1&id_token="));
        let told = claims(&query[1].1);
        assert_eq!(
            (&told["sub"], &told["aud"], &told["email"], &told["name"], &told["iss"]),
            (&json!("customer:c-1"), &json!(CALLBACK), &json!("Ola@example.com"), &json!("Ola Nordmann"), &json!(audience))
        );
        app.holder("T11200000", &query[1].1).get("auth/roles").await.refused(401, "unauthorized");
        go(&[]).await.refused(400, "invalid_grant");
    }
    let signed_in = shop.events().await.into_iter().filter(|event| event["type"] == "user.logged_in").count();
    assert_eq!(signed_in, 2);
    app.get("/v1/accounts/T11399999/auth/authorize?audience=x&response_type=authenticate&client_id=x&verification_code=x")
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn a_person_goes_to_the_callback_with_an_id_token() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let handed = client.hand_code("c-1").await.ok();
    let token = client.bring_code("user_id", "c-1", text(&handed["verification_code"])).await.ok();
    let person = client.person(&token);
    let body = json!({"redirect_uri": CALLBACK, "claims": ["email"], "custom_claims": {"cart": "17", "sub": "admin"}});
    let path = "/v1/accounts/T11200000/auth/redirect";
    let ask = |body: &Value, accept: &'static str| {
        app.send(app.request(Method::POST, path).bearer_auth(&person.token).header("accept", accept).json(body))
    };
    let answer = ask(&body, "application/json").await.ok();
    let location = url::Url::parse(text(&answer["redirect_uri"])).unwrap();
    let id_token = location.query_pairs().find(|(name, _)| name == "id_token").unwrap().1.into_owned();
    let told = claims(&id_token);
    assert_eq!((&told["sub"], &told["ext_sub"], &told["ext_cart"]), (&json!("customer:c-1"), &json!("admin"), &json!("17")));
    assert_eq!((&told["email"], &told["name"]), (&json!("Ola@example.com"), &Value::Null), "what was asked for, no more");
    let led = ask(&body, "text/html").await;
    assert_eq!(led.status, 302);
    assert!(led.header("location").starts_with(CALLBACK));
    ask(&json!({"redirect_uri": "https://evil.example/"}), "*/*").await.refused(400, "invalid_redirect_uri");
    let many: serde_json::Map<_, _> = (0..6).map(|n| (n.to_string(), json!("x"))).collect();
    ask(&json!({"redirect_uri": CALLBACK, "custom_claims": many}), "*/*").await.names("custom_claims");
    ask(&json!({"redirect_uri": CALLBACK, "custom_claims": {"a b": "x"}}), "*/*").await.names("custom_claims");
    ask(&json!({"redirect_uri": CALLBACK, "claims": ["phone"]}), "*/*").await.names("claims[0]");
    client.tenant.post("auth/redirect", body).await.refused(403, "insufficient_scope");
    // Its keys are those of the account, and its form is that of OpenID Connect.
    let kid = serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(id_token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(kid["typ"], "JWT");
    let keys = shop.get("auth/keys").await.ok();
    assert!(keys.as_array().unwrap().iter().any(|key| key["kid"] == kid["kid"]));
}

#[actix_web::test]
async fn a_browser_gets_a_page_first_and_the_page_uses_the_link_up() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let handed = client.hand_code("c-1").await.ok();
    let fields = [
        ("audience", "https://id.example.com/v1/accounts/T11200000"),
        ("response_type", "authenticate"),
        ("client_id", &client.id),
        ("verification_code", text(&handed["verification_code"])),
        ("state", "\"><b>"),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let open = || {
        let request = app.request(Method::GET, &format!("/v1/accounts/T11200000/auth/authorize?{query}"));
        app.send(request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8"))
    };
    // As often as anybody looks, a mail scanner for one.
    for _ in 0..3 {
        let page = open().await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{}", page.text);
        assert!(page.header("content-security-policy").contains("form-action 'self' https://shop.example;"));
        assert!(page.text.contains("action=\"/account/link\"") && !page.text.contains("\"><b>"), "{}", page.text);
    }
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("account", "T11200000"), ("redirect_uri", CALLBACK)])
        .extend_pairs(fields)
        .finish();
    let go = || {
        let request = app.request(Method::POST, "/account/link").header("content-type", "application/x-www-form-urlencoded");
        app.send(request.body(form.clone()))
    };
    let led = go().await;
    assert!(led.status == 303 && led.header("location").starts_with("https://shop.example/back?x=1&id_token="), "{}", led.text);
    let gone = go().await;
    assert!(gone.status == 410 && gone.text.contains("<h1>") && !gone.text.contains(".link."), "{}", gone.text);
    let elsewhere = form.replace("shop.example", "evil.example");
    let request = app.request(Method::POST, "/account/link").header("content-type", "application/x-www-form-urlencoded");
    app.send(request.body(elsewhere)).await.refused(400, "invalid_redirect_uri");
}
