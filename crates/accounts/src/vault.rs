//! The master keys: what is stored and must not be read from the database alone is sealed under one of them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use tenantry_domain::{AccountId, Error, Mode, Result};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::source::Source;
use crate::store::{self, Store};

const ID_LEN: usize = 8;
/// Of the key of derived values.
const DERIVATION_LEN: usize = 32;

/// A master key.
struct MasterKey {
    id: [u8; ID_LEN],
    key: LessSafeKey,
    /// What values were derived with before they had a key of their own.
    derivation: Zeroizing<[u8; DERIVATION_LEN]>,
}

/// The master keys that an operator has given us. The first one seals; the others open what was sealed under them.
pub struct MasterKeys(Vec<MasterKey>);

/// Seals and opens secrets with AES-256-GCM. A sealed record is `key id (8) | nonce (12) | ciphertext and tag`.
pub struct Vault {
    keys: MasterKeys,
    /// Of values that are derived; another master key leaves it as it is.
    derivation: hmac::Key,
    source: Source,
}

/// What a sealed value is and to whom it belongs; it opens only there.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: AccountId,
    pub(crate) kind: &'a str,
    pub(crate) id: Uuid,
}

impl MasterKey {
    fn new(master: &[u8]) -> Result<Self, String> {
        if master.len() != 32 {
            return Err(format!("the master key must be 32 bytes in base64, not {}", master.len()));
        }
        if master.iter().all(|byte| *byte == master[0]) {
            return Err("the master key is one byte repeated; make a real one with `openssl rand -base64 32`".to_owned());
        }
        let key = UnboundKey::new(&AES_256_GCM, master).map_err(|_| "the master key is not usable".to_owned())?;
        let hash = digest(&SHA256, &Zeroizing::new([b"tenantry master key id", master].concat()));
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&hash.as_ref()[..ID_LEN]);
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master), b"tenantry derived values");
        let mut derivation = Zeroizing::new([0; DERIVATION_LEN]);
        derivation.copy_from_slice(derived.as_ref());
        Ok(Self { key: LessSafeKey::new(key), derivation, id })
    }

    fn name(&self) -> String {
        named(&self.id)
    }
}

/// A name for a key that tells nothing about it.
fn named(id: &[u8]) -> String {
    id.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

impl MasterKeys {
    /// The key of 32 bytes that seals. One that is a byte repeated is refused: somebody forgot to make one.
    pub fn new(master: &[u8]) -> Result<Self, String> {
        Ok(Self(vec![MasterKey::new(master)?]))
    }

    /// Another one, which only opens. The same again changes nothing.
    pub fn and(mut self, other: &[u8]) -> Result<Self, String> {
        let other = MasterKey::new(other)?;
        if self.0.iter().all(|key| key.id != other.id) {
            self.0.push(other);
        }
        Ok(self)
    }

    /// The name of the one that seals.
    pub fn current(&self) -> String {
        self.0[0].name()
    }

    /// Whether there are others.
    pub fn has_others(&self) -> bool {
        self.0.len() > 1
    }

    /// Those of `names`, which are separated by spaces, that are not here.
    pub fn lacks<'n>(&self, names: &'n str) -> Vec<&'n str> {
        names.split(' ').filter(|name| self.named(name).is_none()).collect()
    }

    fn named(&self, name: &str) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.name() == name)
    }
}

impl Vault {
    /// A vault with a new key of derived values, which nobody else will know: for tests, and for what ends with the process.
    pub fn new(keys: MasterKeys, source: Source) -> Self {
        let derivation: [u8; DERIVATION_LEN] = source.bytes();
        Self { keys, derivation: hmac::Key::new(hmac::HMAC_SHA256, &derivation), source }
    }

    /// The vault of this installation: notes at the first start what its secrets are sealed under, and is it from then on. The names
    /// of the keys that are missing, if some are.
    pub async fn claim(store: &Store, keys: MasterKeys, source: Source) -> Result<Result<Self, String>> {
        let mut vault = Self::new(keys, source);
        let current = vault.keys.current();
        loop {
            let Some(known) = store::instance::keys(&store.read).await? else {
                let derivation: [u8; DERIVATION_LEN] = vault.source.bytes();
                let (now, sealed) = (vault.source.now(), vault.seal(of_derivation(), &derivation));
                let first = current.clone();
                let made = store.turns.take(async move |tx| store::instance::insert(tx, now, first, sealed).await).await;
                match made {
                    Err(Error::Duplicate(_)) | Ok(()) => continue,
                    Err(error) => return Err(error),
                }
            };
            let lacking = vault.keys.lacks(&known.master_keys);
            if !lacking.is_empty() {
                return Ok(Err(lacking.join(", ")));
            }
            let mut next = known.clone();
            if !known.master_keys.split(' ').any(|name| name == current) {
                next.master_keys = format!("{current} {}", known.master_keys);
            }
            if known.derivation.is_none() {
                // Made before values had a key of their own: by the one master key that there was.
                let first = known.master_keys.split(' ').find_map(|name| vault.keys.named(name));
                next.derivation = first.map(|first| vault.seal(of_derivation(), &*first.derivation));
            }
            if next != known {
                store.turns.take(async move |tx| store::instance::replace_keys(tx, &known, &next).await).await?;
                continue;
            }
            let sealed = known.derivation.ok_or_else(|| Error::Internal("there is no key of derived values".to_owned()))?;
            vault.derivation = hmac::Key::new(hmac::HMAC_SHA256, &Zeroizing::new(vault.open(of_derivation(), &sealed)?));
            return Ok(Ok(vault));
        }
    }

    /// The master keys.
    pub(crate) fn keys(&self) -> &MasterKeys {
        &self.keys
    }

    /// The key of derived values.
    pub(crate) fn derivation(&self) -> &hmac::Key {
        &self.derivation
    }

    /// A name for it that tells nothing about it.
    pub(crate) fn derivation_name(&self) -> String {
        named(&hmac::sign(&self.derivation, b"tenantry derivation id").as_ref()[..ID_LEN])
    }

    /// Seals anew what is not sealed under the key that seals; `None` for what is.
    pub(crate) fn reseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
        if sealed.starts_with(&self.keys.0[0].id) {
            return Ok(None);
        }
        let plain = Zeroizing::new(self.open(place, sealed)?);
        Ok(Some(self.seal(place, &plain)))
    }

    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.source.bytes();
        let mut text = plain.to_vec();
        let master = &self.keys.0[0];
        master
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.name()), &mut text)
            .expect("the text is far below the limit of AES-GCM");
        [&master.id[..], &nonce, &text].concat()
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let broken = |what: &str| Error::Internal(format!("{} cannot be opened: {what}", place.name()));
        let (id, rest) = sealed.split_at_checked(ID_LEN).ok_or_else(|| broken("too short"))?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(|| broken("too short"))?;
        let master = self.keys.0.iter().find(|key| key.id == id);
        let master = master.ok_or_else(|| broken(&format!("it is sealed under the master key {}", named(id))))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("bad nonce"))?;
        let mut text = text.to_vec();
        let plain = master.key.open_in_place(nonce, Aad::from(place.name()), &mut text).map_err(|_| broken("it was changed"))?;
        let length = plain.len();
        text.truncate(length);
        Ok(text)
    }
}

/// Where the key of derived values belongs.
pub(crate) fn of_derivation() -> Place<'static> {
    Place { account: AccountId::owner(Mode::Production), kind: "derivation", id: Uuid::nil() }
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
        let (mine, others): ([u8; 32], [u8; 32]) = (source.bytes(), source.bytes());
        let vault = Vault::new(MasterKeys::new(&mine).unwrap(), source.clone());
        let other = Vault::new(MasterKeys::new(&others).unwrap(), source.clone());
        let place = Place { account: "P11200001".parse().unwrap(), kind: "key", id: Uuid::nil() };
        let sealed = vault.seal(place, b"secret");
        assert_eq!(vault.open(place, &sealed).unwrap(), b"secret");
        assert!(other.open(place, &sealed).is_err());
        assert!(vault.open(Place { account: "P11200002".parse().unwrap(), ..place }, &sealed).is_err());
        assert!(vault.open(Place { kind: "oidc", ..place }, &sealed).is_err());
        assert!(vault.open(place, &sealed[..10]).is_err());
        assert!(MasterKeys::new(&[7; 32]).is_err());
        let both = Vault::new(MasterKeys::new(&others).unwrap().and(&mine).unwrap(), source);
        assert_eq!(both.open(place, &sealed).unwrap(), b"secret");
        let anew = both.reseal(place, &sealed).unwrap().unwrap();
        assert!(vault.open(place, &anew).is_err());
        assert_eq!(other.open(place, &anew).unwrap(), b"secret");
        assert_eq!(both.reseal(place, &anew).unwrap(), None);
        assert_eq!(both.keys.lacks(&vault.keys.current()), [""; 0]);
        assert_eq!(vault.keys.lacks(&both.keys.current()), [both.keys.current()]);
    }
}
