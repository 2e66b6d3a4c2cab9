//! Many customers at once, a line of JSON each (beyond the contract): NDJSON in, NDJSON out, however many there are.

use std::fs::File;
use std::future::{Ready, ready};
use std::io::{BufWriter, Seek, Write};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantry_accounts::{ImportRow, Imported, imported_hash};
use tenantry_domain::{CustomerId, Error, Secret};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::parse;
use crate::call::Call;
use crate::customers::{CustomerUpdate, CustomerView};
use crate::error::{ApiError, ErrorBody, Result};
use crate::openapi::{Describe, Operation};
use crate::query::Id;
use crate::reply::{Ok200, of_file};
use crate::route::{CUSTOMER_READ, CUSTOMERS_READ, CUSTOMERS_WRITE, Route, get, post};
use crate::token_request::secret;

/// Media types of a JSON value on each line.
const NDJSON: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
/// How long a line may be, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// How many customers are taken over in one turn. Few, so that nobody waits long for the writer.
const BATCH: usize = 200;
/// How many lines one request may have: what is told of them is kept until all are read.
const MAX_LINES: u64 = 1_000_000;
/// How much is told of a line that is not taken over.
const MAX_FAULTS: usize = 5;
/// How long the next piece of a body may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{aid}/customers/users:import", CUSTOMERS_WRITE, import_customers, "Take many customers over"),
        get("/v1/accounts/{aid}/customers/users:export", CUSTOMERS_READ, export_customers, "Hand all customers out"),
        get(
            "/v1/accounts/{aid}/customers/users/{customer_id}/export",
            CUSTOMER_READ,
            export_customer,
            "Hand out all that is known of one customer",
        ),
    ]
}

async fn import_customers(call: Call, mut lines: Lines) -> Result<Spooled> {
    // Told once all are read: many clients do not listen while they speak.
    let mut told = BufWriter::new(tempfile::tempfile().map_err(unspooled)?);
    let mut batch = lines.batch().await?;
    while !batch.is_empty() {
        // The next is read while this one is written.
        let (results, next) = try_join(take_over(&call, batch), lines.batch()).await?;
        for result in results {
            serde_json::to_writer(&mut told, &result).map_err(unspooled)?;
            told.write_all(b"\n").map_err(unspooled)?;
        }
        batch = next;
    }
    let mut file = told.into_inner().map_err(|error| unspooled(error.into_error()))?;
    let length = file.stream_position().map_err(unspooled)?;
    file.rewind().map_err(unspooled)?;
    Ok(Spooled { file, length })
}

async fn take_over(call: &Call, batch: Vec<Line>) -> Result<Vec<ResultView>> {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for (number, row) in batch {
        refused.push((number, row.map(|row| rows.push(row)).err()));
    }
    let mut imported = call.account_now().await?.import_customers(&call.caller, rows).await?.into_iter();
    let outcome = |(number, refused): (u64, Option<Error>)| {
        let outcome = refused.map(Imported::Refused).or_else(|| imported.next());
        let outcome = outcome.ok_or_else(|| Error::Internal("a row has no outcome".to_owned()))?;
        Ok(ResultView::new(number, outcome))
    };
    refused.into_iter().map(outcome).collect()
}

fn unspooled(error: impl std::fmt::Display) -> ApiError {
    Error::Internal(format!("results of an import cannot be kept: {error}")).into()
}

async fn export_customers(call: Call) -> Result<Export> {
    // The first page before the status is told.
    let first = page(&call, None).await?;
    Ok(Export { call, first })
}

async fn export_customer(call: Call, Id(id): Id<CustomerId>) -> Result<Ok200<CustomerFile>> {
    let (known, rest) = call.account.customer_file(&call.caller, &id).await?;
    Ok(Ok200(CustomerFile { customer: CustomerView::new(&known), rest }))
}

/// Customers as lines, and where they end if there may be more.
async fn page(call: &Call, after: Option<Uuid>) -> Result<(Bytes, Option<Uuid>)> {
    let (customers, end) = call.account_now().await?.export_customers(&call.caller, after).await?;
    let mut text = Vec::new();
    for customer in &customers {
        let written = serde_json::to_writer(&mut text, &CustomerView::new(customer));
        written.map_err(|error| Error::Internal(error.to_string()))?;
        text.push(b'\n');
    }
    Ok((text.into(), end))
}

/// Reads a customer as it is created; also `password_hash`, as another system has kept it.
fn row(line: &[u8]) -> Result<ImportRow> {
    /// Read by itself, where it is: it is for nobody but imports.
    #[derive(Deserialize)]
    struct Hash {
        #[serde(default, deserialize_with = "secret")]
        password_hash: Option<Secret>,
    }
    let (customer_id, change, mut proof) = parse::<CustomerUpdate>(line)?.parse()?;
    if line.windows(15).any(|part| part == b"\"password_hash\"")
        && let Some(hash) = parse::<Hash>(line)?.password_hash
    {
        let hash = imported_hash(hash.reveal().to_owned());
        proof.imported = Some(hash.map_err(|fault| ApiError::invalid("password_hash", fault))?);
    }
    Ok(ImportRow { customer_id, change, proof })
}

/// A customer with the number of its line, or what is wrong with that.
type Line = (u64, std::result::Result<ImportRow, Error>);

/// The lines of a body, one after the other.
struct Lines {
    payload: Payload,
    read: BytesMut,
    /// How many lines there were.
    number: u64,
    /// Whether the rest of a line that is too long is passed over.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// The next customers to take over in one turn; none at the end.
    async fn batch(&mut self) -> Result<Vec<Line>> {
        let (mut batch, mut rows) = (Vec::new(), 0);
        while rows < BATCH && batch.len() < 10 * BATCH {
            let Some((number, line)) = self.next().await? else { break };
            match line.and_then(|line| row(&line)) {
                Ok(row) => {
                    rows += 1;
                    batch.push((number, Ok(row)));
                }
                Err(ApiError::Domain(error)) => batch.push((number, Err(error))),
                Err(error) => return Err(error),
            }
        }
        Ok(batch)
    }

    /// The next line that says something, with its number; a line that is too long is a finding.
    async fn next(&mut self) -> Result<Option<(u64, Result<Bytes>)>> {
        // The one that was too many is told of.
        while self.number <= MAX_LINES {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1).freeze();
                if let Some(line) = self.whole(line.slice(..end)) {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.read.len() > MAX_LINE {
                self.skipping = true;
                self.read.clear();
            }
            if self.ended {
                let rest = self.read.split().freeze();
                return Ok(if rest.is_empty() && !self.skipping { None } else { self.whole(rest) });
            }
            let late = |_| ApiError::invalid("body", format!("must go on within {} seconds", PATIENCE.as_secs()));
            match tokio::time::timeout(PATIENCE, self.payload.next()).await.map_err(late)? {
                Some(piece) => {
                    let piece = piece.map_err(|_| ApiError::invalid("body", "ended early"))?;
                    // What is passed over is not kept.
                    let kept = if self.skipping {
                        piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |end| end)
                    } else {
                        0
                    };
                    self.read.extend_from_slice(&piece[kept..]);
                }
                None => self.ended = true,
            }
        }
        Ok(None)
    }

    fn whole(&mut self, line: Bytes) -> Option<(u64, Result<Bytes>)> {
        self.number += 1;
        if self.number > MAX_LINES {
            let fault = ApiError::invalid("line", format!("must be among the first {MAX_LINES}: send the rest by itself"));
            return Some((self.number, Err(fault)));
        }
        if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE {
            let fault = ApiError::invalid("line", format!("must be at most {MAX_LINE} bytes"));
            return Some((self.number, Err(fault)));
        }
        (!line.trim_ascii().is_empty()).then_some((self.number, Ok(line)))
    }
}

impl FromRequest for Lines {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !NDJSON.contains(&request.content_type().to_ascii_lowercase().as_str()) {
            return ready(Err(ApiError::UnsupportedMediaType(NDJSON[0])));
        }
        let (payload, read) = (payload.take(), BytesMut::new());
        ready(Ok(Self { payload, read, number: 0, skipping: false, ended: false }))
    }
}

impl Describe for Lines {
    fn describe(operation: &mut Operation<'_>) {
        operation.lines_in("Each line as a customer is created, of at most 64 KiB; also with `password_hash`.", NDJSON[0]);
    }
}

/// What became of a line.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportResult)]
struct ResultView {
    /// Its number, from 1.
    line: u64,
    /// What became of it.
    status: ImportStatus,
    /// What the customer is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer_id: Option<String>,
    /// What is wrong with it.
    #[serde(flatten)]
    error: Option<ErrorBody>,
}

/// What became of a line.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ImportStatus {
    /// It is a customer now.
    Created,
    /// Its `customer_id` was given before: nothing was done.
    Exists,
    /// It is not taken over.
    Refused,
}

impl ResultView {
    fn new(line: u64, outcome: Imported) -> Self {
        let (status, customer_id, error) = match outcome {
            Imported::Created(id) => (ImportStatus::Created, Some(id.to_string()), None),
            Imported::Exists(id) => (ImportStatus::Exists, Some(id.to_string()), None),
            Imported::Refused(mut error) => {
                if let Error::Invalid(faults) = &mut error {
                    faults.truncate(MAX_FAULTS);
                }
                (ImportStatus::Refused, None, Some(ErrorBody::from(&ApiError::from(error))))
            }
        };
        Self { line, status, customer_id, error }
    }
}

/// 200 with what a file holds.
struct Spooled {
    file: File,
    length: u64,
}

impl Responder for Spooled {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((CONTENT_TYPE, NDJSON[0])).body(of_file(self.file, self.length))
    }
}

impl Describe for Spooled {
    fn describe(operation: &mut Operation<'_>) {
        operation.lines_out::<ResultView>(NDJSON[0]);
    }
}

/// 200 with all customers.
struct Export {
    call: Call,
    first: (Bytes, Option<Uuid>),
}

impl Responder for Export {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let (first, end) = self.first;
        let rest = stream::unfold((self.call, end), |(call, after)| async move {
            let after = after?;
            match page(&call, Some(after)).await {
                Ok((text, end)) => Some((Ok(text), (call, end))),
                // What is sent is sent: the connection breaks, and everybody sees that it is not whole.
                Err(error) => Some((Err(std::io::Error::other(error.to_string())), (call, None))),
            }
        });
        // An empty piece would end the answer.
        let pieces = stream::once(ready(Ok(first))).chain(rest).filter(|piece| ready(!piece.as_ref().is_ok_and(Bytes::is_empty)));
        HttpResponse::Ok().insert_header((CONTENT_TYPE, NDJSON[0])).streaming(Box::pin(pieces))
    }
}

impl Describe for Export {
    fn describe(operation: &mut Operation<'_>) {
        operation.lines_out::<CustomerView>(NDJSON[0]);
    }
}

/// All that is known of a customer.
#[derive(Serialize, ToSchema)]
struct CustomerFile {
    /// The customer.
    customer: CustomerView,
    /// `communication`, `tags`, `tokens`, `logins` and `events`: the latest 1,000 of each at most.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    rest: Value,
}

#[cfg(test)]
mod properties {
    use actix_web::rt::System;
    use tenantry_accounts::Known;
    use tenantry_domain::{Customer, CustomerKey, CustomerType, CustomersSettings, Instant, Stamp};
    use tenantry_test_properties::Property;

    use super::*;

    /// Whom a line tells of.
    fn customer(line: &str) -> Option<Known> {
        let row = row(line.as_bytes()).ok()?;
        let now = Instant::from_micros(0);
        let id = row.customer_id.unwrap_or_else(|| "made".parse().expect("is an id"));
        let speaks_for = row.change.contact_for.clone().apply(None).unwrap_or_default();
        let new = Customer::new(CustomerKey(Uuid::nil()), Stamp::new(now, "c"), id, CustomerType::default());
        let contacts = Some(vec![Uuid::nil(); speaks_for.len()]);
        let (customer, _) = new.with(row.change, contacts, &CustomersSettings::default(), (false, now)).ok()?;
        Some(Known { customer, speaks_for })
    }

    #[test]
    fn a_line_that_was_handed_out_is_taken_in_as_the_same_customer() {
        let likely = r#"\{("customer_id":"[a-zå /]{1,4}",)?("metadata":\{"a":[0-9]{1,3}\.[0-9]{1,20}e-?[0-9]{1,2}\},)?"first_name":"[a-zÅ]{0,9}","email":"[a-zß]{1,4}@[a-z]{1,3}\.no"(,"gender":(null|"x"))?\}"#;
        Property::new("ndjson").of_text(likely, |line| {
            let Some(known) = customer(line) else { return };
            let handed_out = serde_json::to_string(&CustomerView::new(&known)).unwrap();
            let again = customer(&handed_out).unwrap_or_else(|| panic!("{handed_out} is not taken in"));
            assert_eq!((again.customer, again.speaks_for), (known.customer, known.speaks_for));
        });
    }

    #[test]
    fn a_broken_line_is_told_by_its_number_and_hinders_no_other() {
        let system = System::new();
        let lines = ["\\{\"customer_id\":\"[a-z]{1,9}\"\\}", "[a-z{}\" ]{0,9}", "\\{\"email\":\"[a-z@.]{0,9}\"\\}", " {0,3}\r?"];
        Property::new("ndjson").of((lines, 1_usize..40, proptest::bool::ANY), |(lines, size, ends)| {
            let mut body = lines.join("\n");
            if ends {
                body.push('\n');
            }
            let pieces: Vec<_> = body.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let payload = Payload::Stream { payload: stream::iter(pieces).boxed_local() };
            let mut read = Lines { payload, read: BytesMut::new(), number: 0, skipping: false, ended: false };
            let told = system.block_on(read.batch()).unwrap();
            let told: Vec<(u64, bool)> = told.into_iter().map(|(number, row)| (number, row.is_ok())).collect();
            let expected = (1..).zip(&lines).filter(|(_, line)| !line.trim().is_empty());
            assert_eq!(told, expected.map(|(number, line)| (number, row(line.as_bytes()).is_ok())).collect::<Vec<_>>());
            assert!(told.contains(&(1, true)));
        });
    }
}
