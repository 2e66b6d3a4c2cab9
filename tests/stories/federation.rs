//! People whom an identity provider vouches for (contract nos. 2 and 3, security A20): a real provider, and hostile ones.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, PUBLIC, Person, SHOP, Tenant, TestApp, http};
use url::Url;

const CALLBACK: &str = "https://shop.example/back?x=1";
const BRINGS: &[&str] = &["write:accounts:/auth/users", "write:accounts:/auth/mfa"];
const AUDIENCE: &str = "https://id.example.com/v1/accounts/T11200000";
const SECRET: &str = "a secret that only the two of us know";

/// A real provider, npm's `oidc-provider`.
struct Provider {
    process: Child,
    issuer: String,
    /// Kept open: whoever has nobody to talk to goes.
    _words: BufReader<ChildStdout>,
}

impl Provider {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/oidc-provider");
        let started = Command::new(script).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = started.unwrap();
        let mut words = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        words.read_line(&mut first).unwrap();
        let told: Value = serde_json::from_str(&first).unwrap();
        Self { process, issuer: text(&told["issuer"]).to_owned(), _words: words }
    }

    /// Goes where the person was sent, as a browser would, and yields what stands in the query of the callback.
    async fn visit(&self, url: &str, person: &str) -> BTreeMap<String, String> {
        let mut cookies = BTreeMap::new();
        let mut at = Url::parse(url).unwrap();
        at.query_pairs_mut().append_pair("login_hint", person);
        for _ in 0..10 {
            let jar = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            let answer = http().get(at.clone()).header("cookie", jar).send().await.unwrap();
            for cookie in answer.headers().get_all("set-cookie") {
                let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
            let Some(location) = location else { panic!("{} {}", answer.status(), answer.text().await.unwrap()) };
            at = at.join(&location).unwrap();
            if at.as_str().starts_with(CALLBACK) {
                return at.query_pairs().into_owned().collect();
            }
        }
        panic!("the provider leads nowhere")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// A shop, and a client of it whose people a provider vouches for.
async fn world<'a>(app: &'a TestApp, authority: &str) -> (Tenant<'a>, AppClient<'a>) {
    let shop = app.partner_with("T11200000", SHOP).await;
    let body = json!({"callbacks": [CALLBACK]});
    let made = shop.post("auth/clients", body).await.ok();
    let (id, secret) = (text(&made["client_id"]).to_owned(), text(&made["client_secret"]).to_owned());
    let own = json!({"client_id": id, "audience": AUDIENCE, "type": "client_credentials", "scope": BRINGS});
    shop.post("auth/client-grants", own).await.ok();
    let oidc = json!({"client_id": "shop-there", "client_secret": SECRET, "authority": authority});
    let persons =
        json!({"client_id": id, "audience": AUDIENCE, "type": "authorization_code", "scope": ["read:accounts"], "oidc": oidc});
    let grant = text(&shop.post("auth/client-grants", persons).await.ok()["id"]).to_owned();
    let tenant = app.login("T11200000", &id, &secret).await;
    (shop, AppClient { tenant, id, secret, grant })
}

async fn authorize(client: &AppClient<'_>, change: &[(&str, &str)]) -> Answer {
    let mut query = BTreeMap::from([
        ("audience", AUDIENCE),
        ("response_type", "code"),
        ("client_id", &client.id),
        ("redirect_uri", CALLBACK),
    ]);
    query.extend(change.iter().copied());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    client.tenant.get(&format!("auth/oidc/authorize?{query}")).await
}

async fn redeem(client: &AppClient<'_>, code: &str, change: Value) -> Answer {
    let mut body = json!({"grant_type": "authorization_code", "code": code, "client_id": client.id, "audience": AUDIENCE,
        "redirect_uri": CALLBACK});
    body.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap_or_default());
    client.tenant.post("auth/oidc/token", body).await
}

/// Sends somebody to the provider, and yields the code.
async fn code(client: &AppClient<'_>, provider: &Provider, person: &str, state: Option<&str>) -> String {
    let state: Vec<(&str, &str)> = state.map(|state| ("state", state)).into_iter().collect();
    let sent = authorize(client, &state).await;
    assert_eq!(sent.status, 302, "{}", sent.text);
    provider.visit(sent.header("location"), person).await["code"].clone()
}

#[actix_web::test]
async fn whom_a_real_provider_vouches_for_logs_in() {
    let (app, provider) = (TestApp::start().await, Provider::start());
    let (shop, client) = world(&app, &provider.issuer).await;
    shop.customer(json!({"customer_id": "c-1", "email": "OLA@example.com"})).await;
    let sent = authorize(&client, &[("state", "of my browser"), ("scope", "openid email profile")]).await;
    let url = Url::parse(sent.header("location")).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(
        (query["client_id"].as_str(), query["redirect_uri"].as_str(), query["code_challenge_method"].as_str()),
        ("shop-there", CALLBACK, "S256")
    );
    assert!(query.contains_key("nonce") && !sent.header("location").contains("secret"));
    let back = provider.visit(url.as_str(), "ola").await;
    assert_eq!(back["state"], "of my browser");
    // Only with the state that it was sent with, only here, and once.
    redeem(&client, &back["code"], json!({})).await.refused(400, "invalid_grant");
    let code = code_with(&client, &provider).await;
    let token = redeem(&client, &code, json!({"state": "s"})).await.ok();
    let user = json!({"sub": "ola", "name": "Ola Nordmann", "email": "ola@example.com"});
    assert_eq!(token["user_info"], json!({"authority": provider.issuer, "value": user}));
    redeem(&client, &code, json!({"state": "s"})).await.refused(400, "invalid_grant");
    let person = client.person(&token);
    person.get("auth/roles").await.ok();
    let users = shop.get("auth/users").await.ok();
    let links: Vec<&str> = users[0]["links"].as_array().unwrap().iter().map(|link| text(&link["href"])).collect();
    assert_eq!(links, ["mailto:ola@example.com", &format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-1")]);
    // The same person again, and whoever shuts it out keeps it out.
    let again = redeem(&client, &code_with(&client, &provider).await, json!({"state": "s"})).await.ok();
    client.person(&again).get("auth/roles").await.ok();
    assert_eq!(shop.get("auth/users").await.ok().as_array().unwrap().len(), 1);
    let name = text(&users[0]["username"]);
    shop.post_empty(&format!("auth/users/{name}/disable")).await.ok();
    person.get("auth/roles").await.refused(401, "unauthorized");
    redeem(&client, &code_with(&client, &provider).await, json!({"state": "s"})).await.refused(400, "invalid_grant");
    let events = json!(shop.events().await).to_string();
    assert!(events.contains("login.refused") && !events.contains("ola@") && !events.contains(&code) && !events.contains(SECRET));
}

async fn code_with(client: &AppClient<'_>, provider: &Provider) -> String {
    code(client, provider, "ola", Some("s")).await
}

#[actix_web::test]
async fn an_address_leads_to_a_customer_only_where_the_provider_says_it_is_theirs() {
    let (app, provider) = (TestApp::start().await, Provider::start());
    let (shop, client) = world(&app, &provider.issuer).await;
    shop.customer(json!({"customer_id": "c-1", "email": "ola@example.com"})).await;
    for (who, subject) in [("liar", "auth-user:"), ("kari", "auth-user:"), ("ola", "customer:c-1")] {
        let token = redeem(&client, &code(&client, &provider, who, None).await, json!({})).await.ok();
        let introspected = introspect(&app, &client, text(&token["access_token"])).await;
        assert!(text(&introspected["sub"]).starts_with(subject), "{who}: {introspected}");
    }
    // Whoever is shut out as the same customer is shut out, by whichever way it came in.
    let links = json!([{"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-1")}]);
    shop.post("auth/users", json!({"username": "twin", "password": PASSWORD, "links": links})).await.ok();
    let of_ola = redeem(&client, &code(&client, &provider, "ola", None).await, json!({})).await.ok();
    let person = client.person(&of_ola);
    person.get("auth/roles").await.ok();
    shop.post_empty("auth/users/twin/disable").await.ok();
    person.get("auth/roles").await.refused(401, "unauthorized");
    redeem(&client, &code(&client, &provider, "ola", None).await, json!({})).await.refused(400, "invalid_grant");
    // The name by which the provider's word is known stays.
    let users = shop.get("auth/users").await.ok();
    let theirs = users.as_array().unwrap().iter().find(|user| text(&user["username"]).starts_with("oidc-")).unwrap();
    let rename = format!("auth/users/{}/change_username", text(&theirs["username"]));
    shop.post(&rename, json!({"username": "ola"})).await.names("username");
    // With a second factor of ours: the provider's word alone is not enough.
    let users = shop.get("auth/users").await.ok();
    let of_kari = users.as_array().unwrap().iter().find(|user| user["links"][0]["href"] == "mailto:kari@example.com").unwrap();
    let path = format!("auth/users/{}", text(&of_kari["username"]));
    let change =
        json!({"password": "another horse, another staple", "mfa": {"challenge_type": "oob", "oob_channels": ["email"]}});
    shop.put(&path, change).await.ok();
    redeem(&client, &code(&client, &provider, "kari", None).await, json!({})).await.refused(403, "mfa_required");
}

#[actix_web::test]
async fn nobody_waits_for_the_owner_of_an_address() {
    let (app, provider) = (TestApp::start().await, Provider::start());
    let (shop, client) = world(&app, &provider.issuer).await;
    // Who already comes in as this customer has never proven that the address is its own.
    shop.customer(json!({"customer_id": "c-1", "email": "ola@example.com"})).await;
    let links = json!([{"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-1")}]);
    shop.post("auth/users", json!({"username": "squatter", "password": PASSWORD, "links": links})).await.ok();
    let token = redeem(&client, &code(&client, &provider, "ola", None).await, json!({})).await.ok();
    let introspected = introspect(&app, &client, text(&token["access_token"])).await;
    assert!(text(&introspected["sub"]).starts_with("auth-user:"), "{introspected}");
}

async fn introspect(app: &TestApp, client: &AppClient<'_>, token: &str) -> Value {
    let path = "/v1/accounts/T11200000/auth/oauth/introspect";
    app.send(app.request(Method::POST, path).basic_auth(&client.id, Some(&client.secret)).json(&json!({"token": token})))
        .await
        .ok()
}

#[actix_web::test]
async fn who_may_send_people_to_a_provider_and_where_they_come_back() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app, "http://127.0.0.1:1").await;
    for wrong in ["https://shop.example/back", "https://evil.example/back?x=1", "https://shop.example@evil.example/back?x=1"] {
        authorize(&client, &[("redirect_uri", wrong)]).await.refused(400, "invalid_redirect_uri");
    }
    authorize(&client, &[("response_type", "token")]).await.names("response_type");
    let other = shop.app_client(BRINGS, &["read:accounts"]).await;
    authorize(&other, &[]).await.refused(400, "oidc_not_configured");
    authorize(&other, &[("client_id", &client.id)]).await.refused(403, "insufficient_scope");
    redeem(&other, "x", json!({"client_id": client.id})).await.refused(403, "insufficient_scope");
    shop.client(&["write:accounts"])
        .await
        .post(
            "auth/oidc/token",
            json!({"grant_type": "authorization_code", "code": "x",
        "client_id": client.id, "audience": AUDIENCE}),
        )
        .await
        .refused(403, "insufficient_scope");
    // The token may stand in the query, once.
    let path = format!(
        "/v1/accounts/T11200000/auth/oidc/authorize?audience=x&response_type=code&client_id=x&redirect_uri=x&client_token={}",
        client.tenant.token
    );
    app.get(&path).await.names("audience");
    client.tenant.get(&path).await.names("Authorization");
    app.get(&path.replace("client_token=", "client_token=x")).await.refused(401, "unauthorized");
    app.get("/v1/accounts/T11200000/auth/roles?client_token=x").await.refused(401, "unauthorized");
    app.holder("T11300000", &client.tenant.token).get("auth/oidc/authorize").await.refused(404, "not_found");
    // Nobody is there: a clear word, and the log tells.
    let away = authorize(&client, &[]).await;
    away.refused(503, "unavailable");
    assert_eq!(away.header("retry-after"), "5");
    assert!(json!(shop.events().await).to_string().contains("the identity provider cannot be reached"));
}

/// What a provider of our own making does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ruse {
    /// Nothing wrong.
    Honest,
    Slow,
    Huge,
    Redirects,
    OtherIssuer,
    NoSense,
    TokenEndpointInside,
    Refuses,
    NoToken,
    OtherKey,
    UnknownKey,
    HmacByTheSecret,
    Unsigned,
    OtherAudience,
    TokenOfAnother,
    OtherNonce,
    Expired,
    OtherSubject,
}

/// A key for signatures, and its public half as a JWK.
struct Key {
    private: EncodingKey,
    public: Value,
}

impl Key {
    fn new(kid: &str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let private = EncodingKey::from_ec_der(pair.as_ref());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (part(&point[1..33]), part(&point[33..]));
        Self { private, public: json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": x, "y": y}) }
    }
}

/// A provider that does what it is told, and counts what it is asked.
struct Hostile {
    issuer: String,
    ruse: Ruse,
    nonce: Mutex<String>,
    keys_asked: AtomicUsize,
    key: Key,
    other: Key,
}

impl Hostile {
    fn start(ruse: Ruse) -> Arc<Self> {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let (key, other) = (Key::new("one"), Key::new("one"));
        let nonce = Mutex::default();
        let hostile = Arc::new(Self { issuer, ruse, nonce, keys_asked: AtomicUsize::new(0), key, other });
        let shared = hostile.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(shared.clone()))
                .route("/.well-known/openid-configuration", web::get().to(Self::metadata))
                .route("/jwks", web::get().to(Self::keys))
                .route("/token", web::post().to(Self::token))
                .route("/userinfo", web::get().to(Self::userinfo))
        });
        actix_rt::spawn(server.workers(1).disable_signals().listen(socket).unwrap().run());
        hostile
    }

    async fn metadata(this: web::Data<Self>) -> HttpResponse {
        let at = &this.issuer;
        let issuer = if this.ruse == Ruse::OtherIssuer { "https://accounts.example.com" } else { at };
        let inside = "http://169.254.169.254/token".to_owned();
        let token_endpoint = if this.ruse == Ruse::TokenEndpointInside { inside } else { format!("{at}/token") };
        match this.ruse {
            Ruse::Slow => tokio::time::sleep(std::time::Duration::from_secs(8)).await,
            Ruse::Huge => return HttpResponse::Ok().content_type("application/json").body(" ".repeat(2 * 1024 * 1024)),
            Ruse::Redirects => return HttpResponse::Found().insert_header(("location", format!("{at}/jwks"))).finish(),
            Ruse::NoSense => return HttpResponse::Ok().content_type("application/json").body("hello"),
            _ => {}
        }
        HttpResponse::Ok().json(json!({
            "issuer": issuer, "authorization_endpoint": format!("{at}/auth"), "token_endpoint": token_endpoint,
            "jwks_uri": format!("{at}/jwks"), "userinfo_endpoint": format!("{at}/userinfo"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256"],
        }))
    }

    #[expect(clippy::unused_async, reason = "handlers are")]
    async fn keys(this: web::Data<Self>) -> HttpResponse {
        this.keys_asked.fetch_add(1, Ordering::Relaxed);
        HttpResponse::Ok().json(json!({"keys": [this.key.public]}))
    }

    #[expect(clippy::unused_async, reason = "handlers are")]
    async fn token(this: web::Data<Self>) -> HttpResponse {
        let mut claims = json!({"iss": this.issuer, "sub": "mallory", "aud": "shop-there", "exp": 4_000_000_000_u64,
            "iat": 1_700_000_000, "nonce": *this.nonce.lock().unwrap()});
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("one".to_owned());
        let mut key = &this.key.private;
        let hmac = EncodingKey::from_secret(SECRET.as_bytes());
        match this.ruse {
            Ruse::Refuses => return HttpResponse::BadRequest().json(json!({"error": "invalid_grant"})),
            Ruse::NoToken => return HttpResponse::Ok().json(json!({"access_token": "x", "token_type": "Bearer"})),
            Ruse::OtherKey => key = &this.other.private,
            Ruse::UnknownKey => (header.kid, key) = (Some("two".to_owned()), &this.other.private),
            Ruse::HmacByTheSecret => (header.alg, key) = (Algorithm::HS256, &hmac),
            Ruse::OtherAudience => claims["aud"] = json!("another-shop"),
            Ruse::TokenOfAnother => claims["iss"] = json!("https://accounts.example.com"),
            Ruse::OtherNonce => claims["nonce"] = json!("of another login"),
            Ruse::Expired => claims["exp"] = json!(1_767_225_600),
            _ => {}
        }
        let token = match this.ruse {
            Ruse::Unsigned => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({"alg": "none", "kid": "one"})), part(&claims))
            }
            _ => jsonwebtoken::encode(&header, &claims, key).unwrap(),
        };
        HttpResponse::Ok().json(json!({"access_token": "at", "token_type": "Bearer", "id_token": token}))
    }

    #[expect(clippy::unused_async, reason = "handlers are")]
    async fn userinfo(this: web::Data<Self>) -> HttpResponse {
        let sub = if this.ruse == Ruse::OtherSubject { "ola" } else { "mallory" };
        HttpResponse::Ok().json(json!({"sub": sub, "email": "mallory@example.com", "email_verified": true}))
    }
}

#[actix_web::test]
async fn a_hostile_provider_gets_nobody_in() {
    for ruse in [
        Ruse::Honest,
        Ruse::Refuses,
        Ruse::NoToken,
        Ruse::OtherKey,
        Ruse::UnknownKey,
        Ruse::HmacByTheSecret,
        Ruse::Unsigned,
        Ruse::OtherAudience,
        Ruse::TokenOfAnother,
        Ruse::OtherNonce,
        Ruse::Expired,
        Ruse::OtherSubject,
        Ruse::TokenEndpointInside,
    ] {
        let (app, hostile) = (TestApp::alone().await, Hostile::start(ruse));
        let (shop, client) = world(&app, &hostile.issuer).await;
        let sent = authorize(&client, &[]).await;
        assert_eq!(sent.status, 302, "{ruse:?} {}", sent.text);
        let url = Url::parse(sent.header("location")).unwrap();
        let nonce = url.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
        *hostile.nonce.lock().unwrap() = nonce;
        let answer = redeem(&client, "code", json!({})).await;
        match ruse {
            Ruse::Honest => {
                client.person(&answer.ok()).get("auth/roles").await.ok();
                continue;
            }
            Ruse::TokenEndpointInside => drop(answer.refused(503, "unavailable").clone()),
            _ => drop(answer.refused(400, "invalid_grant").clone()),
        }
        assert!(shop.get("auth/users").await.ok().as_array().unwrap().is_empty(), "{ruse:?}");
        assert!(shop.events().await.iter().any(|event| event["type"] == "login.refused"), "{ruse:?}");
        if ruse == Ruse::UnknownKey {
            // Its keys were looked up once more, and then not again for a while.
            for _ in 0..5 {
                redeem(&client, "code", json!({})).await.refused(400, "invalid_grant");
            }
            assert_eq!(hostile.keys_asked.load(Ordering::Relaxed), 2);
        }
    }
}

#[actix_web::test]
async fn a_provider_that_makes_no_sense_is_not_waited_for() {
    let answers = [Ruse::Slow, Ruse::Huge, Ruse::Redirects, Ruse::OtherIssuer, Ruse::NoSense].map(async |ruse| {
        let (app, hostile) = (TestApp::alone().await, Hostile::start(ruse));
        let (_, client) = world(&app, &hostile.issuer).await;
        let began = std::time::Instant::now();
        authorize(&client, &[]).await.refused(503, "unavailable");
        assert!(began.elapsed().as_secs() < 8, "{ruse:?}");
        // And nobody waits for it again at once.
        let again = std::time::Instant::now();
        authorize(&client, &[]).await.refused(503, "unavailable");
        assert!(again.elapsed().as_millis() < 1000, "{ruse:?}");
        assert_eq!(hostile.keys_asked.load(Ordering::Relaxed), 0, "{ruse:?}");
    });
    join_all(answers).await;
}

#[actix_web::test]
async fn an_external_id_token_opens_an_account_to_its_members() {
    let (app, provider) = (TestApp::start().await, Hostile::start(Ruse::Honest));
    let one = app.partner("T11200000").await;
    let jwks = |name: &str| json!({"jwks": {"name": name, "uri": format!("{}/jwks", provider.issuer), "issuer": provider.issuer, "audience": "tenantry"}});
    for (email, kind) in [("kari@example.com", "external"), ("ola@example.com", "password")] {
        one.post("management/users", json!({"email": email, "scope": ["read:accounts"], "authentication_type": kind})).await.ok();
    }
    let now = 1_767_225_600;
    let claims = || {
        json!({"iss": provider.issuer, "sub": "1", "aud": "tenantry", "exp": now + 600, "iat": now,
        "email": "KARI@example.com", "email_verified": true})
    };
    let sign = |claims: &Value, key: &Key, kid: &str| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &key.private).unwrap()
    };
    let enter = async |account: &str, token: &str, spelling: &str| {
        let path = format!("/v1/accounts/{account}/auth/token");
        app.send(app.request(Method::POST, &path).bearer_auth(token).json(&json!({"grant_type": spelling}))).await
    };
    let good = sign(&claims(), &provider.key, "one");
    enter("T11200000", &good, "account_user").await.refused(401, "unauthorized");
    assert_eq!(one.put("management/settings", jwks("ours")).await.ok()["jwks"]["name"], "ours");
    for spelling in ["account_user", "account_user_token"] {
        let token = enter("T11200000", &good, spelling).await.ok();
        assert!(token["expires_in"].as_i64().unwrap() <= 600, "no longer than what it was got for: {token}");
        app.holder("T11200000", text(&token["access_token"])).get("auth/roles").await.ok();
    }
    enter("T11300000", &good, "account_user").await.refused(401, "unauthorized");
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        sign(&claims, &provider.key, "one")
    };
    for (name, value) in [
        ("iss", json!("https://accounts.example.com")),
        ("aud", json!("another")),
        ("exp", json!(now)),
        ("exp", json!("4000000000")),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
    ] {
        enter("T11200000", &with(name, value), "account_user").await.refused(401, "unauthorized");
    }
    for token in [sign(&claims(), &provider.other, "one"), sign(&claims(), &provider.other, "two"), "a.b.c".to_owned()] {
        enter("T11200000", &token, "account_user").await.refused(401, "unauthorized");
    }
    let hmac = jsonwebtoken::encode(
        &Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) },
        &claims(),
        &EncodingKey::from_secret(provider.key.public.to_string().as_bytes()),
    )
    .unwrap();
    enter("T11200000", &hmac, "account_user").await.refused(401, "unauthorized");
    // Neither whoever is no member, nor whose address is not verified, nor whoever signs in with a password here.
    for token in [
        with("email", json!("nobody@example.com")),
        with("email_verified", json!(false)),
        with("email", json!("ola@example.com")),
    ] {
        enter("T11200000", &token, "account_user").await.refused(403, "insufficient_scope");
    }
    // Whoever names an issuer makes nobody more than it was itself, whoever is invited later.
    let weak = one.client(&["write:accounts"]).await;
    weak.put("management/settings", jwks("mine")).await.ok();
    let boss =
        json!({"email": "boss@example.com", "scope": ["admin:accounts", "write:accounts"], "authentication_type": "external"});
    one.post("management/users", boss).await.ok();
    let token = enter("T11200000", &with("email", json!("boss@example.com")), "account_user").await.ok();
    assert_eq!(token["scope"], "write:accounts");
    // An external member is no client, even where one is called as its tokens say; and chooses no password here.
    one.post("auth/clients", json!({"client_id": "console"})).await.ok();
    let inside = app.holder("T11200000", text(&token["access_token"]));
    let login = json!({"grant_type": "password", "username": "x", "password": "y", "audience": AUDIENCE});
    inside.post("auth/token", login).await.refused(403, "insufficient_scope");
    let forgot = json!({"email": "boss@example.com"});
    app.send(app.request(Method::POST, "/v1/account/password/forgot").json(&forgot)).await;
    let messages = app.messages().await;
    let link = messages.iter().find(|message| message["to"] == "boss@example.com").unwrap();
    let link = text(&link["text"]).split_whitespace().find(|word| word.contains("token=")).unwrap().to_owned();
    app.choose_password(link.split_once("token=").unwrap().1, PASSWORD).await;
    let boss = Person::new(&app, &app.sign_in("boss@example.com", PASSWORD).await);
    boss.ask_token("T11200000").await.refused(403, "insufficient_scope");
    weak.put("management/settings", json!({"jwks": null})).await.ok();
    enter("T11200000", &good, "account_user").await.refused(401, "unauthorized");
    for (field, value) in
        [("jwks.uri", json!("http://id.example.com/jwks")), ("jwks.name", json!("")), ("jwks.audience", json!(" "))]
    {
        let mut body = jwks("x");
        body["jwks"][field.strip_prefix("jwks.").unwrap()] = value;
        one.put("management/settings", body).await.names(field);
    }
}
