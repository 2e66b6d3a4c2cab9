//! The file that one account is: lines of JSON, encrypted in the format of age (age-encryption.org), which other programs read, too.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, scrypt, x25519};
use tenantry_domain::{AccountId, Error, Result, Secret};
use tokio::sync::mpsc;

use crate::account::Account;
use crate::caller::Caller;
use crate::registry::Registry;
use crate::store::Tx;
use crate::transfer::{Header, Line};

/// Less is found by whoever tries.
const SHORTEST: usize = 12;
/// To how many one file may be encrypted.
const MAX_RECIPIENTS: usize = 20;
/// How many lines wait for the database.
const AHEAD: usize = 4;
/// A line is a page of rows, and far below this.
const LONGEST: u64 = 256 << 20;

/// What a file is to be encrypted with. Making it ready takes a second for a passphrase, and is left to a thread that may wait.
pub struct Lock(Box<dyn FnOnce() -> Encryptor + Send>);

impl Lock {
    /// A passphrase of twelve characters at least.
    pub fn passphrase(passphrase: &Secret) -> Result<Self> {
        if passphrase.reveal().chars().count() < SHORTEST {
            return Err(Error::invalid("passphrase", format!("must have at least {SHORTEST} characters")));
        }
        let passphrase = SecretString::from(passphrase.reveal().to_owned());
        Ok(Self(Box::new(|| Encryptor::with_user_passphrase(passphrase))))
    }

    /// A key that nobody has but this process, for a file that does not leave it; and what opens that.
    pub fn once() -> (Self, Unlock) {
        let identity = x25519::Identity::generate();
        let encryptor = Encryptor::with_recipients(std::iter::once(&identity.to_public() as &dyn Recipient));
        let encryptor = encryptor.expect("there is a recipient");
        (Self(Box::new(|| encryptor)), Unlock(Box::new(identity)))
    }

    /// Keys of those who may read it, `age1...`.
    pub fn recipients(recipients: &[String]) -> Result<Self> {
        let known = |(at, text): (usize, &String)| {
            text.parse().map_err(|fault| Error::invalid(format!("recipients[{at}]"), format!("is no age recipient: {fault}")))
        };
        let known: Vec<x25519::Recipient> = recipients.iter().enumerate().map(known).collect::<Result<_>>()?;
        if !(1..=MAX_RECIPIENTS).contains(&known.len()) {
            return Err(Error::invalid("recipients", format!("must be 1 to {MAX_RECIPIENTS}")));
        }
        let encryptor = Encryptor::with_recipients(known.iter().map(|one| one as &dyn Recipient));
        let encryptor = encryptor.map_err(|error| Error::invalid("recipients", error.to_string()))?;
        Ok(Self(Box::new(|| encryptor)))
    }
}

/// What a file is read with.
pub struct Unlock(Box<dyn Identity + Send>);

impl Unlock {
    /// The passphrase that it was encrypted with.
    pub fn passphrase(passphrase: &Secret) -> Self {
        Self(Box::new(scrypt::Identity::new(SecretString::from(passphrase.reveal().to_owned()))))
    }

    /// An age identity, `AGE-SECRET-KEY-1...`.
    pub fn identity(text: &str) -> Result<Self> {
        let identity: x25519::Identity =
            text.parse().map_err(|fault: &str| Error::invalid("identity", format!("is none of age: {fault}")))?;
        Ok(Self(Box::new(identity)))
    }
}

impl Account {
    /// Writes the account into `to`, encrypted; and how many rows there are so far to `seen`. With `keys` also its private signing
    /// keys: with them tokens go on elsewhere, and whoever has them makes tokens of the account.
    ///
    /// Errors: of the account, as [`Account::export`]; and of `to`.
    pub async fn export_to<W: Write + Send + 'static>(
        &self,
        Lock(lock): Lock,
        keys: bool,
        to: W,
        mut seen: impl FnMut(&Line),
    ) -> Result<io::Result<W>> {
        let begun = tokio::task::spawn_blocking(move || lock().wrap_output(BufWriter::new(to))).await;
        let mut to = match begun.map_err(|error| Error::Internal(error.to_string()))? {
            Ok(to) => to,
            Err(error) => return Ok(Err(error)),
        };
        let mut failed = None;
        let written = self.export(keys, |line| {
            seen(line);
            let wrote = serde_json::to_writer(&mut to, line).map_err(io::Error::from).and_then(|()| to.write_all(b"\n"));
            wrote.map_err(|error| {
                failed = Some(error);
                Error::Internal("the file cannot be written".to_owned())
            })
        });
        let written = written.await;
        if let Some(error) = failed {
            return Ok(Err(error));
        }
        written?;
        Ok(to.finish().and_then(|to| to.into_inner().map_err(io::IntoInnerError::into_error)))
    }

    /// The same for `by`, who may do everything in the account. Told in its log. Without signing keys: who may have
    /// all of an account today may not make its tokens tomorrow.
    ///
    /// Errors: `InsufficientScope`; `Busy` while others do the same.
    pub async fn hand_out<W: Write + Send + 'static>(&self, by: &Caller, lock: Lock, to: W) -> Result<io::Result<W>> {
        let _some = self.platform().transfer()?;
        let (account, caller) = (self.clone(), by.clone());
        let tell = async move |tx: &Tx<'_>| {
            account.tell(tx, &account.activity("account.exported", &caller, account.id()));
            Ok(())
        };
        self.write_rows(by, tell).await?;
        self.export_to(lock, false, to, |_| ()).await
    }
}

impl Registry {
    /// The same for the operator, of any account of its side and with the signing keys. Told in the log of the operator, too.
    pub async fn hand_out_below<W: Write + Send + 'static>(
        &self,
        operator: &Account,
        by: &Caller,
        id: AccountId,
        lock: Lock,
        to: W,
    ) -> Result<io::Result<W>> {
        let account = self.under_operator(operator, id).await?;
        if id == operator.id() {
            return Err(Error::NotFound);
        }
        let _some = operator.platform().transfer()?;
        operator.tell_both(id, operator.activity("account.exported", by, id)).await?;
        account.export_to(lock, true, to, |_| ()).await
    }

    /// Makes an account of a file for the operator, below the one that it was below, or as another one.
    ///
    /// Errors: as [`Account::import_account`]; `Busy` while others do the same.
    pub async fn take_in(
        &self,
        operator: &Account,
        by: &Caller,
        (key, from): (Unlock, impl Read + Send + 'static),
        to: Option<AccountId>,
    ) -> Result<Account> {
        let _some = operator.platform().transfer()?;
        let opened = tokio::task::spawn_blocking(move || lines(from, &key, |_| ())).await;
        let (header, lines) = opened.map_err(|error| Error::Internal(error.to_string()))??;
        let id = to.unwrap_or(header.account);
        let parent = id.parent().ok_or_else(|| {
            Error::invalid("account_id", format!("{id} is the operator's own account: only a backup brings it back"))
        })?;
        let parent = self.under_operator(operator, parent).await.map_err(|error| match error {
            Error::NotFound => Error::invalid("account_id", format!("there is no account {parent}")),
            error => error,
        })?;
        let id = parent.import_account(by.clone(), header, to, lines).await?;
        self.get(id).await
    }

    /// An account of the operator's side.
    async fn under_operator(&self, operator: &Account, id: AccountId) -> Result<Account> {
        let under = operator.id().is_owner() && id.mode() == operator.id().mode();
        if under { self.get(id).await } else { Err(Error::NotFound) }
    }
}

/// A file's header, and its other lines as they are asked for, read on a thread of its own; `seen` hears of each. Waits for the
/// first of it, and a second for a passphrase.
///
/// Errors: `Invalid` for what is no such file, or is not to be read with `key`. Others come with the lines.
pub fn lines(
    from: impl Read + Send + 'static,
    Unlock(key): &Unlock,
    mut seen: impl FnMut(&Line) + Send + 'static,
) -> Result<(Header, mpsc::Receiver<Result<Line>>)> {
    let decryptor = Decryptor::new_buffered(BufReader::new(from))
        .map_err(|_| Error::invalid("file", "is no file that `account export` wrote"))?;
    let opened = decryptor.decrypt(std::iter::once(key.as_ref() as &dyn Identity)).map_err(|error| match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            Error::invalid("passphrase", "or identity is not the one that the file was encrypted with")
        }
        error => Error::invalid("file", format!("cannot be read: {error}")),
    })?;
    let mut from = BufReader::new(opened);
    let Some(Line::Header(header)) = next(&mut from)? else { return Err(Error::invalid("file", "has no header")) };
    let (send, lines) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        while let Some(line) = next(&mut from).transpose() {
            if let Ok(line) = &line {
                seen(line);
            }
            let ended = line.is_err();
            if send.blocking_send(line).is_err() || ended {
                break;
            }
        }
    });
    Ok((header, lines))
}

fn next(from: &mut impl BufRead) -> Result<Option<Line>> {
    let mut text = Vec::new();
    let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut text);
    read.map_err(|_| Error::invalid("file", "is damaged, or is not whole"))?;
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&text).map(Some).map_err(|_| Error::invalid("file", "has a line that is none of ours"))
}
