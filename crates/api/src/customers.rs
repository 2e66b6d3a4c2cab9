//! Customers (contract nos. 30, 31, 33-36, 52 and 53).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_accounts::Known;
use tenantry_domain::{
    AcceptedTerms, Change, Checks, Consent, Consents, CustomerAddress, CustomerChange, CustomerCompany, CustomerId, EnrolledBy,
    Password, Pin, Proof, Secret, TagId, Text, is_date,
};
use utoipa::ToSchema;

use crate::body::{Json, JsonArray, Keyed};
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::query::{self, Id, Query};
use crate::reply::{Empty200, List, Ok200};
use crate::route::{CUSTOMER_READ, CUSTOMER_WRITE, CUSTOMERS_SHOW, Policy, Route, delete, get, head, post, put};
use crate::tags::TagView;
use crate::token_request::secret;
use crate::wire::{Entity, shown};

/// Who may make customers.
const CREATE: Policy = Policy::any_of(&["admin:customers", "write:customers", "create:customers:/users"]);
/// Who may read them; those with a `user:` scope only themselves.
const DETAILS: Policy =
    Policy::any_of(&["admin:customers", "read:customers", "user:customers", "user:customers:/customer/details"]);
/// Who may call them something else.
const RENAME: Policy = Policy::any_of(&["admin:customers", "admin:accounts"]);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{aid}/customers/users", CREATE, create_customer, "Create a customer"),
        head("/v1/accounts/{aid}/customers/users", CUSTOMERS_SHOW, has_customer, "Tell whether there is such a customer"),
        get("/v1/accounts/{aid}/customers/users/{customer_id}", DETAILS, get_customer, "Read one customer"),
        put(
            "/v1/accounts/{aid}/customers/users/{customer_id}",
            CUSTOMER_WRITE,
            update_customer,
            "Change the given fields of a customer",
        ),
        delete(
            "/v1/accounts/{aid}/customers/users/{customer_id}",
            CUSTOMER_WRITE,
            delete_customer,
            "Erase a customer, leaving a tombstone",
        ),
        post(
            "/v1/accounts/{aid}/customers/users/{customer_id}/change_customer_id",
            RENAME,
            change_customer_id,
            "Re-key a customer and log the change in its metadata",
        ),
        put(
            "/v1/accounts/{aid}/customers/users/{customer_id}/tags",
            CUSTOMER_WRITE,
            set_customer_tags,
            "Replace a customer's tags by a list of tag ids",
        ),
        get("/v1/accounts/{aid}/customers/users/{customer_id}/tags", CUSTOMER_READ, list_customer_tags, "List a customer's tags"),
    ]
}

async fn create_customer(call: Call, Keyed(body, key): Keyed<CustomerCreate>) -> Result<Ok200<CustomerView>> {
    let (id, change, proof) = body.fields.parse()?;
    let customer = call.account.create_customer(call.caller, id, change, proof, key).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

async fn has_customer(call: Call, Query(asked): Query<HeadQuery>) -> Result<Empty200> {
    if !call.account.directory().customers_settings().users.head {
        return Err(ApiError::MethodNotAllowed("GET, POST".to_owned()));
    }
    let email = query::optional("email", asked.email.as_deref())?;
    let phone = query::optional("phone_number", asked.phone_number.as_deref())?;
    let there = call.account.has_customer(email.as_ref(), phone.as_ref()).await?;
    if there { Ok(Empty200) } else { Err(tenantry_domain::Error::NotFound.into()) }
}

async fn get_customer(call: Call, Id(id): Id<CustomerId>) -> Result<Ok200<CustomerView>> {
    Ok(Ok200(CustomerView::new(&call.account.customer(&call.caller, &id).await?)))
}

async fn update_customer(call: Call, Id(id): Id<CustomerId>, Json(body): Json<CustomerUpdate>) -> Result<Ok200<CustomerView>> {
    let (_, change, proof) = body.parse()?;
    let customer = call.account.update_customer(call.caller, id, change, proof).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

async fn delete_customer(call: Call, Id(id): Id<CustomerId>, Query(how): Query<DeleteQuery>) -> Result<Ok200<CustomerView>> {
    let customer = call.account.delete_customer(call.caller, id, how.delete_tokens).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

async fn change_customer_id(
    call: Call,
    Id(id): Id<CustomerId>,
    Json(body): Json<ChangeCustomerId>,
) -> Result<Ok200<CustomerView>> {
    let next = query::optional("customer_id", body.customer_id.as_deref())?;
    let customer = call.account.change_customer_id(call.caller, id, next).await?;
    Ok(Ok200(CustomerView::new(&customer)))
}

async fn set_customer_tags(call: Call, Id(id): Id<CustomerId>, JsonArray(tags): JsonArray<TagIds>) -> Result<List<TagView>> {
    let mut checks = Checks::default();
    let ids: Vec<TagId> =
        (0..).zip(&tags.0).filter_map(|(nth, tag): (usize, _)| checks.take(&format!("[{nth}]"), tag.0.parse())).collect();
    let tags = call.account.set_customer_tags(call.caller, id, checks.done(Some(ids))?).await?;
    Ok(List(tags.iter().map(|tag| TagView::new(tag)).collect()))
}

async fn list_customer_tags(call: Call, Id(id): Id<CustomerId>) -> Result<List<TagView>> {
    let tags = call.account.customer_tags(&call.caller, &id).await?;
    Ok(List(tags.iter().map(|tag| TagView::new(tag)).collect()))
}

/// Who is asked for.
#[derive(Deserialize, ToSchema)]
struct HeadQuery {
    /// Exact address.
    email: Option<String>,
    /// Exact number.
    phone_number: Option<String>,
}

/// What becomes of an erased customer's tokens.
#[derive(Deserialize, ToSchema)]
struct DeleteQuery {
    /// Also delete the customer's tokens.
    #[serde(default)]
    #[schema(required = false, default = false)]
    delete_tokens: bool,
}

/// Another id.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"customer_id": "C-1002"}))]
struct ChangeCustomerId {
    /// The account's own key for it, never given again; made by the server when left out.
    #[schema(min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$", nullable = false)]
    customer_id: Option<String>,
}

/// Ids of tags.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!(["01890f5e-7b6a-7cc2-98c2-2f1a2b3c4d5e"]))]
struct TagIds(Vec<TagIdText>);

/// The id of a tag.
#[derive(Deserialize, ToSchema)]
#[schema(value_type = String, format = Uuid)]
struct TagIdText(String);

/// A new customer.
#[derive(ToSchema)]
#[schema(example = json!({"type": "customer", "email": "ola@example.com", "phone_number": "+4712345678"}))]
struct CustomerCreate {
    #[serde(flatten)]
    fields: CustomerUpdate,
    /// The account's own key for it, never given again; made by the server when left out.
    #[schema(min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$", nullable = false, required = false)]
    #[expect(dead_code, reason = "described here; read with the other fields, so that findings name theirs")]
    customer_id: String,
    /// Employees and others need an admin or write scope; only customers and companies can log in.
    #[schema(required)]
    #[expect(dead_code, reason = "see customer_id")]
    r#type: CustomerType,
}

impl<'de> Deserialize<'de> for CustomerCreate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let fields = CustomerUpdate::deserialize(deserializer)?;
        Ok(Self { fields, customer_id: String::new(), r#type: CustomerType::default() })
    }
}

/// A change of a customer: what is left out stays, null clears, objects and arrays are replaced as a whole.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"first_name": "Ola", "favorite_store": null}))]
pub(crate) struct CustomerUpdate {
    #[schema(ignore)]
    customer_id: Option<String>,
    /// Employees and others need an admin or write scope; only customers and companies can log in.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    kind: Option<CustomerType>,
    /// Free pairs, at most 40 and 16 KiB of JSON; null for a key removes it, null for the whole clears all.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Change<Map<String, Value>>,
    /// At most 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Change<String>,
    /// At most 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Change<String>,
    /// Unique per type, compared without case.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Change<String>,
    /// Unique among all customers, unless settings say otherwise.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^\+?[1-9]\d{1,14}$")]
    phone_number: Change<String>,
    /// Values for attributes declared in settings.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    attributes: Change<Map<String, Value>>,
    /// At most 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    status: Change<String>,
    /// At most 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    favorite_store: Change<String>,
    /// Where the customer came from.
    #[serde(default)]
    #[schema(value_type = EnrolledBy, required = false)]
    enrolled_by: Change<EnrolledBy>,
    /// Consent per channel.
    #[serde(default)]
    #[schema(value_type = MarketingConsent, required = false)]
    marketing_consent: Change<Consents>,
    /// At most 20.
    #[serde(default)]
    #[schema(value_type = Vec<CustomerAddress>, required = false)]
    addresses: Change<Vec<CustomerAddress>>,
    /// Terms that were accepted.
    #[serde(default)]
    #[schema(value_type = AcceptedTerms, required = false)]
    term: Change<AcceptedTerms>,
    /// Required for the type company; for others only with the type other.
    #[serde(default)]
    #[schema(value_type = CustomerCompany, required = false)]
    company: Change<CustomerCompany>,
    /// At most 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gender: Change<String>,
    /// YYYY-MM-DD.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date")]
    date_of_birth: Change<String>,
    /// Customers this contact speaks for; type contact only.
    #[serde(default)]
    #[schema(value_type = Vec<ContactFor>, required = false)]
    contact_for: Change<Vec<ContactFor>>,
    /// The caller also needs `write:accounts:/auth/users`.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = String, required = false, min_length = 8, max_length = 255, write_only)]
    password: Option<Secret>,
    /// For logging in with a second factor only; the caller also needs `write:accounts:/auth/users`.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = String, required = false, min_length = 6, max_length = 6, pattern = r"^\d{6}$", write_only)]
    pin: Option<Secret>,
}

/// Consent per channel.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: other channels may stand beside these")]
struct MarketingConsent {
    #[schema(nullable = false)]
    sms: Option<Consent>,
    #[schema(nullable = false)]
    email: Option<Consent>,
}

/// Somebody for whom a contact speaks.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
struct ContactFor {
    /// What the account calls it.
    customer_id: String,
}

/// A value that is parsed from text, or cleared, or stays.
fn change<T>(
    checks: &mut Checks,
    field: &str,
    given: Change<String>,
    parse: impl FnOnce(&str) -> std::result::Result<T, String>,
) -> Change<T> {
    match given {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(text) => checks.take(field, parse(&text)).map_or(Change::Keep, Change::Set),
    }
}

/// A short text that stays as it is.
fn short(text: &str) -> std::result::Result<String, String> {
    text.parse::<Text<255>>().map(|text| text.as_str().to_owned())
}

impl CustomerUpdate {
    pub(crate) fn parse(self) -> Result<(Option<CustomerId>, CustomerChange, Proof)> {
        let mut checks = Checks::default();
        let customer_id = checks.take("customer_id", self.customer_id.map(|id| id.parse()).transpose());
        if let Change::Set(enrolled_by) = &self.enrolled_by {
            enrolled_by.check(&mut checks);
        }
        if let Change::Set(consents) = &self.marketing_consent {
            Consent::check_all(consents, &mut checks);
        }
        if let Change::Set(addresses) = &self.addresses {
            CustomerAddress::check_all(addresses, &mut checks);
        }
        if let Change::Set(company) = &self.company {
            company.check(&mut checks);
        }
        let contact_for = self.contact_for.map(|given| {
            let id = |(nth, contact): (usize, ContactFor)| {
                checks.take(&format!("contact_for[{nth}].customer_id"), contact.customer_id.parse())
            };
            given.into_iter().enumerate().filter_map(id).collect()
        });
        let checks = &mut checks;
        let change = CustomerChange {
            kind: self.kind.map(Into::into),
            first_name: change(checks, "first_name", self.first_name, str::parse),
            last_name: change(checks, "last_name", self.last_name, str::parse),
            email: change(checks, "email", self.email, str::parse),
            phone: change(checks, "phone_number", self.phone_number, str::parse),
            metadata: self.metadata,
            attributes: self.attributes,
            status: change(checks, "status", self.status, short),
            favorite_store: change(checks, "favorite_store", self.favorite_store, short),
            enrolled_by: self.enrolled_by,
            marketing_consent: self.marketing_consent,
            addresses: self.addresses,
            term: self.term,
            company: self.company,
            gender: change(checks, "gender", self.gender, short),
            date_of_birth: change(checks, "date_of_birth", self.date_of_birth, |day| is_date(day).map(|()| day.to_owned())),
            contact_for,
        };
        let reveal = |secret: Secret| secret.reveal().to_owned();
        let password = self.password.map(|password| Password::chosen(reveal(password)));
        let pin = self.pin.map(|pin| Pin::chosen(reveal(pin)));
        let proof = Proof {
            password: checks.take("password", password.transpose()).flatten(),
            imported: None,
            pin: checks.take("pin", pin.transpose()).flatten(),
        };
        let parsed = customer_id.map(|id| (id, change, proof));
        Ok(std::mem::take(checks).done(parsed)?)
    }
}

/// What kind of customer it is.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "customer")]
pub(crate) enum CustomerType {
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
pub(crate) struct CustomerView {
    #[serde(flatten)]
    entity: Entity,
    /// The account's own key for it.
    #[schema(min_length = 1, max_length = 255, pattern = r"^\S(.*\S)?$")]
    customer_id: String,
    /// What kind of customer it is.
    #[serde(rename = "type")]
    kind: CustomerType,
    /// What the account keeps with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
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
    #[schema(pattern = r"^\+?[1-9]\d{1,14}$")]
    phone_number: Option<String>,
    /// Values of declared attributes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object, required = false)]
    attributes: Map<String, Value>,
    /// What the account says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Where it likes to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    favorite_store: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    enrolled_by: Option<EnrolledBy>,
    /// Consent per channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MarketingConsent, required = false)]
    marketing_consent: Option<Consents>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    addresses: Option<Vec<CustomerAddress>>,
    /// Terms that were accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    term: Option<AcceptedTerms>,
    /// The company that it is, or belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    company: Option<CustomerCompany>,
    /// Its gender.
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<String>,
    /// YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date")]
    date_of_birth: Option<String>,
    /// Customers it speaks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    contact_for: Vec<ContactFor>,
}

impl CustomerView {
    pub(crate) fn new(known: &Known) -> Self {
        let Known { customer, speaks_for } = known;
        let profile = (*customer.profile).clone();
        Self {
            entity: Entity::new(customer.key.0, &customer.stamp),
            customer_id: customer.customer_id.to_string(),
            kind: customer.kind.into(),
            metadata: (!profile.metadata.is_empty()).then(|| profile.metadata.pairs().clone()),
            first_name: shown(customer.first_name.as_ref()),
            last_name: shown(customer.last_name.as_ref()),
            email: customer.email.as_ref().map(ToString::to_string),
            phone_number: customer.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            attributes: profile.attributes,
            status: profile.status,
            favorite_store: profile.favorite_store,
            enrolled_by: profile.enrolled_by,
            marketing_consent: profile.marketing_consent,
            addresses: profile.addresses,
            term: profile.term,
            company: profile.company,
            gender: profile.gender,
            date_of_birth: profile.date_of_birth,
            contact_for: speaks_for.iter().map(|id| ContactFor { customer_id: id.to_string() }).collect(),
        }
    }
}
