//! People who sign in: how many logins the pool of hashes carries, what a refresh costs, and whether time tells who is
//! known.

use std::cell::Cell;
use std::cmp::Ordering;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::http::{Connection, Request};
use crate::load::Load;
use crate::report::{Report, Target};
use crate::server::{Server, baseline, directory};
use crate::world::{Member, World};
use crate::{WIDE, median, ratio};

/// How many accounts logins are spread over.
const ACCOUNTS: usize = 8;
/// How many users each has.
const USERS: usize = 8;
/// How long loads run in which each answer waits for a hash.
const SPELL: Duration = Duration::from_secs(1);
/// How many people are known, and how often each is asked for: as often as nobody has to wait.
const KNOWN: usize = 200;
const ASKED: usize = 3;
const PASSWORD: &str = "correct horse battery staple";

/// How somebody with an address is asked for.
type Ask<'a> = Box<dyn Fn(&str) -> Request + 'a>;

/// A client of an account that brings people's words.
pub(crate) struct App {
    account: Member,
    pub(crate) client_id: String,
    basic: String,
}

impl App {
    /// Made by `admin`, who may do everything on the account.
    pub(crate) async fn new(wire: &mut Connection, admin: &Member) -> Result<Self> {
        let client = wire.json(&admin.post("auth/clients", &json!({}))).await?;
        let client_id = client["client_id"].as_str().context("an id")?.to_owned();
        let audience = admin.audience();
        let own = ["write:accounts", "write:accounts:/auth/users", "create:accounts:auth:refresh_token"];
        for (kind, scope) in
            [("client_credentials", &own[..]), ("password", &["read:accounts"]), ("authorization_code", &["read:accounts"])]
        {
            let grant = json!({"client_id": client_id, "audience": audience, "type": kind, "scope": scope});
            wire.json(&admin.post("auth/client-grants", &grant)).await?;
        }
        let credentials = json!({"account_id": admin.id, "audience": audience, "client_id": client_id,
            "client_secret": client["client_secret"]});
        let account = crate::world::login(wire, &credentials).await?;
        Ok(Self { account, client_id, basic: crate::world::basic(&credentials)? })
    }

    /// One with somebody who logs in.
    pub(crate) async fn with_user(wire: &mut Connection, member: &Member) -> Result<Self> {
        let admin = member.client(wire).await?.0;
        wire.json(&admin.post("auth/users", &json!({"username": user(0), "password": PASSWORD}))).await?;
        Self::new(wire, &admin).await
    }

    /// That one's login.
    pub(crate) fn log_in_user(&self) -> Request {
        self.log_in(&user(0), PASSWORD)
    }

    fn client_credentials(&self) -> Request {
        self.account.client_credentials(&self.basic)
    }

    pub(crate) fn log_in(&self, username: &str, password: &str) -> Request {
        let body = json!({"grant_type": "password", "username": username, "password": password,
            "audience": self.account.audience()});
        self.account.post("auth/token", &body)
    }

    pub(crate) fn refresh(&self, token: &str) -> Request {
        self.account.post("auth/token", &json!({"grant_type": "refresh_token", "refresh_token": token}))
    }
}

fn user(number: usize) -> String {
    format!("user-{number}@example.com")
}

/// A client of each account, and so many users there.
async fn apps(wire: &mut Connection, world: &World, users: usize) -> Result<Vec<App>> {
    let mut apps = Vec::new();
    for member in world.below.iter().take(ACCOUNTS) {
        let admin = member.client(wire).await?.0;
        for number in 0..users {
            wire.json(&admin.post("auth/users", &json!({"username": user(number), "password": PASSWORD}))).await?;
        }
        apps.push(App::new(wire, &admin).await?);
    }
    Ok(apps)
}

/// Logins of one person of each account.
pub(crate) async fn log_ins(wire: &mut Connection, world: &World) -> Result<Vec<Request>> {
    Ok(apps(wire, world, 1).await?.iter().map(App::log_in_user).collect())
}

/// All figures of people.
pub(crate) async fn people(report: &mut Report, rounds: usize) -> Result<()> {
    let directory = directory()?;
    // Those who forget their passwords come from many places.
    let settings = [&WIDE[..], &[("TENANTRY_TRUSTED_PROXIES", "[\"127.0.0.1/32\"]")]].concat();
    let (server, world) = World::start(directory.path(), &settings, ACCOUNTS).await?;
    let mut wire = Connection::open(server.api).await?;
    let apps = apps(&mut wire, &world, USERS).await?;
    logins(report, rounds, &server, &apps).await?;
    refreshes(report, rounds, &server, &apps).await?;
    enumeration(report, &server, &world).await
}

/// Logins, spread over the accounts, beside what the pool's threads hash alone.
async fn logins(report: &mut Report, rounds: usize, server: &Server, apps: &[App]) -> Result<()> {
    // Each connection has a person of its own.
    let requests: Vec<Request> = (0..2 * ACCOUNTS).map(|n| apps[n % ACCOUNTS].log_in(&user(n / ACCOUNTS), PASSWORD)).collect();
    let (mut seen, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..rounds * crate::TURNS {
        hashes.push(baseline(&["hashes"])?);
        seen.push(Load::closed(requests.len(), SPELL).run(server.api, |connection, _| &requests[connection]).await?.rate);
    }
    let detail = format!("{:.1}/s of {:.1}/s", median(seen.clone()), median(hashes.clone()));
    report.add(
        "logins over 8 accounts / argon2id hashes of the pool's threads",
        ratio(&seen, &hashes),
        "",
        Target::AtLeast(0.85),
        detail,
    );
    Ok(())
}

/// Refreshes, each a durable write, beside tokens of clients.
async fn refreshes(report: &mut Report, rounds: usize, server: &Server, apps: &[App]) -> Result<()> {
    let mut wire = Connection::open(server.api).await?;
    let mut tokens = Vec::new();
    for n in 0..64 {
        let opened = wire.json(&apps[n % ACCOUNTS].log_in(&user(n / ACCOUNTS), PASSWORD)).await?;
        tokens.push(opened["refresh_token"].as_str().context("a refresh token")?.to_owned());
    }
    let own: Vec<Request> = apps.iter().map(App::client_credentials).collect();
    let (mut seen, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds * crate::TURNS {
        beside.push(Load::closed(64, crate::TURN).run(server.api, |connection, _| &own[connection % ACCOUNTS]).await?.rate);
        let begun = Instant::now();
        let renewing = tokens.iter_mut().enumerate().map(|(n, token)| renew(server.api, &apps[n % ACCOUNTS], token, begun));
        let renewed: usize = try_join_all(renewing).await?.into_iter().sum();
        seen.push(renewed as f64 / begun.elapsed().as_secs_f64());
    }
    let detail = format!("{:.0}/s of {:.0}/s", median(seen.clone()), median(beside.clone()));
    report.add("refresh, 64 connections / client_credentials", ratio(&seen, &beside), "", Target::AtLeast(0.25), detail);
    Ok(())
}

/// Renews one session over and over for a turn; how often.
async fn renew(address: SocketAddr, app: &App, token: &mut String, begun: Instant) -> Result<usize> {
    let mut wire = Connection::open(address).await?;
    let mut renewed = 0;
    while begun.elapsed() < crate::TURN {
        let next: Value = wire.json(&app.refresh(token)).await?;
        next["refresh_token"].as_str().context("a refresh token")?.clone_into(token);
        renewed += 1;
    }
    Ok(renewed)
}

/// Whether the time of an answer tells who is known: pairs of one who is and one who is not, and how often the known one took
/// longer (Mann-Whitney). Half the time says nothing.
async fn enumeration(report: &mut Report, server: &Server, world: &World) -> Result<()> {
    let mut wire = Connection::open(server.api).await?;
    let admin = &world.inside;
    let app = App::new(&mut wire, admin).await?;
    let kept = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$W1pHTRJrQ0Yjp2pXKmPJ5CzOSO8U2k0Ir0zRd0kYCzE";
    for n in 0..KNOWN {
        let address = user(n);
        let links = json!([{"rel": "email", "href": format!("mailto:{address}")}]);
        let mfa = json!({"challenge_type": "oob", "oob_channels": ["email"]});
        let body = json!({"username": address, "password_hash": kept, "links": links, "mfa": mfa});
        wire.json(&admin.post("auth/users:import", &body)).await?;
        wire.json(&admin.post("customers/users", &json!({"email": address}))).await?;
        wire.json(&admin.post("management/users", &json!({"email": address, "authentication_type": "external"}))).await?;
    }
    let audience = admin.audience();
    let places = Cell::new(0_u32);
    // Everybody is somewhere else.
    let elsewhere = |path: &str, body: Value| {
        let place = places.get() + 1;
        places.set(place);
        let headers = format!("Content-Type: application/json\r\nX-Forwarded-For: 10.0.{}.{}\r\n", place / 250, place % 250);
        Request::new("POST", path, &headers, &body.to_string())
    };
    for n in 0..KNOWN {
        let body = json!({"email": user(n), "password": "Tr0ub4dor&3", "first_name": "A", "last_name": "B", "company": "C"});
        wire.json(&elsewhere("/api/v1/installer/signup", body)).await?;
    }
    let asks: [(&str, Ask<'_>); 6] = [
        ("login", Box::new(|address| app.log_in(address, "a wrong password"))),
        (
            "passwordless",
            Box::new(|address| {
                let body = json!({"client_id": app.client_id, "audience": audience, "connection": "email", "email": address});
                app.account.post("auth/passwordless", &body)
            }),
        ),
        (
            "recovery",
            Box::new(|address| {
                let body = json!({"challenge_type": "oob", "oob_channel": "email", "username": address, "audience": audience});
                app.account.post("auth/mfa/recovery", &body)
            }),
        ),
        ("forgot", Box::new(|address| elsewhere("/v1/account/password/forgot", json!({"email": address})))),
        (
            "installer's login",
            Box::new(|address| elsewhere("/api/v1/installer/login", json!({"email": address, "password": "a wrong password"}))),
        ),
        (
            "installer's forgotten password",
            Box::new(|address| elsewhere("/api/v1/installer/forgot-password", json!({"email": address}))),
        ),
    ];
    for (name, ask) in asks {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for n in 0..KNOWN * ASKED {
            let (here, nowhere) = (user(n % KNOWN), format!("none-{}@example.com", n % KNOWN));
            // Who comes first changes.
            let mut pair = [(&here, &mut known), (&nowhere, &mut unknown)];
            pair.rotate_left(n % 2);
            let mut statuses = Vec::new();
            for (address, times) in pair {
                let request = ask(address);
                let begun = Instant::now();
                let answer = wire.ask(&request).await?;
                times.push(begun.elapsed());
                statuses.push((answer.status, answer.body.len()));
            }
            ensure!(statuses[0] == statuses[1], "{name}: {here} and {nowhere} are answered differently: {statuses:?}");
            ensure!(statuses[0].0 != 429, "{name}: too often");
        }
        let longer = |one: &Duration, other: &Duration| match one.cmp(other) {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        };
        let wins: f64 = known.iter().flat_map(|one| unknown.iter().map(move |other| longer(one, other))).sum();
        let area = wins / (known.len() * unknown.len()) as f64;
        let detail = format!("{area:.3} over {} pairs", known.len());
        report.add(
            &format!("{name}: how far time tells the known from the unknown"),
            (area - 0.5).abs(),
            "",
            Target::AtMost(0.05),
            detail,
        );
    }
    Ok(())
}
