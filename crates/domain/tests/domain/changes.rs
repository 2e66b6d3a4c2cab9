use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_domain::{Change, Checks, Error, Fault, Limit, Scope};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Body {
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    name: Change<String>,
}

#[test]
fn left_out_null_and_given_are_three_things() {
    for (name, json, after) in [
        (Change::Keep, json!({}), Some("old")),
        (Change::Clear, json!({"name": null}), None),
        (Change::Set("new".to_owned()), json!({"name": "new"}), Some("new")),
    ] {
        let body = Body { name: name.clone() };
        assert_eq!(serde_json::to_value(&body).unwrap(), json);
        assert_eq!(serde_json::from_value::<Body>(json).unwrap(), body);
        assert_eq!(name.clone().apply(Some("old".to_owned())).as_deref(), after);
        assert_eq!(name.given().is_some(), after == Some("new"));
        assert_eq!(name.is_keep(), after == Some("old"));
        assert_eq!(
            name.clone().map(|name| name.len()),
            match name {
                Change::Keep => Change::Keep,
                Change::Clear => Change::Clear,
                Change::Set(_) => Change::Set(3),
            }
        );
    }
}

fn faults(error: &Error) -> Vec<&str> {
    let Error::Invalid(faults) = error else { return Vec::new() };
    faults.iter().map(|fault| &fault.field[..]).collect()
}

#[test]
fn a_caller_learns_of_all_that_is_wrong_but_not_of_far_too_much() {
    let mut checks = Checks::default();
    assert_eq!(checks.take("a", Ok::<_, String>(1)), Some(1));
    assert_eq!(checks.take::<i32>("b", Err("is bad")), None);
    assert_eq!(checks.within("c", Ok::<_, Error>(2)), Some(2));
    assert_eq!(checks.within::<i32>("c", Err(Error::invalid("d", "is bad"))), None);
    assert_eq!(checks.within::<i32>("e", Err(Error::NotFound)), None);
    let error = checks.done(Some(3)).unwrap_err();
    assert_eq!(faults(&error), ["b", "c.d", "e"]);
    assert_eq!(Checks::default().done(Some(3)), Ok(3));
    assert!(Checks::default().done(None::<i32>).is_err());

    let mut many = Checks::default();
    (0..30).for_each(|n| many.fault(n.to_string(), "is bad"));
    assert_eq!(faults(&many.done(Some(3)).unwrap_err()).len(), 20);
}

#[test]
fn a_part_of_a_request_is_named_as_the_caller_wrote_it() {
    let at = |error: Error| faults(&error.within("roles[0]")).join(" ");
    assert_eq!(at(Error::invalid("name", "x")), "roles[0].name");
    assert_eq!(at(Error::invalid("", "x")), "roles[0]");
    let told = Error::Duplicate("name").within("roles[0]");
    assert_eq!(told, Error::Invalid(vec![Fault { field: "roles[0].name".to_owned(), message: "is taken".to_owned() }]));
    let scope: Scope = "admin:accounts".parse().unwrap();
    let refused = |field: &str| Error::ScopeNotDelegable { field: field.to_owned(), scope: scope.clone() };
    assert_eq!(refused("scope[1]").within("roles[0]"), refused("roles[0].scope[1]"));
    assert_eq!(Error::NotFound.within("roles[0]"), Error::NotFound);
}

#[test]
fn codes_are_stable() {
    let quota = "1/1".parse().unwrap();
    let allowance = tenantry_domain::Allowance { limit: Limit::Tree, quota, remaining: 0, reset: 1 };
    for (error, code) in [
        (Error::invalid("a", "b"), "invalid_request"),
        (Error::Duplicate("name"), "duplicate"),
        (Error::LimitReached { noun: "roles", max: 1000 }, "limit_reached"),
        (Error::Unauthorized, "unauthorized"),
        (Error::InsufficientScope, "insufficient_scope"),
        (Error::NotFound, "not_found"),
        (Error::RateLimited(allowance), "too_many_requests"),
        (Error::TooManyAttempts(5), "too_many_requests"),
        (Error::Busy, "too_many_requests"),
        (Error::ProviderUnavailable, "unavailable"),
        (Error::OutcomeUnknown, "internal_error"),
    ] {
        assert_eq!(error.code(), code);
    }
    assert_eq!(Error::RateLimited(allowance).to_string(), "Too many requests: the limit of this tree is 1 a second.");
}
