//! An account's changes as they are made, and taken back.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_domain::fold;
use tokio::signal::unix::{SignalKind, signal};

use super::Site;
use super::manifest::{Kind, Record, State};
use super::records::escaped;
use super::steps::{Me, Step, difference};

/// How much room the secret of a client takes in a file, with a `client_id` of any length.
const SECRET: usize = 256;

/// Whether somebody wants this to end.
pub(super) fn stopped() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let (told, mut came) = (stopped.clone(), signal(kind)?);
        actix_rt::spawn(async move {
            came.recv().await;
            eprintln!("stopping after this step; what was done is taken back");
            told.store(true, Ordering::Relaxed);
        });
    }
    Ok(stopped)
}

/// Where the secrets of new clients go, made before anything else is.
pub(super) struct Secrets {
    path: PathBuf,
    file: File,
}

impl Secrets {
    /// With room for so many: a full disk is found before a client is made.
    pub(super) fn new(path: &Path, clients: usize) -> Result<Self> {
        let cannot = || format!("{} cannot be made, and nothing was done", path.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
        let mut made = Self { path: path.to_owned(), file };
        let room = made.file.write_all(&vec![b' '; SECRET * clients]).and_then(|()| made.file.sync_all());
        let room = room.and_then(|()| made.file.rewind());
        if room.is_err() {
            drop(std::fs::remove_file(path));
        }
        room.with_context(cannot).map(|()| made)
    }

    fn keep(&mut self, client: &Value) -> Result<()> {
        let line = json!({"client_id": client["client_id"], "client_secret": client["client_secret"]});
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_all());
        written.with_context(|| format!("the secret cannot be kept in {}", self.path.display()))
    }
}

/// Changes that are being made.
pub(super) struct Work<'s> {
    site: &'s Site,
    /// The ids of roles, by their names.
    roles: BTreeMap<String, String>,
    secrets: Option<Secrets>,
    /// What takes back what was done, the last first.
    undo: Vec<(Method, String, Option<Value>)>,
    /// What was done, or begun.
    begun: Vec<String>,
    stopped: Arc<AtomicBool>,
}

impl<'s> Work<'s> {
    /// Nothing is done yet.
    pub(super) fn new(site: &'s Site, now: &State, secrets: Option<Secrets>, stopped: Arc<AtomicBool>) -> Self {
        let roles = now.known(Kind::Role).iter().map(|(name, role)| (name.clone(), role.id.clone())).collect();
        Self { site, roles, secrets, undo: Vec::new(), begun: Vec::new(), stopped }
    }

    pub(super) async fn take(&mut self, step: &Step) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            bail!("somebody has stopped this");
        }
        self.begun.push(step.title());
        match step {
            Step::Make(kind, record) => {
                let made = self.ask(Method::POST, kind.path().to_owned(), Some(self.body(*kind, record))).await?;
                let id = made[if *kind == Kind::Client { "client_id" } else { "id" }].as_str().unwrap_or_default();
                self.undo.push((Method::DELETE, format!("{}/{}", kind.path(), escaped(id)?), None));
                if *kind == Kind::Role {
                    self.roles.insert(fold(&record.label), id.to_owned());
                }
                if let (Kind::Client, Some(secrets)) = (kind, &mut self.secrets) {
                    secrets.keep(&made)?;
                }
            }
            // What takes it back is known before: the answer may be lost.
            Step::Change(kind, was, to) => {
                let method = if *kind == Kind::Grant { Method::PATCH } else { Method::PUT };
                let one = format!("{}/{}", kind.path(), escaped(&was.id)?);
                self.undo.push((method.clone(), one.clone(), Some(self.body(*kind, was))));
                self.ask(method, one, Some(self.body(*kind, to))).await?;
            }
            Step::Set(was, to) => {
                let path = "management/settings".to_owned();
                self.undo.push((Method::PUT, path.clone(), Some(was.clone().into())));
                self.ask(Method::PUT, path, Some(to.clone().into())).await?;
            }
            Step::Remove(kind, record) => {
                self.ask(Method::DELETE, format!("{}/{}", kind.path(), escaped(&record.id)?), None).await?;
                // From here on only forward: what was made or changed may stand in the place of what is gone.
                self.undo.clear();
            }
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: String, body: Option<Value>) -> Result<Value> {
        Ok(self.site.ask(method, &path, &[], body.as_ref()).await?.body)
    }

    /// A record as the server takes it: roles by their ids.
    fn body(&self, kind: Kind, record: &Record) -> Value {
        let mut body = record.fields.clone();
        if kind == Kind::User {
            let ids: Vec<Value> =
                record.roles().map(|role| json!({"id": self.roles.get(role).map_or(role, |id| &id[..])})).collect();
            body.insert("roles".to_owned(), ids.into());
        }
        body.into()
    }

    /// Takes back what can be, and says what the server then has.
    pub(super) async fn take_back(&mut self, before: &State) -> String {
        while let Some((method, path, body)) = self.undo.pop() {
            // Whether it was so is seen below.
            drop(self.ask(method, path, body).await);
        }
        let Ok(left) = State::of(self.site).await else {
            return format!("what of this was done nobody can tell: {}", self.begun.join(", "));
        };
        let left: Vec<String> = difference(before, &left, Some(&Me::nobody())).iter().map(Step::title).collect();
        if left.is_empty() {
            if let Some(secrets) = self.secrets.take() {
                // The secrets in it are of clients that are gone.
                drop(std::fs::remove_file(&secrets.path));
            }
            return "nothing was changed".to_owned();
        }
        let mut told = format!("this was done, and is not taken back: {}", left.join(", "));
        if left.iter().any(|step| step.starts_with("+ client ")) {
            told.push_str("; a client whose secret is not in the file has to be deleted, or given another secret");
        }
        drop(self.end_secrets());
        told
    }

    /// All is well: the secrets' file ends with the last of them.
    pub(super) fn done(mut self) -> Result<()> {
        self.end_secrets()
    }

    fn end_secrets(&mut self) -> Result<()> {
        let Some(secrets) = &mut self.secrets else { return Ok(()) };
        let end = secrets.file.stream_position()?;
        secrets.file.set_len(end).with_context(|| format!("{} has blanks at its end", secrets.path.display()))
    }
}
