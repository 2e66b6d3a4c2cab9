//! Account users: signing in, the session in a cookie, one's own password and second factor (contract section 9).

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, PASSWORD, Person, TestApp};

const OTHER: &str = "another horse, another staple";

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

async fn own(person: &Person<'_>) -> Answer {
    person.app.send(person.request(Method::GET, "/v1/account/user")).await
}

#[actix_web::test]
async fn the_session_stands_in_a_cookie_and_renews_the_token() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let answer = app.sign_in("Kari@Example.com", PASSWORD).await;
    let token = answer.ok();
    assert_eq!((&token["scope"], &token["expires_in"], &token["refresh_token"]), (&json!("openid"), &json!(900), &Value::Null));
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    // What says who one is opens no account by itself, and what opens an account does not say who one is.
    app.holder("T11200000", &kari.token).get("auth/roles").await.refused(404, "not_found");
    app.holder("P00000000", &kari.token).get("auth/roles").await.refused(401, "unauthorized");
    let inside = kari.enter("T11200000").await;
    let as_person = app.send(app.request(Method::GET, "/v1/account/user").bearer_auth(&inside.token)).await;
    as_person.refused(404, "not_found");
    app.send(app.request(Method::GET, "/v1/account/user").bearer_auth(&app.production_operator().await.token))
        .await
        .refused(401, "unauthorized");
    // Renewed: another token, another cookie; the old one is good for its retry, and not for a thief.
    let renewed = kari.with_cookie("/v1/account/session").await;
    let next = Person::new(&app, &renewed);
    assert_ne!(next.cookie, kari.cookie);
    own(&next).await.ok();
    app.pass(600);
    // An answer that was lost does not sign anybody out, whenever it is missed.
    Person::new(&app, &kari.with_cookie("/v1/account/session").await);
    Person::new(&app, &next.with_cookie("/v1/account/session").await);
    kari.with_cookie("/v1/account/session").await.refused(401, "unauthorized");
    next.with_cookie("/v1/account/session").await.refused(401, "unauthorized");
    own(&next).await.refused(401, "unauthorized");
    inside.get("auth/roles").await.refused(401, "unauthorized");
}

/// Somebody else who signs in at the same browser does not leave the first one's session alive behind the cookie.
#[actix_web::test]
async fn a_sign_in_ends_the_session_that_the_cookie_held() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let (kari, ola) = (one.person("kari@example.com", &[], &[]).await, one.person("ola@example.com", &[], &[]).await);
    let body = json!({"email": "ola@example.com", "password": "wrong"});
    let sign_in =
        |body: &Value| app.send(app.request(Method::POST, "/v1/account/login").header("cookie", &kari.cookie).json(body));
    sign_in(&body).await.refused(401, "invalid_credentials");
    own(&kari).await.ok();
    Person::new(&app, &sign_in(&json!({"email": "ola@example.com", "password": PASSWORD})).await);
    own(&kari).await.refused(401, "unauthorized");
    own(&ola).await.ok();
}

#[actix_web::test]
async fn another_sites_page_cannot_use_the_cookie() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &[], &[]).await;
    for path in ["/v1/account/session", "/v1/account/logout"] {
        let request = app.request(Method::POST, path).header("cookie", &kari.cookie);
        app.send(request.header("origin", "https://evil.example")).await.refused(401, "unauthorized");
    }
    // Nor does it try passwords from its visitors' addresses.
    let tried = app.request(Method::POST, "/v1/account/login").json(&json!({"email": "kari@example.com", "password": PASSWORD}));
    app.send(tried.header("origin", "https://evil.example")).await.refused(401, "unauthorized");
    let request = app.request(Method::POST, "/v1/account/session").header("cookie", &kari.cookie);
    app.send(request.header("origin", "https://id.example.com")).await.ok();
    own(&kari).await.ok();
    app.send(app.request(Method::POST, "/v1/account/session")).await.refused(401, "unauthorized");
    // A refresh token of another kind is none here, and the cookie's is none there.
    let client = app
        .production_operator()
        .await
        .app_client(&["admin:accounts", "create:accounts:auth:refresh_token"], &["read:accounts"])
        .await;
    client.tenant.user("ola").await;
    let theirs = client.log_in("ola").await;
    let forged =
        Person { app: &app, token: String::new(), cookie: format!("tenantry_session={}", text(&theirs["refresh_token"])) };
    forged.with_cookie("/v1/account/session").await.refused(401, "unauthorized");
    assert_eq!(forged.with_cookie("/v1/account/logout").await.status, 204);
    client.renew(text(&theirs["refresh_token"])).await.ok();
    let fresh = Person::new(&app, &app.sign_in("kari@example.com", PASSWORD).await);
    client.renew(fresh.cookie.split_once('=').unwrap().1).await.refused(400, "invalid_grant");
}

#[actix_web::test]
async fn signing_out_ends_everything_at_once() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let here = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let there = Person::new(&app, &app.sign_in("kari@example.com", PASSWORD).await);
    let (inside_here, inside_there) = (here.enter("T11200000").await, there.enter("T11200000").await);
    let gone = here.with_cookie("/v1/account/logout").await;
    assert!(gone.status == 204 && gone.header("set-cookie").contains("Max-Age=0"), "{}", gone.header("set-cookie"));
    inside_here.get("auth/roles").await.refused(401, "unauthorized");
    here.ask_token("T11200000").await.refused(401, "unauthorized");
    inside_there.get("auth/roles").await.ok();
    let third = Person::new(&app, &app.sign_in("kari@example.com", PASSWORD).await);
    assert_eq!(app.send(third.request(Method::DELETE, "/v1/account/user/sessions")).await.status, 204);
    inside_there.get("auth/roles").await.refused(401, "unauthorized");
    own(&there).await.refused(401, "unauthorized");
    own(&third).await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn a_forgotten_password_is_chosen_anew_on_a_page() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let forget = async |email: &str| {
        let body = json!({"email": email});
        app.send(app.request(Method::POST, "/v1/account/password/forgot").json(&body)).await
    };
    let (known, unknown) = (forget("KARI@example.com").await, forget("nobody@example.com").await);
    assert_eq!((known.status, known.text.as_str(), unknown.status, unknown.text.as_str()), (204, "", 204, ""));
    let token = app.password_token().await;
    // Somebody's letter, nobody's none; and both may be asked for three times in ten minutes.
    for email in ["kari@example.com", "nobody@example.com"] {
        assert_eq!((forget(email).await.status, forget(email).await.status, forget(email).await.status), (204, 204, 429));
    }
    let page = app.get(&format!("/account/password?token={token}")).await;
    assert_eq!((page.status, page.header("referrer-policy"), page.header("cache-control")), (200, "no-referrer", "no-store"));
    assert!(page.text.contains("kari@example.com") && page.text.contains(&token) && !page.text.contains("<script"));
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    let norwegian = app.request(Method::GET, &format!("/account/password?token={token}")).header("accept-language", "nb-NO,en");
    assert!(app.send(norwegian).await.text.contains("Velg et passord"));
    let form = |token: &str, password: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", token), ("password", password)])
            .finish();
        app.request(Method::POST, "/account/password").header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let weak = app.send(form(&token, "password1")).await;
    assert!(weak.status == 400 && weak.text.contains("role=\"alert\"") && !weak.text.contains("password1"), "{}", weak.text);
    let done = app.send(form(&token, OTHER)).await;
    assert!(done.status == 200 && done.text.contains("/console"), "{}", done.text);
    let again = app.send(form(&token, OTHER)).await;
    assert!(again.status == 410 && !again.text.contains(&token));
    assert_eq!(app.get("/account/password?token=<b>").await.status, 410);
    // All sessions have ended, and other links with them.
    own(&kari).await.refused(401, "unauthorized");
    app.sign_in("kari@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    own(&Person::new(&app, &app.sign_in("kari@example.com", OTHER).await)).await.ok();
    for message in app.messages().await {
        let link = text(&message["text"]).split_whitespace().find(|word| word.contains("token=")).unwrap().to_owned();
        app.choose_password(link.split_once("token=").unwrap().1, PASSWORD).await.refused(400, "invalid_grant");
    }
}

#[actix_web::test]
async fn of_fifty_who_follow_a_password_link_one_chooses() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    one.post("management/users", json!({"email": "kari@example.com"})).await.ok();
    let token = app.password_token().await;
    join_all((0..50).map(|_| one.get("auth/roles"))).await;
    let passwords: Vec<String> = (0..50).map(|number| format!("a password of number {number}")).collect();
    let answers = join_all(passwords.iter().map(|password| app.choose_password(&token, password))).await;
    let chosen: Vec<usize> = (0..50).filter(|at| answers[*at].status == 204).collect();
    assert_eq!(chosen.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 400 | 429)));
    app.sign_in("kari@example.com", &passwords[chosen[0]]).await.ok();
}

#[actix_web::test]
async fn a_password_is_changed_by_its_owner() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let elsewhere = Person::new(&app, &app.sign_in("kari@example.com", PASSWORD).await);
    let change = |method: Method, previous: &str, proposed: &str| {
        let body = json!({"previous_password": previous, "proposed_password": proposed});
        app.send(kari.request(method, "/v1/account/user/password").json(&body))
    };
    change(Method::POST, OTHER, OTHER).await.refused(401, "invalid_credentials");
    change(Method::POST, PASSWORD, "12345678").await.names("proposed_password");
    // A right password is no failure, whatever is wrong with the other one.
    for _ in 0..6 {
        change(Method::POST, PASSWORD, "kari@example.com").await.names("password");
    }
    assert_eq!(change(Method::PUT, PASSWORD, OTHER).await.status, 201);
    own(&kari).await.ok();
    own(&elsewhere).await.refused(401, "unauthorized");
    for _ in 0..4 {
        change(Method::POST, PASSWORD, OTHER).await.refused(401, "invalid_credentials");
    }
    app.pass(60);
    app.sign_in("kari@example.com", OTHER).await.ok();
}

/// What is turned on while another password is hashed stays on.
#[actix_web::test]
async fn another_password_takes_nothing_back() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let put = |path: &str, body: Value| app.send(kari.request(Method::PUT, path).json(&body));
    let password = json!({"previous_password": PASSWORD, "proposed_password": OTHER});
    let factor = json!({"enabled": true, "phone_number": "+4712345678", "password": PASSWORD});
    let both = futures_util::future::join(put("/v1/account/user/password", password), put("/v1/account/user/mfa/sms", factor));
    let (changed, turned_on) = both.await;
    assert_eq!((changed.status, turned_on.status), (201, 201));
    assert_eq!(own(&kari).await.ok()["configuration"]["mfa"]["sms"], true);
}

#[actix_web::test]
async fn a_second_factor_is_asked_for_once_it_is_turned_on() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let set = |body: Value| app.send(kari.request(Method::PUT, "/v1/account/user/mfa/sms").json(&body));
    set(json!({"enabled": true})).await.names("phone_number");
    let number = |password: &str| json!({"enabled": true, "phone_number": "+4712345678", "password": password});
    set(json!({"enabled": true, "phone_number": "+4712345678"})).await.names("password");
    set(number(OTHER)).await.refused(401, "invalid_credentials");
    assert_eq!(set(number(PASSWORD)).await.status, 201);
    assert_eq!(own(&kari).await.ok()["configuration"]["mfa"]["sms"], true);
    let asked = app.sign_in("kari@example.com", PASSWORD).await;
    assert_eq!(asked.header("set-cookie"), "");
    let mfa_token = text(&asked.refused(403, "mfa_required").json()["mfa_token"]).to_owned();
    let post = |path: &'static str, body: Value| app.send(app.request(Method::POST, path).json(&body));
    post("/v1/account/login/challenge", json!({"mfa_token": mfa_token, "oob_channel": "email"})).await.names("oob_channel");
    let sent = post("/v1/account/login/challenge", json!({"mfa_token": mfa_token})).await.ok();
    let (code, to) = app.code().await;
    assert_eq!(to, "+4712345678");
    let body = |code: &str| json!({"oob_code": sent["oob_code"], "binding_code": code, "mfa_token": mfa_token});
    let wrong = if code == "000000" { "000001" } else { "000000" };
    post("/v1/account/login/code", body(wrong)).await.refused(400, "invalid_grant");
    // Neither is good at the token endpoint of the operator.
    let client = app.production_operator().await.app_client(&["admin:accounts"], &["read:accounts"]).await;
    let mut elsewhere = body(&code);
    elsewhere["grant_type"] = json!("mfa_oob");
    client.tenant.post("auth/token", elsewhere).await.refused(403, "mfa_token_invalid");
    let answers = join_all((0..20).map(|_| post("/v1/account/login/code", body(&code)))).await;
    let in_again: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(in_again.len(), 1);
    Person::new(&app, in_again[0]).enter("T11200000").await.get("auth/roles").await.ok();
    assert_eq!(set(json!({"enabled": false, "password": PASSWORD})).await.status, 201);
    app.sign_in("kari@example.com", PASSWORD).await.ok();
}

#[actix_web::test]
async fn who_has_an_address_here_nobody_learns() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    one.person("kari@example.com", &[], &[]).await;
    one.post("management/users", json!({"email": "invited@example.com"})).await.ok();
    let mut seen = Vec::new();
    for email in ["kari@example.com", "invited@example.com", "nobody@example.com", "no address"] {
        let mut told = Vec::new();
        for _ in 0..6 {
            told.push(app.sign_in(email, OTHER).await);
        }
        seen.push(told);
    }
    for answers in &seen {
        for (answer, first) in answers.iter().zip(&seen[0]) {
            assert_eq!(answer.told(), first.told());
        }
    }
    // Nor by asking for another password, also once that is refused.
    let mut seen = Vec::new();
    for email in ["kari@example.com", "invited@example.com", "nobody@example.com"] {
        let mut told = Vec::new();
        for _ in 0..4 {
            let forgot = app.request(Method::POST, "/v1/account/password/forgot");
            told.push(app.send(forgot.json(&json!({"email": email}))).await);
        }
        assert_eq!((told[0].status, told[3].status), (204, 429), "{}", told[3].text);
        seen.push(told);
    }
    for answers in &seen {
        for (answer, first) in answers.iter().zip(&seen[0]) {
            assert_eq!(answer.told(), first.told());
        }
    }
    // A user of the operator's account is no account user.
    let operator = app.production_operator().await;
    operator.user("kari@example.com").await;
    operator.user("shop@example.com").await;
    app.sign_in("shop@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    let listed = operator.get("auth/users").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 2, "account users are not among them: {listed}");
    operator.delete("auth/users/kari@example.com").await.ok();
    app.pass(60);
    app.sign_in("kari@example.com", PASSWORD).await.ok();
}
