//! Resources that have a value in common with others: what whoever brings many resources asks first.

use std::collections::HashMap;

use scim_core::{StoreError, Stored, TenantId};
use scim_schema::{Resource, ResourceType};

use crate::error::DatabaseError;
use crate::index::{Index, unique_text};
use crate::params;
use crate::rows::{self, Found};
use crate::session::{Engine, Param, Row, Session, is_storable};

/// What was found that is like a resource.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is none, one, or more")]
pub enum Alike {
    /// Nothing.
    None,
    /// One resource, with `meta`, without members and computed attributes.
    One(Box<Stored>),
    /// More than one.
    Several,
}

/// Finds for each of some resources those that have the same value of an attribute.
pub(crate) fn find(
    session: &Session<'_>,
    index: &Index,
    tenant: &TenantId,
    resource_type: &ResourceType,
    attribute: &str,
    like: &[Resource],
) -> Result<Vec<Alike>, StoreError> {
    let keys: Vec<Option<Key>> =
        like.iter().map(|resource| Key::of(index, resource_type, attribute, resource)).collect();
    let search = Search { session, tenant: tenant.as_str(), resource_type, attribute };
    let mut found: HashMap<Key, Alike> = HashMap::new();
    for unique in [true, false] {
        let wanted: Vec<&str> =
            keys.iter().flatten().filter(|k| k.unique == unique).map(|k| k.text.as_str()).collect();
        search.keys(unique, &wanted, &mut found)?;
    }
    let answer = keys.into_iter().map(|key| key.and_then(|key| found.get(&key).cloned()));
    Ok(answer.map(|alike| alike.unwrap_or(Alike::None)).collect())
}

/// A value as the tables have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    unique: bool,
    text: String,
}

impl Key {
    fn of(index: &Index, resource_type: &ResourceType, attribute: &str, like: &Resource) -> Option<Self> {
        let unique = resource_type.unique_keys(like).into_iter().find(|key| key.attribute == attribute);
        if let Some(key) = unique {
            return Some(Self { unique: true, text: unique_text(&key.value).into_owned() });
        }
        // What else it has need not be looked at.
        let root = attribute.split('.').next().unwrap_or(attribute);
        let mut probe = Resource::default();
        probe.attributes_mut().push(root, like.get(root)?.clone());
        let values = index.values(resource_type.name(), &probe);
        let (_, text) = values.into_iter().find(|(path, _)| **path == *attribute)?;
        Some(Self { unique: false, text })
    }
}

struct Search<'s> {
    session: &'s Session<'s>,
    tenant: &'s str,
    resource_type: &'s ResourceType,
    attribute: &'s str,
}

const BY_UNIQUE_KEY: &str = concat!(
    "SELECT ",
    rows::columns!(),
    ", k.key FROM scim_unique_keys k JOIN scim_resources r ON r.n = k.resource
     WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.key = "
);
const BY_VALUE: &str = concat!(
    "SELECT ",
    rows::columns!(),
    ", k.value FROM scim_values k JOIN scim_resources r ON r.n = k.resource
     WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.value = "
);

impl Search<'_> {
    fn keys(&self, unique: bool, wanted: &[&str], found: &mut HashMap<Key, Alike>) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let select = if unique { BY_UNIQUE_KEY } else { BY_VALUE };
        match self.session.engine() {
            Engine::Sqlite => {
                let select = format!("{select}?4 LIMIT 2");
                wanted.iter().try_for_each(|key| self.rows(&select, (*key).into(), unique, found))
            }
            Engine::Postgres => {
                let wanted: Vec<Option<&str>> = wanted.iter().copied().map(Some).collect();
                self.rows(&format!("{select}ANY(?4)"), (&wanted).into(), unique, found)
            }
        }
    }

    fn rows(
        &self,
        select: &str,
        wanted: Param<'_>,
        unique: bool,
        found: &mut HashMap<Key, Alike>,
    ) -> Result<(), StoreError> {
        let params = [self.tenant.into(), self.resource_type.name().into(), self.attribute.into(), wanted];
        let read = |row: &Row<'_>| {
            let stored = Found::read(row)?.stored(self.resource_type)?;
            Ok::<_, StoreError>((Key { unique, text: row.owned(6)? }, stored))
        };
        for (key, stored) in self.session.all(select, &params, read)? {
            let now = match found.remove(&key) {
                None => Alike::One(Box::new(stored)),
                Some(Alike::One(there)) if there.resource.id() == stored.resource.id() => Alike::One(there),
                Some(_) => Alike::Several,
            };
            found.insert(key, now);
        }
        Ok(())
    }
}

/// The type of each id, where there is a resource of it.
pub(crate) fn types_of(
    session: &Session<'_>,
    tenant: &TenantId,
    ids: &[String],
) -> Result<Vec<Option<String>>, StoreError> {
    if session.engine() == Engine::Postgres {
        let wanted: Vec<Option<&str>> =
            ids.iter().filter(|id| is_storable(id)).map(|id| Some(id.as_str())).collect();
        let sql = "SELECT id, type FROM scim_resources WHERE tenant = ?1 AND id = ANY(?2)";
        let found = session.all(sql, params![tenant.as_str(), &wanted], |row| {
            Ok::<_, DatabaseError>((row.owned(0)?, row.owned(1)?))
        })?;
        let found: HashMap<String, String> = found.into_iter().collect();
        return Ok(ids.iter().map(|id| found.get(id).cloned()).collect());
    }
    let sql = "SELECT type FROM scim_resources WHERE tenant = ?1 AND id = ?2";
    let type_of = |id: &String| {
        if !is_storable(id) {
            return Ok(None);
        }
        session.first(sql, params![tenant.as_str(), id], |row| Ok::<_, StoreError>(row.text(0)?.to_owned()))
    };
    ids.iter().map(type_of).collect()
}
