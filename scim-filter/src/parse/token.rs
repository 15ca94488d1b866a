//! Tokens. Each function reads one that begins at a place of a text, in time linear in what it reads.

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize, value};
use nom::sequence::pair;
use nom::{IResult, Parser};
use scim_schema::is_name;

use crate::error::ParseErrorKind;
use crate::filter::{Constant, Name, Span};

/// What a byte may be part of.
const ALPHA: u8 = 1;
const DIGIT: u8 = 2;
/// `-` and `_`.
const NAME: u8 = 4;
const DOLLAR: u8 = 8;
/// The others that a URN may hold; one is followed by a space or a bracket, so parentheses are no danger.
const URN: u8 = 16;

#[expect(clippy::indexing_slicing, reason = "run by the compiler, within the length of the table")]
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => ALPHA,
            b'0'..=b'9' => DIGIT,
            b'-' | b'_' => NAME,
            b'$' => DOLLAR,
            b':' | b'.' | b'~' | b'!' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            | b'@' | b'%' | b'/' => URN,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The end of the run of such bytes that begins at a place.
fn run(bytes: &[u8], at: usize, accepted: u8) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| class(*byte) & accepted == 0).unwrap_or(rest.len())
}

/// `attrPath = [URI ":"] ATTRNAME *1subAttr`, or a schema's URN alone.
#[inline(always)]
pub(super) fn path(text: &str, at: usize) -> Option<Name> {
    let bytes = text.as_bytes();
    let dot = name_end(text, at)?;
    let end = match bytes.get(dot) {
        Some(b':') => return urn_path(text, at, dot),
        Some(b'.') => {
            let end = name_end(text, dot + 1)?;
            // A sub-attribute has none itself.
            if matches!(bytes.get(end), Some(b'.' | b':')) {
                return None;
            }
            end
        }
        _ => dot,
    };
    Some(Name::new(at, at, dot, end))
}

/// `ATTRNAME`, or `$ref`.
pub(super) fn name(text: &str, at: usize) -> Option<Name> {
    name_end(text, at).map(|end| Name::new(at, at, end, end))
}

/// Where the name that begins at a place ends.
#[inline(always)]
fn name_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let end = run(bytes, at, ALPHA | DIGIT | NAME);
    if bytes.get(end) == Some(&b'$') {
        return reference_end(text, at);
    }
    let first = bytes.get(at).map_or(0, |first| class(*first));
    (first == ALPHA).then_some(end)
}

/// The same for `$ref`, the only name with a dollar sign.
#[cold]
fn reference_end(text: &str, at: usize) -> Option<usize> {
    let end = run(text.as_bytes(), at, ALPHA | DIGIT | NAME | DOLLAR);
    text.get(at..end).is_some_and(is_name).then_some(end)
}

/// A word such as an operator; empty where there is none.
pub(super) fn word(text: &str, at: usize) -> &str {
    text.get(at..run(text.as_bytes(), at, ALPHA | DIGIT)).unwrap_or_default()
}

/// The letters of a word of two, in lower case.
#[inline(always)]
pub(super) fn two_letters(text: &str, at: usize) -> Option<[u8; 2]> {
    let rest = text.as_bytes().get(at..)?;
    let (&[a, b], rest) = rest.split_first_chunk()?;
    ends_word(rest).then(|| [a.to_ascii_lowercase(), b.to_ascii_lowercase()])
}

/// Whether a word stands at a place, in any letter case.
pub(super) fn is_word<const N: usize>(text: &str, at: usize, word: &[u8; N]) -> bool {
    let rest = text.as_bytes().get(at..).and_then(<[u8]>::split_first_chunk::<N>);
    rest.is_some_and(|(found, rest)| found.eq_ignore_ascii_case(word) && ends_word(rest))
}

/// Whether a word is over before these bytes.
#[inline(always)]
fn ends_word(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| class(*byte) & (ALPHA | DIGIT) == 0)
}

/// A path whose first word ends at `colon`. The URN ends at the last colon, so that dots inside it (`:2.0:`) are not
/// taken for a sub-attribute.
#[inline(always)]
fn urn_path(text: &str, at: usize, colon: usize) -> Option<Name> {
    if !text.get(at..colon)?.eq_ignore_ascii_case("urn") {
        return None;
    }
    let end = run(text.as_bytes(), at, ALPHA | DIGIT | NAME | DOLLAR | URN);
    let urn = text.get(at..end)?;
    // `urn:`, a namespace, and something in it, of which more is asked below.
    if urn.get("urn:".len()..)?.find(':')? == 0 {
        return None;
    }
    let last = urn.rfind(':')? + 1;
    let name = urn.get(last..)?;
    let dot = name.find('.');
    let (head, sub) = match dot {
        Some(dot) => (name.get(..dot)?, Some(name.get(dot + 1..)?)),
        None => (name, None),
    };
    // A version may be the last part of a schema's URN: `urn:example:device:1.0`.
    let version = name.starts_with(|c: char| c.is_ascii_digit());
    let named = is_name(head) && sub.is_none_or(is_name);
    if !version && !named {
        return None;
    }
    let attribute = at + last;
    Some(Name::new(at, attribute, attribute + head.len(), end))
}

/// A comparison value that is no string, and where it ends. The error is the length of what stands there.
pub(super) fn literal(text: &str, at: usize) -> Result<(Constant, usize), usize> {
    let input = text.get(at..).unwrap_or_default();
    let number = recognize((
        opt(char('-')),
        alt((tag("0"), digit1)),
        opt(pair(char('.'), digit1)),
        opt((one_of("eE"), opt(one_of("+-")), digit1)),
    ));
    let word = alt((
        value(Constant::Bool(true), tag("true")),
        value(Constant::Bool(false), tag("false")),
        value(Constant::Null, tag("null")),
    ));
    let mut token =
        alt((word, number.map(|number: &str| Constant::Number(Span::new(at, at + number.len())))));
    let token: IResult<&str, Constant, ()> = token.parse(input);
    match token {
        Ok((rest, value)) if !rest.starts_with(|c: char| c.is_alphanumeric() || ".+-_".contains(c)) => {
            Ok((value, text.len() - rest.len()))
        }
        _ => Err(input.find([' ', ')', ']']).unwrap_or(input.len())),
    }
}

/// The escape whose backslash is at a place: what it means, and its length. The error holds its length, too.
pub(super) fn escape(text: &str, at: usize) -> Result<(char, usize), (ParseErrorKind, usize)> {
    let mut chars = text.get(at + 1..).unwrap_or_default().chars();
    let c = match chars.next() {
        Some(c @ ('"' | '\\' | '/')) => c,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let (rest, c) = unicode_escape(chars.as_str())?;
            return Ok((c, text.len() - rest.len() - at));
        }
        None => return Err((ParseErrorKind::UnterminatedString, 1)),
        Some(other) => return Err((ParseErrorKind::Escape, 1 + other.len_utf8())),
    };
    Ok((c, 2))
}

/// The digits of `\uXXXX`, and the second half of a surrogate pair.
fn unicode_escape(input: &str) -> Result<(&str, char), (ParseErrorKind, usize)> {
    let (rest, high) = four_digits(input).ok_or((ParseErrorKind::Escape, 2))?;
    if let Some(c) = char::from_u32(high) {
        return Ok((rest, c));
    }
    let low = rest.strip_prefix("\\u").and_then(four_digits);
    match low {
        Some((rest, low)) if high < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
            let c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            c.map(|c| (rest, c)).ok_or((ParseErrorKind::LoneSurrogate, 12))
        }
        _ => Err((ParseErrorKind::LoneSurrogate, 6)),
    }
}

fn four_digits(input: &str) -> Option<(&str, u32)> {
    let (digits, rest) = input.split_at_checked(4)?;
    let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)?;
    Some((rest, number))
}
