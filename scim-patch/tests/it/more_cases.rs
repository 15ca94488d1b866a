//! Further cases over the resources of the spec cases, under the strict dialect: each rule of the ledger's
//! choices with its neighbours.
//!
//! A row names a resource by id; `ENT`, `LAB` and `USER` stand for URNs. It expects `=` (nothing changes),
//! `!scimType`, or the attributes that changed, where null means that an attribute is gone.

use scim_schema::{Resource, Value};

use crate::support::{ENTERPRISE, LAB, Patch, REGISTRY, document};

#[test]
fn every_case_gives_what_it_expects() {
    let text = include_str!("data/more-cases.json");
    let text = text.replace("\"USER\"", &format!("\"{}\"", scim_schema::USER));
    let text = ["\"", "\":", ":", "["].into_iter().fold(text, |text, after| {
        let text = text.replace(&format!("\"ENT{after}"), &format!("\"{ENTERPRISE}{after}"));
        text.replace(&format!("\"LAB{after}"), &format!("\"{LAB}{after}"))
    });
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let cases = document("patch-cases.json");
    let mut failures = Vec::new();
    for row in &rows {
        let of_row = |case: &&serde_json::Value| case["resource"]["id"] == row["resource"];
        let case = cases["cases"].as_array().unwrap().iter().find(of_row).unwrap();
        if let Err(why) = run(&case["resource"], &row["operations"], &row["expect"]) {
            failures.push(format!("{} {}: {why}", row["resource"], row["operations"]));
        }
    }
    assert!(rows.len() > 200);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(
    resource: &serde_json::Value,
    operations: &serde_json::Value,
    expected: &serde_json::Value,
) -> Result<(), String> {
    let resource_type = REGISTRY.resource_type(resource["meta"]["resourceType"].as_str().unwrap()).unwrap();
    let Value::Object(attributes) = Value::from(resource.clone()) else { panic!("an object") };
    let before = Resource::from_canonical(attributes);
    let outcome = Patch::strict(resource_type).run(&before, &operations.to_string());
    match (outcome, expected.as_str()) {
        (Err(error), Some(wanted)) => {
            let found = format!("!{}", error.kind().scim_type().unwrap_or_default());
            if found == wanted { Ok(()) } else { Err(format!("{wanted} expected, got {found}: {error}")) }
        }
        (Err(error), None) => Err(format!("refused: {error}")),
        (Ok(outcome), Some(wanted)) if wanted == "=" && !outcome.changed => {
            if outcome.resource == before {
                Ok(())
            } else {
                Err("unchanged, but not the same".into())
            }
        }
        (Ok(outcome), Some(wanted)) => Err(format!("{wanted} expected, got {:?}", outcome.changes)),
        (Ok(outcome), None) => {
            let mut wanted = before.clone();
            for (name, value) in expected.as_object().unwrap() {
                match value {
                    serde_json::Value::Null => drop(wanted.attributes_mut().remove(name)),
                    value => drop(wanted.attributes_mut().insert(name, Value::from(value.clone()))),
                }
            }
            let same = outcome.changed && wanted.attributes() == outcome.resource.attributes();
            if same { Ok(()) } else { Err(format!("got {:?}", outcome.resource)) }
        }
    }
}
