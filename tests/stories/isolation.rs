//! The isolation matrix: every operation of the served document with every credential that is not meant for it, what is
//! expected being read from the policies; and every value that is handed out, wherever another kind is asked for.
//! `make isolation` prints the cells.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::{Access, Route, document, routes};
use tenantry_tests::{Answer, AppClient, PASSWORD, PUBLIC, Person, SHOP, Tenant, TestApp};

use crate::installers::{self, Installers, license, signup, token_in};
use crate::policies::{NOBODY, call, example, path};

const VICTIM: &str = "T11200000";
const CALLBACK: &str = "https://shop.example/back?x=1";

/// What a credential is worth on the victim's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// Nothing: 401.
    Nothing,
    /// It is another account's: 404, as for an account that is not there.
    Elsewhere,
    /// A live token of the victim's with this scope.
    Scope(&'static str),
    /// A live token of an installer of the victim's.
    Installer,
}

struct Credential {
    name: &'static str,
    /// Empty: none.
    bearer: String,
    worth: Worth,
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts =
        token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap_or_default());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The claims of `token`, changed, signed with a key that is not the account's under a name that is.
fn forged(token: &str, algorithm: Algorithm, key: &EncodingKey, change: impl Fn(&mut Value)) -> String {
    let (header, mut claims) = parts(token);
    change(&mut claims);
    let mut forged = Header::new(algorithm);
    (forged.kid, forged.typ) = (header["kid"].as_str().map(str::to_owned), header["typ"].as_str().map(str::to_owned));
    encode(&forged, &claims, key).unwrap()
}

fn own_key() -> EncodingKey {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    EncodingKey::from_ec_der(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap().as_ref())
}

const BRINGS: &[&str] = &[
    "write:accounts:/auth/users",
    "write:accounts:/auth/mfa",
    "write:accounts:/auth/passwordless",
    "write:accounts:/auth/passwordless/code",
    "create:accounts:auth:refresh_token",
];

/// The victim, with people and records of every kind.
struct World<'a> {
    victim: Tenant<'a>,
    client: AppClient<'a>,
}

impl<'a> World<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let victim = app.partner_with(VICTIM, SHOP).await;
        let client = victim.app_client(BRINGS, &["read:accounts"]).await;
        victim.user("ola").await;
        let links =
            json!([{"rel": "phone_number", "href": "tel:4712345678"}, {"rel": "email", "href": "mailto:per@example.com"}]);
        let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms", "email"]});
        victim.post("auth/users", json!({"username": "per", "password": PASSWORD, "links": links, "mfa": mfa})).await.ok();
        victim.customer(json!({"customer_id": "c-1", "email": "ola@example.com"})).await;
        victim.customer(json!({"customer_id": "c-2", "email": "kari@example.com"})).await;
        victim.post("customers/terms", json!({"terms": "as agreed"})).await.ok();
        victim.post("customers/tags", json!({"tag": "gold"})).await.ok();
        victim.role("theirs").await;
        victim.sub_account("Below").await;
        Self { victim, client }
    }

    /// Signs an ID token of the user `ola` for a callback.
    async fn id_token(&self, person: &Tenant<'_>) -> String {
        let request = person.app.request(Method::POST, &format!("/v1/accounts/{VICTIM}/auth/redirect"));
        let request = request.bearer_auth(&person.token).header("accept", "application/json");
        let led = person.app.send(request.json(&json!({"redirect_uri": CALLBACK}))).await.ok();
        let led = url::Url::parse(&text(&led["redirect_uri"])).unwrap();
        led.query_pairs().find(|(name, _)| name == "id_token").unwrap().1.into_owned()
    }

    async fn mfa_token(&self) -> String {
        text(&self.client.bring("per", PASSWORD).await.json()["mfa_token"])
    }
}

/// The installers of an account.
fn theirs<'a>(app: &'a TestApp, account: &str) -> Installers<'a> {
    Installers { base: format!("/v1/accounts/{account}/installer"), ..Installers::of(app) }
}

/// All credentials that an attacker may come by.
async fn credentials(app: &TestApp, world: &World<'_>) -> Vec<Credential> {
    let World { victim, client } = world;
    let mut all: Vec<Credential> = Vec::new();
    let mut put = |name, bearer: &str, worth| all.push(Credential { name, bearer: bearer.to_owned(), worth });
    // By time: one that has run out by now, and one that begins later.
    victim.put("management/settings", json!({"token_lifetime": 60})).await.ok();
    let short = victim.client(&["admin:accounts"]).await;
    victim.put("management/settings", json!({"token_lifetime": null})).await.ok();
    app.pass(61);
    put("expired", &short.token, Worth::Nothing);
    app.pass(600);
    let early = victim.client(&["admin:accounts"]).await;
    app.pass(-600);
    put("not yet valid", &early.token, Worth::Nothing);

    put("none", "", Worth::Nothing);
    put("malformed", "not.a.token", Worth::Nothing);
    // Made up out of a token that is good.
    let good = victim.client(&["admin:accounts", "admin:customers"]).await.token;
    let payload = good.split('.').nth(1).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = json!({"alg": "none", "typ": "at+jwt", "kid": parts(&good).0["kid"]});
    put("alg none", &format!("{}.{payload}.", part(&none)), Worth::Nothing);
    let keys = victim.get("auth/keys").await.ok();
    let public = keys.as_array().unwrap().iter().find(|key| key["kid"] == parts(&good).0["kid"]).unwrap();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(public[name].as_str().unwrap()).unwrap();
    let point = [&[4_u8][..], &coordinate("x"), &coordinate("y")].concat();
    let hmac = forged(&good, Algorithm::HS256, &EncodingKey::from_secret(&point), |_| {});
    put("HS256 with our public key", &hmac, Worth::Nothing);
    let key = own_key();
    put("another key", &forged(&good, Algorithm::ES256, &key, |_| {}), Worth::Nothing);
    let issuer = |claims: &mut Value| claims["iss"] = json!("https://id.example.com/v1/accounts/T11300000");
    put("wrong iss, another key", &forged(&good, Algorithm::ES256, &key, issuer), Worth::Nothing);
    let strings = |claims: &mut Value| claims["exp"] = json!("4000000000");
    put("string exp, another key", &forged(&good, Algorithm::ES256, &key, strings), Worth::Nothing);
    let mut changed = good.clone().into_bytes();
    let middle = good.find('.').unwrap() + 20;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    put("changed", &String::from_utf8(changed).unwrap(), Worth::Nothing);
    // Good for something else.
    let (id, secret) = victim.bare_client().await;
    let elsewhere = "https://orders.example.com/";
    let grant = json!({"client_id": id, "audience": elsewhere, "scope": ["admin:accounts"]});
    victim.post("auth/client-grants", grant).await.ok();
    let token = app.token(VICTIM, &id, &secret, elsewhere).await.ok();
    put("wrong aud", &text(&token["access_token"]), Worth::Nothing);
    let session = client.log_in("ola").await;
    let person = client.person(&session);
    put("id token", &world.id_token(&person).await, Worth::Nothing);
    put("refresh token", &text(&session["refresh_token"]), Worth::Nothing);
    put("mfa token", &world.mfa_token().await, Worth::Nothing);
    let operator = app.operator().await;
    let ticket = text(&operator.exchange(VICTIM).await.ok()["access_token"]);
    put("exchange token", &ticket, Worth::Nothing);
    // Was good once.
    let gone = client.log_in("ola").await;
    victim.post("auth/revoke", json!({"token": gone["refresh_token"]})).await.ok();
    put("logged out", &text(&gone["access_token"]), Worth::Nothing);
    let deleted = victim.client(&["admin:accounts"]).await;
    let (_, claims) = parts(&deleted.token);
    let clients = victim.get("auth/clients").await.ok();
    let record = clients.as_array().unwrap().iter().find(|client| client["client_id"] == claims["client_id"]).unwrap();
    victim.delete(&format!("auth/clients/{}", text(&record["id"]))).await.ok();
    put("deleted client", &deleted.token, Worth::Nothing);
    victim.user("gone").await;
    let of_gone = client.log_in("gone").await;
    victim.delete("auth/users/gone").await.ok();
    put("deleted user", &text(&of_gone["access_token"]), Worth::Nothing);
    let removed = victim.person("removed@example.com", &["admin:accounts"], &[]).await;
    let inside = removed.enter(VICTIM).await;
    let members = victim.get("management/users?search=removed").await.ok();
    victim.delete(&format!("management/users/{}", text(&members[0]["id"]))).await.ok();
    put("removed member", &inside.token, Worth::Nothing);
    // Worth too little.
    let role = text(&victim.post("auth/roles", json!({"name": "all", "scope": ["admin:accounts"]})).await.ok()["id"]);
    let kari = victim.person("kari@example.com", &[], &[&role]).await;
    put("role removed", &kari.enter(VICTIM).await.token, Worth::Scope(""));
    put("identity token", &kari.token, Worth::Elsewhere);
    victim.delete(&format!("auth/roles/{role}")).await.ok();
    put("no scope", &victim.client(&["read:elsewhere"]).await.token, Worth::Scope("read:elsewhere"));
    put("read scope", &victim.client(&["read:accounts"]).await.token, Worth::Scope("read:accounts"));
    put("read customers", &victim.client(&["read:customers"]).await.token, Worth::Scope("read:customers"));
    put("person", &person.token, Worth::Scope("read:accounts"));
    let shop = victim.app_client(BRINGS, &["user:customers"]).await;
    shop.ask_code("kari@example.com", json!({})).await;
    let customer = shop.bring_code("email", "kari@example.com", &app.code().await.0).await.ok();
    put("customer", &text(&customer["access_token"]), Worth::Scope("user:customers"));
    let installers = theirs(app, VICTIM);
    put("installer", &installers.member("jane@example.com").await.token, Worth::Installer);
    let gone = installers.logged_in("jane@example.com", installers::PASSWORD).await;
    assert_eq!(gone.post_empty("logout").await.status, 204);
    put("installer logged out", &gone.token, Worth::Nothing);
    // Good elsewhere.
    put("other account's installer", &theirs(app, "T00000000").member("jane@example.com").await.token, Worth::Elsewhere);
    put("configured account's installer", &Installers::of(app).member("jane@example.com").await.token, Worth::Elsewhere);
    let stranger = app.partner_with("T11300000", SHOP).await;
    put("other account's admin", &stranger.token, Worth::Elsewhere);
    put("sibling by exchange", &operator.enter("T11300000").await.token, Worth::Elsewhere);
    put("partner not exchanged", &operator.token, Worth::Elsewhere);
    let below = stranger.sub_account("Shop").await;
    put("other partner exchanged", &stranger.enter(&below).await.token, Worth::Elsewhere);
    put("twin in production", &app.partner_with("P11200000", SHOP).await.token, Worth::Elsewhere);
    app.messages().await;
    all
}

/// Whether an answer is what the policy of a route makes of a credential.
fn is_right(route: &Route, worth: Worth, answer: &Answer) -> bool {
    let error = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    // An answer to HEAD has no body.
    let bare = route.method.as_str() == "HEAD";
    let refused = |status: u16, code: &str| answer.status == status && (bare || error == code);
    let unread = || refused(401, "invalid_credentials") || refused(401, "token_expired");
    match (route.policy.access, worth) {
        // Those of the configured account, which is none of the victim's.
        (Access::Installer, _) if route.path.starts_with("/api/") => refused(404, "not_found") || unread(),
        (Access::Installer, Worth::Elsewhere) | (Access::Person, Worth::Installer) => refused(404, "not_found"),
        (Access::Installer, Worth::Installer) => answer.status == 200 || answer.status == 403,
        (Access::Installer, _) => unread(),
        // The console's own tokens are another account's.
        (Access::Person, Worth::Nothing) => refused(401, "unauthorized") || refused(404, "not_found"),
        (Access::Person, _) => refused(404, "not_found") || refused(401, "unauthorized") || answer.status == 200,
        (_, Worth::Nothing | Worth::Installer) => refused(401, "unauthorized"),
        (_, Worth::Elsewhere) => refused(404, "not_found"),
        (Access::AnyOf(allowed), Worth::Scope(scope)) if !allowed.is_empty() && !allowed.contains(&scope) => {
            refused(403, "insufficient_scope")
        }
        (Access::AllOf(_), Worth::Scope(_)) => refused(403, "insufficient_scope"),
        // It is let in, whatever becomes of it.
        (_, Worth::Scope(_)) => answer.status != 401 && answer.status < 500,
    }
}

#[actix_web::test]
async fn no_credential_opens_what_is_not_its_own() {
    let app = TestApp::start().await;
    let world = World::new(&app).await;
    let credentials = credentials(&app, &world).await;
    let document = document(PUBLIC);
    let before = app.database.rows_of(VICTIM).await;
    let (mut cells, mut wrong, mut lines) = (0, Vec::new(), Vec::new());
    for route in routes() {
        let guarded = matches!(route.policy.access, Access::AnyOf(_) | Access::AllOf(_) | Access::Person | Access::Installer);
        let body = example(&document, &route);
        let at = path(&route, VICTIM, NOBODY);
        let mut line = String::new();
        for credential in &credentials {
            // What may be let in must not change anything: it is tried where it only reads.
            let let_in = matches!(credential.worth, Worth::Scope(scope)
                if matches!(route.policy.access, Access::AnyOf(allowed) if allowed.is_empty() || allowed.contains(&scope)));
            let own = match route.policy.access {
                Access::Person => credential.name == "identity token",
                Access::Installer if route.path.starts_with("/api/") => credential.name == "configured account's installer",
                Access::Installer => credential.worth == Worth::Installer,
                _ => false,
            };
            if own && route.path.starts_with("/api/") {
                line.push(' ');
                continue;
            }
            if !guarded || (let_in || own) && route.method.as_str() != "GET" {
                line.push(' ');
                continue;
            }
            let answer = call(&app.holder(VICTIM, &credential.bearer), &route, &at, &body).await;
            cells += 1;
            if is_right(&route, credential.worth, &answer) {
                line.push('.');
            } else {
                line.push('X');
                wrong.push(format!("{} {at} with {}: {} {}", route.method, credential.name, answer.status, answer.text));
            }
        }
        lines.push(format!("{line}  {:6} {}", route.method.as_str(), route.path));
    }
    // The token endpoint, with each as its bearer and as what is to be exchanged.
    for credential in &credentials {
        let audience = format!("{PUBLIC}/v1/accounts/{VICTIM}");
        for (grant, body) in [
            ("client_credentials", json!({"audience": audience})),
            ("password", json!({"audience": audience, "username": "ola", "password": PASSWORD})),
            (
                "authorization_code",
                json!({"audience": audience, "ident_type": "user_id", "ident": "c-1", "verification_code": "x"}),
            ),
            ("refresh_token", json!({"refresh_token": "x"})),
            ("mfa_oob", json!({"oob_code": "x", "binding_code": "x", "mfa_token": "x"})),
            ("account_user", json!({})),
            (
                "urn:ietf:params:oauth:grant-type:token-exchange",
                json!({"subject_token": credential.bearer,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}),
            ),
        ] {
            // Those that are meant for it.
            let meant = [
                ("exchange token", "client_credentials"),
                ("identity token", "account_user"),
                ("partner not exchanged", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ];
            let meant = meant.contains(&(credential.name, grant));
            if meant {
                continue;
            }
            let mut body = body;
            body["grant_type"] = json!(grant);
            let mut request = app.request(Method::POST, &format!("/v1/accounts/{VICTIM}/auth/token")).json(&body);
            if !credential.bearer.is_empty() && !grant.starts_with("urn:") {
                request = request.bearer_auth(&credential.bearer);
            }
            let answer = app.send(request).await;
            cells += 1;
            if !matches!(answer.status, 400 | 401 | 403 | 404) {
                wrong.push(format!("token endpoint, {grant} with {}: {} {}", credential.name, answer.status, answer.text));
            }
        }
    }
    for (at, credential) in credentials.iter().enumerate() {
        println!("{:>at$}{}", "", credential.name, at = at);
    }
    println!("{}", lines.join("\n"));
    println!("{cells} cells, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    // 4,889 on 2026-12-01; fewer by a credential or three operations would be seen.
    assert!(cells > 4800, "only {cells}");
    for ((table, before), (_, after)) in before.iter().zip(&app.database.rows_of(VICTIM).await) {
        assert_eq!(before, after, "rows of {table} have changed");
    }
}

/// Whoever may do everything on its own account finds nothing of another's there, whether that one is awake or not.
#[actix_web::test]
async fn a_foreign_id_is_an_unknown_id() {
    let app = TestApp::start().await;
    let world = World::new(&app).await;
    let stranger = app.partner_with("T11300000", SHOP).await;
    let document = document(PUBLIC);
    let first = |answer: &Value, name: &str| text(&answer[0][name]);
    let victim = &world.victim;
    let member = victim.post("management/users", json!({"email": "kari@example.com"})).await.ok();
    let installer = theirs(&app, VICTIM).member("jane@example.com").await;
    assert_eq!(installer.post("verify-identity", license()).await.status, 202);
    let installer = text(&installer.get("profile").await.ok()["installer_id"]);
    let message = first(&victim.get("management/messages").await.ok(), "id");
    let records = BTreeMap::from([
        ("messages", message),
        ("clients", first(&victim.get("auth/clients").await.ok(), "id")),
        ("client-grants", first(&victim.get("auth/client-grants").await.ok(), "id")),
        ("roles", first(&victim.get("auth/roles").await.ok(), "id")),
        ("users", "ola".to_owned()),
        ("accounts", first(&victim.get("management/accounts").await.ok(), "account_id")),
        ("members", text(&member["id"])),
        ("customers", "c-1".to_owned()),
        ("tags", first(&victim.get("customers/tags").await.ok(), "id")),
        ("terms", first(&victim.get("customers/terms").await.ok(), "id")),
        ("keys", first(&victim.get("auth/keys").await.ok(), "kid")),
        ("installers", installer),
    ]);
    let before = app.database.rows_of(VICTIM).await;
    let mut walked = 0;
    for warm in [true, false] {
        for route in routes() {
            let of_two = route.path.matches('{').count() >= 2;
            let noun = match route.path.split('/').nth(5).unwrap_or_default() {
                "users" if route.path.contains("/customers/") => "customers",
                "users" if route.path.contains("/management/") => "members",
                noun => noun,
            };
            let Some(record) = records.get(noun).filter(|_| of_two) else { continue };
            if !warm {
                app.pass(10_000);
                app.registry.forget_idle(1);
            }
            let stranger = if warm { stranger.clone() } else { app.operator().await.enter("T11300000").await };
            let body = example(&document, &route);
            let unknown = if noun == "accounts" { "T11399998" } else { NOBODY };
            let unknown = call(&stranger, &route, &path(&route, "T11300000", unknown), &body).await;
            let foreign = call(&stranger, &route, &path(&route, "T11300000", record), &body).await;
            walked += 1;
            let lists = route.path.ends_with("activities");
            assert_eq!(foreign.status, if lists { 200 } else { 404 }, "{} {}: {}", route.method, route.path, foreign.text);
            assert_eq!((unknown.status, unknown.text), (foreign.status, foreign.text), "{} {}", route.method, route.path);
        }
    }
    assert!(walked >= 40, "only {walked}");
    for ((table, before), (_, after)) in before.iter().zip(&app.database.rows_of(VICTIM).await) {
        assert_eq!(before, after, "rows of {table} have changed");
    }
}

/// Each value that is handed out, and where it belongs.
#[actix_web::test]
async fn every_value_is_good_only_where_its_kind_is_asked_for() {
    let app = TestApp::start().await;
    let world = World::new(&app).await;
    let World { victim, client } = &world;
    let base = format!("/v1/accounts/{VICTIM}");
    let audience = format!("{PUBLIC}{base}");

    let session = client.log_in("ola").await;
    let mfa_token = world.mfa_token().await;
    let challenge = json!({"challenge_type": "oob", "oob_channel": "sms", "mfa_token": mfa_token});
    let oob_code = text(&client.tenant.post("auth/mfa/challenge", challenge).await.ok()["oob_code"]);
    let binding_code = app.code().await.0;
    client.ask_code("ola@example.com", json!({})).await;
    let login_code = app.code().await.0;
    let link = text(&client.hand_code("c-1").await.ok()["verification_code"]);
    let kari = victim.person("kari@example.com", &["read:accounts"], &[]).await;
    victim.post("management/users", json!({"email": "new@example.com"})).await.ok();
    let password_link = app.password_token().await;
    let cookie = kari.cookie.split_once('=').unwrap().1.to_owned();
    let exchange = text(&app.operator().await.exchange(VICTIM).await.ok()["access_token"]);
    let person = client.person(&session);
    let jane = theirs(&app, VICTIM).member("jane@example.com").await;
    assert_eq!(jane.post("signup-with-confirmation", signup("kari@example.com")).await.status, 201);
    let confirmation = token_in(&app.messages().await[0], "cnf_");
    jane.post("forgot-password", json!({"email": "jane@example.com"})).await.ok();
    let reset = token_in(&app.messages().await[0], "rst_");
    let values = BTreeMap::from([
        ("installer token", jane.token.clone()),
        ("confirmation", confirmation),
        ("reset", reset),
        ("access token", person.token.clone()),
        ("refresh token", text(&session["refresh_token"])),
        ("mfa token", mfa_token.clone()),
        ("oob code", oob_code.clone()),
        ("binding code", binding_code.clone()),
        ("login code", login_code),
        ("link", link),
        ("password link", password_link),
        ("console session", cookie),
        ("identity token", kari.token.clone()),
        ("exchange token", exchange),
        ("id token", world.id_token(&person).await),
    ]);
    // Each place, what belongs there, and how a value is shown there. Those that use a value up come last.
    let token = |body: Value| client.tenant.post("auth/token", body);
    let show = async |place: &str, value: &str| -> Answer {
        match place {
            "bearer" => app.holder(VICTIM, value).get("auth/roles").await,
            "identity" => app.send(app.request(Method::GET, "/v1/account/user").bearer_auth(value)).await,
            "exchange" => app.redeem(VICTIM, value).await,
            "account_user" => {
                let request = app.request(Method::POST, &format!("{base}/auth/token")).bearer_auth(value);
                app.send(request.json(&json!({"grant_type": "account_user"}))).await
            }
            "challenge" => {
                client
                    .tenant
                    .post("auth/mfa/challenge", json!({"challenge_type": "oob", "oob_channel": "email", "mfa_token": value}))
                    .await
            }
            "mfa_oob: mfa_token" => {
                token(json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": binding_code, "mfa_token": value}))
                    .await
            }
            "mfa_oob: oob_code" => {
                token(json!({"grant_type": "mfa_oob", "oob_code": value, "binding_code": binding_code, "mfa_token": mfa_token}))
                    .await
            }
            "mfa_oob: binding_code" => {
                token(json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": value, "mfa_token": mfa_token})).await
            }
            "refresh" => client.renew(value).await,
            "code by mail" => client.bring_code("email", "ola@example.com", value).await,
            "code by user" => client.bring_code("user_id", "c-1", value).await,
            "authorize" => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([
                        ("audience", audience.as_str()),
                        ("response_type", "authenticate"),
                        ("client_id", &client.id),
                        ("verification_code", value),
                        ("redirect_uri", CALLBACK),
                    ])
                    .finish();
                app.get(&format!("{base}/auth/authorize?{query}")).await
            }
            "cookie" => {
                let person = Person { app: &app, token: String::new(), cookie: format!("tenantry_session={value}") };
                person.with_cookie("/v1/account/session").await
            }
            "password" => app.choose_password(value, "another horse, another staple").await,
            "installer" => Installers { token: value.to_owned(), ..jane.clone() }.get("profile").await,
            "confirm-email" => jane.post("confirm-email", json!({"token": value})).await,
            "reset-password" => jane.post("reset-password", json!({"token": value, "new_password": "N3wS3cur3P@ss!"})).await,
            "page" => app.get(&format!("/account/password?token={value}")).await,
            other => panic!("{other}"),
        }
    };
    let places = [
        ("bearer", "access token"),
        ("identity", "identity token"),
        ("exchange", "exchange token"),
        ("account_user", "identity token"),
        ("refresh", "refresh token"),
        ("challenge", "mfa token"),
        ("mfa_oob: mfa_token", "mfa token"),
        ("mfa_oob: oob_code", "oob code"),
        ("mfa_oob: binding_code", "binding code"),
        ("code by mail", "login code"),
        ("code by user", "link"),
        ("authorize", "link"),
        ("cookie", "console session"),
        ("page", "password link"),
        ("password", "password link"),
        ("installer", "installer token"),
        ("confirm-email", "confirmation"),
        ("reset-password", "reset"),
    ];
    let mut tried = 0;
    for (place, belongs) in places {
        let codes = ["mfa_oob: binding_code", "code by mail"].contains(&place);
        for (kind, value) in values.iter().filter(|(kind, _)| **kind != belongs) {
            // A code has five tries, which are not to be used up here.
            if codes && !["link", "refresh token", "login code", "binding code"].contains(kind) {
                continue;
            }
            let answer = show(place, value).await;
            tried += 1;
            assert!((400..500).contains(&answer.status), "{kind} as {place}: {} {}", answer.status, answer.text);
        }
    }
    // None of it has used anything up: each is still good where it belongs.
    for (place, kind) in [
        ("bearer", "access token"),
        ("identity", "identity token"),
        ("account_user", "identity token"),
        ("exchange", "exchange token"),
        ("refresh", "refresh token"),
        ("mfa_oob: binding_code", "binding code"),
        ("code by mail", "login code"),
        ("code by user", "link"),
        ("cookie", "console session"),
        ("page", "password link"),
        ("password", "password link"),
        ("installer", "installer token"),
        ("confirm-email", "confirmation"),
        ("reset-password", "reset"),
    ] {
        let answer = show(place, &values[kind]).await;
        assert!((200..300).contains(&answer.status), "{kind} as {place}: {} {}", answer.status, answer.text);
    }
    assert!(tried > 120, "only {tried}");
}

/// Whoever is a customer: every operation about a customer, about itself and about another one.
#[actix_web::test]
async fn a_customer_is_let_in_to_itself_alone() {
    let app = TestApp::start().await;
    let World { victim, .. } = World::new(&app).await;
    let shop = victim.app_client(BRINGS, &["user:customers", "user:customers:/customer/details"]).await;
    let document = document(PUBLIC);
    let mut walked = 0;
    for route in routes().iter().filter(|route| route.path.contains("{customer_id}")) {
        // Anew each time: some of them end it.
        let own = victim.customer(json!({"email": "per@example.com"})).await;
        shop.ask_code("per@example.com", json!({})).await;
        let person = shop.person(&shop.bring_code("email", "per@example.com", &app.code().await.0).await.ok());
        let Access::AnyOf(allowed) = route.policy.access else { unreachable!("all of them ask for a scope") };
        let body = example(&document, route);
        let at = |record: &str| path(route, VICTIM, NOBODY).replacen(NOBODY, record, 1);
        let (other, nobody) = (call(&person, route, &at("c-1"), &body).await, call(&person, route, &at(NOBODY), &body).await);
        let itself = call(&person, route, &at(&own), &body).await;
        let label = format!("{} {}", route.method, route.path);
        if allowed.contains(&"user:customers") {
            assert!(!matches!(itself.status, 401 | 403) && itself.status < 500, "{label}: {} {}", itself.status, itself.text);
            if itself.status == 404 {
                assert!(route.path.ends_with("{tid}"), "{label}: {}", itself.text);
            }
            other.refused(404, "not_found");
        } else {
            itself.refused(403, "insufficient_scope");
        }
        assert_eq!((other.status, other.text), (nobody.status, nobody.text), "{label}");
        victim.delete(&format!("customers/users/{own}")).await;
        app.pass(600);
        walked += 1;
    }
    assert!(walked >= 9, "{walked}");
}
