//! What survives the end of the real program: a kill, and a polite request.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program, stderr};

use crate::processes::token;

/// How many there are; `make faults` has hundreds.
const KILLS: u64 = 6;

/// Invariant 1: whatever was acknowledged is there after kill -9 under load. Each writer counts upwards in a role of its
/// own, on two accounts at once; what is stored in the end is never less than what it was told.
#[actix_web::test]
async fn kill_under_load_loses_nothing_acknowledged() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database);
    let sides = [made.clone(), made["test"].clone()];
    let mut server = Program::serve(&database);
    let mut counters = Vec::new();
    for side in sides.iter().cycle().take(16) {
        let token = token(&server, side).await.expect("a token");
        let roles = format!("/v1/accounts/{}/auth/roles", side["account_id"].as_str().unwrap());
        let request = http().post(format!("{}{roles}", server.base)).bearer_auth(&token);
        let role: Value = request.json(&json!({"scope": []})).send().await.unwrap().json().await.unwrap();
        counters.push((format!("{roles}/{}", role["id"].as_str().unwrap()), token, 0_u64));
    }
    for round in 0..KILLS {
        let writers: Vec<_> = counters
            .into_iter()
            .map(|(path, token, told)| actix_rt::spawn(count_up(format!("{}{path}", server.base), path, token, told)))
            .collect();
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        server.kill();
        counters = Vec::new();
        for writer in writers {
            counters.push(writer.await.unwrap());
        }
        server = Program::serve(&database);
    }
    let total: u64 = counters.iter().map(|(_, _, told)| told).sum();
    assert!(total > 100, "only {total} writes were acknowledged");
    for (path, token, told) in counters {
        let answer = http().get(format!("{}{path}", server.base)).bearer_auth(&token).send().await.unwrap();
        let role: Value = answer.json().await.unwrap();
        let stored: u64 = role["description"].as_str().unwrap_or("0").parse().unwrap();
        assert!(stored >= told, "{path}: {told} was acknowledged, {stored} is stored");
    }
}

/// Writes 1, 2, 3, .. into a role until the server goes away; yields the last number that was acknowledged.
async fn count_up(url: String, path: String, token: String, mut told: u64) -> (String, String, u64) {
    let http = http();
    for number in told + 1.. {
        let request = http.put(&url).bearer_auth(&token).json(&json!({"scope": [], "description": number.to_string()}));
        match request.send().await {
            Ok(answer) if answer.status() == 200 => told = number,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (path, token, told)
}

/// SIGTERM: first `/readyz` says no, then a request that was begun is answered, and then the process ends well.
#[actix_web::test]
async fn sigterm_drops_nothing_that_was_begun() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let database = TestDatabase::create().await;
    let credentials = bootstrap(&database)["test"].clone();
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_SHUTDOWN_DELAY", "1");
    let mut server = Program::start(command);
    let token = token(&server, &credentials).await.expect("a token");
    let address = server.base.trim_start_matches("http://").to_owned();

    let body = r#"{"name":"begun","scope":[]}"#;
    let mut begun = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /v1/accounts/T000/auth/roles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    begun.write_all(&body.as_bytes()[..10]).await.unwrap();

    server.signal("TERM");
    let ready = loop {
        let answer = http().get(format!("{}/readyz", server.base)).send().await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!((ready.status().as_u16(), ready.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    if !TestDatabase::is_postgres() {
        // Until the last answer is out nobody else serves the database.
        let second = program(&database, &["serve"]).output().unwrap();
        assert!(stderr(&second).contains("serves this database already"), "{}", stderr(&second));
    }
    // The listener closes; the request that was begun goes on.
    while http().get(format!("{}/livez", server.base)).send().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"name\":\"begun\""), "{answer}");
    let (ended, server) = tokio::task::spawn_blocking(move || (server.ended_well(), server)).await.unwrap();
    assert!(ended, "{}", server.log());
}

/// SIGTERM while the database keeps waiting what the server asks by itself: that is let go of in order, too.
#[actix_web::test]
async fn sigterm_while_the_database_does_not_answer_ends_without_a_panic() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    bootstrap(&database);
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_SHUTDOWN_DELAY", "0");
    let mut server = Program::start(command);
    let db = sea_orm::Database::connect(&database.url).await.unwrap();
    let held = db.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE outbox").await.unwrap();
    // By then it has looked for messages, and waits.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.signal("TERM");
    let (ended, server) = tokio::task::spawn_blocking(move || (server.ended_well(), server)).await.unwrap();
    assert!(ended && !server.log().contains("panicked"), "{}", server.log());
}
