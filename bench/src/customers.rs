//! Customers, where one account has very many: taking them over, finding one, walking through all.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;
use tempfile::TempDir;

use crate::baseline::since_1970;
use crate::http::{Connection, Request};
use crate::load::{Load, Seen};
use crate::report::{Report, Target};
use crate::server::{Server, baseline, bootstrap, directory};
use crate::world::{Member, enter, login};
use crate::{TURN, TURNS, WIDE, median, ratio};

/// How many a small account has, and a page of a list.
const FEW: usize = 1000;
const PAGE: usize = 100;
/// How many are created in a turn at most.
const CREATES: usize = 12_000;
/// How many go with one request of the import.
const PIECE: usize = 5000;
/// How many different ones are asked for.
const ASKED: usize = 1000;
const FIRST: [&str; 20] = [
    "Ola", "Kari", "Per", "Anne", "Lars", "Ingrid", "Nils", "Marit", "Jan", "Eva", "Ole", "Liv", "Arne", "Berit", "Odd",
    "Astrid", "Knut", "Solveig", "Geir", "Tove",
];
const LAST: [&str; 20] = [
    "Hansen",
    "Johansen",
    "Olsen",
    "Larsen",
    "Andersen",
    "Pedersen",
    "Nilsen",
    "Kristiansen",
    "Jensen",
    "Karlsen",
    "Berg",
    "Haugen",
    "Hagen",
    "Dahl",
    "Lund",
    "Moen",
    "Strand",
    "Solberg",
    "Bakken",
    "Lie",
];

/// The names of the customer with this number.
pub(crate) fn names(number: usize) -> (&'static str, String) {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    (FIRST[mixed % 20], format!("{}{}", LAST[mixed / 20 % 20], ["", "", "", "haug", "vik", "rud"][mixed / 400 % 6]))
}

fn line(number: usize) -> String {
    let (first, last) = names(number);
    json!({"customer_id": format!("c{number}"), "first_name": first, "last_name": last, "email": email(number),
        "phone_number": format!("+47{}", 10_000_000 + number), "metadata": {"number": number}})
    .to_string()
}

pub(crate) fn email(number: usize) -> String {
    let (first, last) = names(number);
    format!("{}.{}.{number}@example.com", first.to_lowercase(), last.to_lowercase())
}

/// Brings customers `from..to` to an account.
pub(crate) async fn import(wire: &mut Connection, member: &Member, from: usize, to: usize) -> Result<()> {
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n", member.token);
    for begin in (from..to).step_by(PIECE) {
        let mut body = String::new();
        for number in begin..to.min(begin + PIECE) {
            writeln!(body, "{}", line(number))?;
        }
        let answer = wire.ask(&Request::new("POST", &member.path("customers/users:import"), &headers, &body)).await?;
        let created = answer.body.windows(9).filter(|part| part == b"\"created\"").count();
        ensure!(answer.status == 200 && created == to.min(begin + PIECE) - begin, "{created} of a piece were taken over");
    }
    Ok(())
}

/// Where a run keeps its accounts.
pub(crate) struct Place {
    name: &'static str,
    pub(crate) directory: TempDir,
    /// The database as the program takes it; of SQLite the file in the directory.
    pub(crate) url: String,
}

impl Place {
    /// A new one; on the PostgreSQL server at `server` if there is one.
    pub(crate) async fn new(server: Option<&str>) -> Result<Self> {
        let directory = directory()?;
        let (name, url) = match server {
            None => ("SQLite", format!("sqlite://{}", directory.path().canonicalize()?.join("tenantry.db").display())),
            Some(server) => {
                let database = format!("bench_{}", since_1970()?.as_nanos());
                let db = Database::connect(format!("{server}/postgres")).await?;
                db.execute_unprepared(&format!("CREATE DATABASE {database}")).await?;
                ("PostgreSQL", format!("{server}/{database}"))
            }
        };
        Ok(Self { name, directory, url })
    }

    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        WIDE.into_iter().chain([("TENANTRY_DATABASE_URL", self.url.as_str())]).collect()
    }
}

/// The PostgreSQL server that `TENANTRY_TEST_POSTGRES` names.
#[expect(clippy::disallowed_methods, reason = "a tool of developers, not the product")]
pub(crate) fn postgres() -> Option<String> {
    std::env::var("TENANTRY_TEST_POSTGRES").ok()
}

/// On SQLite and on PostgreSQL.
pub(crate) async fn customers(report: &mut Report, rounds: usize, quick: bool) -> Result<()> {
    on(report, rounds, quick, None).await?;
    if let Some(server) = postgres() {
        on(report, rounds, quick, Some(&server)).await?;
    } else {
        eprintln!("there is no PostgreSQL: run it through scripts/with-postgres");
    }
    Ok(())
}

async fn on(report: &mut Report, rounds: usize, quick: bool, postgres: Option<&str>) -> Result<()> {
    let (many, accounts) = if quick { (50_000, 1000) } else { (1_000_000, 99_000) };
    let (place, bare) = (Place::new(postgres).await?, Place::new(postgres).await?);
    bootstrap(bare.directory.path(), &bare.settings())?;
    let made = bootstrap(place.directory.path(), &place.settings())?;
    let server = Server::start(place.directory.path(), &place.settings())?;
    let mut wire = Connection::open(server.api).await?;
    let operator = login(&mut wire, &made["test"]).await?;
    let mut partners = Vec::new();
    for id in ["T11200000", "T11300000", "T11400000"] {
        wire.json(&operator.post("management/accounts", &json!({"account_id": id, "display_name": "Partner"}))).await?;
        partners.push(enter(&mut wire, &operator, id).await?);
    }
    let [large, few, other] = &partners[..] else { unreachable!("three were made") };
    created(report, rounds, &server, other, (&place, &bare)).await?;
    beside(&server, other, accounts).await?;
    taken_over(report, &server, &mut wire, large, (many, place.name)).await?;
    import(&mut wire, few, 0, FEW).await?;
    for (member, count) in [(large, many), (few, FEW)] {
        for number in (0..count).step_by(count / FEW) {
            let path = format!("customers/users/c{number}/tokens");
            wire.json(&member.post(&path, &json!({"type": "card", "value": format!("card-{number}")}))).await?;
        }
    }
    if postgres.is_some() {
        // What it does by itself some time after so many rows have come.
        let db = Database::connect(&place.url).await?;
        for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
            db.execute_unprepared(statement).await?;
        }
    }
    found(report, rounds, &server, (large, many, place.name), few).await?;
    walked(report, rounds, &server, large, (many, place.name)).await
}

/// How fast customers are created, one by one, beside the same statements without anything around them.
async fn created(report: &mut Report, rounds: usize, server: &Server, member: &Member, at: (&Place, &Place)) -> Result<()> {
    let (place, bare) = at;
    let sqlite = place.name == "SQLite";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..rounds * TURNS {
        let create = |number: usize| {
            let (first, last) = names(number * 31);
            let email = format!("{first}.{last}.{turn}.{number}@example.com").to_lowercase();
            let phone = format!("+47{:02}{number:08}", turn % 100);
            let body = json!({"first_name": first, "last_name": last, "email": email, "phone_number": phone});
            member.post("customers/users", &body)
        };
        let requests: Vec<Request> = (0..CREATES).map(create).collect();
        let next = AtomicUsize::new(0);
        let load = Load::closed(if sqlite { 64 } else { 16 }, TURN);
        let seen = load.run(server.api, |_, _| &requests[next.fetch_add(1, Ordering::Relaxed) % CREATES]).await?;
        ours.push(seen.rate);
        theirs.push(baseline(&["creates", &bare.url])?);
    }
    let detail = format!("{:.0}/s, {:.0}/s", median(ours.clone()), median(theirs.clone()));
    let (name, least) = if sqlite {
        ("customers created, SQLite / the same statements in-process, 64 a commit", 0.4)
    } else {
        ("customers created, PostgreSQL / the same inserts by 16 clients", 0.5)
    };
    report.add(name, ratio(&ours, &theirs), "", Target::AtLeast(least), detail);
    Ok(())
}

/// Accounts that are there, too.
async fn beside(server: &Server, partner: &Member, count: usize) -> Result<()> {
    let makers = (0..16).map(async |maker| {
        let mut wire = Connection::open(server.api).await?;
        for _ in (maker..count).step_by(16) {
            wire.json(&partner.post("management/accounts", &json!({"display_name": "Shop"}))).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(makers).await.map(drop)
}

/// How fast customers are taken over, and what memory that takes.
async fn taken_over(
    report: &mut Report,
    server: &Server,
    wire: &mut Connection,
    member: &Member,
    (many, on): (usize, &str),
) -> Result<()> {
    let idle = server.resident()?;
    let (process, ended) = (server.process(), Arc::new(AtomicBool::new(false)));
    let watched = ended.clone();
    let watch = std::thread::spawn(move || {
        let mut most = 0.0_f64;
        while !watched.load(Ordering::Relaxed) {
            most = most.max(crate::server::resident(process).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(200));
        }
        most
    });
    let begun = Instant::now();
    import(wire, member, 0, many).await?;
    let rate = many as f64 / begun.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    let most = watch.join().ok().context("the watch on memory")?;
    let least = if on == "SQLite" { 5000.0 } else { 3000.0 };
    report.add(&format!("customers taken over, {on}"), rate, "/s", Target::AtLeast(least), format!("{many} of them"));
    report.add(&format!("memory above idle meanwhile, {on}"), (most - idle) / 1024.0, " MiB", Target::AtMost(64.0), "");
    Ok(())
}

/// What asks an account for the customer with a number.
type Ask<'a> = Box<dyn Fn(&Member, usize) -> Request + 'a>;

/// Finding one among many beside finding one among few; and a search beside both.
async fn found(
    report: &mut Report,
    rounds: usize,
    server: &Server,
    (large, many, on): (&Member, usize, &str),
    small: &Member,
) -> Result<()> {
    let get = |member: &Member, rest: String| Request::get(&member.path(&format!("customers/users{rest}")), &member.token);
    let all = |member: &Member, count: usize, ask: &dyn Fn(&Member, usize) -> Request| -> Vec<Request> {
        (0..ASKED).map(|nth| ask(member, nth * (count / FEW) % count)).collect()
    };
    let kinds: [(&str, Ask<'_>); 4] = [
        ("customer_id", Box::new(move |member, number| get(member, format!("/c{number}")))),
        ("e-mail", Box::new(move |member, number| get(member, format!("?limit=1&email={}", email(number))))),
        (
            "telephone number",
            Box::new(move |member, number| get(member, format!("?limit=1&phone_number=%2B47{}", 10_000_000 + number))),
        ),
        (
            "token",
            Box::new(|member, number| {
                member.post("customers/tokens/events", &json!({"token": {"type": "card", "value": format!("card-{number}")}}))
            }),
        ),
    ];
    let mut by_email = f64::NAN;
    for (name, ask) in &kinds {
        let (among_many, among_few) = (all(large, many, ask), all(small, FEW, ask));
        let (mut much, mut little) = (Seen::default(), Seen::default());
        for _ in 0..rounds * TURNS {
            much.add(Load::closed(1, TURN).run(server.api, |_, nth| &among_many[nth % ASKED]).await?);
            little.add(Load::closed(1, TURN).run(server.api, |_, nth| &among_few[nth % ASKED]).await?);
        }
        let (much, little) = (much.percentile(0.99), little.percentile(0.99));
        by_email = if *name == "e-mail" { much } else { by_email };
        let detail = format!("p99 {much:.2} ms, {little:.2} ms");
        report.add(
            &format!("customer by {name}, {on}, among {many} / among {FEW}"),
            much / little,
            "",
            Target::AtMost(3.0),
            detail,
        );
    }
    let searches: Vec<Request> = (0..ASKED)
        .map(|nth| {
            let (first, last) = names(nth * (many / FEW));
            get(
                large,
                format!("?search={}", if nth % 2 == 0 { format!("{first}%20{}", &last[..2]) } else { last[..3].to_owned() }),
            )
        })
        .collect();
    let mut seen = Seen::default();
    for _ in 0..rounds * TURNS {
        seen.add(Load::closed(1, TURN).run(server.api, |_, nth| &searches[nth % ASKED]).await?);
    }
    let p99 = seen.percentile(0.99);
    report.add(
        &format!("search by a prefix / customer by e-mail, {on}"),
        p99 / by_email,
        "",
        Target::AtMost(20.0),
        format!("p99 {p99:.2} ms"),
    );
    Ok(())
}

/// The last page beside the first.
async fn walked(report: &mut Report, rounds: usize, server: &Server, member: &Member, (many, on): (usize, &str)) -> Result<()> {
    let page =
        |rest: &str| Request::get(&member.path(&format!("customers/users?type=customer&limit={PAGE}{rest}")), &member.token);
    let (first, last) = (page(""), page(&format!("&starting_after=c{}", many - PAGE - 1)));
    let (mut late, mut early) = (Vec::new(), Vec::new());
    for _ in 0..rounds * TURNS {
        early.push(Load::closed(1, TURN).run(server.api, |_, _| &first).await?.percentile(0.5));
        late.push(Load::closed(1, TURN).run(server.api, |_, _| &last).await?.percentile(0.5));
    }
    let detail = format!("{:.2} ms, {:.2} ms", median(late.clone()), median(early.clone()));
    let name = format!("page {} of a list / the first, {on}", many / PAGE);
    report.add(&name, ratio(&late, &early), "", Target::AtMost(1.2), detail);
    Ok(())
}
