//! Another master key: what is sealed under others is sealed anew, while the accounts are in use.

use std::cell::Cell;

use serde_json::json;
use tenantry_domain::{AccountId, Error, Result};

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::platform::Platform;
use crate::registry::Registry;
use crate::store::transfer::{PAGE, Row, page, replace};
use crate::store::{self, Tx};
use crate::transfer::{SEALED, turn};
use crate::vault::{Place, Vault, of_derivation};

/// What stands in an account's directory is written in its turn; what does not, row by row.
const IN_DIRECTORY: usize = 3;
/// How often all accounts are looked at, at most, until nothing is found.
const ROUNDS: usize = 3;

impl Platform {
    /// The name of the master key that seals.
    pub fn master_key(&self) -> String {
        self.vault.keys().current()
    }
}

impl Registry {
    /// Seals everything anew that is not sealed under the key that seals, and notes that no other is needed any more; how many values
    /// that were. `seen` hears of each account that is done.
    ///
    /// Errors: `Internal` where there is always more: another process seals under another key.
    pub async fn rewrap(&self, mut seen: impl FnMut()) -> Result<u64> {
        let platform = self.platform();
        let before = store::instance::keys(&platform.store.read).await?;
        let before = before.ok_or_else(|| Error::Internal("there are no keys".to_owned()))?;
        let mut all = 0;
        for _ in 0..ROUNDS {
            let (mut found, mut last) = (0, None);
            loop {
                let ids = store::accounts::ids(&platform.store.read, last, PAGE).await?;
                let Some(reached) = ids.last().copied() else { break };
                last = Some(reached);
                for id in ids {
                    found += self.rewrap_account(id).await?;
                    seen();
                }
            }
            all += found;
            if found > 0 {
                continue;
            }
            let mut after = before.clone();
            after.master_keys = platform.vault.keys().current();
            if let Some(sealed) = before.derivation.as_deref()
                && let Some(anew) = platform.vault.reseal(of_derivation(), sealed)?
            {
                after.derivation = Some(anew);
                all += 1;
            }
            let wanted = after.clone();
            platform.store.turns.take(async move |tx| store::instance::replace_keys(tx, &before, &after).await).await?;
            // Unless somebody has come with another key meanwhile.
            if store::instance::keys(&platform.store.read).await?.is_some_and(|known| known == wanted) {
                return Ok(all);
            }
            break;
        }
        Err(Error::Internal("there is always more: does a process run with another master_key_file?".to_owned()))
    }

    async fn rewrap_account(&self, id: AccountId) -> Result<u64> {
        let (directory, rows) = SEALED.split_at(IN_DIRECTORY);
        let mut found = 0;
        if self.needs_rewrap(id, directory).await? {
            found += match self.get(id).await {
                Ok(account) => account.rewrap().await?,
                // Nobody uses it any more.
                Err(Error::NotFound) => self.rewrap_rows(id, directory).await?,
                Err(error) => return Err(error),
            };
        }
        if self.needs_rewrap(id, rows).await? {
            found += self.rewrap_rows(id, rows).await?;
        }
        Ok(found)
    }

    async fn needs_rewrap(&self, id: AccountId, tables: &[(&str, &str, &str)]) -> Result<bool> {
        let platform = self.platform();
        let look = platform.store.read.as_of_one_moment(async |tx| {
            for (table, ..) in tables {
                let mut last = None;
                while let Some(rows) = next(tx, table, id, &mut last).await? {
                    for mut row in rows {
                        if reseal(&platform.vault, table, id, &mut row)? > 0 {
                            return Ok(true);
                        }
                    }
                }
            }
            Ok(false)
        });
        look.await
    }

    /// Page by page, each in a turn of its own.
    async fn rewrap_rows(&self, id: AccountId, tables: &'static [(&str, &str, &str)]) -> Result<u64> {
        let mut found = 0;
        for &(table, column, _) in tables {
            let mut last = None;
            loop {
                let platform = self.platform().clone();
                let turn = async move |tx: &Tx<'_>| {
                    let Some(rows) = next(tx, table, id, &mut last).await? else { return Ok((0, None)) };
                    Ok((put(tx, &platform.vault, (table, column), id, rows).await?, last))
                };
                let (here, reached) = self.platform().store.turns.take(turn).await?;
                found += here;
                let Some(reached) = reached else { break };
                last = Some(reached);
            }
        }
        Ok(found)
    }
}

impl Account {
    /// What stands in the directory. Told in the log.
    async fn rewrap(&self) -> Result<u64> {
        let platform = self.platform().clone();
        self.write(&Caller::system(), async move |draft| {
            let id = draft.account();
            let mut found = 0;
            for (table, column, _) in &SEALED[..IN_DIRECTORY] {
                let mut last = None;
                while let Some(rows) = next(draft.tx, table, id, &mut last).await? {
                    found += put(draft.tx, &platform.vault, (table, column), id, rows).await?;
                }
            }
            let version = draft.directory.version;
            let loaded = Directory::load_at(draft.tx, id, version - 1).await?.ok_or(Error::NotFound)?;
            draft.directory = Directory { version, ..loaded };
            draft.record(draft.event("account.rewrapped", id).after(json!({"values": found})));
            Ok(found)
        })
        .await
    }
}

/// The next rows of a table; `None` after the last.
async fn next(tx: &Tx<'_>, table: &str, account: AccountId, last: &mut Option<Row>) -> Result<Option<Vec<Row>>> {
    let rows = page(tx, table, account, last.as_ref()).await?;
    if let Some(reached) = rows.last() {
        *last = Some(reached.clone());
    }
    Ok(Some(rows).filter(|rows| !rows.is_empty()))
}

/// Writes those of the rows that are sealed under another key; how many values these had.
async fn put(tx: &Tx<'_>, vault: &Vault, (table, column): (&str, &str), account: AccountId, rows: Vec<Row>) -> Result<u64> {
    let mut found = 0;
    for row in rows {
        let mut anew = row.clone();
        let changed = reseal(vault, table, account, &mut anew)?;
        if changed > 0 {
            replace(tx, table, account, &row, column, &anew[column]).await?;
        }
        found += changed;
    }
    Ok(found)
}

/// Seals anew what is sealed under another key; how many values that were.
fn reseal(vault: &Vault, table: &str, account: AccountId, row: &mut Row) -> Result<u64> {
    let changed = Cell::new(0);
    turn(table, row, |kind, id, sealed| {
        let anew = vault.reseal(Place { account, kind, id }, sealed)?;
        changed.set(changed.get() + u64::from(anew.is_some()));
        Ok(anew.unwrap_or_else(|| sealed.to_vec()))
    })?;
    Ok(changed.get())
}
