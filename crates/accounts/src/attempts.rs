//! Failed attempts to log in: counted before the password is compared, in rows that outlive the process, alike for names
//! that nobody has (security A11).

use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use tenantry_domain::{Error, Instant, Result, Seconds};
use uuid::Uuid;

use crate::account::Account;
use crate::measures::Refusal;
use crate::store::{self, Tx};

/// So many failures of one name bar nothing.
const OF_NAME: i64 = 4;
/// So many of one address, behind which there may be many people.
const OF_ADDRESS: i64 = 20;
/// An address with at most so many is let in even where others have barred the name: no stranger can lock anybody out.
const CLEAN: i64 = 3;

/// One attempt: where it is counted.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    name: Uuid,
    address: Option<Uuid>,
    /// Whether the address is the person's own, and not that of a server that brings many people's passwords.
    own: bool,
}

/// The network of an address that counts as one party.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, 32).to_string(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 64).trunc().to_string(),
    }
}

impl Account {
    /// The attempt of somebody who says to be `name`. Where the client says at which address the `person` is, that one may have
    /// to wait; else the client's own is counted, behind which everybody is, and bars nobody.
    pub(crate) fn attempt(&self, name: &str, person: Option<IpAddr>, client: Option<IpAddr>) -> Attempt {
        let alias = |kind: &str, text: &str| self.platform().vault.alias(self.id(), kind, text);
        let address = person.or(client).map(|address| alias("address", &network(address)));
        Attempt { name: alias("name", name), address, own: person.is_some() }
    }

    /// Counts an attempt as failed, before anybody knows. Parallel attempts are counted one by one.
    ///
    /// Errors: `TooManyAttempts` where the name or the address has to wait; then nothing is counted.
    pub(crate) async fn count(&self, attempt: Attempt) -> Result<()> {
        let (account, now) = (self.clone(), self.now());
        let counted = self.platform().store.turns.take(async move |tx| {
            let id = account.id();
            let mut clean = true;
            if let Some(address) = attempt.address {
                match store::attempts::count(tx, id, address, if attempt.own { OF_ADDRESS } else { i64::MAX }, now).await? {
                    Some(failures) => clean = failures <= CLEAN,
                    None => return Err(account.wait(tx, address, now).await?),
                }
            }
            if store::attempts::count(tx, id, attempt.name, OF_NAME, now).await?.is_none()
                && !(clean && attempt.address.is_some())
            {
                return Err(account.wait(tx, attempt.name, now).await?);
            }
            Ok(())
        });
        let counted = counted.await;
        if matches!(counted, Err(Error::TooManyAttempts(_))) {
            self.platform().measures.refused(Refusal::Attempts);
        }
        counted
    }

    /// Counts one more of at most `most` in a `window`, which begins with the first.
    ///
    /// Errors: `TooManyAttempts` where there were as many.
    pub(crate) async fn count_within(&self, tx: &Tx<'_>, counted: Uuid, (most, window): (i64, Seconds)) -> Result<()> {
        let now = self.now();
        if store::attempts::within(tx, self.id(), counted, most, window, now).await? {
            Ok(())
        } else {
            Err(self.wait(tx, counted, now).await?)
        }
    }

    /// How long whoever is counted so has to wait.
    pub(crate) async fn wait(&self, tx: &Tx<'_>, counted: Uuid, now: Instant) -> Result<Error> {
        let until = store::attempts::barred(tx, self.id(), counted).await?;
        Ok(Error::TooManyAttempts(((until.micros() - now.micros() + 999_999) / 1_000_000).max(1)))
    }
}

impl Attempt {
    /// It had not failed: those of the name are forgotten, that of the address is taken back.
    pub(crate) async fn succeeded(self, tx: &Tx<'_>, account: &Account) -> Result<()> {
        // In the order in which they were counted: rows are locked in one order only.
        if let Some(address) = self.address {
            store::attempts::take_back(tx, account.id(), address).await?;
        }
        store::attempts::forget(tx, account.id(), self.name).await
    }
}
