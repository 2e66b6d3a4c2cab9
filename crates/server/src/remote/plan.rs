//! `tenantry pull|plan|apply`: an account as a file says it is to be.
//!
//! What is made and changed comes first, what is removed last. Where something is refused before anything was removed, all that was done
//! is taken back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tenantry_domain::fold;

use super::manifest::{Kind, Manifest, Names, Record, State};
use super::records::{escaped, plain};
use super::{At, Output, Site, confirm};

/// What is compared.
#[derive(Args)]
struct Compared {
    #[command(flatten)]
    at: At,
    /// The file that says what the account is to be.
    #[arg(long, short)]
    file: PathBuf,
    /// Also remove what the file does not name, in the sections that it has; not what you are signed in with.
    #[arg(long)]
    prune: bool,
}

/// What is asked of `plan`.
#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    compared: Compared,
    /// How to show it.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,
    /// End with code 2 where there is something to do.
    #[arg(long)]
    exit_code: bool,
}

/// What is asked of `apply`.
#[derive(Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    compared: Compared,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Where the secrets of new clients go, which nobody is shown again: a new file, for its owner only, a line of JSON each.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
}

/// What is asked of `pull`.
#[derive(Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    at: At,
}

/// One change.
enum Step {
    Make(Kind, Record),
    Change(Kind, Record, Record),
    /// Settings before and after.
    Set(Map<String, Value>, Map<String, Value>),
    Remove(Kind, Record),
}

/// Prints the account as a file.
pub(super) async fn pull(asked: Pull) -> Result<()> {
    let site = Site::open(&asked.at).await?;
    crate::out(&State::of(&site).await?.manifest(site.account())?)
}

/// Prints what would be done.
pub(super) async fn plan(asked: Plan) -> Result<ExitCode> {
    let site = Site::open(&asked.compared.at).await?;
    let (steps, _) = steps(&site, &asked.compared).await?;
    crate::out(&match asked.output {
        Output::Table => told(&steps),
        Output::Json => format!("{:#}\n", steps.iter().map(Step::json).collect::<Value>()),
    })?;
    Ok(if asked.exit_code && !steps.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// Shows what is to be done, asks, and does it.
pub(super) async fn apply(asked: Apply) -> Result<()> {
    let site = Site::open(&asked.compared.at).await?;
    let (planned, now) = steps(&site, &asked.compared).await?;
    crate::out(&told(&planned))?;
    if planned.is_empty() {
        return Ok(());
    }
    let clients = planned.iter().filter(|step| matches!(step, Step::Make(Kind::Client, _))).count();
    if clients > 0 && asked.secrets.is_none() {
        bail!("say --secrets FILE: {clients} clients will be made, and their secrets are shown once");
    }
    if !asked.yes {
        confirm(&format!("Do this to {}?", site.account()), "--yes")?;
        if State::of(&site).await? != now {
            bail!("somebody has changed the account meanwhile, nothing was done: look again");
        }
    }
    let secrets = asked.secrets.as_deref().filter(|_| clients > 0).map(Secrets::new).transpose()?;
    let roles = now.known(Kind::Role).iter().map(|(name, role)| (name.clone(), role.id.clone())).collect();
    let mut work = Work { site: &site, roles, secrets, undo: Vec::new() };
    for (nth, step) in planned.iter().enumerate() {
        if let Err(error) = work.take(step).await {
            let (all, step) = (planned.len(), step.title());
            let became = match &planned[..nth] {
                done if done.iter().any(|step| matches!(step, Step::Remove(..))) => {
                    format!("{nth} of {all} changes were made, and what was removed does not come back; run it again to go on")
                }
                _ => work.take_back().await.map_or_else(
                    |error| format!("{nth} of {all} changes were made, and cannot be taken back: {error:#}"),
                    |()| "nothing was changed".to_owned(),
                ),
            };
            return Err(error.context(format!("{step}: {became}")));
        }
    }
    crate::out(&format!("{} changes were made\n", planned.len()))
}

/// What leads from what the account is to what the file says, and what it is.
async fn steps(site: &Site, compared: &Compared) -> Result<(Vec<Step>, State)> {
    let file = compared.file.display();
    let text = std::fs::read_to_string(&compared.file).with_context(|| format!("{file} cannot be read"))?;
    let names = Names::of(site).await?;
    let (account, wanted) = Manifest::parse(&text, &names).with_context(|| format!("{file} is not valid"))?;
    if let Some(account) = account.filter(|account| *account != site.account()) {
        bail!("{file} is of {account}, and you act on {}", site.account());
    }
    let now = State::of(site).await?;
    let me = Me { subject: site.subject(), audience: names.own().to_owned() };
    let steps = difference(&now, &wanted, compared.prune.then_some(&me));
    let faults: Vec<String> =
        steps.iter().filter_map(|step| step.fault(&me, compared)).chain(strays(&now, &wanted, &steps)).collect();
    if faults.is_empty() { Ok((steps, now)) } else { Err(anyhow!("{}", faults.join("; "))) }
}

/// Who is signed in.
struct Me {
    subject: Option<String>,
    /// The account's own.
    audience: String,
}

impl Me {
    /// Whether it is what the sign-in lives by.
    fn is(&self, kind: Kind, record: &Record) -> bool {
        let Some(subject) = self.subject.as_deref() else { return false };
        match kind {
            Kind::Role => false,
            Kind::Client => record.id == subject,
            Kind::Grant => record.text("client_id") == subject && record.text("audience") == self.audience,
            Kind::User => subject.strip_prefix("user:") == Some(&record.id),
        }
    }
}

/// With `prune` also what the file does not name goes, but for what the one who asks is signed in with.
fn difference(now: &State, wanted: &State, prune: Option<&Me>) -> Vec<Step> {
    let (mut steps, mut removals) = (Vec::new(), Vec::new());
    for (kind, records) in &wanted.records {
        for (key, record) in records {
            match now.known(*kind).get(key) {
                None => steps.push(Step::Make(*kind, record.clone())),
                Some(was) => {
                    let mut to = Record { id: was.id.clone(), ..record.clone() };
                    if *kind == Kind::User {
                        // However it is spelt.
                        to.fields.insert("email".to_owned(), was.text("email").into());
                    }
                    if to.fields != was.fields {
                        steps.push(Step::Change(*kind, was.clone(), to));
                    }
                }
            }
        }
        let left = now
            .known(*kind)
            .iter()
            .filter(|(key, record)| prune.is_some_and(|me| !me.is(*kind, record)) && !records.contains_key(*key));
        removals.extend(left.map(|(_, record)| Step::Remove(*kind, record.clone())));
    }
    if let (Some(was), Some(to)) = (&now.settings, &wanted.settings) {
        let to: Map<String, Value> =
            to.iter().filter(|(name, value)| was.get(*name).unwrap_or(&Value::Null) != *value).map(owned).collect();
        if !to.is_empty() {
            let was = to.keys().map(|name| (name.clone(), was.get(name).cloned().unwrap_or_default())).collect();
            steps.push(Step::Set(was, to));
        }
    }
    // A client takes its grants with it.
    let gone: Vec<String> =
        removals.iter().filter_map(|step| step.removes(Kind::Client).map(|client| client.id.clone())).collect();
    removals.retain(|step| step.removes(Kind::Grant).is_none_or(|grant| !gone.iter().any(|id| id == grant.text("client_id"))));
    steps.extend(removals.into_iter().rev());
    steps
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// What users are to have and clients are to be that will not be there.
fn strays(now: &State, wanted: &State, steps: &[Step]) -> Vec<String> {
    let there = |kind: Kind, key: &str| {
        let by_id = |record: &&Record| record.id == key;
        let known = now.known(kind).get(key).or_else(|| now.known(kind).values().find(by_id));
        let removed =
            known.is_some_and(|known| steps.iter().any(|step| step.removes(kind).is_some_and(|one| one.id == known.id)));
        wanted.known(kind).contains_key(key) || known.is_some_and(|_| !removed)
    };
    let mut faults = Vec::new();
    for user in wanted.known(Kind::User).values() {
        let roles = user.fields.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        // A role without a name is known by an id, which only the server knows.
        let is_id = |role: &str| role.len() == 36 && role.bytes().filter(|byte| *byte == b'-').count() == 4;
        faults.extend(
            roles
                .filter(|role| !is_id(role) && !there(Kind::Role, role))
                .map(|role| format!("user {}: there is no role {role}", user.label)),
        );
    }
    let grants = wanted.known(Kind::Grant).values().filter(|grant| !there(Kind::Client, grant.text("client_id")));
    faults.extend(grants.map(|grant| format!("grant {}: there is no such client", grant.label)));
    faults
}

impl Step {
    fn removes(&self, kind: Kind) -> Option<&Record> {
        match self {
            Self::Remove(of, record) if *of == kind => Some(record),
            _ => None,
        }
    }

    /// Why it cannot be done, as far as that is known before.
    fn fault(&self, me: &Me, compared: &Compared) -> Option<String> {
        if let Self::Change(Kind::Client, was, to) = self {
            let fields: Vec<&str> = changed(&was.fields, &to.fields).map(|(name, ..)| name).collect();
            return Some(format!("client {}: {} cannot be changed; make another client", was.label, fields.join(" and ")));
        }
        if let Self::Set(_, to) = self
            && to.get("partner_access") == Some(&Value::Bool(false))
            && compared.at.on.is_some()
        {
            return Some("settings.partner_access: would shut you out, who act from above".to_owned());
        }
        let own = match self {
            Self::Change(kind, record, _) => me.is(*kind, record),
            _ => false,
        };
        own.then(|| format!("{}: is what you are signed in with; let somebody else do it", self.title()))
    }

    fn title(&self) -> String {
        match self {
            Self::Make(kind, record) => format!("+ {} {}", kind.name(), plain(&record.label[..].into())),
            Self::Change(kind, record, _) => format!("~ {} {}", kind.name(), plain(&record.label[..].into())),
            Self::Remove(kind, record) => format!("- {} {}", kind.name(), plain(&record.label[..].into())),
            Self::Set(..) => "~ settings".to_owned(),
        }
    }

    fn parts(&self) -> (&'static str, &'static str, Map<String, Value>, Map<String, Value>) {
        match self {
            Self::Make(kind, record) => ("make", kind.name(), Map::new(), record.fields.clone()),
            Self::Change(kind, was, to) => ("change", kind.name(), was.fields.clone(), to.fields.clone()),
            Self::Remove(kind, record) => ("remove", kind.name(), record.fields.clone(), Map::new()),
            Self::Set(was, to) => ("change", "settings", was.clone(), to.clone()),
        }
    }

    fn json(&self) -> Value {
        let (action, kind, before, after) = self.parts();
        json!({"action": action, "kind": kind, "before": before, "after": after})
    }
}

/// Fields that differ.
fn changed<'m>(was: &'m Map<String, Value>, to: &'m Map<String, Value>) -> impl Iterator<Item = (&'m str, &'m Value, &'m Value)> {
    let names = was.keys().chain(to.keys().filter(|name| !was.contains_key(*name)));
    let both = names.map(|name| (&name[..], was.get(name).unwrap_or(&Value::Null), to.get(name).unwrap_or(&Value::Null)));
    both.filter(|(_, was, to)| was != to)
}

/// All steps, for people.
fn told(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let (action, _, was, to) = step.parts();
        writeln!(text, "{}", step.title()).expect("a text takes all");
        for (name, was, to) in changed(&was, &to) {
            let line = match action {
                "make" => plain(to),
                "remove" => continue,
                _ => format!("{} -> {}", plain(was), plain(to)),
            };
            writeln!(text, "    {name}: {line}").expect("a text takes all");
        }
    }
    let count = |action: &str| steps.iter().filter(|step| step.parts().0 == action).count();
    if steps.is_empty() {
        return "the account is as the file says\n".to_owned();
    }
    text + &format!("{} to make, {} to change, {} to remove\n", count("make"), count("change"), count("remove"))
}

/// Where the secrets of new clients go, made before anything else is.
struct Secrets {
    path: PathBuf,
    file: File,
}

impl Secrets {
    fn new(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("{} cannot be made, and nothing was done", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn keep(&mut self, client: &Value) -> Result<()> {
        let line = json!({"client_id": client["client_id"], "client_secret": client["client_secret"]});
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_all());
        written.with_context(|| format!("the secret cannot be kept in {}", self.path.display()))
    }
}

/// Changes that are being made.
struct Work<'s> {
    site: &'s Site,
    /// The ids of roles, by their names.
    roles: BTreeMap<String, String>,
    secrets: Option<Secrets>,
    /// What takes back what was done, the last first.
    undo: Vec<(Method, String, Option<Value>)>,
}

impl Work<'_> {
    async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Make(kind, record) => {
                let body = self.body(*kind, record);
                let made = self.ask(Method::POST, kind.path().to_owned(), Some(body.clone())).await?;
                let id = made[if *kind == Kind::Client { "client_id" } else { "id" }].as_str().unwrap_or_default().to_owned();
                let one = format!("{}/{}", kind.path(), escaped(&id));
                self.undo.push((Method::DELETE, one.clone(), None));
                match (kind, &mut self.secrets) {
                    (Kind::Role, _) => drop(self.roles.insert(fold(&record.label), id)),
                    (Kind::Client, Some(secrets)) => secrets.keep(&made)?,
                    // Whoever is invited is so to come in; the other is a change.
                    (Kind::User, _) if body["enabled"] == false => drop(self.ask(Method::PUT, one, Some(body)).await?),
                    _ => {}
                }
            }
            Step::Change(kind, was, to) => {
                let method = if *kind == Kind::Grant { Method::PATCH } else { Method::PUT };
                let one = format!("{}/{}", kind.path(), escaped(&was.id));
                let before = self.body(*kind, was);
                self.ask(method.clone(), one.clone(), Some(self.body(*kind, to))).await?;
                self.undo.push((method, one, Some(before)));
            }
            Step::Set(was, to) => {
                let path = "management/settings".to_owned();
                self.ask(Method::PUT, path.clone(), Some(to.clone().into())).await?;
                self.undo.push((Method::PUT, path, Some(was.clone().into())));
            }
            Step::Remove(kind, record) => {
                self.ask(Method::DELETE, format!("{}/{}", kind.path(), escaped(&record.id)), None).await?;
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
            let roles = body.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let ids: Vec<Value> = roles.map(|role| json!({"id": self.roles.get(role).map_or(role, |id| &id[..])})).collect();
            body.insert("roles".to_owned(), ids.into());
        }
        body.into()
    }

    async fn take_back(&mut self) -> Result<()> {
        while let Some((method, path, body)) = self.undo.pop() {
            self.ask(method, path, body).await?;
        }
        // The secrets in it are of clients that are gone.
        if let Some(secrets) = self.secrets.take() {
            std::fs::remove_file(&secrets.path)?;
        }
        Ok(())
    }
}
