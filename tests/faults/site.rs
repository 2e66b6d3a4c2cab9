//! An installation under load: a database, the real program on it, whoever starts it again, and the writers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tenantry_tests::{Clock, Program, TestDatabase, bootstrap, program};

use crate::asks::{Asks, Front};
use crate::writers::Writers;

/// The partners in which is written.
const ACCOUNTS: [&str; 4] = ["T11100000", "T11200000", "T11300000", "T11400000"];
/// After that long it does not come back by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Where an installation stands.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Place {
    /// A PostgreSQL server; without one, SQLite.
    pub(crate) server: Option<String>,
    /// Where that is reached instead: over a line that may be cut.
    pub(crate) over: Option<SocketAddr>,
    /// Where the SQLite file is, if not with everything else.
    pub(crate) directory: Option<PathBuf>,
    /// Whether it has a clock of its own.
    pub(crate) clock: bool,
}

impl Place {
    /// What to call it.
    pub(crate) fn name(&self) -> &'static str {
        if self.server.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    /// An empty database there.
    pub(crate) async fn database(&self) -> TestDatabase {
        let Some(server) = &self.server else {
            let mut database = TestDatabase::create().await;
            if let Some(directory) = &self.directory {
                for file in std::fs::read_dir(directory).expect("a directory") {
                    std::fs::remove_file(file.expect("a file").path()).expect("it can go");
                }
                database.url = format!("sqlite://{}/tenantry.db", directory.display());
            }
            return database;
        };
        TestDatabase::create_on(server).await
    }
}

/// It.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) database: TestDatabase,
    /// None while nobody serves.
    pub(crate) server: Option<Program>,
    pub(crate) clock: Option<Clock>,
    pub(crate) operator: Asks,
    pub(crate) accounts: Vec<Asks>,
    pub(crate) writers: Writers,
    front: Front,
    /// What the processes have logged of panics.
    pub(crate) panics: Vec<String>,
}

impl Site {
    /// Builds one.
    pub(crate) async fn at(place: &Place) -> Self {
        Self::on(place, place.database().await).await
    }

    /// The same on a database that is there, and was not bootstrapped yet.
    pub(crate) async fn on(place: &Place, database: TestDatabase) -> Self {
        let made = bootstrap(&database);
        let clock = place.clock.then(|| Clock::of(&database));
        let front = Front::default();
        let (server, panics) = begin(|| command(place, &database, clock.as_ref(), &["serve"]), &front).await;
        let operator = Asks::of(&front, made["test"].clone()).await;
        let mut accounts = Vec::new();
        for account in ACCOUNTS {
            accounts.push(operator.partner(account).await);
        }
        let writers = Writers::start(&accounts).await;
        let (place, server) = (place.clone(), Some(server));
        Self { place, database, server, clock, operator, accounts, writers, front, panics }
    }

    /// A command of the program.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(&self.place, &self.database, self.clock.as_ref(), arguments)
    }

    /// The process that serves.
    pub(crate) fn server(&mut self) -> &mut Program {
        self.server.as_mut().expect("it serves")
    }

    /// Ends what is left of the process, and starts another.
    pub(crate) async fn start(&mut self) {
        self.end();
        let (server, panics) = begin(|| self.command(&["serve"]), &self.front).await;
        self.server = Some(server);
        self.panics.extend(panics);
    }

    /// Starts it again if it has ended, as a supervisor does.
    pub(crate) async fn tend(&mut self) {
        if self.server.as_mut().is_none_or(Program::ended) {
            self.start().await;
        }
    }

    /// Ends the process, if it still runs; what it has logged of panics stays.
    pub(crate) fn end(&mut self) {
        if let Some(server) = self.server.take() {
            self.panics.extend(panics(&server.log()));
        }
    }

    /// Waits until each writer has had a write acknowledged since; how long that took. Whoever ends is started again.
    pub(crate) async fn recovers(&mut self, since: Instant) -> Duration {
        while !self.writers.all_go_on(since) {
            assert!(since.elapsed() < PATIENCE, "it does not recover");
            self.tend().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        since.elapsed()
    }
}

fn command(place: &Place, database: &TestDatabase, clock: Option<&Clock>, arguments: &[&str]) -> Command {
    let mut command = program(database, arguments);
    command.env("TENANTRY_LIMITS_ENABLED", "false").env("TENANTRY_SHUTDOWN_DELAY", "0");
    if let (Some(server), Some(over)) = (&place.server, place.over) {
        let (_, there) = server.split_once('@').expect("a user");
        command.env("TENANTRY_DATABASE_URL", database.url.replace(there, &over.to_string()));
    }
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    match clock {
        Some(clock) => clock.under(command),
        None => command,
    }
}

/// What a process has logged of panics.
fn panics(log: &str) -> Vec<String> {
    let mut telling = false;
    let lines = log.lines().filter(|line| {
        // What follows is told with it, until the next line of the log itself.
        telling = line.contains("panicked") || telling && !line.starts_with('{');
        telling
    });
    lines.map(str::to_owned).collect()
}

/// Starts it, again and again if need be; the writers go on meanwhile. It, and what those before have logged of panics.
async fn begin(command: impl Fn() -> Command, front: &Front) -> (Program, Vec<String>) {
    let (begun, mut panicked) = (Instant::now(), Vec::new());
    loop {
        let command = command();
        match tokio::task::spawn_blocking(move || Program::try_start(command)).await.expect("it is tried") {
            Ok(server) => {
                front.replace(server.base.clone());
                return (server, panicked);
            }
            Err(log) => {
                assert!(begun.elapsed() < PATIENCE, "it does not come to serve: {log}");
                panicked.extend(panics(&log));
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
