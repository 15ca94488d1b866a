//! References to resources of the service itself (RFC 7643 §2.3.7): relative where they are kept, absolute
//! where they are shown.

use std::borrow::Cow;

use crate::value::Value;

/// The id of the resource that a value such as a member refers to: its `value`, or the end of its `$ref` if it
/// is given by that only (RFC 7643 §2.4). `None` where that is empty.
///
/// ```
/// use scim_schema::{Object, Value, referenced_id};
/// let mut member = Object::new();
/// member.push("$ref", "https://example.com/v2/Users/9");
/// assert_eq!(referenced_id(&Value::Object(member)), Some("9"));
/// ```
pub fn referenced_id(value: &Value) -> Option<&str> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let id = text("value").or_else(|| text("$ref")?.rsplit('/').next())?;
    (!id.is_empty()).then_some(id)
}

/// A reference under the base URL, which ends before the endpoint's segment (RFC 7643 §2.3.7):
/// `https://h/t/1/v2` and `Users/9` give `https://h/t/1/v2/Users/9`. Absolute references stay.
///
/// ```
/// use scim_schema::resolve_reference;
/// assert_eq!(resolve_reference("https://h/t/1/v2", "Users/9"), "https://h/t/1/v2/Users/9");
/// assert_eq!(resolve_reference("https://h/t/1/v2/", "../Users/9"), "https://h/t/1/v2/Users/9");
/// assert_eq!(resolve_reference("https://h/v2", "https://elsewhere/x"), "https://elsewhere/x");
/// ```
pub fn resolve_reference(base: &str, reference: &str) -> String {
    absolute(base, reference).into_owned()
}

/// As [`resolve_reference`], without a copy of what is absolute already.
pub(crate) fn absolute<'r>(base: &str, reference: &'r str) -> Cow<'r, str> {
    let scheme_ends = reference.bytes().find(|b| matches!(b, b':' | b'/' | b'?' | b'#')) == Some(b':');
    let is_absolute = scheme_ends || reference.starts_with("//");
    if is_absolute {
        return Cow::Borrowed(reference);
    }
    let mut rest = reference;
    while let Some(stripped) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
        rest = stripped;
    }
    Cow::Owned(format!("{}/{}", base.trim_end_matches('/'), rest.trim_start_matches('/')))
}
