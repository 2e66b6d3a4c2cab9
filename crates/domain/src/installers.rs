//! Installers: field technicians with an account of their own (contract nos. 60-70), the check of who they are, and the terms
//! that they work under.

use std::fmt;
use std::str::FromStr;

use url::Url;
use uuid::Uuid;

use crate::{Change, Email, Error, Instant, Password, Phone, Result, Stamp, Text, fold, is_date};

/// An installer: `ins_` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstallerId(pub Uuid);

impl fmt::Display for InstallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ins_{}", self.0.simple())
    }
}

impl FromStr for InstallerId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("ins_").filter(|digits| digits.len() == 32);
        let plain = digits.filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let id = plain.and_then(|digits| Uuid::try_parse(digits).ok());
        id.map(Self).ok_or_else(|| "must be ins_ and 32 hexadecimal digits".to_owned())
    }
}

/// What people call an installer, and where it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallerProfile {
    /// Given name.
    pub first_name: Text<100>,
    /// Family name.
    pub last_name: Text<100>,
    /// Employer or contracting company.
    pub company: Text<255>,
    /// As it was given: separators may stand in it.
    pub phone: Option<String>,
}

/// A change of a profile: what is `None` or kept stays.
#[derive(Debug, Clone, Default)]
pub struct InstallerChange {
    /// Given name.
    pub first_name: Option<Text<100>>,
    /// Family name.
    pub last_name: Option<Text<100>>,
    /// Employer or contracting company.
    pub company: Option<Text<255>>,
    /// A telephone number, checked by [`InstallerProfile::phone`]; cleared, there is none.
    pub phone: Change<String>,
}

impl InstallerProfile {
    /// A telephone number in which blanks, dashes, dots and brackets may stand, as its owner wrote it.
    pub fn phone(text: &str) -> Result<String, String> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        if text.len() > 40 {
            return Err("must be at most 40 characters".to_owned());
        }
        digits.parse::<Phone>().map(|_| text.to_owned())
    }

    /// The profile after a change, and the names of what differs.
    #[must_use]
    pub fn with(&self, change: InstallerChange) -> (Self, Vec<&'static str>) {
        let new = Self {
            first_name: change.first_name.unwrap_or_else(|| self.first_name.clone()),
            last_name: change.last_name.unwrap_or_else(|| self.last_name.clone()),
            company: change.company.unwrap_or_else(|| self.company.clone()),
            phone: change.phone.apply(self.phone.clone()),
        };
        let fields = [
            ("first_name", new.first_name != self.first_name),
            ("last_name", new.last_name != self.last_name),
            ("company", new.company != self.company),
            ("phone", new.phone != self.phone),
        ];
        let changed = fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect();
        (new, changed)
    }
}

/// Somebody who signs up.
#[derive(Debug, Clone)]
pub struct InstallerSignup {
    /// How it logs in.
    pub email: Email,
    /// With what.
    pub password: Password,
    /// Who it is.
    pub profile: InstallerProfile,
}

/// A password that an installer chooses: at least 10 characters, of which one is upper case, one lower case and one a digit; none
/// of those that everybody tries first. Errors: `WeakPassword`; `Invalid` where it could not even be hashed.
pub fn installer_password(field: &str, text: String) -> Result<Password> {
    let weak = |what: &str| Error::WeakPassword { field: field.to_owned(), message: what.to_owned() };
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    let (long, upper, lower, digit) =
        (text.chars().count() >= 10, has(char::is_uppercase), has(char::is_lowercase), has(|c| c.is_ascii_digit()));
    Password::shown(text.clone()).map_err(|fault| Error::invalid(field, fault))?;
    if !long {
        Err(weak("must be at least 10 characters"))
    } else if !upper {
        Err(weak("must contain an upper case letter"))
    } else if !lower {
        Err(weak("must contain a lower case letter"))
    } else if !digit {
        Err(weak("must contain a digit"))
    } else {
        Password::chosen(text).map_err(|fault| weak(&fault))
    }
}

impl InstallerSignup {
    /// Refuses a password that is the address, or the part of it before the `@`.
    pub fn differing(field: &str, password: &Password, email: &Email) -> Result<()> {
        let said = fold(password.reveal());
        let same = said == email.key() || email.key().split('@').next() == Some(said.as_str());
        let message = "must not be the e-mail address".to_owned();
        if same { Err(Error::WeakPassword { field: field.to_owned(), message }) } else { Ok(()) }
    }
}

/// How far the check of who somebody is has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Nothing was handed in.
    NotSubmitted,
    /// Somebody looks at it.
    UnderReview,
    /// It is who it says to be.
    Approved,
    /// It has to hand in something else.
    Rejected,
}

/// What somebody is identified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentType {
    /// One page.
    Passport,
    /// Two sides.
    DriversLicense,
    /// Two sides.
    NationalId,
}

impl DocumentType {
    /// Whether its back says something, too.
    #[must_use]
    pub const fn has_back(self) -> bool {
        matches!(self, Self::DriversLicense | Self::NationalId)
    }
}

macro_rules! words {
    ($kind:ident $($variant:ident $word:literal)*) => {
        impl $kind {
            /// The word in the API and the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($word => Ok(Self::$variant),)* _ => Err(concat!("must be one of", $(" ", $word),*).to_owned()) }
            }
        }
    };
}
words! { Verification NotSubmitted "not_submitted" UnderReview "under_review" Approved "approved" Rejected "rejected" }
words! { DocumentType Passport "passport" DriversLicense "drivers_license" NationalId "national_id" }

/// A document as it is handed in. `N` is its number: text that somebody wrote, or that text sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<N> {
    /// What it is.
    pub kind: DocumentType,
    /// Its number.
    pub number: N,
    /// The last day that it is good for, `YYYY-MM-DD`.
    pub expiry: String,
    /// Where a picture of its owner is. Never fetched.
    pub selfie_url: String,
    /// Where a picture of its front is.
    pub front_url: String,
    /// Where a picture of its back is.
    pub back_url: Option<String>,
}

impl<N> Document<N> {
    /// The same with its number kept in another form.
    pub fn numbered<M>(self, number: M) -> Document<M> {
        let Self { kind, number: _, expiry, selfie_url, front_url, back_url } = self;
        Document { kind, number, expiry, selfie_url, front_url, back_url }
    }

    /// Whether it is still good on this day.
    #[must_use]
    pub fn is_good(&self, today: &str) -> bool {
        self.expiry.as_str() >= today
    }

    /// The last day of a document that is good on this day.
    pub fn expiry(text: &str, today: &str) -> Result<String, String> {
        is_date(text)?;
        if text < today { Err("has passed: the document has expired".to_owned()) } else { Ok(text.to_owned()) }
    }

    /// Where a picture is: https, at most 2,048 characters, without a name and password.
    pub fn url(text: &str) -> Result<String, String> {
        let wrong = || "must be an https URL of at most 2048 characters".to_owned();
        let url = Url::parse(text).ok().filter(|_| text.len() <= 2048).ok_or_else(wrong)?;
        let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
        let plain = url.has_host() && host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
        // What `url` would have cut or turned is no URL as it stands.
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "\\\"<>".contains(c));
        if plain && clean { Ok(text.to_owned()) } else { Err(wrong()) }
    }
}

/// A number of which only the end can be read: as much as tells one document from another.
#[must_use]
pub fn masked(number: &str) -> String {
    let length = number.chars().count();
    let shown = if length >= 8 { 4 } else { 0 };
    number.chars().enumerate().map(|(at, c)| if at + shown < length { '*' } else { c }).collect()
}

/// Which terms somebody has accepted, when, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallerConsent {
    /// Their version.
    pub version: String,
    /// When.
    pub at: Instant,
    /// The address, if it was known.
    pub address: Option<String>,
}

/// A version of the terms for installers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallerTerms {
    /// The record.
    pub id: Uuid,
    /// What it is called: `2024-01`.
    pub version: Text<50>,
    /// Where it can be read.
    pub url: Option<String>,
    /// When it was published; the latest is the one that counts.
    pub published_at: Instant,
    /// Who published it.
    pub published_by: String,
}

/// An installer as it is kept. Its password stands elsewhere, under the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installer {
    /// The record.
    pub id: InstallerId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// How it logs in.
    pub email: Email,
    /// Who it is.
    pub profile: InstallerProfile,
    /// Until when the address has to be confirmed; `None`: it need not be (any more).
    pub pending_until: Option<Instant>,
    /// Whether it is shut out.
    pub suspended: bool,
    /// How far the check of who it is has come.
    pub verification: Verification,
    /// What was handed in, with its number sealed, and when.
    pub document: Option<(Document<Vec<u8>>, Instant)>,
    /// Who decided about it, and when.
    pub reviewed: Option<(String, Instant)>,
    /// Why it was rejected.
    pub rejection_reason: Option<Text<1000>>,
    /// The terms that it has accepted last.
    pub consent: Option<InstallerConsent>,
}

impl Installer {
    /// Whether it has been approved with a document that is good on this day.
    #[must_use]
    pub fn is_verified(&self, today: &str) -> bool {
        self.verification == Verification::Approved && self.document.as_ref().is_some_and(|(document, _)| document.is_good(today))
    }

    /// Whether it may hand in a document: where none was, or that one is good for nothing.
    #[must_use]
    pub fn may_submit(&self, today: &str) -> bool {
        match self.verification {
            Verification::NotSubmitted | Verification::Rejected => true,
            Verification::UnderReview => self.document.as_ref().is_none_or(|(document, _)| !document.is_good(today)),
            Verification::Approved => !self.is_verified(today),
        }
    }

    /// Whether its address was to be confirmed and was not.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_a_password_is_told() {
        let weak = |text: &str| match installer_password("password", text.to_owned()) {
            Err(Error::WeakPassword { message, .. }) => message,
            other => panic!("{text}: {other:?}"),
        };
        assert!(weak("Tr0ub4d&3").contains("10 characters"));
        assert!(weak("tr0ub4dor&3").contains("upper"));
        assert!(weak("TR0UB4DOR&3").contains("lower"));
        assert!(weak("Troubador&x").contains("digit"));
        assert!(weak("Password123").contains("everybody"));
        for fine in ["Tr0ub4dor&3", "N3wS3cur3P@ss!", "Blåbærsyltetøy7"] {
            assert!(installer_password("password", fine.to_owned()).is_ok(), "{fine}");
        }
        for unusable in [String::new(), "aA1".repeat(100), "Tr0ub4dor&3\0".to_owned()] {
            assert!(matches!(installer_password("password", unusable), Err(Error::Invalid(_))));
        }
    }

    #[test]
    fn a_number_is_masked_but_for_its_end() {
        assert_eq!(masked("D123-4567-8901"), "**********8901");
        assert_eq!(masked("1234567"), "*******");
        assert_eq!(masked("blåbærøå"), "****ærøå");
    }

    #[test]
    fn ids_urls_and_numbers_are_checked() {
        let id = InstallerId(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "ins_", "ins_7f3a1b2c", "INS_00000000000000000000000000000007", "ins_0000000000000000000000000000000G"] {
            assert!(bad.parse::<InstallerId>().is_err(), "{bad}");
        }
        assert!(Document::<()>::url("https://storage.example.com/selfie_jsmith.jpg?x=1").is_ok());
        for bad in [
            "",
            "selfie.jpg",
            "http://a.example/x",
            "https:///a.example/x",
            "https://u:p@a.example/x",
            "https://a.example/a b",
            "javascript:1",
        ] {
            assert!(Document::<()>::url(bad).is_err(), "{bad}");
        }
        assert!(InstallerProfile::phone("+1-555-0100").is_ok());
        assert!(InstallerProfile::phone("(47) 123.45 678").is_ok());
        assert!(InstallerProfile::phone("+47x12345678").is_err());
    }

    #[test]
    fn a_document_is_good_on_its_last_day() {
        let expiry = |text| Document::<()>::expiry(text, "2026-01-01");
        assert!(expiry("2026-01-01").is_ok());
        assert!(expiry("2025-12-31").is_err());
        assert!(expiry("2026-02-30").is_err());
    }
}
