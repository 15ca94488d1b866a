//! How strings are compared: one place for filter, sort, uniqueness and PATCH.
//!
//! Comparison is on NFC text; where an attribute is not case-exact it is on
//! lower-cased NFC text (RFC 7644 §5 and §7.8; ledger choice
//! `unicode-normalisation`). Lower-casing is per character and without locale,
//! so that prefixes and suffixes of folded text are folded prefixes and suffixes.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The comparison form of a case-exact string: NFC.
///
/// ```
/// assert_eq!(scim_schema::normalize("e\u{301}"), "\u{e9}");
/// ```
pub fn normalize(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// The comparison form of a string that is not case-exact: NFC of the lower-cased NFC text.
///
/// ```
/// assert_eq!(scim_schema::fold("MÜLLER"), scim_schema::fold("mu\u{308}ller"));
/// ```
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else {
        Cow::Owned(text.nfc().flat_map(char::to_lowercase).nfc().collect())
    }
}

/// The form in which values of an attribute are compared: [`normalize`]d where it is case-exact, else [`fold`]ed.
#[inline]
pub fn comparable(text: &str, case_exact: bool) -> Cow<'_, str> {
    if case_exact { normalize(text) } else { fold(text) }
}

/// The key under which a value must be unique.
///
/// Values that are not case-exact are prepared like user names of RFC 8265
/// (UsernameCaseMapped): full-width and half-width forms become their ordinary
/// forms, then case and composition are folded (RFC 7644 §5). Case-exact values
/// are compared as NFC text.
///
/// ```
/// use scim_schema::uniqueness_key;
/// assert_eq!(uniqueness_key("ＢＪｅｎｓｅｎ", false), "bjensen");
/// assert_ne!(uniqueness_key("A", true), uniqueness_key("a", true));
/// ```
pub fn uniqueness_key(text: &str, case_exact: bool) -> String {
    if case_exact {
        return normalize(text).into_owned();
    }
    if text.chars().any(has_width) {
        let mapped: String = text.chars().flat_map(map_width).collect();
        return fold(&mapped).into_owned();
    }
    fold(text).into_owned()
}

/// Whether the character is of the block of half-width and full-width forms.
fn has_width(c: char) -> bool {
    matches!(c, '\u{3000}' | '\u{ff01}'..='\u{ffef}')
}

/// The compatibility decomposition, for the block of width forms only.
fn map_width(c: char) -> impl Iterator<Item = char> {
    let mapped: Vec<char> = if has_width(c) { std::iter::once(c).nfkd().collect() } else { vec![c] };
    mapped.into_iter()
}
