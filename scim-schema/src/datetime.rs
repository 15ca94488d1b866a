//! `dateTime` values (RFC 7643 §2.3.5): xsd:dateTime text to instants and back.

use std::fmt::{self, Write as _};
use std::time::Duration;

use compact_str::CompactString;

/// An instant with nanosecond precision.
///
/// Order and equality are by instant, whatever the offset in the text was.
///
/// ```
/// use scim_schema::DateTime;
/// let a = DateTime::parse("2011-05-13T04:42:34Z");
/// assert_eq!(a, DateTime::parse("2011-05-12T23:42:34.000-05:00"));
/// assert_eq!(a.map(|t| t.to_string()).as_deref(), Some("2011-05-13T04:42:34Z"));
/// assert_eq!(DateTime::parse("2011-05-13"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    seconds: i64,
    nanos: u32,
}

impl DateTime {
    /// The instant `micros` microseconds after (or before) 1970-01-01T00:00:00Z.
    pub fn from_unix_micros(micros: i64) -> Self {
        let nanos = u32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default() * 1000;
        Self { seconds: micros.div_euclid(1_000_000), nanos }
    }

    /// Microseconds since 1970-01-01T00:00:00Z, saturating at the ends of the range.
    pub fn unix_micros(self) -> i64 {
        self.seconds.saturating_mul(1_000_000).saturating_add(i64::from(self.nanos / 1000))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds since the last whole second.
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// The same instant, `micros` microseconds later.
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_unix_micros(self.unix_micros().saturating_add(micros))
    }

    /// The same instant, so much later.
    pub fn plus(self, time: Duration) -> Self {
        self.plus_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
    }

    /// The same instant, so much earlier.
    pub fn minus(self, time: Duration) -> Self {
        self.plus_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX).saturating_neg())
    }

    /// As `to_string`, of which most is room that is made anew.
    pub(crate) fn to_compact(self) -> CompactString {
        let mut text = CompactString::with_capacity("2026-01-31T09:30:00.000000Z".len());
        // It takes whatever it is given.
        let _ = write!(text, "{self}");
        text
    }

    /// Reads an xsd:dateTime: date, `T`, time, optional fraction, optional zone.
    ///
    /// A text without a zone is read as UTC (ledger choice `datetime-no-zone`). Digits of a
    /// fraction beyond the ninth are dropped. `24:00:00` is the start of the next day.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Scanner(text.as_bytes());
        let negative = rest.take(b'-');
        let year = rest.year()?;
        let year = if negative { -year } else { year };
        rest.expect(b'-')?;
        let month = rest.two_digits()?;
        rest.expect(b'-')?;
        let day = rest.two_digits()?;
        rest.expect(b'T')?;
        let hour = rest.two_digits()?;
        rest.expect(b':')?;
        let minute = rest.two_digits()?;
        rest.expect(b':')?;
        let second = rest.two_digits()?;
        let nanos = if rest.take(b'.') { rest.fraction()? } else { 0 };
        let offset = rest.zone()?;
        let end_of_day = hour == 24 && minute == 0 && second == 0 && nanos == 0;
        let in_range = (1..=12).contains(&month)
            && day >= 1
            && day <= days_in_month(year, month)
            && (hour <= 23 || end_of_day)
            && minute <= 59
            && second <= 59;
        if !rest.0.is_empty() || !in_range {
            return None;
        }
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Some(Self { seconds, nanos })
    }
}

/// RFC 3339 in UTC, with as many of six fraction digits as are needed to tell the microsecond.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(86_400));
        let time = self.seconds.rem_euclid(86_400);
        // The sign is none of the four digits.
        if year < 0 {
            f.write_str("-")?;
        }
        if year.unsigned_abs() > 9999 {
            write!(f, "{}", year.unsigned_abs() / 10_000)?;
        }
        // Every answer has two of them: digits are put into their places without the machinery of formats.
        let mut text = *b"0000-00-00T00:00:00.000000";
        let [y3, y2, y1, y0, _, m1, m0, _, d1, d0, _, h1, h0, _, i1, i0, _, s1, s0, _, fraction @ ..] =
            &mut text;
        put(year.unsigned_abs(), [y3, y2, y1, y0]);
        put(month.unsigned_abs(), [m1, m0]);
        put(day.unsigned_abs(), [d1, d0]);
        put((time / 3600).unsigned_abs(), [h1, h0]);
        put((time / 60 % 60).unsigned_abs(), [i1, i0]);
        put((time % 60).unsigned_abs(), [s1, s0]);
        let micros = self.nanos / 1000;
        put(micros.into(), fraction.each_mut());
        let length = match micros {
            0 => 19,
            _ if micros.is_multiple_of(1000) => 23,
            _ => 26,
        };
        let text = text.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        f.write_str(text.unwrap_or_default())?;
        f.write_str("Z")
    }
}

/// Puts the last digits of a number into their places.
fn put<const N: usize>(mut number: u64, places: [&mut u8; N]) {
    for place in places.into_iter().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn take(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((b, rest)) if *b == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn digit(&mut self) -> Option<i64> {
        match self.0.split_first() {
            Some((b, rest)) if b.is_ascii_digit() => {
                self.0 = rest;
                Some(i64::from(b - b'0'))
            }
            _ => None,
        }
    }

    fn two_digits(&mut self) -> Option<i64> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    /// Four digits, or more without a leading zero (at most nine, so that arithmetic can't overflow).
    fn year(&mut self) -> Option<i64> {
        let leading_zero = self.0.first() == Some(&b'0');
        let mut year = 0;
        let mut digits = 0;
        while let Some(d) = self.digit() {
            year = year * 10 + d;
            digits += 1;
            if digits > 9 {
                return None;
            }
        }
        (digits == 4 || (digits > 4 && !leading_zero)).then_some(year)
    }

    fn fraction(&mut self) -> Option<u32> {
        let mut nanos = 0;
        let mut scale = 100_000_000;
        let mut any = false;
        while let Some(d) = self.digit() {
            nanos += u32::try_from(d).unwrap_or_default() * scale;
            scale /= 10;
            any = true;
        }
        any.then_some(nanos)
    }

    /// The offset in seconds east of UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.take(b'Z') {
            return Some(0);
        }
        let sign = if self.take(b'+') {
            1
        } else {
            self.expect(b'-')?;
            -1
        };
        let hours = self.two_digits()?;
        self.expect(b':')?;
        let minutes = self.two_digits()?;
        let in_range = minutes <= 59 && (hours <= 13 || (hours == 14 && minutes == 0));
        in_range.then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the date, in the proleptic Gregorian calendar. Years begin in March here,
/// so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
