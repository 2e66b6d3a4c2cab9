//! Codes that are sent to people, as a second factor and to recover a lost password (contract nos. 28 and 29, security A7
//! and A8). What a challenge is, what it is about and whether it was used stands in its row; its code is derived.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tenantry_domain::{
    AuthUser, Channel, ClientKey, Error, GrantType, Instant, Link, MessageId, Realm, Result, Seconds, Secret, Username,
};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::derived::Ticket;
use crate::events::Content;
use crate::outbox::{Letter, Template};
use crate::people::{Person, at_a_beat};
use crate::sessions::{Login, Session, Wanted};
use crate::store::{self, Tx};
use crate::totp::Spent;

/// How long a challenge lives, its codes with it.
pub(crate) const LIFETIME: Seconds = 600;
/// How often one code may be tried.
pub(crate) const TRIES: i64 = 5;
/// How often anybody may fail for one person in an hour, over all challenges.
pub(crate) const FAILURES: i64 = 10;
/// How many codes one target is sent in ten minutes.
pub(crate) const SENT: i64 = 3;
/// How many an account sends in a day.
pub(crate) const SENT_A_DAY: i64 = 10_000;
/// The ticket that names a challenge.
const MFA: &str = "mfa";
/// The ticket that names one of its codes.
const OOB: &str = "oob";

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The password was right; one code.
    SecondFactor,
    /// The password is lost; two codes, over two channels.
    Recovery,
    /// A code instead of a password.
    Login,
    /// A value instead of a password, which whoever asked for it hands over.
    Link,
    /// A link to choose a password.
    Password,
    /// A code to an address of a customer's, to prove it.
    Address,
    /// A link to confirm an installer's address.
    Confirmation,
    /// A link to choose an installer's password.
    Reset,
}

impl Kind {
    /// What is counted for one kind bars no other: whoever knows no more than a name must not keep its owner, who knows the
    /// password, from a code.
    const fn failures(self) -> &'static str {
        match self {
            Self::SecondFactor => "code",
            Self::Recovery => "recovery code",
            Self::Login => "login code",
            // Never counted; and never found where codes are looked for by an address that is somebody's customer_id.
            Self::Link => "link",
            Self::Password => "password link",
            Self::Address => "address code",
            Self::Confirmation => "confirmation link",
            Self::Reset => "reset link",
        }
    }

    /// What brings it.
    const fn template(self) -> Template {
        match self {
            Self::SecondFactor | Self::Recovery | Self::Login | Self::Link | Self::Address => Template::Code,
            Self::Password => Template::Password,
            Self::Confirmation => Template::Confirmation,
            Self::Reset => Template::Reset,
        }
    }

    /// What messages of one kind are counted as.
    pub(crate) const fn sent(self) -> &'static str {
        match self {
            Self::SecondFactor => "code sent",
            Self::Recovery => "recovery code sent",
            Self::Login | Self::Link => "login code sent",
            Self::Password => "password link sent",
            Self::Address => "address code sent",
            Self::Confirmation | Self::Reset => "installer link sent",
        }
    }
}

/// A challenge as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Challenge {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    /// `None`: nobody, for a name that nobody has.
    pub(crate) person: Option<Uuid>,
    pub(crate) wanted: Wanted,
    /// Under what failures are counted: the name that was said, and what the challenge is for.
    pub(crate) counted: Uuid,
    /// What the client calls the login, if it is to be sent over another channel, too.
    pub(crate) login_session: Option<Uuid>,
    /// How many channels were passed.
    pub(crate) step: u32,
    /// The one that was passed first.
    pub(crate) passed: Option<Channel>,
    /// Where the latest code went.
    pub(crate) sent: Option<(Channel, String)>,
    /// The number of the latest code.
    pub(crate) code: u32,
    pub(crate) expires_at: Instant,
}

/// A code that is on its way.
pub struct Sent {
    /// Names the code when it comes back.
    pub oob_code: Secret,
    /// Names the challenge.
    pub mfa_token: Secret,
}

/// A code that came back.
pub struct Redeemed<'r> {
    /// Which code.
    pub oob_code: &'r str,
    /// What the person typed.
    pub binding_code: &'r str,
    /// Which challenge.
    pub mfa_token: &'r str,
}

/// How far a code led.
pub(crate) enum Passed {
    /// Another one has to follow: the handle for it.
    Halfway(Secret),
    /// To the end: this person has shown what was asked.
    Wholly(Box<(Challenge, Person)>),
}

/// Who lost a password.
pub struct Recovery<'r> {
    /// What the person calls itself.
    pub username: &'r str,
    /// Whom the token is to be for.
    pub audience: &'r str,
    /// Where the first code goes.
    pub channel: Channel,
}

/// Where a channel of a user's second factor leads.
fn target(user: &AuthUser, channel: Channel) -> Option<String> {
    user.mfa.as_ref().filter(|channels| user.enabled && channels.contains(&channel))?;
    user.links.iter().find_map(|link| match (link, channel) {
        (Link::Phone(phone), Channel::Sms) => Some(format!("+{}", phone.key())),
        (Link::Email(email), Channel::Email) => Some(email.as_str().to_owned()),
        _ => None,
    })
}

impl Account {
    fn ticket(&self, kind: &'static str, id: Uuid, generation: u32) -> Secret {
        self.platform().vault.hand_out(Ticket { account: self.id(), kind, id, generation })
    }

    /// The challenge that a handle names, and at which step.
    pub(crate) fn mfa_ticket(&self, text: &str) -> Option<(Uuid, u32)> {
        let ticket = self.platform().vault.take_back(self.id(), MFA, text)?;
        Some((ticket.id, ticket.generation))
    }

    /// The handle of a challenge at its present step.
    pub(crate) fn mfa_token(&self, challenge: &Challenge) -> Secret {
        self.ticket(MFA, challenge.id, challenge.step)
    }

    /// Under what failures of one kind are counted for whoever is called `key`.
    pub(crate) fn counted(&self, kind: Kind, key: &str) -> Uuid {
        self.platform().vault.alias(self.id(), kind.failures(), key)
    }

    /// A challenge of `kind` for whoever is called `key`, and what its client asked for.
    pub(crate) fn challenge(&self, kind: Kind, (person, key): (Option<Uuid>, &str), wanted: Wanted) -> Challenge {
        let now = self.now();
        Challenge {
            id: self.platform().source.id(now),
            kind,
            person,
            wanted,
            counted: self.counted(kind, key),
            login_session: None,
            step: 0,
            passed: None,
            sent: None,
            code: 0,
            expires_at: now.plus(LIFETIME),
        }
    }

    /// Sends the code of a challenge, or another one, which ends the one before (contract no. 28).
    ///
    /// Errors: `MfaTokenInvalid` for a handle that is none, has expired, is used up or is another client's; `Invalid` for a
    /// channel that the user has not, or has passed already; `TooManyAttempts` where the target was sent too many.
    pub async fn send_code(&self, caller: Caller, mfa_token: &str, channel: Channel) -> Result<Sent> {
        let client = self.calling_client(&caller)?;
        self.send_code_for(caller, client, mfa_token, channel).await
    }

    /// The same for a client that is known.
    pub(crate) async fn send_code_for(
        &self,
        caller: Caller,
        client: ClientKey,
        mfa_token: &str,
        channel: Channel,
    ) -> Result<Sent> {
        let now = self.now();
        let ticket = self.platform().vault.take_back(self.id(), MFA, mfa_token).ok_or(Error::MfaTokenInvalid)?;
        let read = &self.platform().store.read;
        let challenge = store::challenges::find(read, self.id(), ticket.id, now).await?;
        let challenge = challenge.filter(|challenge| challenge.wanted.client == client && challenge.step == ticket.generation);
        let challenge = challenge.ok_or(Error::MfaTokenInvalid)?;
        // The first code of a recovery went out when it was begun, or nowhere: which of the two, nobody learns here.
        if challenge.kind != Kind::SecondFactor && challenge.passed.is_none() {
            return Err(Error::MfaTokenInvalid);
        }
        if challenge.passed == Some(channel) {
            return Err(Error::invalid("oob_channel", "must differ from the first one"));
        }
        let person = challenge.person.ok_or(Error::MfaTokenInvalid)?;
        let user = store::users::get(read, self.id(), person, false).await?.filter(|user| user.enabled);
        let target = if let Some(user) = user {
            target(&user, channel)
        } else {
            let customer = store::customers::get(read, self.id(), person, false).await?.ok_or(Error::MfaTokenInvalid)?;
            self.target_of_customer(&customer, &challenge, channel)
        };
        let target = target.ok_or_else(|| Error::invalid("oob_channel", "is none of the user's"))?;
        let (account, by) = (self.clone(), caller.clone());
        let sent = self.write_rows(&caller, async move |tx| {
            account.allow_sending(tx, challenge.kind.sent(), &target).await?;
            let at = (challenge.id, challenge.step);
            let sent = store::challenges::send(tx, account.id(), at, (channel, &target), account.now()).await?;
            let challenge = sent.ok_or(Error::MfaTokenInvalid)?;
            account.put_out(tx, &account.letter(&challenge, channel, Some(target))).await?;
            account.tell(tx, &account.activity("code.sent", &by, person));
            Ok(challenge)
        });
        let challenge = sent.await?;
        self.platform().mail.notify_one();
        Ok(Sent { oob_code: self.ticket(OOB, challenge.id, challenge.code), mfa_token: self.mfa_token(&challenge) })
    }

    /// Sends the first code to somebody who lost a password (contract no. 29). A name that nobody has, and one whose owner
    /// has no such channel, is answered alike.
    ///
    /// Errors: `GrantMissing`; `TooManyAttempts`.
    pub async fn recover(&self, caller: Caller, recovery: Recovery<'_>) -> Result<Sent> {
        at_a_beat(self.begin_recovery(caller, recovery)).await
    }

    async fn begin_recovery(&self, caller: Caller, recovery: Recovery<'_>) -> Result<Sent> {
        let (client, directory) = (self.calling_client(&caller)?, self.directory());
        let client_id = caller.claims().ok_or(Error::Unauthorized)?.client_id.clone();
        let audience = self.own_audience(recovery.audience)?;
        let grant = directory.grant(&client_id, &audience, GrantType::Password).ok_or(Error::GrantMissing)?;
        let name = recovery.username.parse::<Username>().ok();
        let user = match &name {
            Some(name) => store::users::find(&self.platform().store.read, self.id(), Realm::Users, name).await?,
            None => None,
        };
        let channel = recovery.channel;
        let found = user.and_then(|user| Some((user.id.0, target(&user, channel)?)));
        let (person, target) = found.unzip();
        let key = name.map_or_else(|| recovery.username.to_owned(), |name| name.key());
        let wanted = Wanted { client, client_id, audience, grant: GrantType::Password, scope: grant.scope.clone() };
        let challenge = self.challenge(Kind::Recovery, (person, &key), wanted);
        self.put_recovery_out(caller, challenge, (channel, target), &key).await
    }

    /// Puts the first code of a recovery out, or nothing in the same time; counted under what was said, whoever is found by it.
    pub(crate) async fn put_recovery_out(
        &self,
        caller: Caller,
        mut challenge: Challenge,
        (channel, target): (Channel, Option<String>),
        said: &str,
    ) -> Result<Sent> {
        let place = format!("{channel:?}:{said}");
        (challenge.sent, challenge.code) = (Some((channel, place.clone())), 1);
        let (account, by, kept) = (self.clone(), caller.clone(), challenge.clone());
        let send = async move |tx: &Tx<'_>| {
            account.allow_sending(tx, Kind::Recovery.sent(), &place).await?;
            store::challenges::insert(tx, account.id(), &kept, account.now()).await?;
            let target = account.rested(tx, Kind::Recovery.sent(), target).await?;
            account.put_out(tx, &account.letter(&kept, channel, target)).await?;
            let whose = kept.person.map(|person| person.to_string());
            account.tell(tx, &Content { target: whose, ..account.activity("recovery.begun", &by, "") });
            Ok(())
        };
        self.write_rows(&caller, send).await?;
        self.platform().mail.notify_one();
        Ok(Sent { oob_code: self.ticket(OOB, challenge.id, challenge.code), mfa_token: self.mfa_token(&challenge) })
    }

    /// Takes a code back (contract no. 8, `mfa_oob`): a token, or, halfway through a recovery, the handle for the other
    /// channel.
    ///
    /// Errors: `InvalidGrant` for a wrong, used or expired code; `MfaTokenInvalid`; `TooManyAttempts` where too many have
    /// failed for this person.
    pub async fn redeem_code(&self, caller: Caller, redeemed: Redeemed<'_>) -> Result<Login> {
        let client = self.calling_client(&caller)?;
        let passed = match self.pass_code(&caller, client, redeemed).await? {
            Passed::Halfway(handle) => return Ok(Login::SecondFactor(handle)),
            Passed::Wholly(passed) => passed,
        };
        // Nothing is used up where there is nothing to buy.
        self.grant_of(&passed.0.wanted)?;
        let session = self.new_session(&caller, &passed.1, passed.0.wanted.clone())?;
        self.spend_for(&caller, passed, session.clone(), Spent::sent()).await?;
        self.open_session(&caller, &session).await.map(Login::Done)
    }

    /// Takes a code back for a client that is known. Only what was passed halfway is used up.
    pub(crate) async fn pass_code(&self, caller: &Caller, client: ClientKey, redeemed: Redeemed<'_>) -> Result<Passed> {
        let (now, vault) = (self.now(), &self.platform().vault);
        let challenge = vault.take_back(self.id(), MFA, redeemed.mfa_token).ok_or(Error::MfaTokenInvalid)?;
        let code = vault.take_back(self.id(), OOB, redeemed.oob_code).ok_or(Error::InvalidGrant)?;
        if challenge.id != code.id {
            return Err(Error::MfaTokenInvalid);
        }
        let at = (code.id, code.generation);
        // Counted first, and kept, whatever comes of it.
        let account = self.clone();
        let tried = self.write_rows(caller, async move |tx| {
            let Some(tried) = store::challenges::try_code(tx, account.id(), at, TRIES, now).await? else { return Ok(None) };
            if tried.wanted.client != client || tried.step != challenge.generation {
                return Err(Error::MfaTokenInvalid);
            }
            account.count_within(tx, tried.counted, (FAILURES, 3600)).await?;
            Ok(Some(tried))
        });
        let tried = tried.await?.ok_or(Error::InvalidGrant)?;
        let (channel, _) = tried.sent.clone().ok_or(Error::InvalidGrant)?;
        let Some(person) = tried.person.filter(|_| self.is_code(&tried, redeemed.binding_code)) else {
            return Err(Error::InvalidGrant);
        };

        if tried.kind == Kind::Recovery && tried.passed.is_none() {
            let account = self.clone();
            // Failures are not forgotten before the end: else each first code would buy five more tries of the second.
            let passed =
                self.write_rows(caller, async move |tx| store::challenges::pass(tx, account.id(), at, channel, now).await);
            let challenge = passed.await?.ok_or(Error::InvalidGrant)?;
            return Ok(Passed::Halfway(self.mfa_token(&challenge)));
        }
        let person = Person::find(&self.platform().store.read, self.id(), person, false).await?.ok_or(Error::InvalidGrant)?;
        Ok(Passed::Wholly(Box::new((tried, person))))
    }

    /// Uses a challenge that was passed up for a session, with what was shown for it.
    pub(crate) async fn spend_for(
        &self,
        caller: &Caller,
        passed: Box<(Challenge, Person)>,
        session: Session,
        shown: Spent,
    ) -> Result<()> {
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let spend = async move |tx: &Tx<'_>| {
            let (challenge, person) = *passed;
            // The person first, as whoever changes the person has it: rows are locked in one order only.
            Person::find(tx, account.id(), person.id(), true).await?.ok_or(Error::InvalidGrant)?;
            if !store::challenges::spend(tx, account.id(), (challenge.id, challenge.code), now).await? {
                return Err(Error::InvalidGrant);
            }
            shown.mark(tx, &account).await?;
            store::attempts::forget(tx, account.id(), challenge.counted).await?;
            store::sessions::insert(tx, account.id(), &session).await?;
            account.tell(tx, &account.logged_in(&by, person.subject(), person.id()));
            Ok(())
        };
        self.write_rows(caller, spend).await
    }

    /// Whether this is the latest code of a challenge.
    pub(crate) fn is_code(&self, challenge: &Challenge, shown: &str) -> bool {
        let expected = self.platform().vault.code(self.id(), challenge.id, challenge.code);
        expected.reveal().as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// The message that brings the latest code, or the link, of a challenge.
    pub(crate) fn letter(&self, challenge: &Challenge, channel: Channel, target: Option<String>) -> Letter {
        Letter {
            account: self.id(),
            id: MessageId(self.platform().source.id(self.now())),
            template: challenge.kind.template(),
            about: challenge.id,
            number: challenge.code,
            channel,
            target,
            tries: 0,
            expires_at: challenge.expires_at,
        }
    }

    /// The target, unless it was sent too many messages of this kind; then nobody, and nobody learns of it.
    pub(crate) async fn rested(&self, tx: &Tx<'_>, kind: &str, target: Option<String>) -> Result<Option<String>> {
        let counted = target.as_ref().map(|target| self.platform().vault.alias(self.id(), kind, &format!("at {target}")));
        match counted {
            Some(counted) if !store::attempts::within(tx, self.id(), counted, SENT, 600, self.now()).await? => Ok(None),
            _ => Ok(target),
        }
    }

    /// Refuses where a target, or everybody here, was sent too many messages of this kind.
    pub(crate) async fn allow_sending(&self, tx: &Tx<'_>, kind: &str, target: &str) -> Result<()> {
        let alias = |text: &str| self.platform().vault.alias(self.id(), kind, text);
        for (counted, most, window) in [(alias("everybody"), SENT_A_DAY, 86_400), (alias(&format!("to {target}")), SENT, 600)] {
            self.count_within(tx, counted, (most, window)).await?;
        }
        Ok(())
    }
}
