//! What the operations do, beyond the spec cases: the battery at which other libraries were measured, and
//! the ledger's choices.

use scim_patch::PatchErrorKind::{
    InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget,
};
use scim_patch::diff;
use scim_schema::{Leniency, RegistryBuilder, Value};

use crate::support::{BABS, ENTERPRISE, LAB, Patch, group, json_of, resource, user};

#[test]
fn a_filter_without_match_creates_under_add_and_fails_under_replace() {
    let strict = Patch::strict(user());
    let user = strict
        .changed(BABS, r#"[{"op": "add", "path": "emails[type eq \"other\"].value", "value": "o@x.org"}]"#);
    assert_eq!(user.get("emails").unwrap().elements().len(), 3);
    let replace = r#"[{"op": "replace", "path": "emails[type eq \"other\"].value", "value": "o@x.org"}]"#;
    assert_eq!(strict.refused(BABS, replace), NoTarget);
    // Only eq terms joined by `and` say what the new value is.
    for filter in
        [r#"type ne \"work\" and type ne \"home\""#, r#"type eq \"a\" or type eq \"b\""#, "display pr"]
    {
        let operations = format!(r#"[{{"op": "add", "path": "emails[{filter}].value", "value": "x"}}]"#);
        assert_eq!(strict.refused(BABS, &operations), NoTarget, "{filter}");
    }
}

// ledger: 7644-3.5.2.1-008
#[test]
fn adding_what_is_there_changes_nothing() {
    let strict = Patch::strict(user());
    for operation in [
        r#"{"op": "add", "path": "emails", "value": [{"value": "babs@jensen.org", "type": "home"}]}"#,
        r#"{"op": "add", "path": "emails", "value": [{"value": "BABS@jensen.org", "type": "HOME"}]}"#,
        r#"{"op": "add", "path": "emails", "value": {"value": "babs@jensen.org"}}"#,
        r#"{"op": "add", "path": "emails", "value": {"value": "babs@jensen.org", "primary": false}}"#,
        r#"{"op": "add", "path": "emails", "value": []}"#,
        r#"{"op": "add", "path": "emails[type eq \"home\"]", "value": []}"#,
        r#"{"op": "add", "path": "emails[type eq \"other\"]", "value": [null]}"#,
        r#"{"op": "add", "path": "title", "value": null}"#,
        r#"{"op": "add", "path": "name", "value": []}"#,
        r#"{"op": "add", "path": "title", "value": "Guide"}"#,
        r#"{"op": "add", "path": "name", "value": {"givenName": "Barbara"}}"#,
        r#"{"op": "replace", "path": "name.givenName", "value": "Barbara"}"#,
        r#"{"op": "add", "value": {"title": "Guide", "emails": [{"value": "babs@jensen.org"}]}}"#,
    ] {
        strict.unchanged(BABS, &format!("[{operation}]"));
    }
    // There and back is no change either.
    strict.unchanged(
        BABS,
        r#"[{"op": "replace", "path": "title", "value": "Boss"}, {"op": "replace", "path": "title", "value": "Guide"},
            {"op": "add", "path": "nickName", "value": "B"}, {"op": "remove", "path": "nickName"}]"#,
    );
}

#[test]
fn keys_of_a_value_without_path_are_paths() {
    let operations = format!(
        r#"[{{"op": "replace", "value": {{
            "NAME.givenName": "B", "emails[type eq \"work\"].value": "n@example.com",
            "{ENTERPRISE}:department": "IT", "{LAB}": {{"badgeNumber": 3, "office.floor": 2}},
            "{ENTERPRISE}": {{"manager.value": "m1", "costCenter": "9"}}}}}}]"#
    );
    let user = Patch::strict(user()).changed(BABS, &operations);
    assert_eq!(json_of(&user, "name"), r#"{"givenName":"B","familyName":"Jensen"}"#);
    assert_eq!(user.get("emails").unwrap().elements()[0].get("value"), Some(&Value::from("n@example.com")));
    assert_eq!(
        json_of(&user, ENTERPRISE),
        r#"{"department":"IT","manager":{"value":"m1"},"costCenter":"9"}"#
    );
    assert_eq!(json_of(&user, LAB), r#"{"badgeNumber":3,"office":{"floor":2}}"#);
    assert_eq!(user.schemas().count(), 3);
    let twice = r#"[{"op": "add", "value": {"title": "a", "TITLE": "b"}}]"#;
    assert_eq!(Patch::strict(crate::support::user()).refused(BABS, twice), InvalidSyntax);
}

#[test]
fn a_complex_value_changes_what_it_names_and_drops_what_is_null() {
    let strict = Patch::strict(user());
    let operations =
        r#"[{"op": "replace", "path": "name", "value": {"GIVENNAME": null, "middleName": "J"}}]"#;
    let user = strict.changed(BABS, operations);
    assert_eq!(json_of(&user, "name"), r#"{"familyName":"Jensen","middleName":"J"}"#);
    let all = r#"[{"op": "replace", "path": "name", "value": {"givenName": null, "familyName": null}}]"#;
    assert_eq!(json_of(&strict.changed(BABS, all), "name"), "nothing");
    let empty = r#"[{"op": "replace", "path": "name", "value": []}]"#;
    assert_eq!(json_of(&strict.changed(BABS, empty), "name"), "nothing");
    let unknown = r#"[{"op": "replace", "path": "name", "value": {"shoe": "42"}}]"#;
    assert_eq!(strict.refused(BABS, unknown), InvalidValue);
}

#[test]
fn the_manager_may_be_a_text() {
    let operations = format!(r#"[{{"op": "Add", "path": "{ENTERPRISE}:manager", "value": "m7"}}]"#);
    let user = Patch::strict(user()).changed(BABS, &operations);
    assert_eq!(json_of(&user, ENTERPRISE), r#"{"manager":{"value":"m7"}}"#);
}

#[test]
fn removes_by_list_by_filter_and_of_parts() {
    let strict = Patch::strict(user());
    let emails = |operation: &str| json_of(&strict.changed(BABS, &format!("[{operation}]")), "emails");
    let work = r#"[{"value":"bjensen@example.com","type":"work","primary":true}]"#;
    assert_eq!(
        emails(r#"{"op": "remove", "path": "emails", "value": [{"value": "BABS@jensen.org"}]}"#),
        work
    );
    assert_eq!(
        emails(r#"{"op": "remove", "path": "emails", "value": {"type": "home", "display": null}}"#),
        work
    );
    assert_eq!(emails(r#"{"op": "remove", "path": "emails", "value": "babs@jensen.org"}"#), work);
    assert_eq!(emails(r#"{"op": "remove", "path": "emails[value eq \"babs@jensen.org\"]"}"#), work);
    assert_eq!(emails(r#"{"op": "remove", "path": "emails[type eq \"home\"]"}"#), work);
    assert_eq!(emails(r#"{"op": "remove", "path": "emails[value pr]"}"#), "nothing");
    assert_eq!(
        emails(r#"{"op": "remove", "path": "emails.type"}"#),
        r#"[{"value":"bjensen@example.com","primary":true},{"value":"babs@jensen.org"}]"#
    );
    for nothing in [
        r#"{"op": "remove", "path": "emails[value eq \"no@one\"]"}"#,
        r#"{"op": "remove", "path": "emails", "value": [{"value": "no@one"}]}"#,
        r#"{"op": "remove", "path": "emails", "value": [{}]}"#,
        r#"{"op": "remove", "path": "phoneNumbers[type eq \"work\"]"}"#,
        r#"{"op": "remove", "path": "phoneNumbers.display"}"#,
        r#"{"op": "remove", "path": "nickName"}"#,
        r#"{"op": "remove", "path": "name.middleName"}"#,
    ] {
        strict.unchanged(BABS, &format!("[{nothing}]"));
    }
    let (_, report) = strict
        .reported(&resource(BABS), r#"[{"op": "remove", "path": "emails", "value": [{"value": "x"}]}]"#);
    assert_eq!(report.notes()[0].kind, Leniency::RemovedListed);
}

#[test]
fn a_filter_changes_every_match() {
    let operations = r#"[{"op": "replace", "path": "emails[value co \"j\"].display", "value": "Babs"}]"#;
    let user = Patch::strict(user()).changed(BABS, operations);
    for email in user.get("emails").unwrap().elements() {
        assert_eq!(email.get("display"), Some(&Value::from("Babs")));
    }
}

#[test]
fn a_text_in_a_filter_may_hold_dots_brackets_and_operators() {
    let before = r#"{"userName": "b", "emails": [{"value": "a.b] or (@c.d", "type": "work"}]}"#;
    let operations =
        r#"[{"op": "replace", "path": "emails[value eq \"a.b] or (@c.d\"].type", "value": "home"}]"#;
    let user = Patch::strict(user()).changed(before, operations);
    assert_eq!(user.get("emails").unwrap().elements()[0].get("type"), Some(&Value::from("home")));
}

#[test]
fn brackets_on_a_singular_complex_attribute_mean_its_one_value() {
    let strict = Patch::strict(user());
    let replace =
        |filter: &str| format!(r#"[{{"op": "replace", "path": "name[{filter}].givenName", "value": "B"}}]"#);
    let user = strict.changed(BABS, &replace(r#"familyName eq \"jensen\""#));
    assert_eq!(json_of(&user, "name"), r#"{"givenName":"B","familyName":"Jensen"}"#);
    assert_eq!(strict.refused(BABS, &replace(r#"familyName eq \"smith\""#)), NoTarget);
    let add = r#"[{"op": "add", "path": "name[familyName eq \"Smith\"].givenName", "value": "B"}]"#;
    assert_eq!(strict.refused(BABS, add), NoTarget);
    let user = strict.changed(r#"{"userName": "b"}"#, add);
    assert_eq!(json_of(&user, "name"), r#"{"familyName":"Smith","givenName":"B"}"#);
    let remove = r#"[{"op": "remove", "path": "name[familyName pr]"}]"#;
    assert_eq!(json_of(&strict.changed(BABS, remove), "name"), "nothing");
}

#[test]
fn a_sub_attribute_without_filter_is_that_of_all_values() {
    let strict = Patch::strict(user());
    let user = strict.changed(BABS, r#"[{"op": "replace", "path": "emails.type", "value": "x"}]"#);
    assert!(user.get("emails").unwrap().elements().iter().all(|e| e.get("type") == Some(&Value::from("x"))));
    let unassigned = r#"[{"op": "replace", "path": "phoneNumbers.type", "value": "x"}]"#;
    assert_eq!(strict.refused(BABS, unassigned), NoTarget);
}

#[test]
fn what_can_not_be_changed_or_taken_away_is_refused() {
    let strict = Patch::strict(user());
    for operation in [
        r#"{"op": "remove", "path": "userName"}"#,
        r#"{"op": "replace", "path": "userName", "value": null}"#,
        r#"{"op": "replace", "value": {"userName": null}}"#,
        r#"{"op": "replace", "path": "id", "value": "u1"}"#,
        r#"{"op": "replace", "value": {"id": "u2"}}"#,
        r#"{"op": "replace", "path": "groups", "value": []}"#,
        r#"{"op": "replace", "value": {"groups": [{"value": "g2"}]}}"#,
        r#"{"op": "add", "path": "groups[value eq \"g1\"].display", "value": "x"}"#,
        r#"{"op": "add", "path": "meta.version", "value": "x"}"#,
        r#"{"op": "add", "value": {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName": "x"}}"#,
    ] {
        assert_eq!(strict.refused(BABS, &format!("[{operation}]")), Mutability, "{operation}");
    }
    let (ignored, report) = strict.reported(
        &resource(BABS),
        r#"[{"op": "replace", "value": {"id": "u1", "meta": {"version": "x"}, "title": "Boss",
            "groups": [{"value": "g1", "$ref": null}]}}]"#,
    );
    assert_eq!(ignored.unwrap().changes.len(), 1);
    assert!(report.notes().iter().all(|n| n.kind == Leniency::ReadOnlyIgnored));
    assert_eq!(report.len(), 3);
}

#[test]
fn immutable_attributes_take_one_value() {
    let strict = Patch::strict(user());
    let code =
        |op: &str, value: &str| format!(r#"[{{"op": "{op}", "path": "{LAB}:hireCode", "value": {value}}}]"#);
    let with = format!(r#"{{"userName": "b", "{LAB}": {{"hireCode": "H1"}}}}"#);
    let user = strict.changed(r#"{"userName": "b"}"#, &code("add", r#""H1""#));
    assert_eq!(json_of(&user, LAB), r#"{"hireCode":"H1"}"#);
    strict.unchanged(&with, &code("replace", r#""h1""#));
    for operations in [code("replace", r#""H2""#), code("remove", "null"), code("replace", "null")] {
        assert_eq!(strict.refused(&with, &operations), Mutability, "{operations}");
    }
    let extension = format!(r#"[{{"op": "remove", "path": "{LAB}"}}]"#);
    assert_eq!(strict.refused(&with, &extension), Mutability);
}

// ledger: 7644-3.5.2-015
#[test]
fn a_request_is_done_as_a_whole_or_not_at_all() {
    let strict = Patch::strict(user());
    let before = resource(BABS);
    let kept = before.clone();
    let operations = r#"[
        {"op": "replace", "path": "title", "value": "Boss"},
        {"op": "remove", "path": "emails"},
        {"op": "replace", "path": "phoneNumbers[type eq \"work\"].value", "value": "1"}]"#;
    let error = strict.run(&before, operations).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (NoTarget, Some(2)));
    assert_eq!(before, kept);
}

#[test]
fn hidden_attributes_are_set_but_tell_nothing() {
    let strict = Patch::strict(user());
    let before = format!(r#"{{"userName": "b", "password": "old", "{LAB}": {{"secret": "s"}}}}"#);
    // The same value counts as a change like any other, so that nobody can guess.
    for password in ["old", "new"] {
        let operations = format!(r#"[{{"op": "replace", "path": "password", "value": "{password}"}}]"#);
        let outcome = strict.run(&resource(&before), &operations).unwrap();
        assert!(outcome.changed);
        assert_eq!(outcome.changes.len(), 1);
        assert_eq!((outcome.changes[0].from.as_ref(), outcome.changes[0].to.as_ref()), (None, None));
        assert_eq!(outcome.resource.get("password").unwrap().as_str(), Some(password));
    }
    // So does one that is set and taken away, or taken away and set.
    let [set, remove] =
        [r#"{"op": "add", "path": "password", "value": "old"}"#, r#"{"op": "remove", "path": "password"}"#];
    let without = r#"{"userName": "b"}"#;
    for (before, first, second) in [(without, set, remove), (before.as_str(), remove, set)] {
        let outcome = strict.run(&resource(before), &format!("[{first}, {second}]")).unwrap();
        assert!(outcome.changed, "{first} {second}");
        assert_eq!(outcome.changes[0].path, "password");
    }
    strict.unchanged(without, &format!("[{remove}]"));
    let filter = r#"[{"op": "replace", "path": "password[value eq \"old\"]", "value": "new"}]"#;
    assert_eq!(strict.refused(&before, filter), InvalidPath);
}

#[test]
fn hidden_sub_attributes_can_not_be_filtered_on() {
    let schema = r#"{"id": "urn:example:params:scim:schemas:1.0:Vault", "name": "Vault", "attributes": [
        {"name": "name", "type": "string"},
        {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "label", "type": "string"},
            {"name": "secret", "type": "string", "mutability": "writeOnly", "returned": "never"}]},
        {"name": "codes", "type": "string", "multiValued": true, "returned": "never"}]}"#;
    let registry = RegistryBuilder::standard()
        .schema_json(schema)
        .unwrap()
        .resource_type_json(r#"{"name": "Vault", "schema": "urn:example:params:scim:schemas:1.0:Vault"}"#)
        .unwrap()
        .build()
        .unwrap();
    let strict = Patch::strict(registry.resource_type("Vault").unwrap());
    let before = r#"{"id": "1", "keys": [{"label": "a", "secret": "x"}], "codes": ["1234"]}"#;
    for path in [
        r#"keys[secret eq \"x\"]"#,
        r#"keys[label eq \"a\" and secret sw \"x\"].label"#,
        r#"codes[value eq \"1234\"]"#,
    ] {
        assert_eq!(
            strict.refused(before, &format!(r#"[{{"op": "remove", "path": "{path}"}}]"#)),
            InvalidFilter
        );
    }
    // Whether a value was there can't be told from `changed` either.
    for code in ["1234", "9999"] {
        for op in ["add", "remove"] {
            let operations = format!(r#"[{{"op": "{op}", "path": "codes", "value": ["{code}"]}}]"#);
            let outcome = strict.run(&resource(before), &operations).unwrap();
            assert!(outcome.changed && outcome.changes.len() == 1);
            assert_eq!((outcome.changes[0].from.as_ref(), outcome.changes[0].to.as_ref()), (None, None));
        }
    }
    for operation in [
        r#"{"op": "add", "path": "keys[label eq \"a\"].secret", "value": "x"}"#,
        r#"{"op": "add", "path": "keys[label eq \"a\"]", "value": {"secret": "x"}}"#,
        r#"{"op": "add", "path": "keys", "value": [{"label": "a", "secret": "x"}]}"#,
        r#"{"op": "replace", "path": "keys", "value": [{"label": "a", "secret": "x"}]}"#,
        r#"{"op": "replace", "path": "keys[label eq \"a\"]", "value": {"label": "a", "secret": "x"}}"#,
    ] {
        let outcome = strict.run(&resource(before), &format!("[{operation}]")).unwrap();
        assert!(outcome.changed, "{operation}");
        assert_eq!(outcome.changes[0].path, "keys.secret");
    }
    let set = r#"{"op": "add", "path": "keys[label eq \"a\"].secret", "value": "x"}"#;
    let outcome =
        strict.run(&resource(r#"{"id": "1"}"#), &format!(r#"[{set}, {{"op": "remove", "path": "keys"}}]"#));
    assert_eq!(outcome.unwrap().changes[0].path, "keys.secret");
    strict.unchanged(r#"{"id": "1"}"#, r#"[{"op": "remove", "path": "keys.secret"}]"#);
}

#[test]
fn set_paths_are_what_the_client_gave_values_to() {
    let strict = Patch::strict(user());
    let operations = format!(
        r#"[{{"op": "replace", "value": {{"title": "x", "name": {{"givenName": "g", "familyName": null}}}}}},
            {{"op": "remove", "path": "nickName"}},
            {{"op": "add", "path": "emails[type eq \"work\"].value", "value": "x"}},
            {{"op": "add", "path": "emails[type eq \"work\"].value", "value": "y"}},
            {{"op": "add", "path": "{ENTERPRISE}", "value": {{"department": "d"}}}}]"#
    );
    let plan = strict.plan(&operations).unwrap();
    let department = format!("{ENTERPRISE}:department");
    assert_eq!(plan.set_paths(), ["title", "name.givenName", "emails.value", department.as_str()]);
    assert!(!plan.touches_only_members());
}

#[test]
fn a_difference_leaves_out_what_the_server_works_out() {
    let change = |resource_type, before: &str, after: &str| {
        let changes = diff(&resource(before), &resource(after), resource_type);
        changes.into_iter().map(|change| change.path).collect::<Vec<_>>()
    };
    let user_before = r#"{"id": "1", "userName": "b", "groups": [{"value": "g"}], "meta": {"version": "1"}}"#;
    let user_after = r#"{"id": "2", "userName": "c", "groups": [{"value": "h"}], "meta": {"version": "2"}}"#;
    assert_eq!(change(user(), user_before, user_after), ["userName"]);
    let group_before = r#"{"id": "1", "displayName": "G", "members": [{"value": "u"}]}"#;
    let group_after = r#"{"id": "1", "displayName": "H", "members": [{"value": "v"}]}"#;
    assert_eq!(change(group(), group_before, group_after), ["displayName"]);
}

#[test]
fn parts_of_a_value_change_by_filter_and_by_name_in_turn() {
    let operations = r#"[
        {"op": "replace", "path": "name[familyName eq \"Jensen\"].givenName", "value": "B"},
        {"op": "add", "path": "name.middleName", "value": "J"},
        {"op": "add", "path": "name[middleName eq \"J\"].honorificPrefix", "value": "Ms."}]"#;
    let after = Patch::strict(user()).changed(BABS, operations);
    assert_eq!(
        json_of(&after, "name"),
        r#"{"givenName":"B","familyName":"Jensen","middleName":"J","honorificPrefix":"Ms."}"#
    );
}

#[test]
fn a_reference_to_a_resource_may_be_absolute() {
    let strict = Patch::strict(user());
    let before =
        r#"{"userName": "b", "groups": [{"value": "g1", "display": "Guides", "$ref": "Groups/g1"}]}"#;
    let stating =
        |group: &str| format!(r#"[{{"op": "replace", "value": {{"groups": [{group}], "title": "x"}}}}]"#);
    for same in [
        r#"{"value": "g1", "$ref": "https://example.com/v2/Groups/g1"}"#,
        r#"{"value": "g1", "$REF": "Groups/g1", "display": "Guides"}"#,
    ] {
        strict.changed(before, &stating(same));
    }
    for other in [
        r#"{"value": "g1", "$ref": "https://example.com/v2/Groups/g2"}"#,
        r#"{"value": "g1", "$ref": 1}"#,
        r#"{"value": "g1", "display": "Old Guides"}"#,
    ] {
        assert_eq!(strict.refused(before, &stating(other)), Mutability, "{other}");
    }
}

#[test]
fn meta_stays_the_last_attribute() {
    let before = r#"{"schemas": [], "id": "u1", "userName": "b", "meta": {"version": "1"}}"#;
    let operations = r#"[{"op": "add", "path": "title", "value": "x"}]"#;
    let after = Patch::strict(user()).changed(before, operations);
    let names: Vec<_> = after.attributes().keys().collect();
    assert_eq!(names, ["schemas", "id", "userName", "title", "meta"]);
}

#[test]
fn members_are_no_part_of_the_changes_but_count_as_one() {
    let strict = Patch::strict(group());
    let before = resource(r#"{"displayName": "G", "members": [{"value": "a"}]}"#);
    let paths = |operations: &str| {
        let outcome = strict.run(&before, operations).unwrap();
        assert!(outcome.changed);
        outcome.changes.into_iter().map(|change| change.path).collect::<Vec<_>>()
    };
    let rename = r#"{"op": "replace", "path": "displayName", "value": "H"}"#;
    let add = r#"{"op": "add", "path": "members", "value": [{"value": "b"}]}"#;
    assert_eq!(paths(&format!("[{rename}, {add}]")), ["displayName"]);
    assert_eq!(paths(&format!("[{rename}]")), ["displayName"]);
    assert_eq!(paths(&format!("[{add}]")).len(), 0);
}

#[test]
fn a_false_primary_is_no_difference() {
    let of = |emails: &str| resource(&format!(r#"{{"userName": "b", "emails": {emails}}}"#));
    let without = of(r#"[{"value": "a"}, {"value": "b", "primary": true}]"#);
    let with = of(r#"[{"value": "a", "primary": false}, {"primary": true, "value": "b"}]"#);
    let neither = of(r#"[{"value": "a", "primary": false}, {"value": "b"}]"#);
    let fewer = of(r#"[{"value": "a", "primary": false}]"#);
    assert_eq!(diff(&without, &with, user()), []);
    assert_eq!(diff(&with, &without, user()), []);
    for other in [&neither, &fewer] {
        assert_eq!(diff(&without, other, user()).len(), 1);
        assert_eq!(diff(other, &without, user()).len(), 1);
    }
}

#[test]
fn a_text_for_a_complex_value_is_its_value() {
    let (strict, lenient) = (Patch::strict(user()), Patch::lenient(user()));
    let home = r#"[{"op": "add", "path": "emails[type eq \"home\"]", "value": "new@jensen.org"}]"#;
    assert_eq!(strict.refused(BABS, home), InvalidValue);
    let after = lenient.changed(BABS, home);
    assert_eq!(after.get("emails").unwrap().elements()[1].get("value"), Some(&Value::from("new@jensen.org")));
    let manager =
        |value: &str| format!(r#"[{{"op": "replace", "path": "{ENTERPRISE}:manager", "value": "{value}"}}]"#);
    let before = format!(r#"{{"userName": "b", "{ENTERPRISE}": {{"manager": {{"value": "m1"}}}}}}"#);
    for patch in [&strict, &lenient] {
        let after = patch.changed(&before, &manager("m2"));
        assert_eq!(json_of(&after, ENTERPRISE), r#"{"manager":{"value":"m2"}}"#);
    }
    assert_eq!(json_of(&lenient.changed(&before, &manager("")), ENTERPRISE), "nothing");
    assert_eq!(json_of(&strict.changed(&before, &manager("")), ENTERPRISE), r#"{"manager":{"value":""}}"#);
}

#[test]
fn many_keys_are_compared_like_few() {
    let strict = Patch::strict(user());
    let keys = |count: usize, last: &str| {
        let mut keys: Vec<_> =
            (0..count).map(|n| format!(r#""emails[type eq \"t{n}\"].value": "v{n}""#)).collect();
        keys.push(format!(r#""{last}": "x""#));
        format!(r#"[{{"op": "add", "value": {{"title": "x", {}}}}}]"#, keys.join(","))
    };
    for count in [2, 14, 15, 30] {
        let after = strict.changed(r#"{"userName": "b"}"#, &keys(count, "nickName"));
        assert_eq!(after.get("emails").unwrap().elements().len(), count);
        assert_eq!(strict.refused(BABS, &keys(count, "TITLE")), InvalidSyntax, "{count}");
    }
}

#[test]
fn a_part_of_a_read_only_attribute_is_no_key() {
    for key in [r#"groups[value eq \"g1\"]"#, "groups.display"] {
        let operation = format!(r#"[{{"op": "add", "value": {{"{key}": null}}}}]"#);
        assert_eq!(Patch::strict(user()).refused(r#"{"userName": "b"}"#, &operation), Mutability, "{key}");
    }
}
