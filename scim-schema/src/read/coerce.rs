//! One value, brought to the type of its attribute.

use compact_str::CompactString;
use ecow::EcoVec;

use super::identity::drop_duplicates;
use super::place::Place;
use super::{ReadOptions, Violation, ViolationKind, canonical, invalid_value, known};
use crate::attribute::{Attribute, Mutability, Type, Uniqueness};
use crate::datetime::DateTime;
use crate::dialect::{Leniency, Report};
use crate::json::{JsonLimits, parse_json};
use crate::resource_type::Located;
use crate::text::fold;
use crate::value::{Array, Number, Object, Value};

/// Brings the value that a client gave for an attribute or sub-attribute into canonical form: coerced to its
/// type, canonical names in complex values, lists without doubled values and with at most one `primary`. It is
/// changed in place, because values are large and most of them need no change. Says whether it is assigned; one
/// that is not may be anything.
///
/// `members` says whether the values are members of a declared relation, to which another limit applies.
///
/// # Errors
/// [`Violation`] at the attribute or sub-attribute that is wrong.
pub fn coerce(
    value: &mut Value,
    located: &Located<'_>,
    members: bool,
    options: &ReadOptions<'_>,
    report: &mut Report,
) -> Result<bool, Violation> {
    let whole = Place::of(located.extension, located.attribute);
    let place = located.sub.map_or(whole, |sub| whole.part(sub.name()));
    coerce_at(value, located.leaf(), &place, members, options, report)
}

/// As [`coerce`].
pub(super) fn coerce_at(
    value: &mut Value,
    attribute: &Attribute,
    place: &Place<'_>,
    members: bool,
    options: &ReadOptions<'_>,
    report: &mut Report,
) -> Result<bool, Violation> {
    let mut cx = Context { options, report };
    if attribute.multi_valued() {
        cx.list(value, attribute, place, members)
    } else {
        cx.single(value, attribute, place)
    }
}

struct Context<'o, 'r> {
    options: &'o ReadOptions<'o>,
    report: &'r mut Report,
}

impl Context<'_, '_> {
    fn list(
        &mut self,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
        members: bool,
    ) -> Result<bool, Violation> {
        if !value.is_null() && value.as_array().is_none() {
            // A single value for a list is a list of one (ledger choice `single-object-for-list`).
            *value = Value::Array(Array::from_iter([std::mem::take(value)]));
        }
        let Some(list) = value.as_array_mut() else { return Ok(false) };
        let limit = if members { self.options.max_members } else { self.options.max_values };
        if list.len() > limit {
            let reason = format!("has more than {limit} values");
            return Err(Violation::new(ViolationKind::TooLarge, place.to_string(), reason));
        }
        try_retain(list.elements_mut(), |item| self.element(item, attribute, place))?;
        self.one_primary(attribute, place, list.as_mut_slice())?;
        if drop_duplicates(list, attribute, members) {
            self.report.note(Leniency::DuplicateDropped, place);
        }
        Ok(!list.is_empty())
    }

    fn element(
        &mut self,
        item: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
    ) -> Result<bool, Violation> {
        let dialect = self.options.dialect;
        match item {
            Value::String(s)
                if attribute.is_complex() && s.is_empty() && dialect.empty_string_is_unassigned =>
            {
                self.report.note(Leniency::Cleared, place);
                Ok(false)
            }
            Value::String(_) if attribute.is_complex() && !dialect.strings_as_values => {
                Err(invalid_value(place, "each value must be an object"))
            }
            Value::Array(_) => Err(invalid_value(place, "a list can't be inside a list")),
            other => self.single(other, attribute, place),
        }
    }

    fn single(
        &mut self,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
    ) -> Result<bool, Violation> {
        if value.is_null() {
            return Ok(false);
        }
        if self.options.dialect.empty_string_is_unassigned
            && value.as_str() == Some("")
            && attribute.kind() != Type::String
            && attribute.kind() != Type::Complex
        {
            self.report.note(Leniency::Cleared, place);
            return Ok(false);
        }
        match attribute.kind() {
            Type::String => self.string(value, attribute, place)?,
            Type::Boolean => self.boolean(value, place)?,
            Type::Integer => self.integer(value, place)?,
            Type::Decimal => self.decimal(value, place)?,
            Type::DateTime => {
                let well_formed = value.as_str().is_some_and(|s| DateTime::parse(s).is_some());
                check(well_formed, place, "must be a date and time such as 2026-01-31T09:30:00Z")?;
            }
            Type::Binary => {
                check(value.as_str().is_some_and(is_base64), place, "must be base64 text")?;
                let one_certificate = !self.options.check_certificates
                    || !place.is("x509Certificates.value")
                    || value.as_str().is_some_and(known::is_certificate);
                check(one_certificate, place, "must be one X.509 certificate in DER")?;
            }
            Type::Reference => self.reference(value, attribute, place)?,
            Type::Complex => return self.complex(value, attribute, place),
        }
        Ok(true)
    }

    fn string(
        &mut self,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        if self.options.dialect.scalars_as_strings {
            let text = match value {
                Value::Number(n) => Some(n.to_string()),
                Value::Bool(b) => Some(b.to_string()),
                _ => None,
            };
            if let Some(text) = text {
                self.report.note(Leniency::Coerced, place);
                *value = text.into();
            }
        }
        // An empty list or object is an unassigned value of another shape; a string has none such.
        let Value::String(text) = value else { return Err(invalid_value(place, "must be a string")) };
        if text.as_bytes().contains(&0) {
            return Err(invalid_value(place, "must not hold the character U+0000"));
        }
        if text.len() > self.options.max_string {
            return Err(invalid_value(place, format!("is longer than {} bytes", self.options.max_string)));
        }
        let identifier = attribute.uniqueness() != Uniqueness::None || attribute.name() == "externalId";
        if identifier && text.chars().count() > self.options.max_identifier {
            return Err(invalid_value(
                place,
                format!("is longer than {} characters", self.options.max_identifier),
            ));
        }
        if self.options.canonicalize {
            *text = canonical::canonicalize(std::mem::take(text), attribute, place);
        }
        if self.options.enforce_canonical_values
            && !attribute.canonical_values().is_empty()
            && !attribute.canonical_values().iter().any(|c| fold(c) == fold(text))
        {
            return Err(invalid_value(place, "is none of the attribute's canonical values"));
        }
        if self.options.enforce_country_codes && place.is("addresses.country") && !known::is_country(text) {
            return Err(invalid_value(place, "must be an ISO 3166-1 alpha-2 country code"));
        }
        if self.options.enforce_time_zones && place.is("timezone") && !known::is_time_zone(text) {
            return Err(invalid_value(
                place,
                "must be a time zone of the IANA database, such as Europe/Berlin",
            ));
        }
        Ok(())
    }

    /// `"true"` and `"false"` in any letter case are booleans in every dialect (ledger choice `boolean-string`).
    fn boolean(&mut self, value: &mut Value, place: &Place<'_>) -> Result<(), Violation> {
        match value {
            Value::Bool(_) => Ok(()),
            Value::String(s) if s.eq_ignore_ascii_case("true") || s.eq_ignore_ascii_case("false") => {
                self.report.note(Leniency::Coerced, place);
                *value = Value::Bool(s.eq_ignore_ascii_case("true"));
                Ok(())
            }
            _ => Err(invalid_value(place, "must be true or false")),
        }
    }

    fn integer(&mut self, value: &mut Value, place: &Place<'_>) -> Result<(), Violation> {
        self.number_from_text(value, place);
        let whole = match value {
            Value::Number(n) => {
                n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f == 0.0 && f.is_sign_negative())
            }
            _ => false,
        };
        check(whole, place, "must be a whole number without fraction or exponent")
    }

    fn decimal(&mut self, value: &mut Value, place: &Place<'_>) -> Result<(), Violation> {
        self.number_from_text(value, place);
        check(value.as_number().is_some(), place, "must be a number")
    }

    fn number_from_text(&mut self, value: &mut Value, place: &Place<'_>) {
        if let Value::String(s) = value
            && self.options.dialect.strings_as_numbers
            && let Ok(number) = serde_json::from_str::<Number>(s)
        {
            self.report.note(Leniency::Coerced, place);
            *value = Value::Number(number);
        }
    }

    /// References to resources of this service are stored relative to its base URL.
    fn reference(
        &mut self,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        let Value::String(text) = value else { return Err(invalid_value(place, "must be a URI")) };
        if !is_uri(text) || text.as_bytes().contains(&0) {
            return Err(invalid_value(place, "must be a URI"));
        }
        if text.len() > self.options.max_string {
            return Err(invalid_value(place, format!("is longer than {} bytes", self.options.max_string)));
        }
        if place.is("photos.value") && !known::is_image(text) {
            self.report.note(Leniency::NotAnImage, place);
        }
        if attribute.refers_to_resources()
            && let Some(base) = self.options.base
            && let Some(relative) = canonical::relative_to(text, base)
        {
            *text = CompactString::from(relative);
        }
        Ok(())
    }

    fn complex(
        &mut self,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
    ) -> Result<bool, Violation> {
        match value {
            Value::Object(_) => {}
            // A string for a complex attribute is its `value` (ledger choice `complex-from-string`).
            Value::String(s) if attribute.sub_attribute("value").is_some() => {
                self.report.note(Leniency::Coerced, place);
                if s.is_empty() && self.options.dialect.empty_string_is_unassigned {
                    return Ok(false);
                }
                let mut object = Object::with_capacity(1);
                object.push("value", std::mem::take(s));
                *value = Value::Object(object);
            }
            Value::Array(a) if a.is_empty() => return Ok(false),
            _ => {}
        }
        let Value::Object(object) = value else {
            return Err(invalid_value(place, "must be an object of its sub-attributes"));
        };
        self.unwrap_stringified(object, attribute, place);
        let mut seen = Positions::default();
        try_retain(object.entries_mut(), |entry| {
            self.part(&mut entry.name, &mut entry.value, attribute, place, &mut seen)
        })?;
        if object.is_empty() {
            return Ok(false);
        }
        for sub in attribute.sub_attributes().iter().filter(|s| s.required()) {
            let given = object.get(sub.name());
            if sub.mutability() != Mutability::ReadOnly && given.is_none_or(|v| v.as_str() == Some("")) {
                return Err(invalid_value(place.part(sub.name()), "a value is required"));
            }
        }
        Ok(true)
    }

    /// One member of a complex value. Says whether it stays.
    fn part(
        &mut self,
        key: &mut CompactString,
        value: &mut Value,
        attribute: &Attribute,
        place: &Place<'_>,
        seen: &mut Positions,
    ) -> Result<bool, Violation> {
        let Some((at, sub)) = attribute.find(key) else {
            if self.options.dialect.ignore_unknown_attributes {
                self.report.note(Leniency::AttributeIgnored, format_args!("{place}.{key}"));
                return Ok(false);
            }
            return Err(Violation::new(
                ViolationKind::InvalidSyntax,
                place.to_string(),
                "has a sub-attribute that the schema does not define",
            ));
        };
        let place = place.part(sub.name());
        if sub.mutability() == Mutability::ReadOnly {
            self.report.note(Leniency::ReadOnlyIgnored, place);
            return Ok(false);
        }
        if !seen.insert(at) {
            return Err(super::twice(place));
        }
        if key != sub.name() {
            *key = CompactString::from(sub.name());
        }
        if sub.multi_valued() {
            self.list(value, sub, &place, false)
        } else {
            self.single(value, sub, &place)
        }
    }

    /// Entra ID's AppRoleAssignmentsComplex: `{"value": "{\"id\":…,\"value\":…,\"displayName\":…}"}`.
    fn unwrap_stringified(&mut self, object: &mut Object, attribute: &Attribute, place: &Place<'_>) {
        if !self.options.dialect.unwrap_stringified_values || attribute.sub_attribute("value").is_none() {
            return;
        }
        let Some(text) =
            object.get_ignore_case("value").and_then(Value::as_str).filter(|t| t.starts_with('{'))
        else {
            return;
        };
        let Ok(Value::Object(inner)) = parse_json(text.as_bytes(), JsonLimits::default()) else { return };
        let Some(value) = inner.get_ignore_case("value").filter(|v| v.as_str().is_some()) else { return };
        self.report.note(Leniency::Unwrapped, place);
        let display = inner
            .get_ignore_case("displayName")
            .filter(|d| d.as_str().is_some() && attribute.sub_attribute("display").is_some());
        object.retain(|key, _| {
            !key.eq_ignore_ascii_case("value") && (display.is_none() || !key.eq_ignore_ascii_case("display"))
        });
        if let Some(display) = display {
            object.insert_first("display", display.clone());
        }
        object.insert_first("value", value.clone());
    }

    /// At most one value is primary (RFC 7643 §2.4).
    fn one_primary(
        &mut self,
        attribute: &Attribute,
        place: &Place<'_>,
        list: &mut [Value],
    ) -> Result<(), Violation> {
        if attribute.sub_attribute("primary").is_none() {
            return Ok(());
        }
        let primaries = list.iter_mut().filter(|v| is_primary(v));
        for extra in primaries.skip(1) {
            if !self.options.dialect.demote_extra_primaries {
                return Err(invalid_value(place, "at most one value can be primary"));
            }
            self.report.note(Leniency::PrimaryDemoted, place);
            if let Some(object) = extra.as_object_mut() {
                object.insert("primary", false);
            }
        }
        Ok(())
    }
}

pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool) == Some(true)
}

fn check(holds: bool, place: &Place<'_>, reason: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(invalid_value(place, reason)) }
}

/// Keeps the items for which `keep` says so, up to the first error.
fn try_retain<T: Clone, E>(
    list: &mut EcoVec<T>,
    mut keep: impl FnMut(&mut T) -> Result<bool, E>,
) -> Result<(), E> {
    let mut result = Ok(());
    list.retain(|item| {
        result.is_err()
            || keep(item).unwrap_or_else(|error| {
                result = Err(error);
                true
            })
    });
    result
}

/// A set of positions in a list of sub-attributes. None of an ordinary schema needs an allocation.
#[derive(Default)]
struct Positions {
    low: u64,
    high: Vec<usize>,
}

impl Positions {
    /// Whether the position is new.
    fn insert(&mut self, at: usize) -> bool {
        if at >= 64 {
            let is_new = !self.high.contains(&at);
            self.high.push(at);
            return is_new;
        }
        let bit = 1 << at;
        let is_new = self.low & bit == 0;
        self.low |= bit;
        is_new
    }
}

/// Base64 of RFC 4648 §4, padding optional (RFC 7643 §2.3.6).
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    // Certificates are long: without an exit inside, a piece is looked at in a few steps.
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() | (*b == b'+') | (*b == b'/');
    body.as_bytes().chunks(64).all(|piece| piece.iter().fold(true, |all, b| all & is_digit(b)))
        && body.len() % 4 != 1
        && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
}

/// Whether the text is an absolute or relative URI (RFC 3986); characters beyond ASCII are accepted.
pub fn is_uri(text: &str) -> bool {
    let excluded = |c: char| c.is_control() || c.is_whitespace();
    if text.is_empty() || text.bytes().any(is_outside_uris) || (!text.is_ascii() && text.contains(excluded)) {
        return false;
    }
    let first_segment = text.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme_ok = match first_segment.split_once(':') {
        None => true,
        Some((scheme, _)) => {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        }
    };
    let mut escapes = text.split('%');
    escapes.next();
    let escapes_ok =
        escapes.all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    scheme_ok && escapes_ok
}

/// Controls, space, and the printable characters that RFC 3986 leaves out.
fn is_outside_uris(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f | b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`')
}
