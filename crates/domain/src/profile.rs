//! What an account knows of a customer beside its names and addresses: kept as one value, in the form in which it is told
//! (contract section 8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Checks, Instant, Metadata, Text};

/// Everything about a customer that nobody searches for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// What the account keeps with it.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Values of declared attributes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// What the account says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Where it likes to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub favorite_store: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolled_by: Option<EnrolledBy>,
    /// Over which channels it wants to hear of offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marketing_consent: Option<Consents>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<CustomerAddress>>,
    /// What it has agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<AcceptedTerms>,
    /// The company that it is, or belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<CustomerCompany>,
    /// Its gender, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<String>,
    /// The customers whom it speaks for, by record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact_for: Vec<Uuid>,
}

/// Consent per channel: `sms`, `email`, and what the account adds.
pub type Consents = std::collections::BTreeMap<String, Consent>;

/// Where a customer came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EnrolledBy {
    /// What kind of source.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kind: Option<String>,
    /// Any JSON value.
    pub value: Value,
}

/// Whether a customer wants to hear of offers over a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// Whether it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub consent: Option<bool>,
    /// When it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub updated_at: Option<Instant>,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerAddress {
    /// Street and number.
    pub address_line: String,
    /// A second line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub address_line_2: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub postal_code: Option<String>,
    /// Town.
    pub postal_place: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$")]
    pub country: String,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -90, maximum = 90, nullable = false)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -180, maximum = 180, nullable = false)]
    pub longitude: Option<f64>,
    /// What kind of address.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kind: Option<AddressType>,
    /// Name of the kind where that is `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub custom_type: Option<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
}

/// What kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressType {
    /// See `custom_type`.
    Custom,
    /// Where somebody lives.
    Home,
    /// Something else.
    Other,
    /// Where somebody works.
    Work,
}

/// Terms that a customer has agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CustomerTerm)]
pub struct AcceptedTerms {
    /// Terms of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// When; now, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub accepted_at: Option<Instant>,
}

/// A company that is a customer, or that one belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerCompany {
    /// Its registered name.
    pub bussiness_name: String,
    /// Its number in the national register.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub organization_number: Option<String>,
    /// A part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub department: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub industry: Option<String>,
    /// Where it is on the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub website: Option<String>,
    /// How large it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub number_of_employees: Option<String>,
}

/// How many addresses a customer may have.
const ADDRESSES: usize = 20;
/// How many channels it may consent to.
const CHANNELS: usize = 20;
/// How many bytes of JSON may say where it came from.
const ENROLLED: usize = 4096;

/// Notes a text that is too long or has control characters in it.
fn text(checks: &mut Checks, field: &str, text: Option<&String>) {
    checks.take(field, text.map_or(Ok(()), |text| text.parse::<Text<1000>>().map(drop)));
}

/// Notes a text that is also empty.
fn named(checks: &mut Checks, field: &str, text: &str) {
    checks.take(field, Text::<1000>::not_blank(text));
}

impl CustomerAddress {
    /// Notes what is wrong with a customer's addresses.
    pub fn check_all(addresses: &[Self], checks: &mut Checks) {
        if addresses.len() > ADDRESSES {
            checks.fault("addresses", format!("must have at most {ADDRESSES} entries"));
        }
        for (at, address) in addresses.iter().enumerate() {
            let field = |name: &str| format!("addresses[{at}].{name}");
            named(checks, &field("address_line"), &address.address_line);
            named(checks, &field("postal_place"), &address.postal_place);
            for (name, value) in [
                ("address_line_2", &address.address_line_2),
                ("postal_code", &address.postal_code),
                ("custom_type", &address.custom_type),
                ("comment", &address.comment),
            ] {
                text(checks, &field(name), value.as_ref());
            }
            if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                checks.fault(field("country"), "must be two capital letters, as in ISO 3166-1");
            }
            for (name, value, most) in [("latitude", address.latitude, 90.0), ("longitude", address.longitude, 180.0)] {
                if value.is_some_and(|value| !(-most..=most).contains(&value)) {
                    checks.fault(field(name), format!("must be between -{most} and {most}"));
                }
            }
        }
    }
}

impl CustomerCompany {
    /// Notes what is wrong with it.
    pub fn check(&self, checks: &mut Checks) {
        named(checks, "company.bussiness_name", &self.bussiness_name);
        for (name, value) in [
            ("organization_number", &self.organization_number),
            ("department", &self.department),
            ("industry", &self.industry),
            ("website", &self.website),
            ("number_of_employees", &self.number_of_employees),
        ] {
            text(checks, &format!("company.{name}"), value.as_ref());
        }
    }
}

impl EnrolledBy {
    /// Notes what is wrong with it.
    pub fn check(&self, checks: &mut Checks) {
        text(checks, "enrolled_by.type", self.kind.as_ref());
        if self.value.to_string().len() > ENROLLED {
            checks.fault("enrolled_by.value", format!("must be at most {ENROLLED} bytes of JSON"));
        }
    }
}

impl Consent {
    /// Notes what is wrong with the consents of a customer.
    pub fn check_all(consents: &Consents, checks: &mut Checks) {
        if consents.len() > CHANNELS {
            checks.fault("marketing_consent", format!("must have at most {CHANNELS} channels"));
        }
        if consents.keys().any(|name| !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control)) {
            checks.fault("marketing_consent", "channels must be 1 to 100 characters");
        }
    }
}
