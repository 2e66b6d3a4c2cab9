//! Invariant 10 for account users, links and apps, with the real program at its most talkative: what they prove themselves with
//! is in no log, metric, event or error. The program's first administrator comes in on the way.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_accounts::Source;
use tenantry_tests::{Program, TestDatabase, http, program};
use totp_rs::Totp;

use crate::processes::token;

const PASSWORD: &str = "canary horse battery staple";

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[actix_web::test]
async fn what_account_users_links_and_apps_are_made_of_is_in_no_log_metric_event_or_error() {
    let database = TestDatabase::create().await;
    let made = program(&database, &["bootstrap", "--json", "--admin", "boss@example.com"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let link = text(&made["admin_link"]);
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_LOG", "trace");
    let server = Program::start(command);
    let operator = token(&server, &made["test"]).await.expect("a token");
    let (base, mut errors) = (server.base.clone(), String::new());
    let ask = async |method: Method, path: &str, bearer: &str, body: Value| -> (u16, Value, String) {
        let mut request = http().request(method, format!("{base}{path}")).json(&body);
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        let answer = request.send().await.unwrap();
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let told = header("set-cookie").or_else(|| header("location")).unwrap_or_default();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(), told)
    };
    let post = Method::POST;

    // The first administrator chooses a password, signs in, sets an app up, and enters both of the operator's accounts.
    let password_token = link.split_once("token=").unwrap().1.to_owned();
    let chosen = ask(post.clone(), "/v1/account/password", "", json!({"token": password_token, "password": PASSWORD})).await;
    assert_eq!(chosen.0, 204, "{}", chosen.1);
    let again = ask(post.clone(), "/v1/account/password", "", json!({"token": password_token, "password": "canary-again"})).await;
    let credentials = json!({"email": "boss@example.com", "password": PASSWORD});
    let (_, signed_in, cookie) = ask(post.clone(), "/v1/account/login", "", credentials.clone()).await;
    let identity = text(&signed_in["access_token"]);
    let cookie = cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned();
    for account in ["P00000000", "T00000000"] {
        let entered =
            ask(post.clone(), &format!("/v1/accounts/{account}/auth/token"), &identity, json!({"grant_type": "account_user"}))
                .await;
        assert_eq!((entered.0, &entered.1["scope"]), (200, &json!("admin:accounts admin:customers admin:installers")));
    }
    let setup = ask(post.clone(), "/v1/account/user/mfa/totp", &identity, json!({"password": PASSWORD})).await.1;
    let app = Totp::from_url(text(&setup["uri"])).unwrap();
    let now = u64::try_from(Source::system().now().seconds()).unwrap();
    let otp = app.generate(now).to_string();
    let codes = ask(post.clone(), "/v1/account/user/mfa/totp/confirm", &identity, json!({"otp": otp})).await.1;
    let challenged = ask(post.clone(), "/v1/account/login", "", credentials).await;
    let mfa_token = text(&challenged.1["mfa_token"]);
    let recovery_code = text(&codes["recovery_codes"][0]);
    let miss = json!({"mfa_token": mfa_token, "recovery_code": "canar-ycode"});
    let miss = ask(post.clone(), "/v1/account/login/code", "", miss).await;
    let hit = json!({"mfa_token": mfa_token, "recovery_code": recovery_code});
    assert_eq!(ask(post.clone(), "/v1/account/login/code", "", hit).await.0, 200);

    // A customer follows a link; the same link once more is refused.
    let at = |path: &str| format!("/v1/accounts/T00000000/{path}");
    ask(post.clone(), &at("customers/users"), &operator, json!({"customer_id": "c-1", "email": "canary@example.com"})).await;
    let client = ask(post.clone(), &at("auth/clients"), &operator, json!({"callbacks": ["https://shop.example/back"]})).await.1;
    let (audience, client_id) = (&made["test"]["audience"], text(&client["client_id"]));
    let grant = json!({"client_id": client_id, "audience": audience, "type": "authorization_code", "scope": ["user:customers"]});
    ask(post.clone(), &at("auth/client-grants"), &operator, grant).await;
    let handed = json!({"client_id": client_id, "audience": audience, "user_id": "c-1"});
    let handed = text(&ask(post.clone(), &at("auth/passwordless/code"), &operator, handed).await.1["verification_code"]);
    let query = [
        ("audience", text(audience)),
        ("response_type", "authenticate".to_owned()),
        ("client_id", client_id),
        ("verification_code", handed.clone()),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let followed = ask(Method::GET, &at(&format!("auth/authorize?{query}")), "", json!({})).await;
    assert_eq!(followed.0, 302, "{}", followed.1);
    let id_token = followed.2.split_once("id_token=").unwrap().1.to_owned();
    let twice = ask(Method::GET, &at(&format!("auth/authorize?{query}")), "", json!({})).await;
    let in_query =
        format!("auth/oidc/authorize?audience=x&response_type=code&client_id=x&redirect_uri=x&client_token={operator}");
    let sent = ask(Method::GET, &at(&in_query), "", json!({})).await;
    for (status, refused) in [(400, again), (400, miss), (400, twice), (400, sent)] {
        assert_eq!(refused.0, status, "{}", refused.1);
        errors += &refused.1.to_string();
    }

    let metrics = http().get(&server.metrics).send().await.unwrap().text().await.unwrap();
    let events = ask(Method::GET, &at("management/events?limit=100"), &operator, json!({})).await.1.to_string();
    let operators = token(&server, &made).await.expect("a token");
    let console =
        ask(Method::GET, "/v1/accounts/P00000000/management/events?limit=100", &operators, json!({})).await.1.to_string();
    assert!(events.contains("login_code.made") && console.contains("user.totp_enabled"), "{events} {console}");
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let secrets = [
        PASSWORD.to_owned(),
        "canary-again".to_owned(),
        "canary@example.com".to_owned(),
        "canar-ycode".to_owned(),
        signature(&password_token),
        signature(&cookie),
        signature(&identity),
        signature(&mfa_token),
        signature(&handed),
        signature(&id_token),
        signature(&operator),
        text(&setup["secret"]),
        recovery_code,
    ];
    let log = server.log();
    for (place, told) in
        [("log", &log), ("metrics", &metrics), ("events", &events), ("console's events", &console), ("errors", &errors)]
    {
        for secret in &secrets {
            assert!(!told.contains(secret), "{secret} is in the {place}");
        }
    }
}
