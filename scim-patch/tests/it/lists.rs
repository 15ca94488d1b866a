//! Values of lists: which are the same, and what a filter finds, creates and leaves.

use scim_patch::PatchErrorKind::{InvalidValue, Mutability, NoTarget};
use scim_schema::{Leniency, Value};

use crate::support::{BABS, LAB, Patch, json_of, resource, user};

#[test]
fn two_spellings_of_one_text_are_one_value() {
    let strict = Patch::strict(user());
    for op in ["add", "replace"] {
        let operation = format!(
            "[{{\"op\": \"{op}\", \"path\": \"{LAB}:codes\", \"value\": [\"\u{e9}\", \"e\u{301}\", \"E\u{301}\"]}}]"
        );
        let user = strict.changed(r#"{"userName": "b"}"#, &operation);
        assert_eq!(json_of(&user, LAB), "{\"codes\":[\"\u{e9}\",\"E\u{301}\"]}");
    }
}

#[test]
fn an_empty_type_is_a_type() {
    let strict = Patch::strict(user());
    let value = r#"[{"value": "a"}, {"value": "a", "type": ""}, {"value": "A", "type": ""}]"#;
    for op in ["add", "replace"] {
        let operation = format!(r#"[{{"op": "{op}", "path": "emails", "value": {value}}}]"#);
        let user = strict.changed(r#"{"userName": "b"}"#, &operation);
        assert_eq!(json_of(&user, "emails"), r#"[{"value":"a"},{"value":"a","type":""}]"#);
    }
}

#[test]
fn what_a_filter_creates_is_not_there_twice() {
    let strict = Patch::strict(user());
    // The value is there, but not with that display; so it gains the display.
    let operation = r#"[{"op": "add", "path": "emails[display eq \"B\"]", "value": {"value": "babs@jensen.org", "type": "home"}}]"#;
    assert_eq!(
        json_of(&strict.changed(BABS, operation), "emails"),
        r#"[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home","display":"B"}]"#
    );
    let tags = format!(r#"{{"userName": "b", "{LAB}": {{"tags": ["red"]}}}}"#);
    let operation = format!(r#"[{{"op": "add", "path": "{LAB}:tags[value eq \"blue\"]", "value": "RED"}}]"#);
    strict.unchanged(&tags, &operation);
    let group = r#"{"displayName": "G", "members": [{"value": "a"}, {"value": "b"}]}"#;
    let operation = r#"[{"op": "add", "path": "members[value eq \"c\"]", "value": {"value": "a"}}]"#;
    Patch::strict(crate::support::group()).unchanged(group, operation);
}

#[test]
fn several_adds_to_a_missing_value_make_one_value() {
    let operations = r#"[
        {"op": "add", "path": "addresses[type eq \"work\"].locality", "value": "Hollywood"},
        {"op": "add", "path": "addresses[type eq \"work\"].region", "value": "CA"},
        {"op": "add", "path": "addresses[type eq \"work\"].country", "value": "US"}]"#;
    let user = Patch::strict(user()).changed(BABS, operations);
    let expected = r#"[{"type":"work","locality":"Hollywood","region":"CA","country":"US"}]"#;
    assert_eq!(json_of(&user, "addresses"), expected);
}

#[test]
fn a_new_primary_takes_the_mark_from_the_old_one() {
    let strict = Patch::strict(user());
    for operations in [
        r#"[{"op": "add", "path": "emails", "value": [{"value": "n@x.org", "primary": true}]}]"#,
        r#"[{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]"#,
        r#"[{"op": "add", "path": "emails[type eq \"new\"]", "value": {"value": "n@x.org", "primary": true}}]"#,
    ] {
        let user = strict.changed(BABS, operations);
        let emails = user.get("emails").unwrap().elements();
        let primary = |v: &&Value| v.get("primary") == Some(&Value::from(true));
        assert_eq!(emails.iter().filter(primary).count(), 1, "{operations}");
        assert_eq!(emails[0].get("primary"), Some(&Value::from(false)));
    }
    // The mark may move several times in one request, but never to two values at once.
    let moves = r#"[
        {"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true},
        {"op": "replace", "path": "emails[type eq \"work\"].primary", "value": true}]"#;
    strict.unchanged(BABS, moves);
    let both = r#"[{"op": "replace", "path": "emails.primary", "value": true}]"#;
    assert_eq!(strict.refused(BABS, both), InvalidValue);
    let none = r#"[{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": false}]"#;
    strict.unchanged(BABS, none);
}

#[test]
fn replacing_what_a_filter_matches_leaves_the_new_value_once() {
    let strict = Patch::strict(user());
    let operations = r#"[{"op": "replace", "path": "emails[value pr]", "value": {"value": "one@x.org"}}]"#;
    assert_eq!(json_of(&strict.changed(BABS, operations), "emails"), r#"[{"value":"one@x.org"}]"#);
    let tags = format!(r#"{{"userName": "b", "{LAB}": {{"tags": ["red", "green"]}}}}"#);
    let operations =
        format!(r#"[{{"op": "replace", "path": "{LAB}:tags[value eq \"RED\"]", "value": "green"}}]"#);
    assert_eq!(json_of(&strict.changed(&tags, &operations), LAB), r#"{"tags":["green"]}"#);
    let nothing =
        |op: &str| format!(r#"[{{"op": "{op}", "path": "{LAB}:tags[value eq \"RED\"]", "value": null}}]"#);
    assert_eq!(json_of(&strict.changed(&tags, &nothing("replace")), LAB), r#"{"tags":["green"]}"#);
    strict.unchanged(&tags, &nothing("add"));
}

// ledger: 7643-2.4-001
#[test]
fn a_value_that_is_replaced_by_another_is_there_once() {
    let strict = Patch::strict(user());
    let before =
        r#"{"userName": "b", "emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "work"}]}"#;
    let replace = |value: &str| {
        let operation =
            format!(r#"[{{"op": "replace", "path": "emails[value eq \"a\"]", "value": {value}}}]"#);
        json_of(&strict.changed(before, &operation), "emails")
    };
    assert_eq!(replace(r#"{"value": "b", "type": "work"}"#), r#"[{"value":"b","type":"work"}]"#);
    assert_eq!(
        replace(r#"{"value": "b", "type": "home"}"#),
        r#"[{"value":"b","type":"home"},{"value":"b","type":"work"}]"#,
    );
}

#[test]
fn what_is_added_is_compared_as_its_attributes_are() {
    let strict = Patch::strict(user());
    // `value` and `type` say which value is meant; the rest is part of it, letter case and all.
    let before = r#"{"userName": "b", "emails": [{"value": "a", "type": "work", "display": "b"}],
        "addresses": [{"type": "work", "locality": "Reno"}], "ims": [{"value": "c"}]}"#;
    let add = |attribute: &str, value: &str| {
        format!(r#"[{{"op": "add", "path": "{attribute}", "value": [{value}]}}]"#)
    };
    let display = add("emails", r#"{"value": "A", "type": "WORK", "display": "B"}"#);
    let after = strict.changed(before, &display);
    assert_eq!(json_of(&after, "emails"), r#"[{"value":"a","type":"work","display":"B"}]"#);
    strict.unchanged(before, &add("addresses", r#"{"type": "Work", "locality": "Reno"}"#));
    let after = strict.changed(before, &add("addresses", r#"{"type": "Work", "locality": "RENO"}"#));
    assert_eq!(after.get("addresses").unwrap().elements().len(), 2);
    let remove = r#"[{"op": "remove", "path": "addresses", "value": {"type": "WORK"}}]"#;
    assert_eq!(json_of(&strict.changed(before, remove), "addresses"), "nothing");
    // No type at all is the same as no type at all.
    let after = strict.changed(before, &add("ims", r#"{"value": "C", "display": "D"}"#));
    assert_eq!(json_of(&after, "ims"), r#"[{"value":"c","display":"D"}]"#);
}

#[test]
fn a_long_list_is_edited_by_what_its_values_are_now() {
    let strict = Patch::strict(user());
    let emails: Vec<_> = (0..40).map(|n| format!(r#"{{"value": "e{n}", "type": "work"}}"#)).collect();
    let before = format!(r#"{{"userName": "b", "emails": [{}]}}"#, emails.join(","));
    let remove = |value: &str| format!(r#"{{"op": "remove", "path": "emails[value eq \"{value}\"]"}}"#);
    let rename = r#"{"op": "replace", "path": "emails[value eq \"E2\"].value", "value": "new"}"#.to_owned();
    let whole =
        r#"{"op": "replace", "path": "emails[value eq \"e3\"]", "value": {"value": "newer"}}"#.to_owned();
    let add = r#"{"op": "add", "path": "emails", "value": [{"value": "newest"}]}"#.to_owned();
    let again =
        r#"{"op": "add", "path": "emails", "value": [{"value": "E9", "type": "Work"}, {"value": "e2"}]}"#;
    let operations = [
        remove("e0"),
        remove("E1"),
        rename,
        whole,
        add,
        remove("new"),
        remove("newer"),
        remove("newest"),
        again.to_owned(),
    ];
    let after = strict.changed(&before, &format!("[{}]", operations.join(",")));
    let values: Vec<_> = after
        .get("emails")
        .unwrap()
        .elements()
        .iter()
        .map(|e| e.get("value").unwrap().as_str().unwrap())
        .collect();
    let mut expected: Vec<_> = (4..40).map(|n| format!("e{n}")).collect();
    expected.push("e2".to_owned());
    assert_eq!(values, expected);
}

#[test]
fn what_a_remove_lists_are_values_of_a_list() {
    let strict = Patch::strict(user());
    assert_eq!(
        strict.refused(BABS, r#"[{"op": "remove", "path": "userName", "value": "bjensen"}]"#),
        Mutability
    );
    let tags = format!(r#"{{"userName": "b", "{LAB}": {{"tags": ["red"]}}}}"#);
    let object = format!(r#"[{{"op": "remove", "path": "{LAB}:tags", "value": [{{"value": "red"}}]}}]"#);
    assert_eq!(strict.refused(&tags, &object), InvalidValue);
}

#[test]
fn a_filter_without_match_has_nothing_to_take_away() {
    let replace = r#"[{"op": "replace", "path": "emails[type eq \"other\"]", "value": null}]"#;
    assert_eq!(Patch::strict(user()).refused(BABS, replace), NoTarget);
    let lenient = Patch::lenient(user());
    lenient.unchanged(BABS, replace);
    let part = r#"[{"op": "replace", "path": "emails[type eq \"other\"].display", "value": null}]"#;
    assert_eq!(Patch::strict(user()).refused(BABS, part), NoTarget);
    lenient.unchanged(BABS, part);
    let there = r#"[{"op": "replace", "path": "emails[type eq \"home\"]", "value": null}]"#;
    let after = Patch::strict(user()).changed(BABS, there);
    assert_eq!(after.get("emails").unwrap().elements().len(), 1);
}

#[test]
fn a_value_that_a_replace_creates_has_what_the_filter_asks_for_unless_it_says_otherwise() {
    let lenient = Patch::lenient(user());
    for (value, expected) in [
        (r#"{"value": "a@x.org"}"#, r#"[{"value":"a@x.org","type":"work"}]"#),
        (r#"{"value": "a@x.org", "type": "home"}"#, r#"[{"value":"a@x.org","type":"home"}]"#),
    ] {
        let operation =
            format!(r#"[{{"op": "replace", "path": "emails[type eq \"work\"]", "value": {value}}}]"#);
        assert_eq!(json_of(&lenient.changed(r#"{"userName": "b"}"#, &operation), "emails"), expected);
    }
}

#[test]
fn it_is_reported_that_a_value_was_created_only_if_one_was() {
    let strict = Patch::strict(user());
    let report = |op: &str, filter: &str| {
        let operation =
            format!(r#"[{{"op": "{op}", "path": "emails[type eq \"{filter}\"].display", "value": "x"}}]"#);
        let (outcome, report) = strict.reported(&resource(BABS), &operation);
        assert!(outcome.is_ok(), "{op} {filter}");
        report.notes().iter().map(|note| note.kind).collect::<Vec<_>>()
    };
    assert_eq!(report("add", "other"), [Leniency::Created]);
    assert_eq!(report("add", "work"), []);
    assert_eq!(report("remove", "other"), []);
}
