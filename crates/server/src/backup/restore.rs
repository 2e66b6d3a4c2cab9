//! `tenantry restore`: a backup takes the place of the database. Everything that can be wrong is found before anything changes, and
//! what was there before is kept.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tenantry_accounts::{ASIDE, Aside, Contents, Database, Lock, Schema, Source};

use super::manifest::Manifest;
use super::{postgres, sync_parent, watched, with_end};
use crate::config::Config;
use crate::vault;

/// What was asked for.
#[derive(clap::Args)]
pub(crate) struct Asked {
    /// A backup, as `tenantry backup` makes it.
    directory: PathBuf,
    /// Although there is a database: it is kept under another name.
    #[arg(long)]
    replace: bool,
    /// Only look whether the backup is whole and could be restored here.
    #[arg(long)]
    check: bool,
}

/// Puts the database back to a backup, or says why not. Prints what became of it.
pub(crate) async fn restore(config: &Config, asked: Asked) -> Result<()> {
    let database = config.database()?;
    let manifest = Manifest::read(&asked.directory)?;
    manifest.suits(&database)?;
    let keys = vault::keys(config, &Source::system(), false)?;
    if manifest.master_key.as_ref().is_some_and(|names| !keys.lacks(names).is_empty()) {
        bail!("the backup was made under another master key: set master_key_file to that one");
    }
    let file = manifest.check(&asked.directory)?;
    if asked.check {
        return crate::out(&format!("the backup of {} is whole\n", manifest.taken_at));
    }
    config.make_data_dir()?;
    let lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
    let _nobody_serves = lock.and_serve(&database).await.map_err(|error| anyhow!(error))?;
    // What there is may be damaged: that is why somebody restores.
    let there = database.contents().await.or_else(|error| if asked.replace { Ok(None) } else { Err(anyhow!(error)) })?;
    if there.is_some() && !asked.replace {
        bail!("there is a database already: say --replace, and it is kept under another name");
    }
    let kept = match &database {
        Database::Sqlite(path) => sqlite(&manifest, &file, path, there).await?,
        Database::Postgres(url) => postgresql(&manifest, &file, &database, url, there).await?,
    };
    crate::out(&format!("restored the backup of {}\n", manifest.taken_at))?;
    if let Some(kept) = kept {
        crate::out(&format!("what was there is kept: {kept}\n"))?;
    }
    if !Schema::with(manifest.steps).pending.is_empty() {
        crate::out("the schema is older than this program: run `tenantry migrate up`\n")?;
    }
    Ok(())
}

/// Returns where the database of before is.
async fn sqlite(manifest: &Manifest, file: &Path, path: &Path, there: Option<Contents>) -> Result<Option<String>> {
    let fresh = with_end(path, ".restoring");
    // What a restore has left that was ended before its end.
    discard(&fresh);
    let made = fill(manifest, file, &fresh, there.map_or(0, |there| there.epoch)).await;
    if made.is_err() {
        discard(&fresh);
    }
    made?;
    let aside = with_end(path, &format!(".replaced-{}", Source::system().now().to_string().replace([':', '-'], "")));
    let mut kept = None;
    if path.exists() {
        // Under both names until the other takes its place: at no moment there is none.
        let linked = fs::hard_link(path, &aside).or_else(|_| fs::rename(path, &aside));
        linked.with_context(|| format!("{} cannot be kept as {}", path.display(), aside.display()))?;
        kept = Some(aside.display().to_string());
    }
    // A log of changes must not come to stand beside another database: it would be taken for its own.
    for end in ["-wal", "-shm"] {
        let (from, to) = (with_end(path, end), with_end(&aside, end));
        if from.exists() {
            fs::rename(&from, &to).with_context(|| format!("{} cannot be kept as {}", from.display(), to.display()))?;
        }
    }
    fs::rename(&fresh, path).with_context(|| format!("{} cannot be made", path.display()))?;
    sync_parent(path)?;
    Ok(kept)
}

/// Removes a file and its log of changes, as far as they are there.
fn discard(database: &Path) {
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(with_end(database, end)));
    }
}

/// A new file with the backup's data in an epoch of its own, on disk.
async fn fill(manifest: &Manifest, file: &Path, fresh: &Path, others: i64) -> Result<()> {
    let cannot = || format!("{} cannot be written", fresh.display());
    let copy = async {
        let (from, to) = (file.to_owned(), fresh.to_owned());
        let copied = tokio::task::spawn_blocking(move || {
            let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
            std::io::copy(&mut fs::File::open(from)?, &mut to)?;
            to.sync_all()
        });
        copied.await?.with_context(cannot)
    };
    watched(fresh, Some(manifest.bytes), copy).await?;
    let fresh = Database::Sqlite(fresh.to_owned());
    fresh.check().await.map_err(|error| anyhow!(error))?;
    begin(manifest, &fresh, others).await
}

/// Opens a new epoch in what was made of a backup, if it is what the manifest says.
async fn begin(manifest: &Manifest, made: &Database, others: i64) -> Result<()> {
    let failed = |error: String| anyhow!(error);
    let contents = made.contents().await.map_err(failed)?;
    if contents.is_none_or(|made| made.steps != manifest.steps || made.master_key != manifest.master_key) {
        bail!("the backup does not hold what its manifest says");
    }
    // Of two restores of one backup, each onto an empty place, none goes on from the other.
    made.begin_epoch(others.max(Source::system().now().micros())).await.map_err(failed)
}

/// Returns where the tables of before are.
async fn postgresql(
    manifest: &Manifest,
    file: &Path,
    database: &Database,
    url: &str,
    there: Option<Contents>,
) -> Result<Option<String>> {
    let failed = |error: String| anyhow!(error);
    let there = match database.aside().await.map_err(failed)? {
        None => there,
        Some(Aside::Kept) => bail!(
            "an earlier restore has left the schema {ASIDE}: drop it (DROP SCHEMA {ASIDE} CASCADE), or keep what is in it elsewhere"
        ),
        // What stands in their place may be in use: nobody but the operator can tell.
        Some(Aside::Restoring) if there.is_some() => bail!(
            "an earlier restore did not come to its end: what was there before it is in the schema {ASIDE}; keep what you need of it \
             elsewhere, then DROP SCHEMA {ASIDE} CASCADE"
        ),
        Some(Aside::Restoring) => {
            tracing::warn!("an earlier restore did not come to its end: what was there before it is back");
            database.put_back().await.map_err(failed)?;
            bail!("an earlier restore did not come to its end; what was there is back. Try again");
        }
    };
    if let Some(there) = &there {
        if there.schema != manifest.schema {
            let schema = manifest.schema.as_deref().unwrap_or_default();
            bail!("the backup's tables are in the schema {schema}: let the search_path of this database's role begin with it");
        }
        database.set_aside().await.map_err(failed)?;
    }
    let load = async {
        postgres::load(database, url, file).await?;
        begin(manifest, database, there.as_ref().map_or(0, |there| there.epoch)).await
    };
    match watched(file, None, load).await {
        Err(error) if there.is_some() => {
            let lost = |back| anyhow!("{error:#}; and what was there is in the schema {ASIDE}: {back}");
            database.put_back().await.map_err(lost)?;
            return Err(error);
        }
        Ok(()) if there.is_some() => database.keep_aside().await.map_err(failed)?,
        done => done?,
    }
    Ok(there.map(|_| format!("schema {ASIDE}; DROP SCHEMA {ASIDE} CASCADE when it is needed no more")))
}
