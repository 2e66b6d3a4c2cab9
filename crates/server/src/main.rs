//! The binary `tenantry`: configuration, wiring, subcommands. Every failure is one line on stderr and exit code 1.

mod bootstrap;
mod config;
mod customers;
mod logs;
mod metrics;
mod serve;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
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
        #[arg(long, conflicts_with = "recover")]
        if_needed: bool,
        /// The operator's credentials are lost: give its accounts a new client each. The server must be stopped.
        #[arg(long)]
        recover: bool,
        /// Also make this person an administrator of both accounts, who chooses a password by a link that is shown once.
        #[arg(long, value_name = "EMAIL", conflicts_with = "if_needed")]
        admin: Option<String>,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print docs/metrics.md: every metric there is.
    Metrics,
    /// Look at messages to people.
    #[command(subcommand)]
    Mail(Mail),
    /// Bring customers to a server.
    #[command(subcommand)]
    Customers(Customers),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum Customers {
    /// Bring a file of customers, a line of JSON each. Whoever is there already stays as it is.
    Import(customers::Import),
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
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = run(cli);
    logs::flush();
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tenantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let system = actix_rt::System::new();
    // Within it: what is tried of the settings, as a mail server's, may belong to it.
    let config = system.block_on(async { Config::load(cli.from.config, cli.from.overrides) })?;
    logs::start(&config)?;
    match cli.command {
        Command::Serve => system.block_on(serve::serve(config))?,
        Command::Migrate(command) => system.block_on(migrate(&config, &command))?,
        Command::Bootstrap { json, if_needed, recover, admin } => {
            let asked = bootstrap::Asked { json, if_needed, recover, admin };
            system.block_on(bootstrap::bootstrap(config, asked))?;
        }
        Command::Openapi => println!("{:#}", tenantry_api::document(&config.public_url()?.to_string())),
        Command::Metrics => print!("{}", metrics::page()),
        Command::Mail(Mail::Preview { template, language, html }) => {
            let letter = tenantry_delivery::preview(&template, &language);
            let letter = letter.ok_or_else(|| anyhow!("there is no message {template} in {language}"))?;
            if html { print!("{}", letter.html) } else { println!("{:#}", letter.json()) }
        }
        Command::Customers(Customers::Import(asked)) => return system.block_on(customers::import(asked)),
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
