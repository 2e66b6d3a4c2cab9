//! Audiences (contract section 3.3): the name of the party that a token is meant for.

use std::fmt;

use url::{Origin, Url};

use crate::AccountId;

/// Where the world reaches this service: scheme, host and port. The only source of links and issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    /// `{url}/v1/accounts/`
    accounts: Box<str>,
}

impl PublicUrl {
    /// Reads an http(s) origin such as `https://id.example.com`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("must be a URL: {error}"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let named = url.username().is_empty() && url.password().is_none() && url.has_host();
        if matches!(url.scheme(), "http" | "https") && bare && named {
            let accounts = format!("{}/v1/accounts/", url.as_str().trim_end_matches('/')).into();
            Ok(Self { url, accounts })
        } else {
            Err("must be http(s)://host[:port] and nothing more".to_owned())
        }
    }

    /// The canonical audience and issuer of an account: `{public_url}/v1/accounts/{id}`.
    #[must_use]
    pub fn account(&self, id: AccountId) -> String {
        let mut text = String::with_capacity(self.accounts.len() + id.as_str().len());
        text.push_str(&self.accounts);
        text.push_str(id.as_str());
        text
    }

    fn origin(&self) -> Origin {
        self.url.origin()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

/// Who a token is for: an account of ours, or a resource server elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// An account here.
    Account(AccountId),
    /// An absolute URI outside our public URL, as it was given.
    Elsewhere(Box<str>),
}

impl Audience {
    /// Reads an audience. For accounts of ours both `{public_url}/v1/accounts/{id}` and the same with `{id}@` before
    /// the host are understood, with 3 or 8 digits.
    pub fn parse(text: &str, public: &PublicUrl) -> Result<Self, String> {
        if text.len() > 512 || text.bytes().any(|byte| byte <= 0x20 || byte >= 0x7f || byte == b'\\') {
            return Err("must be an absolute URI of at most 512 characters, as in RFC 3986".to_owned());
        }
        // As nearly everybody writes it, it need not be taken apart.
        if let Some(Ok(id)) = text.strip_prefix(&*public.accounts).map(AccountId::parse_owner) {
            return Ok(Self::Account(id));
        }
        let url = Url::parse(text).map_err(|_| "must be an absolute URI".to_owned())?;
        if url.fragment().is_some() {
            return Err("must not have a fragment".to_owned());
        }
        if url.origin() != public.origin() {
            return if url.username().is_empty() && url.password().is_none() {
                Ok(Self::Elsewhere(text.into()))
            } else {
                Err("must not have a user part".to_owned())
            };
        }
        let account = url.path().strip_prefix("/v1/accounts/").filter(|_| url.query().is_none() && url.password().is_none());
        let account = account.and_then(|id| AccountId::parse_owner(id).ok());
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(AccountId::parse_owner);
        match (account, user) {
            (Some(id), None) => Ok(Self::Account(id)),
            (Some(id), Some(Ok(user))) if user == id => Ok(Self::Account(id)),
            _ => Err(format!("must be {public}/v1/accounts/ followed by an account id")),
        }
    }

    /// The canonical text, as in tokens and answers.
    #[must_use]
    pub fn text(&self, public: &PublicUrl) -> String {
        match self {
            Self::Account(id) => public.account(*id),
            Self::Elsewhere(uri) => uri.to_string(),
        }
    }

    /// The form that is stored: an account by its id, so that a grant outlives a change of the public URL.
    #[must_use]
    pub fn stored(&self) -> &str {
        match self {
            Self::Account(id) => id.as_str(),
            Self::Elsewhere(uri) => uri,
        }
    }

    /// Reads the stored form.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Elsewhere(text.into()), Self::Account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_account_is_one_audience() {
        let public = PublicUrl::parse("https://id.example.com").unwrap();
        let account = Audience::Account("P11200000".parse().unwrap());
        for text in [
            "https://id.example.com/v1/accounts/P11200000",
            "https://ID.example.com:443/v1/accounts/P112",
            "https://P11200000@id.example.com/v1/accounts/P11200000",
            "https://P112@id.example.com/v1/accounts/P11200000",
        ] {
            assert_eq!(Audience::parse(text, &public), Ok(account.clone()), "{text}");
        }
        for text in [
            "https://id.example.com/v1/accounts/P11200000/",
            "https://id.example.com/",
            "https://T11200000@id.example.com/v1/accounts/P11200000",
            "https://id.example.com/v1/accounts/P11200000?x",
            "https://id.example.com/v1/accounts/P11200000#x",
            "https://u:p@elsewhere.example/x",
            "nowhere",
            "https://else where/",
            "https://i\u{200b}d.example.com/v1/accounts/P11200000",
        ] {
            assert!(Audience::parse(text, &public).is_err(), "{text}");
        }
        assert_eq!(Audience::parse("urn:x:y", &public), Ok(Audience::Elsewhere("urn:x:y".into())));
    }

    #[test]
    fn the_stored_form_comes_back() {
        for audience in [Audience::Account("T00000001".parse().unwrap()), Audience::Elsewhere("https://a.example/".into())] {
            assert_eq!(Audience::from_stored(audience.stored()), audience);
        }
    }

    #[test]
    fn a_public_url_is_an_origin() {
        assert_eq!(PublicUrl::parse("http://127.0.0.1:8080/").unwrap().to_string(), "http://127.0.0.1:8080");
        for bad in ["", "ftp://x", "https://x/y", "https://u@x", "https://x?y", "x"] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
