//! Figures, what they must be, and the page they are kept on.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// What a figure must be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure.
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: Target,
    detail: String,
}

impl Figure {
    fn holds(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        }
    }

    fn row(&self) -> String {
        let unit = self.unit;
        let (target, holds) = match self.target {
            Target::AtLeast(least) => (format!(">= {least}{unit}"), if self.holds() { "yes" } else { "**no**" }),
            Target::AtMost(most) => (format!("<= {most}{unit}"), if self.holds() { "yes" } else { "**no**" }),
        };
        format!("| {} | {:.2}{unit} | {target} | {holds} | {} |", self.name, self.value, self.detail)
    }
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Adds a figure and shows it at once.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str, target: Target, detail: impl Into<String>) {
        let figure = Figure { name: name.to_owned(), value, unit, target, detail: detail.into() };
        println!("{}", figure.row());
        self.0.push(figure);
    }

    /// Whether every figure holds.
    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(Figure::holds)
    }

    /// The figures' rows, below [`HEAD`].
    pub(crate) fn rows(&self) -> String {
        self.0.iter().map(|figure| figure.row() + "\n").collect()
    }

    /// Puts the run on top of the page, with the parts that were run if not all.
    pub(crate) fn keep(&self, page: &Path, parts: &[&str]) -> Result<()> {
        let old = std::fs::read_to_string(page).unwrap_or_default();
        let earlier = old.find("\n## ").map_or("", |at| &old[at..]);
        let parts = if parts.is_empty() { String::new() } else { format!(" Parts: {}.", parts.join(", ")) };
        let when = told(&["date", "-u", "+%F %H:%M UTC"]);
        let text = format!("{TITLE}\n## {when}\n\n{}{parts}\n\n{HEAD}\n{}", machine(), self.rows());
        std::fs::write(page, text + earlier)?;
        Ok(())
    }
}

const TITLE: &str = "\
# Results

`make bench` writes them, newest first. The server has one core to itself, the load another; figures to compare come from
interleaved rounds of one run, and of their ratios the median is told. Any answer that is not 2xx fails the run.
";

/// Above the figures.
pub(crate) const HEAD: &str = "| figure | value | target | holds | detail |\n|---|---|---|---|---|";

/// What it was measured on: commit and machine.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from).max(cpu.matches("model name").count());
    let changed =
        if told(&["git", "status", "--porcelain", "--", ".", ":!*.md", ":!*.svg"]).is_empty() { "" } else { " and changes" };
    format!(
        "Commit {}{changed}; {cores} cores of {model}; Linux {}.",
        told(&["git", "rev-parse", "--short", "HEAD"]),
        told(&["uname", "-r"])
    )
}

/// What a command prints.
pub(crate) fn told(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
