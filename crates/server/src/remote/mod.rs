//! Commands that ask a server over its API, with the rights of whoever has signed in.

mod customers;
mod login;
mod plan;
mod records;

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tenantry_domain::{AccountId, Secret};
use url::{Host, Url};

use login::Session;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// How much an answer may be, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;
/// How often something is tried for which the server has no room just now, and how long it is waited for at most, in seconds.
const TRIES: u32 = 5;
const LONGEST_WAIT: u64 = 30;
/// The grant type of RFC 8693, and the type of what is exchanged.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign in to a server, for the commands that ask one.
    Login(login::Login),
    /// Sign out, and forget the sign-in.
    Logout {
        /// Where the sign-in is kept; `~/.config/tenantry/session.json` if left out.
        #[arg(long, env = "TENANTRY_SESSION", value_name = "FILE")]
        session: Option<PathBuf>,
    },
    /// Roles of an account.
    Roles(records::Asked),
    /// Clients of an account.
    Clients(records::Asked<Clients>),
    /// What clients may do.
    Grants(records::Asked),
    /// Who administers an account.
    Users(records::Asked),
    /// Accounts below a partner.
    Accounts(records::Asked),
    /// Customers of an account.
    Customers(records::Asked<Customers>),
    /// Print an account as a file that `apply` takes.
    Pull(plan::Pull),
    /// Show what would make an account as a file says.
    Plan(plan::Plan),
    /// Make an account as a file says, all of it or nothing.
    Apply(plan::Apply),
}

/// What is asked of clients.
#[derive(Subcommand)]
pub(crate) enum Clients {
    /// Give one another secret, which is shown once.
    RotateSecret {
        /// Which.
        id: String,
        /// How long the old one lives on, in seconds.
        #[arg(long, default_value_t = 0)]
        overlap: u32,
    },
    #[command(flatten)]
    Records(records::Command),
}

/// What is asked of customers.
#[derive(Subcommand)]
pub(crate) enum Customers {
    /// Bring a file of customers, a line of JSON each. Whoever is there already stays as it is.
    Import(customers::Import),
    #[command(flatten)]
    Records(records::Command),
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Login(asked) => login::login(asked).await?,
        Command::Logout { session } => login::logout(session).await?,
        Command::Roles(asked) => records::run(records::ROLES, asked).await?,
        Command::Clients(records::Asked { at, output, what: Clients::RotateSecret { id, overlap } }) => {
            records::rotate_secret(&at, output, (&id, overlap)).await?;
        }
        Command::Clients(records::Asked { at, output, what: Clients::Records(what) }) => {
            records::run(records::CLIENTS, records::Asked { at, output, what }).await?;
        }
        Command::Grants(asked) => records::run(records::GRANTS, asked).await?,
        Command::Users(asked) => records::run(records::USERS, asked).await?,
        Command::Accounts(asked) => records::run(records::ACCOUNTS, asked).await?,
        Command::Customers(records::Asked { what: Customers::Import(asked), .. }) => return customers::import(asked).await,
        Command::Customers(records::Asked { at, output, what: Customers::Records(what) }) => {
            records::run(records::CUSTOMERS, records::Asked { at, output, what }).await?;
        }
        Command::Pull(asked) => plan::pull(asked).await?,
        Command::Plan(asked) => return plan::plan(asked).await,
        Command::Apply(asked) => plan::apply(asked).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who asks, and about which account.
#[derive(Args)]
pub(crate) struct At {
    /// Where the sign-in is kept; `~/.config/tenantry/session.json` if left out.
    #[arg(long, env = "TENANTRY_SESSION", value_name = "FILE", global = true)]
    session: Option<PathBuf>,
    /// The account to act on, below the one that was signed in to.
    #[arg(long, value_name = "ACCOUNT", global = true)]
    on: Option<AccountId>,
}

/// How an answer is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs: as the server answers.
    Json,
}

/// One account on a server, and a token for it.
pub(crate) struct Site {
    http: Client,
    base: String,
    account: AccountId,
    token: Secret,
}

/// What a server answers.
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<String>,
}

/// Follows nobody elsewhere: what is asked may hold a secret.
fn http() -> Result<Client> {
    let client = Client::builder().timeout(PATIENCE).redirect(Policy::none());
    Ok(client.user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION"))).build()?)
}

/// Where a server is, without a slash at the end. Over plain http only on this machine, unless that is wanted.
fn base(url: &str, plain_http: bool) -> Result<String> {
    let parsed = Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
    let parsed = parsed.filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
    let parsed = parsed.with_context(|| format!("{url} must be https://HOST[:PORT]"))?;
    let here = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if parsed.scheme() == "http" && !here && !plain_http {
        bail!("{url} is not encrypted: say https, or --plain-http where nobody listens");
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// Text that others have written, in one line, without what steers a terminal or turns a line around.
pub(crate) fn plain(text: &str) -> String {
    let unseen = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}' | '\u{180e}' | '\u{ad}')
    };
    text.chars().map(|letter| if unseen(letter) { '\u{fffd}' } else { letter }).collect()
}

impl Site {
    /// The account that was signed in to, or one below it: that takes an exchange (RFC 8693), which both accounts' logs tell of.
    pub(crate) async fn open(at: &At) -> Result<Self> {
        let (http, session) = (http()?, Session::current(at.session.clone()).await?);
        let own = Self { http, base: session.url, account: session.account, token: Secret::new(session.token) };
        match at.on {
            Some(below) if below != own.account => own.enter(below).await,
            _ => Ok(own),
        }
    }

    async fn enter(self, below: AccountId) -> Result<Self> {
        let body = json!({"grant_type": EXCHANGE, "subject_token": self.token.reveal(), "subject_token_type": ACCESS_TOKEN});
        let asked = self.http.post(format!("{}/v1/accounts/{below}/auth/token", self.base)).json(&body);
        let answer = value(send_again(asked, true).await?).await.with_context(|| format!("cannot act on {below}"))?;
        Ok(Self { account: below, token: Secret::new(token(&answer)?), ..self })
    }

    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// Asks for `path` below the account. What there is no room for just now is asked again when the server says so.
    pub(crate) async fn ask(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<&Value>) -> Result<Answer> {
        let mut url = Url::parse(&format!("{}/v1/accounts/{}/{path}", self.base, self.account))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut asked = self.http.request(method, url).bearer_auth(self.token.reveal());
        if let Some(body) = body {
            asked = asked.json(body);
        }
        // What keeps nothing may be asked twice.
        let answer = if query.contains(&("dry_run", "true")) { send_again(asked, true).await? } else { send(asked).await? };
        let next = answer.headers().get("paging-token").and_then(|next| Some(next.to_str().ok()?.to_owned()));
        let body = value(answer).await.map_err(|error| match error.downcast::<Refused>() {
            Ok(refused) if refused.ours && refused.status == StatusCode::UNAUTHORIZED => {
                Refused { why: "it takes this sign-in no more: tenantry login".to_owned(), ..refused }.into()
            }
            Ok(refused) => refused.into(),
            Err(error) => error,
        });
        Ok(Answer { body: body?, next })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.ask(Method::GET, path, &[], None).await?.body)
    }

    /// A list, page by page, up to so many; and whether there are more.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)], most: usize) -> Result<(Vec<Value>, bool)> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        while all.len() < most {
            let limit = (most - all.len()).min(100).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &limit));
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let Answer { body, next } = self.ask(Method::GET, path, &query, None).await?;
            let Value::Array(page) = body else { bail!("the server's answer is no list") };
            all.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        let more = after.is_some() || all.len() > most;
        all.truncate(most);
        Ok((all, more))
    }
}

/// Sends, and again where the server says when there will be room. What changes something is not sent again for 503: that may have been
/// said by something on the way, behind which it was done.
async fn send(asked: RequestBuilder) -> Result<Response> {
    let reads = asked.try_clone().and_then(|asked| asked.build().ok()).is_some_and(|asked| asked.method() == Method::GET);
    send_again(asked, reads).await
}

/// The same; `harmless`: it may be done twice.
async fn send_again(asked: RequestBuilder, harmless: bool) -> Result<Response> {
    for _ in 1..TRIES {
        let Some(again) = asked.try_clone() else { break };
        let answer = again.send().await?;
        let status = answer.status();
        let full = status == StatusCode::TOO_MANY_REQUESTS || (harmless && status == StatusCode::SERVICE_UNAVAILABLE);
        let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
        match wait.filter(|wait| full && *wait <= LONGEST_WAIT) {
            Some(wait) => tokio::time::sleep(Duration::from_secs(wait)).await,
            None => return Ok(answer),
        }
    }
    Ok(asked.send().await?)
}

/// What a server answers that is no success.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    /// Whether it is the server that says so, and not something on the way to it.
    ours: bool,
    why: String,
}

impl Refused {
    /// Whether nothing of what was asked was done.
    fn is_final(&self) -> bool {
        self.ours && (self.status.is_client_error() || self.status == StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answers {}: {}", self.status, self.why)
    }
}

impl std::error::Error for Refused {}

/// All of an answer.
async fn body(mut answer: Response) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        all.extend_from_slice(&piece);
        if all.len() > LARGEST {
            bail!("the server's answer has no end");
        }
    }
    Ok(all)
}

/// The JSON of an answer; nothing for an empty one. An error says what the server says.
async fn value(answer: Response) -> Result<Value> {
    let (status, text) = (answer.status(), body(answer).await?);
    if status.is_success() {
        return if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&text).context("the server's answer is no JSON")
        };
    }
    let told: Value = serde_json::from_slice(&text).unwrap_or_default();
    Err(Refused { status, ours: told["error"]["code"].is_string(), why: fault(&told["error"]) }.into())
}

/// The token in an answer.
fn token(answer: &Value) -> Result<String> {
    answer["access_token"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("the server's answer has no token"))
}

/// A client's token for its own account (RFC 6749 section 4.4), and how long it lives, in seconds.
async fn client_token(http: &Client, url: &str, account: AccountId, (id, secret): (&str, &str)) -> Result<(String, i64)> {
    let at = format!("{url}/v1/accounts/{account}");
    let metadata = value(send(http.get(format!("{at}/.well-known/openid-configuration"))).await?).await;
    let metadata = metadata.with_context(|| format!("there is no account {account} at {url}"))?;
    let body = json!({"grant_type": "client_credentials", "audience": metadata["issuer"]});
    let asked = http.post(format!("{at}/auth/token")).basic_auth(id, Some(secret)).json(&body);
    let answer = value(send_again(asked, true).await?).await.context("no token")?;
    Ok((token(&answer)?, answer["expires_in"].as_i64().unwrap_or_default()))
}

/// What an error says, for people.
fn fault(error: &Value) -> String {
    let findings = error["errors"].as_array().into_iter().flatten();
    let findings: Vec<String> = findings
        .map(|finding| {
            format!("{} {}", finding["field"].as_str().unwrap_or_default(), finding["message"].as_str().unwrap_or_default())
        })
        .collect();
    let message = error["message"].as_str().unwrap_or("the server says nothing about it");
    if findings.is_empty() { message.to_owned() } else { findings.join("; ") }
}

/// Asks whoever sits there whether it is meant; where nobody does, `unless` has to be said.
fn confirm(question: &str, unless: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("say {unless}: there is nobody to ask");
    }
    eprint!("{} [y/N] ", plain(question));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(&answer.trim().to_ascii_lowercase()[..], "y" | "yes") { Ok(()) } else { Err(anyhow!("nothing was done")) }
}
