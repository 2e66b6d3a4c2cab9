//! Values that are handed out and taken back once: derived from what their row says, and never stored (architecture
//! 5.5). Account and kind are bound by the MAC, so that a value of one kind is refused wherever another is asked for,
//! and a forgery costs no look-up.

use aws_lc_rs::hmac;
use tenantry_domain::{AccountId, Secret};
use uuid::Uuid;

use crate::vault::Vault;

/// What an opaque value stands for: a row of an account, and which generation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The account.
    pub account: AccountId,
    /// What it is good for, `refresh` or `reset`: a word without dots.
    pub kind: &'static str,
    /// The row.
    pub id: Uuid,
    /// How often the row has been moved on.
    pub generation: u32,
}

impl Ticket {
    fn text(&self) -> String {
        format!("{}.{}.{}.{}", self.account, self.kind, self.id.simple(), self.generation)
    }
}

impl Vault {
    /// The opaque text of a ticket: `account.kind.id.generation.mac`, the MAC being HMAC-SHA-256 in hexadecimal.
    pub fn hand_out(&self, ticket: Ticket) -> Secret {
        let text = ticket.text();
        let mac = hmac::sign(self.derivation(), text.as_bytes());
        let mac: String = mac.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Secret::new(format!("{text}.{mac}"))
    }

    /// Reads an opaque text where one of this account and kind is asked for; `None` for every other text.
    pub fn take_back(&self, account: AccountId, kind: &'static str, text: &str) -> Option<Ticket> {
        let mut parts = text.split('.').skip(2);
        let (id, generation) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let ticket = Ticket { account, kind, id, generation };
        // One text for each ticket: what is compared is the whole of it, in constant time.
        let expected = self.hand_out(ticket);
        let same: bool = subtle::ConstantTimeEq::ct_eq(expected.reveal().as_bytes(), text.as_bytes()).into();
        same.then_some(ticket)
    }

    /// The same for people who may have to copy it: a word, `_`, and hexadecimal digits of the account, the row and the MAC.
    pub(crate) fn hand_out_plain(&self, word: &str, ticket: Ticket) -> Secret {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let mac = hmac::sign(self.derivation(), format!("{word}.{}", ticket.text()).as_bytes());
        let (mac, _) = mac.as_ref().split_at(20);
        Secret::new(format!("{word}_{}{}{}", hex(ticket.account.as_str().as_bytes()), ticket.id.simple(), hex(mac)))
    }

    /// Reads such a text: it names its account itself. `None` for every other text.
    pub(crate) fn take_back_plain(&self, word: &str, kind: &'static str, text: &str) -> Option<Ticket> {
        let digits = text.strip_prefix(word)?.strip_prefix('_')?;
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let account: Vec<u8> = (0..9).map(|nth| byte(2 * nth)).collect::<Option<_>>()?;
        let account = String::from_utf8(account).ok()?.parse().ok()?;
        let ticket = Ticket { account, kind, id: Uuid::try_parse(digits.get(18..50)?).ok()?, generation: 0 };
        let expected = self.hand_out_plain(word, ticket);
        let same: bool = subtle::ConstantTimeEq::ct_eq(expected.reveal().as_bytes(), text.as_bytes()).into();
        same.then_some(ticket)
    }

    /// A name for something that must not be read from the database: the same each time.
    pub(crate) fn alias(&self, account: AccountId, kind: &str, text: &str) -> Uuid {
        self.alias_of(account, kind, text.as_bytes())
    }

    /// The same for what may be no text.
    pub(crate) fn alias_of(&self, account: AccountId, kind: &str, content: &[u8]) -> Uuid {
        let mut mac = hmac::Context::with_key(self.derivation());
        mac.update(format!("{account}.alias.{kind}.").as_bytes());
        mac.update(content);
        let mac = mac.sign();
        let (name, _) = mac.as_ref().split_first_chunk().expect("HMAC-SHA-256 has 32 bytes");
        Uuid::from_bytes(*name)
    }

    /// A value that only we can tell from what it says: 64 hexadecimal digits.
    pub(crate) fn derived(&self, account: AccountId, kind: &str, text: &str) -> Secret {
        let mac = hmac::sign(self.derivation(), format!("{account}.derived.{kind}.{text}").as_bytes());
        Secret::new(mac.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }

    /// The six-digit code of a challenge with this number: the same each time it is sent.
    pub fn code(&self, account: AccountId, challenge: Uuid, number: u32) -> Secret {
        let mac = hmac::sign(self.derivation(), format!("{account}.code.{}.{number}", challenge.simple()).as_bytes());
        let number = mac.as_ref().iter().fold(0_u64, |rest, byte| (rest * 256 + u64::from(*byte)) % 1_000_000);
        Secret::new(format!("{number:06}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::vault::MasterKeys;

    fn vault() -> Vault {
        Vault::new(MasterKeys::new(b"0123456789abcdef0123456789abcdef").unwrap(), Source::default())
    }

    fn ticket() -> Ticket {
        Ticket { account: "P11200001".parse().unwrap(), kind: "refresh", id: Uuid::from_u128(7), generation: 3 }
    }

    #[test]
    fn a_ticket_comes_back_only_where_it_belongs() {
        let (vault, ticket) = (vault(), ticket());
        let text = vault.hand_out(ticket);
        assert_eq!(vault.take_back(ticket.account, "refresh", text.reveal()), Some(ticket));
        assert_eq!(vault.take_back(ticket.account, "reset", text.reveal()), None);
        assert_eq!(vault.take_back("P11200002".parse().unwrap(), "refresh", text.reveal()), None);
        assert_eq!(self::vault().take_back(ticket.account, "refresh", text.reveal()), None);
    }

    #[test]
    fn a_changed_ticket_is_none() {
        let (vault, ticket) = (vault(), ticket());
        let text = vault.hand_out(ticket).reveal().to_owned();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(vault.take_back(ticket.account, "refresh", &changed), None, "{changed}");
        }
        for broken in ["", ".", "....", &text.to_uppercase(), &text[1..], &format!("{text} ")] {
            assert_eq!(vault.take_back(ticket.account, "refresh", broken), None, "{broken}");
        }
    }

    #[test]
    fn a_plain_ticket_comes_back_unchanged_or_not_at_all() {
        let (vault, ticket) = (vault(), Ticket { generation: 0, ..ticket() });
        let text = vault.hand_out_plain("rst", ticket).reveal().to_owned();
        assert!(text.strip_prefix("rst_").unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(vault.take_back_plain("rst", "refresh", &text), Some(ticket));
        assert_eq!(vault.take_back_plain("rst", "another", &text), None);
        assert_eq!(vault.take_back_plain("cnf", "refresh", &text.replace("rst", "cnf")), None);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            assert_eq!(vault.take_back_plain("rst", "refresh", &String::from_utf8(changed).unwrap()), None, "{at}");
        }
        for broken in ["", "rst_", &text[..60], &text.to_uppercase(), &format!("{text}0"), "rst_ååååååååååååååååååååååååååå"]
        {
            assert_eq!(vault.take_back_plain("rst", "refresh", broken), None, "{broken}");
        }
    }

    #[test]
    fn a_code_is_six_digits_of_its_challenge_and_number() {
        let (vault, account) = (vault(), ticket().account);
        let code = |challenge, number| vault.code(account, Uuid::from_u128(challenge), number).reveal().to_owned();
        assert_eq!(code(1, 1), code(1, 1));
        assert_ne!(code(1, 1), code(1, 2));
        assert_ne!(code(1, 1), code(2, 1));
        assert!((0..100).all(|challenge| code(challenge, 1).len() == 6));
    }
}
