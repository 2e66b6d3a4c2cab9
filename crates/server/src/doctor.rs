//! `tenantry doctor`: looks at everything that has to be right, says what it found, and what to do where it is not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tenantry_accounts::{Contents, Database, Health, Schema, Source};

use crate::backup;
use crate::config::Config;
use crate::vault;

/// Tokens and sessions of a machine whose clock is further off begin and end too early or too late.
const CLOCK: Duration = Duration::from_secs(5);
/// Less may not last until somebody looks.
const ROOM: u64 = 1 << 30;
/// Fewer may not last for a busy server.
const FILES: u64 = 4096;
/// Dumps of this version on of PostgreSQL set `transaction_timeout`, which those before do not know.
const TIMEOUTS: u32 = 17;
/// The oldest PostgreSQL that is still maintained.
const POSTGRES: u32 = 14;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Ok,
    Warning,
    Failure,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    how: How,
    /// What was found, and what to do.
    said: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn put(&mut self, what: &'static str, how: How, said: impl Into<String>) {
        self.0.push(Finding { what, how, said: said.into() });
    }

    fn ok(&mut self, what: &'static str, said: impl Into<String>) {
        self.put(what, How::Ok, said);
    }

    fn warn(&mut self, what: &'static str, said: impl Into<String>) {
        self.put(what, How::Warning, said);
    }

    fn fail(&mut self, what: &'static str, said: impl Into<String>) {
        self.put(what, How::Failure, said);
    }
}

/// Looks, and prints. An error if anything has to be mended before this serves well.
pub(crate) async fn doctor(config: &Config, json: bool) -> Result<()> {
    let mut found = Findings::default();
    settings(config, &mut found)?;
    files(config, &mut found);
    database(config, &mut found).await?;
    messages(config, &mut found).await?;
    let failures = found.0.iter().filter(|finding| finding.how == How::Failure).count();
    if json {
        crate::out(&format!("{}\n", serde_json::to_string_pretty(&found.0)?))?;
    } else {
        for Finding { what, how, said } in &found.0 {
            let sign = match how {
                How::Ok => "ok      ",
                How::Warning => "warning ",
                How::Failure => "FAILURE ",
            };
            crate::out(&format!("{sign} {what}: {said}\n"))?;
        }
    }
    if failures > 0 {
        bail!("{failures} of {} have to be mended", found.0.len());
    }
    Ok(())
}

fn settings(config: &Config, found: &mut Findings) -> Result<()> {
    found.ok("settings", "valid");
    let public = config.public_url()?.to_string();
    let here = ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| public.contains(&format!("//{host}")));
    if public.starts_with("https:") {
        found.ok("public_url", public);
    } else if here {
        found
            .warn("public_url", format!("{public} can be reached from this machine only: set public_url to what the world uses"));
    } else {
        found.fail("public_url", format!("{public} is not https: tokens and passwords could be read on their way"));
    }
    if config.trusted_proxies.is_empty() && !here {
        found.warn("trusted_proxies", "empty: behind a proxy all callers are one address to the limits");
    }
    if !config.limits_enabled {
        found.warn("limits_enabled", "false: one account can use up all that the others need");
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FILES => {
            found.warn("files", format!("{limit} may be open: raise LimitNOFILE, or ulimit -n, to {FILES}"));
        }
        _ => found.ok("files", limit.map_or("as many as there are".to_owned(), |limit| format!("{limit} may be open"))),
    }
    Ok(())
}

fn files(config: &Config, found: &mut Findings) {
    let data = &config.data_dir;
    match fs::metadata(data) {
        Err(error) => found.fail("data_dir", format!("{} cannot be read: {error}", data.display())),
        Ok(meta) if meta.mode() & 0o007 != 0 => {
            found.warn("data_dir", format!("{0} can be read by everybody: chmod 700 {0}", data.display()));
        }
        Ok(_) => found.ok("data_dir", data.display().to_string()),
    }
    room("data_dir", data, found);
    let given = vault::file(config);
    let files = || given.iter().chain(&config.other_master_key_files);
    let open = files().find(|file| fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o007 != 0));
    match (vault::keys(config, &Source::system(), false), open, &given) {
        (Err(error), ..) => found.fail("master key", format!("{error:#}")),
        (Ok(_), Some(file), _) => {
            found.fail("master key", format!("{0} can be read by everybody: chmod 600 {0}", file.display()));
        }
        (Ok(_), None, Some(file)) if config.master_key_file.is_none() => found.warn(
            "master key",
            format!("{} lies beside the database: keep a copy elsewhere, and set master_key_file", file.display()),
        ),
        (Ok(keys), None, _) => found.ok("master key", keys.current()),
    }
    let Some(backups) = &config.backup_dir else {
        return found.warn("backups", "backup_dir is not set: see to it that somebody backs up the database");
    };
    match backup::last(backups) {
        None => found.warn("backups", format!("there is none in {} yet: `tenantry backup`", backups.display())),
        Some(last) => {
            let age = Source::system().now().micros().saturating_sub(last.micros()) / 1_000_000;
            let late = config.backup_every > 0 && age > 2 * config.backup_every;
            let said = format!("the last is of {last}");
            if late {
                found.fail("backups", format!("{said}: look for `a backup is due` in the log"));
            } else {
                found.ok("backups", said);
            }
        }
    }
    room("backups", backups, found);
}

/// Whether there is room where `directory` is.
fn room(what: &'static str, directory: &Path, found: &mut Findings) {
    if let Ok(disk) = rustix::fs::statvfs(directory) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < ROOM {
            found.warn(what, format!("only {} MiB are free at {}", free >> 20, directory.display()));
        }
    }
}

async fn database(config: &Config, found: &mut Findings) -> Result<()> {
    let database = config.database()?;
    if let Err(error) = config.require_database() {
        found.fail("database", format!("{error:#}"));
        return Ok(());
    }
    let health = match database.health(|| Source::system().now()).await {
        Ok(health) => health,
        Err(error) => {
            found.fail("database", error);
            return Ok(());
        }
    };
    server(config, &database, &health, found);
    match database.contents().await {
        Err(error) => found.fail("schema", error),
        Ok(None) => found.fail("schema", "there is none yet: run `tenantry bootstrap`"),
        Ok(Some(contents)) => schema(config, contents, found),
    }
    Ok(())
}

fn server(config: &Config, database: &Database, health: &Health, found: &mut Findings) {
    match (health.major, &health.durability[..]) {
        (None, "ok") => found.ok("database", format!("{}, whole", health.version)),
        (None, damage) => found.fail("database", format!("is damaged: {damage}. Restore a backup")),
        (Some(_), _) if health.standby => found.fail("database", "this server follows another one: it cannot be written to"),
        (Some(_), durability) if durability.starts_with("off") => {
            found.fail("database", "fsync is off: a power cut would lose what was acknowledged");
        }
        (Some(major), _) if major < POSTGRES => {
            found.warn("database", format!("{} is no longer maintained: take {POSTGRES} or later", health.version));
        }
        (Some(_), durability) if durability.ends_with(" off") => {
            found.warn("database", "synchronous_commit is off: a crash may lose the last of what was acknowledged");
        }
        _ => found.ok("database", health.version.clone()),
    }
    if let Some(apart) = health.clock {
        let said = format!("{:.1} s from the database's", apart.as_secs_f64());
        if apart > CLOCK { found.fail("clock", format!("{said}: run NTP on both")) } else { found.ok("clock", said) }
    }
    if let Some(all) = health.connections {
        let own = config.database_connections + 2;
        let said = format!("{own} of {all} for each process");
        if own * 2 > all {
            found.warn("connections", format!("{said}: lower database_connections, or raise max_connections"));
        } else {
            found.ok("connections", said);
        }
    }
    if let (Database::Postgres(_), Some(major), true) = (database, health.major, config.backup_dir.is_some()) {
        match backup::pg_dump_version(major) {
            Some(version) if version >= TIMEOUTS && major < TIMEOUTS => found.warn(
                "pg_dump",
                format!("is of version {version}, and writes what the server of {major} does not read: install that of {major}"),
            ),
            Some(version) if version >= major => found.ok("pg_dump", version.to_string()),
            Some(version) => {
                found.fail("pg_dump", format!("is of version {version}, the server of {major}: install that of {major}"));
            }
            None => found.fail("pg_dump", "is not installed, and backups need it: install PostgreSQL's client programs"),
        }
    }
}

fn schema(config: &Config, contents: Contents, found: &mut Findings) {
    let steps = contents.steps.len();
    match Schema::with(contents.steps).check() {
        Ok(()) => found.ok("schema", format!("{steps} steps")),
        Err(error) => found.fail("schema", error),
    }
    match (contents.master_key, vault::keys(config, &Source::system(), false)) {
        (Some(names), Ok(keys)) if !keys.lacks(&names).is_empty() => {
            found.fail("master key", vault::other(&keys.lacks(&names).join(", ")));
        }
        (Some(names), Ok(keys)) if names != keys.current() => {
            found.warn("master key", "secrets are sealed under others, too: `tenantry keys rewrap`");
        }
        (Some(_), Ok(keys)) if keys.has_others() => {
            found.warn("master key", "all is sealed under this one: other_master_key_files can go");
        }
        (None, _) => found.warn("accounts", "there are none yet: run `tenantry bootstrap`"),
        _ => {}
    }
}

async fn messages(config: &Config, found: &mut Findings) -> Result<()> {
    let ways = config.ways()?;
    match ways.try_mail().await {
        None => found.warn("mail", format!("smtp_url is not set: mail goes to files in {}", ways.directory.display())),
        Some(Ok(())) => found.ok("mail", "the server answers and lets us in"),
        Some(Err(failure)) => found.fail("mail", failure.to_string()),
    }
    match ways.try_sms().await {
        None => found.ok("sms", "not set: text messages go to files"),
        Some(Ok(())) => found.ok("sms", "the gateway answers and knows us"),
        Some(Err(failure)) => found.fail("sms", failure.to_string()),
    }
    Ok(())
}
