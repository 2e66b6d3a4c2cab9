//! Pages for people, all from the binary itself: the console's place, the API reference, the OpenAPI document.

use std::sync::Arc;

use actix_web::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION, VARY};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::RustEmbed;
use utoipa_swagger_ui::Config;

use crate::error::{ApiError, Result};
use crate::openapi::document;
use crate::route::{Access, Matched, Route, page};
use crate::server::State;
use tenantry_domain::Error;

/// The console as it was built; nothing where only the server was.
#[derive(RustEmbed)]
#[folder = "../../admin-ui/dist"]
#[allow_missing = true]
struct Console;

/// The documents as a site; nothing where they were not built.
#[derive(RustEmbed)]
#[folder = "../../docs/dist"]
#[allow_missing = true]
struct Guide;

/// The console's page where it was not built.
const PLACEHOLDER: &str = include_str!("../../../admin-ui/placeholder.html");
/// Where the console's page wants the nonce of its styles.
const NONCE: &str = "{nonce}";
/// The reference tries requests out (`connect-src`) and styles itself inline.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const GUIDE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                            base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn pages() -> Vec<Route> {
    let to_reference = || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish() };
    let to_guide = || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/guide/")).finish() };
    let to_console = || async { HttpResponse::TemporaryRedirect().insert_header((LOCATION, "/console")).finish() };
    vec![
        page("/", Access::Page, to_console),
        page("/console", Access::Page, console),
        page("/console/", Access::Page, console),
        page("/console/{*file}", Access::Page, console_file),
        page("/docs", Access::Page, to_reference),
        page("/docs/", Access::Page, reference),
        page("/docs/{*file}", Access::Page, reference),
        page("/docs/guide", Access::Page, to_guide),
        page("/docs/guide/", Access::Page, guide),
        page("/docs/guide/{*file}", Access::Page, guide),
        page("/openapi.json", Access::Page, openapi),
    ]
}

/// The console's page, whatever its own address: scripts and styles are this server's, and nobody frames it.
async fn console(request: HttpRequest) -> HttpResponse {
    let nonce = URL_SAFE_NO_PAD.encode(State::of(&request).registry.platform().random::<16>());
    let built = Console::get("index.html");
    let page = built.as_ref().map_or(PLACEHOLDER.as_bytes(), |page| &page.data);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(String::from_utf8_lossy(page).replace(NONCE, &nonce))
}

/// A file of the console, whose name changes with its content; any other address there is one of the console's own.
async fn console_file(request: HttpRequest) -> Result<HttpResponse> {
    let (_, file) = Matched::parameter(&request, 0).unwrap_or_default();
    if !file.starts_with("assets/") {
        return Ok(console(request).await);
    }
    let takes = |coding: &str| {
        let listed = request.headers().get(ACCEPT_ENCODING).and_then(|listed| listed.to_str().ok()).unwrap_or_default();
        listed.split(',').any(|one| one.trim() == coding)
    };
    let packed = if takes("br") { Console::get(&format!("{file}.br")) } else { None };
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(kind(&file))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "Accept-Encoding"));
    if packed.is_some() {
        answer.insert_header((CONTENT_ENCODING, "br"));
    }
    let found = packed.or_else(|| Console::get(&file)).ok_or(Error::NotFound)?;
    Ok(answer.body(found.data.into_owned()))
}

/// What a file is, by its name.
fn kind(file: &str) -> String {
    let kind = mime_guess::from_path(file).first_or_octet_stream();
    if kind.type_() == mime_guess::mime::TEXT { format!("{kind}; charset=utf-8") } else { kind.to_string() }
}

/// A page of the guide, or what belongs to it; a directory's is its index.
async fn guide(request: HttpRequest) -> Result<HttpResponse> {
    let (_, file) = Matched::parameter(&request, 0).unwrap_or_default();
    let file = if file.is_empty() || file.ends_with('/') { format!("{file}index.html") } else { file };
    let found = Guide::get(&file).ok_or(Error::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(kind(&file))
        .insert_header((CONTENT_SECURITY_POLICY, GUIDE_POLICY))
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .body(found.data.into_owned()))
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
