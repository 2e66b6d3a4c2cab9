//! System calls that fail or take their time, through strace on a process that runs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// As long as it lasts, calls of a process on some files are tampered with.
pub(crate) struct Injection {
    strace: Child,
    told: PathBuf,
}

/// Whether it can be done here: not everywhere may somebody else's calls be looked at.
pub(crate) fn allowed() -> bool {
    let mut idle = Command::new("sleep").arg("2").spawn().expect("sleep runs");
    let tried = Command::new("timeout").args(["-s", "INT", "0.5", "strace", "-p", &idle.id().to_string()]).output();
    drop(idle.kill());
    drop(idle.wait());
    tried.is_ok_and(|told| String::from_utf8_lossy(&told.stderr).contains("attached"))
}

impl Injection {
    /// Begins: `calls` of these processes, where they are on one of these files, and what becomes of them (`error=EIO:when=3`).
    pub(crate) fn begin(processes: &[u32], files: &[PathBuf], calls: &str, how: &str, told: &Path) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{how}")]);
        for process in processes {
            strace.args(["-p", &process.to_string()]);
        }
        for file in files {
            strace.arg("-P").arg(file);
        }
        let mut strace = strace.arg("-o").arg(told).stderr(Stdio::piped()).spawn().expect("strace runs");
        // It says so for each thread; the rest may follow while it is at work.
        let mut lines = BufReader::new(strace.stderr.take().expect("its errors")).lines().map_while(Result::ok);
        let attached = lines.by_ref().any(|line| line.contains("attached"));
        assert!(attached, "strace cannot attach: is ptrace allowed?");
        std::thread::spawn(move || lines.count());
        Self { strace, told: told.to_owned() }
    }

    /// How many calls were tampered with so far.
    pub(crate) fn count(&self) -> usize {
        let told = std::fs::read_to_string(&self.told).unwrap_or_default();
        told.matches("(INJECTED)").count() + told.matches("(DELAYED)").count()
    }

    /// Ends it; how many that were.
    pub(crate) async fn end(mut self) -> usize {
        // Where the process ends, strace does, too; asked to while that happens, it waits for ever.
        for signal in ["0", "TERM", "KILL"] {
            drop(Command::new("kill").args([format!("-{signal}"), self.strace.id().to_string()]).stderr(Stdio::null()).status());
            for _ in 0..50 {
                if !matches!(self.strace.try_wait(), Ok(None)) {
                    return self.count();
                }
                tokio::time::sleep(Duration::from_millis(6)).await;
            }
        }
        panic!("strace does not end");
    }
}
