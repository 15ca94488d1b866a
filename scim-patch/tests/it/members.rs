//! Members: the delta, when there is one, and the list otherwise.

use scim_patch::PatchErrorKind::{InvalidValue, Mutability, NoTarget};
use scim_patch::{Member, MemberDelta, MembershipPlan};

use crate::support::{Patch, group, json_of, resource};

fn by_delta() -> Patch {
    Patch { inline_members: false, ..Patch::lenient(group()) }
}

fn membership(operations: &str) -> MembershipPlan {
    by_delta().plan(operations).unwrap().membership().clone()
}

fn delta(operations: &str) -> MemberDelta {
    match membership(operations) {
        MembershipPlan::Delta(delta) => delta,
        other => panic!("a delta, not {other:?}"),
    }
}

fn ids(members: &[Member]) -> Vec<&str> {
    members.iter().map(|m| m.id.as_str()).collect()
}

#[test]
fn adds_and_removes_by_id_are_a_delta() {
    let delta = delta(
        r#"[{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "a", "display": "A", "type": "User"}]},
            {"op": "add", "path": "members", "value": {"$ref": "https://x.org/scim/v2/Users/b"}},
            {"op": "add", "value": {"members": ["c"]}},
            {"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "d"}]},
            {"op": "remove", "path": "members", "value": "e"},
            {"op": "remove", "path": "members[value eq \"f\"]"},
            {"op": "remove", "path": "members[value eq \"g\" or value eq \"h\"]"},
            {"op": "remove", "path": "members", "value": [{"$ref": "https://x.org/scim/v2/Users/i"}]}]"#,
    );
    assert!(!delta.clear);
    assert_eq!(ids(&delta.add), ["a", "b", "c"]);
    assert_eq!(delta.remove, ["d", "e", "f", "g", "h", "i"]);
    let first = Member { id: "a".into(), resource_type: Some("User".into()), display: Some("A".into()) };
    assert_eq!(delta.add[0], first);
}

#[test]
fn the_last_word_on_each_id_counts() {
    let back_and_forth = delta(
        r#"[{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}, {"value": "b"}]},
            {"op": "remove", "path": "members[value eq \"a\"]"},
            {"op": "remove", "path": "members[value eq \"c\"]"},
            {"op": "add", "path": "members", "value": [{"value": "c"}]}]"#,
    );
    assert_eq!(ids(&back_and_forth.add), ["b", "c"]);
    assert_eq!(back_and_forth.remove, ["a"]);
    let cleared = delta(
        r#"[{"op": "add", "path": "members", "value": [{"value": "a"}]},
            {"op": "replace", "path": "members", "value": [{"value": "b"}, {"value": "c"}]},
            {"op": "remove", "path": "members[value eq \"c\"]"},
            {"op": "remove", "path": "members[value eq \"z\"]"}]"#,
    );
    assert!(cleared.clear);
    assert_eq!(ids(&cleared.add), ["b"]);
    assert!(cleared.remove.is_empty());
    for all_go in
        [r#"{"op": "remove", "path": "members"}"#, r#"{"op": "replace", "path": "members", "value": []}"#]
    {
        assert_eq!(delta(&format!("[{all_go}]")), MemberDelta { clear: true, ..MemberDelta::default() });
    }
}

#[test]
fn a_delta_goes_with_steps_on_other_attributes() {
    let patch = by_delta();
    let operations = r#"[
        {"op": "replace", "value": {"id": "g1", "displayName": "Renamed"}},
        {"op": "remove", "path": "members[value eq \"a\"]"},
        {"op": "add", "path": "members", "value": [{"value": "b"}]}]"#;
    let plan = patch.plan(operations).unwrap();
    assert!(matches!(plan.membership(), MembershipPlan::Delta(_)));
    assert!(!plan.touches_only_members());
    assert_eq!(plan.set_paths(), ["displayName", "members"]);
    // The group comes without its members; its other attributes are patched.
    let before = resource(r#"{"id": "g1", "displayName": "G"}"#);
    let outcome = plan.apply(&before, &mut scim_schema::Report::default()).unwrap();
    assert_eq!(json_of(&outcome.resource, "displayName"), r#""Renamed""#);
    assert_eq!(json_of(&outcome.resource, "members"), "nothing");
    assert!(patch.plan(r#"[{"op": "remove", "path": "members"}]"#).unwrap().touches_only_members());
}

#[test]
fn what_depends_on_the_members_needs_them() {
    for operation in [
        r#"{"op": "remove", "path": "members[type eq \"User\"]"}"#,
        r#"{"op": "remove", "path": "members[not (value eq \"a\")]"}"#,
        r#"{"op": "remove", "path": "members[value eq \"a\" and type eq \"User\"]"}"#,
        r#"{"op": "remove", "path": "members", "value": [{"display": "A"}]}"#,
        r#"{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}"#,
        r#"{"op": "add", "path": "members[value eq \"a\"].display", "value": "A"}"#,
    ] {
        assert_eq!(membership(&format!("[{operation}]")), MembershipPlan::NeedsMembers, "{operation}");
    }
    assert_eq!(
        membership(r#"[{"op": "replace", "path": "displayName", "value": "x"}]"#),
        MembershipPlan::Untouched
    );
    assert_eq!(membership(r#"[{"op": "add", "path": "members", "value": []}]"#), MembershipPlan::Untouched);
}

#[test]
fn a_member_that_is_given_by_its_uri_is_added_to_others() {
    let before = r#"{"displayName": "G", "members": [{"value": "a"}]}"#;
    let add = r#"[{"op": "add", "path": "members", "value": [{"$ref": "Users/b"}]}]"#;
    let strict = Patch::strict(group());
    let group = strict.changed(before, add);
    assert_eq!(json_of(&group, "members"), r#"[{"value":"a"},{"$ref":"Users/b"}]"#);
    strict.unchanged(r#"{"displayName": "G", "members": [{"value": "a"}, {"$ref": "Users/b"}]}"#, add);
}

#[test]
fn a_member_needs_an_id() {
    let created = r#"[{"op": "add", "path": "members[display eq \"Z\"].type", "value": "User"}]"#;
    let before = r#"{"displayName": "G", "members": [{"value": "a"}]}"#;
    assert_eq!(Patch::strict(group()).refused(before, created), InvalidValue);
    for members in [r#"[{"display": "A"}]"#, r#"[{"value": ""}]"#, r#"[{"value": "a"}, {"type": "User"}]"#] {
        for op in ["add", "replace"] {
            let operations = format!(r#"[{{"op": "{op}", "path": "members", "value": {members}}}]"#);
            let error = by_delta().plan(&operations).unwrap_err();
            assert_eq!((error.kind(), error.path()), (InvalidValue, "members"));
        }
    }
}

#[test]
fn sub_attributes_of_members_do_not_change() {
    let strict = Patch::strict(group());
    let before = r#"{"displayName": "G", "members": [{"value": "a", "display": "A"}, {"value": "b"}]}"#;
    for operation in [
        r#"{"op": "replace", "path": "members[value eq \"a\"].value", "value": "z"}"#,
        r#"{"op": "replace", "path": "members[value eq \"a\"].display", "value": "Z"}"#,
        r#"{"op": "remove", "path": "members[value eq \"a\"].display"}"#,
        r#"{"op": "add", "path": "members[value eq \"a\"]", "value": {"display": "Z"}}"#,
        r#"{"op": "remove", "path": "members.value"}"#,
    ] {
        assert_eq!(strict.refused(before, &format!("[{operation}]")), Mutability, "{operation}");
    }
    strict
        .unchanged(before, r#"[{"op": "replace", "path": "members[value eq \"a\"].display", "value": "a"}]"#);
    strict.unchanged(
        before,
        r#"[{"op": "add", "path": "members", "value": [{"value": "a", "display": "Z"}]}]"#,
    );
    let named = r#"[{"op": "add", "path": "members[value eq \"b\"].display", "value": "B"}]"#;
    assert_eq!(
        json_of(&strict.changed(before, named), "members"),
        r#"[{"value":"a","display":"A"},{"value":"b","display":"B"}]"#
    );
    // A member as a whole may give way to another.
    let other =
        r#"[{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b", "display": "B"}}]"#;
    assert_eq!(json_of(&strict.changed(before, other), "members"), r#"[{"value":"b","display":"B"}]"#);
    let other_type =
        r#"[{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b", "type": "User"}}]"#;
    assert_eq!(json_of(&strict.changed(before, other_type), "members"), r#"[{"value":"b","type":"User"}]"#);
    let nobody = r#"[{"op": "replace", "path": "members[value eq \"z\"]", "value": {"value": "c"}}]"#;
    assert_eq!(strict.refused(before, nobody), NoTarget);
}

#[test]
fn an_only_member_goes_and_the_attribute_with_it() {
    let strict = Patch::strict(group());
    let before = r#"{"displayName": "G", "members": [{"value": "a"}]}"#;
    for operation in [
        r#"{"op": "remove", "path": "members[value eq \"a\"]"}"#,
        r#"{"op": "remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}"#,
        r#"{"op": "replace", "path": "members", "value": []}"#,
        r#"{"op": "remove", "path": "members"}"#,
    ] {
        let group = strict.changed(before, &format!("[{operation}]"));
        assert!(!group.attributes().contains("members"), "{operation}");
    }
}

/// A member may be given by its URI only, and is not one of those that are there.
#[test]
fn a_member_without_value_joins_the_others() {
    let before = r#"{"displayName": "G", "members": [{"value": "a"}]}"#;
    let add = r#"[{"op": "add", "path": "members", "value": [{"$ref": "https://example.com/v2/Users/b"}]}]"#;
    let after = Patch::strict(group()).changed(before, add);
    assert_eq!(json_of(&after, "members"), r#"[{"value":"a"},{"$ref":"https://example.com/v2/Users/b"}]"#);
    let again = serde_json::to_string(after.attributes()).unwrap();
    Patch::strict(group()).unchanged(&again, add);
}

/// Whoever is given by its URI only is the one at its end, whatever URIs the others have.
#[test]
fn a_member_is_known_by_its_id_or_the_end_of_its_uri() {
    let (a, b) =
        (r#"{"value": "a", "$ref": "https://x.org/Users/b"}"#, r#"{"$ref": "https://x.org/Users/b"}"#);
    let add = |members: &str| format!(r#"[{{"op": "add", "path": "members", "value": [{members}]}}]"#);
    let remove = format!(r#"[{{"op": "remove", "path": "members", "value": [{b}]}}]"#);
    let strict = Patch::strict(group());
    let before = format!(r#"{{"displayName": "G", "members": [{a}]}}"#);
    let after = strict.changed(&before, &add(b));
    let both = format!("[{a},{b}]").replace(": ", ":").replace(", ", ",");
    assert_eq!(json_of(&after, "members"), both);
    let again = serde_json::to_string(after.attributes()).unwrap();
    strict.unchanged(&again, &add(r#"{"value": "b"}"#));
    let left = strict.changed(&again, &remove);
    assert_eq!(json_of(&left, "members"), format!("[{a}]").replace(": ", ":").replace(", ", ","));
    let by_id =
        strict.changed(r#"{"displayName": "G", "members": [{"value": "a"}, {"value": "b"}]}"#, &remove);
    assert_eq!(json_of(&by_id, "members"), r#"[{"value":"a"}]"#);

    let delta = delta(&add(&format!("{a}, {b}")));
    assert_eq!(ids(&delta.add), ["a", "b"]);
}
