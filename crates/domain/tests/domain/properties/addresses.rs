use std::str::FromStr;

use tenantry_domain::{Email, Instant, Phone, Quota, is_date};
use tenantry_test_properties::Property;
use unicode_normalization::is_nfkc;

/// What is read stays as it was written.
fn read<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[test]
fn an_address_has_one_form_which_is_its_own() {
    let likely = "[a-zA-ZåØ\u{300}-\u{30c}ßſıİΣ0-9+._-]{1,12}@[a-zA-Zæß-]{1,8}\\.(no|COM|blåbær)";
    Property::new("email").of_text(likely, |text| {
        let Some(email) = read::<Email>(text) else { return };
        assert_eq!(email.as_str(), text);
        assert!(is_nfkc(text), "nothing in it stands for something else");
        let key = email.key();
        assert!(is_nfkc(key), "{key:?}");
        assert_eq!(key, key.chars().flat_map(char::to_lowercase).collect::<String>());
        let (local, domain) = key.rsplit_once('@').unwrap();
        assert!(domain.is_ascii(), "{key:?}");
        // A letter may be longer in its other case.
        if key.len() <= 254 && local.len() <= 64 {
            assert_eq!(read::<Email>(key).map(|again| again.key().to_owned()).as_deref(), Some(key));
        }
        for other in [text.to_ascii_uppercase(), text.to_ascii_lowercase()].into_iter().filter(|other| is_nfkc(other)) {
            assert_eq!(read::<Email>(&other).map(|other| other.key().to_owned()).as_deref(), Some(key), "{other:?}");
        }
    });
}

#[test]
fn addresses_that_differ_in_case_are_one() {
    // A letter that comes back from its other case: not ß, which does not.
    let comes_back = |letter: char| letter.to_uppercase().flat_map(char::to_lowercase).eq(letter.to_lowercase());
    let likely = "[a-zåøæéñçžǰẗΐա-ֆа-я\u{300}-\u{30c}]{1,8}@[a-zåøæ]{1,6}\\.no";
    Property::new("email").of_text(likely, |text| {
        let (Some(email), true) = (read::<Email>(text), text.chars().all(comes_back)) else { return };
        // A letter of one case may be two of the other: what is not written as everybody writes it is refused.
        if let Some(upper) = read::<Email>(&text.to_uppercase()) {
            assert_eq!(upper.key(), email.key(), "{:?}", upper.as_str());
        }
    });
}

#[test]
fn a_number_is_e164_or_none() {
    Property::new("phone").of_text("\\+?[0-9]{1,17}", |text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let e164 = (2..=15).contains(&digits.chars().count())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        let Some(phone) = read::<Phone>(text) else { return assert!(!e164, "{text} is a number") };
        assert!(e164, "{text} is no number");
        assert_eq!((phone.as_str(), phone.key()), (text, digits));
        assert_eq!(format!("+{}", phone.key()).parse::<Phone>().unwrap().key(), phone.key());
    });
}

#[test]
fn a_moment_is_read_as_it_is_printed() {
    let likely = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    Property::new("instant").of_text(likely, |text| {
        let Ok(at) = Instant::parse(text) else { return };
        assert_eq!(Instant::parse(&at.to_string()), Ok(at), "{at}");
        assert_eq!(at.to_string().len(), "2019-08-24T14:15:22.000000Z".len(), "{at}");
        is_date(&at.day()).unwrap();
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Instant>(&json).unwrap(), at);
    });
}

#[test]
fn moments_and_their_texts_sort_alike() {
    // From 0000-01-01 to 9999-12-31.
    let any = -62_167_219_200_000_000_i64..=253_402_300_799_999_999;
    Property::new("instant").of((any.clone(), any), |(one, other)| {
        let (one, other) = (Instant::from_micros(one), Instant::from_micros(other));
        assert_eq!(Instant::parse(&one.to_string()), Ok(one));
        assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        assert!(one.seconds() * 1_000_000 <= one.micros() && one.micros() < (one.seconds() + 1) * 1_000_000);
        assert!(one.to_string().starts_with(&one.day()));
        assert_eq!(one.plus(1).seconds(), one.seconds() + 1);
    });
}

#[test]
fn a_day_is_one_of_the_calendar() {
    Property::new("date").of_text("[0-9]{4}-[0-9]{2}-[0-9]{2}", |text| {
        let in_calendar = || {
            let mut parts = text.split('-');
            let mut next = |digits: usize| {
                parts
                    .next()
                    .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?
                    .parse::<u32>()
                    .ok()
            };
            let (year, month, day) = (next(4)?, next(2)?, next(2)?);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                1..=12 => 31,
                _ => return None,
            };
            parts.next().is_none().then_some((1..=last).contains(&day))
        };
        assert_eq!(is_date(text).is_ok(), in_calendar() == Some(true), "{text}");
    });
}

#[test]
fn a_rate_is_read_as_it_is_printed() {
    Property::new("quota").of_text(" ?[0-9]{1,7} ?/ ?[0-9]{1,7}", |text| {
        let Some(quota) = read::<Quota>(text) else { return };
        assert_eq!(quota.to_string().parse(), Ok(quota));
        assert!(quota.requests_per_second.get() <= Quota::MAX && quota.burst.get() <= Quota::MAX);
        let (rate, burst) = (i64::from(quota.requests_per_second.get()), i64::from(quota.burst.get()));
        let window = quota.window();
        assert!(window * rate >= burst && (window - 1) * rate < burst, "{window} s of {quota}");
    });
}
