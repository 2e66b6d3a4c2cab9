//! Looking for customers (contract no. 32).

use serde::Deserialize;
use tenantry_accounts::CustomerFilter;
use tenantry_domain::{Instant, TagId};
use utoipa::ToSchema;

use crate::call::Call;
use crate::customers::{CustomerType, CustomerView};
use crate::error::{ApiError, Result};
use crate::query::{self, Query};
use crate::reply::Counted;
use crate::route::{CUSTOMERS_READ, Route, get};

/// How many attributes one may look for.
const MAX_ATTRIBUTES: usize = 4;

pub(crate) fn routes() -> Vec<Route> {
    vec![get("/v1/accounts/{aid}/customers/users", CUSTOMERS_READ, list_customers, "Search customers; all filters must match")]
}

async fn list_customers(call: Call, Query(asked): Query<CustomerQuery>) -> Result<Counted<CustomerView>> {
    let found = call.account.customers(&asked.parse()?).await?;
    let views = found.customers.iter().map(CustomerView::new).collect();
    Ok(Counted { items: views, next: found.next, total: found.total })
}

/// Which customers to list.
#[derive(Deserialize, ToSchema)]
struct CustomerQuery {
    /// Owner of a token with this value.
    token_value: Option<String>,
    /// Owner of a token of this type.
    token_type: Option<String>,
    /// Address prefix.
    email: Option<String>,
    /// Number prefix; encode the plus sign.
    phone_number: Option<String>,
    /// Kind; contacts are left out unless asked for.
    #[serde(rename = "type")]
    kind: Option<KindFilter>,
    /// Prefix of name, number, customer id or address.
    search: Option<String>,
    /// Carries this tag.
    tag_id: Option<String>,
    /// Also list soft-deleted records.
    #[serde(default)]
    #[schema(required = false, default = false)]
    include_deleted: bool,
    /// Has all these attributes.
    #[serde(default, deserialize_with = "query::list")]
    #[schema(required = false, max_items = 4)]
    attributes_keys: Vec<String>,
    /// Values for `attributes_keys`, by position.
    #[serde(default, deserialize_with = "query::list")]
    #[schema(required = false, max_items = 4)]
    attributes_values: Vec<String>,
    /// Only records added or changed at or after this time, in that order; of `starting_after` only a paging token goes together with it.
    #[schema(format = "date-time")]
    since_datetime: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// Opaque cursor from the previous page.
    starting_after: Option<String>,
    /// Ask for the total-count header.
    #[serde(default)]
    #[schema(required = false, default = false)]
    total: bool,
}

/// Kinds that may be looked for.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KindFilter {
    Customer,
    Company,
    Contact,
    Employee,
    Other,
    Any,
}

impl KindFilter {
    fn kinds(self) -> Vec<tenantry_domain::CustomerType> {
        let one = match self {
            Self::Customer => CustomerType::Customer,
            Self::Company => CustomerType::Company,
            Self::Contact => CustomerType::Contact,
            Self::Employee => CustomerType::Employee,
            Self::Other => CustomerType::Other,
            Self::Any => {
                let all = [Self::Customer, Self::Company, Self::Contact, Self::Employee, Self::Other];
                return all.into_iter().flat_map(Self::kinds).collect();
            }
        };
        vec![one.into()]
    }
}

impl CustomerQuery {
    fn parse(self) -> Result<CustomerFilter> {
        for (field, list) in [("attributes_keys", &self.attributes_keys), ("attributes_values", &self.attributes_values)] {
            if list.len() > MAX_ATTRIBUTES {
                return Err(ApiError::invalid(field, format!("must have at most {MAX_ATTRIBUTES} entries")));
            }
        }
        if self.attributes_values.len() > self.attributes_keys.len() {
            return Err(ApiError::invalid("attributes_values", "has more entries than attributes_keys"));
        }
        let mut values = self.attributes_values.into_iter();
        let since = self.since_datetime.as_deref().map(Instant::parse).transpose();
        Ok(CustomerFilter {
            limit: query::limit(self.limit)? as usize,
            tag: query::optional::<TagId>("tag_id", self.tag_id.as_deref())?,
            since: since.map_err(|fault| ApiError::invalid("since_datetime", fault))?,
            attributes: self.attributes_keys.into_iter().map(|key| (key, values.next())).collect(),
            kinds: self.kind.map(KindFilter::kinds).unwrap_or_default(),
            email: self.email,
            phone_number: self.phone_number,
            search: self.search,
            token_value: self.token_value,
            token_type: self.token_type,
            include_deleted: self.include_deleted,
            after: self.starting_after,
            total: self.total,
        })
    }
}
