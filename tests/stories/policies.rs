//! Every route there is honours its policy.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_api::{Access, Route, document, routes};
use tenantry_tests::{Answer, PUBLIC, SHOP, Tenant, TestApp};

use crate::installers::{Installers, signup};

/// An id that no record has.
pub(crate) const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// A route's path on `account`, with `record` where it names one.
pub(crate) fn path(route: &Route, account: &str, record: &str) -> String {
    let Some((before, after)) = route.path.split_once('{') else { return route.path.to_owned() };
    let after = after.split_once('}').unwrap().1;
    // Those of installers have a form of their own.
    let installer = if record == NOBODY { "ins_00000000000070008000000000000000" } else { record };
    let after = after.replace("{installer_id}", installer);
    let after = ["{id}", "{role_id}", "{aid}", "{username}", "{customer_id}", "{uid}", "{tag_id}", "{tid}"]
        .iter()
        .fold(after, |path, hole| path.replace(hole, record))
        .replace("{operation}", "send-verification-code")
        .replace("{field}", "email");
    format!("{before}{account}{after}")
}

/// A body that the route's own description gives as its example.
pub(crate) fn example(document: &Value, route: &Route) -> Value {
    let method = route.method.as_str().to_lowercase();
    let body = &document["paths"][route.path][&method]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let Some(name) = body.as_str().and_then(|name| name.rsplit('/').next()) else { return Value::Null };
    let schema = &document["components"]["schemas"][name];
    let example = schema["example"].clone();
    assert!(!example.is_null(), "{name} has no example");
    example
}

pub(crate) async fn call(who: &Tenant<'_>, route: &Route, path: &str, body: &Value) -> Answer {
    let mut request = who.app.request(Method::from_bytes(route.method.as_str().as_bytes()).unwrap(), path);
    if !who.token.is_empty() {
        request = request.bearer_auth(&who.token);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    who.app.send(request).await
}

/// No token 401, wrong scope 403, each listed scope passes the guard, another account's token 404; and a foreign
/// record answers with the very bytes of an unknown one, with both accounts awake.
#[actix_web::test]
async fn every_route_honours_its_policy() {
    let app = TestApp::start().await;
    let (one, other) = (app.partner_with("T11200000", SHOP).await, app.partner_with("T11300000", SHOP).await);
    let document = document(PUBLIC);
    let foreign_role = other.role("theirs").await;
    let foreign_tag = other.post("customers/tags", json!({"tag": "theirs"})).await.ok()["id"].as_str().unwrap().to_owned();
    let foreign_terms = other.post("customers/terms", json!({"terms": "theirs"})).await.ok()["id"].as_str().unwrap().to_owned();
    let foreign_client = other.get("auth/clients").await.ok()[0]["id"].as_str().unwrap().to_owned();
    let foreign_grant = other.get("auth/client-grants").await.ok()[0]["id"].as_str().unwrap().to_owned();
    other.user("theirs").await;
    other.client(&["admin:customers"]).await.customer(json!({"customer_id": "their-customer"})).await;
    let member = json!({"email": "theirs@example.com"});
    let foreign_member = other.post("management/users", member).await.ok()["id"].as_str().unwrap().to_owned();
    let foreign_message = other.get("management/messages").await.ok()[0]["id"].as_str().unwrap().to_owned();
    let foreign_account = other.sub_account("theirs").await;
    let theirs = Installers { base: "/v1/accounts/T11300000/installer".to_owned(), ..Installers::of(&app) };
    let foreign_installer = theirs.post("signup", signup("theirs@example.com")).await.json()["installer_id"].clone();
    let foreign_installer = foreign_installer.as_str().unwrap().to_owned();
    let scopes: BTreeSet<&str> = routes()
        .iter()
        .filter_map(|route| if let Access::AnyOf(scopes) = route.policy.access { Some(scopes) } else { None })
        .flatten()
        .copied()
        .collect();
    let mut holders = Vec::new();
    for scope in scopes {
        holders.push((scope, one.client(&[scope]).await));
    }
    let stranger = one.client(&["read:elsewhere", "write:accounts:/auth/users:nothing"]).await;

    let mut walked = 0;
    for route in routes() {
        let (allowed, all) = match route.policy.access {
            Access::AnyOf(allowed) => (allowed, false),
            Access::AllOf(allowed) => (allowed, true),
            _ => continue,
        };
        walked += 1;
        if route.method.as_str() == "HEAD" {
            // Its answers have no body to look at.
            for (scope, holder) in &holders {
                let status = call(holder, &route, &path(&route, "T11200000", NOBODY), &Value::Null).await.status;
                assert_eq!(status, if allowed.contains(scope) { 405 } else { 403 }, "HEAD {} with {scope}", route.path);
            }
            continue;
        }
        let body = example(&document, &route);
        let own = path(&route, "T11200000", NOBODY);
        let label = format!("{} {own}", route.method);
        let nobody = app.holder("T11200000", "");
        call(&nobody, &route, &own, &body).await.refused(401, "unauthorized");
        call(&app.holder("T11200000", "not.a.token"), &route, &own, &body).await.refused(401, "unauthorized");
        if !allowed.is_empty() {
            call(&stranger, &route, &own, &body).await.refused(403, "insufficient_scope");
        }
        let foreign_path = path(&route, "T11300000", NOBODY);
        let foreign = call(&one, &route, &foreign_path, &body).await;
        foreign.refused(404, "not_found");
        for (scope, holder) in &holders {
            let answer = call(holder, &route, &own, &body).await;
            let refused = answer.status == 403 && answer.json()["error"]["code"] == "insufficient_scope";
            // Which channel a code goes over, and whose record it is, the account itself decides.
            let narrow = route.path.ends_with("auth/passwordless") && scope.ends_with("-sms");
            let of_people = route.path.ends_with("auth/redirect");
            let expected = all || of_people || narrow || !allowed.is_empty() && !allowed.contains(scope);
            assert_eq!(refused, expected, "{label} with {scope}: {} {}", answer.status, answer.text);
            // What somebody shows for a customer may be wrong.
            let wrong = answer.json()["error"]["code"] == "invalid_credentials";
            assert!(answer.status != 401 || wrong, "{label} with {scope}");
            assert!(answer.status < 500, "{label} with {scope}: {}", answer.text);
        }
        let noun = route.path.split('/').nth(5).unwrap_or_default();
        let record = match noun {
            "roles" => &foreign_role,
            "tags" => &foreign_tag,
            "terms" => &foreign_terms,
            "installers" => &foreign_installer,
            "messages" => &foreign_message,
            "clients" => &foreign_client,
            "client-grants" => &foreign_grant,
            "users" if route.path.contains("customers") => "their-customer",
            "users" if route.path.contains("management") => &foreign_member,
            "users" => "theirs",
            _ => &foreign_account,
        };
        let about_one = route.path.contains("{customer_id}")
            || [
                "}",
                "rotate-secret",
                "change_username",
                "able",
                "/totp",
                "/confirm",
                "-codes",
                "/approve",
                "/reject",
                "/suspend",
                "/reinstate",
                "/retry",
            ]
            .iter()
            .any(|end| route.path.ends_with(end));
        if about_one {
            let unknown = if noun == "accounts" { "T11299998" } else { NOBODY };
            let unknown = call(&one, &route, &path(&route, "T11200000", unknown), &body).await;
            let foreign = call(&one, &route, &path(&route, "T11200000", record), &body).await;
            assert_eq!((unknown.status, foreign.status), (404, 404), "{label}: {} {}", unknown.text, foreign.text);
            assert_eq!(unknown.text, foreign.text, "{label}");
        }
    }
    assert!(walked >= 24, "only {walked} routes were walked");
}

/// The token endpoint and what is public, which ask for no scope.
#[actix_web::test]
async fn what_asks_for_no_scope_is_named_here() {
    let open: Vec<String> = routes()
        .iter()
        .filter(|route| !matches!(route.policy.access, Access::AnyOf(_) | Access::AllOf(_)))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let (of_installers, open): (Vec<String>, Vec<String>) = open.into_iter().partition(|route| route.contains("/installer/"));
    assert_eq!(
        of_installers,
        [
            "POST /api/v1/installer/signup",
            "POST /api/v1/installer/signup-with-confirmation",
            "POST /api/v1/installer/confirm-email",
            "POST /api/v1/installer/login",
            "POST /api/v1/installer/logout",
            "POST /api/v1/installer/forgot-password",
            "POST /api/v1/installer/reset-password",
            "GET /api/v1/installer/profile",
            "PUT /api/v1/installer/profile",
            "DELETE /api/v1/installer/profile",
            "GET /api/v1/installer/verification-status",
            "POST /api/v1/installer/verify-identity",
            "POST /api/v1/installer/accept-terms",
            "GET /api/v1/installer/terms",
            "POST /api/v1/installer/authorization",
        ]
        .iter()
        .flat_map(|route| [(*route).to_owned(), route.replace("/api/v1/", "/v1/accounts/{aid}/")])
        .collect::<Vec<_>>()
    );
    assert_eq!(
        open,
        [
            "POST /v1/accounts/{oid}/auth/token",
            "POST /v1/accounts/{oid}/auth/oauth/revoke",
            "POST /v1/accounts/{oid}/auth/oauth/introspect",
            "GET /v1/accounts/{oid}/auth/authorize",
            "POST /v1/account/user/mfa/totp",
            "POST /v1/account/user/mfa/totp/confirm",
            "DELETE /v1/account/user/mfa/totp",
            "POST /v1/account/user/mfa/recovery-codes",
            "GET /v1/accounts/{oid}/.well-known/jwks.json",
            "GET /v1/accounts/{oid}/.well-known/oauth-authorization-server",
            "GET /v1/accounts/{oid}/.well-known/openid-configuration",
            "GET /.well-known/oauth-authorization-server/v1/accounts/{oid}",
            "POST /v1/account/login",
            "POST /v1/account/login/challenge",
            "POST /v1/account/login/code",
            "POST /v1/account/session",
            "POST /v1/account/logout",
            "POST /v1/account/password/forgot",
            "POST /v1/account/password",
            "GET /v1/account/user",
            "POST /v1/account/user/password",
            "PUT /v1/account/user/password",
            "PUT /v1/account/user/mfa/sms",
            "DELETE /v1/account/user/sessions",
        ]
    );
    let app = TestApp::start().await;
    let body = json!({"grant_type": "client_credentials", "audience": format!("{PUBLIC}/v1/accounts/T00000000")});
    let path = "/v1/accounts/T00000000/auth/token";
    app.send(app.request(Method::POST, path).json(&body)).await.refused(401, "invalid_client");
    let operator = app.operator().await;
    operator.post("auth/token", body).await.refused(401, "unauthorized");
}
