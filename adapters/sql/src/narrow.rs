//! From a filter to the statement that finds the resources which may match.
//!
//! The index narrows, the matcher decides: a statement may find too much, never too little.

use scim_core::{Matcher, TenantId};
use scim_filter::{Conjunct, ConjunctValue, Operator};
use scim_schema::{ResourceType, Target, Uniqueness, uniqueness_key};

use crate::index::{Index, Indexed, bool_key, instant_key, text_key, unique_text};
use crate::rows::columns;
use crate::session::Param;

/// A statement and its parameters.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) sql: &'static str,
    params: Vec<Value>,
    /// How good it is: less is better.
    rank: u8,
}

#[derive(Debug)]
enum Value {
    Int(i64),
    Text(String),
}

impl Candidates {
    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let param = |value| match value {
            &Value::Int(n) => Param::Int(n),
            Value::Text(text) => Param::Text(text),
        };
        self.params.iter().map(param).collect()
    }

    fn new<const N: usize>(rank: u8, sql: &'static str, params: [Value; N]) -> Self {
        Self { sql, params: params.into(), rank }
    }
}

/// All resources of a type, in the order of creation.
const ALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2 ORDER BY r.created, r.id"
);

const BY_ID: &str =
    concat!("SELECT ", columns!(), " FROM scim_resources r WHERE r.tenant = ?1 AND r.id = ?2");

const BY_MEMBER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.id IN
     (SELECT m.holder FROM scim_members m WHERE m.tenant = ?1 AND m.member_key = ?2)"
);

const BY_UNIQUE_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_unique_keys k JOIN scim_resources r ON r.n = k.resource
     WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.key = ?4"
);

const BY_UNIQUE_PREFIX: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.n IN (SELECT k.resource FROM scim_unique_keys k
     WHERE k.tenant = ?1 AND k.type = ?2 AND k.attribute = ?3 AND k.key >= ?4 AND k.key < ?5)"
);

const BY_VALUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_values v JOIN scim_resources r ON r.n = v.resource
     WHERE v.tenant = ?1 AND v.type = ?2 AND v.attribute = ?3 AND v.value = ?4"
);

const BY_PREFIX: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.n IN (SELECT v.resource FROM scim_values v
     WHERE v.tenant = ?1 AND v.type = ?2 AND v.attribute = ?3 AND v.value >= ?4 AND v.value < ?5)"
);

const BY_MODIFIED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2 AND r.modified BETWEEN ?3 AND ?4"
);

const BY_CREATED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2 AND r.created BETWEEN ?3 AND ?4"
);

/// The best statement for the resources of one type.
pub(crate) fn candidates(
    index: &Index,
    tenant: &TenantId,
    resource_type: &ResourceType,
    filter: Option<&Matcher>,
) -> Candidates {
    let narrow = Narrow { index, tenant, resource_type };
    let conditions: Vec<Conjunct<'_>> =
        filter.map(|f| f.conjuncts(resource_type.name()).collect()).unwrap_or_default();
    let single = conditions.iter().filter_map(|c| narrow.by_condition(c));
    let ranges = [("meta.lastModified", BY_MODIFIED, 5), ("meta.created", BY_CREATED, 6)]
        .into_iter()
        .filter_map(|(path, sql, rank)| narrow.by_time(&conditions, path, sql, rank));
    let all = Candidates::new(u8::MAX, ALL, [narrow.tenant(), narrow.name()]);
    single.chain(ranges).chain([all]).min_by_key(|c| c.rank).unwrap_or_else(|| narrow.all())
}

struct Narrow<'q> {
    index: &'q Index,
    tenant: &'q TenantId,
    resource_type: &'q ResourceType,
}

impl Narrow<'_> {
    fn tenant(&self) -> Value {
        Value::Text(self.tenant.as_str().to_owned())
    }

    fn name(&self) -> Value {
        Value::Text(self.resource_type.name().to_owned())
    }

    fn all(&self) -> Candidates {
        Candidates::new(u8::MAX, ALL, [self.tenant(), self.name()])
    }

    fn by_condition(&self, condition: &Conjunct<'_>) -> Option<Candidates> {
        let path = condition.path.to_string();
        match (condition.value, condition.operator) {
            (ConjunctValue::Text { key, case_exact }, operator) => {
                self.by_text(&path, operator, key, case_exact)
            }
            (ConjunctValue::Bool(value), Operator::Eq) => {
                self.indexed(&path)?;
                Some(self.by_value(7, path, bool_key(value).to_owned()))
            }
            (ConjunctValue::Instant(instant), Operator::Eq) => {
                self.indexed(&path)?;
                Some(self.by_value(2, path, instant_key(instant)))
            }
            _ => None,
        }
    }

    fn by_text(&self, path: &str, operator: Operator, key: &str, case_exact: bool) -> Option<Candidates> {
        if !matches!(operator, Operator::Eq | Operator::Sw) {
            return None;
        }
        let exact = operator == Operator::Eq;
        let target = self.resource_type.resolve_str(path).and_then(Target::attribute)?;
        if exact && path == "id" {
            return Some(Candidates::new(0, BY_ID, [self.tenant(), Value::Text(key.to_owned())]));
        }
        let members = self.resource_type.membership().map(|m| format!("{}.value", m.attribute()));
        if exact && members.as_deref() == Some(path) && !case_exact {
            return Some(Candidates::new(3, BY_MEMBER, [self.tenant(), Value::Text(key.to_owned())]));
        }
        if target.leaf().uniqueness() != Uniqueness::None && path != "id" {
            let key = uniqueness_key(key, case_exact);
            return if exact {
                let (path, key) = (Value::Text(path.to_owned()), Value::Text(unique_text(&key).into_owned()));
                Some(Candidates::new(1, BY_UNIQUE_KEY, [self.tenant(), self.name(), path, key]))
            } else {
                // Only of ASCII text is it sure that a prefix of the value is one of the key.
                if !key.is_ascii() {
                    return None;
                }
                self.by_prefix(BY_UNIQUE_PREFIX, path, text_key(&key))
            };
        }
        self.indexed(path)?;
        if exact {
            return Some(self.by_value(2, path.to_owned(), text_key(key)));
        }
        self.by_prefix(BY_PREFIX, path, text_key(key))
    }

    fn by_value(&self, rank: u8, path: String, value: String) -> Candidates {
        let (path, value) = (Value::Text(path), Value::Text(value));
        Candidates::new(rank, BY_VALUE, [self.tenant(), self.name(), path, value])
    }

    fn by_prefix(&self, sql: &'static str, path: &str, prefix: String) -> Option<Candidates> {
        let end = after_prefix(&prefix)?;
        let (path, start, end) = (Value::Text(path.to_owned()), Value::Text(prefix), Value::Text(end));
        Some(Candidates::new(4, sql, [self.tenant(), self.name(), path, start, end]))
    }

    /// All conditions on one time together.
    fn by_time(
        &self,
        conditions: &[Conjunct<'_>],
        path: &str,
        sql: &'static str,
        rank: u8,
    ) -> Option<Candidates> {
        let (mut low, mut high) = (None, None);
        for condition in conditions.iter().filter(|c| c.path.to_string() == path) {
            let ConjunctValue::Instant(instant) = condition.value else { continue };
            // Microseconds of an instant are rounded down, those of a resource are exact.
            let micros = instant.unix_micros();
            if matches!(condition.operator, Operator::Gt | Operator::Ge | Operator::Eq) {
                low = low.max(Some(micros));
            }
            if matches!(condition.operator, Operator::Lt | Operator::Le | Operator::Eq) {
                high = Some(high.map_or(micros, |h: i64| h.min(micros)));
            }
        }
        if low.is_none() && high.is_none() {
            return None;
        }
        let low = Value::Int(low.unwrap_or(i64::MIN));
        let high = Value::Int(high.unwrap_or(i64::MAX));
        Some(Candidates::new(rank, sql, [self.tenant(), self.name(), low, high]))
    }

    fn indexed(&self, path: &str) -> Option<&Indexed> {
        self.index.find(self.resource_type.name(), path)
    }
}

/// The least text that is greater than all texts with that prefix, in the order of code points.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use scim_filter::{Filter, MatchOptions};
    use scim_schema::Registry;

    use super::*;
    use crate::session::Session;
    use crate::{Database, DatabaseError, SqlStore};

    /// The steps of SQLite's plan for what is searched first.
    async fn plan(store: &SqlStore, name: &str, filter: &str) -> String {
        let registry = Registry::standard();
        let resource_type = registry.resource_type(name).unwrap();
        let filter = Filter::parse(filter).unwrap();
        let matcher = Matcher::new(&filter, [resource_type], &MatchOptions::default()).unwrap();
        let found = candidates(&Index::new(&registry), &TenantId::new("acme"), resource_type, Some(&matcher));
        let explain = move |c: &Session<'_>| {
            c.all(&format!("EXPLAIN QUERY PLAN {}", found.sql), &found.params(), |row| {
                Ok::<_, DatabaseError>(row.text(3)?.to_owned())
            })
        };
        store.database().read(explain).await.unwrap().join("; ")
    }

    #[tokio::test]
    async fn filters_on_indexed_attributes_use_an_index() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::open(folder.path().join("db")).await.unwrap();
        let store = SqlStore::new(database, Registry::standard()).await.unwrap();
        let unique = "SEARCH k USING PRIMARY KEY (tenant=? AND type=? AND attribute=? AND key";
        let value = "SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND attribute=? AND value";
        let by_row = "USING INTEGER PRIMARY KEY (rowid=?)";
        let cases = [
            ("User", "userName eq \"ann\"", vec![unique, by_row]),
            ("User", "userName sw \"ann\"", vec![unique, by_row]),
            ("User", "externalId eq \"1\"", vec![value, by_row]),
            ("Group", "externalId eq \"1\"", vec![value, by_row]),
            ("User", "emails.value eq \"a@x.org\"", vec![value, by_row]),
            ("User", "emails eq \"a@x.org\"", vec![value, by_row]),
            ("User", "emails[type eq \"work\" and value eq \"a@x.org\"]", vec![value, by_row]),
            ("User", "emails.value sw \"a\"", vec![value, by_row]),
            ("User", "displayName eq \"Ann\" and title co \"x\"", vec![value, by_row]),
            ("Group", "displayName eq \"Staff\"", vec![value, by_row]),
            ("User", "active eq true", vec![value, by_row]),
            ("User", "id eq \"1\"", vec!["SEARCH r USING INDEX scim_resources_by_id (tenant=? AND id=?)"]),
            (
                "User",
                "meta.lastModified gt \"2024-01-01T00:00:00Z\"",
                vec![
                    "USING INDEX scim_resources_by_change (tenant=? AND type=? AND modified>? AND modified<?)",
                ],
            ),
            (
                "User",
                "meta.created le \"2024-01-01T00:00:00Z\"",
                vec![
                    "USING INDEX scim_resources_by_creation (tenant=? AND type=? AND created>? AND created<?)",
                ],
            ),
            (
                "Group",
                "members.value eq \"1\"",
                vec![
                    "SEARCH r USING INDEX scim_resources_by_id (tenant=? AND id=?)",
                    "SEARCH m USING COVERING INDEX scim_members_by_member (tenant=? AND member_key=?)",
                ],
            ),
            ("User", "title eq \"x\"", vec!["USING INDEX scim_resources_by_creation (tenant=? AND type=?)"]),
        ];
        for (name, filter, expected) in cases {
            let plan = plan(&store, name, filter).await;
            for step in expected {
                assert!(plan.contains(step), "{filter}: {plan}");
            }
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_start_with_it() {
        for (prefix, end) in [("a", "b"), ("a\u{10ffff}", "b"), ("\u{d7ff}", "\u{e000}"), ("ab", "ac")] {
            assert_eq!(after_prefix(prefix).as_deref(), Some(end));
        }
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
