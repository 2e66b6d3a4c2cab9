//! Links with which people choose a password: account users after an invitation, or when it is forgotten (contract section 9), and
//! customers (contract no. 43).

use tenantry_domain::{
    AccountId, AuthUser, AuthUserId, Channel, CustomerType, Email, Error, Password, Proof, Realm, Result, Seconds, Secret,
};
use uuid::Uuid;

use crate::account::Account;
use crate::attempts::network;
use crate::caller::{Caller, Origin};
use crate::challenges::{Challenge, Kind, SENT, SENT_A_DAY};
use crate::console::wanted;
use crate::customer_proof::Kept;
use crate::derived::Ticket;
use crate::events::Content;
use crate::login::counted_name;
use crate::people::{Person, at_a_beat};
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
    /// The account that a link to choose a password is of, if it is one of ours.
    pub fn account_of_link(&self, token: &str) -> Option<AccountId> {
        let account = token.split('.').next()?.parse().ok()?;
        self.vault.take_back(account, TICKET, token).map(|ticket| ticket.account)
    }

    /// Where somebody chooses a password.
    pub(crate) fn password_link(&self, account: AccountId, challenge: Uuid) -> Secret {
        let ticket = Ticket { account, kind: TICKET, id: challenge, generation: 0 };
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
        self.put_link_out(caller, challenge, (email.key(), target)).await
    }

    /// Sends a customer a link to choose another password (contract no. 43). Whoever it is, it is answered alike.
    ///
    /// Errors: `GrantMissing`; `TooManyAttempts` where the address was sent too many.
    pub async fn change_customer_password(
        &self,
        caller: Caller,
        audience: &str,
        (kind, email): (CustomerType, &Email),
    ) -> Result<()> {
        let wanted = self.wanted_of_customer(&caller, audience)?;
        let send = async {
            let customer = store::customers::by_email(&self.platform().store.read, self.id(), kind, email).await?;
            let customer = customer.filter(|customer| customer.kind.logs_in());
            let key = format!("{kind:?} {}", email.key());
            let person = customer.as_ref().map(|customer| customer.key.0);
            let mut challenge = self.challenge(Kind::Password, (person, &key), wanted);
            challenge.expires_at = self.now().plus(RESET);
            let target = customer.and_then(|customer| Some(customer.email?.as_str().to_owned()));
            self.put_link_out(caller, challenge, (&key, target)).await
        };
        at_a_beat(send).await
    }

    /// Puts a link out, or nothing in the same time; counted under what was said, whoever is found by it.
    pub(crate) async fn put_link_out(
        &self,
        caller: Caller,
        challenge: Challenge,
        (said, target): (&str, Option<String>),
    ) -> Result<()> {
        let alias = |text: &str| self.platform().vault.alias(self.id(), challenge.kind.sent(), text);
        // A client of ours brings many people's words: not its address is counted then.
        let network = caller.origin.ip.filter(|_| caller.is_system()).map(network).unwrap_or_default();
        let (place, from) = (alias(&format!("to {said}")), alias(&format!("from {network}")));
        let limits = [(place, SENT, 600), (from, if caller.is_system() { LINKS } else { SENT_A_DAY }, 3600)];
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let send = async move |tx: &Tx<'_>| {
            // Of one address and of one network, not of all: a stranger must not keep the others from theirs.
            for (counted, most, window) in limits {
                account.count_within(tx, counted, (most, window)).await?;
            }
            store::challenges::insert(tx, account.id(), &challenge, now).await?;
            let letter = account.letter(&challenge, Channel::Email, target);
            account.put_out(tx, &letter).await?;
            let whose = challenge.person.map(|person| person.to_string());
            account.tell(tx, &Content { target: whose, ..account.activity("user.password_forgotten", &by, "") });
            Ok(())
        };
        self.write_rows(&caller, send).await?;
        self.platform().mail.notify_one();
        Ok(())
    }

    /// The address of whom a link to choose a password is for.
    ///
    /// Errors: `InvalidGrant` for a link that is none, was used, or has expired.
    pub async fn whose_password(&self, token: &str) -> Result<Option<Email>> {
        Ok(match self.password_of(token).await?.1 {
            Person::User(user, _) => user.email().cloned(),
            Person::Customer(customer, _) => customer.email,
        })
    }

    async fn password_of(&self, token: &str) -> Result<(Challenge, Person)> {
        let ticket = self.platform().vault.take_back(self.id(), TICKET, token).ok_or(Error::InvalidGrant)?;
        self.refuse_suspended(&self.directory())?;
        let read = &self.platform().store.read;
        let challenge = store::challenges::find(read, self.id(), ticket.id, self.now()).await?.ok_or(Error::InvalidGrant)?;
        let person = challenge.person.ok_or(Error::InvalidGrant)?;
        let person = Person::find(read, self.id(), person, false).await?;
        Ok((challenge, person.ok_or(Error::InvalidGrant)?))
    }

    /// Sets the password for which a link was sent. All sessions of the person end.
    ///
    /// Errors: `InvalidGrant`; `Invalid` for a password that is the address. Then the link is still good.
    pub async fn choose_password(&self, origin: Origin, token: &str, password: Password) -> Result<()> {
        let caller = Caller::at(origin);
        let (challenge, person) = self.password_of(token).await?;
        let kept = match &person {
            Person::User(user, _) => Kept { password: Some(self.hash(differing(password, &user.username)?).await?), pin: None },
            Person::Customer(customer, _) => {
                self.keep_proof(customer.key, Proof { password: Some(password), ..Proof::default() }).await?
            }
        };
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let person = Person::find(tx, account.id(), person.id(), true).await?.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            let id = person.id();
            match person {
                Person::User(user, _) => {
                    let (stamp, password) = (user.stamp.touched(now), kept.password.unwrap_or(user.password));
                    store::users::update(tx, account.id(), &AuthUser { password, stamp, ..user }).await?;
                }
                Person::Customer(customer, _) => account.set_proof(tx, &customer, kept, &by).await?,
            }
            store::sessions::end_all(tx, account.id(), &[id], now).await?;
            store::challenges::end_all(tx, account.id(), &[id], now).await?;
            account.tell(tx, &account.activity("user.password_changed", &by, id));
            Ok(())
        })
        .await
    }
}
