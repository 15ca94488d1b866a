//! Requests that want to hurt: long, deep, and large ones.

use std::fmt::Write as _;

use scim_patch::PatchErrorKind::{InvalidFilter, InvalidPath, TooLarge};
use scim_patch::{PatchOptions, Plan};
use scim_schema::{Dialect, Report, Resource};

use crate::support::{Patch, body, group, resource, user};

/// Runs where a web server's task might: with little stack.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(test).unwrap().join().unwrap();
}

fn with_path(path: &str) -> String {
    format!(r#"[{{"op": "replace", "path": {}, "value": "x"}}]"#, serde_json::to_string(path).unwrap())
}

#[test]
fn paths_of_any_shape_are_refused_or_done_without_a_stack() {
    // Planned here, because reading JSON needs more stack in a build without optimisation.
    let deep_filter = |n: usize| format!("emails[{}type pr{}]", "(".repeat(n), ")".repeat(n));
    let cases = [
        (with_path(&"a.".repeat(400)), InvalidPath),
        (with_path(&"a".repeat(2000)), InvalidPath),
        (with_path(&deep_filter(300)), InvalidFilter),
        (with_path(&format!("emails[{}type pr]", "not (".repeat(100))), InvalidFilter),
        (with_path(&"[".repeat(1000)), InvalidPath),
        (with_path(&format!("emails{}", "[a".repeat(400))), InvalidPath),
        (with_path(&format!("emails[type eq \"{}\"", "x".repeat(500))), InvalidPath),
        (with_path("urn:"), InvalidPath),
        (with_path(":::::"), InvalidPath),
    ];
    let before = r#"{"userName": "b", "emails": [{"value": "a"}]}"#;
    for (operations, kind) in cases {
        on_a_small_stack(move || {
            assert_eq!(Patch::strict(user()).refused(before, &operations), kind, "{operations}");
        });
    }
}

#[test]
fn a_value_nested_to_the_limit_of_json_is_refused() {
    let arrays = format!("{}1{}", "[".repeat(29), "]".repeat(29));
    let objects = format!("{}1{}", r#"{"name":"#.repeat(29), "}".repeat(29));
    let both = format!("{}1{}", r#"{"emails":["#.repeat(14), "]}".repeat(14));
    for value in [arrays, objects, both] {
        for path in [r#""path": "emails","#, r#""path": "name","#, ""] {
            let operations = format!(r#"[{{"op": "add", {path} "value": {value}}}]"#);
            on_a_small_stack(move || {
                let before = resource(r#"{"userName": "b"}"#);
                assert!(Patch::strict(user()).run(&before, &operations).is_err());
                // The other dialect leaves out what is unknown; then nothing may be left of the value.
                let lenient = Patch::lenient(user()).run(&before, &operations);
                assert!(!lenient.is_ok_and(|outcome| outcome.changed));
            });
        }
    }
}

#[test]
fn a_list_does_not_grow_beyond_its_limit() {
    let mut emails = String::new();
    for n in 0..1000 {
        let _ = write!(emails, r#"{{"value": "{n}@x.org"}},"#);
    }
    let full = format!(r#"{{"userName": "b", "emails": [{}]}}"#, emails.trim_end_matches(','));
    let strict = Patch::strict(user());
    let add = |n: &str| format!(r#"[{{"op": "add", "path": "emails", "value": [{{"value": "{n}"}}]}}]"#);
    strict.unchanged(&full, &add("7@x.org"));
    assert_eq!(strict.refused(&full, &add("1000@x.org")), TooLarge);
    let create = r#"[{"op": "add", "path": "emails[type eq \"work\"].value", "value": "n@x.org"}]"#;
    assert_eq!(strict.refused(&full, create), TooLarge);
}

const MEMBERS: usize = 100_000;

fn large_group() -> Resource {
    let mut members = String::new();
    for n in 0..MEMBERS {
        let _ = write!(members, r#"{{"value":"m{n}","type":"User"}},"#);
    }
    resource(&format!(r#"{{"displayName": "G", "members": [{}]}}"#, members.trim_end_matches(',')))
}

fn adds_and_removes(count: usize) -> String {
    let mut operations = String::new();
    for n in 0..count / 2 {
        let (new, old) = (MEMBERS + n, n * 97);
        let _ = write!(
            operations,
            r#"{{"op": "add", "path": "members", "value": [{{"value": "m{new}"}}]}},
               {{"op": "remove", "path": "members[value eq \"m{old}\"]"}},"#
        );
    }
    format!("[{}]", operations.trim_end_matches(','))
}

#[test]
fn many_adds_and_removes_look_at_a_large_group_once_or_twice() {
    let before = large_group();
    let dialect = Dialect::strict();
    // Two looks at all members (one to find, one to make an index), and a few values for each operation.
    let max_work = 2 * MEMBERS + 2 * 2000 + 2000;
    let options =
        PatchOptions { inline_members: true, max_work, max_operations: 2000, ..PatchOptions::new(&dialect) };
    let options = PatchOptions {
        read: scim_schema::ReadOptions { max_members: 2 * MEMBERS, ..options.read.clone() },
        ..options
    };
    let mut report = Report::default();
    let plan = Plan::new(body(&adds_and_removes(2000)), group(), &options, &mut report).unwrap();
    let outcome = plan.apply(&before, &mut report).unwrap();
    assert!(outcome.changed);
    let members = outcome.resource.get("members").unwrap().elements();
    assert_eq!(members.len(), MEMBERS);
    assert!(!members.iter().any(|m| m.get("value").unwrap().as_str() == Some("m97")));
    assert_eq!(members[MEMBERS - 1].get("value").unwrap().as_str(), Some("m100999"));
}

#[test]
fn work_that_grows_with_list_and_request_is_bounded() {
    let before = large_group();
    let operations = [r#"{"op": "remove", "path": "members[display co \"x\"]"}"#; 11].join(",");
    let dialect = Dialect::strict();
    let options =
        PatchOptions { inline_members: true, max_work: 10 * MEMBERS, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let plan = Plan::new(body(&format!("[{operations}]")), group(), &options, &mut report).unwrap();
    let error = plan.apply(&before, &mut report).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (TooLarge, Some(10)));
}

#[test]
fn a_delta_is_made_without_the_group() {
    let patch = Patch { inline_members: false, ..Patch::strict(group()) };
    let plan = patch.plan(&adds_and_removes(1000)).unwrap();
    let scim_patch::MembershipPlan::Delta(delta) = plan.membership() else { panic!("a delta") };
    assert_eq!((delta.add.len(), delta.remove.len()), (500, 500));
    assert!(plan.touches_only_members());
}

#[test]
fn the_work_of_reading_many_paths_is_bounded_by_the_body() {
    let mut keys = String::new();
    for n in 0..20_000 {
        let _ = write!(keys, r#""emails[type eq \"t{n}\"].value": "v{n}","#);
    }
    let operations = format!(r#"[{{"op": "add", "value": {{{}}}}}]"#, keys.trim_end_matches(','));
    // Each key adds a value, until the list is full.
    assert_eq!(Patch::strict(user()).refused(r#"{"userName": "b"}"#, &operations), TooLarge);
}
