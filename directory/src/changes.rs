//! What an update changed, in the words of normalised users and groups.

use scim_core::AttributeChange;
use scim_schema::{ENTERPRISE_USER, Object, Value};

/// Fields that are not compared: they differ with each event, or say what another field says.
const NOT_COMPARED: [&str; 6] =
    ["group_refs", "raw_attributes", "updated_at", "version", "sequence", "display_name"];

/// SCIM attributes whose changes show in normalised fields.
const NORMALIZED: [&str; 18] = [
    "id",
    "externalId",
    "meta",
    "userName",
    "name",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "active",
    "emails",
    "phoneNumbers",
    "photos",
    "addresses",
];

/// The entries of `changes`: normalised fields that differ, then SCIM attributes whose change no field shows,
/// as `raw_attributes.<path>`. Without `raw` their values are left out.
pub(crate) fn changes(old: &Object, new: &Object, attributes: &[AttributeChange], raw: bool) -> Vec<Value> {
    let mut out = Vec::new();
    for (field, to) in new.iter().filter(|(field, _)| !NOT_COMPARED.contains(field)) {
        let from = old.get(field);
        if from != Some(to) {
            out.push(change(field, from.cloned(), Some(to.clone())));
        }
    }
    if old.get("groups") == new.get("groups") && old.get("group_refs") != new.get("group_refs") {
        out.push(change("group_refs", old.get("group_refs").cloned(), new.get("group_refs").cloned()));
    }
    let all = out.is_empty();
    for attribute in attributes.iter().filter(|a| is_shown(a) && (all || !is_normalized(&a.path))) {
        let (from, to) = if raw { (attribute.from.clone(), attribute.to.clone()) } else { (None, None) };
        out.push(change(&format!("raw_attributes.{}", attribute.path), from, to));
    }
    out
}

/// Whether a change is of something that clients can see. A new password has neither value.
pub(crate) fn is_shown(change: &AttributeChange) -> bool {
    change.from.is_some() || change.to.is_some()
}

/// One entry of `changes`.
pub(crate) fn change(path: &str, from: Option<Value>, to: Option<Value>) -> Value {
    let mut out = Object::with_capacity(3);
    out.push("path", path);
    out.push("from", from.unwrap_or_default());
    out.push("to", to.unwrap_or_default());
    Value::Object(out)
}

fn is_normalized(path: &str) -> bool {
    if path.starts_with(ENTERPRISE_USER) {
        return true;
    }
    let name = path.split(['.', '[']).next().unwrap_or_default();
    NORMALIZED.contains(&name)
}
