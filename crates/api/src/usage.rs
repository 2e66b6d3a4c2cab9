//! How an account is used now, and a partner's whole tree.

use serde::Serialize;
use tenantry_accounts::{Left, PERMITS, Refused, Usage};
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::Result;
use crate::reply::Ok200;
use crate::route::{ACCOUNTS_INSPECT, Route, get};
use crate::settings::QuotaBody;

/// How many of the accounts below are told of by name.
const BUSIEST: usize = 10;

pub(crate) fn routes() -> Vec<Route> {
    vec![get(
        "/v1/accounts/{oid}/management/usage",
        ACCOUNTS_INSPECT,
        get_usage,
        "How the account, and the accounts below it, are used now",
    )]
}

async fn get_usage(call: Call) -> Result<Ok200<UsageView>> {
    let account = &call.account;
    let tree = if account.id().is_partner() { Some(call.registry.tree_usage(account, BUSIEST).await?) } else { None };
    let tree = tree.map(|tree| TreeUsageView {
        accounts: tree.all.accounts,
        usage: FiguresView::new(&tree.all),
        budget: account.budget_left().map(LeftView::new),
        busiest: tree
            .busiest
            .iter()
            .map(|(id, usage)| BusyView { account_id: id.to_string(), usage: FiguresView::new(usage) })
            .collect(),
    });
    let usage = account.usage();
    Ok(Ok200(UsageView {
        account_id: account.id().to_string(),
        seconds: rounded(usage.seconds),
        usage: FiguresView::new(&usage),
        rate: account.rate_left().map(LeftView::new),
        permits: PERMITS,
        tree,
    }))
}

/// How an account is used by this process: over the last ten seconds that are complete, and those since.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountUsage)]
struct UsageView {
    /// The account.
    #[schema(example = "T11200001")]
    account_id: String,
    /// How much time the figures are about, in seconds: between 10 and 20 but in the first seconds of the process.
    #[schema(example = 14.2)]
    seconds: f64,
    /// The account's own figures.
    usage: FiguresView,
    /// What is left of its rate; absent where rates are not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<LeftView>,
    /// How many writes may run or wait at once.
    #[schema(example = 16)]
    permits: usize,
    /// The same of a partner and all accounts below it together; absent of a sub-account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tree: Option<TreeUsageView>,
}

/// How a partner's accounts are used together.
#[derive(Serialize, ToSchema)]
#[schema(as = TreeUsage)]
struct TreeUsageView {
    /// How many of them are awake, the partner among them.
    accounts: usize,
    /// Their figures.
    usage: FiguresView,
    /// What is left of the budget; absent where rates are not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    budget: Option<LeftView>,
    /// The accounts below of which most is asked, most first, at most ten.
    busiest: Vec<BusyView>,
}

/// One of the accounts below.
#[derive(Serialize, ToSchema)]
#[schema(as = BusyAccount)]
struct BusyView {
    /// The account.
    account_id: String,
    /// Its figures.
    usage: FiguresView,
}

/// What was asked, how long it took, what was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageFigures)]
struct FiguresView {
    /// Requests a second that were answered, refusals and failures not counted.
    requests_per_second: f64,
    /// What half of these answers took at most, in milliseconds; absent if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    p50_ms: Option<f64>,
    /// What 99 of 100 took at most, in milliseconds; absent if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    p99_ms: Option<f64>,
    /// Requests that found no room.
    refused: RefusedView,
    /// Answers with status 500.
    failed: u64,
    /// Passwords that were hashed.
    hashes: u64,
    /// The time that took on the threads that hash, in seconds.
    hash_seconds: f64,
    /// Writes that run or wait now.
    writes_under_way: usize,
}

/// Requests that found no room, by what there was none for.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRefusals)]
struct RefusedView {
    /// The account's rate.
    account: u64,
    /// The rate of one client or user.
    client: u64,
    /// The budget of the partner's tree.
    tree: u64,
    /// Too many passwords or codes were tried.
    attempts: u64,
    /// The account had as much under way as it may.
    busy: u64,
    /// The process had, or its database.
    unavailable: u64,
}

/// What is left of a rate.
#[derive(Serialize, ToSchema)]
#[schema(as = QuotaLeft)]
struct LeftView {
    /// The rate.
    quota: QuotaBody,
    /// How many more requests would pass at once.
    remaining: u32,
}

impl LeftView {
    fn new(left: Left) -> Self {
        Self { quota: QuotaBody::new(left.quota), remaining: left.remaining }
    }
}

impl FiguresView {
    fn new(usage: &Usage) -> Self {
        let milliseconds = |share| usage.percentile(share).map(|seconds| rounded(seconds * 1000.0));
        Self {
            requests_per_second: rounded(usage.rate()),
            p50_ms: milliseconds(0.5),
            p99_ms: milliseconds(0.99),
            refused: RefusedView {
                account: usage.refused(Refused::Account),
                client: usage.refused(Refused::Client),
                tree: usage.refused(Refused::Tree),
                attempts: usage.refused(Refused::Attempts),
                busy: usage.refused(Refused::Busy),
                unavailable: usage.refused(Refused::Unavailable),
            },
            failed: usage.failed,
            hashes: usage.hashes,
            hash_seconds: rounded(usage.hashing.as_secs_f64()),
            writes_under_way: usage.writes,
        }
    }
}

/// With three digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
