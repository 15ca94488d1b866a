//! The work as this project does it.

use std::collections::HashSet;
use std::sync::LazyLock;

use scim_filter::{Filter, MatchOptions, Matcher};
use scim_patch::{MemberDelta, MembershipPlan, Outcome, PatchOptions, Plan};
use scim_schema::{
    Dialect, Intent, JsonLimits, Projection, ReadOptions, Registry, Report, Resource, ResourceType,
    Selection, Value, parse_json, read,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);
static DIALECT: LazyLock<Dialect> = LazyLock::new(Dialect::default);

/// The resource type of users.
pub fn user_type() -> &'static ResourceType {
    REGISTRY.resource_type("User").expect("User is a standard type")
}

/// The resource type of groups.
pub fn group_type() -> &'static ResourceType {
    REGISTRY.resource_type("Group").expect("Group is a standard type")
}

/// From text to tree.
pub fn parse_filter(text: &str) -> Filter<'_> {
    Filter::parse(text).expect("the fixtures are valid filters")
}

/// From text to matcher.
pub fn matcher(text: &str) -> Matcher {
    let options = MatchOptions::default();
    Matcher::new(&parse_filter(text), [user_type()], &options).expect("the fixtures fit the schema")
}

/// A PATCH of the user from a parsed body; the user stays as it is.
pub fn patch_user(body: &Value, user: &Resource, user_type: &ResourceType) -> Outcome {
    let mut report = Report::default();
    let options = PatchOptions::new(&DIALECT);
    let plan = Plan::new(body.clone(), user_type, &options, &mut report).expect("the fixtures are valid");
    plan.apply(user, &mut report).expect("the fixtures apply")
}

/// What a PATCH does to the members of a group.
pub fn member_delta(body: &Value, group_type: &ResourceType) -> MemberDelta {
    let mut report = Report::default();
    let options = PatchOptions::new(&DIALECT);
    let plan = Plan::new(body.clone(), group_type, &options, &mut report).expect("the fixtures are valid");
    match plan.membership() {
        MembershipPlan::Delta(delta) => delta.clone(),
        other => panic!("{other:?} is not a delta"),
    }
}

/// Adds members and takes them away again.
pub fn add_and_undo(members: &mut HashSet<String>, body: &Value, group_type: &ResourceType) -> usize {
    let delta = member_delta(body, group_type);
    let mut done = 0;
    for member in &delta.add {
        done += usize::from(members.insert(member.id.clone()));
    }
    for member in &delta.add {
        members.remove(&member.id);
    }
    done
}

/// Removes members and puts them back.
pub fn remove_and_undo(members: &mut HashSet<String>, body: &Value, group_type: &ResourceType) -> usize {
    let delta = member_delta(body, group_type);
    let mut done = 0;
    for id in &delta.remove {
        done += usize::from(members.remove(id));
    }
    members.extend(delta.remove);
    done
}

/// From the bytes of a POST to a resource: JSON within limits, normalised and validated.
pub fn read_user(body: &[u8], user_type: &ResourceType) -> Resource {
    let body = parse_json(body, JsonLimits::default()).expect("the fixture is JSON");
    let mut report = Report::default();
    let options = ReadOptions::new(&DIALECT);
    read(body, user_type, Intent::Create, &options, &mut report).expect("the fixture is a valid user")
}

/// From a stored resource to the bytes of an answer.
pub fn project_user(user: &Resource, user_type: &ResourceType) -> Vec<u8> {
    let projection = Projection::new(user_type, &Selection::Default, &[]);
    serde_json::to_vec(&projection.apply(user)).expect("JSON")
}
