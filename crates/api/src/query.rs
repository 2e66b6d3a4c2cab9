//! Query and path parameters, with errors that name them.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use utoipa::ToSchema;

use crate::body::fault;
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::route::Matched;

/// How many parameters a query or form may have.
const MAX_PARAMETERS: usize = 64;

/// Query parameters; unknown ones are ignored, repeated ones refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string().as_bytes()).map(Query))
    }
}

impl<T: ToSchema> Describe for Query<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

/// Parameters that are lists: each may be there several times.
const LISTS: [&str; 2] = ["attributes_keys", "attributes_values"];
/// What stands between the entries of a list: no value may have it.
const SEPARATOR: char = '\0';

/// Parses `a=b&c=d`, as in queries and forms.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    if let Some((name, _)) = form_urlencoded::parse(text).find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(ApiError::invalid(name.replace('\0', ""), "must not contain U+0000"));
    }
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for (name, value) in form_urlencoded::parse(text) {
        if pairs.len() == MAX_PARAMETERS {
            return Err(ApiError::invalid("body", format!("must have at most {MAX_PARAMETERS} parameters")));
        }
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            None => pairs.push((name, value)),
            Some((_, values)) if LISTS.contains(&name.as_ref()) => {
                let values = values.to_mut();
                values.push(SEPARATOR);
                values.push_str(&value);
            }
            Some(_) => return Err(ApiError::invalid(name, "must be sent once")),
        }
    }
    let joined = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(joined.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| fault(&error.path().to_string(), error.inner()))
}

/// Reads one of the [`LISTS`].
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    String::deserialize(deserializer).map(|text| text.split(SEPARATOR).map(str::to_owned).collect())
}

/// One parameter of a query, before anybody reads the others.
pub(crate) fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The page size: 1 to 100, 10 if left out (contract section 3.8).
pub(crate) fn limit(limit: Option<u32>) -> Result<u32> {
    match limit.unwrap_or(10) {
        limit @ 1..=100 => Ok(limit),
        _ => Err(ApiError::invalid("limit", "must be between 1 and 100")),
    }
}

/// A parameter that parses as `T`, if it is there.
pub(crate) fn optional<T: FromStr<Err = String>>(name: &str, text: Option<&str>) -> Result<Option<T>> {
    text.map(str::parse).transpose().map_err(|fault: String| ApiError::invalid(name, fault))
}

/// A parameter of a path, the second if nothing else is said: a record of the account. Malformed is 400, unknown is for the handler to find out.
pub(crate) struct Id<T, const NTH: usize = 1>(pub(crate) T);

impl<T: FromStr<Err: ToString>, const NTH: usize> FromRequest for Id<T, NTH> {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (name, text) = Matched::parameter(request, NTH).unwrap_or_default();
        // What has a meaning in a path (`/`, `+`, `%`) actix-web leaves as it was sent.
        let Ok(text) = percent_decode_str(&text).decode_utf8() else {
            return ready(Err(ApiError::invalid(name, "must be UTF-8")));
        };
        if text.contains('\0') {
            return ready(Err(ApiError::invalid(name, "must not contain U+0000")));
        }
        ready(text.parse().map(Self).map_err(|fault: T::Err| ApiError::invalid(name, fault.to_string())))
    }
}

impl<T, const NTH: usize> Describe for Id<T, NTH> {
    fn describe(operation: &mut Operation<'_>) {
        operation.has_record();
    }
}

#[cfg(test)]
mod properties {
    use serde::Deserialize;
    use tenantry_test_properties::Property;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        a: Option<String>,
        limit: Option<u32>,
        #[serde(default, deserialize_with = "list")]
        attributes_keys: Vec<String>,
    }

    #[test]
    fn a_query_is_read_or_refused() {
        Property::new("query").of_text("(a|limit|b|attributes_keys)=[a-z0-9%+&=]{0,8}(&[a-z]{0,2}=[a-z0-9]{0,3}){0,3}", |text| {
            let named = |name: &str| form_urlencoded::parse(text.as_bytes()).filter(|(known, _)| known == name).count();
            let Ok(asked) = parse::<Asked>(text.as_bytes()) else { return };
            assert!(!text.contains("%00") && !text.contains('\0'));
            assert!(named("a") <= 1 && named("limit") <= 1, "one of two would be left out");
            assert_eq!((asked.a.is_some(), asked.limit.is_some()), (named("a") == 1, named("limit") == 1));
            assert_eq!(asked.attributes_keys.len(), named("attributes_keys"));
        });
    }

    #[test]
    fn a_query_is_read_as_it_was_made() {
        Property::new("query").of(("[a-zå&=%+#; ]{0,8}", 0_u32..1000, ["[a-z&=%]{0,4}", "[a-zå]{0,4}"]), |(a, limit, keys)| {
            let mut text = form_urlencoded::Serializer::new(String::new());
            text.append_pair("a", &a).append_pair("limit", &limit.to_string());
            text.extend_pairs(keys.iter().map(|key| ("attributes_keys", key)));
            let asked = parse::<Asked>(text.finish().as_bytes()).unwrap();
            assert_eq!((asked.a, asked.limit, asked.attributes_keys), (Some(a), Some(limit), keys.to_vec()));
        });
    }
}
