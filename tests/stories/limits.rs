//! Rates: who is limited, what an answer tells of it, and that nobody pays for a neighbour.

use reqwest::Method;
use serde_json::json;
use tenantry_accounts::Quotas;
use tenantry_tests::{Answer, PUBLIC, Tenant, TestApp};

/// Small enough to be used up by hand.
fn quotas() -> Quotas {
    let quota = |text: &str| text.parse().unwrap();
    Quotas { address: quota("5/20"), account: quota("20/100"), client: quota("10/40"), tree: quota("100/300") }
}

/// Calls an ordinary endpoint until it is refused; yields how often it was answered, and the refusal.
async fn until_refused(tenant: &Tenant<'_>) -> (usize, Answer) {
    for answered in 0..1000 {
        let answer = tenant.get("auth/roles").await;
        if answer.status != 200 {
            return (answered, answer);
        }
    }
    panic!("never refused");
}

/// The number that a header gives a parameter: 40 of `"client";q=40;w=4` for `q`.
fn parameter(header: &str, name: &str) -> i64 {
    let found = header.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} in {header}")).parse().unwrap()
}

#[actix_web::test]
async fn a_client_over_its_rate_is_told_when_to_come_back_and_nobody_else_pays() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let noisy = partner.client(&["read:accounts"]).await;
    app.pass(60);
    let first = noisy.get("auth/roles").await;
    assert_eq!(first.header("ratelimit-policy"), "\"client\";q=40;w=4");
    assert_eq!(first.header("ratelimit"), "\"client\";r=39;t=1");
    let (answered, refusal) = until_refused(&noisy).await;
    assert_eq!(answered, 39);
    refusal.refused(429, "too_many_requests");
    assert_eq!((refusal.header("ratelimit"), refusal.header("retry-after")), ("\"client\";r=0;t=1", "1"));
    // A thousand refusals take nothing from the account: the others have what is left of its 100.
    for _ in 0..200 {
        noisy.get("auth/roles").await.refused(429, "too_many_requests");
    }
    let quiet = partner.get("auth/roles").await;
    quiet.ok();
    assert!(parameter(quiet.header("ratelimit"), "r") >= 39, "{}", quiet.header("ratelimit"));
    app.pass(1);
    assert_eq!(until_refused(&noisy).await.0, 10);
}

#[actix_web::test]
async fn an_account_has_one_rate_for_all_its_clients_and_its_neighbours_have_theirs() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let (one, other) = (partner.sub_account("noisy").await, partner.sub_account("quiet").await);
    app.pass(60);
    let inside = partner.enter(&one).await;
    let neighbour = partner.enter(&other).await.client(&["read:accounts"]).await;
    app.pass(60);
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(inside.client(&["read:accounts"]).await);
    }
    app.pass(60);
    let mut answered = 0;
    let mut refusals = Vec::new();
    for client in &crowd {
        let (count, refusal) = until_refused(client).await;
        answered += count;
        refusals.push(refusal);
    }
    assert_eq!(answered, 100);
    assert!(refusals.last().unwrap().header("ratelimit").starts_with("\"account\";r=0"));
    neighbour.get("auth/roles").await.ok();
}

#[actix_web::test]
async fn a_partners_tree_has_one_budget_and_its_partner_can_still_suspend() {
    let app = TestApp::limited(quotas()).await;
    let operator = app.operator().await;
    let partner = app.partner("T11200000").await;
    let below = partner.sub_account("below").await;
    let budget = json!({"budget": {"requests_per_second": 1, "burst": 30}});
    operator.put("management/accounts/T11200000", budget).await.ok();
    let inside = partner.enter(&below).await.client(&["read:accounts"]).await;
    let (_, refusal) = until_refused(&inside).await;
    assert!(refusal.header("ratelimit-policy").starts_with("\"tree\";q=30;w=30"), "{}", refusal.header("ratelimit-policy"));
    // The partner's own share is not used up by that; once it is, ordinary work waits. What repairs does not, nor does a token to
    // do it with.
    partner.get("auth/roles").await.ok();
    until_refused(&partner).await;
    partner.put(&format!("management/accounts/{below}"), json!({"active": false})).await.ok();
    inside.get("auth/roles").await.refused(429, "too_many_requests");
    app.pass(3);
    inside.get("auth/roles").await.refused(403, "account_suspended");
}

/// Each account below has its share of the partner's budget, by weight, whatever the others do; what is not used is lent.
#[actix_web::test]
async fn a_budget_is_divided_by_weight_and_what_is_left_is_lent() {
    let quota = |text: &str| text.parse().unwrap();
    let app = TestApp::limited(Quotas { account: quota("1000/1000"), client: quota("1000/1000"), ..quotas() }).await;
    let operator = app.operator().await;
    let partner = app.partner("T11200000").await;
    let (one, other) = (partner.sub_account("one").await, partner.sub_account("other").await);
    let weighted = partner.put(&format!("management/accounts/{other}"), json!({"weight": 3})).await.ok();
    assert_eq!(weighted["weight"], 3);
    for weight in [json!(0), json!(1001), json!(-1)] {
        partner.put(&format!("management/accounts/{other}"), json!({"weight": weight})).await.names("weight");
    }
    let own = partner.enter(&other).await.client(&["admin:accounts"]).await;
    own.put("management/settings", json!({"weight": 900})).await.ok();
    assert_eq!(own.get("management/settings").await.ok()["weight"], 3, "only the account above sets it");
    let one = partner.enter(&one).await.client(&["read:accounts"]).await;
    let budget = json!({"budget": {"requests_per_second": 40, "burst": 160}});
    operator.put("management/accounts/T11200000", budget).await.ok();

    // Alone, an account has all of it.
    app.pass(60);
    let at_once = until_refused(&one).await.0;
    assert!((158..=160).contains(&at_once), "{at_once}");
    app.pass(1);
    let in_a_second = until_refused(&one).await.0;
    assert!((38..=40).contains(&in_a_second), "{in_a_second}");

    // Both ask as much as they can: one has a quarter, the other three.
    let mut answered = [0, 0];
    for second in 0..14 {
        app.pass(1);
        for _ in 0..60 {
            for (member, count) in [(&one, 0), (&own, 1)] {
                // At first there is still what was saved up.
                answered[count] += u32::from(member.get("auth/roles").await.status == 200 && second >= 6);
            }
        }
    }
    assert!((310..=330).contains(&(answered[0] + answered[1])), "all of it, and no more: {answered:?}");
    assert!((75..=90).contains(&answered[0]), "{answered:?}");

    // The other rests: what it leaves is lent. When it comes back, its share is there at once.
    app.pass(3);
    let mut lent = 0;
    for _ in 0..5 {
        app.pass(1);
        lent += until_refused(&one).await.0;
    }
    assert!(lent >= 180, "{lent}");
    let back = until_refused(&own).await.0;
    assert!(back >= 75, "{back}");
}

#[actix_web::test]
async fn the_reserved_lane_is_narrow() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let client = partner.client(&["admin:accounts"]).await;
    app.pass(60);
    until_refused(&client).await;
    let mut repaired = 0;
    while client.get("auth/clients").await.status == 200 {
        repaired += 1;
    }
    assert_eq!(repaired, 10);
    app.pass(1);
    assert_eq!(client.get("auth/clients").await.status, 200);
}

#[actix_web::test]
async fn what_a_parent_sets_holds_at_the_next_request() {
    let app = TestApp::limited(quotas()).await;
    let operator = app.operator().await;
    let partner = app.partner("T11200000").await;
    let set = async |body| operator.put("management/accounts/T11200000", body).await;
    let shown = set(json!({"limits": {"requests_per_second": 1, "burst": 2}})).await.ok();
    assert_eq!(shown["limits"], json!({"requests_per_second": 1, "burst": 2}));
    assert_eq!(until_refused(&partner).await.0, 2);
    let shown = set(json!({"limits": null, "client_limits": {"requests_per_second": 3, "burst": 7}})).await.ok();
    assert_eq!(shown["client_limits"]["burst"], 7);
    assert_eq!(until_refused(&partner).await.0, 7);
    set(json!({"client_limits": null})).await.ok();
    assert_eq!(until_refused(&partner).await.0, 40);
    // Its own administrator cannot.
    let own = partner.put("management/settings", json!({"limits": {"requests_per_second": 1000, "burst": 1000}})).await;
    assert_eq!(own.ok()["limits"], json!(null));

    for (limits, field) in [
        (json!({"requests_per_second": 0, "burst": 5}), "requests_per_second"),
        (json!({"requests_per_second": 5, "burst": -1}), "burst"),
        (json!({"requests_per_second": 1_000_001, "burst": 5}), "requests_per_second"),
        (json!({"requests_per_second": 5}), "burst"),
        (json!({"requests_per_second": 5, "burst": 99_999_999_999_999_999_999_f64}), "burst"),
    ] {
        for name in ["limits", "client_limits", "budget"] {
            let answer = set(json!({name: limits})).await;
            assert!(answer.text.contains(&format!("\"{name}")) && answer.text.contains(field), "{}", answer.text);
            answer.refused(400, "invalid_request");
        }
    }
}

#[actix_web::test]
async fn an_address_that_proves_nothing_has_little_and_one_that_does_is_not_charged() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let fresh = partner.client(&["read:accounts"]).await;
    partner.get("auth/roles").await.ok();
    app.pass(60);
    let jwks = "/v1/accounts/T11200000/.well-known/jwks.json";
    let first = app.get(jwks).await;
    assert_eq!((first.status, first.header("ratelimit")), (200, "\"address\";r=19;t=1"));
    for _ in 0..19 {
        app.get(jwks).await.ok();
    }
    let refused = app.get(jwks).await;
    refused.refused(429, "too_many_requests");
    assert!(!refused.header("retry-after").is_empty());
    // Guessing secrets and tokens is charged, too, also in the form of RFC 6749.
    app.token("T11200000", "x", "y", "https://id.example.com/v1/accounts/T11200000").await.refused(429, "too_many_requests");
    let form = app.request(Method::POST, "/v1/accounts/T11200000/auth/token").form(&[("grant_type", "client_credentials")]);
    let form = app.send(form).await;
    assert_eq!((form.status, form.json()["error"].as_str()), (429, Some("temporarily_unavailable")));
    assert!(!form.header("retry-after").is_empty() && !form.header("ratelimit").is_empty());
    app.holder("T11200000", "nonsense").get("auth/roles").await.refused(429, "too_many_requests");
    // Whoever has a token that was good before is not a stranger; one that was never seen waits like everybody there.
    partner.get("auth/roles").await.ok();
    fresh.get("auth/roles").await.refused(429, "too_many_requests");
    app.pass(1);
    fresh.get("auth/roles").await.ok();
}

/// Many clients may stand behind one address: who proves who it is uses nothing up that its neighbours there need.
#[actix_web::test]
async fn clients_that_know_their_secrets_do_not_share_their_address() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let (noisy, quiet) = (partner.bare_client().await, partner.bare_client().await);
    for (id, _) in [&noisy, &quiet] {
        partner.grant(id, &["read:accounts"]).await;
    }
    app.pass(60);
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let mut refused = None;
    for _ in 0..100 {
        let answer = app.token("T11200000", &noisy.0, &noisy.1, &audience).await;
        refused = Some(answer).filter(|answer| answer.status == 429).or(refused);
    }
    assert!(refused.expect("its own rate is used up").header("ratelimit").starts_with("\"client\""));
    app.token("T11200000", &quiet.0, &quiet.1, &audience).await.ok();
    // Wrong secrets are the address's.
    for _ in 0..20 {
        app.token("T11200000", &quiet.0, "wrong", &audience).await.refused(401, "invalid_client");
    }
    app.token("T11200000", &quiet.0, "wrong", &audience).await.refused(429, "too_many_requests");
}

/// What is refused for its address costs nothing behind the door.
#[actix_web::test]
async fn a_flood_of_forged_tokens_reaches_no_database() {
    let app = TestApp::limited(quotas()).await;
    app.operator().await;
    app.pass(60);
    let statements = "tenantry_database_statement_duration_seconds";
    let before = app.counted(statements);
    for one in 0..500 {
        let id = format!("T{:08}", 30_000_001 + one);
        let answer =
            app.holder(&id, &format!("e30.{}.AAAA", base64_url(&format!("{{\"aid\":\"{id}\"}}")))).get("auth/roles").await;
        assert_eq!(answer.status, if one < 20 { 401 } else { 429 }, "{one}");
    }
    let asked = app.counted(statements) - before;
    assert!(asked <= 3 * 21, "{asked} statements for 500 forged tokens");
}

/// The share of the reserved lane is the account's, too: many clients do not make it many times larger.
#[actix_web::test]
async fn many_clients_share_one_reserve() {
    let app = TestApp::limited(quotas()).await;
    let operator = app.operator().await;
    let partner = app.partner("T11200000").await;
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(partner.client(&["read:accounts"]).await);
        app.pass(10);
    }
    operator.put("management/accounts/T11200000", json!({"limits": {"requests_per_second": 1, "burst": 1}})).await.ok();
    let mut answered = 0;
    for client in &crowd {
        while client.get("auth/clients").await.status == 200 {
            answered += 1;
        }
    }
    assert_eq!(answered, 1 + 50);
}

/// Both ways of exchange are charged to the account that the token is for.
#[actix_web::test]
async fn exchange_in_one_step_is_charged_to_its_target() {
    let app = TestApp::limited(quotas()).await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let set = json!({"limits": {"requests_per_second": 1, "burst": 1}});
    partner.put(&format!("management/accounts/{shop}"), set).await.ok();
    app.pass(60);
    let body = json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": partner.token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    let path = format!("/v1/accounts/{shop}/auth/token");
    let mut refused = None;
    for _ in 0..15 {
        let answer = app.send(app.request(Method::POST, &path).json(&body)).await;
        refused = refused.or_else(|| (answer.status == 429).then_some(answer));
    }
    let refused = refused.expect("the reserve is ten");
    assert!(refused.header("ratelimit").starts_with("\"account\";r=0"), "{}", refused.header("ratelimit"));
}

#[actix_web::test]
async fn a_stranger_cannot_use_up_the_rate_of_a_client_or_an_account() {
    let app = TestApp::limited(Quotas { address: "1000000/1000000".parse().unwrap(), ..quotas() }).await;
    let partner = app.partner("T11200000").await;
    let (id, _) = partner.bare_client().await;
    let revoked = partner.client(&["read:accounts"]).await;
    let clients = partner.get("auth/clients").await.ok();
    let last = clients.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    partner.delete(&format!("auth/clients/{last}")).await.ok();
    app.pass(60);
    for _ in 0..150 {
        app.token("T11200000", &id, "wrong", "https://id.example.com/v1/accounts/T11200000").await.refused(401, "invalid_client");
        revoked.get("auth/roles").await.refused(401, "unauthorized");
        app.holder("T11200000", "a.b.c").get("auth/roles").await.refused(401, "unauthorized");
    }
    assert_eq!(until_refused(&partner).await.0, 40);
}

/// 10,000 accounts that never were: neither actors, nor series, nor addresses come of them.
#[actix_web::test]
async fn unknown_ids_cost_nothing_that_lasts() {
    let app = TestApp::limited(Quotas { address: "1000000/1000000".parse().unwrap(), ..quotas() }).await;
    let token = |account: &str| {
        let claims = base64_url(&format!("{{\"aid\":\"{account}\"}}"));
        format!("e30.{claims}.AAAA")
    };
    app.operator().await; // it stands above all of them, and wakes to be asked about them
    let (awake, series) = (app.registry.awake(), app.series());
    for batch in 0..100 {
        let ids: Vec<String> = (0..100).map(|one| format!("T{:08}", 30_000_001 + batch * 1_000 + one)).collect();
        let asked = ids.iter().map(async |id| {
            let (jwks, token) = (format!("/v1/accounts/{id}/.well-known/jwks.json"), token(id));
            app.get(&jwks).await.refused(404, "not_found");
            app.holder(id, &token).get("auth/roles").await.refused(401, "unauthorized");
            app.get(&format!("/nowhere/{id}")).await.refused(404, "not_found");
        });
        futures_util::future::join_all(asked).await;
    }
    assert_eq!(app.registry.awake(), awake);
    // Three routes that had not been asked before; nothing for any of the ids.
    assert!(app.series() < series + 70, "{} series grew to {}", series, app.series());
}

fn base64_url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[actix_web::test]
async fn without_limits_nobody_is_counted() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let answer = partner.get("auth/roles").await;
    assert_eq!((answer.status, answer.header("ratelimit"), answer.header("ratelimit-policy")), (200, "", ""));
}

/// What a guarded read costs besides the guard: nothing of the database, nothing of the account's actor.
#[actix_web::test]
async fn a_guarded_read_costs_no_sql_and_no_mailbox() {
    let app = TestApp::limited(Quotas::default()).await;
    let partner = app.partner("T11200000").await;
    let role = partner.role("cashier").await;
    let read = format!("auth/roles/{role}");
    partner.get(&read).await.ok();
    let costs =
        ["tenantry_database_statement_duration_seconds", "tenantry_account_mailbox_wait_seconds", "tenantry_commit_turns"];
    let before = costs.map(|metric| app.counted(metric));
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    for _ in 0..100 {
        partner.get(&read).await.ok();
    }
    assert_eq!(costs.map(|metric| app.counted(metric)), before);
}
