//! One account at ten times its rate, with each kind of request in turn, and a neighbour that asks the same at a modest pace.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::ROUND;
use crate::http::{Connection, Request};
use crate::load::{Load, Seen};
use crate::people::App;
use crate::report::{Report, Target};
use crate::server::{Server, directory};
use crate::world::{Member, World};

/// The picture of it.
const PICTURE: &str = "docs/neighbours.svg";
/// How many clients flood.
const CLIENTS: usize = 4;
/// The flood begins before anybody looks, and ends after.
const MARGIN: Duration = Duration::from_millis(300);
/// How long it takes until nothing is left of what may be asked at once.
const DRAIN: Duration = Duration::from_secs(1);

/// A kind of request.
struct Kind {
    name: &'static str,
    /// How many requests a second the noisy account may make, and as many at once.
    quota: u32,
    /// What the noisy account asks, and over how many connections.
    flood: Vec<Request>,
    /// What its neighbour asks, and how often a second.
    steady: (Vec<Request>, f64),
}

pub(crate) async fn neighbours(report: &mut Report, rounds: usize, keep: bool) -> Result<()> {
    let directory = directory()?;
    let (server, world) = World::start(directory.path(), &[], 5).await?;
    let _awake = Server::awake()?;
    let mut wire = Connection::open(server.api).await?;
    let kinds = kinds(&mut wire, &world).await?;
    let mut shown = Vec::new();
    for (nth, kind) in kinds.iter().enumerate() {
        let noisy = &world.below[nth];
        let limits = json!({"limits": {"requests_per_second": kind.quota, "burst": kind.quota}});
        let account = world.partner.path(&format!("management/accounts/{}", noisy.id));
        wire.json(&Request::json("PUT", &account, &world.partner.token, &limits)).await?;
        shown.push(beside(report, rounds, &server, kind).await?);
    }
    if keep {
        std::fs::write(Path::new(PICTURE), picture(&shown)?)?;
    }
    suspended(report, &server, &world, &kinds[2].flood).await
}

/// Clients of one account with their credentials, and the path of a role there; a customer is called `asked`.
type Crowd = (Vec<(Member, String)>, String);

/// The requests of all four.
async fn kinds(wire: &mut Connection, world: &World) -> Result<[Kind; 4]> {
    let mut crowds = Vec::new();
    for (nth, clients) in [(0, CLIENTS), (1, CLIENTS), (2, CLIENTS), (4, 1)] {
        let noisy = &world.below[nth];
        let mut crowd = Vec::new();
        for _ in 0..clients {
            crowd.push(noisy.client(wire).await?);
        }
        let role = wire.json(&noisy.create_role()).await?;
        wire.json(&crowd[0].0.post("customers/users", &json!({"customer_id": "asked"}))).await?;
        crowds.push((crowd, format!("auth/roles/{}", role["id"].as_str().context("an id")?)));
    }
    let neighbour = crowds.pop().context("a neighbour")?;
    let change = json!({"first_name": "Changed", "last_name": "by a load"});
    let each = |(crowd, role): &Crowd, ask: &dyn Fn(&Member, &str, &str) -> Request| -> Vec<Request> {
        crowd.iter().map(|(client, basic)| ask(client, basic, role)).collect()
    };
    let token = |client: &Member, basic: &str, _: &str| client.client_credentials(basic);
    let read = |client: &Member, _: &str, role: &str| Request::get(&client.path(role), &client.token);
    // Not a role, which is administered on a lane of its own.
    let write =
        |client: &Member, _: &str, _: &str| Request::json("PUT", &client.path("customers/users/asked"), &client.token, &change);
    let apps = [App::with_user(wire, &world.below[3]).await?, App::with_user(wire, &world.below[4]).await?];
    let [flood_logins, own_logins] = apps.each_ref().map(|app| vec![app.log_in_user()]);
    Ok([
        Kind { name: "tokens", quota: 500, flood: each(&crowds[0], &token), steady: (each(&neighbour, &token), 90.0) },
        Kind { name: "reads", quota: 500, flood: each(&crowds[1], &read), steady: (each(&neighbour, &read), 90.0) },
        Kind { name: "writes", quota: 100, flood: each(&crowds[2], &write), steady: (each(&neighbour, &write), 20.0) },
        Kind { name: "logins", quota: 10, flood: flood_logins, steady: (own_logins, 8.0) },
    ])
}

/// What a neighbour sees: its p99 in milliseconds when it is quiet, and beside the flood.
struct Shown {
    name: &'static str,
    quiet: f64,
    beside: f64,
}

async fn beside(report: &mut Report, rounds: usize, server: &Server, kind: &Kind) -> Result<Shown> {
    let (theirs, rate) = &kind.steady;
    let window = if kind.quota < 500 { 3 * ROUND } else { ROUND };
    let steady = Load { connections: 4, duration: window, rate: Some(*rate), refusals: false };
    let flood = Load { connections: 64, duration: window + 2 * MARGIN, rate: Some(10.0 * f64::from(kind.quota)), refusals: true };
    let steadily = || steady.run(server.api, |_, nth| &theirs[nth % theirs.len()]);
    let flooding = |load: Load| load.run(server.api, |connection, nth| &kind.flood[(connection + nth) % kind.flood.len()]);
    let (mut quiet, mut beside, mut share) = (Seen::default(), Seen::default(), Vec::new());
    for _ in 0..rounds {
        quiet.add(steadily().await?);
        flooding(Load { duration: DRAIN, ..flood }).await?;
        let later = async {
            actix_rt::time::sleep(MARGIN).await;
            steadily().await
        };
        let (others, flooded) = futures_util::future::try_join(later, flooding(flood)).await?;
        beside.add(others);
        ensure!(flooded.refused > flooded.answered(), "the flood was not refused");
        share.push(flooded.rate / f64::from(kind.quota));
        actix_rt::time::sleep(ROUND).await; // the buckets fill
    }
    let (quiet, beside) = (quiet.percentile(0.99), beside.percentile(0.99));
    let name = kind.name;
    let detail = format!("{beside:.2} ms, {quiet:.2} ms quiet");
    report.add(
        &format!("a neighbour's p99 of {name} beside ten times an account's rate of them / quiet"),
        beside / quiet,
        "",
        Target::AtMost(2.0),
        detail,
    );
    let (least, most) = (share.iter().copied().fold(f64::MAX, f64::min), share.iter().copied().fold(0.0, f64::max));
    let off = (1.0 - least).max(most - 1.0);
    report.add(
        &format!("{name} of the noisy account: how far from its rate it is served, in the worst round"),
        off,
        "",
        Target::AtMost(0.1),
        format!("{least:.2} to {most:.2} of {}/s", kind.quota),
    );
    Ok(Shown { name, quiet, beside })
}

/// In the middle of a flood its partner suspends the noisy account.
async fn suspended(report: &mut Report, server: &Server, world: &World, writes: &[Request]) -> Result<()> {
    let account = world.partner.path(&format!("management/accounts/{}", world.below[2].id));
    let suspend = Request::json("PUT", &account, &world.partner.token, &json!({"active": false}));
    let mut wire = Connection::open(server.api).await?;
    let suspended = async {
        actix_rt::time::sleep(ROUND / 2).await;
        let begun = Instant::now();
        wire.json(&suspend).await?;
        anyhow::Ok(begun.elapsed())
    };
    let flood = Load { connections: 64, duration: ROUND, rate: Some(2000.0), refusals: true };
    let drowned = async { Ok(flood.run(server.api, |connection, nth| &writes[(connection + nth) % writes.len()]).await.err()) };
    let (took, end) = futures_util::future::try_join(suspended, drowned).await?;
    ensure!(end.is_some_and(|end| end.to_string().contains("account_suspended")), "the flood went on after the suspension");
    report.add("suspending an account in the middle of its flood", took.as_secs_f64() * 1000.0, " ms", Target::AtMost(500.0), "");
    Ok(())
}

/// A panel for each kind: what the neighbour's slowest hundredth waits, quiet and beside the flood, and twice the quiet one as a line.
fn picture(shown: &[Shown]) -> Result<String> {
    let (panel, height, base) = (170, 250, 200.0);
    let width = panel * shown.len() + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>p99 of a quiet account, without and with a neighbour at ten times its rate</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"22\" fill=\"#333333\">p99 of a quiet account: alone (grey), and beside an account at ten times its rate (blue)</text>\n"
    );
    for (nth, Shown { name, quiet, beside }) in shown.iter().enumerate() {
        let left = 16 + nth * panel;
        let scale = 130.0 / (2.0 * quiet).max(*beside);
        let limit = base - 2.0 * quiet * scale;
        for (place, value, colour) in [(14, quiet, "#9aa5b1"), (74, beside, "#2f6fde")] {
            let tall = value * scale;
            let (x, y) = (left + place, base - tall);
            writeln!(svg, "<rect x=\"{x}\" y=\"{y:.1}\" width=\"48\" height=\"{tall:.1}\" fill=\"{colour}\"/>")?;
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#333333\">{value:.1} ms</text>",
                x + 24,
                y - 4.0
            )?;
        }
        let (from, to) = (left + 6, left + 130);
        writeln!(
            svg,
            "<line x1=\"{from}\" x2=\"{to}\" y1=\"{limit:.1}\" y2=\"{limit:.1}\" stroke=\"#c0392b\" stroke-dasharray=\"4 3\"/>\n\
             <text x=\"{}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#333333\">{name}</text>",
            left + 68,
            base + 18.0
        )?;
    }
    writeln!(
        svg,
        "<text x=\"16\" y=\"240\" fill=\"#666666\">red line: twice as long as alone, the most that is allowed</text>\n</svg>"
    )?;
    Ok(svg)
}
