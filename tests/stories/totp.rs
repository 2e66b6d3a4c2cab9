//! Apps that show codes (TOTP, RFC 6238) and recovery codes.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, Person, Tenant, TestApp};
use totp_rs::Totp;

/// The clock of tests.
const NOW: u64 = 1_767_225_600;
const BRINGS: &[&str] = &["write:accounts:/auth/users", "write:accounts:/auth/mfa"];

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// What an app shows that was set up so, so many seconds from now.
pub(crate) fn shown(setup: &Value, later: u64) -> String {
    Totp::from_url(text(&setup["uri"])).unwrap().generate(NOW + later).to_string()
}

/// A shop with a user `ola` who has an app; how it was set up, and the recovery codes.
pub(crate) async fn world(app: &TestApp) -> (Tenant<'_>, AppClient<'_>, Value, Vec<String>) {
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    shop.user("ola").await;
    let setup = client.tenant.post_empty("auth/users/ola/totp").await.ok();
    let uri = text(&setup["uri"]);
    assert!(uri.starts_with("otpauth://totp/Partner%20T11200000:ola?") && uri.contains(text(&setup["secret"])), "{uri}");
    client.log_in("ola").await;
    client.tenant.post("auth/users/ola/totp/confirm", json!({"otp": "000000"})).await.refused(400, "invalid_grant");
    let codes = client.tenant.post("auth/users/ola/totp/confirm", json!({"otp": shown(&setup, 0)})).await.ok();
    let codes: Vec<String> = codes["recovery_codes"].as_array().unwrap().iter().map(|code| text(code).to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (shop, client, setup, codes)
}

pub(crate) async fn challenged(client: &AppClient<'_>) -> String {
    text(&client.bring("ola", PASSWORD).await.refused(403, "mfa_required").json()["mfa_token"]).to_owned()
}

pub(crate) async fn show(client: &AppClient<'_>, kind: &str, value: &str, mfa_token: &str) -> Answer {
    let field = kind.strip_prefix("mfa_").unwrap();
    let body = json!({"grant_type": kind, field: value, "mfa_token": mfa_token});
    client.tenant.post("auth/token", body).await
}

#[actix_web::test]
async fn an_app_shows_the_second_factor() {
    let app = TestApp::start().await;
    let (shop, client, setup, _) = world(&app).await;
    assert_eq!(shop.get("auth/users/ola").await.ok()["totp"], true);
    let mfa_token = challenged(&client).await;
    // The code that turned it on was used by that.
    show(&client, "mfa_otp", &shown(&setup, 0), &mfa_token).await.refused(400, "invalid_grant");
    app.pass(30);
    let token = show(&client, "mfa_otp", &shown(&setup, 30), &mfa_token).await.ok();
    client.person(&token).get("auth/roles").await.ok();
    // Neither the challenge nor the code once more; nor a code of before.
    let again = challenged(&client).await;
    show(&client, "mfa_otp", &shown(&setup, 30), &mfa_token).await.refused(403, "mfa_token_invalid");
    show(&client, "mfa_otp", &shown(&setup, 30), &again).await.refused(400, "invalid_grant");
    show(&client, "mfa_otp", &shown(&setup, 0), &again).await.refused(400, "invalid_grant");
    // A clock that is half a minute ahead is patiently met, one that is two minutes ahead is not.
    show(&client, "mfa_otp", &shown(&setup, 150), &again).await.refused(400, "invalid_grant");
    show(&client, "mfa_otp", &shown(&setup, 60), &again).await.ok();
    client.tenant.post_empty("auth/users/ola/totp").await.refused(400, "duplicate");
    assert_eq!(client.tenant.delete("auth/users/ola/totp").await.status, 204);
    client.log_in("ola").await;
    let events = json!(shop.events().await).to_string();
    assert!(events.contains("user.totp_enabled") && !events.contains(text(&setup["secret"])));
}

#[actix_web::test]
async fn a_recovery_code_works_once() {
    let app = TestApp::start().await;
    let (_, client, _, codes) = world(&app).await;
    show(&client, "mfa_recovery_code", &codes[3], &challenged(&client).await).await.ok();
    show(&client, "mfa_recovery_code", &codes[3], &challenged(&client).await).await.refused(400, "invalid_grant");
    show(&client, "mfa_recovery_code", &codes[4], &challenged(&client).await).await.ok();
    let others = client.tenant.post_empty("auth/users/ola/recovery-codes").await.ok();
    show(&client, "mfa_recovery_code", &codes[5], &challenged(&client).await).await.refused(400, "invalid_grant");
    let mfa_token = challenged(&client).await;
    let code = text(&others["recovery_codes"][0]).to_owned();
    show(&client, "mfa_otp", &code, &mfa_token).await.refused(400, "invalid_grant");
    join_all((0..50).map(|_| client.tenant.get("auth/roles"))).await;
    let answers = join_all((0..50).map(|_| show(&client, "mfa_recovery_code", &code, &mfa_token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[actix_web::test]
async fn of_fifty_who_show_what_an_app_shows_one_logs_in() {
    let app = TestApp::start().await;
    let (_, client, setup, _) = world(&app).await;
    app.pass(30);
    let otp = shown(&setup, 30);
    // Each with a challenge of its own: it is the code that counts once.
    let challenges = [challenged(&client).await, challenged(&client).await, challenged(&client).await];
    join_all((0..50).map(|_| client.tenant.get("auth/roles"))).await;
    let answers = join_all((0..50).map(|at| show(&client, "mfa_otp", &otp, &challenges[at % 3]))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 403 | 429)), "{statuses:?}");
}

#[actix_web::test]
async fn guesses_are_counted() {
    let app = TestApp::start().await;
    let (_, client, setup, codes) = world(&app).await;
    app.pass(30);
    let mfa_token = challenged(&client).await;
    for _ in 0..5 {
        show(&client, "mfa_otp", "000000", &mfa_token).await.refused(400, "invalid_grant");
    }
    show(&client, "mfa_otp", &shown(&setup, 30), &mfa_token).await.refused(403, "mfa_token_invalid");
    let next = challenged(&client).await;
    for _ in 0..5 {
        show(&client, "mfa_recovery_code", "aaaaa-aaaaa", &next).await.refused(400, "invalid_grant");
    }
    let third = challenged(&client).await;
    show(&client, "mfa_recovery_code", &codes[0], &third).await.refused(429, "too_many_requests");
    for (kind, field) in [("mfa_otp", "otp"), ("mfa_recovery_code", "recovery_code")] {
        client.tenant.post("auth/token", json!({"grant_type": kind, "mfa_token": "x"})).await.names(field);
        let mut body = json!({"grant_type": kind});
        body[field] = json!("x");
        client.tenant.post("auth/token", body).await.names("mfa_token");
    }
}

#[actix_web::test]
async fn an_account_user_sets_its_own_app_up() {
    let app = TestApp::start().await;
    let one = app.partner("T11200000").await;
    let kari = one.person("kari@example.com", &["read:accounts"], &[]).await;
    let own = |method: Method, path: &str, body: Value| {
        app.send(kari.request(method, &format!("/v1/account/user/mfa/{path}")).json(&body))
    };
    own(Method::POST, "totp", json!({})).await.names("password");
    own(Method::POST, "totp", json!({"password": "another one"})).await.refused(401, "invalid_credentials");
    let setup = own(Method::POST, "totp", json!({"password": PASSWORD})).await.ok();
    let codes = own(Method::POST, "totp/confirm", json!({"otp": shown(&setup, 0)})).await.ok();
    let user = app.send(kari.request(Method::GET, "/v1/account/user")).await.ok();
    assert_eq!(user["configuration"]["mfa"], json!({"sms": false, "totp": true}));
    let finish = async |field: &str, value: &str| {
        let asked = app.sign_in("kari@example.com", PASSWORD).await;
        let mut body = json!({"mfa_token": asked.refused(403, "mfa_required").json()["mfa_token"]});
        body[field] = json!(value);
        app.send(app.request(Method::POST, "/v1/account/login/code").json(&body)).await
    };
    finish("otp", &shown(&setup, 0)).await.refused(400, "invalid_grant");
    app.pass(30);
    let signed_in = Person::new(&app, &finish("otp", &shown(&setup, 30)).await);
    signed_in.enter("T11200000").await.get("auth/roles").await.ok();
    finish("recovery_code", text(&codes["recovery_codes"][9])).await.ok();
    own(Method::DELETE, "totp", json!({})).await.names("password");
    own(Method::POST, "recovery-codes", json!({})).await.names("password");
    own(Method::POST, "recovery-codes", json!({"password": PASSWORD})).await.ok();
    assert_eq!(own(Method::DELETE, "totp", json!({"password": PASSWORD})).await.status, 204);
    app.sign_in("kari@example.com", PASSWORD).await.ok();
}
