//! Accounts: what is known of a tenant itself.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Algorithm, Change, CustomersSettings, Quota, Seconds, Stamp, Text};

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Street and number.
    pub address_line: String,
    /// A second line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_line_2: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Town.
    pub postal_place: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// The company behind an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Its registered name.
    pub business_name: String,
    /// Its number in the national register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_number: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// What an account decides for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether the partner above may exchange tokens into this account.
    pub partner_access: bool,
    /// How much of its partner's budget is its own, beside the others'. Set by the parent.
    #[serde(default = "Settings::even", skip_serializing_if = "Settings::is_even")]
    pub weight: NonZeroU32,
    /// Whether nobody but its parent may change anything in it or below it. Set by the parent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// How long access tokens live, in seconds; the server's default if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_lifetime: Option<Seconds>,
    /// Which algorithm its next signing key uses.
    pub signing_algorithm: Algorithm,
    /// The same for the key that signs its installers' tokens.
    #[serde(default = "Settings::for_installers")]
    pub installer_signing_algorithm: Algorithm,
    /// Where its logo is: stands in mails and beside its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<Box<str>>,
    /// Who else may say who its members are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
}

/// An issuer of ID tokens that an account trusts to say who its members are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// What people call it.
    pub name: String,
    /// Where its keys are.
    pub uri: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` that they must have.
    pub audience: String,
    /// What whoever has named it could do then, blank-separated: it makes nobody more than that.
    #[serde(default)]
    pub scope: String,
}

impl Jwks {
    /// Whether another says the same of the same issuer, whoever has said it.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.uri, &self.issuer, &self.audience) == (&other.name, &other.uri, &other.issuer, &other.audience)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partner_access: true,
            weight: Self::EVEN,
            frozen: false,
            token_lifetime: None,
            signing_algorithm: Algorithm::default(),
            installer_signing_algorithm: Self::for_installers(),
            icon_url: None,
            jwks: None,
        }
    }
}

impl Settings {
    /// The weight of an account whose parent has said nothing.
    const EVEN: NonZeroU32 = NonZeroU32::MIN;

    const fn even() -> NonZeroU32 {
        Self::EVEN
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_even(weight: &NonZeroU32) -> bool {
        *weight == Self::EVEN
    }

    /// What the source document of the installer API shows.
    const fn for_installers() -> Algorithm {
        Algorithm::RS256
    }
}

/// What a partner says of a new sub-account (or the operator of a new partner).
#[derive(Debug, Clone)]
pub struct AccountInput {
    /// A name for people.
    pub display_name: Text<255>,
    /// A number of the caller's choice; the next free one if left out.
    pub account_id: Option<AccountId>,
    /// The company behind it.
    pub company: Option<Company>,
    /// ISO 639-1.
    pub language_code: Option<String>,
}

/// A change to an account; what is `None` or kept stays.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// A name for people.
    pub display_name: Option<Text<255>>,
    /// The company behind it.
    pub company: Change<Company>,
    /// ISO 639-1.
    pub language_code: Change<String>,
    /// Own setting: see [`Settings::partner_access`].
    pub partner_access: Option<bool>,
    /// Own setting: see [`Settings::icon_url`].
    pub icon_url: Change<Box<str>>,
    /// Own setting: see [`Settings::jwks`].
    pub jwks: Change<Jwks>,
    /// Own setting: see [`Settings::token_lifetime`].
    pub token_lifetime: Change<Seconds>,
    /// Own setting: see [`Settings::signing_algorithm`].
    pub signing_algorithm: Option<Algorithm>,
    /// Own setting: see [`Settings::installer_signing_algorithm`].
    pub installer_signing_algorithm: Option<Algorithm>,
    /// By the parent only: `false` suspends.
    pub active: Option<bool>,
    /// By the parent only: the account's own rate.
    pub limits: Change<Quota>,
    /// By the parent only: the rate of each of its clients.
    pub client_limits: Change<Quota>,
    /// By the parent only: the rate of a partner's whole tree.
    pub budget: Change<Quota>,
    /// By the parent only: see [`Settings::weight`].
    pub weight: Option<NonZeroU32>,
    /// By the parent only: see [`Settings::frozen`].
    pub frozen: Option<bool>,
}

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Mode and number.
    pub id: AccountId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// A name for people.
    pub display_name: Text<255>,
    /// The company behind it.
    pub company: Option<Company>,
    /// ISO 639-1.
    pub language_code: Option<String>,
    /// `false` while suspended.
    pub active: bool,
    /// What it decides for itself.
    pub settings: Settings,
    /// The account's own rate, set by its parent.
    pub limits: Option<Quota>,
    /// The rate of each of its clients, set by its parent.
    pub client_limits: Option<Quota>,
    /// The rate of a partner's whole tree, set by its parent.
    pub budget: Option<Quota>,
    /// What it decides about its customers, once it has.
    pub customers: Option<Arc<CustomersSettings>>,
}

impl AccountRecord {
    /// The record with `change` made to it.
    #[must_use]
    pub fn with(&self, change: AccountChange, stamp: Stamp) -> Self {
        let old = self.clone();
        Self {
            id: old.id,
            stamp,
            display_name: change.display_name.unwrap_or(old.display_name),
            company: change.company.apply(old.company),
            language_code: change.language_code.apply(old.language_code),
            active: change.active.unwrap_or(old.active),
            settings: Settings {
                icon_url: change.icon_url.apply(old.settings.icon_url),
                jwks: change.jwks.apply(old.settings.jwks),
                partner_access: change.partner_access.unwrap_or(old.settings.partner_access),
                weight: change.weight.unwrap_or(old.settings.weight),
                frozen: change.frozen.unwrap_or(old.settings.frozen),
                token_lifetime: change.token_lifetime.apply(old.settings.token_lifetime),
                signing_algorithm: change.signing_algorithm.unwrap_or(old.settings.signing_algorithm),
                installer_signing_algorithm: change
                    .installer_signing_algorithm
                    .unwrap_or(old.settings.installer_signing_algorithm),
            },
            limits: change.limits.apply(old.limits),
            client_limits: change.client_limits.apply(old.client_limits),
            budget: change.budget.apply(old.budget),
            customers: old.customers,
        }
    }
}
