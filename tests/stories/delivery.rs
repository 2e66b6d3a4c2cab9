//! Messages reach people: through a real mail server, through a gateway's API, and after failures.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tenantry_delivery::{Sms, Smtp, Ways};
use tenantry_domain::Secret;
use tenantry_tests::{AppClient, PASSWORD, SHOP, Tenant, TestApp};

/// A real mail server, aiosmtpd.
pub(crate) struct MailServer {
    process: Child,
    messages: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
}

impl MailServer {
    /// One that refuses so many messages before it takes any.
    pub(crate) fn start(refuses: u32) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/smtp-sink");
        let mut process = Command::new(script).arg(refuses.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut messages = BufReader::new(process.stdout.take().unwrap()).lines();
        let told: Value = serde_json::from_str(&messages.next().unwrap().unwrap()).unwrap();
        Self { process, messages, url: format!("smtp://127.0.0.1:{}", told["port"]) }
    }

    pub(crate) fn ways(&self) -> Ways {
        let from = "Example <no-reply@example.com>".to_owned();
        Ways { smtp: Some(Smtp { url: Secret::new(self.url.clone()), from }), ..Ways::default() }
    }

    pub(crate) fn message(&mut self) -> Value {
        serde_json::from_str(&self.messages.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A client, and the handle of a challenge of `ola`'s, whose channels are a telephone and `mail`.
async fn challenged<'a>(app: &'a TestApp, mail: &str) -> (AppClient<'a>, String) {
    let shop = app.partner("T11200000").await;
    let client = shop.app_client(&["write:accounts"], &["read:accounts"]).await;
    let links = json!([{"rel": "phone_number", "href": "tel:4712345678"}, {"rel": "email", "href": format!("mailto:{mail}")}]);
    let mfa = json!({"challenge_type": "oob", "oob_channels": ["sms", "email"]});
    shop.post("auth/users", json!({"username": "ola", "password": PASSWORD, "links": links, "mfa": mfa})).await.ok();
    let asked = client.bring("ola", PASSWORD).await.json();
    (client, asked["mfa_token"].as_str().unwrap().to_owned())
}

/// Has a code sent and yields its name.
async fn send(client: &AppClient<'_>, mfa_token: &str, channel: &str) -> String {
    let body = json!({"challenge_type": "oob", "oob_channel": channel, "mfa_token": mfa_token});
    client.tenant.post("auth/mfa/challenge", body).await.ok()["oob_code"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_code_goes_through_a_mail_server_and_back() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "Ola.Blåbær@example.com").await;
    let logo = "https://shop.example.com/logo.png";
    let bad = client.tenant.put("management/settings", json!({"icon_url": "javascript:alert(1)"})).await;
    bad.refused(400, "invalid_request").names("icon_url");
    client.tenant.put("management/settings", json!({"icon_url": logo})).await.ok();
    let mut server = MailServer::start(0);
    let oob_code = send(&client, &mfa_token, "email").await;
    assert_eq!(app.deliver(server.ways()).await, 1);
    let message = server.message();
    assert_eq!(message["from"], "no-reply@example.com");
    assert_eq!(message["to"], json!(["Ola.Blåbær@example.com"]), "as it was given");
    let code = message["subject"].as_str().unwrap().split(' ').next().unwrap();
    assert!(message["text"].as_str().unwrap().contains(code) && message["html"].as_str().unwrap().contains(code));
    assert!(message["html"].as_str().unwrap().contains("logo.png"));
    let body = json!({"grant_type": "mfa_oob", "oob_code": oob_code, "binding_code": code, "mfa_token": mfa_token});
    client.tenant.post("auth/token", body).await.ok();
    assert_eq!(app.deliver(server.ways()).await, 0, "what was taken is not sent again");
}

#[actix_web::test]
async fn what_a_mail_server_refuses_is_tried_again_later_and_never_after_it_is_of_use() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "ola@example.com").await;
    let mut server = MailServer::start(2);
    send(&client, &mfa_token, "email").await;
    assert_eq!(app.deliver(server.ways()).await, 1);
    assert_eq!(app.deliver(server.ways()).await, 0, "not at once");
    app.pass(5);
    assert_eq!(app.deliver(server.ways()).await, 1);
    app.pass(9);
    assert_eq!(app.deliver(server.ways()).await, 0, "the pause doubles");
    app.pass(1);
    assert_eq!(app.deliver(server.ways()).await, 1);
    assert!(server.message()["id"].as_str().unwrap().ends_with("@example.com>"));
    // Nobody there at all.
    let ways = server.ways();
    drop(server);
    send(&client, &mfa_token, "email").await;
    assert_eq!(app.deliver(ways.clone()).await, 1);
    app.pass(601);
    assert_eq!(app.deliver(ways).await, 0, "a code that has expired is not sent");
    app.pass(86_400);
    app.registry.platform().prune().await.unwrap();
    assert!(app.database.column("SELECT template FROM outbox").await.is_empty());
}

#[actix_web::test]
async fn two_who_deliver_at_once_send_a_message_once() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "ola@example.com").await;
    let server = MailServer::start(0);
    send(&client, &mfa_token, "email").await;
    let (one, other) = futures_util::future::join(app.deliver(server.ways()), app.deliver(server.ways())).await;
    assert_eq!(one + other, 1);
}

/// How many events of a kind an account's log has.
async fn told(tenant: &Tenant<'_>, kind: &str) -> usize {
    tenant.events().await.iter().filter(|event| event["type"] == kind).count()
}

#[actix_web::test]
async fn what_is_refused_for_good_waits_for_somebody_who_tries_it_again() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "full@example.com").await;
    let shop = app.operator().await.enter("T11200000").await;
    let mut server = MailServer::start(0);
    send(&client, &mfa_token, "email").await;
    let waiting = shop.get("management/messages").await.ok();
    assert_eq!(
        (&waiting[0]["state"], &waiting[0]["template"], &waiting[0]["tries"]),
        (&json!("waiting"), &json!("code"), &json!(0))
    );
    assert_eq!(app.deliver(server.ways()).await, 1);
    let failed = shop.get("management/messages?state=failed").await.ok();
    let message = &failed[0];
    assert_eq!(message["target"], "full@example.com");
    assert_eq!(message["failure"], "the mail server: answered 552");
    assert_eq!((message.get("next_at"), &message["tries"]), (None, &json!(1)));
    assert_eq!(shop.get("management/messages?state=waiting").await.ok(), json!([]));
    app.pass(120);
    assert_eq!(app.deliver(server.ways()).await, 0, "not by itself");
    let path = format!("management/messages/{}", message["id"].as_str().unwrap());
    let retried = shop.post_empty(&format!("{path}/retry")).await.ok();
    assert_eq!(retried["state"], "waiting");
    assert_eq!(app.deliver(server.ways()).await, 1);
    assert_eq!(server.message()["to"], json!(["full@example.com"]));
    assert_eq!(shop.get("management/messages").await.ok(), json!([]));
    shop.post_empty(&format!("{path}/retry")).await.refused(404, "not_found");
    assert_eq!(told(&shop, "message.retried").await, 1);
}

#[actix_web::test]
async fn nobody_touches_a_message_that_is_under_way_and_a_code_that_was_replaced_is_of_no_use() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "full@example.com").await;
    let shop = app.operator().await.enter("T11200000").await;
    let server = MailServer::start(0);
    send(&client, &mfa_token, "email").await;
    let path = format!("management/messages/{}", shop.get("management/messages").await.ok()[0]["id"].as_str().unwrap());
    let taken = app.registry.take_messages(9).await.unwrap();
    assert_eq!(taken.len(), 1);
    let busy = shop.post_empty(&format!("{path}/retry")).await;
    busy.refused(429, "too_many_requests");
    assert!(!busy.header("retry-after").is_empty());
    shop.delete(&path).await.refused(429, "too_many_requests");
    app.pass(61);
    // Whoever took it is gone; it is tried again, and refused.
    assert_eq!(app.deliver(server.ways()).await, 1);
    send(&client, &mfa_token, "sms").await;
    shop.post_empty(&format!("{path}/retry")).await.refused(400, "invalid_request").names("id");
    assert_eq!(shop.get("management/messages?state=failed").await.ok().as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_code_that_was_replaced_is_not_tried_again() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "ola@example.com").await;
    let shop = app.operator().await.enter("T11200000").await;
    let server = MailServer::start(1);
    send(&client, &mfa_token, "email").await;
    assert_eq!(app.deliver(server.ways()).await, 1);
    send(&client, &mfa_token, "sms").await;
    app.pass(10);
    assert_eq!(app.deliver(Ways { directory: app.database.file("outbox"), ..server.ways() }).await, 1, "only the new code");
    assert_eq!(shop.get("management/messages").await.ok(), json!([]));
}

#[actix_web::test]
async fn nobody_who_is_gone_is_written_to() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "ola@example.com").await;
    let shop = app.partner_with("T11300000", SHOP).await;
    let partner = app.operator().await.enter("T11200000").await;
    send(&client, &mfa_token, "email").await;
    assert_eq!(partner.get("management/messages").await.ok().as_array().unwrap().len(), 1);
    partner.delete("auth/users/ola").await.ok();
    assert_eq!(partner.get("management/messages").await.ok(), json!([]));
    let member = shop.post("management/users", json!({"email": "new@example.com"})).await.ok();
    assert_eq!(shop.get("management/messages").await.ok()[0]["template"], "invitation");
    shop.delete(&format!("management/users/{}", member["id"].as_str().unwrap())).await.ok();
    assert_eq!(shop.get("management/messages").await.ok(), json!([]));
    // Nor does a code that came too late keep the address of whoever is erased.
    shop.post("customers/users", json!({"type": "customer", "customer_id": "c-1", "email": "eva@example.com"})).await.ok();
    let code = "customers/users/c-1/communication/send-verification-code/email";
    assert_eq!(shop.post_empty(code).await.status, 204);
    app.pass(3600);
    app.registry.platform().prune().await.unwrap();
    assert_eq!(shop.get("management/messages").await.ok()[0]["target"], "eva@example.com");
    shop.delete_with("customers/users/c-1", json!({})).await.ok();
    assert_eq!(shop.get("management/messages").await.ok(), json!([]));
}

#[actix_web::test]
async fn what_came_too_late_is_told_and_not_sent() {
    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "nobody@example.com").await;
    let shop = app.operator().await.enter("T11200000").await;
    let server = MailServer::start(0);
    let ways = server.ways();
    send(&client, &mfa_token, "email").await;
    send(&client, &mfa_token, "email").await;
    assert_eq!(app.deliver(ways.clone()).await, 2);
    app.pass(601);
    for (query, field) in
        [("limit=0", "limit"), ("limit=101", "limit"), ("state=sent", "state"), ("starting_after=x", "starting_after")]
    {
        shop.get(&format!("management/messages?{query}")).await.refused(400, "invalid_request").names(field);
    }
    shop.post_empty("management/messages/x/retry").await.refused(400, "invalid_request").names("id");
    shop.delete("management/messages/x").await.refused(400, "invalid_request").names("id");
    let first = shop.get("management/messages?limit=1").await;
    let (second, first) = (first.header("paging-token").to_owned(), first.ok());
    assert_eq!((first.as_array().unwrap().len(), &first[0]["state"]), (1, &json!("failed")));
    let second = shop.get(&format!("management/messages?limit=1&starting_after={second}")).await.ok();
    assert!(second[0]["id"].as_str().unwrap() < first[0]["id"].as_str().unwrap(), "the latest first");
    let path = format!("management/messages/{}", first[0]["id"].as_str().unwrap());
    shop.post_empty(&format!("{path}/retry")).await.refused(400, "invalid_request").names("id");
    assert_eq!(app.deliver(ways).await, 0);
    assert_eq!(shop.delete(&path).await.status, 204);
    shop.delete(&path).await.refused(404, "not_found");
    assert_eq!(shop.get("management/messages").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(told(&shop, "message.withdrawn").await, 1);
}

/// What the gateway was sent: path, credentials, form.
type Posted = Arc<Mutex<Vec<(String, String, Vec<(String, String)>)>>>;

#[actix_web::test]
async fn a_code_goes_through_the_gateways_api() {
    let posted = Posted::default();
    let kept = posted.clone();
    let gateway = HttpServer::new(move || {
        let kept = kept.clone();
        let take = move |request: HttpRequest, form: web::Form<Vec<(String, String)>>| {
            let credentials = request.headers().get("authorization").unwrap().to_str().unwrap().to_owned();
            let mut posted = kept.lock().unwrap();
            posted.push((request.path().to_owned(), credentials, form.into_inner()));
            let answer = if posted.len() == 1 { HttpResponse::InternalServerError() } else { HttpResponse::Created() };
            std::future::ready({ answer }.finish())
        };
        App::new().default_service(web::post().to(take))
    });
    let gateway = gateway.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", gateway.addrs()[0]);
    actix_web::rt::spawn(gateway.run());
    let sms = Sms { url, account: "AC1".to_owned(), token: Secret::new("hush".to_owned()), from: "Example".to_owned() };
    let ways = Ways { sms: Some(sms), ..Ways::default() };

    let app = TestApp::start().await;
    let (client, mfa_token) = challenged(&app, "ola@example.com").await;
    send(&client, &mfa_token, "sms").await;
    assert_eq!(app.deliver(ways.clone()).await, 1);
    app.pass(5);
    assert_eq!(app.deliver(ways.clone()).await, 1);
    assert_eq!(app.deliver(ways).await, 0);
    let posted = posted.lock().unwrap();
    assert_eq!(posted.len(), 2, "a failure of the gateway is tried again");
    let (path, credentials, form) = &posted[1];
    assert_eq!((path.as_str(), credentials.as_str()), ("/2010-04-01/Accounts/AC1/Messages.json", "Basic QUMxOmh1c2g="));
    let value = |name: &str| form.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!((value("To").as_str(), value("From").as_str()), ("+4712345678", "Example"));
    assert!(value("Body").contains("Partner T11200000"));
}
