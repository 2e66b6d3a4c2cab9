//! ID tokens that somebody else has signed, with keys that are published at an address that an account has named.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::future::Cache;
use serde::Deserialize;
use tenantry_domain::{AccountId, Instant, Seconds};

use crate::fetch::Fetcher;
use crate::providers::{AWAY, KEYS, Providers};
use crate::{Failure, Identity};

/// Signatures that only the issuer can make.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How far another clock may be ahead of ours.
const LEEWAY: Seconds = 60;

/// Keys by whose account named them and where they are.
pub(crate) struct KeySets {
    fetcher: Fetcher,
    known: Cache<(AccountId, String), Arc<JwkSet>>,
    again: Cache<(AccountId, String), ()>,
    away: Cache<(AccountId, String), Failure>,
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: Seconds,
    #[serde(default)]
    iat: Seconds,
    #[serde(default)]
    nbf: Seconds,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    name: Option<String>,
}

impl KeySets {
    pub(crate) fn new(fetcher: Fetcher, fresh: Duration, pause: Duration, room: u64) -> Self {
        Self {
            fetcher,
            known: Cache::builder().max_capacity(room).time_to_live(fresh).build(),
            again: Cache::builder().max_capacity(room).time_to_live(pause).build(),
            away: Cache::builder().max_capacity(room).time_to_live(AWAY).build(),
        }
    }

    async fn get(&self, key: &(AccountId, String)) -> Result<Arc<JwkSet>, Failure> {
        if let Some(failure) = self.away.get(key).await {
            return Err(failure);
        }
        match self.known.try_get_with(key.clone(), self.read(&key.1)).await {
            Ok(set) => Ok(set),
            Err(failure) => {
                self.away.insert(key.clone(), (*failure).clone()).await;
                Err((*failure).clone())
            }
        }
    }

    async fn read(&self, uri: &str) -> Result<Arc<JwkSet>, Failure> {
        let set = self.fetcher.get(uri).await?;
        let mut set: JwkSet = serde_json::from_slice(&set).map_err(|_| Failure::Provider("publishes no keys"))?;
        set.keys.truncate(KEYS);
        Ok(Arc::new(set))
    }

    /// The key of this name; looked up again, seldom, if nobody knows it.
    async fn key(&self, at: (AccountId, String), kid: &str) -> Result<(Arc<JwkSet>, usize), Failure> {
        let place = |set: &JwkSet| set.keys.iter().position(|key| key.common.key_id.as_deref() == Some(kid));
        let set = self.get(&at).await?;
        if let Some(place) = place(&set) {
            return Ok((set, place));
        }
        let unknown = Failure::Refused("nobody knows the key of its signature");
        if self.again.get(&at).await.is_some() {
            return Err(unknown);
        }
        self.again.insert(at.clone(), ()).await;
        // The keys of before stay until there are others.
        let set = self.read(&at.1).await.map_err(|_| unknown.clone())?;
        self.known.insert(at, set.clone()).await;
        let place = place(&set).ok_or(unknown)?;
        Ok((set, place))
    }
}

impl Providers {
    /// Whom an ID token speaks of that `issuer` has signed for `audience`, and when it ends.
    pub async fn external(
        &self,
        account: AccountId,
        (uri, issuer, audience): (&str, &str, &str),
        token: &str,
        now: Instant,
    ) -> Result<(Identity, Seconds), Failure> {
        let wrong = Failure::Refused("it is no token that counts here");
        let header = jsonwebtoken::decode_header(token).map_err(|_| wrong.clone())?;
        let kid = header.kid.as_deref().ok_or_else(|| wrong.clone())?;
        if header.crit.is_some() || !ALGORITHMS.contains(&header.alg) {
            return Err(wrong);
        }
        let (set, place) = self.key_sets.key((account, uri.to_owned()), kid).await?;
        let key = DecodingKey::from_jwk(&set.keys[place]).map_err(|_| wrong.clone())?;
        let named = set.keys[place].common.key_algorithm.map(|named| named.to_string());
        if named.is_some_and(|named| named != format!("{:?}", header.alg)) {
            return Err(wrong);
        }
        let mut rules = Validation::new(header.alg);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        (rules.validate_exp, rules.validate_nbf) = (false, false); // by our own clock, below
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(|_| wrong.clone())?.claims;
        let now = now.seconds();
        if claims.exp <= now || claims.nbf > now + LEEWAY || claims.iat > now + LEEWAY {
            return Err(Failure::Refused("it is not of this time"));
        }
        let Claims { iss, sub, exp, email, email_verified, name, .. } = claims;
        Ok((Identity { issuer: iss, subject: sub, email, email_verified, name }, exp))
    }
}
