//! Is it alive, and can it work: for whoever restarts and routes.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::server::State;

/// The process runs. Never asks the database.
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// The process can serve: it is not stopping, and the database answers.
pub(crate) async fn readyz(request: HttpRequest) -> HttpResponse {
    let state = State::of(&request);
    let reason = if state.stopping() {
        "stopping"
    } else if state.registry.platform().store().ping().await.is_err() {
        "database"
    } else {
        return HttpResponse::Ok().json(json!({"status": "ok"}));
    };
    HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "1"))
        .json(json!({"status": "unavailable", "reason": reason}))
}
