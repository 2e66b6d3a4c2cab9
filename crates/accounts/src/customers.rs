//! Customers (contract nos. 30 and 33). They stand in SQL only: an account may have millions.

use tenantry_domain::{Customer, CustomerId, CustomerInput, CustomerKey, CustomerType, Error, Result, Scopes, Stamp};

use crate::account::Account;
use crate::caller::Caller;
use crate::store;

/// Scopes that read every customer; others read their own record.
const READS_ALL: [&str; 2] = ["admin:customers", "read:customers"];
/// Scopes that make customers of every kind.
const MAKES_ALL: [&str; 2] = ["admin:customers", "write:customers"];

fn has_one(held: &Scopes, scopes: [&str; 2]) -> bool {
    scopes.into_iter().any(|scope| held.has(scope))
}

impl Account {
    /// One live customer. Whoever may read only itself finds nobody else.
    pub async fn customer(&self, by: &Caller, id: &CustomerId) -> Result<Customer> {
        let own = by.subject() == id.subject();
        if !own && !has_one(&by.scopes(self, &self.directory())?, READS_ALL) {
            return Err(Error::NotFound);
        }
        store::customers::find(&self.platform().store.read, self.id(), id).await?.ok_or(Error::NotFound)
    }

    /// Creates a customer.
    ///
    /// Errors: `Duplicate` for a `customer_id` that was ever given, an address that another live customer of the kind has, a
    /// number that another live customer has; `InsufficientScope` for employees and others with a scope that only makes
    /// customers.
    pub async fn create_customer(&self, by: Caller, input: CustomerInput) -> Result<Customer> {
        let staff = matches!(input.kind, CustomerType::Employee | CustomerType::Other);
        if staff && !has_one(&by.scopes(self, &self.directory())?, MAKES_ALL) {
            return Err(Error::InsufficientScope);
        }
        let now = self.now();
        let key = CustomerKey(self.platform().source.id(now));
        let CustomerInput { customer_id, kind, first_name, last_name, email, phone } = input;
        let customer_id = customer_id.unwrap_or_else(|| key.to_string().parse().expect("a UUID is a customer_id"));
        let customer =
            Customer { key, stamp: Stamp::new(now, by.subject()), customer_id, kind, first_name, last_name, email, phone };
        let (account, by_whom) = (self.clone(), by.clone());
        self.write_rows(&by, async move |tx| {
            store::customers::insert(tx, account.id(), &customer).await?;
            account.tell(tx, &account.activity("customer.created", &by_whom, customer.key));
            Ok(customer)
        })
        .await
    }
}
