//! What administrators do, and what callers do to others, while all write.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::asks::{Asks, SILENCE};
use crate::run::spread;
use crate::site::{PATIENCE, Site};

/// How many ask at once in a flood, and for how long.
const FLOOD: usize = 96;
const LASTS: Duration = Duration::from_millis(700);

/// Every account gets a new signing key; each third time the old ones are taken back. Each second time the server is killed as soon as all
/// are told: the keys are there, and those that were taken back are not.
pub(crate) async fn rotate(site: &mut Site, nth: u32) -> Option<Instant> {
    let body = if nth % 3 == 2 { json!({"revoke_previous": true}) } else { json!({"activate_in": 0}) };
    let before = join_all(site.accounts.iter().map(Asks::new_token)).await;
    let rotated = site.accounts.iter().map(|asks| asks.send(Method::POST, "auth/keys/rotate", Some(body.clone())));
    let rotated = join_all(rotated).await;
    if nth % 2 == 1 {
        site.server().kill();
        site.start().await;
    }
    let over = Instant::now();
    if rotated.iter().any(|answer| answer.status != 200) {
        return None;
    }
    for ((asks, rotated), before) in site.accounts.iter().zip(&rotated).zip(before) {
        let published = asks.send(Method::GET, ".well-known/jwks.json", None).await.good().body;
        let mut keys = published["keys"].as_array().into_iter().flatten();
        assert!(keys.any(|key| key["kid"] == rotated.body["kid"]), "a new signing key is lost");
        let before = asks.send_as(&before.expect("a token"), Method::GET, "auth/roles", None).await.status;
        assert_eq!(before == 401, nth % 3 == 2, "a token of the key before is answered {before}");
    }
    Some(over)
}

/// An account is suspended, and let go on. Each second time the server is killed meanwhile: the account stays suspended.
pub(crate) async fn suspend(site: &mut Site, nth: u32) -> Option<Instant> {
    let account = site.accounts[nth as usize % site.accounts.len()].clone();
    let (operator, path) = (site.operator.clone(), format!("management/accounts/{}", account.account));
    let set = async |active: bool| {
        let (body, begun) = (json!({"active": active}), Instant::now());
        while operator.send(Method::PUT, &path, Some(body.clone())).await.status != 200 {
            assert!(begun.elapsed() < PATIENCE, "it cannot be suspended");
        }
    };
    set(false).await;
    if nth % 2 == 1 {
        site.server().kill();
        site.start().await;
    }
    let refused = account.send(Method::GET, "auth/roles", None).await.status;
    tokio::time::sleep(spread(nth, Duration::from_millis(500))).await;
    set(true).await;
    (refused == 403).then(Instant::now)
}

/// Many ask one account at once, to write and to read.
pub(crate) async fn flood(site: &mut Site, nth: u32) -> Option<Instant> {
    let account = &site.accounts[nth as usize % site.accounts.len()];
    let until = Instant::now() + LASTS;
    let asks = (0..FLOOD).map(async |caller| {
        let mut busy = 0;
        while Instant::now() < until {
            // Both go through the account's actor; the first finds what it would delete neither in memory nor in a table.
            let (method, path, body) = match caller % 3 {
                0 => (Method::DELETE, "auth/roles/00000000-0000-7000-8000-000000000000", None),
                1 => (Method::PUT, "customers/settings", Some(json!({}))),
                _ => (Method::GET, "auth/roles", None::<Value>),
            };
            busy += u32::from(account.send(method, path, body).await.status != SILENCE);
        }
        busy
    });
    let answered: u32 = join_all(asks).await.into_iter().sum();
    (answered > 0).then(Instant::now)
}
