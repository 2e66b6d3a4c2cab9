use tenantry_domain::{
    AuthUser, AuthUserId, Channel, CustomerId, Email, Link, PasswordHash, Realm, Recovery, Totp, Username, check_channels,
};
use uuid::Uuid;

use crate::stamp;

fn links() -> [Link; 3] {
    [
        Link::Phone("+4712345678".parse().unwrap()),
        Link::Customer("C-1".parse().unwrap()),
        Link::Email("ola@example.com".parse().unwrap()),
    ]
}

fn user(realm: Realm, links: Vec<Link>) -> AuthUser {
    AuthUser {
        id: AuthUserId(Uuid::from_u128(7)),
        stamp: stamp(),
        realm,
        username: "ola".parse().unwrap(),
        password: PasswordHash::from(String::new()),
        links,
        mfa: None,
        enabled: true,
        totp: None,
        recovery: Recovery::default(),
        pin: None,
    }
}

#[test]
fn a_token_speaks_for_the_customer_that_its_user_is() {
    let subject = |realm, links| user(realm, links).subject();
    assert_eq!(subject(Realm::Users, links().to_vec()), "customer:C-1");
    assert_eq!(subject(Realm::Users, vec![]), "auth-user:00000000-0000-0000-0000-000000000007");
    assert_eq!(subject(Realm::Console, links().to_vec()), "user:00000000-0000-0000-0000-000000000007");
    assert_eq!(subject(Realm::Installers, vec![]), "ins_00000000000000000000000000000007");
    let all = user(Realm::Users, links().to_vec());
    assert_eq!(all.customer().map(CustomerId::as_str), Some("C-1"));
    assert_eq!(all.email().map(Email::as_str), Some("ola@example.com"));
    let none = user(Realm::Users, vec![]);
    assert_eq!((none.customer(), none.email()), (None, None));
}

#[test]
fn an_app_counts_once_it_has_shown_a_code() {
    let mut user = user(Realm::Users, vec![]);
    let app = |confirmed| Some(Totp { sealed: vec![], confirmed, step: 0 });
    assert!(!user.has_second_factor());
    user.totp = app(false);
    assert!(!user.has_second_factor());
    user.totp = app(true);
    assert!(user.has_second_factor());
    (user.totp, user.mfa) = (None, Some(vec![Channel::Sms]));
    assert!(user.has_second_factor());
}

#[test]
fn each_channel_leads_somewhere() {
    assert_eq!(links().map(|link| link.channel()), [Some(Channel::Sms), None, Some(Channel::Email)]);
    assert_eq!(check_channels(&[Channel::Sms, Channel::Email], &links()), Ok(()));
    let [phone, customer, email] = links();
    assert!(check_channels(&[Channel::Sms], &[customer, email]).unwrap_err().contains("phone_number"));
    assert!(check_channels(&[Channel::Sms, Channel::Email], &[phone]).unwrap_err().contains("email"));
    assert!(check_channels(&[], &links()).unwrap_err().contains("at least one"));
}

#[test]
fn a_name_says_something() {
    for bad in ["", " ", "\u{a0}", "a\u{200b}", &"x".repeat(256)] {
        assert!(bad.parse::<Username>().is_err(), "{bad:?}");
    }
    assert_eq!("Ola".parse::<Username>().unwrap().key(), "ola");
}
