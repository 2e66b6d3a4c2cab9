//! Structured logs, always on stderr: stdout belongs to what a command answers.
//!
//! Lines are collected and written together: a system call for each would cost as much as a request. What is a warning or
//! worse is written at once, with everything before it; the rest at most `PAUSE` later, and at the end.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tenantry_accounts::TRACES;
use tenantry_domain::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
#[cfg(feature = "otel")]
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
#[cfg(feature = "otel")]
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Config, LogFormat};

/// How long a line may wait for others.
const PAUSE: Duration = Duration::from_millis(50);
/// So many bytes do not wait.
const MUCH: usize = 64 * 1024;

/// Starts logging for the whole process, and what is traced, where that is collected.
pub(crate) fn start(config: &Config, traced: bool) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("log is not a valid filter")?;
    // What is traced is no log, whatever somebody wants to see of that.
    let filter = filter.add_directive(format!("{TRACES}=off").parse().context("a directive of ours")?);
    match config.traces()?.filter(|_| traced) {
        None => {
            let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines).with_target(false);
            match config.log_format {
                LogFormat::Pretty => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
                LogFormat::Json => logs.event_format(Json).init(),
            }
        }
        Some((endpoint, share)) => with_traces(config, filter, &endpoint, share)?,
    }
    std::thread::Builder::new().name("log".to_owned()).spawn(write_on).context("the log has no thread")?;
    Ok(())
}

#[cfg(feature = "otel")]
fn with_traces(config: &Config, filter: EnvFilter, endpoint: &str, share: f64) -> Result<()> {
    let spans = tracing_opentelemetry::layer().with_location(false).with_threads(false).with_tracked_inactivity(false);
    let spans = spans.with_target(false).with_level(false).with_tracer(crate::traces::start(endpoint, share)?);
    let ours = filter_fn(|what| what.is_span() && what.target() == TRACES);
    let logs = tracing_subscriber::fmt::layer().with_writer(Lines).with_target(false);
    let logs = match config.log_format {
        LogFormat::Pretty => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => logs.event_format(Json).boxed(),
    };
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(spans.with_filter(ours)).init();
    Ok(())
}

#[cfg(not(feature = "otel"))]
fn with_traces(_: &Config, _: EnvFilter, _: &str, _: f64) -> Result<()> {
    anyhow::bail!("otlp_endpoint: this program was built without the feature otel")
}

/// Writes what waits. Called once more before the process ends.
pub(crate) fn flush() {
    write(lock(&WAITING.lines));
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

/// Under the lock, so that lines keep their order.
fn write(mut lines: MutexGuard<'_, Vec<u8>>) {
    // Where nobody reads the log there is nobody to tell.
    drop(std::io::stderr().lock().write_all(&lines));
    lines.clear();
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

/// One JSON object a line, all fields at its top. Every request has a line, so it is written straight into the buffer.
struct Json;

impl<S: Subscriber + for<'l> LookupSpan<'l>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N> for Json {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        write_now(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(event.metadata().level().as_str())?;
        line.write_char('"')?;
        let mut members = Members { line, written: Ok(()) };
        event.record(&mut members);
        let Members { mut line, written } = members;
        written?;
        line.write_str("}\n")
    }
}

/// The time as RFC 3339 in UTC, to the microsecond. All but the last digits is formatted once a second.
#[expect(clippy::disallowed_methods, reason = "a line tells the machine's own time")]
fn write_now(line: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != seconds {
            *text = Instant::from_micros(seconds.saturating_mul(1_000_000)).to_string();
            text.truncate("2026-01-01T00:00:00".len());
            *known = seconds;
        }
        line.write_str(text)
    })?;
    write!(line, ".{:06}Z", now.subsec_micros())
}

/// Writes fields as members of an object.
struct Members<'w> {
    line: Writer<'w>,
    written: fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let Self { line, written } = self;
        *written = (*written).and_then(|()| {
            line.write_str(",\"")?;
            line.write_str(field.name())?;
            line.write_str("\":")?;
            value(line)
        });
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.member(field, |line| {
            line.write_char('"')?;
            Escaped(line).write_fmt(text)?;
            line.write_char('"')
        });
    }
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |line| {
            line.write_char('"')?;
            Escaped(line).write_str(value)?;
            line.write_char('"')
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |line| write!(line, "{value}"));
    }
}

/// Text inside a JSON string (RFC 8259 section 7).
struct Escaped<'l, 'w>(&'l mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'"' | b'\\' | ..0x20)) {
            self.0.write_str(&text[plain..at])?;
            match byte {
                b'"' | b'\\' => write!(self.0, "\\{}", char::from(byte))?,
                _ => write!(self.0, "\\u{byte:04x}")?,
            }
            plain = at + 1;
        }
        self.0.write_str(&text[plain..])
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
            write(lines);
        } else if first {
            WAITING.some.notify_one();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_logged_is_one_json_object() {
        let mut text = String::new();
        Escaped(&mut Writer::new(&mut text)).write_str("a \"quote\", a \\, a\nline, Å").unwrap();
        let read: serde_json::Value = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert_eq!(read, "a \"quote\", a \\, a\nline, Å");
    }
}
