//! Requests that want to hurt: long, deep, and large ones.

use std::fmt::Write as _;

use scim_patch::PatchErrorKind::{InvalidFilter, InvalidPath, TooLarge, TooManyOperations};
use scim_patch::{PatchOptions, Plan};
use scim_schema::{Dialect, Report, Resource};

use crate::support::{Patch, body, group, resource, user};

mod requests;

use requests::{REQUESTS, Request, members};

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
    let plan = Plan::new(&body(&adds_and_removes(2000)), group(), &options, &mut report).unwrap();
    let outcome = plan.apply(&before, &mut report).unwrap();
    assert!(outcome.changed);
    let members = outcome.resource.get("members").unwrap().elements();
    assert_eq!(members.len(), MEMBERS);
    assert!(!members.iter().any(|m| m.get("value").unwrap().as_str() == Some("m97")));
    assert_eq!(members[MEMBERS - 1].get("value").unwrap().as_str(), Some("m100999"));
}

/// A list is looked through for the first key, and once more to make an index; a short one each time.
#[test]
fn each_look_at_a_list_is_counted() {
    let dialect = Dialect::strict();
    for (length, max_work, done) in [(40, 40 + 41 + 1 + 1, 4), (10, 10 + 10 + 10, 3)] {
        let emails: Vec<_> = (0..length).map(|n| format!(r#"{{"value": "e{n}"}}"#)).collect();
        let before = resource(&format!(r#"{{"userName": "b", "emails": [{}]}}"#, emails.join(",")));
        let options = PatchOptions { max_work, ..PatchOptions::new(&dialect) };
        let apply = |count: usize| {
            let remove = r#"{"op": "remove", "path": "emails[value eq \"none\"]"}"#;
            let operations = format!("[{}]", vec![remove; count].join(","));
            let mut report = Report::default();
            Plan::new(&body(&operations), user(), &options, &mut report)?.apply(&before, &mut report)
        };
        assert!(!apply(done).unwrap().changed);
        let error = apply(done + 1).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (TooLarge, Some(done)));
    }
}

#[test]
fn work_that_grows_with_list_and_request_is_bounded() {
    let before = large_group();
    let operations = [r#"{"op": "remove", "path": "members[display co \"x\"]"}"#; 11].join(",");
    let dialect = Dialect::strict();
    let options =
        PatchOptions { inline_members: true, max_work: 10 * MEMBERS, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let plan = Plan::new(&body(&format!("[{operations}]")), group(), &options, &mut report).unwrap();
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

/// In a debug build, on a small stack, whatever the dialect: done, or refused with the operation and, where that is the
/// reason, the limit.
#[test]
fn hostile_requests_of_any_size_are_done_or_refused() {
    const SIZES: &[usize] = &[0, 1, 2, 31, 32, 33, 63, 65, 200, 999, 1_000, 1_001, 1_500, 10_000, 20_000];
    let user_before = resource(r#"{"userName": "b", "emails": [{"value": "a@x.org", "type": "work"}]}"#);
    let group_before = resource(&format!(r#"{{"displayName": "G", "members": {}}}"#, members(100)));
    for size in SIZES {
        for Request { name, operations, group: is_group, .. } in REQUESTS {
            let operations = operations(*size);
            let before = if *is_group { group_before.clone() } else { user_before.clone() };
            // Read here, because reading JSON needs more stack in a build without optimisation.
            let body = body(&operations);
            on_a_small_stack(move || {
                let target = if *is_group { group() } else { user() };
                let members = [true, false].map(|inline_members| (inline_members, Dialect::strict()));
                let lenient = (true, Dialect::default());
                for (inline_members, dialect) in members.into_iter().chain([lenient]) {
                    let options = PatchOptions { inline_members, ..PatchOptions::new(&dialect) };
                    let mut report = Report::default();
                    let outcome = Plan::new(&body, target, &options, &mut report)
                        .and_then(|plan| plan.apply(&before, &mut report));
                    let Err(error) = outcome else { continue };
                    let limit = matches!(error.kind(), TooLarge | TooManyOperations);
                    assert!(error.to_string().len() < 300, "{name} × {size}: {error}");
                    assert!(error.operation().is_some() || !limit, "{name} × {size}: {error}");
                    let value = error.reason().contains(|c: char| c.is_ascii_digit());
                    assert!(value || !limit, "{name} × {size}: {error}");
                }
            });
        }
    }
}

/// Counted, not timed: values are looked at a few times for each operation and each value there is, whatever is asked.
#[test]
fn the_work_of_a_hostile_request_is_in_proportion_to_it() {
    const MEMBERS: usize = 100;
    let dialect = Dialect::strict();
    let user_before = resource(r#"{"userName": "b", "emails": [{"value": "a@x.org", "type": "work"}]}"#);
    let group_before = resource(&format!(r#"{{"displayName": "G", "members": {}}}"#, members(MEMBERS)));
    let mut products = Vec::new();
    for size in [100, 1_000, 10_000] {
        let most = 4 * (size + MEMBERS);
        let many = usize::MAX;
        let read = scim_schema::ReadOptions {
            max_values: many,
            max_members: many,
            ..scim_schema::ReadOptions::new(&dialect)
        };
        let options = PatchOptions { max_operations: many, max_work: most, inline_members: true, read };
        for Request { name, operations, group: is_group, product } in REQUESTS {
            let (target, before) = if *is_group { (group(), &group_before) } else { (user(), &user_before) };
            let mut report = Report::default();
            let outcome = Plan::new(&body(&operations(size)), target, &options, &mut report)
                .and_then(|plan| plan.apply(before, &mut report));
            let too_much = outcome.is_err_and(|error| error.reason().starts_with("the request looks at"));
            assert!(*product || !too_much, "{name} × {size} looks at more than {most} values");
            if *product && too_much {
                products.push(*name);
            }
        }
    }
    // What is excepted must need it.
    for Request { name, .. } in REQUESTS.iter().filter(|request| request.product) {
        assert!(products.contains(name), "{name} is in proportion too");
    }
}

/// Each limit: which, how much, and where.
#[test]
fn a_limit_is_named_with_its_value_and_place() {
    let dialect = Dialect::strict();
    let options = PatchOptions {
        max_operations: 3,
        max_work: 10,
        inline_members: true,
        read: scim_schema::ReadOptions {
            max_values: 2,
            max_members: 2,
            max_string: 20,
            max_identifier: 10,
            ..scim_schema::ReadOptions::new(&dialect)
        },
    };
    let by_id = PatchOptions { inline_members: false, ..options.clone() };
    let title = r#"{"op": "replace", "path": "title", "value": "x"}"#;
    let refused = |target, options: &PatchOptions<'_>, operations: &str| {
        let before = resource(
            r#"{"userName": "b", "displayName": "G", "emails": [{"value": "a"}, {"value": "b"}],
                "members": [{"value": "a"}, {"value": "b"}]}"#,
        );
        let mut report = Report::default();
        let outcome = Plan::new(&body(&format!("[{operations}]")), target, options, &mut report)
            .and_then(|plan| plan.apply(&before, &mut report));
        outcome.unwrap_err().to_string()
    };
    let parentheses = "(".repeat(70);
    let long = "a".repeat(1025);
    for (operations, expected) in [
        ([title; 4].join(","), "Operations[3]: the request has more than 3 operations"),
        (
            format!(r#"{title},{{"op": "add", "path": "emails", "value": [{{"value": "c"}}]}}"#),
            "Operations[1], emails: has more than 2 values",
        ),
        (
            format!(
                r#"{title},{{"op": "add", "path": "emails", "value": [{}]}}"#,
                [r#"{"value": "a"}"#; 3].join(",")
            ),
            "Operations[1], emails: has more than 2 values",
        ),
        (
            r#"{"op": "replace", "path": "title", "value": "123456789012345678901"}"#.to_owned(),
            "Operations[0], title: is longer than 20 bytes",
        ),
        (
            r#"{"op": "replace", "path": "userName", "value": "12345678901"}"#.to_owned(),
            "Operations[0], userName: is longer than 10 characters",
        ),
        (
            format!(r#"{title},{{"op": "remove", "path": "{long}"}}"#),
            "Operations[1]: the path is longer than 1024 bytes, at byte 1024",
        ),
        (
            format!(r#"{{"op": "remove", "path": "emails[{parentheses}type pr]"}}"#),
            "Operations[0]: the filter in the path: the filter is nested deeper than 64 levels, at byte 70",
        ),
    ] {
        assert_eq!(refused(user(), &options, &operations), expected);
    }
    let looks = [r#"{"op": "remove", "path": "members[display co \"x\"]"}"#; 3].join(",");
    let few = PatchOptions { max_work: 5, ..options.clone() };
    assert_eq!(refused(group(), &few, &looks), "Operations[2]: the request looks at more than 5 values");
    let add = |id: &str| format!(r#"{{"op": "add", "path": "members", "value": [{{"value": "{id}"}}]}}"#);
    assert_eq!(refused(group(), &options, &add("c")), "Operations[0], members: has more than 2 values");
    let adds = ["c", "d", "e"].map(add).join(",");
    assert_eq!(refused(group(), &by_id, &adds), "Operations[2], members: has more than 2 values");
}
