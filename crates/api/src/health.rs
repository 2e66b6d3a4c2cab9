//! Is it alive, and can it work: for whoever restarts and routes.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::server::State;

/// How long the database may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process runs. Never asks the database.
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// The process can serve: it is not stopping, and the database answers and has this program's schema.
pub(crate) async fn readyz(request: HttpRequest) -> HttpResponse {
    let state = State::of(&request);
    let reason = if state.stopping() {
        "stopping"
    } else if !matches!(tokio::time::timeout(PATIENCE, state.registry.platform().store().ready()).await, Ok(Ok(()))) {
        "database"
    } else {
        return HttpResponse::Ok().json(json!({"status": "ok"}));
    };
    HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "1"))
        .json(json!({"status": "unavailable", "reason": reason}))
}
