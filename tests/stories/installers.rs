//! Installers: signing up, logging in, the check of who they are, terms, and the word that they may work (contract nos. 60-70).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_accounts::Quotas;
use tenantry_tests::{Answer, PUBLIC, TestApp};

use crate::delivery::MailServer;

pub(crate) const PASSWORD: &str = "Tr0ub4dor&3";
const OTHER: &str = "N3wS3cur3P@ss!";
const BASE: &str = "/api/v1/installer";

/// What somebody signs up with.
pub(crate) fn signup(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "first_name": "Jane", "last_name": "Smith", "company": "Acme EV Services"})
}

pub(crate) fn license() -> Value {
    json!({"document_type": "drivers_license", "document_number": "D123-4567-8901", "document_expiry": "2028-06-30",
        "selfie_url": "https://storage.example.com/selfie_jsmith.jpg",
        "document_front_url": "https://storage.example.com/dl_front_jsmith.jpg",
        "document_back_url": "https://storage.example.com/dl_back_jsmith.jpg"})
}

/// The installer API of a server, below this path.
#[derive(Clone)]
pub(crate) struct Installers<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) base: String,
    pub(crate) token: String,
}

impl<'a> Installers<'a> {
    pub(crate) fn of(app: &'a TestApp) -> Self {
        Self { app, base: BASE.to_owned(), token: String::new() }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.app.request(method, &format!("{}/{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        self.app.send(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn post_empty(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None).await
    }

    pub(crate) async fn try_log_in(&self, email: &str, password: &str) -> Answer {
        self.post("login", json!({"email": email, "password": password})).await
    }

    /// Somebody who has signed up and logged in.
    pub(crate) async fn member(&self, email: &str) -> Self {
        assert_eq!(self.post("signup", signup(email)).await.status, 201);
        self.logged_in(email, PASSWORD).await
    }

    pub(crate) async fn logged_in(&self, email: &str, password: &str) -> Self {
        let token = self.try_log_in(email, password).await.ok();
        Self { token: token["access_token"].as_str().unwrap().to_owned(), ..self.clone() }
    }
}

/// Expects a refusal of the installer API that names a field.
#[track_caller]
fn names(answer: &Answer, status: u16, code: &str, field: &str) {
    answer.refused(status, code);
    let errors = &answer.json()["error"]["errors"];
    assert!(errors.as_array().is_some_and(|errors| errors.iter().any(|error| error["field"] == field)), "{}", answer.text);
}

/// The token that begins with `word` in a mail.
pub(crate) fn token_in(message: &Value, word: &str) -> String {
    let text = message["text"].as_str().unwrap();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|found| found.starts_with(word)).unwrap_or_else(|| panic!("no {word} in {text}")).to_owned()
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[actix_web::test]
async fn from_signing_up_to_the_word_that_one_may_work_and_out_again() {
    let app = TestApp::start().await;
    let (anyone, email) = (Installers::of(&app), "J.Smith@acme-ev.com");
    let reviewer = app.production_operator().await.client(&["write:installers"]).await;
    let mut mail = MailServer::start(0);
    // Signs up, and clicks.
    let pending = anyone.post("signup-with-confirmation", signup(email)).await;
    assert_eq!((pending.status, &pending.json()["status"]), (201, &json!("pending_verification")));
    assert_eq!(pending.json()["message"], format!("A confirmation link has been sent to {email}."));
    anyone.try_log_in(email, PASSWORD).await.refused(403, "account_pending");
    anyone.try_log_in(email, OTHER).await.refused(401, "invalid_credentials");
    assert_eq!(app.deliver(mail.ways()).await, 1);
    let letter = mail.message();
    assert_eq!(letter["to"], json!([email]));
    let token = token_in(&letter, "cnf_");
    assert!(letter["text"].as_str().unwrap().contains(&format!("{PUBLIC}/installer/confirm?token={token}")));
    let page = app.get(&format!("/installer/confirm?token={token}")).await;
    assert!(page.status == 200 && page.text.contains(email), "{}", page.text);
    anyone.try_log_in(email, PASSWORD).await.refused(403, "account_pending"); // to look is not to confirm
    let confirm = || app.send(app.request(Method::POST, "/installer/confirm").form(&[("token", &token)]));
    assert_eq!(confirm().await.status, 200);
    assert_eq!(confirm().await.status, 410, "once");
    names(&anyone.post("confirm-email", json!({"token": token})).await, 400, "validation_error", "token");
    // Logs in, and is nobody yet.
    let jane = anyone.logged_in("j.smith@ACME-ev.com", PASSWORD).await;
    assert_eq!((&header(&jane.token)["alg"], &header(&jane.token)["typ"]), (&json!("RS256"), &json!("JWT")));
    jane.post_empty("authorization").await.refused(403, "identity_required");
    // Hands in a document; it is rejected, and another approved.
    let id = jane.get("profile").await.ok()["installer_id"].as_str().unwrap().to_owned();
    let accepted = jane.post("verify-identity", license()).await;
    assert_eq!((accepted.status, &accepted.json()["verification_status"]), (202, &json!("under_review")));
    names(&jane.post("verify-identity", license()).await, 400, "validation_error", "verification_status");
    let at = format!("management/installers/{id}");
    reviewer.post(&format!("{at}/reject"), json!({"reason": "The picture of the back is <dark>."})).await.ok();
    assert_eq!(app.deliver(mail.ways()).await, 1);
    let letter = mail.message();
    assert!(letter["text"].as_str().unwrap().contains("The picture of the back is <dark>."));
    assert!(letter["html"].as_str().unwrap().contains("&lt;dark&gt;"));
    let status = jane.get("verification-status").await.ok();
    assert_eq!(status["rejection_reason"], "The picture of the back is <dark>.");
    assert_eq!((&status["verification_status"], &status["identity_verified"]), (&json!("rejected"), &json!(false)));
    assert_eq!(jane.post("verify-identity", license()).await.status, 202);
    assert_eq!(jane.get("verification-status").await.ok()["rejection_reason"], Value::Null);
    reviewer.post_empty(&format!("{at}/approve")).await.ok();
    assert_eq!(app.deliver(mail.ways()).await, 1);
    assert!(mail.message()["subject"].as_str().unwrap().contains("verified"));
    // Accepts the terms.
    jane.post_empty("authorization").await.refused(403, "terms_required");
    names(&jane.post("accept-terms", json!({"terms_version": "2023-01"})).await, 400, "validation_error", "terms_version");
    let current = anyone.get("terms").await.ok();
    let accepted = jane.post("accept-terms", json!({"terms_version": current["terms_version"]})).await.ok();
    app.pass(5);
    let again = jane.post("accept-terms", json!({"terms_version": "2024-01"})).await.ok();
    assert_eq!(again["accepted_at"], accepted["accepted_at"], "accepted is accepted");
    let profile = jane.get("profile").await.ok();
    assert_eq!((&profile["identity_verified"], &profile["terms_accepted_at"]), (&json!(true), &accepted["accepted_at"]));
    // May work: whoever asks can check it.
    let word = jane.post("authorization", json!({"audience": "https://commissioning.example.com"})).await.ok();
    let statement = word["authorization"].as_str().unwrap();
    let keys = app.get("/v1/accounts/P00000000/.well-known/jwks.json").await.ok();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let key = keys.find(header(statement)["kid"].as_str().unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.validate_exp = false; // the clock of this test is its own
    rules.set_audience(&["https://commissioning.example.com"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let told = jsonwebtoken::decode::<Value>(statement, &key, &rules).unwrap().claims;
    assert_eq!((&told["sub"], &told["terms_version"], &told["identity_verified"]), (&json!(id), &json!("2024-01"), &json!(true)));
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 300);
    for bad in
        ["commissioning", "http://a.example", "https://id.example.com/v1/accounts/P00000000", "", "https://a.example/\u{7}"]
    {
        names(&jane.post("authorization", json!({"audience": bad})).await, 400, "validation_error", "audience");
    }
    Installers { token: statement.to_owned(), ..anyone.clone() }.get("profile").await.refused(401, "invalid_credentials");
    // Other terms, and it has to accept them.
    let terms = json!({"version": "2026-01", "url": "https://acme-ev.com/terms"});
    assert_eq!(reviewer.post("management/installer-terms", terms.clone()).await.status, 201);
    reviewer.post("management/installer-terms", terms).await.refused(400, "duplicate");
    jane.post_empty("authorization").await.refused(403, "terms_required");
    jane.post("accept-terms", json!({"terms_version": "2026-01"})).await.ok();
    jane.post_empty("authorization").await.ok();
    // Logs out; the token is refused from the next request on.
    let other = anyone.logged_in(email, PASSWORD).await;
    assert_eq!(jane.post_empty("logout").await.status, 204);
    jane.get("profile").await.refused(401, "token_expired");
    other.get("profile").await.ok();
    // Forgets the password, chooses another: all sessions are dead.
    anyone.post("forgot-password", json!({"email": "J.SMITH@acme-ev.com"})).await.ok();
    assert_eq!(app.deliver(mail.ways()).await, 1);
    let token = token_in(&mail.message(), "rst_");
    let body = json!({"token": token, "new_password": OTHER});
    anyone.post("reset-password", body.clone()).await.ok();
    names(&anyone.post("reset-password", body).await, 400, "validation_error", "token");
    other.get("profile").await.refused(401, "token_expired");
    anyone.try_log_in(email, PASSWORD).await.refused(401, "invalid_credentials");
    anyone.logged_in(email, OTHER).await.get("profile").await.ok();
    // Each step is in the log, and nothing that was said.
    let events = app.production_operator().await.client(&["admin:accounts"]).await.events().await;
    let of_jane: Vec<&Value> = events.iter().filter(|event| event["target"] == json!(id)).collect();
    for kind in ["signed_up", "confirmed", "identity_submitted", "rejected", "approved", "terms_accepted", "password_changed"] {
        assert!(of_jane.iter().any(|event| event["type"] == format!("installer.{kind}")), "{kind}: {of_jane:?}");
    }
    let said = format!("{of_jane:?}");
    for secret in ["Smith", "acme", "D123-4567", "storage.example.com", "dark"] {
        assert!(!said.to_lowercase().contains(&secret.to_lowercase()), "{secret} in {said}");
    }
}

#[actix_web::test]
async fn every_bad_field_of_a_sign_up_is_named() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    let too_long = "x".repeat(300);
    for field in ["email", "password", "first_name", "last_name", "company"] {
        let mut body = signup("jane@example.com");
        body.as_object_mut().unwrap().remove(field);
        names(&anyone.post("signup", body).await, 400, "validation_error", field);
        for bad in [json!(""), json!(null), json!(7), json!(["x"]), json!(too_long)] {
            let mut body = signup("jane@example.com");
            body[field] = bad.clone();
            let answer = anyone.post("signup", body).await;
            assert_eq!(answer.json()["error"]["code"], "validation_error", "{field} {bad}: {}", answer.text);
            assert!(answer.text.contains(field), "{field} {bad}: {}", answer.text);
        }
    }
    for field in ["first_name", "last_name", "company"] {
        let mut body = signup("jane@example.com");
        body[field] = json!("Ja\u{202e}ne");
        names(&anyone.post("signup", body).await, 400, "validation_error", field);
    }
    for weak in ["Tr0ub4d&3", "tr0ub4dor&3", "TR0UB4DOR&3", "Troubador&x", "Password123"] {
        let mut body = signup("jane@example.com");
        body["password"] = json!(weak);
        let answer = anyone.post("signup", body).await;
        names(&answer, 422, "weak_password", "password");
        assert!(!answer.text.contains(weak), "{}", answer.text);
    }
    let mut own = signup("Jane.Doe99@example.com");
    own["password"] = json!("jane.doe99@Example.com");
    names(&anyone.post("signup", own).await, 422, "weak_password", "password");
    // What is wrong with a field counts more than a password that is weak.
    let mut both = signup("jane@example");
    both["password"] = json!("weak");
    anyone.post("signup", both).await.refused(400, "validation_error");
    app.send(app.request(Method::POST, &format!("{BASE}/signup")).body("{")).await.refused(415, "unsupported_media_type");
}

#[actix_web::test]
async fn an_address_is_taken_in_whatever_form_it_is_written() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    anyone.member("Øyvind@blåbær.no").await;
    for spelling in ["øyvind@blåbær.no", "ØYVIND@BLÅBÆR.NO", "øyvind@xn--blbr-roah.no"] {
        for way in ["signup", "signup-with-confirmation"] {
            anyone.post(way, signup(spelling)).await.refused(409, "email_taken");
        }
    }
    // Of many who come at once one gets it.
    let rivals = join_all((0..12).map(|_| anyone.post("signup", signup("race@example.com")))).await;
    assert_eq!(rivals.iter().filter(|answer| answer.status == 201).count(), 1, "{rivals:?}");
    for answer in rivals.iter().filter(|answer| answer.status != 201) {
        let full = matches!(answer.status, 429 | 503);
        assert!(full || answer.json()["error"]["code"] == "email_taken", "{}", answer.text);
    }
    // In another account it is somebody else.
    let shop = app.partner_with("P11200000", &["admin:accounts", "admin:installers"]).await;
    let theirs = Installers { base: "/v1/accounts/P11200000/installer".to_owned(), ..anyone.clone() };
    let other = theirs.member("øyvind@blåbær.no").await;
    anyone.clone().get("profile").await.refused(401, "invalid_credentials");
    Installers { token: other.token.clone(), ..anyone.clone() }.get("profile").await.refused(404, "not_found");
    other.get("profile").await.ok();
    // Which has published no terms yet.
    theirs.get("terms").await.refused(404, "not_found");
    names(&other.post("accept-terms", json!({"terms_version": "2024-01"})).await, 400, "validation_error", "terms_version");
    shop.post("management/installer-terms", json!({"version": "A"})).await;
    other.post("accept-terms", json!({"terms_version": "A"})).await.ok();
    // And whose operator chooses what it signs with.
    assert_eq!(claims(&other.token)["iss"], format!("{PUBLIC}/v1/accounts/P11200000"));
    shop.put("management/settings", json!({"installer_signing_algorithm": "ES256"})).await.ok();
    shop.post("auth/keys/rotate", json!({"activate_in": 0})).await.ok();
    let next = theirs.logged_in("øyvind@blåbær.no", PASSWORD).await;
    assert_eq!(header(&next.token)["alg"], "ES256");
    other.get("profile").await.ok();
    shop.post("auth/keys/rotate", json!({"revoke_previous": true})).await.ok();
    next.get("profile").await.refused(401, "invalid_credentials");
    // A suspended account serves nobody.
    let operator = app.production_operator().await;
    operator.put("management/accounts/P11200000", json!({"active": false})).await.ok();
    theirs.try_log_in("øyvind@blåbær.no", PASSWORD).await.refused(403, "account_suspended");
}

#[actix_web::test]
async fn a_registration_that_nobody_confirms_is_as_if_it_had_never_been() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    assert_eq!(anyone.post("signup-with-confirmation", signup("a@example.com")).await.status, 201);
    assert_eq!(anyone.post("signup-with-confirmation", signup("b@example.com")).await.status, 201);
    let letters = app.messages().await;
    let token = token_in(&letters[0], "cnf_");
    app.pass(86_400);
    names(&anyone.post("confirm-email", json!({"token": token})).await, 400, "validation_error", "token");
    anyone.try_log_in("a@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    assert_eq!(anyone.post("signup", signup("a@example.com")).await.status, 201);
    anyone.logged_in("a@example.com", PASSWORD).await;
    let old = token_in(&letters[1], "cnf_");
    names(&anyone.post("confirm-email", json!({"token": old})).await, 400, "validation_error", "token");
    app.registry.platform().prune().await.unwrap();
    let rows = app.database.rows_of("P00000000").await;
    assert!(!format!("{rows:?}").contains("b@example.com"), "nothing of it is left");
    assert_eq!(anyone.post("signup", signup("b@example.com")).await.status, 201);
}

/// A stranger signs up with somebody's address: whoever reads the mail gets the account, and the stranger's password opens nothing.
#[actix_web::test]
async fn whoever_reads_the_mail_gets_the_account() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    assert_eq!(anyone.post("signup-with-confirmation", signup("jane@example.com")).await.status, 201);
    let confirmation = token_in(&app.messages().await[0], "cnf_");
    anyone.post("signup", signup("jane@example.com")).await.refused(409, "email_taken");
    anyone.post("forgot-password", json!({"email": "jane@example.com"})).await.ok();
    let reset = token_in(&app.messages().await[0], "rst_");
    anyone.try_log_in("jane@example.com", PASSWORD).await.refused(403, "account_pending");
    anyone.post("reset-password", json!({"token": reset, "new_password": OTHER})).await.ok();
    anyone.try_log_in("jane@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    anyone.logged_in("jane@example.com", OTHER).await.get("profile").await.ok();
    names(&anyone.post("confirm-email", json!({"token": confirmation})).await, 400, "validation_error", "token");
}

#[actix_web::test]
async fn tokens_and_links_are_good_for_one_thing_and_for_their_time() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    let jane = anyone.member("jane@example.com").await;
    let with = |token: &str| Installers { token: token.to_owned(), ..anyone.clone() };
    anyone.get("profile").await.refused(401, "invalid_credentials");
    with("not.a.token").get("profile").await.refused(401, "invalid_credentials");
    // The accounts API and this one do not know each other's tokens.
    let operator = app.production_operator().await;
    with(&operator.token).get("profile").await.refused(401, "invalid_credentials");
    app.holder("P00000000", &jane.token).get("auth/roles").await.refused(401, "unauthorized");
    app.holder("P00000000", &jane.token).get("management/installers").await.refused(401, "unauthorized");
    let shop = app.partner_with("T11200000", &["admin:accounts"]).await;
    app.holder("T11200000", &jane.token).get("auth/roles").await.refused(404, "not_found");
    with(&shop.token).get("profile").await.refused(404, "not_found");
    // An hour.
    app.pass(3599);
    jane.get("profile").await.ok();
    app.pass(1);
    jane.get("profile").await.refused(401, "token_expired");
    jane.post_empty("logout").await.refused(401, "token_expired");
    // Half an hour, one kind, one use, and weak ones leave it good.
    assert_eq!(anyone.post("signup-with-confirmation", signup("kari@example.com")).await.status, 201);
    let confirmation = token_in(&app.messages().await[0], "cnf_");
    anyone.post("forgot-password", json!({"email": "jane@example.com"})).await.ok();
    let reset = token_in(&app.messages().await[0], "rst_");
    let choose = |token: String, password: &'static str| {
        let anyone = anyone.clone();
        async move { anyone.post("reset-password", json!({"token": token, "new_password": password})).await }
    };
    names(&choose(confirmation.clone(), OTHER).await, 400, "validation_error", "token");
    names(&choose(confirmation.replace("cnf", "rst"), OTHER).await, 400, "validation_error", "token");
    names(&anyone.post("confirm-email", json!({"token": reset})).await, 400, "validation_error", "token");
    names(&choose(reset.clone(), "weak").await, 422, "weak_password", "new_password");
    names(&anyone.post("reset-password", json!({"new_password": OTHER})).await, 400, "validation_error", "token");
    app.pass(1800);
    names(&choose(reset, OTHER).await, 400, "validation_error", "token");
    anyone.post("forgot-password", json!({"email": "jane@example.com"})).await.ok();
    let reset = token_in(&app.messages().await[0], "rst_");
    let page = app.get(&format!("/installer/password?token={reset}")).await;
    assert!(page.status == 200 && page.text.contains("jane@example.com"), "{}", page.text);
    let form = |password: &str| {
        app.request(Method::POST, "/installer/password").form(&[("token", reset.as_str()), ("password", password)])
    };
    assert_eq!(app.send(form("weak")).await.status, 400);
    let many = join_all((0..5).map(|_| choose(reset.clone(), OTHER))).await;
    assert_eq!(many.iter().filter(|answer| answer.status == 200).count(), 1, "one use");
    assert_eq!(app.send(form(OTHER)).await.status, 410);
    anyone.logged_in("jane@example.com", OTHER).await;
    // Another account's link is none here.
    let theirs = Installers { base: "/v1/accounts/T11200000/installer".to_owned(), ..anyone.clone() };
    assert_eq!(theirs.post("signup-with-confirmation", signup("ola@example.com")).await.status, 201);
    let token = token_in(&app.messages().await[0], "cnf_");
    names(&anyone.post("confirm-email", json!({"token": token})).await, 400, "validation_error", "token");
    theirs.post("confirm-email", json!({"token": token})).await.ok();
}

#[actix_web::test]
async fn who_has_an_account_nobody_learns() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    anyone.member("jane@example.com").await;
    assert_eq!(anyone.post("signup-with-confirmation", signup("pending@example.com")).await.status, 201);
    app.messages().await;
    let wrong = anyone.try_log_in("jane@example.com", OTHER).await;
    for nobody in ["nobody@example.com", "pending@example.com", "no address", "\u{212a}elvin@example.com"] {
        assert_eq!(anyone.try_log_in(nobody, OTHER).await.told(), wrong.told(), "{nobody}");
    }
    let forgot = |email: &'static str| {
        let anyone = anyone.clone();
        async move { anyone.post("forgot-password", json!({"email": email})).await }
    };
    let known = forgot("jane@example.com").await;
    assert_eq!(known.status, 200);
    for other in ["nobody@example.com", "pending@example.com"] {
        assert_eq!(forgot(other).await.told(), known.told(), "{other}");
    }
    let sent = app.messages().await;
    assert_eq!(sent.len(), 2, "{sent:?}");
    // Too many are refused alike.
    for email in ["jane@example.com", "nobody@example.com"] {
        for _ in 0..2 {
            assert_eq!(forgot(email).await.status, 200);
        }
        let refused = forgot(email).await;
        assert!(refused.status == 429 && !refused.header("retry-after").is_empty(), "{}", refused.text);
    }
    for bad in ["", " ", &"x".repeat(255)] {
        names(&anyone.try_log_in(bad, OTHER).await, 400, "validation_error", "email");
    }
    names(&anyone.post("forgot-password", json!({"email": "no address"})).await, 400, "validation_error", "email");
    // Guesses are counted, in any spelling, and the right one waits with them.
    for _ in 0..8 {
        anyone.try_log_in("JANE@example.com", OTHER).await;
    }
    assert_eq!(anyone.try_log_in("jane@EXAMPLE.com", OTHER).await.status, 429);
}

#[actix_web::test]
async fn they_obey_the_limits_of_their_account_and_of_where_they_are() {
    let account = "1/5".parse().unwrap();
    let app = TestApp::limited(Quotas { account, ..Quotas::default() }).await;
    let jane = Installers::of(&app).member("jane@example.com").await;
    let answers = join_all((0..8).map(|_| jane.get("profile"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 3, "{answers:?}");
    assert!(
        refused.iter().all(|answer| answer.header("ratelimit").contains("account") && !answer.header("retry-after").is_empty())
    );
    // So many of one network sign up in an hour, whatever comes of it.
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    assert_eq!(anyone.post("signup", signup("jane@example.com")).await.status, 201);
    for _ in 1..100 {
        anyone.post("signup", signup("jane@example.com")).await.refused(409, "email_taken");
    }
    let refused = anyone.post("signup", signup("kari@example.com")).await;
    assert!(refused.status == 429 && !refused.header("retry-after").is_empty(), "{}", refused.text);
    app.pass(3600);
    assert_eq!(anyone.post("signup", signup("kari@example.com")).await.status, 201);
}

#[actix_web::test]
async fn nothing_is_left_of_whoever_is_erased() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    let reviewer = app.production_operator().await.client(&["write:installers"]).await;
    for own in [true, false] {
        let jane = anyone.member("jane.doe@example.com").await;
        assert_eq!(jane.post("verify-identity", license()).await.status, 202);
        anyone.post("forgot-password", json!({"email": "jane.doe@example.com"})).await.ok();
        let reset = token_in(&app.messages().await[0], "rst_");
        let id = jane.get("profile").await.ok()["installer_id"].as_str().unwrap().to_owned();
        let at = format!("management/installers/{id}");
        assert_eq!(if own { jane.delete("profile").await.status } else { reviewer.delete(&at).await.status }, 204);
        jane.get("profile").await.refused(401, "token_expired");
        reviewer.get(&at).await.refused(404, "not_found");
        reviewer.delete(&at).await.refused(404, "not_found");
        anyone.try_log_in("jane.doe@example.com", PASSWORD).await.refused(401, "invalid_credentials");
        let body = json!({"token": reset, "new_password": OTHER});
        names(&anyone.post("reset-password", body).await, 400, "validation_error", "token");
        let rows = format!("{:?}", app.database.rows_of("P00000000").await).to_lowercase();
        for part in ["jane.doe", "smith", "acme", "storage.example.com"] {
            assert!(!rows.contains(part), "{part}");
        }
        let events = app.production_operator().await.events().await;
        let whereabouts = |event: &&Value| event["subject"] == json!(id) && event["ip"].is_string();
        assert_eq!(events.iter().filter(whereabouts).count(), 0, "where it was is forgotten");
        app.pass(3600);
    }
}

#[actix_web::test]
async fn a_profile_keeps_what_is_not_said() {
    let app = TestApp::start().await;
    let jane = Installers::of(&app).member("jane@example.com").await;
    let before = jane.get("profile").await.ok();
    assert_eq!((&before["phone"], &before["terms_accepted_at"]), (&Value::Null, &Value::Null));
    let after = jane.put("profile", json!({"phone": "+1 (555) 01.99"})).await.ok();
    assert_eq!(after["phone"], "+1 (555) 01.99", "as it was given");
    assert_eq!((&after["company"], &after["created_at"]), (&before["company"], &before["created_at"]));
    assert_eq!(jane.put("profile", json!({})).await.ok(), after);
    assert_eq!(jane.put("profile", json!({"phone": null})).await.ok()["phone"], Value::Null);
    for (field, bad) in [
        ("first_name", json!("")),
        ("last_name", json!("x".repeat(101))),
        ("company", json!("  ")),
        ("phone", json!("0047 12345678")),
        ("phone", json!("call me")),
        ("company", json!(7)),
    ] {
        let answer = jane.put("profile", json!({(field): bad})).await;
        answer.refused(400, "validation_error");
        assert!(answer.text.contains(field), "{}", answer.text);
    }
}
