//! Kinds of password hashes: ours, and those that were made elsewhere.

use argon2::password_hash::phc;
use argon2::password_hash::{Error as HashError, PasswordVerifier};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use tenantry_domain::{Error, Password, PasswordHash, Result};

/// KiB of memory, passes and lanes of argon2id: the second choice of RFC 9106, as OWASP writes it.
pub(crate) const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a salt, and of a hash.
pub(crate) const SALT: usize = 16;
pub(crate) const HASH: usize = 32;
/// What a thread hashes in, again and again.
pub(crate) type Memory = Vec<Block>;

/// The PHC text of an argon2id hash with our parameters.
pub(crate) fn text(salt: &[u8], hash: &[u8]) -> PasswordHash {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    PasswordHash::from(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${salt}${hash}"))
}

pub(crate) fn make(password: &Password, salt: &[u8; SALT], memory: &mut Memory) -> Result<PasswordHash> {
    let params = Params::new(MEMORY, PASSES, LANES, Some(HASH)).expect("our parameters are within argon2's bounds");
    let mut hash = [0; HASH];
    fill(Algorithm::Argon2id, Version::V0x13, params, password, salt, &mut hash, memory)
        .map_err(|error| Error::Internal(format!("a password cannot be hashed: {error}")))?;
    Ok(text(salt, &hash))
}

/// Runs argon2 in memory that is used again.
fn fill(
    algorithm: Algorithm,
    version: Version,
    params: Params,
    password: &Password,
    salt: &[u8],
    hash: &mut [u8],
    memory: &mut Memory,
) -> Result<(), argon2::Error> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.reveal().as_bytes(), salt, hash, &mut memory[..])
}

/// Compares a password with a hash of any kind that we take.
pub(crate) fn verify(password: &Password, kept: &str, memory: &mut Memory) -> bool {
    let plain = password.reveal().as_bytes();
    if is_bcrypt(kept) {
        return bcrypt::verify(plain, kept).unwrap_or(false);
    }
    let Ok(phc) = phc::PasswordHash::new(kept) else { return false };
    let right = match phc.algorithm.as_str() {
        "scrypt" => scrypt::Scrypt::default().verify_password(plain, &phc),
        "pbkdf2-sha256" | "pbkdf2-sha512" => pbkdf2::Pbkdf2::default().verify_password(plain, &phc),
        _ => verify_argon2(password, &phc, memory),
    };
    right.is_ok()
}

fn verify_argon2(password: &Password, phc: &phc::PasswordHash, memory: &mut Memory) -> Result<(), HashError> {
    let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else { return Err(HashError::PasswordInvalid) };
    let algorithm = Algorithm::new(phc.algorithm.as_str()).map_err(|_| HashError::Algorithm)?;
    let version = phc.version.map_or(Ok(Version::V0x13), Version::try_from).map_err(|_| HashError::Version)?;
    let mut hash = vec![0; expected.len()];
    fill(algorithm, version, Params::try_from(phc)?, password, salt, &mut hash, memory).map_err(|_| HashError::Internal)?;
    if bool::from(hash.ct_eq(expected.as_bytes())) { Ok(()) } else { Err(HashError::PasswordInvalid) }
}

fn is_bcrypt(kept: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|kind| kept.starts_with(kind))
}

/// Whether a hash is of another kind than ours, or cheaper to try than ours.
pub(crate) fn is_weak(kept: &str) -> bool {
    let Ok(phc) = phc::PasswordHash::new(kept) else { return true };
    let params = Params::try_from(&phc);
    phc.algorithm.as_str() != "argon2id" || params.is_ok_and(|params| params.m_cost() < MEMORY || params.t_cost() < PASSES)
}

/// Reads the hash of a password that was made elsewhere: argon2 (PHC), scrypt (PHC), PBKDF2 with SHA-256 or SHA-512 (PHC), or
/// bcrypt. Refused where comparing it would cost much more than what is usual: about seven times ours.
pub fn imported_hash(hash: String) -> Result<PasswordHash, String> {
    let costly = || "would take too long to compare".to_owned();
    let unknown = || "must be a hash of argon2, scrypt or pbkdf2 in PHC form, or of bcrypt".to_owned();
    if hash.len() > 512 {
        return Err(unknown());
    }
    if is_bcrypt(&hash) {
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| unknown())?;
        return if parts.get_cost() <= 12 { Ok(hash.into()) } else { Err(costly()) };
    }
    let phc = phc::PasswordHash::new(&hash).map_err(|_| unknown())?;
    if phc.salt.is_none() || phc.hash.is_none() {
        return Err(unknown());
    }
    let most = |name: &str, most: u32| match phc.params.get_decimal(name) {
        None => Err(unknown()),
        Some(cost) if cost > most => Err(costly()),
        Some(_) => Ok(()),
    };
    match phc.algorithm.as_str() {
        "argon2d" | "argon2i" | "argon2id" => {
            // The defaults of argon2-cffi and of RFC 9106's second choice fit.
            let params = Params::try_from(&phc).map_err(|_| unknown())?;
            if params.m_cost() > 64 * 1024 || params.m_cost().saturating_mul(params.t_cost()) > 256 * 1024 {
                return Err(costly());
            }
            most("p", 8)?;
        }
        "scrypt" => {
            scrypt::Params::try_from(&phc).map_err(|_| unknown())?;
            most("ln", 16)?;
            most("r", 8)?;
            most("p", 1)?;
        }
        "pbkdf2-sha256" | "pbkdf2-sha512" => {
            pbkdf2::Params::try_from(&phc).map_err(|_| unknown())?;
            most("i", 650_000)?;
        }
        _ => return Err(unknown()),
    }
    Ok(hash.into())
}
