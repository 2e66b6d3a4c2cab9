//! Several runtimes on one database, as several processes are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tenantry_domain::{Error, KeyPurpose};
use tenantry_test_database::TestDatabase;
use tokio::sync::Notify;

use super::{World, create_role, operator, registry_with};
use crate::caller::Caller;
use crate::draft::Draft;
use crate::leases::Job;
use crate::store::Tx;
use crate::{Choices, Database};

/// Invariant 4, as far as one node can show it: two runtimes that write one account lose nothing, and each sees what
/// the other wrote before it writes itself. SQLite serves one process and its lock keeps others out; whoever got past it
/// writes nothing that does not fit, and then looks again.
#[actix_rt::test]
async fn two_runtimes_that_write_one_account_lose_nothing() {
    let world = World::new().await;
    let (here, there) = (world.operator().await, world.second().await.get(operator()).await.unwrap());
    if !TestDatabase::is_postgres() {
        create_role(&here, "first").await.unwrap();
        assert_eq!(create_role(&there, "second").await, Err(Error::OutcomeUnknown));
        create_role(&there, "second").await.unwrap();
        let names: BTreeSet<_> = there.directory().roles.values().filter_map(|role| role.name_key()).collect();
        assert_eq!(names, ["first", "second"].map(str::to_owned).into());
        assert_eq!(there.verify_events().await.unwrap(), there.directory().version);
        return;
    }
    let before = here.directory().version;
    let both = [&here, &there];
    let writes = (0..40).map(|number| create_role(both[number % 2], format!("role {number}")));
    let done = join_all(writes).await.into_iter().flatten().count();
    create_role(&here, "contested").await.unwrap();
    assert_eq!(create_role(&there, "CONTESTED").await, Err(Error::Duplicate("name")));
    create_role(&there, "last").await.unwrap();
    let after = there.directory();
    assert_eq!(usize::try_from(after.version - before).unwrap(), done + 2);
    assert_eq!(after.roles.len(), done + 2);
    assert_eq!(there.verify_events().await.unwrap(), after.version);
}

/// Somebody writes while an account is being read, after the moment as of which it is read: whoever looks for news then tells
/// the place where it will stand, and what was read is not used.
#[actix_rt::test]
async fn what_is_written_while_an_account_is_being_read_is_not_missed() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let world = World::new().await;
    let (here, there) = (world.operator().await, world.second().await);
    there.look_for_news().await.unwrap();
    let db = sea_orm::Database::connect(&world.database.url).await.unwrap();
    let lock = db.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE tag IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (reading, waits) = (there.clone(), "SELECT 'waits' FROM pg_locks WHERE relation = 'tag'::regclass AND NOT granted");
    let reading = actix_rt::spawn(async move { reading.get(operator()).await.unwrap() });
    while world.database.column(waits).await.is_empty() {}
    create_role(&here, "meanwhile").await.unwrap();
    there.look_for_news().await.unwrap();
    lock.commit().await.unwrap();
    assert_eq!(reading.await.unwrap().directory().version, here.directory().version);
}

/// News are looked for from where all transactions had ended, not from the last one that was seen.
#[actix_rt::test]
async fn a_slow_write_is_no_old_news() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let world = World::new().await;
    let (here, there) = (world.operator().await, world.second().await);
    there.get(operator()).await.unwrap();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (writer, tells, waits) = (here.clone(), begun.clone(), go.clone());
    let slow = actix_rt::spawn(async move {
        let op = async move |draft: &mut Draft<'_>| {
            tells.notify_one();
            waits.notified().await;
            draft.record(draft.event("test.slow", "nothing"));
            Ok(())
        };
        writer.write(&Caller::system(), op).await
    });
    begun.notified().await;
    let quick = world.registry.get("P00000000".parse().unwrap()).await.unwrap();
    create_role(&quick, "quick").await.unwrap();
    there.look_for_news().await.unwrap();
    go.notify_one();
    slow.await.unwrap().unwrap();
    there.look_for_news().await.unwrap();
    assert_eq!(there.get(operator()).await.unwrap().directory().version, here.directory().version);
}

/// What nobody here has asked about for longer than the horizon is looked for before anything is answered, and told in one look.
#[actix_rt::test]
async fn a_process_that_has_not_looked_does_so_before_it_answers() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let world = World::new().await;
    let strict = Choices { freshness: Duration::ZERO, quotas: None, ..Choices::default() };
    let db = sea_orm::Database::connect(&world.database.url).await.unwrap();
    let there = registry_with(&Database::parse(&world.database.url).unwrap(), &world.clock, 1, strict).await;
    let here = world.operator().await;
    there.get(operator()).await.unwrap();
    for number in 0..5 {
        create_role(&here, format!("role {number}")).await.unwrap();
        let seen = join_all((0..8).map(|_| there.get(operator()))).await;
        assert!(seen.into_iter().all(|account| account.unwrap().directory().version == here.directory().version));
    }
    let before = there.get(operator()).await.unwrap();
    assert_eq!(before.directory().version, here.directory().version);
    db.execute_unprepared("UPDATE instance SET store_epoch = store_epoch + 1").await.unwrap();
    let after = there.get(operator()).await.unwrap();
    assert!(!Arc::ptr_eq(&before.directory(), &after.directory()), "all was read anew");
    // Whoever still has the account of before writes what nobody here would see at once: it is not acknowledged.
    assert_eq!(create_role(&before, "of before").await, Err(Error::OutcomeUnknown));
    assert_eq!(there.get(operator()).await.unwrap().directory().version, here.directory().version + 1);
    db.execute_unprepared("ALTER TABLE event RENAME TO away").await.unwrap();
    assert_eq!(there.get(operator()).await.err(), Some(Error::Unavailable), "nobody knows whether it is fresh");
}

/// A process that stands still in the midst of a write holds the account up for some seconds, not for ever, and its write has
/// failed.
#[actix_rt::test]
async fn a_write_that_stands_still_is_ended_by_the_database() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let world = World::new().await;
    let (here, there) = (world.operator().await, world.second().await.get(operator()).await.unwrap());
    let begun = Arc::new(Notify::new());
    let tells = begun.clone();
    let still = actix_rt::spawn(async move {
        let op = async move |draft: &mut Draft<'_>| {
            tells.notify_one();
            tokio::time::sleep(Duration::from_secs(8)).await;
            draft.record(draft.event("test.still", "nothing"));
            Ok(())
        };
        here.write(&Caller::system(), op).await
    });
    begun.notified().await;
    let since = std::time::Instant::now();
    while create_role(&there, "meanwhile").await.is_err() {}
    assert!(since.elapsed() < Duration::from_secs(7), "{:?}", since.elapsed());
    still.await.unwrap().unwrap_err();
}

/// What was written must be in the database when it is read again; else nobody knows what counts.
#[actix_rt::test]
async fn a_database_that_lacks_what_was_written_serves_nobody() {
    let world = World::new().await;
    let account = world.operator().await;
    let known = account.directory().version;
    world.registry.tell(operator(), known + 1);
    assert_eq!(world.registry.get(operator()).await.err(), Some(Error::Unavailable));
    create_role(&account, "next").await.unwrap();
    assert_eq!(world.operator().await.directory().version, known + 1);
}

/// The first key of an account is made once, also where two processes need it at once.
#[actix_rt::test]
async fn two_processes_that_need_the_first_key_make_one() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let world = World::new().await;
    let (here, there) = (world.operator().await, world.second().await.get(operator()).await.unwrap());
    let account = KeyPurpose::Account;
    let (one, other) = tokio::join!(here.signing_key(account), there.signing_key(account));
    assert_eq!(one.unwrap().id, other.unwrap().id);
    // What a refused write has learned of others is not forgotten.
    create_role(&here, "taken").await.unwrap();
    assert_eq!(create_role(&there, "taken").await, Err(Error::Duplicate("name")));
    there.refresh().await.unwrap();
    assert_eq!(there.directory().version, here.directory().version);
}

/// Messages are handed on by one process at a time; another takes over when that one has given up, or is gone.
#[actix_rt::test]
async fn one_process_at_a_time_does_what_only_one_does() {
    let world = World::new().await;
    let (here, there) = (world.registry.platform().clone(), world.second().await.platform().clone());
    assert!(here.relays().await.unwrap());
    if !TestDatabase::is_postgres() {
        return;
    }
    assert!(!there.relays().await.unwrap());
    here.give_up_leases().await.unwrap();
    assert!(there.relays().await.unwrap() && !here.relays().await.unwrap());
    let db = sea_orm::Database::connect(&world.database.url).await.unwrap();
    db.execute_unprepared("UPDATE lease SET until = 1").await.unwrap();
    assert!(here.relays().await.unwrap());
    // A clock that was set back leaves a lease behind that ends too late.
    db.execute_unprepared("UPDATE lease SET until = until + 3600000000, holder = '00000000-0000-0000-0000-000000000000'")
        .await
        .unwrap();
    let third = world.second().await.platform().clone();
    assert!(third.relays().await.unwrap());
    let fence = world.database.column("SELECT fence::text FROM lease WHERE name = 'relay'").await;
    assert_eq!(fence, ["4"], "each holder has a number of its own");
    // What one has begun under its lease nobody else does until that ends, however long it takes.
    let lasting = here.clone();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (begun.clone(), go.clone());
    let long = actix_rt::spawn(async move {
        let holder = lasting.clone();
        let work = async move |tx: &Tx<'_>| {
            assert!(holder.leases.hold(tx, Job::Pruning).await.unwrap());
            tells.notify_one();
            waits.notified().await;
            Ok(())
        };
        lasting.store.turns.take(work).await
    });
    begun.notified().await;
    let other = actix_rt::spawn(async move { there.prune().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!other.is_finished());
    go.notify_one();
    long.await.unwrap().unwrap();
    assert_eq!(other.await.unwrap(), Ok(0));
}
