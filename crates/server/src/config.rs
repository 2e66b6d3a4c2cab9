//! The configuration: defaults < TOML file < `TENANTRY_*` < flags. One flat list; an unknown key is refused.
//! docs/configuration.md is the list for people.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tenantry_accounts::Database;
use tenantry_domain::PublicUrl;

/// Every setting there is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address of the API.
    pub(crate) listen: SocketAddr,
    /// Address of the metrics.
    pub(crate) metrics_listen: SocketAddr,
    /// Where the world reaches the API; `http://{listen}` if unset.
    public_url: Option<String>,
    /// Where SQLite and a made master key are kept.
    pub(crate) data_dir: PathBuf,
    /// `sqlite://PATH` or `postgres://...`; `{data_dir}/tenantry.db` if unset.
    database_url: Option<String>,
    /// A file that holds the database URL.
    database_url_file: Option<PathBuf>,
    /// Connections for reading (SQLite), or in all (PostgreSQL).
    pub(crate) database_connections: u32,
    /// A file that holds the master key: base64 of 32 bytes.
    pub(crate) master_key_file: Option<PathBuf>,
    /// Rate limits per address, account and client.
    pub(crate) limits_enabled: bool,
    /// How long access tokens live where an account says nothing, in seconds.
    pub(crate) token_lifetime: i64,
    /// When an unused account leaves memory, in seconds.
    pub(crate) account_idle: i64,
    /// How long /readyz says no before the listener closes, in seconds.
    pub(crate) shutdown_delay: u64,
    /// How long open requests may take to end, in seconds.
    pub(crate) shutdown_timeout: u64,
    /// Networks of proxies whose X-Forwarded-For is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Origins that scripts may call from; empty: all.
    pub(crate) cors_origins: Vec<String>,
    /// `pretty` or `json`.
    pub(crate) log_format: LogFormat,
    /// What to log, as in `info,tenantry_api=debug`.
    pub(crate) log: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            public_url: None,
            data_dir: "data".into(),
            database_url: None,
            database_url_file: None,
            database_connections: 8,
            master_key_file: None,
            limits_enabled: true,
            token_lifetime: 14_400,
            account_idle: 900,
            shutdown_delay: 0,
            shutdown_timeout: 30,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            log_format: LogFormat::Pretty,
            log: "info,actix_server=warn,actix_http=off".to_owned(),
        }
    }
}

/// Settings that are also flags.
#[derive(Args, Serialize)]
pub(crate) struct Overrides {
    /// Address of the API.
    #[arg(long, global = true, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// Address of the metrics.
    #[arg(long, global = true, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_listen: Option<String>,
    /// Where the world reaches the API.
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<String>,
    /// Where SQLite and a made master key are kept.
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads the configuration and checks every setting.
    pub(crate) fn load(file: Option<PathBuf>, flags: Overrides) -> Result<Self> {
        let file = match file {
            Some(file) if !file.is_file() => bail!("there is no configuration file {}", file.display()),
            Some(file) => file,
            None => "tenantry.toml".into(),
        };
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if file.is_file() {
            figment = figment.merge(Toml::file_exact(file));
        }
        let config: Self = figment
            .merge(Env::prefixed("TENANTRY_").filter(|key| is_setting(key.as_str())))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| anyhow!("the configuration is not valid: {}", one_line(&error)))?;
        config.database()?;
        config.public_url()?;
        if !(60..=tenantry_accounts::Directory::LONGEST_TOKEN).contains(&config.token_lifetime) {
            bail!("token_lifetime must be between 60 and 86400 seconds");
        }
        for origin in &config.cors_origins {
            PublicUrl::parse(origin).map_err(|fault| anyhow!("cors_origins: {origin} {fault}; leave the list empty for all"))?;
        }
        if config.database_connections == 0 || config.account_idle < 1 {
            bail!("database_connections and account_idle must be at least 1");
        }
        Ok(config)
    }

    /// Where the world reaches the API.
    pub(crate) fn public_url(&self) -> Result<PublicUrl> {
        self.public_url_at(self.listen)
    }

    /// The same once it is known which port was given for port 0.
    pub(crate) fn public_url_at(&self, bound: SocketAddr) -> Result<PublicUrl> {
        if self.public_url.is_none() && bound.ip().is_unspecified() {
            bail!("public_url must be set: {bound} is no address that anybody can use");
        }
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{bound}"));
        PublicUrl::parse(&url).map_err(|fault| anyhow!("public_url {fault}"))
    }

    /// Which database to use.
    pub(crate) fn database(&self) -> Result<Database> {
        let url = match (&self.database_url, &self.database_url_file) {
            (Some(_), Some(_)) => bail!("set database_url or database_url_file, not both"),
            (Some(url), None) => url.clone(),
            (None, Some(file)) => read(file)?,
            (None, None) => format!("sqlite://{}", self.data_dir.join("tenantry.db").display()),
        };
        Database::parse(&url).map_err(|fault| anyhow!("database_url {fault}"))
    }

    /// Makes the data directory, for its owner only.
    pub(crate) fn make_data_dir(&self) -> Result<()> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data_dir);
        made.with_context(|| format!("cannot make {}", self.data_dir.display()))
    }

    /// Refuses where a SQLite file is missing: looking must not make one.
    pub(crate) fn require_database(&self) -> Result<()> {
        match self.database()? {
            Database::Sqlite(path) if !path.exists() => {
                bail!("there is no database at {}: run `tenantry bootstrap` first", path.display())
            }
            _ => Ok(()),
        }
    }

    /// The configuration as TOML, without what must not be seen.
    pub(crate) fn shown(&self) -> Result<String> {
        let mut shown = self.clone();
        shown.public_url = Some(self.public_url()?.to_string());
        shown.database_url = match self.database()? {
            Database::Sqlite(path) => Some(format!("sqlite://{}", path.display())),
            Database::Postgres(_) => Some("postgres://***".to_owned()),
        };
        Ok(toml::to_string(&shown)?)
    }
}

/// Not `TENANTRY_CONFIG`, which says where to look; not what Kubernetes sets for a Service named `tenantry`; and nothing
/// that is set to nothing.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn is_setting(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let kubernetes = key.starts_with("service_") || key == "port" || key.starts_with("port_");
    let empty = std::env::var(format!("TENANTRY_{}", key.to_uppercase())).is_ok_and(|value| value.is_empty());
    key != "config" && !kubernetes && !empty
}

/// The text of a file without its last line break.
pub(crate) fn read(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What is wrong and where it was said, without the value: it may be a secret.
fn one_line(error: &figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let flat = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let source = error.metadata.as_ref().map(|metadata| format!(" (in {})", metadata.name)).unwrap_or_default();
    let what = match &error.kind {
        Kind::UnknownField(name, _) => return format!("there is no setting {name}{source}"),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("must be {expected}"),
        Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
        Kind::Message(text) => flat(text),
        kind => flat(&kind.to_string()),
    };
    format!("{key} {what}{source}")
}
