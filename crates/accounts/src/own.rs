//! What account users change of themselves (contract section 9).

use serde_json::json;
use tenantry_domain::{AuthUser, Channel, Error, Link, Password, Phone, Realm, Result};

use crate::account::Account;
use crate::caller::Caller;
use crate::store;
use crate::users::differing;

impl Account {
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

    /// Refuses where the calling account user does not know its own password: a session alone changes no factor.
    ///
    /// Errors: `InvalidCredentials`; `TooManyAttempts`.
    pub async fn confirm_self(&self, caller: &Caller, password: Password) -> Result<()> {
        let user = self.own_record(caller).await?;
        let shown = (user.username.as_str(), password);
        let proven = self.prove_password(caller, Realm::Console, shown, caller.origin.ip).await?;
        let account = self.clone();
        self.write_rows(caller, async move |tx| account.admit(tx, &proven).await.map(drop)).await
    }

    /// Gives the calling account user another password. Its other sessions end.
    ///
    /// Errors: `InvalidCredentials` for a wrong one; `TooManyAttempts`; `Invalid` for one that is its address.
    pub async fn change_own_password(&self, caller: Caller, previous: Password, proposed: Password) -> Result<()> {
        let user = self.own_record(&caller).await?;
        // What could refuse the new one comes before the old one counts as a try.
        let proposed = differing(proposed, &user.username)?;
        let platform = self.platform();
        let place = self.place_for_hash()?;
        let proven = self.prove_password(&caller, Realm::Console, (user.username.as_str(), previous), caller.origin.ip).await?;
        let password = platform.hashes.make(place, proposed, platform.source.bytes()).await?;
        let (account, by, now) = (self.clone(), caller.clone(), self.now());
        let kept = caller.claims().and_then(|claims| claims.sid);
        self.write_rows(&caller, async move |tx| {
            // As it is now: a factor may have been turned on while the password was hashed.
            let user = account.admit(tx, &proven).await?;
            store::users::update(tx, account.id(), &AuthUser { password, stamp: user.stamp.touched(now), ..user }).await?;
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
}
