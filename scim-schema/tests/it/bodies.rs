//! Bodies of POST and PUT: names, `schemas`, lists, mutability.

use scim_schema::{
    Dialect, ENTERPRISE_USER, Intent, Leniency, ReadOptions, Report, Resource, ResourceType, USER, Violation,
    ViolationKind, read,
};
use serde_json::json;

use crate::support::{THING, create, thing, user, value};

fn strict(body: serde_json::Value) -> Result<Resource, Violation> {
    create(body, &user(), &ReadOptions::new(&Dialect::strict()))
}

#[track_caller]
fn refused(body: serde_json::Value, kind: ViolationKind, path: &str) {
    let error = strict(body).unwrap_err();
    assert_eq!((error.kind(), error.path()), (kind, path), "{error}");
}

fn replace(
    existing: &Resource,
    body: serde_json::Value,
    resource_type: &ResourceType,
) -> Result<Resource, Violation> {
    let dialect = Dialect::strict();
    let mut report = Report::default();
    read(value(body), resource_type, Intent::Replace(existing), &ReadOptions::new(&dialect), &mut report)
}

// ledger: 7643-2.1-003
#[test]
fn names_are_matched_without_letter_case() {
    let body = json!({"SCHEMAS": [USER.to_uppercase(), ENTERPRISE_USER.to_lowercase()], "USERNAME": "x",
        "Name": {"GIVENNAME": "X"}, "eMails": [{"VALUE": "x@example.com", "Primary": true}],
        ENTERPRISE_USER.to_uppercase(): {"EmployeeNUMBER": "7"}});
    let resource = strict(body).unwrap();
    let expected = json!({"schemas": [USER, ENTERPRISE_USER], "userName": "x", "name": {"givenName": "X"},
        "emails": [{"value": "x@example.com", "primary": true}], ENTERPRISE_USER: {"employeeNumber": "7"}});
    assert_eq!(value(serde_json::to_value(&resource).unwrap()), value(expected));
    refused(
        json!({"schemas": [USER], "userName": "x", "USERNAME": "y"}),
        ViolationKind::InvalidSyntax,
        "userName",
    );
}

// ledger: 7643-2.1-001, 7643-3-002, 7643-3.3-001
#[test]
fn schemas_lists_the_base_and_extensions_of_the_type() {
    refused(json!({"userName": "x"}), ViolationKind::InvalidSyntax, "schemas");
    refused(json!({"schemas": [], "userName": "x"}), ViolationKind::InvalidSyntax, "schemas");
    refused(json!({"schemas": {}, "userName": "x"}), ViolationKind::InvalidSyntax, "schemas");
    refused(json!({"schemas": [1], "userName": "x"}), ViolationKind::InvalidSyntax, "schemas");
    let unknown = json!({"schemas": [USER, "urn:example:other"], "userName": "x"});
    refused(unknown.clone(), ViolationKind::InvalidValue, "schemas");
    refused(json!({"schemas": [ENTERPRISE_USER], "userName": "x"}), ViolationKind::InvalidValue, "schemas");
    let unlisted = json!({"schemas": [USER], "userName": "x", ENTERPRISE_USER: {"division": "d"}});
    refused(unlisted.clone(), ViolationKind::InvalidValue, "schemas");

    let dialect = Dialect::default();
    let mut report = Report::default();
    let mut lenient = |body: serde_json::Value| {
        let options = ReadOptions::new(&dialect);
        let resource = read(value(body), &user(), Intent::Create, &options, &mut report).unwrap();
        resource.schemas().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lenient(unknown), [USER]);
    assert_eq!(lenient(unlisted), [USER, ENTERPRISE_USER]);
    assert_eq!(lenient(json!({"userName": "x"})), [USER]);
    let kinds: Vec<_> = report.notes().iter().map(|n| n.kind).collect();
    assert_eq!(kinds, [Leniency::SchemaDropped, Leniency::SchemaInferred, Leniency::SchemaInferred]);
}

// ledger: 7643-3-003, 7643-3-004
#[test]
fn order_and_repetition_in_schemas_change_nothing() {
    let outcome = |schemas: serde_json::Value| {
        strict(json!({"schemas": schemas, "userName": "x", ENTERPRISE_USER: {"division": "d"}})).unwrap()
    };
    let expected = outcome(json!([USER, ENTERPRISE_USER]));
    assert_eq!(expected.schemas().collect::<Vec<_>>(), [USER, ENTERPRISE_USER]);
    assert_eq!(outcome(json!([ENTERPRISE_USER, USER])), expected);
    assert_eq!(outcome(json!([USER, ENTERPRISE_USER, USER, ENTERPRISE_USER.to_uppercase()])), expected);
}

// ledger: 7643-2.4-002, 7643-2.4-007, 7643-2.4-008
#[test]
fn lists_have_one_primary_and_no_equal_values() {
    let emails = |list: serde_json::Value| {
        strict(json!({"schemas": [USER], "userName": "x", "emails": list}))
            .map(|r| serde_json::to_value(r.get("emails")).unwrap())
    };
    let two = json!([{"value": "a@x", "primary": true}, {"value": "b@x", "primary": true}]);
    assert_eq!(emails(two).unwrap_err().kind(), ViolationKind::InvalidValue);
    let one =
        json!([{"value": "a@x", "primary": true}, {"value": "b@x", "primary": false}, {"value": "c@x"}]);
    assert_eq!(emails(one.clone()).unwrap(), one);
    let twice = json!([{"value": "a@x", "type": "work"}, {"value": "A@X", "type": "WORK"}]);
    assert_eq!(emails(twice).unwrap(), json!([{"value": "a@x", "type": "work"}]));
    let both = json!([{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}]);
    assert_eq!(emails(both.clone()).unwrap(), both);
}

// ledger: 7643-2.5-001
#[test]
fn null_and_the_empty_list_are_unassigned() {
    for nothing in [json!(null), json!([]), json!([null]), json!([{}]), json!([{"value": null}])] {
        let body =
            json!({"schemas": [USER], "userName": "x", "emails": nothing, "nickName": null, "name": {}});
        let resource = strict(body).unwrap();
        assert_eq!(
            value(serde_json::to_value(&resource).unwrap()),
            value(json!({"schemas": [USER], "userName": "x"}))
        );
    }
    refused(json!({"schemas": [USER], "userName": null}), ViolationKind::InvalidValue, "userName");
}

// ledger: 7643-7-012
#[test]
fn immutable_values_are_set_once() {
    let badges = thing(json!([{"name": "number", "mutability": "immutable"}, {"name": "note"}]));
    let read_new = |body| create(body, &badges, &ReadOptions::new(&Dialect::strict()));
    let with = |number: &str| json!({"schemas": [THING], "number": number});
    let bare = read_new(json!({"schemas": [THING]})).unwrap();
    let set = replace(&bare, with("7"), &badges).unwrap();
    assert_eq!(set.get("number"), Some(&value(json!("7"))), "a replace sets it when it is empty");
    assert_eq!(replace(&set, with("7"), &badges).unwrap(), set, "the same value is no change");
    let error = replace(&set, with("8"), &badges).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ViolationKind::Mutability, "number"));
    let without = replace(&set, json!({"schemas": [THING], "note": "n"}), &badges).unwrap();
    assert_eq!(without.get("number"), Some(&value(json!("7"))), "leaving it out does not clear it");
    assert_eq!(read_new(with("9")).unwrap().get("number"), Some(&value(json!("9"))));
}

// ledger: 7643-7-010
#[test]
fn read_only_values_of_clients_are_left_out() {
    let types = thing(json!([{"name": "state", "mutability": "readOnly"}, {"name": "box", "type": "complex",
        "subAttributes": [{"name": "a"}, {"name": "seal", "mutability": "readOnly"}]}]));
    let body = json!({"schemas": [THING], "id": "mine", "meta": {"version": "x"}, "state": "forged",
        "box": {"a": "1", "seal": "forged"}});
    let resource = create(body.clone(), &types, &ReadOptions::new(&Dialect::strict())).unwrap();
    let kept = json!({"schemas": [THING], "box": {"a": "1"}});
    assert_eq!(value(serde_json::to_value(&resource).unwrap()), value(kept));

    let stored =
        value(json!({"schemas": [THING], "id": "1", "state": "true", "box": {"a": "0", "seal": "real"}}));
    let stored = Resource::from_canonical(stored.as_object().unwrap().clone());
    let replaced = replace(&stored, body, &types).unwrap();
    let kept = json!({"schemas": [THING], "id": "1", "state": "true", "box": {"a": "1", "seal": "real"}});
    assert_eq!(value(serde_json::to_value(&replaced).unwrap()), value(kept));
}

// ledger: 7643-6-007
#[test]
fn a_required_extension_must_be_there_with_what_it_requires() {
    const EXTENSION: &str = "urn:example:params:scim:schemas:extension:1.0:Badge";
    let registry = scim_schema::RegistryBuilder::standard()
        .schema_json(
            &json!({"id": EXTENSION, "attributes": [{"name": "number", "required": true}, {"name": "note"}]})
                .to_string(),
        )
        .unwrap()
        .extend("User", EXTENSION, true)
        .unwrap()
        .build()
        .unwrap();
    let user = registry.resource_type("User").unwrap();
    let dialect = Dialect::strict();
    let options = ReadOptions::new(&dialect);
    let with = |extension: serde_json::Value| {
        let body = json!({"schemas": [USER, EXTENSION], "userName": "x", EXTENSION: extension});
        create(body, user, &options).map_err(|e| (e.kind(), e.path().to_owned()))
    };
    assert!(with(json!({"number": "7"})).is_ok());
    let invalid = |path: &str| Err((ViolationKind::InvalidValue, path.to_owned()));
    assert_eq!(with(json!({})), invalid(EXTENSION));
    assert_eq!(with(json!({"note": "n"})), invalid(&format!("{EXTENSION}:number")));
    assert_eq!(with(json!({"number": ""})), invalid(&format!("{EXTENSION}:number")));
    let absent = create(json!({"schemas": [USER], "userName": "x"}), user, &options).unwrap_err();
    assert_eq!(absent.path(), EXTENSION);
}
