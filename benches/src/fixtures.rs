//! The inputs, read from `data/`.

use scim_schema::{Object, Resource, Value};

/// A filter, and how many of the corpus it matches.
#[derive(Clone, Debug)]
pub struct FilterFixture {
    /// The id in the names of benchmarks.
    pub id: String,
    /// The filter.
    pub text: String,
    /// How many of the 10,000 users match.
    pub matches: usize,
}

/// A PATCH of the one user.
#[derive(Clone, Debug)]
pub struct PatchFixture {
    /// The id in the names of benchmarks.
    pub id: String,
    /// The operations as the file has them.
    pub operations: serde_json::Value,
    /// The user afterwards.
    pub expected: serde_json::Value,
    /// How long lists are afterwards.
    pub lengths: Vec<(String, usize)>,
}

/// The numbers of members that groups are measured with.
pub const GROUP_SIZES: [usize; 3] = [10, 1000, 100_000];

/// The member that comes and goes.
pub const NEW_MEMBER: &str = "new-member-1";

/// How many users match each filter, by RFC 7644 §3.4.2.2 and its own example for `emails co`.
const MATCHES: [usize; 12] = [1, 0, 0, 5000, 1429, 5355, 3334, 0, 7500, 7500, 1, 0];

const FILTERS: &str = include_str!("../data/filters.json");
const PATCHES: &str = include_str!("../data/patches.json");
const USER: &str = include_str!("../data/user.json");

/// The twelve filters.
pub fn filters() -> Vec<FilterFixture> {
    let list: Vec<serde_json::Value> = serde_json::from_str(FILTERS).expect("filters.json");
    assert_eq!(list.len(), MATCHES.len());
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().expect("a text").to_owned();
    list.iter()
        .zip(MATCHES)
        .map(|(entry, matches)| FilterFixture { id: text(entry, "id"), text: text(entry, "filter"), matches })
        .collect()
}

/// The filter with this id.
pub fn filter(id: &str) -> FilterFixture {
    filters().into_iter().find(|fixture| fixture.id == id).expect("a filter of that id")
}

/// The user as a client sends it: compact, with a password, in the order of the file.
pub fn user_body() -> Vec<u8> {
    let user: Value = serde_json::from_str(USER).expect("user.json");
    serde_json::to_vec(&user).expect("JSON")
}

/// The user as a store holds it: no password.
pub fn stored_user() -> Resource {
    let mut user: Object = serde_json::from_str(USER).expect("user.json");
    user.remove("password");
    Resource::from_canonical(user)
}

/// [`stored_user`] for those who work on `serde_json`'s values.
pub fn stored_user_json() -> serde_json::Value {
    serde_json::to_value(stored_user()).expect("JSON")
}

/// [`stored_user_json`] as an answer shows it: a reference that is stored relative to the base URL is absolute.
pub fn shown_user_json(base: &str) -> serde_json::Value {
    let mut user = stored_user_json();
    let manager = &mut user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["$ref"];
    let reference = manager.as_str().expect("a reference").trim_start_matches("../");
    *manager = format!("{base}/{reference}").into();
    user
}

/// The PATCHes of the user.
pub fn user_patches() -> Vec<PatchFixture> {
    let file: serde_json::Value = serde_json::from_str(PATCHES).expect("patches.json");
    let lengths = |id: &str| {
        let lists = file["user_expect_lengths"].get(id).and_then(serde_json::Value::as_object);
        let length = |n: &serde_json::Value| n.as_u64().expect("a length") as usize;
        lists.into_iter().flatten().map(|(name, n)| (name.clone(), length(n))).collect()
    };
    let patches = file["user"].as_object().expect("patches.json: user");
    patches
        .iter()
        .map(|(id, operations)| PatchFixture {
            id: id.clone(),
            operations: operations.clone(),
            expected: patched_user(id),
            lengths: lengths(id),
        })
        .collect()
}

/// The PATCH with this id.
pub fn user_patch(id: &str) -> PatchFixture {
    user_patches().into_iter().find(|fixture| fixture.id == id).expect("a PATCH of that id")
}

/// The user after a PATCH, written by hand.
fn patched_user(id: &str) -> serde_json::Value {
    let mut user = stored_user_json();
    match id {
        "p1_replace_active" => user["active"] = false.into(),
        "p2_add_email" => user["emails"]
            .as_array_mut()
            .expect("emails")
            .push(serde_json::json!({"value": "b.jensen@new.example.com", "type": "other"})),
        "p3_value_path_replace" => user["emails"][0]["value"] = "barbara@example.com".into(),
        "p4_pathless_replace" => {
            user["displayName"] = "Barbara Jensen".into();
            user["title"] = "Lead Guide".into();
            user["active"] = false.into();
        }
        other => panic!("no expected result for {other}"),
    }
    user
}

/// The operations that add [`NEW_MEMBER`] to a group.
pub fn group_add() -> serde_json::Value {
    group_operations("add")
}

/// The operations that remove [`NEW_MEMBER`] from a group.
pub fn group_remove() -> serde_json::Value {
    group_operations("remove")
}

fn group_operations(name: &str) -> serde_json::Value {
    let file: serde_json::Value = serde_json::from_str(PATCHES).expect("patches.json");
    assert_eq!(file["group"]["sizes"], serde_json::json!(GROUP_SIZES));
    file["group"][name].clone()
}

/// The ids of a group's members.
pub fn member_ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("u{n:08}"))
}

/// A group for those who work on `serde_json`'s values.
pub fn group_json(members: usize) -> serde_json::Value {
    let members: Vec<_> = member_ids(members).map(|id| serde_json::json!({"value": id})).collect();
    serde_json::json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": "e9e30dba-f08f-4109-8486-d5c6a331660a",
        "displayName": "Tour Guides",
        "members": members,
    })
}

/// A PatchOp body around operations.
pub fn patch_body(operations: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}
