//! Short text from outside: bounded, without control characters, and folded where it must be compared.

use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::email::is_hidden;

/// Text of at most `MAX` characters, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX {
            return Err(format!("must be at most {MAX} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err("must not contain control characters".to_owned());
        }
        Ok(Self(text.into()))
    }
}

impl<const MAX: usize> Text<MAX> {
    /// As `parse`, for a text that must say something.
    pub fn not_blank(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { text.parse() }
    }
}

impl<const MAX: usize> Text<MAX> {
    /// As [`Self::not_blank`], for a name: one line, and nothing in it that cannot be seen.
    pub fn name(text: &str) -> Result<Self, String> {
        if text.chars().any(is_hidden) {
            Err("must not contain characters that cannot be seen".to_owned())
        } else {
            Self::not_blank(text)
        }
    }
}

/// The form in which text is compared and searched: NFKC, lower case, without outer blanks. The same on every database.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.trim().to_ascii_lowercase();
    }
    // Trimmed at the end: what stands for a blank is one only then.
    let folded: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    folded.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_to_one() {
        assert_eq!(fold("  Order\u{a0}Support "), fold("order support"));
        assert_eq!(fold("Å"), fold("A\u{30a}"));
        assert_eq!(fold("\u{212a}elvin"), "kelvin");
        assert_eq!(fold("\u{a8}a"), fold(&fold("\u{a8}a")));
    }

    #[test]
    fn text_is_bounded_and_clean() {
        assert!("x".repeat(5).parse::<Text<5>>().is_ok());
        assert!("x".repeat(6).parse::<Text<5>>().is_err());
        assert!("a\0b".parse::<Text<5>>().is_err());
    }
}
