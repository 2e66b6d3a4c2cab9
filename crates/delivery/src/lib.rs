//! Messages to people: taken from the outbox after the commit that put them there, written in the account's language, and
//! handed to a mail server, an SMS gateway, or, where none is configured, to a file.
//!
//! At least once: a message that was handed on just before a crash is handed on again, under the same id.

mod file;
mod letter;
mod mail;
mod sms;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use prometheus::IntCounter;
use tenantry_accounts::{Catalogue, Message, Registry};
use tenantry_domain::{Channel, Error, Secret};
use tokio::sync::Semaphore;

pub use letter::{Letter, preview};

/// How many messages are on their way at once.
const PLACES: usize = 20;
/// So long a message rests after it was put out.
const DISCRETION: Duration = Duration::from_millis(100);
/// How often the outbox is looked at, unless somebody says that there is something in it.
const PAUSE: Duration = Duration::from_secs(1);

/// Where messages go.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// The mail server; without one mail goes to a file.
    pub smtp: Option<Smtp>,
    /// The SMS gateway; without one text messages go to a file.
    pub sms: Option<Sms>,
    /// Where files are put: `{directory}/{id}.json`.
    pub directory: PathBuf,
}

impl Ways {
    /// Whether they can work, as far as can be seen from here.
    pub fn check(&self) -> Result<(), Failure> {
        self.smtp.as_ref().map(mail::Server::new).transpose()?;
        self.sms.clone().map(sms::Gateway::new).transpose()?;
        Ok(())
    }

    /// Asks the mail server whether it lets us in, if there is one. Nothing is sent.
    pub async fn try_mail(&self) -> Option<Result<(), Failure>> {
        Some(match mail::Server::new(self.smtp.as_ref()?) {
            Ok(server) => server.try_out().await,
            Err(failure) => Err(failure),
        })
    }

    /// The same of the SMS gateway.
    pub async fn try_sms(&self) -> Option<Result<(), Failure>> {
        Some(match sms::Gateway::new(self.sms.clone()?) {
            Ok(gateway) => gateway.try_out().await,
            Err(failure) => Err(failure),
        })
    }
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// `smtps://USER:PASSWORD@HOST`, or `smtp://HOST:587?tls=required` for STARTTLS.
    pub url: Secret,
    /// Who sends, `Tenantry <no-reply@example.com>`.
    pub from: String,
}

/// An SMS gateway that speaks Twilio's API.
#[derive(Debug, Clone)]
pub struct Sms {
    /// `https://api.twilio.com`, or whoever speaks the same.
    pub url: String,
    /// The account there.
    pub account: String,
    /// Its secret.
    pub token: Secret,
    /// Who sends: a number or a name.
    pub from: String,
}

/// Why a message could not be handed on. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What is configured cannot work.
    #[error("{0}")]
    Setting(String),
    /// The message cannot be made.
    #[error("the message cannot be made: {0}")]
    Letter(String),
    /// The mail server did not take it.
    #[error("the mail server: {0}")]
    Mail(String, Again),
    /// The gateway did not take it.
    #[error("the SMS gateway: {0}")]
    Sms(String, Again),
    /// The file could not be written.
    #[error("the file: {0}")]
    File(#[from] std::io::Error),
}

/// Whether what failed may work another time without anybody's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It may.
    Later,
    /// This message was refused for good: there is no such address, or nothing goes there.
    Never,
}

impl Failure {
    const fn is_for_good(&self) -> bool {
        matches!(self, Self::Letter(_) | Self::Mail(_, Again::Never) | Self::Sms(_, Again::Never))
    }
}

/// Hands messages on.
pub struct Delivery {
    registry: Registry,
    mail: Option<mail::Server>,
    sms: Option<sms::Gateway>,
    directory: PathBuf,
    /// By channel: handed on, failed.
    counters: [[IntCounter; 2]; 2],
}

impl Delivery {
    /// Hands on what the accounts of `registry` put out. What happens is counted in `all`.
    pub fn new(registry: Registry, ways: Ways, all: &mut Catalogue) -> Result<Self, Failure> {
        let Ways { smtp, sms, directory } = ways;
        Ok(Self {
            mail: smtp.as_ref().map(mail::Server::new).transpose()?,
            sms: sms.map(sms::Gateway::new).transpose()?,
            registry,
            directory,
            counters: Self::describe(all),
        })
    }

    /// Lists what is counted, for docs/metrics.md.
    pub fn describe(all: &mut Catalogue) -> [[IntCounter; 2]; 2] {
        let labels = [("channel", "email, sms"), ("outcome", "sent, failed")];
        let counters = all.counter_vec("tenantry_messages_total", "Messages handed on, or not taken this time.", &labels);
        ["email", "sms"].map(|channel| ["sent", "failed"].map(|outcome| counters.with_label_values(&[channel, outcome])))
    }

    /// Hands on whatever comes, for ever. One that waits for a slow server keeps none of the others waiting, as long as there is
    /// a place.
    pub async fn run(self) {
        let (this, places) = (Arc::new(self), Arc::new(Semaphore::new(PLACES)));
        loop {
            // At least one is free.
            drop(places.acquire().await);
            let free = places.available_permits();
            let messages = this.registry.take_messages(free as u64).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the outbox cannot be read now");
                Vec::new()
            });
            let nothing = messages.is_empty();
            for message in messages {
                let (this, place) = (this.clone(), places.clone().acquire_owned().await);
                tokio::spawn(async move {
                    if let Err(error) = this.hand_on(message).await {
                        tracing::warn!(%error, "what became of a message cannot be noted");
                    }
                    drop(place);
                });
            }
            if nothing {
                drop(tokio::time::timeout(PAUSE, this.registry.platform().mail_put_out()).await);
                // Not at once: how long an answer takes must not tell whether a letter went out.
                tokio::time::sleep(DISCRETION).await;
            }
        }
    }

    /// Hands on what is due now; how many messages that were.
    pub async fn deliver(&self) -> Result<usize, Error> {
        let messages = self.registry.take_messages(PLACES as u64).await?;
        let count = messages.len();
        let ends = join_all(messages.into_iter().map(|message| self.hand_on(message))).await;
        ends.into_iter().collect::<Result<(), Error>>().map(|()| count)
    }

    async fn hand_on(&self, message: Message) -> Result<(), Error> {
        let platform = self.registry.platform();
        let Message { account, id, channel, tries, .. } = &message;
        let [sent, failed] = &self.counters[usize::from(*channel == Channel::Sms)];
        match self.send(&message).await {
            Ok(()) => {
                sent.inc();
                platform.delivered(*account, *id).await
            }
            Err(failure) => {
                failed.inc();
                tracing::warn!(%failure, message = %id, tries, "a message was not taken");
                platform.not_delivered(&message, failure.to_string(), failure.is_for_good()).await
            }
        }
    }

    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let letter = Letter::new(message)?;
        match (message.channel, &self.mail, &self.sms) {
            (Channel::Email, Some(server), _) => server.send(&letter, message.id).await,
            (Channel::Sms, _, Some(gateway)) => gateway.send(&letter).await,
            _ => file::write(&self.directory, &letter, message.id).await,
        }
    }
}
