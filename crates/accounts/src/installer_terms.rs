//! The terms that installers work under: versions that the account publishes, who accepted which (contract no. 70), and the word
//! that an installer may work.

use serde::Serialize;
use tenantry_domain::{Error, Installer, InstallerConsent, InstallerTerms, KeyPurpose, Result, Seconds, Secret, Text};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::store;

/// How long the word that an installer may work is good for.
const AUTHORIZATION: Seconds = 300;

/// What is signed: this installer is who it says to be, and has accepted these terms.
#[derive(Serialize)]
struct Statement<'s> {
    iss: String,
    sub: String,
    aud: &'s str,
    iat: Seconds,
    nbf: Seconds,
    exp: Seconds,
    jti: Uuid,
    token_use: &'static str,
    identity_verified: bool,
    terms_version: &'s str,
    terms_accepted_at: Seconds,
}

/// The word that an installer may work.
pub struct Authorization {
    /// Signed: a JWT that any key of the account's public ones may be checked with.
    pub statement: Secret,
    /// Seconds until it ends.
    pub expires_in: Seconds,
    /// Whom it is for.
    pub audience: String,
    /// The terms that were accepted.
    pub terms_version: String,
}

impl Account {
    /// Publishes a version of the terms; from now on it is the one that counts.
    ///
    /// Errors: `Duplicate` where there is one of that name.
    pub async fn publish_installer_terms(&self, by: Caller, version: Text<50>, url: Option<String>) -> Result<InstallerTerms> {
        self.write(&by, async move |draft| {
            let (id, published_by) = (draft.new_id(), draft.by.subject().to_owned());
            let terms = InstallerTerms { id, version, url, published_at: draft.now, published_by };
            store::installers::insert_terms(draft.tx, draft.account(), &terms).await?;
            let after = serde_json::json!({"version": terms.version.as_str(), "url": terms.url});
            draft.record(draft.event("installer_terms.published", terms.id).after(after));
            Ok(terms)
        })
        .await
    }

    /// The version that counts now, if one was published. The first one of the configured account is, when it is asked for.
    pub async fn installer_terms(&self) -> Result<Option<InstallerTerms>> {
        let current = store::installers::current_terms(&self.platform().store.read, self.id()).await?;
        let (account, first) = &self.platform().installers;
        if current.is_some() || self.id() != *account {
            return Ok(current);
        }
        match self.publish_installer_terms(Caller::system(), first.clone(), None).await {
            Ok(first) => Ok(Some(first)),
            // Another first use was quicker.
            Err(Error::Duplicate(_)) => store::installers::current_terms(&self.platform().store.read, self.id()).await,
            Err(error) => Err(error),
        }
    }

    /// Versions in order of publication.
    pub async fn all_installer_terms(&self, after: Option<Uuid>, limit: u64) -> Result<Vec<InstallerTerms>> {
        store::installers::terms(&self.platform().store.read, self.id(), after, limit).await
    }

    /// The installer who calls accepts the terms (contract no. 70). Whoever accepts them again has accepted them before.
    ///
    /// Errors: `Invalid` for any version but the one that counts now.
    pub async fn accept_installer_terms(&self, by: Caller, version: &str) -> Result<InstallerConsent> {
        let current = self.installer_terms().await?.map(|terms| terms.version.as_str().to_owned());
        let Some(version) = current.clone().filter(|current| current == version) else {
            let current = current.map_or("none is published".to_owned(), |current| format!("must be {current}, the current one"));
            return Err(Error::invalid("terms_version", current));
        };
        let consent = InstallerConsent { version, at: self.now(), address: by.origin.ip.map(|ip| ip.to_string()) };
        let accept = move |old: Installer| {
            let known = old.consent.clone().filter(|known| known.version == consent.version);
            let told = serde_json::json!({"version": consent.version});
            Ok((Installer { consent: known.or(Some(consent)), ..old }, told))
        };
        let installer = self.move_own_installer(by, "installer.terms_accepted", accept).await?;
        installer.consent.ok_or_else(|| Error::Internal("an accepted version vanished".to_owned()))
    }

    /// Refuses an installer of whom nobody knows who it is, for operations that need to know.
    pub fn require_identity(&self, installer: &Installer) -> Result<()> {
        if installer.is_verified(&self.now().day()) { Ok(()) } else { Err(Error::IdentityRequired) }
    }

    /// Refuses an installer that has not accepted the terms that count now; yields what it accepted.
    pub async fn require_terms<'i>(&self, installer: &'i Installer) -> Result<&'i InstallerConsent> {
        let current = self.installer_terms().await?;
        let accepted = installer.consent.as_ref().zip(current);
        let accepted = accepted.filter(|(consent, current)| consent.version == current.version.as_str());
        accepted.map(|(consent, _)| consent).ok_or(Error::TermsRequired)
    }

    /// The word, signed for `audience`, that the installer who calls may work: its identity is verified, and it has accepted the
    /// current terms.
    ///
    /// Errors: `IdentityRequired`; `TermsRequired`.
    pub async fn authorize_installer(&self, by: &Caller, audience: Option<&str>) -> Result<Authorization> {
        let installer = self.own_installer(by).await?;
        self.require_identity(&installer)?;
        let consent = self.require_terms(&installer).await?;
        // Not what their tokens are for: who checks no more than the audience must not take one for the other.
        let own = format!("{}/authorization", self.installer_audience());
        let (now, audience) = (self.now(), audience.unwrap_or(&own));
        let statement = Statement {
            iss: self.platform().public.account(self.id()),
            sub: installer.id.to_string(),
            aud: audience,
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: now.seconds() + AUTHORIZATION,
            jti: self.platform().source.id(now),
            token_use: "installer_authorization",
            identity_verified: true,
            terms_version: &consent.version,
            terms_accepted_at: consent.at.seconds(),
        };
        let statement = self.sign_with(KeyPurpose::Installers, "installer-authorization+jwt", &statement).await?;
        let (audience, terms_version) = (audience.to_owned(), consent.version.clone());
        Ok(Authorization { statement, expires_in: AUTHORIZATION, audience, terms_version })
    }
}
