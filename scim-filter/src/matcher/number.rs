//! Numbers compared by value (ledger choice `integer-decimal-literal`).

use std::cmp::Ordering;

use scim_schema::Number;

/// A number: exact where it is whole and has at most 38 digits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decimal {
    Whole(i128),
    Float(f64),
}

impl Decimal {
    /// Reads a JSON number.
    pub(super) fn parse(text: &str) -> Self {
        Self::whole(text).map_or_else(|| Self::Float(text.parse().unwrap_or(f64::NAN)), Self::Whole)
    }

    fn from_number(number: &Number) -> Self {
        if let Some(n) = number.as_i64() {
            Self::Whole(n.into())
        } else if let Some(n) = number.as_u64() {
            Self::Whole(n.into())
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }

    /// As a JSON number; `None` where it is too large for one.
    pub(super) fn to_number(self) -> Option<Number> {
        match self {
            Self::Whole(n) => i64::try_from(n)
                .map(Number::from)
                .or_else(|_| u64::try_from(n).map(Number::from))
                .ok()
                .or_else(|| Number::from_f64(n as f64)),
            Self::Float(n) => Number::from_f64(n),
        }
    }

    /// The nearest double, and whether only the number itself has it among all whole numbers.
    pub(super) fn nearest(self) -> (f64, bool) {
        let nearest = match self {
            Self::Whole(n) => n as f64,
            Self::Float(n) => n,
        };
        // From 2^53 on, doubles stand for several whole numbers.
        (nearest, nearest.abs() < 9_007_199_254_740_992.0)
    }

    /// Compares a stored number with a literal. A stored fraction is the double that was made of its text,
    /// so the literal counts as the double that would be made of it.
    pub(super) fn compare_stored(stored: &Number, literal: Self) -> Option<Ordering> {
        match (Self::from_number(stored), literal) {
            (Self::Float(stored), Self::Whole(literal)) => stored.partial_cmp(&(literal as f64)),
            (stored, literal) => stored.compare(literal),
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Float(b)) => whole_with_float(a, b),
            (Self::Float(a), Self::Whole(b)) => whole_with_float(b, a).map(Ordering::reverse),
        }
    }

    /// The value, if it is whole and fits.
    fn whole(text: &str) -> Option<i128> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (before, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{before}{fraction}");
        let significant = digits.trim_end_matches('0');
        let dropped = digits.len() - significant.len();
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Some(0);
        }
        let shift = exponent
            .checked_sub(i64::try_from(fraction.len()).ok()?)?
            .checked_add(i64::try_from(dropped).ok()?)?;
        let shift = u32::try_from(shift).ok().filter(|shift| *shift <= 38)?;
        let number = significant.parse::<i128>().ok()?.checked_mul(10i128.checked_pow(shift)?)?;
        Some(if negative { -number } else { number })
    }
}

/// Exact: no rounding of the whole number on the way.
fn whole_with_float(a: i128, b: f64) -> Option<Ordering> {
    /// 2^127, one more than the largest `i128`.
    const END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if b.is_nan() {
        return None;
    }
    if b >= END {
        return Some(Ordering::Less);
    }
    if b < -END {
        return Some(Ordering::Greater);
    }
    let fraction = b - b.trunc();
    Some(a.cmp(&(b.trunc() as i128)).then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let compare = |a: &str, b: &str| Decimal::parse(a).compare(Decimal::parse(b));
        for (a, b, expected) in [
            ("42", "4.2e1", Ordering::Equal),
            ("42", "42.0", Ordering::Equal),
            ("-0", "0", Ordering::Equal),
            ("0e999999999999999999999", "0", Ordering::Equal),
            ("3.14", "314e-2", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993.0", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.5", Ordering::Greater),
            ("-1.5", "-1", Ordering::Less),
            ("1e400", "18446744073709551615", Ordering::Greater),
            ("-1e400", "-9223372036854775808", Ordering::Less),
            ("0.5", "0", Ordering::Greater),
            ("-0.5", "0", Ordering::Less),
            ("1e38", "170141183460469231731687303715884105727", Ordering::Less),
        ] {
            assert_eq!(compare(a, b), Some(expected), "{a} {b}");
            assert_eq!(compare(b, a), Some(expected.reverse()), "{b} {a}");
        }
    }

    #[test]
    fn numbers_become_json_numbers() {
        for (text, json) in [("42.0", "42"), ("18446744073709551615", "18446744073709551615"), ("0.5", "0.5")]
        {
            assert_eq!(Decimal::parse(text).to_number().map(|n| n.to_string()).as_deref(), Some(json));
        }
        assert_eq!(Decimal::parse("1e400").to_number(), None);
    }
}
