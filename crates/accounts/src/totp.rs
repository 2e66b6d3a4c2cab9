//! Codes from an app (TOTP, RFC 6238) and recovery codes, as second factors that nothing has to be sent for. The app's secret is
//! sealed; recovery codes are derived, and their row has a mark for each that was used.

use subtle::ConstantTimeEq;
use tenantry_domain::{AuthUser, AuthUserId, ClientKey, Error, Recovery, Result, Secret, Totp};
use totp_rs::Builder;

use crate::account::Account;
use crate::caller::Caller;
use crate::challenges::{Challenge, FAILURES, Kind, TRIES};
use crate::people::Person;
use crate::sessions::Login;
use crate::store::{self, Tx};
use crate::vault::Place;

/// How many recovery codes somebody has.
const CODES: u32 = 10;

/// What an app is set up with. Shown once.
pub struct TotpSetup {
    /// For typing in: base32.
    pub secret: Secret,
    /// For a picture: `otpauth://totp/...`.
    pub uri: Secret,
}

/// What somebody shows who needs nothing sent.
#[derive(Clone, Copy)]
pub enum Shown<'s> {
    /// What the app shows now.
    Otp(&'s str),
    /// One of the recovery codes.
    RecoveryCode(&'s str),
}

/// What is noted of a factor that was shown, so that it counts once.
#[derive(Clone, Copy)]
enum Mark {
    /// The step of the app's code.
    Step(i64),
    /// Which recovery code.
    Code(u32),
}

impl Account {
    /// Begins to set an app up for a user. It counts once [`Account::confirm_totp`] has seen a code of it.
    ///
    /// Errors: `NotFound`; `Duplicate` for somebody who has one.
    pub async fn begin_totp(&self, by: Caller, id: AuthUserId) -> Result<TotpSetup> {
        let bytes: [u8; 20] = self.platform().source.bytes();
        let sealed = self.platform().vault.seal(self.place(id), &bytes);
        let user = self.change_user(by, id, "user.totp_begun", move |mut user| {
            if user.totp.as_ref().is_some_and(|totp| totp.confirmed) {
                return Err(Error::Duplicate("totp"));
            }
            user.totp = Some(Totp { sealed, confirmed: false, step: 0 });
            Ok(user)
        });
        let user = user.await?;
        let plain = |text: &str| text.replace(':', " ");
        let name = user.email().map_or_else(|| user.username.to_string(), ToString::to_string);
        let issuer = plain(self.directory().account.display_name.as_str());
        let app = app(&bytes).with_account_name(plain(&name)).with_issuer(Some(issuer)).build_noncompliant();
        let uri = app.to_url().map_err(|error| Error::Internal(error.to_string()))?;
        let secret = totp_rs::Secret::from(bytes.to_vec()).to_base32();
        Ok(TotpSetup { secret: Secret::new(secret), uri: Secret::new(uri) })
    }

    /// Turns an app on that shows the right code, and yields the recovery codes. Shown once.
    ///
    /// Errors: `InvalidGrant` for a wrong code; `NotFound` where nothing was begun.
    pub async fn confirm_totp(&self, by: Caller, id: AuthUserId, otp: &str) -> Result<Vec<Secret>> {
        let user = store::users::get(&self.platform().store.read, self.id(), id.0, false).await?.ok_or(Error::NotFound)?;
        let begun = user.totp.filter(|totp| !totp.confirmed).ok_or(Error::NotFound)?;
        let step = self.step(id, &begun, otp)?.ok_or(Error::InvalidGrant)?;
        let user = self.change_user(by, id, "user.totp_enabled", move |mut user| {
            let unchanged = user.totp.as_ref() == Some(&begun);
            user.totp = Some(Totp { confirmed: true, step, ..begun });
            user.recovery = Recovery { generation: user.recovery.generation + 1, used: 0 };
            if unchanged { Ok(user) } else { Err(Error::InvalidGrant) }
        });
        let user = user.await?;
        Ok((0..CODES).map(|number| self.recovery_code(&user, number)).collect())
    }

    /// Turns a user's app and recovery codes off.
    pub async fn end_totp(&self, by: Caller, id: AuthUserId) -> Result<AuthUser> {
        let end = |user: AuthUser| {
            let recovery = Recovery { generation: user.recovery.generation + 1, used: i64::MAX };
            Ok(AuthUser { totp: None, recovery, ..user })
        };
        self.change_user(by, id, "user.totp_disabled", end).await
    }

    /// Other recovery codes; those of before are void. Shown once.
    ///
    /// Errors: `NotFound` for somebody who has no app.
    pub async fn new_recovery_codes(&self, by: Caller, id: AuthUserId) -> Result<Vec<Secret>> {
        let user = self.change_user(by, id, "user.recovery_codes_made", |mut user| {
            user.totp.as_ref().filter(|totp| totp.confirmed).ok_or(Error::NotFound)?;
            user.recovery = Recovery { generation: user.recovery.generation + 1, used: 0 };
            Ok(user)
        });
        let user = user.await?;
        Ok((0..CODES).map(|number| self.recovery_code(&user, number)).collect())
    }

    /// Changes one live user, and tells that it was.
    async fn change_user(
        &self,
        by: Caller,
        id: AuthUserId,
        kind: &'static str,
        change: impl FnOnce(AuthUser) -> Result<AuthUser> + Send + 'static,
    ) -> Result<AuthUser> {
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx| {
            let user = store::users::get(tx, account.id(), id.0, true).await?.ok_or(Error::NotFound)?;
            let mut user = change(user)?;
            user.stamp = user.stamp.touched(now);
            store::users::update(tx, account.id(), &user).await?;
            account.tell(tx, &account.activity(kind, &by_whom, id));
            Ok(user)
        })
        .await
    }

    /// A token for what an app shows or for a recovery code, instead of a code that was sent (grants `mfa_otp` and
    /// `mfa_recovery_code`).
    ///
    /// Errors: as [`Account::redeem_code`].
    pub async fn redeem_shown(&self, caller: Caller, mfa_token: &str, shown: Shown<'_>) -> Result<Login> {
        let client = self.calling_client(&caller)?;
        let (passed, mark) = self.pass_shown(&caller, client, mfa_token, shown).await?;
        self.grant_of(&passed.0.wanted)?;
        let session = self.new_session(&caller, &passed.1, passed.0.wanted.clone())?;
        self.spend_for(&caller, passed, session.clone(), mark).await?;
        self.open_session(&caller, &session).await.map(Login::Done)
    }

    /// Checks what was shown. Counted first, and kept, whatever comes of it; nothing is used up yet.
    pub(crate) async fn pass_shown(
        &self,
        caller: &Caller,
        client: ClientKey,
        mfa_token: &str,
        shown: Shown<'_>,
    ) -> Result<(Box<(Challenge, Person)>, Spent)> {
        let at = self.mfa_ticket(mfa_token).ok_or(Error::MfaTokenInvalid)?;
        let (account, now) = (self.clone(), self.now());
        let tried = self.write_rows(caller, async move |tx| {
            let tried = store::challenges::try_step(tx, account.id(), at, TRIES, now).await?;
            let Some(tried) = tried.filter(|tried| tried.wanted.client == client) else { return Err(Error::MfaTokenInvalid) };
            account.count_within(tx, tried.counted, (FAILURES, 3600)).await?;
            Ok(tried)
        });
        let tried = tried.await?;
        // Whoever lost a password shows first what was sent.
        let person = tried.person.filter(|_| tried.kind == Kind::SecondFactor || tried.passed.is_some());
        let person = person.ok_or(Error::InvalidGrant)?;
        let read = &self.platform().store.read;
        let user = store::users::get(read, self.id(), person, false).await?.ok_or(Error::InvalidGrant)?;
        let totp = user.totp.as_ref().filter(|totp| totp.confirmed).ok_or(Error::InvalidGrant)?;
        let mark = match shown {
            Shown::Otp(otp) => self.step(user.id, totp, otp)?.filter(|step| *step > totp.step).map(Mark::Step),
            Shown::RecoveryCode(code) => {
                let same =
                    |number: &u32| self.recovery_code(&user, *number).reveal().as_bytes().ct_eq(code.trim().as_bytes()).into();
                (0..CODES).find(same).map(Mark::Code)
            }
        };
        let mark = mark.ok_or(Error::InvalidGrant)?;
        let person = Person::find(read, self.id(), person, false).await?.ok_or(Error::InvalidGrant)?;
        Ok((Box::new((tried, person)), Spent(Some((user, mark)))))
    }

    fn place(&self, id: AuthUserId) -> Place<'static> {
        Place { account: self.id(), kind: "user.totp", id: id.0 }
    }

    /// The step of a code that an app shows now, or showed or will show half a minute from now.
    fn step(&self, id: AuthUserId, totp: &Totp, otp: &str) -> Result<Option<i64>> {
        let bytes = self.platform().vault.open(self.place(id), &totp.sealed)?;
        let seconds = u64::try_from(self.now().seconds()).unwrap_or_default();
        let step = app(&bytes).build_noncompliant().check(otp.trim(), seconds);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// One of a user's recovery codes: two groups of five characters that are not easily mistaken.
    fn recovery_code(&self, user: &AuthUser, number: u32) -> Secret {
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
        let said = format!("{}.{}.{number}", user.id, user.recovery.generation);
        let derived = self.platform().vault.derived(self.id(), "recovery code", &said);
        let letter = |pair: &[u8]| {
            let hex = std::str::from_utf8(pair).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
            char::from(LETTERS[usize::from(hex % 32)])
        };
        let code: String = derived.reveal().as_bytes().chunks(2).take(10).map(letter).collect();
        Secret::new(format!("{}-{}", &code[..5], &code[5..]))
    }
}

/// A factor that was shown and is yet to be used up; none for a code that was sent.
pub(crate) struct Spent(Option<(AuthUser, Mark)>);

impl Spent {
    /// What was sent is used up with its challenge.
    pub(crate) const fn sent() -> Self {
        Self(None)
    }

    /// Uses it up; of many who try one succeeds.
    pub(crate) async fn mark(&self, tx: &Tx<'_>, account: &Account) -> Result<()> {
        let Some((user, mark)) = &self.0 else { return Ok(()) };
        let first = match *mark {
            Mark::Step(step) => store::users::use_step(tx, account.id(), user.id.0, step).await?,
            Mark::Code(number) => {
                store::users::use_recovery_code(tx, account.id(), user.id.0, (user.recovery.generation, number)).await?
            }
        };
        if first { Ok(()) } else { Err(Error::InvalidGrant) }
    }
}

/// Six digits, half a minute, one step of patience, as every app has it.
fn app(secret: &[u8]) -> Builder {
    Builder::new().with_digits(6).with_skew(1).with_step_duration(30).with_secret(secret.to_vec())
}
