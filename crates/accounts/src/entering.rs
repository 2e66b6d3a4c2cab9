//! Account users enter the accounts that they are members of (contract no. 8, `account_user`; section 9).

use serde::Serialize;
use tenantry_domain::{
    AccountId, AuthUserId, Email, Error, Instant, Member, MemberInput, MemberRights, Mode, Result, RoleId, Scopes, Seconds,
    Secret, SessionId, Text,
};

use crate::account::Account;
use crate::bootstrap::OPERATOR;
use crate::caller::{Caller, Demand, Origin};
use crate::console::client_id;
use crate::events::Content;
use crate::limits::Party;
use crate::measures::Issued;
use crate::password_links::RESET;
use crate::permits::Lane;
use crate::registry::Registry;
use crate::store::{self, Tx};
use crate::tokens::{AccessToken, Claims, TokenUse, claimed_account, narrowed};

/// An account that somebody is a member of.
pub struct Membership {
    /// The account.
    pub account: Account,
    /// When the person last entered it.
    pub seen_at: Option<Instant>,
}

/// How a member enters an account.
#[derive(Default)]
pub(crate) struct Entry<'e> {
    /// Fewer scopes than it has.
    pub(crate) wanted: Option<&'e str>,
    /// Until when at most, in seconds since 1970.
    pub(crate) until: Option<Seconds>,
    /// With what at most.
    pub(crate) most: Option<&'e Scopes>,
}

/// What an access token of an account user says beside what all say.
#[derive(Serialize)]
struct MemberClaims<'m> {
    #[serde(flatten)]
    claims: &'m Claims,
    email: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'m str>,
    roles: &'m [RoleId],
}

impl Registry {
    /// A token on `target` for whom `token` says who it is: our own (contract no. 8, `account_user`), or an ID token of the issuer
    /// that the account trusts.
    ///
    /// Errors: `Unauthorized` for a token that says nothing; else as [`Account::enter_as`].
    pub async fn enter(&self, target: AccountId, token: &str, origin: Origin, wanted: Option<&str>) -> Result<AccessToken> {
        if claimed_account(token).is_none() {
            let account = self.get(target).await.map_err(|_| Error::Unauthorized)?;
            return account.enter_from_outside(origin, token, wanted).await;
        }
        let demand = Demand::any(TokenUse::Identity, &[], Lane::Reserved, false);
        let admitted = self.authenticate(Some(token), AccountId::console(), demand, origin).await;
        let caller = admitted.map_err(|error| if error == Error::NotFound { Error::Unauthorized } else { error })?.caller;
        // Of an account that is not there nobody is a member.
        let account = self.get(target).await.map_err(|_| Error::InsufficientScope)?;
        account.enter_as(&caller, wanted).await
    }

    /// The live accounts that somebody is a member of, by id.
    pub async fn memberships(&self, person: AuthUserId) -> Result<Vec<Membership>> {
        let mut memberships = Vec::new();
        for (id, seen_at) in store::members::accounts_of(&self.platform().store.read, person).await? {
            let account = self.get(id).await?;
            if account.directory().account.stamp.deleted.is_none() {
                memberships.push(Membership { account, seen_at });
            }
        }
        Ok(memberships)
    }

    /// Makes somebody a member of both of the operator's accounts who may do everything, and yields the link with which it
    /// chooses a password. Told in their logs.
    pub async fn make_operator(&self, email: &Email) -> Result<Secret> {
        let scope = Scopes::parse(&OPERATOR).expect("they are scopes");
        let mut person = None;
        for id in [AccountId::console(), AccountId::owner(Mode::Test)] {
            let rights = MemberRights { name: None, scope: scope.clone(), roles: Vec::new(), enabled: Some(true) };
            let account = self.get(id).await?;
            let known = account.directory().members.values().find(|member| member.email.key() == email.key()).cloned();
            let member = if let Some(known) = known {
                account.update_member(Caller::system(), known.id, rights).await?
            } else {
                let input = MemberInput { email: email.clone(), rights, external: false };
                account.invite_quietly(Caller::system(), input).await?
            };
            person = Some(member.id);
        }
        let console = self.console().await?;
        let challenge = console.password_challenge(person, email, RESET * 24);
        let link = self.platform().password_link(AccountId::console(), challenge.id);
        let keep = async move |tx: &Tx<'_>| store::challenges::insert(tx, AccountId::console(), &challenge, console.now()).await;
        self.platform().store.turns.take(keep).await?;
        Ok(link)
    }
}

impl Account {
    /// A token on this account for the account user who calls (contract no. 8, `account_user`): its own scopes and those of its
    /// roles.
    ///
    /// Errors: `InsufficientScope` for somebody who is no member; `AccountSuspended`; `InvalidScope`; `LimitReached` where the
    /// roles give more scopes than a token holds.
    pub(crate) async fn enter_as(&self, identity: &Caller, wanted: Option<&str>) -> Result<AccessToken> {
        let (directory, person) = (self.directory(), identity.person()?);
        // Whoever is to sign in elsewhere does so.
        let member = directory.members.get(&person).filter(|member| !member.external);
        let member = member.filter(|_| directory.account.stamp.deleted.is_none());
        let member = member.ok_or(Error::InsufficientScope)?.clone();
        self.enter_for(identity, &member, identity.claims().and_then(|claims| claims.sid), Entry { wanted, ..Entry::default() })
            .await
    }

    /// The same for a member who has proven itself, by this session if there is one; good until then at most.
    pub(crate) async fn enter_for(
        &self,
        caller: &Caller,
        member: &Member,
        session: Option<SessionId>,
        Entry { wanted, until, most }: Entry<'_>,
    ) -> Result<AccessToken> {
        let directory = self.directory();
        let allowance = self.charge(self, Party::Member(member.id), Lane::Reserved)?;
        self.refuse_suspended(&directory)?;
        let held = directory.member_scopes(member.id).ok_or(Error::InsufficientScope)?;
        let scope = narrowed(&most.map_or_else(|| held.clone(), |most| held.held_by(most)), wanted)?;
        if scope.iter().count() > Scopes::MAX {
            return Err(Error::LimitReached { noun: "scopes in a token", max: Scopes::MAX });
        }
        let now = self.now();
        let lifetime = self.token_lifetime(&directory).min(until.map_or(Seconds::MAX, |until| until - now.seconds()));
        let mut claims = self.claims(&client_id(), self.platform().public.account(self.id()), &scope, lifetime);
        claims.sub = member.id.member_subject();
        claims.sid = session;
        let told = MemberClaims {
            claims: &claims,
            email: member.email.as_str(),
            name: member.name.as_ref().map(Text::as_str),
            roles: &member.roles,
        };
        let token = self.sign_as(TokenUse::Access.typ(), &told).await?;
        let (account, by, id) = (self.clone(), caller.clone(), member.id);
        self.write_rows(caller, async move |tx| {
            store::members::seen(tx, account.id(), id, now).await?;
            account.tell(tx, &Content { subject: id.member_subject(), ..account.activity("auth.token", &by, id) });
            Ok(())
        })
        .await?;
        self.platform().measures.issued(Issued::AccountUser);
        Ok(AccessToken { token, expires_in: lifetime, scope, refresh_token: None, allowance })
    }
}
