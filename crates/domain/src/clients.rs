//! Clients: programs that ask for tokens (contract nos. 10-14).

use url::{Host, Url};

use crate::{ClientId, ClientKey, Instant, LastUse, Seconds, Stamp, Text};

/// What a caller says about a client; everything may be left out.
#[derive(Debug, Clone, Default)]
pub struct ClientInput {
    /// A name for people.
    pub name: Option<Text<255>>,
    /// What the client is for.
    pub description: Option<Text<1000>>,
    /// An id of the caller's choice; made here if left out.
    pub client_id: Option<ClientId>,
    /// Where people may be sent back to, compared byte by byte.
    pub callbacks: Vec<String>,
}

impl ClientInput {
    /// Checks one redirect target: https, or http on the loopback; nothing that two parsers could read differently.
    pub fn callback(text: &str) -> Result<String, String> {
        if text.len() > 2000 || text.bytes().any(|byte| byte <= 0x20 || byte >= 0x7f || byte == b'\\') {
            return Err("must be at most 2000 printable ASCII characters without blanks and backslashes".to_owned());
        }
        let url = Url::parse(text).map_err(|_| "must be an absolute URL".to_owned())?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback) {
            return Err("must be https, or http on the loopback address".to_owned());
        }
        // Who takes it apart by hand sees the same host: as in `https://shop.example`, not `https:shop.example` or `https://a@b`.
        let begin = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix(&begin).filter(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']));
        if rest.is_none() || url.fragment().is_some() {
            return Err("must be scheme://host and what follows, with neither a user part nor a fragment".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// A client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The record.
    pub key: ClientKey,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// Its public name; never given to another client of the account, not even after deletion.
    pub client_id: ClientId,
    /// A name for people.
    pub name: Option<Text<255>>,
    /// What the client is for.
    pub description: Option<Text<1000>>,
    /// Where people may be sent back to.
    pub callbacks: Vec<String>,
    /// Its secret.
    pub secret: KeptSecret,
    /// The one before, and when it ends.
    pub old_secret: Option<(KeptSecret, Instant)>,
}

/// A secret as it is kept; the secret itself is shown once and never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// When somebody last showed it.
    pub used: LastUse,
}

impl KeptSecret {
    /// A secret that nobody has used.
    #[must_use]
    pub fn new(hash: [u8; 32]) -> Self {
        Self { hash, used: LastUse::default() }
    }
}

impl Client {
    /// The longest that an old secret may live on, in seconds.
    pub const LONGEST_OVERLAP: Seconds = 86_400;

    /// The current secret, and the one before it if there is one.
    pub fn secrets(&self) -> impl Iterator<Item = &KeptSecret> {
        std::iter::once(&self.secret).chain(self.old_secret.as_ref().map(|(old, _)| old))
    }

    /// The secret before the current one, and when it ends; `None` once it has.
    #[must_use]
    pub fn old_secret(&self, now: Instant) -> Option<&(KeptSecret, Instant)> {
        self.old_secret.as_ref().filter(|(_, until)| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_leave_no_room_for_tricks() {
        for good in ["https://shop.example/back?x=1", "http://127.0.0.1:3000/cb", "http://[::1]/cb", "http://localhost/"] {
            assert!(ClientInput::callback(good).is_ok(), "{good}");
        }
        for bad in [
            "http://shop.example/back",
            "https://shop.example@evil.example/",
            "https://a@b@c.example/",
            "https://shop.example/#x",
            "https:\\\\shop.example",
            "https://shop.example/\u{7}",
            "https://shop.example/a b",
            "javascript:alert(1)",
            "//shop.example",
            "http://localhost.evil.example/",
            "https:shop.example",
            "https:///shop.example",
            "https://%73hop.example/",
            "http://0x7f.1/",
        ] {
            assert!(ClientInput::callback(bad).is_err(), "{bad}");
        }
    }
}
