//! Auth users: people who prove who they are with a name and a password in one account (contract nos. 24-29).

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::email::is_hidden;
use crate::{
    AccountId, AuthUserId, Change, CustomerId, Email, InstallerId, Password, PasswordHash, Phone, PublicUrl, Stamp, fold,
};

/// All but what a path may hold as it is (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What an auth user is called: 1 to 255 characters, compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(Box<str>);

impl Username {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared.
    #[must_use]
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

impl FromStr for Username {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !(1..=255).contains(&text.chars().count()) || fold(text).is_empty() {
            Err("must be 1 to 255 characters".to_owned())
        } else if text.chars().any(is_hidden) {
            Err("must not contain characters that cannot be seen".to_owned())
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose people they are. A name of one realm says nothing in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// Those of an account.
    Users,
    /// Those who administer accounts; all of them stand with the operator.
    Console,
    /// Installers of an account.
    Installers,
}

impl Realm {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Console => "console",
            Self::Installers => "installers",
        }
    }
}

impl FromStr for Realm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Users, Self::Console, Self::Installers]
            .into_iter()
            .find(|realm| realm.as_str() == text)
            .ok_or_else(|| "is no realm".to_owned())
    }
}

/// Where a code goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// To a telephone.
    Sms,
    /// To a mailbox.
    Email,
}

/// What belongs to an auth user elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The customer that this user is, by `customer_id`.
    Customer(CustomerId),
    /// `tel:`
    Phone(Phone),
    /// `mailto:`
    Email(Email),
}

impl Link {
    /// A customer, named by its address in this account.
    pub fn customer(href: &str, public: &PublicUrl, account: AccountId) -> Result<Self, String> {
        let at = format!("{}/customers/users/", public.account(account));
        let wrong = || format!("must be {at} and a customer_id, percent-encoded");
        let id = href.strip_prefix(&at).filter(|id| !id.contains(['/', '?', '#'])).ok_or_else(wrong)?;
        let id = percent_decode_str(id).decode_utf8().map_err(|_| wrong())?;
        id.parse().map(Self::Customer).map_err(|_| wrong())
    }

    /// `tel:` and a number.
    pub fn phone(href: &str) -> Result<Self, String> {
        href.strip_prefix("tel:").ok_or("must begin with tel:")?.parse().map(Self::Phone)
    }

    /// `mailto:` and an address.
    pub fn email(href: &str) -> Result<Self, String> {
        href.strip_prefix("mailto:").ok_or("must begin with mailto:")?.parse().map(Self::Email)
    }

    /// Its address.
    #[must_use]
    pub fn href(&self, public: &PublicUrl, account: AccountId) -> String {
        match self {
            Self::Customer(id) => {
                format!("{}/customers/users/{}", public.account(account), utf8_percent_encode(id.as_str(), ENCODED))
            }
            Self::Phone(phone) => format!("tel:{}", phone.as_str()),
            Self::Email(email) => format!("mailto:{email}"),
        }
    }

    /// The channel that leads there.
    #[must_use]
    pub const fn channel(&self) -> Option<Channel> {
        match self {
            Self::Customer(_) => None,
            Self::Phone(_) => Some(Channel::Sms),
            Self::Email(_) => Some(Channel::Email),
        }
    }
}

/// How a new user's password is known.
#[derive(Debug, Clone)]
pub enum Credential {
    /// It was chosen here.
    Password(Password),
    /// It was hashed elsewhere.
    Imported(PasswordHash),
}

/// A change of an auth user: a new password, and what else was given.
#[derive(Debug, Clone)]
pub struct AuthUserChange {
    /// What the user proves itself with.
    pub password: Password,
    /// All links, if they were given.
    pub links: Option<Vec<Link>>,
    /// The channels of its second factor; cleared, it has none.
    pub mfa: Change<Vec<Channel>>,
}

/// What is said of a new auth user.
#[derive(Debug, Clone)]
pub struct AuthUserInput {
    /// What it is called.
    pub username: Username,
    /// What it proves itself with.
    pub credential: Credential,
    /// What belongs to it.
    pub links: Vec<Link>,
    /// The channels of its second factor, if it has one.
    pub mfa: Option<Vec<Channel>>,
}

/// An app that shows codes (RFC 6238), as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totp {
    /// What it is set up with, sealed.
    pub sealed: Vec<u8>,
    /// Whether it has shown a right code once; it counts from then on.
    pub confirmed: bool,
    /// The step of the latest code that was used; none of before counts.
    pub step: i64,
}

/// Recovery codes, as they are kept: which set, and which of it were used, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Which set; another one makes all of before void.
    pub generation: u32,
    /// Which codes of it were used.
    pub used: i64,
}

/// An auth user as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthUser {
    /// The record.
    pub id: AuthUserId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// Whose it is.
    pub realm: Realm,
    /// What it is called.
    pub username: Username,
    /// How its password is kept.
    pub password: PasswordHash,
    /// What belongs to it.
    pub links: Vec<Link>,
    /// The channels of its second factor, if it has one.
    pub mfa: Option<Vec<Channel>>,
    /// Whether it may prove itself at all.
    pub enabled: bool,
    /// An app that shows codes, if it has one.
    pub totp: Option<Totp>,
    /// Its recovery codes.
    pub recovery: Recovery,
    /// Its pin, if it has one.
    pub pin: Option<Pin>,
}

/// Six digits that a customer logs in with, beside a second factor, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Under a key of the server, and then as a password.
    pub hash: PasswordHash,
    /// How many wrong ones were shown since the last right one.
    pub failures: i32,
}

impl Pin {
    /// After so many failures it is off until it is set anew.
    pub const TRIES: i32 = 5;

    /// Six digits that somebody chooses.
    pub fn chosen(text: String) -> Result<Password, String> {
        if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Password::shown(text)
        } else {
            Err("must be six digits".to_owned())
        }
    }
}

impl AuthUser {
    /// The subject of its tokens: the customer that it is, else itself (contract section 3.4).
    #[must_use]
    pub fn subject(&self) -> String {
        match self.realm {
            Realm::Console => return self.id.member_subject(),
            Realm::Installers => return InstallerId(self.id.0).to_string(),
            Realm::Users => {}
        }
        self.customer().map_or_else(|| format!("auth-user:{}", self.id), CustomerId::subject)
    }

    /// The customer that it is, if it is one.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerId> {
        self.links.iter().find_map(|link| if let Link::Customer(id) = link { Some(id) } else { None })
    }

    /// Whether its password alone is not enough.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.mfa.is_some() || self.totp.as_ref().is_some_and(|totp| totp.confirmed)
    }

    /// Its mail address, if it has one.
    #[must_use]
    pub fn email(&self) -> Option<&Email> {
        self.links.iter().find_map(|link| if let Link::Email(email) = link { Some(email) } else { None })
    }
}

/// Whether each channel of a second factor leads somewhere; else what is wrong.
pub fn check_channels(mfa: &[Channel], links: &[Link]) -> Result<(), String> {
    let lacking = mfa.iter().find(|channel| !links.iter().any(|link| link.channel() == Some(**channel)));
    match lacking {
        Some(Channel::Sms) => Err("sms needs a link with rel phone_number".to_owned()),
        Some(Channel::Email) => Err("email needs a link with rel email".to_owned()),
        None if mfa.is_empty() => Err("must have at least one entry".to_owned()),
        None => Ok(()),
    }
}
