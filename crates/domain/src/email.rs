//! E-mail addresses and telephone numbers: kept as they were given, compared in one form.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

/// Whether a character hides, turns or breaks text: with one, two texts could look the same.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// An e-mail address (RFC 5321, RFC 6531), at most 254 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    text: Box<str>,
    key: Box<str>,
}

impl Email {
    /// As its owner wrote it; where mail is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which addresses are compared: lower case, the domain as in DNS. Characters that only look like others
    /// are refused, so that no two addresses have one form.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be an e-mail address".to_owned();
        let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
        let special = |c: char| c.is_whitespace() || "\"(),:;<>@[\\]".contains(c);
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        if text.len() > 254 || !(1..=64).contains(&local.len()) || dots || text.chars().any(is_hidden) || local.contains(special)
        {
            return Err(wrong());
        }
        if !local.nfkc().eq(local.chars()) || !domain.nfkc().eq(domain.chars()) {
            return Err("must not contain characters that stand for others".to_owned());
        }
        let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| wrong())?;
        let labels = ascii.split('.').count();
        if labels < 2 || ascii.ends_with('.') {
            return Err(wrong());
        }
        // Two letters of one case may be one of the other: J̌ and ǰ.
        let local: String = local.chars().flat_map(char::to_lowercase).nfkc().collect();
        Ok(Self { text: text.into(), key: format!("{local}@{ascii}").into() })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A domain as in DNS, if it is one: the form in which those of addresses are compared.
#[must_use]
pub fn domain_to_ascii(domain: &str) -> Option<String> {
    idna::domain_to_ascii_strict(domain).ok()
}

/// A telephone number: `^\+?[1-9]\d{1,14}$` (E.164, with or without its plus sign).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone(Box<str>);

impl Phone {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its digits: the form in which numbers are compared.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

impl FromStr for Phone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let plain = (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain && !digits.starts_with('0') {
            Ok(Self(text.into()))
        } else {
            Err("must be a telephone number with its country code, 2 to 15 digits".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let key = |text: &str| text.parse::<Email>().unwrap().key().to_owned();
        assert_eq!(key("Ola.Nordmann@Example.COM"), "ola.nordmann@example.com");
        assert_eq!(key("ola@blåbær.no"), "ola@xn--blbr-roah.no");
        assert_eq!(key("ØYVIND@example.com"), "øyvind@example.com");
        assert_eq!("Ola@Example.com".parse::<Email>().unwrap().as_str(), "Ola@Example.com");
        assert_eq!(key("J\u{30c}ola@example.com"), key("\u{1f0}ola@example.com"));
    }

    #[test]
    fn no_two_addresses_have_the_same_form() {
        for odd in
            ["\u{212a}elvin@example.com", "ola@ｅxample.com", "ﬁ@example.com", "a\u{200b}@example.com", "a\u{202e}@example.com"]
        {
            assert!(odd.parse::<Email>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in
            ["", "@", "a@", "@b.no", "a@b", "a b@c.no", "a@b..no", ".a@b.no", "a..b@c.no", "a\0@b.no", "a@b.no.", "\"a\"@b.no"]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@example.com", "a".repeat(65)).parse::<Email>().is_err());
    }

    #[test]
    fn numbers_are_compared_by_their_digits() {
        let number = |text: &str| text.parse::<Phone>();
        assert_eq!(number("+4712345678").unwrap().key(), number("4712345678").unwrap().key());
        for bad in ["", "+", "0047123", "+47 123", "1", "1234567890123456", "+47a"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
