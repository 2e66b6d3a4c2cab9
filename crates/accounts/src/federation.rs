//! People whom an identity provider elsewhere vouches for (contract nos. 2 and 3, section 5.3; security A20), and account users
//! who bring an ID token of one. Who somebody is, the provider's issuer and subject say together; a mail address only leads to
//! a customer, once, and only if the provider says that it is theirs.

use serde_json::json;
use tenantry_domain::{
    AuthUser, AuthUserId, Customer, CustomerId, CustomerType, Error, Link, Oidc, PasswordHash, Realm, Recovery, Result, Scopes,
    Secret, Stamp, Username,
};
use tenantry_federation::{Answer, Ask, Failure, Identity, Upstream};

use crate::account::Account;
use crate::caller::Caller;
use crate::entering::Entry;
use crate::events::Content;
use crate::people::Person;
use crate::sessions::{Login, Wanted};
use crate::store::{self, Tx};
use crate::users::FEDERATED;
use crate::vault::Place;

/// Somebody who is to be sent to the provider of a client's grant.
pub struct OidcRequest<'r> {
    /// The client.
    pub client_id: &'r str,
    /// Whom the token is to be for.
    pub audience: &'r str,
    /// Where the provider sends the person back to; the client's only callback if left out.
    pub redirect_uri: Option<&'r str>,
    /// What binds the login to the person's browser.
    pub state: Option<&'r str>,
}

/// Somebody whom a provider vouches for, logged in here.
pub struct OidcLogin {
    /// The token, or the handle of a challenge.
    pub login: Login,
    /// The provider.
    pub authority: String,
    /// What it says of the person.
    pub identity: Identity,
}

/// A login that is under way at a provider.
struct Journey {
    wanted: Wanted,
    oidc: Oidc,
    client_secret: Secret,
    redirect_uri: String,
    state: String,
    nonce: Secret,
    verifier: Secret,
}

impl Journey {
    fn upstream<'j>(&'j self, account: &Account) -> Upstream<'j> {
        Upstream {
            account: account.id(),
            authority: &self.oidc.authority,
            client_id: &self.oidc.client_id,
            client_secret: &self.client_secret,
            redirect_uri: &self.redirect_uri,
        }
    }
}

impl Account {
    /// What a request says of a login. Its nonce and verifier (RFC 7636) are derived from all of it: whoever comes back with
    /// another client, callback or state than was sent gets nothing, and nothing is kept meanwhile.
    fn journey(&self, caller: &Caller, request: &OidcRequest<'_>) -> Result<Journey> {
        self.calling_client(caller)?;
        let wanted = self.wanted(request.client_id, request.audience)?;
        if caller.claims().is_none_or(|claims| claims.client_id != wanted.client_id) {
            return Err(Error::InsufficientScope);
        }
        let grant = self.grant_of(&wanted)?;
        let oidc = grant.oidc.clone().ok_or(Error::OidcNotConfigured)?;
        let redirect_uri = self.callback(&wanted.client_id, request.redirect_uri)?;
        let vault = &self.platform().vault;
        let secret = vault.open(Place { account: self.id(), kind: "grant.oidc", id: grant.id.0 }, &oidc.sealed_secret)?;
        let client_secret = Secret::new(String::from_utf8(secret).map_err(|_| Error::Internal("not text".to_owned()))?);
        let place = format!("{}\n{}\n{redirect_uri}", wanted.client.0, wanted.audience.stored());
        // Whoever says no state gets one, and may say it again or not.
        let unsaid = vault.derived(self.id(), "oidc state", &place).reveal().to_owned();
        let state = request.state.map_or(unsaid, str::to_owned);
        let derived = |kind| vault.derived(self.id(), kind, &format!("{place}\n{state}"));
        let (nonce, verifier) = (derived("oidc nonce"), derived("oidc verifier"));
        Ok(Journey { wanted, oidc, client_secret, redirect_uri, state, nonce, verifier })
    }

    /// Where to send a person who is to prove itself to the provider of the client's grant (contract no. 2). `scope`: what to ask
    /// the provider for.
    ///
    /// Errors: `OidcNotConfigured`; `InvalidRedirectUri`; `GrantMissing`; `InsufficientScope` for another client's token;
    /// `ProviderUnavailable`.
    pub async fn oidc_authorize(&self, caller: &Caller, request: OidcRequest<'_>, scope: Option<&str>) -> Result<String> {
        let journey = self.journey(caller, &request)?;
        let ask = Ask {
            scope: scope.unwrap_or("email profile"),
            state: &journey.state,
            nonce: &journey.nonce,
            verifier: &journey.verifier,
        };
        let url = self.platform().providers.authorization_url(&journey.upstream(self), &ask).await;
        match url {
            Ok(url) => Ok(url),
            Err(failure) => Err(self.not_believed(caller, &failure).await?),
        }
    }

    /// A token for the person who came back from the provider with this code (contract no. 3).
    ///
    /// Errors: as [`Account::oidc_authorize`]; `InvalidGrant` for a code that the provider does not take, for a word of its that
    /// does not count, and for somebody who is shut out here.
    pub async fn oidc_login(&self, caller: Caller, request: OidcRequest<'_>, code: &str) -> Result<OidcLogin> {
        let journey = self.journey(&caller, &request)?;
        let answer = Answer { code, nonce: &journey.nonce, verifier: &journey.verifier, now: self.now() };
        let redeemed = self.platform().providers.redeem(&journey.upstream(self), &answer).await;
        let identity = match redeemed {
            Ok(identity) => identity,
            Err(failure) => return Err(self.not_believed(&caller, &failure).await?),
        };
        let user = self.vouched_for(&caller, &identity).await?;
        let person = Person::find(&self.platform().store.read, self.id(), user.id.0, false).await?.ok_or(Error::InvalidGrant)?;
        let login = self.let_in(&caller, person, journey.wanted, None, async |_: &Tx<'_>| Ok(())).await?;
        Ok(OidcLogin { login, authority: journey.oidc.authority, identity })
    }

    /// Tells of a provider whose word did not count, and yields what the caller is told.
    async fn not_believed(&self, caller: &Caller, failure: &Failure) -> Result<Error> {
        let told = json!({"reason": failure.to_string()});
        let (account, told) = (self.clone(), Content::new("login.refused", self.now(), caller, "").after(told));
        self.write_rows(caller, async move |tx| {
            account.tell(tx, &Content { target: None, ..told });
            Ok(())
        })
        .await?;
        Ok(match failure {
            Failure::Provider(_) => Error::ProviderUnavailable,
            Failure::Refused(_) => Error::InvalidGrant,
        })
    }

    /// The user whom a provider means, made at the first time.
    async fn vouched_for(&self, caller: &Caller, identity: &Identity) -> Result<AuthUser> {
        let said = format!("{}\n{}", identity.issuer, identity.subject);
        let name = format!("{FEDERATED}{}", self.platform().vault.alias(self.id(), "oidc identity", &said));
        let name: Username = name.parse().expect("a UUID can be a name");
        let read = &self.platform().store.read;
        if let Some(user) = store::users::find(read, self.id(), Realm::Users, &name).await? {
            return Ok(user);
        }
        let email = identity.verified_email();
        let customer = match &email {
            Some(email) => store::customers::by_email(read, self.id(), CustomerType::Customer, email).await?,
            None => None,
        };
        let customer = match customer {
            Some(customer) => self.joined(customer).await?,
            None => None,
        };
        let links = email.map(Link::Email).into_iter().chain(customer.map(Link::Customer)).collect();
        let user = AuthUser {
            id: AuthUserId(self.platform().source.id(self.now())),
            stamp: Stamp::new(self.now(), caller.subject()),
            realm: Realm::Users,
            username: name.clone(),
            password: PasswordHash::from(String::new()),
            links,
            mfa: None,
            enabled: true,
            totp: None,
            recovery: Recovery::default(),
            pin: None,
        };
        let (account, by, made) = (self.clone(), caller.clone(), user.clone());
        let insert = self.write_rows(caller, async move |tx| {
            store::users::insert(tx, account.id(), &made).await?;
            account.tell(tx, &account.activity("user.created", &by, made.id));
            Ok(())
        });
        match insert.await {
            Ok(()) => Ok(user),
            // Somebody was faster.
            Err(Error::Duplicate(_)) => {
                store::users::find(read, self.id(), Realm::Users, &name).await?.ok_or(Error::InvalidGrant)
            }
            Err(error) => Err(error),
        }
    }

    /// The id of a customer with the address that a provider vouches for, if whoever that is may come in as this customer: where
    /// it has proven the address to us, too, or nobody comes in as it yet. Else somebody else could have put the address there
    /// and wait for its owner.
    async fn joined(&self, customer: Customer) -> Result<Option<CustomerId>> {
        let (id, proven) = (customer.customer_id.clone(), customer.email_verified_at.is_some());
        let person = Person::of_customer(&self.platform().store.read, self.id(), customer, false).await?;
        let free = matches!(&person, Some(Person::Customer(_, users)) if proven || users.is_empty());
        Ok(free.then_some(id))
    }

    /// A token for the member whose address stands in an ID token of the issuer that this account trusts (contract no. 8,
    /// `account_user`).
    ///
    /// Errors: `Unauthorized` for a token that does not count here; `InsufficientScope` for somebody who is no external member;
    /// `ProviderUnavailable`.
    pub async fn enter_from_outside(
        &self,
        origin: crate::caller::Origin,
        token: &str,
        wanted: Option<&str>,
    ) -> Result<crate::tokens::AccessToken> {
        let directory = self.directory();
        let jwks = directory.account.settings.jwks.as_ref().filter(|_| directory.account.stamp.deleted.is_none());
        let jwks = jwks.ok_or(Error::Unauthorized)?;
        let trusted = (jwks.uri.as_str(), jwks.issuer.as_str(), jwks.audience.as_str());
        let caller = Caller::at(origin);
        let verified = self.platform().providers.external(self.id(), trusted, token, self.now()).await;
        let (identity, until) = match verified {
            Ok(verified) => verified,
            // A stranger writes nothing into the log of the account.
            Err(Failure::Refused(_)) => return Err(Error::Unauthorized),
            Err(failure) => {
                tracing::warn!(account = %self.id(), %failure, "the keys of an issuer");
                return Err(Error::ProviderUnavailable);
            }
        };
        let email = identity.verified_email().ok_or(Error::InsufficientScope)?;
        // Only those for whom somebody has said that they sign in elsewhere.
        let member = directory.members.values().find(|member| member.external && member.email.key() == email.key());
        let member = member.ok_or(Error::InsufficientScope)?.clone();
        let most = Scopes::parse_claim(&jwks.scope).map_err(Error::Internal)?;
        self.enter_for(&caller, &member, None, Entry { wanted, until: Some(until), most: Some(&most) }).await
    }
}
