//! `tenantry bootstrap`: the first start.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use tenantry_accounts::{Bootstrapped, Lock, Platform, Schema, Source};

use crate::config::Config;
use crate::vault;

/// Brings the schema up and makes the operator's accounts. Exit code 1 if that was done before.
pub(crate) async fn bootstrap(config: Config, json: bool, if_needed: bool) -> Result<ExitCode> {
    let (database, public) = (config.database()?, config.public_url()?);
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    let source = Source::system();
    let made = {
        let _lock = Lock::migrate(&database).await.map_err(|error| anyhow!(error))?;
        let vault = vault::open(&config, &source, true)?;
        Schema::up(&database).await.map_err(|error| anyhow!(error))?;
        let store = database.open(config.database_connections, true).await.map_err(|error| anyhow!(error))?;
        let platform = Platform::new(store, source, vault, public, config.token_lifetime);
        vault::fits(&platform).await?;
        platform.bootstrap().await?
    };
    match made {
        Some(made) if json => println!("{}", serde_json::to_string(&made)?),
        Some(made) => println!("{}", story(&made)?),
        None if if_needed => {}
        None => {
            eprintln!("tenantry: this database was bootstrapped before; its credentials were shown then");
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
