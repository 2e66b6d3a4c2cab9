//! `tenantry bootstrap`: the first start.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tenantry_accounts::{Bootstrapped, Catalogue, Lock, Platform, Registry, Schema, Source};

use crate::config::Config;
use crate::vault;

/// Brings the schema up and makes the operator's accounts. Exit code 1 if that was done before.
pub(crate) async fn bootstrap(config: Config, json: bool, if_needed: bool, recover: bool) -> Result<ExitCode> {
    let (database, public) = (config.database()?, config.public_url()?);
    config.make_data_dir()?;
    let source = Source::system();
    let made = {
        database.create().map_err(|error| anyhow!(error))?;
        let lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
        let _locks = if recover { lock.and_serve(&database).await.map_err(|error| anyhow!(error))? } else { (lock, None) };
        Schema::up(&database).await.map_err(|error| anyhow!(error))?;
        let store =
            database.open(config.database_connections, true, &mut Catalogue::default()).await.map_err(|error| anyhow!(error))?;
        // A database that was used before has its key already: a new one would only hide that the old one is missing.
        let vault = vault::open(&config, &source, store.is_new().await?)?;
        let platform = Platform::new(store, source, vault, public, config.choices()?);
        vault::fits(&platform).await?;
        match platform.bootstrap().await? {
            None if recover => Some(Registry::new(Arc::new(platform), 1).recover_operator().await?),
            made => made,
        }
    };
    match made {
        Some(made) => {
            let text = if json { serde_json::to_string(&made)? } else { story(&made)? };
            let mut out = std::io::stdout();
            let shown = writeln!(out, "{text}").and_then(|()| out.flush());
            shown.context("the credentials could not be shown; `tenantry bootstrap --recover` makes new ones")?;
        }
        None if if_needed => {}
        None => {
            eprintln!(
                "tenantry: this database was bootstrapped before; its credentials were shown then (lost? --recover makes new ones)"
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The credentials, and the commands that try everything once. The README shows the same.
fn story(made: &Bootstrapped) -> Result<String> {
    let test = &made.test;
    let base = test.audience.split("/v1/").next().context("an audience has a path")?;
    Ok(format!(
        "Your operator credentials, shown once:\n\n  \
         production  {}  client_id {}  client_secret {}\n  \
         test        {}  client_id {}  client_secret {}\n\n\
         Once the server runs, try the whole story on the test side:\n\n\
         BASE={base}\n\
         OPERATOR={}:{}\n{}",
        made.production.account_id,
        made.production.client_id,
        made.production.client_secret,
        test.account_id,
        test.client_id,
        test.client_secret,
        test.client_id,
        test.client_secret,
        include_str!("../../../docs/partner-story.sh"),
    ))
}
