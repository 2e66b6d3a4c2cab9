//! A frozen account is read and signed in to as before; only the account above it changes anything there.

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use tenantry_api::{Access, document, routes};
use tenantry_tests::{PUBLIC, SHOP, TestApp};

use crate::installers::{Installers, signup};
use crate::policies::{NOBODY, call, example, path};

#[actix_web::test]
async fn a_frozen_account_is_read_and_signed_in_to_and_changed_by_its_parent_alone() {
    let app = TestApp::start().await;
    let partner = app.partner_with("T11200000", SHOP).await;
    let shop = partner.sub_account("shop").await;
    let acting = partner.enter(&shop).await;
    let own = acting.client(&["admin:accounts", "admin:customers", "create:accounts:auth:refresh_token"]).await;
    let people =
        acting.app_client(&["write:accounts:/auth/users", "create:accounts:auth:refresh_token"], &["read:accounts"]).await;
    own.user("ola").await;
    let session = people.log_in("ola").await;
    let kari = acting.person("kari@example.com", &["admin:accounts"], &[]).await;
    let member = kari.enter(&shop).await;
    let theirs = Installers { base: format!("/v1/accounts/{shop}/installer"), ..Installers::of(&app) };

    let frozen = partner.put(&format!("management/accounts/{shop}"), json!({"frozen": true})).await.ok();
    assert_eq!((frozen["frozen"].as_bool(), frozen["active"].as_bool()), (Some(true), Some(true)));
    // With the very next request, and whatever it would change.
    let document = document(PUBLIC);
    let mut refused = 0;
    for route in routes().iter().filter(|route| !route.method.is_safe()) {
        let Access::AnyOf(scopes) = route.policy.access else { continue };
        let answer = call(&own, route, &path(route, &shop, NOBODY), &example(&document, route)).await;
        let is_frozen = answer.status == 403 && answer.json()["error"]["code"] == "account_frozen";
        let may = scopes.iter().any(|scope| ["admin:accounts", "admin:customers"].contains(scope));
        assert_eq!(
            is_frozen,
            may && !route.policy.signs_in,
            "{} {}: {} {}",
            route.method,
            route.path,
            answer.status,
            answer.text
        );
        refused += usize::from(is_frozen);
    }
    assert!(refused > 40, "{refused} changes were refused");
    member.post("auth/roles", json!({"scope": []})).await.refused(403, "account_frozen");
    theirs.post("signup", signup("jane@example.com")).await.refused(403, "account_frozen");

    // Reading, tokens, signing in and out go on.
    own.get("auth/roles").await.ok();
    assert_eq!(own.get("management/settings").await.ok()["frozen"], true);
    let again = people.log_in("ola").await;
    people.renew(session["refresh_token"].as_str().unwrap()).await.ok();
    let token = json!({"token": again["refresh_token"]});
    people.tenant.post("auth/revoke", token).await.ok();
    kari.enter(&shop).await.get("auth/roles").await.ok();

    // The account above changes what it likes, with its own token and acting on the account.
    acting.role("made by the partner").await;
    partner.put(&format!("management/accounts/{shop}"), json!({"display_name": "Renamed"})).await.ok();
    partner.put(&format!("management/accounts/{shop}"), json!({"frozen": false})).await.ok();
    own.role("thawed").await;
    let events = partner.get("management/events?limit=100").await;
    let told = |kind: &str| events.text.contains(&format!("\"{kind}\""));
    assert!(told("account.frozen") && told("account.unfrozen"), "{}", events.text);

    // A frozen partner's whole tree is; the operator is above it.
    let operator = app.operator().await;
    operator.put("management/accounts/T11200000", json!({"frozen": true})).await.ok();
    own.post("auth/roles", json!({"scope": []})).await.refused(403, "account_frozen");
    acting.post("auth/roles", json!({"scope": []})).await.refused(403, "account_frozen");
    partner.put(&format!("management/accounts/{shop}"), json!({"frozen": false})).await.refused(403, "account_frozen");
    partner.enter(&shop).await.get("auth/roles").await.ok();
    operator.enter("T11200000").await.role("made by the operator").await;
    operator.put("management/accounts/T11200000", json!({"frozen": false})).await.ok();
    own.role("thawed again").await;
}

/// What was begun before an account is frozen goes no further.
#[actix_web::test]
async fn an_import_that_is_under_way_ends_when_its_account_is_frozen() {
    let app = TestApp::start().await;
    let partner = app.partner_with("T11200000", SHOP).await;
    let shop = partner.sub_account("shop").await;
    let own = partner.enter(&shop).await.client(&["admin:customers"]).await;
    let lines =
        |word: &str| (0..2000).map(|n| format!("{{\"customer_id\": \"{word}-{n}\"}}")).collect::<Vec<_>>().join("\n") + "\n";
    let (begun, ended) = (tokio::sync::oneshot::channel::<()>(), tokio::sync::oneshot::channel::<()>());
    let (early, late, frozen) = (lines("early"), lines("late"), ended.1);
    let late = async move {
        begun.0.send(()).unwrap();
        frozen.await.unwrap();
        Ok::<_, std::convert::Infallible>(late)
    };
    let body = stream::iter([Ok(early)]).chain(stream::once(late));
    let request = app.request(reqwest::Method::POST, &format!("/v1/accounts/{shop}/customers/users:import"));
    let request = request.bearer_auth(&own.token).header("content-type", "application/x-ndjson");
    let import = app.send(request.body(reqwest::Body::wrap_stream(body)));
    let freeze = async {
        begun.1.await.unwrap();
        // Those that came before are there.
        while own.get("customers/users?limit=1").await.ok().as_array().unwrap().is_empty() {}
        partner.put(&format!("management/accounts/{shop}"), json!({"frozen": true})).await.ok();
        ended.0.send(()).unwrap();
    };
    let (answer, ()) = futures_util::future::join(import, freeze).await;
    assert!(answer.text.contains("account_frozen"), "{}", answer.text);
    let count = "SELECT count(*) FROM customer WHERE customer_id LIKE 'late-%'";
    assert_eq!(app.database.column(&format!("SELECT CAST(({count}) AS text)")).await, ["0"]);
}

#[actix_web::test]
async fn nobody_freezes_itself() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let changed = partner.put("management/settings", json!({"frozen": true})).await.ok();
    assert_eq!(changed["frozen"], Value::Bool(false));
    let shop = partner.sub_account("shop").await;
    partner.put(&format!("management/accounts/{shop}"), json!({"frozen": "yes"})).await.refused(400, "invalid_request");
}
