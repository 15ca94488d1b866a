//! Which attributes are indexed, and the form in which their values are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scim_schema::{DateTime, Registry, Resource, ResourceType, Target, Type, Value, comparable, fold};
use sha2::{Digest as _, Sha256};

use crate::error::{DatabaseError, OpenError};
use crate::params;
use crate::rows;
use crate::session::{Engine, Param, Session};

/// Attributes that are looked up by value unless [`StoreOptions`] says otherwise.
const INDEXED: [&str; 4] = ["externalId", "displayName", "emails.value", "active"];

/// Longer keys are cut to so many bytes: PostgreSQL's indexes don't take much more.
const LONGEST: usize = 256;

/// Longer unique values are not kept whole in their index.
const LONGEST_UNIQUE: usize = 1024;

/// Keys of at most so many bytes are never cut ones.
pub(crate) const SHORT: usize = LONGEST - 4;

/// The key of a single-valued attribute without value. It is behind the keys of all values, as missing
/// values are in the order of an answer.
pub(crate) const MISSING: &str = "\u{10ffff}";

/// Under this name stand the ids that are not their own comparison form.
pub(crate) const FOLDED_ID: &str = "id~";

/// A value whose key is not its whole comparison form.
pub(crate) const CUT: &str = "cut";

/// A value that can't be told from its keys.
pub(crate) const ODD: &str = "odd";

/// What a store does its own way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Paths of attributes that queries look up by value and sort by, each where a resource type has it:
    /// `title`, `name.familyName`, `urn:…:User:department`. Each makes a write a little slower, and each
    /// query for it faster. Unique attributes, `id` and `meta` are indexed always.
    ///
    /// Default: `externalId`, `displayName`, `emails.value`, `active`.
    pub indexed: Vec<String>,
    /// When a query goes which way.
    pub thresholds: Thresholds,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { indexed: INDEXED.map(str::to_owned).into(), thresholds: Thresholds::default() }
    }
}

/// When a query goes which way. Answers are the same whatever they are; tests set them low, so that a few
/// resources go the ways of many.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Thresholds {
    /// So many candidates are looked at one by one, in any order. Default 1000.
    pub small: u64,
    /// So many matches are read to be sorted, rather than looked for in the order of an attribute. Default
    /// 5000.
    pub read: u64,
    /// So many matches are sorted by their creation, rather than looked for in that order. Default 20,000.
    pub sorted: u64,
    /// A page farther from both ends is looked for from a remembered place. Default 2000.
    pub far: u64,
    /// So many resources lie between two remembered places. Default 1000.
    pub step: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { small: 1000, read: 5000, sorted: 20_000, far: 2000, step: 1000 }
    }
}

/// The indexed attributes of all resource types.
#[derive(Debug)]
pub(crate) struct Index {
    types: BTreeMap<String, Vec<Indexed>>,
    folded_id: Arc<str>,
}

/// An indexed attribute.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) path: Arc<str>,
    pub(crate) kind: Type,
    pub(crate) case_exact: bool,
    /// Whether a resource has one value at most.
    pub(crate) single: bool,
    /// Under this name stands what the keys don't tell: [`CUT`], [`ODD`].
    pub(crate) remarks: Arc<str>,
    container: Option<String>,
    attribute: String,
    sub: Option<String>,
}

/// Which resource a row of the index is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowKey<'r> {
    pub(crate) n: i64,
    pub(crate) created: i64,
    pub(crate) id: &'r str,
}

impl<'r> RowKey<'r> {
    /// For [`INSERT_VALUE`].
    pub(crate) fn params<'p>(
        &self,
        tenant: &'p str,
        resource_type: &'p str,
        path: &'p str,
        value: &'p str,
    ) -> [Param<'p>; 7]
    where
        'r: 'p,
    {
        let [tenant, resource_type, path, value, created, id] =
            self.key_params(tenant, resource_type, path, value);
        [tenant, resource_type, path, value, created, id, self.n.into()]
    }

    /// For [`FORGET_VALUE`].
    pub(crate) fn key_params<'p>(
        &self,
        tenant: &'p str,
        resource_type: &'p str,
        path: &'p str,
        value: &'p str,
    ) -> [Param<'p>; 6]
    where
        'r: 'p,
    {
        [tenant.into(), resource_type.into(), path.into(), value.into(), self.created.into(), self.id.into()]
    }
}

impl Index {
    /// # Errors
    /// The path that no resource type has, or that is not one of a simple attribute that may be read.
    pub(crate) fn new(registry: &Registry, options: &StoreOptions) -> Result<Self, String> {
        for path in &options.indexed {
            let known = |t: &Arc<ResourceType>| Indexed::new(t, path).is_some();
            // The default list may name what a registry of one's own lacks.
            if !INDEXED.contains(&path.as_str()) && !registry.resource_types().iter().any(known) {
                return Err(path.clone());
            }
        }
        let indexed = |t: &Arc<ResourceType>| {
            let unique = unique_paths(t).into_iter().map(|(path, _)| path);
            let mut found: Vec<Indexed> = Vec::new();
            for path in unique.chain(options.indexed.iter().cloned()) {
                let new = Indexed::new(t, &path);
                found.extend(new.filter(|new| !found.iter().any(|known| known.path == new.path)));
            }
            (t.name().to_owned(), found)
        };
        let types = registry.resource_types().iter().map(indexed).collect();
        Ok(Self { types, folded_id: FOLDED_ID.into() })
    }

    /// The indexed attribute of that canonical path.
    pub(crate) fn find(&self, resource_type: &str, path: &str) -> Option<&Indexed> {
        self.types.get(resource_type)?.iter().find(|i| *i.path == *path)
    }

    /// What of a resource goes into the index: name and key, each once.
    pub(crate) fn values(&self, resource_type: &str, resource: &Resource) -> BTreeSet<(Arc<str>, String)> {
        let mut keys = BTreeSet::new();
        for indexed in self.types.get(resource_type).into_iter().flatten() {
            indexed.collect(resource, &mut keys);
        }
        let folded = fold(resource.id());
        if folded != resource.id() || folded.starts_with(MISSING) {
            keys.insert((Arc::clone(&self.folded_id), cut(&folded).to_owned()));
        }
        keys
    }

    /// What the rows in the database were made for, as text.
    fn fingerprint(&self, registry: &Registry) -> String {
        // The first line says what the rows look like.
        let mut text = format!("3, unique values up to {LONGEST_UNIQUE}\n");
        for resource_type in registry.resource_types() {
            text.push_str(resource_type.name());
            for i in self.types.get(resource_type.name()).into_iter().flatten() {
                text.push_str(&format!(" {}:{}:{}:{}", i.path, i.kind.as_str(), i.case_exact, i.single));
            }
            for (path, case_exact) in unique_paths(resource_type) {
                text.push_str(&format!(" unique {path}:{case_exact}"));
            }
            text.push('\n');
        }
        text
    }

    /// Makes the index anew where the schemas have changed since it was made.
    pub(crate) fn refresh(&self, session: &Session<'_>, registry: &Registry) -> Result<(), RefreshError> {
        let fingerprint = self.fingerprint(registry);
        session.exclude()?;
        let select = "SELECT value FROM scim_settings WHERE name = 'index'";
        let found = session.first(select, &[], |row| row.owned_or_null(0))?.flatten();
        if found.as_deref() == Some(fingerprint.as_str()) {
            return Ok(());
        }
        self.remake(session, registry)?;
        session.execute(
            "INSERT INTO scim_settings (name, value) VALUES ('index', ?1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![&fingerprint],
        )?;
        Ok(())
    }

    /// Makes the index anew.
    pub(crate) fn remake(&self, session: &Session<'_>, registry: &Registry) -> Result<(), RefreshError> {
        if session.engine() == Engine::Postgres {
            // Others may read, and write when it is done.
            session.execute("LOCK TABLE scim_resources IN SHARE ROW EXCLUSIVE MODE", &[])?;
        }
        for resource_type in registry.resource_types() {
            self.rebuild(session, resource_type)?;
        }
        Ok(())
    }

    fn rebuild(&self, session: &Session<'_>, resource_type: &Arc<ResourceType>) -> Result<(), RefreshError> {
        let name = resource_type.name();
        session.execute("DELETE FROM scim_unique_keys WHERE type = ?1", params![name])?;
        session.execute("DELETE FROM scim_values WHERE type = ?1", params![name])?;
        let mut last = 0;
        loop {
            // Some at a time: rows must not change under a statement that reads them.
            let some = session.all(
                "SELECT n, tenant, document, created, id FROM scim_resources
                 WHERE n > ?1 AND type = ?2 ORDER BY n LIMIT 500",
                params![last, name],
                |row| {
                    let (tenant, document) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
                    Ok::<_, DatabaseError>((
                        row.int(0)?,
                        tenant,
                        document,
                        row.int(3)?,
                        row.text(4)?.to_owned(),
                    ))
                },
            )?;
            for (n, tenant, document, created, id) in &some {
                last = *n;
                let Ok(resource) = rows::parse_document(document) else { continue };
                let unique = resource_type.unique_keys(&resource);
                for key in &unique {
                    let text = unique_text(&key.value);
                    let params = params![tenant, name, &key.attribute, text.as_ref(), *n];
                    if session.execute(INSERT_UNIQUE, params)? == 0 {
                        return Err(RefreshError::NotUnique {
                            resource_type: name.to_owned(),
                            attribute: key.attribute.clone(),
                        });
                    }
                }
                session.execute(
                    "UPDATE scim_resources SET unique_keys = ?2 WHERE n = ?1",
                    params![*n, &rows::unique_to_text(&unique)],
                )?;
                for (path, value) in self.values(name, &resource) {
                    let row = RowKey { n: *n, created: *created, id };
                    session.execute(INSERT_VALUE, &row.params(tenant, name, &path, &value))?;
                }
            }
            if some.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Why the index can't be made.
#[derive(Debug)]
pub(crate) enum RefreshError {
    Database(DatabaseError),
    NotUnique { resource_type: String, attribute: String },
}

impl RefreshError {
    pub(crate) fn into_open_error(self, place: &str) -> OpenError {
        match self {
            Self::Database(error) => error.into_open_error(place),
            Self::NotUnique { resource_type, attribute } => OpenError::NotUnique { resource_type, attribute },
        }
    }
}

impl From<DatabaseError> for RefreshError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// A unique value as it stands in the index. Of a long one, which no index of PostgreSQL takes, that is the
/// beginning and a hash of all of it.
pub(crate) fn unique_text(value: &str) -> Cow<'_, str> {
    if value.len() <= LONGEST_UNIQUE {
        return Cow::Borrowed(value);
    }
    let mut text = cut(value).to_owned();
    text.push('#');
    for byte in Sha256::digest(value.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(text)
}

pub(crate) const INSERT_UNIQUE: &str = "INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";

pub(crate) const INSERT_VALUE: &str =
    "INSERT INTO scim_values (tenant, type, attribute, value, created, id, resource)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(crate) const FORGET_VALUE: &str = "DELETE FROM scim_values
     WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND value = ?4 AND created = ?5 AND id = ?6";

impl Indexed {
    /// `None` where the type does not have it, nobody may read it, or it is not simple.
    fn new(resource_type: &ResourceType, path: &str) -> Option<Self> {
        let located = resource_type.resolve_str(path).and_then(Target::attribute)?;
        let leaf = located.leaf();
        let name = located.attribute.name();
        let elsewhere = located.extension.is_none()
            && (["id", "meta", "schemas"].contains(&name)
                || resource_type.membership().is_some_and(|m| m.attribute() == name)
                || resource_type.inverses().iter().any(|inverse| inverse == name));
        if leaf.is_complex() || located.attribute.is_hidden() || leaf.is_hidden() || elsewhere {
            return None;
        }
        let path = located.path();
        Some(Self {
            remarks: format!("{path}~").into(),
            path: path.into(),
            kind: leaf.kind(),
            case_exact: leaf.case_exact(),
            single: !located.attribute.multi_valued() && !leaf.multi_valued(),
            container: located.extension.map(|e| e.schema().id().to_owned()),
            attribute: name.to_owned(),
            sub: located.sub.map(|s| s.name().to_owned()),
        })
    }

    fn collect(&self, resource: &Resource, keys: &mut BTreeSet<(Arc<str>, String)>) {
        let attribute = match &self.container {
            Some(urn) => resource.get(urn).and_then(|c| c.get(&self.attribute)),
            None => resource.get(&self.attribute),
        };
        let mut values = 0;
        for element in attribute.map(Value::elements).unwrap_or_default() {
            let parts = match &self.sub {
                Some(sub) => element.get(sub).map(Value::elements).unwrap_or_default(),
                None => std::slice::from_ref(element),
            };
            for value in parts.iter().filter(|value| !value.is_unassigned()) {
                values += 1;
                match self.key(value) {
                    Some(key) => {
                        if key.rounded {
                            keys.insert((Arc::clone(&self.remarks), CUT.to_owned()));
                        }
                        keys.insert((Arc::clone(&self.path), key.text));
                    }
                    None => {
                        keys.insert((Arc::clone(&self.remarks), ODD.to_owned()));
                    }
                }
            }
        }
        if self.single && values == 0 {
            keys.insert((Arc::clone(&self.path), MISSING.to_owned()));
        }
        if self.single && values > 1 {
            keys.insert((Arc::clone(&self.remarks), ODD.to_owned()));
        }
    }

    /// `None` for a value that has no key: it is not of the attribute's type, or its key would be taken
    /// for another.
    fn key(&self, value: &Value) -> Option<Key> {
        let whole = |text| Key { text, rounded: false };
        match (self.kind, value) {
            (Type::Boolean, Value::Bool(b)) => Some(whole(bool_key(*b).to_owned())),
            (Type::Integer | Type::Decimal, Value::Number(n)) => n.as_f64().map(number_key).map(whole),
            (Type::DateTime, Value::String(text)) => {
                let instant = DateTime::parse(text)?;
                // Answers are sorted by microseconds.
                let rounded = !instant.subsec_nanos().is_multiple_of(1000);
                Some(Key { text: instant_key(instant), rounded })
            }
            (Type::String | Type::Reference | Type::Binary, Value::String(text)) => {
                let text = comparable(text, self.case_exact);
                if text.starts_with(MISSING) || text.contains('\0') {
                    return None;
                }
                let key = cut(&text);
                Some(Key { rounded: key.len() < text.len(), text: key.to_owned() })
            }
            _ => None,
        }
    }
}

struct Key {
    text: String,
    /// Whether different values may have it, so that it does not tell all of their order.
    rounded: bool,
}

/// As much of the comparison form of a text as goes into the index.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

pub(crate) fn bool_key(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// The order of the texts is the order of the instants.
pub(crate) fn instant_key(instant: DateTime) -> String {
    let seconds = i128::from(instant.unix_seconds()) - i128::from(i64::MIN);
    format!("{seconds:020}{:09}", instant.subsec_nanos())
}

/// The order of the texts is the order of the numbers.
pub(crate) fn number_key(number: f64) -> String {
    const SIGN: u64 = 1 << 63;
    // There are two zeros.
    let bits = (number + 0.0).to_bits();
    let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    format!("{ordered:016x}")
}

/// The paths of the unique attributes of a type, and whether letter case counts.
fn unique_paths(resource_type: &ResourceType) -> Vec<(String, bool)> {
    use scim_schema::{Attribute, Uniqueness};
    let mut paths = Vec::new();
    let mut collect = |prefix: &str, attribute: &Attribute| {
        let path = format!("{prefix}{}", attribute.name());
        for sub in attribute.sub_attributes().iter().filter(|s| s.uniqueness() != Uniqueness::None) {
            paths.push((format!("{path}.{}", sub.name()), sub.case_exact()));
        }
        if attribute.uniqueness() != Uniqueness::None && attribute.name() != "id" {
            paths.push((path, attribute.case_exact()));
        }
    };
    resource_type.attributes().for_each(|a| collect("", a));
    for extension in resource_type.extensions() {
        let prefix = format!("{}:", extension.schema().id());
        extension.schema().attributes().iter().for_each(|a| collect(&prefix, a));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(resource: &str) -> Vec<(String, String)> {
        let registry = Registry::standard();
        let options =
            StoreOptions { indexed: vec!["emails.type".into(), "title".into()], ..Default::default() };
        let index = Index::new(&registry, &options).unwrap();
        let resource = Resource::from_canonical(serde_json::from_str(resource).unwrap());
        index.values("User", &resource).into_iter().map(|(name, key)| (name.to_string(), key)).collect()
    }

    #[test]
    fn the_index_tells_what_its_keys_do_not() {
        let long = "É".repeat(200);
        let with = |id: &str, title: &str| values(&format!(r#"{{"id": "{id}", "title": {title}}}"#));
        let row = |name: &str, key: &str| (name.to_owned(), key.to_owned());
        let missing = row("userName", MISSING);
        assert_eq!(with("a", "\"Ab\""), [row("title", "ab"), missing.clone()]);
        assert_eq!(with("a", "null"), [row("title", MISSING), missing.clone()]);
        assert_eq!(with("A", "\"\""), [row("id~", "a"), row("title", ""), missing.clone()]);
        let cut = with("a", &format!("{long:?}"));
        assert_eq!(cut, [row("title", &"é".repeat(128)), row("title~", CUT), missing.clone()]);
        for odd in ["1", "\"a\\u0000\"", "\"\u{10ffff}\"", "[\"a\", \"b\"]"] {
            assert!(with("a", odd).contains(&row("title~", ODD)), "{odd}");
        }
        let several =
            values(r#"{"id": "a", "emails": [{"type": "Work"}, {"type": "work"}, {"value": "x"}]}"#);
        assert_eq!(several, [row("emails.type", "work"), row("title", MISSING), missing]);
    }

    #[test]
    fn keys_are_in_the_order_of_their_values() {
        let numbers = [f64::NEG_INFINITY, -1e300, -2.0, -0.5, 0.0, 5e-324, 1.0, 1.5, 9e15, f64::INFINITY];
        assert!(numbers.map(number_key).is_sorted_by(|a, b| a < b));
        assert_eq!(number_key(-0.0), number_key(0.0));
        let instants = [
            "-0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.000000001Z",
            "2020-01-01T00:00:00Z",
            "12020-01-01T00:00:00Z",
        ];
        let keys = instants.map(|text| instant_key(DateTime::parse(text).unwrap()));
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn only_simple_attributes_that_may_be_read_can_be_indexed() {
        let registry = Registry::standard();
        for path in
            ["nothing", "name", "emails", "password", "members.value", "groups.value", "meta.created", ""]
        {
            let options = StoreOptions { indexed: vec![path.into()], ..Default::default() };
            assert_eq!(Index::new(&registry, &options).unwrap_err(), path);
        }
    }
}
