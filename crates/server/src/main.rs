//! The binary `tenantry`: configuration, wiring, subcommands. Every failure is one line on stderr and exit code 1.

mod bootstrap;
mod config;
mod logs;
mod serve;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use tenantry_accounts::{Lock, Schema};

use crate::config::{Config, Overrides};

/// Multi-tenant accounts, tokens and exchange.
#[derive(Parser)]
#[command(version, about)]
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
        #[arg(long)]
        if_needed: bool,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum Migrate {
    /// Bring the schema up to this program.
    Up,
    /// Undo the last steps.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Show which steps the database has.
    Status,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether it is valid.
    Check,
    /// Print every setting that is in force; secrets as ***.
    Print,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tenantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let config = Config::load(cli.from.config, cli.from.overrides)?;
    logs::start(&config)?;
    let system = actix_rt::System::new();
    match cli.command {
        Command::Serve => system.block_on(serve::serve(config))?,
        Command::Migrate(command) => system.block_on(migrate(&config, &command))?,
        Command::Bootstrap { json, if_needed } => return system.block_on(bootstrap::bootstrap(config, json, if_needed)),
        Command::Openapi => println!("{:#}", tenantry_api::document(&config.public_url()?.to_string())),
        Command::Config(ConfigCommand::Check) => println!("the configuration is valid"),
        Command::Config(ConfigCommand::Print) => print!("{}", config.shown()?),
    }
    Ok(ExitCode::SUCCESS)
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
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    let _lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
    let changed = match command {
        Migrate::Down { steps } => Schema::down(&database, *steps).await,
        _ => Schema::up(&database).await,
    };
    changed.map_err(|error| anyhow!(error))
}
