//! A line to PostgreSQL that is cut, stalls or is slow when it is told to.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// What is sent arrives so much later.
    Slow(Duration),
    /// Nothing arrives, and nobody is told.
    Stalled,
    /// The next connection that sends COMMIT is cut: before it arrives, or so long after it, and without its answer.
    CutAtCommit(Option<Duration>),
}

/// The line.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    line: Rc<watch::Sender<Line>>,
    /// Raised by each cut of everything.
    cuts: Rc<watch::Sender<u32>>,
    /// How many connections were cut at a COMMIT.
    at_commit: Rc<Cell<u32>>,
}

impl Proxy {
    /// Listens, and leads to `there`.
    pub(crate) async fn to(there: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (line, cuts) = (Rc::new(watch::Sender::new(Line::Open)), Rc::new(watch::Sender::new(0)));
        let proxy = Self { address, line, cuts, at_commit: Rc::default() };
        let accepting = proxy.clone();
        actix_rt::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let proxy = accepting.clone();
                actix_rt::spawn(async move {
                    if let Ok(far) = TcpStream::connect(there).await {
                        proxy.lead(near, far).await;
                    }
                });
            }
        });
        proxy
    }

    /// Changes the line.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Cuts all connections, now.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections were cut at a COMMIT so far.
    pub(crate) fn cut_at_commit(&self) -> u32 {
        self.at_commit.get()
    }

    /// Leads one connection until either side ends it, or it is cut: then both ends are dropped at once, with what was under way.
    async fn lead(&self, near: TcpStream, far: TcpStream) {
        drop((near.set_nodelay(true), far.set_nodelay(true)));
        let mut cuts = self.cuts.subscribe();
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = self.carry(from_near, to_far, true) => {}
            () = self.carry(from_far, to_near, false) => {}
            _ = cuts.changed() => {}
        }
    }

    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asks: bool) {
        let (mut bytes, mut line) = (vec![0; 64 * 1024], self.line.subscribe());
        loop {
            let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
            let now = *line.wait_for(|line| *line != Line::Stalled).await.expect("the line stands");
            let cut = match now {
                Line::CutAtCommit(after) if asks && bytes[..count].windows(6).any(|word| word == b"COMMIT") => Some(after),
                _ => None,
            };
            if let Line::Slow(by) = now {
                tokio::time::sleep(by).await;
            }
            if let Some(after) = cut {
                self.set(Line::Open);
                self.at_commit.set(self.at_commit.get() + 1);
                if let Some(after) = after {
                    drop(to.write_all(&bytes[..count]).await);
                    tokio::time::sleep(after).await;
                }
                return;
            }
            if to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    }
}
