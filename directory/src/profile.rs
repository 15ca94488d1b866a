//! The shapes in which endpoints may have the body of an event.

use std::borrow::Cow;

use scim_schema::{Object, Value};

use crate::endpoint::Profile;
use crate::event::{DEACTIVATED, EventType};
use crate::json::python_json;

/// The body of an event as an endpoint gets it: in its profile, and with another type where the event has taken
/// the place of an earlier one.
pub(crate) fn render(body: &str, profile: Profile, told_as: Option<EventType>) -> Cow<'_, str> {
    if profile == Profile::Standard && told_as.is_none() {
        return Cow::Borrowed(body);
    }
    let Ok(Value::Object(mut event)) = serde_json::from_str(body) else { return Cow::Borrowed(body) };
    if let Some(event_type) = told_as {
        set(&mut event, "type", event_type.as_str().into());
        set(&mut event, "display_name", event_type.display_name().into());
        if event_type == EventType::UserDeleted
            && let Some(Value::Object(data)) = event.get_mut("data")
        {
            data.push("reason", DEACTIVATED);
        }
    }
    if profile == Profile::Scalekit
        && let Some(Value::Object(data)) = event.get_mut("data")
    {
        as_scalekit(data);
    }
    Cow::Owned(python_json(&Value::Object(event)))
}

/// Groups and roles as objects.
fn as_scalekit(data: &mut Object) {
    if let Some(Value::Array(groups)) = data.get("group_refs") {
        let named = |group: &Value| {
            let group = group.as_object()?;
            let mut out = Object::with_capacity(2);
            out.push("id", group.get("id").cloned().unwrap_or_default());
            out.push("name", group.get("name").cloned().unwrap_or_default());
            Some(Value::Object(out))
        };
        let groups: Vec<Value> = groups.iter().filter_map(named).collect();
        set(data, "groups", groups.into());
    }
    if let Some(Value::Array(roles)) = data.get("roles") {
        let named = |role: &Value| {
            let mut out = Object::with_capacity(1);
            out.push("role_name", role.clone());
            Value::Object(out)
        };
        let roles: Vec<Value> = roles.iter().map(named).collect();
        set(data, "roles", roles.into());
    }
}

fn set(object: &mut Object, name: &str, value: Value) {
    if let Some(there) = object.get_mut(name) {
        *there = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "{\"id\": \"evt_1\", \"type\": \"organization.directory.user_updated\", \
        \"display_name\": \"Directory User Updated\", \"data\": {\"email\": \"zo\\u00eb@example.com\", \
        \"groups\": [\"Staff\"], \"group_refs\": [{\"id\": \"g1\", \"name\": \"Staff\", \"external_id\": null}], \
        \"roles\": [\"admin\"]}}";

    #[test]
    fn the_standard_body_is_left_as_it_is() {
        assert!(matches!(render(BODY, Profile::Standard, None), Cow::Borrowed(body) if body == BODY));
    }

    #[test]
    fn an_event_can_be_told_as_another() {
        let told = render(BODY, Profile::Standard, Some(EventType::UserCreated));
        let expected = BODY
            .replace("user_updated", "user_created")
            .replace("Directory User Updated", "Directory User Created");
        assert_eq!(told, expected);
        let told = render(BODY, Profile::Standard, Some(EventType::UserDeleted));
        let expected = BODY
            .replace("user_updated", "user_deleted")
            .replace("Directory User Updated", "Directory User Deleted")
            .replace("[\"admin\"]}", "[\"admin\"], \"reason\": \"deactivated\"}");
        assert_eq!(told, expected);
    }

    #[test]
    fn scalekit_has_groups_and_roles_as_objects() {
        let told = render(BODY, Profile::Scalekit, None);
        let expected = BODY
            .replace("\"groups\": [\"Staff\"]", "\"groups\": [{\"id\": \"g1\", \"name\": \"Staff\"}]")
            .replace("\"roles\": [\"admin\"]", "\"roles\": [{\"role_name\": \"admin\"}]");
        assert_eq!(told, expected);
    }
}
