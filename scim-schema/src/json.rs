//! JSON text to values, within limits.

use std::fmt;

use compact_str::CompactString;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::value::{Number, Object, Value};

/// Limits for reading JSON from a client; see `parse_json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// How deep arrays and objects may be nested. Default 32; SCIM itself needs 6.
    pub depth: usize,
    /// How many values one text may hold. Default 200,000.
    pub nodes: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { depth: 32, nodes: 200_000 }
    }
}

/// Why a text could not be read as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or JSON with a doubled member name, or a number out of range.
    #[error("the body is not valid JSON: {0}")]
    Syntax(String),
    /// Nested deeper than the limit.
    #[error("the JSON is nested deeper than {limit} levels")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// More values than the limit.
    #[error("the JSON holds more than {limit} values")]
    Nodes {
        /// The limit.
        limit: usize,
    },
}

/// Reads one JSON text within limits. A doubled member name is refused.
///
/// # Errors
/// [`JsonError`] says what is wrong; the message never repeats text of the input.
pub fn parse_json(text: &[u8], limits: JsonLimits) -> Result<Value, JsonError> {
    let mut budget = Budget { limits, nodes: 0, depth: 0, breach: None };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed =
        Seed(&mut budget).deserialize(&mut deserializer).and_then(|v| deserializer.end().map(|()| v));
    match (parsed, budget.breach) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(Breach::Depth)) => Err(JsonError::Depth { limit: limits.depth }),
        (Err(_), Some(Breach::Nodes)) => Err(JsonError::Nodes { limit: limits.nodes }),
        (Err(_), Some(Breach::Duplicate)) => Err(JsonError::Syntax("an object has one name twice".into())),
        (Err(e), None) => Err(JsonError::Syntax(syntax_message(&e))),
    }
}

/// Where and how the text broke, without a word of the text itself.
fn syntax_message(e: &serde_json::Error) -> String {
    let what = match e.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "unexpected text",
    };
    format!("{what} at line {} column {}", e.line(), e.column())
}

#[derive(Clone, Copy)]
enum Breach {
    Depth,
    Nodes,
    Duplicate,
}

struct Budget {
    limits: JsonLimits,
    nodes: usize,
    depth: usize,
    breach: Option<Breach>,
}

impl Budget {
    fn spend<E: de::Error>(&mut self) -> Result<(), E> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes { Err(self.fail(Breach::Nodes)) } else { Ok(()) }
    }

    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > self.limits.depth { Err(self.fail(Breach::Depth)) } else { Ok(()) }
    }

    fn fail<E: de::Error>(&mut self, breach: Breach) -> E {
        self.breach = Some(breach);
        E::custom(match breach {
            Breach::Depth => "nested too deep",
            Breach::Nodes => "too many values",
            Breach::Duplicate => "an object has one name twice",
        })
    }
}

struct Seed<'b>(&'b mut Budget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Value, E> {
        self.0.spend()?;
        Ok(Value::Bool(b))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        self.0.spend()?;
        Ok(Value::Number(n.into()))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        self.0.spend()?;
        Ok(Value::Number(n.into()))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Value, E> {
        self.0.spend()?;
        Number::from_f64(n).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: de::Error>(self, s: &str) -> Result<Value, E> {
        self.0.spend()?;
        Ok(Value::from(s))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.0.spend()?;
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.0.spend()?;
        self.0.enter()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Seed(&mut *self.0))? {
            items.push(item);
        }
        self.0.depth -= 1;
        Ok(Value::Array(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.spend()?;
        self.0.enter()?;
        let mut object = Object::new();
        while let Some(name) = map.next_key::<CompactString>()? {
            let value = map.next_value_seed(Seed(&mut *self.0))?;
            object.entries.push((name, value));
        }
        if has_duplicate(&object) {
            return Err(self.0.fail(Breach::Duplicate));
        }
        self.0.depth -= 1;
        Ok(Value::Object(object))
    }
}

/// Small objects are compared pair by pair, large ones through a sorted copy of the names.
fn has_duplicate(object: &Object) -> bool {
    let entries = &object.entries;
    if entries.len() <= 16 {
        let mut rest = entries.as_slice();
        while let Some(((name, _), tail)) = rest.split_first() {
            if tail.iter().any(|(other, _)| other == name) {
                return true;
            }
            rest = tail;
        }
        return false;
    }
    let mut names: Vec<&str> = object.keys().collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Reads without limits of ours (serde_json stops at depth 128). For trusted text; for a client's use [`parse_json`].
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limits = JsonLimits { depth: 128, nodes: usize::MAX };
        Seed(&mut Budget { limits, nodes: 0, depth: 0, breach: None }).deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(o) => Ok(o),
            other => Err(de::Error::custom(format_args!("expected an object, got {}", other.type_name()))),
        }
    }
}
