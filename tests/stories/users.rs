//! Auth users (contract nos. 24-27).

use serde_json::json;
use tenantry_tests::{PASSWORD, PUBLIC, TestApp};

#[actix_web::test]
async fn the_life_of_a_user() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let links = json!([
        {"rel": "customers_user", "href": format!("{PUBLIC}/v1/accounts/T11200000/customers/users/c-1")},
        {"rel": "phone_number", "href": "tel:+4712345678"},
        {"rel": "email", "href": "mailto:Ola@example.com"},
    ]);
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms", "email"]});
    let body = json!({"username": "Ola", "password": PASSWORD, "links": links, "mfa": mfa});
    let made = shop.post("auth/users", body.clone()).await.ok();
    assert_eq!((&made["username"], &made["links"], &made["mfa"]), (&json!("Ola"), &links, &mfa));
    assert_eq!(made["enabled"], true);
    assert!(made["id"].is_string() && made["created_by"].is_string() && made["deleted_at"].is_null());
    assert!(!made.to_string().contains(PASSWORD) && !made.to_string().contains("argon2"), "{made}");

    shop.post("auth/users", json!({"username": " OLA", "password": PASSWORD})).await.refused(400, "duplicate");
    assert_eq!(shop.get("auth/users/ola").await.ok(), made);
    let kept = shop.put("auth/users/OLA", json!({"password": "another horse, another staple"})).await.ok();
    assert_eq!((&kept["links"], &kept["mfa"]), (&made["links"], &made["mfa"]));

    shop.user("kari").await;
    shop.post("auth/users/ola/change_username", json!({"username": "Kari"})).await.refused(400, "duplicate");
    let renamed = shop.post("auth/users/ola/change_username", json!({"username": "ola+shop/1%41"})).await.ok();
    assert_eq!(renamed["id"], made["id"]);
    shop.get("auth/users/ola").await.refused(404, "not_found");
    assert_eq!(shop.get("auth/users/ola%2Bshop%2F1%2541").await.ok()["username"], "ola+shop/1%41");

    let gone = shop.delete("auth/users/kari").await.ok();
    assert!(gone["deleted_at"].is_string() && gone["deleted_by"].is_string());
    shop.delete("auth/users/kari").await.refused(404, "not_found");
    let again = shop.user("kari").await;
    assert_ne!(again["id"], gone["id"], "a name is free again, its record is another");

    let told: Vec<_> =
        shop.events().await.into_iter().filter(|event| event["type"].as_str().unwrap().starts_with("user.")).collect();
    let kinds: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user.created", "user.updated", "user.created", "user.renamed", "user.deleted", "user.created"]);
    let text = json!(told).to_string();
    assert!(!text.contains("Ola") && !text.contains("example.com") && !text.contains("kari"), "no values of people: {text}");
}

#[actix_web::test]
async fn users_are_listed_page_by_page_and_found_by_the_beginning_of_their_name() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    for name in ["anna", "Åse", "åshild", "bo", "Anders"] {
        shop.user(name).await;
    }
    let names = |answer: serde_json::Value| -> Vec<String> {
        answer.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(shop.get("auth/users?search=AN").await.ok()), ["anna", "Anders"]);
    assert_eq!(names(shop.get("auth/users?search=a%CC%8As").await.ok()), ["Åse", "åshild"]);
    for nobody in ["_", "%25", "%27%20OR%201%3D1%20--"] {
        assert!(names(shop.get(&format!("auth/users?search={nobody}")).await.ok()).is_empty(), "{nobody}");
    }
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("auth/users?limit=2{next}")).await;
        all.extend(names(page.ok()));
        match page.header("paging-token") {
            "" => break,
            token => next = format!("&starting_after={token}"),
        }
    }
    assert_eq!(all, ["anna", "Åse", "åshild", "bo", "Anders"]);
    shop.get("auth/users?limit=0").await.names("limit");
    shop.get("auth/users?starting_after=x").await.names("starting_after");
}

#[actix_web::test]
async fn what_is_wrong_with_a_user_is_named() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let base = json!({"username": "ola", "password": PASSWORD});
    let with = |name: &str, value: serde_json::Value| {
        let mut body = base.clone();
        body[name] = value;
        shop.post("auth/users", body)
    };
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("  ")),
        ("username", json!("x".repeat(256))),
        ("username", json!("o\u{200b}la")),
        ("username", json!("o\u{202e}la")),
        ("password", json!("short")),
        ("password", json!("password1")),
        ("password", json!("x".repeat(256))),
        ("password", json!("")),
    ] {
        with(field, value).await.names(field);
    }
    shop.post("auth/users", json!({"username": "Ola.Nordmann@x.no", "password": "ola.nordmann@X.no"})).await.names("password");
    with("username", json!("a\0b")).await.refused(400, "invalid_request");
    with("password", json!("a\0bcdefgh")).await.refused(400, "invalid_request");
    shop.post("auth/users", json!({"username": "ola"})).await.names("password");
    with("links", json!([{"rel": "x", "href": "y"}])).await.names("links[0].rel");
    with("links", json!([{"rel": "email", "href": "mailto:nobody"}])).await.names("links[0].href");
    with("links", json!([{"rel": "email", "href": "mailto:\u{212a}@example.com"}])).await.names("links[0].href");
    with("links", json!([{"rel": "phone_number", "href": "tel:0047"}])).await.names("links[0].href");
    let foreign = format!("{PUBLIC}/v1/accounts/T11300000/customers/users/1");
    with("links", json!([{"rel": "customers_user", "href": foreign}])).await.names("links[0].href");
    let twice = json!([{"rel": "email", "href": "mailto:a@b.no"}, {"rel": "email", "href": "mailto:c@d.no"}]);
    with("links", twice).await.names("links[1].rel");
    with("mfa", json!({"challenge_type": "otp"})).await.names("mfa.challenge_type");
    with("mfa", json!({"challenge_type": "oob", "oob_channels": ["pigeon"]})).await.names("mfa.oob_channels[0]");
    with("mfa", json!({"challenge_type": "oob", "oob_channels": ["sms"]})).await.names("mfa.oob_channels");
    with("mfa", json!({"challenge_type": "oob", "oob_channels": []})).await.names("mfa.oob_channels");
    shop.put("auth/users/nobody", json!({"password": PASSWORD})).await.refused(404, "not_found");
    shop.put("auth/users/nobody", json!({})).await.names("password");
    assert!(shop.get("auth/users").await.ok().as_array().unwrap().is_empty());
}

/// Made with other programs: Python's bcrypt, hashlib and argon2-cffi.
const ELSEWHERE: [(&str, &str); 6] = [
    ("bcrypt", "$2b$10$66My5mOzL02zsqSiysMyrehbC1T3iEN2AqNC2FPsr5jvcmJdG8Ps."),
    ("bcrypt-2y", "$2y$10$2c6kgf0UxUyLi4Hl9uTUlOdga.fybMm5KBqa4.U8tcKqx8OuJNUSW"),
    ("argon2i", "$argon2i$v=19$m=4096,t=3,p=1$Nt9sXPfpM9Zre/4GXQGQRA$LOEvTFqeNtknHezOz2g695f+TCunXt+AcrEwOKoYFBg"),
    ("argon2id-weak", "$argon2id$v=19$m=8192,t=1,p=2$HJE+F+2qUv+966ZODnjO+A$nGcSPz5WTieZGx9bEBJmBVfzfoldYW27TcZtjq1RJKk"),
    ("scrypt", "$scrypt$ln=14,r=8,p=1$CIf4J67LPvTYh/R3khW0vw$Kj5dVEDduGDDcQNaLUT9zfFxwDOZOcijr0SS8X3rhSA"),
    ("pbkdf2", "$pbkdf2-sha256$i=100000,l=32$6WMHRk3uDLSRR2pcHt1MOQ$qiOVruZ0skiD28lxdKxhEHcYcOp0+cPYfGqB/1u+rpw"),
];

#[actix_web::test]
async fn a_password_that_was_hashed_elsewhere_logs_in_and_is_hashed_anew() {
    let app = TestApp::start().await;
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(&["write:accounts:/auth/users"], &["read:accounts"]).await;
    for (name, hash) in ELSEWHERE {
        shop.post("auth/users:import", json!({"username": name, "password_hash": hash})).await.ok();
        client.bring(name, "not the password").await.refused(401, "invalid_credentials");
        client.log_in(name).await;
        client.log_in(name).await;
    }
    // Also where a second factor follows.
    let body = json!({"username": "careful", "password_hash": ELSEWHERE[0].1, "links": [{"rel": "email", "href": "mailto:a@b.no"}],
        "mfa": {"challenge_type": "oob", "oob_channels": ["email"]}});
    shop.post("auth/users:import", body).await.ok();
    client.bring("careful", PASSWORD).await.refused(403, "mfa_required");
    for kept in app.database.column("SELECT password FROM auth_user").await {
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    }
    for bad in [
        "",
        "plain",
        "$2b$20$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$argon2id$v=19$m=4194304,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaxObG",
        "$md5$abc",
        "$argon2id$v=19$m=65536,t=3,p=4",
        "$argon2id$v=19$m=131072,t=10,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaxObG",
    ] {
        shop.post("auth/users:import", json!({"username": "x", "password_hash": bad})).await.names("password_hash");
    }
}
