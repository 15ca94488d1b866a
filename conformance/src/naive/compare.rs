//! How single values compare (RFC 7643 §2.3, RFC 7644 §3.4.2.2 table 3).

use std::cmp::Ordering;

use serde_json::{Number, Value};
use unicode_normalization::UnicodeNormalization;

use super::schema::{Attribute, Kind};

/// The form in which strings are compared: NFC, and in lower case unless the attribute is case-exact
/// (ledger choice `unicode-normalisation`). Lower case is made of each character for itself.
pub(super) fn comparable_text(text: &str, case_exact: bool) -> String {
    let composed: String = text.nfc().collect();
    if case_exact {
        return composed;
    }
    let lower: String = composed.chars().flat_map(char::to_lowercase).collect();
    lower.nfc().collect()
}

/// Whether the value is unassigned: null, an empty list, or made of nothing else (RFC 7643 §2.5).
pub(super) fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().all(is_unassigned),
        Value::Object(members) => members.values().all(is_unassigned),
        _ => false,
    }
}

/// Whether two values of an attribute are the same: texts by the attribute's comparison rules, everything else
/// as it is written.
pub(super) fn same(a: &Value, b: &Value, attribute: &Attribute) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            comparable_text(a, attribute.case_exact) == comparable_text(b, attribute.case_exact)
        }
        (Value::Array(a), Value::Array(b)) if attribute.kind != Kind::Complex => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, attribute))
        }
        _ => a == b,
    }
}

/// Compares a stored number with a literal by value (ledger choice `integer-decimal-literal`). A stored number
/// is a whole number, or the double that a JSON reader made of its text; then the literal is one, too. A
/// literal that is not whole is a double in any case (RFC 8259 §6).
pub(super) fn numbers(stored: &Number, literal: &str) -> Ordering {
    if !(stored.is_i64() || stored.is_u64())
        && let (Some(stored), Ok(literal)) = (stored.as_f64(), literal.parse::<f64>())
    {
        return stored.partial_cmp(&literal).unwrap_or(Ordering::Equal);
    }
    let (a_negative, a_digits, a_exponent) = decimal(&stored.to_string());
    let (b_negative, b_digits, b_exponent) = decimal(&read_number(literal));
    let sign = |negative: bool, digits: &str| match (digits.is_empty(), negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let (a_sign, b_sign) = (sign(a_negative, &a_digits), sign(b_negative, &b_digits));
    if a_sign != b_sign || a_sign == 0 {
        return a_sign.cmp(&b_sign);
    }
    // 0.ddd times ten to the exponent: the larger exponent wins, then the digits from the left.
    let magnitude = a_exponent.cmp(&b_exponent).then_with(|| a_digits.cmp(&b_digits));
    if a_sign < 0 { magnitude.reverse() } else { magnitude }
}

/// The digits of a whole number of up to 38 of them, or all digits of the double.
fn read_number(text: &str) -> String {
    let (_, digits, exponent) = decimal(text);
    let whole = exponent <= 38 && i128::try_from(digits.len()).is_ok_and(|length| length <= exponent);
    match text.parse::<f64>() {
        Ok(double) if !whole && !digits.is_empty() && double.is_finite() => format!("{double:.1074}"),
        _ => text.to_owned(),
    }
}

/// The value of a literal that is whole and fits into a JSON reader's whole numbers.
pub(super) fn whole_number(text: &str) -> Option<Value> {
    let (negative, digits, exponent) = decimal(text);
    if digits.is_empty() {
        return Some(Value::from(0));
    }
    let zeros = usize::try_from(exponent).ok()?.checked_sub(digits.len()).filter(|zeros| *zeros <= 38)?;
    let text = format!("{}{digits}{}", if negative { "-" } else { "" }, "0".repeat(zeros));
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

/// Sign, digits without zeros at both ends, and the exponent of `0.digits`.
fn decimal(text: &str) -> (bool, String, i128) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Beyond 30 digits an exponent is as good as endless.
    let huge = if exponent.starts_with('-') { i128::MIN / 2 } else { i128::MAX / 2 };
    let exponent = exponent.trim_start_matches('+').parse::<i128>().unwrap_or(huge);
    let exponent = exponent.clamp(i128::MIN / 2, i128::MAX / 2);
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let point = i128::try_from(whole.len()).unwrap_or(0) - i128::try_from(leading).unwrap_or(0);
    (negative, significant.trim_end_matches('0').to_owned(), exponent + point)
}

/// An instant: seconds and nanoseconds since 1970-01-01T00:00:00Z.
pub(super) type Instant = (i64, u32);

/// Reads an xsd:dateTime; `None` where it is none. Without zone it is UTC (ledger choice `datetime-no-zone`).
pub(super) fn instant(text: &str) -> Option<Instant> {
    let (negative_year, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    if date.next().is_some() || year.len() < 4 || year.len() > 9 || (year.len() > 4 && year.starts_with('0'))
    {
        return None;
    }
    let year = digits(year, year.len())?;
    let year = if negative_year { -year } else { year };
    let (month, day) = (digits(month, 2)?, digits(day, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }

    let (time, zone) = if let Some(time) = time.strip_suffix('Z') {
        (time, 0)
    } else if let Some(at) = time.rfind(['+', '-']) {
        let (time, zone) = time.split_at_checked(at)?;
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = zone.trim_start_matches(['+', '-']).split_once(':')?;
        let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
        if minutes > 59 || hours * 60 + minutes > 14 * 60 {
            return None;
        }
        (time, sign * (hours * 3600 + minutes * 60))
    } else {
        (time, 0)
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let mut time = time.split(':');
    let (hour, minute) = (digits(time.next()?, 2)?, digits(time.next()?, 2)?);
    let second = digits(time.next()?, 2)?;
    let nanos = match fraction {
        None => 0,
        Some(fraction) if fraction.is_empty() || !fraction.chars().all(|c| c.is_ascii_digit()) => {
            return None;
        }
        Some(fraction) => {
            let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
            nine.parse().ok()?
        }
    };
    let midnight =
        hour == 24 && minute == 0 && second == 0 && fraction.is_none_or(|f| f.chars().all(|c| c == '0'));
    if time.next().is_some() || (hour > 23 && !midnight) || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone;
    Some((seconds, nanos))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let well_formed = text.len() == length && text.chars().all(|c| c.is_ascii_digit());
    if well_formed { text.parse().ok() } else { None }
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

/// Days of the whole years before, then of the whole months before, then of the month.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years = before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|m| days_in_month(year, m)).sum();
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    years + months + day - 1 - 719_162
}
