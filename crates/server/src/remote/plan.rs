//! `tenantry pull|plan|apply`: an account as a file says it is to be.
//!
//! Settings and changes come first, then clients, whose ids can be given once, and people, who are written to, and removals last. Where
//! something is refused, all that was done is taken back, but for what was removed; what is told of it is what the server then has.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::Value;

use super::manifest::{Kind, Manifest, Names, State};
use super::steps::{Me, Step, difference, strays, told};
use super::work::{Secrets, Work, stopped};
use super::{At, Output, Site, confirm, plain};

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
    Ok(if asked.exit_code && !steps.is_empty() { ExitCode::from(3) } else { ExitCode::SUCCESS })
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
    let stopped = stopped()?;
    let secrets = asked.secrets.as_deref().filter(|_| clients > 0).map(|file| Secrets::new(file, clients)).transpose()?;
    let mut work = Work::new(&site, &now, secrets, stopped);
    for step in &planned {
        if let Err(error) = work.take(step).await {
            let became = work.take_back(&now).await;
            return Err(error.context(format!("{}: {became}", step.title())));
        }
    }
    work.done()?;
    crate::out("done\n")
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
        steps.iter().filter_map(|step| step.fault(&me, compared.at.on.is_some())).chain(strays(&now, &wanted, &steps)).collect();
    if faults.is_empty() { Ok((steps, now)) } else { Err(anyhow!("{}", faults.join("; "))) }
}
