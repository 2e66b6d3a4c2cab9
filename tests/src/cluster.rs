//! What several nodes stand on: a PostgreSQL server of a test's own, which it may stop, freeze and put back, and a network that it
//! may cut.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpListener, TcpStream};

use crate::TestDatabase;

/// A PostgreSQL server of a test's own; ended with it.
pub struct OwnServer {
    script: Child,
    /// `postgres://tenantry@127.0.0.1:PORT`.
    pub url: String,
    data: String,
}

impl OwnServer {
    /// Starts one.
    pub async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/with-postgres");
        let told = "echo $TENANTRY_TEST_POSTGRES; exec cat";
        let mut script = Command::new(script)
            .args(["sh", "-c", told])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/with-postgres runs");
        let mut url = String::new();
        BufReader::new(script.stdout.take().expect("its output")).read_line(&mut url).expect("its URL");
        let url = url.trim().to_owned();
        let database = TestDatabase::create_on(&url).await;
        let data = database.column("SHOW data_directory").await.concat();
        Self { script, url, data }
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) {
        self.pg_ctl("-m immediate -w stop");
    }

    /// Starts it again.
    pub fn start_again(&self) {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        let sockets = self.data.trim_end_matches("/data");
        let options = format!("-p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c max_connections=500");
        self.pg_ctl(&format!("-w -l {sockets}/log -o '{options}' start"));
    }

    /// Ends it in order and starts it again.
    pub fn restart(&self) {
        self.pg_ctl("-m fast -w restart");
    }

    /// Copies its files away, while it is stopped; or puts them back.
    pub fn copy(&self, back: bool) {
        let (data, copy) = (&self.data, format!("{}.copy", self.data));
        let (from, to) = if back { (&copy, data) } else { (data, &copy) };
        sh(&format!("rm -rf {to} && cp -a {from} {to}"));
    }

    /// Freezes all of its processes, or lets them go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "STOP" } else { "CONT" };
        // A server of one connection may end between being listed and being told; the first of them may not.
        sh(&format!(
            "pid=$(head -n 1 {}/postmaster.pid); kill -{signal} $pid && {{ kill -{signal} $(pgrep -P $pid) 2>/dev/null; true; }}",
            self.data
        ));
    }

    fn pg_ctl(&self, what: &str) {
        let find =
            "bin=$(dirname $(readlink -f $(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)))";
        let user = "as=; [ $(id -u) != 0 ] || as='runuser -u postgres --'";
        sh(&format!("cd /; {find}; {user}; $as $bin/pg_ctl -D {} {what} >/dev/null 2>&1", self.data));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // It may be frozen.
        drop(
            Command::new("sh")
                .args([
                    "-c",
                    &format!("pid=$(head -n 1 {}/postmaster.pid 2>/dev/null) && kill -CONT $pid $(pgrep -P $pid)", self.data),
                ])
                .status(),
        );
        drop(self.script.stdin.take());
        drop(self.script.wait());
    }
}

/// Runs a line of shell, which must succeed.
fn sh(line: &str) {
    let done = Command::new("sh").args(["-c", line]).output().expect("a shell");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A network of its own for one process, with two lines to this one: one to be called over, one to its database.
pub struct Namespace {
    name: String,
    /// Here, and there, on the line to the database.
    database: [String; 2],
    /// There, on the other line.
    pub address: String,
}

impl Namespace {
    /// Makes one. Needs the right to, as root has.
    pub fn make() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() % 20_000 * 3 + NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tnry{number}");
        let nets = [0, 1].map(|line| {
            let base = number * 8 + line * 4;
            let at = |last: u32| format!("10.{}.{}.{}", 100 + (base >> 16) % 100, (base >> 8) & 255, (base & 255) + last);
            [at(1), at(2)]
        });
        sh(&format!("ip netns add {name} && ip -n {name} link set lo up"));
        for (line, [here, there]) in ["net0", "net1"].iter().zip(&nets) {
            sh(&format!(
                "ip link add {name}{0} type veth peer name {line} netns {name} && ip addr add {here}/30 dev {name}{0} && \
                 ip link set {name}{0} up && ip -n {name} addr add {there}/30 dev {line} && ip -n {name} link set {line} up",
                &line[3..]
            ));
        }
        let [[_, address], database] = nets;
        Self { name, database, address }
    }

    /// Where this process is, as its database's side: for a [`forward`].
    pub fn database_side(&self) -> &str {
        &self.database[0]
    }

    /// Cuts the line to the database, or mends it: what is sent meanwhile is lost, and nobody is told.
    pub fn cut(&self, cut: bool) {
        let state = if cut { "down" } else { "up" };
        sh(&format!("ip link set {}1 {state}", self.name));
    }

    /// The same command, inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args()).env_clear();
        inside.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = command.get_current_dir() {
            inside.current_dir(directory);
        }
        inside
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "del", &self.name]).status());
    }
}

/// Listens on a free port of this host and leads each connection to the next of `nodes`; where it listens.
pub async fn round_robin(host: &str, nodes: Vec<SocketAddr>) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    actix_rt::spawn(async move {
        for node in nodes.into_iter().cycle() {
            let Ok((mut caller, _)) = listener.accept().await else { return };
            actix_rt::spawn(async move {
                let Ok(mut node) = TcpStream::connect(node).await else { return };
                drop(tokio::io::copy_bidirectional(&mut caller, &mut node).await);
            });
        }
    });
    address
}
