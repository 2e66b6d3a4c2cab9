//! Customers log in by their address or number (contract nos. 43-46), on the machinery of auth users: what a customer proves
//! itself with stands in the auth user that it is. Where settings say so a second factor follows, over the customer's own
//! address or number.

use std::net::IpAddr;

use tenantry_domain::{
    AuthUser, Channel, Customer, CustomerType, CustomersMfa, Email, Error, GrantType, Password, Phone, Pin, Result, Secret,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::challenges::{Challenge, Kind, Sent};
use crate::login::{NO_MFA, Shown};
use crate::people::{Person, at_a_beat};
use crate::sessions::{Login, Wanted};
use crate::store;

/// What a customer calls itself.
#[derive(Debug, Clone)]
pub enum CustomerIdent {
    /// Its mail address.
    Email(Email),
    /// Its telephone number.
    Phone(Phone),
}

impl CustomerIdent {
    /// The form that is compared.
    fn key(&self) -> &str {
        match self {
            Self::Email(email) => email.key(),
            Self::Phone(phone) => phone.key(),
        }
    }
}

/// Who a customer says that it is, to whom.
pub struct CustomerName<'r> {
    /// What it calls itself.
    pub ident: CustomerIdent,
    /// Of which kind it is: two kinds may have one address.
    pub kind: CustomerType,
    /// Whom the token is for.
    pub audience: &'r str,
}

impl CustomerName<'_> {
    /// Under which name attempts are counted.
    fn counted(&self) -> String {
        format!("customer {:?} {}", self.kind, self.ident.key())
    }
}

/// A first factor was shown: the handle of the challenge for the second one, and over which channel that goes.
pub struct FirstFactor {
    /// Names the challenge.
    pub mfa_token: Secret,
    /// Where its code goes.
    pub channel: Channel,
}

/// Where a channel reaches a customer.
pub(crate) fn target(customer: &Customer, channel: Channel) -> Option<String> {
    match channel {
        Channel::Email => customer.email.as_ref().map(|email| email.as_str().to_owned()),
        Channel::Sms => customer.phone.as_ref().map(|phone| format!("+{}", phone.key())),
    }
}

impl Account {
    /// A token for the customer who knows its password (contract no. 44), or the handle of a challenge where that is not enough.
    ///
    /// Errors: as [`Account::login`].
    pub async fn log_customer_in(
        &self,
        caller: Caller,
        name: CustomerName<'_>,
        password: Password,
        address: Option<IpAddr>,
    ) -> Result<Login> {
        let wanted = self.wanted_of_customer(&caller, name.audience)?;
        let held = caller.scopes(self, &self.directory())?;
        let (customer, users, proven) = self.prove_customer(&caller, &name, Shown::Password(password), address).await?;
        let person = Person::Customer(customer, users);
        if let Some((record, counted)) = self.second_factor_of(&person).await?.filter(|_| !held.has(NO_MFA)) {
            let challenge = self.challenge(Kind::SecondFactor, (Some(record), &counted), wanted);
            self.admit_to(&caller, proven, challenge.clone()).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&challenge)));
        }
        let session = self.new_session(&caller, &person, wanted)?;
        self.admit_with(&caller, proven, session.clone()).await?;
        self.open_session(&caller, &session).await.map(Login::Done)
    }

    /// The first step of a login with a second factor (contract no. 45): the password, or the pin.
    ///
    /// Errors: as [`Account::login`]; `Invalid` where settings have no second factor.
    pub async fn begin_customer_login(
        &self,
        caller: Caller,
        name: CustomerName<'_>,
        secret: Password,
        address: Option<IpAddr>,
    ) -> Result<FirstFactor> {
        let mfa = self.customers_mfa().ok_or_else(no_second_factor)?;
        let wanted = self.wanted_of_customer(&caller, name.audience)?;
        let shown = if is_pin(&secret) { Shown::Pin(secret) } else { Shown::Password(secret) };
        let (customer, _, proven) = self.prove_customer(&caller, &name, shown, address).await?;
        let challenge = self.challenge(Kind::SecondFactor, (Some(customer.key.0), &counted(&customer)), wanted);
        self.admit_to(&caller, proven, challenge.clone()).await?;
        Ok(FirstFactor { mfa_token: self.mfa_token(&challenge), channel: mfa.login })
    }

    /// Sends the first code to a customer who lost password and pin (contract no. 46). Whoever it is, it is answered alike.
    ///
    /// Errors: `GrantMissing`; `TooManyAttempts`; `Invalid` where settings have no second factor.
    pub async fn recover_customer(&self, caller: Caller, name: CustomerName<'_>) -> Result<Sent> {
        at_a_beat(self.begin_customer_recovery(caller, name)).await
    }

    async fn begin_customer_recovery(&self, caller: Caller, name: CustomerName<'_>) -> Result<Sent> {
        let mfa = self.customers_mfa().ok_or_else(no_second_factor)?;
        let wanted = self.wanted_of_customer(&caller, name.audience)?;
        let (customer, users) = self.named_customer(&name).await?.unzip();
        let users = users.unwrap_or_default();
        let customer = customer.filter(|customer| customer.kind.logs_in() && users.iter().all(|user| user.enabled));
        let found = customer.and_then(|customer| Some((customer.key.0, target(&customer, mfa.recovery)?)));
        let (person, target) = found.unzip();
        let challenge = self.challenge(Kind::Recovery, (person, &name.counted()), wanted);
        self.put_recovery_out(caller, challenge, (mfa.recovery, target), &name.counted()).await
    }

    /// The second factor of customers, if it is asked for.
    fn customers_mfa(&self) -> Option<CustomersMfa> {
        self.directory().customers_settings().users.mfa.filter(|mfa| mfa.enabled)
    }

    /// What a client may have for a customer.
    pub(crate) fn wanted_of_customer(&self, caller: &Caller, audience: &str) -> Result<Wanted> {
        let (client, directory) = (self.calling_client(caller)?, self.directory());
        let client_id = caller.claims().ok_or(Error::Unauthorized)?.client_id.clone();
        let audience = self.own_audience(audience)?;
        let grant = directory.grant(&client_id, &audience, GrantType::Password).ok_or(Error::GrantMissing)?;
        Ok(Wanted { client, client_id, audience, grant: GrantType::Password, scope: grant.scope.clone() })
    }

    /// The live customer of this name, if it is one alone, and the auth users that it is. For nobody as much is looked up as for
    /// somebody.
    async fn named_customer(&self, name: &CustomerName<'_>) -> Result<Option<(Customer, Vec<AuthUser>)>> {
        let read = &self.platform().store.read;
        let found = match &name.ident {
            CustomerIdent::Email(email) => store::customers::by_email(read, self.id(), name.kind, email).await?,
            CustomerIdent::Phone(phone) => store::customers::by_phone(read, self.id(), name.kind, phone).await?,
        };
        let nobody = "nobody".parse().map_err(Error::Internal)?;
        let id = found.as_ref().map_or(&nobody, |customer| &customer.customer_id);
        let users = store::users::of_customer(read, self.id(), id, false).await?;
        Ok(found.map(|customer| (customer, users)))
    }

    /// Checks what a customer shows. The attempt is counted before anybody knows.
    async fn prove_customer(
        &self,
        caller: &Caller,
        name: &CustomerName<'_>,
        shown: Shown,
        address: Option<IpAddr>,
    ) -> Result<(Customer, Vec<AuthUser>, crate::login::Proven)> {
        let place = self.place_for_hash()?;
        let attempt = self.attempt(&name.counted(), address, caller.origin.ip);
        self.count(attempt).await?;
        let found = self.named_customer(name).await?;
        let found = found.filter(|(customer, users)| customer.kind.logs_in() && users.iter().all(|user| user.enabled));
        let (customer, users) = found.unzip();
        let users = users.unwrap_or_default();
        let user = users.first().cloned();
        let shown = match (shown, &customer) {
            (Shown::Pin(pin), Some(customer)) => Shown::Pin(self.peppered(customer.key, &pin)?),
            (Shown::Pin(pin), None) => Shown::Pin(self.peppered(tenantry_domain::CustomerKey(Uuid::nil()), &pin)?),
            (password, _) => password,
        };
        let proven = self.compare(caller, (place, attempt), user, shown).await?;
        Ok((customer.ok_or(Error::InvalidCredentials)?, users, proven))
    }

    /// The record that has to show a second factor, and under which name it is counted: that of an auth user who has one of its
    /// own, or a customer's where settings ask for it.
    pub(crate) async fn second_factor_of(&self, person: &Person) -> Result<Option<(Uuid, String)>> {
        if let Some(user) = person.second_factor() {
            return Ok(Some((user.id.0, user.username.key())));
        }
        if self.customers_mfa().is_none() {
            return Ok(None);
        }
        let customer = match person {
            Person::Customer(customer, _) => Some(customer.clone()),
            Person::User(user, _) => match user.customer() {
                Some(id) => store::customers::find(&self.platform().store.read, self.id(), id).await?,
                None => None,
            },
        };
        Ok(customer.map(|customer| (customer.key.0, counted(&customer))))
    }

    /// Where the code of a challenge reaches a customer over this channel: that of settings, and after another one either.
    pub(crate) fn target_of_customer(&self, customer: &Customer, challenge: &Challenge, channel: Channel) -> Option<String> {
        let mfa = self.customers_mfa()?;
        let either = challenge.passed.is_some() && channel == mfa.recovery;
        target(customer, channel).filter(|_| channel == mfa.login || either)
    }
}

/// Under which name a customer's second factor is counted.
fn counted(customer: &Customer) -> String {
    format!("customer {}", customer.key)
}

/// Whether something has the form of a pin.
fn is_pin(secret: &Password) -> bool {
    Pin::chosen(secret.reveal().to_owned()).is_ok()
}

fn no_second_factor() -> Error {
    Error::invalid("users.mfa", "is not enabled in settings")
}
