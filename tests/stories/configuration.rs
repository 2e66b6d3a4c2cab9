//! An account as one document.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_accounts::Quotas;
use tenantry_tests::{Program, SHOP, TestApp, TestDatabase, bootstrap, http};

use crate::policies::NOBODY;
use crate::processes::token;

const PATH: &str = "management/configuration";
const DRY: &str = "management/configuration?dry_run=true";

fn document() -> Value {
    json!({
        "account": "T11200000",
        "settings": {"display_name": "A partner", "token_lifetime": 3600},
        "roles": [{"name": "Support", "description": "Helps", "scope": ["read:customers", "read:accounts"]}],
        "clients": [{"client_id": "web-shop", "callbacks": ["https://shop.example/back"]}],
        "grants": [
            {"client_id": "web-shop", "scope": ["read:accounts"]},
            {"client_id": "web-shop", "audience": "https://stock.example/", "type": "client_credentials", "scope": []},
        ],
        "users": [{"email": "kari@example.com", "name": "Kari", "roles": ["support"]}],
    })
}

/// What was done to what, `create role Support`.
fn told(applied: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = applied["changes"].as_array().unwrap().iter();
    changes.map(|one| format!("{} {} {}", text(&one["action"]), text(&one["kind"]), text(&one["name"]))).collect()
}

#[actix_web::test]
async fn an_account_becomes_what_a_document_says_in_one_write() {
    let app = TestApp::start().await;
    let partner = app.partner_with("T11200000", &["admin:accounts", "read:customers"]).await;
    let before = partner.get(PATH).await.ok();
    assert_eq!(before["left_out"], json!([]));
    let events = partner.events().await.len();

    let all = [
        "update settings settings",
        "create role Support",
        "create client web-shop",
        "create grant web-shop",
        "create grant web-shop for https://stock.example/ (client_credentials)",
        "create user kari@example.com",
    ];
    let planned = partner.put(DRY, document()).await.ok();
    assert_eq!(told(&planned), all);
    assert_eq!((&planned["version"], &planned["secrets"]), (&before["version"], &json!([])));
    assert_eq!(planned["changes"][0]["after"], json!({"display_name": "A partner", "token_lifetime": 3600}));
    assert_eq!(partner.get(PATH).await.ok(), before, "a plan keeps nothing");
    assert_eq!((partner.events().await.len(), app.messages().await.len()), (events, 0));

    // Only if nobody has changed anything since; and an id that was only planned is not used up.
    let version = before["version"].as_i64().unwrap();
    let stale = format!("{PATH}?version={}", version - 1);
    partner.put(&stale, document()).await.refused(412, "version_mismatch");
    let applied = partner.put(&format!("{PATH}?version={version}"), document()).await.ok();
    assert_eq!((told(&applied), &applied["version"]), (all.map(str::to_owned).to_vec(), &json!(version + 1)));
    let secret = applied["secrets"][0]["client_secret"].as_str().unwrap();
    assert_eq!(applied["secrets"][0]["client_id"], "web-shop");
    app.login("T11200000", "web-shop", secret).await.get("auth/roles").await.ok();
    assert_eq!(app.messages().await.len(), 1, "Kari is written to");
    let kari = partner.get("management/users?search=kari").await.ok();
    assert_eq!(kari[0]["roles"][0]["name"], "Support");

    let told_of = partner.events().await;
    let configured: Vec<_> = told_of.iter().filter(|event| event["type"] == "configuration.applied").collect();
    assert_eq!((configured.len(), configured[0]["seq"].as_i64()), (1, Some(version + 1)));
    let after = configured[0]["after"].as_object().unwrap();
    let grants: Vec<_> = after.iter().filter(|(name, _)| name.starts_with("grant.created ")).collect();
    assert!(grants.iter().any(|(_, grant)| grant["audience"] == "https://id.example.com/v1/accounts/T11200000"), "{after:?}");
    assert_eq!(after.len(), 6);
    assert!(!configured[0].to_string().contains(secret));

    // Again, in other words, and as it is read back: nothing is written.
    let mut same = document();
    same["roles"][0]["scope"] = json!(["read:accounts", "read:customers"]);
    same["users"][0]["email"] = json!("KARI@example.com");
    same["grants"][0]["audience"] = json!("https://id.example.com/v1/accounts/T11200000");
    let read = partner.get(PATH).await.ok();
    for same in [same, read["configuration"].clone()] {
        let again = partner.put(&format!("{PATH}?prune=false"), same).await.ok();
        assert_eq!((told(&again).len(), &again["version"]), (0, &json!(version + 1)));
    }
    assert_eq!(partner.get(PATH).await.ok()["version"], version + 1);
}

#[actix_web::test]
async fn what_a_document_does_not_name_goes_if_that_is_wanted() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let before = partner.get(PATH).await.ok();
    let mut wanted = document();
    wanted["roles"][0]["scope"] = json!([]);
    let applied = partner.put(&format!("{PATH}?prune=true"), wanted).await.ok();
    assert!(!told(&applied).iter().any(|one| one.starts_with("delete")), "the caller's own stays: {applied}");
    partner.put(PATH, json!({"roles": []})).await.ok();
    assert_eq!(partner.get("auth/roles").await.ok().as_array().unwrap().len(), 1);

    // Sections that are left out are left alone; a setting is cleared by null; who is shut out keeps its roles.
    let next = json!({"settings": {"token_lifetime": null, "display_name": before["configuration"]["settings"]["display_name"]},
        "clients": [], "users": [{"email": "kari@example.com", "enabled": false, "roles": ["SUPPORT"]}]});
    let applied = partner.put(&format!("{PATH}?prune=true"), next).await.ok();
    assert_eq!(
        told(&applied),
        [
            "update settings settings",
            "delete grant web-shop",
            "delete grant web-shop for https://stock.example/ (client_credentials)",
            "delete client web-shop",
            "update user kari@example.com",
        ]
    );
    assert_eq!(applied["changes"][0]["before"]["token_lifetime"], 3600);
    assert_eq!(applied["changes"][0]["after"]["token_lifetime"], Value::Null);
    let gone = partner.put(&format!("{PATH}?prune=true"), json!({"roles": [], "users": []})).await.ok();
    assert_eq!(told(&gone), ["delete user kari@example.com", "delete role Support"]);
    assert_eq!(partner.get(PATH).await.ok()["configuration"], before["configuration"]);
    // What the rows say is what was told: these are ended, by the caller, and nothing else is.
    let ended =
        "CASE WHEN deleted_at IS NULL THEN 'lives' WHEN deleted_by = created_by AND deleted_at = updated_at THEN 'ended' END";
    let of = |table: &str| format!("SELECT '{table} ' || {ended} FROM {table} WHERE account_id = 'T11200000'");
    let rows = ["client", "client_grant", "member", "role"].map(of).join(" UNION ALL ") + " ORDER BY 1";
    assert_eq!(
        app.database.column(&rows).await,
        [
            "client ended",
            "client lives",
            "client_grant ended",
            "client_grant ended",
            "client_grant lives",
            "member ended",
            "role ended"
        ]
    );
    // A client's id is given once.
    let again = partner.put(PATH, json!({"clients": [{"client_id": "web-shop"}]})).await;
    again.refused(400, "invalid_request").names("clients[0].client_id");
}

#[actix_web::test]
async fn what_is_refused_changes_nothing_and_names_its_place() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let shop = partner.sub_account("shop").await;
    let own = partner.get("auth/clients").await.ok()[0]["client_id"].clone();
    let before = partner.get(PATH).await.ok();
    let with = |section: &str, records: Value| {
        let mut document = document();
        document["roles"][0]["scope"] = json!([]);
        document["grants"][0]["scope"] = json!([]);
        document[section] = records;
        document
    };
    let narrowed = json!([{"client_id": own, "scope": ["read:accounts"]}]);
    let narrower = json!([{"client_id": own, "type": "client_credentials", "scope": []}]);
    let twice = json!([{"name": "a", "scope": []}, {"name": "A", "scope": []}]);
    for (document, field) in [
        (with("account", json!("T11300000")), "account"),
        (with("rolls", json!([])), "rolls"),
        (with("settings", json!({"company": {"business_name": "X", "adress": {}}})), "settings.company.adress"),
        (with("settings", json!({"token_lifetime": 5})), "settings.token_lifetime"),
        (with("settings", json!({"limits": null})), "settings.limits"),
        (with("roles", twice), "roles[1]"),
        (with("roles", json!([{"name": " ", "scope": []}])), "roles[0].name"),
        (with("roles", json!([{"name": "a", "scope": ["a b"]}])), "roles[0].scope[0]"),
        (with("roles", json!([{"name": "a", "scope": "read:accounts"}])), "roles[0].scope"),
        (with("roles", json!([["a", null, []]])), "roles[0]"),
        (with("clients", json!([{"client_id": "a", "callbacks": ["http://a.example"]}])), "clients[0].callbacks[0]"),
        (with("grants", json!([{"client_id": "nobody", "scope": []}])), "grants[0].client_id"),
        (with("grants", json!([{"client_id": "web-shop", "audience": "T11300000", "scope": []}])), "grants[0].audience"),
        (with("grants", narrowed), "grants[0]"),
        (with("grants", narrower), "grants[0]"),
        (
            with("users", json!([{"email": "a@example.com"}, {"email": "b@example.com", "roles": ["nothing"]}])),
            "users[1].roles[0]",
        ),
        (with("users", json!([{"email": "a@example.com"}, {"email": "A@example.com"}])), "users[1]"),
        (with("users", json!([{"email": "a@example.com", "roles": vec!["support"; 101]}])), "users[0].roles"),
        (with("roles", json!([{"name": NOBODY, "scope": []}])), "roles[0].name"),
        (with("roles", Value::Null), "roles"),
        (json!({"account": "T11200000"}), "body"),
        (json!([]), "body"),
    ] {
        for path in [PATH, DRY] {
            let refused = partner.put(path, document.clone()).await;
            refused.refused(400, "invalid_request").names(field);
        }
    }
    // Nobody gives what they do not hold, in whatever section.
    for (section, records, field) in [
        ("roles", json!([{"name": "a", "scope": []}, {"name": "b", "scope": ["admin:customers"]}]), "roles[1].scope"),
        ("grants", json!([{"client_id": "web-shop", "scope": ["admin:customers"]}]), "grants[0].scope"),
        ("users", json!([{"email": "a@example.com", "scope": ["admin:customers"]}]), "users[0].scope"),
    ] {
        let refused = partner.put(PATH, with(section, records)).await;
        assert_eq!(refused.refused(403, "scope_not_delegable").json()["error"]["errors"][0]["field"], field);
    }
    // What is answered tells all that was there.
    let writer = partner.client(&["write:accounts"]).await;
    writer.put(DRY, json!({"users": []})).await.refused(403, "insufficient_scope");
    writer.get(PATH).await.refused(403, "insufficient_scope");
    partner.put(&format!("{PATH}?dryrun=true"), document()).await.refused(400, "invalid_request").names("dryrun");
    let many: Vec<Value> = (0..501).map(|n| json!({"name": format!("role {n}"), "scope": []})).collect();
    partner.put(PATH, json!({"roles": many})).await.refused(400, "invalid_request").names("body");
    // All accounts may share one writer: whoever has kept it for long waits.
    let soon = partner.put(DRY, json!({"roles": many})).await;
    if soon.status == 429 {
        assert!(soon.header("retry-after").parse::<u64>().unwrap() > 2);
    } else {
        soon.refused(400, "invalid_request");
    }
    let large = "x".repeat(3 << 20);
    partner.put(PATH, json!({"account": large})).await.refused(413, "payload_too_large");

    // From above nobody shuts the door behind oneself.
    let acting = partner.enter(&shop).await;
    acting
        .put(PATH, json!({"settings": {"partner_access": false}}))
        .await
        .refused(400, "invalid_request")
        .names("settings.partner_access");
    acting.put(PATH, json!({"account": shop, "roles": [{"name": "till", "scope": []}]})).await.ok();
    assert_eq!(acting.events().await.last().unwrap()["act"]["oid"], "T11200000");

    let after = partner.get(PATH).await.ok();
    let of = |current: &Value, section: &str| current["configuration"][section].clone();
    for section in ["settings", "roles", "users"] {
        assert_eq!(of(&after, section), of(&before, section));
    }
    assert_eq!(app.messages().await.len(), 0, "nobody was written to");
    assert_eq!(of(&after, "clients").as_array().unwrap().len(), 2, "the caller's, and the narrow one");
}

/// What no document can say stays as it is, and cannot be mistaken for something else.
#[actix_web::test]
async fn what_no_document_says_is_left_alone() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let nameless = partner.post("auth/roles", json!({"scope": ["admin:accounts"]})).await.ok()["id"].clone();
    partner.post("auth/roles", json!({"name": " ", "scope": []})).await.ok();
    // Somebody gives another role the id of that one as its name.
    partner.post("auth/roles", json!({"name": nameless, "scope": []})).await.ok();
    let kari = json!({"email": "kari@example.com", "roles": [{"id": nameless}], "authentication_type": "external"});
    partner.post("management/users", kari).await.ok();
    partner.post("auth/clients", json!({"client_id": "shop"})).await.ok();
    let oidc = json!({"client_id": "us", "client_secret": "s", "authority": "https://id.example.com"});
    let grant = json!({"client_id": "shop", "audience": "https://id.example.com/v1/accounts/T11200000", "scope": [],
        "type": "authorization_code", "oidc": oidc});
    partner.post("auth/client-grants", grant).await.ok();
    let read = partner.get(PATH).await.ok();
    assert_eq!(read["left_out"].as_array().unwrap().len(), 4, "{read}");
    assert_eq!(read["configuration"]["users"][0]["roles"], json!([nameless]));
    let mut document = read["configuration"].clone();
    document["grants"] =
        json!(document["grants"].as_array().unwrap().iter().filter(|one| one["client_id"] != "shop").collect::<Vec<_>>());
    let mut without = document.clone();
    without["clients"] =
        json!(document["clients"].as_array().unwrap().iter().filter(|one| one["client_id"] != "shop").collect::<Vec<_>>());
    for same in [&read["configuration"], &document, &without] {
        let applied = partner.put(&format!("{PATH}?prune=true"), same.clone()).await.ok();
        assert_eq!((told(&applied), &applied["version"]), (vec![], &read["version"]));
    }
    document["users"][0]["authentication_type"] = json!("password");
    partner.put(DRY, document).await.refused(400, "invalid_request").names("users[0].authentication_type");
}

/// What somebody holds is judged by what it held before the document.
#[actix_web::test]
async fn nobody_is_weakened_first_and_taken_from_then() {
    let app = TestApp::start().await;
    let strong = app.partner_with("T11200000", SHOP).await;
    let role = strong.post("auth/roles", json!({"name": "boss", "scope": ["admin:customers"]})).await.ok()["id"].clone();
    strong.post("management/users", json!({"email": "boss@example.com", "roles": [{"id": role}]})).await.ok();
    strong.post("auth/clients", json!({"client_id": "shop"})).await.ok();
    strong.grant("shop", &["admin:customers"]).await;
    let weaker = strong.client(&["admin:accounts"]).await;
    for document in [
        json!({"roles": [{"name": "boss", "scope": []}], "users": [{"email": "boss@example.com", "enabled": false, "roles": ["boss"]}]}),
        json!({"roles": [], "users": [{"email": "boss@example.com", "enabled": false}]}),
        json!({"roles": [], "users": []}),
        json!({"grants": [], "clients": [{"client_id": "shop", "callbacks": ["https://evil.example"]}]}),
    ] {
        weaker.put(&format!("{PATH}?prune=true"), document).await.refused(403, "scope_not_delegable");
    }
}

/// Whoever administers by a role does not take it, or itself, away.
#[actix_web::test]
async fn a_person_does_not_shut_itself_out_by_a_document() {
    let app = TestApp::start().await;
    let partner = app.partner("T11200000").await;
    let role = partner.post("auth/roles", json!({"name": "admins", "scope": ["admin:accounts"]})).await.ok();
    let kari = partner.person("kari@example.com", &[], &[role["id"].as_str().unwrap()]).await.enter("T11200000").await;
    for (document, field) in [
        (json!({"roles": [{"name": "admins", "scope": ["read:accounts"]}]}), "roles[0]"),
        (json!({"users": [{"email": "kari@example.com", "roles": []}]}), "users[0]"),
        (json!({"users": [{"email": "kari@example.com", "enabled": false, "roles": ["admins"]}]}), "users[0]"),
    ] {
        kari.put(PATH, document).await.refused(400, "invalid_request").names(field);
    }
    let pruned = kari.put(&format!("{PATH}?prune=true"), json!({"roles": [], "users": []})).await.ok();
    assert_eq!(told(&pruned), [""; 0]);
}

/// After kill -9 at any moment all of a document is there, or nothing of it.
#[actix_web::test]
async fn a_kill_leaves_no_half_of_a_document() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database);
    let mut server = Program::serve(&database);
    let path = format!("/v1/accounts/{}/{PATH}", made["account_id"].as_str().unwrap());
    let of = |number: u64| {
        let roles = (0..20).map(|n| json!({"name": format!("role {n}"), "description": number.to_string(), "scope": []}));
        json!({"roles": roles.collect::<Vec<_>>()})
    };
    let mut told = 0;
    for round in 0..6 {
        let token = token(&server, &made).await.expect("a token");
        let url = format!("{}{path}", server.base);
        let writer = {
            let token = token.clone();
            actix_rt::spawn(async move {
                let mut told = told;
                let mut number = told + 1;
                loop {
                    match http().put(&url).bearer_auth(&token).json(&of(number)).send().await {
                        Ok(answer) if answer.status() == 200 => (told, number) = (number, number + 1),
                        Ok(answer) if answer.status() == 429 => tokio::time::sleep(Duration::from_millis(20)).await,
                        Ok(answer) => panic!("{}", answer.status()),
                        Err(_) => break,
                    }
                }
                told
            })
        };
        tokio::time::sleep(Duration::from_millis(400 + 37 * round)).await;
        server.kill();
        told = writer.await.unwrap();
        server = Program::serve(&database);
        let read = http().get(format!("{}{path}", server.base)).bearer_auth(&token).send().await.unwrap();
        let read: Value = read.json().await.unwrap();
        let roles = read["configuration"]["roles"].as_array().unwrap();
        let number: u64 = roles[0]["description"].as_str().unwrap().parse().unwrap();
        assert!(roles.len() == 20 && roles.iter().all(|role| role["description"] == roles[0]["description"]), "{roles:?}");
        assert!(number == told || number == told + 1, "{told} was acknowledged, {number} is stored");
        told = number;
    }
    assert!(told > 3, "only {told} were applied");
}

/// A document, planned or applied, counts as so many requests as it changes records.
#[actix_web::test]
async fn a_document_costs_what_its_changes_cost() {
    let quota = |text: &str| text.parse().unwrap();
    let app = TestApp::limited(Quotas { client: quota("10/40"), ..Quotas::default() }).await;
    let partner = app.partner("T11200000").await;
    let roles: Vec<Value> = (0..30).map(|n| json!({"name": format!("role {n}"), "scope": []})).collect();
    let document = json!({"roles": roles});
    app.pass(60);
    partner.put(DRY, document.clone()).await.ok();
    assert!(partner.get("auth/roles").await.header("ratelimit").contains("r=9;"), "30 of 40, and one more");
    app.pass(60);
    partner.put(PATH, document.clone()).await.ok();
    partner.put(PATH, document).await.ok();
    assert!(partner.get("auth/roles").await.header("ratelimit").contains("r=8;"), "again it changes nothing");
}
