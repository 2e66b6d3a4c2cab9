//! Links with which account users choose a password: after an invitation, or when it is forgotten (contract section 9).

use tenantry_domain::{AccountId, AuthUser, AuthUserId, Channel, Email, Error, Password, Realm, Result, Seconds, Secret};
use uuid::Uuid;

use crate::account::Account;
use crate::attempts::network;
use crate::caller::{Caller, Origin};
use crate::challenges::{Challenge, Kind, SENT};
use crate::console::wanted;
use crate::derived::Ticket;
use crate::events::Content;
use crate::login::counted_name;
use crate::outbox::{Letter, Template};
use crate::people::at_a_beat;
use crate::platform::Platform;
use crate::store::{self, Tx};
use crate::users::differing;

/// How long a link to choose another password is good for.
pub(crate) const RESET: Seconds = 3600;
/// How many of these one network may ask for in an hour.
const LINKS: i64 = 30;
/// How such links are told from all other opaque values.
const TICKET: &str = "password";

impl Platform {
    /// Where somebody chooses a password.
    pub(crate) fn password_link(&self, challenge: Uuid) -> Secret {
        let ticket = Ticket { account: AccountId::console(), kind: TICKET, id: challenge, generation: 0 };
        Secret::new(format!("{}/account/password?token={}", self.public, self.vault.hand_out(ticket).reveal()))
    }
}

impl Account {
    /// What lets somebody choose a password, or nobody.
    pub(crate) fn password_challenge(&self, person: Option<AuthUserId>, email: &Email, lives: Seconds) -> Challenge {
        let key = counted_name(Realm::Console, email.key());
        let mut challenge = self.challenge(Kind::Password, (person.map(|person| person.0), &key), wanted());
        challenge.expires_at = self.now().plus(lives);
        challenge
    }

    /// Sends an account user a link to choose another password. Whoever it is, it is answered alike.
    ///
    /// Errors: `TooManyAttempts` where the address was sent too many.
    pub async fn forgot_password(&self, origin: Origin, email: &Email) -> Result<()> {
        at_a_beat(self.put_password_link_out(Caller::at(origin), email)).await
    }

    async fn put_password_link_out(&self, caller: Caller, email: &Email) -> Result<()> {
        let name = email.key().parse().map_err(|fault: String| Error::invalid("email", fault))?;
        let user = store::users::find(&self.platform().store.read, self.id(), Realm::Console, &name).await?;
        let user = user.filter(|user| user.enabled);
        let challenge = self.password_challenge(user.as_ref().map(|user| user.id), email, RESET);
        let target = user.as_ref().and_then(|user| user.email()).map(|email| email.as_str().to_owned());
        let alias = |text: &str| self.platform().vault.alias(self.id(), Kind::Password.sent(), text);
        let network = caller.origin.ip.map(network).unwrap_or_default();
        let (place, from) = (alias(&format!("to {}", email.key())), alias(&format!("from {network}")));
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let send = async move |tx: &Tx<'_>| {
            // Of one address and of one network, not of all: a stranger must not keep the others from theirs.
            for (counted, most, window) in [(place, SENT, 600), (from, LINKS, 3600)] {
                if !store::attempts::within(tx, account.id(), counted, most, window, now).await? {
                    return Err(account.wait(tx, counted, now).await?);
                }
            }
            store::challenges::insert(tx, account.id(), &challenge, now).await?;
            let letter = account.letter(&challenge, Channel::Email, target);
            let letter = Letter { template: Template::Password, ..letter };
            account.put_out(tx, &letter).await?;
            let whose = user.map(|user| user.id.to_string());
            account.tell(tx, &Content { target: whose, ..account.activity("user.password_forgotten", &by, "") });
            Ok(())
        };
        self.write_rows(&caller, send).await?;
        self.platform().mail.notify_one();
        Ok(())
    }

    /// The account user for whom a link to choose a password is good.
    ///
    /// Errors: `InvalidGrant` for a link that is none, was used, or has expired.
    pub async fn whose_password(&self, token: &str) -> Result<AuthUser> {
        self.password_of(token).await.map(|(_, user)| user)
    }

    async fn password_of(&self, token: &str) -> Result<(Challenge, AuthUser)> {
        let ticket = self.platform().vault.take_back(self.id(), TICKET, token).ok_or(Error::InvalidGrant)?;
        let read = &self.platform().store.read;
        let challenge = store::challenges::find(read, self.id(), ticket.id, self.now()).await?.ok_or(Error::InvalidGrant)?;
        let person = challenge.person.ok_or(Error::InvalidGrant)?;
        let user = store::users::get(read, self.id(), person, false).await?.filter(|user| user.enabled);
        Ok((challenge, user.ok_or(Error::InvalidGrant)?))
    }

    /// Sets the password for which a link was sent. All sessions of the person end.
    ///
    /// Errors: `InvalidGrant`; `Invalid` for a password that is the address. Then the link is still good.
    pub async fn choose_password(&self, origin: Origin, token: &str, password: Password) -> Result<()> {
        let caller = Caller::at(origin);
        let (challenge, user) = self.password_of(token).await?;
        let password = self.hash(differing(password, &user.username)?).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let user = store::users::get(tx, account.id(), user.id.0, true).await?.filter(|user| user.enabled);
            let user = user.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            let id = user.id;
            let stamp = user.stamp.touched(now);
            store::users::update(tx, account.id(), &AuthUser { password, stamp, ..user }).await?;
            store::sessions::end_all(tx, account.id(), &[id.0], now).await?;
            store::challenges::end_all(tx, account.id(), &[id.0], now).await?;
            account.tell(tx, &account.activity("user.password_changed", &by, id));
            Ok(())
        })
        .await
    }
}
