//! The two protocols on which several nodes rest, tried in every order of steps there is: no step is a real one here, but none is left
//! out. Each model is also tried with one rule taken away, which must be found out.

mod news;
mod sessions;

use stateright::{Checker, Model};

/// Goes through all states; how many there are.
fn holds<M: Model + Send + Sync + 'static>(model: M) -> usize
where
    M::State: std::hash::Hash + Send + Sync + Clone + PartialEq + std::fmt::Debug,
    M::Action: Send + Sync + Clone + PartialEq + std::fmt::Debug,
{
    let checked = model.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
    println!("{} states, none wrong", checked.unique_state_count());
    checked.unique_state_count()
}

/// Looks for a way to break a property; it must be found.
#[track_caller]
fn breaks<M: Model + Send + Sync + 'static>(model: M, property: &'static str)
where
    M::State: std::hash::Hash + Send + Sync + Clone + PartialEq + std::fmt::Debug,
    M::Action: Send + Sync + Clone + PartialEq + std::fmt::Debug,
{
    let checked = model.checker().threads(2).spawn_bfs().join();
    let found = checked.discovery(property).unwrap_or_else(|| panic!("nothing breaks `{property}`"));
    println!("without that rule: {:?}", found.into_actions());
}
