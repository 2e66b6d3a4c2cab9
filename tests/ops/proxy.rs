//! `HAProxy` itself, in front of two who say who they are: the account in the path chooses.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::{said, text};

/// Answers every request with its name, for as long as these tests run.
fn node(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}", name.len());
            drop((&stream).write_all(answer.as_bytes()));
        }
    });
    port
}

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: id.example.com\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

#[test]
fn the_account_in_the_path_chooses_the_node() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (one, two) = (node("one"), node("two"));
    let config = text("deploy/haproxy.cfg")
        .replace("bind :8080", &format!("bind 127.0.0.1:{port}"))
        .replace("one:8080", &format!("127.0.0.1:{one}"))
        .replace("two:8080", &format!("127.0.0.1:{two}"));
    // The chart says the same to controllers that are HAProxy.
    assert!(config.contains("balance uri depth 3") && text("helm/tenantry/templates/service.yaml").contains(": uri depth 3\n"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("haproxy.cfg");
    std::fs::write(&file, config).unwrap();
    let checked = Command::new("haproxy").arg("-c").arg("-f").arg(&file).output().expect("haproxy, which scripts/test installs");
    assert!(checked.status.success() && !said(&checked).contains("WARNING"), "{}", said(&checked));
    let proxy = Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _proxy = Proxy(proxy.unwrap());
    while get(port, "/readyz").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut used = BTreeSet::new();
    for number in 1..=30 {
        let account = format!("/v1/accounts/T112{number:05}");
        let nodes = ["/auth/token", "/auth/roles/1", "/customers/users?limit=10"]
            .map(|path| get(port, &format!("{account}{path}")).unwrap());
        assert!(nodes.iter().all(|node| *node == nodes[0]), "{account}: {nodes:?}");
        used.insert(nodes[0].clone());
    }
    assert_eq!(used.len(), 2);
}
