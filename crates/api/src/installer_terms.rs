//! The terms that installers work under (contract no. 70), and the word that one may work.

use actix_web::http::Method;
use serde::{Deserialize, Serialize};
use tenantry_domain::{Checks, ClientInput, Document, InstallerTerms, Instant, Text};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Json, MaybeJson};
use crate::call::{Call, Unproven};
use crate::error::{ApiError, Result};
use crate::installer_review::{INSTALLERS_READ, INSTALLERS_WRITE};
use crate::installers::paths;
use crate::query::{self, Query};
use crate::reply::{Created201, Ok200, Page};
use crate::route::{Policy, Route, get, of_installers, post};

pub(crate) fn routes() -> Vec<Route> {
    let own = Policy::installer();
    let accept = of_installers(&Method::POST, paths!("accept-terms"), own, accept_installer_terms, "Accept terms of service");
    let current = of_installers(
        &Method::GET,
        paths!("terms"),
        Policy::installer_entry(),
        get_installer_terms,
        "Current version of the terms of service",
    );
    let authorize = of_installers(
        &Method::POST,
        paths!("authorization"),
        own,
        authorize_installer,
        "A signed statement that the installer may work",
    );
    let manage = [
        post(
            "/v1/accounts/{aid}/management/installer-terms",
            INSTALLERS_WRITE,
            publish_installer_terms,
            "Publish a version of the terms for installers",
        ),
        get(
            "/v1/accounts/{aid}/management/installer-terms",
            INSTALLERS_READ,
            list_installer_terms,
            "List versions of the terms for installers",
        ),
    ];
    accept.into_iter().chain(current).chain(authorize).chain(manage).collect()
}

async fn accept_installer_terms(call: Call, Json(body): Json<AcceptTerms>) -> Result<Ok200<TermsAccepted>> {
    let consent = call.account.accept_installer_terms(call.caller, &body.terms_version).await?;
    Ok(Ok200(TermsAccepted { message: "Terms of service accepted.", terms_version: consent.version, accepted_at: consent.at }))
}

async fn get_installer_terms(at: Unproven) -> Result<Ok200<CurrentTerms>> {
    let terms = at.account().await?.installer_terms().await?.ok_or(tenantry_domain::Error::NotFound)?;
    Ok(Ok200(CurrentTerms { terms_version: terms.version.as_str().to_owned(), url: terms.url, published_at: terms.published_at }))
}

async fn authorize_installer(call: Call, MaybeJson(body): MaybeJson<AuthorizationInput>) -> Result<Ok200<Word>> {
    let own = call.public().to_string();
    let fits = |audience: &str| Document::<()>::url(audience).is_ok() && audience.len() <= 255 && !audience.starts_with(&own);
    if body.audience.as_deref().is_some_and(|audience| !fits(audience)) {
        return Err(ApiError::invalid("audience", "must be an https URL of at most 255 characters, and not one of ours"));
    }
    let word = call.account.authorize_installer(&call.caller, body.audience.as_deref()).await?;
    Ok(Ok200(Word {
        authorization: word.statement.reveal().to_owned(),
        expires_in: word.expires_in,
        audience: word.audience,
        terms_version: word.terms_version,
    }))
}

async fn publish_installer_terms(call: Call, Json(body): Json<TermsVersionInput>) -> Result<Created201<TermsVersion>> {
    let mut checks = Checks::default();
    let version = checks.take("version", Text::not_blank(&body.version));
    let url = checks.take("url", body.url.as_deref().map(ClientInput::callback).transpose());
    let (version, url) = checks.done(version.zip(url))?;
    let terms = call.account.publish_installer_terms(call.caller, version, url).await?;
    Ok(Created201(TermsVersion::new(&terms, true)))
}

async fn list_installer_terms(call: Call, Query(filter): Query<TermsVersionsQuery>) -> Result<Page<TermsVersion>> {
    let limit = query::limit(filter.limit)?;
    let after = filter.starting_after.map(|after| after.parse::<Uuid>()).transpose();
    let after = after.map_err(|_| ApiError::invalid("starting_after", "must be a UUID"))?;
    let current = call.account.installer_terms().await?.map(|terms| terms.id);
    let terms = call.account.all_installer_terms(after, limit.into()).await?;
    let views = terms.iter().map(|terms| TermsVersion::new(terms, current == Some(terms.id))).collect();
    Ok(Page::new(views, limit, |terms: &TermsVersion| terms.id.to_string()))
}

/// Which terms are accepted.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"terms_version": "2024-01"}))]
struct AcceptTerms {
    /// The current version.
    #[schema(min_length = 1)]
    terms_version: String,
}

/// Terms that were accepted.
#[derive(Serialize, ToSchema)]
struct TermsAccepted {
    /// What happened, for people.
    #[schema(value_type = String)]
    message: &'static str,
    /// Which version.
    terms_version: String,
    /// When it was accepted first.
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Instant,
}

/// The terms that count now.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentInstallerTerms)]
struct CurrentTerms {
    /// What to accept.
    terms_version: String,
    /// Where they can be read.
    url: Option<String>,
    /// Since when they count.
    #[schema(value_type = String, format = DateTime)]
    published_at: Instant,
}

/// Whom the word is for.
#[derive(Deserialize, ToSchema, Default)]
#[serde(default)]
#[schema(as = InstallerAuthorizationInput, example = json!({"audience": "https://commissioning.example.com"}))]
struct AuthorizationInput {
    /// The `aud` of the statement, https and elsewhere; the account's installers themselves if left out.
    #[schema(format = "uri", max_length = 255)]
    audience: Option<String>,
}

/// The word that an installer may work.
#[derive(Serialize, ToSchema)]
#[schema(as = InstallerAuthorization)]
struct Word {
    /// A JWT of type `installer-authorization+jwt`, to be checked with the account's public keys.
    authorization: String,
    /// Seconds until it ends.
    expires_in: i64,
    /// Whom it is for.
    audience: String,
    /// The terms that were accepted.
    terms_version: String,
}

/// A version to publish.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstallerTermsInput, example = json!({"version": "2026-01", "url": "https://acme-ev.com/terms/2026-01"}))]
struct TermsVersionInput {
    /// What it is called; at most 50 characters, never used again.
    #[schema(min_length = 1, max_length = 50)]
    version: String,
    /// Where it can be read.
    #[schema(format = "uri")]
    url: Option<String>,
}

/// Which versions to list.
#[derive(Deserialize, ToSchema)]
struct TermsVersionsQuery {
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last version of the page before.
    starting_after: Option<String>,
}

/// A version of the terms for installers.
#[derive(Serialize, ToSchema)]
#[schema(as = InstallerTerms)]
struct TermsVersion {
    /// The record.
    id: Uuid,
    /// What it is called.
    version: String,
    /// Where it can be read.
    url: Option<String>,
    /// Whether it is the one that counts now.
    current: bool,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    published_at: Instant,
    /// Who published it.
    published_by: String,
}

impl TermsVersion {
    fn new(terms: &InstallerTerms, current: bool) -> Self {
        Self {
            id: terms.id,
            version: terms.version.as_str().to_owned(),
            url: terms.url.clone(),
            current,
            published_at: terms.published_at,
            published_by: terms.published_by.clone(),
        }
    }
}
