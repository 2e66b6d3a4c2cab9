//! The client's address: the peer's, or, behind proxies that are configured as ours, the one that they vouch for.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};

use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::server::State;

/// The address of the client. `X-Forwarded-For` counts only as far as trusted proxies wrote it, read from the right.
pub(crate) fn client(request: &HttpRequest) -> Option<IpAddr> {
    let trusted = &State::of(request).options.trusted_proxies;
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    // On a socket for both, IPv4 comes as `::ffff:127.0.0.1`.
    let mut client = request.peer_addr()?.ip().to_canonical();
    let headers: Vec<&str> = request.headers().get_all("x-forwarded-for").filter_map(|header| header.to_str().ok()).collect();
    for hop in headers.iter().flat_map(|header| header.split(',')).rev() {
        if !is_trusted(&client) {
            warn_once(client);
            break;
        }
        match address(hop.trim()) {
            Some(ip) => client = ip.to_canonical(),
            None => break,
        }
    }
    Some(client)
}

/// Where a client that brings a person's password says that the person is. Its own address says nothing of that: behind it
/// everybody is.
const PERSON: HeaderName = HeaderName::from_static("tenantry-forwarded-for");

/// The address in that header, if it was sent. To be believed of a client that has proven who it is.
pub(crate) fn person(request: &HttpRequest) -> Result<Option<IpAddr>> {
    let Some(header) = request.headers().get(PERSON) else { return Ok(None) };
    let told = header.to_str().ok().and_then(|text| address(text.trim()));
    told.map(Some).ok_or_else(|| ApiError::invalid(PERSON.as_str(), "must be one IP address"))
}

/// The same, for handlers.
pub(crate) struct PersonAddress(pub(crate) Option<IpAddr>);

impl FromRequest for PersonAddress {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(person(request).map(Self))
    }
}

impl Describe for PersonAddress {
    fn describe(_: &mut Operation<'_>) {}
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A proxy that nobody has named makes all its callers one address, with one rate.
fn warn_once(proxy: IpAddr) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(%proxy, "X-Forwarded-For came from an address that is not in trusted_proxies: its callers share one rate");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_with_or_without_a_port() {
        for (text, expected) in
            [("203.0.113.1", "203.0.113.1"), ("203.0.113.1:4711", "203.0.113.1"), ("[2001:db8::1]:443", "2001:db8::1")]
        {
            assert_eq!(address(text), expected.parse().ok(), "{text}");
        }
        assert_eq!(address("unknown"), None);
    }

    mod properties {
        use std::net::{Ipv4Addr, Ipv6Addr};

        use tenantry_test_properties::Property;

        use super::*;

        #[test]
        fn an_address_is_read_as_it_is_printed() {
            let likely = "([0-9]{1,3}\\.){3}[0-9]{1,3}(:[0-9]{1,5})?|\\[?([0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\\]?(:[0-9]{1,5})?";
            Property::new("address").of_text(likely, |text| {
                let Some(ip) = address(text) else { return };
                assert_eq!(address(&ip.to_string()), Some(ip));
                assert_eq!(address(&SocketAddr::new(ip, 443).to_string()), Some(ip));
            });
            Property::new("address").of((0..=u32::MAX, 0..=u128::MAX), |(four, six)| {
                for ip in [IpAddr::from(Ipv4Addr::from(four)), IpAddr::from(Ipv6Addr::from(six))] {
                    assert_eq!(address(&ip.to_string()), Some(ip));
                    assert_eq!(address(&SocketAddr::new(ip, 1).to_string()), Some(ip));
                }
            });
        }
    }
}
