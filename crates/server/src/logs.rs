//! Structured logs, always on stderr: stdout belongs to what a command answers.
//!
//! Lines are collected and written together: a system call for each would cost as much as a request. What is a warning or
//! worse is written at once, with everything before it; the rest at most `PAUSE` later, and at the end.

use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Config, LogFormat};

/// How long a line may wait for others.
const PAUSE: Duration = Duration::from_millis(50);
/// So many bytes do not wait.
const MUCH: usize = 64 * 1024;

/// Starts logging for the whole process.
pub(crate) fn start(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("log is not a valid filter")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines).with_target(false);
    match config.log_format {
        LogFormat::Pretty => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    std::thread::Builder::new().name("log".to_owned()).spawn(write_on).context("the log has no thread")?;
    Ok(())
}

/// Writes what waits. Called once more before the process ends.
pub(crate) fn flush() {
    WAITING.write(lock(&WAITING.lines));
}

/// Lines that wait, all in one.
struct Waiting {
    lines: Mutex<Vec<u8>>,
    some: Condvar,
}

static WAITING: Waiting = Waiting { lines: Mutex::new(Vec::new()), some: Condvar::new() };

fn lock(lines: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    /// Under the lock, so that lines keep their order.
    fn write(&self, mut lines: MutexGuard<'_, Vec<u8>>) {
        // Where nobody reads the log there is nobody to tell.
        drop(std::io::stderr().lock().write_all(&lines));
        lines.clear();
    }
}

/// Writes what has come together, now and then.
fn write_on() {
    loop {
        let mut lines = lock(&WAITING.lines);
        while lines.is_empty() {
            lines = WAITING.some.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        drop(lines);
        std::thread::sleep(PAUSE);
        flush();
    }
}

/// Makes a place for each line.
struct Lines;

/// The place of one line.
struct Line {
    urgent: bool,
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line;

    fn make_writer(&'l self) -> Line {
        Line { urgent: true }
    }

    fn make_writer_for(&'l self, of: &Metadata<'_>) -> Line {
        Line { urgent: *of.level() <= Level::WARN }
    }
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let mut lines = lock(&WAITING.lines);
        let first = lines.is_empty();
        lines.extend_from_slice(text);
        if self.urgent || lines.len() >= MUCH {
            WAITING.write(lines);
        } else if first {
            WAITING.some.notify_one();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
