//! `tenantry serve`: wiring, two listeners, and an end that drops nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpServer, web};
use anyhow::{Context, Result, anyhow};
use tenantry_accounts::{Catalogue, Database, Lock, Platform, Registry, Schema, Source};
use tenantry_api::{Options, State, Traced, app, metrics_app};
use tenantry_delivery::Delivery;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::backup::Schedule;
use crate::config::Config;
use crate::{metrics, vault};

/// How often idle accounts are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How often room is made for accounts, at most.
const CROWDED: Duration = Duration::from_secs(1);
/// How often ended sessions and old attempts are removed.
const PRUNE: Duration = Duration::from_mins(5);
/// How often SQLite's log of changes is emptied.
const EMPTY_LOG: Duration = Duration::from_hours(1);
/// How often it is written down when secrets were last used.
const STORE_USES: Duration = Duration::from_mins(1);
/// How often the lock of this process is looked at.
const KEEP: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(config: Config) -> Result<()> {
    let database = config.database()?;
    config.require_database()?;
    let lock = Lock::serve(&database).await.map_err(|error| anyhow!(error))?;
    Schema::of(&database).await.and_then(|schema| schema.check()).map_err(|error| anyhow!(error))?;
    let (api, metrics) = (listen(config.listen)?, listen(config.metrics_listen)?);
    let (api_at, metrics_at) = (api.local_addr()?, metrics.local_addr()?);
    let public = config.public_url_at(api_at)?;

    let source = Source::system();
    let keys = vault::keys(&config, &source, false)?;
    let mut catalogue = Catalogue::default();
    let store = database.open(config.database_connections, false, &mut catalogue).await.map_err(|error| anyhow!(error))?;
    let vault = vault::open(&store, keys, &source).await?;
    let platform = Arc::new(Platform::new(store, source, vault, public.clone(), config.choices()?));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let registry = Registry::new(platform, threads);

    let options = Options {
        trusted_proxies: config.trusted_proxies.clone(),
        cors_origins: config.cors_origins.clone(),
        https: public.to_string().starts_with("https:"),
        traced: traced(&config),
    };
    let state = web::Data::new(State::new(registry.clone(), &mut catalogue, options));
    let ways = config.ways()?;
    let directory = ways.directory.display();
    match (&ways.smtp, &ways.sms) {
        (Some(_), Some(_)) => {}
        (None, None) => {
            tracing::info!(%directory, "messages to people go to files: neither a mail server nor an SMS gateway is set");
        }
        (Some(_), None) => tracing::warn!(%directory, "text messages go to files: no SMS gateway is set"),
        (None, Some(_)) => tracing::warn!(%directory, "mail goes to files: no mail server is set"),
    }
    let delivery = Delivery::new(registry.clone(), ways, &mut catalogue)?;
    let backups = Schedule::new(config.backup_dir.clone(), &mut catalogue);
    metrics::of_process(&mut catalogue);
    let (prometheus, bearer) = (catalogue.registry().clone(), config.metrics_token()?);

    let shared = state.clone();
    let api = HttpServer::new(move || app(shared.clone()))
        .listen(api)?
        .disable_signals()
        .workers(threads)
        .shutdown_timeout(config.shutdown_timeout)
        .run();
    let metrics = HttpServer::new(move || metrics_app(prometheus.clone(), bearer.clone()))
        .listen(metrics)?
        .disable_signals()
        .workers(1)
        .shutdown_timeout(1)
        .run();
    let (api_handle, metrics_handle) = (api.handle(), metrics.handle());
    actix_rt::spawn(metrics);
    let mut by_itself = vec![
        actix_rt::spawn(sweep(registry.clone(), config.account_idle)),
        actix_rt::spawn(make_room(registry.clone())),
        actix_rt::spawn(store_uses(registry.clone())),
        actix_rt::spawn(prune(registry.clone())),
        actix_rt::spawn(empty_logs(registry.clone())),
        actix_rt::spawn(delivery.run()),
        actix_rt::spawn(backups.run(config.clone())),
    ];
    if let Database::Postgres(_) = database {
        let told = Arc::new(Notify::new());
        by_itself.push(actix_rt::spawn(follow(registry.clone(), config.poll(), told.clone())));
        if config.notify {
            by_itself.push(actix_rt::spawn(hear(database, told)));
        }
    }
    let data = config.data_dir.display();
    tracing::info!(listen = %api_at, metrics = %metrics_at, reference = %format!("{public}/docs/"), %data, "serving {public}");

    // The lock stays with this function: as long as anything is answered here, nobody else serves the database.
    let mut api = actix_rt::spawn(api);
    let ended = tokio::select! {
        ended = &mut api => return Ok(ended??),
        () = stop_signal() => Ok(()),
        () = lost(&lock) => Err(anyhow!("a tenantry that serves alone has taken this database")),
    };
    state.stop();
    if ended.is_ok() {
        tracing::info!("stopping: no new work, open requests end");
        tokio::time::sleep(Duration::from_secs(config.shutdown_delay)).await;
    }
    api_handle.stop(ended.is_ok()).await;
    metrics_handle.stop(false).await;
    api.await??;
    // A connection that one of them has is given back while there is somebody to take it.
    for task in by_itself {
        task.abort();
        drop(task.await);
    }
    note_uses(&registry).await;
    if let Err(error) = registry.platform().give_up_leases().await {
        tracing::warn!(%error, "what only one process does waits for a few seconds now");
    }
    empty_log(&registry).await;
    tracing::info!("stopped");
    ended
}

/// How requests become parts of traces, where these are collected.
fn traced(config: &Config) -> Option<Traced> {
    #[cfg(feature = "otel")]
    let traced = Some(Traced { continued: crate::traces::continued, named: crate::traces::named });
    #[cfg(not(feature = "otel"))]
    let traced = None;
    traced.filter(|_| matches!(config.traces(), Ok(Some(_))))
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}

/// Looks for what other processes have written, again and again, and sooner where one says so.
async fn follow(registry: Registry, every: Duration, told: Arc<Notify>) {
    let mut sound = true;
    loop {
        let begun = tokio::time::Instant::now();
        let looked = registry.look_for_news().await;
        if looked.is_ok() != sound {
            sound = !sound;
            if sound {
                tracing::info!("news of what other processes write come again");
            } else {
                tracing::warn!("there are no news of what other processes write: soon nothing can be served");
            }
        }
        tokio::select! {
            () = tokio::time::sleep_until(begun + every) => {}
            () = told.notified() => {}
        }
    }
}

async fn hear(database: Database, told: Arc<Notify>) {
    loop {
        if let Err(error) = database.listen(|| told.notify_one()).await {
            tracing::warn!(%error, "news come a little later");
        }
        tokio::time::sleep(KEEP).await;
    }
}

async fn sweep(registry: Registry, idle: i64) {
    loop {
        tokio::time::sleep(SWEEP).await;
        registry.sweep(idle);
    }
}

/// Forgets accounts when there is no more room for others.
async fn make_room(registry: Registry) {
    loop {
        registry.crowded().await;
        registry.keep_within_memory();
        // Of those that are in use just now nobody is forgotten: not all of the time goes into looking for others.
        tokio::time::sleep(CROWDED).await;
    }
}

async fn prune(registry: Registry) {
    loop {
        tokio::time::sleep(PRUNE).await;
        if let Err(error) = registry.platform().prune().await {
            tracing::warn!(%error, "what has served its time cannot be removed now");
        }
    }
}

/// What was erased is to stand nowhere for long.
async fn empty_logs(registry: Registry) {
    loop {
        tokio::time::sleep(EMPTY_LOG).await;
        empty_log(&registry).await;
    }
}

async fn empty_log(registry: &Registry) {
    if let Err(error) = registry.platform().empty_log().await {
        tracing::warn!(%error, "the log of changes cannot be emptied now");
    }
}

async fn store_uses(registry: Registry) {
    loop {
        tokio::time::sleep(STORE_USES).await;
        note_uses(&registry).await;
    }
}

async fn note_uses(registry: &Registry) {
    if let Err(error) = registry.platform().store_uses().await {
        tracing::warn!(%error, "when secrets were last used cannot be written down now");
    }
}

/// Returns when another process has this one's place: one that knows of no others would judge by stale snapshots.
async fn lost(lock: &Lock) {
    while !lock.lost().await {
        tokio::time::sleep(KEEP).await;
    }
}
