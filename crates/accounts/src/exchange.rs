//! Exchange: a partner's token for one that works on an account below it, in two steps (contract no. 9 and section 5.1) or
//! in one (RFC 8693).

use serde_json::json;
use tenantry_domain::{AccountId, Audience, Error, Result, Scopes, Seconds};

use crate::account::Account;
use crate::caller::{Act, Admitted, Caller, Demand, Origin, grant_for};
use crate::events::Content;
use crate::measures::Issued;
use crate::registry::Registry;
use crate::tokens::{AccessToken, Claims, ClientSecret, TokenUse, narrowed, refuse_suspended};

/// How long an exchange token lives, in seconds.
const LIFETIME: Seconds = 300;

/// What RFC 8693 section 2.1 lets a caller say, as far as it decides anything here.
pub struct TokenExchange<'r> {
    /// The partner's access token.
    pub subject_token: &'r str,
    /// The partner's client, where it also says who it is.
    pub client: Option<ClientSecret>,
    /// Whom the token is to be for; the account that is asked, if left out.
    pub audience: Option<&'r str>,
    /// Fewer scopes than the partner has there, blank-separated.
    pub scope: Option<&'r str>,
}

impl Registry {
    /// The first step of two: a token that is good for one thing, a token on `target`. `partner` and `caller` come from the
    /// guard. Scopes are those of the caller's client for the target, never more than the caller's own; nothing made
    /// from it outlives the caller's token. Told in the logs of both accounts.
    ///
    /// Errors: `NotASubAccount` for an account that is not below the partner, is gone, has closed its door, or where
    /// the caller's token is itself an exchanged one, or that of a person whom the partner serves; `AccountSuspended`; `InsufficientScope`.
    pub async fn exchange(&self, partner: &Account, caller: Caller, target: AccountId) -> Result<AccessToken> {
        let (child, claims, scope) = self.reach(partner, &caller, target).await?;
        let now = partner.now();
        let expires_in = LIFETIME.min(claims.exp - now.seconds());
        if expires_in < 1 {
            return Err(Error::Unauthorized);
        }
        let mut exchange = child.claims(&claims.client_id, child.token_endpoint(), &scope, expires_in);
        exchange.of_member(claims);
        exchange.token_use = TokenUse::Exchange;
        exchange.act = Some(Act { sub: claims.sub.clone(), oid: partner.id() });
        exchange.root_exp = Some(claims.exp);
        let token = child.sign(&exchange).await?;
        let mut told = Content::new("token.exchange_requested", now, &caller, target);
        told.act.clone_from(&exchange.act);
        partner.tell_both(target, told.after(json!({"jti": exchange.jti, "scope": exchange.scope}))).await?;
        Ok(AccessToken { token, expires_in, scope, refresh_token: None, allowance: None })
    }

    /// Both steps in one (RFC 8693 section 2): the token on `target` for the token of the account above it. `demand` is
    /// what the first step asks of that token. Told in the logs of both accounts.
    ///
    /// Errors: as [`Registry::exchange`]; `Invalid` for a subject token that is none, or not of the account above;
    /// `InvalidTarget` for an audience that is not `target`; `InvalidScope`; `InvalidClient` for a client that is not the
    /// token's, or does not know its secret.
    pub async fn exchange_at_once(
        &self,
        target: AccountId,
        request: TokenExchange<'_>,
        demand: Demand,
        origin: Origin,
    ) -> Result<AccessToken> {
        let foreign = || Error::invalid("subject_token", "must be a live access token of the account above this one");
        let above = target.parent().ok_or_else(foreign)?;
        let admitted = self.authenticate(Some(request.subject_token), above, demand, origin).await;
        let Admitted { account: partner, caller, .. } = admitted.map_err(|error| match error {
            Error::Unauthorized | Error::NotFound => foreign(),
            error => error,
        })?;
        if let Some(client) = &request.client {
            let proven = partner.prove(client)?;
            caller.claims().filter(|claims| claims.client_id == proven.client_id).ok_or(Error::InvalidClient)?;
        }
        let audience = request.audience.map(|audience| Audience::parse(audience, self.platform().public())).transpose();
        let audience = audience.map_err(|fault| Error::InvalidTarget(format!("audience {fault}")))?;
        if !audience.is_none_or(|audience| matches!(audience, Audience::Account(id) if id == target || id == above)) {
            return Err(Error::InvalidTarget("audience must be the account that is asked".to_owned()));
        }
        let (child, claims, scope) = self.reach(&partner, &caller, target).await?;
        // As the second of the two steps is charged.
        let allowance = child.charge(&partner, claims.party(), demand.lane)?;
        let act = Act { sub: claims.sub.clone(), oid: above };
        let token = child.issue_exchanged(&caller, act, narrowed(&scope, request.scope)?, claims.exp).await?;
        self.platform().measures.issued(Issued::TokenExchange);
        Ok(AccessToken { allowance, ..token })
    }

    /// The account `target` below `partner`, and the scopes that `caller` may have there.
    async fn reach<'c>(&self, partner: &Account, caller: &'c Caller, target: AccountId) -> Result<(Account, &'c Claims, Scopes)> {
        let claims = caller.claims().ok_or(Error::Unauthorized)?;
        let person_of_the_account = claims.sid.is_some() && claims.member().is_none();
        if claims.act.is_some() || person_of_the_account || !target.is_child_of(partner.id()) {
            return Err(Error::NotASubAccount);
        }
        let child =
            self.get(target).await.map_err(|error| if error == Error::NotFound { Error::NotASubAccount } else { error })?;
        let (own, below) = (partner.directory(), child.directory());
        if below.account.stamp.deleted.is_some() || !below.account.settings.partner_access {
            return Err(Error::NotASubAccount);
        }
        refuse_suspended(&below, Some(&own))?;
        let held = caller.scopes(partner, &own)?;
        let scopes = match claims.member() {
            Some(_) => held,
            None => grant_for(&own, &claims.client_id, target).ok_or(Error::GrantMissing)?.scope.meet(&held),
        };
        if scopes.is_empty() {
            return Err(Error::InsufficientScope);
        }
        if scopes.iter().count() > Scopes::MAX {
            return Err(Error::LimitReached { noun: "scopes in a token", max: Scopes::MAX });
        }
        Ok((child, claims, scopes))
    }
}
