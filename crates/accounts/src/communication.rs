//! How a customer is reached, and that it is (contract nos. 47 and 48): a code proves an address or a number. A changed number
//! may count only from then on.

use tenantry_domain::{Channel, Customer, CustomerId, Error, Instant, Result};

use crate::account::Account;
use crate::caller::Caller;
use crate::challenges::{Challenge, FAILURES, Kind, TRIES};
use crate::console::wanted;
use crate::store::{self, Tx};

/// Where a customer is reached over a channel: at a number that is not its own yet, too, to prove it.
fn reached(customer: &Customer, channel: Channel) -> Option<String> {
    match channel {
        Channel::Email => customer.email.as_ref().map(|email| email.as_str().to_owned()),
        Channel::Sms => customer.next_phone.as_ref().or(customer.phone.as_ref()).map(|phone| format!("+{}", phone.key())),
    }
}

/// What a customer has not.
fn lacking(channel: Channel) -> Error {
    Error::invalid(field(channel), "is not set")
}

const fn field(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email",
        Channel::Sms => "phone_number",
    }
}

impl Account {
    /// The challenge that proves where a customer is reached. One at a time for a channel: it is found by what is counted.
    fn proof_of(&self, customer: &Customer, channel: Channel) -> Challenge {
        self.challenge(Kind::Address, (Some(customer.key.0), &format!("{}.{}", customer.key, field(channel))), wanted())
    }

    /// Sends a customer a code to prove where it is reached. A new code ends the one before.
    ///
    /// Errors: `NotFound`; `Invalid` where it has no such address; `TooManyAttempts` where that was sent too many.
    pub async fn send_proof(&self, by: Caller, id: CustomerId, channel: Channel) -> Result<()> {
        self.may_write(&by, &id)?;
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx: &Tx<'_>| {
            let customer = store::customers::lock(tx, account.id(), &id).await?;
            let target = reached(&customer, channel).ok_or_else(|| lacking(channel))?;
            let mut challenge = account.proof_of(&customer, channel);
            (challenge.sent, challenge.code) = (Some((channel, target.clone())), 1);
            let of = (challenge.wanted.client, &challenge.wanted.audience);
            account.allow_sending(tx, Kind::Address.sent(), &target).await?;
            store::challenges::end_counted(tx, account.id(), challenge.counted, of, now).await?;
            store::challenges::insert(tx, account.id(), &challenge, now).await?;
            account.put_out(tx, &account.letter(&challenge, channel, Some(target))).await?;
            account.tell(tx, &account.activity("customer.code_sent", &by_whom, customer.key));
            Ok(())
        })
        .await?;
        self.platform().mail.notify_one();
        Ok(())
    }

    /// Takes a code back: the address is proven, and a number that was waiting for that is the customer's.
    ///
    /// Errors: `NotFound`; `InvalidCode` for a wrong, used or expired one, or one that went elsewhere; `TooManyAttempts`;
    /// `Duplicate` where another customer got the number meanwhile.
    pub async fn confirm_proof(&self, by: Caller, id: CustomerId, channel: Channel, code: &str) -> Result<()> {
        self.may_write(&by, &id)?;
        let customer = store::customers::find(&self.platform().store.read, self.id(), &id).await?.ok_or(Error::NotFound)?;
        if reached(&customer, channel).is_none() {
            return Err(lacking(channel));
        }
        let now = self.now();
        let sought = self.proof_of(&customer, channel);
        let account = self.clone();
        // Counted first, and kept, whatever comes of it.
        let count = async move |tx: &Tx<'_>| {
            let (id, of) = (account.id(), (sought.wanted.client, &sought.wanted.audience));
            let latest = store::challenges::latest(tx, id, sought.counted, of, now).await?;
            let tried = match latest {
                Some(latest) => store::challenges::try_code(tx, id, (latest.id, latest.code), TRIES, now).await?,
                None => None,
            };
            if tried.is_some() {
                account.count_within(tx, sought.counted, (FAILURES, 3600)).await?;
            }
            Ok(tried)
        };
        let tried = self.write_rows(&by, count).await?.filter(|tried| self.is_code(tried, code)).ok_or(Error::InvalidCode)?;
        self.move_customer(by, id, "customer.verified", async move |account, tx, old, _| {
            let sent_to = tried.sent.as_ref().map(|(_, target)| target.clone());
            if reached(&old, channel) != sent_to
                || !store::challenges::spend(tx, account.id(), (tried.id, tried.code), now).await?
            {
                return Err(Error::InvalidCode);
            }
            store::attempts::forget(tx, account.id(), tried.counted).await?;
            let mut customer = Customer { version: old.version + 1, ..old };
            match channel {
                Channel::Email => customer.email_verified_at = Some(now),
                Channel::Sms => {
                    if let Some(phone) = customer.next_phone.take() {
                        let settings = account.directory().customers_settings();
                        if !settings.users.shared_phones
                            && store::customers::has_phone(tx, account.id(), &phone, customer.key).await?
                        {
                            return Err(Error::Duplicate("phone_number"));
                        }
                        customer.phone = Some(phone);
                    }
                    customer.phone_verified_at = Some(now);
                }
            }
            Ok((customer, vec![field(channel)]))
        })
        .await?;
        Ok(())
    }
}

/// Whether a customer was reached over a channel, and may be written to: as it has said itself.
#[must_use]
pub fn communication(customer: &Customer, channel: Channel) -> (Option<Instant>, Option<bool>) {
    let (verified_at, name) = match channel {
        Channel::Email => (customer.email_verified_at, "email"),
        Channel::Sms => (customer.phone_verified_at, "sms"),
    };
    let consents = customer.profile.marketing_consent.as_ref();
    (verified_at, consents.and_then(|consents| consents.get(name)).and_then(|consent| consent.consent))
}
