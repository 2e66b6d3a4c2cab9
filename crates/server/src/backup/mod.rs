//! `tenantry backup` and `tenantry restore`: the whole database as a directory of two files, the data and a manifest that says
//! what it is. The master key is not in it, on purpose.

mod manifest;
mod postgres;
mod restore;
mod schedule;

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tenantry_accounts::{Database, Source};

use crate::config::Config;
use manifest::Manifest;

pub(crate) use postgres::pg_dump_version;
pub(crate) use restore::{Asked, restore};
pub(crate) use schedule::{Schedule, last};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(200);

/// Backs up into a new directory: `to`, or one in `backup_dir` with the time as its name. While others write, if they do. Returns
/// the directory; there is none, and nothing is left, if this fails.
pub(crate) async fn backup(config: &Config, to: Option<PathBuf>) -> Result<PathBuf> {
    config.require_database()?;
    let now = Source::system().now();
    let to = match (to, &config.backup_dir) {
        (Some(to), _) => to,
        (None, Some(directory)) => directory.join(now.to_string().replace([':', '-'], "")),
        (None, None) => bail!("say where to: `tenantry backup DIRECTORY`, or set backup_dir"),
    };
    if to.exists() {
        bail!("{} is there already: a backup is a directory of its own", to.display());
    }
    let part = with_end(&to, ".part");
    let cannot = || format!("{} cannot be made", part.display());
    if let Some(parent) = part.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).with_context(cannot)?;
    }
    DirBuilder::new().mode(0o700).create(&part).with_context(cannot)?;
    let made = make(config, &part, now).await.and_then(|()| {
        fs::rename(&part, &to).with_context(|| format!("{} cannot be made", to.display()))?;
        sync_parent(&to)
    });
    if made.is_err() {
        // What is there of it is worth nothing, and may be in the way of what filled the disk.
        drop(fs::remove_dir_all(&part));
    }
    made.map(|()| to)
}

async fn make(config: &Config, part: &Path, now: tenantry_domain::Instant) -> Result<()> {
    let database = config.database()?;
    let contents = database.contents().await.map_err(|error| anyhow!(error))?;
    let Some(contents) = contents else { bail!("the database is empty: run `tenantry bootstrap` first") };
    let file = part.join(match &database {
        Database::Sqlite(_) => manifest::SQLITE,
        Database::Postgres(_) => manifest::POSTGRES,
    });
    match &database {
        Database::Sqlite(path) => {
            let size = fs::metadata(path).map_or(0, |file| file.len());
            watched(&file, Some(size), async { database.copy_to(&file).await.map_err(|error| anyhow!(error)) }).await?;
        }
        Database::Postgres(url) => watched(&file, None, postgres::dump(&database, url, &contents, &file)).await?,
    }
    let after = database.contents().await.map_err(|error| anyhow!(error))?;
    if after.is_none_or(|after| after.steps != contents.steps || after.master_key != contents.master_key) {
        bail!("the schema or the master key was changed meanwhile: do it once more");
    }
    // Not on a thread that others need.
    let part = part.to_owned();
    let finish = move || {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        File::open(&file)?.sync_all().with_context(|| format!("{} cannot be written", file.display()))?;
        Manifest::of(&file, contents, now)?.write(&part)
    };
    tokio::task::spawn_blocking(finish).await?
}

/// Shows how `file` grows while `work` goes on; how large it will be is known, or not.
async fn watched<T>(file: &Path, size: Option<u64>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let template =
        if size.is_some() { "{bar:40} {percent:>3} %  {bytes}, {eta} left" } else { "{spinner} {bytes}, {bytes_per_sec}" };
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(ProgressStyle::with_template(template)?);
    let grows = async {
        loop {
            bar.set_position(fs::metadata(file).map_or(0, |file| file.len()));
            tokio::time::sleep(TICK).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = grows => bail!("this never ends"),
    };
    bar.finish_and_clear();
    done
}

/// The same path with more at its end.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// That there is such a file is on disk when this returns.
fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).with_context(|| format!("{} cannot be written", parent.display()))
}
