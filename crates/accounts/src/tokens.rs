//! Tokens: JSON Web Tokens that an account signs and only it accepts (RFC 9068, contract section 3.4).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_domain::{
    AccountId, Allowance, Audience, AuthUserId, ClientId, Error, GrantType, Instant, KeyId, KeyPurpose, Result, Scopes, Seconds,
    Secret, SessionId,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::{Act, Caller};
use crate::directory::Directory;
use crate::events::{Content, sha256};
use crate::limits::Party;
use crate::measures::Issued;
use crate::permits::Lane;

/// How far another clock may be ahead of ours, in seconds.
const LEEWAY: Seconds = 60;

/// What a token may be used for; each is useless anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// Calls of the API.
    Access,
    /// One step: a token on one sub-account.
    Exchange,
    /// Who an account user is: its own affairs, and tokens on the accounts that it is a member of.
    Identity,
    /// The affairs of an installer.
    Installer,
}

impl TokenUse {
    pub(crate) const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Exchange => "exchange+jwt",
            Self::Identity => "identity+jwt",
            // As the source document shows it.
            Self::Installer => "JWT",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: `{public_url}/v1/accounts/{oid}`.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Whom it speaks for: a client's id.
    pub sub: String,
    /// The client that asked for it.
    pub client_id: ClientId,
    /// The issuing account.
    pub oid: AccountId,
    /// The account that it acts on.
    pub aid: AccountId,
    /// What it allows, blank-separated.
    pub scope: String,
    /// When it was issued, in seconds since 1970.
    pub iat: Seconds,
    /// From when on it is valid.
    pub nbf: Seconds,
    /// When it ends.
    pub exp: Seconds,
    /// Its own id.
    pub jti: Uuid,
    /// What it may be used for.
    pub token_use: TokenUse,
    /// The partner behind it (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The session of the person that it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Which kind of its client's grants counts, where it is not the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gty: Option<GrantType>,
    /// When the token that it came from ends; nothing made from it lives longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_exp: Option<Seconds>,
}

impl Claims {
    /// The account user that it speaks for.
    pub(crate) fn member(&self) -> Option<AuthUserId> {
        AuthUserId::from_member_subject(&self.sub)
    }

    /// Whether whom it speaks for stands in no directory: its session says whether it still may.
    pub(crate) fn is_of_session(&self) -> bool {
        matches!(self.token_use, TokenUse::Identity | TokenUse::Installer)
    }

    /// Who is charged for it.
    pub(crate) fn party(&self) -> Party<'_> {
        self.member().map_or(Party::Client(&self.client_id), Party::Member)
    }

    /// Makes it that of an account user who acts through `from`.
    pub(crate) fn of_member(&mut self, from: &Self) {
        if from.member().is_some() {
            self.sub.clone_from(&from.sub);
            self.sid = from.sid;
        }
    }
}

/// A token whose signature holds. Says nothing of what it is worth now: see [`Caller`]. Of one that is remembered for the guard `iss`, `aud`
/// and `scope` are empty.
pub(crate) struct Verified {
    pub(crate) claims: Claims,
    pub(crate) scopes: Scopes,
    pub(crate) kid: KeyId,
}

/// Verified signatures by SHA-256 of account and token, each as long as its token lives. Holds parsed claims and no verdict, so that
/// no change of the configuration has to empty it.
pub(crate) struct Signatures(moka::sync::Cache<[u8; 32], Remembered>);

#[derive(Clone)]
struct Remembered {
    token: Arc<Verified>,
    life: Duration,
}

/// What is over is not remembered.
struct Life;

impl moka::Expiry<[u8; 32], Remembered> for Life {
    fn expire_after_create(&self, _: &[u8; 32], remembered: &Remembered, _: std::time::Instant) -> Option<Duration> {
        Some(remembered.life)
    }
}

impl Signatures {
    /// Room for this many.
    pub(crate) fn new(capacity: u64) -> Self {
        Self(moka::sync::Cache::builder().max_capacity(capacity).expire_after(Life).build())
    }

    /// What a token is remembered by.
    pub(crate) fn name(account: AccountId, token: &str) -> [u8; 32] {
        sha256(&[account.as_str().as_bytes(), token.as_bytes()])
    }

    /// What a token is remembered by where somebody else asks about it: with its audience, which may be any.
    pub(crate) fn name_elsewhere(account: AccountId, token: &str) -> [u8; 32] {
        sha256(&[b"elsewhere ", account.as_str().as_bytes(), token.as_bytes()])
    }

    pub(crate) fn get(&self, name: &[u8; 32]) -> Option<Arc<Verified>> {
        self.0.get(name).map(|remembered| remembered.token)
    }

    /// Remembers what was verified `now`.
    pub(crate) fn keep(&self, name: [u8; 32], verified: Verified, now: Instant) -> Arc<Verified> {
        let life = Duration::from_secs(u64::try_from(verified.claims.exp - now.seconds()).unwrap_or_default());
        let token = Arc::new(verified);
        self.0.insert(name, Remembered { token: token.clone(), life });
        token
    }
}

/// An access token as it is handed out.
pub struct AccessToken {
    /// The signed JWT.
    pub token: Secret,
    /// Seconds until it ends.
    pub expires_in: Seconds,
    /// What it allows.
    pub scope: Scopes,
    /// What it is renewed with, where that is allowed.
    pub refresh_token: Option<Secret>,
    /// What is left of the tightest rate that its request was charged to; `None` where rates are not limited.
    pub allowance: Option<Allowance>,
}

/// How a client proves who it is (RFC 6749 section 2.3.1).
pub struct ClientSecret {
    /// Its id, as it was sent.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
}

/// The account that a token claims to be for. Nothing is proven by it.
pub(crate) fn claimed_account(token: &str) -> Option<AccountId> {
    #[derive(Deserialize)]
    struct Aid {
        aid: AccountId,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return None };
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Aid>(&payload).ok().map(|claims| claims.aid)
}

impl Account {
    /// Refuses a token that is not for this use, or not of this time.
    pub(crate) fn check_time(&self, token: &Verified, token_use: TokenUse) -> Result<()> {
        let (now, claims) = (self.now().seconds(), &token.claims);
        if claims.token_use != token_use || claims.nbf > now + LEEWAY || claims.iat > now + LEEWAY {
            return Err(Error::Unauthorized);
        }
        match token_use {
            _ if now < claims.exp => Ok(()),
            TokenUse::Installer => Err(Error::TokenExpired),
            _ => Err(Error::Unauthorized),
        }
    }

    /// Checks a token's signature and form against this account's keys (security A4). The algorithm is the key's; the
    /// header only names the key.
    pub(crate) fn verify_signature(&self, token: &str, directory: &Directory) -> Result<Verified> {
        let mut verified = self.open(token, directory)?;
        let audience = match verified.claims.token_use {
            TokenUse::Access => self.platform().public.account(self.id()),
            TokenUse::Exchange => self.token_endpoint(),
            TokenUse::Identity => self.console_audience(),
            TokenUse::Installer => self.installer_audience(),
        };
        if verified.claims.aud != audience {
            return Err(Error::Unauthorized);
        }
        // What was checked, or stands here in another form, need not be remembered.
        let claims = &mut verified.claims;
        (claims.iss, claims.aud, claims.scope) = Default::default();
        Ok(verified)
    }

    /// The same for a token of this account that may be for somebody else.
    pub(crate) fn open(&self, token: &str, directory: &Directory) -> Result<Verified> {
        let refused = |_| Error::Unauthorized;
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        if header.crit.is_some() {
            return Err(Error::Unauthorized); // RFC 7515 section 4.1.11: we understand no extension
        }
        let kid: KeyId = header.kid.as_deref().unwrap_or_default().parse().map_err(|_| Error::Unauthorized)?;
        let key = directory.keys.get(&kid).ok_or(Error::Unauthorized)?;
        let mut rules = Validation::new(key.algorithm.as_str().parse().expect("every algorithm of ours has a name in JOSE"));
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false); // by our own clock, below
        let claims = jsonwebtoken::decode::<Claims>(token, key.verifier()?, &rules).map_err(|_| Error::Unauthorized)?.claims;
        let ours = claims.iss == self.platform().public.account(self.id()) && claims.oid == self.id() && claims.aid == self.id();
        if !ours || header.typ.as_deref() != Some(claims.token_use.typ()) {
            return Err(Error::Unauthorized);
        }
        let scopes = Scopes::parse_claim(&claims.scope).map_err(|_| Error::Unauthorized)?;
        Ok(Verified { claims, scopes, kid })
    }

    /// The audience of exchange tokens: the one address where they work.
    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/auth/token", self.platform().public.account(self.id()))
    }

    /// Signs a token with the account's current key.
    pub(crate) async fn sign(&self, claims: &Claims) -> Result<Secret> {
        self.sign_as(claims.token_use.typ(), claims).await
    }

    /// Signs claims as a token of this type (RFC 7519 section 5.1).
    pub(crate) async fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<Secret> {
        self.sign_with(KeyPurpose::Account, typ, claims).await
    }

    /// The same with the current key of this purpose.
    pub(crate) async fn sign_with(&self, purpose: KeyPurpose, typ: &str, claims: &impl Serialize) -> Result<Secret> {
        let key = self.signing_key(purpose).await?;
        let header = format!(r#"{{"alg":"{}","kid":"{}","typ":"{typ}"}}"#, key.algorithm.as_str(), key.id);
        // Room for what most tokens are: nothing is copied while they grow.
        let (mut told, mut token) = (Vec::with_capacity(512), String::with_capacity(1024));
        serde_json::to_writer(&mut told, claims).expect("claims are plain JSON");
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(told, &mut token);
        let signature = key.sign(&self.platform().vault, self.id(), token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Secret::new(token))
    }

    /// The claims of a token of this account for one of its own clients.
    pub(crate) fn claims(&self, client: &ClientId, audience: String, scopes: &Scopes, lifetime: Seconds) -> Claims {
        let now = self.now();
        Claims {
            iss: self.platform().public.account(self.id()),
            aud: audience,
            sub: client.to_string(),
            client_id: client.clone(),
            oid: self.id(),
            aid: self.id(),
            scope: scopes.claim(),
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: now.seconds() + lifetime,
            jti: self.platform().source.id(now),
            token_use: TokenUse::Access,
            act: None,
            sid: None,
            gty: None,
            root_exp: None,
        }
    }

    /// How long this account's access tokens live.
    pub(crate) fn token_lifetime(&self, directory: &Directory) -> Seconds {
        directory.account.settings.token_lifetime.unwrap_or(self.platform().token_lifetime)
    }

    /// A token for a client that knows its secret (contract no. 8; RFC 6749 section 4.4).
    ///
    /// `wanted`: fewer scopes than the grant gives (RFC 6749 section 3.3), blank-separated; all of them if left out.
    ///
    /// Errors: `InvalidClient` for an unknown client or wrong secret, `AccountSuspended`, `GrantMissing`, `Invalid` for
    /// an audience that tokens of this account cannot have, `InvalidScope` for scopes that the grant does not give.
    pub async fn client_credentials(&self, proof: &ClientSecret, audience: &str, wanted: Option<&str>) -> Result<AccessToken> {
        let directory = self.directory();
        let client = self.prove(proof)?;
        if directory.account.stamp.deleted.is_some() {
            return Err(Error::InvalidClient);
        }
        // Whoever knows the secret is charged, nobody else: a stranger cannot use up a client's rate.
        let allowance = self.charge(self, Party::Client(&client.client_id), Lane::Reserved)?;
        self.refuse_suspended(&directory)?;

        let audience = self.own_audience(audience)?;
        let grant = directory.grant(&client.client_id, &audience, GrantType::ClientCredentials).ok_or(Error::GrantMissing)?;
        let lifetime = self.token_lifetime(&directory);
        let scope = narrowed(&grant.scope, wanted)?;
        let claims = self.claims(&client.client_id, audience.text(&self.platform().public), &scope, lifetime);
        let token = self.sign(&claims).await?;
        self.platform().measures.issued(Issued::ClientCredentials);
        Ok(AccessToken { token, expires_in: lifetime, scope, refresh_token: None, allowance })
    }

    /// Reads whom a token of this account may be for.
    pub(crate) fn own_audience(&self, text: &str) -> Result<Audience> {
        let audience = Audience::parse(text, &self.platform().public).map_err(|fault| Error::invalid("audience", fault))?;
        if matches!(&audience, Audience::Account(id) if *id != self.id()) {
            return Err(Error::invalid(
                "audience",
                "must be this account, or a resource server elsewhere; exchange a token for others",
            ));
        }
        Ok(audience)
    }

    /// The second step of an exchange: a token on this account for the partner behind `exchange` (contract 5.1).
    /// Told in the logs of both accounts.
    pub async fn redeem_exchange(&self, caller: Caller, audience: &str, wanted: Option<&str>) -> Result<AccessToken> {
        let directory = self.directory();
        let claims = caller.claims().filter(|claims| claims.token_use == TokenUse::Exchange).ok_or(Error::Unauthorized)?;
        let act = claims.act.clone().ok_or(Error::Unauthorized)?;
        let audience = Audience::parse(audience, &self.platform().public).map_err(|fault| Error::invalid("audience", fault))?;
        if !matches!(audience, Audience::Account(id) if id == self.id() || id == act.oid) {
            return Err(Error::invalid("audience", "must be this account, or the partner that acts on it"));
        }
        let scopes = caller.scopes(self, &directory)?;
        if scopes.is_empty() {
            return Err(Error::InsufficientScope);
        }
        let until = claims.root_exp.unwrap_or(claims.exp);
        let token = self.issue_exchanged(&caller, act, narrowed(&scopes, wanted)?, until).await?;
        self.platform().measures.issued(Issued::Exchange);
        Ok(token)
    }

    /// Signs a token on this account for the partner `act`, good until `until` at most. Told in the logs of both accounts.
    pub(crate) async fn issue_exchanged(&self, caller: &Caller, act: Act, scope: Scopes, until: Seconds) -> Result<AccessToken> {
        let (now, client) = (self.now(), &caller.claims().ok_or(Error::Unauthorized)?.client_id);
        let expires_in = self.token_lifetime(&self.directory()).min(until - now.seconds());
        if expires_in < 1 {
            return Err(Error::Unauthorized);
        }
        let mut access = self.claims(client, self.platform().public.account(self.id()), &scope, expires_in);
        access.of_member(caller.claims().ok_or(Error::Unauthorized)?);
        access.act = Some(act.clone());
        let token = self.sign(&access).await?;
        let mut told = Content::new("token.exchanged", now, caller, self.id());
        told.act = Some(act.clone());
        self.tell_both(act.oid, told.after(json!({"jti": access.jti, "scope": access.scope, "exp": access.exp}))).await?;
        Ok(AccessToken { token, expires_in, scope, refresh_token: None, allowance: None })
    }

    /// Refuses while this account or the one above it is suspended or deleted.
    pub(crate) fn refuse_suspended(&self, directory: &Directory) -> Result<()> {
        let above = self.parent().map(Account::directory);
        refuse_suspended(directory, above.as_deref())
    }

    /// Refuses a change while this account or the one above it is frozen; the account above a frozen one may change it.
    pub(crate) fn refuse_frozen(&self, directory: &Directory, claims: &Claims) -> Result<()> {
        let home = claims.act.as_ref().map_or(claims.aid, |act| act.oid);
        let exempt = home != self.id() && !self.parent().is_some_and(|parent| parent.directory().account.settings.frozen);
        if self.is_frozen(directory) && !exempt { Err(Error::AccountFrozen) } else { Ok(()) }
    }

    /// Whether this account, or the one above it, is frozen.
    pub(crate) fn is_frozen(&self, directory: &Directory) -> bool {
        let above = self.parent().map(Self::directory);
        std::iter::once(directory).chain(above.as_deref()).any(|directory| directory.account.settings.frozen)
    }

    /// The current moment.
    pub(crate) fn now(&self) -> Instant {
        self.platform().source.now()
    }
}

/// The scopes that a caller asks for out of those it may have.
pub(crate) fn narrowed(held: &Scopes, wanted: Option<&str>) -> Result<Scopes> {
    // A parameter without a value counts as left out (RFC 6749 section 3.2).
    let Some(wanted) = wanted.filter(|wanted| !wanted.trim().is_empty()) else { return Ok(held.clone()) };
    let wanted = Scopes::parse_claim(wanted).map_err(Error::InvalidScope)?;
    let lacking = wanted.iter().find(|scope| !held.cover(scope)).map(|scope| format!("the grant does not give {scope}"));
    lacking.map_or(Ok(wanted), |fault| Err(Error::InvalidScope(fault)))
}

/// Refuses where an account, or the one above it, is suspended, or the one above it is deleted.
pub(crate) fn refuse_suspended(own: &Directory, above: Option<&Directory>) -> Result<()> {
    let lives = |directory: &Directory| directory.account.active && directory.account.stamp.deleted.is_none();
    if own.account.active && above.is_none_or(lives) { Ok(()) } else { Err(Error::AccountSuspended) }
}
