//! How a partner's tree is used is told to whoever asks, however often, and summed up seldom.

use std::sync::Arc;
use std::time::Duration;

use super::{World, create_account, partner};
use crate::usage::Outcome;

#[actix_rt::test]
async fn a_tree_is_summed_up_once_a_second() {
    let world = World::new().await;
    let (registry, partner) = (&world.registry, partner(&world.registry).await);
    let shop = registry.get(create_account(&partner, None).await).await.unwrap();
    let first = registry.tree_usage(&partner, 10).await.unwrap();
    assert_eq!((first.all.accounts, first.all.answered(), first.busiest.len()), (2, 0, 0));
    registry.note(shop.id(), Duration::from_millis(1), Outcome::Answered);
    // What was told is told again, to all who ask at once, too.
    for again in futures_util::future::join_all((0..100).map(|_| registry.tree_usage(&partner, 10))).await {
        assert!(Arc::ptr_eq(&first, &again.unwrap()));
    }
    // Another tree is not this one.
    let operator = world.operator().await;
    assert_eq!(registry.tree_usage(&operator, 10).await.unwrap().all.accounts, 3);
    world.pass(1);
    let later = registry.tree_usage(&partner, 10).await.unwrap();
    assert_eq!((later.all.answered(), later.busiest[0].0, later.busiest[0].1.answered()), (1, shop.id(), 1));
}
