//! PATCH.

use std::collections::BTreeSet;

use scim_patch::{MembershipPlan, Outcome, PatchError, PatchErrorKind, PatchOptions, Plan, diff};
use scim_schema::{
    Dialect, Intent, JsonLimits, Object, ReadOptions, Report, Resource, ResourceType, Value, parse_json, read,
};

use crate::{GROUP, LONGEST_MESSAGE, USER, resource_type};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A PATCH that is accepted leaves a valid resource, or the very same one and no changes; one that is refused says so in
/// few words and changes nothing; what is readOnly stays as it was; what was done needs not be done again; and a change
/// of members by id does what the same request does to the list. Whether the resource is values or still text makes no
/// difference. The input is the list of operations.
pub fn patch_apply(data: &[u8]) {
    let Ok(operations) = parse_json(data, JsonLimits::default()) else { return };
    for dialect in [Dialect::strict(), Dialect::default()] {
        for (before, name) in [(&*USER, "User"), (&*GROUP, "Group")] {
            let request = Request { operations: &operations, dialect: &dialect, target: resource_type(name) };
            let untouched = before.clone();
            let outcome = request.apply(before);
            let mut text = before.clone();
            text.pack();
            assert_eq!(request.apply(&text), outcome, "of a resource that is text, something else is made");
            match outcome {
                Ok(outcome) => request.check(before, &outcome),
                Err(error) => check_error(&error, &operations),
            }
            assert_eq!(*before, untouched, "the resource that was given has changed");
        }
    }
    members_by_id(&operations);
}

struct Request<'r> {
    operations: &'r Value,
    dialect: &'r Dialect,
    target: &'static ResourceType,
}

impl Request<'_> {
    fn apply(&self, before: &Resource) -> Result<Outcome, PatchError> {
        let options = PatchOptions { inline_members: true, ..PatchOptions::new(self.dialect) };
        let mut report = Report::default();
        Plan::new(&body(self.operations), self.target, &options, &mut report)
            .and_then(|plan| plan.apply(before, &mut report))
    }

    fn check(&self, before: &Resource, outcome: &Outcome) {
        if outcome.changed {
            let after = Value::Object(outcome.resource.attributes().clone());
            read(after, self.target, Intent::Create, &ReadOptions::new(self.dialect), &mut Report::default())
                .expect("a valid resource stays valid");
        } else {
            assert_eq!(outcome.changes, []);
            assert_eq!(outcome.resource, *before);
        }
        for path in ["id", "meta", "groups"] {
            assert_eq!(outcome.resource.get(path), before.get(path), "{path} is readOnly");
        }
        let (name, known) = (manager_name(&outcome.resource), manager_name(before));
        assert!(name.is_none() || name == known, "the name of a manager is readOnly");

        let told = |path: &str| outcome.changes.iter().any(|change| change.path == path);
        for change in diff(before, &outcome.resource, self.target) {
            assert!(told(&change.path), "{} differs and is not told", change.path);
        }
        self.check_repeated(outcome);
    }

    /// One operation on a path without a filter, done again, changes nothing.
    fn check_repeated(&self, outcome: &Outcome) {
        let [operation] = self.operations.elements() else { return };
        let text = |name: &str| operation.as_object()?.get_ignore_case(name)?.as_str();
        let Some(path) = text("path").filter(|path| !path.contains('[')) else { return };
        match self.apply(&outcome.resource) {
            Ok(again) => {
                assert_eq!(again.resource, outcome.resource, "{path}: done again, it does something else");
            }
            Err(error) => {
                let removed = text("op").is_some_and(|op| op.eq_ignore_ascii_case("remove"));
                assert!(removed && error.kind() == PatchErrorKind::NoTarget, "{error}");
            }
        }
    }
}

/// An error names its operation and says little.
fn check_error(error: &PatchError, operations: &Value) {
    assert!(error.reason().len() <= LONGEST_MESSAGE);
    let count = operations.as_array().map_or(0, <[Value]>::len);
    assert!(error.operation().is_none_or(|at| at < count));
    if matches!(error.kind(), PatchErrorKind::TooLarge | PatchErrorKind::TooManyOperations) {
        assert!(error.operation().is_some(), "{error}: a limit has a place");
        assert!(error.reason().contains(|c: char| c.is_ascii_digit()), "{error}: a limit has a value");
    }
}

/// Ids that come and go without the group being looked at are those that come and go in its list.
fn members_by_id(operations: &Value) {
    let dialect = Dialect::default();
    let target = resource_type("Group");
    let inline = Request { operations, dialect: &dialect, target };
    let Ok(inline) = inline.apply(&GROUP) else { return };
    let options = PatchOptions::new(&dialect);
    let Ok(plan) = Plan::new(&body(operations), target, &options, &mut Report::default()) else { return };
    let MembershipPlan::Delta(delta) = plan.membership() else { return };
    let mut ids = if delta.clear { BTreeSet::new() } else { ids(&GROUP) };
    // In the list, `value` is not caseExact; in a delta, ids are.
    let fold = |id: &String| scim_schema::fold(id).into_owned();
    let gone: BTreeSet<String> = delta.remove.iter().map(fold).collect();
    ids.retain(|id| !gone.contains(id));
    ids.extend(delta.add.iter().map(|member| fold(&member.id)));
    assert_eq!(ids, self::ids(&inline.resource));
    let by_id = plan.apply(&GROUP, &mut Report::default()).expect("the rest of the request is the same");
    let rest = |resource: &Resource| {
        let mut attributes = resource.attributes().clone();
        attributes.remove("members");
        attributes
    };
    assert_eq!(rest(&by_id.resource), rest(&inline.resource));
}

fn ids(group: &Resource) -> BTreeSet<String> {
    let id = |member: &Value| scim_schema::referenced_id(member).map(|id| scim_schema::fold(id).into_owned());
    group.get("members").map(Value::elements).unwrap_or_default().iter().filter_map(id).collect()
}

fn body(operations: &Value) -> Value {
    let mut body = Object::default();
    body.insert("schemas", Value::Array([Value::from(scim_patch::PATCH_OP)].into_iter().collect()));
    body.insert("Operations", operations.clone());
    Value::Object(body)
}

fn manager_name(user: &Resource) -> Option<&Value> {
    user.get(ENTERPRISE)?.get("manager")?.get("displayName")
}
