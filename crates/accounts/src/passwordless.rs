//! Logging in without a password: a code that a customer is sent, or a value that the caller hands over (contract nos. 1, 4
//! and 5, section 5.2). Whoever asks in the name of nobody is answered, counted and limited as for somebody.

use tenantry_domain::{Channel, ClientId, ClientKey, CustomerId, CustomerType, Email, Error, GrantType, Result, Secret};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::challenges::{Challenge, FAILURES, Kind, TRIES};
use crate::derived::Ticket;
use crate::events::Content;
use crate::login::NO_MFA;
use crate::people::{Person, at_a_beat};
use crate::sessions::{Login, Wanted};
use crate::store::{self, Tx};
use crate::tokens::narrowed;

/// How values that are handed over are told from all other opaque ones.
const LINK: &str = "link";
/// Scopes that send codes over every channel.
const EVERY_CHANNEL: [&str; 3] = ["admin:accounts", "write:accounts", "write:accounts:/auth/passwordless"];

/// Who is to be sent a code.
pub struct CodeRequest<'r> {
    /// Whose grant the customer will get.
    pub client_id: &'r str,
    /// Whom the token is to be for.
    pub audience: &'r str,
    /// How the code is sent; a telephone number is the customer's own.
    pub channel: Channel,
    /// Finds the customer, together with its kind.
    pub email: &'r Email,
    /// Which kind of customer.
    pub kind: CustomerType,
    /// Said again, it sends the same code again.
    pub login_session: Option<Uuid>,
}

/// Who says to have a code.
pub enum Ident<'r> {
    /// A customer who was sent one.
    Email(Email),
    /// Somebody who was handed one.
    User(&'r str),
}

/// A link that somebody has clicked.
pub struct Link<'r> {
    /// For which client it was made.
    pub client_id: &'r str,
    /// For which audience.
    pub audience: &'r str,
    /// What was handed over.
    pub code: &'r str,
    /// Where to go on; the client's only callback if left out.
    pub redirect_uri: Option<&'r str>,
    /// Echoed.
    pub state: Option<&'r str>,
}

const fn scope_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "write:accounts:/auth/passwordless-sms",
        Channel::Email => "write:accounts:/auth/passwordless-email",
    }
}

impl Account {
    /// What a client would get for people who prove themselves by a code, or by a provider's word.
    pub(crate) fn wanted(&self, client_id: &str, audience: &str) -> Result<Wanted> {
        let client_id: ClientId = client_id.parse().map_err(|fault: String| Error::invalid("client_id", fault))?;
        let audience = self.own_audience(audience)?;
        let client = self.directory().clients.get(&client_id).map(|client| client.key).ok_or(Error::GrantMissing)?;
        let grant = GrantType::AuthorizationCode;
        let scope = self.directory().grant(&client_id, &audience, grant).ok_or(Error::GrantMissing)?.scope.clone();
        Ok(Wanted { client, client_id, audience, grant, scope })
    }

    /// Sends a customer a code, or the same once more over another channel (contract no. 4). What became of it nobody learns.
    ///
    /// Errors: `InsufficientScope` for a channel that the caller may not use; `GrantMissing`; `TooManyAttempts` where the target
    /// was sent too many.
    pub async fn send_login_code(&self, caller: Caller, request: CodeRequest<'_>) -> Result<()> {
        at_a_beat(self.put_login_code_out(caller, request)).await
    }

    async fn put_login_code_out(&self, caller: Caller, request: CodeRequest<'_>) -> Result<()> {
        let CodeRequest { channel, email, .. } = request;
        let held = caller.scopes(self, &self.directory())?;
        if !EVERY_CHANNEL.iter().any(|scope| held.has(scope)) && !held.has(scope_of(channel)) {
            return Err(Error::InsufficientScope);
        }
        let wanted = self.wanted(request.client_id, request.audience)?;
        if channel == Channel::Sms && self.directory().customers_settings().users.shared_phones {
            return Err(Error::invalid("connection", "must not be sms where several customers may have one number"));
        }
        let read = &self.platform().store.read;
        let customer = store::customers::by_email(read, self.id(), request.kind, email).await?;
        let person = if let Some(customer) = customer {
            Person::of_customer(read, self.id(), customer, false).await?
        } else {
            // For nobody as much is looked up as for somebody.
            let nobody = "nobody".parse().map_err(Error::Internal)?;
            store::users::of_customer(read, self.id(), &nobody, false).await?;
            None
        };
        // Over two channels one code would be two factors.
        let two_factors = match &person {
            Some(person) => self.second_factor_of(person).await?.is_some(),
            None => false,
        };
        let found = person.as_ref().and_then(|person| Some((person.id(), reached(person, channel)?)));
        let (person, target) = found.unzip();
        // Counted under what was said, whoever is found by it.
        let place = format!("{channel:?}:{}", email.key());
        let mut challenge = self.challenge(Kind::Login, (person, email.key()), wanted);
        (challenge.sent, challenge.code) = (Some((channel, place.clone())), 1);
        challenge.login_session = request.login_session;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let send = async move |tx: &Tx<'_>| {
            account.allow_sending(tx, Kind::Login.sent(), &place).await?;
            let (id, counted) = (account.id(), challenge.counted);
            let of = (challenge.wanted.client, &challenge.wanted.audience);
            let latest = store::challenges::latest(tx, id, counted, of, now).await?;
            let again = |latest: &Challenge| {
                let same_channel = latest.sent.as_ref().is_some_and(|(before, _)| *before == channel);
                latest.person == person && latest.login_session == challenge.login_session && (same_channel || !two_factors)
            };
            let latest = latest.filter(|latest| challenge.login_session.is_some() && again(latest));
            // A code whose tries are used up is not worth sending.
            let again = match latest {
                Some(latest) => store::challenges::send_again(tx, id, latest.id, (channel, &place), (TRIES, now)).await?,
                None => None,
            };
            let sent = if let Some(again) = again {
                again
            } else {
                store::challenges::end_counted(tx, id, counted, of, now).await?;
                store::challenges::insert(tx, id, &challenge, now).await?;
                challenge
            };
            let target = account.rested(tx, Kind::Login.sent(), target).await?;
            account.put_out(tx, &account.letter(&sent, channel, target)).await?;
            let whose = person.map(|person| person.to_string());
            account.tell(tx, &Content { target: whose, ..account.activity("login_code.sent", &by, "") });
            Ok(())
        };
        self.write_rows(&caller, send).await?;
        self.platform().mail.notify_one();
        Ok(())
    }

    /// A value that logs somebody in once, for the caller to hand over (contract no. 5). `user_id`: the subject of their tokens,
    /// or a bare `customer_id`.
    ///
    /// Errors: `GrantMissing`; `NotFound` for a user that is not there, or may not log in.
    pub async fn make_login_code(&self, caller: Caller, client_id: &str, audience: &str, user_id: &str) -> Result<Secret> {
        let wanted = self.wanted(client_id, audience)?;
        let person = self.called(user_id).await?.ok_or(Error::NotFound)?;
        let challenge = self.challenge(Kind::Link, (Some(person.id()), user_id), wanted);
        let (account, by, whose) = (self.clone(), caller.clone(), person.id());
        let code = self.link_code(challenge.id);
        let keep = async move |tx: &Tx<'_>| {
            store::challenges::insert(tx, account.id(), &challenge, account.now()).await?;
            account.tell(tx, &account.activity("login_code.made", &by, whose));
            Ok(())
        };
        self.write_rows(&caller, keep).await?;
        Ok(code)
    }

    fn link_code(&self, id: Uuid) -> Secret {
        self.platform().vault.hand_out(Ticket { account: self.id(), kind: LINK, id, generation: 0 })
    }

    /// Whose tokens have this subject, if they may log in.
    async fn called(&self, subject: &str) -> Result<Option<Person>> {
        let read = &self.platform().store.read;
        if let Some(id) = subject.strip_prefix("auth-user:") {
            let Ok(id) = id.parse::<Uuid>() else { return Ok(None) };
            // A user that is a customer has that one's subject.
            let person = Person::find(read, self.id(), id, false).await?;
            return Ok(person.filter(|person| person.subject() == subject));
        }
        let Ok(id) = subject.strip_prefix("customer:").unwrap_or(subject).parse::<CustomerId>() else { return Ok(None) };
        match store::customers::find(read, self.id(), &id).await? {
            Some(customer) => Person::of_customer(read, self.id(), customer, false).await,
            None => Ok(None),
        }
    }

    /// A token for a code (contract no. 8, `authorization_code`), or the handle of a challenge where the person has a second
    /// factor, too.
    ///
    /// Errors: `InvalidGrant` for a wrong, used or expired code, or one that is somebody else's; `TooManyAttempts`;
    /// `GrantMissing`; `InvalidScope`.
    pub async fn redeem_login_code(
        &self,
        caller: Caller,
        ident: Ident<'_>,
        code: &str,
        (audience, scope): (&str, Option<&str>),
    ) -> Result<Login> {
        let client = self.calling_client(&caller)?;
        let client_id = caller.claims().ok_or(Error::Unauthorized)?.client_id.as_str();
        let mut wanted = self.wanted(client_id, audience)?;
        wanted.scope = narrowed(&wanted.scope, scope)?;
        let (challenge, person) = match ident {
            Ident::Email(email) => self.try_sent(&caller, &email, code, (client, &wanted)).await?,
            Ident::User(user_id) => {
                let (challenge, person) = self.try_link(code).await?;
                let same = self.called(user_id).await?.is_some_and(|called| called.id() == person.id());
                let meant = challenge.wanted.client == client && challenge.wanted.audience == wanted.audience;
                if same && meant { (challenge, person) } else { return Err(Error::InvalidGrant) }
            }
        };
        let passed = challenge.sent.as_ref().map(|(channel, _)| *channel);
        let account = self.clone();
        let spend = async move |tx: &Tx<'_>| account.spend_login(tx, &challenge).await;
        self.let_in(&caller, person, wanted, passed, spend).await
    }

    /// Lets somebody in who has shown what was asked, or as far as a second factor; over another channel than `passed`. `spend`
    /// uses up what was shown, in the same turn.
    pub(crate) async fn let_in(
        &self,
        caller: &Caller,
        person: Person,
        wanted: Wanted,
        passed: Option<Channel>,
        spend: impl AsyncFnOnce(&Tx<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Login> {
        let held = caller.scopes(self, &self.directory())?;
        if let Some((record, key)) = self.second_factor_of(&person).await?.filter(|_| !held.has(NO_MFA)) {
            let mut next = self.challenge(Kind::SecondFactor, (Some(record), &key), wanted);
            next.passed = passed;
            let (account, kept) = (self.clone(), next.clone());
            let begin = async move |tx: &Tx<'_>| {
                Person::find(tx, account.id(), person.id(), true).await?.ok_or(Error::InvalidGrant)?;
                spend(tx).await?;
                store::challenges::insert(tx, account.id(), &kept, account.now()).await
            };
            self.write_rows(caller, begin).await?;
            return Ok(Login::SecondFactor(self.mfa_token(&next)));
        }
        let session = self.new_session(caller, &person, wanted)?;
        let (account, by, opened) = (self.clone(), caller.clone(), session.clone());
        let open = async move |tx: &Tx<'_>| {
            // Whoever is shut out meanwhile stays out.
            Person::find(tx, account.id(), person.id(), true).await?.ok_or(Error::InvalidGrant)?;
            spend(tx).await?;
            store::sessions::insert(tx, account.id(), &opened).await?;
            account.tell(tx, &account.logged_in(&by, person.subject(), person.id()));
            Ok(())
        };
        self.write_rows(caller, open).await?;
        self.open_session(caller, &session).await.map(Login::Done)
    }

    /// Tries a code that a customer was sent. Counted first, and kept, whatever comes of it.
    async fn try_sent(
        &self,
        caller: &Caller,
        email: &Email,
        code: &str,
        (client, wanted): (ClientKey, &Wanted),
    ) -> Result<(Challenge, Person)> {
        let (counted, now) = (self.counted(Kind::Login, email.key()), self.now());
        let (account, audience) = (self.clone(), wanted.audience.clone());
        let count = async move |tx: &Tx<'_>| {
            let id = account.id();
            let latest = store::challenges::latest(tx, id, counted, (client, &audience), now).await?;
            let tried = match latest {
                Some(latest) => store::challenges::try_code(tx, id, (latest.id, latest.code), TRIES, now).await?,
                None => None,
            };
            // Where no code was sent there is none to guess, and nobody is barred; nobody is sent one, too.
            if tried.is_none() {
                return Ok(None);
            }
            account.count_within(tx, counted, (FAILURES, 3600)).await?;
            Ok(tried)
        };
        let tried = self.write_rows(caller, count).await?.filter(|tried| self.is_code(tried, code)).ok_or(Error::InvalidGrant)?;
        let person = self.meant(&tried).await?;
        Ok((tried, person))
    }

    /// Reads a value that was handed over. It cannot be guessed: nothing is counted.
    async fn try_link(&self, code: &str) -> Result<(Challenge, Person)> {
        let ticket = self.platform().vault.take_back(self.id(), LINK, code).ok_or(Error::InvalidGrant)?;
        let challenge = store::challenges::find(&self.platform().store.read, self.id(), ticket.id, self.now()).await?;
        let challenge = challenge.ok_or(Error::InvalidGrant)?;
        let person = self.meant(&challenge).await?;
        Ok((challenge, person))
    }

    async fn meant(&self, challenge: &Challenge) -> Result<Person> {
        let id = challenge.person.ok_or(Error::InvalidGrant)?;
        Person::find(&self.platform().store.read, self.id(), id, false).await?.ok_or(Error::InvalidGrant)
    }

    /// Uses up a code, and with it all others that would do the same.
    async fn spend_login(&self, tx: &Tx<'_>, challenge: &Challenge) -> Result<()> {
        let (id, now) = (self.id(), self.now());
        if !store::challenges::spend(tx, id, (challenge.id, challenge.code), now).await? {
            return Err(Error::InvalidGrant);
        }
        if challenge.kind == Kind::Login {
            let of = (challenge.wanted.client, &challenge.wanted.audience);
            store::challenges::end_counted(tx, id, challenge.counted, of, now).await?;
            store::attempts::forget(tx, id, challenge.counted).await?;
        }
        Ok(())
    }

    /// The callback that a link leads to, which is thereby not used up.
    ///
    /// Errors: `InvalidRedirectUri`; `GrantMissing`.
    pub fn callback_of(&self, link: &Link<'_>) -> Result<String> {
        let wanted = self.wanted(link.client_id, link.audience)?;
        self.callback(&wanted.client_id, link.redirect_uri)
    }

    /// Where a clicked link leads: the client's callback, with an ID token (contract no. 1). The link is used up.
    ///
    /// Errors: `InvalidRedirectUri` for what is no callback of the client; `InvalidGrant` for a wrong, used or expired code, or
    /// one that was made for something else, or for somebody who has a second factor; `GrantMissing`.
    pub async fn follow_link(&self, caller: Caller, link: Link<'_>) -> Result<String> {
        self.refuse_suspended(&self.directory())?;
        let wanted = self.wanted(link.client_id, link.audience)?;
        let redirect_uri = self.callback(&wanted.client_id, link.redirect_uri)?;
        let (challenge, person) = self.try_link(link.code).await?;
        if challenge.wanted.client != wanted.client || challenge.wanted.audience != wanted.audience {
            return Err(Error::InvalidGrant);
        }
        // One factor vouches for nobody who has two.
        if self.second_factor_of(&person).await?.is_some() {
            return Err(Error::InvalidGrant);
        }
        let (account, by, whose, subject) = (self.clone(), caller.clone(), person.id(), person.subject());
        let spend = async move |tx: &Tx<'_>| {
            Person::find(tx, account.id(), whose, true).await?.ok_or(Error::InvalidGrant)?;
            account.spend_login(tx, &challenge).await?;
            account.tell(tx, &account.logged_in(&by, subject, whose));
            Ok(())
        };
        self.write_rows(&caller, spend).await?;
        let told = self.id_claims(&person, &wanted.client_id, &redirect_uri);
        let (email, name) = (person.email().map(ToString::to_string), person.name());
        self.redirect_with(&told.with(email, name), link.state).await
    }
}

/// Where a channel reaches somebody.
fn reached(person: &Person, channel: Channel) -> Option<String> {
    let Person::Customer(customer, _) = person else { return None };
    match channel {
        Channel::Email => customer.email.as_ref().map(|email| email.as_str().to_owned()),
        Channel::Sms => customer.phone.as_ref().map(|phone| format!("+{}", phone.key())),
    }
}
