//! Customers: the people and companies that an account serves (contract nos. 30-36).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::email::is_hidden;
use crate::{
    AcceptedTerms, Change, Checks, Consents, CustomerAddress, CustomerCompany, CustomerKey, CustomersSettings, Email, EnrolledBy,
    Instant, Password, PasswordHash, Phone, Profile, Result, Stamp, Text,
};

/// What an account calls a customer: 1 to 255 characters without outer blanks, compared as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerId(Box<str>);

impl CustomerId {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that it is, if it is one as a sequence makes them: of at most 15 digits, so that the numbers of cards are none.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        let plain = self.0.len() <= 15 && !self.0.starts_with('0') && self.0.bytes().all(|byte| byte.is_ascii_digit());
        self.0.parse().ok().filter(|_| plain)
    }

    /// The subject of a token that speaks for the customer (contract section 3.4).
    #[must_use]
    pub fn subject(&self) -> String {
        format!("customer:{}", self.0)
    }
}

impl FromStr for CustomerId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !(1..=255).contains(&text.chars().count()) {
            Err("must be 1 to 255 characters".to_owned())
        } else if text.trim() != text {
            Err("must neither begin nor end with a blank".to_owned())
        } else if text.chars().any(is_hidden) {
            Err("must not contain characters that cannot be seen".to_owned())
        } else if matches!(text, "." | "..") {
            // Clients take them out of paths (RFC 3986, section 5.2.4).
            Err("must not be . or ..".to_owned())
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of customer it is. Only customers and companies can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerType {
    /// A person.
    #[default]
    Customer,
    /// A company.
    Company,
    /// Somebody who speaks for customers.
    Contact,
    /// Somebody who works for the account.
    Employee,
    /// Anything else.
    Other,
}

impl CustomerType {
    /// Whether such a customer may prove who it is.
    #[must_use]
    pub const fn logs_in(self) -> bool {
        matches!(self, Self::Customer | Self::Company)
    }
}

/// A change of a customer, or all that is said of a new one. What is kept stays; objects and arrays are replaced as a whole.
#[derive(Debug, Clone, Default)]
pub struct CustomerChange {
    /// Its kind.
    pub kind: Option<CustomerType>,
    /// The name that its friends use.
    pub first_name: Change<Text<255>>,
    /// The name of its family.
    pub last_name: Change<Text<255>>,
    /// Unique among live customers of its kind.
    pub email: Change<Email>,
    /// Unique among live customers, if the account wants that.
    pub phone: Change<Phone>,
    /// Pairs to set; null takes one away.
    pub metadata: Change<Map<String, Value>>,
    /// Values of declared attributes.
    pub attributes: Change<Map<String, Value>>,
    /// What the account says of it.
    pub status: Change<String>,
    /// Where it likes to go.
    pub favorite_store: Change<String>,
    /// Where it came from.
    pub enrolled_by: Change<EnrolledBy>,
    /// Over which channels it wants to hear of offers.
    pub marketing_consent: Change<Consents>,
    /// Where it is.
    pub addresses: Change<Vec<CustomerAddress>>,
    /// What it has agreed to.
    pub term: Change<AcceptedTerms>,
    /// The company that it is, or belongs to.
    pub company: Change<CustomerCompany>,
    /// Its gender.
    pub gender: Change<String>,
    /// YYYY-MM-DD.
    pub date_of_birth: Change<String>,
    /// The customers whom it speaks for.
    pub contact_for: Change<Vec<CustomerId>>,
}

/// What a customer will prove itself with.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// A password.
    pub password: Option<Password>,
    /// A password that was hashed elsewhere.
    pub imported: Option<PasswordHash>,
    /// Six digits, for logging in with a second factor.
    pub pin: Option<Password>,
}

impl Proof {
    /// Whether there is any.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.password.is_some() || self.imported.is_some() || self.pin.is_some()
    }
}

/// A customer as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// The record.
    pub key: CustomerKey,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// How many changes led here.
    pub version: i64,
    /// What the account calls it; never given to another one.
    pub customer_id: CustomerId,
    /// Its kind.
    pub kind: CustomerType,
    /// The name that its friends use.
    pub first_name: Option<Text<255>>,
    /// The name of its family.
    pub last_name: Option<Text<255>>,
    /// Its mail address.
    pub email: Option<Email>,
    /// When a code has proven that.
    pub email_verified_at: Option<Instant>,
    /// Its telephone number.
    pub phone: Option<Phone>,
    /// When a code has proven that.
    pub phone_verified_at: Option<Instant>,
    /// The number that it will have once a code has proven it.
    pub next_phone: Option<Phone>,
    /// Everything else.
    pub profile: Box<Profile>,
}

impl Customer {
    /// One of whom nothing else is known.
    #[must_use]
    pub fn new(key: CustomerKey, stamp: Stamp, customer_id: CustomerId, kind: CustomerType) -> Self {
        Self {
            key,
            stamp,
            version: 0,
            customer_id,
            kind,
            first_name: None,
            last_name: None,
            email: None,
            email_verified_at: None,
            phone: None,
            phone_verified_at: None,
            next_phone: None,
            profile: Box::default(),
        }
    }

    /// Its whole name, if it has said one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let names: Vec<&str> = [&self.first_name, &self.last_name].into_iter().flatten().map(Text::as_str).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }

    /// The customer after a change, and which fields are other than they were. `itself`: it makes the change itself, and neither
    /// sees nor changes attributes that are hidden from it.
    ///
    /// Errors: `Invalid` with each field that breaks a rule.
    pub fn with(
        &self,
        change: CustomerChange,
        contacts: Option<Vec<Uuid>>,
        settings: &CustomersSettings,
        (itself, now): (bool, Instant),
    ) -> Result<(Self, Vec<&'static str>)> {
        let mut checks = Checks::default();
        let mut old = self.clone();
        let profile = *std::mem::take(&mut old.profile);
        let mut next = Self {
            kind: change.kind.unwrap_or(old.kind),
            first_name: change.first_name.apply(old.first_name),
            last_name: change.last_name.apply(old.last_name),
            email: change.email.apply(old.email),
            ..old
        };
        if next.email.as_ref().map(Email::key) != self.email.as_ref().map(Email::key) {
            next.email_verified_at = None;
        }
        match change.phone {
            Change::Set(phone) if self.phone.as_ref().is_some_and(|old| old.key() == phone.key()) => {
                (next.phone, next.next_phone) = (Some(phone), None);
            }
            Change::Set(phone) if settings.users.verified_phones && self.version > 0 => next.next_phone = Some(phone),
            Change::Keep => {}
            changed => {
                (next.phone, next.next_phone, next.phone_verified_at) = (changed.apply(None), None, None);
            }
        }
        let term = change.term.map(|term| AcceptedTerms { accepted_at: Some(term.accepted_at.unwrap_or(now)), ..term });
        *next.profile = Profile {
            metadata: checks.take("metadata", profile.metadata.with(change.metadata)).unwrap_or_default(),
            attributes: attributes(&mut checks, profile.attributes, change.attributes, settings, itself),
            status: change.status.apply(profile.status),
            favorite_store: change.favorite_store.apply(profile.favorite_store),
            enrolled_by: change.enrolled_by.apply(profile.enrolled_by),
            marketing_consent: change.marketing_consent.apply(profile.marketing_consent),
            addresses: change.addresses.apply(profile.addresses),
            term: term.apply(profile.term),
            company: change.company.apply(profile.company),
            gender: change.gender.apply(profile.gender),
            date_of_birth: change.date_of_birth.apply(profile.date_of_birth),
            contact_for: contacts.unwrap_or(profile.contact_for),
        };
        next.check(&mut checks);
        let fields = next.differences(self);
        checks.done(Some((next, fields)))
    }

    /// Notes what goes with which kind.
    fn check(&self, checks: &mut Checks) {
        match (self.kind, &self.profile.company) {
            (CustomerType::Company, None) => checks.fault("company", "is required for a company"),
            (CustomerType::Customer | CustomerType::Contact | CustomerType::Employee, Some(_)) => {
                checks.fault("company", "is only for the types company and other");
            }
            _ => {}
        }
        if self.kind != CustomerType::Contact && !self.profile.contact_for.is_empty() {
            checks.fault("contact_for", "is only for the type contact");
        }
    }

    /// The fields in which it differs from another one, as callers name them.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (new, old) = (&self.profile, &other.profile);
        [
            ("type", self.kind != other.kind),
            ("first_name", self.first_name != other.first_name),
            ("last_name", self.last_name != other.last_name),
            ("email", self.email != other.email),
            ("phone_number", self.phone != other.phone || self.next_phone != other.next_phone),
            ("metadata", new.metadata != old.metadata),
            ("attributes", new.attributes != old.attributes),
            ("status", new.status != old.status),
            ("favorite_store", new.favorite_store != old.favorite_store),
            ("enrolled_by", new.enrolled_by != old.enrolled_by),
            ("marketing_consent", new.marketing_consent != old.marketing_consent),
            ("addresses", new.addresses != old.addresses),
            ("term", new.term != old.term),
            ("company", new.company != old.company),
            ("gender", new.gender != old.gender),
            ("date_of_birth", new.date_of_birth != old.date_of_birth),
            ("contact_for", new.contact_for != old.contact_for),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }

    /// What is left of it when it is erased.
    #[must_use]
    pub fn tombstone(&self, now: Instant, by: &str) -> Self {
        let left = Self::new(self.key, self.stamp.removed(now, by), self.customer_id.clone(), self.kind);
        Self { version: self.version + 1, ..left }
    }
}

/// The attributes after a change.
fn attributes(
    checks: &mut Checks,
    old: Map<String, Value>,
    change: Change<Map<String, Value>>,
    settings: &CustomersSettings,
    itself: bool,
) -> Map<String, Value> {
    let given = match change {
        Change::Keep => return old,
        Change::Clear => Map::new(),
        Change::Set(given) => given,
    };
    let declared = |name: &str| settings.attributes.iter().find(|attribute| attribute.name == name);
    let hidden = |name: &str| itself && !settings.shows(name);
    let mut next: Map<String, Value> = old.into_iter().filter(|(name, _)| hidden(name)).collect();
    for (name, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
        let field = format!("attributes.{name}");
        match declared(&name) {
            Some(attribute) if !hidden(&name) => {
                if checks.take(&field, attribute.keys(&value)).is_some() {
                    next.insert(name, value);
                }
            }
            _ => checks.fault(field, "is not an attribute of this account's customers"),
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_id_is_what_the_account_says() {
        let number = |text: &str| text.parse::<CustomerId>().unwrap().number();
        assert_eq!((number("17"), number("999999999999999")), (Some(17), Some(999_999_999_999_999)));
        assert_eq!([number("017"), number("1000000000000000"), number("-1"), number("a")], [None; 4]);
        for good in ["1", "a b", "Ola/Nordmann?", &"x".repeat(255)] {
            assert_eq!(good.parse::<CustomerId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", " ", " a", "a ", "a\u{200b}b", "a\0", &"x".repeat(256)] {
            assert!(bad.parse::<CustomerId>().is_err(), "{bad:?}");
        }
    }
}
