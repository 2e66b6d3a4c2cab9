//! The configuration: defaults < TOML file < `TENANTRY_*` < flags. One flat list; an unknown key is refused.
//! docs/configuration.md is the list for people.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantry_accounts::{Choices, Database, Quotas};
use tenantry_delivery::{Sms, Smtp, Ways};
use tenantry_domain::{AccountId, PublicUrl, Secret, Text};

/// Every setting there is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address of the API.
    #[schemars(with = "String")]
    pub(crate) listen: SocketAddr,
    /// Address of the metrics.
    #[schemars(with = "String")]
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
    #[schemars(range(min = 1))]
    pub(crate) database_connections: u32,
    /// The master key: base64 of 32 bytes.
    pub(crate) master_key: Option<String>,
    /// A file that holds it.
    pub(crate) master_key_file: Option<PathBuf>,
    /// Files that hold master keys of before, or of after: what is sealed under them is opened, nothing is sealed under them.
    pub(crate) other_master_key_files: Vec<PathBuf>,
    /// How old a signing key becomes before another one follows it, in days; 0: whenever somebody says so.
    #[schemars(range(max = 3650))]
    signing_key_days: u32,
    /// Whether rates are limited; permits always are.
    pub(crate) limits_enabled: bool,
    /// The rate of an address that has proven nothing, `RATE/BURST`.
    limit_address: String,
    /// The rate of an account that its parent has given none.
    limit_account: String,
    /// The rate of a client whose account's parent has given none.
    limit_client: String,
    /// The rate of a partner's tree that the operator has given none.
    limit_tree: String,
    /// What a scrape of the metrics must show; nothing if unset.
    metrics_token: Option<String>,
    /// A file that holds it.
    metrics_token_file: Option<PathBuf>,
    /// How long access tokens live where an account says nothing, in seconds.
    #[schemars(range(min = 60, max = 86_400))]
    pub(crate) token_lifetime: i64,
    /// Whether identity providers may stand on this very machine, over plain http. For development.
    federation_loopback: bool,
    /// How long a person's session lives at most, however often it is renewed, in seconds.
    #[schemars(range(min = 600, max = 31_536_000))]
    pub(crate) session_lifetime: i64,
    /// The mail server, `smtp(s)://[USER:PASSWORD@]HOST[:PORT][?tls=required]`; mail goes to files if unset.
    smtp_url: Option<String>,
    /// A file that holds it.
    smtp_url_file: Option<PathBuf>,
    /// Who sends mail, `Name <address>`.
    mail_from: String,
    /// An SMS gateway that speaks Twilio's API; text messages go to files if unset.
    sms_url: Option<String>,
    /// The account there.
    sms_account: Option<String>,
    /// Its secret.
    sms_token: Option<String>,
    /// A file that holds it.
    sms_token_file: Option<PathBuf>,
    /// Who sends text messages: a number or a name.
    sms_from: Option<String>,
    /// The account whose installers are served at `/api/v1/installer`.
    installer_account: String,
    /// The first version of the terms for its installers.
    installer_terms_version: String,
    /// How long after another process has acknowledged a write requests may still be judged by what stood there before, in
    /// milliseconds. 0: every request asks the database.
    #[schemars(range(max = 60_000))]
    freshness_ms: u64,
    /// How often to look for what other processes have written, in milliseconds.
    #[schemars(range(min = 10, max = 60_000))]
    poll_ms: u64,
    /// Whether other processes are also told at once, through PostgreSQL's NOTIFY.
    pub(crate) notify: bool,
    /// When an unused account leaves memory, in seconds.
    #[schemars(range(min = 1))]
    pub(crate) account_idle: i64,
    /// How much memory accounts that are in use may take, in MiB, about; those that were not used for longest leave it.
    #[schemars(range(min = 1))]
    account_memory_mib: u64,
    /// Where backups are kept.
    pub(crate) backup_dir: Option<PathBuf>,
    /// How often this process makes one by itself, in seconds; 0: never.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub(crate) backup_every: i64,
    /// How many of them stay.
    #[schemars(range(min = 1))]
    pub(crate) backup_keep: usize,
    /// How long /readyz says no before the listener closes, in seconds.
    pub(crate) shutdown_delay: u64,
    /// How long open requests may take to end, in seconds.
    pub(crate) shutdown_timeout: u64,
    /// Networks of proxies whose X-Forwarded-For is believed.
    #[schemars(with = "Vec<String>")]
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Origins that scripts may call from; empty: all.
    pub(crate) cors_origins: Vec<String>,
    /// An OpenTelemetry collector to which traces are sent, over HTTP: `http://127.0.0.1:4318`; none if unset.
    otlp_endpoint: Option<String>,
    /// The share of traces that begin here of which spans are sent, 0 to 1; whoever continues one has decided for it.
    #[schemars(range(min = 0, max = 1))]
    otlp_share: f64,
    /// `pretty` or `json`.
    pub(crate) log_format: LogFormat,
    /// What to log, as in `info,tenantry_api=debug`.
    pub(crate) log: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let Quotas { address, account, client, tree } = Quotas::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            public_url: None,
            data_dir: "data".into(),
            database_url: None,
            database_url_file: None,
            database_connections: 8,
            master_key: None,
            master_key_file: None,
            other_master_key_files: Vec::new(),
            signing_key_days: 90,
            limits_enabled: true,
            limit_address: address.to_string(),
            limit_account: account.to_string(),
            limit_client: client.to_string(),
            limit_tree: tree.to_string(),
            metrics_token: None,
            metrics_token_file: None,
            token_lifetime: 14_400,
            federation_loopback: false,
            session_lifetime: 2_592_000,
            smtp_url: None,
            smtp_url_file: None,
            mail_from: "Tenantry <no-reply@localhost.localdomain>".to_owned(),
            sms_url: None,
            sms_account: None,
            sms_token: None,
            sms_token_file: None,
            sms_from: None,
            installer_account: "P00000000".to_owned(),
            installer_terms_version: "2024-01".to_owned(),
            freshness_ms: 2_000,
            poll_ms: 200,
            notify: false,
            account_idle: 900,
            account_memory_mib: 1024,
            backup_dir: None,
            backup_every: 0,
            backup_keep: 7,
            shutdown_delay: 0,
            shutdown_timeout: 30,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            otlp_endpoint: None,
            otlp_share: 1.0,
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
    /// Where traces go, and the share of them that do.
    pub(crate) fn traces(&self) -> Result<Option<(String, f64)>> {
        if !(0.0..=1.0).contains(&self.otlp_share) {
            bail!("otlp_share must be between 0 and 1");
        }
        let Some(endpoint) = self.otlp_endpoint.as_deref() else { return Ok(None) };
        // A secret has no place in it: it is shown.
        let bare = |url: &url::Url| {
            let named = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
            named && url.query().is_none() && url.fragment().is_none() && !url.path().ends_with("/v1/traces")
        };
        let url =
            url::Url::parse(endpoint).ok().filter(bare).context("otlp_endpoint must be http(s)://HOST[:PORT], and no more")?;
        Ok(Some((format!("{}/v1/traces", url.as_str().trim_end_matches('/')), self.otlp_share)))
    }

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
        config.quotas()?;
        config.metrics_token()?;
        config.ways()?;
        config.traces()?;
        config.installer_account()?;
        if config.master_key.is_some() && config.master_key_file.is_some() {
            bail!("set master_key or master_key_file, not both");
        }
        config.installer_terms_version()?;
        if !(60..=tenantry_accounts::Directory::LONGEST_TOKEN).contains(&config.token_lifetime) {
            bail!("token_lifetime must be between 60 and 86400 seconds");
        }
        if config.signing_key_days > 3650 {
            bail!("signing_key_days must be at most 3650");
        }
        if !(600..=31_536_000).contains(&config.session_lifetime) {
            bail!("session_lifetime must be between 600 and 31536000 seconds");
        }
        for origin in &config.cors_origins {
            PublicUrl::parse(origin).map_err(|fault| anyhow!("cors_origins: {origin} {fault}; leave the list empty for all"))?;
        }
        if !(10..=60_000).contains(&config.poll_ms) || config.freshness_ms > 60_000 {
            bail!("poll_ms must be between 10 and 60000, freshness_ms at most 60000");
        }
        if (1..2 * config.poll_ms).contains(&config.freshness_ms) {
            bail!("freshness_ms must be at least twice poll_ms, or 0");
        }
        if config.database_connections == 0 || config.account_idle < 1 || config.account_memory_mib == 0 {
            bail!("database_connections, account_idle and account_memory_mib must be at least 1");
        }
        if !(0..=31_536_000).contains(&config.backup_every) || config.backup_keep == 0 {
            bail!("backup_every must be between 0 and 31536000 seconds, backup_keep at least 1");
        }
        if config.backup_every > 0 && config.backup_dir.is_none() {
            bail!("backup_every needs a backup_dir");
        }
        Ok(config)
    }

    /// How often to look for what other processes have written.
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// The account whose installers are served where the path names none.
    fn installer_account(&self) -> Result<AccountId> {
        self.installer_account.parse().map_err(|fault| anyhow!("installer_account {fault}"))
    }

    /// The first version of the terms for its installers.
    fn installer_terms_version(&self) -> Result<Text<50>> {
        Text::not_blank(&self.installer_terms_version).map_err(|fault| anyhow!("installer_terms_version {fault}"))
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

    /// What the runtime is to do.
    pub(crate) fn choices(&self) -> Result<Choices> {
        let quotas = self.quotas()?;
        Ok(Choices {
            token_lifetime: self.token_lifetime,
            session_lifetime: self.session_lifetime,
            signing_key_lifetime: i64::from(self.signing_key_days) * 86_400,
            federation_loopback: self.federation_loopback,
            account_memory: self.account_memory_mib.saturating_mul(1 << 20),
            quotas: self.limits_enabled.then_some(quotas),
            freshness: Duration::from_millis(self.freshness_ms),
            notify: self.notify,
            installer_account: self.installer_account()?,
            installer_terms: self.installer_terms_version()?,
            ..Choices::default()
        })
    }

    fn quotas(&self) -> Result<Quotas> {
        let quota = |name: &str, text: &str| text.parse().map_err(|fault| anyhow!("{name} {fault}"));
        Ok(Quotas {
            address: quota("limit_address", &self.limit_address)?,
            account: quota("limit_account", &self.limit_account)?,
            client: quota("limit_client", &self.limit_client)?,
            tree: quota("limit_tree", &self.limit_tree)?,
        })
    }

    /// What a scrape of the metrics must show, if anything.
    pub(crate) fn metrics_token(&self) -> Result<Option<Secret>> {
        let Some(token) = either("metrics_token", self.metrics_token.as_ref(), self.metrics_token_file.as_deref())? else {
            return Ok(None);
        };
        if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("metrics_token must be at least 16 printable ASCII characters without blanks");
        }
        Ok(Some(Secret::new(token)))
    }

    /// Where messages to people go.
    pub(crate) fn ways(&self) -> Result<Ways> {
        let smtp = either("smtp_url", self.smtp_url.as_ref(), self.smtp_url_file.as_deref())?;
        let smtp = smtp.map(|url| Smtp { url: Secret::new(url), from: self.mail_from.clone() });
        let token = either("sms_token", self.sms_token.as_ref(), self.sms_token_file.as_deref())?;
        let sms = match (&self.sms_url, &self.sms_account, token, &self.sms_from) {
            (None, None, None, None) => None,
            (Some(url), Some(account), Some(token), Some(from)) => {
                Some(Sms { url: url.clone(), account: account.clone(), token: Secret::new(token), from: from.clone() })
            }
            _ => bail!("sms_url, sms_account, sms_token and sms_from belong together"),
        };
        let ways = Ways { smtp, sms, directory: self.data_dir.join("outbox") };
        ways.check()?;
        Ok(ways)
    }

    /// Which database to use.
    pub(crate) fn database(&self) -> Result<Database> {
        let url = either("database_url", self.database_url.as_ref(), self.database_url_file.as_deref())?;
        let url = url.unwrap_or_else(|| format!("sqlite://{}", self.data_dir.join("tenantry.db").display()));
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
        for secret in [&mut shown.master_key, &mut shown.metrics_token, &mut shown.smtp_url, &mut shown.sms_token] {
            *secret = secret.take().map(|_| "***".to_owned());
        }
        Ok(toml::to_string(&shown)?)
    }
}

/// The JSON Schema of tenantry.toml: every setting with its type, meaning and default, for editors and the Helm chart.
pub(crate) fn schema() -> Result<Value> {
    let settings = schemars::generate::SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    let defaults = serde_json::to_value(Config::default())?;
    let whole = schema.as_object_mut().context("a schema of a struct is an object")?;
    whole.insert("title".into(), "tenantry.toml".into());
    whole.remove("required"); // there is a default for everything
    let settings = whole.get_mut("properties").and_then(Value::as_object_mut).context("a struct has properties")?;
    for (name, setting) in settings {
        match &defaults[name] {
            Value::Null => {}
            default => setting["default"] = default.clone(),
        }
        // A setting is left out, not null.
        if let Some(kinds) = setting["type"].as_array() {
            setting["type"] = kinds[0].clone();
        }
        if let Some(meaning) = setting["description"].as_str() {
            setting["description"] = meaning.replace('\n', " ").into();
        }
        if let Some(setting) = setting.as_object_mut() {
            setting.retain(|word, value| word != "format" && !value.is_null());
        }
    }
    Ok(schema)
}

/// Not `TENANTRY_CONFIG`, which says where to look; not `TENANTRY_CLIENT_SECRET` and `TENANTRY_SESSION`, which are for commands that ask a server; not what Kubernetes sets for a Service named `tenantry`; and nothing
/// that is set to nothing.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn is_setting(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let kubernetes = key.starts_with("service_") || key == "port" || key.starts_with("port_");
    let empty = std::env::var(format!("TENANTRY_{}", key.to_uppercase())).is_ok_and(|value| value.is_empty());
    !matches!(&key[..], "config" | "client_secret" | "session") && !kubernetes && !empty
}

/// The secret of the client for which a command asks a server: no argument, since those can be seen by others.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn client_secret() -> Option<String> {
    std::env::var("TENANTRY_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty())
}

/// A secret that is set, or stands in a file.
fn either(name: &str, set: Option<&String>, file: Option<&Path>) -> Result<Option<String>> {
    match (set, file) {
        (Some(_), Some(_)) => bail!("set {name} or {name}_file, not both"),
        (Some(set), None) => Ok(Some(set.clone())),
        (None, Some(file)) => read(file).map(Some),
        (None, None) => Ok(None),
    }
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
