//! Signing keys: made on first use, published before they sign, honoured until their last token has expired.
//!
//! What a key is at a moment follows from `active_from` alone: the latest active one signs, later ones are published
//! as next, earlier ones verify until no token of theirs can be alive. Nothing has to be switched at that moment.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_domain::{AccountId, Algorithm, Error, Instant, KeyId, KeyPurpose, Result, Rotation, Seconds};

use crate::account::Account;
use crate::caller::Caller;
use crate::measures::Refusal;
use crate::store;
use crate::vault::{Place, Vault};

/// How long a key waits for the ones that are being made before it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many keys an account may have at once.
const MAX_KEYS: usize = 100;
/// How long a key that follows another by itself is published before it signs, so that those who keep public keys have it, in seconds.
const ANNOUNCED: Seconds = 3600;

/// The public half of a key (RFC 7517; RFC 7518 section 6; RFC 8037 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum Jwk {
    /// RSA: modulus and exponent.
    #[expect(missing_docs, reason = "names of RFC 7518 section 6.3.1")]
    RSA { n: String, e: String },
    /// Elliptic curve: the point.
    #[expect(missing_docs, reason = "names of RFC 7518 section 6.2.1")]
    EC { crv: String, x: String, y: String },
    /// Octet key pair: the public key.
    #[expect(missing_docs, reason = "names of RFC 8037 section 2")]
    OKP { crv: String, x: String },
}

/// A signing key. The private half stays sealed until the first signature.
pub struct SigningKey {
    /// The `kid`.
    pub id: KeyId,
    /// Whose tokens it signs.
    pub purpose: KeyPurpose,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// From when on.
    pub active_from: Instant,
    /// The public half.
    pub jwk: Jwk,
    pub(crate) sealed: Arc<[u8]>,
    pair: OnceLock<Pair>,
    verifier: OnceLock<DecodingKey>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    pub(crate) fn stored(
        id: KeyId,
        purpose: KeyPurpose,
        algorithm: Algorithm,
        active_from: Instant,
        jwk: Jwk,
        sealed: Arc<[u8]>,
    ) -> Self {
        Self { id, purpose, algorithm, active_from, jwk, sealed, pair: OnceLock::new(), verifier: OnceLock::new() }
    }

    /// Makes a key. RSA takes a second or so of CPU: call it where nothing waits.
    pub(crate) fn generate(
        vault: &Vault,
        account: AccountId,
        id: KeyId,
        (purpose, algorithm): (KeyPurpose, Algorithm),
        active_from: Instant,
    ) -> Result<Self> {
        let failed = |_| Error::Internal(format!("an {} key cannot be made", algorithm.as_str()));
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (private, pair, jwk) = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
                let point = pair.public_key().as_ref();
                let jwk = Jwk::EC { crv: "P-256".to_owned(), x: b64(&point[1..33]), y: b64(&point[33..65]) };
                (pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(), Pair::Ecdsa(pair), jwk)
            }
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let jwk = Jwk::RSA { n: b64(n.big_endian_without_leading_zero()), e: b64(e.big_endian_without_leading_zero()) };
                (pair.as_der().map_err(failed)?.as_ref().to_vec(), Pair::Rsa(pair), jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                let jwk = Jwk::OKP { crv: "Ed25519".to_owned(), x: b64(pair.public_key().as_ref()) };
                (pair.to_pkcs8().map_err(failed)?.as_ref().to_vec(), Pair::Ed25519(pair), jwk)
            }
        };
        let sealed = vault.seal(Place { account, kind: "signing_key", id: id.0 }, &zeroize::Zeroizing::new(private));
        let key = Self::stored(id, purpose, algorithm, active_from, jwk, sealed.into());
        key.pair.get_or_init(|| pair);
        Ok(key)
    }

    /// The signature over `message` as a JWT carries it (RFC 7515 section 5.1).
    pub(crate) fn sign(&self, vault: &Vault, account: AccountId, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::Internal(format!("key {} cannot sign", self.id));
        match self.pair(vault, account)? {
            Pair::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    fn pair(&self, vault: &Vault, account: AccountId) -> Result<&Pair> {
        if let Some(pair) = self.pair.get() {
            return Ok(pair);
        }
        let private = zeroize::Zeroizing::new(vault.open(Place { account, kind: "signing_key", id: self.id.0 }, &self.sealed)?);
        let parsed = match self.algorithm {
            Algorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).map(Pair::Ecdsa),
            Algorithm::RS256 => RsaKeyPair::from_pkcs8(&private).map(Pair::Rsa),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&private).map(Pair::Ed25519),
        };
        let pair = parsed.map_err(|error| Error::Internal(format!("key {} does not parse: {error}", self.id)))?;
        Ok(self.pair.get_or_init(|| pair))
    }

    /// The public half, ready to verify with.
    pub(crate) fn verifier(&self) -> Result<&DecodingKey> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(verifier);
        }
        let parsed = match &self.jwk {
            Jwk::RSA { n, e } => DecodingKey::from_rsa_components(n, e),
            Jwk::EC { x, y, .. } => DecodingKey::from_ec_components(x, y),
            Jwk::OKP { x, .. } => DecodingKey::from_ed_components(x),
        };
        let verifier = parsed.map_err(|error| Error::Internal(format!("key {} does not parse: {error}", self.id)))?;
        Ok(self.verifier.get_or_init(|| verifier))
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.purpose, self.algorithm, self.active_from, &self.jwk, &self.sealed)
            == (other.id, other.purpose, other.algorithm, other.active_from, &other.jwk, &other.sealed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {} from {})", self.id, self.algorithm.as_str(), self.active_from)
    }
}

impl Account {
    /// The public keys that tokens of this account may be checked with (contract no. 23), the next one included.
    pub fn public_keys(&self) -> Vec<Arc<SigningKey>> {
        self.directory().live_keys(self.now()).cloned().collect()
    }

    /// Publishes a new signing key, which signs from `rotation.activate_in` seconds on; one for installers' tokens, too, where
    /// there is one already. With `revoke_previous` all others end now, also installers': theirs is made anew when it is needed.
    pub async fn rotate_key(&self, by: Caller, rotation: Rotation) -> Result<Arc<SigningKey>> {
        // The write decides; this only spares the work of making a key that would be refused.
        if !rotation.revoke_previous && self.directory().live_keys(self.now()).count() >= MAX_KEYS {
            return Err(Error::LimitReached { noun: "signing keys", max: MAX_KEYS });
        }
        let _alone = self.make_key_alone().await?;
        self.rotate_alone(by, rotation, None).await
    }

    /// The same for whoever makes keys alone; with `due` only if no other follows that one.
    async fn rotate_alone(&self, by: Caller, rotation: Rotation, due: Option<Arc<SigningKey>>) -> Result<Arc<SigningKey>> {
        let key = self.new_key(KeyPurpose::Account, rotation.activate_in).await?;
        let mut made = vec![key.clone()];
        if !rotation.revoke_previous && self.directory().signing_key(KeyPurpose::Installers, self.now()).is_some() {
            made.push(self.new_key(KeyPurpose::Installers, rotation.activate_in).await?);
        }
        self.write(&by, async move |draft| {
            if due.is_some_and(|due| draft.directory.honoured_until(&due).is_some()) {
                return Err(Error::Unchanged);
            }
            let mut keys = draft.directory.keys.clone();
            let dead: Vec<KeyId> = if rotation.revoke_previous {
                keys.values().map(|key| key.id).collect()
            } else {
                let live: Vec<KeyId> = draft.directory.live_keys(draft.now).map(|key| key.id).collect();
                keys.values().map(|key| key.id).filter(|id| !live.contains(id)).collect()
            };
            keys.retain(|key| !dead.contains(&key.id));
            if keys.len() + made.len() > MAX_KEYS {
                return Err(Error::LimitReached { noun: "signing keys", max: MAX_KEYS });
            }
            store::keys::delete(draft.tx, draft.account(), &dead).await?;
            for key in &made {
                store::keys::insert(draft.tx, draft.account(), key, draft.now, draft.by.subject()).await?;
                keys.insert(key.id, key.clone());
            }
            draft.directory.keys = keys;
            let kind = if rotation.revoke_previous { "key.revoked" } else { "key.rotated" };
            let mut after = json!({"kid": key.id, "alg": key.algorithm, "active_from": key.active_from, "removed": dead});
            if let Some(installers) = made.get(1) {
                after["installers_kid"] = json!(installers.id);
            }
            draft.record(draft.event(kind, key.id).after(after));
            Ok(key)
        })
        .await
    }

    /// The key that signs now. The first one is made here and is active at once.
    pub(crate) async fn signing_key(&self, purpose: KeyPurpose) -> Result<Arc<SigningKey>> {
        if let Some(key) = self.directory().signing_key(purpose, self.now()).cloned() {
            self.renew_in_time(&key);
            return Ok(key);
        }
        let _alone = self.make_key_alone().await?;
        if let Some(key) = self.directory().signing_key(purpose, self.now()) {
            return Ok(key.clone()); // made while this waited
        }
        let (key, system) = (self.new_key(purpose, 0).await?, Caller::system());
        let made = self.write(&system, async move |draft| {
            if draft.directory.signing_key(purpose, draft.now).is_some() {
                return Err(Error::Unchanged);
            }
            store::keys::insert(draft.tx, draft.account(), &key, draft.now, draft.by.subject()).await?;
            draft.directory.keys.insert(key.id, key.clone());
            let after = json!({"kid": key.id, "alg": key.algorithm, "active_from": key.active_from});
            draft.record(draft.event("key.created", key.id).after(after));
            Ok(key)
        });
        match made.await {
            // Another first use was quicker, perhaps in another process.
            Err(Error::Unchanged) => {
                self.refresh().await?;
                let key = self.directory().signing_key(purpose, self.now()).cloned();
                key.ok_or_else(|| Error::Internal("a signing key vanished".to_owned()))
            }
            made => made,
        }
    }

    /// Has a key followed that has signed for as long as a key is to. Nobody waits for it.
    fn renew_in_time(&self, key: &Arc<SigningKey>) {
        let lifetime = self.platform().signing_key_lifetime;
        let due = lifetime > 0 && key.active_from.plus(lifetime) <= self.now();
        if !due || self.directory().honoured_until(key).is_some() {
            return;
        }
        let (account, due) = (self.clone(), key.clone());
        self.spawn(async move {
            let Some(_alone) = account.try_make_key_alone() else { return };
            let rotation = Rotation { activate_in: ANNOUNCED, revoke_previous: false };
            match account.rotate_alone(Caller::system(), rotation, Some(due)).await {
                Ok(_) | Err(Error::Unchanged) => {}
                Err(error) => {
                    tracing::warn!(account = %account.id(), %error, "no key follows one that is due");
                }
            }
        });
    }

    /// Makes a key, one at a time for each account. RSA takes a second of a core, so that is done on a thread of its own and
    /// one at a time in the whole process. `Error::Busy` where that takes too long.
    async fn new_key(&self, purpose: KeyPurpose, activate_in: Seconds) -> Result<Arc<SigningKey>> {
        let (platform, account, now) = (self.platform().clone(), self.id(), self.now());
        let settings = self.directory().account.settings.clone();
        let algorithm = match purpose {
            KeyPurpose::Account => settings.signing_algorithm,
            KeyPurpose::Installers => settings.installer_signing_algorithm,
        };
        let id = KeyId(platform.source.id(now));
        let shared = platform.clone();
        let make = move || SigningKey::generate(&shared.vault, account, id, (purpose, algorithm), now.plus(activate_in));
        if algorithm != Algorithm::RS256 {
            return make().map(Arc::new);
        }
        let alone = tokio::time::timeout(PATIENCE, platform.key_making.acquire()).await;
        let busy = |_| {
            platform.measures.refused(Refusal::Keys);
            Error::Busy
        };
        let _alone = alone.map_err(busy)?.map_err(|_| Error::Unavailable)?;
        let key = tokio::task::spawn_blocking(make).await;
        key.map_err(|error| Error::Internal(format!("making a key failed: {error}")))?.map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::vault::MasterKeys;

    #[test]
    fn every_algorithm_signs_after_a_reload_what_its_public_half_verifies() {
        let vault = Vault::new(MasterKeys::new(&Source::default().bytes::<32>()).unwrap(), Source::default());
        let account = "P11200001".parse().unwrap();
        for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDsa] {
            let now = Instant::from_micros(1);
            let made = (KeyPurpose::Account, algorithm);
            let key = SigningKey::generate(&vault, account, KeyId(Source::default().id(now)), made, now).unwrap();
            let again = SigningKey::stored(key.id, key.purpose, algorithm, now, key.jwk.clone(), key.sealed.clone());
            let signature = URL_SAFE_NO_PAD.encode(again.sign(&vault, account, b"message").unwrap());
            let name = algorithm.as_str().parse().unwrap();
            let verify = |message| jsonwebtoken::crypto::verify(&signature, message, key.verifier().unwrap(), name).unwrap();
            assert!(verify(b"message"));
            assert!(!verify(b"another"));
        }
    }
}
