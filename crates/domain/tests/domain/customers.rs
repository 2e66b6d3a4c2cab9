use serde_json::{Map, Value, json};
use tenantry_domain::{
    AcceptedTerms, Attribute, AttributeType, AutoToken, Change, Consent, Customer, CustomerAddress, CustomerChange,
    CustomerCompany, CustomerKey, CustomerType, CustomersSettings, EnrolledBy, Error, Instant, Password, PasswordHash, Profile,
    Proof, Result, TokenDetail, TokenEvent, TokenEventInput, TokenPairId, token_status,
};
use uuid::Uuid;

use crate::stamp;

const NOW: Instant = Instant::from_micros(9_000_000);

fn customer() -> Customer {
    Customer::new(CustomerKey(Uuid::nil()), stamp(), "C-1".parse().unwrap(), CustomerType::Customer)
}

fn attribute(name: &str, private: bool) -> Attribute {
    Attribute { name: name.to_owned(), kind: AttributeType::Integer, multiple_values: false, private }
}

fn settings() -> CustomersSettings {
    CustomersSettings { attributes: vec![attribute("shoe", false), attribute("risk", true)], ..CustomersSettings::default() }
}

fn change(of: &Customer, change: CustomerChange) -> Result<(Customer, Vec<&'static str>)> {
    of.with(change, None, &settings(), (false, NOW))
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A change of everything that a customer of this kind may say.
fn all() -> CustomerChange {
    let address = json!({"address_line": "Storgata 1", "postal_place": "Oslo", "country": "NO"});
    CustomerChange {
        kind: Some(CustomerType::Other),
        first_name: Change::Set("Ola".parse().unwrap()),
        last_name: Change::Set("Nordmann".parse().unwrap()),
        email: Change::Set("ola@example.com".parse().unwrap()),
        phone: Change::Set("+4712345678".parse().unwrap()),
        metadata: Change::Set(map(&json!({"a": 1}))),
        attributes: Change::Set(map(&json!({"shoe": 43}))),
        status: Change::Set("gold".to_owned()),
        favorite_store: Change::Set("Oslo".to_owned()),
        enrolled_by: Change::Set(EnrolledBy { kind: None, value: json!("till") }),
        marketing_consent: Change::Set([("sms".to_owned(), Consent { consent: Some(true), updated_at: None })].into()),
        addresses: Change::Set(vec![serde_json::from_value::<CustomerAddress>(address).unwrap()]),
        term: Change::Set(AcceptedTerms { id: None, accepted_at: Some(NOW) }),
        company: Change::Set(serde_json::from_value::<CustomerCompany>(json!({"bussiness_name": "Shop AS"})).unwrap()),
        gender: Change::Set("none".to_owned()),
        date_of_birth: Change::Set("2000-02-29".to_owned()),
        contact_for: Change::Keep,
    }
}

#[test]
fn a_change_tells_which_fields_are_other_than_they_were() {
    let (changed, fields) = change(&customer(), all()).unwrap();
    let named = [
        "type",
        "first_name",
        "last_name",
        "email",
        "phone_number",
        "metadata",
        "attributes",
        "status",
        "favorite_store",
        "enrolled_by",
        "marketing_consent",
        "addresses",
        "term",
        "company",
        "gender",
        "date_of_birth",
    ];
    assert_eq!(fields, named);
    assert_eq!(changed.profile.metadata.pairs(), &map(&json!({"a": 1})));
    assert_eq!(changed.name().as_deref(), Some("Ola Nordmann"));
    assert_eq!(change(&changed, all()).unwrap(), (changed.clone(), vec![]), "the same again changes nothing");
    assert_eq!(change(&changed, CustomerChange::default()).unwrap(), (changed.clone(), vec![]));
    // One at a time: no field is told for another.
    for (field, one) in [
        ("first_name", CustomerChange { first_name: Change::Clear, ..CustomerChange::default() }),
        ("status", CustomerChange { status: Change::Clear, ..CustomerChange::default() }),
        ("email", CustomerChange { email: Change::Clear, ..CustomerChange::default() }),
        ("phone_number", CustomerChange { phone: Change::Clear, ..CustomerChange::default() }),
    ] {
        assert_eq!(change(&changed, one).unwrap().1, [field]);
    }
    let contact = Customer { kind: CustomerType::Contact, ..customer() };
    let speaks = contact.with(CustomerChange::default(), Some(vec![Uuid::nil()]), &settings(), (false, NOW)).unwrap();
    assert_eq!((speaks.1, &speaks.0.profile.contact_for[..]), (vec!["contact_for"], &[Uuid::nil()][..]));
}

#[test]
fn what_is_proven_of_an_address_is_of_that_address() {
    let (mut known, _) = change(&customer(), all()).unwrap();
    (known.email_verified_at, known.phone_verified_at) = (Some(NOW), Some(NOW));
    let to = |email: &str, phone: &str| CustomerChange {
        email: Change::Set(email.parse().unwrap()),
        phone: Change::Set(phone.parse().unwrap()),
        ..CustomerChange::default()
    };
    let (same, fields) = change(&known, to("OLA@example.com", "4712345678")).unwrap();
    assert_eq!((same.email_verified_at, same.phone_verified_at), (Some(NOW), Some(NOW)), "another spelling of the same");
    assert_eq!(fields, ["email", "phone_number"]);
    let (other, _) = change(&known, to("kari@example.com", "+4787654321")).unwrap();
    assert_eq!((other.email_verified_at, other.phone_verified_at), (None, None));
    assert_eq!(other.phone.unwrap().as_str(), "+4787654321");
}

#[test]
fn where_numbers_are_proven_another_one_waits() {
    let mut proven = settings();
    proven.users.verified_phones = true;
    let (known, _) = change(&customer(), all()).unwrap();
    let another = || CustomerChange { phone: Change::Set("+4787654321".parse().unwrap()), ..CustomerChange::default() };
    let with = |known: &Customer, version, settings: &_| {
        Customer { version, ..known.clone() }.with(another(), None, settings, (false, NOW)).unwrap()
    };
    let number = |customer: &Customer| {
        let text = |phone: &Option<tenantry_domain::Phone>| phone.as_ref().map(|phone| phone.as_str().to_owned());
        (text(&customer.phone), text(&customer.next_phone))
    };
    let (old, new) = (Some("+4712345678".to_owned()), Some("+4787654321".to_owned()));
    let (waiting, fields) = with(&known, 1, &proven);
    assert_eq!((number(&waiting), fields), ((old.clone(), new.clone()), vec!["phone_number"]));
    assert_eq!(number(&with(&known, 0, &proven).0), (new.clone(), None), "of a new customer it is just its number");
    assert_eq!(number(&with(&known, 1, &settings()).0), (new, None), "nor where nobody asks");
    let back = CustomerChange { phone: Change::Set("4712345678".parse().unwrap()), ..CustomerChange::default() };
    let (back, _) = waiting.with(back, None, &proven, (false, NOW)).unwrap();
    assert_eq!(number(&back), (Some("4712345678".to_owned()), None), "the one before waits for nothing");
}

fn faults<T: std::fmt::Debug>(refused: Result<T>) -> Vec<String> {
    let Err(Error::Invalid(faults)) = refused else { panic!("{refused:?}") };
    faults.into_iter().map(|fault| fault.field).collect()
}

#[test]
fn what_goes_with_which_kind() {
    let company = || CustomerChange { company: all().company, ..CustomerChange::default() };
    let of = |kind| Customer { kind, ..customer() };
    for kind in [CustomerType::Customer, CustomerType::Contact, CustomerType::Employee] {
        assert_eq!(faults(change(&of(kind), company())), ["company"]);
        assert!(change(&of(kind), CustomerChange::default()).is_ok());
    }
    assert_eq!(faults(change(&of(CustomerType::Company), CustomerChange::default())), ["company"]);
    for kind in [CustomerType::Company, CustomerType::Other] {
        assert!(change(&of(kind), company()).is_ok());
    }
    let speaks = |kind| of(kind).with(CustomerChange::default(), Some(vec![Uuid::nil()]), &settings(), (false, NOW));
    assert!(speaks(CustomerType::Contact).is_ok());
    assert_eq!(faults(speaks(CustomerType::Other)), ["contact_for"]);
    let can = [CustomerType::Customer, CustomerType::Company, CustomerType::Contact, CustomerType::Employee, CustomerType::Other];
    assert_eq!(can.map(CustomerType::logs_in), [true, true, false, false, false]);
}

#[test]
fn terms_are_accepted_now_if_nobody_says_when() {
    let term =
        |accepted_at| CustomerChange { term: Change::Set(AcceptedTerms { id: None, accepted_at }), ..CustomerChange::default() };
    let accepted = |at| change(&customer(), term(at)).unwrap().0.profile.term.unwrap().accepted_at;
    assert_eq!(accepted(None), Some(NOW));
    assert_eq!(accepted(Some(Instant::from_micros(1))), Some(Instant::from_micros(1)));
}

#[test]
fn attributes_are_those_that_are_declared_and_shown() {
    let mut known = customer();
    *known.profile = Profile { attributes: map(&json!({"shoe": 42, "risk": 7, "gone": 1})), ..Profile::default() };
    let set = |value: Value| CustomerChange { attributes: Change::Set(map(&value)), ..CustomerChange::default() };
    let after = |change, itself| {
        known.with(change, None, &settings(), (itself, NOW)).map(|(next, _)| Value::from(next.profile.attributes))
    };
    assert_eq!(after(set(json!({"shoe": 43})), false), Ok(json!({"shoe": 43})), "all are replaced");
    assert_eq!(after(set(json!({"shoe": 43})), true), Ok(json!({"shoe": 43, "risk": 7, "gone": 1})), "but what is hidden");
    assert_eq!(after(set(json!({"shoe": null})), false), Ok(json!({})));
    assert_eq!(after(set(json!({"risk": 1})), false), Ok(json!({"risk": 1})));
    assert_eq!(after(CustomerChange { attributes: Change::Clear, ..CustomerChange::default() }, false), Ok(json!({})));
    assert_eq!(after(CustomerChange::default(), false), Ok(json!({"shoe": 42, "risk": 7, "gone": 1})));
    for (change, itself, field) in [
        (set(json!({"risk": 1})), true, "attributes.risk"),
        (set(json!({"gone": 1})), false, "attributes.gone"),
        (set(json!({"shoe": "x"})), false, "attributes.shoe"),
    ] {
        assert_eq!(faults(after(change, itself)), [field]);
    }
    assert!(settings().shows("shoe") && !settings().shows("risk") && !settings().shows("gone"));
}

#[test]
fn of_an_erased_customer_only_its_name_is_left() {
    let (known, _) = change(&customer(), all()).unwrap();
    let gone = Customer { version: 3, ..known }.tombstone(NOW, "ola");
    assert_eq!(gone.stamp.deleted, Some((NOW, "ola".to_owned())));
    assert_eq!((gone.version, gone.customer_id.as_str(), gone.kind), (4, "C-1", CustomerType::Other));
    assert_eq!((gone.name(), &gone.email, &gone.phone, &*gone.profile), (None, &None, &None, &Profile::default()));
    assert_eq!(gone.customer_id.subject(), "customer:C-1");
}

#[test]
fn a_proof_is_any_of_three() {
    let password = || Password::shown("x".to_owned()).ok();
    assert!(!Proof::default().is_given());
    assert!(Proof { password: password(), ..Proof::default() }.is_given());
    assert!(Proof { pin: password(), ..Proof::default() }.is_given());
    assert!(Proof { imported: Some(PasswordHash::from("$2b$".to_owned())), ..Proof::default() }.is_given());
}

#[test]
fn a_pairs_status_is_the_latest_that_was_said() {
    let event = |status: Option<&str>| TokenEvent {
        created_at: NOW,
        expires_at: None,
        said: TokenEventInput { event: "seen".to_owned(), status: status.map(str::to_owned), metadata: None },
    };
    let events = vec![event(None), event(Some("LOST")), event(Some("NEW"))];
    assert_eq!((token_status(&events), token_status(&events[..1]), token_status(&[])), ("LOST", "UNKNOWN", "UNKNOWN"));
    let mut detail = TokenDetail { id: TokenPairId(Uuid::nil()), customer: Some(customer()), token: None, events };
    assert_eq!(detail.status(), "LOST");
    detail.customer.as_mut().unwrap().profile.status = Some("gold".to_owned());
    assert_eq!(detail.status(), "gold", "the customer's, if it has one");
    assert_eq!(AutoToken::<()>::Sha256.kind("email"), "sha256:email");
    assert_eq!(AutoToken::HmacSha256(()).kind("phone_number"), "hmac-sha256:phone_number");
}
