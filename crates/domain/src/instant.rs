//! Time as a value: microseconds since the Unix epoch, the same on both databases.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime, UtcOffset};

/// A moment, in microseconds UTC since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// A length of time in whole seconds.
pub type Seconds = i64;

impl Instant {
    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as in a JWT's `NumericDate`.
    #[must_use]
    pub const fn seconds(self) -> Seconds {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `seconds` more.
    #[must_use]
    pub const fn plus(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The day that it is in UTC, `YYYY-MM-DD`.
    #[must_use]
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }

    /// Reads RFC 3339 text with any offset; digits beyond microseconds are cut.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "must be a date-time as in RFC 3339".to_owned())?;
        // In UTC it may be in a year that RFC 3339 has no text for.
        let printable = at.checked_to_offset(UtcOffset::UTC).is_some_and(|at| at.year() >= 0);
        let micros = i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok().filter(|_| printable);
        micros.map(Self).ok_or_else(|| "is out of range".to_owned())
    }
}

/// RFC 3339 in UTC with exactly six digits, so that text sorts as time does.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(self.seconds()) else { return write!(f, "{}us", self.0) };
        let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
        let year = u32::try_from(year).unwrap_or_default();
        // Every record that is answered has two of them: digits are set in place, not formatted one by one.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let numbers = [(0, 4, year), (5, 2, u32::from(u8::from(month))), (8, 2, day.into()), (11, 2, hour.into())];
        let micros = u32::try_from(self.0.rem_euclid(1_000_000)).unwrap_or_default();
        for (at, width, mut number) in
            numbers.into_iter().chain([(14, 2, minute.into()), (17, 2, second.into()), (20, 6, micros)])
        {
            for digit in text[at..at + width].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Refuses what is no day of the calendar, `YYYY-MM-DD`.
pub fn is_date(text: &str) -> Result<(), String> {
    let plain = text.len() == 10 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    match Date::parse(text, &Iso8601::DATE) {
        Ok(_) if plain => Ok(()),
        _ => Err("must be a day of the calendar, YYYY-MM-DD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert!(is_date("2024-02-29").is_ok());
        for bad in ["2024-02-30", "2023-02-29", "2024-2-1", "20240201", "2024-060", "+2024-01-01", "2024-01-01Z", ""] {
            assert!(is_date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_and_value_agree() {
        let at = Instant::from_micros(1_566_655_522_000_001);
        assert_eq!(at.to_string(), "2019-08-24T14:05:22.000001Z");
        assert_eq!(Instant::parse("2019-08-24T16:05:22.0000019+02:00"), Ok(at));
        assert!(Instant::parse("2019-08-24").is_err());
        assert_eq!(Instant::parse("1969-12-31T23:59:59.9999999Z"), Ok(Instant::from_micros(-1)));
        assert_eq!(Instant::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Instant::from_micros(253_402_300_799_999_999).to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn what_could_not_be_printed_is_no_moment() {
        for bad in ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+00:01"] {
            assert!(Instant::parse(bad).is_err(), "{bad}");
        }
        for good in ["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z"] {
            assert_eq!(Instant::parse(good).unwrap().to_string()[..19], good[..19]);
        }
    }
}
