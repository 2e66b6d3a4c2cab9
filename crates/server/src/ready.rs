//! `tenantry ready`: asks a server as a probe does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where to reach what listens at `address`, which may be every address there is.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// An error says that the server at `url` is not ready, or not there.
pub(crate) async fn ask(url: &str) -> Result<()> {
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = http.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{url} answers {status}: {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}
