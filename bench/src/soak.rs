//! Hours of mixed work at a steady pace: what grows that should not.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::customers::{Place, import, postgres};
use crate::http::{Connection, Request};
use crate::people::App;
use crate::report::{HEAD, Report, Target};
use crate::server::{Server, bootstrap};
use crate::world::{Member, World};

/// How many work at once, on how many accounts; and how long each waits between two requests.
const WORKERS: usize = 8;
const ACCOUNTS: usize = 64;
const PACE: Duration = Duration::from_millis(40);
/// How often it is looked at.
const LOOKS: u32 = 120;
/// What is served for so short a time that all of it ends many times: accounts leave memory, tokens and sessions expire.
const SHORT: [(&str, &str); 3] =
    [("TENANTRY_ACCOUNT_IDLE", "5"), ("TENANTRY_TOKEN_LIFETIME", "60"), ("TENANTRY_SESSION_LIFETIME", "600")];
/// How many requests a minute it takes to be the load that it says: 8 workers, each 40 ms after the answer before.
const LEAST: f64 = 7500.0;
/// Tables that keep what happened, and of whatever was deleted that it was there: no id is given again. All others must stay as
/// they are.
const KEPT: [&str; 6] = ["auth_user", "client", "client_grant", "customer", "event", "role"];
/// How many rows a life may leave there: 18 records, and an event for each change of one.
const TRACES: f64 = 72.0;
/// How much resident memory may rise in an hour, in MiB; and descriptors at all.
const MEMORY: f64 = 4.0;
const DESCRIPTORS: f64 = 4.0;

const PASSWORD: &str = "correct horse battery staple";

/// What was looked at, at a moment.
struct Look {
    /// Hours since the beginning.
    at: f64,
    /// Resident memory in MiB.
    resident: f64,
    descriptors: f64,
    /// How many lives were lived.
    lives: usize,
    /// Each table with its rows.
    tables: Vec<(String, i64)>,
}

/// So many minutes on SQLite, or on PostgreSQL where there is one. An hour or more is kept.
pub(crate) async fn soak(minutes: f64) -> Result<()> {
    let mut report = Report::default();
    println!("{HEAD}");
    worked(&mut report, minutes).await?;
    if minutes >= 60.0 {
        report.keep(Path::new("bench/RESULTS.md"), &["soak"])?;
    }
    ensure!(report.holds(), "not every figure holds");
    Ok(())
}

async fn worked(report: &mut Report, minutes: f64) -> Result<()> {
    let postgres = postgres();
    let on = if postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let place = Place::new(postgres.as_deref()).await?;
    let settings = [&place.settings()[..], &SHORT].concat();
    let made = bootstrap(place.directory.path(), &settings)?;
    let server = Server::start(place.directory.path(), &settings)?;
    let mut world = World::new(&server, &made["test"]).await?;
    world.grow(&server, ACCOUNTS).await?;
    let db = Database::connect(&place.url).await?;
    let (whole, begun) = (Duration::from_secs_f64(minutes * 60.0), Instant::now());
    let (asked, lived) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = (0..WORKERS).map(async |nth| {
        let mut worker = Worker { wire: Connection::open(server.api).await?, api: server.api, asked: &asked };
        let mut life = 0;
        while begun.elapsed() < whole {
            // Nobody shares an account, and no id is used twice.
            let account = &world.below[(nth + life * WORKERS) % ACCOUNTS];
            worker.life(&world, &account.id, nth * 1_000_000 + life).await?;
            lived.fetch_add(1, Ordering::Relaxed);
            life += 1;
        }
        anyhow::Ok(())
    });
    let watch = async {
        let mut looks = Vec::new();
        for nth in 1..=LOOKS {
            tokio::time::sleep_until((begun + whole * nth / LOOKS).into()).await;
            let look = looked(&server, &db, begun, lived.load(Ordering::Relaxed)).await?;
            if nth % (LOOKS / 12) == 0 {
                let requests = asked.load(Ordering::Relaxed);
                eprintln!(
                    "{:.1} min: {requests} requests, {:.1} MiB, {} descriptors",
                    look.at * 60.0,
                    look.resident,
                    look.descriptors
                );
            }
            looks.push(look);
        }
        anyhow::Ok(looks)
    };
    let (_, looks) = futures_util::future::try_join(try_join_all(workers), watch).await?;
    let requests = asked.load(Ordering::Relaxed) as f64;
    let detail = format!("{minutes:.0} minutes on {on}, {} lives of a shop", lived.load(Ordering::Relaxed));
    // A development build is slower.
    let least = if minutes < 30.0 { 1000.0 } else { LEAST };
    report.add("requests asked, each answered as it should be", requests, "", Target::AtLeast(minutes * least), detail);
    told(report, &server, &looks).await
}

/// The figures: of the second half, when everything has come to its end once.
async fn told(report: &mut Report, server: &Server, looks: &[Look]) -> Result<()> {
    let late = &looks[looks.len() / 2..];
    let (first, last) = (&late[0], &late[late.len() - 1]);
    let range = |of: fn(&Look) -> f64| format!("{:.1} to {:.1}", of(first), of(last));
    // Of a few minutes a slope says nothing.
    let most = if last.at < 0.5 { f64::INFINITY } else { MEMORY };
    report.add("resident memory, more in an hour", slope(late), " MiB", Target::AtMost(most), range(|look| look.resident));
    let more = last.descriptors - first.descriptors;
    report.add("descriptors, more in the second half", more, "", Target::AtMost(DESCRIPTORS), range(|look| look.descriptors));
    // What expires is swept now and then: the most rows that there were in each half of the second half.
    let most = |looks: &[Look], table: usize| looks.iter().map(|look| look.tables[table].1).max().unwrap_or_default();
    let (earlier, later) = late.split_at(late.len() / 2);
    let names = first.tables.iter().map(|(name, _)| &**name).enumerate();
    let (kept, others): (Vec<_>, Vec<_>) = names
        .map(|(table, name)| (name, most(earlier, table), most(later, table)))
        .filter(|(_, then, now)| now > then)
        .partition(|(name, ..)| KEPT.contains(name));
    let shown = |grown: &[(&str, i64, i64)]| {
        grown.iter().map(|(name, then, now)| format!("{name} {then} to {now}")).collect::<Vec<_>>().join(", ")
    };
    let grown = others.iter().map(|(_, then, now)| now - then).max().unwrap_or_default();
    // Of what is under way there may be a little more at one look than at all others.
    let (room, traces) = if last.at < 0.5 { (f64::INFINITY, f64::INFINITY) } else { (WORKERS as f64 * 10.0, TRACES) };
    report.add("rows of a table, more in the last quarter", grown as f64, "", Target::AtMost(room), shown(&others));
    let rows = |look: &Look| look.tables.iter().filter(|(name, _)| KEPT.contains(&&**name)).map(|(_, rows)| rows).sum::<i64>();
    let each = (rows(last) - rows(first)) as f64 / (last.lives - first.lives).max(1) as f64;
    report.add("rows that a life leaves as traces", each, "", Target::AtMost(traces), shown(&kept));
    let failed = server.counted_where("tenantry_http_requests_total", "status=\"5xx\"").await?;
    report.add("answers of 5xx", failed, "", Target::AtMost(0.0), "");
    Ok(())
}

/// How many MiB more an hour brings, of the straight line through all looks.
fn slope(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (at, resident) = (mean(|look| look.at), mean(|look| look.resident));
    let along = looks.iter().map(|look| (look.at - at) * (look.resident - resident)).sum::<f64>();
    along / looks.iter().map(|look| (look.at - at).powi(2)).sum::<f64>()
}

async fn looked(server: &Server, db: &DatabaseConnection, begun: Instant, lives: usize) -> Result<Look> {
    let backend = db.get_database_backend();
    let names = match backend {
        sea_orm::DatabaseBackend::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        }
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1",
    };
    let mut tables = Vec::new();
    for row in db.query_all_raw(Statement::from_string(backend, names)).await? {
        let name: String = row.try_get_by_index(0)?;
        let count = format!("SELECT count(*) FROM \"{name}\"");
        let row = db.query_one_raw(Statement::from_string(backend, count)).await?.context("a count")?;
        tables.push((name, row.try_get_by_index(0)?));
    }
    Ok(Look {
        at: begun.elapsed().as_secs_f64() / 3600.0,
        resident: server.resident()? / 1024.0,
        descriptors: server.counted("process_open_fds").await?,
        lives,
        tables,
    })
}

/// Somebody who asks at a steady pace, and checks each answer.
struct Worker<'a> {
    wire: Connection,
    api: SocketAddr,
    asked: &'a AtomicUsize,
}

impl Worker<'_> {
    /// Asks; any other status than `expected` ends the soak.
    async fn ask(&mut self, request: &Request, expected: &[u16]) -> Result<Value> {
        tokio::time::sleep(PACE).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.wire.ask(request).await?;
        let text = String::from_utf8_lossy(answer.body);
        ensure!(expected.contains(&answer.status), "{expected:?} was expected, not {}: {text}", answer.status);
        Ok(serde_json::from_slice(answer.body).unwrap_or_default())
    }

    async fn well(&mut self, request: &Request) -> Result<Value> {
        self.ask(request, &[200, 201, 202, 204]).await
    }

    /// What a shop does in a day, and what strangers try. Whatever it made is gone in the end.
    async fn life(&mut self, world: &World, id: &str, number: usize) -> Result<()> {
        // A token lives for a minute only.
        let operator = text(&self.well(&world.client_credentials()).await?, "access_token")?;
        let partner = Member { id: world.partner.id.clone(), token: operator };
        let shop = Member { id: id.to_owned(), token: text(&self.well(&partner.exchange(id)).await?, "access_token")? };
        let made = self.settings(&shop, number).await?;
        self.strangers(&shop).await?;
        self.customers(&shop, number).await?;
        self.people(&shop).await?;
        for path in made {
            self.well(&shop.delete(&path)).await?;
        }
        // Connections come and go, too.
        self.wire = Connection::open(self.api).await?;
        Ok(())
    }

    /// Clients, roles and keys; yields what is to be deleted.
    async fn settings(&mut self, shop: &Member, number: usize) -> Result<Vec<String>> {
        let role =
            self.well(&shop.post("auth/roles", &json!({"name": format!("Role {number}"), "scope": ["read:accounts"]}))).await?;
        let role = format!("auth/roles/{}", text(&role, "id")?);
        for change in 0..5 {
            let body = json!({"description": format!("change {change}"), "scope": ["read:accounts"]});
            self.well(&Request::json("PUT", &shop.path(&role), &shop.token, &body)).await?;
            self.well(&Request::get(&shop.path(&role), &shop.token)).await?;
        }
        let client = self.well(&shop.post("auth/clients", &json!({"name": "Till"}))).await?;
        let id = text(&client, "client_id")?;
        let grant = json!({"client_id": id, "audience": shop.audience(), "scope": ["read:accounts"]});
        self.well(&shop.post("auth/client-grants", &grant)).await?;
        let basic = crate::world::basic(&client)?;
        for _ in 0..5 {
            let token = text(&self.well(&shop.client_credentials(&basic)).await?, "access_token")?;
            self.well(&Request::get(&shop.path(&role), &token)).await?;
        }
        for path in [".well-known/jwks.json", "auth/roles", "auth/clients", "management/events?limit=10", "management/usage"] {
            self.well(&Request::get(&shop.path(path), &shop.token)).await?;
        }
        Ok(vec![role, format!("auth/clients/{id}")])
    }

    /// What is refused.
    async fn strangers(&mut self, shop: &Member) -> Result<()> {
        let forged = format!("{}x", shop.token);
        self.ask(&Request::get(&shop.path("auth/roles"), &forged), &[401]).await?;
        self.ask(&Request::get(&shop.path("auth/roles/019b76da-a800-705e-8c56-ca0eac086ebc"), &shop.token), &[404]).await?;
        self.ask(&shop.post("auth/roles", &json!({"scope": "not a list"})), &[400]).await?;
        self.ask(&shop.client_credentials("dW5rbm93bjp1bmtub3du"), &[401]).await?;
        self.ask(&Request::get("/v1/accounts/T99999999/auth/roles", &shop.token), &[403, 404]).await?;
        self.ask(&Request::get("/no/such/path", ""), &[401, 404]).await?;
        Ok(())
    }

    /// Customers come, are found, change and go.
    async fn customers(&mut self, shop: &Member, number: usize) -> Result<()> {
        let first = number * 10;
        import(&mut self.wire, shop, first, first + 10).await?;
        for nth in first..first + 10 {
            let path = format!("customers/users/c{nth}");
            self.well(&Request::get(&shop.path(&path), &shop.token)).await?;
            let changed = json!({"first_name": "Changed", "last_name": "Once", "metadata": {"number": nth}});
            self.well(&Request::json("PUT", &shop.path(&path), &shop.token, &changed)).await?;
            self.well(&shop.delete(&path)).await?;
        }
        let query = format!("customers/users?limit=1&email={}", crate::customers::email(first));
        self.well(&Request::get(&shop.path(&query), &shop.token)).await?;
        self.well(&Request::get(&shop.path("customers/users?search=Han&limit=5"), &shop.token)).await?;
        Ok(())
    }

    /// Somebody logs in, stays a while, and is gone.
    async fn people(&mut self, shop: &Member) -> Result<()> {
        // The same again and again: bad passwords are remembered for an hour.
        let username = format!("kari@{}.example.com", shop.id.to_lowercase());
        self.well(&shop.post("auth/users", &json!({"username": username, "password": PASSWORD}))).await?;
        let app = App::new(&mut self.wire, shop).await?;
        let opened = self.well(&app.log_in(&username, PASSWORD)).await?;
        let mut refresh = text(&opened, "refresh_token")?;
        for _ in 0..3 {
            refresh = text(&self.well(&app.refresh(&refresh)).await?, "refresh_token")?;
        }
        self.ask(&app.log_in(&username, "not the password"), &[401]).await?;
        self.well(&shop.delete(&format!("auth/users/{}", username.replace('@', "%40")))).await?;
        self.well(&shop.delete(&format!("auth/clients/{}", app.client_id))).await?;
        Ok(())
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("{name} in {value}"))?.to_owned())
}
