//! Laws that hold for all resources and requests.

use proptest::prelude::*;
use scim_patch::{AttributeChange, MembershipPlan, Outcome, PatchError, diff};
use scim_schema::{Object, Resource, Value, finish};
use serde_json::json;

use crate::support::{ENTERPRISE, LAB, Patch, group, ids_after, user};

/// Few values, so that requests meet what is there.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "B", "b", "work", "home", "x@y.org", "é"])
}

fn email() -> impl Strategy<Value = serde_json::Value> {
    (word(), prop::option::of(word()), prop::option::of(any::<bool>())).prop_map(|(value, kind, primary)| {
        let mut email = json!({ "value": value });
        if let Some(kind) = kind {
            email["type"] = json!(kind);
        }
        if let Some(primary) = primary {
            email["primary"] = json!(primary);
        }
        email
    })
}

/// Emails as a store may hold them: each (value, type) once, at most one primary.
fn emails() -> impl Strategy<Value = serde_json::Value> {
    prop::collection::vec(email(), 0..4).prop_map(|emails| {
        let mut seen = Vec::new();
        let mut primary = false;
        let mut kept = Vec::new();
        for mut email in emails {
            let key = format!("{} {}", email["value"], email["type"]).to_lowercase();
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            if email["primary"] == true && std::mem::replace(&mut primary, true) {
                email["primary"] = json!(false);
            }
            kept.push(email);
        }
        json!(kept)
    })
}

fn attributes() -> impl Strategy<Value = serde_json::Value> {
    let name = (prop::option::of(word()), prop::option::of(word()));
    let extension = (prop::option::of(word()), prop::option::of(word()));
    let tags = prop::collection::hash_set(prop::sample::select(vec!["red", "green", "blue"]), 0..3);
    (word(), prop::option::of(word()), name, prop::option::of(any::<bool>()), emails(), extension, tags)
        .prop_map(|(user_name, title, (given, family), active, emails, (department, manager), tags)| {
            let mut user = json!({
                "schemas": [scim_schema::USER], "id": "u1", "userName": user_name, "title": title,
                "name": {"givenName": given, "familyName": family}, "active": active, "emails": emails,
            });
            user[ENTERPRISE] = json!({"department": department, "manager": {"value": manager}});
            user[LAB] = json!({"tags": tags.into_iter().collect::<Vec<_>>()});
            user
        })
}

/// A user without unassigned values, as a store holds it.
fn stored() -> impl Strategy<Value = Resource> {
    attributes().prop_map(|json| {
        let Value::Object(object) = Value::from(json) else { panic!("an object") };
        let mut resource = Resource::from_canonical(assigned(object));
        finish(&mut resource, user()).unwrap();
        resource
    })
}

fn assigned(object: Object) -> Object {
    let mut kept = Object::new();
    for (name, value) in object {
        match value {
            v if v.is_unassigned() => {}
            Value::Object(inner) => drop(kept.insert(&name, assigned(inner))),
            other => drop(kept.insert(&name, other)),
        }
    }
    kept
}

fn operation() -> impl Strategy<Value = serde_json::Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace"]);
    let path = prop::sample::select(vec![
        "title".to_owned(),
        "userName".to_owned(),
        "name".to_owned(),
        "name.givenName".to_owned(),
        "active".to_owned(),
        "emails".to_owned(),
        "emails.display".to_owned(),
        "emails[type eq \"work\"]".to_owned(),
        "emails[type eq \"home\"].value".to_owned(),
        "emails[value eq \"a\"]".to_owned(),
        "emails[primary eq true].type".to_owned(),
        "emails[type eq \"home\"].primary".to_owned(),
        format!("{LAB}:tags"),
        format!("{LAB}:tags[value eq \"red\"]"),
        format!("{ENTERPRISE}:department"),
        format!("{ENTERPRISE}:manager"),
        ENTERPRISE.to_owned(),
        "schemas".to_owned(),
        "groups".to_owned(),
        "nothing".to_owned(),
    ]);
    let value = prop_oneof![
        word().prop_map(|w| json!(w)),
        any::<bool>().prop_map(|b| json!(b)),
        Just(json!(null)),
        Just(json!([])),
        emails(),
        email(),
        Just(json!({"department": "a"})),
        Just(json!({"givenName": "a"})),
        Just(json!(["red"])),
        Just(json!([ENTERPRISE])),
    ];
    prop_oneof![
        6 => (op, path, value).prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value})),
        1 => attributes().prop_map(|value| json!({"op": "replace", "value": value})),
        1 => attributes().prop_map(|value| json!({"op": "add", "value": value})),
    ]
}

fn run(patch: &Patch, before: &Resource, operations: &[serde_json::Value]) -> Result<Outcome, PatchError> {
    patch.run(before, &serde_json::to_string(operations).unwrap())
}

fn dialects() -> [Patch; 2] {
    [Patch::strict(user()), Patch::lenient(user())]
}

/// Changes as a PATCH that makes them.
fn to_patch(changes: &[AttributeChange]) -> Vec<serde_json::Value> {
    let operation = |change: &AttributeChange| match &change.to {
        Some(to) => {
            json!({"op": "replace", "path": change.path, "value": serde_json::Value::from(to.clone())})
        }
        None => json!({"op": "remove", "path": change.path}),
    };
    changes.iter().map(operation).collect()
}

/// A resource without marks that mean what their absence means: a missing `primary` is false (RFC 7643 §2.4).
fn state(resource: &Resource) -> Resource {
    let mut state = resource.clone();
    if let Some(emails) = state.attributes_mut().get_mut("emails").and_then(Value::as_array_mut) {
        for email in emails.iter_mut().filter_map(Value::as_object_mut) {
            email.retain(|name, value| name != "primary" || value.as_bool() != Some(false));
        }
    }
    state
}

fn primaries(resource: &Resource) -> usize {
    let emails = resource.get("emails").map(Value::elements).unwrap_or_default();
    emails.iter().filter(|e| e.get("primary") == Some(&Value::from(true))).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// What comes out is valid and canonical; `changed`, `changes` and `diff` agree with each other and
    /// with the resource.
    #[test]
    fn outcomes_are_valid_and_tell_the_truth(before in stored(), operations in prop::collection::vec(operation(), 1..5)) {
        for patch in dialects() {
            let kept = before.clone();
            let outcome = run(&patch, &before, &operations);
            prop_assert_eq!(&before, &kept);
            let Ok(outcome) = outcome else { continue };
            prop_assert_eq!(outcome.changed, !outcome.changes.is_empty());
            prop_assert_eq!(outcome.changed, outcome.resource != before, "{:?}", outcome.changes);
            let mut told = outcome.changes.clone();
            let mut differing = diff(&before, &outcome.resource, user());
            told.sort_by(|a, b| a.path.cmp(&b.path));
            differing.sort_by(|a, b| a.path.cmp(&b.path));
            prop_assert_eq!(told, differing);
            let mut finished = outcome.resource.clone();
            finish(&mut finished, user()).unwrap();
            prop_assert_eq!(&finished, &outcome.resource);
            let canonical = assigned(outcome.resource.attributes().clone());
            prop_assert_eq!(&canonical, outcome.resource.attributes());
            prop_assert!(primaries(&outcome.resource) <= 1);
        }
    }

    /// Operations of one request are as good as requests of one operation.
    #[test]
    fn operations_are_applied_in_order(before in stored(), operations in prop::collection::vec(operation(), 1..5)) {
        for patch in dialects() {
            let Ok(at_once) = run(&patch, &before, &operations) else { continue };
            let mut resource = before.clone();
            for operation in &operations {
                resource = run(&patch, &resource, std::slice::from_ref(operation)).unwrap().resource;
            }
            prop_assert_eq!(state(&at_once.resource), state(&resource));
        }
    }

    /// An error names the operation, and without it and what follows there is none.
    #[test]
    fn errors_are_those_of_the_operation_they_name(before in stored(), operations in prop::collection::vec(operation(), 1..5)) {
        for patch in dialects() {
            let Err(error) = run(&patch, &before, &operations) else { continue };
            let at = error.operation().unwrap();
            let alone = patch.plan(&serde_json::to_string(&operations[at..=at]).unwrap());
            let up_to = run(&patch, &before, &operations[..=at]);
            prop_assert_eq!(up_to.unwrap_err().kind(), error.kind());
            // What needs no resource is found first, so nothing before it is wrong in itself.
            if let Err(alone) = alone {
                prop_assert_eq!(alone.kind(), error.kind());
            }
        }
    }

    /// The differences of two resources, sent as a PATCH to the one, make it the other.
    #[test]
    fn a_difference_is_a_patch(before in stored(), after in stored()) {
        let changes = diff(&before, &after, user());
        prop_assert_eq!(changes.is_empty(), state(&before) == state(&after));
        if changes.is_empty() {
            return Ok(());
        }
        for patch in dialects() {
            let outcome = run(&patch, &before, &to_patch(&changes)).unwrap();
            prop_assert_eq!(state(&outcome.resource), state(&after));
            prop_assert_eq!(diff(&outcome.resource, &after, user()), []);
            prop_assert!(!run(&patch, &outcome.resource, &to_patch(&changes)).unwrap().changed);
        }
    }

    /// A replacement done twice is done once.
    #[test]
    fn a_replacement_is_idempotent(before in stored(), value in attributes()) {
        let operations = [json!({"op": "replace", "value": value})];
        for patch in dialects() {
            let Ok(once) = run(&patch, &before, &operations) else { continue };
            let twice = run(&patch, &once.resource, &operations).unwrap();
            prop_assert!(!twice.changed, "{:?}", twice.changes);
        }
    }

    /// A delta on a set of ids is what the same request does to the list.
    #[test]
    fn a_delta_is_the_request(
        before in prop::collection::btree_set("[a-f]", 0..6),
        operations in prop::collection::vec(member_operation(), 1..6),
    ) {
        let ids: Vec<String> = before.into_iter().collect();
        let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
        let resource = Resource::from_canonical(
            serde_json::from_value(json!({"displayName": "G", "members": members})).unwrap());
        let text = serde_json::to_string(&operations).unwrap();
        let outcome = Patch::lenient(group()).run(&resource, &text).unwrap();
        let listed = outcome.resource.get("members").map(Value::elements).unwrap_or_default();
        let mut listed: Vec<String> =
            listed.iter().map(|m| m.get("value").unwrap().as_str().unwrap().to_owned()).collect();
        listed.sort();
        let by_delta = Patch { inline_members: false, ..Patch::lenient(group()) };
        let plan = by_delta.plan(&text).unwrap();
        if let MembershipPlan::Delta(delta) = plan.membership() {
            prop_assert!(delta.add.iter().all(|m| !delta.remove.contains(&m.id)));
        }
        prop_assert_eq!(ids_after(plan.membership(), &ids), listed);
    }
}

fn member_operation() -> impl Strategy<Value = serde_json::Value> {
    let ids = prop::collection::vec("[a-f]", 0..3);
    (ids, 0..5_u8).prop_map(|(ids, kind)| {
        let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
        let filter: Vec<_> = ids.iter().map(|id| format!("value eq \"{id}\"")).collect();
        match kind {
            0 => json!({"op": "replace", "path": "members", "value": members}),
            1 if !ids.is_empty() => {
                json!({"op": "remove", "path": format!("members[{}]", filter.join(" or "))})
            }
            2 if !ids.is_empty() => json!({"op": "remove", "path": "members", "value": members}),
            3 if ids.len() == 2 => json!({"op": "remove", "path": "members"}),
            _ => json!({"op": "add", "path": "members", "value": members}),
        }
    })
}
