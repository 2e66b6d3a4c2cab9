use tenantry_domain::{
    Change, Document, DocumentType, Email, Error, Installer, InstallerChange, InstallerId, InstallerProfile, InstallerSignup,
    Instant, Password, Verification,
};
use uuid::Uuid;

use crate::stamp;

const TODAY: &str = "2026-06-01";

fn profile() -> InstallerProfile {
    InstallerProfile {
        first_name: "Kari".parse().unwrap(),
        last_name: "Nordmann".parse().unwrap(),
        company: "Sol AS".parse().unwrap(),
        phone: Some("+47 12345678".to_owned()),
    }
}

fn document(expiry: &str) -> Document<Vec<u8>> {
    Document {
        kind: DocumentType::NationalId,
        number: vec![1, 2],
        expiry: expiry.to_owned(),
        selfie_url: "https://a.example/1".to_owned(),
        front_url: "https://a.example/2".to_owned(),
        back_url: Some("https://a.example/3".to_owned()),
    }
}

fn installer(verification: Verification, expiry: Option<&str>) -> Installer {
    Installer {
        id: InstallerId(Uuid::nil()),
        stamp: stamp(),
        email: "kari@example.com".parse().unwrap(),
        profile: profile(),
        pending_until: None,
        suspended: false,
        verification,
        document: expiry.map(|expiry| (document(expiry), Instant::from_micros(1))),
        reviewed: None,
        rejection_reason: None,
        consent: None,
    }
}

#[test]
fn a_change_of_a_profile_tells_what_differs() {
    assert_eq!(profile().with(InstallerChange::default()), (profile(), vec![]));
    let name = |text: &str| text.parse().ok();
    for (change, field) in [
        (InstallerChange { first_name: name("Ola"), ..InstallerChange::default() }, "first_name"),
        (InstallerChange { last_name: name("Hansen"), ..InstallerChange::default() }, "last_name"),
        (InstallerChange { company: "Vind AS".parse().ok(), ..InstallerChange::default() }, "company"),
        (InstallerChange { phone: Change::Clear, ..InstallerChange::default() }, "phone"),
    ] {
        let (next, fields) = profile().with(change);
        assert_eq!(fields, [field]);
        assert_ne!(next, profile());
    }
    let (next, _) =
        profile().with(InstallerChange { phone: Change::Set("+4787654321".to_owned()), ..InstallerChange::default() });
    assert_eq!(next, InstallerProfile { phone: Some("+4787654321".to_owned()), ..profile() });
}

#[test]
fn a_password_is_not_the_address() {
    let email: Email = "Kari.Nordmann7@Example.com".parse().unwrap();
    let differing = |text: &str| InstallerSignup::differing("password", &Password::shown(text.to_owned()).unwrap(), &email);
    for same in ["kari.nordmann7@example.com", "KARI.NORDMANN7@EXAMPLE.COM", "Kari.Nordmann7"] {
        assert!(matches!(differing(same), Err(Error::WeakPassword { field, .. }) if field == "password"), "{same}");
    }
    for other in ["kari.nordmann", "example.com", "kari.nordmann7@example.no"] {
        assert_eq!(differing(other), Ok(()), "{other}");
    }
}

#[test]
fn only_an_approved_document_that_is_good_today_proves_somebody() {
    let verified = |verification, expiry| installer(verification, expiry).is_verified(TODAY);
    assert!(verified(Verification::Approved, Some(TODAY)));
    assert!(!verified(Verification::Approved, Some("2026-05-31")));
    assert!(!verified(Verification::Approved, None));
    assert!(!verified(Verification::UnderReview, Some(TODAY)));
}

#[test]
fn a_document_is_handed_in_where_none_is_good() {
    let may = |verification, expiry| installer(verification, expiry).may_submit(TODAY);
    assert!(may(Verification::NotSubmitted, None) && may(Verification::Rejected, Some(TODAY)));
    assert!(!may(Verification::UnderReview, Some(TODAY)) && !may(Verification::Approved, Some(TODAY)));
    assert!(may(Verification::UnderReview, Some("2026-05-31")) && may(Verification::Approved, Some("2026-05-31")));
    assert!(may(Verification::UnderReview, None));
}

#[test]
fn an_address_is_pending_until_it_is_confirmed() {
    let confirmed = installer(Verification::NotSubmitted, None);
    assert!(!confirmed.is_pending());
    assert!(Installer { pending_until: Some(Instant::from_micros(1)), ..confirmed }.is_pending());
}

#[test]
fn a_document_keeps_all_but_its_number() {
    let shown = document(TODAY).numbered("12-34".to_owned());
    assert_eq!(shown.number, "12-34");
    assert_eq!(shown.numbered(vec![1, 2]), document(TODAY));
    assert_eq!(
        [DocumentType::Passport, DocumentType::DriversLicense, DocumentType::NationalId].map(DocumentType::has_back),
        [false, true, true]
    );
    assert_eq!(Document::<()>::expiry(TODAY, TODAY).as_deref(), Ok(TODAY));
    assert_eq!(Document::<()>::expiry("2026-06-02", TODAY).as_deref(), Ok("2026-06-02"));
}
