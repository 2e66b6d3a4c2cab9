//! One family of faults after the other, and what became of the writers' work.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use crate::process;
use crate::report::{Report, Row};
use crate::site::{Place, Site};
use crate::strace;

/// The family in which an empty database is brought up.
pub(crate) const MIGRATION: &str = "kill -9 of a migration";
/// So many migrations of one database are killed before one is let through.
const A_FEW: u32 = 6;

/// How many faults: all, or a few.
pub(crate) struct Run {
    full: bool,
    /// Only families whose name has this in it.
    only: String,
    /// Whether system calls can be tampered with here.
    strace: bool,
    /// The installation of the family before: a short run goes on with it.
    site: Option<Site>,
    pub(crate) report: Report,
}

impl Run {
    pub(crate) fn new(full: bool, only: String) -> Self {
        let strace = strace::allowed();
        assert!(strace || !full, "strace cannot attach: is it installed, and ptrace allowed?");
        if !strace {
            println!("strace cannot attach here: faults of the disk under SQLite and of PostgreSQL's are left out");
        }
        Self { full, only, strace, site: None, report: Report::default() }
    }

    /// How many of a family.
    pub(crate) fn times(&self, [all, few]: [u32; 2]) -> u32 {
        if self.full { all } else { few }
    }

    /// Whether a family is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        name.contains(&self.only) && (self.strace || !["EIO", "slow disk", "fdatasync"].iter().any(|part| name.contains(part)))
    }

    /// Injects so many faults under load, all or few; `inject` yields when one was over, or nothing where it could not be brought
    /// about.
    pub(crate) async fn family(
        &mut self,
        name: &'static str,
        place: &Place,
        times: [u32; 2],
        mut inject: impl AsyncFnMut(&mut Site, u32) -> Option<Instant>,
    ) {
        if !self.wants(name) {
            return;
        }
        let (mut row, times) = (Row::new(name, place.name()), self.times(times));
        let before = self.site.take().filter(|site| !self.full && site.place == *place);
        let faults = async {
            let mut site = match before {
                Some(site) => site,
                None => Site::at(place).await,
            };
            row.begin(&site);
            for nth in 0..times {
                site.recovers(Instant::now()).await;
                tokio::time::sleep(spread(nth, Duration::from_millis(150))).await;
                let over = inject(&mut site, nth).await;
                let recovery = site.recovers(over.unwrap_or_else(Instant::now)).await;
                row.tried(over.map(|_| recovery));
                row.compare(&mut site).await;
            }
            row.settle(&mut site).await;
            site
        };
        let ended = AssertUnwindSafe(faults).catch_unwind().await;
        self.end(row, ended);
    }

    /// `tenantry migrate up` is killed so often, a few times on each empty database; what it leaves is finished, and then serves.
    pub(crate) async fn migrations(&mut self, place: &Place, times: [u32; 2]) {
        if !self.wants(MIGRATION) {
            return;
        }
        let (mut row, times) = (Row::new(MIGRATION, place.name()), self.times(times));
        let faults = async {
            let mut last = None;
            for first in (0..times).step_by(A_FEW as usize) {
                let database = place.database().await;
                let times = times.min(first + A_FEW) - first;
                let killed = process::kill_migrations(&database, first, times).await;
                let mut site = Site::on(place, database).await;
                row.begin(&site);
                let took = site.recovers(Instant::now()).await;
                (0..times).for_each(|nth| row.tried((nth < killed).then_some(took)));
                tokio::time::sleep(Duration::from_millis(300)).await;
                row.compare(&mut site).await;
                row.settle(&mut site).await;
                last = Some(site);
            }
            last.expect("at least one")
        };
        let ended = AssertUnwindSafe(faults).catch_unwind().await;
        self.end(row, ended);
    }

    /// Notes what became of a family; where it broke off, which it has said, the run goes on with the next.
    fn end(&mut self, mut row: Row, ended: std::thread::Result<Site>) {
        if ended.is_err() {
            row.broke_off();
        }
        self.site = ended.ok();
        self.report.add(row);
    }
}

/// Moments that are spread evenly, one after the other, over so long.
pub(crate) fn spread(nth: u32, over: Duration) -> Duration {
    over * (nth * 618 % 1000) / 1000
}
