//! Resources that are still text behave as those that have been read.

use proptest::prelude::*;
use scim_schema::{DateTime, Object, Projection, Registry, Resource, Selection, Value, write_json};
use serde_json::json;

const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const BASE: &str = "https://scim.example.com/v2";

fn user() -> Object {
    let user = Value::from(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", URN],
        "id": "u1",
        "externalId": "a \"quoted\" \\ value",
        "userName": "b\u{7f}jensén\n",
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "active": true,
        "emails": [{"value": "b@example.com", "type": "work", "primary": true}, {"value": "{\"a\":[1]}"}],
        URN: {"employeeNumber": "7", "manager": {"value": "u2", "$ref": "Users/u2", "displayName": "M"}},
    }));
    user.as_object().unwrap().clone()
}

type Change<'c> = &'c dyn Fn(&mut Resource);

/// The same resource: read, from its text, and packed.
fn three(attributes: &Object) -> [Resource; 3] {
    let read = Resource::from_canonical(attributes.clone());
    let text = Resource::from_text(write_json(attributes).unwrap()).unwrap();
    let mut packed = read.clone();
    packed.pack();
    [read, text, packed]
}

#[test]
fn a_text_that_was_written_is_given_again_until_something_changes() {
    let registry = Registry::standard();
    let user_type = registry.resource_type("User").unwrap();
    let text = write_json(&user()).unwrap();
    for mut resource in three(&user()) {
        assert_eq!(resource.text(), text);
        resource.write();
        assert_eq!(resource.text(), text);
        resource.set_meta(user_type, DateTime::from_unix_micros(0), DateTime::from_unix_micros(0), 1);
        assert_eq!(resource.text(), write_json(&resource).unwrap(), "with what is beside it");
        resource.attributes_mut().insert("active", false);
        assert_eq!(resource.text(), write_json(resource.attributes()).unwrap());
        assert!(resource.text().contains("\"active\":false"));
    }
}

fn shown(resource: &Resource, projection: &Projection) -> String {
    let mut text = String::new();
    projection.show(resource, BASE).write_json(&mut text);
    assert_eq!(text, serde_json::to_string(&projection.show(resource, BASE)).unwrap(), "by serde");
    text
}

#[test]
fn what_is_shown_of_a_text_is_what_is_shown_of_its_values() {
    let registry = Registry::standard();
    let user_type = registry.resource_type("User").unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let selections = [
        Selection::Default,
        Selection::Only(names(&["userName"])),
        Selection::Only(names(&["name.givenName", "emails.type"])),
        Selection::Only(names(&["groups", "meta.location"])),
        Selection::Only(names(&["nothing"])),
        Selection::Except(names(&["userName", "emails"])),
        Selection::Except(names(&["emails.value", "meta.version"])),
        Selection::Except(names(&[URN])),
        Selection::Only(names(&[&format!("{URN}:manager")])),
    ];
    for selection in selections {
        let projection = Projection::new(user_type, &selection, &[]);
        let mut all = three(&user());
        let before = all.each_ref().map(|resource| shown(resource, &projection));
        assert_eq!(before[0], before[1], "{selection:?}");
        assert_eq!(before[0], before[2], "{selection:?}");
        for resource in &mut all {
            resource.set_meta(user_type, DateTime::from_unix_micros(0), DateTime::from_unix_micros(1), 3);
            let group = json!([{"value": "g", "$ref": "Groups/g", "type": "direct"}]);
            resource.set_computed("groups", Value::from(group));
        }
        let after = all.each_ref().map(|resource| shown(resource, &projection));
        assert_eq!(after[0], after[1], "{selection:?}");
        assert_eq!(after[0], after[2], "{selection:?}");
    }
}

#[test]
fn what_is_set_is_the_same_beside_a_text() {
    let registry = Registry::standard();
    let user_type = registry.resource_type("User").unwrap();
    let time = DateTime::from_unix_micros(0);
    let changes: [(&str, Change<'_>); 8] = [
        ("meta", &|r| r.set_meta(user_type, time, time, 1)),
        ("meta twice", &|r| {
            r.set_meta(user_type, time, time, 1);
            r.set_meta(user_type, time, time, 2);
        }),
        ("groups behind meta", &|r| {
            r.set_meta(user_type, time, time, 1);
            r.set_computed("groups", vec![Value::from("g")]);
            r.set_computed("groups", vec![Value::from("h")]);
        }),
        ("groups again gone", &|r| {
            r.set_computed("groups", vec![Value::from("g")]);
            r.remove_computed("groups");
        }),
        ("what is in the text", &|r| r.set_computed("userName", "other")),
        ("gone from the text", &|r| r.remove_computed("userName")),
        ("id", &|r| r.set_id("u9")),
        ("any", &|r| drop(r.attributes_mut().insert("active", false))),
    ];
    for (name, change) in changes {
        let mut all = three(&user());
        // Whether it was looked at before makes no difference.
        assert!(all[1].get("active").is_some(), "{name}");
        for resource in &mut all {
            change(resource);
        }
        let [read, text, packed] = all;
        assert_eq!(read, text, "{name}");
        assert_eq!(read, packed, "{name}");
        assert_eq!(write_json(&read).unwrap(), write_json(&text).unwrap(), "{name}: in the same order");
        assert_eq!((read.id(), read.external_id()), (text.id(), text.external_id()), "{name}");
        assert_eq!(read.into_attributes(), text.into_attributes(), "{name}");
    }
}

#[test]
fn what_is_edited_is_the_same_in_a_text() {
    let registry = Registry::standard();
    let user_type = registry.resource_type("User").unwrap();
    let time = DateTime::from_unix_micros(0);
    let other = |text: &str| Some(Value::from(text));
    let edits: [&[(&str, Option<Value>)]; 8] = [
        &[("active", Some(Value::from(false)))],
        &[("userName", other("a \"b\" \\ \n")), ("active", Some(Value::from(false)))],
        &[("externalId", None), ("nothing", None)],
        &[("title", other("Guide")), ("locale", other("en"))],
        &[("emails", None), ("title", other("Guide")), ("id", other("u2"))],
        &[("meta", None), ("groups", None)],
        &[("groups", other("g"))],
        &[("a \"name\"", other("x")), ("active", None)],
    ];
    let projection = Projection::new(user_type, &Selection::Default, &[]);
    let mut all = three(&user());
    for changes in edits.iter().cycle().take(20) {
        for resource in &mut all {
            resource.set_meta(user_type, time, time, 1);
            resource.set_computed("groups", vec![Value::from("h")]);
            resource.edit(changes);
            for (name, value) in *changes {
                assert_eq!((resource.get(name), resource.contains(name)), (value.as_ref(), value.is_some()));
            }
        }
        let mut copies = all.clone();
        assert_eq!(copies[0], copies[2], "{changes:?}");
        // What is computed is beside the text, and so behind what is new.
        for resource in &mut copies {
            resource.remove_computed("groups");
        }
        let [read, text, packed] = copies;
        assert_eq!(read, text, "{changes:?}");
        assert_eq!(read, packed, "{changes:?}");
        assert_eq!(shown(&read, &projection), shown(&packed, &projection), "{changes:?}");
        assert_eq!(write_json(&read).unwrap(), packed.text(), "{changes:?}");
        assert_eq!(read.id(), packed.id());
        let [read, _, packed] = &all;
        for name in ["active", "groups", "meta", "emails", "nothing"] {
            assert_eq!(
                read.only(|n| n == name).into_attributes(),
                packed.only(|n| n == name).into_attributes(),
                "{changes:?}"
            );
            assert_eq!(read.clone().remove(name), packed.clone().remove(name), "{changes:?}");
        }
    }
}

#[test]
fn many_edits_are_written_into_one_text() {
    let names: Vec<String> = (0..40).map(|n| format!("a{n}")).collect();
    let long = "x".repeat(200);
    let mut read =
        Resource::from_canonical(names.iter().map(|name| (name.as_str(), long.as_str())).collect());
    let mut packed = read.clone();
    packed.pack();
    for (name, at) in names.iter().zip(0_i64..) {
        for resource in [&mut read, &mut packed] {
            resource.edit(&[(name, Some(Value::from(at)))]);
            resource.pack();
        }
        assert_eq!(read, packed);
        assert_eq!(read.text(), packed.text());
    }
}

#[test]
fn a_part_of_a_resource_has_what_was_wanted() {
    for mut resource in three(&user()) {
        resource.set_computed("groups", vec![Value::from("g")]);
        let part = resource.only(|name| name == "id" || name == "groups" || name == URN);
        let names: Vec<&str> = part.attributes().iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["id", URN, "groups"]);
        assert_eq!(part.get(URN), resource.get(URN));
    }
}

#[test]
fn ids_with_escapes_are_read() {
    for id in ["a\"b", "", "\u{1}", "é"] {
        let resource = Resource::from_text(json!({ "id": id }).to_string()).unwrap();
        assert_eq!(resource.id(), id);
    }
    assert_eq!(Resource::from_text("{}").unwrap().id(), "");
    assert_eq!(Resource::from_text(r#"{"id":7}"#).unwrap().id(), "");
}

#[test]
fn a_text_with_spaces_is_read_and_shown() {
    let registry = Registry::standard();
    let projection = Projection::new(registry.resource_type("User").unwrap(), &Selection::Default, &[]);
    let resource = Resource::from_text("\n{ \"id\" : \"1\" ,\n\"userName\":\t\"b\" , \"x\": 1 } ").unwrap();
    assert_eq!(resource.get("userName").and_then(Value::as_str), Some("b"));
    let text = shown_loosely(&resource, &projection);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        json!({"id": "1", "userName": "b"})
    );
}

fn shown_loosely(resource: &Resource, projection: &Projection) -> String {
    let mut text = String::new();
    projection.show(resource, BASE).write_json(&mut text);
    text
}

#[test]
fn what_is_no_object_in_json_is_refused() {
    for text in
        ["", "[]", "1", "null", "{", "{\"a\"}", "{\"a\":1,}", "{\"a\":[1,}", "{\"a\":1} x", "{\"a\":\"\n\"}"]
    {
        assert!(Resource::from_text(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_object_is_the_same_packed(members in prop::collection::hash_map(any::<String>(), "[a-z\"\\\\é\n]{0,9}", 0..8)) {
        let attributes: Object = members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let read = Resource::from_canonical(attributes);
        let mut packed = read.clone();
        packed.pack();
        prop_assert_eq!(write_json(&read).unwrap(), write_json(&packed).unwrap());
        for name in members.keys() {
            prop_assert_eq!(read.get(name), packed.get(name));
        }
    }
}
