use serde_json::json;
use tenantry_domain::{Checks, Consent, Consents, CustomerAddress, CustomerCompany, EnrolledBy, Error};

fn faults(check: impl FnOnce(&mut Checks)) -> Vec<String> {
    let mut checks = Checks::default();
    check(&mut checks);
    match checks.done(Some(())) {
        Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
        _ => Vec::new(),
    }
}

fn address() -> CustomerAddress {
    let address = json!({"address_line": "Storgata 1", "postal_place": "Oslo", "country": "NO"});
    serde_json::from_value(address).unwrap()
}

#[test]
fn each_part_of_an_address_is_checked() {
    let wrong = |address: CustomerAddress| faults(|checks| CustomerAddress::check_all(&[address], checks));
    assert_eq!(wrong(address()), [""; 0]);
    let bad = || Some("\0".to_owned());
    for (address, field) in [
        (CustomerAddress { address_line: " ".to_owned(), ..address() }, "address_line"),
        (CustomerAddress { postal_place: String::new(), ..address() }, "postal_place"),
        (CustomerAddress { address_line_2: bad(), ..address() }, "address_line_2"),
        (CustomerAddress { postal_code: bad(), ..address() }, "postal_code"),
        (CustomerAddress { custom_type: bad(), ..address() }, "custom_type"),
        (CustomerAddress { comment: Some("x".repeat(1001)), ..address() }, "comment"),
        (CustomerAddress { country: "no".to_owned(), ..address() }, "country"),
        (CustomerAddress { country: "NOR".to_owned(), ..address() }, "country"),
        (CustomerAddress { latitude: Some(90.1), ..address() }, "latitude"),
        (CustomerAddress { latitude: Some(-90.1), ..address() }, "latitude"),
        (CustomerAddress { longitude: Some(180.1), ..address() }, "longitude"),
        (CustomerAddress { longitude: Some(f64::NAN), ..address() }, "longitude"),
    ] {
        assert_eq!(wrong(address), [format!("addresses[0].{field}")]);
    }
    for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
        let at = CustomerAddress { latitude: Some(latitude), longitude: Some(longitude), ..address() };
        assert_eq!(wrong(at), [""; 0]);
    }
    assert_eq!(faults(|checks| CustomerAddress::check_all(&vec![address(); 20], checks)), [""; 0]);
    assert_eq!(faults(|checks| CustomerAddress::check_all(&vec![address(); 21], checks)), ["addresses"]);
}

#[test]
fn each_part_of_a_company_is_checked() {
    let company = |of: serde_json::Value| serde_json::from_value::<CustomerCompany>(of).unwrap();
    assert_eq!(faults(|checks| company(json!({"bussiness_name": "Shop AS", "website": "x"})).check(checks)), [""; 0]);
    assert_eq!(faults(|checks| company(json!({"bussiness_name": " "})).check(checks)), ["company.bussiness_name"]);
    for field in ["organization_number", "department", "industry", "website", "number_of_employees"] {
        let with = company(json!({"bussiness_name": "Shop AS", field: "\0"}));
        assert_eq!(faults(|checks| with.check(checks)), [format!("company.{field}")]);
    }
}

#[test]
fn where_a_customer_came_from_is_short() {
    let from = |kind: Option<&str>, length| EnrolledBy { kind: kind.map(str::to_owned), value: json!("x".repeat(length)) };
    assert_eq!(faults(|checks| from(Some("till"), 4096 - 2).check(checks)), [""; 0]);
    assert_eq!(faults(|checks| from(None, 4096 - 1).check(checks)), ["enrolled_by.value"]);
    assert_eq!(faults(|checks| from(Some("\0"), 0).check(checks)), ["enrolled_by.type"]);
}

#[test]
fn channels_are_few_and_have_names() {
    let consents = |names: &[String]| -> Consents {
        names.iter().map(|name| (name.clone(), Consent { consent: None, updated_at: None })).collect()
    };
    let wrong = |names: &[String]| !faults(|checks| Consent::check_all(&consents(names), checks)).is_empty();
    let many: Vec<String> = (0..21).map(|n| format!("c{n}")).collect();
    assert!(!wrong(&many[..20]) && wrong(&many));
    assert!(!wrong(&["å".repeat(100)]));
    for bad in [String::new(), "å".repeat(101), "a\0".to_owned()] {
        assert!(wrong(&[bad]));
    }
}
