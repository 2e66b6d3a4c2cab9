use std::fmt::Debug;
use std::str::FromStr;

use tenantry_domain::{
    AccountId, Algorithm, AuthUserId, ClientId, CustomerId, DocumentType, GrantType, InstallerId, KeyPurpose, Mode, Pin, Realm,
    TokenId, TokenPair, Username, Verification, fold,
};
use tenantry_test_properties::Property;

#[test]
fn an_account_is_a_letter_and_eight_digits() {
    Property::new("account-id").of_text("[PT]([0-9]{3}|[0-9]{8}|[0-9]00000|00000[0-9]{3})", |text| {
        let is_one = |digits: usize| {
            text.starts_with(['P', 'T']) && text.len() == digits + 1 && text[1..].bytes().all(|byte| byte.is_ascii_digit())
        };
        assert_eq!(text.parse::<AccountId>().is_ok(), is_one(8), "{text}");
        let Ok(id) = AccountId::parse_owner(text) else { return assert!(!is_one(3) && !is_one(8), "{text}") };
        assert!(id.as_str() == text || is_one(3) && id.as_str() == format!("{text}00000"), "{text} is {id}");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<AccountId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert_eq!(AccountId::parse_owner(id.partner_number()).unwrap().partner_number(), id.partner_number());
        assert_eq!(id.mode(), if text.starts_with('P') { Mode::Production } else { Mode::Test });
        // Upwards every account ends at the operator's, and none leaves its mode.
        let above: Vec<AccountId> = std::iter::successors(Some(id), |id| id.parent()).collect();
        assert!(above.len() <= 3 && above.last().unwrap().is_owner() && above.iter().all(|above| above.mode() == id.mode()));
        assert_eq!(id.is_partner(), id.as_str().ends_with("00000"));
        assert!(!id.is_child_of(id));
    });
}

#[test]
fn a_child_knows_its_parent() {
    let digits = |text: &'static str| proptest::string::string_regex(text).unwrap();
    Property::new("account-id").of((digits("[PT]([0-9]{3}|000)(00000|[0-9]{5})"), 0_u32..101_000), |(parent, n)| {
        let parent: AccountId = parent.parse().unwrap();
        let Some(child) = parent.child(n) else {
            let sub_account = !parent.is_partner();
            let last = if parent.is_owner() { 999 } else { 99_999 };
            return assert!(sub_account || n == 0 || n > last, "{parent} has a child {n}");
        };
        assert!(child.is_child_of(parent) && child.parent() == Some(parent), "{child} of {parent}");
        assert_ne!(Some(child), parent.child(n + 1));
    });
}

#[test]
fn the_name_of_a_client_is_the_same_in_both_readings_of_basic() {
    Property::new("client-id").of_text("[A-Za-z0-9._~-]{1,130}", |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let Ok(id) = text.parse::<ClientId>() else {
            return assert!(!text.chars().all(plain) || text.is_empty() || text.len() > 128, "{text:?}");
        };
        assert_eq!((id.as_str(), id.to_string().as_str()), (text, text));
        assert_eq!(percent_encoding::percent_decode_str(text).decode_utf8().unwrap(), text);
        assert_eq!(form_urlencoded::parse(text.as_bytes()).next().unwrap().0, text);
    });
}

/// A record has one name: what is read is printed as it was, but for capitals.
fn printed<T: FromStr + ToString>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}

#[test]
fn a_record_has_one_name() {
    let likely =
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|ins_[0-9a-f]{32}|[0-9]{1,17}|[a-z .\u{a0}]{0,4}";
    Property::new("record-id").of_text(likely, |text| {
        printed::<AuthUserId>(text);
        if let Ok(id) = text.parse::<AuthUserId>() {
            assert_eq!(AuthUserId::from_member_subject(&id.member_subject()), Some(id));
            assert!(id.member_subject().parse::<ClientId>().is_err(), "no client is taken for a person");
        }
        if let Ok(id) = text.parse::<InstallerId>() {
            assert_eq!(id.to_string(), text);
        }
        let customer = text.parse::<CustomerId>();
        assert_eq!(customer.is_ok(), text.parse::<TokenId>().is_ok());
        if let Ok(id) = customer {
            assert_eq!((id.as_str(), id.to_string().as_str(), text.parse::<TokenId>().unwrap().as_str()), (text, text, text));
            assert!(
                text.trim() == text && !text.is_empty() && text != "." && text != ".." && !text.chars().any(char::is_control)
            );
            assert!(id.number().is_none_or(|number| number.to_string() == text), "{text:?} is no such number");
            assert!(id.subject().parse::<ClientId>().is_err(), "no client is taken for a customer");
        }
        if let Some(id) = AuthUserId::from_member_subject(text) {
            assert_eq!(id.member_subject(), text.to_ascii_lowercase());
        }
    });
}

#[test]
fn a_users_name_has_one_form_which_is_its_own() {
    Property::new("username").of_text("[a-zA-ZåØßİ \u{a0}@.-]{1,20}", |text| {
        let Ok(name) = text.parse::<Username>() else { return };
        assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
        assert_eq!(name.key(), fold(text));
        assert!(!name.key().is_empty() && !name.key().contains('\0'));
        assert_eq!(name.key().parse::<Username>().map_or_else(|_| name.key(), |again| again.key()), name.key());
    });
}

/// A word is read as it is printed, and no other text is one.
fn word<T: FromStr + Debug + PartialEq + Copy>(text: &str, print: impl Fn(T) -> &'static str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(print(read), text);
    }
}

#[test]
fn words_are_read_as_they_are_printed() {
    Property::new("word").of_text("[a-zA-Z_0-9]{0,20}", |text| {
        word(text, GrantType::as_str);
        word(text, Algorithm::as_str);
        word(text, KeyPurpose::as_str);
        word(text, Realm::as_str);
        word(text, Verification::as_str);
        word(text, DocumentType::as_str);
    });
    for kind in [GrantType::Any, GrantType::AuthorizationCode, GrantType::ClientCredentials, GrantType::Password] {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDsa] {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    for purpose in [KeyPurpose::Account, KeyPurpose::Installers] {
        assert_eq!(purpose.as_str().parse(), Ok(purpose));
    }
    for realm in [Realm::Users, Realm::Console, Realm::Installers] {
        assert_eq!(realm.as_str().parse(), Ok(realm));
    }
    for state in [Verification::NotSubmitted, Verification::UnderReview, Verification::Approved, Verification::Rejected] {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    for kind in [DocumentType::Passport, DocumentType::DriversLicense, DocumentType::NationalId] {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}

#[test]
fn six_digits_are_six_digits() {
    Property::new("pin").of_text("[0-9]{5,7}", |text| {
        let six = text.chars().count() == 6 && text.chars().all(|c| c.is_ascii_digit());
        assert_eq!(Pin::chosen(text.to_owned()).map(|pin| pin.reveal().to_owned()).ok().as_deref(), six.then_some(text));
    });
}

#[test]
fn no_caller_makes_a_pair_that_looks_like_the_servers() {
    Property::new("text").of_text("(hmac-)?[sS][hH][aA]256:[a-z]{0,8}", |text| {
        let ours = ["sha256:", "hmac-sha256:"].iter().any(|own| text.to_lowercase().starts_with(own));
        if ours {
            assert!(TokenPair::refuse_own(text).is_err() || !text.is_ascii(), "{text:?}");
        }
        if TokenPair::check_value(text).is_ok() {
            assert!(text.len() <= 500 && !text.trim().is_empty() && !text.contains('\0'));
        }
        if TokenPair::check_kind(text).is_ok() {
            assert!(text.chars().count() <= 100 && !text.trim().is_empty() && !text.contains('\0'));
        }
    });
}
