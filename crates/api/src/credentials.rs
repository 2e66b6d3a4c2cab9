//! Client authentication (RFC 6749 section 2.3): in the header or in the body, never in both.

use actix_web::HttpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tenantry_accounts::ClientSecret;
use tenantry_domain::{Error, Secret};

use crate::call::authorization;
use crate::error::{ApiError, Result};

/// How a caller proves who it is.
pub(crate) enum Proof {
    Client(ClientSecret),
    Bearer(String),
}

/// Reads the credentials from the header or the body, never from both (RFC 6749 section 2.3); `None` if there are none.
pub(crate) fn proof(request: &HttpRequest, client_id: Option<String>, client_secret: Option<Secret>) -> Result<Option<Proof>> {
    let header = authorization(request).map_err(|error| match error {
        ApiError::Domain(Error::Unauthorized) => Error::InvalidClient.into(),
        error => error,
    })?;
    if header.is_some() && client_secret.is_some() {
        return Err(ApiError::invalid("client_secret", "must not be sent beside an Authorization header"));
    }
    match (header, client_id, client_secret) {
        (Some((scheme, token)), _, _) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(Proof::Bearer(token.to_owned()))),
        (Some((scheme, text)), sent, _) if scheme.eq_ignore_ascii_case("basic") => {
            let client = basic(text).ok_or(Error::InvalidClient)?;
            if sent.is_some_and(|id| id != client.client_id) {
                return Err(ApiError::invalid("client_id", "differs from the Authorization header"));
            }
            Ok(Some(Proof::Client(client)))
        }
        (None, Some(client_id), Some(secret)) => Ok(Some(Proof::Client(ClientSecret { client_id, secret }))),
        (None, None, None) => Ok(None),
        _ => Err(Error::InvalidClient.into()),
    }
}

/// HTTP Basic (RFC 7617). Clients that follow RFC 6749 section 2.3.1 percent-encode both parts, others do not; ids and
/// secrets have no character that the two readings see differently.
fn basic(text: &str) -> Option<ClientSecret> {
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    Some(ClientSecret { client_id: decode(id)?, secret: Secret::new(decode(secret)?) })
}

#[cfg(test)]
mod properties {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use tenantry_domain::ClientId;
    use tenantry_test_properties::Property;

    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        basic(text).map(|client| (client.client_id, client.secret.reveal().to_owned()))
    }

    #[test]
    fn basic_gives_both_parts_as_they_were() {
        let part = "[a-zA-Z0-9%:åß+ ]{0,8}|[a-zA-Z0-9._~-]{1,8}";
        Property::new("basic").of((part, part), |(id, secret)| {
            let encode = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
            let both = |id: &str, secret: &str| STANDARD.encode(format!("{id}:{secret}"));
            let (text, plain) = (both(&encode(&id), &encode(&secret)), both(&id, &secret));
            let parts = Some((id.clone(), secret.clone()));
            assert_eq!(read(&text), parts);
            if id.parse::<ClientId>().is_ok() && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                assert_eq!(read(&plain), parts, "as most clients send it");
            }
        });
    }

    #[test]
    fn the_first_colon_parts_basic_whatever_is_sent() {
        Property::new("basic").of_text("[a-zA-Z0-9+/]{0,24}={0,2}", |text| {
            let Some((id, _)) = read(text) else { return };
            let plain = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
            let before = plain.find(':').unwrap();
            assert!(id.len() <= before, "nothing of the secret is in {id:?}");
            assert!(!id.contains(':') || plain[..before].to_lowercase().contains("%3a"), "{id:?}");
        });
    }
}
