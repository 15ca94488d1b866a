//! PATCH requests: mostly right ones, with targets that are there.

use serde_json::{Map, Value, json};

use super::entropy::Entropy;
use super::filters::{any_attribute, attribute_text, mangled};
use super::values;
use super::world::{Sample, World};
use crate::naive::{Attribute, Kind, ResourceType};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

impl World {
    /// The body of a PATCH request on a resource.
    pub fn request(&self, entropy: &mut Entropy<'_>, sample: &Sample) -> Value {
        let Some(resource_type) = self.types.get(sample.resource_type) else { return Value::Null };
        let count = 1 + entropy.weighted(&[50, 25, 15, 8, 2]);
        let operations: Vec<Value> =
            (0..count).map(|_| self.operation(entropy, resource_type, sample)).collect();
        match entropy.weighted(&[985, 3, 3, 3, 3, 3]) {
            0 => json!({"schemas": [PATCH_OP], "Operations": operations}),
            1 => json!({"Operations": operations}),
            2 => json!({"schemas": [PATCH_OP], "Operations": []}),
            3 => json!({"schemas": [PATCH_OP], "Operations": operations.first()}),
            4 => json!({"schemas": [PATCH_OP]}),
            _ => json!({"schemas": ["urn:x:y"], "Operations": operations}),
        }
    }

    fn operation(&self, entropy: &mut Entropy<'_>, resource_type: &ResourceType, sample: &Sample) -> Value {
        let op = entropy.pick(&["add", "replace", "remove"]);
        let mut operation = Map::new();
        let spelled = if entropy.chance(8) { values::recased(entropy, op) } else { op.to_owned() };
        operation.insert("op".into(), json!(spelled));
        match entropy.weighted(&[80, 14, 3, 2, 1]) {
            0 => {
                let (path, value) = self.target(entropy, resource_type);
                operation.insert("path".into(), json!(path));
                if op != "remove" || entropy.chance(15) {
                    operation.insert("value".into(), value);
                }
            }
            1 => {
                let value = self.attributes(entropy, resource_type, sample);
                operation.insert("value".into(), value);
            }
            2 => {
                let (path, value) = self.schemas(entropy, resource_type);
                operation.insert("path".into(), json!(path));
                operation.insert("value".into(), value);
            }
            3 => {
                let (path, _) = self.target(entropy, resource_type);
                operation.insert("path".into(), json!(mangled(entropy, &path)));
                operation.insert("value".into(), json!("x"));
            }
            _ => match entropy.below(6) {
                0 => drop(operation.insert("op".into(), json!("move"))),
                1 => drop(operation.remove("op")),
                2 => drop(operation.insert("path".into(), json!(5))),
                3 => drop(operation.insert("path".into(), json!("title"))),
                4 => drop(operation.insert("path".into(), Value::Null)),
                _ => return json!("x"),
            },
        }
        Value::Object(operation)
    }

    /// A path, and a value for it.
    fn target(&self, entropy: &mut Entropy<'_>, resource_type: &ResourceType) -> (String, Value) {
        if entropy.chance(3) {
            return (unknown(entropy, resource_type), json!("x"));
        }
        if entropy.chance(4)
            && let Some(extension) = entropy.choose(&resource_type.extensions)
        {
            let value = self.extension(entropy, &extension.schema.urn, &extension.schema.attributes);
            return (extension.schema.urn.clone(), value);
        }
        let members = resource_type.members.as_deref().and_then(|name| resource_type.attribute(name));
        if let Some(members) = members.filter(|_| entropy.chance(50)) {
            return self.members(entropy, members);
        }
        let (extension, attribute) = any_attribute(entropy, resource_type);
        let path = attribute_text(entropy, resource_type, extension, attribute);
        let complex = attribute.kind == Kind::Complex;
        let brackets = match (attribute.multi_valued, complex) {
            (true, true) => 50,
            (true, false) => 30,
            (false, true) => 15,
            (false, false) => 1,
        };
        let with_sub = if complex { 50 } else { 1 };
        let sub = if entropy.chance(with_sub) { entropy.choose(&attribute.subs) } else { None };
        let name = match sub {
            Some(sub) => {
                format!(
                    ".{}",
                    if entropy.chance(8) { values::recased(entropy, &sub.name) } else { sub.name.clone() }
                )
            }
            None => String::new(),
        };
        let filtered = entropy.chance(brackets);
        let filter = if filtered {
            format!("[{}]", self.selection(entropy, extension, attribute))
        } else {
            String::new()
        };
        let value = match sub {
            Some(sub) => self.given(entropy, extension, sub, sub.multi_valued),
            None => self.given(entropy, extension, attribute, attribute.multi_valued && !filtered),
        };
        (format!("{path}{filter}{name}"), value)
    }

    /// A filter that selects values: what some resource has, mostly.
    fn selection(&self, entropy: &mut Entropy<'_>, extension: Option<&str>, attribute: &Attribute) -> String {
        if entropy.chance(30) {
            return self.inner(entropy, extension, attribute, 1);
        }
        let mut terms = Vec::new();
        for _ in 0..1 + entropy.weighted(&[70, 30]) {
            let sub = entropy.choose(&attribute.subs);
            let known = self.value_of(entropy, extension, attribute, sub);
            let leaf = sub.unwrap_or(attribute);
            let value = match known.filter(|v| !v.is_array() && !v.is_object()) {
                Some(value) => value,
                None => values::simple(entropy, leaf),
            };
            terms.push(format!("{} eq {value}", sub.map_or("value", |sub| &sub.name)));
        }
        terms.join(" and ")
    }

    /// A value for an attribute: one that conforms mostly, one that is there already now and then.
    fn given(
        &self,
        entropy: &mut Entropy<'_>,
        extension: Option<&str>,
        attribute: &Attribute,
        list: bool,
    ) -> Value {
        match entropy.weighted(&[70, 8, 4, 2, 12, 4]) {
            1 => values::odd(entropy, attribute),
            2 => Value::Null,
            3 => json!([]),
            4 => match self.value_of(entropy, extension, attribute, None) {
                Some(value) if list && entropy.chance(50) => json!([value]),
                Some(value) => value,
                None => Value::Null,
            },
            5 if list => json!([values::odd(entropy, attribute)]),
            _ if list && entropy.chance(80) => {
                let length = 1 + entropy.weighted(&[5, 3, 1]);
                Value::Array((0..length).map(|_| self.one(entropy, attribute)).collect())
            }
            _ => self.one(entropy, attribute),
        }
    }

    fn one(&self, entropy: &mut Entropy<'_>, attribute: &Attribute) -> Value {
        let mut value = values::element(entropy, attribute);
        if let Some(members) = value.as_object_mut() {
            if entropy.chance(8)
                && let Some(sub) = entropy.choose(&attribute.subs)
            {
                members.insert(sub.name.clone(), Value::Null);
            }
            if entropy.chance(5)
                && let Some(sub) = entropy.choose(&attribute.subs)
                && let Some(value) = members.remove(&sub.name)
            {
                members.insert(values::recased(entropy, &sub.name), value);
            }
            if entropy.chance(2) {
                members.insert("nothing".into(), json!("x"));
            }
            if entropy.chance(3)
                && let Some(sub) = entropy.choose(&attribute.subs)
            {
                members.insert(sub.name.clone(), values::odd(entropy, sub));
            }
        }
        value
    }

    fn members(&self, entropy: &mut Entropy<'_>, attribute: &Attribute) -> (String, Value) {
        let id = |entropy: &mut Entropy<'_>| entropy.pick(values::IDS);
        let ids: Vec<&str> = (0..1 + entropy.below(3)).map(|_| id(entropy)).collect();
        let filter: Vec<String> = ids.iter().map(|id| format!("value eq \"{id}\"")).collect();
        let list: Vec<Value> = ids.iter().map(|id| values::member(entropy, id)).collect();
        match entropy.weighted(&[40, 20, 10, 5, 5, 4, 4, 4]) {
            0 => (attribute.name.clone(), Value::Array(list)),
            1 => (
                format!("{}[{}]", attribute.name, filter.first().cloned().unwrap_or_default()),
                json!({"value": "u9"}),
            ),
            2 => (format!("{}[{}]", attribute.name, filter.join(" or ")), json!({"value": "u9"})),
            3 => (
                format!("{}[{}]", attribute.name, self.inner(entropy, None, attribute, 1)),
                json!({"value": "u9"}),
            ),
            4 => (format!("{}[{}].display", attribute.name, filter.join(" and ")), json!("D")),
            5 => (attribute.name.clone(), json!([])),
            6 => (attribute.name.clone(), list.first().cloned().unwrap_or_default()),
            _ => (format!("{}.{}", attribute.name, entropy.pick(&["display", "value", "type"])), json!("D")),
        }
    }

    /// The value of an operation without path.
    fn attributes(&self, entropy: &mut Entropy<'_>, resource_type: &ResourceType, sample: &Sample) -> Value {
        let mut members = Map::new();
        for _ in 0..1 + entropy.below(3) {
            match entropy.weighted(&[80, 8, 8, 4]) {
                0 => {
                    let (key, value) = self.target(entropy, resource_type);
                    members.insert(key, value);
                }
                1 => drop(members.insert("id".into(), sample.json.get("id").cloned().unwrap_or_default())),
                // What the resource has, readOnly attributes too.
                2 => {
                    let (extension, attribute) = any_attribute(entropy, resource_type);
                    let container = extension.map_or(Some(&sample.json), |urn| sample.json.get(urn));
                    if let Some(value) = container.and_then(|c| c.get(&attribute.name)) {
                        let path = attribute_text(entropy, resource_type, extension, attribute);
                        members.insert(path, value.clone());
                    }
                }
                _ => {
                    let (key, value) = self.schemas(entropy, resource_type);
                    members.insert(key, value);
                }
            }
        }
        if entropy.chance(3) { json!("x") } else { Value::Object(members) }
    }

    fn extension(&self, entropy: &mut Entropy<'_>, urn: &str, attributes: &[Attribute]) -> Value {
        let mut members = Map::new();
        for attribute in attributes {
            if entropy.chance(40) {
                let value = self.given(entropy, Some(urn), attribute, attribute.multi_valued);
                members.insert(attribute.name.clone(), value);
            }
        }
        match entropy.weighted(&[88, 4, 2, 2, 2, 2]) {
            0 => {}
            1 => return Value::Null,
            2 => return json!([]),
            3 => return json!("x"),
            4 => drop(members.insert("nothing".into(), json!("x"))),
            _ => drop(members.insert(format!("{urn}:x"), json!("x"))),
        }
        Value::Object(members)
    }

    fn schemas(&self, entropy: &mut Entropy<'_>, resource_type: &ResourceType) -> (String, Value) {
        let mut urns = Vec::new();
        if entropy.chance(70) {
            urns.push(json!(resource_type.base.urn));
        }
        for extension in &resource_type.extensions {
            if entropy.chance(50) {
                urns.push(json!(extension.schema.urn));
            }
        }
        if entropy.chance(5) {
            urns.push(json!("urn:example:none:1.0:X"));
        }
        let urn = entropy.choose(&urns).and_then(Value::as_str).unwrap_or("urn:x:y").to_owned();
        let path =
            if entropy.chance(15) { format!("schemas[value eq \"{urn}\"]") } else { "schemas".to_owned() };
        (path, Value::Array(urns))
    }
}

fn unknown(entropy: &mut Entropy<'_>, resource_type: &ResourceType) -> String {
    let urn = &resource_type.base.urn;
    match entropy.below(8) {
        0 => "nothing".to_owned(),
        1 => "nothing.at".to_owned(),
        2 => "nothing[x eq 1].y".to_owned(),
        3 => format!("{urn}:nothing"),
        4 => urn.clone(),
        5 => String::new(),
        6 => "id.x".to_owned(),
        _ => "meta.created".to_owned(),
    }
}
