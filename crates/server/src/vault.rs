//! The master key: from a file that the operator keeps, or one that is made in the data directory.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tenantry_accounts::{Platform, Source, Vault};

use crate::config::{Config, read};

/// Opens the vault. `create`: a missing key in the data directory is made, with a warning.
pub(crate) fn open(config: &Config, source: &Source, create: bool) -> Result<Vault> {
    let file = config.master_key_file.clone().unwrap_or_else(|| config.data_dir.join("master.key"));
    if create && config.master_key_file.is_none() && !file.exists() {
        make(&file, source)?;
        tracing::warn!(
            file = %file.display(),
            "a master key was made; keep a copy apart from the database, and set master_key_file in production"
        );
    }
    if !file.exists() {
        let advice = if config.master_key_file.is_some() { "" } else { ": run `tenantry bootstrap`, or bring the key back" };
        bail!("there is no master key at {}{advice}", file.display());
    }
    let text = zeroize::Zeroizing::new(read(&file)?);
    let key = STANDARD.decode(text.trim()).map_err(|_| anyhow!("{} must hold base64 of 32 bytes", file.display()))?;
    Vault::new(&zeroize::Zeroizing::new(key), source.clone()).map_err(|fault| anyhow!("{}: {fault}", file.display()))
}

/// Refuses a database whose secrets are sealed under another key.
pub(crate) async fn fits(platform: &Platform) -> Result<()> {
    if platform.claim_instance().await? {
        return Ok(());
    }
    bail!("the master key is not the one that this database was made with: set master_key_file to that one")
}

/// A new key that only its owner may read.
fn make(file: &Path, source: &Source) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create_new(true).mode(0o600).open(file).with_context(cannot)?;
    let text = zeroize::Zeroizing::new(STANDARD.encode(zeroize::Zeroizing::new(source.bytes::<32>())));
    writeln!(made, "{}", *text).and_then(|()| made.sync_all()).with_context(cannot)
}
