//! Exchange: a partner's token for one that works on an account below it (contract no. 9 and section 5.1).

use serde_json::json;
use tenantry_domain::{AccountId, Error, Result, Scopes, Seconds};

use crate::account::Account;
use crate::caller::{Act, Caller, grant_for};
use crate::events::Content;
use crate::registry::Registry;
use crate::tokens::{AccessToken, TokenUse, refuse_suspended};

/// How long an exchange token lives, in seconds.
const LIFETIME: Seconds = 300;

impl Registry {
    /// The first step: a token that is good for one thing, a token on `target`. `partner` and `caller` come from the
    /// guard. Scopes are those of the caller's client for the target, never more than the caller's own; nothing made
    /// from it outlives the caller's token. Told in the logs of both accounts.
    ///
    /// Errors: `NotASubAccount` for an account that is not below the partner, is gone, has closed its door, or where
    /// the caller's token is itself an exchanged one; `AccountSuspended`; `InsufficientScope`.
    pub async fn exchange(&self, partner: &Account, caller: Caller, target: AccountId) -> Result<AccessToken> {
        let claims = caller.claims().ok_or(Error::Unauthorized)?;
        if claims.act.is_some() || !target.is_child_of(partner.id()) {
            return Err(Error::NotASubAccount);
        }
        let child =
            self.get(target).await.map_err(|error| if error == Error::NotFound { Error::NotASubAccount } else { error })?;
        let (own, below) = (partner.directory(), child.directory());
        if below.account.stamp.deleted.is_some() || !below.account.settings.partner_access {
            return Err(Error::NotASubAccount);
        }
        refuse_suspended(&below, Some(&own))?;

        let grant = grant_for(&own, &claims.client_id, target).ok_or(Error::GrantMissing)?;
        let scopes = grant.scope.meet(&caller.scopes(partner, &own)?);
        if scopes.is_empty() {
            return Err(Error::InsufficientScope);
        }
        if scopes.iter().count() > Scopes::MAX {
            return Err(Error::LimitReached { noun: "scopes in a token", max: Scopes::MAX });
        }
        let now = partner.now();
        let lifetime = LIFETIME.min(claims.exp - now.seconds());
        if lifetime < 1 {
            return Err(Error::Unauthorized);
        }
        let mut exchange = child.claims(&claims.client_id, child.token_endpoint(), &scopes, lifetime);
        exchange.token_use = TokenUse::Exchange;
        exchange.act = Some(Act { sub: claims.sub.clone(), oid: partner.id() });
        exchange.root_exp = Some(claims.exp);
        let token = child.sign(&exchange).await?;
        let mut told = Content::new("token.exchange_requested", now, &caller, target);
        told.act.clone_from(&exchange.act);
        partner.tell_both(target, told.after(json!({"jti": exchange.jti, "scope": exchange.scope}))).await?;
        Ok(AccessToken { token, expires_in: lifetime, scope: scopes })
    }
}
