//! The master key: what is stored and must not be read from the database alone is sealed under it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use tenantry_domain::{AccountId, Error, Result};
use uuid::Uuid;

use crate::source::Source;

const ID_LEN: usize = 8;

/// Seals and opens secrets with AES-256-GCM. A sealed record is `key id (8) | nonce (12) | ciphertext and tag`.
pub struct Vault {
    key: LessSafeKey,
    /// Of it, for values that are derived; never the master key itself.
    derivation: hmac::Key,
    id: [u8; ID_LEN],
    source: Source,
}

/// What a sealed value is and to whom it belongs; it opens only there.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: AccountId,
    pub(crate) kind: &'a str,
    pub(crate) id: Uuid,
}

impl Vault {
    /// A vault under this master key of 32 bytes. A key that is one byte repeated is refused: somebody forgot to make one.
    pub fn new(master: &[u8], source: Source) -> Result<Self, String> {
        if master.len() != 32 {
            return Err(format!("the master key must be 32 bytes in base64, not {}", master.len()));
        }
        if master.iter().all(|byte| *byte == master[0]) {
            return Err("the master key is one byte repeated; make a real one with `openssl rand -base64 32`".to_owned());
        }
        let key = UnboundKey::new(&AES_256_GCM, master).map_err(|_| "the master key is not usable".to_owned())?;
        let hash = digest(&SHA256, &[b"tenantry master key id", master].concat());
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&hash.as_ref()[..ID_LEN]);
        let derivation = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master), b"tenantry derived values");
        let derivation = hmac::Key::new(hmac::HMAC_SHA256, derivation.as_ref());
        Ok(Self { key: LessSafeKey::new(key), derivation, id, source })
    }

    /// A name for the key that tells nothing about it.
    pub fn key_id(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.id))
    }

    /// The key of derived values.
    pub(crate) fn derivation(&self) -> &hmac::Key {
        &self.derivation
    }

    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.source.bytes();
        let mut text = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.name()), &mut text)
            .expect("the text is far below the limit of AES-GCM");
        [&self.id[..], &nonce, &text].concat()
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let broken = |what: &str| Error::Internal(format!("{} cannot be opened: {what}", place.name()));
        let (id, rest) = sealed.split_at_checked(ID_LEN).ok_or_else(|| broken("too short"))?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(|| broken("too short"))?;
        if id != self.id {
            return Err(broken("it is sealed under another master key"));
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("bad nonce"))?;
        let mut text = text.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(place.name()), &mut text).map_err(|_| broken("it was changed"))?;
        let length = plain.len();
        text.truncate(length);
        Ok(text)
    }
}

impl Place<'_> {
    fn name(&self) -> String {
        format!("{}/{}/{}", self.account, self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_under_its_key() {
        let source = Source::default();
        let vault = Vault::new(&source.bytes::<32>(), source.clone()).unwrap();
        let other = Vault::new(&source.bytes::<32>(), source).unwrap();
        let place = Place { account: "P11200001".parse().unwrap(), kind: "key", id: Uuid::nil() };
        let sealed = vault.seal(place, b"secret");
        assert_eq!(vault.open(place, &sealed).unwrap(), b"secret");
        assert!(other.open(place, &sealed).is_err());
        assert!(vault.open(Place { account: "P11200002".parse().unwrap(), ..place }, &sealed).is_err());
        assert!(vault.open(Place { kind: "oidc", ..place }, &sealed).is_err());
        assert!(vault.open(place, &sealed[..10]).is_err());
        assert!(Vault::new(&[7; 32], Source::default()).is_err());
    }
}
