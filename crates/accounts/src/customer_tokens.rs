//! Tokens of customers and what happens to them (contract nos. 37-42). A till knows a pair of a type and a value before it knows
//! whose it is: events are told of pairs.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use tenantry_domain::{
    AutoToken, Customer, CustomerId, CustomersSettings, DELETED, Email, Error, Followed, Instant, Phone, Result, SealedSecret,
    Stamp, Token, TokenDetail, TokenEvent, TokenEventInput, TokenId, TokenInput, TokenKey, TokenPair, TokenPairId,
};

use crate::account::Account;
use crate::caller::Caller;
use crate::store::tokens::{PairFilter, TokenFilter};
use crate::store::{self, Tx};

/// How many live tokens a customer may have.
const MAX_TOKENS: usize = 1000;

impl Account {
    /// A customer's tokens in order of creation, and how many there are if that is asked for.
    pub async fn tokens(
        &self,
        by: &Caller,
        id: &CustomerId,
        filter: &TokenFilter,
        total: bool,
    ) -> Result<(Vec<Token>, Option<u64>)> {
        self.may_read(by, id)?;
        let read = &self.platform().store.read;
        let customer = store::customers::find(read, self.id(), id).await?.ok_or(Error::NotFound)?;
        let tokens = store::tokens::page(read, self.id(), customer.key, filter).await?;
        let total = if total { Some(store::tokens::count(read, self.id(), customer.key, filter).await?) } else { None };
        Ok((tokens, total))
    }

    /// Gives a customer a token. `forget_events`: what happened to the pair before counts no more.
    ///
    /// Errors: `NotFound`; `Duplicate` where a live token has the pair, or one of the customer's the name; `LimitReached`;
    /// `InsufficientScope` for a customer that wants what happened to be forgotten.
    pub async fn create_token(&self, by: Caller, id: CustomerId, input: TokenInput, forget_events: bool) -> Result<Token> {
        let itself = self.may_write(&by, &id)?;
        // Who has a pair that was blocked does not take that from it.
        if itself && forget_events {
            return Err(Error::InsufficientScope);
        }
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx: &Tx<'_>| {
            let customer = store::customers::lock(tx, account.id(), &id).await?;
            let filter = TokenFilter::default();
            if store::tokens::count(tx, account.id(), customer.key, &filter).await? >= MAX_TOKENS as u64 {
                return Err(Error::LimitReached { noun: "tokens of a customer", max: MAX_TOKENS });
            }
            let key = TokenKey(account.platform().source.id(now));
            let token_id = input.token_id.map_or_else(|| made_up(key), Ok)?;
            let token = Token {
                key,
                stamp: Stamp::new(now, by_whom.subject()),
                customer: Some(customer.key),
                token_id,
                pair: input.pair,
                metadata: input.metadata,
                auto: false,
            };
            store::tokens::insert(tx, account.id(), &token).await?;
            if forget_events {
                store::tokens::forget_events(tx, account.id(), &token.pair).await?;
            }
            account.tell(tx, &account.activity("customer.token_created", &by_whom, customer.key));
            Ok(token)
        })
        .await
    }

    /// Soft-deletes a customer's token. Its pair is free again.
    ///
    /// Errors: `NotFound`, also for one that the server keeps.
    pub async fn delete_token(&self, by: Caller, id: CustomerId, token: TokenId) -> Result<Token> {
        self.may_write(&by, &id)?;
        let (account, by_whom, now) = (self.clone(), by.clone(), self.now());
        self.write_rows(&by, async move |tx: &Tx<'_>| {
            let customer = store::customers::lock(tx, account.id(), &id).await?;
            let token = store::tokens::lock(tx, account.id(), customer.key, &token).await?;
            if token.auto {
                return Err(Error::NotFound);
            }
            let token = Token { stamp: token.stamp.removed(now, by_whom.subject()), ..token };
            store::tokens::update(tx, account.id(), &token).await?;
            account.tell(tx, &account.activity("customer.token_deleted", &by_whom, customer.key));
            Ok(token)
        })
        .await
    }

    /// Pairs with what happened to them.
    pub async fn token_pairs(&self, filter: &PairFilter) -> Result<Vec<Followed>> {
        store::tokens::pairs(&self.platform().store.read, self.id(), filter, self.now()).await
    }

    /// Everything about a pair, after something has happened to it if that is said.
    pub async fn follow_token(&self, by: &Caller, pair: TokenPair, event: Option<TokenEventInput>) -> Result<TokenDetail> {
        if let Some(event) = event {
            self.happened(by, pair.clone(), event, false).await?;
        }
        let (read, now) = (&self.platform().store.read, self.now());
        let token = store::tokens::known_by(read, self.id(), &pair).await?;
        let customer = match token.as_ref().and_then(|token| token.customer) {
            Some(customer) => store::customers::get(read, self.id(), customer.0, false).await?,
            None => None,
        };
        let followed = store::tokens::followed(read, self.id(), &pair, now).await?;
        let (id, events) = followed
            .map_or_else(|| (TokenPairId(self.platform().source.id(now)), Vec::new()), |followed| (followed.id, followed.events));
        Ok(TokenDetail { id, customer, token, events })
    }

    /// Takes a pair from its events: only that this happened is left, and why.
    pub async fn unlink_token(&self, by: &Caller, pair: TokenPair, event: TokenEventInput) -> Result<()> {
        let event = TokenEventInput { status: Some(DELETED.to_owned()), ..event };
        self.happened(by, pair, event, true).await
    }

    async fn happened(&self, by: &Caller, pair: TokenPair, said: TokenEventInput, deleted: bool) -> Result<()> {
        let (account, now) = (self.clone(), self.now());
        let settings = self.directory().customers_settings();
        let lives = |status: &String| settings.event_expiry.iter().find(|expiry| expiry.status == *status);
        let expires_at = said.status.as_ref().and_then(lives).map(|expiry| now.plus(expiry.time_to_live));
        let event = TokenEvent { created_at: now, expires_at, said };
        self.write_rows(by, async move |tx: &Tx<'_>| {
            let id = account.platform().source.id(now);
            store::tokens::follow(tx, account.id(), (&pair, id), (&event, deleted)).await
        })
        .await
    }

    /// Keeps the tokens that the server makes of a customer's address and number.
    pub(crate) async fn keep_auto_tokens(
        &self,
        tx: &Tx<'_>,
        customer: &Customer,
        settings: &CustomersSettings,
        new: bool,
    ) -> Result<()> {
        let wanted = self.auto_tokens(customer, settings)?;
        if new && wanted.is_empty() {
            return Ok(());
        }
        store::tokens::set_auto(tx, self.id(), customer.key, (wanted, new)).await
    }

    fn auto_tokens(&self, customer: &Customer, settings: &CustomersSettings) -> Result<Vec<Token>> {
        let now = customer.stamp.updated_at;
        let fields = [
            ("phone_number", customer.phone.as_ref().map(Phone::as_str), &settings.auto_tokens.phone_number),
            ("email", customer.email.as_ref().map(Email::as_str), &settings.auto_tokens.email),
        ];
        let mut tokens = Vec::new();
        for (field, text, kinds) in fields {
            let Some(text) = text.map(|text| text.trim().to_lowercase()) else { continue };
            for kind in kinds {
                let pair = TokenPair { kind: kind.kind(field), value: self.hashed(kind, &text)? };
                tokens.push(self.auto_token(customer, pair, now)?);
            }
        }
        Ok(tokens)
    }

    fn auto_token(&self, customer: &Customer, pair: TokenPair, now: Instant) -> Result<Token> {
        let key = TokenKey(self.platform().source.id(now));
        let stamp = Stamp::new(now, "system");
        Ok(Token { key, stamp, customer: Some(customer.key), token_id: made_up(key)?, pair, metadata: None, auto: true })
    }

    /// What an automatic token's value is: hexadecimal digits.
    fn hashed(&self, kind: &AutoToken<SealedSecret>, text: &str) -> Result<String> {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Ok(match kind {
            AutoToken::Sha256 => hex(digest(&SHA256, text.as_bytes()).as_ref()),
            AutoToken::HmacSha256(sealed) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.auto_token_key(sealed)?);
                hex(hmac::sign(&key, text.as_bytes()).as_ref())
            }
        })
    }
}

/// What a token is called that nobody gave a name.
fn made_up(key: TokenKey) -> Result<TokenId> {
    key.to_string().parse().map_err(Error::Internal)
}
