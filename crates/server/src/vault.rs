//! The master keys: one that the operator keeps, or that is made in the data directory; and others while it is changed.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tenantry_accounts::{MasterKeys, Source, Store, Vault};
use zeroize::Zeroizing;

use crate::config::{Config, read};

/// Where the master key is, if it is in a file.
pub(crate) fn file(config: &Config) -> Option<PathBuf> {
    let file = || config.master_key_file.clone().unwrap_or_else(|| config.data_dir.join("master.key"));
    config.master_key.is_none().then(file)
}

/// The master keys. `create`: a missing one in the data directory is made, with a warning.
pub(crate) fn keys(config: &Config, source: &Source, create: bool) -> Result<MasterKeys> {
    let mut keys = match (&config.master_key, file(config)) {
        (Some(key), _) => {
            MasterKeys::new(&decoded(key).context("master_key")?).map_err(|fault| anyhow!("master_key: {fault}"))?
        }
        (None, Some(file)) => {
            if create && config.master_key_file.is_none() && !file.exists() {
                make(&file, source)?;
                tracing::warn!(
                    file = %file.display(),
                    "a master key was made; keep a copy apart from the database, and set master_key_file in production"
                );
            }
            if !file.exists() {
                let advice =
                    if config.master_key_file.is_some() { "" } else { ": run `tenantry bootstrap`, or bring the key back" };
                bail!("there is no master key at {}{advice}", file.display());
            }
            MasterKeys::new(&read_key(&file)?).map_err(|fault| anyhow!("{}: {fault}", file.display()))?
        }
        (None, None) => bail!("there is no master key"),
    };
    for file in &config.other_master_key_files {
        keys = keys.and(&read_key(file)?).map_err(|fault| anyhow!("{}: {fault}", file.display()))?;
    }
    Ok(keys)
}

/// Refuses a database whose secrets are sealed under other keys.
pub(crate) async fn open(store: &Store, keys: MasterKeys, source: &Source) -> Result<Vault> {
    Vault::claim(store, keys, source.clone()).await?.map_err(|lacking| anyhow!(other(&lacking)))
}

/// What to say where master keys are missing.
pub(crate) fn other(lacking: &str) -> String {
    format!("the master key is not the one that this database was made with ({lacking}): set master_key_file to that one")
}

fn read_key(file: &Path) -> Result<Zeroizing<Vec<u8>>> {
    decoded(&Zeroizing::new(read(file)?)).with_context(|| file.display().to_string())
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| anyhow!("must hold base64 of 32 bytes"))
}

/// A new key that only its owner may read.
pub(crate) fn make(file: &Path, source: &Source) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create_new(true).mode(0o600).open(file).with_context(cannot)?;
    let text = Zeroizing::new(STANDARD.encode(Zeroizing::new(source.bytes::<32>())));
    writeln!(made, "{}", *text).and_then(|()| made.sync_all()).with_context(cannot)
}
