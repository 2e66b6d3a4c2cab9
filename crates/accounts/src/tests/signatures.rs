//! What an account's own key must not be tricked into accepting (security A4): here the forger has the key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tenantry_domain::Error;

use super::World;
use crate::tokens::{Signatures, TokenUse};

#[actix_rt::test]
async fn a_genuine_signature_over_the_wrong_thing_is_refused() {
    let world = World::new().await;
    let account = world.operator().await;
    let key = account.signing_key(tenantry_domain::KeyPurpose::Account).await.unwrap();
    let now = account.now().seconds();
    let header = json!({"alg": "ES256", "kid": key.id, "typ": "at+jwt"});
    let issuer = "https://id.example.com/v1/accounts/T00000000";
    let claims = json!({
        "iss": issuer, "aud": issuer, "sub": "c", "client_id": "c", "oid": "T00000000", "aid": "T00000000", "scope": "",
        "iat": now, "nbf": now, "exp": now + 60, "jti": uuid::Uuid::nil(), "token_use": "access",
    });
    let sign = |header: &Value, claims: &Value| {
        let b64 = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", b64(header), b64(claims));
        let signature = key.sign(&world.registry.platform().vault, account.id(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let verify = |header: &Value, claims: &Value| {
        account.check_time(&account.verify_signature(&sign(header, claims), &account.directory())?, TokenUse::Access)
    };
    let with = |value: &Value, name: &str, other: Value| {
        let mut value = value.clone();
        value[name] = other;
        value
    };
    assert_eq!(verify(&header, &claims), Ok(()));
    for (name, other) in
        [("jku", json!("https://evil.example/keys")), ("jwk", json!({"kty": "oct", "k": "AAAA"})), ("x5u", json!("https://x"))]
    {
        assert_eq!(verify(&with(&header, name, other), &claims), Ok(()), "{name} is ignored");
    }
    for (name, other) in [
        ("crit", json!(["exp"])),
        ("typ", json!("JWT")),
        ("typ", json!("exchange+jwt")),
        ("alg", json!("RS256")),
        ("alg", json!("none")),
        ("kid", json!(uuid::Uuid::nil())),
        ("kid", Value::Null),
    ] {
        assert_eq!(verify(&with(&header, name, other), &claims), Err(Error::Unauthorized), "{name}");
    }
    for (name, other) in [
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(now)),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("nbf", json!(now + 61)),
        ("nbf", json!(now.to_string())),
        ("iss", json!("https://id.example.com/v1/accounts/T11200000")),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([issuer])),
        ("oid", json!("T11200000")),
        ("aid", json!("T11200000")),
        ("jti", Value::Null),
        ("sub", Value::Null),
        ("token_use", json!("exchange")),
        ("token_use", json!("mfa")),
    ] {
        assert_eq!(verify(&header, &with(&claims, name, other)), Err(Error::Unauthorized), "{name}");
    }
    // It is remembered as long as the token lives, and not at all when that is over.
    let signatures = Signatures::new(10);
    for (exp, remembered) in [(now + 60, true), (now, false), (now - 3600, false)] {
        let token = sign(&header, &with(&claims, "exp", json!(exp)));
        let name = Signatures::name(account.id(), &token);
        signatures.keep(name, account.verify_signature(&token, &account.directory()).unwrap(), account.now());
        assert_eq!(signatures.get(&name).is_some(), remembered, "{exp}");
    }
}
