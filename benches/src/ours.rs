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
    let plan = Plan::new(body, user_type, &options, &mut report).expect("the fixtures are valid");
    plan.apply(user, &mut report).expect("the fixtures apply")
}

/// What a PATCH does to the members of a group.
pub fn member_delta(body: &Value, group_type: &ResourceType) -> MemberDelta {
    let mut report = Report::default();
    let options = PatchOptions::new(&DIALECT);
    let plan = Plan::new(body, group_type, &options, &mut report).expect("the fixtures are valid");
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

/// The base URL of answers.
pub const BASE: &str = "https://example.com/v2";

/// From a stored resource to the bytes of an answer.
pub fn project_user(user: &Resource, user_type: &ResourceType) -> Vec<u8> {
    let projection = Projection::new(user_type, &Selection::Default, &[]);
    serde_json::to_vec(&projection.show(user, BASE)).expect("JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{corpus, fixtures};

    #[test]
    fn every_filter_finds_the_right_users() {
        let users = corpus::users(0..corpus::USERS);
        for fixture in fixtures::filters() {
            let matcher = matcher(&fixture.text);
            let found = users.iter().filter(|user| matcher.matches("User", user)).count();
            assert_eq!(found, fixture.matches, "{}", fixture.id);
        }
    }

    #[test]
    fn every_patch_has_the_right_result() {
        let user = fixtures::stored_user();
        for fixture in fixtures::user_patches() {
            let body = fixtures::patch_body(&fixture.operations).into();
            let outcome = patch_user(&body, &user, user_type());
            assert_eq!(serde_json::to_value(&outcome.resource).unwrap(), fixture.expected, "{}", fixture.id);
            assert_eq!(user, fixtures::stored_user(), "{}", fixture.id);
        }
    }

    #[test]
    fn members_come_and_go() {
        let mut members: HashSet<String> = fixtures::member_ids(10).collect();
        let body = fixtures::patch_body(&fixtures::group_add()).into();
        assert_eq!(add_and_undo(&mut members, &body, group_type()), 1);
        members.insert(fixtures::NEW_MEMBER.to_owned());
        let body = fixtures::patch_body(&fixtures::group_remove()).into();
        assert_eq!(remove_and_undo(&mut members, &body, group_type()), 1);
        assert_eq!(members.len(), 11);
    }

    #[test]
    fn a_user_is_shown_as_it_is_stored() {
        let shown = project_user(&fixtures::stored_user(), user_type());
        let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        assert_eq!(shown, fixtures::shown_user_json(BASE));
    }
}
