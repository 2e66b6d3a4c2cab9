//! Customers (contract nos. 30 and 33).

use serde::{Deserialize, Serialize};
use tenantry_domain::{Checks, Customer, CustomerId};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::Id;
use crate::reply::Ok200;
use crate::route::{Policy, Route, get, post};
use crate::wire::{Entity, shown, text};

/// Who may make customers.
const CREATE: Policy = Policy::any_of(&["admin:customers", "write:customers", "create:customers:/users"]);
/// Who may read them; those with a `user:` scope only themselves.
const READ: Policy = Policy::any_of(&["admin:customers", "read:customers", "user:customers", "user:customers:/customer/details"]);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{aid}/customers/users", CREATE, create_customer, "Create a customer"),
        get("/v1/accounts/{aid}/customers/users/{customer_id}", READ, get_customer, "Read one customer"),
    ]
}

async fn create_customer(call: Call, Json(body): Json<CustomerCreate>) -> Result<Ok200<CustomerView>> {
    let customer = call.account.create_customer(call.caller, body.parse()?).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

async fn get_customer(call: Call, Id(id): Id<CustomerId>) -> Result<Ok200<CustomerView>> {
    let customer = call.account.customer(&call.caller, &id).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

/// A new customer.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"type": "customer", "email": "ola@example.com", "phone_number": "+4712345678"}))]
struct CustomerCreate {
    /// The account's own key for it, never given again; made by the server when left out.
    #[schema(min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$", nullable = false)]
    customer_id: Option<String>,
    /// Employees and others need an admin or write scope; only customers and companies can log in.
    #[serde(rename = "type", default)]
    #[schema(required)]
    kind: CustomerType,
    /// At most 255 characters.
    first_name: Option<String>,
    /// At most 255 characters.
    last_name: Option<String>,
    /// Unique per type, compared without case.
    email: Option<String>,
    /// Unique among all customers.
    #[schema(pattern = r"^\+?[1-9]\d{1,14}$")]
    phone_number: Option<String>,
}

impl CustomerCreate {
    fn parse(self) -> Result<tenantry_domain::CustomerInput> {
        let mut checks = Checks::default();
        let customer_id = checks.take("customer_id", self.customer_id.map(|id| id.parse()).transpose());
        let first_name = text(&mut checks, "first_name", self.first_name);
        let last_name = text(&mut checks, "last_name", self.last_name);
        let email = checks.take("email", self.email.map(|email| email.parse()).transpose());
        let phone = checks.take("phone_number", self.phone_number.map(|phone| phone.parse()).transpose());
        let input = (|| {
            Some(tenantry_domain::CustomerInput {
                customer_id: customer_id?,
                kind: self.kind.into(),
                first_name: first_name?,
                last_name: last_name?,
                email: email?,
                phone: phone?,
            })
        })();
        Ok(checks.done(input)?)
    }
}

/// What kind of customer it is.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "customer")]
enum CustomerType {
    #[default]
    Customer,
    Company,
    Contact,
    Employee,
    Other,
}

impl From<CustomerType> for tenantry_domain::CustomerType {
    fn from(kind: CustomerType) -> Self {
        match kind {
            CustomerType::Customer => Self::Customer,
            CustomerType::Company => Self::Company,
            CustomerType::Contact => Self::Contact,
            CustomerType::Employee => Self::Employee,
            CustomerType::Other => Self::Other,
        }
    }
}

impl From<tenantry_domain::CustomerType> for CustomerType {
    fn from(kind: tenantry_domain::CustomerType) -> Self {
        match kind {
            tenantry_domain::CustomerType::Customer => Self::Customer,
            tenantry_domain::CustomerType::Company => Self::Company,
            tenantry_domain::CustomerType::Contact => Self::Contact,
            tenantry_domain::CustomerType::Employee => Self::Employee,
            tenantry_domain::CustomerType::Other => Self::Other,
        }
    }
}

/// A customer as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Customer)]
struct CustomerView {
    #[serde(flatten)]
    entity: Entity,
    /// The account's own key for it.
    #[schema(min_length = 1, max_length = 255)]
    customer_id: String,
    /// What kind of customer it is.
    #[serde(rename = "type")]
    kind: CustomerType,
    /// The name that its friends use.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    /// The name of its family.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
}

impl CustomerView {
    fn new(customer: &Customer) -> Self {
        Self {
            entity: Entity::new(customer.key.0, &customer.stamp),
            customer_id: customer.customer_id.to_string(),
            kind: customer.kind.into(),
            first_name: shown(customer.first_name.as_ref()),
            last_name: shown(customer.last_name.as_ref()),
            email: customer.email.as_ref().map(ToString::to_string),
            phone_number: customer.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        }
    }
}
