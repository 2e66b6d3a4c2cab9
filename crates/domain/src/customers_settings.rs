//! What an account decides about its customers (contract nos. 58 and 59).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Channel, Email, Instant, Phone, Seconds, Secret, Text, fold, is_date};

/// Settings of customers as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CustomersSettings {
    /// What holds of the customers themselves.
    pub users: UsersSettings,
    /// Hashes that are kept as tokens.
    pub auto_tokens: AutoTokens<SealedSecret>,
    /// How long events of tokens count.
    pub event_expiry: Vec<EventExpiry>,
    /// What may be known of a customer beside what every customer has.
    pub attributes: Vec<Attribute>,
}

impl CustomersSettings {
    /// Whether customers themselves see the attribute of this name. What is not declared any more may have been private.
    #[must_use]
    pub fn shows(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|declared| declared.name == attribute && !declared.private)
    }
}

/// A key as it is kept: encrypted under the master key.
pub type SealedSecret = Vec<u8>;

/// A change of them: what is given replaces, the rest stays.
#[derive(Debug, Clone, Default)]
pub struct CustomersSettingsChange {
    /// See [`CustomersSettings::users`].
    pub users: Option<UsersSettings>,
    /// See [`CustomersSettings::auto_tokens`]; a key that is left out stays.
    pub auto_tokens: Option<AutoTokens<Option<Secret>>>,
    /// See [`CustomersSettings::event_expiry`].
    pub event_expiry: Option<Vec<EventExpiry>>,
    /// See [`CustomersSettings::attributes`].
    pub attributes: Option<Vec<Attribute>>,
}

/// What holds of customers themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsersSettings {
    /// Whether one may ask if somebody is a customer.
    pub head: bool,
    /// Whether several may have one telephone number.
    pub shared_phones: bool,
    /// What a `customer_id` that nobody chose looks like.
    pub customer_id_format: CustomerIdFormat,
    /// The second factor of customers, where there is one.
    pub mfa: Option<CustomersMfa>,
    /// Whether a changed telephone number counts only once a code has proven it.
    pub verified_phones: bool,
}

/// What a `customer_id` that nobody chose looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerIdFormat {
    /// A UUID.
    #[default]
    Uuid,
    /// The number after the highest that there ever was.
    Sequence,
}

/// The second factor of customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomersMfa {
    /// Whether it is asked for.
    pub enabled: bool,
    /// Where the code goes.
    pub login: Channel,
    /// Where the first code goes when the password is lost; another channel.
    pub recovery: Channel,
}

/// Hashes of an address and of a telephone number, kept as tokens. `K` is what a key is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AutoTokens<K> {
    /// Of the telephone number.
    pub phone_number: Vec<AutoToken<K>>,
    /// Of the mail address.
    pub email: Vec<AutoToken<K>>,
}

/// How a value is hashed: each at most once for a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoToken<K> {
    /// SHA-256 of it.
    Sha256,
    /// HMAC-SHA-256 of it under this key.
    HmacSha256(K),
}

impl<K> AutoToken<K> {
    /// What tokens that are made so are of, for this field.
    #[must_use]
    pub fn kind(&self, field: &str) -> String {
        match self {
            Self::Sha256 => format!("sha256:{field}"),
            Self::HmacSha256(_) => format!("hmac-sha256:{field}"),
        }
    }
}

/// How long events of a status count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventExpiry {
    /// The status.
    pub status: String,
    /// In seconds from the event.
    pub time_to_live: Seconds,
}

/// Something that may be known of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// What it is called.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// Whether a customer may have several: an array.
    pub multiple_values: bool,
    /// Whether it is hidden from the customer.
    pub private: bool,
}

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeType {
    /// Text of at most 1,000 characters.
    String,
    /// A whole number of at most 64 bits.
    Integer,
    /// A number.
    Real,
    /// True or false.
    Boolean,
    /// A telephone number.
    #[serde(rename = "phonenumber")]
    PhoneNumber,
    /// A mail address.
    Email,
    /// YYYY-MM-DD.
    Date,
    /// RFC 3339.
    DateTime,
}

impl Attribute {
    /// How many values one attribute of a customer may have.
    const VALUES: usize = 100;

    /// Checks a value of it, and yields the forms in which customers are found by it.
    ///
    /// Errors: what is wrong with it, for people.
    pub fn keys(&self, value: &Value) -> Result<Vec<String>, String> {
        match value {
            Value::Array(_) if !self.multiple_values => Err("must be one value, not an array".to_owned()),
            Value::Array(values) if values.len() > Self::VALUES => Err(format!("must have at most {} values", Self::VALUES)),
            Value::Array(values) => values.iter().map(|value| self.kind.key(value)).collect(),
            _ if self.multiple_values => Err("must be an array".to_owned()),
            value => Ok(vec![self.kind.key(value)?]),
        }
    }
}

impl AttributeType {
    fn key(self, value: &Value) -> Result<String, String> {
        let text = || value.as_str().ok_or_else(|| "must be text".to_owned());
        match self {
            Self::String => Ok(fold(text()?.parse::<Text<1000>>()?.as_str())),
            Self::Integer => value.as_i64().map(|number| number.to_string()).ok_or_else(|| "must be a whole number".to_owned()),
            Self::Real => value.as_f64().map(|number| number.to_string()).ok_or_else(|| "must be a number".to_owned()),
            Self::Boolean => value.as_bool().map(|truth| truth.to_string()).ok_or_else(|| "must be true or false".to_owned()),
            Self::PhoneNumber => Ok(text()?.parse::<Phone>()?.key().to_owned()),
            Self::Email => Ok(text()?.parse::<Email>()?.key().to_owned()),
            Self::Date => is_date(text()?).map(|()| text().map(str::to_owned))?,
            Self::DateTime => Instant::parse(text()?).map(|at| at.to_string()),
        }
    }

    /// The form of a value that is looked for, as it stands in a query.
    pub fn sought(self, text: &str) -> Result<String, String> {
        match self {
            Self::Integer | Self::Real | Self::Boolean => serde_json::from_str(text)
                .map_err(|_| "is not what the attribute's values are".to_owned())
                .and_then(|value| self.key(&value)),
            _ => self.key(&Value::from(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attribute(kind: AttributeType, multiple_values: bool) -> Attribute {
        Attribute { name: "a".to_owned(), kind, multiple_values, private: false }
    }

    #[test]
    fn values_are_of_their_type_and_found_in_one_form() {
        let one = |kind, value: Value| attribute(kind, false).keys(&value).map(|keys| keys.concat());
        assert_eq!(one(AttributeType::String, json!(" Gull ")).unwrap(), "gull");
        assert_eq!(one(AttributeType::Integer, json!(7)).unwrap(), "7");
        assert_eq!(one(AttributeType::Real, json!(7)).unwrap(), one(AttributeType::Real, json!(7.0)).unwrap());
        assert_eq!(one(AttributeType::PhoneNumber, json!("+4712345678")).unwrap(), "4712345678");
        assert_eq!(one(AttributeType::Email, json!("Ola@Example.com")).unwrap(), "ola@example.com");
        assert_eq!(one(AttributeType::DateTime, json!("2024-02-29T01:00:00+01:00")).unwrap(), "2024-02-29T00:00:00.000000Z");
        for (kind, bad) in [
            (AttributeType::String, json!(1)),
            (AttributeType::Integer, json!(1.5)),
            (AttributeType::Integer, json!("1")),
            (AttributeType::Real, json!("1")),
            (AttributeType::Boolean, json!(0)),
            (AttributeType::PhoneNumber, json!("12 34")),
            (AttributeType::Email, json!("nobody")),
            (AttributeType::Date, json!("2024-02-30")),
            (AttributeType::DateTime, json!("2024-02-29")),
            (AttributeType::String, json!(["a"])),
        ] {
            assert!(one(kind, bad.clone()).is_err(), "{kind:?} {bad}");
        }
        assert_eq!(AttributeType::Integer.sought("7").unwrap(), "7");
        assert!(AttributeType::Boolean.sought("yes").is_err());
    }

    #[test]
    fn several_values_are_an_array() {
        let many = attribute(AttributeType::Integer, true);
        assert_eq!(many.keys(&json!([1, 2])).unwrap(), ["1", "2"]);
        assert!(many.keys(&json!(1)).is_err());
        assert!(many.keys(&json!(vec![1; 101])).is_err());
    }
}
