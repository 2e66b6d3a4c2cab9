//! Accounts that nobody uses leave memory: after a time, and sooner where there is no room.

use std::time::Duration;

use tenantry_domain::AccountId;

use super::{World, create_account, create_role, partner, registry_with};
use crate::{Account, Choices, Database, Registry};

async fn below(registry: &Registry, count: usize) -> Vec<AccountId> {
    let partner = partner(registry).await;
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(create_account(&partner, None).await);
    }
    made
}

fn taken(registry: &Registry) -> i64 {
    registry.platform().measures.memory.get()
}

/// Waits until no more is taken than that, and forgets accounts meanwhile if that is wanted: an actor ends a little after the last
/// handle to it, and whoever is above somebody stays until that one has gone.
async fn at_most(registry: &Registry, bytes: i64, forget: bool) {
    let ended = async {
        while taken(registry) > bytes {
            if forget {
                registry.forget_idle(1);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(ended.is_ok(), "{} of {bytes}", taken(registry));
}

#[actix_rt::test]
async fn what_accounts_take_is_counted_and_given_back() {
    let world = World::new().await;
    let ids = below(&world.registry, 3).await;
    world.pass(3600);
    at_most(&world.registry, 0, true).await;
    let account = world.registry.get(ids[0]).await.unwrap();
    let empty = account.bytes();
    assert!(empty > 1000 && taken(&world.registry) > empty, "{empty}, with those above it");
    for n in 0..50 {
        create_role(&account, format!("role {n}")).await.unwrap();
    }
    let each = (account.bytes() - empty) / 50;
    assert!((200..1000).contains(&each), "{each} bytes a role");
    let before = taken(&world.registry);
    let bytes = account.bytes();
    drop(account);
    world.pass(3600);
    assert!(before >= bytes);
    at_most(&world.registry, 0, true).await;
    assert_eq!(taken(&world.registry), 0);
}

#[actix_rt::test]
async fn those_that_were_not_used_for_longest_make_room() {
    let world = World::new().await;
    let ids = below(&world.registry, 40).await;
    let one = {
        let account = world.registry.get(ids[0]).await.unwrap();
        account.bytes()
    };
    // Room for some twenty of them.
    let choices = Choices { quotas: None, account_memory: (20 * one).unsigned_abs(), ..Choices::default() };
    let database = Database::parse(&world.database.url).unwrap();
    let small = registry_with(&database, &world.clock, 1, choices).await;
    let mut held: Option<Account> = None;
    for id in &ids {
        world.pass(1);
        let account = small.get(*id).await.unwrap();
        if *id == ids[3] {
            held = Some(account);
        }
    }
    assert!(taken(&small) > 40 * one);
    // Somebody waits for that.
    tokio::time::timeout(Duration::from_secs(1), small.crowded()).await.unwrap();
    world.pass(1);
    small.keep_within_memory();
    at_most(&small, 20 * one, false).await;
    assert!(taken(&small) > 15 * one, "no more was forgotten than had to be");
    let awake: Vec<bool> = ids.iter().map(|id| small.if_awake(*id).is_some()).collect();
    assert!(awake[3], "a request has it");
    assert!(awake[30..].iter().all(|awake| *awake) && !awake[0] && !awake[1], "{awake:?}");
    // Whoever comes again is read again.
    drop(held);
    assert_eq!(small.get(ids[0]).await.unwrap().id(), ids[0]);
    assert_eq!(small.get(ids[0]).await.unwrap().directory().account.display_name.as_str(), "Shop");
}
