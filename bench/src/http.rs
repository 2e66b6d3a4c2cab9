//! HTTP/1.1 as a load generator needs it: bytes out, status and body in, nothing between that could be the slow part.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that nothing came over for so long may have been closed.
const RESTED: Duration = Duration::from_secs(2);
/// How soon it comes again who was told to.
const AGAIN: Duration = Duration::from_millis(50);

/// A request, ready to be sent again and again.
#[derive(Clone)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A request with these headers, each ending in a line break.
    pub(crate) fn new(method: &str, path: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self(format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    }

    /// A GET with a bearer token.
    pub(crate) fn get(path: &str, token: &str) -> Self {
        Self::new("GET", path, &format!("Authorization: Bearer {token}\r\n"), "")
    }

    /// A request with a bearer token and a JSON body.
    pub(crate) fn json(method: &str, path: &str, token: &str, body: &Value) -> Self {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        Self::new(method, path, &headers, &body.to_string())
    }

    /// A request of the token endpoint, with client credentials.
    pub(crate) fn token(path: &str, basic: &str, body: &Value) -> Self {
        let headers = format!("Authorization: Basic {basic}\r\nContent-Type: application/json\r\n");
        Self::new("POST", path, &headers, &body.to_string())
    }
}

/// One connection that stays open.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// When it was last answered.
    answered: Instant,
}

/// An answer.
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
    pub(crate) body: &'c [u8],
}

impl Answer<'_> {
    fn json(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("answered {}: {}", self.status, String::from_utf8_lossy(self.body));
        }
        Ok(serde_json::from_slice(self.body)?)
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(64 * 1024), answered: Instant::now() })
    }

    /// Sends a request and reads the whole answer. A connection that has rested, and was closed meanwhile, is opened anew; any other that is
    /// closed is an error.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer<'_>> {
        self.buffer.clear();
        let sent = self.stream.write_all(&request.0).await;
        if sent.is_err() || !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
            if self.answered.elapsed() < RESTED {
                bail!("the connection was closed");
            }
            *self = Self::open(self.address).await?;
            self.stream.write_all(&request.0).await?;
        }
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 48];
            let mut answer = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(head) = answer.parse(&self.buffer)? else {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    bail!("the connection was closed");
                }
                continue;
            };
            let header = |name: &str| answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            let (status, retry_after) = (answer.code.unwrap_or_default(), header("retry-after").is_some());
            let length: usize = match header("content-length") {
                Some(length) => std::str::from_utf8(length.value)?.parse()?,
                None if status == 204 => 0,
                None => bail!("an answer without a length"),
            };
            while self.buffer.len() < head + length {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    bail!("the connection was closed");
                }
            }
            self.answered = Instant::now();
            return Ok(Answer { status, retry_after, body: &self.buffer[head..head + length] });
        }
    }

    /// Sends a request that must be answered with 2xx, and reads its JSON.
    pub(crate) async fn json(&mut self, request: &Request) -> Result<Value> {
        self.ask(request).await?.json()
    }

    /// The same where something is only got ready: when it is told to come again, it does.
    pub(crate) async fn made(&mut self, request: &Request) -> Result<Value> {
        loop {
            let answer = self.ask(request).await?;
            if !answer.retry_after {
                return answer.json();
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
