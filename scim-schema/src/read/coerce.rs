//! One value, brought to the type of its attribute.

use std::collections::HashSet;

use super::{ReadOptions, Violation, ViolationKind, canonical, invalid_value, known};
use crate::attribute::{Attribute, Mutability, Type, Uniqueness};
use crate::datetime::DateTime;
use crate::dialect::{Leniency, Report};
use crate::json::{JsonLimits, parse_json};
use crate::text::{fold, normalize};
use crate::value::{Number, Object, Value};

/// Reads the value that a client gave for an attribute: coerced to its type, canonical names in complex
/// values, lists without doubled values and with at most one `primary`. `None` means unassigned.
///
/// `path` is the attribute's path for messages; `members` says whether the values are members of a
/// declared relation, to which another limit applies.
///
/// # Errors
/// [`Violation`] at the attribute or sub-attribute that is wrong.
pub fn coerce(
    value: Value,
    attribute: &Attribute,
    path: &str,
    members: bool,
    options: &ReadOptions<'_>,
    report: &mut Report,
) -> Result<Option<Value>, Violation> {
    let mut cx = Context { options, report };
    if attribute.multi_valued() {
        cx.list(value, attribute, path, members)
    } else {
        cx.single(value, attribute, path)
    }
}

struct Context<'o, 'r> {
    options: &'o ReadOptions<'o>,
    report: &'r mut Report,
}

impl Context<'_, '_> {
    fn list(
        &mut self,
        value: Value,
        attribute: &Attribute,
        path: &str,
        members: bool,
    ) -> Result<Option<Value>, Violation> {
        let items = match value {
            Value::Null => return Ok(None),
            Value::Array(items) => items,
            // A single value for a list is a list of one (ledger choice `single-object-for-list`).
            other => vec![other],
        };
        let limit = if members { self.options.max_members } else { self.options.max_values };
        if items.len() > limit {
            let reason = format!("has more than {limit} values");
            return Err(Violation::new(ViolationKind::TooLarge, path, reason));
        }
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            if let Some(item) = self.element(item, attribute, path)? {
                list.push(item);
            }
        }
        self.one_primary(attribute, path, &mut list)?;
        self.drop_duplicates(attribute, path, members, &mut list);
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    fn element(
        &mut self,
        item: Value,
        attribute: &Attribute,
        path: &str,
    ) -> Result<Option<Value>, Violation> {
        let dialect = self.options.dialect;
        match item {
            Value::String(s)
                if attribute.is_complex() && s.is_empty() && dialect.empty_string_is_unassigned =>
            {
                self.report.note(Leniency::Cleared, path);
                Ok(None)
            }
            Value::String(_) if attribute.is_complex() && !dialect.strings_as_values => {
                Err(invalid_value(path, "each value must be an object"))
            }
            Value::Array(_) => Err(invalid_value(path, "a list can't be inside a list")),
            other => self.single(other, attribute, path),
        }
    }

    fn single(
        &mut self,
        value: Value,
        attribute: &Attribute,
        path: &str,
    ) -> Result<Option<Value>, Violation> {
        if value.is_null() {
            return Ok(None);
        }
        if self.options.dialect.empty_string_is_unassigned
            && value.as_str() == Some("")
            && attribute.kind() != Type::String
            && attribute.kind() != Type::Complex
        {
            self.report.note(Leniency::Cleared, path);
            return Ok(None);
        }
        let value = match attribute.kind() {
            Type::String => self.string(value, attribute, path)?,
            Type::Boolean => self.boolean(value, path)?,
            Type::Integer => self.integer(value, path)?,
            Type::Decimal => self.decimal(value, path)?,
            Type::DateTime => {
                let well_formed = value.as_str().is_some_and(|s| DateTime::parse(s).is_some());
                checked(value, well_formed, path, "must be a date and time such as 2026-01-31T09:30:00Z")?
            }
            Type::Binary => {
                let well_formed = value.as_str().is_some_and(is_base64);
                let value = checked(value, well_formed, path, "must be base64 text")?;
                let one_certificate = !self.options.check_certificates
                    || path != "x509Certificates.value"
                    || value.as_str().is_some_and(known::is_certificate);
                checked(value, one_certificate, path, "must be one X.509 certificate in DER")?
            }
            Type::Reference => self.reference(value, attribute, path)?,
            Type::Complex => return self.complex(value, attribute, path),
        };
        Ok(Some(value))
    }

    fn string(&mut self, value: Value, attribute: &Attribute, path: &str) -> Result<Value, Violation> {
        let text = match value {
            Value::String(s) => s,
            Value::Number(n) if self.options.dialect.scalars_as_strings => {
                self.report.note(Leniency::Coerced, path);
                n.to_string().into()
            }
            Value::Bool(b) if self.options.dialect.scalars_as_strings => {
                self.report.note(Leniency::Coerced, path);
                b.to_string().into()
            }
            // An empty list or object is an unassigned value of another shape; a string has none such.
            _ => return Err(invalid_value(path, "must be a string")),
        };
        if text.contains('\0') {
            return Err(invalid_value(path, "must not hold the character U+0000"));
        }
        if text.len() > self.options.max_string {
            return Err(invalid_value(path, format!("is longer than {} bytes", self.options.max_string)));
        }
        let identifier = attribute.uniqueness() != Uniqueness::None || attribute.name() == "externalId";
        if identifier && text.chars().count() > self.options.max_identifier {
            return Err(invalid_value(
                path,
                format!("is longer than {} characters", self.options.max_identifier),
            ));
        }
        let text =
            if self.options.canonicalize { canonical::canonicalize(text, attribute, path) } else { text };
        if self.options.enforce_canonical_values
            && !attribute.canonical_values().is_empty()
            && !attribute.canonical_values().iter().any(|c| fold(c) == fold(&text))
        {
            return Err(invalid_value(path, "is none of the attribute's canonical values"));
        }
        if self.options.enforce_country_codes && path == "addresses.country" && !known::is_country(&text) {
            return Err(invalid_value(path, "must be an ISO 3166-1 alpha-2 country code"));
        }
        if self.options.enforce_time_zones && path == "timezone" && !known::is_time_zone(&text) {
            return Err(invalid_value(
                path,
                "must be a time zone of the IANA database, such as Europe/Berlin",
            ));
        }
        Ok(Value::String(text))
    }

    /// `"true"` and `"false"` in any letter case are booleans in every dialect (ledger choice `boolean-string`).
    fn boolean(&mut self, value: Value, path: &str) -> Result<Value, Violation> {
        match value {
            Value::Bool(_) => Ok(value),
            Value::String(s) if s.eq_ignore_ascii_case("true") || s.eq_ignore_ascii_case("false") => {
                self.report.note(Leniency::Coerced, path);
                Ok(Value::Bool(s.eq_ignore_ascii_case("true")))
            }
            _ => Err(invalid_value(path, "must be true or false")),
        }
    }

    fn integer(&mut self, value: Value, path: &str) -> Result<Value, Violation> {
        let value = self.number_from_text(value, path);
        let whole = match &value {
            Value::Number(n) => {
                n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f == 0.0 && f.is_sign_negative())
            }
            _ => false,
        };
        checked(value, whole, path, "must be a whole number without fraction or exponent")
    }

    fn decimal(&mut self, value: Value, path: &str) -> Result<Value, Violation> {
        let value = self.number_from_text(value, path);
        let number = value.as_number().is_some();
        checked(value, number, path, "must be a number")
    }

    fn number_from_text(&mut self, value: Value, path: &str) -> Value {
        match &value {
            Value::String(s) if self.options.dialect.strings_as_numbers => {
                match serde_json::from_str::<Number>(s) {
                    Ok(number) => {
                        self.report.note(Leniency::Coerced, path);
                        Value::Number(number)
                    }
                    Err(_) => value,
                }
            }
            _ => value,
        }
    }

    /// References to resources of this service are stored relative to its base URL.
    fn reference(&mut self, value: Value, attribute: &Attribute, path: &str) -> Result<Value, Violation> {
        let Some(text) = value.as_str() else { return Err(invalid_value(path, "must be a URI")) };
        if !is_uri(text) || text.contains('\0') {
            return Err(invalid_value(path, "must be a URI"));
        }
        if text.len() > self.options.max_string {
            return Err(invalid_value(path, format!("is longer than {} bytes", self.options.max_string)));
        }
        if path == "photos.value" && !known::is_image(text) {
            self.report.note(Leniency::NotAnImage, path);
        }
        if attribute.refers_to_resources()
            && let Some(base) = self.options.base
            && let Some(relative) = canonical::relative_to(text, base)
        {
            return Ok(Value::from(relative));
        }
        Ok(value)
    }

    fn complex(
        &mut self,
        value: Value,
        attribute: &Attribute,
        path: &str,
    ) -> Result<Option<Value>, Violation> {
        let object = match value {
            Value::Object(object) => object,
            // A string for a complex attribute is its `value` (ledger choice `complex-from-string`).
            Value::String(s) if attribute.sub_attribute("value").is_some() => {
                self.report.note(Leniency::Coerced, path);
                if s.is_empty() && self.options.dialect.empty_string_is_unassigned {
                    return Ok(None);
                }
                let mut object = Object::new();
                object.push("value", s);
                object
            }
            Value::Array(a) if a.is_empty() => return Ok(None),
            _ => return Err(invalid_value(path, "must be an object of its sub-attributes")),
        };
        let object = self.unwrap_stringified(object, attribute, path);
        let mut canonical = Object::with_capacity(object.len());
        for (key, value) in object {
            let Some(sub) = attribute.sub_attribute(&key) else {
                if self.options.dialect.ignore_unknown_attributes {
                    self.report.note(Leniency::AttributeIgnored, format_args!("{path}.{key}"));
                    continue;
                }
                return Err(Violation::new(
                    ViolationKind::InvalidSyntax,
                    path,
                    "has a sub-attribute that the schema does not define",
                ));
            };
            let sub_path = format!("{path}.{}", sub.name());
            if canonical.contains(sub.name()) {
                return Err(super::twice(&sub_path));
            }
            if sub.mutability() == Mutability::ReadOnly {
                self.report.note(Leniency::ReadOnlyIgnored, &sub_path);
                continue;
            }
            let value = if sub.multi_valued() {
                self.list(value, sub, &sub_path, false)?
            } else {
                self.single(value, sub, &sub_path)?
            };
            // Kept as null until the end, so that a second spelling of the name is seen.
            canonical.push(sub.name(), value.unwrap_or_default());
        }
        canonical.retain(|_, v| !v.is_null());
        for sub in attribute.sub_attributes().iter().filter(|s| s.required()) {
            let given = canonical.get(sub.name());
            if !canonical.is_empty()
                && sub.mutability() != Mutability::ReadOnly
                && given.is_none_or(|v| v.as_str() == Some(""))
            {
                return Err(invalid_value(&format!("{path}.{}", sub.name()), "a value is required"));
            }
        }
        Ok((!canonical.is_empty()).then_some(Value::Object(canonical)))
    }

    /// Entra ID's AppRoleAssignmentsComplex: `{"value": "{\"id\":…,\"value\":…,\"displayName\":…}"}`.
    fn unwrap_stringified(&mut self, object: Object, attribute: &Attribute, path: &str) -> Object {
        if !self.options.dialect.unwrap_stringified_values || attribute.sub_attribute("value").is_none() {
            return object;
        }
        let Some(text) =
            object.get_ignore_case("value").and_then(Value::as_str).filter(|t| t.starts_with('{'))
        else {
            return object;
        };
        let Ok(Value::Object(inner)) = parse_json(text.as_bytes(), JsonLimits::default()) else {
            return object;
        };
        let Some(value) = inner.get_ignore_case("value").filter(|v| v.as_str().is_some()) else {
            return object;
        };
        self.report.note(Leniency::Unwrapped, path);
        let mut unwrapped = Object::new();
        unwrapped.push("value", value.clone());
        let display = inner.get_ignore_case("displayName").filter(|d| d.as_str().is_some());
        if let (Some(display), Some(_)) = (display, attribute.sub_attribute("display")) {
            unwrapped.push("display", display.clone());
        }
        for (key, value) in object {
            if !key.eq_ignore_ascii_case("value") && !unwrapped.keys().any(|k| k.eq_ignore_ascii_case(&key)) {
                unwrapped.push(&key, value);
            }
        }
        unwrapped
    }

    /// At most one value is primary (RFC 7643 §2.4).
    fn one_primary(
        &mut self,
        attribute: &Attribute,
        path: &str,
        list: &mut [Value],
    ) -> Result<(), Violation> {
        if attribute.sub_attribute("primary").is_none() {
            return Ok(());
        }
        let primaries = list.iter_mut().filter(|v| is_primary(v));
        for extra in primaries.skip(1) {
            if !self.options.dialect.demote_extra_primaries {
                return Err(invalid_value(path, "at most one value can be primary"));
            }
            self.report.note(Leniency::PrimaryDemoted, path);
            if let Some(object) = extra.as_object_mut() {
                object.insert("primary", false);
            }
        }
        Ok(())
    }

    /// Equal values, equal (type, value) pairs and equal members are kept once (RFC 7643 §2.4), in linear time.
    fn drop_duplicates(&mut self, attribute: &Attribute, path: &str, members: bool, list: &mut Vec<Value>) {
        if list.len() < 2 {
            return;
        }
        let mut seen = HashSet::with_capacity(list.len());
        let before = list.len();
        list.retain(|value| seen.insert(identity(value, attribute, members)));
        if list.len() < before {
            self.report.note(Leniency::DuplicateDropped, path);
        }
    }
}

/// What makes a value of a list the same as another: the member's id; the (type, value) pair; else all of it.
fn identity(value: &Value, attribute: &Attribute, members: bool) -> String {
    let key = |value: &Value, attribute: &Attribute| match value {
        Value::String(s) if attribute.case_exact() => normalize(s).into_owned(),
        Value::String(s) => fold(s).into_owned(),
        other => format!("{other:?}"),
    };
    let Value::Object(object) = value else { return key(value, attribute) };
    let part = |name: &str| {
        let sub = attribute.sub_attribute(name)?;
        object.get(sub.name()).map(|v| key(v, sub))
    };
    match (part("value"), members) {
        (Some(id), true) => id,
        (Some(value), false) => format!("{value}\0{:?}", part("type")),
        (None, _) => {
            let mut parts: Vec<String> = object.iter().map(|(k, v)| format!("{k}\0{v:?}")).collect();
            parts.sort_unstable();
            parts.join("\0\0")
        }
    }
}

pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool) == Some(true)
}

fn checked(value: Value, holds: bool, path: &str, reason: &str) -> Result<Value, Violation> {
    if holds { Ok(value) } else { Err(invalid_value(path, reason)) }
}

/// Base64 of RFC 4648 §4, padding optional (RFC 7643 §2.3.6).
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        && body.len() % 4 != 1
        && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
}

/// Whether the text is an absolute or relative URI (RFC 3986); characters beyond ASCII are accepted.
pub fn is_uri(text: &str) -> bool {
    let excluded = |c: char| c.is_control() || c.is_whitespace() || "<>\"{}|\\^`".contains(c);
    if text.is_empty() || text.contains(excluded) {
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
