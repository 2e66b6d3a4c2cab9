//! Is it alive, and can it work: for whoever restarts and routes.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use tokio::sync::Mutex;

use crate::route::{Access, Route, page};
use crate::server::State;

/// How long the database may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long its answer holds: a flood of probes asks it no oftener.
const FRESH: Duration = Duration::from_millis(250);

pub(crate) fn probes() -> Vec<Route> {
    vec![page("/livez", Access::Probe, livez), page("/readyz", Access::Probe, readyz)]
}

/// The process runs. Never asks the database.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// Whether the database was there when it was last asked.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    /// Asks the database, once for all who want to know in the same moment.
    async fn holds(&self, state: &State) -> bool {
        let mut last = self.0.lock().await;
        if let Some((_, holds)) = last.filter(|(at, _)| at.elapsed() < FRESH) {
            return holds;
        }
        let ready = async { state.registry.platform().store().ready().await.and(state.registry.be_fresh().await) };
        let asked = tokio::time::timeout(PATIENCE, ready).await;
        let holds = matches!(asked, Ok(Ok(())));
        *last = Some((Instant::now(), holds));
        holds
    }
}

/// The process can serve: it is not stopping, and the database answers and has this program's schema.
async fn readyz(request: HttpRequest) -> HttpResponse {
    let state = State::of(&request);
    let reason = if state.stopping() {
        "stopping"
    } else if state.readiness.holds(state).await {
        return HttpResponse::Ok().json(json!({"status": "ok"}));
    } else {
        "database"
    };
    HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "1"))
        .json(json!({"status": "unavailable", "reason": reason}))
}
