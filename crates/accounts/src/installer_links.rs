//! Links for installers: to confirm an address, and to choose another password (contract nos. 61, 64 and 65).

use tenantry_domain::{
    AccountId, AuthUser, Email, Error, Installer, InstallerId, InstallerSignup, Password, Realm, Result, Seconds, Secret,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::{Caller, Origin};
use crate::challenges::{Challenge, Kind};
use crate::derived::Ticket;
use crate::login::counted_name;
use crate::people::at_a_beat;
use crate::platform::Platform;
use crate::store;

/// How long a link to choose another password is good for.
const RESET: Seconds = 1800;

/// A link for an installer, told apart by the word that its token begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallerLink {
    /// Confirms an address.
    Confirmation,
    /// Chooses another password.
    Reset,
}

impl InstallerLink {
    const fn word(self) -> &'static str {
        match self {
            Self::Confirmation => "cnf",
            Self::Reset => "rst",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Confirmation => Kind::Confirmation,
            Self::Reset => Kind::Reset,
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Confirmation => "confirm",
            Self::Reset => "password",
        }
    }
}

impl Platform {
    /// What an installer's link of this kind leads to.
    pub(crate) fn installer_link(&self, link: InstallerLink, account: AccountId, challenge: Uuid) -> Secret {
        let ticket = Ticket { account, kind: link.page(), id: challenge, generation: 0 };
        let token = self.vault.hand_out_plain(link.word(), ticket);
        Secret::new(format!("{}/installer/{}?token={}", self.public, link.page(), token.reveal()))
    }

    /// The account that a link is of, if it is one of ours.
    pub fn account_of_installer_link(&self, link: InstallerLink, token: &str) -> Option<AccountId> {
        self.vault.take_back_plain(link.word(), link.page(), token).map(|ticket| ticket.account)
    }
}

impl Account {
    /// What a link is about.
    pub(crate) fn installer_challenge(
        &self,
        link: InstallerLink,
        person: Option<InstallerId>,
        email: &Email,
        lives: Seconds,
    ) -> Challenge {
        let key = counted_name(Realm::Installers, email.key());
        let mut challenge = self.challenge(link.kind(), (person.map(|id| id.0), &key), self.wanted_of_installer());
        challenge.expires_at = self.now().plus(lives);
        challenge
    }

    /// Sends an installer a link to choose another password (contract no. 64), which also confirms its address. Whoever it is, it is
    /// answered alike.
    ///
    /// Errors: `TooManyAttempts` where the address was sent too many.
    pub async fn forgot_installer_password(&self, origin: Origin, email: &Email) -> Result<()> {
        self.refuse_suspended(&self.directory())?;
        let send = async {
            let found = store::installers::by_email(&self.platform().store.read, self.id(), email, false).await?;
            let found = found.filter(|installer| !installer.suspended && !self.has_lapsed(installer));
            let person = found.as_ref().map(|installer| installer.id);
            let challenge = self.installer_challenge(InstallerLink::Reset, person, email, RESET);
            let target = found.map(|installer| installer.email.as_str().to_owned());
            self.put_link_out(Caller::at(origin), challenge, (email.key(), target)).await
        };
        at_a_beat(send).await
    }

    /// What a link is about: a challenge that lives, and its installer.
    ///
    /// Errors: `InvalidGrant` for a token that is none, is of another kind or account, was used, or has expired.
    async fn challenge_of_link(&self, link: InstallerLink, token: &str) -> Result<(Challenge, Installer)> {
        let ticket = self.platform().vault.take_back_plain(link.word(), link.page(), token);
        let ticket = ticket.filter(|ticket| ticket.account == self.id()).ok_or(Error::InvalidGrant)?;
        let read = &self.platform().store.read;
        let challenge = store::challenges::find(read, self.id(), ticket.id, self.now()).await?;
        let challenge = challenge.ok_or(Error::InvalidGrant)?;
        let id = InstallerId(challenge.person.ok_or(Error::InvalidGrant)?);
        let installer = store::installers::get(read, self.id(), id, false).await?.ok_or(Error::InvalidGrant)?;
        Ok((challenge, installer))
    }

    /// The address of the installer whose link this is. Errors: `InvalidGrant`.
    pub async fn whose_installer_link(&self, link: InstallerLink, token: &str) -> Result<Email> {
        self.refuse_suspended(&self.directory())?;
        Ok(self.challenge_of_link(link, token).await?.1.email)
    }

    /// Confirms the address that a link was sent to.
    ///
    /// Errors: `InvalidGrant`, also for an address that is confirmed already.
    pub async fn confirm_installer(&self, origin: Origin, token: &str) -> Result<Installer> {
        self.refuse_suspended(&self.directory())?;
        let caller = Caller::at(origin);
        let (challenge, installer) = self.challenge_of_link(InstallerLink::Confirmation, token).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let found = store::installers::get(tx, account.id(), installer.id, true).await?;
            let found = found.filter(|installer| installer.is_pending() && !account.has_lapsed(installer));
            let installer = found.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            let installer = Installer { stamp: installer.stamp.touched(now), pending_until: None, ..installer };
            store::installers::update(tx, account.id(), &installer).await?;
            account.tell(tx, &account.own_activity("installer.confirmed", &by, installer.id));
            Ok(installer)
        })
        .await
    }

    /// Sets the password for which a link was sent (contract no. 65). All sessions of the installer end.
    ///
    /// Errors: `InvalidGrant`; `WeakPassword` for the address itself: then the link is still good.
    pub async fn reset_installer_password(&self, origin: Origin, token: &str, password: Password) -> Result<()> {
        self.refuse_suspended(&self.directory())?;
        let caller = Caller::at(origin);
        let (challenge, installer) = self.challenge_of_link(InstallerLink::Reset, token).await?;
        InstallerSignup::differing("new_password", &password, &installer.email)?;
        let password = self.hash(password).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let installer = store::installers::get(tx, account.id(), installer.id, true).await?;
            let installer = installer.filter(|installer| !account.has_lapsed(installer)).ok_or(Error::InvalidGrant)?;
            let user = store::users::get(tx, account.id(), installer.id.0, true).await?.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            let (stamp, records) = (user.stamp.touched(now), [user.id.0]);
            store::users::update(tx, account.id(), &AuthUser { password, stamp, ..user }).await?;
            store::sessions::end_all(tx, account.id(), &records, now).await?;
            store::challenges::end_all(tx, account.id(), &records, now).await?;
            account.tell(tx, &account.own_activity("installer.password_changed", &by, installer.id));
            if installer.is_pending() {
                // The link has shown whose the address is, and nobody else knows the password any more.
                let installer = Installer { stamp: installer.stamp.touched(now), pending_until: None, ..installer };
                store::installers::update(tx, account.id(), &installer).await?;
            }
            Ok(())
        })
        .await
    }
}
