//! What was acknowledged, and what therefore must be there.
//!
//! A write that was answered 2xx must be there. One that was refused (4xx, 503) must not. One without an answer, or with the 500 that
//! says so, may be there or not: both are right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::asks::{Answer, NOBODY, SILENCE};

/// What an answer says about a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sure,
    Refused,
    Unsure,
}

/// How many writes ended how.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) sure: u64,
    pub(crate) refused: u64,
    /// Without an answer, or with the 500 that says that nobody knows.
    pub(crate) unsure: u64,
    /// Of the unsure: 5xx that says nothing of an unknown outcome, and so is a fault of the program.
    pub(crate) failed: u64,
    /// When the last write was acknowledged.
    pub(crate) last: Option<Instant>,
}

impl Told {
    pub(crate) fn note(&mut self, answer: &Answer) -> Outcome {
        match answer.status {
            200..=299 => {
                self.sure += 1;
                self.last = Some(Instant::now());
                Outcome::Sure
            }
            NOBODY => Outcome::Refused,
            SILENCE | 500 | 502 | 504.. => {
                self.unsure += 1;
                let says_so = answer.status == 500
                    && answer.body["error"]["message"].as_str().is_some_and(|told| told.contains("may or may not"));
                self.failed += u64::from(answer.status != SILENCE && !says_so);
                Outcome::Unsure
            }
            _ => {
                self.refused += 1;
                Outcome::Refused
            }
        }
    }

    /// What was told since it stood like that.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            sure: self.sure - before.sure,
            refused: self.refused - before.refused,
            unsure: self.unsure - before.unsure,
            failed: self.failed - before.failed,
            last: self.last,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sure: self.sure + other.sure,
            refused: self.refused + other.refused,
            unsure: self.unsure + other.unsure,
            failed: self.failed + other.failed,
            last: self.last.min(other.last),
        }
    }
}

/// What is wrong.
#[derive(Default)]
pub(crate) struct Wrong {
    /// Acknowledged and not there: a create, an update, or a delete that was undone.
    pub(crate) lost: Vec<String>,
    /// Refused and there all the same.
    pub(crate) refused: Vec<String>,
}

impl Wrong {
    pub(crate) fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.refused.extend(other.refused);
    }
}

/// A number that is counted up in one record.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) told: Told,
    sent: u64,
    sure: u64,
    /// Those after `sure` that may be there.
    unsure: Vec<u64>,
}

impl Counter {
    /// The next number to write.
    pub(crate) fn next(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// How that ended.
    pub(crate) fn wrote(&mut self, answer: &Answer) {
        match self.told.note(answer) {
            Outcome::Sure => (self.sure, self.unsure) = (self.sent, Vec::new()),
            Outcome::Unsure => self.unsure.push(self.sent),
            Outcome::Refused => {}
        }
    }

    /// Compares with what is stored; where that is wrong, it counts from there. What was unsure and is there, must stay.
    pub(crate) fn compare(&mut self, stored: u64) -> Wrong {
        let mut wrong = Wrong::default();
        if stored == self.sure || self.unsure.contains(&stored) {
            self.sure = stored;
            self.unsure.retain(|number| *number > stored);
            return wrong;
        }
        let told = format!("{} was acknowledged, {stored} is stored", self.sure);
        if stored > self.sure {
            wrong.refused.push(told);
        } else {
            wrong.lost.push(told);
        }
        (self.sure, self.unsure) = (stored, Vec::new());
        wrong
    }
}

/// Records of one kind that come and go, by their unique names.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) told: Told,
    sent: u64,
    /// Acknowledged, with their ids and tokens; oldest first.
    live: VecDeque<(String, Live)>,
    /// May be there or not.
    either: BTreeMap<String, Unsure>,
    /// Were unsure, and then there: nobody deletes them.
    seen: BTreeSet<String>,
    /// Not there, and why.
    gone: BTreeMap<String, Gone>,
    /// What was acknowledged, as the log must tell of it: `created` or `deleted`, and the id.
    pub(crate) events: Vec<String>,
}

/// What may have been done to a record, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsure {
    Made,
    Deleted,
}

/// A record that is there.
#[derive(Clone, Default)]
pub(crate) struct Live {
    pub(crate) id: String,
    /// A token that lives as long as it.
    pub(crate) token: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    Deleted,
    Refused,
}

impl Records {
    /// A name that nobody has had.
    pub(crate) fn name(&mut self) -> String {
        self.sent += 1;
        format!("r{}", self.sent)
    }

    /// How the creation of `name` ended.
    pub(crate) fn created(&mut self, name: String, answer: &Answer, id: &str) -> Outcome {
        let outcome = self.told.note(answer);
        match outcome {
            Outcome::Sure => {
                let live = Live { id: answer.text(id), token: None };
                self.events.push(format!("created {}", live.id));
                self.live.push_back((name, live));
            }
            Outcome::Unsure => drop(self.either.insert(name, Unsure::Made)),
            Outcome::Refused => drop(self.gone.insert(name, Gone::Refused)),
        }
        outcome
    }

    /// Keeps a token for the last that was made.
    pub(crate) fn keep(&mut self, token: Option<String>) {
        if let Some((_, live)) = self.live.back_mut() {
            live.token = token;
        }
    }

    /// The oldest, if there are as many as that.
    pub(crate) fn oldest_of(&self, many: usize) -> Option<Live> {
        self.live.front().filter(|_| self.live.len() >= many).map(|(_, live)| live.clone())
    }

    /// How the deletion of the oldest ended. If nobody knows its place it stays where it is: it was acknowledged, and nothing else
    /// was.
    pub(crate) fn deleted(&mut self, answer: &Answer) -> Outcome {
        let outcome = self.told.note(answer);
        if outcome != Outcome::Refused
            && let Some((name, live)) = self.live.pop_front()
        {
            if outcome == Outcome::Sure {
                self.events.push(format!("deleted {}", live.id));
                self.gone.insert(name, Gone::Deleted);
            } else {
                self.either.insert(name, Unsure::Deleted);
            }
        }
        outcome
    }

    /// Compares with the names that are there. What is wrong is told once. What was unsure is settled where it has come about: what was
    /// made and is there, must stay, and what was deleted and is not there, must not come back.
    pub(crate) fn compare(&mut self, there: &BTreeSet<String>) -> Wrong {
        let mut wrong = Wrong::default();
        let mut stands = |name: &String| {
            let stands = there.contains(name);
            if !stands {
                wrong.lost.push(format!("{name} was made and is not there"));
            }
            stands
        };
        self.live.retain(|(name, _)| stands(name));
        self.seen.retain(|name| stands(name));
        for name in there {
            match self.gone.remove(name) {
                Some(Gone::Deleted) => wrong.lost.push(format!("{name} was deleted and is there")),
                Some(Gone::Refused) => wrong.refused.push(format!("{name} was refused and is there")),
                None => {}
            }
        }
        for (name, unsure) in std::mem::take(&mut self.either) {
            match (unsure, there.contains(&name)) {
                (Unsure::Made, true) => drop(self.seen.insert(name)),
                (Unsure::Deleted, false) => drop(self.gone.insert(name, Gone::Deleted)),
                _ => drop(self.either.insert(name, unsure)),
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, body, next: None }
    }

    #[test]
    fn a_counter_may_stand_where_it_was_acknowledged_or_where_nobody_knows() {
        let mut counter = Counter::default();
        for status in [200, 200, 503, 0, 500] {
            counter.next();
            counter.wrote(&answer(status, Value::Null));
        }
        for (stored, lost, refused) in [(2, 0, 0), (4, 0, 0), (5, 0, 0), (3, 0, 1)] {
            let mut counter = Counter { unsure: counter.unsure.clone(), ..counter };
            let wrong = counter.compare(stored);
            assert_eq!((wrong.lost.len(), wrong.refused.len()), (lost, refused), "{stored}");
        }
        assert_eq!(counter.compare(4).lost.len(), 0);
        assert_eq!(counter.compare(2).lost, ["4 was acknowledged, 2 is stored"]);
    }

    #[test]
    fn records_are_missed_where_they_were_acknowledged_and_not_wanted_where_they_were_deleted() {
        let mut records = Records::default();
        for status in [200, 200, 0, 503, 200] {
            let name = records.name();
            records.created(name, &answer(status, json!({"id": "1"})), "id");
        }
        assert_eq!(records.oldest_of(3).map(|live| live.id).as_deref(), Some("1"));
        assert!(records.oldest_of(4).is_none());
        records.deleted(&answer(200, Value::Null));
        records.deleted(&answer(503, Value::Null));
        let there = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(records.events, ["created 1", "created 1", "created 1", "deleted 1"]);
        let wrong = records.compare(&there(&["r2", "r5"]));
        assert_eq!((wrong.lost.len(), wrong.refused.len()), (0, 0));
        records.deleted(&answer(0, Value::Null));
        // Seen once, it must stay; gone once, it must not come back.
        let wrong = records.compare(&there(&["r3", "r5"]));
        assert_eq!((wrong.lost.len(), wrong.refused.len()), (0, 0));
        let wrong = records.compare(&there(&["r1", "r2", "r4"]));
        let lost = [
            "r5 was made and is not there",
            "r3 was made and is not there",
            "r1 was deleted and is there",
            "r2 was deleted and is there",
        ];
        assert_eq!(wrong.lost, lost);
        assert_eq!(wrong.refused, ["r4 was refused and is there"]);
    }
}
