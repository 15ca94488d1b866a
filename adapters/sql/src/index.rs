//! Which attributes are indexed, and the form in which their values are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scim_schema::{DateTime, Registry, Resource, ResourceType, Target, Type, Value, fold, normalize};

use crate::error::{DatabaseError, OpenError};
use sha2::{Digest as _, Sha256};

use crate::params;
use crate::rows;
use crate::session::{Engine, Session};

/// Attributes that are looked up by value, where a type has them. Unique ones are always indexed, and
/// so are id and meta.
const INDEXED: [&str; 4] = ["externalId", "displayName", "emails.value", "active"];

/// Longer values are cut to so many bytes: what the index finds is looked at again anyway.
const LONGEST: usize = 256;

/// Longer unique values are not kept whole in their index.
const LONGEST_UNIQUE: usize = 1024;

/// The indexed attributes of all resource types.
#[derive(Debug)]
pub(crate) struct Index {
    types: BTreeMap<String, Vec<Indexed>>,
}

/// An indexed attribute.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) path: String,
    container: Option<String>,
    attribute: String,
    sub: Option<String>,
    kind: Type,
    case_exact: bool,
}

impl Index {
    pub(crate) fn new(registry: &Registry) -> Self {
        let types = registry.resource_types().iter().map(|t| (t.name().to_owned(), indexed(t))).collect();
        Self { types }
    }

    /// The indexed attribute of that canonical path.
    pub(crate) fn find(&self, resource_type: &str, path: &str) -> Option<&Indexed> {
        self.types.get(resource_type)?.iter().find(|i| i.path == path)
    }

    /// The values of a resource that go into the index: path and key, each once.
    pub(crate) fn values<'i>(
        &'i self,
        resource_type: &str,
        resource: &Resource,
    ) -> BTreeSet<(&'i str, String)> {
        let mut keys = BTreeSet::new();
        for indexed in self.types.get(resource_type).into_iter().flatten() {
            indexed.collect(resource, &mut keys);
        }
        keys
    }

    /// What the rows in the database were made for, as text.
    fn fingerprint(&self, registry: &Registry) -> String {
        let mut text = format!("unique values up to {LONGEST_UNIQUE}\n");
        for resource_type in registry.resource_types() {
            text.push_str(resource_type.name());
            for i in self.types.get(resource_type.name()).into_iter().flatten() {
                text.push_str(&format!(" {}:{}:{}", i.path, i.kind.as_str(), i.case_exact));
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
                "SELECT n, tenant, document FROM scim_resources WHERE n > ?1 AND type = ?2 ORDER BY n LIMIT 500",
                params![last, name],
                |row| Ok::<_, DatabaseError>((row.int(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned())),
            )?;
            for (n, tenant, document) in &some {
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
                    session.execute(INSERT_VALUE, params![tenant, name, path, &value, *n])?;
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
    let mut text = text_key(value);
    text.push('#');
    for byte in Sha256::digest(value.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(text)
}

pub(crate) const INSERT_UNIQUE: &str = "INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";

pub(crate) const INSERT_VALUE: &str = "INSERT INTO scim_values (tenant, type, attribute, value, resource)
     VALUES (?1, ?2, ?3, ?4, ?5)";

pub(crate) const FORGET_VALUE: &str = "DELETE FROM scim_values
     WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND value = ?4 AND resource = ?5";

impl Indexed {
    fn collect<'i>(&'i self, resource: &Resource, keys: &mut BTreeSet<(&'i str, String)>) {
        let attribute = match &self.container {
            Some(urn) => resource.get(urn).and_then(|c| c.get(&self.attribute)),
            None => resource.get(&self.attribute),
        };
        for element in attribute.map(Value::elements).unwrap_or_default() {
            let values = match &self.sub {
                Some(sub) => element.get(sub).map(Value::elements).unwrap_or_default(),
                None => std::slice::from_ref(element),
            };
            for value in values {
                if let Some(key) = self.key(value) {
                    keys.insert((self.path.as_str(), key));
                }
            }
        }
    }

    fn key(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if self.kind == Type::DateTime => DateTime::parse(text).map(instant_key),
            Value::String(text) if self.case_exact => Some(text_key(&normalize(text))),
            Value::String(text) => Some(text_key(&fold(text))),
            Value::Bool(b) => Some(bool_key(*b).to_owned()),
            _ => None,
        }
    }
}

/// The key of a text in its comparison form.
pub(crate) fn text_key(text: &str) -> String {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

pub(crate) fn bool_key(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// Twenty digits, so that the order of the texts is the order of the instants.
pub(crate) fn instant_key(instant: DateTime) -> String {
    let shifted = i128::from(instant.unix_micros()) - i128::from(i64::MIN);
    format!("{shifted:020}")
}

fn indexed(resource_type: &ResourceType) -> Vec<Indexed> {
    let mut found = Vec::new();
    for path in INDEXED {
        let Some(Target::Attribute(located)) = resource_type.resolve_str(path) else { continue };
        let leaf = located.leaf();
        let usable = matches!(
            leaf.kind(),
            Type::String | Type::Boolean | Type::DateTime | Type::Reference | Type::Binary
        );
        if !usable || located.attribute.is_hidden() || leaf.is_hidden() {
            continue;
        }
        found.push(Indexed {
            path: located.path(),
            container: located.extension.map(|e| e.schema().id().to_owned()),
            attribute: located.attribute.name().to_owned(),
            sub: located.sub.map(|s| s.name().to_owned()),
            kind: leaf.kind(),
            case_exact: leaf.case_exact(),
        });
    }
    found
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
