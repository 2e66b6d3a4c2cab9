//! A configuration write in progress: the transaction, the next directory, and the one event that tells of it.

use tenantry_domain::{AccountId, Error, EventId, Instant, Result, Scopes};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::directory::Directory;
use crate::events::{Content, Link};
use crate::measures::Reload;
use crate::source::Source;
use crate::store::events::Told;
use crate::store::{self, Tx};

/// What an operation inside a write works on. Lives for one transaction.
pub(crate) struct Draft<'t> {
    /// The handle of the account that is written.
    pub(crate) handle: &'t Account,
    /// The transaction.
    pub(crate) tx: &'t Tx<'t>,
    /// The configuration as it will be.
    pub(crate) directory: Directory,
    /// Who does it.
    pub(crate) by: &'t Caller,
    /// The moment of the write.
    pub(crate) now: Instant,
    scopes: Option<Scopes>,
    event: Option<Content>,
}

impl<'t> Draft<'t> {
    /// Claims the next version, which on PostgreSQL locks the account's row; reads the directory anew if it may be behind,
    /// since another node wrote or a write ended unseen; and checks the caller again against it.
    pub(crate) async fn begin(tx: &'t Tx<'t>, account: &'t Account, by: &'t Caller) -> Result<Self> {
        // In this order: what settles a doubt publishes first.
        let certain = !account.in_doubt();
        let known = account.directory();
        let (mut directory, version) = if certain && tx.claim_last(account.id(), known.version) {
            ((*known).clone(), known.version + 1)
        } else {
            let version = store::accounts::claim(tx, account.id()).await?;
            if account.platform().notify {
                store::news::tell(tx).await?;
            }
            if version == known.version + 1 {
                ((*known).clone(), version)
            } else {
                account.platform().measures.reloaded(Reload::Behind);
                // Whatever becomes of this write: what is known here counts no more.
                account.need(version - 1);
                let loaded = Directory::load_at(tx, account.id(), version - 1).await?;
                (loaded.ok_or_else(|| Error::Internal(format!("account {} vanished", account.id())))?, version)
            }
        };
        let scopes = by.authority(account, &directory)?;
        directory.version = version;
        let now = account.platform().source.now();
        Ok(Self { handle: account, tx, directory, by, now, scopes, event: None })
    }

    /// The account that is written.
    pub(crate) fn account(&self) -> AccountId {
        self.directory.account.id
    }

    /// Where moments, ids and chance come from.
    pub(crate) fn source(&self) -> &'t Source {
        &self.handle.platform().source
    }

    /// A new id, later than every one before it.
    pub(crate) fn new_id(&self) -> Uuid {
        self.source().id(self.now)
    }

    /// What the caller may do here; `None` is the system's: everything.
    pub(crate) fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Refuses scopes that the caller itself does not hold (security A6).
    pub(crate) fn may_delegate(&self, wanted: &Scopes) -> Result<()> {
        let lacking = self.scopes.as_ref().and_then(|held| held.not_delegable(wanted));
        lacking.map_or(Ok(()), |scope| Err(Error::ScopeNotDelegable { field: "scope".to_owned(), scope: scope.clone() }))
    }

    /// Refuses to act on what can do what the caller cannot: nobody takes from those, or becomes one of those, who hold more.
    pub(crate) fn may_act_on(&self, held: &Scopes) -> Result<()> {
        self.may_delegate(held).map_err(|error| match error {
            Error::ScopeNotDelegable { scope, .. } => Error::ScopeNotDelegable { field: String::new(), scope },
            error => error,
        })
    }

    /// An event of this write, about the record `target`.
    pub(crate) fn event(&self, kind: &'static str, target: impl std::fmt::Display) -> Content {
        Content::new(kind, self.now, self.by, target)
    }

    /// Tells of this write. Every write has exactly one event.
    pub(crate) fn record(&mut self, event: Content) {
        debug_assert!(self.event.is_none(), "a write has one event");
        self.event = Some(event);
    }

    /// What has been told of this write until now. Whoever does several things in one write tells of all of them in one event.
    pub(crate) fn take_event(&mut self) -> Option<Content> {
        self.event.take()
    }

    /// Appends an activity to the log of the account above, in the same transaction.
    pub(crate) fn tell(&self, account: AccountId, content: &Content) {
        self.tx.append(store::events::row(account, EventId(self.new_id()), Told::new(content).into(), None));
    }

    /// Writes the event and yields the directory to publish after the commit.
    pub(crate) fn finish(mut self) -> Result<Directory> {
        let event = self.event.take().ok_or_else(|| Error::Internal("a write told nothing of itself".to_owned()))?;
        let told = Told::new(&event);
        let (last, head) = self.directory.head;
        let link = Link::new(&head, self.directory.version, self.source().bytes(), &told.content);
        // The chain is read by id, whatever the clock did.
        let id = EventId(self.new_id().max(Uuid::from_u128(last.0.as_u128() + 1)));
        self.directory.head = (id, link.hash);
        self.tx.append(store::events::row(self.account(), id, told.into(), Some(link)));
        Ok(self.directory)
    }
}
