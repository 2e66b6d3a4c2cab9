//! Messages to people: a row is written in the transaction that has something to tell, and whoever delivers takes it from
//! there after the commit. A row names a template and what it is about; a code is derived when it is sent, never stored.

use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use tenantry_domain::{AccountId, Channel, Error, InstallerId, Instant, MessageId, Result, Seconds, Secret};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
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
pub struct Letter {
    pub(crate) account: AccountId,
    /// Its own id.
    pub id: MessageId,
    /// What it says.
    pub template: Template,
    /// The record that it is about, and the number of its code.
    pub(crate) about: Uuid,
    pub(crate) number: u32,
    /// How it is sent.
    pub channel: Channel,
    /// Where it goes; `None`: nowhere. Somebody asked in the name of nobody, and must not see a difference.
    pub target: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// From then on it would come too late.
    pub expires_at: Instant,
}

/// A message that was not handed on yet, as whoever administers the account sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The message.
    pub letter: Letter,
    /// When it was put out.
    pub created_at: Instant,
    /// When it is tried next, if that is before it comes too late.
    pub next_at: Instant,
    /// Why it was not taken the last time.
    pub failure: Option<String>,
}

impl Waiting {
    /// Whether it is tried no more by itself: it was refused for good, or would come too late.
    #[must_use]
    pub fn has_failed(&self, now: Instant) -> bool {
        self.letter.expires_at <= now.max(self.next_at)
    }

    /// Whether somebody has taken it, and has not said yet what came of it.
    fn is_under_way(&self, now: Instant) -> bool {
        self.letter.tries > 0 && self.failure.is_none() && self.next_at > now
    }
}

/// Which messages to list; all conditions must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutboxFilter {
    /// Only those that are tried no more, or only those that are.
    pub failed: Option<bool>,
    /// After this message.
    pub after: Option<MessageId>,
    /// How many at most.
    pub limit: u64,
}

/// A message to deliver.
pub struct Message {
    /// The account in whose name it is sent.
    pub account: AccountId,
    /// Its own id, the same at every try.
    pub id: MessageId,
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

    /// Messages of this account that were not handed on, the latest first.
    pub async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<Waiting>> {
        store::outbox::page(&self.platform().store.read, self.id(), filter, self.now()).await
    }

    /// Whether the code in a letter is the latest of something that goes on. What else there is to say is always of use.
    async fn is_of_use(&self, letter: &Letter, db: &impl ConnectionTrait) -> Result<bool> {
        if letter.template != Template::Code {
            return Ok(true);
        }
        let challenge = store::challenges::find(db, self.id(), letter.about, self.now()).await?;
        Ok(challenge.is_some_and(|challenge| challenge.code == letter.number))
    }

    /// Has a message tried again now, also one that was refused for good.
    ///
    /// Errors: `NotFound`; `Busy` while it is being tried; `Invalid` for one that would come too late, or whose code was used or replaced.
    pub async fn retry_message(&self, by: Caller, id: MessageId) -> Result<Waiting> {
        let (account, now, caller) = (self.clone(), self.now(), by.clone());
        let waiting = self.write_rows(&by, async move |tx| {
            let waiting = store::outbox::lock(tx, account.id(), id).await?;
            if waiting.is_under_way(now) {
                return Err(Error::Busy);
            }
            if waiting.letter.expires_at <= now || !account.is_of_use(&waiting.letter, tx).await? {
                return Err(Error::invalid("id", "is of a message that is of no use any more: have another one sent"));
            }
            store::outbox::hasten(tx, account.id(), id, now).await?;
            account.tell(tx, &account.activity("message.retried", &caller, id));
            Ok(Waiting { next_at: now, ..waiting })
        });
        let waiting = waiting.await?;
        self.platform().mail.notify_one();
        Ok(waiting)
    }

    /// Takes a message back: it is not tried again.
    ///
    /// Errors: `NotFound`; `Busy` while it is being tried.
    pub async fn withdraw_message(&self, by: Caller, id: MessageId) -> Result<()> {
        let (account, caller) = (self.clone(), by.clone());
        self.write_rows(&by, async move |tx| {
            if store::outbox::lock(tx, account.id(), id).await?.is_under_way(account.now()) {
                return Err(Error::Busy);
            }
            store::outbox::remove(tx, account.id(), id).await?;
            account.tell(tx, &account.activity("message.withdrawn", &caller, id));
            Ok(())
        })
        .await
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
            let Some(target) = letter.target.clone() else {
                platform.delivered(letter.account, letter.id).await?;
                continue;
            };
            match self.compose(&letter, target).await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => platform.delivered(letter.account, letter.id).await?,
                // The others go out all the same.
                Err(error) => {
                    tracing::warn!(%error, message = %letter.id, "a message cannot be made now");
                    let (of, tries) = ((letter.account, letter.id), letter.tries + 1);
                    platform.put_off(of, tries, "it cannot be made now".to_owned(), false).await?;
                }
            }
        }
        Ok(messages)
    }

    /// What is to be delivered; nothing, where it is of no use any more.
    async fn compose(&self, letter: &Letter, target: String) -> Result<Option<Message>> {
        let platform = self.platform();
        let account = self.get(letter.account).await?;
        // The first try comes at once; before another one the code may have been used, or another one sent.
        if letter.tries > 0 && !account.is_of_use(letter, &platform.store.read).await? {
            return Ok(None);
        }
        let secret = match letter.template {
            Template::Code => platform.vault.code(letter.account, letter.about, letter.number),
            Template::Invitation if letter.about.is_nil() => Secret::new(format!("{}/console", platform.public)),
            Template::Invitation => platform.password_link(AccountId::console(), letter.about),
            Template::Password => platform.password_link(letter.account, letter.about),
            Template::Confirmation => platform.installer_link(InstallerLink::Confirmation, letter.account, letter.about),
            Template::Reset => platform.installer_link(InstallerLink::Reset, letter.account, letter.about),
            Template::IdentityApproved => Secret::new(String::new()),
            Template::IdentityRejected => account.rejection_reason(InstallerId(letter.about)).await?,
        };
        let record = account.directory().account.clone();
        Ok(Some(Message {
            account: letter.account,
            id: letter.id,
            channel: letter.channel,
            target,
            template: letter.template,
            secret,
            sender: record.display_name.as_str().to_owned(),
            logo: record.settings.icon_url.as_deref().map(ToOwned::to_owned),
            language: record.language_code.clone(),
            tries: letter.tries + 1,
        }))
    }
}

impl Platform {
    /// Returns when something was put out.
    pub async fn mail_put_out(&self) {
        self.mail.notified().await;
    }

    /// A message was taken over by whoever carries it on.
    pub async fn delivered(&self, account: AccountId, id: MessageId) -> Result<()> {
        self.store.turns.take(async move |tx| store::outbox::remove(tx, account, id).await).await
    }

    /// A message was not taken, and why. It is tried again, later each time, until it would come too late; not by itself where it
    /// was refused `for_good`.
    pub async fn not_delivered(&self, message: &Message, failure: String, for_good: bool) -> Result<()> {
        self.put_off((message.account, message.id), message.tries, failure, for_good).await
    }

    async fn put_off(&self, of: (AccountId, MessageId), tries: u32, failure: String, for_good: bool) -> Result<()> {
        let pause = PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST_PAUSE);
        let until = (!for_good).then(|| self.source.now().plus(pause));
        self.store.turns.take(async move |tx| store::outbox::delay(tx, of, until, &failure).await).await
    }
}
