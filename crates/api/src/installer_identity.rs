//! Who installers are: what they hand in, and what became of it (contract nos. 68 and 69).

use actix_web::http::Method;
use serde::{Deserialize, Serialize};
use tenantry_domain::{Checks, DocumentType, Instant, Text, Verification};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::installers::paths;
use crate::reply::{Accepted202, Ok200};
use crate::route::{Policy, Route, of_installers};

pub(crate) fn routes() -> Vec<Route> {
    let own = Policy::installer();
    let status =
        of_installers(&Method::GET, paths!("verification-status"), own, get_installer_verification, "Get verification status");
    let submit =
        of_installers(&Method::POST, paths!("verify-identity"), own, submit_installer_identity, "Submit identity verification");
    status.into_iter().chain(submit).collect()
}

async fn get_installer_verification(call: Call) -> Result<Ok200<OwnVerification>> {
    let installer = call.account.own_installer(&call.caller).await?;
    let now = call.now();
    Ok(Ok200(OwnVerification {
        installer_id: installer.id.to_string(),
        identity_verified: installer.is_verified(&now.day()),
        verification_submitted_at: installer.document.as_ref().map(|(_, at)| *at),
        verification_status: installer.verification.into(),
        rejection_reason: installer.rejection_reason.map(|reason| reason.as_str().to_owned()),
    }))
}

async fn submit_installer_identity(call: Call, Json(body): Json<IdentityInput>) -> Result<Accepted202<IdentityAccepted>> {
    let now = call.now();
    let installer = call.account.submit_identity(call.caller, body.parse(now)?).await?;
    Ok(Accepted202(IdentityAccepted {
        message: "Identity verification submitted. Review typically takes 1–2 business days.",
        verification_status: installer.verification.into(),
        submitted_at: installer.document.map_or(now, |(_, at)| at),
    }))
}

/// How far the check has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerificationState {
    NotSubmitted,
    UnderReview,
    Approved,
    Rejected,
}

impl From<Verification> for VerificationState {
    fn from(verification: Verification) -> Self {
        match verification {
            Verification::NotSubmitted => Self::NotSubmitted,
            Verification::UnderReview => Self::UnderReview,
            Verification::Approved => Self::Approved,
            Verification::Rejected => Self::Rejected,
        }
    }
}

/// How far the check of who somebody is has come.
#[derive(Serialize, ToSchema)]
#[schema(as = VerificationStatus)]
struct OwnVerification {
    /// Whose.
    installer_id: String,
    /// Whether it was approved, with a document that is still good.
    identity_verified: bool,
    /// When a document was handed in last.
    #[schema(value_type = Option<String>, format = DateTime)]
    verification_submitted_at: Option<Instant>,
    /// How far it has come.
    verification_status: VerificationState,
    /// Why it was rejected; null where it was not.
    #[schema(required)]
    rejection_reason: Option<String>,
}

/// A document to be looked at.
#[derive(Deserialize, ToSchema)]
#[schema(as = VerifyIdentity, example = json!({"document_type": "drivers_license", "document_number": "D123-4567-8901",
    "document_expiry": "2028-06-30", "selfie_url": "https://storage.example.com/selfie_jsmith.jpg",
    "document_front_url": "https://storage.example.com/dl_front_jsmith.jpg",
    "document_back_url": "https://storage.example.com/dl_back_jsmith.jpg"}))]
struct IdentityInput {
    /// What it is.
    document_type: DocumentKind,
    /// Its number; at most 64 characters.
    #[schema(min_length = 1, max_length = 64)]
    document_number: String,
    /// The last day that it is good for, today or later.
    #[schema(format = Date)]
    document_expiry: String,
    /// Where a picture of its owner is, https. Never fetched.
    #[schema(format = "uri", max_length = 2048)]
    selfie_url: String,
    /// Where a picture of its front is.
    #[schema(format = "uri", max_length = 2048)]
    document_front_url: String,
    /// Where a picture of its back is; required for `drivers_license` and `national_id`.
    #[schema(format = "uri", max_length = 2048)]
    document_back_url: Option<String>,
}

/// What somebody is identified by.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DocumentKind {
    Passport,
    DriversLicense,
    NationalId,
}

impl From<DocumentKind> for DocumentType {
    fn from(kind: DocumentKind) -> Self {
        match kind {
            DocumentKind::Passport => Self::Passport,
            DocumentKind::DriversLicense => Self::DriversLicense,
            DocumentKind::NationalId => Self::NationalId,
        }
    }
}

impl From<DocumentType> for DocumentKind {
    fn from(kind: DocumentType) -> Self {
        match kind {
            DocumentType::Passport => Self::Passport,
            DocumentType::DriversLicense => Self::DriversLicense,
            DocumentType::NationalId => Self::NationalId,
        }
    }
}

type Document = tenantry_domain::Document<Text<64>>;

impl IdentityInput {
    fn parse(self, now: Instant) -> Result<Document> {
        let mut checks = Checks::default();
        let kind = DocumentType::from(self.document_type);
        let number = checks.take("document_number", Text::name(&self.document_number));
        let expiry = checks.take("document_expiry", Document::expiry(&self.document_expiry, &now.day()));
        let selfie_url = checks.take("selfie_url", Document::url(&self.selfie_url));
        let front_url = checks.take("document_front_url", Document::url(&self.document_front_url));
        if kind.has_back() && self.document_back_url.is_none() {
            checks.fault("document_back_url", format!("is required for {}", kind.as_str()));
        }
        let back_url = checks.take("document_back_url", self.document_back_url.as_deref().map(Document::url).transpose());
        let document = (|| {
            let (number, expiry) = (number?, expiry?);
            Some(Document { kind, number, expiry, selfie_url: selfie_url?, front_url: front_url?, back_url: back_url? })
        })();
        Ok(checks.done(document)?)
    }
}

/// A document that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifyIdentityAccepted)]
struct IdentityAccepted {
    /// What comes next, for people.
    #[schema(value_type = String)]
    message: &'static str,
    /// `under_review`
    verification_status: VerificationState,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    submitted_at: Instant,
}
