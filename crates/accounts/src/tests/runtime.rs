//! One writer an account: alone, durable, bounded, and alive after a panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tenantry_domain::{AccountInput, Error};
use tokio::sync::{Notify, Semaphore};

use super::{World, create_role, operator, partner, role};
use crate::caller::Caller;
use crate::permits::{Lane, PERMITS};
use crate::{Directory, RoleFilter};

/// Invariant 7: a panic inside a write fails that write alone; the next one works; nothing acknowledged is lost.
#[actix_rt::test]
async fn a_panic_fails_its_own_write_and_nothing_else() {
    // One thread also writes; more have one that does for all.
    for threads in [1, 2] {
        a_panic_fails_its_own_write(&World::on(threads).await).await;
    }
}

async fn a_panic_fails_its_own_write(world: &World) {
    let operator = world.operator().await;
    let neighbour = world.registry.get("P00000000".parse().unwrap()).await.unwrap();
    create_role(&operator, "before").await.unwrap();
    let (system, handle) = (Caller::system(), operator.clone());
    let panics = handle.write(&system, async move |draft| {
        crate::store::accounts::claim(draft.tx, draft.account()).await?;
        assert!(draft.now.micros() < 0, "on purpose");
        Ok(())
    });
    let neighbours = (0..5).map(|number| {
        let neighbour = neighbour.clone();
        async move { create_role(&neighbour, &format!("n{number}")).await }
    });
    // Writes of the same account that wait behind the panicking one.
    let behind = (0..5).map(|number| create_role(&operator, format!("behind {number}")));
    let (failed, others, behind) = tokio::join!(panics, join_all(neighbours), join_all(behind));
    assert_eq!(failed, Err(Error::OutcomeUnknown));
    assert!(others.iter().chain(&behind).all(Result::is_ok), "{others:?} {behind:?}");
    create_role(&operator, "after").await.unwrap();
    let again = world.registry.get(operator.id()).await.unwrap();
    let names = again.roles(&RoleFilter { limit: 10, ..Default::default() }).await.unwrap();
    let names: Vec<_> = names.iter().map(|role| role.name.as_ref().unwrap().as_str()).collect();
    assert_eq!(names, ["before", "behind 0", "behind 1", "behind 2", "behind 3", "behind 4", "after"]);
    assert_eq!(again.verify_events().await.unwrap(), again.directory().version);
}

/// An account on which the program panics again and again rests, and only that one; then it is tried again.
#[actix_rt::test]
async fn an_account_that_panics_again_and_again_rests_for_a_while() {
    let world = World::new().await;
    let (operator, neighbour) = (world.operator().await, world.registry.get("P00000000".parse().unwrap()).await.unwrap());
    let panics = async |rows: bool| {
        let system = Caller::system();
        if rows {
            operator.write_rows(&system, async |_| -> tenantry_domain::Result<()> { panic!("on purpose") }).await
        } else {
            operator.write(&system, async |_| -> tenantry_domain::Result<()> { panic!("on purpose") }).await
        }
    };
    for (number, rows) in [false, true, false, true].into_iter().enumerate() {
        assert_eq!(panics(rows).await, Err(Error::OutcomeUnknown));
        create_role(&world.operator().await, format!("after {number}")).await.unwrap();
    }
    assert_eq!(panics(true).await, Err(Error::OutcomeUnknown));
    assert_eq!(create_role(&operator, "role 2").await, Err(Error::Unavailable));
    operator.enter(Lane::Above).await.unwrap();
    create_role(&neighbour, "role 3").await.unwrap();
    world.pass(11);
    create_role(&world.operator().await, "role 4").await.unwrap();
    assert_eq!(panics(false).await, Err(Error::OutcomeUnknown));
    assert_eq!(create_role(&operator, "role 5").await, Err(Error::Unavailable), "once more is enough");
    world.pass(61);
    assert_eq!(panics(false).await, Err(Error::OutcomeUnknown));
    create_role(&world.operator().await, "role 6").await.unwrap();
}

/// Whatever an account does, on the reserved lane, too: the account above can suspend it.
#[actix_rt::test]
async fn no_flood_keeps_an_account_from_being_suspended() {
    let world = World::new().await;
    let operator = world.operator().await;
    let input = AccountInput { display_name: "x".parse().unwrap(), account_id: None, company: None, language_code: None };
    let partner = operator.create_account(Caller::system(), input).await.unwrap().id;
    let account = world.registry.get(partner).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    for nth in 0..3 * PERMITS {
        let (account, gate) = (account.clone(), gate.clone());
        actix_rt::spawn(async move {
            let mut system = Caller::system();
            system.lane = if nth.is_multiple_of(2) { Lane::Ordinary } else { Lane::Reserved };
            let wait = async move |_: &mut crate::draft::Draft<'_>| {
                gate.acquire().await.unwrap().forget();
                Err::<(), _>(Error::NotFound)
            };
            account.write(&system, wait).await
        });
    }
    until(|| account.writes_under_way() == PERMITS - 1).await;
    assert!(account.enter(Lane::Above).await.is_ok());
    assert!(account.enter(Lane::Reserved).await.is_err());
    gate.add_permits(3 * PERMITS);
}

/// However many ordinary writes wait, one that repairs the account gets in.
#[actix_rt::test]
async fn a_flood_of_writes_leaves_room_for_a_repair() {
    let world = World::new().await;
    let operator = world.operator().await;
    let gate = Arc::new(Semaphore::new(0));
    let flood: Vec<_> = (0..2 * PERMITS)
        .map(|_| {
            let (account, gate) = (operator.clone(), gate.clone());
            actix_rt::spawn(async move {
                let wait = async move |_: &mut crate::draft::Draft<'_>| {
                    gate.acquire().await.unwrap().forget();
                    Err::<(), _>(Error::NotFound)
                };
                account.write(&Caller::system(), wait).await
            })
        })
        .collect();
    until(|| flood.iter().filter(|write| write.is_finished()).count() > PERMITS).await;
    let repairer = operator.clone();
    let repair = actix_rt::spawn(async move {
        let mut system = Caller::system();
        system.lane = Lane::Reserved;
        repairer.create_role(system, role("repaired")).await
    });
    until(|| operator.writes_under_way() > PERMITS - 3).await;
    gate.add_permits(PERMITS);
    repair.await.unwrap().unwrap();
}

/// Invariant 5: one account never has more than its permits queued or running, whatever its callers do; everybody else is
/// told that it is busy, and callers that go away free nothing that still runs.
#[actix_rt::test]
async fn an_account_never_holds_more_than_its_permits() {
    let world = World::new().await;
    let operator = world.operator().await;
    let (gate, busy, ran) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let spawn = |nth: usize| {
        let (account, gate, busy, ran) = (operator.clone(), gate.clone(), busy.clone(), ran.clone());
        actix_rt::spawn(async move {
            let mut system = Caller::system();
            system.lane = [Lane::Ordinary, Lane::Reserved, Lane::Above][nth % 3];
            let write = account.write(&system, async move |_| {
                gate.acquire().await.unwrap().forget();
                ran.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(Error::NotFound)
            });
            if write.await == Err(Error::Busy) {
                busy.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let first: Vec<_> = (0..3 * PERMITS).map(&spawn).collect();
    until(|| busy.load(Ordering::Relaxed) >= 2 * PERMITS).await;
    assert_eq!(operator.writes_under_way(), PERMITS);
    // The callers go away. What has begun runs to its end; what waits behind it counts until the actor has passed it over.
    for caller in first {
        caller.abort();
    }
    let second: Vec<_> = (0..PERMITS).map(&spawn).collect();
    join_all(second).await;
    assert_eq!(busy.load(Ordering::Relaxed), 3 * PERMITS, "nobody got in while the first ones were under way");
    gate.add_permits(10 * PERMITS);
    until(|| operator.writes_under_way() == 0).await;
    assert!((1..=PERMITS).contains(&ran.load(Ordering::Relaxed)));
}

/// Waits until something that happens on other threads has happened.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Invariant 8: any number of first requests to a cold account cause one load.
#[actix_rt::test]
async fn many_first_requests_cause_one_load() {
    let world = World::new().await;
    let loads = || world.registry.platform().measures.activations.get();
    let before = loads();
    let got = join_all((0..200).map(|_| world.registry.get(operator()))).await;
    assert!(got.iter().all(Result::is_ok));
    assert_eq!(loads() - before, 1);
}

/// A failed load serves nobody, and an unknown id leaves nothing behind.
#[actix_rt::test]
async fn unknown_ids_leave_nothing_behind() {
    let world = World::new().await;
    let ids = (1..300).map(|number| format!("T112{number:05}").parse().unwrap());
    let got = join_all(ids.map(|id| world.registry.get(id))).await;
    assert!(got.iter().all(|account| matches!(account, Err(Error::NotFound))));
    assert!(world.registry.awake() <= 1, "only the operator, whom the others would stand under");
    assert_eq!(world.registry.platform().measures.live.get(), 1);
}

/// A late waiter of a failed load does not take away the load that began after it.
#[actix_rt::test]
async fn a_failed_load_does_not_end_the_one_after_it() {
    let world = World::new().await;
    let id = "T11200000".parse().unwrap();
    for round in 0..20 {
        let tries = join_all((0..50).map(|_| world.registry.get(id))).await;
        assert!(tries.iter().all(|got| matches!(got, Err(Error::NotFound))), "{round}");
    }
    partner(&world.registry).await;
    assert!(join_all((0..50).map(|_| world.registry.get(id))).await.iter().all(Result::is_ok));
    assert_eq!(world.registry.platform().measures.live.get(), 2);
}

/// An account is forgotten when nobody uses it, never while somebody holds it or something below it is awake.
#[actix_rt::test]
async fn an_account_rests_only_when_nobody_holds_it() {
    let world = World::new().await;
    let partner = partner(&world.registry).await;
    world.pass(901);
    world.registry.forget_idle(900);
    assert_eq!(world.registry.awake(), 2, "the partner is held, and holds the operator");
    drop(partner);
    // A sent message may still hold its account for a moment.
    for _ in 0..100 {
        world.registry.forget_idle(900);
        world.registry.forget_idle(900);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(world.registry.awake(), 0);
    create_role(&world.operator().await, "again").await.unwrap();
}

/// The chain is read by id, and an id is later than the one before it even where the clock is behind.
#[actix_rt::test]
async fn the_chain_stands_where_a_clock_went_back() {
    let world = World::new().await;
    create_role(&world.operator().await, "before").await.unwrap();
    world.clock.fetch_sub(3_600_000_000, Ordering::Relaxed);
    for name in ["after", "again"] {
        let later = world.second().await.get(operator()).await.unwrap();
        create_role(&later, name).await.unwrap();
        assert_eq!(later.verify_events().await.unwrap(), later.directory().version);
    }
}

/// Reads never wait for a write.
#[actix_rt::test]
async fn a_read_does_not_wait_for_a_write_that_is_under_way() {
    let world = World::new().await;
    let operator = world.operator().await;
    let gate = Arc::new(Notify::new());
    let (account, opened) = (operator.clone(), gate.clone());
    let write = actix_rt::spawn(async move {
        let system = Caller::system();
        account
            .write(&system, async move |_| {
                opened.notified().await;
                Err::<(), _>(Error::NotFound)
            })
            .await
    });
    until(|| operator.writes_under_way() > 0).await;
    let version = operator.directory().version;
    assert_eq!(operator.directory().version, version);
    assert_eq!(world.registry.get(operator.id()).await.unwrap().directory().version, version);
    gate.notify_one();
    assert_eq!(write.await.unwrap(), Err(Error::NotFound));
}

/// A write that tells nothing of itself is not kept.
#[actix_rt::test]
async fn a_write_without_an_event_is_not_kept() {
    let world = World::new().await;
    let operator = world.operator().await;
    let before = operator.directory();
    let system = Caller::system();
    let silent = operator.write(&system, async move |draft| {
        let input = role("silent");
        let stamp = tenantry_domain::Stamp::new(draft.now, "test");
        let id = tenantry_domain::RoleId(draft.new_id());
        let role = tenantry_domain::Role { id, stamp, name: input.name, description: None, scope: input.scope };
        draft.tx.add_role(crate::store::roles::columns(draft.account(), &role));
        Ok(())
    });
    assert!(matches!(silent.await, Err(Error::Internal(_))));
    let read = &world.registry.platform().store.read;
    let stored = Directory::load(read, operator.id()).await.unwrap().unwrap();
    assert_eq!((&stored, stored.version), (&*before, before.version));
}

/// The log of an account shows when somebody has changed it.
#[actix_rt::test]
async fn a_changed_or_missing_event_breaks_the_chain_and_an_erased_one_does_not() {
    use sea_orm::ConnectionTrait;
    let world = World::new().await;
    let operator = world.operator().await;
    for number in 0..4 {
        create_role(&operator, &format!("role {number}")).await.unwrap();
    }
    assert_eq!(operator.verify_events().await.unwrap(), 5);
    let db = sea_orm::Database::connect(&world.database.url).await.unwrap();
    let run = async |sql: &str| {
        db.execute_unprepared(sql).await.unwrap();
    };
    run("UPDATE event SET content = NULL, salt = NULL WHERE account_id = 'T00000000' AND seq = 3").await;
    assert_eq!(operator.verify_events().await.unwrap(), 5);
    run("UPDATE event SET subject = 'somebody else' WHERE account_id = 'T00000000' AND seq = 2").await;
    assert!(operator.verify_events().await.is_err());
    run("UPDATE event SET subject = 'system' WHERE account_id = 'T00000000' AND seq = 2").await;
    assert_eq!(operator.verify_events().await.unwrap(), 5);
    run("DELETE FROM event WHERE account_id = 'T00000000' AND seq = 4").await;
    assert!(operator.verify_events().await.is_err());
}
