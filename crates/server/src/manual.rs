//! What the program says of itself: the manual's pages, and what completes its commands in a shell.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::Cli;

/// Prints what `shell` needs to complete commands.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tenantry", &mut script);
    crate::out(&String::from_utf8_lossy(&script))
}

/// Writes `tenantry.1` and a page for each command into `directory`.
pub(crate) fn pages(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    clap_mangen::generate_to(Cli::command(), directory).with_context(|| format!("cannot write to {}", directory.display()))
}
