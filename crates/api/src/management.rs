//! The accounts below an account (contract section 9).

use std::num::NonZeroU32;

use serde::Deserialize;
use tenantry_domain::{AccountId, AccountInput, Change, Checks, Text};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, Page};
use crate::route::{ACCOUNTS_INSPECT, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Route, delete, get, post, put};
use crate::settings::{AccountView, CompanyBody, QuotaBody, language};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/management/accounts", ACCOUNTS_INSPECT, list_accounts, "List the accounts below"),
        post("/v1/accounts/{oid}/management/accounts", ACCOUNTS_WRITE, create_account, "Create an account below"),
        get("/v1/accounts/{oid}/management/accounts/{aid}", ACCOUNTS_INSPECT, get_account, "Read an account below"),
        put(
            "/v1/accounts/{oid}/management/accounts/{aid}",
            ACCOUNTS_REPAIR,
            update_account,
            "Change or suspend an account below",
        ),
        delete("/v1/accounts/{oid}/management/accounts/{aid}", ACCOUNTS_REPAIR, delete_account, "Soft-delete an account below"),
    ]
}

async fn list_accounts(call: Call, Query(filter): Query<AccountQuery>) -> Result<Page<AccountView>> {
    let limit = query::limit(filter.limit)?;
    let after = query::optional("starting_after", filter.starting_after.as_deref())?;
    let accounts = call.account.accounts_below(filter.search.as_deref(), after, limit.into()).await?;
    Ok(Page::new(accounts.iter().map(AccountView::new).collect(), limit, AccountView::cursor))
}

async fn create_account(call: Call, Json(body): Json<AccountCreate>) -> Result<Ok200<AccountView>> {
    let account = call.account.create_account(call.caller, body.parse()?).await?;
    Ok(Ok200(AccountView::new(&account)))
}

async fn get_account(call: Call, Id(id): Id<AccountId>) -> Result<Ok200<AccountView>> {
    let account = call.registry.account_below(&call.account, id).await?;
    Ok(Ok200(AccountView::new(&account.directory().account)))
}

async fn update_account(call: Call, Id(id): Id<AccountId>, Json(body): Json<AccountChange>) -> Result<Ok200<AccountView>> {
    let account = call.registry.update_account(&call.account, call.caller, id, body.parse()?).await?;
    Ok(Ok200(AccountView::new(&account)))
}

async fn delete_account(call: Call, Id(id): Id<AccountId>) -> Result<Ok200<AccountView>> {
    let account = call.registry.delete_account(&call.account, call.caller, id).await?;
    Ok(Ok200(AccountView::new(&account)))
}

/// Which accounts to list.
#[derive(Deserialize, ToSchema)]
struct AccountQuery {
    /// The beginning of the id (`P` or `T` and at least three digits) or, with any other text, of the name, without regard to case. Names come in
    /// alphabetical order, else accounts come by id.
    search: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The `account_id` that the page before ended with.
    starting_after: Option<String>,
}

/// A new account as it is sent.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"display_name": "Corner shop"}))]
struct AccountCreate {
    /// A name for people, at most 255 characters.
    display_name: String,
    /// A number directly below the caller's; the next free one if left out. Never reused.
    account_id: Option<String>,
    /// The company behind it.
    company: Option<CompanyBody>,
    /// ISO 639-1, two small letters.
    language_code: Option<String>,
}

impl AccountCreate {
    fn parse(self) -> Result<AccountInput> {
        let mut checks = Checks::default();
        let display_name = checks.take("display_name", Text::not_blank(&self.display_name));
        let account_id = checks.take("account_id", self.account_id.map(|id| id.parse()).transpose());
        let company = self.company.map(|company| company.parse(&mut checks));
        language(&mut checks, self.language_code.as_ref());
        let language_code = self.language_code;
        let input = (|| Some(AccountInput { display_name: display_name?, account_id: account_id?, company, language_code }))();
        Ok(checks.done(input)?)
    }
}

/// A change to an account below; what is left out stays, null clears what may be absent.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"active": false}))]
struct AccountChange {
    /// A name for people, at most 255 characters.
    display_name: Option<String>,
    /// The company behind it.
    #[serde(default)]
    #[schema(value_type = Option<CompanyBody>)]
    company: Change<CompanyBody>,
    /// ISO 639-1, two small letters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language_code: Change<String>,
    /// `false` suspends the account and everything below it; `true` lifts that.
    active: Option<bool>,
    /// The account's own rate; null for the server's default.
    #[serde(default)]
    #[schema(value_type = Option<QuotaBody>)]
    limits: Change<QuotaBody>,
    /// The rate of each of its clients; null for the server's default.
    #[serde(default)]
    #[schema(value_type = Option<QuotaBody>)]
    client_limits: Change<QuotaBody>,
    /// The rate of a partner's whole tree; null for the server's default.
    #[serde(default)]
    #[schema(value_type = Option<QuotaBody>)]
    budget: Change<QuotaBody>,
    /// How much of its partner's budget is its own, beside the others': an account of weight 2 has twice what one of weight 1 has. What one
    /// leaves unused is lent to the others.
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<i64>,
    /// `true` freezes the account and everything below it: it can be read and signed in to, but only the account above it can change
    /// anything; `false` lifts that.
    frozen: Option<bool>,
}

impl AccountChange {
    fn parse(self) -> Result<tenantry_domain::AccountChange> {
        let mut checks = Checks::default();
        let display_name = checks.take("display_name", self.display_name.as_deref().map(Text::not_blank).transpose());
        language(&mut checks, self.language_code.given());
        let company = self.company.map(|company| company.parse(&mut checks));
        let limits = QuotaBody::change(self.limits, &mut checks, "limits");
        let client_limits = QuotaBody::change(self.client_limits, &mut checks, "client_limits");
        let budget = QuotaBody::change(self.budget, &mut checks, "budget");
        let weight = self.weight.map(|weight| {
            let fits = u32::try_from(weight).ok().filter(|weight| *weight <= 1000).and_then(NonZeroU32::new);
            fits.ok_or("must be between 1 and 1000")
        });
        let weight = checks.take("weight", weight.transpose());
        let change = (|| {
            Some(tenantry_domain::AccountChange {
                display_name: display_name?,
                company,
                language_code: self.language_code,
                active: self.active,
                limits: limits?,
                client_limits: client_limits?,
                budget: budget?,
                weight: weight?,
                frozen: self.frozen,
                ..Default::default()
            })
        })();
        Ok(checks.done(change)?)
    }
}
