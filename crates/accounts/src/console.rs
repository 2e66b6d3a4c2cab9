//! Account users: how they sign in, who they are, and how they enter the accounts that they are members of (contract section
//! 9). All of them stand with the operator, whose key signs what says who they are.

use serde::Serialize;
use serde_json::json;
use tenantry_domain::{
    AccountId, Audience, AuthUser, AuthUserId, Channel, ClientId, ClientKey, Email, Error, GrantType, Instant, Link, Member,
    MemberInput, MemberRights, Password, Phone, Realm, Result, RoleId, Scopes, Seconds, Secret, SessionId, fold,
};
use uuid::Uuid;

use crate::account::Account;
use crate::attempts::network;
use crate::bootstrap::OPERATOR;
use crate::caller::{Caller, Demand, Origin};
use crate::challenges::{Challenge, Kind, Passed, Redeemed, SENT, Sent};
use crate::derived::Ticket;
use crate::events::Content;
use crate::limits::Party;
use crate::login::counted_name;
use crate::measures::Issued;
use crate::outbox::{Letter, Template};
use crate::people::Person;
use crate::permits::Lane;
use crate::registry::Registry;
use crate::sessions::{Login, Session, Wanted};
use crate::store::{self, Tx};
use crate::tokens::{AccessToken, Claims, TokenUse, claimed_account, narrowed};
use crate::totp::{Shown, Spent};
use crate::users::differing;

/// The client of the tokens of account users. No client of an account has this record.
const CLIENT: ClientKey = ClientKey(Uuid::nil());
/// Its name in tokens.
const CLIENT_ID: &str = "console";
/// What says who somebody is, and no more.
const OPENID: &str = "openid";
/// How long a token that says who somebody is lives; the session renews it.
const IDENTITY_LIFETIME: Seconds = 900;
/// How long a link to choose another password is good for.
const RESET: Seconds = 3600;
/// How many of these one network may ask for in an hour.
const LINKS: i64 = 30;
/// How such links are told from all other opaque values.
const TICKET: &str = "password";

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

/// An account that somebody is a member of.
pub struct Membership {
    /// The account.
    pub account: Account,
    /// When the person last entered it.
    pub seen_at: Option<Instant>,
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

fn client_id() -> ClientId {
    CLIENT_ID.parse().expect("it is a client id")
}

fn wanted() -> Wanted {
    let scope = Scopes::parse(&[OPENID]).expect("it is a scope");
    let audience = Audience::Account(AccountId::console());
    Wanted { client: CLIENT, client_id: client_id(), audience, grant: GrantType::Password, scope }
}

impl Registry {
    /// The account where account users stand.
    pub async fn console(&self) -> Result<Account> {
        self.get(AccountId::console()).await
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

    /// A token on `target` for whom `token` says who it is: our own (contract no. 8, `account_user`), or an ID token of the issuer
    /// that the account trusts.
    ///
    /// Errors: `Unauthorized` for a token that says nothing; else as [`Account::enter_as`].
    pub async fn enter(&self, target: AccountId, token: &str, origin: Origin, wanted: Option<&str>) -> Result<AccessToken> {
        if claimed_account(token).is_none() {
            let account = self.get(target).await.map_err(|_| Error::Unauthorized)?;
            return account.enter_from_outside(origin, token, wanted).await;
        }
        let demand = Demand { token_use: TokenUse::Identity, scopes: &[], lane: Lane::Reserved };
        let admitted = self.authenticate(Some(token), AccountId::console(), demand, origin).await;
        let caller = admitted.map_err(|error| if error == Error::NotFound { Error::Unauthorized } else { error })?.caller;
        // Of an account that is not there nobody is a member.
        let account = self.get(target).await.map_err(|_| Error::InsufficientScope)?;
        account.enter_as(&caller, wanted).await
    }

    /// Makes somebody a member of both of the operator's accounts who may do everything, and yields the link with which it
    /// chooses a password. Told in their logs.
    pub async fn make_operator(&self, email: &Email) -> Result<Secret> {
        let scope = Scopes::parse(&OPERATOR).expect("they are scopes");
        let mut person = None;
        for id in [AccountId::console(), AccountId::owner(tenantry_domain::Mode::Test)] {
            let rights = MemberRights { name: None, scope: scope.clone(), roles: Vec::new() };
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
        let link = self.platform().password_link(challenge.id);
        let keep = async move |tx: &Tx<'_>| store::challenges::insert(tx, AccountId::console(), &challenge, console.now()).await;
        self.platform().store.turns.take(keep).await?;
        Ok(link)
    }
}

impl crate::platform::Platform {
    /// Where somebody chooses a password.
    pub(crate) fn password_link(&self, challenge: Uuid) -> Secret {
        let ticket = Ticket { account: AccountId::console(), kind: TICKET, id: challenge, generation: 0 };
        Secret::new(format!("{}/account/password?token={}", self.public, self.vault.hand_out(ticket).reveal()))
    }
}

impl Account {
    /// Whom tokens are for that say who an account user is.
    pub(crate) fn console_audience(&self) -> String {
        format!("{}/v1/account", self.platform().public)
    }

    /// Signs an account user in by address and password, or asks for its second factor.
    ///
    /// Errors: as [`Account::login`].
    pub async fn sign_in(&self, origin: Origin, email: &str, password: Password) -> Result<Login> {
        let (address, caller) = (origin.ip, Caller::at(origin));
        // Compared in one form, whoever writes it; what is no address is nobody's.
        let name = email.parse::<Email>().map_or_else(|_| fold(email), |email| email.key().to_owned());
        let proven = self.prove_password(&caller, Realm::Console, (&name, password), address).await?;
        if proven.user.has_second_factor() {
            let challenge = self.challenge_for(&proven, wanted());
            self.admit_to(&caller, proven, challenge.clone()).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&challenge)));
        }
        let session = self.console_session(&Person::User(proven.user.clone(), Vec::new()));
        self.admit_with(&caller, proven, session.clone()).await?;
        self.identity(&session).await.map(Login::Done)
    }

    /// Sends an account user, whose password was right, a code.
    pub async fn send_sign_in_code(&self, origin: Origin, mfa_token: &str, channel: Channel) -> Result<Sent> {
        self.send_code_for(Caller::at(origin), CLIENT, mfa_token, channel).await
    }

    /// Takes the code back.
    pub async fn sign_in_with_code(&self, origin: Origin, redeemed: Redeemed<'_>) -> Result<Login> {
        let caller = Caller::at(origin);
        match self.pass_code(&caller, CLIENT, redeemed).await? {
            Passed::Halfway(handle) => Ok(Login::SecondFactor(handle)),
            Passed::Wholly(passed) => {
                let session = self.console_session(&passed.1);
                self.spend_for(&caller, passed, session.clone(), Spent::sent()).await?;
                self.identity(&session).await.map(Login::Done)
            }
        }
    }

    /// Takes what an app shows, or a recovery code.
    pub async fn sign_in_with_shown(&self, origin: Origin, mfa_token: &str, shown: Shown<'_>) -> Result<Login> {
        let caller = Caller::at(origin);
        let (passed, mark) = self.pass_shown(&caller, CLIENT, mfa_token, shown).await?;
        let session = self.console_session(&passed.1);
        self.spend_for(&caller, passed, session.clone(), mark).await?;
        self.identity(&session).await.map(Login::Done)
    }

    fn console_session(&self, person: &Person) -> Session {
        self.session_for(person, wanted(), self.platform().session_lifetime)
    }

    /// The token that says who the person of a session is, and what renews it.
    async fn identity(&self, session: &Session) -> Result<AccessToken> {
        let scope = session.wanted.scope.clone();
        let lifetime = IDENTITY_LIFETIME.min(session.expires_at.seconds() - self.now().seconds());
        if lifetime < 1 {
            return Err(Error::InvalidGrant);
        }
        let mut claims = self.claims(&client_id(), self.console_audience(), &scope, lifetime);
        claims.sub.clone_from(&session.subject);
        claims.token_use = TokenUse::Identity;
        claims.sid = Some(session.id);
        let token = self.sign(&claims).await?;
        self.platform().measures.issued(Issued::Identity);
        Ok(AccessToken { token, expires_in: lifetime, scope, refresh_token: Some(self.refresh_token(session)), allowance: None })
    }

    /// A new token for the value that renews it, which is thereby replaced.
    ///
    /// Errors: `Unauthorized` for a value that is none, or of a session that has ended.
    pub async fn stay_signed_in(&self, origin: Origin, value: &str) -> Result<AccessToken> {
        let at = self.session_ticket(value).ok_or(Error::Unauthorized)?;
        let moved = self.move_session(&Caller::at(origin), at, CLIENT, |_| Ok(())).await;
        let (session, ()) = moved.map_err(|error| if error == Error::InvalidGrant { Error::Unauthorized } else { error })?;
        self.identity(&session).await
    }

    /// Ends the session of this value; whatever else it may be, nothing happens.
    pub async fn sign_out(&self, origin: Origin, value: &str) -> Result<()> {
        let caller = Caller::at(origin);
        let Some((id, _)) = self.session_ticket(value) else { return Ok(()) };
        let session = store::sessions::find(&self.platform().store.read, self.id(), id, self.now()).await?;
        match session.filter(|session| session.wanted.client == CLIENT) {
            Some(session) => self.end_session(caller, session.id, None).await,
            None => Ok(()),
        }
    }

    /// Ends every session of the caller.
    pub async fn sign_out_everywhere(&self, caller: Caller) -> Result<()> {
        let person = caller.person()?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            store::sessions::end_all(tx, account.id(), &[person.0], now).await?;
            account.tell(tx, &account.activity("session.all_ended", &by, person));
            Ok(())
        })
        .await
    }

    /// The account user who calls.
    pub async fn own_record(&self, caller: &Caller) -> Result<AuthUser> {
        let person = caller.person()?;
        let user = store::users::get(&self.platform().store.read, self.id(), person.0, false).await?;
        user.filter(|user| user.enabled).ok_or(Error::Unauthorized)
    }

    /// Refuses where the calling account user does not know its own password: a session alone changes no factor.
    ///
    /// Errors: `InvalidCredentials`; `TooManyAttempts`.
    pub async fn confirm_self(&self, caller: &Caller, password: Password) -> Result<()> {
        let user = self.own_record(caller).await?;
        let shown = (user.username.as_str(), password);
        let proven = self.prove_password(caller, Realm::Console, shown, caller.origin.ip).await?;
        let account = self.clone();
        self.write_rows(caller, async move |tx| account.admit(tx, &proven).await).await
    }

    /// Gives the calling account user another password. Its other sessions end.
    ///
    /// Errors: `InvalidCredentials` for a wrong one; `TooManyAttempts`; `Invalid` for one that is its address.
    pub async fn change_own_password(&self, caller: Caller, previous: Password, proposed: Password) -> Result<()> {
        let user = self.own_record(&caller).await?;
        let proven = self.prove_password(&caller, Realm::Console, (user.username.as_str(), previous), caller.origin.ip).await?;
        let password = self.hash(differing(proposed, &user.username)?).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let kept = caller.claims().and_then(|claims| claims.sid);
        self.write_rows(&caller, async move |tx| {
            account.admit(tx, &proven).await?;
            store::users::update(tx, account.id(), &AuthUser { password, ..proven.user }).await?;
            store::sessions::end_others(tx, account.id(), user.id.0, kept, now).await?;
            store::challenges::end_all(tx, account.id(), &[user.id.0], now).await?;
            account.tell(tx, &account.activity("user.password_changed", &by, user.id));
            Ok(())
        })
        .await
    }

    /// Turns the calling account user's second factor by SMS on, with this number, or off.
    pub async fn set_own_sms(&self, caller: Caller, phone: Option<Phone>) -> Result<AuthUser> {
        let person = caller.person()?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let user = store::users::get(tx, account.id(), person.0, true).await?.ok_or(Error::Unauthorized)?;
            let mut links: Vec<Link> = user.links.iter().filter(|link| link.channel() != Some(Channel::Sms)).cloned().collect();
            let mfa = phone.as_ref().map(|_| vec![Channel::Sms]);
            links.extend(phone.map(Link::Phone));
            let user = AuthUser { stamp: user.stamp.touched(now), links, mfa, ..user };
            store::users::update(tx, account.id(), &user).await?;
            store::challenges::end_all(tx, account.id(), &[user.id.0], now).await?;
            let told = json!({"fields": ["mfa"]});
            account.tell(tx, &account.activity("user.updated", &by, user.id).after(told));
            Ok(user)
        })
        .await
    }

    /// What lets somebody choose a password, or nobody.
    pub(crate) fn password_challenge(&self, person: Option<AuthUserId>, email: &Email, lives: Seconds) -> Challenge {
        let key = counted_name(Realm::Console, email.key());
        let mut challenge = self.challenge(Kind::Password, (person.map(|person| person.0), &key), wanted());
        challenge.expires_at = self.now().plus(lives);
        challenge
    }

    /// Sends an account user a link to choose another password. Whoever it is, it is answered alike.
    ///
    /// Errors: `TooManyAttempts` where the address was sent too many.
    pub async fn forgot_password(&self, origin: Origin, email: &Email) -> Result<()> {
        let caller = Caller::at(origin);
        let name = email.key().parse().map_err(|fault: String| Error::invalid("email", fault))?;
        let user = store::users::find(&self.platform().store.read, self.id(), Realm::Console, &name).await?;
        let user = user.filter(|user| user.enabled);
        let challenge = self.password_challenge(user.as_ref().map(|user| user.id), email, RESET);
        let target = user.as_ref().and_then(|user| user.email()).map(|email| email.as_str().to_owned());
        let alias = |text: &str| self.platform().vault.alias(self.id(), Kind::Password.sent(), text);
        let network = caller.origin.ip.map(network).unwrap_or_default();
        let (place, from) = (alias(&format!("to {}", email.key())), alias(&format!("from {network}")));
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let send = async move |tx: &Tx<'_>| {
            // Of one address and of one network, not of all: a stranger must not keep the others from theirs.
            for (counted, most, window) in [(place, SENT, 600), (from, LINKS, 3600)] {
                if !store::attempts::within(tx, account.id(), counted, most, window, now).await? {
                    return Err(account.wait(tx, counted, now).await?);
                }
            }
            store::challenges::insert(tx, account.id(), &challenge, now).await?;
            let letter = Letter {
                account: account.id(),
                id: account.platform().source.id(now),
                template: Template::Password,
                about: challenge.id,
                number: 0,
                channel: Channel::Email,
                target,
                tries: 0,
                expires_at: challenge.expires_at,
            };
            account.put_out(tx, &letter).await?;
            let whose = user.map(|user| user.id.to_string());
            account.tell(tx, &Content { target: whose, ..account.activity("user.password_forgotten", &by, "") });
            Ok(())
        };
        self.write_rows(&caller, send).await?;
        self.platform().mail.notify_one();
        Ok(())
    }

    /// The account user for whom a link to choose a password is good.
    ///
    /// Errors: `InvalidGrant` for a link that is none, was used, or has expired.
    pub async fn whose_password(&self, token: &str) -> Result<AuthUser> {
        self.password_of(token).await.map(|(_, user)| user)
    }

    async fn password_of(&self, token: &str) -> Result<(Challenge, AuthUser)> {
        let ticket = self.platform().vault.take_back(self.id(), TICKET, token).ok_or(Error::InvalidGrant)?;
        let read = &self.platform().store.read;
        let challenge = store::challenges::find(read, self.id(), ticket.id, self.now()).await?.ok_or(Error::InvalidGrant)?;
        let person = challenge.person.ok_or(Error::InvalidGrant)?;
        let user = store::users::get(read, self.id(), person, false).await?.filter(|user| user.enabled);
        Ok((challenge, user.ok_or(Error::InvalidGrant)?))
    }

    /// Sets the password for which a link was sent. All sessions of the person end.
    ///
    /// Errors: `InvalidGrant`; `Invalid` for a password that is the address. Then the link is still good.
    pub async fn choose_password(&self, origin: Origin, token: &str, password: Password) -> Result<()> {
        let caller = Caller::at(origin);
        let (challenge, user) = self.password_of(token).await?;
        let password = self.hash(differing(password, &user.username)?).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        self.write_rows(&caller, async move |tx| {
            let user = store::users::get(tx, account.id(), user.id.0, true).await?.filter(|user| user.enabled);
            let user = user.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            let id = user.id;
            let stamp = user.stamp.touched(now);
            store::users::update(tx, account.id(), &AuthUser { password, stamp, ..user }).await?;
            store::sessions::end_all(tx, account.id(), &[id.0], now).await?;
            store::challenges::end_all(tx, account.id(), &[id.0], now).await?;
            account.tell(tx, &account.activity("user.password_changed", &by, id));
            Ok(())
        })
        .await
    }

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
            name: member.name.as_ref().map(tenantry_domain::Text::as_str),
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
