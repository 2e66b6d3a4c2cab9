//! Those of the account who decide about installers.

use serde::{Deserialize, Serialize};
use tenantry_accounts::{Decision, InstallerFilter};
use tenantry_domain::{Checks, Installer, InstallerId, Instant, Text};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::installer_identity::{DocumentKind, VerificationState};
use crate::installers::InstallerAccount;
use crate::query::{self, Id, Query};
use crate::reply::{NoContent204, Ok200, Page};
use crate::route::{Policy, Route, delete, get, post};

/// Reads of installers.
pub(crate) const INSTALLERS_READ: Policy = Policy::any_of(&["admin:installers", "write:installers", "read:installers"]);
/// Decisions about installers.
pub(crate) const INSTALLERS_WRITE: Policy = Policy::any_of(&["admin:installers", "write:installers"]);
/// Decisions that shut somebody out.
const INSTALLERS_REPAIR: Policy = INSTALLERS_WRITE.reserved();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{aid}/management/installers", INSTALLERS_READ, list_installers, "List installers by filter"),
        get(
            "/v1/accounts/{aid}/management/installers/{installer_id}",
            INSTALLERS_READ,
            get_installer,
            "Read one installer, with its document",
        ),
        delete(
            "/v1/accounts/{aid}/management/installers/{installer_id}",
            INSTALLERS_REPAIR,
            erase_installer,
            "Erase an installer",
        ),
        post(
            "/v1/accounts/{aid}/management/installers/{installer_id}/approve",
            INSTALLERS_WRITE,
            approve_installer,
            "Approve an installer's identity",
        ),
        post(
            "/v1/accounts/{aid}/management/installers/{installer_id}/reject",
            INSTALLERS_WRITE,
            reject_installer,
            "Reject an installer's document, with a reason",
        ),
        post(
            "/v1/accounts/{aid}/management/installers/{installer_id}/suspend",
            INSTALLERS_REPAIR,
            suspend_installer,
            "Shut an installer out, and end its sessions",
        ),
        post(
            "/v1/accounts/{aid}/management/installers/{installer_id}/reinstate",
            INSTALLERS_REPAIR,
            reinstate_installer,
            "Let a suspended installer in again",
        ),
    ]
}

async fn list_installers(call: Call, Query(filter): Query<InstallersQuery>) -> Result<Page<InstallerRecord>> {
    let limit = query::limit(filter.limit)?;
    let installers = call.account.installers(&filter.parse()?).await?;
    let view = |installer: &Installer| {
        let number = call.account.masked_document_number(installer)?;
        Ok(InstallerRecord::new(installer, number, call.now()))
    };
    let views = installers.iter().map(view).collect::<Result<_>>()?;
    Ok(Page::new(views, limit, |installer: &InstallerRecord| installer.account.id().to_owned()))
}

async fn get_installer(call: Call, Id(id): Id<InstallerId>) -> Result<Ok200<InstallerRecord>> {
    let (installer, number) = call.account.installer(&call.caller, id).await?;
    let number = number.map(|number| number.reveal().to_owned());
    Ok(Ok200(InstallerRecord::new(&installer, number, call.now())))
}

async fn erase_installer(call: Call, Id(id): Id<InstallerId>) -> Result<NoContent204> {
    call.account.erase_installer(call.caller, id).await?;
    Ok(NoContent204)
}

async fn approve_installer(call: Call, Id(id): Id<InstallerId>) -> Result<Ok200<InstallerRecord>> {
    decide(call, id, Decision::Approve).await
}

async fn reject_installer(call: Call, Id(id): Id<InstallerId>, Json(body): Json<Rejection>) -> Result<Ok200<InstallerRecord>> {
    let mut checks = Checks::default();
    let reason = checks.take("reason", Text::not_blank(&body.reason));
    let reason = checks.done(reason)?;
    decide(call, id, Decision::Reject(reason)).await
}

async fn suspend_installer(call: Call, Id(id): Id<InstallerId>) -> Result<Ok200<InstallerRecord>> {
    decide(call, id, Decision::Suspend).await
}

async fn reinstate_installer(call: Call, Id(id): Id<InstallerId>) -> Result<Ok200<InstallerRecord>> {
    decide(call, id, Decision::Reinstate).await
}

async fn decide(call: Call, id: InstallerId, decision: Decision) -> Result<Ok200<InstallerRecord>> {
    let installer = call.account.decide(call.caller.clone(), id, decision).await?;
    let number = call.account.masked_document_number(&installer)?;
    Ok(Ok200(InstallerRecord::new(&installer, number, call.now())))
}

/// Which installers to list, in order of creation.
#[derive(Deserialize, ToSchema)]
struct InstallersQuery {
    /// `not_submitted`, `under_review`, `approved` or `rejected`.
    verification_status: Option<String>,
    /// Only those who are shut out, or only those who are not.
    suspended: Option<bool>,
    /// The beginning of the address, without regard to case.
    search: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last installer of the page before.
    starting_after: Option<String>,
}

impl InstallersQuery {
    fn parse(self) -> Result<InstallerFilter> {
        Ok(InstallerFilter {
            verification: query::optional("verification_status", self.verification_status.as_deref())?,
            suspended: self.suspended,
            after: query::optional("starting_after", self.starting_after.as_deref())?,
            limit: query::limit(self.limit)?.into(),
            search: self.search,
        })
    }
}

/// Why a document is no good.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstallerRejection, example = json!({"reason": "The picture of the back cannot be read."}))]
struct Rejection {
    /// Told to the installer; at most 1,000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// An installer as those see it who decide.
#[derive(Serialize, ToSchema)]
struct InstallerRecord {
    #[serde(flatten)]
    account: InstallerAccount,
    /// As it was given.
    phone: Option<String>,
    /// Whether it is shut out.
    suspended: bool,
    /// Whether it was approved, with a document that is still good.
    identity_verified: bool,
    /// How far the check has come.
    verification_status: VerificationState,
    /// Why it was rejected.
    rejection_reason: Option<String>,
    /// Who decided last.
    reviewed_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    reviewed_at: Option<Instant>,
    /// What was handed in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    document: Option<DocumentRecord>,
    /// Which terms it has accepted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    terms: Option<ConsentRecord>,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Instant,
}

/// A document that was handed in.
#[derive(Serialize, ToSchema)]
#[schema(as = InstallerDocument)]
struct DocumentRecord {
    /// What it is.
    document_type: DocumentKind,
    /// Its number: whole where one installer is read by somebody who may decide, which is told in the log; else masked but for
    /// its end.
    document_number: String,
    /// The last day that it is good for.
    #[schema(format = Date)]
    document_expiry: String,
    /// Where a picture of its owner is.
    selfie_url: String,
    /// Where a picture of its front is.
    document_front_url: String,
    /// Where a picture of its back is.
    document_back_url: Option<String>,
    /// When it was handed in.
    #[schema(value_type = String, format = DateTime)]
    submitted_at: Instant,
}

/// Terms that were accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = InstallerConsent)]
struct ConsentRecord {
    /// Their version.
    version: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Instant,
    /// From which address.
    address: Option<String>,
}

impl InstallerRecord {
    fn new(installer: &Installer, number: Option<String>, now: Instant) -> Self {
        let document = installer.document.as_ref().zip(number).map(|((document, submitted_at), number)| DocumentRecord {
            document_type: document.kind.into(),
            document_number: number,
            document_expiry: document.expiry.clone(),
            selfie_url: document.selfie_url.clone(),
            document_front_url: document.front_url.clone(),
            document_back_url: document.back_url.clone(),
            submitted_at: *submitted_at,
        });
        let terms = installer.consent.as_ref().map(|consent| ConsentRecord {
            version: consent.version.clone(),
            accepted_at: consent.at,
            address: consent.address.clone(),
        });
        let (reviewed_by, reviewed_at) = installer.reviewed.clone().unzip();
        Self {
            account: InstallerAccount::new(installer),
            phone: installer.profile.phone.clone(),
            suspended: installer.suspended,
            identity_verified: installer.is_verified(&now.day()),
            verification_status: installer.verification.into(),
            rejection_reason: installer.rejection_reason.as_ref().map(|reason| reason.as_str().to_owned()),
            reviewed_by,
            reviewed_at,
            document,
            terms,
            updated_at: installer.stamp.updated_at,
        }
    }
}
