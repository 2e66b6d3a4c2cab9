//! Every metric of the program in one list, from which Prometheus is answered and docs/metrics.md is written.
//!
//! Labels come from closed sets: a series is there from the start, at zero, and no caller can make a new one.

use std::fmt::Write;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The list.
#[derive(Default)]
pub struct Catalogue {
    registry: Registry,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    kind: &'static str,
    labels: String,
    help: String,
}

/// Names and labels are written here in the code: if they were wrong, no start would succeed.
const VALID: &str = "our own metrics have valid names, each once";

impl Catalogue {
    /// What Prometheus scrapes.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A counter.
    pub fn counter(&mut self, name: &str, help: &str) -> IntCounter {
        let counter = IntCounter::new(name, help).expect(VALID);
        self.add("counter", "", counter)
    }

    /// A counter for each value of a label, in their order.
    pub fn counters<const N: usize>(&mut self, name: &str, help: &str, label: &str, values: [&str; N]) -> [IntCounter; N] {
        let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID);
        let counters = self.add("counter", &format!("`{label}`: {}", values.join(", ")), counters);
        values.map(|value| counters.with_label_values(&[value]))
    }

    /// A counter by labels whose values are known later; `labels` tells of them.
    pub fn counter_vec(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(name, help), &names(labels)).expect(VALID);
        self.add("counter", &described(labels), counters)
    }

    /// A gauge.
    pub fn gauge(&mut self, name: &str, help: &str) -> IntGauge {
        let gauge = IntGauge::new(name, help).expect(VALID);
        self.add("gauge", "", gauge)
    }

    /// A histogram with these upper bounds.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())).expect(VALID);
        self.add("histogram", "", histogram)
    }

    /// A histogram by labels whose values are known later; `labels` tells of them.
    pub fn histogram_vec(&mut self, name: &str, help: &str, labels: &[(&str, &str)], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = HistogramVec::new(options, &names(labels)).expect(VALID);
        self.add("histogram", &described(labels), histograms)
    }

    /// Counters and gauges that are read off when somebody asks; `labels` tells of theirs.
    pub fn collector(&mut self, labels: &str, collector: impl Collector + 'static) {
        let counts = |name: &str| if name.ends_with("_total") { "counter" } else { "gauge" };
        let kinds: Vec<_> = collector.desc().iter().map(|told| counts(&told.fq_name)).collect();
        self.note(&kinds, labels, &collector);
        self.registry.register(Box::new(collector)).expect(VALID);
    }

    fn add<C: Collector + Clone + 'static>(&mut self, kind: &'static str, labels: &str, collector: C) -> C {
        self.note(&[kind], labels, &collector);
        self.registry.register(Box::new(collector.clone())).expect(VALID);
        collector
    }

    fn note(&mut self, kinds: &[&'static str], labels: &str, collector: &impl Collector) {
        for (told, kind) in collector.desc().into_iter().zip(kinds) {
            let (name, help) = (told.fq_name.clone(), told.help.clone());
            self.entries.push(Entry { name, kind, labels: labels.to_owned(), help });
        }
    }

    /// The table of docs/metrics.md.
    pub fn markdown(&self) -> String {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let mut text = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
        for Entry { name, kind, labels, help } in entries {
            writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").expect("text grows");
        }
        text
    }
}

fn names<'a>(labels: &[(&'a str, &str)]) -> Vec<&'a str> {
    labels.iter().map(|(name, _)| *name).collect()
}

fn described(labels: &[(&str, &str)]) -> String {
    labels.iter().map(|(name, values)| format!("`{name}`: {values}")).collect::<Vec<_>>().join("; ")
}
