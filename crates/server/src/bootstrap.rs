//! `tenantry bootstrap`: the first start.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use tenantry_accounts::{Bootstrapped, Catalogue, Lock, Platform, Registry, Schema, Source};

use tenantry_domain::Email;

use crate::config::Config;
use crate::vault;

/// More than there is to tell, in bytes.
const ROOM: usize = 16 * 1024;

/// What was asked for.
pub(crate) struct Asked {
    pub(crate) json: bool,
    pub(crate) if_needed: bool,
    pub(crate) recover: bool,
    pub(crate) admin: Option<String>,
    pub(crate) output: Option<PathBuf>,
}

/// What the operator is shown once.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    made: Bootstrapped,
    /// Where the administrator chooses a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_link: Option<String>,
}

/// Brings the schema up and makes the operator's accounts. Exit code 1 if that was done before.
pub(crate) async fn bootstrap(config: Config, asked: Asked) -> Result<()> {
    let Asked { json, if_needed, recover, admin, output } = asked;
    let admin = admin.map(|email| email.parse::<Email>()).transpose().map_err(|fault| anyhow!("--admin {fault}"))?;
    let (database, public) = (config.database()?, config.public_url()?);
    config.make_data_dir()?;
    let source = Source::system();
    let (made, kept) = {
        database.create().map_err(|error| anyhow!(error))?;
        let lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
        let _locks = if recover { lock.and_serve(&database).await.map_err(|error| anyhow!(error))? } else { (lock, None) };
        Schema::up(&database).await.map_err(|error| anyhow!(error))?;
        let store =
            database.open(config.database_connections, true, &mut Catalogue::default()).await.map_err(|error| anyhow!(error))?;
        // A database that was used before has its key already: a new one would only hide that the old one is missing.
        let new = store.is_new().await?;
        if let Some(file) = output.as_ref().filter(|file| file.exists() && (new || !if_needed)) {
            bail!("{} is there already: take it away, or --collect it", file.display());
        }
        let vault = vault::open(&store, vault::keys(&config, &source, new)?, &source).await?;
        let platform = Platform::new(store, source, vault, public, config.choices()?);
        // Whatever is made must be told: room for it comes first.
        let kept = output.as_deref().filter(|file| !file.exists()).map(Kept::new).transpose()?;
        let made = platform.bootstrap().await?;
        let registry = Registry::new(Arc::new(platform), 1);
        let made = match made {
            None if recover => Some(registry.recover_operator().await?),
            made => made,
        };
        let admin_link = match (&made, admin) {
            (Some(_), Some(email)) => Some(registry.make_operator(&email).await?.reveal().to_owned()),
            _ => None,
        };
        (made.map(|made| Shown { made, admin_link }), kept)
    };
    match made {
        Some(made) => {
            let text = if json { serde_json::to_string(&made)? } else { story(&made)? };
            let shown = match (kept, &output) {
                (Some(kept), _) => kept.fill(&text),
                (None, Some(file)) => Kept::new(file)?.fill(&text),
                (None, None) => show(&text),
            };
            shown.context("the credentials could not be shown; `tenantry bootstrap --recover` makes new ones")?;
        }
        None if if_needed => {}
        None => bail!("this database was bootstrapped before; its credentials were shown then (lost? --recover makes new ones)"),
    }
    Ok(())
}

fn show(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// A new file for its owner only, with room for what is to stand in it; gone again if nothing does.
struct Kept {
    file: File,
    path: Option<PathBuf>,
}

impl Kept {
    fn new(path: &Path) -> Result<Self> {
        let cannot = || format!("{} cannot be written", path.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
        let mut kept = Self { file, path: Some(path.to_owned()) };
        kept.file.write_all(&[b' '; ROOM]).and_then(|()| kept.file.sync_all()).with_context(cannot)?;
        Ok(kept)
    }

    /// On disk when this returns.
    fn fill(mut self, text: &str) -> std::io::Result<()> {
        self.file.rewind()?;
        writeln!(self.file, "{text}")?;
        let length = self.file.stream_position()?;
        self.file.set_len(length)?;
        self.file.sync_all()?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            drop(std::fs::remove_file(path));
        }
    }
}

/// Shows what `--output` kept, once.
pub(crate) fn collect(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("there is nothing to collect at {}", file.display()))?;
    show(text.trim_end())?;
    std::fs::remove_file(file).with_context(|| format!("{} cannot be removed: do it yourself", file.display()))
}

/// The credentials, and the commands that try everything once. The README shows the same.
fn story(shown: &Shown) -> Result<String> {
    let Shown { made, admin_link } = shown;
    let test = &made.test;
    let admin = admin_link
        .as_ref()
        .map(|link| format!("Once the server runs, the administrator chooses a password here, within a day:\n\n  {link}\n\n"));
    let base = test.audience.split("/v1/").next().context("an audience has a path")?;
    Ok(format!(
        "Your operator credentials, shown once:\n\n  \
         production  {}  client_id {}  client_secret {}\n  \
         test        {}  client_id {}  client_secret {}\n\n\
         {}Once the server runs, try the whole story on the test side:\n\n\
         BASE={base}\n\
         OPERATOR={}:{}\n{}",
        made.production.account_id,
        made.production.client_id,
        made.production.client_secret,
        test.account_id,
        test.client_id,
        test.client_secret,
        admin.unwrap_or_default(),
        test.client_id,
        test.client_secret,
        include_str!("../../../docs/partner-story.sh"),
    ))
}
