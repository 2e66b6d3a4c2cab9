//! `OpenID` Connect as a relying party: discovery, the way to the provider and back (`OpenID` Connect Core section 3.1, RFC
//! 7636). What providers say of themselves is remembered for an hour.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreUserInfoClaims,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EmptyAdditionalProviderMetadata,
    HttpRequest, IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
};
use tenantry_domain::{AccountId, Instant, Secret};

use crate::external::KeySets;
use crate::fetch::Fetcher;
use crate::{Failure, Identity};

/// How long what a provider says of itself is believed.
const FRESH: Duration = Duration::from_hours(1);
/// So often at most its keys are looked up again for one that nobody knows.
const PAUSE: Duration = Duration::from_secs(30);
/// So long nobody asks a provider that did not answer.
pub(crate) const AWAY: Duration = Duration::from_secs(5);
/// Of how many providers it is remembered.
const ROOM: u64 = 500;
/// How many keys of one are.
pub(crate) const KEYS: usize = 32;
/// Signatures that providers may use: those that only they can make.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A provider, and who we are there.
pub struct Upstream<'u> {
    /// In whose name it is asked.
    pub account: AccountId,
    /// The issuer.
    pub authority: &'u str,
    /// Our id there.
    pub client_id: &'u str,
    /// Our secret there.
    pub client_secret: &'u Secret,
    /// Where people come back to.
    pub redirect_uri: &'u str,
}

/// What a person is sent to the provider with.
pub struct Ask<'a> {
    /// Scopes to ask for, beside `openid`.
    pub scope: &'a str,
    /// Echoed to the callback.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a Secret,
    /// Shown when the code is redeemed (RFC 7636).
    pub verifier: &'a Secret,
}

/// What a person comes back with.
pub struct Answer<'a> {
    /// The provider's code.
    pub code: &'a str,
    /// As it was asked with.
    pub nonce: &'a Secret,
    /// As it was asked with.
    pub verifier: &'a Secret,
    /// The moment by which tokens are judged.
    pub now: Instant,
}

/// All providers.
pub struct Providers {
    fetcher: Fetcher,
    known: Cache<(AccountId, String), Arc<CoreProviderMetadata>>,
    /// Whose keys were looked up again just now.
    again: Cache<(AccountId, String), ()>,
    /// Who did not answer just now: nobody waits for it again at once.
    away: Cache<(AccountId, String), Failure>,
    pub(crate) key_sets: KeySets,
}

impl Providers {
    /// `loopback`: also those on this very machine, over plain http. For development.
    pub fn new(loopback: bool) -> Self {
        let fetcher = Fetcher::new(loopback);
        Self {
            key_sets: KeySets::new(fetcher.clone(), FRESH, PAUSE, ROOM),
            fetcher,
            known: Cache::builder().max_capacity(ROOM).time_to_live(FRESH).build(),
            again: Cache::builder().max_capacity(ROOM).time_to_live(PAUSE).build(),
            away: Cache::builder().max_capacity(ROOM).time_to_live(AWAY).build(),
        }
    }

    async fn metadata(&self, upstream: &Upstream<'_>) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let key = (upstream.account, upstream.authority.to_owned());
        if let Some(failure) = self.away.get(&key).await {
            return Err(failure);
        }
        match self.known.try_get_with(key.clone(), self.discover(&key.1)).await {
            Ok(metadata) => Ok(metadata),
            Err(failure) => {
                self.away.insert(key, (*failure).clone()).await;
                Err((*failure).clone())
            }
        }
    }

    async fn discover(&self, authority: &str) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let issuer = IssuerUrl::new(authority.to_owned()).map_err(|_| Failure::Provider("has no address"))?;
        let ask = |request: HttpRequest| self.fetcher.send(request);
        let found = CoreProviderMetadata::discover_async(issuer, &ask).await.map_err(|error| match error {
            openidconnect::DiscoveryError::Request(failure) => failure,
            _ => Failure::Provider("does not say who it is"),
        })?;
        // Only what is used is kept: whoever says much must not fill our memory.
        let keys = found.jwks().keys().iter().take(KEYS).cloned().collect();
        let basic = |methods: &Vec<CoreClientAuthMethod>| methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let by_post = found
            .token_endpoint_auth_methods_supported()
            .is_some_and(|methods| !basic(methods) && methods.contains(&CoreClientAuthMethod::ClientSecretPost));
        let kept = CoreProviderMetadata::new(
            found.issuer().clone(),
            found.authorization_endpoint().clone(),
            found.jwks_uri().clone(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            EmptyAdditionalProviderMetadata {},
        );
        let kept = kept
            .set_token_endpoint(found.token_endpoint().cloned())
            .set_userinfo_endpoint(found.userinfo_endpoint().cloned())
            .set_token_endpoint_auth_methods_supported(by_post.then(|| vec![CoreClientAuthMethod::ClientSecretPost]))
            .set_jwks(JsonWebKeySet::new(keys));
        Ok(Arc::new(kept))
    }

    /// Where a person is sent, to prove itself to the provider.
    pub async fn authorization_url(&self, upstream: &Upstream<'_>, ask: &Ask<'_>) -> Result<String, Failure> {
        let metadata = self.metadata(upstream).await?;
        let verifier = PkceCodeVerifier::new(ask.verifier.reveal().to_owned());
        let client = CoreClient::from_provider_metadata((*metadata).clone(), ClientId::new(upstream.client_id.to_owned()), None)
            .set_redirect_uri(redirect(upstream)?);
        let (state, nonce) = (ask.state.to_owned(), ask.nonce.reveal().to_owned());
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scopes(
                ask.scope.split_ascii_whitespace().filter(|scope| *scope != "openid").map(|one| Scope::new(one.to_owned())),
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        Ok(request.url().0.into())
    }

    /// Redeems a code, and yields whom the provider vouches for.
    pub async fn redeem(&self, upstream: &Upstream<'_>, answer: &Answer<'_>) -> Result<Identity, Failure> {
        let metadata = self.metadata(upstream).await?;
        let id = ClientId::new(upstream.client_id.to_owned());
        let secret = ClientSecret::new(upstream.client_secret.reveal().to_owned());
        let client = CoreClient::from_provider_metadata((*metadata).clone(), id.clone(), Some(secret.clone()))
            .set_redirect_uri(redirect(upstream)?)
            .set_auth_type(match metadata.token_endpoint_auth_methods_supported() {
                Some(_) => AuthType::RequestBody,
                None => AuthType::BasicAuth,
            });
        let ask = |request: HttpRequest| self.fetcher.send(request);
        let exchange = client
            .exchange_code(AuthorizationCode::new(answer.code.to_owned()))
            .map_err(|_| Failure::Provider("has no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(answer.verifier.reveal().to_owned()));
        let tokens = exchange.request_async(&ask).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(_) => Failure::Refused("it does not take the code"),
            RequestTokenError::Request(failure) => failure,
            _ => Failure::Provider("answers nonsense"),
        })?;
        let id_token = tokens.id_token().ok_or(Failure::Refused("there is no ID token"))?;
        let nonce = Nonce::new(answer.nonce.reveal().to_owned());
        let now = DateTime::<Utc>::from_timestamp_micros(answer.now.micros()).unwrap_or_default();
        let verify = |metadata: &CoreProviderMetadata| {
            let client = CoreClient::from_provider_metadata(metadata.clone(), id.clone(), Some(secret.clone()));
            let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(move || now);
            id_token.claims(&verifier, &nonce).cloned()
        };
        let claims: CoreIdTokenClaims = match verify(&metadata) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                verify(&*self.looked_up_again(upstream).await?).map_err(refused)?
            }
            verified => verified.map_err(refused)?,
        };
        let mut identity = Identity {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
            email: claims.email().map(|email| email.to_string()),
            email_verified: claims.email_verified().unwrap_or_default(),
            name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
        };
        // Whoever has no such endpoint has said all in the token.
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())) {
            let told: Result<CoreUserInfoClaims, _> = request.request_async(&ask).await;
            match told {
                Ok(told) => identity.learn(&told),
                Err(openidconnect::UserInfoError::ClaimsVerification(_)) => {
                    return Err(Failure::Refused("it tells of somebody else"));
                }
                // The token says who it is; what else there is to know is no condition.
                Err(_) => {}
            }
        }
        Ok(identity)
    }

    /// What the provider says of itself now, for a key that nobody knows; not more often than that.
    async fn looked_up_again(&self, upstream: &Upstream<'_>) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let key = (upstream.account, upstream.authority.to_owned());
        if self.again.get(&key).await.is_some() {
            return Err(Failure::Refused("nobody knows the key of its signature"));
        }
        self.again.insert(key.clone(), ()).await;
        // The keys of before stay until there are others.
        let metadata = self.discover(&key.1).await?;
        self.known.insert(key, metadata.clone()).await;
        Ok(metadata)
    }
}

impl Identity {
    /// What the provider tells beside the token.
    fn learn(&mut self, told: &CoreUserInfoClaims) {
        if let Some(email) = told.email() {
            self.email = Some(email.to_string());
            self.email_verified = told.email_verified().unwrap_or_default();
        }
        if let Some(name) = told.name().and_then(|name| name.get(None)) {
            self.name = Some(name.to_string());
        }
    }
}

fn redirect(upstream: &Upstream<'_>) -> Result<RedirectUrl, Failure> {
    RedirectUrl::new(upstream.redirect_uri.to_owned()).map_err(|_| Failure::Refused("there is no way back"))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a function of an error is asked for")]
fn refused(error: ClaimsVerificationError) -> Failure {
    Failure::Refused(match error {
        ClaimsVerificationError::Expired(_) => "its token has expired",
        ClaimsVerificationError::InvalidAudience(_) => "its token is for somebody else",
        ClaimsVerificationError::InvalidIssuer(_) => "its token is another issuer's",
        ClaimsVerificationError::InvalidNonce(_) => "its token is of another login",
        ClaimsVerificationError::SignatureVerification(_) => "its signature does not hold",
        _ => "its token is not right",
    })
}
