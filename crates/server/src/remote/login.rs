//! `tenantry login` and `logout`: who asks. What is kept is for its owner only: a token that ends by itself, and for people what renews
//! it; no password, and no client's secret.

use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_accounts::Source;
use tenantry_domain::AccountId;

use super::{base, body, client_token, fault, http, send, token, value};
use crate::config::{client_secret, read};

/// A token that ends within so many seconds is renewed first.
const SOON: i64 = 60;

/// Who signs in, and where.
#[derive(Args)]
pub(crate) struct Login {
    /// Where the server is: `https://id.example.com`.
    url: String,
    /// The account. May be left out with --email by whoever administers just one.
    #[arg(long, required_unless_present = "email")]
    account: Option<AccountId>,
    /// As this client of the account; its secret is read from `TENANTRY_CLIENT_SECRET`, or asked for.
    #[arg(long, required_unless_present = "email")]
    client_id: Option<String>,
    /// As this person who administers the account.
    #[arg(long, conflicts_with = "client_id")]
    email: Option<String>,
    /// A file with the person's password, which is asked for if left out.
    #[arg(long, value_name = "FILE", requires = "email")]
    password_file: Option<PathBuf>,
    /// Over plain http, to another machine.
    #[arg(long)]
    plain_http: bool,
    /// Where to keep the sign-in; `~/.config/tenantry/session.json` if left out.
    #[arg(long, env = "TENANTRY_SESSION", value_name = "FILE")]
    session: Option<PathBuf>,
}

/// A sign-in.
#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) url: String,
    pub(super) account: AccountId,
    pub(super) token: String,
    /// In seconds since 1970.
    ends: i64,
    /// What a person's token is renewed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cookie: Option<String>,
}

pub(super) async fn login(asked: Login) -> Result<()> {
    let (http, url) = (http()?, base(&asked.url, asked.plain_http)?);
    let session = match (asked.email, asked.client_id, asked.account) {
        (Some(email), ..) => {
            let password = match &asked.password_file {
                Some(file) => read(file)?,
                None => hidden(&format!("Password of {email}: "))?,
            };
            let (identity, cookie) = sign_in(&http, &url, &email, &password).await?;
            let account = match asked.account {
                Some(account) => account,
                None => only_account(&http, &url, &identity).await?,
            };
            Session::of_person(&http, url, account, &identity, cookie).await?
        }
        (None, Some(client_id), Some(account)) => {
            let secret = match client_secret() {
                Some(secret) => secret,
                None => hidden(&format!("Secret of {client_id}: "))?,
            };
            let (token, lifetime) = client_token(&http, &url, account, (&client_id, &secret)).await?;
            Session { url, account, token, ends: now() + lifetime, cookie: None }
        }
        _ => bail!("say --client-id and --account, or --email"),
    };
    session.keep(asked.session)?;
    crate::out(&format!("signed in to {} at {}\n", session.account, session.url))
}

/// Ends a person's session on the server, and forgets what is kept here.
pub(super) async fn logout(file: Option<PathBuf>) -> Result<()> {
    let session = Session::read(&place(file.clone())?)?;
    fs::remove_file(place(file)?)?;
    if let Some(cookie) = &session.cookie {
        let asked = http()?.post(format!("{}/v1/account/logout", session.url)).header(COOKIE, cookie).send().await;
        let ended = async { value(asked?).await };
        ended.await.context("the sign-in is forgotten here, and lives on at the server")?;
    }
    crate::out(&format!("signed out of {}\n", session.account))
}

impl Session {
    /// The sign-in that is kept, renewed if it has to be.
    pub(super) async fn current(file: Option<PathBuf>) -> Result<Self> {
        let session = Self::kept(file.clone())?;
        // What cannot be renewed is used to its end.
        let soon = if session.cookie.is_some() { SOON } else { 0 };
        if session.ends - soon > now() {
            return Ok(session);
        }
        let Some(cookie) = session.cookie else { bail!("the sign-in has ended: tenantry login") };
        let http = http()?;
        let answer = send(http.post(format!("{}/v1/account/session", session.url)).header(COOKIE, &cookie)).await?;
        let next = cookie_of(&answer).unwrap_or(cookie);
        let identity = token(&value(answer).await.context("the sign-in has ended: tenantry login")?)?;
        let session = Self::of_person(&http, session.url, session.account, &identity, next).await?;
        session.keep(file)?;
        Ok(session)
    }

    async fn of_person(http: &Client, url: String, account: AccountId, identity: &str, cookie: String) -> Result<Self> {
        let asked = http.post(format!("{url}/v1/accounts/{account}/auth/token")).bearer_auth(identity);
        let answer = value(send(asked.json(&json!({"grant_type": "account_user"}))).await?).await;
        let answer = answer.with_context(|| format!("cannot enter {account}"))?;
        let lifetime = answer["expires_in"].as_i64().unwrap_or_default();
        Ok(Self { url, account, token: token(&answer)?, ends: now() + lifetime, cookie: Some(cookie) })
    }

    fn kept(file: Option<PathBuf>) -> Result<Self> {
        let place = place(file)?;
        if !place.exists() {
            bail!("nobody has signed in: tenantry login");
        }
        if fs::metadata(&place)?.permissions().mode() & 0o077 != 0 {
            bail!("{} can be read by others: chmod 600, and sign in again", place.display());
        }
        Self::read(&place)
    }

    fn read(place: &Path) -> Result<Self> {
        if !place.exists() {
            bail!("nobody has signed in: tenantry login");
        }
        let cannot = || format!("{} is no sign-in", place.display());
        serde_json::from_str(&read(place)?).with_context(cannot)
    }

    /// All of it or nothing, and for its owner only.
    fn keep(&self, file: Option<PathBuf>) -> Result<()> {
        let place = place(file)?;
        let directory = place.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let cannot = || format!("the sign-in cannot be kept in {}", place.display());
        fs::create_dir_all(directory).with_context(cannot)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
        file.write_all(&serde_json::to_vec(self)?).with_context(cannot)?;
        file.persist(&place).with_context(cannot)?;
        Ok(())
    }
}

fn place(file: Option<PathBuf>) -> Result<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".config/tenantry/session.json"));
    file.or_else(home).context("there is no home directory: say --session")
}

fn now() -> i64 {
    Source::system().now().seconds()
}

/// Asks for what nobody is to read on the screen.
fn hidden(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("there is nobody to ask: set TENANTRY_CLIENT_SECRET, or say --password-file");
    }
    Ok(rpassword::prompt_password(prompt)?)
}

/// Asks for a code that works once.
fn asked(prompt: &str) -> Result<String> {
    eprint!("{prompt}");
    let mut code = String::new();
    std::io::stdin().read_line(&mut code)?;
    Ok(code.trim().to_owned())
}

/// The cookie that an answer sets, as it is sent back.
fn cookie_of(answer: &Response) -> Option<String> {
    let set = answer.headers().get(SET_COOKIE)?.to_str().ok()?;
    set.split(';').next().map(str::to_owned)
}

/// Signs a person in, with a second factor where there is one; yields the token that says who it is, and the session's cookie.
async fn sign_in(http: &Client, url: &str, email: &str, password: &str) -> Result<(String, String)> {
    let at = |path: &str| http.post(format!("{url}/v1/account/login{path}"));
    let mut answer = send(at("").json(&json!({"email": email, "password": password}))).await?;
    if answer.status() == reqwest::StatusCode::FORBIDDEN {
        let told: Value = serde_json::from_slice(&body(answer).await?)?;
        let Some(mfa_token) = told["mfa_token"].as_str() else { bail!("{}", fault(&told["error"])) };
        let code = asked("Code of your app, or a recovery code; nothing for a code by SMS: ")?;
        let shown = match &code[..] {
            "" => {
                let sent = at("/challenge").json(&json!({"mfa_token": mfa_token, "oob_channel": "sms"}));
                let sent = value(send(sent).await?).await?;
                let code = asked("Code that was sent: ")?;
                json!({"mfa_token": mfa_token, "oob_code": sent["oob_code"], "binding_code": code})
            }
            digits if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                json!({"mfa_token": mfa_token, "otp": digits})
            }
            words => json!({"mfa_token": mfa_token, "recovery_code": words}),
        };
        answer = send(at("/code").json(&shown)).await?;
    }
    let cookie = cookie_of(&answer).unwrap_or_default();
    Ok((token(&value(answer).await?)?, cookie))
}

/// The account that somebody administers, if it is just one.
async fn only_account(http: &Client, url: &str, identity: &str) -> Result<AccountId> {
    let user = value(send(http.get(format!("{url}/v1/account/user")).bearer_auth(identity)).await?).await?;
    let ids: Vec<&str> = user["accounts"].as_array().into_iter().flatten().filter_map(|own| own["account_id"].as_str()).collect();
    match ids[..] {
        [only] => Ok(only.parse().map_err(anyhow::Error::msg)?),
        [] => bail!("there is no account that you administer"),
        _ => bail!("say --account, one of {}", ids.join(", ")),
    }
}
