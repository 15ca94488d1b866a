//! Attributes of a kind that the standard schemas do not have: multi-valued, immutable, required and hidden parts of
//! complex values.

use std::sync::{Arc, LazyLock};

use scim_patch::PatchErrorKind::{InvalidFilter, InvalidSyntax, InvalidValue, Mutability};
use scim_patch::{Member, MemberDelta, diff};
use scim_schema::{Registry, RegistryBuilder, ResourceType, Value};

use crate::support::{LAB, Patch, json_of, resource, user};

const KEYS: &str = "urn:example:scim:schemas:extension:keys:2.0:User";

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let part = |name: &str, multi: bool, mutability: &str, returned: &str, required: bool| {
        format!(
            r#"{{"name": "{name}", "type": "string", "multiValued": {multi}, "mutability": "{mutability}",
                "returned": "{returned}", "required": {required}, "caseExact": false, "uniqueness": "none"}}"#
        )
    };
    let parts = [
        part("value", false, "readWrite", "default", false),
        part("uses", true, "readWrite", "default", false),
        part("marks", true, "immutable", "default", false),
        part("pin", false, "writeOnly", "never", false),
        part("owner", false, "readWrite", "default", true),
    ];
    let schema = format!(
        r#"{{"id": "{KEYS}", "name": "Keys", "attributes": [{{"name": "keys", "type": "complex", "multiValued": true,
            "mutability": "readWrite", "returned": "default", "required": false, "subAttributes": [{}]}}]}}"#,
        parts.join(",")
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    builder.extend("User", KEYS, false).unwrap().build().unwrap()
});

fn keyed() -> &'static Arc<ResourceType> {
    REGISTRY.resource_type("User").unwrap()
}

fn with_keys(keys: &str) -> String {
    let base = scim_schema::USER;
    format!(r#"{{"schemas": ["{base}", "{KEYS}"], "userName": "b", "{KEYS}": {{"keys": {keys}}}}}"#)
}

fn operation(op: &str, path: &str, value: &str) -> String {
    format!(r#"[{{"op": "{op}", "path": "{KEYS}:{path}", "value": {value}}}]"#)
}

fn keys_after(before: &str, operations: &str) -> String {
    let after = Patch::strict(keyed()).changed(&with_keys(before), operations);
    serde_json::to_string(after.get(KEYS).unwrap().get("keys").unwrap()).unwrap()
}

const ONE: &str = r#"[{"value": "a", "owner": "o", "uses": ["sign"], "marks": ["m"]}]"#;

#[test]
fn a_multi_valued_part_gains_values() {
    let expected = r#"[{"value":"a","owner":"o","uses":["sign","open"],"marks":["m"]}]"#;
    let by_filter = operation("add", r#"keys[value eq \"a\"].uses"#, r#"["open", "SIGN"]"#);
    assert_eq!(keys_after(ONE, &by_filter), expected);
    let same_value = operation("add", "keys", r#"[{"value": "A", "owner": "o", "uses": ["SIGN", "open"]}]"#);
    assert_eq!(keys_after(ONE, &same_value), expected);
    Patch::strict(keyed()).unchanged(&with_keys(ONE), &operation("add", "keys.uses", r#"["Sign"]"#));
    let others = operation("replace", "keys.uses", r#"["open", "close"]"#);
    assert_eq!(
        keys_after(ONE, &others),
        r#"[{"value":"a","owner":"o","uses":["open","close"],"marks":["m"]}]"#
    );
    let first = r#"[{"value": "a", "owner": "o"}]"#;
    let expected = r#"[{"value":"a","owner":"o","uses":["open"]}]"#;
    assert_eq!(keys_after(first, &operation("add", "keys.uses", r#"["open"]"#)), expected);
}

#[test]
fn an_immutable_part_takes_only_what_it_has() {
    let strict = Patch::strict(keyed());
    let before = with_keys(ONE);
    for (op, value) in [("add", r#"["M"]"#), ("replace", r#"["M"]"#)] {
        strict.unchanged(&before, &operation(op, "keys.marks", value));
    }
    for (op, value) in
        [("add", r#"["n"]"#), ("replace", r#"["m", "n"]"#), ("replace", r#"["n"]"#), ("replace", "null")]
    {
        let error = strict.run(&resource(&before), &operation(op, "keys.marks", value)).unwrap_err();
        assert_eq!(error.kind(), Mutability, "{op} {value}");
        assert_eq!(error.path(), format!("{KEYS}:keys.marks"));
    }
    let first = r#"[{"value": "a", "owner": "o"}]"#;
    let expected = r#"[{"value":"a","owner":"o","marks":["m"]}]"#;
    assert_eq!(keys_after(first, &operation("add", "keys.marks", r#"["m"]"#)), expected);
}

#[test]
fn a_required_part_keeps_a_value() {
    let strict = Patch::strict(keyed());
    for (value, kind) in [("null", Mutability), (r#""""#, InvalidValue)] {
        let replace = operation("replace", r#"keys[value eq \"a\"].owner"#, value);
        assert_eq!(strict.refused(&with_keys(ONE), &replace), kind, "{value}");
    }
    let other = operation("replace", "keys.owner", r#""p""#);
    assert_eq!(keys_after(ONE, &other), r#"[{"value":"a","owner":"p","uses":["sign"],"marks":["m"]}]"#);
}

#[test]
fn hidden_parts_are_in_no_difference() {
    let before = resource(&with_keys(r#"[{"value": "a", "owner": "o", "pin": "1234"}]"#));
    let after = resource(&with_keys(r#"[{"value": "b", "owner": "o", "pin": "4321"}]"#));
    let changes = diff(&before, &after, keyed());
    assert_eq!(changes.len(), 1);
    let shown = |value: &Option<Value>| serde_json::to_string(value.as_ref().unwrap()).unwrap();
    assert_eq!(shown(&changes[0].from), r#"[{"value":"a","owner":"o"}]"#);
    assert_eq!(shown(&changes[0].to), r#"[{"value":"b","owner":"o"}]"#);
}

#[test]
fn a_value_without_parts_is_gone() {
    let strict = Patch::strict(user());
    let before = r#"{"userName": "b", "phoneNumbers": [{"value": "1"}, {"value": "2"}]}"#;
    let remove = r#"[{"op": "remove", "path": "phoneNumbers[value eq \"1\"].value"}]"#;
    assert_eq!(json_of(&strict.changed(before, remove), "phoneNumbers"), r#"[{"value":"2"}]"#);
}

#[test]
fn numbers_in_a_list_are_told_apart() {
    let strict = Patch::strict(user());
    let before = format!(r#"{{"userName": "b", "{LAB}": {{"levels": [1, 2, 3]}}}}"#);
    let edit =
        |op: &str, value: &str| format!(r#"[{{"op": "{op}", "path": "{LAB}:levels", "value": {value}}}]"#);
    strict.unchanged(&before, &edit("add", "[2]"));
    strict.unchanged(&before, &edit("remove", "[4]"));
    let levels = |operations: &str| json_of(&strict.changed(&before, operations), LAB);
    assert_eq!(levels(&edit("add", "[2, 4]")), r#"{"levels":[1,2,3,4]}"#);
    assert_eq!(levels(&edit("remove", "[3, 1]")), r#"{"levels":[2]}"#);
}

#[test]
fn what_is_said_twice_or_of_the_wrong_form_is_refused() {
    let strict = Patch::strict(user());
    let before = r#"{"userName": "b", "addresses": [{"region": "x"}]}"#;
    for (operation, kind) in [
        (r#"{"op": "add", "path": "name", "value": {"givenName": "a", "GIVENNAME": "b"}}"#, InvalidValue),
        (r#"{"op": "add", "value": {"title": "a", "TITLE": "b"}}"#, InvalidSyntax),
        (r#"{"op": "remove", "path": "addresses", "value": "x"}"#, InvalidValue),
        (r#"{"op": "remove", "path": "schemas[value co \"x\"]"}"#, InvalidFilter),
        (r#"{"op": "add", "value": {"emails[type zz 1]": "a"}}"#, InvalidFilter),
    ] {
        assert_eq!(strict.refused(before, &format!("[{operation}]")), kind, "{operation}");
    }
}

#[test]
fn a_plan_says_what_it_compares() {
    let strict = Patch::strict(user());
    let plan = strict.plan(r#"[{"op": "replace", "value": {"id": "1", "title": "x"}}]"#).unwrap();
    assert!(plan.compares("id"));
    assert!(!plan.compares("title") && !plan.compares("groups"));
}

#[test]
fn a_delta_is_empty_if_it_does_nothing() {
    let delta = MemberDelta::default();
    assert!(delta.is_empty());
    assert!(!MemberDelta { clear: true, ..delta.clone() }.is_empty());
    assert!(!MemberDelta { add: vec![Member::new("a")], ..delta.clone() }.is_empty());
    assert!(!MemberDelta { remove: vec!["a".into()], ..delta }.is_empty());
    assert_eq!(Member::new("a"), Member { id: "a".into(), resource_type: None, display: None });
}

#[test]
fn a_filter_on_instants_selects_by_instant() {
    const DAYS: &str = "urn:example:scim:schemas:extension:days:2.0:User";
    let schema = format!(
        r#"{{"id": "{DAYS}", "name": "Days", "attributes": [
            {{"name": "days", "type": "dateTime", "multiValued": true}},
            {{"name": "visits", "type": "complex", "multiValued": true, "subAttributes": [
                {{"name": "value", "type": "dateTime"}}]}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", DAYS, false).unwrap().build().unwrap();
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let before = format!(
        r#"{{"userName": "b", "{DAYS}": {{"days": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"],
            "visits": [{{"value": "2024-01-01T00:00:00Z"}}, {{"value": "2024-01-02T00:00:00Z"}}]}}}}"#
    );
    let remove = |attribute: &str| {
        let path = format!(r#"{DAYS}:{attribute}[value eq \"2024-01-01T01:00:00+01:00\"]"#);
        let after = strict.changed(&before, &format!(r#"[{{"op": "remove", "path": "{path}"}}]"#));
        serde_json::to_string(after.get(DAYS).unwrap().get(attribute).unwrap()).unwrap()
    };
    assert_eq!(remove("days"), r#"["2024-01-02T00:00:00Z"]"#);
    assert_eq!(remove("visits"), r#"[{"value":"2024-01-02T00:00:00Z"}]"#);
}

#[test]
fn an_immutable_list_takes_the_same_values_again() {
    const SEALS: &str = "urn:example:scim:schemas:extension:seals:2.0:User";
    let schema = format!(
        r#"{{"id": "{SEALS}", "name": "Seals", "attributes": [
            {{"name": "seals", "type": "string", "multiValued": true, "mutability": "immutable"}}]}}"#
    );
    let builder = RegistryBuilder::standard().schema_json(&schema).unwrap();
    let registry = builder.extend("User", SEALS, false).unwrap().build().unwrap();
    let strict = Patch::strict(registry.resource_type("User").unwrap());
    let edit =
        |op: &str, value: &str| format!(r#"{{"op": "{op}", "path": "{SEALS}:seals", "value": {value}}}"#);
    let (first, same, more) = (edit("add", r#"["a"]"#), edit("add", r#"["A"]"#), edit("add", r#"["b"]"#));
    let before = format!(r#"{{"userName": "b", "{SEALS}": {{"seals": ["a"]}}}}"#);
    strict.unchanged(&before, &format!("[{same}, {}]", edit("replace", r#"["A"]"#)));
    for operation in [&more, &edit("remove", "null"), &edit("remove", r#"["a"]"#)] {
        assert_eq!(strict.refused(&before, &format!("[{operation}]")), Mutability, "{operation}");
    }
    let after = strict.changed(r#"{"userName": "b"}"#, &format!("[{first}, {same}]"));
    assert_eq!(json_of(&after, SEALS), r#"{"seals":["a"]}"#);
    assert_eq!(strict.refused(r#"{"userName": "b"}"#, &format!("[{first}, {more}]")), Mutability);
}
