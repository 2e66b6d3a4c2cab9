//! Messages to people: a row is written in the transaction that has something to tell, and whoever delivers takes it from
//! there after the commit. A row names a template and what it is about; a code is derived when it is sent, never stored.

use serde::{Deserialize, Serialize};
use tenantry_domain::{AccountId, Channel, InstallerId, Instant, Result, Seconds, Secret};
use uuid::Uuid;

use crate::account::Account;
use crate::installer_links::InstallerLink;
use crate::platform::Platform;
use crate::registry::Registry;
use crate::store::{self, Tx};

/// A message that was taken belongs to whoever took it for so long.
const TAKEN: Seconds = 60;
/// The first pause after a failure; it doubles.
const PAUSE: Seconds = 5;
/// The longest.
const LONGEST_PAUSE: Seconds = 600;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// A code that is to be typed in.
    Code,
    /// A link with which an account user chooses another password.
    Password,
    /// Somebody may administer an account from now on, after choosing a password where there is none.
    Invitation,
    /// A link with which an installer confirms its address.
    Confirmation,
    /// A link with which an installer chooses another password.
    Reset,
    /// An installer's identity was approved.
    IdentityApproved,
    /// It was rejected, and why.
    IdentityRejected,
}

/// A message as it waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letter {
    pub(crate) account: AccountId,
    pub(crate) id: Uuid,
    pub(crate) template: Template,
    /// The record that it is about, and the number of its code.
    pub(crate) about: Uuid,
    pub(crate) number: u32,
    pub(crate) channel: Channel,
    /// Where it goes; `None`: nowhere. Somebody asked in the name of nobody, and must not see a difference.
    pub(crate) target: Option<String>,
    pub(crate) tries: u32,
    pub(crate) expires_at: Instant,
}

/// A message to deliver.
pub struct Message {
    /// The account in whose name it is sent.
    pub account: AccountId,
    /// Its own id, the same at every try.
    pub id: Uuid,
    /// How it is sent.
    pub channel: Channel,
    /// Where to: a mail address, or a telephone number.
    pub target: String,
    /// What it says.
    pub template: Template,
    /// What stands in it: a code, a link, or the reason of a rejection.
    pub secret: Secret,
    /// What the account is called.
    pub sender: String,
    /// Where its logo is.
    pub logo: Option<String>,
    /// The account's language (ISO 639-1), if it has said so.
    pub language: Option<String>,
    /// How often it was tried, this time counted.
    pub tries: u32,
}

impl Account {
    /// Puts a message out, in the transaction that has something to tell.
    pub(crate) async fn put_out(&self, tx: &Tx<'_>, letter: &Letter) -> Result<()> {
        store::outbox::insert(tx, letter, self.now()).await
    }
}

impl Registry {
    /// Takes messages that are due, at most so many; each has to be told [`Platform::delivered`] or
    /// [`Platform::not_delivered`], else it is due again in a minute. None while another process does this.
    pub async fn take_messages(&self, limit: u64) -> Result<Vec<Message>> {
        let platform = self.platform();
        if !platform.relays().await? {
            return Ok(Vec::new());
        }
        let now = platform.source.now();
        let mut messages = Vec::new();
        for letter in store::outbox::due(&platform.store.read, now, limit).await? {
            let taken = letter.clone();
            let take = async move |tx: &Tx<'_>| store::outbox::take(tx, &taken, now, now.plus(TAKEN)).await;
            if !platform.store.turns.take(take).await? {
                continue;
            }
            let Some(target) = letter.target else {
                platform.delivered(letter.account, letter.id).await?;
                continue;
            };
            let Ok(account) = self.get(letter.account).await else { continue };
            let record = account.directory().account.clone();
            messages.push(Message {
                account: letter.account,
                id: letter.id,
                channel: letter.channel,
                secret: match letter.template {
                    Template::Code => platform.vault.code(letter.account, letter.about, letter.number),
                    Template::Invitation if letter.about.is_nil() => Secret::new(format!("{}/console", platform.public)),
                    Template::Invitation => platform.password_link(AccountId::console(), letter.about),
                    Template::Password => platform.password_link(letter.account, letter.about),
                    Template::Confirmation => platform.installer_link(InstallerLink::Confirmation, letter.account, letter.about),
                    Template::Reset => platform.installer_link(InstallerLink::Reset, letter.account, letter.about),
                    Template::IdentityApproved => Secret::new(String::new()),
                    Template::IdentityRejected => account.rejection_reason(InstallerId(letter.about)).await?,
                },
                target,
                template: letter.template,
                sender: record.display_name.as_str().to_owned(),
                logo: record.settings.icon_url.as_deref().map(ToOwned::to_owned),
                language: record.language_code.clone(),
                tries: letter.tries + 1,
            });
        }
        Ok(messages)
    }
}

impl Platform {
    /// Returns when something was put out.
    pub async fn mail_put_out(&self) {
        self.mail.notified().await;
    }

    /// A message was taken over by whoever carries it on.
    pub async fn delivered(&self, account: AccountId, id: Uuid) -> Result<()> {
        self.store.turns.take(async move |tx| store::outbox::remove(tx, account, id).await).await
    }

    /// A message could not be delivered now; it is tried again, later each time, until it would come too late.
    pub async fn not_delivered(&self, account: AccountId, id: Uuid, tries: u32) -> Result<()> {
        let pause = PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST_PAUSE);
        let until = self.source.now().plus(pause);
        self.store.turns.take(async move |tx| store::outbox::delay(tx, account, id, until).await).await
    }
}
