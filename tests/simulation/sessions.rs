//! A family of refresh tokens on two nodes: its rightful holder, who asks again when an answer is lost, and a thief who has copied one
//! of its tokens; each request is read, decided and written in one transaction, and any answer may be lost. Single use.

use stateright::{Model, Property};

use crate::{breaks, holds};

const TICKS: u8 = 3;
/// So long the same token brings the same successor.
const GRACE: u8 = 1;
const GENERATIONS: u8 = 3;

/// The protocol, or one without one of its rules.
#[derive(Clone, Copy)]
struct Protocol {
    /// One statement compares the generation and moves it; else another's request may come between.
    conditional: bool,
    /// A token of before the grace ends the session.
    reuse_ends: bool,
}

const RIGHT: Protocol = Protocol { conditional: true, reuse_ends: true };

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    generation: u8,
    rotated_at: u8,
    ended: bool,
    /// The token that each holder has: the rightful one, and the thief.
    holds: [Option<u8>; 2],
    /// What each has under way: the token, and, where reading and writing are two steps, the generation that was read.
    asks: [Option<(u8, Option<u8>)>; 2],
    /// How often each generation was handed out as new, not as a repetition.
    moves: Vec<u8>,
    /// Somebody has shown a token that others had used before the grace.
    reused: bool,
    /// And something was handed out after that.
    after: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Tick,
    Steal,
    Ask(usize),
    Read(usize),
    /// The request is decided; its answer arrives, or is lost.
    Decide(usize, bool),
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let moves = vec![0; usize::from(GENERATIONS) + 2];
        vec![World {
            now: 0,
            generation: 0,
            rotated_at: 0,
            ended: false,
            holds: [Some(0), None],
            asks: [None; 2],
            moves,
            reused: false,
            after: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.now < TICKS {
            steps.push(Step::Tick);
        }
        if world.holds[1].is_none() {
            steps.push(Step::Steal);
        }
        for holder in 0..2 {
            match world.asks[holder] {
                None if world.holds[holder].is_some() && world.generation < GENERATIONS => steps.push(Step::Ask(holder)),
                None => {}
                Some((_, None)) if !self.conditional => steps.push(Step::Read(holder)),
                Some(_) => steps.extend([Step::Decide(holder, true), Step::Decide(holder, false)]),
            }
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Tick => world.now += 1,
            Step::Steal => world.holds[1] = world.holds[0],
            Step::Ask(holder) => world.asks[holder] = Some((world.holds[holder]?, None)),
            Step::Read(holder) => world.asks[holder] = Some((world.asks[holder]?.0, Some(world.generation))),
            Step::Decide(holder, arrives) => {
                let (token, read) = world.asks[holder].take()?;
                if world.ended {
                    return Some(world);
                }
                let successor = if token == read.unwrap_or(world.generation) {
                    world.generation = token + 1;
                    world.rotated_at = world.now;
                    world.moves[usize::from(token)] += 1;
                    Some(token + 1)
                } else if token + 1 == world.generation && world.now < world.rotated_at + GRACE {
                    Some(world.generation)
                } else {
                    world.reused = true;
                    world.ended = self.reuse_ends;
                    None
                };
                world.after |= world.reused && successor.is_some();
                if let Some(successor) = successor.filter(|_| arrives) {
                    world.holds[holder] = Some(successor);
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each token moves the session once", |_, world: &World| world.moves.iter().all(|moves| *moves <= 1)),
            Property::always("after a reuse nothing is handed out", |_, world: &World| !world.after),
            Property::sometimes("whoever asks again within the grace gets the same", |_, world: &World| {
                world.generation == 1 && world.holds == [Some(1), Some(1)] && world.moves[0] == 1
            }),
        ]
    }
}

#[test]
fn a_refresh_token_is_used_once_whatever_is_lost() {
    assert!(holds(RIGHT) > 100);
}

#[test]
fn each_rule_is_needed() {
    breaks(Protocol { conditional: false, ..RIGHT }, "each token moves the session once");
    breaks(Protocol { reuse_ends: false, ..RIGHT }, "after a reuse nothing is handed out");
}
