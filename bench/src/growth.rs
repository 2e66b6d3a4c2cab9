//! What growth costs: the same requests where there is one account and where there are 100,000, where an account has 1,000
//! customers and where it has a million. A database for each size; all are served at the same time and asked in turn.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use sea_orm::{ConnectionTrait, Database, Statement};

use crate::customers::{Place, email, import, names, postgres};
use crate::http::{Connection, Request};
use crate::load::Load;
use crate::report::{HEAD, Report, Target, machine, told};
use crate::scale::{Crowd, create, display_name, furnish};
use crate::server::{Server, bootstrap};
use crate::world::{Member, World, enter, login};
use crate::{ROUNDS, TURN, median, ratio};

const PAGE: &str = "bench/GROWTH.md";
const PICTURE: &str = "bench/growth.svg";
/// How many different ones are asked for.
const ASKED: usize = 1000;
/// What is asked where accounts become more, over how many connections; and where customers do.
const OF_ACCOUNTS: [(&str, usize); 5] = [("token", 16), ("guarded read", 16), ("look-up", 1), ("search", 1), ("list", 1)];
const OF_CUSTOMERS: [(&str, usize); 4] = [("by customer_id", 1), ("by e-mail", 1), ("search", 1), ("list", 1)];
/// With their partner they are 100,000; it cannot have more.
const MOST_BELOW: usize = 99_999;
/// How many times the smallest size the largest may take.
const MOST: f64 = 2.0;
const COLOURS: [&str; 5] = ["#2f6fde", "#c77700", "#7a4fbf", "#2c8a57", "#b3325f"];

/// A database of one size, served.
struct Grown {
    size: usize,
    server: Server,
    /// What is asked of each kind, in the kinds' order.
    kinds: Vec<Vec<Request>>,
    place: Place,
}

/// What was seen of all sizes.
struct Seen {
    /// What there is more and more of.
    of: String,
    sizes: Vec<usize>,
    /// Each kind with its p99 in milliseconds at each size.
    kinds: Vec<(&'static str, Vec<f64>)>,
}

/// On SQLite and, where there is one, on PostgreSQL. A quick run shows that it works; what it took says nothing.
pub(crate) async fn growth(quick: bool) -> Result<()> {
    let (rounds, mut report) = (if quick { 1 } else { ROUNDS }, Report::default());
    // Of a few accounts a ratio says nothing.
    let bound = |most: f64| Target::AtMost(if quick { f64::INFINITY } else { most });
    let report = &mut report;
    println!("{HEAD}");
    let (accounts, customers): (&[usize], &[usize]) = if quick {
        (&[1, 100, 1_000], &[1_000, 5_000])
    } else {
        (&[1, 10, 100, 1_000, 10_000, MOST_BELOW], &[1_000, 10_000, 100_000, 1_000_000])
    };
    let mut seen = Vec::new();
    for (server, on) in [(None, "SQLite"), (postgres(), "PostgreSQL")] {
        if server.is_none() && on == "PostgreSQL" {
            continue;
        }
        let mut grown = Vec::new();
        for &size in accounts {
            grown.push(
                with_accounts(report, size, server.as_deref(), (size == accounts[accounts.len() - 1]).then(|| bound(0.2)))
                    .await?,
            );
        }
        let mut stored = Vec::new();
        for one in &grown[grown.len() - 3..] {
            stored.push((one.size as f64, stored_in(&one.place).await?));
        }
        one_more(report, &format!("the database, {on}"), &stored, bound(0.2));
        seen.push(compared(report, rounds, bound(MOST), &grown, &OF_ACCOUNTS, &format!("accounts, {on}")).await?);
        drop(grown);
        let mut grown = Vec::new();
        for &size in customers {
            grown.push(with_customers(size, server.as_deref()).await?);
        }
        seen.push(compared(report, rounds, bound(MOST), &grown, &OF_CUSTOMERS, &format!("customers, {on}")).await?);
    }
    print!("{}", tables(&seen)?);
    if !quick {
        let text = format!(
            "# What growth costs\n\n{}. {}\n\nMade by `make bench-growth`; do not edit. Each size has a database of its own; all are served at the \
             same time on one core and asked in turn for {} ms, {rounds} times. p99 in milliseconds, the median of the rounds. Tokens and \
             guarded reads are asked of other accounts in each round, all over what there is, as fast as 16 connections are answered; the rest \
             over one. Accounts stay in memory, for which 100,000 need more than the 1,024 MiB that they get as shipped; what the first \
             request of one costs that is not there, `tenantry-bench scale` tells.\n\n![p99, as a multiple of the smallest](growth.svg)\n\n\
             {}\n## Targets\n\n{HEAD}\n{}",
            told(&["date", "-u", "+%F %H:%M UTC"]),
            machine(),
            TURN.as_millis(),
            tables(&seen)?,
            report.rows(),
        );
        std::fs::write(PAGE, text)?;
        std::fs::write(PICTURE, picture(&seen)?)?;
        ensure!(report.holds(), "not every figure holds");
    }
    Ok(())
}

/// So many accounts, alike: a client each that was given a token, and showed it. Of the largest it tells what one more takes.
async fn with_accounts(report: &mut Report, size: usize, postgres: Option<&str>, largest: Option<Target>) -> Result<Grown> {
    let place = Place::new(postgres).await?;
    let made = bootstrap(place.directory.path(), &place.settings())?;
    let server = Server::start(place.directory.path(), &place.settings())?;
    let mut wire = Connection::open(server.api).await?;
    let operator = login(&mut wire, &made["test"]).await?;
    let (_, partner, _) = World::partner(&mut wire, &operator, "T11200000").await?;
    let mut ids = create(&server, &partner, 0..size, display_name).await?.0;
    let template = enter(&mut wire, &partner, &ids[0]).await?;
    ids.sort_unstable();
    let (basic, role) = furnish(&mut wire, &template).await?;
    drop(server);
    let crowd = Crowd { place, ids, basic, role };
    crowd.clone_rows(&template.id).await?;

    let server = crowd.start()?;
    let mut wire = Connection::open(server.api).await?;
    let mut members: Vec<Member> = Vec::new();
    let mut taken = Vec::new();
    let marks: Vec<usize> = [size / 100, size / 10, size].into_iter().filter(|mark| *mark > 0).collect();
    for mark in marks {
        let more = crowd.tokens(&server, &crowd.ids[members.len()..mark]).await?;
        for member in &more {
            wire.json(&crowd.read(member)).await?;
        }
        members.extend(more);
        taken.push((mark as f64, server.resident()? * 1024.0));
    }
    if let Some(target) = largest {
        one_more(report, &format!("memory, {}", if postgres.is_some() { "PostgreSQL" } else { "SQLite" }), &taken, target);
    }

    let numbers: Vec<usize> = (0..ASKED).map(|nth| nth.wrapping_mul(7919) % size).collect();
    let ask = |rest: String| Request::get(&partner.path(&format!("management/accounts{rest}")), &partner.token);
    let after =
        |number: usize| number.checked_sub(1).map_or(String::new(), |before| format!("&starting_after={}", crowd.ids[before]));
    let kinds: Vec<Vec<Request>> = vec![
        members.iter().map(|member| crowd.token(&member.id)).collect(),
        members.iter().map(|member| crowd.read(member)).collect(),
        numbers.iter().map(|number| ask(format!("/{}", crowd.ids[*number]))).collect(),
        numbers.iter().map(|number| ask(format!("?limit=1&search={}", display_name(*number).replace(' ', "%20")))).collect(),
        numbers.iter().map(|number| ask(format!("?limit=1{}", after(*number)))).collect(),
    ];
    for requests in &kinds[3..] {
        let found = wire.json(&requests[0]).await?;
        ensure!(found.as_array().is_some_and(|found| found.len() == 1), "one of {size} is not found: {found}");
    }
    eprintln!("{size} accounts");
    Ok(Grown { size, server, kinds, place: crowd.place })
}

/// How far bytes for an account more are from constant, of three numbers of accounts with what they take.
fn one_more(report: &mut Report, of: &str, taken: &[(f64, f64)], target: Target) {
    let [few, more, all] = taken else { return };
    let each = |from: &(f64, f64), to: &(f64, f64)| (to.1 - from.1) / (to.0 - from.0);
    let (first, then) = (each(few, more), each(more, all));
    let name = format!("bytes of {of}, for an account more: {} to {} / {} to {}", more.0, all.0, few.0, more.0);
    report.add(&name, (then / first - 1.0).abs(), "", target, format!("{then:.0} and {first:.0} bytes"));
}

/// One account with so many customers.
async fn with_customers(size: usize, postgres: Option<&str>) -> Result<Grown> {
    let place = Place::new(postgres).await?;
    let made = bootstrap(place.directory.path(), &place.settings())?;
    let server = Server::start(place.directory.path(), &place.settings())?;
    let mut wire = Connection::open(server.api).await?;
    let operator = login(&mut wire, &made["test"]).await?;
    let (_, member, _) = World::partner(&mut wire, &operator, "T11200000").await?;
    import(&mut wire, &member, 0, size).await?;
    if postgres.is_some() {
        Database::connect(&place.url).await?.execute_unprepared("VACUUM ANALYZE").await?;
    }
    let numbers: Vec<usize> = (0..ASKED).map(|nth| nth.wrapping_mul(7919) % (size - 100)).collect();
    let get = |rest: String| Request::get(&member.path(&format!("customers/users{rest}")), &member.token);
    let prefix = |number: usize| {
        let (first, last) = names(number);
        format!("?limit=1&search={first}%20{}", &last[..2])
    };
    let kinds: Vec<Vec<Request>> = vec![
        numbers.iter().map(|number| get(format!("/c{number}"))).collect(),
        numbers.iter().map(|number| get(format!("?limit=1&email={}", email(*number)))).collect(),
        numbers.iter().map(|number| get(prefix(*number))).collect(),
        numbers.iter().map(|number| get(format!("?type=customer&limit=100&starting_after=c{number}"))).collect(),
    ];
    for requests in &kinds[1..] {
        let found = wire.json(&requests[0]).await?;
        ensure!(found.as_array().is_some_and(|found| !found.is_empty()), "nothing of {size} is found: {found}");
    }
    eprintln!("{size} customers");
    Ok(Grown { size, server, kinds, place })
}

/// How many bytes the database has.
async fn stored_in(place: &Place) -> Result<f64> {
    let db = Database::connect(&place.url).await?;
    let sql = match db.get_database_backend() {
        sea_orm::DatabaseBackend::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        _ => "SELECT pg_database_size(current_database())",
    };
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("a size")?;
    let bytes: i64 = row.try_get_by_index(0)?;
    db.close().await?;
    Ok(bytes as f64)
}

/// Asks all sizes in turn; the largest beside the smallest is a figure.
async fn compared(
    report: &mut Report,
    rounds: usize,
    target: Target,
    grown: &[Grown],
    kinds: &[(&'static str, usize)],
    of: &str,
) -> Result<Seen> {
    let sizes: Vec<usize> = grown.iter().map(|one| one.size).collect();
    let mut seen = Seen { of: of.to_owned(), sizes: sizes.clone(), kinds: Vec::new() };
    for (kind, (name, connections)) in kinds.iter().enumerate() {
        let mut p99s = vec![Vec::new(); grown.len()];
        for round in 0..rounds {
            for (one, p99s) in grown.iter().zip(&mut p99s) {
                let requests = &one.kinds[kind];
                // Each round goes on elsewhere among all there are.
                let first = requests.len() * round / rounds;
                let pick = |connection: usize, nth: usize| {
                    &requests[(first + nth * connections + connection).wrapping_mul(7919) % requests.len()]
                };
                p99s.push(Load::closed(*connections, TURN).run(one.server.api, pick).await?.percentile(0.99));
            }
        }
        let (smallest, largest) = (&p99s[0], &p99s[p99s.len() - 1]);
        let figures: Vec<f64> = p99s.iter().cloned().map(median).collect();
        let name = *name;
        let told = format!("p99 {:.2} and {:.2} ms", figures[figures.len() - 1], figures[0]);
        let what = format!("{name}, {of}: {} / {}", sizes[sizes.len() - 1], sizes[0]);
        report.add(&what, ratio(largest, smallest), "", target, told);
        seen.kinds.push((name, figures));
    }
    Ok(seen)
}

/// A row for each size.
fn tables(seen: &[Seen]) -> Result<String> {
    let mut text = String::new();
    for Seen { of, sizes, kinds } in seen {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        writeln!(text, "| {of} | {} |\n|---|{}", names.join(" | "), "---|".repeat(kinds.len()))?;
        for (nth, size) in sizes.iter().enumerate() {
            let cells: Vec<String> = kinds.iter().map(|(_, p99s)| format!("{:.2}", p99s[nth])).collect();
            writeln!(text, "| {size} | {} |", cells.join(" | "))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// How many times the smallest each kind takes, a panel for each of what grows.
fn picture(seen: &[Seen]) -> Result<String> {
    let (panel, top, tall) = (330.0, 50.0, 160.0);
    let (width, height) = (panel * seen.len() as f64 + 20.0, 320.0);
    let most =
        seen.iter().flat_map(|one| &one.kinds).map(|(_, p99s)| p99s.iter().fold(0.0_f64, |most, one| most.max(*one)) / p99s[0]);
    let most = most.fold(2.2, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>p99 as a multiple of that of the smallest size</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"22\" fill=\"#333333\">p99 as a multiple of that of the smallest size; red: twice, the most that is allowed</text>\n"
    );
    for (nth, Seen { of, sizes, kinds }) in seen.iter().enumerate() {
        let left = 40.0 + panel * nth as f64;
        let x = |place: usize| left + 260.0 * place as f64 / (sizes.len() - 1) as f64;
        let y = |times: f64| top + tall * (1.0 - times / most);
        for (times, colour) in [(0.0, "#333333"), (1.0, "#c9d1d9"), (MOST, "#c0392b")] {
            let at = y(times);
            writeln!(
                svg,
                "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#333333\">{times}x</text>",
                left + 260.0,
                left - 5.0,
                at + 4.0
            )?;
        }
        for (place, size) in sizes.iter().enumerate() {
            let (at, below) = (x(place), top + tall + 16.0);
            writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#333333\">{size}</text>"
            )?;
        }
        writeln!(svg, "<text x=\"{left}\" y=\"{}\" fill=\"#333333\">{of}</text>", top + tall + 36.0)?;
        for (kind, (name, p99s)) in kinds.iter().enumerate() {
            let points: Vec<String> =
                p99s.iter().enumerate().map(|(place, p99)| format!("{:.1},{:.1}", x(place), y(p99 / p99s[0]))).collect();
            let (colour, row) = (COLOURS[kind], top + tall + 54.0 + 16.0 * (kind / 2) as f64);
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
                 <rect x=\"{1:.1}\" y=\"{2:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n\
                 <text x=\"{3:.1}\" y=\"{row}\" fill=\"#333333\">{name}</text>",
                points.join(" "),
                left + 130.0 * (kind % 2) as f64,
                row - 9.0,
                left + 130.0 * (kind % 2) as f64 + 15.0
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
