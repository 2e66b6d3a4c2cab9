//! Many customers at once: in, and out again.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::{Answer, Program, SHOP, Tenant, TestApp, TestDatabase, bootstrap, program, stderr};

use crate::processes::token;

pub(crate) async fn import(shop: &Tenant<'_>, text: impl Into<Vec<u8>>) -> Answer {
    let path = format!("/v1/accounts/{}/customers/users:import", shop.account);
    let request = shop.app.request(Method::POST, &path).bearer_auth(&shop.token);
    shop.app.send(request.header("content-type", "application/x-ndjson").body(text.into())).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn each_line_is_taken_over_by_itself() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.customer(json!({"customer_id": "old", "email": "old@example.com"})).await;
    let long = format!("{{\"first_name\": \"{}\"}}", "x".repeat(100_000));
    let text = [
        r#"{"customer_id": "a", "email": "a@example.com", "metadata": {"k": 1}}"#,
        "",
        r#"{"customer_id": "b", "email": "#,
        r#"{"customer_id": "old", "email": "new@example.com"}"#,
        r#"{"customer_id": "c", "email": "OLD@example.com"}"#,
        r#"{"customer_id": "d", "date_of_birth": "2024-02-30"}"#,
        &long,
        r#"{"type": "contact", "customer_id": "e", "contact_for": [{"customer_id": "a"}]}"#,
        r#"{"customer_id": "a2", "email": "A@example.com"}"#,
        "[1]",
        r#"{"first_name": "last line without its end"}"#,
    ]
    .join("\n");
    let told = lines(&import(&shop, text.clone()).await);
    let outcome = |line: &Value| (line["line"].as_u64().unwrap(), line["status"].as_str().unwrap().to_owned());
    let expected = [
        (1, "created"),
        (3, "refused"),
        (4, "exists"),
        (5, "refused"),
        (6, "refused"),
        (7, "refused"),
        (8, "created"),
        (9, "refused"),
        (10, "refused"),
        (11, "created"),
    ];
    assert_eq!(told.iter().map(outcome).collect::<Vec<_>>(), expected.map(|(line, status)| (line, status.to_owned())));
    let finding = |nth: usize| told[nth]["error"]["errors"][0]["field"].clone();
    assert_eq!(
        (&told[3]["error"]["code"], finding(3), finding(4), finding(5)),
        (&json!("duplicate"), json!("email"), json!("date_of_birth"), json!("line"))
    );
    assert_eq!(shop.get("customers/users/a").await.ok()["metadata"], json!({"k": 1}));
    assert_eq!(shop.get("customers/users/e").await.ok()["contact_for"], json!([{"customer_id": "a"}]));
    // Begun again it does nothing twice.
    let again = lines(&import(&shop, text).await);
    assert_eq!(outcome(&again[0]), (1, "exists".to_owned()));
    assert_eq!(shop.get("customers/users?email=a@&total=true").await.header("total-count"), "1");
    // Each has its event, and what it is found by.
    let feed = shop.get("customers/events?limit=100").await.ok();
    assert_eq!(feed.as_array().unwrap().iter().filter(|event| event["customer_id"] == "a").count(), 1);
    assert_eq!(lines(&import(&shop, "").await), Vec::<Value>::new());
    let path = "/v1/accounts/T11200000/customers/users:import";
    let plain = app.send(app.request(Method::POST, path).bearer_auth(&shop.token).json(&json!({}))).await;
    plain.refused(415, "unsupported_media_type");
}

#[actix_web::test]
async fn a_line_without_end_costs_nothing() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let mut text = vec![b'x'; 100 * 1024 * 1024];
    text.extend(b"\n{\"customer_id\": \"after\"}\n");
    let told = lines(&import(&shop, text).await);
    assert_eq!((&told[0]["status"], &told[1]["status"], &told[1]["line"]), (&json!("refused"), &json!("created"), &json!(2)));
}

#[actix_web::test]
async fn foreign_passwords_come_along() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let hash = "$2b$10$66My5mOzL02zsqSiysMyrehbC1T3iEN2AqNC2FPsr5jvcmJdG8Ps.";
    let line = json!({"email": "ola@example.com", "password_hash": hash}).to_string();
    let told = lines(&import(&shop, line.clone()).await);
    assert_eq!((&told[0]["status"], &told[0]["error"]["code"]), (&json!("refused"), &json!("insufficient_scope")));
    let desk = shop.client(&["write:customers", "write:accounts:/auth/users"]).await;
    let bad = lines(&import(&desk, json!({"password_hash": "plain"}).to_string()).await);
    assert_eq!(bad[0]["error"]["errors"][0]["field"], "password_hash");
    assert_eq!(lines(&import(&desk, line).await)[0]["status"], "created");
    let client = shop.app_client(&["write:accounts:/auth/users"], &["user:customers"]).await;
    let login = json!({"audience": format!("{}/v1/accounts/T11200000", tenantry_tests::PUBLIC), "type": "customer",
        "email": "ola@example.com", "password": tenantry_tests::PASSWORD});
    client.tenant.post("customers/login", login).await.ok();
}

#[actix_web::test]
async fn all_customers_are_handed_out_and_can_be_taken_over_elsewhere() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let text: String = (0..450)
        .map(|n| json!({"customer_id": n.to_string(), "first_name": "Ola", "metadata": {"n": n}}).to_string() + "\n")
        .collect();
    assert!(lines(&import(&shop, text).await).iter().all(|line| line["status"] == "created"));
    shop.delete("customers/users/7").await.ok();
    let out = shop.get("customers/users:export").await;
    let exported = lines(&out);
    assert_eq!((exported.len(), &exported[0]["customer_id"], &exported[448]["metadata"]["n"]), (449, &json!("0"), &json!(449)));
    let other = app.partner_with("T11300000", SHOP).await;
    assert!(lines(&import(&other, out.text.clone()).await).iter().all(|line| line["status"] == "created"));
    assert_eq!(lines(&other.get("customers/users:export").await).len(), 449);
    shop.client(&["write:customers"]).await.get("customers/users:export").await.refused(403, "insufficient_scope");
}

#[actix_web::test]
async fn a_customer_gets_all_that_is_known_of_it() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    shop.put("customers/settings", json!({"attributes": [{"name": "secret", "type": "string", "private": true}]})).await.ok();
    let id = shop.customer(json!({"email": "ola@example.com", "attributes": {"secret": "x"}})).await;
    let tag = shop.post("customers/tags", json!({"tag": "gold"})).await.ok()["id"].clone();
    shop.put(&format!("customers/users/{id}/tags"), json!([tag])).await.ok();
    shop.post(&format!("customers/users/{id}/tokens"), json!({"type": "card", "value": "1"})).await;
    let client = shop.app_client(&["write:accounts:/auth/users", "admin:accounts"], &["user:customers"]).await;
    client.ask_code("ola@example.com", json!({})).await;
    let person = client.person(&client.bring_code("email", "ola@example.com", &app.code().await.0).await.ok());
    person.put(&format!("customers/users/{id}"), json!({"first_name": "Ola"})).await.ok();
    let file = person.get(&format!("customers/users/{id}/export")).await.ok();
    assert_eq!(
        (&file["customer"]["first_name"], &file["tags"], &file["tokens"][0]["value"]),
        (&json!("Ola"), &json!(["gold"]), &json!("1"))
    );
    let events: Vec<&Value> = file["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(events, ["user.logged_in", "customer.updated"]);
    assert_eq!(file["events"][0]["ip"], "127.0.0.1");
    assert!(file["customer"]["attributes"].is_null(), "what is hidden from it stays so");
    shop.get(&format!("customers/users/{id}/export")).await.ok();
    let other = shop.customer(json!({})).await;
    person.get(&format!("customers/users/{other}/export")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn the_program_brings_a_file() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database);
    let server = Program::serve(&database);
    token(&server, &made["test"]).await.expect("a token");
    let file = database.file("customers.ndjson");
    let line = |n: usize| if n == 6000 { "{broken".to_owned() } else { json!({"customer_id": n.to_string()}).to_string() };
    std::fs::write(&file, (1..=6001).map(|n| line(n) + "\n").collect::<String>()).unwrap();
    let bring = |more: &[&str]| {
        let mut command = program(&database, &["customers", "import", file.to_str().unwrap(), "--url", &server.base]);
        command.args(["--account", "T00000000", "--client-id", made["test"]["client_id"].as_str().unwrap()]).args(more);
        command.env("TENANTRY_CLIENT_SECRET", made["test"]["client_secret"].as_str().unwrap()).output().unwrap()
    };
    let done = bring(&[]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "6000 created, 0 were there, 1 refused\n", "{}", stderr(&done));
    assert!(!done.status.success() && stderr(&done).contains("line 6000: "), "{}", stderr(&done));
    std::fs::write(&file, (1..=6001).map(|n| if n == 6000 { "{}".to_owned() } else { line(n) } + "\n").collect::<String>())
        .unwrap();
    let done = bring(&["--from", "5998"]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "1 created, 3 were there, 0 refused\n", "{}", stderr(&done));
    assert!(done.status.success());
}

#[actix_web::test]
async fn one_request_has_so_many_lines_and_no_more() {
    let app = TestApp::start().await;
    let shop = app.partner_with("T11200000", SHOP).await;
    let told =
        lines(&import(&shop, "\n".repeat(999_999) + "{\"customer_id\": \"last\"}\n{\"customer_id\": \"over\"}\n{}\n").await);
    assert_eq!((told.len(), &told[0]["status"], &told[1]["line"]), (2, &json!("created"), &json!(1_000_001)));
    assert_eq!(told[1]["error"]["errors"][0]["field"], "line");
    shop.get("customers/users/over").await.refused(404, "not_found");
}
