//! What the machine itself can do: the other side of each ratio.

use std::path::Path;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use serde_json::json;

/// So many commits fill SQLite's log of changes: it begins anew after 1,000 pages.
const LOG: u32 = 1_200;

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

/// The least that actix-web can do: says where it listens, and answers `hello` to everybody.
pub(crate) async fn hello() -> Result<()> {
    let server = HttpServer::new(|| App::new().route("/", web::get().to(|| async { HttpResponse::Ok().body("hello") })));
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    println!("{}", server.addrs()[0]);
    Ok(server.run().await?)
}
