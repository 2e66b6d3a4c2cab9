use tenantry_domain::{Error, Password, Text, fold, installer_password, masked};
use tenantry_test_properties::Property;

#[test]
fn a_text_is_as_it_was_written_and_short() {
    Property::new("text").of_text("[a-zA-ZåØ \n\t]{0,40}", |text| {
        let parsed = text.parse::<Text<20>>();
        let clean = text.chars().all(|c| !c.is_control() || "\n\r\t".contains(c));
        assert_eq!(parsed.is_ok(), clean && text.chars().count() <= 20, "{text:?}");
        if let Ok(parsed) = &parsed {
            assert_eq!(parsed.as_str(), text);
        }
        assert_eq!(Text::<20>::not_blank(text).ok(), parsed.clone().ok().filter(|_| !text.trim().is_empty()));
        let Ok(name) = Text::<20>::name(text) else { return };
        assert_eq!(Ok(&name), parsed.as_ref());
        for hidden in ['\n', '\t', '\0', '\u{ad}', '\u{200b}', '\u{200e}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{e0041}'] {
            assert!(!text.contains(hidden), "{hidden:?} cannot be seen");
        }
    });
}

#[test]
fn folded_text_is_folded() {
    Property::new("text").of_text("[ a-zA-ZåØßİſΣ\u{a0}\u{a8}\u{300}-\u{30c}ﷺ]{0,12}", |text| {
        let folded = fold(text);
        assert_eq!(fold(&folded), folded);
        assert_eq!(folded.trim(), folded);
        assert_eq!(fold(&format!(" {text}\u{a0}")), folded);
        assert_eq!(fold(&text.to_ascii_uppercase()), folded);
        assert_eq!(fold(&unicode_normalization::UnicodeNormalization::nfd(text).collect::<String>()), folded);
    });
}

#[test]
fn a_password_is_never_seen_and_never_empty() {
    Property::slow("password").of_text("[a-zA-Z0-9 å&@!]{0,20}|[a-c]{200,300}", |text| {
        let shown = Password::shown(text.to_owned());
        assert_eq!(shown.is_ok(), (1..=255).contains(&text.chars().count()) && !text.contains('\0'));
        if let Ok(password) = &shown {
            assert_eq!(password.reveal(), text);
            assert_eq!(format!("{password:?}"), "Password(***)");
        }
        let chosen = Password::chosen(text.to_owned());
        assert!(chosen.is_err() || shown.is_ok() && text.chars().count() >= 8);
        match installer_password("password", text.to_owned()) {
            Ok(password) => {
                let has = |kind: fn(char) -> bool| text.chars().any(kind);
                assert!(has(char::is_uppercase) && has(char::is_lowercase) && has(|c| c.is_ascii_digit()));
                assert!(text.chars().count() >= 10 && chosen.is_ok() && password.reveal() == text);
            }
            Err(Error::WeakPassword { message, .. }) => assert!(text.len() < 4 || !message.contains(text), "{message}"),
            Err(Error::Invalid(_)) => assert!(shown.is_err()),
            Err(other) => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_masked_number_tells_four_signs_at_most() {
    Property::new("text").of_text("[A-Z0-9å-]{0,20}", |text| {
        let masked = masked(text);
        let (all, count) = (text.chars().count(), if text.chars().count() >= 8 { 4 } else { 0 });
        assert_eq!(masked.chars().count(), all);
        assert_eq!(masked.chars().rev().take(count).collect::<Vec<_>>(), text.chars().rev().take(count).collect::<Vec<_>>());
        assert!(masked.chars().take(all - count).all(|c| c == '*'));
    });
}
