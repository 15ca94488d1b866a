//! What identity providers send, under the default dialect. The bodies are those of the corpus.

use std::path::Path;

use scim_patch::{MembershipPlan, PatchErrorKind, PatchOptions, Plan};
use scim_schema::{Dialect, Leniency, Report, Resource, Value};

use crate::support::{ENTERPRISE, Patch, group, json_of, resource, user, value};

const USER: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "u1", "userName": "six@contoso.example",
    "name": {"givenName": "Six", "familyName": "Tester"}, "active": true, "displayName": "Old",
    "emails": [{"value": "six@contoso.example", "type": "work", "primary": true}]}"#;

/// The bodies of the PATCH requests of a file, with every `{{…}}` filled in.
fn bodies(file: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/data/idp-corpus");
    let text = std::fs::read_to_string(root.join(file)).unwrap();
    let text = text.replace("{{", "<").replace("}}", ">");
    let file = value(&text);
    let steps = file.get("steps").unwrap().elements().iter();
    let patches = steps.filter(|step| step.get("method").unwrap().as_str() == Some("PATCH"));
    let bodies: Vec<Value> = patches.map(|step| step.get("body").unwrap().clone()).collect();
    assert!(!bodies.is_empty());
    bodies
}

/// All of them applied one after the other.
fn play(file: &str, before: &str) -> (Resource, Report) {
    let dialect = Dialect::default();
    let options = PatchOptions { inline_members: true, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let mut resource = resource(before);
    let resource_type = if resource.attributes().contains("userName") { user() } else { group() };
    for body in bodies(file) {
        let plan = Plan::new(&body, resource_type, &options, &mut report).unwrap();
        resource = plan.apply(&resource, &mut report).unwrap().resource;
    }
    (resource, report)
}

fn played(file: &str, before: &str, attribute: &str) -> String {
    json_of(&play(file, before).0, attribute)
}

#[test]
fn entra_disables_with_a_text() {
    // The file disables and enables again.
    assert_eq!(played("entra/04-disable-string-false.json", USER, "active"), "true");
    let user =
        Patch::lenient(user()).changed(USER, r#"[{"op": "Replace", "path": "active", "value": "False"}]"#);
    assert_eq!(json_of(&user, "active"), "false");
    assert_eq!(played("entra-optscim/01-disable-boolean.json", USER, "active"), "true");
}

#[test]
fn entra_replaces_six_attributes_at_once() {
    let (user, _) = play("entra/05-replace-six-paths.json", USER);
    assert_eq!(json_of(&user, "displayName"), r#""Pvlo""#);
    assert_eq!(
        json_of(&user, "emails"),
        r#"[{"value":"TestBcwqnm-<run>@test.example","type":"work","primary":true}]"#
    );
    assert_eq!(json_of(&user, "name"), r#"{"givenName":"Gtfd","familyName":"Pkqf"}"#);
    assert_eq!(json_of(&user, "externalId"), r#""Eqpj-<run>""#);
    assert_eq!(json_of(&user, ENTERPRISE), r#"{"employeeNumber":"Eqpj"}"#);
}

#[test]
fn entra_creates_values_by_filter() {
    let bare = r#"{"userName": "b"}"#;
    let (user, report) = play("entra/06-add-filtered-path-creates.json", bare);
    assert_eq!(json_of(&user, "emails"), r#"[{"type":"work","value":"fresh-<run>@outlook.example"}]"#);
    assert_eq!(json_of(&user, "addresses"), r#"[{"type":"work","formatted":"123 fake st."}]"#);
    assert_eq!(report.notes().iter().filter(|n| n.kind == Leniency::Created).count(), 2);
    let (user, _) = play("entra/07-replace-filtered-path-creates.json", bare);
    assert_eq!(json_of(&user, "emails"), r#"[{"type":"work","value":"AdeleV2-<run>@contoso.example"}]"#);
    assert_eq!(json_of(&user, ENTERPRISE), r#"{"department":"Retail"}"#);
    assert_eq!(
        played("entra/15-capitalised-sub-attributes.json", bare, "addresses"),
        r#"[{"type":"other","formatted":"Building 5"}]"#
    );
}

#[test]
fn entra_sends_the_manager_as_a_text_and_takes_it_away() {
    let (user, _) = play("entra/08-manager-plain-string.json", USER);
    assert_eq!(json_of(&user, ENTERPRISE), "nothing");
    assert_eq!(user.schemas().count(), 1);
}

#[test]
fn entra_addresses_the_primary_role_with_a_text() {
    assert_eq!(
        played("entra/09-roles-primary-eq-True-string.json", USER, "roles"),
        r#"[{"primary":true,"display":"Manager","value":"director","type":"WindowsAzureActiveDirectoryRole"}]"#
    );
}

#[test]
fn entra_wraps_roles_in_texts() {
    assert_eq!(
        played("entra/10-app-role-assignments-stringified.json", USER, "roles"),
        r#"[{"value":"25","display":"Role1234"},{"value":"Admin","display":"Admin"}]"#
    );
}

#[test]
fn entra_removes_the_listed_members_only() {
    let before = r#"{"displayName": "G", "members": [{"value": "<a.id>"}, {"value": "<b.id>"}]}"#;
    assert_eq!(
        played("entra/12-group-remove-members-by-value.json", before, "members"),
        r#"[{"value":"<a.id>"}]"#
    );
}

#[test]
fn an_unknown_target_does_not_keep_a_user_active() {
    let (user, report) = play("entra/16-unknown-target-does-not-block-disable.json", USER);
    assert_eq!(json_of(&user, "active"), "false");
    assert!(report.notes().iter().any(|n| n.kind == Leniency::TargetIgnored));
    let strict = Patch::strict(crate::support::user());
    let operations = r#"[{"op": "Add", "path": "urn:x:y:tag", "value": "1"},
        {"op": "Replace", "path": "active", "value": "False"}]"#;
    assert_eq!(strict.refused(USER, operations), PatchErrorKind::InvalidPath);
    // A malformed path is a mistake under every dialect.
    let malformed = r#"[{"op": "Add", "path": "name..givenName", "value": "1"}]"#;
    let lenient = Patch::lenient(crate::support::user());
    assert_eq!(lenient.refused(USER, malformed), PatchErrorKind::InvalidPath);
    // A key may be anything.
    let key = r#"[{"op": "Add", "value": {"name..givenName": "1", "title": "T"}}]"#;
    let (outcome, report) = lenient.reported(&resource(USER), key);
    assert_eq!(json_of(&outcome.unwrap().resource, "title"), r#""T""#);
    assert_eq!(report.notes()[0].kind, Leniency::TargetIgnored);
}

#[test]
fn entra_sends_dotted_keys_without_path() {
    let (user, _) = play("entra-optscim/02-pathless-dotted-keys.json", USER);
    assert_eq!(json_of(&user, "name"), r#"{"givenName":"Kkom","familyName":"Unua"}"#);
    assert_eq!(json_of(&user, "displayName"), r#""Bjfe""#);
    assert_eq!(json_of(&user, ENTERPRISE), r#"{"employeeNumber":"Aklq"}"#);
    assert_eq!(user.get("emails").unwrap().elements().len(), 1);
}

#[test]
fn entra_s_validator_builds_one_value_for_each_type() {
    let (user, _) = play("entra-optscim/05-validator-add-attributes.json", r#"{"userName": "b"}"#);
    for attribute in ["emails", "addresses", "phoneNumbers"] {
        let values = user.get(attribute).unwrap().elements();
        let mut types: Vec<_> = values.iter().map(|v| v.get("type").unwrap().as_str().unwrap()).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), values.len(), "{attribute}");
    }
}

#[test]
fn okta_sets_a_password_nobody_reads() {
    let (user, _) = play("okta/07-password-sync.json", USER);
    assert_eq!(json_of(&user, "password"), r#""An0ther-<run>""#);
    let body = bodies("okta/07-password-sync.json").remove(0);
    let dialect = Dialect::default();
    let plan = Plan::new(&body, crate::support::user(), &PatchOptions::new(&dialect), &mut Report::default());
    let outcome = plan.unwrap().apply(&resource(USER), &mut Report::default()).unwrap();
    assert!(outcome.changed);
    assert!(!format!("{:?}", outcome.changes).contains("An0ther"));
}

#[test]
fn okta_renames_a_group_with_its_id_and_keeps_the_members() {
    let before = r#"{"id": "<g.id>", "displayName": "G", "members": [{"value": "a"}]}"#;
    let (group, _) = play("okta/09-group-rename-with-id.json", before);
    assert_eq!(json_of(&group, "displayName"), r#""Renamed <run>""#);
    assert_eq!(json_of(&group, "members"), r#"[{"value":"a"}]"#);
    let other = before.replace("<g.id>", "g2");
    let operations = r#"[{"op": "replace", "value": {"id": "g1", "displayName": "x"}}]"#;
    assert_eq!(
        Patch::lenient(crate::support::group()).refused(&other, operations),
        PatchErrorKind::Mutability
    );
    let ak = play("authentik/01-group-patch-with-id.json", before).0;
    assert_eq!(json_of(&ak, "externalId"), r#""ak-<run>""#);
    assert_eq!(json_of(&ak, "members"), r#"[{"value":"a"},{"value":"<a.id>"}]"#);
}

#[test]
fn okta_removes_and_adds_in_one_request() {
    let before = r#"{"id": "g", "displayName": "G", "members": [{"value": "<a.id>"}, {"value": "c"}]}"#;
    assert_eq!(
        played("okta/10-group-remove-and-add.json", before, "members"),
        r#"[{"value":"c"},{"value":"<b.id>","display":"xb-<run>@okta.example"}]"#
    );
}

#[test]
fn every_group_patch_of_the_corpus_is_a_delta() {
    let dialect = Dialect::default();
    for file in [
        "entra/11-group-create-lookup.json",
        "entra/12-group-remove-members-by-value.json",
        "entra-optscim/03-remove-member-filter.json",
        "okta/08-group-push-create.json",
        "okta/10-group-remove-and-add.json",
        "authentik/01-group-patch-with-id.json",
        "cyberark/01-required-calls.json",
        "jumpcloud/01-test-connection-cycle.json",
        "jumpcloud/03-group-remove-by-value.json",
        "onelogin/03-group-membership.json",
        "ping/02-pingfederate-group-patch.json",
        "rippling/01-user-and-group.json",
    ] {
        for body in bodies(file) {
            let plan =
                Plan::new(&body, group(), &PatchOptions::new(&dialect), &mut Report::default()).unwrap();
            assert!(matches!(plan.membership(), MembershipPlan::Delta(_)), "{file}");
        }
    }
}

#[test]
fn numbers_and_empty_texts_are_taken_where_the_dialect_says_so() {
    let lenient = Patch::lenient(user());
    let operations = r#"[{"op": "replace", "path": "externalId", "value": 42},
        {"op": "replace", "path": "profileUrl", "value": ""}]"#;
    let before = r#"{"userName": "b", "profileUrl": "https://x.org"}"#;
    let user = lenient.changed(before, operations);
    assert_eq!(
        (json_of(&user, "externalId"), json_of(&user, "profileUrl")),
        (r#""42""#.into(), "nothing".into())
    );
    let strict = Patch::strict(crate::support::user());
    assert_eq!(strict.refused(before, operations), PatchErrorKind::InvalidValue);
}

#[test]
fn read_only_targets_are_skipped_where_the_dialect_says_so() {
    let mut lenient = Patch::lenient(user());
    lenient.dialect.ignore_read_only_targets = true;
    let operations = r#"[{"op": "replace", "path": "groups", "value": []},
        {"op": "replace", "value": {"id": "other", "title": "T"}}]"#;
    let (outcome, report) = lenient.reported(&resource(USER), operations);
    assert_eq!(outcome.unwrap().changes.len(), 1);
    assert_eq!(report.notes().iter().filter(|n| n.kind == Leniency::TargetIgnored).count(), 2);
}

#[test]
fn a_body_without_urn_is_a_patch_all_the_same() {
    let dialect = Dialect::default();
    let body = value(r#"{"Operations": [{"op": "Replace", "path": "active", "value": "false"}]}"#);
    assert!(Plan::new(&body, user(), &PatchOptions::new(&dialect), &mut Report::default()).is_ok());
}
