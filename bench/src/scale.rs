//! Very many accounts on one small box: what one more costs, what they take in memory, how long the first request of one waits.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
use serde_json::{Value, json};

use crate::customers::{Place, names, postgres};
use crate::http::{Connection, Request};
use crate::load::{Load, Seen};
use crate::report::{Report, Target};
use crate::server::{Server, bootstrap};
use crate::world::{Member, Shape, World, enter, login};
use crate::{TURN, TURNS, median, ratio};

/// How many are created in a turn.
const CREATES: usize = 400;
/// How many callers make things at once.
const MAKERS: usize = 32;
/// How many accounts are asked for the first time.
const COLD: usize = 2000;
/// How many accounts the small partner has.
const TEN: usize = 10;
/// Users of each account.
const USERS: usize = 4;
/// Accounts in use stay in memory.
const STAY: [(&str, &str); 2] = [("TENANTRY_ACCOUNT_IDLE", "86400"), ("TENANTRY_ACCOUNT_MEMORY_MIB", "8192")];

/// On SQLite and on PostgreSQL.
pub(crate) async fn scale(report: &mut Report, rounds: usize, quick: bool) -> Result<()> {
    on(report, rounds, quick, None).await?;
    match postgres() {
        Some(server) => on(report, rounds, quick, Some(&server)).await,
        None => Ok(()),
    }
}

/// A partner with very many accounts, all alike.
pub(crate) struct Crowd {
    pub(crate) place: Place,
    /// The ids of its accounts, in order.
    pub(crate) ids: Vec<String>,
    /// Each has a client with these credentials, and this role.
    pub(crate) basic: String,
    pub(crate) role: String,
}

async fn on(report: &mut Report, rounds: usize, quick: bool, postgres: Option<&str>) -> Result<()> {
    let (accounts, active) = if quick { (5_000, 1_000) } else { (100_000, 10_000) };
    let place = Place::new(postgres).await?;
    let sqlite = postgres.is_none();
    let on = if sqlite { "SQLite" } else { "PostgreSQL" };
    let made = bootstrap(place.directory.path(), &place.settings())?;
    let server = Server::start(place.directory.path(), &place.settings())?;
    let mut wire = Connection::open(server.api).await?;
    let operator = login(&mut wire, &made["test"]).await?;
    let (_, large, _) = World::partner(&mut wire, &operator, "T11200000").await?;
    let (_, small, _) = World::partner(&mut wire, &operator, "T11300000").await?;
    create(&server, &small, 0..TEN, |_| "Hansen Ola".to_owned()).await?;
    let first = create(&server, &large, 0..1, display_name).await?.0;

    // Those that are there before one more is created; in the end there are as many as wanted, the partner among them.
    let turns = if sqlite { rounds * TURNS } else { 0 };
    let there = accounts - 1 - CREATES * turns;
    let mut ids = create(&server, &large, 1..there, display_name).await?.0;
    if sqlite {
        let few = Place::new(None).await?;
        let made = bootstrap(few.directory.path(), &few.settings())?;
        let fresh = Server::start(few.directory.path(), &few.settings())?;
        let mut wire = Connection::open(fresh.api).await?;
        let operator = login(&mut wire, &made["test"]).await?;
        let (_, partner, _) = World::partner(&mut wire, &operator, "T11200000").await?;
        let (mut late, mut early) = (Vec::new(), Vec::new());
        for turn in 0..turns {
            let (made, took) =
                create(&server, &large, there + turn * CREATES..there + (turn + 1) * CREATES, display_name).await?;
            ids.extend(made);
            late.push(took);
            early.push(create(&fresh, &partner, turn * CREATES..(turn + 1) * CREATES, display_name).await?.1);
        }
        let detail = format!(
            "{:.2} ms each, {:.2} ms",
            1000.0 * median(late.clone()) / CREATES as f64,
            1000.0 * median(early.clone()) / CREATES as f64
        );
        let name = format!("an account created among {accounts} / among few");
        report.add(&name, ratio(&late, &early), "", Target::AtMost(1.2), detail);
    }
    let template = enter(&mut wire, &large, &first[0]).await?;
    let (basic, role) = furnish(&mut wire, &template).await?;
    ids.extend(first);
    ids.sort_unstable();
    drop(server);
    let crowd = Crowd { place, ids, basic, role };
    crowd.clone_rows(&template.id).await?;

    // Their keys are made with the first token of each.
    let server = crowd.start()?;
    let with_keys = if sqlite { crowd.ids.len() } else { COLD };
    crowd.make_keys(&server, &crowd.strided(with_keys)).await?;
    lists(report, rounds, &server, &large, &small, (accounts, on)).await?;
    drop(server);

    let server = crowd.start()?;
    Connection::open(server.api).await?.ask(&Request::new("GET", "/readyz", "", "")).await?;
    actix_rt::time::sleep(Duration::from_secs(1)).await;
    let idle = server.resident()?;
    let cold = crowd.strided(COLD);
    let mut waits = Vec::new();
    let mut wire = Connection::open(server.api).await?;
    for id in &cold {
        let begun = Instant::now();
        wire.json(&crowd.token(id)).await?;
        waits.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    waits.sort_by(f64::total_cmp);
    let (half, most) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    let target = if sqlite { 10.0 } else { 20.0 };
    let detail = format!("of {accounts}; median {half:.2} ms");
    report.add(&format!("first request of an account, a token, p99, {on}"), most, " ms", Target::AtMost(target), detail);
    if sqlite {
        let members = memory(report, &server, &crowd, idle, active).await?;
        spread(report, rounds, &server, &crowd, &members).await?;
    }
    Ok(())
}

pub(crate) fn display_name(number: usize) -> String {
    let (first, last) = names(number);
    format!("{last} {first} {number}")
}

/// Creates accounts below `partner`; yields their ids, and how long it took in seconds.
pub(crate) async fn create(
    server: &Server,
    partner: &Member,
    numbers: Range<usize>,
    name: impl Fn(usize) -> String,
) -> Result<(Vec<String>, f64)> {
    let begun = Instant::now();
    let (name, numbers) = (&name, &numbers);
    let makers = (0..MAKERS).map(async |maker| {
        let mut wire = Connection::open(server.api).await?;
        let mut ids = Vec::new();
        for number in numbers.clone().skip(maker).step_by(MAKERS) {
            let account = wire.made(&partner.post("management/accounts", &json!({"display_name": name(number)}))).await?;
            ids.push(text(&account["account_id"])?);
            if ids.len() % 1000 == 0 && maker == 0 {
                eprintln!("{} accounts", ids.len() * MAKERS);
            }
        }
        anyhow::Ok(ids)
    });
    let ids = try_join_all(makers).await?.into_iter().flatten().collect();
    Ok((ids, begun.elapsed().as_secs_f64()))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text")?.to_owned())
}

/// Makes a standard account of an empty one: 3 clients, 5 grants, 6 roles, 4 users; a key is made with the first token. Yields the
/// credentials of a client, and a role.
pub(crate) async fn furnish(wire: &mut Connection, template: &Member) -> Result<(String, String)> {
    let (owner, basic) = template.client(wire).await?;
    owner.furnish(wire, Shape { clients: 2, grants: 4, roles: 6, keys: 1, users: 0 }).await?;
    for number in 0..USERS {
        let user = json!({"username": format!("user-{number}@example.com"), "password": "correct horse battery staple"});
        wire.json(&owner.post("auth/users", &user)).await?;
    }
    let roles = wire.json(&Request::get(&owner.path("auth/roles"), &owner.token)).await?;
    Ok((basic, text(&roles[0]["id"])?))
}

impl Crowd {
    pub(crate) fn start(&self) -> Result<Server> {
        Server::start(self.place.directory.path(), &[&self.place.settings()[..], &STAY].concat())
    }

    /// Gives every account the rows of one; an id is one of its account's only.
    pub(crate) async fn clone_rows(&self, template: &str) -> Result<()> {
        let db = Database::connect(&self.place.url).await?;
        for table in ["client", "client_grant", "role", "auth_user"] {
            let columns = match db.get_database_backend() {
                DatabaseBackend::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
                _ => format!("SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}'"),
            };
            let columns = db.query_all_raw(Statement::from_string(db.get_database_backend(), columns)).await?;
            let columns: Vec<String> = columns.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
            let values: Vec<String> = columns
                .iter()
                .map(|column| match column.as_str() {
                    "account_id" => "other.id".to_owned(),
                    "audience" => format!("replace(one.audience, '{template}', other.id)"),
                    _ => format!("one.{column}"),
                })
                .collect();
            let sql = format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {table} one, account other \
                 WHERE one.account_id = '{template}' AND other.parent = 'T11200000' AND other.id <> '{template}'",
                columns.join(", "),
                values.join(", ")
            );
            let cloned = db.execute_unprepared(&sql).await?.rows_affected();
            eprintln!("{cloned} rows of {table}");
        }
        db.execute_unprepared(if db.get_database_backend() == DatabaseBackend::Sqlite {
            "PRAGMA optimize"
        } else {
            "VACUUM ANALYZE"
        })
        .await?;
        db.close().await?;
        Ok(())
    }

    /// So many accounts, evenly among all.
    pub(crate) fn strided(&self, count: usize) -> Vec<String> {
        (0..count.min(self.ids.len())).map(|nth| self.ids[nth * self.ids.len() / count].clone()).collect()
    }

    pub(crate) fn token(&self, id: &str) -> Request {
        let member = Member { id: id.to_owned(), token: String::new() };
        member.client_credentials(&self.basic)
    }

    /// A token on each of these accounts.
    pub(crate) async fn tokens(&self, server: &Server, ids: &[String]) -> Result<Vec<Member>> {
        let makers = (0..MAKERS).map(async |maker| {
            let mut wire = Connection::open(server.api).await?;
            let mut made = Vec::new();
            for (nth, id) in ids.iter().enumerate().skip(maker).step_by(MAKERS) {
                let token = wire.made(&self.token(id)).await?;
                made.push((nth, Member { id: id.clone(), token: text(&token["access_token"])? }));
            }
            anyhow::Ok(made)
        });
        let mut made: Vec<(usize, Member)> = try_join_all(makers).await?.into_iter().flatten().collect();
        made.sort_unstable_by_key(|(nth, _)| *nth);
        Ok(made.into_iter().map(|(_, member)| member).collect())
    }

    /// Two signing keys for each of these accounts.
    async fn make_keys(&self, server: &Server, ids: &[String]) -> Result<()> {
        let members = self.tokens(server, ids).await?;
        eprintln!("{} accounts have a key", members.len());
        let members = &members;
        let makers = (0..MAKERS).map(async |maker| {
            let mut wire = Connection::open(server.api).await?;
            for member in members.iter().skip(maker).step_by(MAKERS) {
                wire.made(&member.post("auth/keys/rotate", &json!({"activate_in": 86_400}))).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(makers).await?;
        eprintln!("and another one");
        Ok(())
    }

    pub(crate) fn read(&self, member: &Member) -> Request {
        Request::get(&member.path(&format!("auth/roles/{}", self.role)), &member.token)
    }
}

/// What is asked for the nth time.
type Query = Box<dyn Fn(usize) -> String>;

/// Lists and searches of a partner with very many accounts beside one with ten.
async fn lists(
    report: &mut Report,
    rounds: usize,
    server: &Server,
    large: &Member,
    small: &Member,
    (accounts, on): (usize, &str),
) -> Result<()> {
    let ask = |partner: &Member, query: &str| {
        Request::get(&partner.path(&format!("management/accounts?limit=10{query}")), &partner.token)
    };
    let somewhere = move |nth: usize| nth.wrapping_mul(7919) % (accounts - 20);
    let kinds: [(&str, Query, &str); 3] = [
        ("listed", Box::new(move |nth| format!("&starting_after=T112{:05}", somewhere(nth))), "&starting_after=T11300000"),
        (
            "searched by name",
            Box::new(|nth| format!("&search={}", if nth % 2 == 0 { "Hansen%20Ola" } else { "Berg" })),
            "&search=Hansen%20Ola",
        ),
        ("searched by id", Box::new(move |nth| format!("&search=T112{:04}", somewhere(nth) / 10)), "&search=T1130000"),
    ];
    for (name, query, beside) in kinds {
        let among_many: Vec<Request> = (0..500).map(|nth| ask(large, &query(nth))).collect();
        let among_ten = ask(small, beside);
        let mut wire = Connection::open(server.api).await?;
        for request in [&among_many[0], &among_many[1], &among_ten] {
            let found = wire.json(request).await?.as_array().map_or(0, Vec::len);
            ensure!(found > 0, "nothing found, {name}");
        }
        let (mut much, mut little) = (Vec::new(), Vec::new());
        for _ in 0..rounds * TURNS {
            much.push(Load::closed(1, TURN).run(server.api, |_, nth| &among_many[nth % 500]).await?.percentile(0.5));
            little.push(Load::closed(1, TURN).run(server.api, |_, _| &among_ten).await?.percentile(0.5));
        }
        let detail = format!("{:.2} ms, {:.2} ms", median(much.clone()), median(little.clone()));
        let name = format!("sub-accounts {name}, {on}, of {} / of ten", accounts - 1);
        report.add(&name, ratio(&much, &little), "", Target::AtMost(1.5), detail);
    }
    Ok(())
}

/// What accounts take in memory that are in use: each has had a token, and shown it. Yields those tokens, of all of them.
async fn memory(report: &mut Report, server: &Server, crowd: &Crowd, idle: f64, active: usize) -> Result<Vec<Member>> {
    let all = crowd.ids.len() + 1;
    let mut members = Vec::new();
    for (count, most) in [(active, 200.0), (all, 1.3 * 1024.0)] {
        let ids = crowd.strided(count);
        members = crowd.tokens(server, &ids).await?;
        let mut wire = Connection::open(server.api).await?;
        for member in &members {
            wire.json(&crowd.read(member)).await?;
        }
        let counted = server.counted("tenantry_accounts_memory_bytes").await? / 1_048_576.0;
        let awake = server.counted("tenantry_accounts_live").await?;
        ensure!(awake >= count as f64, "{awake} are awake");
        let taken = (server.resident()? - idle) / 1024.0;
        let detail = format!("of {all}; counted: {counted:.0} MiB");
        report.add(&format!("memory above idle with {count} accounts in use"), taken, " MiB", Target::AtMost(most), detail);
    }
    Ok(members)
}

/// Tokens and guarded reads over all accounts beside the same on one.
async fn spread(report: &mut Report, rounds: usize, server: &Server, crowd: &Crowd, members: &[Member]) -> Result<()> {
    let tokens: Vec<Request> = crowd.ids.iter().map(|id| crowd.token(id)).collect();
    let reads: Vec<Request> = members.iter().map(|member| crowd.read(member)).collect();
    for (name, requests) in [("token", &tokens), ("guarded read", &reads)] {
        let count = requests.len();
        let load = Load::closed(16, TURN);
        let (mut all, mut one) = (Seen::default(), Seen::default());
        for _ in 0..rounds * TURNS {
            all.add(load.run(server.api, |connection, nth| &requests[(16 * nth + connection) * 7919 % count]).await?);
            one.add(load.run(server.api, |_, _| &requests[0]).await?);
        }
        let (all, one) = (all.percentile(0.99), one.percentile(0.99));
        let detail = format!("{all:.2} ms, {one:.2} ms");
        report.add(&format!("{name} p99 over {count} accounts / on one"), all / one, "", Target::AtMost(2.0), detail);
    }
    Ok(())
}
