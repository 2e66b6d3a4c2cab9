//! How long, how many: what is at a bound is taken, and one more is not.

use serde_json::{Map, Value, json};
use tenantry_domain::{
    Attribute, AttributeType, Audience, Change, ClientId, ClientInput, CustomerId, Document, Email, InstallerProfile, Instant,
    Metadata, Password, PasswordHash, PublicUrl, Scope, Scopes, Text, TokenPair, Username, domain_to_ascii,
};

/// The longest that is taken of this kind of text.
fn longest(text: impl Fn(usize) -> String, taken: impl Fn(&str) -> bool) -> usize {
    (1..5000).take_while(|length| taken(&text(*length))).last().unwrap_or_default()
}

#[test]
fn texts_are_as_long_as_it_says() {
    let repeated = |piece: &'static str| move |length| piece.repeat(length);
    assert_eq!(longest(repeated("å"), |text| text.parse::<Text<255>>().is_ok()), 255);
    assert_eq!(longest(repeated("å"), |text| text.parse::<CustomerId>().is_ok()), 255);
    assert_eq!(longest(repeated("å"), |text| text.parse::<Username>().is_ok()), 255);
    assert_eq!(longest(repeated("a"), |text| text.parse::<ClientId>().is_ok()), 128);
    assert_eq!(longest(repeated("a"), |text| text.parse::<Scope>().is_ok()), 128);
    assert_eq!(longest(repeated("å"), |text| TokenPair::check_kind(text).is_ok()), 100);
    assert_eq!(longest(repeated("å"), |text| TokenPair::check_value(text).is_ok()), 250, "500 bytes");
    assert_eq!(longest(repeated("a"), |text| TokenPair::check_value(text).is_ok()), 500);
    assert_eq!(longest(repeated("å"), |text| Password::shown(text.to_owned()).is_ok()), 255);
    let digits = |length: usize| format!("+4712345678{}", " ".repeat(length));
    assert_eq!(longest(digits, |text| InstallerProfile::phone(text).is_ok()), 40 - 11);
}

#[test]
fn addresses_are_as_long_as_it_says() {
    let local = |length: usize| format!("{}@example.com", "a".repeat(length));
    assert_eq!(longest(local, |text| text.parse::<Email>().is_ok()), 64);
    // Labels of at most 63.
    let domain = |length: usize| {
        format!("{}@{}aa.no", "a".repeat(60), format!("{}.", "b".repeat(60)).repeat(3)).replacen(
            "aa.no",
            &format!("{}.no", "a".repeat(length)),
            1,
        )
    };
    assert_eq!(longest(domain, |text| text.parse::<Email>().is_ok()), 254 - 61 - 3 * 61 - 3, "{}", domain(1));
    let url = |length: usize| format!("https://a.example/{}", "a".repeat(length));
    let public = PublicUrl::parse("https://id.example.com").unwrap();
    assert_eq!(longest(url, |text| Audience::parse(text, &public).is_ok()), 512 - 18);
    assert_eq!(longest(url, |text| ClientInput::callback(text).is_ok()), 2000 - 18);
    assert_eq!(longest(url, |text| Document::<()>::url(text).is_ok()), 2048 - 18);
    assert_eq!(domain_to_ascii("Blåbær.no").as_deref(), Some("xn--blbr-roah.no"));
    assert_eq!(domain_to_ascii("a b"), None);
}

#[test]
fn an_address_has_nothing_odd_in_it() {
    for odd in "\"(),:;<>@[\\] \u{7f}\u{a0}\u{200b}\u{e0041}".chars() {
        assert!(format!("a{odd}b@example.com").parse::<Email>().is_err(), "{odd:?}");
    }
    for bad in ["ola.@example.com", "o..a@example.com", "ola@ex_ample.com", "ola@example", "ola@.no", "ﬁ@example.com", "ola@ﬁ.no"]
    {
        assert!(bad.parse::<Email>().is_err(), "{bad}");
    }
    let email: Email = "Ola@Example.com".parse().unwrap();
    assert_eq!(email.to_string(), "Ola@Example.com");
}

#[test]
fn each_odd_sign_alone_makes_a_url_none() {
    let public = PublicUrl::parse("https://id.example.com").unwrap();
    for odd in [' ', '\u{1}', '\u{7f}', '\\', 'å'] {
        let text = format!("https://a.example/x{odd}y");
        assert!(Audience::parse(&text, &public).is_err(), "{odd:?}");
        assert!(ClientInput::callback(&text).is_err(), "{odd:?}");
    }
    for odd in [' ', '\u{1}', '\\', '"', '<', '>'] {
        assert!(Document::<()>::url(&format!("https://a.example/x{odd}y")).is_err(), "{odd:?}");
    }
    for bad in ["https://:@a.example/", "https://u@a.example/", "https://:p@a.example/", "https:a.example"] {
        assert!(Document::<()>::url(bad).is_err() && ClientInput::callback(bad).is_err(), "{bad}");
    }
    for bad in ["https://u@elsewhere.example/", "https://:p@elsewhere.example/", "https://a.example/#"] {
        assert!(Audience::parse(bad, &public).is_err(), "{bad}");
    }
    assert!(Audience::parse("https://:x@id.example.com/v1/accounts/P11200000", &public).is_err());
    for bad in ["https://:p@x", "https://x/#y", "https://x/?", "https://x/#", "urn:x", "http:///"] {
        assert!(PublicUrl::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn lists_are_as_long_as_it_says() {
    let many: Vec<String> = (0..101).map(|n| format!("s{n}")).collect();
    assert_eq!(Scopes::parse(&many[..100]).unwrap().iter().count(), 100);
    assert!(Scopes::parse(&many).is_err());
    let attribute = Attribute { name: "a".to_owned(), kind: AttributeType::Integer, multiple_values: true, private: false };
    assert_eq!(attribute.keys(&json!(vec![1; 100])).map(|keys| keys.len()), Ok(100));
    assert!(attribute.keys(&json!(vec![1; 101])).is_err());
}

#[test]
fn a_password_is_as_long_as_it_says() {
    let fine = |text: &str| Password::chosen(text.to_owned()).is_ok();
    assert!(fine("kØ7#vq!x"), "eight characters");
    assert!(!fine("kØ7#vq!"), "seven, in eight bytes");
    let long = |count: usize| Password::shown("🔑".repeat(count)).is_ok();
    assert!(long(255) && !long(256));
    let hash = PasswordHash::from("$argon2id$x".to_owned());
    assert_eq!((hash.as_str(), format!("{hash:?}").as_str()), ("$argon2id$x", "***"));
}

#[test]
fn metadata_is_as_much_as_it_says() {
    let with = |length: usize| Metadata::parse(Map::from_iter([("k".to_owned(), Value::from("x".repeat(length)))]));
    // {"k":""} is eight bytes.
    assert!(with(16 * 1024 - 8).is_ok() && with(16 * 1024 - 7).is_err());
}

#[test]
fn the_servers_notes_stay_and_are_bounded() {
    let mut metadata = Metadata::parse(Map::from_iter([("a".to_owned(), json!(1))])).unwrap();
    assert!(!metadata.is_empty());
    for n in 0..102 {
        metadata.note_name(&format!("{n:03}"), json!({"old": format!("C-{n}")}));
    }
    let names: Vec<&str> = metadata.names().collect();
    assert_eq!((names.len(), names[0], names[99]), (100, "C-2", "C-101"), "the oldest go");
    let cleared = metadata.clone().with(Change::Clear).unwrap();
    assert_eq!((cleared.names().count(), cleared.pairs().get("a")), (100, None));
    let own =
        Map::from_iter([("tenantry_change_customer_id_001".to_owned(), json!({"old": "forged"})), ("b".to_owned(), json!(2))]);
    let set = metadata.with(Change::Set(own)).unwrap();
    assert_eq!((set.names().next(), &set.pairs()["a"], &set.pairs()["b"]), (Some("C-2"), &json!(1), &json!(2)));
    let gone = set.with(Change::Set(Map::from_iter([("a".to_owned(), Value::Null)]))).unwrap();
    assert_eq!(gone.pairs().get("a"), None);
}

#[test]
fn moments_reckon_in_whole_seconds() {
    let at = Instant::from_micros(-1);
    assert_eq!((at.micros(), at.seconds(), at.plus(2).micros()), (-1, -1, 1_999_999));
    assert_eq!(Instant::from_micros(i64::MAX).plus(i64::MAX).micros(), i64::MAX);
    assert_eq!(Instant::from_micros(i64::MAX).to_string(), format!("{}us", i64::MAX), "of what has no text the number");
    assert_eq!(format!("{at:?}"), at.to_string());
}
