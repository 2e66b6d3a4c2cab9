//! The words of the business: ids, scopes, audiences, secrets, inputs, records and the one [`Error`].
//!
//! Text from outside becomes one of these types at the edge; inside, nothing is passed as a raw string.
//! No async and no I/O: this crate depends on nothing of ours and could be tested on paper.

mod accounts;
mod audience;
mod change;
mod clients;
mod customers;
mod customers_settings;
mod email;
mod error;
mod grants;
mod ids;
mod installers;
mod instant;
mod keys;
mod last_use;
mod limits;
mod members;
mod metadata;
mod password;
mod profile;
mod roles;
mod scope;
mod secret;
mod tags;
mod terms;
mod text;
mod tokens;
mod users;

pub use accounts::{AccountChange, AccountInput, AccountRecord, Address, Company, Jwks, Settings};
pub use audience::{Audience, PublicUrl};
pub use change::Change;
pub use clients::{Client, ClientInput, KeptSecret};
pub use customers::{Customer, CustomerChange, CustomerId, CustomerType, Proof};
pub use customers_settings::{
    Attribute, AttributeType, AutoToken, AutoTokens, CustomerIdFormat, CustomersMfa, CustomersSettings, CustomersSettingsChange,
    EventExpiry, SealedSecret, UsersSettings,
};
pub use email::{Email, Phone, domain_to_ascii};
pub use error::{Checks, Error, Fault, Result};
pub use grants::{Grant, GrantInput, GrantType, Oidc, OidcInput};
pub use ids::{
    AccountId, AuthUserId, ClientId, ClientKey, CustomerKey, EventId, GrantId, KeyId, MessageId, Mode, RoleId, SessionId, TagId,
    TermsId, TokenKey, TokenPairId,
};
pub use installers::{
    Document, DocumentType, Installer, InstallerChange, InstallerConsent, InstallerId, InstallerProfile, InstallerSignup,
    InstallerTerms, Verification, installer_password, masked,
};
pub use instant::{Instant, Seconds, is_date};
pub use keys::{Algorithm, KeyPurpose, Rotation};
pub use last_use::LastUse;
pub use limits::{Allowance, Limit, Quota};
pub use members::{Member, MemberInput, MemberRights};
pub use metadata::Metadata;
pub use password::{Password, PasswordHash};
pub use profile::{AcceptedTerms, Consent, Consents, CustomerAddress, CustomerCompany, EnrolledBy, Profile};
pub use roles::{Role, RoleInput};
pub use scope::{Scope, Scopes};
pub use secret::Secret;
pub use tags::{Tag, TagInput};
pub use terms::{MAX_TERMS, Terms};
pub use text::{Text, fold};
pub use tokens::{
    DELETED, Followed, Token, TokenDetail, TokenEvent, TokenEventInput, TokenId, TokenInput, TokenPair, status as token_status,
};
pub use users::{
    AuthUser, AuthUserChange, AuthUserInput, Channel, Credential, Link, Pin, Realm, Recovery, Totp, Username, check_channels,
};

/// Who made a record, and when; who deleted it, and when (contract section 8, `Entity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When the record was made.
    pub created_at: Instant,
    /// The subject that made it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When and by whom it was soft-deleted.
    pub deleted: Option<(Instant, String)>,
}

impl Stamp {
    /// The stamp of a record made now.
    #[must_use]
    pub fn new(at: Instant, by: &str) -> Self {
        Self { created_at: at, created_by: by.to_owned(), updated_at: at, deleted: None }
    }

    /// The stamp of this record after a change.
    #[must_use]
    pub fn touched(&self, at: Instant) -> Self {
        Self { updated_at: at, ..self.clone() }
    }

    /// The stamp of this record after its deletion.
    #[must_use]
    pub fn removed(&self, at: Instant, by: &str) -> Self {
        Self { updated_at: at, deleted: Some((at, by.to_owned())), ..self.clone() }
    }
}
