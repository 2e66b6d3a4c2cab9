//! Installers' own profiles (contract nos. 66 and 67).

use actix_web::http::Method;
use serde::{Deserialize, Serialize};
use tenantry_domain::{Change, Checks, Installer, InstallerChange, InstallerProfile, Instant, Text};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::installers::{InstallerAccount, paths};
use crate::reply::{NoContent204, Ok200};
use crate::route::{Policy, Route, of_installers};

pub(crate) fn routes() -> Vec<Route> {
    let own = Policy::installer();
    [
        of_installers(&Method::GET, paths!("profile"), own, get_installer_profile, "Get profile"),
        of_installers(&Method::PUT, paths!("profile"), own, update_installer_profile, "Update profile"),
        of_installers(&Method::DELETE, paths!("profile"), own, erase_own_installer, "Erase one's own account"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn get_installer_profile(call: Call) -> Result<Ok200<Profile>> {
    let installer = call.account.own_installer(&call.caller).await?;
    Ok(Ok200(Profile::new(&installer, call.now())))
}

async fn update_installer_profile(call: Call, Json(body): Json<ProfileUpdate>) -> Result<Ok200<Profile>> {
    let now = call.now();
    let installer = call.account.update_own_installer(call.caller, body.parse()?).await?;
    Ok(Ok200(Profile::new(&installer, now)))
}

async fn erase_own_installer(call: Call) -> Result<NoContent204> {
    call.account.erase_own_installer(call.caller).await?;
    Ok(NoContent204)
}

/// A change of a profile; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstallerProfileUpdate, example = json!({"phone": "+1-555-0199", "company": "Acme EV Services Ltd."}))]
struct ProfileUpdate {
    /// Given name. Whoever was verified under another name is looked at again.
    #[schema(min_length = 1, max_length = 100)]
    first_name: Option<String>,
    /// Family name.
    #[schema(min_length = 1, max_length = 100)]
    last_name: Option<String>,
    /// Employer or contracting company.
    #[schema(min_length = 1, max_length = 255)]
    company: Option<String>,
    /// E.164; blanks, dashes, dots and brackets may stand in it. Null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 40)]
    phone: Change<String>,
}

impl ProfileUpdate {
    fn parse(self) -> Result<InstallerChange> {
        let mut checks = Checks::default();
        let first_name = checks.take("first_name", self.first_name.as_deref().map(Text::name).transpose());
        let last_name = checks.take("last_name", self.last_name.as_deref().map(Text::name).transpose());
        let company = checks.take("company", self.company.as_deref().map(Text::name).transpose());
        checks.take("phone", self.phone.given().map(|phone| InstallerProfile::phone(phone)).transpose());
        let change =
            (|| Some(InstallerChange { first_name: first_name?, last_name: last_name?, company: company?, phone: self.phone }))();
        Ok(checks.done(change)?)
    }
}

/// A profile.
#[derive(Serialize, ToSchema)]
#[schema(as = InstallerProfile)]
struct Profile {
    #[serde(flatten)]
    account: InstallerAccount,
    /// As it was given.
    phone: Option<String>,
    /// Whether its identity has been approved, with a document that is still good.
    identity_verified: bool,
    /// When it last accepted a version of the terms.
    #[schema(value_type = Option<String>, format = DateTime)]
    terms_accepted_at: Option<Instant>,
}

impl Profile {
    fn new(installer: &Installer, now: Instant) -> Self {
        Self {
            account: InstallerAccount::new(installer),
            phone: installer.profile.phone.clone(),
            identity_verified: installer.is_verified(&now.day()),
            terms_accepted_at: installer.consent.as_ref().map(|consent| consent.at),
        }
    }
}
