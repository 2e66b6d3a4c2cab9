//! Mail over SMTP (RFC 5321), with a pool of connections.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::response::{Category, Severity};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tenantry_domain::MessageId;

use crate::{Again, Failure, Letter, Smtp};

/// How long the server may take for one command.
const PATIENCE: Duration = Duration::from_secs(10);

/// The mail server.
pub(crate) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Server {
    pub(crate) fn new(smtp: &Smtp) -> Result<Self, Failure> {
        // The parser's own words may repeat the password.
        let wrong = |_| Failure::Setting("smtp_url must be smtp(s)://[USER:PASSWORD@]HOST[:PORT][?tls=required]".to_owned());
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.reveal()).map_err(wrong)?;
        let from = smtp.from.parse().map_err(|_| Failure::Setting("mail_from must be `Name <address>`".to_owned()))?;
        Ok(Self { transport: transport.timeout(Some(PATIENCE)).build(), from })
    }

    /// Whether the server is there and lets us in.
    pub(crate) async fn try_out(&self) -> Result<(), Failure> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Mail("closes the connection".to_owned(), Again::Later)),
            Err(error) => Err(Failure::Mail(told(&error), again(&error))),
        }
    }

    pub(crate) async fn send(&self, letter: &Letter, id: MessageId) -> Result<(), Failure> {
        let to = letter.to.parse().map_err(|_| Failure::Letter("the address is none".to_owned()))?;
        let domain = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            // The same at every try: who gets it twice can tell.
            .message_id(Some(format!("<{id}@{domain}>")))
            .subject(&letter.subject)
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
            .map_err(|error| Failure::Letter(error.to_string()))?;
        self.transport.send(message).await.map_err(|error| Failure::Mail(told(&error), again(&error)))?;
        Ok(())
    }
}

/// What the server said, without what it may have repeated of the message.
fn told(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("answered {code}"),
        None if error.is_timeout() => "did not answer in time".to_owned(),
        None if error.is_tls() => "TLS failed".to_owned(),
        None => "cannot be reached".to_owned(),
    }
}

/// A mailbox that is not there, or takes nothing (RFC 5321 section 4.2.1: 55x). What else is refused may be a fault of our settings,
/// which somebody will mend.
fn again(error: &lettre::transport::smtp::Error) -> Again {
    match error.status() {
        Some(code) if code.severity == Severity::PermanentNegativeCompletion && code.category == Category::MailSystem => {
            Again::Never
        }
        _ => Again::Later,
    }
}
