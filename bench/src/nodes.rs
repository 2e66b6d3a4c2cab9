//! How soon one node knows what another has acknowledged.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::customers::{Place, postgres};
use crate::http::{Connection, Request};
use crate::report::{Report, Target};
use crate::server::{Server, bootstrap};
use crate::world::{enter, login};

/// How often each node looks for news, in milliseconds: as it is by default.
const POLL: f64 = 200.0;
/// And the promise.
const HORIZON: f64 = 2000.0;

/// Clients are deleted on one node while their tokens are shown on the other.
pub(crate) async fn nodes(report: &mut Report, rounds: usize) -> Result<()> {
    let Some(server) = postgres() else { return Ok(()) };
    let place = Place::new(Some(&server)).await?;
    let made = bootstrap(place.directory.path(), &place.settings())?;
    let [one, other] = [0, 1].map(|_| Server::start(place.directory.path(), &place.settings()));
    let (one, other) = (one?, other?);
    let (mut here, mut there) = (Connection::open(one.api).await?, Connection::open(other.api).await?);
    let operator = login(&mut here, &made["test"]).await?;
    here.json(&operator.post("management/accounts", &json!({"account_id": "T11200000", "display_name": "Partner"}))).await?;
    let partner = enter(&mut here, &operator, "T11200000").await?;
    let mut delays = Vec::new();
    for _ in 0..rounds * 30 {
        let (client, _) = partner.client(&mut here).await?;
        let clients = here.json(&Request::get(&partner.path("auth/clients"), &partner.token)).await?;
        let id = clients.as_array().and_then(|clients| clients.last()?["id"].as_str()).context("a client")?.to_owned();
        let read = Request::get(&client.path("auth/roles"), &client.token);
        while there.ask(&read).await?.status != 200 {}
        here.json(&Request::json("DELETE", &partner.path(&format!("auth/clients/{id}")), &partner.token, &json!({}))).await?;
        let acknowledged = Instant::now();
        let delay = loop {
            let begun = acknowledged.elapsed();
            match there.ask(&read).await?.status {
                200 => {}
                401 => break begun,
                status => anyhow::bail!("answered {status}"),
            }
        };
        delays.push(delay.as_secs_f64() * 1000.0);
    }
    delays.sort_by(f64::total_cmp);
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize];
    let detail = format!("of {}; median {:.0} ms, worst {:.0} ms; poll_ms {POLL}", delays.len(), at(0.5), at(1.0));
    report.add(
        "a revocation on one node is refused on the other after, p99",
        at(0.99),
        " ms",
        Target::AtMost(POLL + 50.0),
        detail,
    );
    ensure!(at(1.0) < HORIZON, "a request was served on the strength of what stood there before the horizon");
    Ok(())
}
