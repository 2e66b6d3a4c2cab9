//! The console's files as the server hands them out; what the console does is tried in a browser (admin-ui/e2e).

use reqwest::Method;
use tenantry_tests::TestApp;

/// Every address of the console is its page, under a policy of its own with a nonce that is used once.
#[actix_web::test]
async fn the_console_is_one_page_that_nobody_frames() {
    let app = TestApp::start().await;
    let mut nonces = Vec::new();
    for address in ["/console", "/console/", "/console/T00000000/roles/new"] {
        let page = app.get(address).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{address}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy").to_owned();
        for part in
            ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(nonce.len() >= 22 && page.text.contains(&nonce) && !page.text.contains("{nonce}"));
        nonces.push(nonce);
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 3, "each answer has another");
    let home = app.send(app.request(Method::GET, "/")).await;
    assert_eq!((home.status, home.header("location")), (307, "/console"));
    for nothing in ["nothing.js", ""] {
        app.get(&format!("/console/assets/{nothing}")).await.refused(404, "not_found");
    }
}

/// Scripts and styles: kept for ever under names that change with their content, and sent as small as the browser takes them.
#[actix_web::test]
async fn files_of_the_console_are_kept_and_sent_compressed() {
    let app = TestApp::start().await;
    let page = app.get("/console").await.text;
    let Some(script) = page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
        assert!(page.contains("not part of this build"), "the console was not built");
        return;
    };
    assert!(script.starts_with("/console/assets/") && !page.contains("src=\"http"), "{script}");
    let plain = app.get(script).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    let packed = app.send(app.request(Method::GET, script).header("accept-encoding", "gzip, br")).await;
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("br", "Accept-Encoding"));
    assert!(packed.header("content-length").parse::<usize>().unwrap() * 2 < plain.text.len());
}
