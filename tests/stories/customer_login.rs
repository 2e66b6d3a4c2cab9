//! Customers log in, lose their passwords, and come back.

use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, PUBLIC, SHOP, Tenant, TestApp};

const PIN: &str = "482917";
const BRINGS: &[&str] = &["write:accounts:/auth/users", "write:accounts:/auth/mfa", "create:accounts:auth:refresh_token"];

async fn mfa(shop: &Tenant<'_>, enabled: bool) {
    let factor = |channel: &str| json!({"challenge_type": "oob", "oob_channel": channel});
    let mfa = json!({"enabled": enabled, "login": factor("sms"), "login_recovery": factor("email")});
    shop.put("customers/settings", json!({"users": {"mfa": mfa}})).await.ok();
}

async fn ola(shop: &Tenant<'_>) -> String {
    let admin = shop.client(&["admin:customers", "write:accounts:/auth/users"]).await;
    let body = json!({"email": "ola@example.com", "phone_number": "+4712345678", "password": PASSWORD, "pin": PIN});
    admin.customer(body).await
}

struct Door<'a>(AppClient<'a>);

impl Door<'_> {
    async fn ask(&self, path: &str, mut body: Value) -> Answer {
        body["audience"] = json!(format!("{PUBLIC}/v1/accounts/T11200000"));
        if body["type"].is_null() {
            body["type"] = json!("customer");
        }
        self.0.tenant.post(&format!("customers/{path}"), body).await
    }

    async fn log_in(&self, password: &str) -> Answer {
        self.ask("login", json!({"email": "ola@example.com", "password": password})).await
    }

    async fn begin(&self, secret: &str) -> Answer {
        self.ask("mfa_login", json!({"ident_type": "phone_number", "ident": "+4712345678", "secret": secret})).await
    }

    async fn challenge(&self, mfa_token: &Value, channel: &str) -> Answer {
        let body = json!({"challenge_type": "oob", "oob_channel": channel, "mfa_token": mfa_token});
        self.0.tenant.post("auth/mfa/challenge", body).await
    }

    async fn redeem(&self, oob_code: &Value, code: &str, mfa_token: &Value) -> Answer {
        let body = json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": code, "mfa_token": mfa_token});
        self.0.tenant.post("auth/token", body).await
    }
}

#[actix_web::test]
async fn a_customer_logs_in_with_one_factor() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = ola(&shop).await;
    let door = Door(shop.app_client(BRINGS, &["user:customers"]).await);
    let token = door.log_in(PASSWORD).await.ok();
    assert!(token["refresh_token"].is_string());
    let person = door.0.person(&token);
    person.get(&format!("customers/users/{id}")).await.ok();
    door.0.renew(token["refresh_token"].as_str().unwrap()).await.ok();
    door.ask("login", json!({"ident_type": "phone_number", "ident": "4712345678", "password": PASSWORD})).await.ok();
    // What is wrong, unknown, a pin, or of another type is refused in the same words.
    let wrong = door.log_in("wrong horse").await;
    wrong.refused(401, "invalid_credentials");
    for body in [
        json!({"email": "ola@example.com", "password": PIN}),
        json!({"email": "nobody@example.com", "password": PASSWORD}),
        json!({"email": "ola@example.com", "type": "company", "password": PASSWORD}),
    ] {
        let answer = door.ask("login", body).await;
        assert_eq!(answer.told().0, 401);
        assert_eq!(answer.text, wrong.text);
        app.pass(600);
    }
    for (field, body) in [
        ("email", json!({"password": PASSWORD})),
        ("email", json!({"email": "a@b.no", "ident_type": "email", "ident": "a@b.no", "password": PASSWORD})),
        ("email", json!({"email": "nobody", "password": PASSWORD})),
        ("ident", json!({"ident_type": "phone_number", "ident": "x", "password": PASSWORD})),
        ("password", json!({"email": "a@b.no"})),
        ("type", json!({"email": "a@b.no", "password": PASSWORD, "type": "employee"})),
    ] {
        door.ask("login", body).await.names(field);
    }
    shop.client(&["write:accounts"]).await.post("customers/login", json!({})).await.refused(403, "insufficient_scope");
    // Another password ends what was opened with the one before.
    let door = Door(shop.app_client(BRINGS, &["user:customers", "write:accounts:/auth/users"]).await);
    let person = door.0.person(&door.log_in(PASSWORD).await.ok());
    person.put(&format!("customers/users/{id}"), json!({"password": "another horse battery"})).await.ok();
    person.get(&format!("customers/users/{id}")).await.refused(401, "unauthorized");
    door.log_in(PASSWORD).await.refused(401, "invalid_credentials");
    door.log_in("another horse battery").await.ok();
}

#[actix_web::test]
async fn a_second_factor_follows_where_settings_ask_for_it() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = ola(&shop).await;
    let door = Door(shop.app_client(BRINGS, &["user:customers"]).await);
    door.begin(PASSWORD).await.names("users.mfa");
    mfa(&shop, true).await;
    let refused = door.log_in(PASSWORD).await;
    refused.refused(403, "mfa_required");
    for secret in [PASSWORD, PIN] {
        let begun = door.begin(secret).await.ok();
        assert_eq!(begun["oob_channel"], "sms");
        assert_eq!(begun["links"][0]["href"], format!("{PUBLIC}/v1/accounts/T11200000/auth/mfa/challenge"));
        assert_eq!(begun["links"][1], json!({"rel": "mfa_oob", "href": format!("{PUBLIC}/v1/accounts/T11200000/auth/token")}));
        door.challenge(&begun["mfa_token"], "email").await.names("oob_channel");
        let sent = door.challenge(&begun["mfa_token"], "sms").await.ok();
        let (code, to) = app.code().await;
        assert_eq!(to, "+4712345678");
        door.redeem(&sent["oob_code"], "000000", &begun["mfa_token"]).await.refused(400, "invalid_grant");
        let token = door.redeem(&sent["oob_code"], &code, &begun["mfa_token"]).await.ok();
        door.0.person(&token).get(&format!("customers/users/{id}")).await.ok();
        door.redeem(&sent["oob_code"], &code, &begun["mfa_token"]).await.refused(400, "invalid_grant");
        app.pass(700);
    }
    // The handle of a refused login goes on the same way.
    let handle = door.log_in(PASSWORD).await.json()["mfa_token"].clone();
    let sent = door.challenge(&handle, "sms").await.ok();
    door.redeem(&sent["oob_code"], &app.code().await.0, &handle).await.ok();
    // No way around it: neither by the auth user, nor by a code alone.
    let users = shop.get("auth/users").await.ok();
    let name = users[0]["username"].as_str().unwrap().to_owned();
    door.0.bring(&name, PASSWORD).await.refused(403, "mfa_required");
    let shop2 = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers"]).await;
    shop2.ask_code("ola@example.com", json!({})).await;
    shop2.bring_code("email", "ola@example.com", &app.code().await.0).await.refused(403, "mfa_required");
    // But for those who may skip it.
    let trusted = Door(shop.app_client(&["write:accounts:/auth/users/no-mfa"], &["user:customers"]).await);
    trusted.log_in(PASSWORD).await.ok();
}

#[actix_web::test]
async fn a_pin_is_off_after_five_wrong_ones() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = ola(&shop).await;
    mfa(&shop, true).await;
    let door = Door(shop.app_client(BRINGS, &["user:customers"]).await);
    for _ in 0..4 {
        door.begin("111111").await.refused(401, "invalid_credentials");
        app.pass(900);
    }
    door.begin(PIN).await.ok();
    for _ in 0..5 {
        app.pass(900);
        door.begin("111111").await.refused(401, "invalid_credentials");
    }
    app.pass(900);
    door.begin(PIN).await.refused(401, "invalid_credentials");
    app.pass(900);
    door.begin(PASSWORD).await.ok();
    let admin = shop.client(&["admin:customers", "write:accounts:/auth/users"]).await;
    admin.put(&format!("customers/users/{id}"), json!({"pin": PIN})).await.ok();
    app.pass(900);
    door.begin(PIN).await.ok();
}

#[actix_web::test]
async fn a_customer_who_lost_both_recovers_over_two_channels() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = ola(&shop).await;
    mfa(&shop, true).await;
    let door = Door(shop.app_client(BRINGS, &["user:customers", "write:accounts:/auth/users"]).await);
    let ask = |ident: &'static str| door.ask("mfa_login_recovery", json!({"ident_type": "email", "ident": ident}));
    let begun = ask("ola@example.com").await.ok();
    assert_eq!(begun["links"].as_array().unwrap().len(), 1);
    let (code, to) = app.code().await;
    assert_eq!(to, "ola@example.com");
    let halfway = door.redeem(&begun["oob_code"], &code, &begun["mfa_token"]).await;
    halfway.refused(403, "mfa_required");
    let handle = halfway.json()["mfa_token"].clone();
    door.challenge(&handle, "email").await.names("oob_channel");
    let sent = door.challenge(&handle, "sms").await.ok();
    let token = door.redeem(&sent["oob_code"], &app.code().await.0, &handle).await.ok();
    let person = door.0.person(&token);
    person.put(&format!("customers/users/{id}"), json!({"password": "brand new horse", "pin": "730164"})).await.ok();
    door.begin("730164").await.ok();
    door.begin("brand new horse").await.ok();
    // Whoever is not there is answered alike, and sent nothing.
    let nobody = ask("nobody@example.com").await;
    assert_eq!(
        nobody.ok().as_object().unwrap().keys().collect::<Vec<_>>(),
        begun.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    assert!(app.messages().await.is_empty());
}

#[actix_web::test]
async fn a_link_sets_a_new_password() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let id = shop.customer(json!({"email": "Ola@example.com"})).await;
    let door = Door(shop.app_client(BRINGS, &["user:customers"]).await);
    let ask = |email: &'static str| door.ask("change_password", json!({"email": email}));
    assert_eq!(ask("ola@example.com").await.status, 204);
    let token = app.password_token().await;
    let page = app.get(&format!("/account/password?token={token}")).await;
    assert!(page.status == 200 && page.text.contains("Ola@example.com"), "{}", page.text);
    app.choose_password(&token, "short").await.names("password");
    assert_eq!(app.choose_password(&token, PASSWORD).await.status, 204);
    app.choose_password(&token, PASSWORD).await.refused(400, "invalid_grant");
    door.0.person(&door.log_in(PASSWORD).await.ok()).get(&format!("customers/users/{id}")).await.ok();
    let (nobody, known) = (ask("nobody@example.com").await, ask("ola@example.com").await);
    assert_eq!(nobody.told(), known.told());
    assert_eq!(app.messages().await.len(), 1);
    let other = json!({"email": "ola@example.com", "audience": "https://elsewhere.example", "type": "customer"});
    door.0.tenant.post("customers/change_password", other).await.refused(403, "grant_missing");
    // A link of one account is none of another's, and one that names no account of ours is none.
    let forged = token.replacen("T11200000", "T11200001", 1);
    app.choose_password(&forged, PASSWORD).await.refused(400, "invalid_grant");
}
