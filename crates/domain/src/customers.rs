//! Customers: the people and companies that an account serves (contract nos. 30-36).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::email::is_hidden;
use crate::{CustomerKey, Email, Phone, Stamp, Text};

/// What an account calls a customer: 1 to 255 characters without outer blanks, compared as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerId(Box<str>);

impl CustomerId {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

/// What is said of a new customer.
#[derive(Debug, Clone)]
pub struct CustomerInput {
    /// What it is to be called; made if left out.
    pub customer_id: Option<CustomerId>,
    /// Its kind.
    pub kind: CustomerType,
    /// The name that its friends use.
    pub first_name: Option<Text<255>>,
    /// The name of its family.
    pub last_name: Option<Text<255>>,
    /// Unique among live customers of its kind.
    pub email: Option<Email>,
    /// Unique among live customers.
    pub phone: Option<Phone>,
}

/// A customer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The record.
    pub key: CustomerKey,
    /// Who made it, and when.
    pub stamp: Stamp,
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
    /// Its telephone number.
    pub phone: Option<Phone>,
}

impl Customer {
    /// Its whole name, if it has said one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let names: Vec<&str> = [&self.first_name, &self.last_name].into_iter().flatten().map(Text::as_str).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_id_is_what_the_account_says() {
        for good in ["1", "a b", "Ola/Nordmann?", &"x".repeat(255)] {
            assert_eq!(good.parse::<CustomerId>().unwrap().as_str(), good);
        }
        for bad in ["", " ", " a", "a ", "a\u{200b}b", "a\0", &"x".repeat(256)] {
            assert!(bad.parse::<CustomerId>().is_err(), "{bad:?}");
        }
    }
}
