//! HTTP itself: what every answer has, and what no request gets away with.

use reqwest::Method;
use serde_json::json;
use tenantry_api::Options;
use tenantry_tests::TestApp;

#[actix_web::test]
async fn unknown_paths_and_methods_say_so_in_json() {
    let app = TestApp::start().await;
    app.get("/nowhere").await.refused(404, "not_found");
    for path in ["/livez", "/openapi.json", "/docs/"] {
        let wrong = app.send(app.request(Method::POST, path)).await;
        assert_eq!((wrong.refused(405, "method_not_allowed").header("allow"), path), ("GET, HEAD", path));
        assert_eq!(app.send(app.request(Method::HEAD, path)).await.status, 200, "{path}");
    }
    let wrong = app.send(app.request(Method::PATCH, "/v1/accounts/T112/auth/roles")).await;
    wrong.refused(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET, POST");
    for method in [Method::TRACE, Method::from_bytes(b"BREW").unwrap()] {
        app.send(app.request(method, "/v1/accounts/T112/auth/roles")).await.refused(405, "method_not_allowed");
    }
    for id in ["X", "T11", "t112", "T1120000", "T11200000x", "%54112%00"] {
        app.get(&format!("/v1/accounts/{id}/auth/roles")).await.names("oid");
    }
    app.get("/v1/accounts/T112/management/settings").await.names("aid");
    let operator = app.operator().await;
    operator.post("/v1/accounts/T11200001/auth/exchange_token", json!({})).await.names("partner_id");
}

#[actix_web::test]
async fn every_answer_is_dressed() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    for answer in
        [app.get("/nowhere").await, app.get("/livez").await, operator.get("auth/roles").await, operator.get("auth/roles/x").await]
    {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(!answer.header("x-request-id").is_empty());
    }
    let mine = app.send(app.request(Method::GET, "/livez").header("X-Request-Id", "mine-1")).await;
    assert_eq!(mine.header("x-request-id"), "mine-1");
    let odd = app.send(app.request(Method::GET, "/livez").header("X-Request-Id", "a b<script>")).await;
    assert_ne!(odd.header("x-request-id"), "a b<script>");
}

#[actix_web::test]
async fn scripts_of_any_origin_may_call_without_cookies() {
    let app = TestApp::start().await;
    let preflight = app
        .request(Method::OPTIONS, "/v1/accounts/T112/auth/roles")
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization, content-type");
    let answer = app.send(preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let call = app.send(app.request(Method::GET, "/v1/accounts/T112/auth/roles").header("Origin", "https://shop.example")).await;
    assert_eq!(call.header("access-control-allow-origin"), "*");
    for name in ["total-count", "paging-token", "link", "retry-after"] {
        assert!(call.header("access-control-expose-headers").to_lowercase().contains(name), "{name}");
    }
}

#[actix_web::test]
async fn bodies_are_bounded_in_size_depth_and_kind() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    let post = async |kind: &str, body: String| {
        let request = app.request(Method::POST, "/v1/accounts/T000/auth/roles").bearer_auth(&operator.token);
        app.send(request.header("Content-Type", kind).body(body)).await
    };
    let json = "application/json";
    post("text/plain", "{}".into()).await.refused(415, "unsupported_media_type");
    post("", "{}".into()).await.refused(415, "unsupported_media_type");
    post(json, " ".repeat(256 * 1024 + 1)).await.refused(413, "payload_too_large");
    let chunks = futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024])));
    let endless = app.request(Method::POST, "/v1/accounts/T000/auth/roles").bearer_auth(&operator.token);
    let endless = endless.header("Content-Type", json).body(reqwest::Body::wrap_stream(chunks));
    app.send(endless).await.refused(413, "payload_too_large");
    let deep = |depth: usize| format!(r#"{{"scope":[],"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    post(json, deep(31)).await.ok();
    post(json, deep(32)).await.names("body");
    post(json, deep(10_000)).await.names("body");
    post(json, r#"{"scope":[],"x":"]]]]\"[[[["}"#.into()).await.ok();
    post(json, r#"{"scope":[],"x":"\u0000"}"#.into()).await.names("body");
    post(json, r#"{"scope":[],"x":"\\u0000"}"#.into()).await.ok();
    post(json, r#"{"scope":[],"scope":["a"]}"#.into()).await.names("scope");
    post(json, r#"{"scope":[]} {}"#.into()).await.names("body");
    for other in ["", "{", "null", "7", "\"x\"", "[]", r#"["n","d",["read:accounts"]]"#, "{\"scope\":[]"] {
        post(json, other.into()).await.names("body");
    }
    post("application/problem+json; charset=utf-8", r#"{"scope":[]}"#.into()).await.ok();
}

/// Who calls is told by the connection, or by proxies that are configured as ours and only as far as they wrote it.
#[actix_web::test]
async fn only_trusted_proxies_say_who_calls() {
    for (trusted, sent, told) in [
        (vec![], "203.0.113.7", "127.0.0.1"),
        (vec!["127.0.0.0/8"], "203.0.113.7", "203.0.113.7"),
        (vec!["127.0.0.0/8"], "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (vec!["127.0.0.0/8", "10.0.0.0/8"], "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        (vec!["127.0.0.0/8"], "nonsense", "127.0.0.1"),
    ] {
        let trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let app = TestApp::start_with(Options { trusted_proxies, ..Options::default() }).await;
        let operator = app.operator().await;
        let request = app.request(Method::POST, "/v1/accounts/T000/auth/roles").bearer_auth(&operator.token);
        app.send(request.header("X-Forwarded-For", sent).json(&json!({"scope": []}))).await.ok();
        assert_eq!(operator.events().await.last().unwrap()["ip"], told, "{trusted:?} {sent}");
    }
}

#[actix_web::test]
async fn health_answers_without_a_token() {
    let app = TestApp::start().await;
    app.get("/livez").await.ok();
    app.get("/readyz").await.ok();
}

#[actix_web::test]
async fn the_reference_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    for page in ["/console", "/docs/", "/docs/index.html"] {
        let answer = app.get(page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.text.contains("src=\"http") && !answer.text.contains("href=\"http"), "{page}");
        for part in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(answer.header("content-security-policy").contains(part), "{page}");
        }
    }
    assert!(app.get("/docs/swagger-initializer.js").await.text.contains("/openapi.json"));
    app.get("/docs/nothing").await.refused(404, "not_found");
}

/// A flood that is refused must not cost more than one that is served: its connections stay open.
#[actix_web::test]
async fn a_refused_body_does_not_close_its_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = TestApp::start().await;
    let mut wire = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(9_000));
    let head = "POST /v1/accounts/T000/auth/roles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nonsense\r\nContent-Type: application/json\r\n";
    for _ in 0..3 {
        wire.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let read = wire.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer[..read]));
    }
}
