//! Query and path parameters, with errors that name them.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
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

/// Parses `a=b&c=d`, as in queries and forms.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    if let Some((name, _)) = form_urlencoded::parse(text).find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(ApiError::invalid(name.replace('\0', ""), "must not contain U+0000"));
    }
    let mut names = HashSet::new();
    for (name, _) in form_urlencoded::parse(text) {
        if names.len() == MAX_PARAMETERS {
            return Err(ApiError::invalid("body", format!("must have at most {MAX_PARAMETERS} parameters")));
        }
        if !names.insert(name.clone()) {
            return Err(ApiError::invalid(name, "must be sent once"));
        }
    }
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(pairs).map_err(|error| fault(&error.path().to_string(), error.inner()))
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

/// The second parameter of a path: a record of the account. Malformed is 400, unknown is for the handler to find out.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr<Err: ToString>> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (name, text) = Matched::parameter(request, 1).unwrap_or_default();
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

impl<T> Describe for Id<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.has_record();
    }
}
