//! Fetching from addresses that others have named (security A20): https only, resolved once and connected to just there,
//! nothing private, no redirects, five seconds, 128 KiB.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use openidconnect::{HttpRequest, HttpResponse, http};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::Failure;

/// How long an answer may take, connecting counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// How large an answer may be, in bytes. What is remembered of it is far less.
const MOST: usize = 128 * 1024;

/// IPv4 networks that are not the world (IANA's registry of special purposes).
const INSIDE_V4: [(Ipv4Addr, u8); 14] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Whether an address stands in the world, for everybody to reach.
fn is_outside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            INSIDE_V4.iter().all(|(network, length)| !Ipv4Net::new_assert(*network, *length).contains(&address))
        }
        // Only global unicast, and of that neither what carries an IPv4 address nor documentation.
        IpAddr::V6(address) => {
            let within = |network: &str| network.parse::<Ipv6Net>().is_ok_and(|network| network.contains(&address));
            within("2000::/3") && !["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].into_iter().any(within)
        }
    }
}

/// Names become addresses here, and a connection goes to one of those that were looked at.
struct Outside {
    loopback: bool,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback = self.loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = |at: &SocketAddr| is_outside(at.ip()) || loopback && at.ip().is_loopback();
            let allowed: Vec<SocketAddr> = found.filter(allowed).collect();
            if allowed.is_empty() {
                return Err("no address outside".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Fetches. Cheap to clone, and to make: what it needs for it is made when something is fetched first.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    http: Arc<OnceLock<Option<reqwest::Client>>>,
    loopback: bool,
}

impl Fetcher {
    /// `loopback`: also what stands on this very machine, over plain http. For development.
    pub(crate) fn new(loopback: bool) -> Self {
        Self { http: Arc::default(), loopback }
    }

    fn http(&self) -> Result<&reqwest::Client, Failure> {
        let make = || {
            let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy();
            client.dns_resolver(Outside { loopback: self.loopback }).build().ok()
        };
        self.http.get_or_init(make).as_ref().ok_or(Failure::Provider("cannot be asked: this machine has no certificates"))
    }

    /// Whether an address may be asked at all, before any name in it is resolved.
    fn check(&self, url: &Url) -> Result<(), Failure> {
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => self.inside(address.into())?,
            Some(Host::Ipv6(address)) => self.inside(address.into())?,
            None => return Err(Failure::Provider("has no host")),
        };
        let scheme = url.scheme() == "https" || self.loopback && local && url.scheme() == "http";
        if scheme && url.username().is_empty() && url.password().is_none() {
            Ok(())
        } else {
            Err(Failure::Provider("is not at an https address"))
        }
    }

    /// Whether a literal address is this machine's own, where that is allowed.
    fn inside(&self, address: IpAddr) -> Result<bool, Failure> {
        match address.to_canonical() {
            own if self.loopback && own.is_loopback() => Ok(true),
            other if is_outside(other) => Ok(false),
            _ => Err(Failure::Provider("is not at a public address")),
        }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| Failure::Provider("has no address"))?;
        self.check(&url)?;
        let asked = self.http()?.request(head.method, url).headers(head.headers).body(body);
        let unreached = |error: reqwest::Error| {
            Failure::Provider(if error.is_timeout() { "did not answer in time" } else { "cannot be reached" })
        };
        let mut answer = asked.send().await.map_err(unreached)?;
        if answer.status().is_redirection() {
            return Err(Failure::Provider("sends us elsewhere"));
        }
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
            if bytes.len() + chunk.len() > MOST {
                return Err(Failure::Provider("answers too much"));
            }
            bytes.extend_from_slice(&chunk);
        }
        response.body(bytes).map_err(|_| Failure::Provider("answers nonsense"))
    }

    /// Reads a document.
    pub(crate) async fn get(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let request = http::Request::get(url).header("accept", "application/json").body(Vec::new());
        let answer = self.send(request.map_err(|_| Failure::Provider("has no address"))?).await?;
        if answer.status().is_success() { Ok(answer.into_body()) } else { Err(Failure::Provider("answers with an error")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_world_is_outside() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_outside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_outside(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn an_address_is_judged_before_anything_is_sent() {
        let check = |fetcher: &Fetcher, url: &str| fetcher.check(&Url::parse(url).unwrap()).is_ok();
        let (strict, lenient) = (Fetcher::new(false), Fetcher::new(true));
        for bad in [
            "http://id.example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://u:p@id.example.com/",
            "https://169.254.169.254/latest/",
            "ftp://id.example.com/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert!(!check(&strict, bad), "{bad}");
        }
        assert!(check(&strict, "https://id.example.com/") && check(&strict, "https://1.1.1.1/"));
        for good in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "https://id.example.com/"] {
            assert!(check(&lenient, good), "{good}");
        }
        for bad in ["http://id.example.com/", "http://10.0.0.1/", "https://192.168.1.1/", "http://localhost.evil.example/"] {
            assert!(!check(&lenient, bad), "{bad}");
        }
    }
}
