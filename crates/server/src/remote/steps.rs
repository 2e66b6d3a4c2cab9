//! What leads from what an account is to what it is to be, step by step, and how that is told.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use tenantry_domain::fold;

use super::manifest::{Kind, Names, Record, State};
use super::records::line;
use super::{Site, plain};

/// One change.
pub(super) enum Step {
    Make(Kind, Record),
    Change(Kind, Record, Record),
    /// Settings before and after.
    Set(Map<String, Value>, Map<String, Value>),
    Remove(Kind, Record),
}

/// Who is signed in.
pub(super) struct Me {
    subject: Option<String>,
    /// The account's own.
    audience: String,
    /// The roles of the person, as they are told from one another.
    roles: Vec<String>,
}

impl Me {
    pub(super) fn new(site: &Site, now: &State, names: &Names) -> Self {
        let subject = site.subject();
        let id = subject.as_deref().and_then(|subject| subject.strip_prefix("user:"));
        let own = now.known(Kind::User).values().find(|user| id == Some(&user.id));
        let roles = own.map(|user| user.roles().map(str::to_owned).collect()).unwrap_or_default();
        Self { subject, audience: names.own().to_owned(), roles }
    }

    /// Nobody of whom anything must be kept.
    pub(super) fn nobody() -> Self {
        Self { subject: None, audience: String::new(), roles: Vec::new() }
    }

    /// Whether it is what the sign-in lives by.
    fn is(&self, kind: Kind, record: &Record) -> bool {
        let Some(subject) = self.subject.as_deref() else { return false };
        match kind {
            Kind::Role => self.roles.contains(&fold(&record.label)),
            Kind::Client => record.id == subject,
            Kind::Grant => record.text("client_id") == subject && record.text("audience") == self.audience,
            Kind::User => subject.strip_prefix("user:") == Some(&record.id),
        }
    }
}

/// With `prune` also what the file does not name goes, but for what the one who asks is signed in with.
pub(super) fn difference(now: &State, wanted: &State, prune: Option<&Me>) -> Vec<Step> {
    let (mut steps, mut removals) = (Vec::new(), Vec::new());
    for (kind, records) in &wanted.records {
        for (key, record) in records {
            match now.known(*kind).get(key) {
                None => steps.push(Step::Make(*kind, record.clone())),
                Some(was) => {
                    let mut to = Record { id: was.id.clone(), ..record.clone() };
                    if *kind == Kind::User {
                        // However it is spelt.
                        to.fields.insert("email".to_owned(), was.text("email").into());
                    }
                    if to.fields != was.fields {
                        steps.push(Step::Change(*kind, was.clone(), to));
                    }
                }
            }
        }
        let left = now
            .known(*kind)
            .iter()
            .filter(|(key, record)| prune.is_some_and(|me| !me.is(*kind, record)) && !records.contains_key(*key));
        removals.extend(left.map(|(_, record)| Step::Remove(*kind, record.clone())));
    }
    if let (Some(was), Some(to)) = (&now.settings, &wanted.settings) {
        let to: Map<String, Value> =
            to.iter().filter(|(name, value)| was.get(*name).unwrap_or(&Value::Null) != *value).map(owned).collect();
        if !to.is_empty() {
            let was = to.keys().map(|name| (name.clone(), was.get(name).cloned().unwrap_or_default())).collect();
            steps.push(Step::Set(was, to));
        }
    }
    // Whoever is written to and what can be made once comes when all else is well.
    steps.sort_by_key(|step| match step {
        Step::Set(..) => 0,
        Step::Change(kind, ..) => 1 + *kind as usize,
        Step::Make(Kind::Role, _) => 1,
        Step::Make(Kind::User, _) => 8,
        Step::Make(kind, _) => 5 + *kind as usize,
        Step::Remove(..) => 9,
    });
    // A client takes its grants with it.
    let gone: Vec<String> =
        removals.iter().filter_map(|step| step.removes(Kind::Client).map(|client| client.id.clone())).collect();
    removals.retain(|step| step.removes(Kind::Grant).is_none_or(|grant| !gone.iter().any(|id| id == grant.text("client_id"))));
    steps.extend(removals.into_iter().rev());
    steps
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// What users are to have and clients are to be that will not be there.
pub(super) fn strays(now: &State, wanted: &State, steps: &[Step]) -> Vec<String> {
    let there = |kind: Kind, key: &str| {
        let by_id = |record: &&Record| record.id == key;
        let known = now.known(kind).get(key).or_else(|| now.known(kind).values().find(by_id));
        let removed =
            known.is_some_and(|known| steps.iter().any(|step| step.removes(kind).is_some_and(|one| one.id == known.id)));
        wanted.known(kind).contains_key(key) || known.is_some_and(|_| !removed)
    };
    let mut faults = Vec::new();
    for user in wanted.known(Kind::User).values() {
        let roles = user.roles();
        // A role without a name is known by an id, which only the server knows.
        let is_id = |role: &str| role.len() == 36 && role.bytes().filter(|byte| *byte == b'-').count() == 4;
        faults.extend(
            roles
                .filter(|role| !is_id(role) && !there(Kind::Role, role))
                .map(|role| format!("user {}: there is no role {role}", user.label)),
        );
    }
    let grants = wanted.known(Kind::Grant).values().filter(|grant| !there(Kind::Client, grant.text("client_id")));
    faults.extend(grants.map(|grant| format!("grant {}: there is no such client", grant.label)));
    faults
}

impl Step {
    pub(super) fn removes(&self, kind: Kind) -> Option<&Record> {
        match self {
            Self::Remove(of, record) if *of == kind => Some(record),
            _ => None,
        }
    }

    /// Why it cannot be done, as far as that is known before.
    pub(super) fn fault(&self, me: &Me, from_above: bool) -> Option<String> {
        if let Self::Make(Kind::User, user) = self
            && user.fields.get("enabled") == Some(&Value::Bool(false))
        {
            return Some(format!("user {}: is not there; whoever is to be shut out need not be invited", user.label));
        }
        if let Self::Set(_, to) = self
            && to.get("partner_access") == Some(&Value::Bool(false))
            && from_above
        {
            return Some("settings.partner_access: would shut you out, who act from above".to_owned());
        }
        let own = match self {
            // A client is called what it may be called.
            Self::Change(kind, record, _) => *kind != Kind::Client && me.is(*kind, record),
            // One of a narrower type would count instead.
            Self::Make(Kind::Grant, record) => me.is(Kind::Grant, record),
            _ => false,
        };
        own.then(|| format!("{}: is what you are signed in with; let somebody else do it", self.title()))
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::Make(kind, record) => format!("+ {} {}", kind.name(), plain(&record.label)),
            Self::Change(kind, record, _) => format!("~ {} {}", kind.name(), plain(&record.label)),
            Self::Remove(kind, record) => format!("- {} {}", kind.name(), plain(&record.label)),
            Self::Set(..) => "~ settings".to_owned(),
        }
    }

    fn parts(&self) -> (&'static str, &'static str, Map<String, Value>, Map<String, Value>) {
        match self {
            Self::Make(kind, record) => ("make", kind.name(), Map::new(), record.fields.clone()),
            Self::Change(kind, was, to) => ("change", kind.name(), was.fields.clone(), to.fields.clone()),
            Self::Remove(kind, record) => ("remove", kind.name(), record.fields.clone(), Map::new()),
            Self::Set(was, to) => ("change", "settings", was.clone(), to.clone()),
        }
    }

    pub(super) fn json(&self) -> Value {
        let (action, kind, before, after) = self.parts();
        json!({"action": action, "kind": kind, "before": before, "after": after})
    }
}

/// Fields that differ.
fn changed<'m>(was: &'m Map<String, Value>, to: &'m Map<String, Value>) -> impl Iterator<Item = (&'m str, &'m Value, &'m Value)> {
    let names = was.keys().chain(to.keys().filter(|name| !was.contains_key(*name)));
    let both = names.map(|name| (&name[..], was.get(name).unwrap_or(&Value::Null), to.get(name).unwrap_or(&Value::Null)));
    both.filter(|(_, was, to)| was != to)
}

/// All steps, for people.
pub(super) fn told(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let (action, _, was, to) = step.parts();
        writeln!(text, "{}", step.title()).expect("a text takes all");
        if action != "remove" {
            tell(&mut text, "", action, &was, &to);
        }
    }
    let count = |action: &str| steps.iter().filter(|step| step.parts().0 == action).count();
    if steps.is_empty() {
        return "the account is as the file says\n".to_owned();
    }
    text + &format!("{} to make, {} to change, {} to remove\n", count("make"), count("change"), count("remove"))
}

/// Fields that differ, those inside of others by their way.
fn tell(text: &mut String, way: &str, action: &str, was: &Map<String, Value>, to: &Map<String, Value>) {
    let none = Map::new();
    for (name, was, to) in changed(was, to) {
        let name = format!("{way}{}", plain(name));
        if was.is_object() || to.is_object() {
            let inside = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| none.clone());
            tell(text, &format!("{name}."), action, &inside(was), &inside(to));
        } else if action == "make" {
            writeln!(text, "    {name}: {}", line(to)).expect("a text takes all");
        } else {
            writeln!(text, "    {name}: {} -> {}", line(was), line(to)).expect("a text takes all");
        }
    }
}
