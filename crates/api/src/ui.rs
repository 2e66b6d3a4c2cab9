//! Pages for people, all from the binary itself: the console's place, the API reference, the OpenAPI document.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::Config;

use crate::error::{ApiError, Result};
use crate::openapi::document;
use crate::route::{Access, Matched, Route, page};
use crate::server::State;
use tenantry_domain::Error;

/// The console's page until the console is built.
const PLACEHOLDER: &str = include_str!("../../../admin-ui/placeholder.html");
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
/// The reference tries requests out (`connect-src`) and styles itself inline.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                connect-src 'self'; frame-ancestors 'none'";

pub(crate) fn pages() -> Vec<Route> {
    let to_reference = || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish() };
    vec![
        page("/", Access::Page, console),
        page("/console", Access::Page, console),
        page("/docs", Access::Page, to_reference),
        page("/docs/", Access::Page, reference),
        page("/docs/{*file}", Access::Page, reference),
        page("/openapi.json", Access::Page, openapi),
    ]
}

async fn console() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(PLACEHOLDER)
}

async fn openapi(request: HttpRequest) -> HttpResponse {
    let state = State::of(&request);
    HttpResponse::Ok().json(document(&state.registry.platform().public().to_string()))
}

async fn reference(request: HttpRequest) -> Result<HttpResponse> {
    let (_, file) = Matched::parameter(&request, 0).unwrap_or_default();
    let config = Config::from("/openapi.json").use_base_layout().persist_authorization(false).try_it_out_enabled(true);
    match utoipa_swagger_ui::serve(&file, Arc::new(config)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((CONTENT_SECURITY_POLICY, REFERENCE_POLICY))
            .insert_header((CACHE_CONTROL, "public, max-age=3600"))
            .body(file.bytes.into_owned())),
        Ok(None) => Err(Error::NotFound.into()),
        Err(error) => Err(ApiError::Domain(Error::Internal(error.to_string()))),
    }
}
