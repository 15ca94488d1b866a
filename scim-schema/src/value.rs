//! JSON values as SCIM sees them: objects keep the order of their members.

use std::fmt;

use compact_str::CompactString;
use ecow::EcoVec;
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use serde_json::Number;

/// One JSON value.
///
/// Objects keep the order in which members were inserted, so that what a client
/// reads is in the order of the schema and of its own input.
///
/// A clone shares arrays and objects with the original until one of the two changes them, so that a
/// copy of a resource costs what is changed in it and not what it holds.
///
/// ```
/// use scim_schema::Value;
///
/// let value: Value = serde_json::from_str(r#"{"b": 1, "a": [true, null]}"#)?;
/// assert_eq!(serde_json::to_string(&value)?, r#"{"b":1,"a":[true,null]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Default, PartialEq)]
// With a tag of one byte, the rest of a value begins at an odd address, and to move it is slow.
#[repr(usize)]
pub enum Value {
    /// `null`, which SCIM reads as "unassigned" (RFC 7643 §2.5).
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string of Unicode scalar values.
    String(CompactString),
    /// An array.
    Array(Array),
    /// An object.
    Object(Object),
}

/// Inlined into the copy of an object's members, where most of the time went into waiting for a value that was
/// just written to be read again.
impl Clone for Value {
    #[expect(clippy::inline_always, reason = "saves a quarter of a PATCH; see above")]
    #[inline(always)]
    fn clone(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(b) => Self::Bool(*b),
            Self::String(s) => Self::String(s.clone()),
            Self::Array(a) => Self::Array(a.clone()),
            Self::Object(o) => Self::Object(o.clone()),
            Self::Number(n) => Self::Number(n.clone()),
        }
    }
}

impl Value {
    /// The string, if this is one.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(n) => Some(n),
            _ => None,
        }
    }

    /// The number as a signed integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }

    /// The elements, if this is an array, to change them.
    pub fn as_array_mut(&mut self) -> Option<&mut Array> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }

    /// The object, if this is one.
    #[inline]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(o) => Some(o),
            _ => None,
        }
    }

    /// The object, if this is one, to change it.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(o) => Some(o),
            _ => None,
        }
    }

    /// The member of that exact name, if this is an object that has it.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object().and_then(|o| o.get(name))
    }

    /// Whether this is `null`.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether the value counts as unassigned: `null`, `[]`, `{}`, or made of
    /// nothing but such values (RFC 7643 §2.5).
    #[inline]
    pub fn is_unassigned(&self) -> bool {
        // Almost always, the first value inside decides, and is no container itself.
        let inner = |value: &Self| match value {
            Self::Array(_) | Self::Object(_) => value.is_unassigned_inside(),
            value => value.is_null(),
        };
        match self {
            Self::Array(a) => a.iter().all(inner),
            Self::Object(o) => o.iter().all(|(_, value)| inner(value)),
            value => value.is_null(),
        }
    }

    fn is_unassigned_inside(&self) -> bool {
        self.is_unassigned()
    }

    /// The name of the JSON type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Visits the value as one or many: the elements of an array, or the value itself.
    #[inline]
    pub fn elements(&self) -> &[Value] {
        match self {
            Self::Array(a) => a,
            Self::Null => &[],
            other => std::slice::from_ref(other),
        }
    }
}

/// A JSON array. Reads like a slice of [`Value`]; a clone shares the elements until one of the two changes.
///
/// ```
/// use scim_schema::{Array, Value};
///
/// let one: Array = [Value::from("a")].into_iter().collect();
/// let mut two = one.clone();
/// two.push("b");
/// assert_eq!((one.len(), two.len()), (1, 2));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Array {
    elements: EcoVec<Value>,
}

impl Array {
    /// An empty array.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty array with room for `n` elements.
    pub fn with_capacity(n: usize) -> Self {
        Self { elements: EcoVec::with_capacity(n) }
    }

    /// Appends an element.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.elements.push(value.into());
    }

    /// The elements, to change them one by one.
    pub fn as_mut_slice(&mut self) -> &mut [Value] {
        self.elements.make_mut()
    }

    /// The elements in order, to change them.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Value> {
        self.as_mut_slice().iter_mut()
    }

    pub(crate) fn elements_mut(&mut self) -> &mut EcoVec<Value> {
        &mut self.elements
    }

    /// Keeps the elements for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Value) -> bool) {
        self.elements.retain(|value| keep(value));
    }
}

impl std::ops::Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.elements
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = ecow::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.into_iter()
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Array {
    type Item = &'a mut Value;
    type IntoIter = std::slice::IterMut<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<V: Into<Value>> FromIterator<V> for Array {
    fn from_iter<I: IntoIterator<Item = V>>(iter: I) -> Self {
        Self { elements: iter.into_iter().map(Into::into).collect() }
    }
}

impl<V: Into<Value>> Extend<V> for Array {
    fn extend<I: IntoIterator<Item = V>>(&mut self, iter: I) {
        self.elements.extend(iter.into_iter().map(Into::into));
    }
}

impl From<Vec<Value>> for Array {
    fn from(elements: Vec<Value>) -> Self {
        Self { elements: elements.into() }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// A JSON object that keeps the order of its members.
///
/// Look-ups are linear: SCIM objects have tens of members, not thousands. A clone shares the members until
/// one of the two changes.
#[derive(Clone, Default)]
pub struct Object {
    pub(crate) entries: EcoVec<Entry>,
}

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: CompactString,
    pub(crate) value: Value,
}

impl Clone for Entry {
    #[expect(clippy::inline_always, reason = "see `Value`")]
    #[inline(always)]
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), value: self.value.clone() }
    }
}

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty object with room for `n` members.
    pub fn with_capacity(n: usize) -> Self {
        Self { entries: EcoVec::with_capacity(n) }
    }

    /// An object of these members, whose names the caller knows to be different.
    pub(crate) fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// The members, to change them.
    pub(crate) fn entries_mut(&mut self) -> &mut EcoVec<Entry> {
        &mut self.entries
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of the member with exactly this name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|e| e.name == name).map(|e| &e.value)
    }

    /// As [`get`](Self::get), with the place of the member. Looks at `place` first, then beside it: who looks for
    /// one name in many resources mostly finds it about where it was in the last one.
    ///
    /// ```
    /// let object: scim_schema::Object = [("a", 1_i64), ("b", 2)].into_iter().collect();
    /// let (place, value) = object.find("b", 0).unwrap();
    /// assert_eq!((place, value.as_i64()), (1, Some(2)));
    /// assert_eq!(object.find("b", place), Some((1, value)));
    /// assert_eq!(object.find("c", 9), None);
    /// ```
    #[inline]
    pub fn find(&self, name: &str, place: usize) -> Option<(usize, &Value)> {
        match self.entries.get(place) {
            Some(entry) if entry.name == name => Some((place, &entry.value)),
            _ => self.find_elsewhere(name, place),
        }
    }

    /// As [`find`](Self::find), to change the value.
    pub fn find_mut(&mut self, name: &str, place: usize) -> Option<(usize, &mut Value)> {
        let (place, _) = self.find(name, place)?;
        self.entries.make_mut().get_mut(place).map(|e| (place, &mut e.value))
    }

    fn find_elsewhere(&self, name: &str, place: usize) -> Option<(usize, &Value)> {
        for beside in [place.wrapping_sub(1), place.wrapping_add(1)] {
            if let Some(entry) = self.entries.get(beside)
                && entry.name == name
            {
                return Some((beside, &entry.value));
            }
        }
        let place = self.entries.iter().position(|e| e.name == name)?;
        self.entries.get(place).map(|e| (place, &e.value))
    }

    /// The value of the first member whose name equals `name` without regard to ASCII case.
    pub fn get_ignore_case(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|e| e.name.eq_ignore_ascii_case(name)).map(|e| &e.value)
    }

    /// The value of the member with exactly this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.entries.iter().position(|e| e.name == name)?;
        self.entries.make_mut().get_mut(at).map(|e| &mut e.value)
    }

    /// The value of the member with exactly this name; `default` is appended first if there is none.
    pub fn get_or_insert_with(&mut self, name: &str, default: impl FnOnce() -> Value) -> &mut Value {
        let at = match self.entries.iter().position(|e| e.name == name) {
            Some(at) => at,
            None => {
                self.entries.push(Entry { name: CompactString::from(name), value: default() });
                self.entries.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "`at` was found or pushed just above")]
        &mut self.entries.make_mut()[at].value
    }

    /// Whether there is a member with exactly this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a member and gives back the value it had. A new member goes to the end.
    pub fn insert(&mut self, name: &str, value: impl Into<Value>) -> Option<Value> {
        let value = value.into();
        if let Some(old) = self.get_mut(name) {
            return Some(std::mem::replace(old, value));
        }
        self.entries.push(Entry { name: CompactString::from(name), value });
        None
    }

    /// Appends a member without looking for one of the same name.
    ///
    /// For builders that know the name to be new; a second member of one name would be written twice.
    pub fn push(&mut self, name: &str, value: impl Into<Value>) {
        self.entries.push(Entry { name: CompactString::from(name), value: value.into() });
    }

    /// Puts a member first, whatever place it had.
    pub fn insert_first(&mut self, name: &str, value: impl Into<Value>) {
        self.remove(name);
        self.entries.insert(0, Entry { name: CompactString::from(name), value: value.into() });
    }

    /// Takes a member out. The order of the others stays.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.entries.iter().position(|e| e.name == name)?;
        Some(self.entries.remove(at).value)
    }

    /// Keeps the members for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.entries.retain(|e| keep(&e.name, &mut e.value));
    }

    /// The members in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + Clone {
        self.entries.iter().map(|e| (e.name.as_str(), &e.value))
    }

    /// The members in order, values to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.entries.make_mut().iter_mut().map(|e| (e.name.as_str(), &mut e.value))
    }

    /// The names in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.entries.iter().map(|e| e.name.as_str())
    }
}

/// Members in any order are equal (RFC 7643 §2.3.8).
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.entries.iter().zip(other.entries.iter()).all(|(a, b)| {
                if a.name == b.name { a.value == b.value } else { other.get(&a.name) == Some(&a.value) }
            })
    }
}

impl IntoIterator for Object {
    type Item = (CompactString, Value);
    type IntoIter = IntoMembers;

    fn into_iter(self) -> Self::IntoIter {
        IntoMembers(self.entries.into_iter())
    }
}

/// The members of an object, in order.
#[derive(Debug)]
pub struct IntoMembers(ecow::vec::IntoIter<Entry>);

impl Iterator for IntoMembers {
    type Item = (CompactString, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|Entry { name, value }| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<K: AsRef<str>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut object = Self::new();
        for (k, v) in iter {
            object.insert(k.as_ref(), v);
        }
        object
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(CompactString::from(s))
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(CompactString::from(s))
    }
}

impl From<CompactString> for Value {
    fn from(s: CompactString) -> Self {
        Self::String(s)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Number(n.into())
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Number(n.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(a: Vec<Value>) -> Self {
        Self::Array(a.into())
    }
}

impl From<Array> for Value {
    fn from(a: Array) -> Self {
        Self::Array(a)
    }
}

impl From<Object> for Value {
    fn from(o: Object) -> Self {
        Self::Object(o)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(b),
            serde_json::Value::Number(n) => Self::Number(n),
            serde_json::Value::String(s) => s.into(),
            serde_json::Value::Array(a) => Self::Array(a.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(o) => Self::Object(Object {
                entries: o.into_iter().map(|(k, v)| Entry { name: k.into(), value: v.into() }).collect(),
            }),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(b),
            Value::Number(n) => Self::Number(n),
            Value::String(s) => Self::String(s.into_string()),
            Value::Array(a) => Self::Array(a.into_iter().map(Self::from).collect()),
            Value::Object(o) => {
                Self::Object(o.into_iter().map(|(k, v)| (k.into_string(), Self::from(v))).collect())
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::String(s) => write!(f, "{:?}", s.as_str()),
            Self::Array(a) => a.fmt(f),
            Self::Object(o) => o.fmt(f),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Number(n) => n.serialize(serializer),
            Self::String(s) => serializer.serialize_str(s),
            Self::Array(a) => serializer.collect_seq(a),
            Self::Object(o) => o.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (k, v) in self.iter() {
            map.serialize_entry(k, v)?;
        }
        map.end()
    }
}
