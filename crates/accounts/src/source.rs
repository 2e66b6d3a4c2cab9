//! Where time, ids and randomness come from: one place, so that a test can stop the clock.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenantry_domain::{Instant, Secret};
use uuid::{Builder, Uuid};

/// A clock, and a source of ids and random bytes.
#[derive(Clone)]
pub struct Source {
    /// Where a test's clock stands.
    fixed: Option<Arc<AtomicI64>>,
    /// The microsecond of the last id.
    last: Arc<AtomicI64>,
    begun: std::time::Instant,
}

impl Default for Source {
    fn default() -> Self {
        Self { fixed: None, last: Arc::default(), begun: std::time::Instant::now() }
    }
}

impl Source {
    /// Real time.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands where `micros` says, until somebody moves it.
    pub fn fixed(micros: Arc<AtomicI64>) -> Self {
        Self { fixed: Some(micros), ..Self::default() }
    }

    /// The current moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Instant {
        let micros = self.fixed.as_ref().map_or_else(
            || {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
            },
            |fixed| fixed.load(Ordering::Relaxed),
        );
        Instant::from_micros(micros)
    }

    /// Time since this source was made: never moves back, whatever is done to the clock.
    pub fn elapsed(&self) -> Duration {
        let fixed = |fixed: &Arc<AtomicI64>| Duration::from_micros(fixed.load(Ordering::Relaxed).unsigned_abs());
        self.fixed.as_ref().map_or_else(|| self.begun.elapsed(), fixed)
    }

    /// A UUID v7 (RFC 9562 section 5.7) of this moment, with microseconds in `rand_a` (section 6.2, method 3). Each id
    /// sorts after every one before it: where the clock has not moved, or has moved back, the next microsecond is taken.
    pub fn id(&self, at: Instant) -> Uuid {
        let next = |last: i64| Some(at.micros().max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|last| last);
        let micros = at.micros().max(last + 1).unsigned_abs();
        let mut random = spare();
        let fraction = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or_default();
        random[..2].copy_from_slice(&fraction.to_be_bytes());
        Builder::from_unix_timestamp_millis(micros / 1000, &random).into_uuid()
    }

    /// The least id of this moment or later.
    pub(crate) fn first_id(at: Instant) -> Uuid {
        Builder::from_unix_timestamp_millis(at.micros().max(0).unsigned_abs() / 1000, &[0; 10]).into_uuid()
    }

    /// Random bytes fit for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }

    /// A new secret: 32 random bytes as 43 characters of A-Z a-z 0-9.
    pub fn secret(&self) -> Secret {
        Secret::new(base62(self.bytes::<32>(), 43))
    }

    /// A new client id: 16 random bytes as 22 characters of A-Z a-z 0-9.
    pub fn client_id(&self) -> String {
        base62(self.bytes::<16>(), 22)
    }
}

/// Ten random bytes for an id. The generator hands out many as cheaply as few, so each thread keeps some for later; an id
/// is no secret.
fn spare() -> [u8; 10] {
    thread_local! {
        static SPARE: RefCell<([u8; 1000], usize)> = const { RefCell::new(([0; 1000], 1000)) };
    }
    SPARE.with_borrow_mut(|(bytes, used)| {
        if *used == bytes.len() {
            aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
            *used = 0;
        }
        *used += 10;
        bytes[*used - 10..*used].try_into().expect("ten bytes are ten bytes")
    })
}

/// The number that `bytes` make, in base 62, filled to `width` digits.
fn base62<const N: usize>(mut bytes: [u8; N], width: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |_| {
        let remainder = bytes.iter_mut().fold(0_u32, |rest, byte| {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("a remainder below 62 keeps the quotient in a byte");
            value % 62
        });
        char::from(DIGITS[remainder as usize])
    };
    (0..width).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_time_does() {
        let source = Source::default();
        let mut ids: Vec<Uuid> = (0..3000).map(|micro| source.id(Instant::from_micros(1_700_000_000_000_000 + micro))).collect();
        ids.extend((0..10).map(|_| source.id(Instant::from_micros(1_600_000_000_000_000))));
        assert!(ids.is_sorted());
        assert_eq!(ids[0].get_version_num(), 7);
    }

    #[test]
    fn secrets_keep_all_their_bits() {
        assert_eq!(base62([0xff; 32], 43).len(), 43);
        assert_ne!(base62([0xff; 32], 43), base62([0xfe; 32], 43));
        assert_eq!(base62([0, 62], 3), "010");
    }
}
