//! The programs under measurement, each on its core, ended when they go.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Connection, Request};

/// The core of what is measured; whoever measures sits on the other one.
const CORE: &str = "0";

/// A directory for what a program keeps; beside what is built, since `/tmp` may be memory, where a commit costs nothing.
pub(crate) fn directory() -> Result<TempDir> {
    std::fs::create_dir_all("target")?;
    Ok(TempDir::new_in("target")?)
}

/// A running program.
pub(crate) struct Server {
    child: Child,
    pub(crate) api: SocketAddr,
    metrics: Option<SocketAddr>,
}

/// `tenantry` beside this program, or the one that `TENANTRY_BENCH_PROGRAM` names.
#[expect(clippy::disallowed_methods, reason = "a tool of developers, not the product")]
fn program() -> Result<PathBuf> {
    match std::env::var("TENANTRY_BENCH_PROGRAM") {
        Ok(program) => Ok(program.into()),
        Err(_) => Ok(std::env::current_exe()?.with_file_name("tenantry")),
    }
}

fn pinned(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(program).args(arguments);
    command
}

fn tenantry(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Command> {
    let mut command = pinned(&program()?, arguments);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TENANTRY_DATA_DIR", data)
        .env("TENANTRY_LISTEN", "127.0.0.1:0")
        .env("TENANTRY_METRICS_LISTEN", "127.0.0.1:0")
        .env("TENANTRY_PUBLIC_URL", "https://id.example.com")
        .env("TENANTRY_LOG_FORMAT", "json")
        .envs(settings.iter().copied())
        .current_dir(data);
    Ok(command)
}

/// Makes the operator's accounts and yields what `bootstrap --json` prints.
pub(crate) fn bootstrap(data: &Path, settings: &[(&str, &str)]) -> Result<Value> {
    let made = tenantry(data, &["bootstrap", "--json"], settings)?.stderr(Stdio::null()).output()?;
    serde_json::from_slice(&made.stdout).context("bootstrap failed")
}

impl Server {
    /// Starts `tenantry serve` and waits until it says where it listens. Its log is read and thrown away, as a log
    /// collector reads it.
    pub(crate) fn start(data: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut child = tenantry(data, &["serve"], settings)?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("a log")?);
        let mut line = String::new();
        while log.read_line(&mut line)? > 0 {
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if let (Some(api), Some(metrics)) = (told["listen"].as_str(), told["metrics"].as_str()) {
                let (api, metrics) = (api.parse()?, Some(metrics.parse()?));
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return Ok(Self { child, api, metrics });
            }
            line.clear();
        }
        bail!("it did not start: {:?}", child.wait()?)
    }

    /// Starts the bare server of `baseline::hello`.
    pub(crate) fn hello() -> Result<Self> {
        let mut child = pinned(&std::env::current_exe()?, &["hello"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its address")?).read_line(&mut line)?;
        Ok(Self { child, api: line.trim().parse()?, metrics: None })
    }

    /// Keeps the core of what is measured awake and takes nothing from it: what is asked now and then would else wait for the core
    /// to wake up, and look slower than what is asked all the time.
    pub(crate) fn awake() -> Result<Self> {
        let mut command = Command::new("chrt");
        command.args(["--idle", "0", "taskset", "-c", CORE]).arg(std::env::current_exe()?).arg("awake");
        Ok(Self { child: command.spawn()?, api: SocketAddr::from(([127, 0, 0, 1], 0)), metrics: None })
    }

    /// Waits until `/readyz` says yes; yields how long that was since `begun`.
    pub(crate) async fn ready(&self, begun: Instant) -> Result<Duration> {
        let ask = Request::new("GET", "/readyz", "", "");
        loop {
            if Connection::open(self.api).await?.ask(&ask).await?.status == 200 {
                return Ok(begun.elapsed());
            }
        }
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        resident(self.child.id())
    }

    /// The sum of a counter over its labels, or how often a histogram was fed.
    pub(crate) async fn counted(&self, metric: &str) -> Result<f64> {
        self.counted_where(metric, "").await
    }

    /// The same of those lines that have `label`.
    pub(crate) async fn counted_where(&self, metric: &str, label: &str) -> Result<f64> {
        let mut wire = Connection::open(self.metrics.context("its metrics")?).await?;
        let text = String::from_utf8(wire.ask(&Request::new("GET", "/metrics", "", "")).await?.body.to_vec())?;
        let of = |line: &&str| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label));
        Ok(text.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() + 0.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A process's resident memory in KiB.
pub(crate) fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Runs one of this program's own baselines on the core of what is measured; it prints a number.
pub(crate) fn baseline(arguments: &[&str]) -> Result<f64> {
    let output = pinned(&std::env::current_exe()?, arguments).output()?;
    String::from_utf8(output.stdout)?.trim().parse().context("a baseline failed")
}
