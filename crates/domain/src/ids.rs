//! Ids: accounts by mode and number, clients by a name, everything else by a UUID v7.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which of the two data sets an account belongs to; they never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `P`
    Production,
    /// `T`
    Test,
}

/// An account: a mode letter and 8 digits, of which the first three name its partner (contract section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId([u8; 9]);

impl AccountId {
    /// How many numbers an account has for those below it: 99,999 sub-accounts of a partner, 999 partners of the owner.
    const TAIL: u32 = 100_000;

    /// The platform operator's own account in `mode`.
    #[must_use]
    pub fn owner(mode: Mode) -> Self {
        Self::from_number(mode, 0)
    }

    /// The account where account users stand: the operator's own, for accounts of both modes.
    #[must_use]
    pub fn console() -> Self {
        Self::owner(Mode::Production)
    }

    /// Reads an `oid`: 8 digits, or 3 digits for a partner's own account.
    pub fn parse_owner(text: &str) -> Result<Self, String> {
        match text.len() {
            4 => format!("{text}00000").parse().map_err(|_| Self::shape()),
            9 => text.parse(),
            _ => Err(Self::shape()),
        }
    }

    fn shape() -> String {
        "must be P or T followed by 3 or 8 digits".to_owned()
    }

    fn from_number(mode: Mode, number: u32) -> Self {
        let letter = if mode == Mode::Production { 'P' } else { 'T' };
        let mut id = [0; 9];
        id.copy_from_slice(&format!("{letter}{number:08}").into_bytes()[..9]);
        Self(id)
    }

    fn number(self) -> u32 {
        self.0[1..].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }

    /// The text form, as in paths and tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an account id is ASCII")
    }

    /// Production or test.
    #[must_use]
    pub fn mode(self) -> Mode {
        if self.0[0] == b'P' { Mode::Production } else { Mode::Test }
    }

    /// The partner number, `T112` for `T11200001`.
    #[must_use]
    pub fn partner_number(&self) -> &str {
        &self.as_str()[..4]
    }

    /// Whether this is the platform operator's own account.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self.number() == 0
    }

    /// Whether this is a partner's own account (the operator's is one, too).
    #[must_use]
    pub fn is_partner(self) -> bool {
        self.number().is_multiple_of(Self::TAIL)
    }

    /// The account above: a sub-account's partner, a partner's operator; none above the operator.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let number = self.number();
        match number % Self::TAIL {
            _ if number == 0 => None,
            0 => Some(Self::owner(self.mode())),
            tail => Some(Self::from_number(self.mode(), number - tail)),
        }
    }

    /// The `n`-th account directly below this one, or `None` past the last (or below a sub-account).
    #[must_use]
    pub fn child(self, n: u32) -> Option<Self> {
        let (step, last) = match (self.is_owner(), self.is_partner()) {
            (true, _) => (Self::TAIL, 999),
            (_, true) => (1, Self::TAIL - 1),
            _ => return None,
        };
        (1..=last).contains(&n).then(|| Self::from_number(self.mode(), self.number() + n * step))
    }

    /// Whether `self` stands directly below `parent`. The operator has partners below it, and no sub-accounts of its own.
    #[must_use]
    pub fn is_child_of(self, parent: Self) -> bool {
        self.parent() == Some(parent) && (!parent.is_owner() || self.is_partner())
    }
}

impl FromStr for AccountId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [b'P' | b'T', digits @ ..] if digits.len() == 8 && digits.iter().all(u8::is_ascii_digit) => {
                let mut id = [0; 9];
                id.copy_from_slice(text.as_bytes());
                Ok(Self(id))
            }
            _ => Err("must be P or T followed by 8 digits".to_owned()),
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client's public name, unique in its account. Only characters that both readings of HTTP Basic leave alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ClientId(Box<str>);

impl ClientId {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err("must be 1 to 128 of the characters A-Z a-z 0-9 - . _ ~".to_owned())
        }
    }
}

impl TryFrom<String> for ClientId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = String;

            /// Reads the hyphenated form only, so that one record has one name.
            fn from_str(text: &str) -> Result<Self, String> {
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok(Self(id)),
                    _ => Err("must be a UUID".to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_id! {
    /// A client's record.
    ClientKey
    /// A grant.
    GrantId
    /// A role.
    RoleId
    /// A tag of customers.
    TagId
    /// A text of terms.
    TermsId
    /// A customer's token.
    TokenKey
    /// A pair by which tokens are known.
    TokenPairId
    /// A signing key; its text form is the `kid`.
    KeyId
    /// An event in an account's log.
    EventId
    /// An auth user.
    AuthUserId
    /// A customer's record.
    CustomerKey
    /// A session: what a person's tokens live by.
    SessionId
    /// A message to somebody; the same at every try.
    MessageId
}

impl AuthUserId {
    /// The subject of the tokens of an account user (contract section 3.4).
    #[must_use]
    pub fn member_subject(self) -> String {
        format!("user:{self}")
    }

    /// The account user with this subject. No client's id has a colon.
    #[must_use]
    pub fn from_member_subject(subject: &str) -> Option<Self> {
        subject.strip_prefix("user:")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_knows_who_stands_above_it() {
        assert_eq!(id("T11200001").parent(), Some(id("T11200000")));
        assert_eq!(id("T11200000").parent(), Some(id("T00000000")));
        assert_eq!(id("T00000000").parent(), None);
        assert!(id("P11200001").is_child_of(id("P11200000")));
        assert!(!id("P11200001").is_child_of(id("P00000000")), "the operator does not reach below a partner");
        assert!(!id("P11200001").is_child_of(id("T11200000")), "modes never mix");
        assert!(!id("P00000001").is_child_of(id("P00000000")), "the operator has no sub-accounts");
    }

    #[test]
    fn children_are_numbered_and_end() {
        assert_eq!(id("P00000000").child(1), Some(id("P00100000")));
        assert_eq!(id("P00000000").child(1000), None);
        assert_eq!(id("P11200000").child(99_999), Some(id("P11299999")));
        assert_eq!(id("P11200000").child(100_000), None);
        assert_eq!(id("P11200000").child(0), None);
        assert_eq!(id("P11200001").child(1), None);
    }

    #[test]
    fn three_digits_name_the_partners_own_account() {
        assert_eq!(AccountId::parse_owner("T112"), Ok(id("T11200000")));
        for bad in ["", "T", "T11", "T1120", "t112", "X11200000", "T1120000a", "T112000011", "T１１２", "P+1200000"] {
            assert!(AccountId::parse_owner(bad).is_err(), "{bad}");
        }
    }
}
