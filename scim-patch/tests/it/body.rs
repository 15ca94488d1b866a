//! The PatchOp message itself.

use scim_patch::{PatchError, PatchErrorKind, PatchOptions, Plan};
use scim_schema::{Dialect, Leniency, Report};

use crate::support::{Patch, body, resource, user, value};

fn plan(body: &str, dialect: &Dialect) -> Result<Report, PatchError> {
    let mut report = Report::default();
    Plan::new(&value(body), user(), &PatchOptions::new(dialect), &mut report)?;
    Ok(report)
}

const OPERATION: &str = r#"[{"op": "add", "path": "title", "value": "x"}]"#;

// ledger: 7644-3.5.2-002
#[test]
fn schemas_must_name_the_message() {
    let strict = Dialect::strict();
    let lenient = Dialect::default();
    let with = |schemas: &str| format!(r#"{{{schemas} "Operations": {OPERATION}}}"#);
    let urn = scim_patch::PATCH_OP;
    assert!(plan(&with(&format!(r#""schemas": ["{urn}"],"#)), &strict).unwrap().is_empty());
    assert!(plan(&with(&format!(r#""SCHEMAS": ["{}"],"#, urn.to_uppercase())), &strict).is_ok());
    for missing in ["", r#""schemas": [],"#, r#""schemas": null,"#] {
        assert_eq!(plan(&with(missing), &strict).unwrap_err().kind(), PatchErrorKind::InvalidSyntax);
        let report = plan(&with(missing), &lenient).unwrap();
        assert_eq!(report.notes()[0].kind, Leniency::SchemaInferred);
    }
    let other = with(r#""schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],"#);
    for dialect in [&strict, &lenient] {
        assert_eq!(plan(&other, dialect).unwrap_err().kind(), PatchErrorKind::InvalidSyntax);
    }
}

// ledger: 7644-3.5.2-003
#[test]
fn operations_is_a_list_of_one_or_more() {
    let lenient = Dialect::default();
    for wrong in ["{}", "[]", "null", r#""add""#, "[1]", "[null]", "[[]]"] {
        let error = plan(&format!(r#"{{"Operations": {wrong}}}"#), &lenient).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::InvalidSyntax, "{wrong}");
        assert_eq!(error.kind().scim_type(), Some("invalidSyntax"));
    }
    assert_eq!(plan("{}", &lenient).unwrap_err().kind(), PatchErrorKind::InvalidSyntax);
    assert_eq!(plan("[]", &lenient).unwrap_err().kind(), PatchErrorKind::InvalidSyntax);
    assert!(plan(&format!(r#"{{"operations": {OPERATION}}}"#), &lenient).is_ok());
    let twice = format!(r#"{{"operations": {OPERATION}, "Operations": {OPERATION}}}"#);
    assert_eq!(plan(&twice, &lenient).unwrap_err().kind(), PatchErrorKind::InvalidSyntax);
}

// ledger: 7644-3.5.2-004
#[test]
fn each_operation_has_one_op() {
    let strict = Patch::strict(user());
    for op in ["add", "Add", "ADD", "replace", "Replace"] {
        let operations = format!(r#"[{{"op": "{op}", "path": "title", "value": "x"}}]"#);
        assert!(strict.plan(&operations).is_ok(), "{op}");
    }
    assert!(strict.plan(r#"[{"OP": "Remove", "Path": "title"}]"#).is_ok());
    for wrong in [
        r#"{"op": "move", "path": "title", "value": "x"}"#,
        r#"{"op": "", "path": "title", "value": "x"}"#,
        r#"{"op": 1, "path": "title", "value": "x"}"#,
        r#"{"path": "title", "value": "x"}"#,
        r#"{"op": "add", "OP": "remove", "path": "title", "value": "x"}"#,
    ] {
        let error = strict.plan(&format!("[{wrong}]")).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::InvalidSyntax, "{wrong}");
        assert_eq!(error.operation(), Some(0));
    }
}

#[test]
fn other_members_of_an_operation_are_ignored_and_a_null_path_is_none() {
    let strict = Patch::strict(user());
    assert!(strict.plan(r#"[{"op": "add", "path": "title", "value": "x", "name": "n"}]"#).is_ok());
    assert!(strict.plan(r#"[{"op": "add", "path": null, "value": {"title": "x"}}]"#).is_ok());
    let error = strict.plan(r#"[{"op": "add", "path": 1, "value": "x"}]"#).unwrap_err();
    assert_eq!(error.kind(), PatchErrorKind::InvalidPath);
}

#[test]
fn an_error_says_where_and_never_what() {
    let strict = Patch::strict(user());
    let error = strict
        .plan(r#"[{"op": "add", "path": "title", "value": "x"}, {"op": "add", "path": "ACTIVE", "value": "hush"}]"#)
        .unwrap_err();
    assert_eq!(error.to_string(), "Operations[1], active: must be true or false");
    assert_eq!((error.operation(), error.path()), (Some(1), "active"));
    assert_eq!(error.reason(), "must be true or false");
    for operation in [
        r#"{"op": "add", "path": "hush", "value": "x"}"#,
        r#"{"op": "add", "value": {"hush": "x"}}"#,
        r#"{"op": "add", "path": "name", "value": {"hush": "x"}}"#,
        r#"{"op": "replace", "path": "emails[type hush \"x\"]", "value": {}}"#,
        r#"{"op": "replace", "path": "emails[hush eq \"x\"]", "value": {"value": "x"}}"#,
        r#"{"op": "hush"}"#,
        r#"{"op": "add", "path": "emails", "value": ["hush"]}"#,
        r#"{"op": "add", "path": "schemas", "value": ["urn:hush:x"]}"#,
        r#"{"op": "add", "path": "emails[value co \"hush\"].type", "value": "x"}"#,
    ] {
        let before = resource(r#"{"userName": "b"}"#);
        let error = strict.run(&before, &format!("[{operation}]")).unwrap_err();
        assert!(!format!("{error}").contains("hush"), "{error}");
    }
}

#[test]
fn the_number_of_operations_is_limited() {
    let strict = Patch::strict(user());
    let many = |n: usize| format!("[{}]", vec![r#"{"op": "remove", "path": "title"}"#; n].join(","));
    assert!(strict.plan(&many(1000)).is_ok());
    let error = strict.plan(&many(1001)).unwrap_err();
    assert_eq!(error.kind(), PatchErrorKind::TooManyOperations);
    assert_eq!(error.kind().scim_type(), None);
    assert_eq!(error.to_string(), "Operations[1000]: the request has more than 1000 operations");
}

#[test]
fn the_error_of_a_filter_says_what_is_wrong_with_it() {
    let strict = Patch::strict(user());
    for (filter, reason) in [
        ("type eq", "a space is expected, at byte 14"),
        ("type zz 1", "the operator is not supported, at byte 12"),
        ("noSuch eq 1", "there is no such sub-attribute"),
    ] {
        let error = strict.plan(&format!(r#"[{{"op": "remove", "path": "emails[{filter}]"}}]"#)).unwrap_err();
        assert_eq!(error.reason(), format!("the filter in the path: {reason}"), "{filter}");
    }
}

#[test]
fn a_list_may_have_as_many_values_as_the_limit() {
    let dialect = Dialect::strict();
    let mut options = PatchOptions::new(&dialect);
    options.read.max_values = 2;
    let patch = |op: &str, emails: &str| {
        let operations = format!(r#"[{{"op": "{op}", "path": "emails", "value": [{emails}]}}]"#);
        let before = resource(r#"{"userName": "b", "emails": [{"value": "a"}]}"#);
        let mut report = Report::default();
        Plan::new(&body(&operations), user(), &options, &mut report)?.apply(&before, &mut report)
    };
    // In one value, and together with those that are there.
    for (op, within, beyond) in [
        ("replace", r#"{"value": "b"}, {"value": "c"}"#, r#"{"value": "a"}, {"value": "b"}, {"value": "c"}"#),
        ("add", r#"{"value": "b"}"#, r#"{"value": "b"}, {"value": "c"}"#),
    ] {
        assert!(patch(op, within).unwrap().changed);
        let error = patch(op, beyond).unwrap_err();
        assert_eq!((error.kind(), error.path()), (PatchErrorKind::TooLarge, "emails"));
        assert_eq!(error.kind().scim_type(), None);
    }
}
