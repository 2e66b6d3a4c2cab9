//! Passwords: what may be one, and how one of them is kept.

use std::fmt;

use crate::Secret;

/// At most so many characters, so that a hash has an end: they are at most 1,020 bytes. The seeds ask for no less.
const MAX_CHARACTERS: usize = 255;
/// At least so many characters, where somebody chooses one.
const MIN_CHARACTERS: usize = 8;
/// What is found with so few guesses stands in every list of common passwords, or nearly does.
const MANY_GUESSES: u64 = 30_000;

/// A password that somebody shows: of any strength, but of a length that can be hashed.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// A password that is to be compared.
    pub fn shown(text: String) -> Result<Self, String> {
        if text.is_empty() {
            Err("must not be empty".to_owned())
        } else if text.chars().count() > MAX_CHARACTERS {
            Err(format!("must be at most {MAX_CHARACTERS} characters"))
        } else if text.contains('\0') {
            Err("must not contain U+0000".to_owned())
        } else {
            Ok(Self(Secret::new(text)))
        }
    }

    /// A password that somebody chooses: also long enough, and none of those that everybody tries first.
    /// All of Unicode may stand in it; no kind of character has to.
    pub fn chosen(text: String) -> Result<Self, String> {
        let password = Self::shown(text)?;
        if password.reveal().chars().count() < MIN_CHARACTERS {
            return Err(format!("must be at least {MIN_CHARACTERS} characters"));
        }
        if zxcvbn::zxcvbn(password.reveal(), &[]).guesses() <= MANY_GUESSES {
            return Err("is one of those that everybody tries first".to_owned());
        }
        Ok(password)
    }

    /// The text itself, for whoever hashes it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// How a password is kept: the text form of its hash (PHC, or `$2b$` for bcrypt).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<(), String> {
        Password::chosen(text.to_owned()).map(drop)
    }

    #[test]
    fn common_passwords_are_refused() {
        for common in
            ["password", "12345678", "qwertyuiop", "iloveyou", "Password1", "football1", "aaaaaaaa", "trustno1", "1qaz2wsx"]
        {
            assert!(chosen(common).is_err(), "{common}");
        }
    }

    #[test]
    fn what_the_seeds_show_and_what_people_can_remember_is_taken() {
        for fine in [
            "Tr0ub4dor&3",
            "N3wS3cur3P@ss!",
            "stringst",
            "correct horse battery staple",
            "blåbærsyltetøy på brød",
            "密码学很有意思啊",
        ] {
            assert_eq!(chosen(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn length_is_bounded_before_anything_is_hashed() {
        assert!(chosen("1234567").is_err());
        assert!(chosen("").is_err());
        assert!(Password::shown(String::new()).is_err());
        assert!(Password::shown("x".repeat(256)).is_err());
        assert!(Password::shown("€".repeat(255)).is_ok());
        assert!(Password::shown("🔑".repeat(255)).is_ok());
        assert!(Password::shown("a\0b".to_owned()).is_err());
        assert!(Password::shown("x".to_owned()).is_ok());
        let long = "a reindeer that nobody had ever seen swam slowly across the fjord at dawn";
        assert!(long.len() > 64 && chosen(long).is_ok());
        assert_eq!(format!("{:?}", Password::shown("hush".to_owned()).unwrap()), "Password(***)");
    }
}
