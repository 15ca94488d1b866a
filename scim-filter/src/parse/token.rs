//! Tokens. Each parser takes one off the front of its input, in time linear in what it takes.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize, value, verify};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};
use scim_schema::is_name;

use crate::error::ParseErrorKind;
use crate::filter::{Constant, Name};

type Token<'a, T> = IResult<&'a str, T, ()>;

/// `attrPath = [URI ":"] ATTRNAME *1subAttr`, or a schema's URN alone.
pub(super) fn path(input: &str) -> Token<'_, Name<'_>> {
    let (rest, first) = run(input, is_name_byte)?;
    if rest.starts_with(':') && first.eq_ignore_ascii_case("urn") {
        return urn_path(input);
    }
    if !is_name(first) {
        return Err(nom::Err::Error(()));
    }
    let (rest, sub) = opt(preceded(char('.'), name)).parse(rest)?;
    if rest.starts_with(['.', ':']) {
        return Err(nom::Err::Error(()));
    }
    let text = input.get(..input.len() - rest.len()).unwrap_or_default();
    Ok((rest, Name { text: Cow::Borrowed(text), attribute: 0, dot: sub.map(|_| first.len()) }))
}

/// `ATTRNAME`, or `$ref`.
pub(super) fn name(input: &str) -> Token<'_, &str> {
    verify(|input| run(input, is_name_byte), is_name).parse(input)
}

/// A word such as an operator.
pub(super) fn word(input: &str) -> Token<'_, &str> {
    run(input, |b| b.is_ascii_alphanumeric())
}

/// One or more of these bytes, which are all ASCII.
fn run(input: &str, accepted: impl Fn(u8) -> bool) -> Token<'_, &str> {
    let length = input.bytes().position(|b| !accepted(b)).unwrap_or(input.len());
    match input.split_at_checked(length) {
        Some((text, rest)) if length > 0 => Ok((rest, text)),
        _ => Err(nom::Err::Error(())),
    }
}

/// `compValue`. The error says what is wrong, how far behind the start, and how many bytes it takes.
pub(super) fn literal(input: &str) -> Result<(&str, Constant<'_>), (ParseErrorKind, usize, usize)> {
    if let Some(behind) = input.strip_prefix('"') {
        return match string(behind) {
            Ok((rest, text)) => Ok((rest, Constant::String(text))),
            Err((ParseErrorKind::UnterminatedString, ..)) => {
                Err((ParseErrorKind::UnterminatedString, 0, input.len()))
            }
            Err((kind, offset, length)) => Err((kind, offset + 1, length)),
        };
    }
    let number = recognize((
        opt(char('-')),
        alt((tag("0"), digit1)),
        opt(pair(char('.'), digit1)),
        opt((one_of("eE"), opt(one_of("+-")), digit1)),
    ));
    let token: Token<'_, Constant<'_>> = alt((
        number.map(|text: &str| Constant::Number(Cow::Borrowed(text))),
        value(Constant::Bool(true), tag("true")),
        value(Constant::Bool(false), tag("false")),
        value(Constant::Null, tag("null")),
    ))
    .parse(input);
    match token {
        Ok((rest, _)) if rest.starts_with(|c: char| c.is_alphanumeric() || ".+-_".contains(c)) => {
            Err(value_expected(input))
        }
        Ok(found) => Ok(found),
        Err(_) => Err(value_expected(input)),
    }
}

fn value_expected(input: &str) -> (ParseErrorKind, usize, usize) {
    let length = input.find([' ', ')', ']']).unwrap_or(input.len());
    (ParseErrorKind::ValueExpected, 0, length)
}

/// The URN ends at the last colon, so that dots inside it (`:2.0:`) are not taken for a sub-attribute.
fn urn_path(input: &str) -> Token<'_, Name<'_>> {
    let (rest, text) = run(input, is_urn_byte)?;
    // `urn:`, a namespace, and something in it.
    let named = text.splitn(3, ':').all(|part| !part.is_empty());
    let Some(colon) = text.rfind(':').filter(|colon| named && *colon > "urn:".len()) else {
        return Err(nom::Err::Error(()));
    };
    let attribute = colon + 1;
    let last = text.get(attribute..).unwrap_or_default();
    let (head, sub) = last.split_once('.').map_or((last, None), |(head, sub)| (head, Some(sub)));
    // A version may be the last part of a schema's URN: `urn:example:device:1.0`.
    let version = last.starts_with(|c: char| c.is_ascii_digit());
    let named = is_name(head) && sub.is_none_or(is_name);
    if !version && !named {
        return Err(nom::Err::Error(()));
    }
    Ok((rest, Name { text: Cow::Borrowed(text), attribute, dot: sub.map(|_| attribute + head.len()) }))
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'$')
}

/// What `is_urn` allows; a URN is followed by a space or a bracket, so parentheses are no danger.
fn is_urn_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(b, b':' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(b, b'*' | b'+' | b',' | b';' | b'=' | b'@' | b'%' | b'/')
}

type StringError = (ParseErrorKind, usize, usize);

/// The rest of a JSON string behind its opening quotation mark.
fn string(input: &str) -> Result<(&str, Cow<'_, str>), StringError> {
    let plain = plain_length(input);
    let (text, rest) = input.split_at_checked(plain).unwrap_or((input, ""));
    if let Some(rest) = rest.strip_prefix('"') {
        return Ok((rest, Cow::Borrowed(text)));
    }
    let mut out = String::from(text);
    let mut rest = rest;
    loop {
        let at = input.len() - rest.len();
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err((ParseErrorKind::UnterminatedString, at, 0)),
            Some('"') => return Ok((chars.as_str(), Cow::Owned(out))),
            Some('\\') => {
                let (behind, c) = escape(chars.as_str()).map_err(|(kind, length)| (kind, at, length))?;
                out.push(c);
                rest = behind;
            }
            Some(_) => return Err((ParseErrorKind::ControlCharacter, at, 1)),
        }
        let (text, behind) = rest.split_at_checked(plain_length(rest)).unwrap_or((rest, ""));
        out.push_str(text);
        rest = behind;
    }
}

/// How many bytes at the start are neither a quotation mark nor a backslash nor a control character.
fn plain_length(input: &str) -> usize {
    input.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ').unwrap_or(input.len())
}

/// An escape behind its backslash. The error holds the length of the escape, backslash included.
fn escape(input: &str) -> Result<(&str, char), (ParseErrorKind, usize)> {
    let mut chars = input.chars();
    let c = match chars.next() {
        Some(c @ ('"' | '\\' | '/')) => c,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode_escape(chars.as_str()),
        None => return Err((ParseErrorKind::UnterminatedString, 1)),
        Some(other) => return Err((ParseErrorKind::Escape, 1 + other.len_utf8())),
    };
    Ok((chars.as_str(), c))
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
