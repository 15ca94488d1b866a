//! JSON text to values, within limits, and back.

mod write;

use std::fmt;

use compact_str::CompactString;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

pub(crate) use self::write::append_json;
pub use self::write::write_json;
use crate::value::{Entry, Number, Object, Value};

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
    // One look at the whole text costs less than one at each string.
    let (parsed, breach) = match std::str::from_utf8(text) {
        Ok(text) => parse(serde_json::Deserializer::from_str(text), limits),
        Err(_) => parse(serde_json::Deserializer::from_slice(text), limits),
    };
    match (parsed, breach) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(Breach::Depth)) => Err(JsonError::Depth { limit: limits.depth }),
        (Err(_), Some(Breach::Nodes)) => Err(JsonError::Nodes { limit: limits.nodes }),
        (Err(_), Some(Breach::Duplicate)) => Err(JsonError::Syntax("an object has one name twice".into())),
        (Err(e), None) => Err(JsonError::Syntax(syntax_message(&e))),
    }
}

fn parse<'de, R: serde_json::de::Read<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    limits: JsonLimits,
) -> (Result<Value, serde_json::Error>, Option<Breach>) {
    let mut reader = Reader::new(limits);
    let parsed = reader.read(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    (parsed, reader.breach)
}

/// Where and how the text broke, without a word of the text itself.
fn syntax_message(e: &serde_json::Error) -> String {
    let what = match e.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "unexpected text",
    };
    format!("{what} at line {} column {}", e.line(), e.column())
}

/// How many bytes of a text from a place on stand for themselves in a JSON string (RFC 8259 §7): they are neither
/// a quotation mark nor a backslash nor a control character.
#[inline]
pub fn plain_length(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes().get(at..).unwrap_or_default();
    let (words, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Whether all of a text stands for itself in a JSON string.
#[inline]
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (words, rest) = bytes.as_chunks::<8>();
    // The last eight bytes, of which the first were looked at before, are quicker than the rest one by one.
    match bytes.last_chunk() {
        Some(last) => words.iter().chain([last]).all(|word| special_bytes(u64::from_le_bytes(*word)) == 0),
        None => !rest.iter().any(is_special),
    }
}

#[inline]
fn is_special(byte: &u8) -> bool {
    *byte == b'"' || *byte == b'\\' || *byte < b' '
}

/// The high bits of those of eight bytes that are a quotation mark, a backslash or a control character. Bits
/// above the lowest one that is set may be wrong.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & HIGH
}

/// How many elements and members may be open before room is made for more: about those of a resource.
const ROOM_FOR_VALUES: usize = 32;

#[derive(Clone, Copy)]
enum Breach {
    Depth,
    Nodes,
    Duplicate,
}

struct Reader {
    limits: JsonLimits,
    nodes: usize,
    depth: usize,
    breach: Option<Breach>,
    /// Elements of the arrays that are open. A closed one takes its own in one piece of the right size.
    items: Vec<Value>,
    /// Members of the objects that are open.
    members: Vec<Entry>,
}

impl Reader {
    fn new(limits: JsonLimits) -> Self {
        let (items, members) = (Vec::with_capacity(ROOM_FOR_VALUES), Vec::with_capacity(ROOM_FOR_VALUES));
        Self { limits, nodes: 0, depth: 0, breach: None, items, members }
    }

    fn read<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<Value, D::Error> {
        Seed { reader: self, place: Place::Item }.deserialize(deserializer)?;
        Ok(self.items.pop().unwrap_or_default())
    }

    fn put(&mut self, place: Place, value: Value) {
        match place {
            Place::Item => self.items.push(value),
            Place::Member => {
                if let Some(Entry { value: member, .. }) = self.members.last_mut() {
                    *member = value;
                }
            }
        }
    }

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

/// Where a value goes. Values are written straight to their place: to hand them up from call to call costs
/// more than to read them.
#[derive(Clone, Copy)]
enum Place {
    /// Behind the items.
    Item,
    /// To the last member, whose name is there already.
    Member,
}

struct Seed<'r> {
    reader: &'r mut Reader,
    place: Place,
}

impl<'r> Seed<'r> {
    fn scalar<E: de::Error>(self, value: Value) -> Result<(), E> {
        self.reader.spend()?;
        self.reader.put(self.place, value);
        Ok(())
    }

    fn item(reader: &'r mut Reader) -> Self {
        Self { reader, place: Place::Item }
    }

    fn member(reader: &'r mut Reader) -> Self {
        Self { reader, place: Place::Member }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<(), E> {
        self.scalar(Value::Bool(b))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<(), E> {
        self.scalar(Value::Number(n.into()))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<(), E> {
        self.scalar(Value::Number(n.into()))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<(), E> {
        let number = Number::from_f64(n).ok_or_else(|| E::custom("a number is out of range"))?;
        self.scalar(Value::Number(number))
    }

    fn visit_str<E: de::Error>(self, s: &str) -> Result<(), E> {
        self.scalar(Value::from(s))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { reader, place } = self;
        reader.spend()?;
        reader.enter()?;
        let start = reader.items.len();
        while seq.next_element_seed(Seed::item(reader))?.is_some() {}
        reader.depth -= 1;
        let items = reader.items.drain(start..).collect();
        reader.put(place, Value::Array(items));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, place } = self;
        reader.spend()?;
        reader.enter()?;
        let start = reader.members.len();
        let mut names = Names::default();
        while map.next_key_seed(Name { members: &mut reader.members, start, names: &mut names })?.is_some() {
            map.next_value_seed(Seed::member(reader))?;
        }
        let object = Object::from_entries(reader.members.drain(start..));
        if names.has_double(&object) {
            return Err(reader.fail(Breach::Duplicate));
        }
        reader.depth -= 1;
        reader.put(place, Value::Object(object));
        Ok(())
    }
}

/// Adds a member of this name to those of an object, which begin at `start`.
struct Name<'r> {
    members: &'r mut Vec<Entry>,
    start: usize,
    names: &'r mut Names,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<(), E> {
        self.names.see(name, self.members.iter().skip(self.start).map(|member| member.name.as_str()));
        self.members.push(Entry { name: CompactString::from(name), value: Value::Null });
        Ok(())
    }
}

/// Looks for a name that an object has twice, in less than quadratic time.
#[derive(Default)]
struct Names {
    count: usize,
    /// A bit for each name. Names that have none in common are different.
    marks: u64,
    doubled: bool,
}

impl Names {
    /// Up to so many names are compared one by one.
    const FEW: usize = 32;

    fn see<'n>(&mut self, name: &str, mut earlier: impl Iterator<Item = &'n str>) {
        let mark = Self::mark(name);
        if self.marks & mark != 0 && self.count < Self::FEW {
            self.doubled |= earlier.any(|other| other == name);
        }
        self.marks |= mark;
        self.count += 1;
    }

    /// One of 64 bits, by the length, the first and the last byte.
    fn mark(name: &str) -> u64 {
        let bytes = name.as_bytes();
        let byte = |b: Option<&u8>| b.map_or(0, |b| usize::from(*b));
        let sum = bytes.len() * 11 + byte(bytes.first()) + byte(bytes.last()) * 7;
        1 << (sum % 64)
    }

    fn has_double(&self, object: &Object) -> bool {
        if self.count <= Self::FEW {
            return self.doubled;
        }
        let mut names: Vec<&str> = object.keys().collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }
}

/// Reads without limits of ours (serde_json stops at depth 128). For trusted text; for a client's use [`parse_json`].
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limits = JsonLimits { depth: 128, nodes: usize::MAX };
        Reader::new(limits).read(deserializer)
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
