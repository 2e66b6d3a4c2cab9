//! `tenantry keys`: another master key.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Subcommand;
use tenantry_accounts::{Schema, Source};

use crate::account::{alone, bar, open, told};
use crate::config::Config;
use crate::vault;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a master key in a new file, for its owner only.
    New {
        /// The file; there must be none.
        file: PathBuf,
    },
    /// Say which master key seals, and which ones are still needed.
    Status,
    /// Seal all secrets anew that are sealed under another master key. With SQLite nobody may serve the database; with PostgreSQL every
    /// process must run with the new key as its `master_key_file` already.
    Rewrap,
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<()> {
    if let Command::New { file } = command {
        return vault::make(&file, &Source::system());
    }
    config.require_database()?;
    let database = config.database()?;
    Schema::of(&database).await.and_then(|schema| schema.check()).map_err(|error| anyhow!(error))?;
    if let Command::Status = command {
        let current = vault::keys(config, &Source::system(), false)?.current();
        crate::out(&format!("seals   {current}\n"))?;
        let names = database.contents().await.map_err(|error| anyhow!(error))?.and_then(|contents| contents.master_key);
        let names = names.unwrap_or_default();
        let mut others = names.split_whitespace().filter(|name| *name != current);
        return others.try_for_each(|name| crate::out(&format!("needed  {name}\n")));
    }
    let _lock = alone(&database).await?;
    let registry = open(config, &database).await?;
    let bar = bar("accounts")?;
    let sealed = registry.rewrap(|| bar.inc(1)).await;
    bar.finish_and_clear();
    let sealed = sealed.map_err(told)?;
    crate::out(&format!("{sealed} secrets were sealed anew; all are sealed under {}\n", registry.platform().master_key()))
}
