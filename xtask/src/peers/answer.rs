//! What a driver answers, and when two answers are the same.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The names of the documents that match a filter.
    Matches(BTreeSet<String>),
    /// The resource after a PATCH.
    Resource(Map<String, Value>),
    /// The request is no good: what a server answers with 400.
    Refused(String),
    /// The implementation broke: what a server answers with 500.
    Failed(String),
}

impl Answer {
    /// Reads a line of a driver: the id of the case and the answer.
    ///
    /// # Errors
    /// If the line is not of that form.
    pub(crate) fn parse(line: &str) -> Result<(String, Self)> {
        let line: Value =
            serde_json::from_str(line).with_context(|| format!("an answer is no JSON: {line}"))?;
        let id = line.get("id").and_then(Value::as_str).context("an answer has no id")?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(|text| text.replace('\n', " "));
        let answer = if let Some(names) = line.get("matches").and_then(Value::as_array) {
            Self::Matches(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        } else if let Some(resource) = line.get("resource") {
            resource.as_object().map_or_else(
                || Self::Failed(format!("the resource has become {resource}")),
                |resource| Self::Resource(comparable(resource)),
            )
        } else if let Some(why) = text("refused") {
            Self::Refused(why)
        } else {
            Self::Failed(text("failed").with_context(|| format!("{id}: no answer that can be read"))?)
        };
        Ok((id.to_owned(), answer))
    }

    /// Whether both say the same. The reason of a refusal does not count, and nobody is right who broke.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(_), Self::Refused(_)) => true,
            (Self::Failed(_), _) => false,
            _ => self == other,
        }
    }

    /// The answer in one line, as verdicts match it. For an answer that differs from `other` in content, it is how.
    pub(crate) fn describe(&self, other: &Self) -> String {
        match (self, other) {
            (Self::Matches(own), Self::Matches(other)) => {
                let (more, less) = (joined(own.difference(other)), joined(other.difference(own)));
                format!("matches +{more} -{less}")
            }
            (Self::Matches(own), _) => format!("matches {}", joined(own.iter())),
            (Self::Resource(own), Self::Resource(other)) => {
                let names: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
                let differing = names.into_iter().filter(|name| own.get(*name) != other.get(*name));
                format!("resource with other {}", joined(differing))
            }
            (Self::Resource(_), _) => "resource".to_owned(),
            (Self::Refused(why), _) => format!("refused: {why}"),
            (Self::Failed(why), _) => format!("failed: {why}"),
        }
    }
}

fn joined<'s>(names: impl Iterator<Item = &'s String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(",")
}

/// A resource without what says nothing: `meta`, attributes that are never returned, what is unassigned, `primary:
/// false`, the order of `schemas`. The order of other values counts.
fn comparable(resource: &Map<String, Value>) -> Map<String, Value> {
    let mut resource = assigned(resource);
    resource.remove("meta");
    resource.remove("password");
    if let Some(Value::Object(extension)) =
        resource.get_mut("urn:example:scim:schemas:extension:lab:2.0:User")
    {
        extension.remove("secret");
    }
    if let Some(Value::Array(urns)) = resource.get_mut("schemas") {
        urns.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    resource
}

fn assigned(object: &Map<String, Value>) -> Map<String, Value> {
    let members = object.iter().map(|(name, value)| (name.clone(), assigned_value(value)));
    members.filter(|(name, value)| !is_unassigned(value) && (name != "primary" || *value != false)).collect()
}

fn assigned_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(assigned(object)),
        Value::Array(values) => values.iter().map(assigned_value).collect(),
        // 7 and 7.0 are one number.
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

/// RFC 7643 section 2.5: null and an empty list are the same as nothing; so is an object without anything in it.
fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> Answer {
        Answer::parse(&format!("{{\"id\": \"x\", {json}}}")).unwrap().1
    }

    #[test]
    fn refusals_agree_whatever_they_say_and_failures_with_nothing() {
        let refused = answer("\"refused\": \"a\"");
        assert!(refused.agrees(&answer("\"refused\": \"b\"")));
        let failed = answer("\"failed\": \"TypeError\"");
        assert!(!refused.agrees(&failed) && !failed.agrees(&refused) && !failed.agrees(&failed));
        assert!(!refused.agrees(&answer("\"matches\": []")));
        assert!(Answer::parse("{\"id\": \"x\"}").is_err());
        assert!(Answer::parse("{\"matches\": []}").is_err());
    }

    #[test]
    fn what_says_nothing_does_not_count() {
        let ours = answer(
            r#""resource": {"schemas": ["a", "b"], "meta": {"version": "1"}, "emails": [{"value": "x", "primary": false}]}"#,
        );
        let theirs = answer(
            r#""resource": {"schemas": ["b", "a"], "name": {"givenName": null}, "emails": [{"value": "x"}]}"#,
        );
        assert!(ours.agrees(&theirs));
        let other =
            answer(r#""resource": {"schemas": ["b", "a"], "emails": [{"value": "y"}], "title": "t"}"#);
        assert!(!ours.agrees(&other));
        assert_eq!(other.describe(&ours), "resource with other emails,title");
    }

    #[test]
    fn matches_are_sets() {
        let ours = answer(r#""matches": ["a", "b"]"#);
        assert!(ours.agrees(&answer(r#""matches": ["b", "a"]"#)));
        let theirs = answer(r#""matches": ["b", "c"]"#);
        assert!(!ours.agrees(&theirs));
        assert_eq!(theirs.describe(&ours), "matches +c -a");
        assert_eq!(ours.describe(&answer("\"refused\": \"a\"")), "matches a,b");
    }
}
