//! Operations on `schemas` and on extensions as a whole.

use scim_patch::PatchErrorKind::{InvalidPath, InvalidValue, Mutability};
use scim_schema::{Leniency, Registry, RegistryBuilder};

use crate::support::{ENTERPRISE, LAB, Patch, json_of, resource, user};

fn schemas_path(op: &str, value: &str) -> String {
    format!(r#"[{{"op": "{op}", "path": "schemas", "value": {value}}}]"#)
}

fn with_department() -> String {
    let user = scim_schema::USER;
    format!(
        r#"{{"schemas": ["{user}", "{ENTERPRISE}"], "userName": "b", "{ENTERPRISE}": {{"department": "IT"}}}}"#
    )
}

// ledger: 7644-3.5.2-012
#[test]
fn schemas_follow_the_extensions_in_use() {
    let strict = Patch::strict(user());
    let plain = format!(r#"{{"schemas": ["{}"], "userName": "b"}}"#, scim_schema::USER);
    let operations = format!(r#"[{{"op": "add", "path": "{ENTERPRISE}:employeeNumber", "value": "7"}}]"#);
    let user = strict.changed(&plain, &operations);
    assert_eq!(user.schemas().collect::<Vec<_>>(), [scim_schema::USER, ENTERPRISE]);
    for operation in [
        format!(r#"{{"op": "remove", "path": "{ENTERPRISE}:department"}}"#),
        format!(r#"{{"op": "remove", "path": "{ENTERPRISE}"}}"#),
        format!(r#"{{"op": "remove", "path": "{ENTERPRISE}", "value": {{"costCenter": "1"}}}}"#),
        format!(r#"{{"op": "remove", "path": "{ENTERPRISE}", "value": "IT"}}"#),
        format!(r#"{{"op": "replace", "path": "{ENTERPRISE}", "value": null}}"#),
        format!(r#"{{"op": "replace", "path": "{ENTERPRISE}", "value": {{"department": null}}}}"#),
        format!(r#"{{"op": "remove", "path": "schemas[value eq \"{ENTERPRISE}\"]"}}"#),
        format!(r#"{{"op": "remove", "path": "schemas", "value": ["{ENTERPRISE}"]}}"#),
        format!(r#"{{"op": "replace", "path": "schemas", "value": ["{}"]}}"#, scim_schema::USER),
    ] {
        let user = strict.changed(&with_department(), &format!("[{operation}]"));
        assert_eq!(user.schemas().collect::<Vec<_>>(), [scim_schema::USER], "{operation}");
        assert_eq!(json_of(&user, ENTERPRISE), "nothing");
    }
}

#[test]
fn only_extensions_of_the_type_come_and_go() {
    let strict = Patch::strict(user());
    let base = scim_schema::USER;
    assert_eq!(strict.refused(&with_department(), &schemas_path("add", r#"["urn:x:y"]"#)), InvalidValue);
    assert_eq!(strict.refused(&with_department(), &schemas_path("remove", "null")), Mutability);
    assert_eq!(strict.refused(&with_department(), &schemas_path("replace", "[]")), Mutability);
    let without_base = schemas_path("replace", &format!(r#"["{ENTERPRISE}"]"#));
    assert_eq!(strict.refused(&with_department(), &without_base), InvalidValue);
    let base_away = format!(r#"[{{"op": "remove", "path": "schemas[value eq \"{base}\"]"}}]"#);
    assert_eq!(strict.refused(&with_department(), &base_away), Mutability);
    let one = format!(r#"[{{"op": "replace", "path": "schemas[value eq \"{base}\"]", "value": "{LAB}"}}]"#);
    assert_eq!(strict.refused(&with_department(), &one), InvalidPath);
    // An extension may be listed before it has values.
    let user = strict.changed(&with_department(), &schemas_path("add", &format!(r#"["{LAB}"]"#)));
    assert_eq!(user.schemas().collect::<Vec<_>>(), [base, ENTERPRISE, LAB]);
    let (outcome, report) = Patch::lenient(crate::support::user())
        .reported(&resource(&with_department()), &schemas_path("add", r#"["urn:x:y"]"#));
    assert!(!outcome.unwrap().changed);
    assert_eq!(report.notes()[0].kind, Leniency::SchemaDropped);
}

#[test]
fn schemas_in_a_value_without_path_take_nothing_away() {
    let operations =
        format!(r#"[{{"op": "replace", "value": {{"schemas": ["{}"], "title": "x"}}}}]"#, scim_schema::USER);
    let user = Patch::strict(user()).changed(&with_department(), &operations);
    assert_eq!(json_of(&user, ENTERPRISE), r#"{"department":"IT"}"#);
    assert_eq!(user.schemas().count(), 2);
}

#[test]
fn an_extension_of_an_extension_is_no_path() {
    let strict = Patch::strict(user());
    for value in [format!(r#"{{"{LAB}": {{"badgeNumber": 1}}}}"#), format!(r#"{{"{ENTERPRISE}": {{}}}}"#)] {
        let operations = format!(r#"[{{"op": "add", "path": "{ENTERPRISE}", "value": {value}}}]"#);
        assert_eq!(strict.refused(&with_department(), &operations), InvalidPath);
    }
    let text = format!(r#"[{{"op": "add", "path": "{ENTERPRISE}", "value": "x"}}]"#);
    assert_eq!(strict.refused(&with_department(), &text), InvalidValue);
    // Ledger choice `add-empty-list`; to replace with nothing is to take away.
    let nothing = |op: &str| format!(r#"[{{"op": "{op}", "path": "{ENTERPRISE}", "value": []}}]"#);
    strict.unchanged(&with_department(), &nothing("add"));
    let user = strict.changed(&with_department(), &nothing("replace"));
    assert_eq!(json_of(&user, ENTERPRISE), "nothing");
}

const BADGE: &str = "urn:example:params:scim:schemas:1.0:Badge";

/// A user who may, or must, have a badge with a number and at least one door.
fn with_badges(required: bool) -> Registry {
    let schema = format!(
        r#"{{"id": "{BADGE}", "name": "Badge", "attributes": [
            {{"name": "number", "type": "integer", "required": true}},
            {{"name": "doors", "type": "string", "multiValued": true, "required": true}},
            {{"name": "color", "type": "string"}},
            {{"name": "owner", "type": "complex", "subAttributes": [
                {{"name": "name", "type": "string", "required": true}}, {{"name": "phone", "type": "string"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    builder.extend("User", BADGE, required).unwrap().build().unwrap()
}

#[test]
fn required_attributes_of_an_extension_are_there_as_long_as_it_is() {
    let registry = with_badges(false);
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let without = r#"{"userName": "b"}"#;
    let with = format!(
        r#"{{"userName": "b", "{BADGE}": {{"number": 1, "doors": ["a", "b"], "owner": {{"name": "B"}}}}}}"#
    );
    let operation = |op: &str, path: &str, value: &str| {
        format!(r#"[{{"op": "{op}", "path": "{BADGE}{path}", "value": {value}}}]"#)
    };
    assert_eq!(strict.refused(without, &operation("add", ":color", r#""red""#)), InvalidValue);
    assert_eq!(
        strict.refused(without, &operation("add", "", r#"{"number": 1, "color": "red"}"#)),
        InvalidValue
    );
    strict.changed(without, &operation("add", "", r#"{"number": 1, "doors": ["a"]}"#));
    strict.changed(&with, &operation("add", ":color", r#""red""#));
    for (op, path, value) in [
        ("remove", ":number", "null"),
        ("remove", ":doors", "null"),
        ("replace", ":doors", "[]"),
        ("remove", ":doors", r#"["a", "B"]"#),
        ("remove", ":doors[value pr]", "null"),
        ("remove", ":owner.name", "null"),
        ("replace", ":owner", r#"{"name": null, "phone": "1"}"#),
    ] {
        assert_eq!(strict.refused(&with, &operation(op, path, value)), Mutability, "{op} {path} {value}");
    }
    assert_eq!(strict.refused(&with, &operation("replace", ":owner.name", r#""""#)), InvalidValue);
    strict.changed(&with, &operation("add", ":owner.phone", r#""1""#));
    let ownerless = with.replace(r#", "owner": {"name": "B"}"#, "");
    let error = strict.run(&resource(&ownerless), &operation("add", ":owner.phone", r#""1""#)).unwrap_err();
    assert_eq!((error.kind(), error.path()), (InvalidValue, format!("{BADGE}:owner.name").as_str()));
    // Older than the requirement, but edited now.
    let doorless = with.replace(r#" "doors": ["a", "b"],"#, "");
    let remove = format!(r#"{{"op": "remove", "path": "{BADGE}:doors", "value": ["a"]}}"#);
    assert_eq!(strict.refused(&doorless, &format!("[{remove}]")), InvalidValue);
    let add = format!(r#"{{"op": "add", "path": "{BADGE}:doors", "value": ["b"]}}"#);
    strict.changed(&doorless, &format!("[{remove}, {remove}, {add}]"));
    let user = strict.changed(&with, &operation("remove", ":doors", r#"["a"]"#));
    assert_eq!(json_of(&user, BADGE), r#"{"number":1,"doors":["b"],"owner":{"name":"B"}}"#);
    strict.changed(&with, &operation("remove", ":owner", "null"));
    let user = strict.changed(&with, &operation("remove", "", "null"));
    assert_eq!(json_of(&user, BADGE), "nothing");
}

// ledger: 7644-3.5.2-013, 7644-3.5.2.2-006
#[test]
fn a_required_list_that_an_operation_brought_can_not_be_emptied_by_the_next() {
    let schema = format!(
        r#"{{"id": "{BADGE}", "name": "Badge", "attributes": [{{"name": "doors", "multiValued": true, "required": true}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", BADGE, false).unwrap().build().unwrap();
    let operations = format!(
        r#"[{{"op": "add", "path": "{BADGE}:doors", "value": ["a"]}},
            {{"op": "remove", "path": "{BADGE}:doors[value pr]"}}]"#
    );
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    assert_eq!(strict.refused(r#"{"userName": "b"}"#, &operations), Mutability);
}

#[test]
fn a_required_extension_stays() {
    let registry = with_badges(true);
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let before = format!(r#"{{"userName": "b", "{BADGE}": {{"number": 1, "doors": ["a"]}}}}"#);
    for operation in [
        format!(r#"{{"op": "remove", "path": "{BADGE}"}}"#),
        format!(r#"{{"op": "replace", "value": {{"{BADGE}": null}}}}"#),
        format!(r#"{{"op": "remove", "path": "schemas[value eq \"{BADGE}\"]"}}"#),
        format!(r#"{{"op": "replace", "path": "schemas", "value": ["{}"]}}"#, scim_schema::USER),
    ] {
        assert_eq!(strict.refused(&before, &format!("[{operation}]")), Mutability, "{operation}");
    }
    strict.unchanged(&before, &schemas_path("replace", &format!(r#"["{}", "{BADGE}"]"#, scim_schema::USER)));
}

#[test]
fn a_list_that_comes_and_goes_takes_its_extension_with_it() {
    let base = scim_schema::USER;
    let before = format!(r#"{{"schemas": ["{base}"], "userName": "b"}}"#);
    let operations = format!(
        r#"[{{"op": "add", "path": "schemas", "value": ["{LAB}"]}},
            {{"op": "add", "path": "{LAB}:tags", "value": ["x"]}}, {{"op": "remove", "path": "{LAB}:tags"}}]"#
    );
    Patch::strict(user()).unchanged(&before, &operations);
}

#[test]
fn what_changes_nothing_leaves_a_listed_extension_listed() {
    let schema = format!(
        r#"{{"id": "{BADGE}", "name": "Badge", "attributes": [
            {{"name": "door", "type": "complex", "subAttributes": [{{"name": "primary", "type": "boolean"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", BADGE, false).unwrap().build().unwrap();
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let listed = format!(r#"{{"schemas": ["{}", "{BADGE}"], "userName": "b"}}"#, scim_schema::USER);
    for (op, value) in [("add", "false"), ("replace", "null"), ("remove", "null")] {
        let operation = format!(r#"[{{"op": "{op}", "path": "{BADGE}:door.primary", "value": {value}}}]"#);
        strict.unchanged(&listed, &operation);
    }
    let listed = format!(r#"{{"schemas": ["{}", "{LAB}"], "userName": "b"}}"#, scim_schema::USER);
    let remove = format!(r#"[{{"op": "remove", "path": "{LAB}:tags[value eq \"x\"]"}}]"#);
    Patch::strict(user()).unchanged(&listed, &remove);
}

// ledger: 7644-3.5.2.2-006
#[test]
fn a_required_complex_value_is_not_taken_away_part_by_part() {
    let schema = format!(
        r#"{{"id": "{BADGE}", "name": "Badge", "attributes": [
            {{"name": "owner", "type": "complex", "required": true, "subAttributes": [{{"name": "name"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", BADGE, false).unwrap().build().unwrap();
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let before = format!(r#"{{"userName": "b", "{BADGE}": {{"owner": {{"name": "B"}}}}}}"#);
    for operation in [
        format!(r#"{{"op": "remove", "path": "{BADGE}:owner.name"}}"#),
        format!(r#"{{"op": "replace", "path": "{BADGE}:owner", "value": {{"name": null}}}}"#),
        format!(r#"{{"op": "remove", "path": "{BADGE}:owner"}}"#),
    ] {
        assert_eq!(strict.refused(&before, &format!("[{operation}]")), Mutability, "{operation}");
    }
}

#[test]
fn a_resource_that_is_older_than_a_requirement_can_be_patched() {
    let registry = with_badges(true);
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let outcome = strict.run(
        &resource(r#"{"userName": "b", "active": true}"#),
        r#"[{"op": "replace", "path": "active", "value": false}]"#,
    );
    assert!(outcome.unwrap().changed);
}

#[test]
fn schemas_change_on_their_own_only_for_extensions_without_values() {
    let strict = Patch::strict(user());
    let plain = format!(r#"{{"schemas": ["{}"], "userName": "b"}}"#, scim_schema::USER);
    let paths = |before: &str, operations: &str| {
        let outcome = strict.run(&resource(before), operations).unwrap();
        outcome.changes.into_iter().map(|change| change.path).collect::<Vec<_>>()
    };
    let department = format!("{ENTERPRISE}:department");
    let add = format!(r#"[{{"op": "add", "path": "{department}", "value": "IT"}}]"#);
    assert_eq!(paths(&plain, &add), [department.as_str()]);
    let remove = format!(r#"[{{"op": "remove", "path": "{ENTERPRISE}"}}]"#);
    assert_eq!(paths(&with_department(), &remove), [department.as_str()]);
    let list = schemas_path("add", &format!(r#"["{LAB}"]"#));
    assert_eq!(paths(&plain, &list), ["schemas"]);
}
