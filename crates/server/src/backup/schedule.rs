//! Backups that a server makes by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use prometheus::{IntCounter, IntGauge};
use tenantry_accounts::{Catalogue, Source};
use tenantry_domain::Instant;

use super::backup;
use super::manifest::Manifest;
use crate::config::Config;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_mins(1);

/// See [`LOOK`]; at least.
const SOON: Duration = Duration::from_secs(1);

/// Makes backups in `backup_dir`, and removes old ones.
pub(crate) struct Schedule {
    directory: Option<PathBuf>,
    last: IntGauge,
    failed: IntCounter,
}

impl Schedule {
    /// What happens is counted in `all`.
    pub(crate) fn new(directory: Option<PathBuf>, all: &mut Catalogue) -> Self {
        let last = IntGauge::new(
            "tenantry_backup_last_success_timestamp_seconds",
            "When the last backup was begun that is complete, in seconds since 1970; 0 where none is known.",
        );
        let failed = IntCounter::new("tenantry_backup_failures_total", "Backups that were due and could not be made.");
        let this = Self {
            directory,
            last: last.expect("our own metrics have valid names"),
            failed: failed.expect("our own metrics have valid names"),
        };
        all.collector("", this.last.clone());
        all.collector("", this.failed.clone());
        this
    }

    /// Goes on for ever, if there is anything to do.
    pub(crate) async fn run(self, config: Config) {
        let Some(directory) = self.directory.clone().filter(|_| config.backup_every > 0) else { return };
        loop {
            let last = last(&directory);
            self.last.set(last.map_or(0, |at| at.micros() / 1_000_000));
            let now = Source::system().now();
            let left = last.map_or(0, |last| (last.plus(config.backup_every).micros() - now.micros()) / 1_000_000);
            if left <= 0 {
                match self.make(&config, &directory).await {
                    Ok(made) => tracing::info!(directory = %made.display(), "backed up"),
                    Err(error) => {
                        self.failed.inc();
                        tracing::error!(error = format!("{error:#}"), "a backup is due and cannot be made");
                    }
                }
            }
            let pause = if left > 0 { left } else { config.backup_every };
            tokio::time::sleep(Duration::from_secs(pause.unsigned_abs()).min(LOOK).max(SOON)).await;
        }
    }

    async fn make(&self, config: &Config, directory: &Path) -> Result<PathBuf> {
        let made = backup(config, None).await?;
        self.last.set(Manifest::read(&made)?.taken_at.micros() / 1_000_000);
        let (all, keep) = (complete(directory), config.backup_keep);
        let remove = move || all.iter().rev().skip(keep).try_for_each(|(_, old)| fs::remove_dir_all(old));
        tokio::task::spawn_blocking(remove).await??;
        Ok(made)
    }
}

/// When the last backup of a directory was begun that is complete.
pub(crate) fn last(directory: &Path) -> Option<Instant> {
    complete(directory).last().map(|(at, _)| *at)
}

/// Backups of a directory that are complete, the oldest first, and when each was begun.
fn complete(directory: &Path) -> Vec<(Instant, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let begun = |path: PathBuf| Some((Manifest::read(&path).ok()?.taken_at, path));
    let mut all: Vec<_> = entries.filter(|path| path.extension().is_none_or(|end| end != "part")).filter_map(begun).collect();
    all.sort();
    all
}
