//! Two nodes, two accounts, one database: writes, looks for news, loads and requests in any order, with nodes that stand still for any
//! time (they take no step), whose line is cut (a look never ends) or that are killed. Invariants 3 and 4.

use stateright::{Model, Property};

use crate::{breaks, holds};

const NODES: usize = 2;
const ACCOUNTS: usize = 2;
/// Writes in all, and ticks of the clock.
const WRITES: u8 = 2;
const TICKS: u8 = 3;
/// The same where both nodes do everything.
const FEWER: u8 = 2;
/// How old news may be.
const HORIZON: u8 = 1;

const STALE: &str = "no request is judged by what stood there longer than the horizon ago";
const LOST: &str = "each acknowledged write is one version";

/// What the protocol rests on.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// News are looked for from where all transactions had ended; else from the last one that was seen.
    AllEnded,
    /// The place of an account stands before it is read; else news that come meanwhile find nothing.
    Placeholder,
    /// News are as old as the moment when the look began; else when it ended.
    Begun,
    /// Requests ask how old the news are.
    Horizon,
    /// A write claims the version that follows the one in the row; else the one that follows what its node knows.
    Row,
}

/// The protocol, perhaps without one of its rules.
#[derive(Clone, Copy)]
struct Protocol {
    without: Option<Rule>,
    /// Both nodes write, and ask, one account; else one writes two accounts, and the other, which may be killed, asks about the
    /// first.
    both: bool,
}

impl Protocol {
    fn has(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

/// What the database holds of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Stored {
    version: u8,
    /// Who is writing it, and the number of the transaction: its row is locked.
    writer: Option<(usize, u8)>,
    /// By version: the transaction that wrote it.
    log: Vec<u8>,
}

/// An account on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
enum Place {
    #[default]
    Nothing,
    /// Read as of this version, and not put there yet.
    Loading {
        version: u8,
        need: u8,
    },
    Awake {
        version: u8,
        need: u8,
    },
}

/// When a look began, the cursor for the next, and the accounts and versions that were found.
type Look = (u8, u8, Vec<(usize, u8)>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Node {
    places: [Place; ACCOUNTS],
    /// From which transaction it looks; nothing before its first look.
    cursor: Option<u8>,
    /// When the last look that succeeded began.
    fresh: Option<u8>,
    /// One that the database has answered, and nobody has read yet.
    look: Option<Look>,
    /// A request that was let through, and is not answered yet: the account, and when it started.
    request: Option<(usize, u8)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct World {
    now: u8,
    next_tx: u8,
    accounts: [Stored; ACCOUNTS],
    nodes: [Node; NODES],
    /// By account: each acknowledged version, when, and by which node.
    acknowledged: [Vec<(u8, u8, usize)>; ACCOUNTS],
    stale: bool,
    lost: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Tick,
    Claim(usize, usize),
    Commit(usize),
    Look(usize),
    ReadLook(usize),
    Load(usize, usize),
    EndLoad(usize, usize),
    Begin(usize, usize),
    Answer(usize),
    Kill(usize),
}

impl World {
    /// All transactions with a smaller number have ended.
    fn ended(&self) -> u8 {
        self.accounts.iter().filter_map(|account| account.writer).map(|(_, tx)| tx).min().unwrap_or(self.next_tx)
    }

    fn is_fresh(&self, node: usize, protocol: Protocol) -> bool {
        !protocol.has(Rule::Horizon) && self.nodes[node].fresh.is_some()
            || self.nodes[node].fresh.is_some_and(|begun| begun + HORIZON >= self.now)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = World { next_tx: 1, ..World::default() };
        for account in &mut world.accounts {
            (account.version, account.log) = (1, vec![0]);
        }
        let awake = Place::Awake { version: 1, need: 0 };
        world.nodes[0].places = [awake.clone(), awake.clone()];
        if self.both {
            world.nodes[1].places[0] = awake;
            // Nothing is read before the first look.
            for node in &mut world.nodes {
                (node.cursor, node.fresh) = (Some(1), Some(0));
            }
        }
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.now < if self.both { FEWER } else { TICKS } {
            steps.push(Step::Tick);
        }
        for node in 0..NODES {
            let own = &world.nodes[node];
            let (asks, writes) = (self.both || node == 1, self.both || node == 0);
            if asks {
                steps.push(if own.look.is_some() { Step::ReadLook(node) } else { Step::Look(node) });
                if own.request.is_some() {
                    steps.push(Step::Answer(node));
                }
                if !self.both && own.fresh.is_some() && world.now == 1 {
                    steps.push(Step::Kill(node));
                }
                match own.places[0] {
                    Place::Nothing if world.is_fresh(node, *self) => steps.push(Step::Load(node, 0)),
                    Place::Loading { .. } => steps.push(Step::EndLoad(node, 0)),
                    Place::Awake { .. } if own.request.is_none() && world.is_fresh(node, *self) => {
                        steps.push(Step::Begin(node, 0));
                    }
                    _ => {}
                }
            }
            for account in 0..if self.both { 1 } else { ACCOUNTS } {
                if writes && world.next_tx <= WRITES && world.accounts[account].writer.is_none() {
                    steps.push(Step::Claim(node, account));
                }
            }
        }
        for (account, stored) in world.accounts.iter().enumerate() {
            if stored.writer.is_some() {
                steps.push(Step::Commit(account));
            }
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Tick => world.now += 1,
            Step::Claim(node, account) => {
                world.accounts[account].writer = Some((node, world.next_tx));
                world.next_tx += 1;
            }
            Step::Commit(account) => {
                let (node, tx) = world.accounts[account].writer.take()?;
                let stored = &mut world.accounts[account];
                // Else the node was killed meanwhile, and with it the transaction.
                let Place::Awake { version: known, .. } = world.nodes[node].places[account] else { return Some(world) };
                let version = if self.has(Rule::Row) { stored.version + 1 } else { known + 1 };
                world.lost |= version <= stored.version;
                stored.version = version;
                stored.log.push(tx);
                if let Place::Awake { version: published, .. } = &mut world.nodes[node].places[account] {
                    *published = (*published).max(version);
                }
                world.acknowledged[account].push((version, world.now, node));
            }
            Step::Look(node) => {
                let ended = if self.has(Rule::AllEnded) { world.ended() } else { world.next_tx };
                let mut found = Vec::new();
                if let Some(cursor) = world.nodes[node].cursor {
                    for (account, stored) in world.accounts.iter().enumerate() {
                        if stored.log.last().is_some_and(|tx| *tx >= cursor) {
                            found.push((account, stored.version));
                        }
                    }
                }
                world.nodes[node].look = Some((world.now, ended, found));
            }
            Step::ReadLook(node) => {
                let own = &mut world.nodes[node];
                let (begun, cursor, found) = own.look.take()?;
                for (account, version) in found {
                    match &mut own.places[account] {
                        Place::Awake { need, .. } => *need = version.max(*need),
                        Place::Loading { need, .. } if self.has(Rule::Placeholder) => *need = version.max(*need),
                        _ => {}
                    }
                }
                own.cursor = Some(cursor);
                own.fresh = Some(if self.has(Rule::Begun) { begun } else { world.now });
            }
            Step::Load(node, account) => {
                world.nodes[node].places[account] = Place::Loading { version: world.accounts[account].version, need: 0 };
            }
            Step::EndLoad(node, account) => {
                let Place::Loading { version, need } = world.nodes[node].places[account] else { return None };
                world.nodes[node].places[account] = Place::Awake { version, need };
            }
            Step::Begin(node, account) => world.nodes[node].request = Some((account, world.now)),
            Step::Answer(node) => {
                let (account, started) = world.nodes[node].request.take()?;
                let Place::Awake { version, need } = &mut world.nodes[node].places[account] else { return Some(world) };
                if version < need {
                    // It is read again.
                    *version = world.accounts[account].version;
                }
                let late = |(known, at, by): &&(u8, u8, usize)| {
                    known > version && (at + HORIZON < started || *by == node && *at < started)
                };
                world.stale |= world.acknowledged[account].iter().any(|told| late(&told));
            }
            Step::Kill(node) => world.nodes[node] = Node::default(),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STALE, |_, world: &World| !world.stale),
            Property::always(LOST, |_, world: &World| {
                !world.lost
                    && world.accounts.iter().zip(&world.acknowledged).all(|(stored, told)| {
                        told.iter().all(|(version, ..)| *version <= stored.version)
                            && usize::from(stored.version) == stored.log.len()
                    })
            }),
            Property::sometimes("a write of one node is known on the other", |_, world: &World| {
                world.nodes.iter().all(|node| matches!(node.places[0], Place::Awake { version: 2.., .. }))
            }),
        ]
    }
}

#[test]
fn no_order_of_steps_serves_what_is_stale_or_loses_a_write() {
    assert!(holds(Protocol { without: None, both: false }) > 10_000);
    assert!(holds(Protocol { without: None, both: true }) > 10_000);
}

#[test]
fn each_rule_is_needed() {
    for rule in [Rule::AllEnded, Rule::Placeholder, Rule::Begun, Rule::Horizon] {
        breaks(Protocol { without: Some(rule), both: false }, STALE);
    }
    breaks(Protocol { without: Some(Rule::Row), both: true }, LOST);
}
