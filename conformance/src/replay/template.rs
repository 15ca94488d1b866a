//! `{{alias.id}}` and its kind.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use scim_schema::{Array, Object, Value};

use super::Failure;

/// What templates may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    values: BTreeMap<String, Value>,
}

impl Scope {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Adds to the array of that name.
    pub(super) fn push(&mut self, name: &str, value: Value) {
        let values = self.values.entry(name.to_owned()).or_insert_with(|| Value::Array(Array::new()));
        if let Some(values) = values.as_array_mut() {
            values.push(value);
        }
    }

    /// Puts the values in the place of their templates.
    pub(super) fn fill(&self, value: &Value) -> Result<Value, Failure> {
        Filling { scope: self, index: None, item: None }.fill(value)
    }

    /// As [`fill`](Self::fill), with `{{i}}`.
    pub(super) fn fill_at(&self, index: usize, value: &Value) -> Result<Value, Failure> {
        Filling { scope: self, index: Some(index.to_string().into()), item: None }.fill(value)
    }

    /// Puts the values in the place of the templates of a text.
    pub(super) fn fill_text(&self, text: &str) -> Result<String, Failure> {
        Filling { scope: self, index: None, item: None }.text(text)
    }
}

static TEMPLATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{\s*([^{}|]+?)\s*(?:\|\s*(\w+)\s*)?\}\}").ok());

struct Filling<'s> {
    scope: &'s Scope,
    index: Option<Value>,
    item: Option<&'s Value>,
}

impl<'s> Filling<'s> {
    fn fill(&self, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => self.array(items).map(Value::from),
            Value::Object(members) => {
                let mut filled = Object::with_capacity(members.len());
                for (name, member) in members.iter() {
                    filled.insert(&self.text(name)?, self.fill(member)?);
                }
                Ok(filled.into())
            }
            other => Ok(other.clone()),
        }
    }

    fn array(&self, items: &[Value]) -> Result<Vec<Value>, Failure> {
        let mut filled = Vec::with_capacity(items.len());
        for item in items {
            let body = item.get("of").unwrap_or(&Value::Null);
            if let Some(times) = item.get("$repeat") {
                for index in 0..count(&self.fill(times)?)? {
                    filled.push(self.at(index, self.item).fill(body)?);
                }
            } else if let Some(alias) = item.get("$each").and_then(Value::as_str) {
                let named = format!("@{alias}");
                let all = self.scope.values.get(&named).and_then(Value::as_array).unwrap_or_default();
                let from = item.get("from").map_or(Ok(0), count)?;
                let to = item.get("to").map_or(Ok(all.len()), count)?;
                for (index, each) in all.iter().enumerate().take(to).skip(from) {
                    filled.push(self.at(index, Some(each)).fill(body)?);
                }
            } else {
                filled.push(self.fill(item)?);
            }
        }
        Ok(filled)
    }

    fn at(&self, index: usize, item: Option<&'s Value>) -> Self {
        Filling { scope: self.scope, index: Some(index.to_string().into()), item }
    }

    /// A string that is one template and nothing else becomes the value itself.
    fn string(&self, text: &str) -> Result<Value, Failure> {
        if !text.contains("{{") {
            return Ok(text.into());
        }
        let whole = TEMPLATE.as_ref().and_then(|template| template.captures(text));
        if let Some(found) = whole
            && found.get(0).is_some_and(|all| all.as_str() == text)
            && found.get(2).is_none()
        {
            return self.lookup(found.get(1).map_or("", |name| name.as_str())).cloned();
        }
        self.text(text).map(Value::from)
    }

    fn text(&self, text: &str) -> Result<String, Failure> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let Some(template) = TEMPLATE.as_ref() else { return Ok(text.to_owned()) };
        let mut failure = None;
        let filled = template.replace_all(text, |found: &Captures<'_>| {
            let group = |n| found.get(n).map_or("", |part| part.as_str());
            match self.lookup(group(1)) {
                Ok(value) => filtered(&plain(value), group(2)),
                Err(e) => {
                    failure = Some(e);
                    String::new()
                }
            }
        });
        failure.map_or_else(|| Ok(filled.into_owned()), Err)
    }

    /// Goes down a dotted name, each time along the longest name there is, as aliases (`user.0`) and URNs
    /// have dots of their own.
    fn lookup(&self, name: &str) -> Result<&Value, Failure> {
        let unknown = || Failure(format!("template {{{{{name}}}}}: no such value"));
        let (mut current, mut rest) = longest(name, |head| self.top(head)).ok_or_else(unknown)?;
        while let Some(name) = rest {
            (current, rest) = match current {
                Value::Object(members) => longest(name, |head| members.get(head)).ok_or_else(unknown)?,
                Value::Array(items) => {
                    let (head, tail) = name.split_once('.').map_or((name, None), |(h, t)| (h, Some(t)));
                    let index: usize = head.parse().map_err(|_| unknown())?;
                    (items.get(index).ok_or_else(unknown)?, tail)
                }
                _ => return Err(unknown()),
            };
        }
        Ok(current)
    }

    fn top(&self, name: &str) -> Option<&Value> {
        match name {
            "i" if self.index.is_some() => self.index.as_ref(),
            "item" if self.item.is_some() => self.item,
            _ => self.scope.values.get(name),
        }
    }
}

/// The value of the longest head of a dotted name, and what is left of the name.
fn longest<'v, 'n>(
    name: &'n str,
    get: impl Fn(&str) -> Option<&'v Value>,
) -> Option<(&'v Value, Option<&'n str>)> {
    if let Some(value) = get(name) {
        return Some((value, None));
    }
    let mut head = name;
    while let Some((shorter, _)) = head.rsplit_once('.') {
        head = shorter;
        if let Some(value) = get(head) {
            return Some((value, name.get(head.len() + 1..)));
        }
    }
    None
}

/// A value as it stands in a text: a string as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn filtered(text: &str, filter: &str) -> String {
    match filter {
        "upper" => text.to_uppercase(),
        "lower" => text.to_lowercase(),
        "swapcase" => text.chars().flat_map(swap_case).collect(),
        _ => text.to_owned(),
    }
}

fn swap_case(c: char) -> Vec<char> {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

fn count(value: &Value) -> Result<usize, Failure> {
    plain(value).parse().map_err(|_| Failure("$repeat, from and to are numbers".into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.set("run", "r1");
        scope.set("u.0", Value::from(json!({"id": "a", "urn:x:2.0:User": {"n": [1, 2]}})));
        scope.push("@u", json!({"id": "a"}).into());
        scope.push("@u", json!({"id": "b"}).into());
        scope
    }

    fn filled(value: serde_json::Value) -> serde_json::Value {
        scope().fill(&value.into()).unwrap().into()
    }

    #[test]
    fn templates_are_filled() {
        assert_eq!(filled(json!("x-{{run}}-{{ run | upper }}")), json!("x-r1-R1"));
        assert_eq!(filled(json!("{{u.0.id}}")), json!("a"));
        assert_eq!(filled(json!("{{u.0.urn:x:2.0:User.n.1}}")), json!(2));
        assert_eq!(filled(json!("n={{u.0.urn:x:2.0:User.n}}")), json!("n=[1,2]"));
        assert_eq!(filled(json!({"{{run}}": "{{run|swapcase}}"})), json!({"r1": "R1"}));
        assert_eq!(filled(json!("{no} {{x} {{}}")), json!("{no} {{x} {{}}"));
    }

    #[test]
    fn arrays_are_unrolled() {
        assert_eq!(filled(json!([{"$repeat": 2, "of": "n{{i}}"}, "z"])), json!(["n0", "n1", "z"]));
        let each = json!([{"$each": "u", "of": {"value": "{{item.id}}", "n": "{{i}}"}}]);
        assert_eq!(filled(each), json!([{"value": "a", "n": "0"}, {"value": "b", "n": "1"}]));
        assert_eq!(filled(json!([{"$each": "u", "from": 1, "of": "{{item.id}}"}])), json!(["b"]));
        assert_eq!(filled(json!([{"$each": "u", "to": 1, "of": "{{item.id}}"}])), json!(["a"]));
    }

    #[test]
    fn unknown_names_are_failures() {
        for text in ["{{nobody}}", "{{u.0.gone}}", "{{u.0.id.deep}}", "{{u.9.id}}", "a {{nobody}}"] {
            assert!(scope().fill(&text.into()).is_err(), "{text}");
        }
    }
}
