//! What a run tells, and the page it is kept on.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use crate::disk::READS;
use crate::ledger::{Told, Wrong};
use crate::run::MIGRATION;
use crate::site::Site;

/// How soon after a fault each writer has to have a write acknowledged again: ten seconds, or as many as `TENANTRY_TEST_RECOVERY` says where
/// the machine does other things, too.
#[expect(clippy::disallowed_methods, reason = "a tool of developers, not the product")]
static RECOVERY: LazyLock<Duration> = LazyLock::new(|| {
    let seconds = std::env::var("TENANTRY_TEST_RECOVERY").ok();
    Duration::from_secs(seconds.map_or(10, |seconds| seconds.parse().expect("TENANTRY_TEST_RECOVERY is a number of seconds")))
});

/// One family on one database.
pub(crate) struct Row {
    name: &'static str,
    database: &'static str,
    before: Told,
    told: Told,
    /// How often a fault was to be injected.
    tried: u32,
    recoveries: Vec<Duration>,
    wrong: Wrong,
    /// What the program has logged of panics, and that the family broke off.
    broken: Vec<String>,
}

impl Row {
    pub(crate) fn new(name: &'static str, database: &'static str) -> Self {
        let (before, told, wrong) = Default::default();
        Self { name, database, before, told, tried: 0, recoveries: Vec::new(), wrong, broken: Vec::new() }
    }

    /// An installation takes part from now on.
    pub(crate) fn begin(&mut self, site: &Site) {
        self.before = site.writers.told();
    }

    /// A fault was injected, and so long after it all was well; or it could not be brought about.
    pub(crate) fn tried(&mut self, recovery: Option<Duration>) {
        self.tried += 1;
        self.recoveries.extend(recovery);
    }

    /// The family did not come to its end.
    pub(crate) fn broke_off(&mut self) {
        self.broken.push("the family broke off: see above".to_owned());
    }

    /// Holds the ledger against the API.
    pub(crate) async fn compare(&mut self, site: &mut Site) {
        let wrong = site.writers.compare().await;
        self.complain(wrong);
    }

    /// Holds it against the tables, when the installation has done its part.
    pub(crate) async fn settle(&mut self, site: &mut Site) {
        let wrong = site.writers.settle(&site.database).await;
        self.complain(wrong);
        let told = site.writers.told().since(self.before);
        self.told = self.told.and(told);
        if told.failed > 0 && self.name != READS {
            let log = site.server().log();
            let errors = log.lines().filter(|line| line.contains("ERROR") && line.contains("500"));
            errors.take(3).for_each(|line| println!("500 ({}, {}): {line}", self.name, self.database));
        }
        site.start().await;
        self.broken.append(&mut site.panics);
    }

    fn complain(&mut self, wrong: Wrong) {
        for told in &wrong.lost {
            println!("LOST ({}, {}): {told}", self.name, self.database);
        }
        for told in &wrong.refused {
            println!("refused, and there ({}, {}): {told}", self.name, self.database);
        }
        self.wrong.add(wrong);
    }

    fn holds(&self) -> bool {
        let late = self.recoveries.iter().any(|took| *took > *RECOVERY);
        let counts = [self.wrong.lost.len(), self.wrong.refused.len(), self.broken.len(), self.recoveries.is_empty().into()];
        let failed = self.told.failed > 0 && self.name != READS;
        !late && !failed && counts.iter().sum::<usize>() == 0
    }

    fn text(&self) -> String {
        let at = |part: usize| self.recoveries.get(self.recoveries.len().saturating_sub(1) * part / 100).copied();
        let [median, worst] = [50, 100].map(|part| at(part).unwrap_or_default().as_secs_f64());
        let told = self.told;
        format!(
            "| {} | {} | {} of {} | {} | {} | {} | {} | {} | {} | {median:.2} s | {worst:.2} s |{}",
            self.name,
            self.database,
            self.recoveries.len(),
            self.tried,
            told.sure,
            self.wrong.lost.len(),
            told.unsure,
            told.refused,
            self.wrong.refused.len(),
            told.failed,
            if self.holds() { "" } else { " **no** |" },
        )
    }
}

const HEAD: &str = "\
| fault | database | injected | acknowledged | lost | unsure | refused | of them there | other 5xx | recovery p50 | worst |
|---|---|---|---|---|---|---|---|---|---|---|";

const TITLE: &str = "\
# Results

`make faults` writes them, newest first. What the columns mean is told in [README.md](README.md).
";

/// A run.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// Adds a row and shows it at once.
    pub(crate) fn add(&mut self, mut row: Row) {
        row.recoveries.sort_unstable();
        if self.0.is_empty() {
            println!("{HEAD}");
        }
        println!("{}", row.text());
        for told in &row.broken {
            println!("BROKEN ({}, {}): {told}", row.name, row.database);
        }
        self.0.push(row);
    }

    /// Whether so many faults were injected, nothing was lost, and all came back in time.
    pub(crate) fn holds(&self, least: usize) -> bool {
        self.injected() >= least && self.0.iter().all(Row::holds)
    }

    /// How many faults were injected. A migration is killed on an empty database, with nothing at stake: that does not count.
    fn injected(&self) -> usize {
        self.0.iter().filter(|row| row.name != MIGRATION).map(|row| row.recoveries.len()).sum()
    }

    /// The sums.
    pub(crate) fn sums(&self) -> String {
        let sum = |of: fn(&Row) -> u64| self.0.iter().map(of).sum::<u64>();
        let injected = self.injected();
        let acknowledged = sum(|row| row.told.sure);
        let lost = sum(|row| row.wrong.lost.len() as u64);
        let worst = self.0.iter().filter_map(|row| row.recoveries.last()).max().copied().unwrap_or_default();
        format!(
            "{injected} faults injected, {acknowledged} writes acknowledged, {lost} lost; worst recovery {:.2} s, of {} s allowed.",
            worst.as_secs_f64(),
            RECOVERY.as_secs()
        )
    }

    /// Puts the run on top of the page.
    pub(crate) fn keep(&self, page: &Path) {
        let old = std::fs::read_to_string(page).unwrap_or_default();
        let earlier = old.find("\n## ").map_or("", |at| &old[at..]);
        let mut text = format!("{TITLE}\n## {}\n\n{}\n\n{}\n\n{HEAD}\n", told("date -u '+%F %H:%M UTC'"), machine(), self.sums());
        for row in &self.0 {
            writeln!(text, "{}", row.text()).expect("text grows");
        }
        std::fs::write(page, text + earlier).expect("the page can be written");
    }
}

fn machine() -> String {
    let changed = if told("git status --porcelain -- . ':!*.md' ':!*.svg'").is_empty() { "" } else { " and changes" };
    format!(
        "Commit {}{changed}, {} build; {} cores of {}; Linux {}.",
        told("git rev-parse --short HEAD"),
        if cfg!(debug_assertions) { "dev" } else { "release" },
        std::thread::available_parallelism().map_or(1, usize::from),
        told("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1"),
        told("uname -r")
    )
}

/// What a line of shell prints.
fn told(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
