//! Canonical forms of values that have one (RFC 7643 §2.4 and §4.1.2).

use compact_str::CompactString;

use super::place::Place;
use crate::attribute::Attribute;
use crate::text::fold;

/// The canonical form of a string value: the schema's spelling of a canonical value; an e-mail address
/// with its domain in lower case; an instant-message address trimmed and in lower case; a telephone
/// number in the form of RFC 3966 where it is a global number.
pub(super) fn canonicalize(text: CompactString, attribute: &Attribute, place: &Place<'_>) -> CompactString {
    if let Some(known) = attribute.canonical_values().iter().find(|c| fold(c) == fold(&text)) {
        return CompactString::from(known.as_str());
    }
    if place.is("emails.value") {
        return match text.rsplit_once('@') {
            Some((local, domain)) => CompactString::from(format!("{local}@{}", domain.to_ascii_lowercase())),
            None => text,
        };
    }
    if place.is("ims.value") {
        return CompactString::from(text.trim().to_lowercase());
    }
    if place.is("phoneNumbers.value") {
        return global_number(&text).unwrap_or(text);
    }
    text
}

/// `+` and at least seven digits, with visual separators only: `tel:+1-201-555-0123`.
fn global_number(text: &str) -> Option<CompactString> {
    let trimmed = text.trim();
    let rest = trimmed.strip_prefix('+')?;
    let separators = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')');
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    if digits < 7 || !rest.chars().all(|c| c.is_ascii_digit() || separators(c)) {
        return None;
    }
    let groups: Vec<&str> = rest.split(separators).filter(|g| !g.is_empty()).collect();
    Some(CompactString::from(format!("tel:+{}", groups.join("-"))))
}

/// The part of a URI behind the service's base URL: `Users/1` for `https://h/scim/v2/Users/1`. URIs that
/// differ in the version segment only are the same resource (RFC 7643 §2.4), so `https://h/scim/Users/1`
/// and `https://h/scim/v1/Users/1` give the same.
pub(super) fn relative_to<'t>(text: &'t str, base: &str) -> Option<&'t str> {
    let base = base.trim_end_matches('/');
    let unversioned = match base.rsplit_once('/') {
        Some((head, last)) if is_version(last) => head,
        _ => base,
    };
    let below = |base: &str| text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    let rest = match below(base) {
        Some(rest) if base != unversioned => rest,
        _ => {
            let rest = below(unversioned)?;
            match rest.split_once('/') {
                Some((first, tail)) if is_version(first) => tail,
                _ => rest,
            }
        }
    };
    (!rest.is_empty()).then_some(rest)
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
