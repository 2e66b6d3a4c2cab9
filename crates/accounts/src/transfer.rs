//! One account as one file: everything that it is, out of one installation and into another, or into this one as another account.
//!
//! The file is lines of JSON: a header, pages of rows, and how many there were of each. What is sealed under the master key is
//! opened on the way out, so a file is to be encrypted by whoever writes it, and sealed again on the way in.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_domain::{AccountId, AutoToken, CustomersSettings, Email, Error, EventId, Instant, Result, Stamp};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::draft::Draft;
use crate::events::Link;
use crate::members::{known_or, new_person};
use crate::store::events::Told;
use crate::store::transfer::{Row, TAKEN, page, write};
use crate::store::{self, Schema};
use crate::vault::{Place, Vault};

/// Of the file; a later program may write others.
const FORMAT: u32 = 1;

/// What a file is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// Of this file.
    format: u32,
    /// The program that wrote it.
    version: String,
    /// Whose it is.
    pub account: AccountId,
    /// When it was written.
    pub taken_at: Instant,
    /// The schema's steps.
    steps: Vec<String>,
    /// The name of the key that values were derived with there.
    derivation: String,
}

/// A line of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// Rows of a table.
    Rows(String, Vec<Row>),
    /// The last: how many rows there were of each table. A file without it is not whole.
    End(BTreeMap<String, u64>),
}

impl Account {
    /// Hands everything that the account is to `line`, line by line and as of one moment; secrets are in it as they are, private
    /// signing keys only with `keys`.
    ///
    /// Errors: `NotFound` for an account that is deleted; what `line` says.
    pub(crate) async fn export(&self, keys: bool, mut line: impl FnMut(&Line) -> Result<()>) -> Result<()> {
        let platform = self.platform();
        let vault = &platform.vault;
        let header = Header {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: self.id(),
            taken_at: platform.source.now(),
            steps: Schema::known(),
            derivation: vault.derivation_name(),
        };
        line(&Line::Header(header))?;
        let rows = platform.store.read.as_of_one_moment(async |snapshot| {
            let mut counts = BTreeMap::new();
            for table in TAKEN.into_iter().filter(|table| keys || *table != "signing_key") {
                let (mut last, mut count) = (None, 0);
                loop {
                    let mut rows = page(snapshot, table, self.id(), last.as_ref()).await?;
                    let Some(reached) = rows.last().cloned() else { break };
                    if table == "account" && !value(&reached, "deleted_at").is_null() {
                        return Err(Error::NotFound);
                    }
                    for row in &mut rows {
                        turn(table, row, |kind, id, sealed| vault.open(Place { account: self.id(), kind, id }, sealed))?;
                    }
                    count += rows.len() as u64;
                    last = Some(reached);
                    line(&Line::Rows(table.to_owned(), rows))?;
                }
                counts.insert(table.to_owned(), count);
            }
            Ok(counts)
        });
        let counts = rows.await?;
        line(&Line::End(counts))
    }

    /// Makes an account directly below this one out of a file: the one that it was, with its log, its tokens and its keys; or, as
    /// another one, a copy with a log and keys of its own. All of it, or nothing. People who administer it are known by their
    /// addresses; whoever has no password here chooses one by `forgot-password`.
    ///
    /// Errors: `Invalid` for a file that is not whole, or of a later program, and for an account that is not below this one;
    /// `Duplicate` for one that was ever there.
    pub async fn import_account(
        &self,
        by: Caller,
        header: Header,
        to: Option<AccountId>,
        mut lines: mpsc::Receiver<Result<Line>>,
    ) -> Result<AccountId> {
        let wrong = |what: String| Error::invalid("file", what);
        if header.format != FORMAT {
            return Err(wrong(format!("is of a later program (format {}): use that one", header.format)));
        }
        Schema::with(header.steps.clone()).check_not_newer().map_err(wrong)?;
        let id = to.unwrap_or(header.account);
        if !id.is_child_of(self.id()) {
            return Err(Error::invalid("account_id", format!("{id} is not directly below {}", self.id())));
        }
        let platform = self.platform().clone();
        self.write(&by, async move |draft| {
            let mut import = Import::new(&platform.vault, id, &header);
            loop {
                match lines.recv().await.unwrap_or_else(|| Err(wrong("ends before its end".to_owned())))? {
                    Line::Header(_) => return Err(wrong("has two beginnings".to_owned())),
                    Line::Rows(table, rows) => import.rows(draft, &table, rows).await?,
                    Line::End(counts) => break import.check(&counts)?,
                }
            }
            let event = draft.event("account.imported", id).after(json!({"from": header.account, "taken_at": header.taken_at}));
            let told: Arc<Told> = Told::new(&event).into();
            let link = Link::new(&import.head, import.version + 1, platform.source.bytes(), &told.content);
            // The chain is read by id, whatever the clocks did.
            let event_id = EventId(draft.new_id().max(Uuid::from_u128(import.last.as_u128().saturating_add(1))));
            draft.tx.append(store::events::row(id, event_id, told, Some(link)));
            draft.record(event);
            Ok(id)
        })
        .await
    }
}

/// A file on its way in.
struct Import<'v> {
    vault: &'v Vault,
    id: AccountId,
    was: AccountId,
    /// What was derived there is worth something here, too.
    same: bool,
    /// The last event of configuration, and its hash.
    version: i64,
    last: Uuid,
    head: [u8; 32],
    counts: BTreeMap<String, u64>,
}

impl<'v> Import<'v> {
    fn new(vault: &'v Vault, id: AccountId, header: &Header) -> Self {
        let same = header.account == id && header.derivation == vault.derivation_name();
        Self { vault, id, was: header.account, same, version: 0, last: Uuid::nil(), head: [0; 32], counts: BTreeMap::new() }
    }

    /// Whether it is the account that it was, and not a copy.
    fn moves(&self) -> bool {
        self.id == self.was
    }

    async fn rows(&mut self, draft: &Draft<'_>, table: &str, mut rows: Vec<Row>) -> Result<()> {
        *self.counts.entry(table.to_owned()).or_default() += rows.len() as u64;
        if table != "account" && self.counts.get("account") != Some(&1) {
            return Err(Error::invalid("file", "does not begin with its account"));
        }
        // A copy has a log and keys of its own.
        if !self.moves() && matches!(table, "event" | "signing_key") {
            return Ok(());
        }
        for row in &mut rows {
            let (vault, account) = (self.vault, self.id);
            turn(table, row, |kind, id, plain| Ok(vault.seal(Place { account, kind, id }, plain)))?;
            match table {
                "account" => self.account(draft, row)?,
                "member" => member(vault, draft, row).await?,
                "client_grant" if *value(row, "audience") == json!(self.was) => {
                    row.insert("audience".to_owned(), json!(self.id));
                }
                // These were derived there.
                "auth_user" if !self.same => {
                    for derived in ["pin", "pin_failures", "recovery_generation", "recovery_used"] {
                        row.insert(derived.to_owned(), Value::Null);
                    }
                }
                "event" => self.event(row)?,
                _ => {}
            }
        }
        match write(draft.tx, table, self.id, rows).await {
            Err(Error::Invalid(_)) if table == "account" => Err(Error::Duplicate("account_id")),
            written => written,
        }
    }

    fn account(&mut self, draft: &Draft<'_>, row: &mut Row) -> Result<()> {
        if self.counts["account"] > 1 {
            return Err(Error::invalid("file", "has more than one account"));
        }
        if self.moves() {
            self.version =
                value(row, "version").as_i64().ok_or_else(|| Error::invalid("file", "has an account without a version"))?;
        } else {
            row.insert("next_child".to_owned(), json!(1));
        }
        row.insert("version".to_owned(), json!(self.version + 1));
        row.insert("parent".to_owned(), json!(draft.account()));
        Ok(())
    }

    /// Follows the chain.
    fn event(&mut self, row: &Row) -> Result<()> {
        let Some(seq) = value(row, "seq").as_i64() else { return Ok(()) };
        let broken = || Error::invalid("file", format!("has a log that does not fit together at number {seq}"));
        let bytes = |name: &str| {
            let bytes = value(row, name).as_str().and_then(|text| STANDARD.decode(text).ok());
            bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or_else(broken)
        };
        let (content, hash) = (bytes("content_hash")?, bytes("hash")?);
        if Link::hash(&self.head, seq, &content) != hash {
            return Err(broken());
        }
        let id = value(row, "id").as_str().and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(broken)?;
        if id <= self.last {
            return Err(broken());
        }
        (self.last, self.head) = (id, hash);
        Ok(())
    }

    /// Refuses a file that lacks something.
    fn check(&self, counts: &BTreeMap<String, u64>) -> Result<()> {
        let of = |counts: &BTreeMap<String, u64>, table: &str| counts.get(table).copied().unwrap_or_default();
        for table in TAKEN {
            let (said, found) = (of(counts, table), of(&self.counts, table));
            if said != found {
                return Err(Error::invalid("file", format!("is not whole: it has {found} of {said} rows of {table}")));
            }
        }
        if self.counts.get("account") == Some(&1) { Ok(()) } else { Err(Error::invalid("file", "has no account")) }
    }
}

/// What stands in a column; null where the file has none.
fn value<'r>(row: &'r Row, column: &str) -> &'r Value {
    row.get(column).unwrap_or(&Value::Null)
}

/// A member is who has the address here.
async fn member(vault: &Vault, draft: &Draft<'_>, row: &mut Row) -> Result<()> {
    if !value(row, "deleted_at").is_null() {
        return Ok(());
    }
    let email: Email = value(row, "email")
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|fault| Error::invalid("file", format!("has a member whose address {fault}")))?;
    let person = known_or(draft, new_person(vault, Stamp::new(draft.now, draft.by.subject()), &email)?).await?;
    row.insert("id".to_owned(), json!(person.id.0));
    Ok(())
}

/// Tables with values that are sealed, the column that holds them, and of which kind they are.
pub(crate) const SEALED: [(&str, &str, &str); 5] = [
    ("account", "customers", "auto_token"),
    ("client_grant", "oidc", "grant.oidc"),
    ("signing_key", "sealed_private", "signing_key"),
    ("auth_user", "totp", "user.totp"),
    ("installer", "document_number", "document_number"),
];

/// Takes each sealed value of a row for what `change` makes of it.
pub(crate) fn turn(table: &str, row: &mut Row, change: impl Fn(&'static str, Uuid, &[u8]) -> Result<Vec<u8>>) -> Result<()> {
    let wrong = || Error::invalid("file", format!("has a row of {table} that cannot be read"));
    let id = row.get("id").and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok());
    let text = |text: &Value, kind, id| -> Result<Value> {
        let bytes = text.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or_else(wrong)?;
        Ok(json!(STANDARD.encode(change(kind, id, &bytes)?)))
    };
    let Some((_, name, kind)) = SEALED.into_iter().find(|(sealed, ..)| *sealed == table) else { return Ok(()) };
    let Some(sealed) = row.get_mut(name).filter(|sealed| !sealed.is_null()) else { return Ok(()) };
    *sealed = match table {
        "client_grant" => {
            let mut oidc: Value = sealed.as_str().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(wrong)?;
            oidc["sealed_secret"] = text(&oidc["sealed_secret"], kind, id.ok_or_else(wrong)?)?;
            json!(oidc.to_string())
        }
        "account" => {
            let settings: Option<CustomersSettings> = sealed.as_str().and_then(|text| serde_json::from_str(text).ok());
            let mut settings = settings.ok_or_else(wrong)?;
            let tokens = &mut settings.auto_tokens;
            for token in tokens.phone_number.iter_mut().chain(&mut tokens.email) {
                if let AutoToken::HmacSha256(key) = token {
                    *key = change(kind, Uuid::nil(), key)?;
                }
            }
            json!(serde_json::to_string(&settings).map_err(|error| Error::Internal(error.to_string()))?)
        }
        _ => text(sealed, kind, id.ok_or_else(wrong)?)?,
    };
    Ok(())
}
