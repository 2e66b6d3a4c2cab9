use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tenantry_domain::{Scope, Scopes};
use tenantry_test_properties::Property;

/// Scopes that have something to do with one another.
fn scope() -> impl Strategy<Value = Scope> + Clone {
    let verbs = select(&["admin", "write", "read", "create", "public", "user", "openid"][..]);
    let resources = select(&["accounts", "customers", "installers", "account", "checkout"][..]);
    let rests = select(&["", "", ":/auth/users", ":/auth/users/no-mfa", ":/", ":", ":auth:refresh_token"][..]);
    (verbs, resources, rests).prop_map(|(verb, resource, rest)| format!("{verb}:{resource}{rest}").parse().unwrap())
}

fn scopes() -> impl Strategy<Value = Scopes> + Clone {
    vec(scope(), 0..6).prop_map(|scopes| of(&scopes))
}

fn of(scopes: &[Scope]) -> Scopes {
    Scopes::parse(&scopes.iter().map(Scope::as_str).collect::<Vec<_>>()).unwrap()
}

fn set(scopes: &Scopes) -> HashSet<Scope> {
    scopes.iter().cloned().collect()
}

#[test]
fn a_scope_is_printed_as_it_was_read() {
    Property::new("scope").of_text("[!#-\\[\\]-~]{1,130}|(admin|write|read):[a-z]{1,12}(:/[a-z/-]{0,20})?", |text| {
        let token = text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) && (1..=128).contains(&text.len());
        let Ok(scope) = text.parse::<Scope>() else { return assert!(!token, "{text:?}") };
        assert!(token, "{text:?} is no token of RFC 6749");
        assert_eq!((scope.as_str(), &*scope.text(), scope.to_string().as_str()), (text, text, text));
        assert_eq!(serde_json::to_value(&scope).unwrap(), text);
        assert!(scope.covers(&scope));
    });
}

#[test]
fn a_claim_is_read_as_it_is_printed() {
    Property::new("claim").of_text("([a-z:/]{1,10} ?){0,6}", |text| {
        let Ok(scopes) = Scopes::parse_claim(text) else { return };
        assert_eq!(Scopes::parse_claim(&scopes.claim()), Ok(scopes.clone()));
        assert_eq!(set(&scopes).len(), scopes.iter().count(), "each once");
        assert!(scopes.iter().all(|scope| scopes.has(scope.as_str()) && scopes.cover(scope)));
        assert_eq!(scopes.is_empty(), text.trim_ascii().is_empty());
    });
}

#[test]
fn what_covers_is_an_order() {
    Property::new("scope").of((scope(), scope(), scope()), |(a, b, c)| {
        assert!(a.covers(&a));
        assert!(a == b || !(a.covers(&b) && b.covers(&a)), "{a} and {b} cover each other");
        assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c), "{a} covers {b}, which covers {c}");
        if a.covers(&b) && a != b {
            let (verb, resource) = a.as_str().split_once(':').unwrap();
            assert!(["admin", "write", "read"].contains(&verb), "{a} covers {b}");
            assert_eq!(b.as_str().split(':').nth(1), Some(resource), "{a} covers {b}");
            assert!(!b.as_str().starts_with("admin:") || verb == "admin", "{a} covers {b}");
        }
    });
}

#[test]
fn what_is_met_is_the_widest_that_both_hold() {
    Property::new("scope").of((scopes(), scopes(), scope()), |(a, b, any)| {
        let met = a.meet(&b);
        assert!(met.iter().all(|scope| a.cover(scope) && b.cover(scope)), "{a:?} and {b:?} meet in {met:?}");
        assert_eq!(met.cover(&any), a.cover(&any) && b.cover(&any), "{any} of {met:?}");
        assert_eq!(set(&met), set(&b.meet(&a)));
        assert_eq!(a.meet(&a), a);
        assert_eq!(set(&met.meet(&a)), set(&met));
    });
}

#[test]
fn nobody_gives_or_keeps_what_it_does_not_hold() {
    Property::new("scope").of((scopes(), scopes()), |(held, wanted)| {
        let kept = wanted.held_by(&held);
        let expected: Vec<&Scope> = wanted.iter().filter(|scope| held.cover(scope)).collect();
        assert_eq!(kept.iter().collect::<Vec<_>>(), expected);
        let ours = |scope: &Scope| {
            ["accounts", "customers", "installers"].iter().any(|ours| scope.as_str().split(':').nth(1) == Some(ours))
        };
        let may = |scope: &Scope| held.cover(scope) || !ours(scope) && held.has("admin:accounts");
        assert_eq!(held.not_delegable(&wanted), wanted.iter().find(|scope| !may(scope)));
        let all = Scopes::union([&held, &wanted]);
        assert_eq!(set(&all), set(&held).union(&set(&wanted)).cloned().collect());
        assert_eq!(all.iter().count(), set(&all).len());
    });
}
