//! `tenantry pull|plan|apply`: an account as a file says it is to be. What differs is found, changed or refused by the server, in one
//! write; `plan` is the same, with nothing kept.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tenantry_api::{Configuration, strictly};
use tokio::signal::unix::{SignalKind, signal};

use super::records::line;
use super::{At, Output, Refused, Site, confirm, plain};

/// Where an account's configuration is.
const PATH: &str = "management/configuration";
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
    /// Only if the account is still at this version, which a plan has told (`plan --output json`).
    #[arg(long)]
    version: Option<i64>,
}

/// What is asked of `plan`.
#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    compared: Compared,
    /// How to show it.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,
    /// End with code 3 where there is something to do.
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

/// Prints the account as a file.
pub(super) async fn pull(asked: Pull) -> Result<()> {
    #[derive(Deserialize)]
    struct Current {
        configuration: Configuration,
        left_out: Vec<String>,
    }
    let site = Site::open(&asked.at).await?;
    let current: Current = serde_json::from_value(site.get(PATH).await?).context("what the server answers is no file")?;
    for left_out in &current.left_out {
        eprintln!("left out: {}", plain(left_out));
    }
    let text = serde_saphyr::to_string(&current.configuration)?;
    crate::out(&if std::io::stdout().is_terminal() {
        text.lines().map(plain).collect::<Vec<_>>().join("\n") + "\n"
    } else {
        text
    })
}

/// Prints what would be done.
pub(super) async fn plan(asked: Plan) -> Result<ExitCode> {
    let site = Site::open(&asked.compared.at).await?;
    let answer = asked.compared.send(&site, &asked.compared.read()?, true).await?;
    let planned = applied(&answer)?;
    crate::out(&match asked.output {
        Output::Table => told(&planned.changes),
        Output::Json => format!("{answer:#}\n"),
    })?;
    Ok(if asked.exit_code && !planned.changes.is_empty() { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// Shows what is to be done, asks, and does it.
pub(super) async fn apply(mut asked: Apply) -> Result<()> {
    let (site, file) = (Site::open(&asked.compared.at).await?, asked.compared.read()?);
    let planned = applied(&asked.compared.send(&site, &file, true).await?)?;
    crate::out(&told(&planned.changes))?;
    if planned.changes.is_empty() {
        return Ok(());
    }
    let clients = planned.changes.iter().filter(|change| change.kind == "client" && change.action == "create").count();
    if clients > 0 && asked.secrets.is_none() {
        bail!("say --secrets FILE: {clients} clients will be made, and their secrets are shown once");
    }
    if !asked.yes {
        confirm(&format!("Do this to {} at {}?", site.account(), site.base), "--yes")?;
    }
    let mut secrets = asked.secrets.as_deref().filter(|_| clients > 0).map(|file| Secrets::new(file, clients)).transpose()?;
    // From here on nobody goes away before the answer: it has the secrets.
    let _held = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    asked.compared.version = Some(planned.version);
    match asked.compared.send(&site, &file, false).await.and_then(|answer| applied(&answer)) {
        Ok(done) => {
            if let Some(secrets) = &mut secrets {
                secrets.keep(&done.secrets)?;
            }
            crate::out("done\n")
        }
        Err(error) => {
            if let Some(secrets) = secrets {
                drop(std::fs::remove_file(secrets.path));
            }
            let became = match error.downcast_ref::<Refused>() {
                // Where something on the way has sent it twice, the first was taken, and this is the answer to the second.
                Some(refused) if refused.is_final() && refused.status == StatusCode::PRECONDITION_FAILED => {
                    "somebody has changed the account meanwhile, or this very command and its answer was lost: tenantry plan shows it"
                }
                Some(refused) if refused.is_final() => return Err(error.context("nothing was changed")),
                _ => "nobody can tell whether anything was changed: tenantry plan shows it",
            };
            let secret = if clients > 0 {
                "; a new client that is there needs another secret, tenantry clients rotate-secret"
            } else {
                ""
            };
            Err(error.context(format!("{became}{secret}")))
        }
    }
}

/// What the server says of a file.
#[derive(Deserialize)]
struct Applied {
    version: i64,
    changes: Vec<Change>,
    secrets: Vec<Value>,
}

/// A record that is changed.
#[derive(Deserialize)]
struct Change {
    action: String,
    kind: String,
    name: String,
    #[serde(default)]
    before: Map<String, Value>,
    #[serde(default)]
    after: Map<String, Value>,
}

impl Compared {
    /// The file; every member in it is known.
    fn read(&self) -> Result<Value> {
        let (file, mut text) = (self.file.display(), String::new());
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().read_to_string(&mut text)
        } else {
            File::open(&self.file).and_then(|mut file| file.read_to_string(&mut text))
        };
        read.with_context(|| format!("{file} cannot be read"))?;
        let invalid = || format!("{file} is not valid");
        let parsed = serde_saphyr::with_deserializer_from_str(&text, |from| strictly::<Configuration, _>(from));
        let first = |text: &str| text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let (configuration, unknown) = parsed.map_err(|error| anyhow!(first(&error.to_string()))).with_context(invalid)?;
        if !unknown.is_empty() {
            return Err(anyhow!("it does not have {}", unknown.join(", "))).with_context(invalid);
        }
        if configuration.is_empty() {
            return Err(anyhow!("it says nothing of settings, roles, clients, grants or users")).with_context(invalid);
        }
        Ok(serde_json::to_value(configuration)?)
    }

    async fn send(&self, site: &Site, file: &Value, dry_run: bool) -> Result<Value> {
        let [prune, dry_run] = [self.prune, dry_run].map(|flag| flag.to_string());
        let version = self.version.map(|version| version.to_string());
        let mut query = vec![("prune", &prune[..]), ("dry_run", &dry_run)];
        query.extend(version.as_deref().map(|version| ("version", version)));
        Ok(site.ask(Method::PUT, PATH, &query, Some(file)).await?.body)
    }
}

fn applied(answer: &Value) -> Result<Applied> {
    Applied::deserialize(answer).context("the server's answer makes no sense")
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

    fn keep(&mut self, secrets: &[Value]) -> Result<()> {
        let lines: Vec<String> = secrets.iter().map(Value::to_string).collect();
        let lines = lines.join("\n") + "\n";
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.set_len(lines.len() as u64));
        let written = written.and_then(|()| self.file.sync_all());
        let lost = "new clients need others, tenantry clients rotate-secret";
        written.with_context(|| format!("all is done, but the secrets cannot be kept in {}: {lost}", self.path.display()))
    }
}

impl Change {
    fn title(&self) -> String {
        let sign = match &self.action[..] {
            "create" => '+',
            "delete" => '-',
            _ => '~',
        };
        let name = if self.kind == "settings" { String::new() } else { format!(" {}", plain(&self.name)) };
        format!("{sign} {}{name}", plain(&self.kind))
    }
}

/// All changes, for people.
fn told(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        writeln!(text, "{}", change.title()).expect("a text takes all");
        if change.action == "delete" && change.kind == "client" {
            text.push_str("    its id is not given again\n");
        } else if change.action != "delete" {
            tell(&mut text, "", change.action == "create", &change.before, &change.after);
        }
    }
    let count = |action: &str| changes.iter().filter(|change| change.action == action).count();
    if changes.is_empty() {
        return "the account is as the file says\n".to_owned();
    }
    text + &format!("{} to make, {} to change, {} to remove\n", count("create"), count("update"), count("delete"))
}

/// Fields that differ, those inside of others by their way.
fn tell(text: &mut String, way: &str, new: bool, was: &Map<String, Value>, to: &Map<String, Value>) {
    let names = was.keys().chain(to.keys().filter(|name| !was.contains_key(*name)));
    let both = names.map(|name| (name, was.get(name).unwrap_or(&Value::Null), to.get(name).unwrap_or(&Value::Null)));
    for (name, was, to) in both.filter(|(_, was, to)| was != to) {
        let name = format!("{way}{}", plain(name));
        if was.is_object() || to.is_object() {
            let inside = |value: &Value| value.as_object().cloned().unwrap_or_default();
            tell(text, &format!("{name}."), new, &inside(was), &inside(to));
        } else if new {
            writeln!(text, "    {name}: {}", line(to)).expect("a text takes all");
        } else {
            writeln!(text, "    {name}: {} -> {}", line(was), line(to)).expect("a text takes all");
        }
    }
}

#[cfg(test)]
mod properties {
    use tenantry_test_properties::Property;

    use super::*;

    /// A file, and what in it is not known.
    fn read(text: &str) -> Option<(Value, Vec<String>)> {
        let read = serde_saphyr::with_deserializer_from_str(text, |from| strictly::<Configuration, _>(from));
        read.ok().map(|(configuration, unknown)| (serde_json::to_value(configuration).unwrap(), unknown))
    }

    #[test]
    fn a_file_is_read_as_it_is_printed() {
        let likely = "(account: T[0-9]{8}\n)?roles:\n( - \\{name: [a-z\"':& ]{1,6}, (colour: red, )?scope: \\[[a-z:*]{1,8}\\]\\}\n){1,3}(users: \\[\\]\n)?";
        Property::new("account-file").of_text(likely, |text| {
            let Some((value, _)) = read(text) else { return };
            // Every JSON text is one of YAML, but for signs that YAML wants escaped.
            let json = value.to_string();
            if json.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                assert_eq!(read(&json), Some((value, vec![])), "{json}");
            }
        });
    }
}
