//! Resources that have a value in common with others: what whoever brings many resources asks first.

use std::borrow::Borrow;
use std::collections::HashMap;

use scim_core::{StoreError, Stored, TenantId};
use scim_schema::{Resource, ResourceType};

use crate::error::DatabaseError;
use crate::index::{Index, unique_text};
use crate::params;
use crate::rows;
use crate::session::{Engine, Param, Row, Session, is_storable};

/// What was found that is like a resource.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is none, one, or more")]
pub enum Alike<T = Box<Stored>> {
    /// Nothing.
    None,
    /// One resource: with `meta`, without members and computed attributes.
    One(T),
    /// More than one.
    Several,
}

/// What is told of a resource that is found.
pub(crate) trait Found: Clone {
    /// The query for those with one unique key or value, but for its end.
    const BY_UNIQUE_KEY: &'static str;
    const BY_VALUE: &'static str;
    /// The column that the key is in.
    const KEY: usize;

    fn read(row: &Row<'_>, resource_type: &ResourceType) -> Result<Self, StoreError>;
    fn id(&self) -> &str;
}

/// Finds for each of some resources those that have the same value of an attribute.
pub(crate) fn find<T: Found>(
    session: &Session<'_>,
    index: &Index,
    tenant: &TenantId,
    resource_type: &ResourceType,
    attribute: &str,
    like: &[impl Borrow<Resource>],
) -> Result<Vec<Alike<T>>, StoreError> {
    let keys: Vec<Option<Key>> =
        like.iter().map(|like| Key::of(index, resource_type, attribute, like.borrow())).collect();
    let search = Search { session, tenant: tenant.as_str(), resource_type, attribute };
    let mut found: HashMap<Key, Alike<T>> = HashMap::new();
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

impl Found for Box<Stored> {
    const BY_UNIQUE_KEY: &'static str = concat!(
        "SELECT ",
        rows::columns!(),
        ", k.key FROM scim_unique_keys k JOIN scim_resources r ON r.n = k.resource
         WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.key = "
    );
    const BY_VALUE: &'static str = concat!(
        "SELECT ",
        rows::columns!(),
        ", k.value FROM scim_values k JOIN scim_resources r ON r.n = k.resource
         WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.value = "
    );

    const KEY: usize = 6;

    fn read(row: &Row<'_>, resource_type: &ResourceType) -> Result<Self, StoreError> {
        rows::Found::read(row)?.stored(resource_type).map(Box::new)
    }

    fn id(&self) -> &str {
        self.resource.id()
    }
}

impl Found for String {
    const BY_UNIQUE_KEY: &'static str =
        "SELECT r.id, k.key FROM scim_unique_keys k JOIN scim_resources r ON r.n = k.resource
         WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.key = ";
    const BY_VALUE: &'static str = "SELECT k.id, k.value FROM scim_values k
         WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.value = ";

    const KEY: usize = 1;

    fn read(row: &Row<'_>, _: &ResourceType) -> Result<Self, StoreError> {
        Ok(row.owned(0)?)
    }

    fn id(&self) -> &str {
        self
    }
}

impl Search<'_> {
    fn keys<T: Found>(
        &self,
        unique: bool,
        wanted: &[&str],
        found: &mut HashMap<Key, Alike<T>>,
    ) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let select = if unique { T::BY_UNIQUE_KEY } else { T::BY_VALUE };
        match self.session.engine() {
            Engine::Sqlite => {
                let select = format!("{select}?4 LIMIT 2");
                wanted.iter().try_for_each(|key| self.rows(&select, (*key).into(), unique, found))
            }
            Engine::Postgres => {
                let wanted: Vec<Option<&str>> = wanted.iter().copied().map(Some).collect();
                // With `= ANY` the planner, whose statistics are old while a table grows, may read all rows of
                // the attribute and compare each with all that is wanted.
                let select = format!(
                    "SELECT found.* FROM unnest(?4) AS wanted (key)
                     CROSS JOIN LATERAL ({select}wanted.key LIMIT 2) AS found"
                );
                self.rows(&select, (&wanted).into(), unique, found)
            }
        }
    }

    fn rows<T: Found>(
        &self,
        select: &str,
        wanted: Param<'_>,
        unique: bool,
        found: &mut HashMap<Key, Alike<T>>,
    ) -> Result<(), StoreError> {
        let params = [self.tenant.into(), self.resource_type.name().into(), self.attribute.into(), wanted];
        let read = |row: &Row<'_>| {
            let one = T::read(row, self.resource_type)?;
            Ok::<_, StoreError>((Key { unique, text: row.owned(T::KEY)? }, one))
        };
        for (key, one) in self.session.all(select, &params, read)? {
            let now = match found.remove(&key) {
                None => Alike::One(one),
                Some(Alike::One(there)) if there.id() == one.id() => Alike::One(there),
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
        let sql = "SELECT found.id, found.type FROM unnest(?2) AS wanted (id)
             CROSS JOIN LATERAL (
                 SELECT r.id, r.type FROM scim_resources r WHERE r.tenant = ?1 AND r.id = wanted.id LIMIT 1
             ) AS found";
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
