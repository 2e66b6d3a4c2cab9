use std::num::NonZeroU32;

use serde_json::json;
use tenantry_domain::{
    AccountChange, AccountId, AccountRecord, Algorithm, Allowance, Change, Client, ClientId, ClientKey, Company, Instant, Jwks,
    KeptSecret, LastUse, Limit, Quota, Role, RoleId, Scopes, Secret, Settings, Stamp, Tag, TagId,
};
use uuid::Uuid;

use crate::stamp;

fn account() -> AccountRecord {
    AccountRecord {
        id: "T11200001".parse().unwrap(),
        stamp: stamp(),
        display_name: "Shop".parse().unwrap(),
        company: Some(Company { business_name: "Shop AS".to_owned(), organization_number: None, address: None }),
        language_code: Some("nb".to_owned()),
        active: true,
        settings: Settings::default(),
        limits: None,
        client_limits: None,
        budget: None,
        customers: None,
    }
}

fn issuer() -> Jwks {
    Jwks {
        name: "Staff".to_owned(),
        uri: "https://staff.example/keys".to_owned(),
        issuer: "https://staff.example".to_owned(),
        audience: "tenantry".to_owned(),
        scope: "read:accounts".to_owned(),
    }
}

#[test]
fn what_is_left_out_of_a_change_stays() {
    let old = account();
    assert_eq!(old.with(AccountChange::default(), old.stamp.clone()), old);
    let quota: Quota = "5/10".parse().unwrap();
    let later = old.stamp.touched(Instant::from_micros(2));
    let change = AccountChange {
        display_name: "Store".parse().ok(),
        company: Change::Clear,
        language_code: Change::Set("en".to_owned()),
        partner_access: Some(false),
        icon_url: Change::Set("https://shop.example/logo".into()),
        jwks: Change::Set(issuer()),
        token_lifetime: Change::Set(60),
        signing_algorithm: Some(Algorithm::EdDsa),
        installer_signing_algorithm: Some(Algorithm::ES256),
        active: Some(false),
        limits: Change::Set(quota),
        client_limits: Change::Set(quota),
        budget: Change::Set(quota),
        weight: NonZeroU32::new(7),
        frozen: Some(true),
    };
    let expected = AccountRecord {
        id: old.id,
        stamp: later.clone(),
        display_name: "Store".parse().unwrap(),
        company: None,
        language_code: Some("en".to_owned()),
        active: false,
        settings: Settings {
            partner_access: false,
            weight: NonZeroU32::new(7).unwrap(),
            frozen: true,
            token_lifetime: Some(60),
            signing_algorithm: Algorithm::EdDsa,
            installer_signing_algorithm: Algorithm::ES256,
            icon_url: Some("https://shop.example/logo".into()),
            jwks: Some(issuer()),
        },
        limits: Some(quota),
        client_limits: Some(quota),
        budget: Some(quota),
        customers: None,
    };
    assert_eq!(old.with(change, later), expected);
}

#[test]
fn settings_that_nobody_has_set_are_not_kept() {
    let kept = serde_json::to_value(Settings::default()).unwrap();
    assert_eq!(kept.get("weight").or(kept.get("frozen")), None);
    let of_before = json!({"partner_access": true, "token_lifetime": null, "signing_algorithm": "ES256"});
    let read: Settings = serde_json::from_value(of_before).unwrap();
    assert_eq!(read, Settings::default());
    assert_eq!(read.installer_signing_algorithm, Algorithm::RS256, "as the source document shows them");
    let heavy = Settings { weight: NonZeroU32::new(2).unwrap(), ..Settings::default() };
    assert_eq!(serde_json::from_value::<Settings>(serde_json::to_value(&heavy).unwrap()).unwrap(), heavy);
}

#[test]
fn an_issuer_is_the_same_whoever_has_named_it() {
    let same = Jwks { scope: "admin:accounts".to_owned(), ..issuer() };
    assert!(issuer().says_the_same(&same));
    for other in [
        Jwks { name: "x".to_owned(), ..issuer() },
        Jwks { uri: "x".to_owned(), ..issuer() },
        Jwks { issuer: "x".to_owned(), ..issuer() },
        Jwks { audience: "x".to_owned(), ..issuer() },
    ] {
        assert!(!issuer().says_the_same(&other), "{other:?}");
    }
}

#[test]
fn a_stamp_tells_who_and_when() {
    let (made, later) = (stamp(), Instant::from_micros(5));
    assert_eq!((made.updated_at, &made.deleted), (made.created_at, &None));
    assert_eq!(made.touched(later), Stamp { updated_at: later, ..made.clone() });
    assert_eq!(made.removed(later, "ola"), Stamp { updated_at: later, deleted: Some((later, "ola".to_owned())), ..made });
}

#[test]
fn the_secret_before_counts_until_it_ends() {
    let until = Instant::from_micros(10);
    let (new, old) = (KeptSecret::new([2; 32]), KeptSecret::new([1; 32]));
    let client = Client {
        key: ClientKey(Uuid::nil()),
        stamp: stamp(),
        client_id: "web-shop".parse().unwrap(),
        name: None,
        description: None,
        callbacks: Vec::new(),
        secret: new.clone(),
        old_secret: Some((old.clone(), until)),
    };
    assert_eq!(client.secrets().collect::<Vec<_>>(), [&new, &old]);
    assert_eq!(client.old_secret(Instant::from_micros(9)), Some(&(old, until)));
    assert_eq!(client.old_secret(until), None);
    let alone = Client { old_secret: None, ..client };
    assert_eq!((alone.secrets().collect::<Vec<_>>(), alone.old_secret(Instant::from_micros(0))), (vec![&new], None));
}

#[test]
fn a_use_that_is_stored_is_known() {
    let at = Instant::from_micros;
    assert_eq!(LastUse::stored(Some(at(7))).at(), Some(at(7)));
    assert_eq!(LastUse::stored(None).at(), None);
    let used = LastUse::stored(Some(at(7)));
    used.learn(at(9));
    used.learn(at(8));
    assert_eq!(used.at(), Some(at(9)));
    assert_eq!(format!("{used:?}"), "Some(1970-01-01T00:00:00.000009Z)");
    assert!(used == LastUse::default(), "when it was used is no part of what it is");
}

#[test]
fn a_role_is_known_by_its_name_in_any_spelling() {
    let role = |name: Option<&str>| Role {
        id: RoleId(Uuid::nil()),
        stamp: stamp(),
        name: name.map(|name| name.parse().unwrap()),
        description: None,
        scope: Scopes::default(),
    };
    let (plain, other, none) = (role(Some(" Support ")), role(Some("STØTTE")), role(None));
    assert_eq!((plain.name_key().as_deref(), other.name_key().as_deref()), (Some("support"), Some("støtte")));
    assert_eq!(none.name_key(), None);
    assert!(plain.is_named("support") && other.is_named("støtte"));
    assert!(!plain.is_named("sales") && !other.is_named("support") && !none.is_named(""));
    assert_eq!(plain.document_key().as_deref(), Some("support"));
    for unsayable in [Some("  "), Some("018F4D5E-7C1A-7C3E-9B1A-0242AC120002"), None] {
        assert_eq!(role(unsayable).document_key(), None, "{unsayable:?} could be an id, or is none");
    }
    let tag = Tag { id: TagId(Uuid::nil()), stamp: stamp(), tag: " VIP ".parse().unwrap(), metadata: None };
    assert_eq!(tag.key(), "vip");
}

#[test]
fn names_and_secrets_print_as_they_should() {
    assert_eq!(Limit::ALL.map(Limit::name), ["address", "account", "client", "tree"]);
    let secret = Secret::new("hush".to_owned());
    assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("hush", "***"));
    let left = Allowance { limit: Limit::Account, quota: "1/1000000".parse().unwrap(), remaining: 0, reset: 1 };
    assert_eq!(left.quota.window(), 1_000_000);
    assert_eq!(serde_json::from_value::<ClientId>(json!("web-shop")).unwrap().as_str(), "web-shop");
    assert!(serde_json::from_value::<ClientId>(json!("a b")).is_err());
    assert!(serde_json::from_value::<AccountId>(json!("T112")).is_err());
    assert_eq!(format!("{:?}", account().id), "T11200001");
}

#[test]
fn an_owner_is_named_whole_or_as_a_partner() {
    assert_eq!(AccountId::parse_owner("T112"), "T11200000".parse());
    for wrong in ["", "T11", "X112", "T1120000"] {
        assert_eq!(AccountId::parse_owner(wrong), Err("must be P or T followed by 3 or 8 digits".to_owned()), "{wrong}");
    }
}
