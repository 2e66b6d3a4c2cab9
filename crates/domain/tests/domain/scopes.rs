use tenantry_domain::{Scope, Scopes};

fn scopes(text: &str) -> Scopes {
    Scopes::parse_claim(text).unwrap()
}

/// The whole relation over scopes that are handed out: what is not in this table is not covered.
#[test]
fn what_covers_what() {
    let all = [
        "admin:accounts",
        "write:accounts",
        "read:accounts",
        "create:accounts",
        "public:accounts",
        "user:accounts",
        "write:accounts:/auth/users",
        "read:accounts:/auth/users",
        "create:accounts:auth:refresh_token",
        "public:accounts:/x",
        "write:accounts:auth",
        "admin:customers",
        "read:customers",
        "openid",
    ];
    let covered = |by: &str| -> Vec<&str> {
        let by: Scope = by.parse().unwrap();
        all.into_iter().filter(|scope| by.covers(&scope.parse().unwrap()) && *scope != by.as_str()).collect()
    };
    assert_eq!(covered("admin:accounts"), all[1..11]);
    assert_eq!(
        covered("write:accounts"),
        ["create:accounts", "write:accounts:/auth/users", "create:accounts:auth:refresh_token"]
    );
    assert_eq!(covered("read:accounts"), ["public:accounts", "read:accounts:/auth/users"]);
    assert_eq!(covered("admin:customers"), ["read:customers"]);
    for none in [
        "create:accounts",
        "public:accounts",
        "user:accounts",
        "write:accounts:/auth/users",
        "read:accounts:/auth/users",
        "read:customers",
        "openid",
        "admin:accounts:/x",
        "xyzzy:accounts",
    ] {
        assert_eq!(covered(none), [""; 0], "{none}");
    }
}

#[test]
fn scopes_of_others_are_given_by_administrators_of_the_account_and_ours_by_holders() {
    let (administrator, everybody) = (scopes("admin:accounts"), scopes("admin:accounts admin:customers admin:installers"));
    for ours in ["read:customers", "user:installers", "admin:installers"] {
        assert_eq!(administrator.not_delegable(&scopes(ours)).map(Scope::as_str), Some(ours));
        assert_eq!(everybody.not_delegable(&scopes(ours)), None);
    }
    for others in ["openid", "read:checkout", "accounts"] {
        assert_eq!(administrator.not_delegable(&scopes(others)), None);
        assert_eq!(scopes("admin:customers").not_delegable(&scopes(others)).map(Scope::as_str), Some(others));
    }
    let wanted = scopes("write:accounts read:customers admin:installers");
    assert_eq!(administrator.not_delegable(&wanted).map(Scope::as_str), Some("read:customers"), "the first of them");
}

#[test]
fn a_list_has_exactly_what_it_says() {
    let held = scopes("admin:accounts read:customers");
    assert!(held.has("read:customers") && !held.has("read:accounts"), "nothing is inferred");
    assert!(held.cover(&"read:accounts".parse().unwrap()) && !held.cover(&"write:customers".parse().unwrap()));
    assert_eq!(held.claim(), "admin:accounts read:customers");
    assert_eq!(format!("{held:?}"), "Scopes([admin:accounts, read:customers])");
    assert_eq!(serde_json::to_value(&held).unwrap(), serde_json::json!(["admin:accounts", "read:customers"]));
    assert!(!held.is_empty() && Scopes::default().is_empty());
}
