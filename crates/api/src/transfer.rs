//! One account as one file (beyond the contract).

use std::fmt::Display;
use std::fs::File;
use std::future::{Ready, ready};
use std::io::{self, Seek, Write};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder};
use futures_util::StreamExt;
use serde::Deserialize;
use tenantry_accounts::{FileLock, Unlock};
use tenantry_domain::{AccountId, Error, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, of_file};
use crate::route::{Policy, Route, post};
use crate::settings::AccountView;
use crate::token_request::secret;

/// An age file has no media type of its own.
const BINARY: &str = "application/octet-stream";
/// What the file that comes in is encrypted with: it is no part of the address, which is logged on the way.
const PASSPHRASE: HeaderName = HeaderName::from_static("tenantry-passphrase");
/// Whoever may do all that there is to do in an account.
const EVERYTHING: Policy = Policy::all_of(&["admin:accounts", "admin:customers", "admin:installers"]);
/// How large a file may be that comes in, in bytes.
const MAX_FILE: u64 = 4 << 30;
/// How long the next piece of it may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{oid}/management/export", EVERYTHING, export_account, "Hand the whole account out as one file"),
        post(
            "/v1/accounts/{oid}/management/accounts/{aid}/export",
            EVERYTHING,
            export_account_below,
            "Hand any account out, with its signing keys (operator)",
        ),
        post("/v1/accounts/{oid}/management/accounts:import", EVERYTHING, import_account, "Make an account of a file (operator)"),
    ]
}

async fn export_account(call: Call, Json(body): Json<FileKey>) -> Result<AccountFile> {
    let file = call.account.hand_out(&call.caller, body.lock()?, spool()?).await?;
    AccountFile::new(file, call.account.id())
}

async fn export_account_below(call: Call, Id(id): Id<AccountId>, Json(body): Json<FileKey>) -> Result<AccountFile> {
    let file = call.registry.hand_out_below(&call.account, &call.caller, id, body.lock()?, spool()?).await?;
    AccountFile::new(file, id)
}

async fn import_account(call: Call, Query(query): Query<ImportQuery>, upload: Upload) -> Result<Ok200<AccountView>> {
    // Before anything of the file is taken.
    if !call.account.id().is_owner() {
        return Err(Error::InsufficientScope.into());
    }
    let to = query::optional("account_id", query.account_id.as_deref())?;
    let (unlock, file) = upload.take().await?;
    let account = call.registry.take_in(&call.account, &call.caller, (unlock, file), to).await?;
    Ok(Ok200(AccountView::new(&account.directory().account)))
}

fn spool() -> Result<File> {
    tempfile::tempfile().map_err(unspooled)
}

fn unspooled(error: impl Display) -> ApiError {
    Error::Internal(format!("the file of an account cannot be kept: {error}")).into()
}

/// What the file is encrypted with: one of the two.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"passphrase": "correct horse battery staple"}))]
struct FileKey {
    /// At least twelve characters. Whoever has it reads everything.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>)]
    passphrase: Option<Secret>,
    /// Keys of age, `age1...`, of which each reads the file; at most 20.
    recipients: Option<Vec<String>>,
}

impl FileKey {
    fn lock(&self) -> Result<FileLock> {
        match (&self.passphrase, &self.recipients) {
            (Some(passphrase), None) => Ok(FileLock::passphrase(passphrase)?),
            (None, Some(recipients)) => Ok(FileLock::recipients(recipients)?),
            _ => Err(ApiError::invalid("passphrase", "or recipients must be sent, and not both")),
        }
    }
}

/// Which account is made.
#[derive(Deserialize, ToSchema)]
struct ImportQuery {
    /// Another one than the file says: a copy, with a log and signing keys of its own.
    account_id: Option<String>,
}

/// 200 with an encrypted file.
struct AccountFile {
    file: File,
    length: u64,
    account: AccountId,
}

impl AccountFile {
    fn new(file: io::Result<File>, account: AccountId) -> Result<Self> {
        let mut file = file.map_err(unspooled)?;
        let length = file.stream_position().map_err(unspooled)?;
        file.rewind().map_err(unspooled)?;
        Ok(Self { file, length, account })
    }
}

impl Responder for AccountFile {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let name = format!("attachment; filename=\"{}.age\"", self.account);
        let mut answer = HttpResponse::Ok();
        answer.insert_header((CONTENT_TYPE, BINARY)).insert_header((CONTENT_DISPOSITION, name));
        answer.body(of_file(self.file, self.length))
    }
}

impl Describe for AccountFile {
    fn describe(operation: &mut Operation<'_>) {
        operation.file_out("The file, in the format of age (age-encryption.org).", BINARY);
    }
}

/// A file that comes in, and the passphrase for it.
struct Upload {
    payload: Payload,
    passphrase: Secret,
}

impl Upload {
    /// All of it, in a file of ours.
    async fn take(mut self) -> Result<(Unlock, File)> {
        let (mut file, mut length) = (spool()?, 0);
        let late = |_| ApiError::invalid("body", format!("must go on within {} seconds", PATIENCE.as_secs()));
        while let Some(piece) = tokio::time::timeout(PATIENCE, self.payload.next()).await.map_err(late)? {
            let piece = piece.map_err(|_| ApiError::invalid("body", "ended early"))?;
            length += piece.len() as u64;
            if length > MAX_FILE {
                return Err(ApiError::invalid("body", "is too large: use `tenantry account import`"));
            }
            file.write_all(&piece).map_err(unspooled)?;
        }
        file.rewind().map_err(unspooled)?;
        Ok((Unlock::passphrase(&self.passphrase), file))
    }
}

impl FromRequest for Upload {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.content_type() != BINARY {
            return ready(Err(ApiError::UnsupportedMediaType(BINARY)));
        }
        let passphrase = request.headers().get(PASSPHRASE).and_then(|text| text.to_str().ok());
        let missing = || ApiError::invalid(PASSPHRASE.as_str(), "must be the passphrase of the file, in ASCII");
        let passphrase = passphrase.map(|text| Secret::new(text.to_owned())).ok_or_else(missing);
        ready(passphrase.map(|passphrase| Self { payload: payload.take(), passphrase }))
    }
}

impl Describe for Upload {
    fn describe(operation: &mut Operation<'_>) {
        operation.file_in("The file.", BINARY);
        operation.header(PASSPHRASE.as_str(), "What the file was encrypted with.");
    }
}
