//! The spec cases of PATCH, under the strict dialect.

use std::collections::BTreeSet;

use scim_patch::{MembershipPlan, PATCH_OP, PatchOptions, Plan};
use scim_schema::{Dialect, Report, Resource, Value};
use serde_json::json;

use crate::support::{REGISTRY, document, ids_after};

// ledger: 7644-3.5.2-005, 7644-3.5.2-006, 7644-3.5.2-007, 7644-3.5.2-008, 7644-3.5.2-009, 7644-3.5.2-011
// ledger: 7644-3.5.2-012, 7644-3.5.2-013, 7644-3.5.2-014
// ledger: 7644-3.5.2.1-001, 7644-3.5.2.1-002, 7644-3.5.2.1-003, 7644-3.5.2.1-004, 7644-3.5.2.1-005
// ledger: 7644-3.5.2.1-006, 7644-3.5.2.1-007, 7644-3.5.2.1-009
// ledger: 7644-3.5.2.2-001, 7644-3.5.2.2-002, 7644-3.5.2.2-003, 7644-3.5.2.2-004, 7644-3.5.2.2-005
// ledger: 7644-3.5.2.2-006, 7644-3.5.2.2-007
// ledger: 7644-3.5.2.3-001, 7644-3.5.2.3-002, 7644-3.5.2.3-003, 7644-3.5.2.3-004, 7644-3.5.2.3-005
// ledger: 7644-3.5.2.3-006, 7644-3.5.2.3-007
#[test]
fn every_case_gives_what_it_expects() {
    let mut failures = Vec::new();
    let mut count = 0;
    for case in document("patch-cases.json")["cases"].as_array().unwrap() {
        count += 1;
        for inline_members in [true, false] {
            if let Err(why) = run(case, inline_members) {
                failures.push(format!("{} (inline members: {inline_members}): {why}", case["id"]));
            }
        }
    }
    assert_eq!(count, 175);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(case: &serde_json::Value, inline_members: bool) -> Result<(), String> {
    let type_name = case["resource"]["meta"]["resourceType"].as_str().unwrap();
    let resource_type = REGISTRY.resource_type(type_name).unwrap();
    let Value::Object(attributes) = Value::from(case["resource"].clone()) else { panic!("an object") };
    let before = Resource::from_canonical(attributes);
    let body = json!({"schemas": [PATCH_OP], "Operations": case["operations"]});
    let dialect = Dialect::strict();
    let options = PatchOptions { inline_members, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let kept = before.clone();
    let plan = Plan::new(&body.into(), resource_type, &options, &mut report);
    let outcome = plan.as_ref().map_err(Clone::clone).and_then(|p| p.apply(&before, &mut report));
    assert_eq!(before, kept);

    if let Some(expected) = case["expect"]["error"].as_str() {
        return match outcome {
            Err(error) if error.kind().scim_type() == Some(expected) => Ok(()),
            Err(error) => Err(format!("{expected} expected, got {:?}: {error}", error.kind())),
            Ok(outcome) => Err(format!("{expected} expected, got {:?}", outcome.resource)),
        };
    }
    let outcome = outcome.map_err(|e| format!("refused: {:?}: {e}", e.kind()))?;
    let mut expected = Value::from(case["expect"].clone());
    let mut actual = Value::Object(outcome.resource.into_attributes());
    let mut changed = outcome.changed;
    let delta = plan.as_ref().map(Plan::membership).unwrap();
    if matches!(delta, MembershipPlan::Delta(_)) {
        let ids = |value: &Value| -> Vec<String> {
            let members = value.get("members").map(Value::elements).unwrap_or_default();
            let ids = members.iter().map(|m| m.get("value").unwrap().as_str().unwrap().to_owned());
            BTreeSet::from_iter(ids).into_iter().collect()
        };
        let present = ids(&actual);
        let after = ids_after(delta, &present);
        if after != ids(&expected) {
            return Err(format!("members {after:?}"));
        }
        changed |= after != present;
        for side in [&mut expected, &mut actual] {
            side.as_object_mut().unwrap().remove("members");
        }
    }
    comparable(&mut expected);
    comparable(&mut actual);
    if expected != actual {
        return Err(format!("expected {expected:?}\n     got {actual:?}"));
    }
    if changed != case["modified"].as_bool().unwrap() {
        return Err(format!("modified should be {}", case["modified"]));
    }
    Ok(())
}

/// Drops what the cases say does not count: `meta`, writeOnly attributes, `primary: false`, the order of
/// `schemas`.
fn comparable(resource: &mut Value) {
    let object = resource.as_object_mut().unwrap();
    object.remove("meta");
    object.remove("password");
    for (name, value) in object.iter_mut() {
        if name == "schemas" {
            let urns = value.as_array_mut().unwrap();
            urns.as_mut_slice().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        for element in value.as_array_mut().into_iter().flatten() {
            if let Some(element) = element.as_object_mut() {
                element.retain(|name, value| name != "primary" || *value != Value::from(false));
            }
        }
    }
}
