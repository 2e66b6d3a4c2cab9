//! The real program as a process: started on ephemeral ports, ended by its id.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

use crate::TestDatabase;

/// Any answer comes sooner, and any program serves sooner than this after it was started.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A command line of the program, for this database and without anything of the environment's.
pub fn program(database: &TestDatabase, arguments: &[&str]) -> Command {
    program_at(&binary(), database, arguments)
}

/// The same with another program than ours.
pub fn program_at(program: &Path, database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("TENANTRY_DATA_DIR", database.directory())
        .env("TENANTRY_DATABASE_URL", &database.url)
        .env("TENANTRY_LISTEN", "127.0.0.1:0")
        .env("TENANTRY_METRICS_LISTEN", "127.0.0.1:0")
        .env("TENANTRY_PUBLIC_URL", "https://id.example.com")
        .env("TENANTRY_LOG_FORMAT", "json")
        .current_dir(database.directory());
    command
}

/// `tenantry`, built beside these tests: in the directory of this program or, for tests, in the one above.
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("this test's own file");
    let mut beside = tests.ancestors().skip(1).take(2).map(|directory| directory.join("tenantry"));
    beside.find(|binary| binary.exists()).expect("build it first: cargo build --bin tenantry")
}

/// Bootstraps the database with the real program and yields the JSON that it prints.
pub fn bootstrap(database: &TestDatabase) -> Value {
    let mut command = program(database, &["bootstrap", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let _patience = Patience::with(&child);
    let done = child.wait_with_output().expect("it ended");
    assert!(done.status.success(), "{} {}", done.status, String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("one JSON object")
}

/// Aborts a process that takes longer than a minute, unless this is dropped before: what it has logged is told then, and that it was aborted.
struct Patience(#[expect(dead_code, reason = "its end is what is waited for")] mpsc::Sender<()>);

impl Patience {
    fn with(child: &Child) -> Self {
        let (id, (served, waited)) = (child.id().to_string(), mpsc::channel());
        std::thread::spawn(move || {
            if waited.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                drop(Command::new("kill").args(["-ABRT", &id]).status());
            }
        });
        Self(served)
    }
}

/// A running server process.
pub struct Program {
    child: Child,
    /// Where its API is.
    pub base: String,
    /// Where its metrics are.
    pub metrics: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts `tenantry serve` and waits until it says that it serves.
    pub fn serve(database: &TestDatabase) -> Self {
        Self::start(program(database, &["serve"]))
    }

    /// Starts this command, which must be a `serve`.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|log| panic!("it did not come to serve: {log}"))
    }

    /// The same where it may end before it serves: what it has logged.
    pub fn try_start(mut command: Command) -> Result<Self, String> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program runs");
        let patience = Patience::with(&child);
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let log = Arc::new(Mutex::new(Vec::<String>::new()));
        let (mut base, mut metrics) = (String::new(), String::new());
        while metrics.is_empty() {
            let Some(line) = lines.next() else {
                let ended = child.wait().expect("it ended");
                return Err(format!("{}\n{ended}", log.lock().expect("the log").join("\n")));
            };
            let line = line.expect("text");
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = told["listen"].as_str() {
                base = format!("http://{address}");
                metrics = format!("http://{}/metrics", told["metrics"].as_str().unwrap_or_default());
            }
            log.lock().expect("the log").push(line);
        }
        drop(patience);
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("the log").push(line);
            }
        });
        Ok(Self { child, base, metrics, log })
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; yields whether it ended well.
    pub fn ended_well(&mut self) -> bool {
        self.child.wait().expect("it ended").success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a command wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An expression of the Grafana dashboard as Prometheus is asked it.
pub fn asked(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$job", "tenantry").replace("$instance", ".*")
}
