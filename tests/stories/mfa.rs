//! Second factor and recovery (contract nos. 28 and 29, security A8).

use futures_util::future::join_all;
use serde_json::{Value, json};
use tenantry_tests::{Answer, AppClient, PASSWORD, PUBLIC, Tenant, TestApp};

const BRINGS: &[&str] = &["write:accounts:/auth/users", "write:accounts:/auth/mfa", "create:accounts:auth:refresh_token"];

/// A shop with a user `ola` who has both channels, and a client of it.
async fn world(app: &TestApp) -> (Tenant<'_>, AppClient<'_>) {
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(BRINGS, &["read:accounts"]).await;
    user(&shop, "ola", "+4712345678", "ola@example.com").await;
    (shop, client)
}

async fn user(shop: &Tenant<'_>, name: &str, phone: &str, mail: &str) {
    let links =
        json!([{"rel": "phone_number", "href": format!("tel:{phone}")}, {"rel": "email", "href": format!("mailto:{mail}")}]);
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms", "email"]});
    shop.post("auth/users", json!({"username": name, "password": PASSWORD, "links": links, "mfa": mfa})).await.ok();
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Brings the password and yields the handle of the challenge.
async fn challenged(client: &AppClient<'_>) -> String {
    let asked = client.bring("ola", PASSWORD).await;
    text(&asked.refused(403, "mfa_required").json()["mfa_token"]).to_owned()
}

async fn send(client: &AppClient<'_>, mfa_token: &str, channel: &str) -> Answer {
    let body = json!({"challenge_type": "oob", "oob_channel": channel, "mfa_token": mfa_token});
    client.tenant.post("auth/mfa/challenge", body).await
}

async fn redeem(client: &AppClient<'_>, oob_code: &str, code: &str, mfa_token: &str) -> Answer {
    let body = json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": code, "mfa_token": mfa_token});
    client.tenant.post("auth/token", body).await
}

/// Has a code sent; yields its name and itself.
async fn sent(client: &AppClient<'_>, mfa_token: &str, channel: &str) -> (String, String) {
    let answer = send(client, mfa_token, channel).await.ok();
    assert_eq!((&answer["challenge_type"], &answer["binding_method"]), (&json!("oob"), &json!("prompt")));
    (text(&answer["oob_code"]).to_owned(), client.tenant.app.code().await.0)
}

#[actix_web::test]
async fn a_password_and_a_code_by_sms_log_in() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    assert!(app.messages().await.is_empty(), "nothing is sent before somebody chooses a channel");
    let oob_code = text(&send(&client, &mfa_token, "sms").await.ok()["oob_code"]).to_owned();
    let message = &app.messages().await[0];
    assert_eq!((&message["channel"], &message["to"]), (&json!("sms"), &json!("+4712345678")));
    let words = text(&message["text"]);
    assert!(words.contains("Partner T11200000"), "it names the sender: {words}");
    let code = words.split_whitespace().next().unwrap();
    let token = redeem(&client, &oob_code, code, &mfa_token).await.ok();
    assert_eq!(token["scope"], "read:accounts");
    client.person(&token).get("auth/roles").await.ok();
    client.renew(text(&token["refresh_token"])).await.ok();
    redeem(&client, &oob_code, code, &mfa_token).await.refused(400, "invalid_grant");
    // The other spelling, and the other channel.
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "email").await;
    let body = json!({"grant_type": "mfa-oob", "oob_code": oob_code, "binding_code": code, "mfa_token": mfa_token});
    client.tenant.post("auth/token", body).await.ok();
    let events = json!(shop.events().await).to_string();
    assert!(!events.contains(&code) && !events.contains("+4712345678"), "neither codes nor numbers are in the log");
}

#[actix_web::test]
async fn mail_is_written_in_the_accounts_language() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    send(&client, &mfa_token, "email").await.ok();
    let english = &app.messages().await[0];
    assert!(text(&english["subject"]).ends_with("is your code for Partner T11200000"), "{english}");
    assert!(text(&english["html"]).contains("<p") && !text(&english["text"]).contains('<'));
    shop.put("management/settings", json!({"language_code": "no"})).await.ok();
    send(&client, &mfa_token, "email").await.ok();
    assert!(text(&app.messages().await[0]["subject"]).ends_with("er koden din for Partner T11200000"));
}

#[actix_web::test]
async fn a_new_code_ends_the_one_before_and_a_code_has_five_tries() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    let (first, old) = sent(&client, &mfa_token, "sms").await;
    let (second, new) = sent(&client, &mfa_token, "sms").await;
    redeem(&client, &first, &old, &mfa_token).await.refused(400, "invalid_grant");
    let wrong = if new == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        redeem(&client, &second, wrong, &mfa_token).await.refused(400, "invalid_grant");
    }
    redeem(&client, &second, &new, &mfa_token).await.refused(400, "invalid_grant");
    // Another code, five more tries; but ten failures in an hour are all that anybody has for one person.
    let (third, code) = sent(&client, &mfa_token, "email").await;
    for _ in 0..5 {
        redeem(&client, &third, wrong, &mfa_token).await.refused(400, "invalid_grant");
    }
    let mfa_token = challenged(&client).await;
    let (fourth, right) = sent(&client, &mfa_token, "email").await;
    let wait = redeem(&client, &fourth, &right, &mfa_token).await;
    wait.refused(429, "too_many_requests");
    assert!(wait.header("retry-after").parse::<u32>().unwrap() > 3000, "{}", wait.header("retry-after"));
    assert_ne!(code, "");
    app.pass(3601);
    let (client, mfa_token) = fresh(&client).await;
    let (fifth, right) = sent(&client, &mfa_token, "sms").await;
    redeem(&client, &fifth, &right, &mfa_token).await.ok();
}

/// The client with a token of now, and a challenge.
async fn fresh<'a>(client: &AppClient<'a>) -> (AppClient<'a>, String) {
    let tenant = client.tenant.app.login("T11200000", &client.id, &client.secret).await;
    let client = AppClient { tenant, id: client.id.clone(), secret: client.secret.clone(), grant: client.grant.clone() };
    let mfa_token = challenged(&client).await;
    (client, mfa_token)
}

#[actix_web::test]
async fn one_target_is_sent_three_codes_in_ten_minutes() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    user(&shop, "kari", "+4712345678", "kari@example.com").await;
    let mfa_token = challenged(&client).await;
    for _ in 0..3 {
        send(&client, &mfa_token, "sms").await.ok();
    }
    let wait = send(&client, &mfa_token, "sms").await;
    wait.refused(429, "too_many_requests");
    assert_eq!(wait.header("retry-after"), "600");
    // Another user's challenge leads to the same telephone.
    let theirs = client.bring("kari", PASSWORD).await;
    send(&client, text(&theirs.json()["mfa_token"]), "sms").await.refused(429, "too_many_requests");
    send(&client, &mfa_token, "email").await.ok();
    assert_eq!(app.messages().await.len(), 4);
}

#[actix_web::test]
async fn of_fifty_who_show_a_code_at_once_one_gets_a_token() {
    let app = TestApp::start().await;
    let (_, mut client) = world(&app).await;
    for _ in 0..5 {
        let mfa_token = challenged(&client).await;
        let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
        // Connections are opened before, so that all come at once.
        join_all((0..50).map(|_| client.tenant.get("auth/roles"))).await;
        let answers = join_all((0..50).map(|_| redeem(&client, &oob_code, &code, &mfa_token))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 429)), "{statuses:?}");
        app.pass(3601);
        client = fresh(&client).await.0;
    }
}

#[actix_web::test]
async fn recovery_takes_two_channels_and_then_a_new_password() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let begin = |channel: &'static str| {
        let body = json!({"challenge_type": "oob", "username": "ola", "audience": audience, "oob_channel": channel});
        client.tenant.post("auth/mfa/recovery", body)
    };
    let begun = begin("email").await.ok();
    assert_eq!(begun["binding_method"], "prompt");
    let (code, to) = app.code().await;
    assert_eq!(to, "ola@example.com");
    let (oob_code, mfa_token) = (text(&begun["oob_code"]), text(&begun["mfa_token"]));
    let halfway = redeem(&client, oob_code, &code, mfa_token).await;
    let next = text(&halfway.refused(403, "mfa_required").json()["mfa_token"]).to_owned();
    // The first code is used up, the first handle is old, and the same channel is no second factor.
    redeem(&client, oob_code, &code, mfa_token).await.refused(400, "invalid_grant");
    send(&client, mfa_token, "sms").await.refused(403, "mfa_token_invalid");
    send(&client, &next, "email").await.names("oob_channel");
    let (oob_code, code) = sent(&client, &next, "sms").await;
    let token = redeem(&client, &oob_code, &code, &next).await.ok();
    client.person(&token).get("auth/roles").await.ok();
    client.tenant.put("auth/users/ola", json!({"password": "another horse, another staple"})).await.ok();
    client.bring("ola", PASSWORD).await.refused(401, "invalid_credentials");
    client.bring("ola", "another horse, another staple").await.refused(403, "mfa_required");
}

#[actix_web::test]
async fn recovery_answers_alike_whoever_is_meant() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    shop.user("plain").await;
    user(&shop, "out", "+4787654321", "out@example.com").await;
    shop.post_empty("auth/users/out/disable").await.ok();
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let mut shapes = Vec::new();
    for name in ["ola", "nobody", "plain", "out"] {
        let body = json!({"challenge_type": "oob", "username": name, "audience": audience, "oob_channel": "sms"});
        let answer = client.tenant.post("auth/mfa/recovery", body).await;
        let begun = answer.ok();
        let members: Vec<(String, usize)> =
            begun.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value).len())).collect();
        let headers: Vec<(String, Vec<u8>)> =
            answer.told().2.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (oob_code, mfa_token) = (text(&begun["oob_code"]), text(&begun["mfa_token"]));
        let sent_again = send(&client, mfa_token, "sms").await;
        let mut statuses = vec![sent_again.refused(403, "mfa_token_invalid").status];
        for _ in 0..6 {
            statuses.push(redeem(&client, oob_code, "no code", mfa_token).await.status);
        }
        // A second one over another channel; then what anybody may have sent, and may get wrong, is used up alike.
        for channel in ["sms", "email", "sms", "sms"] {
            let body = json!({"challenge_type": "oob", "username": name, "audience": audience, "oob_channel": channel});
            let again = client.tenant.post("auth/mfa/recovery", body).await;
            statuses.push(again.status);
            if again.status == 200 {
                let again = again.json();
                for _ in 0..6 {
                    statuses.push(redeem(&client, text(&again["oob_code"]), "no code", text(&again["mfa_token"])).await.status);
                }
            }
        }
        assert!(statuses.contains(&429), "{statuses:?}");
        shapes.push((members, headers, statuses));
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:#?}");
    assert_eq!(app.messages().await.len(), 4, "only one of them has channels that may be used");
    // Whoever knows no more than a name has kept its owner, who knows the password, from nothing.
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
    redeem(&client, &oob_code, &code, &mfa_token).await.ok();
}

#[actix_web::test]
async fn handles_and_codes_are_good_only_where_they_belong() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
    let other = shop.app_client(BRINGS, &["read:accounts"]).await;
    send(&other, &mfa_token, "sms").await.refused(403, "mfa_token_invalid");
    redeem(&other, &oob_code, &code, &mfa_token).await.refused(403, "mfa_token_invalid");
    let sibling = app.partner("T11300000").await;
    let theirs = sibling.app_client(BRINGS, &["read:accounts"]).await;
    send(&theirs, &mfa_token, "sms").await.refused(403, "mfa_token_invalid");
    redeem(&theirs, &oob_code, &code, &mfa_token).await.refused(403, "mfa_token_invalid");
    // Each kind is refused where another is asked for.
    redeem(&client, &mfa_token, &code, &oob_code).await.refused(403, "mfa_token_invalid");
    send(&client, &oob_code, "sms").await.refused(403, "mfa_token_invalid");
    client.renew(&mfa_token).await.refused(400, "invalid_grant");
    client.renew(&oob_code).await.refused(400, "invalid_grant");
    let skipping =
        shop.app_client(&["write:accounts:/auth/users/no-mfa", "create:accounts:auth:refresh_token"], &["read:accounts"]).await;
    let refresh_token = text(&skipping.log_in("ola").await["refresh_token"]).to_owned();
    send(&client, &refresh_token, "sms").await.refused(403, "mfa_token_invalid");
    redeem(&client, &oob_code, &code, &refresh_token).await.refused(403, "mfa_token_invalid");
    redeem(&client, &refresh_token, &code, &mfa_token).await.refused(400, "invalid_grant");
    app.holder("T11200000", &mfa_token).get("auth/roles").await.refused(401, "unauthorized");
    for (field, body) in [
        ("oob_code", json!({"binding_code": "1", "mfa_token": "x"})),
        ("binding_code", json!({"oob_code": "1", "mfa_token": "x"})),
        ("mfa_token", json!({"binding_code": "1", "oob_code": "x"})),
    ] {
        let mut body = body;
        body["grant_type"] = json!("mfa_oob");
        client.tenant.post("auth/token", body).await.names(field);
    }
    let body = json!({"challenge_type": "otp", "mfa_token": mfa_token});
    client.tenant.post("auth/mfa/challenge", body).await.names("challenge_type");
    // It is still good for its own client: nothing above has used it up.
    redeem(&client, &oob_code, &code, &mfa_token).await.ok();
    // After ten minutes nothing of a challenge is.
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
    app.pass(601);
    redeem(&client, &oob_code, &code, &mfa_token).await.refused(400, "invalid_grant");
    send(&client, &mfa_token, "sms").await.refused(403, "mfa_token_invalid");
}

#[actix_web::test]
async fn what_was_begun_before_a_change_of_the_user_ends_with_it() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
    // The old telephone was stolen, and the password with it.
    let links = json!([{"rel": "phone_number", "href": "tel:+4711111111"}]);
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms"]});
    shop.put("auth/users/ola", json!({"password": PASSWORD, "links": links, "mfa": mfa})).await.ok();
    redeem(&client, &oob_code, &code, &mfa_token).await.refused(400, "invalid_grant");
    send(&client, &mfa_token, "sms").await.refused(403, "mfa_token_invalid");
    let mfa_token = challenged(&client).await;
    send(&client, &mfa_token, "sms").await.ok();
    assert_eq!(app.code().await.1, "+4711111111");
    // The second factor can be turned off.
    let kept = shop.put("auth/users/ola", json!({"password": PASSWORD})).await.ok();
    assert_eq!(kept["mfa"], mfa);
    assert!(shop.put("auth/users/ola", json!({"password": PASSWORD, "mfa": null})).await.ok().get("mfa").is_none());
    client.log_in("ola").await;
}

#[actix_web::test]
async fn a_first_code_buys_no_more_tries_of_the_second() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let mut judged = 0;
    for _ in 0..3 {
        let body = json!({"challenge_type": "oob", "username": "ola", "audience": audience, "oob_channel": "email"});
        let begun = client.tenant.post("auth/mfa/recovery", body).await.ok();
        let (code, _) = app.code().await;
        let halfway = redeem(&client, text(&begun["oob_code"]), &code, text(&begun["mfa_token"])).await;
        if halfway.status == 429 {
            break;
        }
        let next = text(&halfway.json()["mfa_token"]).to_owned();
        let (oob_code, _) = sent(&client, &next, "sms").await;
        for _ in 0..5 {
            judged += usize::from(redeem(&client, &oob_code, "no code", &next).await.status == 400);
        }
    }
    assert!(judged <= 10, "{judged} guesses were judged");
}

#[actix_web::test]
async fn of_fifty_who_pass_the_first_step_at_once_one_goes_on() {
    let app = TestApp::start().await;
    let (_, client) = world(&app).await;
    let audience = format!("{PUBLIC}/v1/accounts/T11200000");
    let body = json!({"challenge_type": "oob", "username": "ola", "audience": audience, "oob_channel": "email"});
    let begun = client.tenant.post("auth/mfa/recovery", body).await.ok();
    let (code, _) = app.code().await;
    join_all((0..50).map(|_| client.tenant.get("auth/roles"))).await;
    let (oob_code, mfa_token) = (text(&begun["oob_code"]), text(&begun["mfa_token"]));
    let answers = join_all((0..50).map(|_| redeem(&client, oob_code, &code, mfa_token))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 403 | 400 | 429)), "{statuses:?}");
}

#[actix_web::test]
async fn a_user_that_is_shut_out_halfway_stays_out() {
    let app = TestApp::start().await;
    let (shop, client) = world(&app).await;
    let mfa_token = challenged(&client).await;
    let (oob_code, code) = sent(&client, &mfa_token, "sms").await;
    shop.post_empty("auth/users/ola/disable").await.ok();
    redeem(&client, &oob_code, &code, &mfa_token).await.refused(400, "invalid_grant");
    send(&client, &mfa_token, "sms").await.refused(403, "mfa_token_invalid");
}
