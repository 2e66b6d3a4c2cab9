//! Properties: what holds of any text that a parser is given.
//!
//! Each is tried with every text of its corpus (`corpus/NAME.txt`: a JSON string a line; seeds, and whatever once broke something),
//! and then with so many more: likely ones, kept ones turned a little, and any. `TENANTRY_PROPERTY_CASES` says how many; a few
//! hundred, always the same, if it does not. `make properties` tries a million and counts them.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// How many cases are tried where nobody says how many: always the same ones, so that a test that fails has found a change.
const CASES: u32 = 300;
/// A slow property is tried with one of so many.
const SLOW: u32 = 20;

/// What holds of something, by a name.
#[derive(Clone, Copy)]
pub struct Property {
    name: &'static str,
    share: u32,
}

impl Property {
    /// One of this name, which is also that of its corpus.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, share: 1 }
    }

    /// One that takes long: tried with fewer cases.
    #[must_use]
    pub const fn slow(name: &'static str) -> Self {
        Self { name, share: SLOW }
    }

    /// It holds of every text: `holds` panics where not. `likely` are texts that are nearly always read.
    pub fn of_text(self, likely: impl Strategy<Value = String> + 'static, holds: impl Fn(&str)) {
        self.of_any_text(likely.boxed(), &holds);
    }

    /// The same, compiled once.
    fn of_any_text(self, likely: BoxedStrategy<String>, holds: &dyn Fn(&str)) {
        let kept = self.kept();
        assert!(!kept.is_empty(), "{} has seeds", self.corpus().display());
        for text in &kept {
            holds(text);
        }
        let texts = prop_oneof![
            4 => likely,
            4 => turned(kept),
            1 => vec(piece(), 0..8).prop_map(|pieces| pieces.concat()),
            1 => any::<String>(),
        ];
        self.of(texts, |text| holds(&text));
    }

    /// It holds of every one of these.
    pub fn of<S: Strategy<Value: Clone + Debug>>(self, cases: S, holds: impl Fn(S::Value)) {
        let (wanted, rng_seed) = wanted().map_or((CASES, RngSeed::Fixed(1)), |wanted| (wanted, RngSeed::Random));
        let cases_wanted = (wanted / self.share).max(1);
        let config = Config { cases: cases_wanted, failure_persistence: None, rng_seed, ..Config::default() };
        let tried = TestRunner::new(config).run(&cases, |case| {
            holds(case);
            Ok(())
        });
        println!("property {}: {cases_wanted} cases, {} failed", self.name, u8::from(tried.is_err()));
        match tried {
            Ok(()) => {}
            Err(TestError::Fail(why, case)) => {
                panic!("{} does not hold of {case:?}: {why}\nKeep it in {}, and mend it.", self.name, self.corpus().display())
            }
            Err(TestError::Abort(why)) => panic!("{} could not be tried: {why}", self.name),
        }
    }

    /// The texts of its corpus.
    #[must_use]
    pub fn kept(self) -> Vec<String> {
        let path = self.corpus();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display()));
        text.lines().map(read).collect()
    }

    fn corpus(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{}.txt", self.name))
    }
}

#[expect(clippy::disallowed_methods, reason = "how many is for whoever runs the tests to say")]
fn wanted() -> Option<u32> {
    std::env::var("TENANTRY_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok())
}

/// Pieces of text that parsers trip over: marks of one format or another, letters with odd cases, what cannot be seen.
const PIECES: [&str; 72] = [
    "\0",
    "\u{7f}",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\u{2028}",
    "\u{301}",
    "\u{307}",
    "\u{30c}",
    "\u{212a}",
    "\u{212b}",
    "\u{fb01}",
    "ß",
    "ẞ",
    "İ",
    "ı",
    "ſ",
    "Σ",
    "ς",
    "ǰ",
    "J\u{30c}",
    "ΐ",
    "Ａ",
    "１",
    "٣",
    "å",
    "a\u{30a}",
    "¨",
    "🔑",
    "\u{e000}",
    "\u{10ffff}",
    "%",
    "%00",
    "%2F",
    "%zz",
    "+",
    "@",
    ":",
    "://",
    "/",
    "//",
    "\\",
    "\"",
    "'",
    ".",
    "..",
    "-",
    "_",
    "~",
    "*",
    "#",
    "?",
    "&",
    "=",
    ";",
    ",",
    "{",
    "}",
    "[",
    "]",
    "null",
    "\\u0000",
    "\\ud800",
    "0",
    "-1",
    "99999999999999999999",
    "1e999",
];

/// One of the above, or any character.
pub fn piece() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

/// A kept text with one to three changes.
fn turned(kept: Vec<String>) -> impl Strategy<Value = String> {
    let turn = (any::<Index>(), any::<Index>(), piece(), 0..6);
    (select(kept.clone()), select(kept), vec(turn, 1..4)).prop_map(|(text, other, turns)| {
        turns.into_iter().fold(text, |text, (from, length, piece, how)| {
            let mut text: Vec<char> = text.chars().collect();
            let from = from.index(text.len() + 1);
            let to = text.len().min(from + length.index(5));
            match how {
                0 => drop(text.drain(from..to)),
                1 => drop(text.splice(from..from, piece.chars())),
                2 => drop(text.splice(from..to, piece.chars())),
                3 => drop(text.splice(from..to, text[from..to].iter().map(|letter| other_case(*letter)).collect::<Vec<_>>())),
                4 => drop(text.splice(from..from, text[from..to].to_vec())),
                _ => {
                    let rest: Vec<char> = other.chars().collect();
                    text.truncate(from);
                    text.extend(&rest[length.index(rest.len() + 1)..]);
                }
            }
            text.into_iter().collect()
        })
    })
}

/// A letter in its other case, where that is one letter.
fn other_case(letter: char) -> char {
    let other = |text: &str| text.chars().next().filter(|_| text.chars().count() == 1);
    if letter.is_lowercase() { other(&letter.to_uppercase().to_string()) } else { other(&letter.to_lowercase().to_string()) }
        .unwrap_or(letter)
}
