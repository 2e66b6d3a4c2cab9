//! Who calls, and what the call's token is worth now: its own scopes that its client still holds.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenantry_domain::{
    AccountId, Allowance, Audience, AuthUserId, ClientId, Error, Grant, GrantType, InstallerId, Instant, KeyPurpose, Result,
    Scopes,
};

use crate::account::Account;
use crate::directory::Directory;
use crate::limits::Party;
use crate::permits::Lane;
use crate::registry::Registry;
use crate::tokens::{Claims, ClientSecret, Signatures, TokenUse, Verified, claimed_account, refuse_suspended};

/// The partner that acts, by RFC 8693 section 4.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Its client.
    pub sub: String,
    /// Its account.
    pub oid: AccountId,
}

/// Where a call came from, for the log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The address.
    pub ip: Option<IpAddr>,
    /// The program.
    pub user_agent: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

/// Somebody whose token has been checked; or the system itself.
#[derive(Clone)]
pub struct Caller {
    /// Where the call came from.
    pub origin: Origin,
    pub(crate) lane: Lane,
    /// Whether the call changes something, which no frozen account lets happen.
    changes: bool,
    proof: Option<Proof>,
}

#[derive(Clone)]
struct Proof {
    token: Arc<Verified>,
    demand: Demand,
}

impl Caller {
    /// The system itself, which needs no leave.
    pub fn system() -> Self {
        Self { origin: Origin::default(), lane: Lane::Ordinary, changes: false, proof: None }
    }

    /// Somebody at `origin` who has no token; what it may do was shown in another way.
    pub fn at(origin: Origin) -> Self {
        Self { origin, ..Self::system() }
    }

    /// The account user who calls.
    pub fn person(&self) -> Result<AuthUserId> {
        self.claims().and_then(Claims::member).ok_or(Error::Unauthorized)
    }

    /// The installer who calls.
    pub fn installer(&self) -> Result<InstallerId> {
        let claims = self.claims().filter(|claims| claims.token_use == TokenUse::Installer).ok_or(Error::Unauthorized)?;
        claims.sub.parse().map_err(|_| Error::Unauthorized)
    }

    /// Whether it only says who somebody is.
    pub(crate) fn is_identity(&self) -> bool {
        self.claims().is_some_and(|claims| claims.token_use == TokenUse::Identity)
    }

    /// Whether it is the system itself.
    pub(crate) fn is_system(&self) -> bool {
        self.proof.is_none()
    }

    /// Whom the call speaks for.
    pub fn subject(&self) -> &str {
        self.claims().map_or("system", |claims| &claims.sub)
    }

    /// The partner that acts, if the token was exchanged.
    pub fn act(&self) -> Option<&Act> {
        self.claims()?.act.as_ref()
    }

    /// The account whose token it is.
    pub(crate) fn home(&self) -> Option<AccountId> {
        self.claims().map(|claims| claims.aid)
    }

    pub(crate) fn claims(&self) -> Option<&Claims> {
        self.proof.as_ref().map(|proof| &proof.token.claims)
    }

    /// What the call may do to `account`, judged by `directory` (the account's, perhaps newer than what others see)
    /// and, where the caller's home is the account above, by that one's. `None` scopes are the system's: everything.
    ///
    /// Errors: `Unauthorized` where the token is worth nothing any more, `AccountSuspended`, `NotASubAccount` where the
    /// account has closed its door, `InsufficientScope`, `AccountFrozen`.
    pub(crate) fn authority(&self, account: &Account, directory: &Directory) -> Result<Option<Scopes>> {
        let Some(proof) = &self.proof else { return Ok(None) };
        let now = account.now();
        let above = account.parent().map(Account::directory);
        let scopes = if proof.token.claims.aid == account.id() {
            standing(&proof.token, directory, above.as_deref(), &Audience::Account(account.id()), now)?
        } else {
            // A parent changes its child with its own token: that one is judged where it belongs.
            let parent = account.parent().filter(|parent| parent.id() == proof.token.claims.aid).ok_or(Error::Unauthorized)?;
            let grandparent = parent.parent().map(Account::directory);
            standing(&proof.token, &parent.directory(), grandparent.as_deref(), &Audience::Account(parent.id()), now)?
        };
        if !proof.demand.met_by(&scopes) {
            return Err(Error::InsufficientScope);
        }
        if self.changes {
            account.refuse_frozen(directory, &proof.token.claims)?;
        }
        Ok(Some(scopes))
    }

    /// The scopes that the call has on `account` now.
    pub(crate) fn scopes(&self, account: &Account, directory: &Directory) -> Result<Scopes> {
        Ok(self.authority(account, directory)?.unwrap_or_default())
    }
}

/// What an endpoint asks of a bearer token.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// What kind of token.
    pub token_use: TokenUse,
    /// Scopes of which one is needed; none: any live token will do.
    pub scopes: &'static [&'static str],
    /// All of them are needed.
    pub all: bool,
    /// How it is admitted under a flood.
    pub lane: Lane,
    /// Whether it changes something, which no frozen account lets happen.
    pub changes: bool,
}

impl Demand {
    /// A token with one of these scopes.
    pub const fn any(token_use: TokenUse, scopes: &'static [&'static str], lane: Lane, changes: bool) -> Self {
        Self { token_use, scopes, all: false, lane, changes }
    }

    fn met_by(&self, held: &Scopes) -> bool {
        let has = |scope: &&str| held.has(scope);
        self.scopes.is_empty() || if self.all { self.scopes.iter().all(has) } else { self.scopes.iter().any(has) }
    }
}

/// A call that may go on.
pub struct Admitted {
    /// The account that it is about.
    pub account: Account,
    /// Who calls.
    pub caller: Caller,
    /// What is left of the caller's tightest rate; `None` where rates are not limited.
    pub allowance: Option<Allowance>,
}

impl Registry {
    /// Checks a bearer token for a call on the account `path`, in this order: missing or unreadable 401, meant for
    /// another account 404 with nothing looked up, bad 401, over a rate 429, worth too little now 403 (architecture
    /// section 3). What fails before anything is proven is charged to the address.
    pub async fn authenticate(&self, token: Option<&str>, path: AccountId, demand: Demand, origin: Origin) -> Result<Admitted> {
        let limits = &self.platform().limits;
        let ip = origin.ip;
        let admitted = self.admit(token, path, demand, origin.clone()).await;
        let refused = match admitted {
            Err(error @ (Error::Unauthorized | Error::NotFound | Error::TokenExpired)) => {
                limits.charge(ip)?;
                error
            }
            Err(error) => error,
            admitted => return admitted,
        };
        // Only now, when somebody was charged, and for what may be a token of this account.
        if token.and_then(claimed_account) == Some(path) && Box::pin(self.learns(path, &refused)).await {
            return Box::pin(self.admit(token, path, demand, origin)).await;
        }
        Err(refused)
    }

    async fn admit(&self, token: Option<&str>, path: AccountId, demand: Demand, origin: Origin) -> Result<Admitted> {
        let platform = self.platform();
        let token = token.ok_or(Error::Unauthorized)?;
        let name = Signatures::name(path, token);
        // Whoever shows a token that is remembered for this account has shown that it is meant for it.
        let known = platform.signatures.get(&name);
        platform.measures.signature(known.is_some());
        if known.is_none() {
            platform.limits.refuse_exhausted(origin.ip)?;
            if claimed_account(token).ok_or(Error::Unauthorized)? != path {
                return Err(Error::NotFound);
            }
        }
        let account = self.get(path).await.map_err(|error| if error == Error::NotFound { Error::Unauthorized } else { error })?;
        let directory = account.directory();
        let token = match known {
            Some(token) => token,
            None => platform.signatures.keep(name, account.verify_signature(token, &directory)?, account.now()),
        };
        account.check_time(&token, demand.token_use)?;
        let proof = Some(Proof { token, demand });
        let caller = Caller { origin, lane: demand.lane, changes: demand.changes, proof };
        let worth = caller.authority(&account, &directory);
        if worth == Err(Error::Unauthorized) {
            return Err(Error::Unauthorized);
        }
        let allowance = caller.charge(&account)?;
        account.refuse_while_it_rests(account.lane(&caller))?;
        if let Some(claims) = caller.claims() {
            account.check_session(claims).await?;
        }
        worth?;
        Ok(Admitted { account, caller, allowance })
    }
}

impl Account {
    /// Takes a client's secret for a token of its own: whoever has the one can get the other. With `demand` it must be worth
    /// that.
    ///
    /// Errors: `InvalidClient`; a rate that is used up; `InsufficientScope`, `AccountSuspended`.
    pub async fn admit_client(&self, proof: &ClientSecret, demand: Demand, origin: Origin) -> Result<Admitted> {
        let (client, directory) = (self.prove(proof)?, self.directory());
        if directory.account.stamp.deleted.is_some() {
            return Err(Error::InvalidClient);
        }
        let allowance = self.charge(self, Party::Client(&client.client_id), demand.lane)?;
        self.refuse_suspended(&directory)?;
        let own = Audience::Account(self.id());
        let scopes = directory.grant(&client.client_id, &own, GrantType::ClientCredentials).map(|grant| grant.scope.clone());
        let scopes = scopes.unwrap_or_default();
        let lifetime = self.token_lifetime(&directory);
        let claims = self.claims(&client.client_id, own.text(self.platform().public()), &scopes, lifetime);
        let token = Arc::new(Verified { claims, scopes, kid: self.signing_key(KeyPurpose::Account).await?.id });
        let proof = Some(Proof { token, demand });
        let caller = Caller { origin, lane: demand.lane, changes: demand.changes, proof };
        if !demand.scopes.is_empty() {
            // A key may have been made for this.
            caller.authority(self, &self.directory())?;
        }
        Ok(Admitted { account: self.clone(), caller, allowance })
    }
}

impl Caller {
    /// Charges a call on `account` to whom it speaks for.
    pub(crate) fn charge(&self, account: &Account) -> Result<Option<Allowance>> {
        let Some(claims) = self.claims() else { return Ok(None) };
        if claims.token_use == TokenUse::Installer {
            // There may be any number of them: each is known by its address.
            account.platform().limits.charge(self.origin.ip)?;
            return account.charge_installers();
        }
        if claims.token_use == TokenUse::Identity {
            // All account users stand in one account: what one of them does must not keep the others out.
            return account.platform().limits.charge(self.origin.ip);
        }
        let home = account.parent().filter(|_| claims.act.is_some()).unwrap_or(account);
        account.charge(home, claims.party(), self.lane)
    }
}

/// What a token of the account `own`, for this audience, is worth now. `above` is the account above it.
pub(crate) fn standing(
    token: &Verified,
    own: &Directory,
    above: Option<&Directory>,
    audience: &Audience,
    now: Instant,
) -> Result<Scopes> {
    let claims = &token.claims;
    let key_lives = own.live_keys(now).any(|key| key.id == token.kid);
    if !key_lives || own.account.stamp.deleted.is_some() {
        return Err(Error::Unauthorized);
    }
    let home = match (&claims.act, above) {
        (None, _) => own,
        (Some(act), Some(above)) if act.oid == above.account.id => above,
        (Some(_), _) => return Err(Error::Unauthorized),
    };
    let member = claims.member();
    let known = match member {
        _ if claims.is_of_session() => true,
        Some(member) => home.members.contains_key(&member),
        None => home.clients.contains_key(&claims.client_id),
    };
    if !known {
        return Err(Error::Unauthorized);
    }
    refuse_suspended(own, above)?;
    if claims.act.is_some() && !own.account.settings.partner_access {
        return Err(Error::NotASubAccount);
    }
    if claims.is_of_session() {
        return Ok(token.scopes.clone());
    }
    if let Some(member) = member {
        return Ok(token.scopes.held_by(&home.member_scopes(member).ok_or(Error::Unauthorized)?));
    }
    let grant = match (claims.gty, audience) {
        (None, Audience::Account(target)) => grant_for(home, &claims.client_id, *target),
        (kind, audience) => own.grant(&claims.client_id, audience, kind.unwrap_or(GrantType::ClientCredentials)),
    };
    let grant = grant.ok_or(Error::InsufficientScope)?;
    let scopes = token.scopes.held_by(&grant.scope);
    if claims.act.is_none() {
        return Ok(scopes);
    }
    // Never more than the token that it came from, which is worth what its own grant gives now.
    let root = home.grant(&claims.client_id, &Audience::Account(home.account.id), GrantType::ClientCredentials);
    Ok(scopes.held_by(&root.ok_or(Error::InsufficientScope)?.scope))
}

/// The grant that decides what a client of `home` may do on `target`: the one for the target's audience, else, for an
/// account below, the one for its own.
pub(crate) fn grant_for<'a>(home: &'a Directory, client: &ClientId, target: AccountId) -> Option<&'a Arc<Grant>> {
    let to = |account| home.grant(client, &Audience::Account(account), GrantType::ClientCredentials);
    to(target).or_else(|| to(home.account.id))
}
