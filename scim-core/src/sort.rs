//! The order of a query's answer (RFC 7644 §3.4.2.3).

use std::cmp::Ordering;
use std::sync::Arc;

use scim_schema::{
    Attribute, AttributePath, DateTime, Resource, ResourceType, Target, Type, Value, comparable,
};
use serde::{Deserialize, Serialize};

/// `sortBy` and `sortOrder`, worked out for the resource types of a query.
#[derive(Clone, Debug)]
pub struct Sort {
    /// For each resource type that has the attribute: its name and where the attribute is.
    keys: Vec<(String, KeySource)>,
    descending: bool,
}

#[derive(Clone, Debug)]
struct KeySource {
    container: Option<String>,
    attribute: String,
    sub: Option<String>,
    kind: Type,
    case_exact: bool,
}

/// Why a `sortBy` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SortError {
    /// The attribute is complex and has no `value`; a sub-attribute must be named.
    #[error("sortBy must name a sub-attribute of a complex attribute")]
    Complex,
    /// No client may learn the attribute's value, so its order can't be shown either.
    #[error("sortBy names an attribute that is never returned")]
    Sensitive,
    /// The text is not an attribute path.
    #[error("sortBy is not an attribute path")]
    Malformed,
}

impl Sort {
    /// Works out an attribute path for some resource types. Where a type lacks the attribute its
    /// resources have no value and come last (first, when descending).
    ///
    /// # Errors
    /// [`SortError`] says what is wrong with the path.
    pub fn new(
        path: &str,
        descending: bool,
        resource_types: &[Arc<ResourceType>],
    ) -> Result<Self, SortError> {
        if AttributePath::parse(path).is_none() {
            return Err(SortError::Malformed);
        }
        let mut keys = Vec::new();
        for resource_type in resource_types {
            let located = match resource_type.resolve_str(path) {
                Some(Target::Attribute(located)) => located,
                Some(Target::Extension(_)) => return Err(SortError::Complex),
                None => continue,
            };
            if located.attribute.is_hidden() || located.leaf().is_hidden() {
                return Err(SortError::Sensitive);
            }
            let sub = match located.sub {
                None if located.attribute.is_complex() => {
                    Some(located.attribute.sub_attribute("value").ok_or(SortError::Complex)?)
                }
                sub => sub,
            };
            let leaf: &Attribute = sub.unwrap_or(located.attribute);
            let source = KeySource {
                container: located.extension.map(|e| e.schema().id().to_owned()),
                attribute: located.attribute.name().to_owned(),
                sub: sub.map(|s| s.name().to_owned()),
                kind: leaf.kind(),
                case_exact: leaf.case_exact(),
            };
            keys.push((resource_type.name().to_owned(), source));
        }
        Ok(Self { keys, descending })
    }

    /// Whether the order is turned round.
    pub fn is_descending(&self) -> bool {
        self.descending
    }

    /// The canonical path of the attribute whose values order the resources of that type: of the primary
    /// value of `emails`, `emails.value`.
    pub fn path(&self, resource_type: &str) -> Option<String> {
        let (_, source) = self.keys.iter().find(|(name, _)| name == resource_type)?;
        let urn = source.container.as_deref();
        Some(AttributePath { urn, attribute: &source.attribute, sub: source.sub.as_deref() }.to_string())
    }

    /// Whether the order depends on the top-level attribute of this canonical name (`members`, `groups`), or on
    /// an attribute of the extension of this URN.
    pub fn uses(&self, attribute: &str) -> bool {
        self.keys.iter().any(|(_, k)| k.container.as_deref().unwrap_or(&k.attribute) == attribute)
    }

    /// The key of a resource: the value of the attribute; of a multi-valued one its primary value, else
    /// its first.
    pub fn key(&self, resource: &Resource) -> SortKey {
        let resource_type = resource.get("meta").and_then(|m| m.get("resourceType")).and_then(Value::as_str);
        let Some((_, source)) = self.keys.iter().find(|(name, _)| Some(name.as_str()) == resource_type)
        else {
            return SortKey::Missing;
        };
        let holder = match &source.container {
            Some(urn) => resource.get(urn).and_then(|c| c.get(&source.attribute)),
            None => resource.get(&source.attribute),
        };
        let value = match holder {
            Some(Value::Array(items)) => {
                let primary = |v: &&Value| v.get("primary").and_then(Value::as_bool) == Some(true);
                items.iter().find(primary).or_else(|| items.first())
            }
            other => other,
        };
        let value = match &source.sub {
            Some(sub) => value.and_then(|v| v.get(sub)),
            None => value,
        };
        value.map_or(SortKey::Missing, |v| source.key(v))
    }
}

impl KeySource {
    fn key(&self, value: &Value) -> SortKey {
        match value {
            Value::Bool(b) => SortKey::Bool(*b),
            Value::Number(n) => n.as_f64().map_or(SortKey::Missing, SortKey::Number),
            Value::String(s) if self.kind == Type::DateTime => {
                DateTime::parse(s).map_or(SortKey::Missing, |t| SortKey::Micros(t.unix_micros()))
            }
            Value::String(s) => SortKey::Text(comparable(s, self.case_exact).into_owned()),
            _ => SortKey::Missing,
        }
    }
}

/// What resources are ordered by. A missing value is greater than any other (RFC 7644 §3.4.2.3: last in
/// ascending order). Text is compared by code points, without a locale.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "stores keep keys in their own form")]
pub enum SortKey {
    /// `false` before `true`.
    #[serde(rename = "b")]
    Bool(bool),
    /// By value.
    #[serde(rename = "n")]
    Number(f64),
    /// An instant, in microseconds since 1970.
    #[serde(rename = "d")]
    Micros(i64),
    /// Folded text, or exact text for case-exact attributes.
    #[serde(rename = "t")]
    Text(String),
    /// No value.
    #[serde(rename = "m")]
    Missing,
}

impl SortKey {
    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Micros(_) => 2,
            Self::Text(_) => 3,
            Self::Missing => 4,
        }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Micros(a), Self::Micros(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortKey {}
