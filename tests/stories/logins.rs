//! Logging in with a name and a password (contract no. 8), and what keeps strangers from guessing.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tenantry_tests::{PASSWORD, PUBLIC, TestApp};

/// What a client needs to bring passwords.
const BRINGS: &[&str] = &["write:accounts:/auth/users"];

#[actix_web::test]
async fn a_user_logs_in_and_may_do_what_the_clients_grant_gives() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    let user = shop.user("Ola").await;
    let token = client.log_in("ola").await;
    assert_eq!(token["scope"], "read:accounts");
    assert!(token.get("refresh_token").is_none(), "the client has not the scope for it: {token}");
    let person = client.person(&token);
    person.get("auth/roles").await.ok();
    person.post("auth/roles", json!({"scope": []})).await.refused(403, "insufficient_scope");
    let event = shop.events().await.into_iter().find(|event| event["type"] == "user.logged_in").unwrap();
    assert_eq!(event["target"], user["id"]);
    assert_eq!(event["after"], json!({"client_id": client.id}));
    assert_eq!(event["subject"], format!("auth-user:{}", user["id"].as_str().unwrap()));

    // What the grant loses, its people lose at once.
    shop.patch(&format!("auth/client-grants/{}", client.grant), json!({"scope": ["openid"]})).await.ok();
    person.get("auth/roles").await.refused(403, "insufficient_scope");
    shop.delete(&format!("auth/clients/{}", client.id)).await.ok();
    person.get("auth/roles").await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn the_subject_of_a_token_is_the_linked_customer_else_the_user() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    let links = json!([{"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-7")}]);
    shop.post("auth/users", json!({"username": "kari", "password": PASSWORD, "links": links})).await.ok();
    let ola = shop.user("ola").await;
    let subject = async |name: &str| {
        let token = client.log_in(name).await;
        let token = token["access_token"].as_str().unwrap();
        let body = [("token", token)];
        let asked = app.request(Method::POST, "/v1/accounts/T11200000/auth/oauth/introspect");
        app.send(asked.basic_auth(&client.id, Some(&client.secret)).form(&body)).await.ok()["sub"].clone()
    };
    assert_eq!(subject("kari").await, "customer:c-7");
    assert_eq!(subject("ola").await, format!("auth-user:{}", ola["id"].as_str().unwrap()));
}

#[actix_web::test]
async fn a_wrong_password_an_unknown_name_and_a_user_that_is_shut_out_are_refused_alike() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    shop.user("out").await;
    shop.user("gone").await;
    shop.post_empty("auth/users/out/disable").await.ok();
    shop.delete("auth/users/gone").await.ok();
    let mut answers = Vec::new();
    for (name, password) in
        [("ola", "wrong"), ("nobody", PASSWORD), ("out", PASSWORD), ("gone", PASSWORD), ("\u{202e}", PASSWORD)]
    {
        let answer = client.bring(name, password).await;
        answer.refused(401, "invalid_credentials");
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| answer.told() == answers[0].told()), "{answers:#?}");
    let refused = shop.events().await.into_iter().filter(|event| event["type"] == "login.refused").count();
    assert_eq!(refused, 5);
    shop.post_empty("auth/users/out/enable").await.ok();
    client.log_in("out").await;
}

#[actix_web::test]
async fn what_cannot_be_a_password_is_refused_before_anything_is_looked_up() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    for password in ["", "\0", "a\0b", &"x".repeat(256)] {
        client.bring("ola", password).await.refused(400, "invalid_request");
        client.bring("nobody", password).await.refused(400, "invalid_request");
    }
    client.bring("ola", &"x".repeat(1024 * 1024)).await.refused(413, "payload_too_large");
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    client
        .tenant
        .post("auth/token", json!({"grant_type": "password", "username": "ola", "password": "x"}))
        .await
        .names("audience");
    client.tenant.post("auth/token", json!({"grant_type": "password", "audience": audience})).await.names("username");
    client.log_in("ola").await;
}

#[actix_web::test]
async fn only_a_client_with_the_scope_and_a_grant_for_passwords_may_bring_one() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    shop.user("ola").await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"grant_type": "password", "username": "ola", "password": PASSWORD, "audience": audience});
    let without_scope = shop.app_client(&["read:accounts"], &["read:accounts"]).await;
    without_scope.bring("ola", PASSWORD).await.refused(403, "insufficient_scope");
    // `shop` itself holds admin:accounts, by a grant of type any: that serves passwords, too.
    shop.post("auth/token", body.clone()).await.ok();
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.delete(&format!("auth/client-grants/{}", client.grant)).await.ok();
    client.bring("ola", PASSWORD).await.refused(403, "grant_missing");
    // A person's own token vouches for nobody.
    let client = shop.app_client(&["admin:accounts"], &["admin:accounts"]).await;
    let person = client.person(&client.log_in("ola").await);
    person.get("auth/roles").await.ok();
    person.post("auth/token", body.clone()).await.refused(403, "insufficient_scope");
    person.exchange("T11200001").await.refused(403, "not_a_sub_account");
    app.send(app.request(Method::POST, "/v1/accounts/T11200000/auth/token").json(&body)).await.refused(401, "unauthorized");
    // Nor does another account's client.
    let other = app.partner("T11300000").await;
    other.post("/v1/accounts/T11200000/auth/token", body).await.refused(404, "not_found");
}

#[actix_web::test]
async fn after_four_failures_a_name_has_to_wait_however_it_is_spelled() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("Ola").await;
    for name in ["ola", "nobody"] {
        let spelled = |nth: usize| if nth.is_multiple_of(2) { name.to_uppercase() } else { format!(" {name}") };
        for nth in 0..4 {
            from(&client, "203.0.113.1", &spelled(nth), "wrong").await.refused(401, "invalid_credentials");
        }
        let wait = from(&client, "203.0.113.1", name, PASSWORD).await;
        wait.refused(429, "too_many_requests");
        assert_eq!(wait.header("retry-after"), "1");
        app.pass(1);
        from(&client, "203.0.113.1", name, "wrong").await.refused(401, "invalid_credentials");
        assert_eq!(from(&client, "203.0.113.1", name, "wrong").await.header("retry-after"), "2");
        app.pass(2);
    }
    // Nobody was locked out: who comes from elsewhere and knows it is in, and so is everybody after the wait.
    from(&client, "203.0.113.1", "ola", "wrong").await.refused(401, "invalid_credentials");
    from(&client, "198.51.100.1", "ola", PASSWORD).await.ok();
    from(&client, "203.0.113.1", "ola", PASSWORD).await.ok();
}

#[actix_web::test]
async fn an_address_that_guesses_many_names_has_to_wait() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    // All of one IPv6 network are one address.
    for nth in 0..20 {
        from(&client, &format!("2001:db8::{nth}"), &format!("name-{nth}"), "wrong").await.refused(401, "invalid_credentials");
    }
    from(&client, "2001:db8::ffff", "ola", PASSWORD).await.refused(429, "too_many_requests");
    from(&client, "2001:db8:0:1::1", "ola", PASSWORD).await.ok();
    app.pass(3601);
    from(&client, "2001:db8::1", "ola", PASSWORD).await.ok();
}

#[actix_web::test]
async fn the_address_of_a_server_that_brings_everybodys_passwords_bars_nobody() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    for nth in 0..30 {
        client.bring(&format!("name-{nth}"), "wrong").await.refused(401, "invalid_credentials");
    }
    client.log_in("ola").await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"grant_type": "password", "username": "ola", "password": PASSWORD, "audience": audience});
    let request = app.request(Method::POST, "/v1/accounts/T11200000/auth/token").bearer_auth(&client.tenant.token);
    app.send(request.header("Tenantry-Forwarded-For", "everywhere").json(&body)).await.names("tenantry-forwarded-for");
}

#[actix_web::test]
async fn a_password_that_nobody_had_time_for_counts_as_none() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    let names: Vec<String> = (0..30).map(|nth| format!("user-{nth}")).collect();
    for name in &names {
        shop.user(name).await;
    }
    for _ in 0..4 {
        let answers = join_all(names.iter().map(|name| client.bring(name, PASSWORD))).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 429)));
    }
    for name in &names {
        client.log_in(name).await;
    }
}

#[actix_web::test]
async fn parallel_guesses_are_counted_one_by_one() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    let answers = join_all((0..30).map(|_| client.bring("ola", "wrong"))).await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(judged, 4, "only so many passwords were compared");
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
}

#[actix_web::test]
async fn standard_clients_log_people_in_with_a_form_and_their_secret() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let form = |password: &'static str| {
        let form = [("grant_type", "password"), ("username", "ola"), ("password", password), ("audience", audience.as_str())];
        let request = app.request(Method::POST, "/v1/accounts/T11200000/auth/token");
        app.send(request.basic_auth(&client.id, Some(&client.secret)).form(&form))
    };
    form(PASSWORD).await.ok();
    let refused = form("wrong").await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("invalid_grant")));
}

#[actix_web::test]
async fn a_user_with_a_second_factor_needs_it_unless_the_client_may_skip_it() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let body = json!({"username": "ola", "password": PASSWORD, "links": [{"rel": "phone_number", "href": "tel:+4712345678"}],
        "mfa": {"challenge_type": "oob", "oob_channels": ["sms"]}});
    shop.post("auth/users", body).await.ok();
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    let asked = client.bring("ola", PASSWORD).await;
    assert!(asked.refused(403, "mfa_required").json()["mfa_token"].is_string());
    client.bring("ola", "wrong").await.refused(401, "invalid_credentials");
    // Broad scopes cover the narrow one where scopes are handed out, never where a call is authorised.
    let broad = shop.app_client(&["admin:accounts"], &["read:accounts"]).await;
    broad.bring("ola", PASSWORD).await.refused(403, "mfa_required");
    let skipping = shop.app_client(&["write:accounts:/auth/users/no-mfa"], &["read:accounts"]).await;
    skipping.log_in("ola").await;
}

async fn from(client: &tenantry_tests::AppClient<'_>, address: &str, name: &str, password: &str) -> tenantry_tests::Answer {
    let app = client.tenant.app;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"grant_type": "password", "username": name, "password": password, "audience": audience});
    let request = app.request(Method::POST, "/v1/accounts/T11200000/auth/token").bearer_auth(&client.tenant.token);
    app.send(request.header("Tenantry-Forwarded-For", address).json(&body)).await
}
