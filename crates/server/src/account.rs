//! `tenantry account`: one account as one file, encrypted in the format of age (age-encryption.org), which other programs read, too.

use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tenantry_accounts::{
    Account, Caller, Catalogue, Database, FileLock, Header, Line, Lock, Platform, Registry, Schema, Source, Unlock, lines,
};
use tenantry_domain::{AccountId, Error, Secret};
use tokio::sync::mpsc;

use crate::config::{Config, read};
use crate::vault;

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
    fn passphrase(&self, new: bool) -> Result<Secret> {
        let passphrase = match &self.passphrase_file {
            Some(file) => read(file)?,
            None if !std::io::stdin().is_terminal() => bail!("say --passphrase-file: there is nobody to ask"),
            None => rpassword::prompt_password("Passphrase: ")?,
        };
        if new && self.passphrase_file.is_none() && rpassword::prompt_password("Once more: ")? != passphrase {
            bail!("these are two passphrases");
        }
        Ok(Secret::new(passphrase))
    }
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<()> {
    config.require_database()?;
    let database = config.database()?;
    Schema::of(&database).await.and_then(|schema| schema.check()).map_err(|error| anyhow!(error))?;
    match command {
        Command::Export { account, file, key, recipient } => {
            let lock = match &recipient[..] {
                [] => FileLock::passphrase(&key.passphrase(true)?),
                known => FileLock::recipients(known),
            };
            let lock = lock.map_err(told)?;
            let registry = open(config, &database).await?;
            let account = known(&registry, account).await?;
            export(&account, lock, &file).await
        }
        Command::Import { file, to, key, identity } => {
            let unlock = match identity {
                Some(file) => identity_of(&file)?,
                None => Unlock::passphrase(&key.passphrase(false)?),
            };
            let _lock = alone(&database).await?;
            let registry = open(config, &database).await?;
            let cannot = || format!("{} cannot be imported", file.display());
            let opened = File::open(&file).with_context(cannot)?;
            let bar = bar("rows")?;
            let (header, lines) = lines(opened, &unlock, move |line| note(&bar, line)).map_err(told).with_context(cannot)?;
            let id = import(&registry, header, to, lines).await.with_context(cannot)?;
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
        // Whoever is here may know it.
        Error::Internal(fault) => anyhow!(fault.clone()),
        Error::Duplicate(_) => anyhow!("an account with this id is there, or was: import it --as another"),
        _ => anyhow!(error),
    }
}

async fn export(account: &Account, lock: FileLock, file: &Path) -> Result<()> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if file.exists() {
        bail!("{} is there already", file.display());
    }
    let cannot = || format!("{} cannot be written", file.display());
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).with_context(cannot)?;
    let write = async {
        let bar = bar("rows")?;
        let written = account.export_to(lock, true, new, |line| note(&bar, line)).await;
        bar.finish_and_clear();
        written.map_err(told)??.sync_all()?;
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

/// By a file that nobody else can read: what is read is read as of one moment, before anything is written.
async fn clone(registry: &Registry, account: AccountId, to: AccountId) -> Result<AccountId> {
    let account = known(registry, account).await?;
    let (lock, unlock) = FileLock::once();
    let file = tempfile::tempfile().context("a file for the copy cannot be made")?;
    let mut file = account.export_to(lock, true, file, |_| ()).await.map_err(told)?.context("the copy cannot be written")?;
    file.rewind()?;
    let (header, lines) = lines(file, &unlock, |_| ()).map_err(told)?;
    import(registry, header, Some(to), lines).await
}

/// The first identity in a file, as `age-keygen` writes it.
fn identity_of(file: &Path) -> Result<Unlock> {
    let text = read(file)?;
    let line = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or_default();
    Unlock::identity(line.trim()).map_err(|error| anyhow!("{}: {}", file.display(), told(error)))
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
