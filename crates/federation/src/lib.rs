//! Identity providers elsewhere: OpenID Connect as a relying party (contract nos. 2 and 3), and ID tokens that somebody else
//! has signed (grant `account_user`). Whom to ask others have said: nothing inside our own walls is reached.

mod external;
mod fetch;
mod providers;

use tenantry_domain::Email;

pub use providers::{Answer, Ask, Providers, Upstream};

/// Why a provider's word did not count. No text of the provider's is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be reached, is slow, answers too much, sends us elsewhere, or what it says makes no sense.
    #[error("the identity provider {0}")]
    Provider(&'static str),
    /// What it was shown, or what it showed, is not good.
    #[error("the identity provider's word does not count: {0}")]
    Refused(&'static str),
}

/// Somebody whom a provider vouches for. Who it is, issuer and subject say together; nothing else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Whom it means, among its own.
    pub subject: String,
    /// A mail address, as the provider tells it.
    pub email: Option<String>,
    /// Whether the provider says that the person gets what is sent there.
    pub email_verified: bool,
    /// What people call it.
    pub name: Option<String>,
}

impl Identity {
    /// The mail address, if it may be believed.
    pub fn verified_email(&self) -> Option<Email> {
        self.email.as_ref().filter(|_| self.email_verified)?.parse().ok()
    }
}
