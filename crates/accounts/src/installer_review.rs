//! The check of who installers are: they hand in a document (contract no. 69), and somebody of the account decides.

use tenantry_domain::{
    Channel, Document, Error, Installer, InstallerId, MessageId, Result, Seconds, Secret, Text, Verification, masked,
};

use crate::account::Account;
use crate::caller::Caller;
use crate::outbox::{Letter, Template};
use crate::store::{self, Tx};
use crate::vault::Place;

/// How long the letter about a decision may take.
const LETTER: Seconds = 3 * 86_400;
/// Scopes of those who decide, and so may read the whole number of a document.
const REVIEWERS: [&str; 2] = ["admin:installers", "write:installers"];

/// Which installers to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct InstallerFilter {
    /// How far the check has come.
    pub verification: Option<Verification>,
    /// Whether they are shut out.
    pub suspended: Option<bool>,
    /// What the address begins with, without regard to case.
    pub search: Option<String>,
    /// After this one.
    pub after: Option<InstallerId>,
    /// How many at most.
    pub limit: u64,
}

/// What somebody decides about an installer.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It is who it says to be.
    Approve,
    /// It has to hand in something else.
    Reject(Text<1000>),
    /// It is shut out.
    Suspend,
    /// It is let in again.
    Reinstate,
}

impl Decision {
    const fn event(&self) -> &'static str {
        match self {
            Self::Approve => "installer.approved",
            Self::Reject(_) => "installer.rejected",
            Self::Suspend => "installer.suspended",
            Self::Reinstate => "installer.reinstated",
        }
    }

    const fn letter(&self) -> Option<Template> {
        match self {
            Self::Approve => Some(Template::IdentityApproved),
            Self::Reject(_) => Some(Template::IdentityRejected),
            Self::Suspend | Self::Reinstate => None,
        }
    }
}

fn place(account: &Account, id: InstallerId) -> Place<'static> {
    Place { account: account.id(), kind: "document_number", id: id.0 }
}

impl Account {
    /// Takes a document of the installer who calls, to be looked at (contract no. 69).
    ///
    /// Errors: `Invalid` while one is looked at, or was approved and is still good.
    pub async fn submit_identity(&self, by: Caller, document: Document<Text<64>>) -> Result<Installer> {
        let (now, id) = (self.now(), by.installer()?);
        let sealed = self.platform().vault.seal(place(self, id), document.number.as_str().as_bytes());
        let submit = move |old: Installer| {
            if !old.may_submit(&now.day()) {
                return Err(Error::invalid("verification_status", format!("is {}", old.verification.as_str())));
            }
            let document = Some((document.numbered(sealed), now));
            let next =
                Installer { verification: Verification::UnderReview, document, reviewed: None, rejection_reason: None, ..old };
            Ok((next, serde_json::json!({"fields": ["document"]})))
        };
        self.move_own_installer(by, "installer.identity_submitted", submit).await
    }

    /// Installers in order of creation.
    pub async fn installers(&self, filter: &InstallerFilter) -> Result<Vec<Installer>> {
        store::installers::page(&self.platform().store.read, self.id(), filter).await
    }

    /// One installer, and the number of its document: whole for those who decide, which is told in the log, else masked.
    pub async fn installer(&self, by: &Caller, id: InstallerId) -> Result<(Installer, Option<Secret>)> {
        let installer = store::installers::get(&self.platform().store.read, self.id(), id, false).await?;
        let installer = installer.ok_or(Error::NotFound)?;
        let Some(number) = self.document_number(&installer)? else { return Ok((installer, None)) };
        let scopes = by.scopes(self, &self.directory())?;
        if !REVIEWERS.iter().any(|scope| scopes.has(scope)) {
            return Ok((installer, Some(Secret::new(masked(number.reveal())))));
        }
        let (account, caller) = (self.clone(), by.clone());
        let tell = async move |tx: &Tx<'_>| {
            account.tell(tx, &account.activity("installer.document_shown", &caller, id));
            Ok(())
        };
        self.write_rows(by, tell).await?;
        Ok((installer, Some(number)))
    }

    /// The number of an installer's document, of which only the end can be read.
    pub fn masked_document_number(&self, installer: &Installer) -> Result<Option<String>> {
        Ok(self.document_number(installer)?.map(|number| masked(number.reveal())))
    }

    fn document_number(&self, installer: &Installer) -> Result<Option<Secret>> {
        let Some((document, _)) = &installer.document else { return Ok(None) };
        let number = self.platform().vault.open(place(self, installer.id), &document.number)?;
        let number = String::from_utf8(number).map_err(|_| Error::Internal("a document number is no text".to_owned()))?;
        Ok(Some(Secret::new(number)))
    }

    /// Decides about an installer. It is told by mail what became of its document.
    ///
    /// Errors: `NotFound`; `Invalid` where there is nothing to decide.
    pub async fn decide(&self, by: Caller, id: InstallerId, decision: Decision) -> Result<Installer> {
        let (account, caller, now) = (self.clone(), by.clone(), self.now());
        let decided = self.write_rows(&by, async move |tx| {
            let old = store::installers::get(tx, account.id(), id, true).await?.ok_or(Error::NotFound)?;
            let (event, letter) = (decision.event(), decision.letter());
            let suspend = matches!(decision, Decision::Suspend);
            let next = after(old, decision, caller.subject(), now)?;
            let next = Installer { stamp: next.stamp.touched(now), ..next };
            store::installers::update(tx, account.id(), &next).await?;
            if suspend {
                // Whoever chooses another password has the user before its sessions: rows are locked in one order only.
                store::users::get(tx, account.id(), id.0, true).await?;
                store::sessions::end_all(tx, account.id(), &[id.0], now).await?;
                store::challenges::end_all(tx, account.id(), &[id.0], now).await?;
            }
            if let Some(template) = letter {
                account.put_out(tx, &account.letter_to(&next, template)).await?;
            }
            account.tell(tx, &account.activity(event, &caller, id));
            Ok(next)
        });
        let decided = decided.await?;
        self.platform().mail.notify_one();
        Ok(decided)
    }

    /// Why an installer was rejected, if it still is.
    pub(crate) async fn rejection_reason(&self, id: InstallerId) -> Result<Secret> {
        let installer = store::installers::get(&self.platform().store.read, self.id(), id, false).await?;
        let reason = installer.and_then(|installer| installer.rejection_reason);
        Ok(Secret::new(reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default()))
    }

    /// A letter about an installer, to itself.
    fn letter_to(&self, installer: &Installer, template: Template) -> Letter {
        Letter {
            account: self.id(),
            id: MessageId(self.platform().source.id(self.now())),
            template,
            about: installer.id.0,
            number: 0,
            channel: Channel::Email,
            target: Some(installer.email.as_str().to_owned()),
            tries: 0,
            expires_at: self.now().plus(LETTER),
        }
    }
}

/// The installer after a decision.
fn after(old: Installer, decision: Decision, by: &str, now: tenantry_domain::Instant) -> Result<Installer> {
    let reviewed = Some((by.to_owned(), now));
    let open = old.verification == Verification::UnderReview;
    match decision {
        // What was approved may be found to be forged.
        Decision::Reject(reason) if open || old.verification == Verification::Approved => {
            Ok(Installer { verification: Verification::Rejected, reviewed, rejection_reason: Some(reason), ..old })
        }
        Decision::Reject(_) => {
            Err(Error::invalid("verification_status", format!("is {}: nothing to reject", old.verification.as_str())))
        }
        Decision::Approve if !open => {
            Err(Error::invalid("verification_status", format!("is {}, not under_review", old.verification.as_str())))
        }
        Decision::Approve if old.document.as_ref().is_none_or(|(document, _)| !document.is_good(&now.day())) => {
            Err(Error::invalid("document_expiry", "has passed while the document waited"))
        }
        Decision::Approve => Ok(Installer { verification: Verification::Approved, reviewed, rejection_reason: None, ..old }),
        Decision::Suspend if old.suspended => Err(Error::invalid("suspended", "is true already")),
        Decision::Reinstate if !old.suspended => Err(Error::invalid("suspended", "is false already")),
        Decision::Suspend => Ok(Installer { suspended: true, ..old }),
        Decision::Reinstate => Ok(Installer { suspended: false, ..old }),
    }
}
