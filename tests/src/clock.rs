//! A clock for one process that a test sets: the system's, and so many seconds.

use std::path::PathBuf;
use std::process::Command;

use crate::TestDatabase;

/// A clock that is set. Needs libfaketime.
pub struct Clock(PathBuf);

impl Clock {
    /// A clock beside this database, which is right so far.
    pub fn of(database: &TestDatabase) -> Self {
        let clock = Self(database.file("clock"));
        clock.set(0);
        clock
    }

    /// Sets it to the system's and so many seconds.
    pub fn set(&self, seconds: i64) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).expect("a file");
        std::fs::rename(next, &self.0).expect("a file");
    }

    /// The same command under this clock. Time that only moves forward is the system's.
    #[must_use]
    pub fn under(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1").env("FAKETIME_TIMESTAMP_FILE", &self.0);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }
}
