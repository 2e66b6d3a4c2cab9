//! The binary `tenantry`: configuration, wiring, subcommands. Every failure is one line on stderr and exit code 1.

mod account;
mod backup;
mod bootstrap;
mod config;
mod doctor;
mod keys;
mod logs;
mod manual;
mod metrics;
mod ready;
mod remote;
mod serve;
#[cfg(feature = "otel")]
mod traces;
mod vault;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use tenantry_accounts::{Lock, Schema};

use crate::config::{Config, Overrides};

/// What tokens, sessions and accounts that come and go leave free is used again; the C library's allocator fragments, by MiB an hour
/// (docs/proofs.md).
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Multi-tenant accounts, tokens and exchange.
#[derive(Parser)]
#[command(name = "tenantry", version, about)]
struct Cli {
    #[command(flatten)]
    from: ConfigFrom,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration comes from: defaults, then a TOML file, then `TENANTRY_*`, then these flags.
#[derive(Args)]
struct ConfigFrom {
    /// A TOML file; ./tenantry.toml is read where it exists.
    #[arg(long, global = true, env = "TENANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM.
    Serve,
    /// Change the database's schema.
    #[command(subcommand)]
    Migrate(Migrate),
    /// First start: bring the schema up and make the operator's two accounts, each with one client. Its secret is shown once.
    Bootstrap {
        /// Print one JSON object and nothing else.
        #[arg(long)]
        json: bool,
        /// Succeed without a word if it was done before.
        #[arg(long, conflicts_with = "recover")]
        if_needed: bool,
        /// The operator's credentials are lost: give its accounts a new client each. The server must be stopped.
        #[arg(long)]
        recover: bool,
        /// Also make this person an administrator of both accounts, who chooses a password by a link that is shown once.
        #[arg(long, value_name = "EMAIL")]
        admin: Option<String>,
        /// Write what is shown once to this new file, for its owner only, instead of printing it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only print what an earlier --output wrote, and remove it.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "if_needed", "recover", "admin", "output"])]
        collect: Option<PathBuf>,
    },
    /// Ask a server whether it is ready: exit code 0 if it is, 1 if not. For probes where there is no curl.
    Ready {
        /// Where it is; this configuration's `listen` if left out.
        url: Option<String>,
    },
    /// Print what completes commands in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages, one a command.
    Man {
        /// Where to.
        directory: PathBuf,
    },
    /// Copy the whole database, while it is in use, into a new directory. The master key is not in it: keep a copy apart.
    Backup {
        /// Which directory; one in `backup_dir` with the time as its name if left out.
        directory: Option<PathBuf>,
    },
    /// Put the database back to a backup. Nobody may serve it.
    Restore(backup::Asked),
    /// Look at everything that has to be right, and say what to do where it is not. Exit code 1 if something has to be mended.
    Doctor {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// One account as one encrypted file.
    #[command(subcommand)]
    Account(account::Command),
    /// Another master key.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the OpenAPI document.
    Openapi,
    /// Print docs/metrics.md: every metric there is.
    Metrics,
    /// Look at messages to people.
    #[command(subcommand)]
    Mail(Mail),
    #[command(flatten)]
    Remote(remote::Command),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum Migrate {
    /// Bring the schema up to this program.
    Up,
    /// Undo the last steps. What they hold is lost, the log of every account among it.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// Really.
        #[arg(long)]
        yes: bool,
    },
    /// Show which steps the database has.
    Status,
}

#[derive(Subcommand)]
enum Mail {
    /// Print a message with made-up values, as JSON.
    Preview {
        /// Which: code.
        template: String,
        /// In which language: en, nb.
        #[arg(long, default_value = "en")]
        language: String,
        /// Print only its HTML, for a browser.
        #[arg(long)]
        html: bool,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether it is valid.
    Check,
    /// Print every setting that is in force; secrets as ***.
    Print,
    /// Print the JSON Schema of tenantry.toml.
    Schema,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = run(cli);
    #[cfg(feature = "otel")]
    traces::end();
    logs::flush();
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tenantry: {}", remote::plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        // What needs no configuration works beside one that is not valid.
        Command::Completions { shell } => {
            return manual::completions(shell).map(|()| ExitCode::SUCCESS);
        }
        Command::Man { directory } => return manual::pages(&directory).map(|()| ExitCode::SUCCESS),
        Command::Config(ConfigCommand::Schema) => {
            out(&format!("{:#}\n", config::schema()?))?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Bootstrap { collect: Some(file), .. } => return bootstrap::collect(&file).map(|()| ExitCode::SUCCESS),
        Command::Remote(command) => return actix_rt::System::new().block_on(remote::run(command)),
        _ => {}
    }
    let system = actix_rt::System::new();
    // Within it: what is tried of the settings, as a mail server's, may belong to it.
    let config = system.block_on(async { Config::load(cli.from.config, cli.from.overrides) })?;
    logs::start(&config, matches!(cli.command, Command::Serve))?;
    match cli.command {
        Command::Serve => system.block_on(serve::serve(config))?,
        Command::Migrate(command) => system.block_on(migrate(&config, &command))?,
        Command::Bootstrap { json, if_needed, recover, admin, output, .. } => {
            let asked = bootstrap::Asked { json, if_needed, recover, admin, output };
            system.block_on(bootstrap::bootstrap(config, asked))?;
        }
        Command::Backup { directory } => {
            let made = system.block_on(backup::backup(&config, directory))?;
            out(&format!("{}\n", made.display()))?;
        }
        Command::Restore(asked) => system.block_on(backup::restore(&config, asked))?,
        Command::Doctor { json } => system.block_on(doctor::doctor(&config, json))?,
        Command::Account(command) => system.block_on(account::run(&config, command))?,
        Command::Keys(command) => system.block_on(keys::run(&config, command))?,
        Command::Ready { url } => {
            let url = url.unwrap_or_else(|| format!("http://{}", ready::reachable(config.listen)));
            system.block_on(ready::ask(&url))?;
        }
        Command::Openapi => out(&format!("{:#}\n", tenantry_api::document(&config.public_url()?.to_string())))?,
        Command::Metrics => out(&metrics::page())?,
        Command::Mail(Mail::Preview { template, language, html }) => {
            let letter = tenantry_delivery::preview(&template, &language);
            let letter = letter.ok_or_else(|| anyhow!("there is no message {template} in {language}"))?;
            out(&if html { letter.html } else { format!("{:#}\n", letter.json()) })?;
        }
        Command::Config(ConfigCommand::Check) => out("the configuration is valid\n")?,
        Command::Config(ConfigCommand::Print) => out(&config.shown()?)?,
        Command::Completions { .. } | Command::Man { .. } | Command::Config(ConfigCommand::Schema) | Command::Remote(_) => {
            unreachable!("answered above")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints. Whoever stops reading, as `head` does, has enough.
fn out(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}

async fn migrate(config: &Config, command: &Migrate) -> Result<()> {
    let database = config.database()?;
    if let Migrate::Status = command {
        config.require_database()?;
        let schema = Schema::of(&database).await.map_err(|error| anyhow!(error))?;
        schema.applied.iter().for_each(|step| println!("applied  {step}"));
        schema.pending.iter().for_each(|step| println!("pending  {step}"));
        schema.unknown.iter().for_each(|step| println!("unknown  {step}"));
        return Ok(());
    }
    config.make_data_dir()?;
    let lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
    let changed = match command {
        Migrate::Down { yes: false, .. } => bail!("this deletes what the steps hold: say --yes"),
        Migrate::Down { steps, .. } => {
            let _nobody_serves = lock.and_serve(&database).await.map_err(|error| anyhow!(error))?;
            Schema::down(&database, *steps).await
        }
        _ => Schema::up(&database).await,
    };
    changed.map_err(|error| anyhow!(error))
}
