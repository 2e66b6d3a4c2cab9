//! The clock of one node jumps: what is known of others goes by a clock that nobody sets.

use std::time::{Duration, Instant};

use tenantry_tests::{Clock, TestDatabase};

use crate::nodes::{HORIZON, Ledger, ROLES, Two, answers, node, recovers, rounds};

/// How far it jumps, one after the other, in seconds. Tokens of others are refused by a clock that is more than a minute late.
const JUMPS: [i64; 4] = [3600, -50, 20, 0];

#[actix_web::test]
async fn a_node_whose_clock_jumps_serves_nothing_stale_and_loses_nothing() {
    if !TestDatabase::is_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let clock = Clock::of(&database);
    let two = Two::start_beside(&database, clock.under(node(&database))).await;
    let ledger = Ledger::start(&[&two.here, &two.there]).await;
    let (mut stale, mut worst, mut jumps) = (0, Duration::ZERO, 0);
    for _ in 0..rounds() {
        for seconds in JUMPS {
            let (client, place) = two.client().await;
            ledger.goes_on().await;
            clock.set(seconds);
            two.end(&place).await;
            let acknowledged = Instant::now();
            let last = answers(&client, ROLES, |status| status != 200).await;
            stale += u32::from(last > acknowledged + HORIZON);
            worst = worst.max(recovers(&two.there, &two.role).await);
            // An event by that clock.
            two.there.role().await;
            jumps += 1;
        }
    }
    // It was that node's clock indeed.
    let ahead = "SELECT count(*)::text FROM event WHERE account_id = 'T00000000' AND at > (extract(epoch FROM now()) * 1000000)::bigint + 3000000000";
    assert_ne!(database.column(ahead).await, ["0"]);
    // Whatever the clocks say, events come in the order in which they happened.
    let order = "SELECT count(*)::text FROM (SELECT id, lag(id) OVER (ORDER BY seq) AS before FROM event \
                 WHERE account_id = 'T00000000' AND seq IS NOT NULL) event WHERE id <= before";
    assert_eq!(database.column(order).await, ["0"]);
    let (acknowledged, stored) = ledger.settle(&two.here).await;
    println!(
        "the clock jumped {jumps} times: acknowledged {acknowledged}, stored {stored}, stale {stale}, recovered after {worst:?} at most"
    );
    assert_eq!(stale, 0);
}
