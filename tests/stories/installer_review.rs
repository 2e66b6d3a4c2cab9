//! The check of who installers are, by those of the account who decide.

use serde_json::{Value, json};
use tenantry_tests::TestApp;

use crate::installers::{Installers, PASSWORD, license};

fn id_of(value: &Value) -> String {
    value["installer_id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_document_is_checked_before_anybody_looks_at_it() {
    let app = TestApp::start().await;
    let jane = Installers::of(&app).member("jane@example.com").await;
    for (field, bad) in [
        ("document_type", json!("library_card")),
        ("document_type", json!(null)),
        ("document_number", json!("")),
        ("document_number", json!("D123\u{202e}-4567")),
        ("selfie_url", json!("https:storage.example.com/x.jpg")),
        ("document_number", json!("x".repeat(65))),
        ("document_expiry", json!("2025-12-31")),
        ("document_expiry", json!("2028-02-30")),
        ("document_expiry", json!("30.06.2028")),
        ("selfie_url", json!("http://storage.example.com/x.jpg")),
        ("selfie_url", json!("file:///etc/passwd")),
        ("document_front_url", json!("")),
        ("document_front_url", json!(format!("https://a.example/{}", "x".repeat(2048)))),
        ("document_back_url", json!("javascript:alert(1)")),
        ("document_back_url", json!(null)),
    ] {
        let mut body = license();
        body[field] = bad.clone();
        let answer = jane.post("verify-identity", body).await;
        answer.refused(400, "validation_error");
        assert!(answer.text.contains(field), "{field} {bad}: {}", answer.text);
        assert!(!answer.text.contains("D123-4567-8901"), "{}", answer.text);
    }
    for kind in ["drivers_license", "national_id"] {
        let mut body = license();
        body["document_type"] = json!(kind);
        body.as_object_mut().unwrap().remove("document_back_url");
        let answer = jane.post("verify-identity", body).await;
        assert!(answer.status == 400 && answer.text.contains("document_back_url"), "{}", answer.text);
    }
    let mut passport = license();
    passport["document_type"] = json!("passport");
    passport["document_expiry"] = json!("2026-01-01");
    passport.as_object_mut().unwrap().remove("document_back_url");
    assert_eq!(jane.post("verify-identity", passport).await.status, 202, "good for its last day, and of one page");
}

#[actix_web::test]
async fn a_number_is_whole_only_for_those_who_decide_and_in_no_row() {
    let app = TestApp::start().await;
    let jane = Installers::of(&app).member("jane@example.com").await;
    assert_eq!(jane.post("verify-identity", license()).await.status, 202);
    let operator = app.production_operator().await;
    let (reader, decider) = (operator.client(&["read:installers"]).await, operator.client(&["admin:installers"]).await);
    let list = decider.get("management/installers?verification_status=under_review").await.ok();
    assert_eq!(list[0]["document"]["document_number"], "**********8901");
    let at = format!("management/installers/{}", id_of(&list[0]));
    assert_eq!(reader.get(&at).await.ok()["document"]["document_number"], "**********8901");
    let shown = || async { operator.client(&["read:accounts"]).await.events().await };
    let told = |events: &[Value]| events.iter().filter(|event| event["type"] == "installer.document_shown").count();
    assert_eq!(told(&shown().await), 0);
    let whole = decider.get(&at).await.ok();
    assert_eq!(whole["document"]["document_number"], "D123-4567-8901");
    assert_eq!(whole["document"]["selfie_url"], "https://storage.example.com/selfie_jsmith.jpg");
    assert_eq!(told(&shown().await), 1, "and that was told");
    for own in ["profile", "verification-status"] {
        let told = jane.get(own).await.text;
        assert!(!told.contains("-8901") && !told.contains("*8901"), "{told}");
    }
    let rows = format!("{:?}", app.database.rows_of("P00000000").await);
    assert!(rows.contains("drivers_license") && !rows.contains("D123-4567"), "sealed");
}

#[actix_web::test]
async fn decisions_follow_the_states_and_the_scopes() {
    let app = TestApp::start().await;
    let anyone = Installers::of(&app);
    let jane = anyone.member("jane@example.com").await;
    let id = id_of(&jane.get("profile").await.ok());
    let at = format!("management/installers/{id}");
    let operator = app.production_operator().await;
    let (reader, decider) = (operator.client(&["read:installers"]).await, operator.client(&["write:installers"]).await);
    for way in ["approve", "suspend", "reinstate"] {
        reader.post_empty(&format!("{at}/{way}")).await.refused(403, "insufficient_scope");
    }
    // Nothing to decide yet.
    decider.post_empty(&format!("{at}/approve")).await.names("verification_status");
    decider.post(&format!("{at}/reject"), json!({"reason": "x"})).await.names("verification_status");
    decider.post_empty(&format!("{at}/reinstate")).await.names("suspended");
    assert_eq!(jane.post("verify-identity", license()).await.status, 202);
    for bad in [json!({}), json!({"reason": ""}), json!({"reason": "x".repeat(1001)}), json!({"reason": 7})] {
        decider.post(&format!("{at}/reject"), bad).await.names("reason");
    }
    let renamed = jane.put("profile", json!({"first_name": "Mallory"})).await;
    renamed.refused(400, "validation_error");
    assert!(renamed.text.contains("first_name"), "who is approved is who was looked at: {}", renamed.text);
    decider.post_empty(&format!("{at}/approve")).await.ok();
    decider.post_empty(&format!("{at}/approve")).await.names("verification_status");
    jane.post("verify-identity", license()).await.refused(400, "validation_error");
    // What was approved can be found to be forged.
    decider.post(&format!("{at}/reject"), json!({"reason": "It is forged."})).await.ok();
    assert_eq!(jane.get("verification-status").await.ok()["identity_verified"], false);
    assert_eq!(jane.post("verify-identity", license()).await.status, 202);
    decider.post_empty(&format!("{at}/approve")).await.ok();
    // Another name is another person until somebody has looked.
    jane.put("profile", json!({"company": "Elsewhere"})).await.ok();
    assert_eq!(jane.get("verification-status").await.ok()["identity_verified"], true);
    jane.put("profile", json!({"last_name": "Doe"})).await.ok();
    let status = jane.get("verification-status").await.ok();
    assert_eq!((&status["identity_verified"], &status["verification_status"]), (&json!(false), &json!("under_review")));
    decider.post_empty(&format!("{at}/approve")).await.ok();
    jane.post("accept-terms", json!({"terms_version": "2024-01"})).await.ok();
    jane.post_empty("authorization").await.ok();
    // Shut out: from the next request on, with the token and with the password.
    let suspended = decider.post_empty(&format!("{at}/suspend")).await.ok();
    assert_eq!(suspended["suspended"], true);
    assert!(suspended["reviewed_by"].is_string(), "who approved stays: {suspended}");
    decider.post_empty(&format!("{at}/suspend")).await.names("suspended");
    for path in ["profile", "verification-status"] {
        jane.get(path).await.refused(403, "account_suspended");
    }
    jane.post_empty("authorization").await.refused(403, "account_suspended");
    anyone.try_log_in("jane@example.com", PASSWORD).await.refused(403, "account_suspended");
    anyone.try_log_in("jane@example.com", "Wr0ng-password").await.refused(401, "invalid_credentials");
    app.messages().await;
    anyone.post("forgot-password", json!({"email": "jane@example.com"})).await.ok();
    assert!(app.messages().await.is_empty(), "no link for whoever is shut out");
    decider.post_empty(&format!("{at}/reinstate")).await.ok();
    jane.get("profile").await.refused(401, "token_expired");
    let again = anyone.logged_in("jane@example.com", PASSWORD).await;
    // A document that runs out takes the word with it.
    again.post_empty("authorization").await.ok();
    let years = 3 * 366 * 86_400;
    app.pass(years);
    let later = anyone.logged_in("jane@example.com", PASSWORD).await;
    later.post_empty("authorization").await.refused(403, "identity_required");
    assert_eq!(later.get("verification-status").await.ok()["identity_verified"], false);
    let mut next = license();
    next["document_expiry"] = json!("2035-01-01");
    assert_eq!(later.post("verify-identity", next).await.status, 202, "another one may be handed in");
    app.pass(7 * 366 * 86_400);
    let decider = app.production_operator().await.client(&["write:installers"]).await;
    decider.post_empty(&format!("{at}/approve")).await.names("document_expiry");
    let later = anyone.logged_in("jane@example.com", PASSWORD).await;
    let mut next = license();
    next["document_expiry"] = json!("2099-01-01");
    assert_eq!(later.post("verify-identity", next).await.status, 202, "what ran out while it waited is replaced");
    // Who is not there.
    let decider = app.production_operator().await.client(&["write:installers"]).await;
    let nobody = "management/installers/ins_00000000000000000000000000000000";
    decider.get(nobody).await.refused(404, "not_found");
    decider.post_empty(&format!("{nobody}/approve")).await.refused(404, "not_found");
    decider.get("management/installers/ins_7f3a1b2c").await.names("installer_id");
}

#[actix_web::test]
async fn reviewers_page_through_all_and_see_none_of_another_account() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", &["admin:accounts", "admin:installers"]).await;
    let at = Installers { base: "/v1/accounts/T11200000/installer".to_owned(), ..Installers::of(&app) };
    for n in 0..5 {
        let one = at.member(&format!("i{n}@example.com")).await;
        if n % 2 == 0 {
            assert_eq!(one.post("verify-identity", license()).await.status, 202);
        }
    }
    let stranger = Installers::of(&app).member("i1@example.com").await;
    let theirs = id_of(&stranger.get("profile").await.ok());
    shop.get(&format!("management/installers/{theirs}")).await.refused(404, "not_found");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("management/installers?limit=2{after}")).await;
        seen.extend(page.ok().as_array().unwrap().iter().map(|one| one["email"].as_str().unwrap().to_owned()));
        match page.header("paging-token") {
            "" => break,
            next => after = format!("&starting_after={next}"),
        }
    }
    assert_eq!(seen, ["i0@example.com", "i1@example.com", "i2@example.com", "i3@example.com", "i4@example.com"]);
    let found = |query: &'static str| {
        let shop = shop.clone();
        async move { shop.get(&format!("management/installers?{query}")).await.ok().as_array().unwrap().len() }
    };
    assert_eq!(found("verification_status=under_review").await, 3);
    assert_eq!(found("verification_status=not_submitted&search=I3").await, 1);
    assert_eq!(found("suspended=true").await, 0);
    shop.get("management/installers?verification_status=lost").await.names("verification_status");
    shop.get("management/installers?suspended=maybe").await.names("suspended");
    shop.get("management/installers?limit=0").await.names("limit");
    // Terms, the latest of which counts.
    for version in ["1", "2"] {
        app.pass(1);
        assert_eq!(shop.post("management/installer-terms", json!({"version": version})).await.status, 201);
    }
    let terms = shop.get("management/installer-terms").await.ok();
    assert_eq!((&terms[0]["current"], &terms[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(at.get("terms").await.ok()["terms_version"], "2");
    for bad in [json!({}), json!({"version": ""}), json!({"version": "x".repeat(51)})] {
        shop.post("management/installer-terms", bad).await.names("version");
    }
    shop.post("management/installer-terms", json!({"version": "3", "url": "javascript:1"})).await.names("url");
}
