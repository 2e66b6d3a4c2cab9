//! What an operator gets: chart, rules, dashboard, images, documents. The real tools look at them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod chart;
mod docs;
mod image;
mod monitoring;
mod proxy;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn json(file: &str) -> Value {
    serde_json::from_str(&text(file)).unwrap()
}

/// Names of the files in a directory that end so, in order.
fn files(directory: &str, end: &str) -> Vec<String> {
    let found = std::fs::read_dir(root().join(directory)).unwrap();
    let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(end));
    names.sort();
    assert!(!names.is_empty(), "{directory}/*{end}");
    names
}

/// Where `script` says that it has put tools.
fn tools(script: &str) -> PathBuf {
    let done = Command::new(root().join(script)).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    String::from_utf8(done.stdout).unwrap().trim().into()
}

fn python_tool(name: &str) -> Command {
    static AT: OnceLock<PathBuf> = OnceLock::new();
    Command::new(AT.get_or_init(|| tools("scripts/python-tools")).join(name))
}

/// What a command said on both of its ways out.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs it; yields what it printed. It must succeed.
fn printed(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", said(&done));
    String::from_utf8(done.stdout).unwrap()
}

/// The program that these tests were built beside.
fn program() -> Command {
    let mut command = Command::new(tenantry_tests::binary());
    command.env_clear();
    command
}
