//! PostgreSQL's own programs, `pg_dump` and `pg_restore`, which have to be installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};
use tenantry_accounts::{Contents, Database};
use tokio::process::Command;
use url::Url;

/// Where Debian keeps them.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Writes our tables, and nothing else of the database, into a new file.
pub(super) async fn dump(database: &Database, url: &str, contents: &Contents, file: &Path) -> Result<()> {
    let schema = contents.schema.as_deref().context("tables in PostgreSQL are in a schema")?;
    let mut dump = program("pg_dump", database, url).await?;
    dump.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password", "--file"]).arg(file);
    for table in tenantry_accounts::TABLES.iter().chain(&["seaql_migrations"]) {
        dump.arg(format!("--table=\"{schema}\".{table}"));
    }
    run(dump).await
}

/// Makes the tables of a dump, all or none.
pub(super) async fn load(database: &Database, url: &str, file: &Path) -> Result<()> {
    let mut restore = program("pg_restore", database, url).await?;
    restore.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password", "--dbname"]);
    restore.arg(name(&Url::parse(url)?)).arg(file);
    run(restore).await
}

/// One of PostgreSQL's programs, told by its environment where the database is: arguments can be seen by everybody.
async fn program(name: &str, database: &Database, url: &str) -> Result<Command> {
    let major = database.postgres_major().await.map_err(|error| anyhow!(error))?;
    let mut command = Command::new(find(name, major, Path::new(DEBIAN)));
    for (variable, value) in environment(&Url::parse(url)?) {
        command.env(variable, value);
    }
    Ok(command)
}

fn environment(url: &Url) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut variables = vec![("PGDATABASE".to_owned(), name(url))];
    let mut set = |variable: &str, value: String| variables.push((variable.to_owned(), value));
    if let Some(host) = url.host_str().filter(|host| !host.is_empty()) {
        set("PGHOST", decoded(host.trim_start_matches('[').trim_end_matches(']')));
    }
    if let Some(port) = url.port() {
        set("PGPORT", port.to_string());
    }
    if !url.username().is_empty() {
        set("PGUSER", decoded(url.username()));
    }
    if let Some(password) = url.password() {
        set("PGPASSWORD", decoded(password));
    }
    for (name, value) in url.query_pairs() {
        let variable = match &name[..] {
            "host" | "port" | "user" | "password" | "sslmode" | "sslcert" | "sslkey" | "sslrootcert" | "options" => {
                format!("PG{}", name.to_uppercase())
            }
            _ => continue,
        };
        set(&variable, value.into_owned());
    }
    variables
}

/// The database's name.
fn name(url: &Url) -> String {
    let path = url.path().trim_start_matches('/');
    let named = url.query_pairs().find(|(name, _)| name == "dbname").map(|(_, name)| name.into_owned());
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    named.or_else(|| Some(path).filter(|path| !path.is_empty())).unwrap_or_else(|| url.username().to_owned())
}

/// The major version of the `pg_dump` that is taken for a server of `major`, if there is one.
pub(crate) fn pg_dump_version(major: u32) -> Option<u32> {
    let said = std::process::Command::new(find("pg_dump", major, Path::new(DEBIAN))).arg("--version").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

/// Of those that Debian keeps the one of the server's version: a later one may write what the server does not read. Else the newest, or
/// whatever the shell would find.
fn find(name: &str, major: u32, debian: &Path) -> PathBuf {
    let versions = fs::read_dir(debian).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let at = |version: u32| debian.join(version.to_string()).join("bin").join(name);
    let there = versions.filter(|version| at(*version).exists());
    there.max_by_key(|version| (*version == major, *version)).map_or_else(|| name.into(), at)
}

/// Runs it; the last of what it says tells why it failed.
async fn run(mut command: Command) -> Result<()> {
    let name = Path::new(command.as_std().get_program()).file_name().unwrap_or_default().display().to_string();
    let run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output().await;
    let done = run.with_context(|| format!("{name} cannot be run: install PostgreSQL's client programs"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let lines: Vec<_> = said.lines().filter(|line| line.contains("error:") || line.starts_with("DETAIL")).collect();
        bail!("{name} failed: {}", if lines.is_empty() { said.trim().replace('\n', " ") } else { lines.join(" ") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_the_servers_version_are_taken_and_else_the_newest() {
        let debian = tempfile::tempdir().unwrap();
        for version in ["13", "15", "18", "common"] {
            let bin = debian.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            if version != "13" {
                fs::write(bin.join("pg_dump"), "").unwrap();
            }
        }
        let found = |major| find("pg_dump", major, debian.path()).strip_prefix(debian.path()).unwrap().display().to_string();
        assert_eq!(
            [13, 15, 16, 18, 19].map(found),
            ["18", "15", "18", "18", "18"].map(|version| format!("{version}/bin/pg_dump"))
        );
        assert_eq!(find("pg_restore", 15, debian.path()), Path::new("pg_restore"));
    }

    #[test]
    fn a_url_becomes_what_postgresqls_programs_are_told() {
        let of = |url: &str| {
            let mut told: Vec<_> =
                environment(&Url::parse(url).unwrap()).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            told.sort();
            told.join(" ")
        };
        assert_eq!(
            of("postgres://tenantry:p%40ss%2Fword@db.example.com:5433/accounts?sslmode=verify-full&application_name=x"),
            "PGDATABASE=accounts PGHOST=db.example.com PGPASSWORD=p@ss/word PGPORT=5433 PGSSLMODE=verify-full PGUSER=tenantry"
        );
        assert_eq!(of("postgresql://[::1]/a%20b"), "PGDATABASE=a b PGHOST=::1");
        assert_eq!(
            of("postgres:///accounts?host=/run/postgresql&user=me"),
            "PGDATABASE=accounts PGHOST=/run/postgresql PGUSER=me"
        );
        assert_eq!(of("postgres://me@localhost"), "PGDATABASE=me PGHOST=localhost PGUSER=me");
    }
}
