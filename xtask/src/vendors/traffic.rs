//! The changes whose events are delivered: every type of event, and texts that signatures trip over.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::stage::Stage;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Names that JSON writers treat in different ways.
const NAMES: &[&str] = &[
    "Ada Lovelace",
    "Zoë Müller-Lüdenscheidt",
    "山田 太郎",
    "Grace 🙂 Hopper 👩🏽‍💻",
    "Quote \" backslash \\ slash / </script>",
    "tab\tline\nfeed\r\u{8}\u{c}",
    "control \u{1}\u{1f}\u{7f}\u{80}",
    "separators \u{2028}\u{2029}\u{feff}",
    "مريم ميرزاخاني",
    "e\u{301} and é, İ and ı, ß",
    "{\"a\": [1, 2.0, 1e5, null]}",
    "trailing space ",
];

pub(super) fn before_rotation(stage: &Stage) -> Result<()> {
    let users = users(stage, "before")?;
    let (first, second) = users.first().zip(users.get(1)).context("there are not two users")?;
    let members = json!([{"value": first}, {"value": second}]);
    let group = json!({"schemas": [GROUP], "displayName": "Équipe \"A\"", "members": members});
    let group = id(&stage.change("POST", "/Groups", &group.to_string())?)?;
    patch(stage, &format!("/Groups/{group}"), &json!({"op": "remove", "path": "members"}))?;
    patch(
        stage,
        &format!("/Groups/{group}"),
        &json!({"op": "replace", "path": "displayName", "value": "B & C"}),
    )?;
    patch(stage, &format!("/Users/{first}"), &json!({"op": "replace", "path": "active", "value": false}))?;
    patch(stage, &format!("/Users/{first}"), &json!({"op": "replace", "path": "active", "value": true}))?;
    stage.change("DELETE", &format!("/Users/{second}"), "")?;
    stage.change("DELETE", &format!("/Groups/{group}"), "")?;
    Ok(())
}

pub(super) fn during_rotation(stage: &Stage) -> Result<()> {
    let users = users(stage, "during")?;
    let user = users.last().context("there is no user")?;
    patch(stage, &format!("/Users/{user}"), &json!({"op": "replace", "path": "title", "value": "Über"}))?;
    stage.change("DELETE", &format!("/Users/{user}"), "")?;
    Ok(())
}

/// A user of each name; their ids.
fn users(stage: &Stage, run: &str) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let user = json!({
            "schemas": [USER],
            "userName": format!("{run}.{number}@example.com"),
            "externalId": format!("{run}/{name}"),
            "displayName": name,
            "name": {"givenName": name, "familyName": name, "formatted": name},
            "emails": [{"value": format!("{run}.{number}@example.com"), "type": "work", "primary": true}],
            "title": name,
            "active": true
        });
        ids.push(id(&stage.change("POST", "/Users", &user.to_string())?)?);
    }
    Ok(ids)
}

fn patch(stage: &Stage, path: &str, operation: &Value) -> Result<()> {
    let body = json!({"schemas": [PATCH], "Operations": [operation]});
    stage.change("PATCH", path, &body.to_string())?;
    Ok(())
}

fn id(answer: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(answer).context("unexpected answer")?;
    Ok(answer.get("id").and_then(Value::as_str).context("an answer without an id")?.to_owned())
}
