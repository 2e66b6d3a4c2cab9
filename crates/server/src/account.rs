//! `tenantry account`: one account as one file, encrypted in the format of age (age-encryption.org), which other programs read, too.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString;
use age::{Decryptor, Encryptor, Identity, Recipient, scrypt, x25519};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tenantry_accounts::{Account, Caller, Catalogue, Database, Header, Line, Lock, Platform, Registry, Schema, Source};
use tenantry_domain::{AccountId, Error};
use tokio::sync::mpsc;

use crate::config::{Config, read};
use crate::vault;

/// How many lines wait for the database.
const AHEAD: usize = 4;
/// Less is found by whoever tries.
const SHORTEST: usize = 12;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write an account with all that it is into a new encrypted file, while it is in use: configuration, users, customers, log,
    /// keys. Not sessions, codes and messages.
    Export {
        /// Which.
        account: AccountId,
        /// The file; there must be none.
        file: PathBuf,
        #[command(flatten)]
        key: Key,
        /// Encrypt to this age recipient (`age1...`) instead of a passphrase; again for more of them.
        #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
        recipient: Vec<String>,
    },
    /// Make an account of such a file, below the one that it was below. With SQLite nobody may serve the database.
    Import {
        /// The file.
        file: PathBuf,
        /// As another account: a copy, with a log and signing keys of its own.
        #[arg(long = "as", value_name = "ACCOUNT")]
        to: Option<AccountId>,
        #[command(flatten)]
        key: Key,
        /// A file with the age identity that it is encrypted to (`AGE-SECRET-KEY-1...`).
        #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
        identity: Option<PathBuf>,
    },
    /// Make a copy of an account, as `export` and `import --as` do.
    Clone {
        /// Which.
        account: AccountId,
        /// What the copy is called.
        #[arg(long = "as", value_name = "ACCOUNT")]
        to: AccountId,
    },
}

/// What a file is encrypted with.
#[derive(Args)]
pub(crate) struct Key {
    /// A file that holds the passphrase; asked for if left out.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Key {
    fn passphrase(&self, new: bool) -> Result<SecretString> {
        let passphrase = match &self.passphrase_file {
            Some(file) => read(file)?,
            None if !std::io::stdin().is_terminal() => bail!("say --passphrase-file: there is nobody to ask"),
            None => rpassword::prompt_password("Passphrase: ")?,
        };
        if new && passphrase.chars().count() < SHORTEST {
            bail!("the passphrase must have at least {SHORTEST} characters");
        }
        if new && self.passphrase_file.is_none() && rpassword::prompt_password("Once more: ")? != passphrase {
            bail!("these are two passphrases");
        }
        Ok(SecretString::from(passphrase))
    }
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<()> {
    config.require_database()?;
    let database = config.database()?;
    Schema::of(&database).await.and_then(|schema| schema.check()).map_err(|error| anyhow!(error))?;
    match command {
        Command::Export { account, file, key, recipient } => {
            let encryptor = if recipient.is_empty() {
                Encryptor::with_user_passphrase(key.passphrase(true)?)
            } else {
                let known: Vec<x25519::Recipient> = recipient.iter().map(|one| recipient_of(one)).collect::<Result<_>>()?;
                Encryptor::with_recipients(known.iter().map(|one| one as &dyn Recipient))?
            };
            let registry = open(config, &database).await?;
            let account = known(&registry, account).await?;
            export(&account, encryptor, &file).await
        }
        Command::Import { file, to, key, identity } => {
            let identity: Box<dyn Identity> = match identity {
                Some(file) => Box::new(identity_of(&file)?),
                None => Box::new(scrypt::Identity::new(key.passphrase(false)?)),
            };
            let _lock = alone(&database).await?;
            let registry = open(config, &database).await?;
            let opened = decrypted(&file, identity.as_ref())?;
            let (header, lines) = read_lines(BufReader::new(opened))?;
            let id =
                import(&registry, header, to, lines).await.with_context(|| format!("{} cannot be imported", file.display()))?;
            crate::out(&format!("imported {id}\n"))
        }
        Command::Clone { account, to } => {
            let _lock = alone(&database).await?;
            let registry = open(config, &database).await?;
            let id = clone(&registry, account, to).await?;
            crate::out(&format!("{account} was copied as {id}\n"))
        }
    }
}

/// On SQLite nobody else may write.
pub(crate) async fn alone(database: &Database) -> Result<Lock> {
    Lock::serve(database).await.map_err(|error| anyhow!("{error}: stop it first"))
}

/// The runtime of a command.
pub(crate) async fn open(config: &Config, database: &Database) -> Result<Registry> {
    let source = Source::system();
    let keys = vault::keys(config, &source, false)?;
    let store =
        database.open(config.database_connections, false, &mut Catalogue::default()).await.map_err(|error| anyhow!(error))?;
    let vault = vault::open(&store, keys, &source).await?;
    let platform = Platform::new(store, source, vault, config.public_url()?, config.choices()?);
    Ok(Registry::new(Arc::new(platform), 1))
}

async fn known(registry: &Registry, id: AccountId) -> Result<Account> {
    registry.get(id).await.map_err(|error| match error {
        Error::NotFound => anyhow!("there is no account {id}"),
        error => told(error),
    })
}

/// An error of ours with its findings.
pub(crate) fn told(error: Error) -> anyhow::Error {
    match &error {
        Error::Invalid(faults) => {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
            anyhow!(faults.join("; "))
        }
        Error::NotFound => anyhow!("the account is deleted"),
        Error::Duplicate(_) => anyhow!("an account with this id is there, or was: import it --as another"),
        _ => anyhow!(error),
    }
}

async fn export(account: &Account, encryptor: Encryptor, file: &Path) -> Result<()> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if file.exists() {
        bail!("{} is there already", file.display());
    }
    let cannot = || format!("{} cannot be written", file.display());
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).with_context(cannot)?;
    let write = async {
        let mut to = encryptor.wrap_output(BufWriter::new(new))?;
        let bar = bar("rows")?;
        let mut failed = None;
        let written = account.export(|line| {
            note(&bar, line);
            let wrote = serde_json::to_writer(&mut to, line).map_err(std::io::Error::from).and_then(|()| to.write_all(b"\n"));
            wrote.map_err(|error| {
                failed = Some(error);
                Error::Internal("the file cannot be written".to_owned())
            })
        });
        let written = written.await;
        bar.finish_and_clear();
        if let Some(error) = failed {
            return Err(error.into());
        }
        written.map_err(told)?;
        let file = to.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(())
    };
    let written: Result<()> = write.await;
    if let Err(error) = written {
        drop(fs::remove_file(&part));
        return Err(error.context(cannot()));
    }
    fs::rename(&part, file).with_context(cannot)
}

async fn import(
    registry: &Registry,
    header: Header,
    to: Option<AccountId>,
    lines: mpsc::Receiver<tenantry_domain::Result<Line>>,
) -> Result<AccountId> {
    let id = to.unwrap_or(header.account);
    let parent = id.parent().ok_or_else(|| anyhow!("{id} is the operator's own account: only a backup brings it back"))?;
    let parent = known(registry, parent).await?;
    parent.import_account(Caller::system(), header, to, lines).await.map_err(told)
}

/// Through memory: what is read is read as of one moment, before anything is written.
async fn clone(registry: &Registry, account: AccountId, to: AccountId) -> Result<AccountId> {
    let account = known(registry, account).await?;
    let mut lines = Vec::new();
    let read = account.export(|line| {
        lines.push(line.clone());
        Ok(())
    });
    read.await.map_err(told)?;
    let mut lines = lines.into_iter();
    let Some(Line::Header(header)) = lines.next() else { bail!("an export begins with its header") };
    let (send, received) = mpsc::channel(lines.len().max(1));
    for line in lines {
        send.try_send(Ok(line)).context("there is room for all lines")?;
    }
    import(registry, header, Some(to), received).await
}

fn recipient_of(text: &str) -> Result<x25519::Recipient> {
    text.parse().map_err(|error| anyhow!("--recipient {text}: {error}"))
}

/// The first identity in a file, as `age-keygen` writes it.
fn identity_of(file: &Path) -> Result<x25519::Identity> {
    let text = read(file)?;
    let line = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or_default();
    line.trim().parse().map_err(|error| anyhow!("{} holds no age identity: {error}", file.display()))
}

fn decrypted(file: &Path, identity: &dyn Identity) -> Result<impl Read + Send + use<>> {
    let cannot = || format!("{} cannot be read", file.display());
    let opened = File::open(file).with_context(cannot)?;
    let decryptor = Decryptor::new_buffered(BufReader::new(opened))
        .map_err(|_| anyhow!("{} is no file that `account export` wrote", file.display()))?;
    decryptor.decrypt(std::iter::once(identity)).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys | age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            anyhow!("the passphrase or identity is not the one that {} was encrypted with", file.display())
        }
        error => anyhow!("{}: {error}", cannot()),
    })
}

/// The header, and the rest as it is asked for, read on a thread of its own.
fn read_lines(mut from: impl BufRead + Send + 'static) -> Result<(Header, mpsc::Receiver<tenantry_domain::Result<Line>>)> {
    let Line::Header(header) = next(&mut from)?.context("the file is empty")? else { bail!("the file has no header") };
    let (send, lines) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let Ok(bar) = bar("rows") else { return };
        loop {
            let line = match next(&mut from) {
                Ok(Some(line)) => Ok(line),
                Ok(None) => break,
                Err(error) => Err(Error::invalid("file", format!("{error:#}"))),
            };
            if let Ok(line) = &line {
                note(&bar, line);
            }
            let ended = line.is_err();
            if send.blocking_send(line).is_err() || ended {
                break;
            }
        }
        bar.finish_and_clear();
    });
    Ok((header, lines))
}

fn next(from: &mut impl BufRead) -> Result<Option<Line>> {
    let mut text = Vec::new();
    from.read_until(b'\n', &mut text).context("is damaged, or is not whole")?;
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&text).map(Some).map_err(|_| anyhow!("has a line that is none of ours"))
}

/// How many there were so far.
pub(crate) fn bar(noun: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} {noun}, {{per_sec}}"))?;
    Ok(ProgressBar::new_spinner().with_style(style))
}

fn note(bar: &ProgressBar, line: &Line) {
    if let Line::Rows(_, rows) = line {
        bar.inc(rows.len() as u64);
    }
}
