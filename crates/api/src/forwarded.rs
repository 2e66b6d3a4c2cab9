//! The client's address: the peer's, or, behind proxies that are configured as ours, the one that they vouch for.

use std::net::IpAddr;

use actix_web::HttpRequest;

use crate::server::State;

/// The address of the client. `X-Forwarded-For` counts only as far as trusted proxies wrote it, read from the right.
pub(crate) fn client(request: &HttpRequest) -> Option<IpAddr> {
    let trusted = &State::of(request).options.trusted_proxies;
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut client = request.peer_addr()?.ip();
    let headers: Vec<&str> = request.headers().get_all("x-forwarded-for").filter_map(|header| header.to_str().ok()).collect();
    for hop in headers.iter().flat_map(|header| header.split(',')).rev() {
        if !is_trusted(&client) {
            break;
        }
        match hop.trim().parse() {
            Ok(ip) => client = ip,
            Err(_) => break,
        }
    }
    Some(client)
}
