//! What the machine itself can do: the other side of each ratio.

use std::path::Path;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sea_orm::prelude::Uuid;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement, TransactionTrait, Value,
};
use serde_json::json;

/// So many commits fill SQLite's log of changes: it begins anew after 1,000 pages.
const LOG: u32 = 1_200;
/// How many customers go with one commit on SQLite: as many as with one of ours.
const GROUP: u32 = 64;
/// How many make customers at once on PostgreSQL.
const CLIENTS: u32 = 16;

/// What tells runs apart.
#[expect(clippy::disallowed_methods, reason = "a tool of developers, not the product")]
pub(crate) fn since_1970() -> Result<Duration> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?)
}

/// ES256 signatures a second through jsonwebtoken, over claims like ours.
pub(crate) fn sign(duration: Duration) -> Result<f64> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref());
    let account = "https://id.example.com/v1/accounts/T11200001";
    let claims = json!({
        "iss": account, "aud": account, "sub": "0123456789abcdefghijkl", "client_id": "0123456789abcdefghijkl", "oid": "T11200001",
        "aid": "T11200001", "scope": "admin:accounts", "iat": 1_767_225_600, "nbf": 1_767_225_600, "exp": 1_767_240_000,
        "jti": "019b76da-a800-7000-8000-000000000000", "token_use": "access",
    });
    let header = Header { kid: Some("019b76da-a800-7000-8000-000000000000".to_owned()), ..Header::new(Algorithm::ES256) };
    let (begun, mut signed) = (Instant::now(), 0_u32);
    while begun.elapsed() < duration {
        jsonwebtoken::encode(&header, &claims, &key)?;
        signed += 1;
    }
    Ok(f64::from(signed) / begun.elapsed().as_secs_f64())
}

/// argon2id hashes a second of one thread that keeps its memory: 19 MiB, two passes.
pub(crate) fn hashes(duration: Duration) -> Result<f64> {
    let params = argon2::Params::default();
    let mut memory = vec![argon2::Block::default(); params.block_count()];
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let (begun, mut made) = (Instant::now(), 0_u32);
    while begun.elapsed() < duration {
        let salt = format!("salt of a bench {made:08}");
        let done = hasher.hash_password_into_with_memory(b"a password", salt.as_bytes(), &mut [0; 32], &mut memory);
        done.map_err(|error| anyhow::anyhow!("{error}"))?;
        made += 1;
    }
    Ok(f64::from(made) / begun.elapsed().as_secs_f64())
}

/// Commits a second of one row each on a SQLite file in `directory`, as durable as ours: WAL, `synchronous=FULL`.
pub(crate) async fn commits(directory: &Path, duration: Duration) -> Result<f64> {
    let file = directory.join("commits.db");
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    for statement in
        ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text)"]
    {
        db.execute_unprepared(statement).await?;
    }
    let text = "x".repeat(300);
    let insert = format!("INSERT INTO t (text) VALUES ('{text}')");
    // The log of changes first grows to the size that it keeps, as a server's has.
    for _ in 0..LOG {
        db.execute_unprepared(&insert).await?;
    }
    let (begun, mut committed) = (Instant::now(), 0_u32);
    while begun.elapsed() < duration {
        db.execute_unprepared(&insert).await?;
        committed += 1;
    }
    db.close().await?;
    Ok(f64::from(committed) / begun.elapsed().as_secs_f64())
}

/// Customers a second, made with the statements of ours on a database of ours: on SQLite in commits of `GROUP`, on PostgreSQL
/// by `CLIENTS` at once, a transaction each.
pub(crate) async fn creates(url: &str, duration: Duration) -> Result<f64> {
    let mut options = ConnectOptions::new(url);
    let sqlite = url.starts_with("sqlite");
    let clients = if sqlite { 1 } else { CLIENTS };
    options.max_connections(clients).min_connections(clients).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|options| options.pragma("synchronous", "FULL").pragma("cache_size", "-32768"));
    let db = Database::connect(options).await?;
    let group = if sqlite { GROUP } else { 1 };
    let first = since_1970()?.as_micros();
    let begun = Instant::now();
    let client = async |client: u32| {
        let mut made = 0_u32;
        while begun.elapsed() < duration {
            let tx = db.begin().await?;
            let numbers = made..made + group;
            for number in numbers.clone() {
                tx.execute_raw(customer(&db, first, client, number)).await?;
            }
            for number in numbers {
                tx.execute_raw(event(&db, first, client, number)).await?;
            }
            tx.commit().await?;
            made += group;
        }
        anyhow::Ok(made)
    };
    let made: u32 = futures_util::future::try_join_all((0..clients).map(client)).await?.into_iter().sum();
    Ok(f64::from(made) / begun.elapsed().as_secs_f64())
}

fn insert<const N: usize>(db: &DatabaseConnection, table: &str, row: [(&str, Value); N]) -> Statement {
    let backend = db.get_database_backend();
    let names = row.each_ref().map(|(name, _)| *name).join(", ");
    let places = (1..=N).map(|n| if backend == DatabaseBackend::Postgres { format!("${n}") } else { "?".to_owned() });
    let sql =
        format!("INSERT INTO {table} (account_id, {names}) VALUES ('T00000000', {})", places.collect::<Vec<_>>().join(", "));
    Statement::from_sql_and_values(backend, sql, row.map(|(_, value)| value))
}

fn key(first: u128, client: u32, number: u32, kind: u128) -> Uuid {
    Uuid::from_u128(
        ((first / 1000 + u128::from(number) / 10) << 80) | 0x7 << 76 | u128::from(client) << 40 | u128::from(number) << 1 | kind,
    )
}

fn customer(db: &DatabaseConnection, first: u128, client: u32, number: u32) -> Statement {
    let (given, family) = crate::customers::names(number as usize * 31 + client as usize);
    let (id, now) = (key(first, client, number, 0), (first + u128::from(number)) as i64);
    let email = format!("{given}.{family}.{first}.{client}.{number}@example.com").to_lowercase();
    let phone = format!("47{}{client:02}{number:06}", first % 10_000);
    insert(
        db,
        "customer",
        [
            ("id", id.into()),
            ("version", 1_i64.into()),
            ("customer_id", id.to_string().into()),
            ("kind", "\"customer\"".into()),
            ("first_name", given.into()),
            ("last_name", family.as_str().into()),
            ("name_key", format!("{given} {family}").to_lowercase().into()),
            ("last_key", format!("{family} {given}").to_lowercase().into()),
            ("email", email.as_str().into()),
            ("email_key", email.as_str().into()),
            ("phone", format!("+{phone}").into()),
            ("phone_key", phone.into()),
            ("phone_slot", "".into()),
            ("created_at", now.into()),
            ("created_by", "0123456789abcdefghijkl".into()),
            ("updated_at", now.into()),
        ],
    )
}

fn event(db: &DatabaseConnection, first: u128, client: u32, number: u32) -> Statement {
    let (id, now) = (key(first, client, number, 1), (first + u128::from(number)) as i64);
    let content = json!({"kind": "customer.created", "at": now, "subject": "0123456789abcdefghijkl", "target": id.to_string(),
        "ip": "127.0.0.1", "request_id": id.to_string(), "after": {"version": 1}});
    insert(
        db,
        "event",
        [
            ("id", id.into()),
            ("kind", "customer.created".into()),
            ("subject", "0123456789abcdefghijkl".into()),
            ("at", now.into()),
            ("content", content.to_string().into()),
        ],
    )
}

/// The least that actix-web can do: says where it listens, and answers `hello` to everybody.
pub(crate) async fn hello() -> Result<()> {
    let server = HttpServer::new(|| App::new().route("/", web::get().to(|| async { HttpResponse::Ok().body("hello") })));
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    println!("{}", server.addrs()[0]);
    Ok(server.run().await?)
}
