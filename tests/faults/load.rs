//! What administrators do, and what callers do to others, while all write.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::asks::SILENCE;
use crate::run::spread;
use crate::site::{PATIENCE, Site};

/// How many ask at once in a flood, and for how long.
const FLOOD: usize = 96;
const LASTS: Duration = Duration::from_millis(700);

/// Every account gets a new signing key; each third time the old ones are taken back.
pub(crate) async fn rotate(site: &mut Site, nth: u32) -> Option<Instant> {
    let body = if nth % 3 == 2 { json!({"revoke_previous": true}) } else { json!({"activate_in": 0}) };
    let rotated = site.accounts.iter().map(|asks| asks.send(Method::POST, "auth/keys/rotate", Some(body.clone())));
    let rotated = join_all(rotated).await.iter().all(|answer| answer.status == 200);
    rotated.then(Instant::now)
}

/// An account is suspended, and let go on.
pub(crate) async fn suspend(site: &mut Site, nth: u32) -> Option<Instant> {
    let account = &site.accounts[nth as usize % site.accounts.len()];
    let set = async |active: bool| {
        let (path, body) = (format!("management/accounts/{}", account.account), json!({"active": active}));
        let begun = Instant::now();
        while site.operator.send(Method::PUT, &path, Some(body.clone())).await.status != 200 {
            assert!(begun.elapsed() < PATIENCE, "it cannot be suspended");
        }
    };
    set(false).await;
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
            let (method, body) =
                if caller % 2 == 0 { (Method::POST, Some(json!({"scope": "none"}))) } else { (Method::GET, None::<Value>) };
            busy += u32::from(account.send(method, "auth/roles", body).await.status != SILENCE);
        }
        busy
    });
    let answered: u32 = join_all(asks).await.into_iter().sum();
    (answered > 0).then(Instant::now)
}
