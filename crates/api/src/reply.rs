//! Answers: each type is a status, and knows how it is described.

use std::fs::File;
use std::io::{self, Read};

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LINK, LOCATION};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Result;
use crate::openapi::{Describe, Operation};

/// How large the pieces of a file are.
const PIECE: usize = 64 * 1024;

/// What a file of ours holds, from where it stands.
pub(crate) fn of_file(file: File, length: u64) -> SizedStream<impl Stream<Item = io::Result<Bytes>>> {
    let pieces = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    SizedStream::new(length, Box::pin(pieces))
}

/// 200 with one record.
pub(crate) struct Ok200<T>(pub(crate) T);

impl<T: Serialize> Responder for Ok200<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self.0)
    }
}

impl<T: ToSchema> Describe for Ok200<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<T>();
    }
}

/// 201 with the record that was made.
pub(crate) struct Created201<T>(pub(crate) T);

impl<T: Serialize> Responder for Created201<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().json(self.0)
    }
}

impl<T: ToSchema> Describe for Created201<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.created_with::<T>();
    }
}

/// 202: taken, and somebody will look at it.
pub(crate) struct Accepted202<T>(pub(crate) T);

impl<T: Serialize> Responder for Accepted202<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Accepted().json(self.0)
    }
}

impl<T: ToSchema> Describe for Accepted202<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.accepted_with::<T>();
    }
}

/// An answer, where the request may also be refused with this status.
pub(crate) struct Or<R, const STATUS: u16>(pub(crate) R);

impl<R: Responder, const STATUS: u16> Responder for Or<R, STATUS> {
    type Body = R::Body;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<R::Body> {
        self.0.respond_to(request)
    }
}

impl<R: Describe, const STATUS: u16> Describe for Or<R, STATUS> {
    fn describe(operation: &mut Operation<'_>) {
        R::describe(operation);
        operation.error(STATUS, "The request was understood, and refused; `code` says why.");
    }
}

/// 200 without a body: it is so.
pub(crate) struct Empty200;

impl Responder for Empty200 {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
}

impl Describe for Empty200 {
    fn describe(operation: &mut Operation<'_>) {
        operation.empty();
    }
}

/// 204: done, and there is nothing to tell.
pub(crate) struct NoContent204;

impl Responder for NoContent204 {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

impl Describe for NoContent204 {
    fn describe(operation: &mut Operation<'_>) {
        operation.no_content();
    }
}

/// 302 to this address.
pub(crate) struct Found302(pub(crate) String);

impl Responder for Found302 {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Found().insert_header((LOCATION, self.0)).finish()
    }
}

impl Describe for Found302 {
    fn describe(operation: &mut Operation<'_>) {
        operation.found();
    }
}

/// 200 with a public document that may be kept for a while.
pub(crate) struct Cached<T>(pub(crate) T);

impl<T: Serialize> Responder for Cached<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(self.0)
    }
}

impl<T: ToSchema> Describe for Cached<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<T>();
    }
}

/// 200 with a page of a list. `next` is the cursor of the page after it, if there may be one.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` items at most; a full one may have a next one, which begins after its last item.
    pub(crate) fn new(items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let full = items.len() >= limit as usize;
        let next = items.last().filter(|_| full).map(cursor);
        Self { items, next }
    }
}

/// 200 with a page of a list, and how many there are in all if that was asked for.
pub(crate) struct Counted<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
    pub(crate) total: Option<u64>,
}

impl<T: Serialize> Responder for Counted<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = Page { items: self.items, next: self.next }.respond_to(request);
        if let Some(total) = self.total {
            answer.headers_mut().insert(HeaderName::from_static("total-count"), total.into());
        }
        answer
    }
}

impl<T: ToSchema> Describe for Counted<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply_list::<T>(true);
        operation.counted();
    }
}

impl<T: Serialize> Responder for Page<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        if let Some(next) = &self.next {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let others = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(name, _)| name != "starting_after");
            query.extend_pairs(others).append_pair("starting_after", next);
            // Relative, so that no Host header can steer it.
            let link = format!("<{}?{}>; rel=\"next\"", request.path(), query.finish());
            if let (Ok(next), Ok(link)) = (HeaderValue::from_str(next), HeaderValue::from_str(&link)) {
                answer.insert_header((HeaderName::from_static("paging-token"), next)).insert_header((LINK, link));
            }
        }
        answer.json(self.items)
    }
}

impl<T: ToSchema> Describe for Page<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply_list::<T>(true);
    }
}

/// 200 with a whole list.
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: Serialize> Responder for List<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self.0)
    }
}

impl<T: ToSchema> Describe for List<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply_list::<T>(false);
    }
}

impl<T: Describe> Describe for Result<T> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}
