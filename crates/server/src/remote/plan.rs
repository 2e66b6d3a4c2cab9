//! `tenantry pull|plan|apply`: an account as a file says it is to be.
//!
//! Settings and changes come first, then clients, whose ids can be given once, and people, who are written to, and removals last. Where
//! something is refused, all that was done is taken back, but for what was removed; what is told of it is what the server then has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tenantry_domain::fold;
use tokio::signal::unix::{SignalKind, signal};

use super::manifest::{Kind, Manifest, Names, Record, State};
use super::records::{escaped, line};
use super::{At, Output, Site, confirm, plain};

/// How much room the secret of a client takes in a file, with a `client_id` of any length.
const SECRET: usize = 256;

/// What is compared.
#[derive(Args)]
struct Compared {
    #[command(flatten)]
    at: At,
    /// The file that says what the account is to be; `-`: standard input.
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
    let (names, state) = (Names::of(&site).await?, State::of(&site).await?);
    for left_out in &state.left_out {
        eprintln!("left out: {}", plain(left_out));
    }
    crate::out(&state.manifest(site.account(), &names)?)
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
    let secrets = asked.secrets.as_deref().filter(|_| clients > 0).map(|file| Secrets::new(file, clients)).transpose()?;
    let roles = now.known(Kind::Role).iter().map(|(name, role)| (name.clone(), role.id.clone())).collect();
    let mut work = Work { site: &site, roles, secrets, undo: Vec::new(), stopped: stopped()? };
    for step in &planned {
        if let Err(error) = work.take(step).await {
            let became = work.take_back(&now).await;
            return Err(error.context(format!("{}: {became}", step.title())));
        }
    }
    work.done()?;
    crate::out("done\n")
}

/// Whether somebody wants this to end.
fn stopped() -> Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (told, mut came) = (stopped.clone(), signal(kind)?);
        actix_rt::spawn(async move {
            came.recv().await;
            told.store(true, Ordering::Relaxed);
        });
    }
    Ok(stopped)
}

/// What leads from what the account is to what the file says, and what it is.
async fn steps(site: &Site, compared: &Compared) -> Result<(Vec<Step>, State)> {
    let file = compared.file.display();
    let mut text = String::new();
    let read = if compared.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        File::open(&compared.file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.with_context(|| format!("{file} cannot be read"))?;
    let names = Names::of(site).await?;
    let (account, wanted) = Manifest::parse(&text, &names).with_context(|| format!("{file} is not valid"))?;
    if let Some(account) = account.filter(|account| *account != site.account()) {
        bail!("{file} is of {account}, and you act on {}", site.account());
    }
    let now = State::of(site).await?;
    let me = Me::new(site, &now, &names);
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
    /// The roles of the person, as they are told from one another.
    roles: Vec<String>,
}

impl Me {
    fn new(site: &Site, now: &State, names: &Names) -> Self {
        let subject = site.subject();
        let id = subject.as_deref().and_then(|subject| subject.strip_prefix("user:"));
        let own = now.known(Kind::User).values().find(|user| id == Some(&user.id));
        let roles = own.map(|user| user.roles().map(str::to_owned).collect()).unwrap_or_default();
        Self { subject, audience: names.own().to_owned(), roles }
    }

    /// Whether it is what the sign-in lives by.
    fn is(&self, kind: Kind, record: &Record) -> bool {
        let Some(subject) = self.subject.as_deref() else { return false };
        match kind {
            Kind::Role => self.roles.contains(&fold(&record.label)),
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
    // Whoever is written to and what can be made once comes when all else is well.
    steps.sort_by_key(|step| match step {
        Step::Set(..) => 0,
        Step::Change(kind, ..) => 1 + *kind as usize,
        Step::Make(Kind::Role, _) => 1,
        Step::Make(Kind::User, _) => 8,
        Step::Make(kind, _) => 5 + *kind as usize,
        Step::Remove(..) => 9,
    });
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
        let roles = user.roles();
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
        if let Self::Make(Kind::User, user) = self
            && user.fields.get("enabled") == Some(&Value::Bool(false))
        {
            return Some(format!("user {}: is not there; whoever is to be shut out need not be invited", user.label));
        }
        if let Self::Set(_, to) = self
            && to.get("partner_access") == Some(&Value::Bool(false))
            && compared.at.on.is_some()
        {
            return Some("settings.partner_access: would shut you out, who act from above".to_owned());
        }
        let own = match self {
            // A client is called what it may be called.
            Self::Change(kind, record, _) => *kind != Kind::Client && me.is(*kind, record),
            _ => false,
        };
        own.then(|| format!("{}: is what you are signed in with; let somebody else do it", self.title()))
    }

    fn title(&self) -> String {
        match self {
            Self::Make(kind, record) => format!("+ {} {}", kind.name(), plain(&record.label)),
            Self::Change(kind, record, _) => format!("~ {} {}", kind.name(), plain(&record.label)),
            Self::Remove(kind, record) => format!("- {} {}", kind.name(), plain(&record.label)),
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
        if action != "remove" {
            tell(&mut text, "", action, &was, &to);
        }
    }
    let count = |action: &str| steps.iter().filter(|step| step.parts().0 == action).count();
    if steps.is_empty() {
        return "the account is as the file says\n".to_owned();
    }
    text + &format!("{} to make, {} to change, {} to remove\n", count("make"), count("change"), count("remove"))
}

/// Fields that differ, those inside of others by their way.
fn tell(text: &mut String, way: &str, action: &str, was: &Map<String, Value>, to: &Map<String, Value>) {
    let none = Map::new();
    for (name, was, to) in changed(was, to) {
        let name = format!("{way}{}", plain(name));
        if was.is_object() || to.is_object() {
            let inside = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| none.clone());
            tell(text, &format!("{name}."), action, &inside(was), &inside(to));
        } else if action == "make" {
            writeln!(text, "    {name}: {}", line(to)).expect("a text takes all");
        } else {
            writeln!(text, "    {name}: {} -> {}", line(was), line(to)).expect("a text takes all");
        }
    }
}

/// Where the secrets of new clients go, made before anything else is.
struct Secrets {
    path: PathBuf,
    file: File,
}

impl Secrets {
    /// With room for so many: a full disk is found before a client is made.
    fn new(path: &Path, clients: usize) -> Result<Self> {
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
struct Work<'s> {
    site: &'s Site,
    /// The ids of roles, by their names.
    roles: BTreeMap<String, String>,
    secrets: Option<Secrets>,
    /// What takes back what was done, the last first.
    undo: Vec<(Method, String, Option<Value>)>,
    stopped: Arc<AtomicBool>,
}

impl Work<'_> {
    async fn take(&mut self, step: &Step) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            bail!("somebody has stopped this");
        }
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
    async fn take_back(&mut self, before: &State) -> String {
        while let Some((method, path, body)) = self.undo.pop() {
            // Whether it was so is seen below.
            drop(self.ask(method, path, body).await);
        }
        let Ok(left) = State::of(self.site).await else {
            return "nobody can tell what of it was done: look again".to_owned();
        };
        let nobody = Me { subject: None, audience: String::new(), roles: Vec::new() };
        let left: Vec<String> = difference(before, &left, Some(&nobody)).iter().map(Step::title).collect();
        if !left.is_empty() {
            return format!("this was done, and is not taken back: {}", left.join(", "));
        }
        if let Some(secrets) = self.secrets.take() {
            // The secrets in it are of clients that are gone.
            drop(std::fs::remove_file(&secrets.path));
        }
        "nothing was changed".to_owned()
    }

    /// All is well: the secrets' file ends with the last of them.
    fn done(mut self) -> Result<()> {
        let Some(secrets) = &mut self.secrets else { return Ok(()) };
        let end = secrets.file.stream_position()?;
        secrets.file.set_len(end).with_context(|| format!("{} has blanks at its end", secrets.path.display()))
    }
}
