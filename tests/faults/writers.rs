//! Who writes all the time, and keeps the ledger: in each account a counter, and records of three kinds that come and go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_tests::TestDatabase;
use tokio::sync::RwLock;

use crate::asks::{Answer, Asks, NOBODY, SILENCE};
use crate::ledger::{Counter, Outcome, Records, Told, Wrong};

/// So many live records of a kind an account has.
const LIVE: usize = 12;
/// After a write that was not acknowledged.
const PAUSE: Duration = Duration::from_millis(15);
/// Whatever takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of record.
pub(crate) struct Noun {
    /// Where it is made and listed.
    path: &'static str,
    /// What its unique name is called.
    name: &'static str,
    /// What stands in the place of a single one.
    id: &'static str,
    /// Where it is stored.
    table: &'static str,
}

/// The first two are configuration, and written by the account's actor; customers are rows of their own.
const NOUNS: [Noun; 3] = [
    Noun { path: "auth/roles", name: "name", id: "id", table: "role" },
    Noun { path: "auth/clients", name: "name", id: "id", table: "client" },
    Noun { path: "customers/users", name: "customer_id", id: "customer_id", table: "customer" },
];

impl Noun {
    fn body(&self, name: &str) -> Value {
        let mut body = json!({self.name: name});
        if self.table == "role" {
            body["scope"] = json!([]);
        }
        body
    }

    /// The names of all that are there, as the API tells.
    async fn listed(&self, asks: &Asks) -> BTreeSet<String> {
        let (mut names, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page = asked(asks, &format!("{}?limit=100{after}", self.path)).await;
            let here = page.body.as_array().into_iter().flatten();
            names.extend(here.filter_map(|record| record[self.name].as_str().map(str::to_owned)));
            match page.next {
                Some(next) => after = format!("&starting_after={next}"),
                None => return names,
            }
        }
    }

    /// The same, as the tables tell.
    async fn stored(&self, database: &TestDatabase, account: &str) -> BTreeSet<String> {
        let Self { name, table, .. } = self;
        let live =
            format!("SELECT {name} FROM {table} WHERE account_id = '{account}' AND deleted_at IS NULL AND {name} IS NOT NULL");
        database.column(&live).await.into_iter().collect()
    }
}

/// What the account answers.
async fn asked(asks: &Asks, path: &str) -> Answer {
    // The first may say that a new token is needed.
    asks.send(Method::GET, "auth/roles?limit=1", None).await;
    decided(async || asks.send(Method::GET, path, None).await).await.good()
}

/// What is answered in the end: the server may not know for a moment.
async fn decided(ask: impl AsyncFn() -> Answer) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        if !matches!(answer.status, SILENCE | NOBODY | 429 | 500..) || begun.elapsed() > PATIENCE {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One account with its writers' pages of the ledger.
struct Page {
    asks: Asks,
    role: String,
    counter: RefCell<Counter>,
    records: [RefCell<Records>; NOUNS.len()],
    /// Tokens of clients that were deleted lately.
    ended: RefCell<Vec<String>>,
    /// While it is watched: since when, and how soon the quickest write that began since was acknowledged.
    watch: Cell<Option<(Instant, Duration)>>,
}

impl Page {
    fn told(&self) -> impl Iterator<Item = Told> {
        let records = self.records.iter().map(|records| records.borrow().told);
        std::iter::once(self.counter.borrow().told).chain(records)
    }

    /// Asks for a write.
    async fn write(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let begun = Instant::now();
        let answer = self.asks.send(method, path, body).await;
        if let Some((since, quickest)) = self.watch.get()
            && begun >= since
            && (200..300).contains(&answer.status)
        {
            self.watch.set(Some((since, quickest.min(begun.elapsed()))));
        }
        answer
    }

    async fn count(&self) {
        let number = self.counter.borrow_mut().next();
        let body = json!({"scope": [], "description": number.to_string()});
        let answer = self.write(Method::PUT, &self.role, Some(body)).await;
        self.counter.borrow_mut().wrote(&answer);
        rest(&answer).await;
    }

    async fn come_and_go(&self, nth: usize) {
        let (noun, records) = (&NOUNS[nth], &self.records[nth]);
        let oldest = records.borrow().oldest_of(LIVE);
        let answer = if let Some(oldest) = oldest {
            let answer = self.write(Method::DELETE, &format!("{}/{}", noun.path, oldest.id), None).await;
            if records.borrow_mut().deleted(&answer) == Outcome::Sure {
                self.ended.borrow_mut().extend(oldest.token);
            }
            answer
        } else {
            let name = records.borrow_mut().name();
            let answer = self.write(Method::POST, noun.path, Some(noun.body(&name))).await;
            let outcome = records.borrow_mut().created(name, &answer, noun.id);
            if noun.table == "client" && outcome == Outcome::Sure {
                let token = self.token_of(&answer).await;
                records.borrow_mut().keep(token);
            }
            answer
        };
        rest(&answer).await;
    }

    /// A token of a client that was just made, if all goes well.
    async fn token_of(&self, client: &Answer) -> Option<String> {
        let audience = crate::asks::audience(&self.asks.account);
        let grant = json!({"client_id": client.body["client_id"], "audience": audience, "scope": ["read:accounts"]});
        let granted = self.asks.send(Method::POST, "auth/client-grants", Some(grant)).await;
        if granted.status != 200 {
            return None;
        }
        self.asks.token(&client.body).await
    }

    /// Compares with what the API tells.
    async fn compare(&self) -> Wrong {
        let role = asked(&self.asks, &self.role).await;
        let mut wrong = self.counter.borrow_mut().compare(role.text("description").parse().unwrap_or_default());
        for (noun, records) in NOUNS.iter().zip(&self.records) {
            let there = noun.listed(&self.asks).await;
            wrong.add(records.borrow_mut().compare(&there));
        }
        let ended = self.ended.take();
        // Each asks whether its account is still there: the last few show what all would.
        for token in ended.iter().rev().take(3) {
            if decided(async || self.asks.send_as(token, Method::GET, "auth/roles", None).await).await.status != 401 {
                wrong.lost.push("the token of a client that was deleted is good".to_owned());
            }
        }
        self.place(wrong)
    }

    /// Compares with the tables, and looks at the log: it tells of each change once, and its chain stands.
    async fn settle(&self, database: &TestDatabase) -> Wrong {
        let account = &self.asks.account;
        let id = self.role.rsplit('/').next().unwrap_or_default();
        // SQLite keeps ids as bytes, PostgreSQL as ids of its own.
        let id = if database.url.starts_with("sqlite") { format!("X'{}'", id.replace('-', "")) } else { format!("'{id}'") };
        let stored = database.column(&format!("SELECT description FROM role WHERE account_id = '{account}' AND id = {id}")).await;
        let mut wrong = self.counter.borrow_mut().compare(stored.concat().parse().unwrap_or_default());
        for (noun, records) in NOUNS.iter().zip(&self.records) {
            let there = noun.stored(database, account).await;
            wrong.add(records.borrow_mut().compare(&there));
        }
        let told = self.told().reduce(Told::and).unwrap_or_default();
        let done = NOUNS.iter().zip(&self.records).flat_map(|(noun, records)| {
            let events = records.borrow().events.clone();
            events.into_iter().map(|event| format!("{}.{event}", noun.table))
        });
        wrong.lost.extend(crate::log::read(database, account, told, done).await);
        self.place(wrong)
    }

    fn place(&self, mut wrong: Wrong) -> Wrong {
        for told in wrong.lost.iter_mut().chain(&mut wrong.refused) {
            told.insert_str(0, &format!("{}: ", self.asks.account));
        }
        wrong
    }
}

/// Whoever was refused comes again a little later.
async fn rest(answer: &Answer) {
    let pause = if (200..300).contains(&answer.status) { Duration::from_millis(1) } else { PAUSE };
    tokio::time::sleep(pause).await;
}

/// All writers; they end with it.
pub(crate) struct Writers {
    pages: Vec<Rc<Page>>,
    /// Each write holds it for reading: who holds it for writing, has quiet.
    gate: Rc<RwLock<()>>,
    ended: Rc<Cell<bool>>,
}

impl Writers {
    /// Begins to write in these accounts.
    pub(crate) async fn start(accounts: &[Asks]) -> Self {
        let pages = join_all(accounts.iter().map(async |asks| {
            let role = asks.send(Method::POST, "auth/roles", Some(json!({"scope": []}))).await.good();
            let role = format!("auth/roles/{}", role.text("id"));
            let (counter, records, ended, watch) = Default::default();
            Rc::new(Page { asks: asks.clone(), role, counter, records, ended, watch })
        }));
        let writers = Self { pages: pages.await, gate: Rc::default(), ended: Rc::default() };
        for page in &writers.pages {
            for nth in 0..=NOUNS.len() {
                let (page, gate, ended) = (page.clone(), writers.gate.clone(), writers.ended.clone());
                actix_rt::spawn(async move {
                    while !ended.get() {
                        let _open = gate.read().await;
                        if nth == NOUNS.len() { page.count().await } else { page.come_and_go(nth).await }
                    }
                });
            }
        }
        writers
    }

    /// What they were told.
    pub(crate) fn told(&self) -> Told {
        self.pages.iter().flat_map(|page| page.told()).reduce(Told::and).unwrap_or_default()
    }

    /// Whether each has had a write acknowledged since.
    pub(crate) fn all_go_on(&self, since: Instant) -> bool {
        self.told().last.is_some_and(|last| last > since)
    }

    /// Watches for so long how soon writes are acknowledged that begin from now on: the quickest, if there was one.
    pub(crate) async fn quickest(&self, lasts: Duration) -> Option<Duration> {
        self.pages.iter().for_each(|page| page.watch.set(Some((Instant::now(), Duration::MAX))));
        tokio::time::sleep(lasts).await;
        let seen = self.pages.iter().filter_map(|page| page.watch.take());
        seen.map(|(_, quickest)| quickest).min().filter(|quickest| *quickest < Duration::MAX)
    }

    /// Waits for all writes that have begun, and compares with the API.
    pub(crate) async fn compare(&self) -> Wrong {
        let _quiet = self.gate.write().await;
        whole(join_all(self.pages.iter().map(|page| page.compare())).await)
    }

    /// The same with the tables.
    pub(crate) async fn settle(&self, database: &TestDatabase) -> Wrong {
        let _quiet = self.gate.write().await;
        whole(join_all(self.pages.iter().map(|page| page.settle(database))).await)
    }
}

fn whole(all: Vec<Wrong>) -> Wrong {
    let mut wrong = Wrong::default();
    for one in all {
        wrong.add(one);
    }
    wrong
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.ended.set(true);
    }
}
