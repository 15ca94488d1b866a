//! The PATCH cases of the specification suite, run under the strict dialect.

use std::io;
use std::path::Path;
use std::sync::Arc;

use scim_patch::{MembershipPlan, PATCH_OP, PatchOptions, Plan};
use scim_schema::{Dialect, Object, Report, Resource, ResourceType, Value};

use super::folder::{list, read, resource_types, text};
use crate::Outcome;

/// Runs `patch-cases.json` of a folder, with the resource types of its `filter-docs.json`.
///
/// Resources hold their members inline; where a request is a change of members by id, the delta is checked
/// as well.
///
/// # Errors
/// When a file can't be read or is not of the form that the cases have.
pub fn run_patch_cases(dir: &Path) -> io::Result<Outcome> {
    let types = resource_types(dir, &read(&dir.join("filter-docs.json"))?)?;
    let cases = read(&dir.join("patch-cases.json"))?;
    let mut outcome = Outcome::default();
    for case in list(&cases, "cases")? {
        outcome.record(text(case, "id"), run_case(case, &types));
    }
    Ok(outcome)
}

fn run_case(case: &Value, types: &[Arc<ResourceType>]) -> Result<(), String> {
    let before = case.get("resource").and_then(Value::as_object).cloned().unwrap_or_default();
    let before = Resource::from_canonical(before);
    let name = before.get("meta").map_or("", |meta| text(meta, "resourceType"));
    let resource_type = types.iter().find(|t| t.name() == name).ok_or("the resource type is unknown")?;
    let mut body = Object::new();
    body.push("schemas", vec![Value::from(PATCH_OP)]);
    body.push("Operations", case.get("operations").cloned().unwrap_or_default());
    let body = Value::Object(body);

    let dialect = Dialect::strict();
    let inline = PatchOptions { inline_members: true, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let outcome = Plan::new(&body, resource_type, &inline, &mut report)
        .and_then(|plan| plan.apply(&before, &mut report));

    let expect = case.get("expect").cloned().unwrap_or_default();
    if let Some(expected) = expect.get("error").and_then(Value::as_str) {
        return match outcome {
            Err(error) if error.kind().scim_type() == Some(expected) => Ok(()),
            Err(error) => Err(format!("refused as {:?} instead of {expected}", error.kind())),
            Ok(_) => Err(format!("accepted, though it is {expected}")),
        };
    }
    let outcome = outcome.map_err(|error| format!("refused: {error}"))?;
    let expected = comparable(expect);
    let found = comparable(Value::Object(outcome.resource.into_attributes()));
    if found != expected {
        return Err(format!("gives {found:?} instead of {expected:?}"));
    }
    let modified = case.get("modified").and_then(Value::as_bool).unwrap_or_default();
    if outcome.changed != modified {
        return Err(format!("modified is {} instead of {modified}", outcome.changed));
    }
    check_delta(&body, resource_type, &dialect, &before, &expected)
}

/// A delta, carried out on the ids of the members, leaves the members that are expected.
fn check_delta(
    body: &Value,
    resource_type: &ResourceType,
    dialect: &Dialect,
    before: &Resource,
    expected: &Value,
) -> Result<(), String> {
    let plan = Plan::new(body, resource_type, &PatchOptions::new(dialect), &mut Report::default());
    let plan = plan.map_err(|error| format!("refused without the members: {error}"))?;
    let (MembershipPlan::Delta(delta), Some(membership)) = (plan.membership(), resource_type.membership())
    else {
        return Ok(());
    };
    let mut ids = ids(before.get(membership.attribute()));
    ids.retain(|id| !delta.clear && !delta.remove.contains(id));
    ids.extend(delta.add.iter().map(|member| member.id.clone()));
    ids.sort_unstable();
    ids.dedup();
    let mut wanted = self::ids(expected.get(membership.attribute()));
    wanted.sort_unstable();
    if ids == wanted { Ok(()) } else { Err(format!("the delta leaves {ids:?} instead of {wanted:?}")) }
}

fn ids(members: Option<&Value>) -> Vec<String> {
    members.map(Value::elements).unwrap_or_default().iter().map(|m| text(m, "value").to_owned()).collect()
}

/// A resource without what the cases say does not count: `meta`, writeOnly attributes, each `primary:
/// false`, the order of `schemas`.
fn comparable(resource: Value) -> Value {
    let Value::Object(mut object) = resource else { return resource };
    object.remove("meta");
    object.remove("password");
    for (name, value) in object.iter_mut() {
        for element in value.as_array_mut().into_iter().flatten() {
            if let Some(element) = element.as_object_mut() {
                element.retain(|name, value| name != "primary" || value.as_bool() != Some(false));
            }
        }
        if let ("schemas", Some(urns)) = (name, value.as_array_mut()) {
            urns.as_mut_slice().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    Value::Object(object)
}
