//! `tenantry customers import`: brings a file of customers, a line of JSON each, to a server, over its API and with a client's
//! right to it. What was brought may be brought again: whoever is there stays as it is.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tenantry_domain::AccountId;

use super::{base, body, client_token, fault, http, plain, send_again};
use crate::config::client_secret;

/// How much one request brings: so often the bar moves, and so much is brought again after a failure.
const LINES: usize = 5000;
/// See [`LINES`]; in bytes.
const BYTES: usize = 4 * 1024 * 1024;

/// What to bring, and where to.
#[derive(Args)]
pub(crate) struct Import {
    /// Customers, a line of JSON each.
    file: PathBuf,
    /// Where the server is.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Whose customers they are to be.
    #[arg(long)]
    account: AccountId,
    /// A client of that account with the scope write:customers; its secret is read from `TENANTRY_CLIENT_SECRET`.
    #[arg(long)]
    client_id: String,
    /// Over plain http, to another machine.
    #[arg(long)]
    plain_http: bool,
    /// Begin with this line.
    #[arg(long, default_value_t = 1)]
    from: u64,
}

/// What became of a line.
#[derive(Deserialize)]
struct Told {
    line: u64,
    status: String,
    #[serde(default)]
    error: Value,
}

/// How many lines became what.
#[derive(Default)]
struct Counts {
    created: u64,
    exist: u64,
    refused: u64,
}

/// Lines that go together.
struct Piece {
    /// The number of the first.
    first: u64,
    lines: u64,
    text: Vec<u8>,
}

pub(super) async fn import(mut asked: Import) -> Result<ExitCode> {
    asked.url = base(&asked.url, asked.plain_http)?;
    let secret = client_secret().context("the client's secret must be in TENANTRY_CLIENT_SECRET")?;
    let file = File::open(&asked.file).with_context(|| format!("{} cannot be read", asked.file.display()))?;
    let bar = ProgressBar::new(file.metadata()?.len());
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {bytes_per_sec}, {eta} left")?;
    bar.set_style(style);
    let (http, mut file, mut counts, mut next) = (http()?, BufReader::new(file), Counts::default(), 1);
    let mut token = None;
    while let Some(piece) = read(&mut file, next)? {
        next += piece.lines;
        let length = piece.text.len() as u64;
        if next > asked.from {
            let skipped = asked.from.saturating_sub(piece.first);
            let going_on = || format!("lines before {} are done; go on with --from {}", piece.first, piece.first.max(asked.from));
            let told = bring(&http, (&asked, &secret), &mut token, without(&piece.text, skipped)).await.with_context(going_on)?;
            for one in told {
                match one.status.as_str() {
                    "created" => counts.created += 1,
                    "exists" => counts.exist += 1,
                    _ => {
                        counts.refused += 1;
                        let line = piece.first + skipped + one.line - 1;
                        bar.suspend(|| eprintln!("line {line}: {}", plain(&fault(&one.error))));
                    }
                }
            }
        }
        bar.inc(length);
        bar.set_message(format!("{} created", counts.created));
    }
    bar.finish_and_clear();
    let Counts { created, exist, refused } = counts;
    println!("{created} created, {exist} were there, {refused} refused");
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The next lines of a file; `None` at its end.
fn read(file: &mut impl BufRead, first: u64) -> Result<Option<Piece>> {
    let (mut text, mut lines) = (Vec::new(), 0);
    while lines < LINES as u64 && text.len() < BYTES && file.read_until(b'\n', &mut text)? > 0 {
        lines += 1;
    }
    Ok((lines > 0).then_some(Piece { first, lines, text }))
}

/// What is left without the first lines.
fn without(text: &[u8], lines: u64) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n').skip(usize::try_from(lines).unwrap_or(usize::MAX)).flatten().copied().collect()
}

/// Brings some lines, and yields what became of each.
async fn bring(http: &Client, (asked, secret): (&Import, &str), token: &mut Option<String>, text: Vec<u8>) -> Result<Vec<Told>> {
    let path = format!("{}/v1/accounts/{}/customers/users:import", asked.url, asked.account);
    // Once more with another token, where the first has run out.
    for _ in 0..2 {
        let bearer = match token.take() {
            Some(bearer) => bearer,
            None => client_token(http, &asked.url, asked.account, (&asked.client_id, secret)).await?.0,
        };
        let request = http.post(&path).bearer_auth(&bearer).header("content-type", "application/x-ndjson").body(text.clone());
        let answer = send_again(request, true).await?;
        let status = answer.status();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            continue;
        }
        let told = String::from_utf8(body(answer).await?).context("the server's answer is no text")?;
        if !status.is_success() {
            bail!("{status}: {}", fault(&serde_json::from_str::<Value>(&told).unwrap_or_default()["error"]));
        }
        *token = Some(bearer);
        return told.lines().map(|line| serde_json::from_str(line).context("the server's answer is no result")).collect();
    }
    Err(anyhow!("the client's token is not accepted"))
}
