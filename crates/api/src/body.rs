//! Bodies: read up to a limit, checked before they are parsed, with errors that name the field.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_ignored::Path;
use tenantry_accounts::Idempotency;
use tenantry_domain::Checks;
use utoipa::ToSchema;

use crate::error::{ApiError, Result};
use crate::objects::Objects;
use crate::openapi::{Describe, Operation};

/// How large a body may be, in bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// How large a document may be.
const MAX_DOCUMENT: usize = 2 * 1024 * 1024;
/// How many members that are not known are told of.
const MAX_UNKNOWN: usize = 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// A refused body of so many bytes is read all the same, if it comes within [`DRAINING`].
const SMALL: usize = 16 * 1024;
/// See [`SMALL`].
const DRAINING: Duration = Duration::from_millis(100);
/// How deep JSON may nest.
const MAX_DEPTH: usize = 32;

/// A JSON body. Unknown members are ignored, so that a record can be sent back as it was read.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (json, body) = (is_json(request), read(request, payload));
        Box::pin(async move {
            if !json {
                return Err(ApiError::UnsupportedMediaType("application/json"));
            }
            parse(&body.await?).map(Json)
        })
    }
}

impl<T: ToSchema> Describe for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json", true);
    }
}

/// A large JSON body in which every member has to be known: one that is misspelt would be left undone.
pub(crate) struct Document<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Document<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (json, body) = (is_json(request), read_up_to(MAX_DOCUMENT, request, payload));
        Box::pin(async move {
            if !json {
                return Err(ApiError::UnsupportedMediaType("application/json"));
            }
            let body = body.await?;
            parse::<IgnoredAny>(&body)?;
            let Ok((document, unknown)) = strictly(Objects(&mut serde_json::Deserializer::from_slice(&body))) else {
                // Once more, to say where it is wrong.
                return parse(&body).map(Self);
            };
            let mut checks = Checks::default();
            for place in unknown {
                checks.fault(place, "is not known");
            }
            Ok(Self(checks.done(Some(document))?))
        })
    }
}

impl<T: ToSchema> Describe for Document<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json", true);
        operation.error(413, &ApiError::PayloadTooLarge(MAX_DOCUMENT).to_string());
    }
}

/// Reads a value, and the places of members that it does not know, as in `roles[0].colour`; of many only the first.
///
/// Errors: those of the format.
pub fn strictly<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> std::result::Result<(T, Vec<String>), D::Error> {
    fn place(path: &Path<'_>) -> String {
        match path {
            Path::Root => String::new(),
            Path::Seq { parent, index } => format!("{}[{index}]", place(parent)),
            Path::Map { parent, key } => {
                let parent = place(parent);
                if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
            }
            Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => place(parent),
        }
    }
    let mut unknown = Vec::new();
    let value = serde_ignored::deserialize(from, |path| {
        if unknown.len() < MAX_UNKNOWN {
            unknown.push(place(&path));
        }
    })?;
    Ok((value, unknown))
}

/// A JSON body that is an array.
pub(crate) struct JsonArray<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonArray<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (json, body) = (is_json(request), read(request, payload));
        Box::pin(async move {
            if !json {
                return Err(ApiError::UnsupportedMediaType("application/json"));
            }
            parse_as(&body.await?, Form::Array).map(Self)
        })
    }
}

impl<T: ToSchema> Describe for JsonArray<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json", true);
    }
}

/// A JSON body that is to be acted on once, however often it is sent with the same `Idempotency-Key`.
pub(crate) struct Keyed<T>(pub(crate) T, pub(crate) Option<Idempotency>);

/// The name of the header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let keys: Vec<_> = request.headers().get_all(IDEMPOTENCY_KEY).cloned().collect();
        let (json, body) = (is_json(request), read(request, payload));
        Box::pin(async move {
            let visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
            let key = match &keys[..] {
                [] => None,
                [key] if (1..=255).contains(&key.len()) && key.as_bytes().iter().all(visible) => key.to_str().ok(),
                _ => return Err(ApiError::invalid("Idempotency-Key", "must be sent once, 1 to 255 ASCII characters")),
            };
            if !json {
                return Err(ApiError::UnsupportedMediaType("application/json"));
            }
            let body = body.await?;
            let key = key.map(|key| Idempotency { key: key.to_owned(), content: body.to_vec() });
            Ok(Self(parse(&body)?, key))
        })
    }
}

impl<T: ToSchema> Describe for Keyed<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json", true);
        operation.idempotent();
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (json, body) = (is_json(request), read(request, payload));
        Box::pin(async move {
            match body.await? {
                empty if empty.is_empty() => Ok(Self(T::default())),
                _ if !json => Err(ApiError::UnsupportedMediaType("application/json")),
                body => parse(&body).map(Self),
            }
        })
    }
}

impl<T: ToSchema> Describe for MaybeJson<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json", false);
    }
}

/// Whether the content type is JSON.
pub(crate) fn is_json(request: &HttpRequest) -> bool {
    let kind = request.content_type().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The whole body, or 413.
pub(crate) fn read(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes>> + use<> {
    read_up_to(MAX_BODY, request, payload)
}

fn read_up_to(most: usize, request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes>> + use<> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut payload = payload.take();
    async move {
        if length.is_some_and(|length| length > most) {
            return Err(ApiError::PayloadTooLarge(most));
        }
        let whole = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| ApiError::invalid("body", "ended early"))?;
                if body.len() + chunk.len() > most {
                    return Err(ApiError::PayloadTooLarge(most));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        let slow = |_| ApiError::invalid("body", format!("must arrive within {} seconds", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, whole).await.map_err(slow)?
    }
}

/// What a body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Object,
    Array,
}

/// Parses a JSON object; an error names the member.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    parse_as(body, Form::Object)
}

fn parse_as<T: DeserializeOwned>(body: &[u8], form: Form) -> Result<T> {
    check_form(body)?;
    let (begins, named) = if form == Form::Object { (b'{', "object") } else { (b'[', "array") };
    if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != begins) {
        return Err(ApiError::invalid("body", format!("must be a JSON {named}")));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    if let Ok(value) = T::deserialize(Objects(&mut json)) {
        json.end().map_err(|error| fault(".", &error))?;
        return Ok(value);
    }
    // Once more, to say where it is wrong.
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(Objects(&mut json)).map_err(|error| fault(&error.path().to_string(), error.inner()))
}

/// Reads the body of a request that is refused, if it is small: else its connection would have to be closed, and a flood
/// that is refused would cost more than one that is served.
pub(crate) async fn drain(request: &HttpRequest, mut payload: Payload) {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| (1..=SMALL).contains(&length)) {
        let rest = async { while payload.next().await.is_some_and(|piece| piece.is_ok()) {} };
        drop(tokio::time::timeout(DRAINING, rest).await);
    }
}

/// What serde found, with the member's name: a missing one is named in the text only.
pub(crate) fn fault(path: &str, error: &impl ToString) -> ApiError {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let named = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(member) = named("missing field `") {
        let field = if path == "." { member.to_owned() } else { format!("{path}.{member}") };
        return ApiError::invalid(field, "is required");
    }
    if let Some(member) = named("duplicate field `") {
        return ApiError::invalid(member, "must be sent once");
    }
    let text = match text.split_once("expected ") {
        Some((_, expected)) => format!("must be {}", plain(expected)),
        None if text.contains("integer") || text.contains("digit") => "must be a whole number".to_owned(),
        None if text.contains("EOF") || path == "?" => "is not complete JSON".to_owned(),
        None => format!("is not valid: {text}"),
    };
    ApiError::invalid(if matches!(path, "." | "?") { "body" } else { path }, text)
}

/// What serde expected, in words of JSON.
fn plain(expected: &str) -> String {
    match expected.split(' ').next().unwrap_or_default() {
        "struct" | "map" => "an object".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "i64" | "i32" => "a whole number".to_owned(),
        "a" if expected.starts_with("a sequence") => "an array".to_owned(),
        "a" if expected.starts_with("a boolean") => "true or false".to_owned(),
        _ => expected.replace('`', ""),
    }
}

/// Refuses JSON that nests too deep, and U+0000, which PostgreSQL cannot store.
fn check_form(body: &[u8]) -> Result<()> {
    let (mut depth, mut in_text, mut at) = (0_usize, false, 0);
    while let Some(byte) = body.get(at) {
        match (in_text, byte) {
            (true, b'\\') => {
                if body[at..].starts_with(b"\\u0000") {
                    return Err(ApiError::invalid("body", "must not contain U+0000"));
                }
                at += 1;
            }
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ApiError::invalid("body", format!("must not nest deeper than {MAX_DEPTH}")));
        }
        at += 1;
    }
    Ok(())
}

#[cfg(test)]
mod properties {
    use serde_json::{Map, Value};
    use tenantry_test_properties::Property;

    use super::*;

    /// How deep a value nests, and whether U+0000 is in it.
    fn form(value: &Value) -> (usize, bool) {
        let of = |values: &mut dyn Iterator<Item = &Value>| {
            let (depth, odd) = values.map(form).fold((0, false), |(deep, odd), (depth, also)| (deep.max(depth), odd || also));
            (depth + 1, odd)
        };
        match value {
            Value::String(text) => (0, text.contains('\0')),
            Value::Array(values) => of(&mut values.iter()),
            Value::Object(members) => {
                let (depth, odd) = of(&mut members.values());
                (depth, odd || members.keys().any(|key| key.contains('\0')))
            }
            _ => (0, false),
        }
    }

    #[test]
    fn a_body_is_json_that_is_not_too_deep() {
        let likely = r#"\{("[a-z\\]{0,4}":(1|null|"[a-zå\\"{\[]{0,6}"|\[\[1\]\]|\{\})){0,1}\}|(\{"a":){28,34}1\}{28,34}"#;
        Property::new("body").of_text(likely, |text| {
            let read = parse::<Map<String, Value>>(text.as_bytes());
            match serde_json::from_str::<Map<String, Value>>(text) {
                Ok(json) => {
                    let (depth, odd) = form(&Value::Object(json.clone()));
                    match read {
                        Ok(read) => {
                            assert_eq!(read, json);
                            assert!(depth <= MAX_DEPTH && !odd);
                        }
                        // A member that is sent twice and of which the last counts may be the deep or the odd one.
                        Err(_) => assert!(depth > MAX_DEPTH || odd || text.matches("\":").count() > json.len(), "{text}"),
                    }
                }
                Err(_) => assert!(read.is_err(), "{text} is no JSON object"),
            }
        });
    }
}
