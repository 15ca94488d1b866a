//! Walks over resources in an order that an index has, and the pages they are cut into.

use scim_core::{Position, Sort, SortKey};
use scim_schema::DateTime;

use crate::index::{MISSING, bool_key, instant_key};
use crate::rows::columns;
use crate::session::is_storable;
use crate::sets::{Columns, Leaf, OF_RESOURCE, OF_VALUE, Scope, Set, Test};
use crate::statement::{Statement, Value};

/// A way to come by resources. But for the last, they come in order.
#[derive(Clone, Debug)]
pub(crate) enum Walk {
    /// All, in the order of creation.
    Creation,
    /// Those with one value of an indexed attribute, in the order of creation.
    Equal { attribute: String, key: String },
    /// All, by the values of an indexed attribute of which each resource has one or none.
    Value { attribute: String, descending: bool },
    /// All, by a time.
    Time { column: &'static str, descending: bool },
    /// Those that the leaves find; in the order of creation if that is asked for.
    Found(Vec<Leaf>),
}

/// What is wanted of the resources of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The number of the row.
    Number,
    /// That, the time of creation and the id.
    Place,
    /// Everything.
    Document,
    /// How many there are.
    Count,
}

/// On which side of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Behind,
    UpTo,
    Before,
    From,
}

/// Where a position is in a walk.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) key: Option<Value>,
    pub(crate) created: i64,
    pub(crate) id: String,
}

impl Walk {
    /// The place of a position in the walk; `None` where the walk can't tell.
    pub(crate) fn mark(&self, position: &Position) -> Option<Mark> {
        if !is_storable(&position.id) {
            return None;
        }
        let key = match (self, &position.key) {
            (Self::Creation | Self::Equal { .. } | Self::Found(_), _) => None,
            (Self::Value { .. }, key) => Some(Value::Text(match key {
                SortKey::Text(text) if !text.starts_with(MISSING) => text.clone(),
                SortKey::Bool(value) => bool_key(*value).to_owned(),
                SortKey::Micros(micros) => instant_key(DateTime::from_unix_micros(*micros)),
                SortKey::Missing => MISSING.to_owned(),
                SortKey::Text(_) | SortKey::Number(_) => return None,
            })),
            (Self::Time { .. }, SortKey::Micros(micros)) => Some(Value::Int(*micros)),
            (Self::Time { .. }, SortKey::Missing) => Some(Value::Int(i64::MAX)),
            (Self::Time { .. }, _) => return None,
        };
        Some(Mark { key, created: position.created, id: position.id.clone() })
    }

    /// The walk over what one leaf finds, if it is one value of an attribute.
    pub(crate) fn equal(leaves: &[Leaf]) -> Option<Self> {
        match leaves {
            [Leaf::Value { attribute, test: Test::Eq(key), .. }] => {
                Some(Self::Equal { attribute: attribute.clone(), key: key.clone() })
            }
            _ => None,
        }
    }

    /// The walk in the order of `meta.created` or `meta.lastModified`.
    pub(crate) fn by_time(path: &str, sort: &Sort) -> Option<Self> {
        let descending = sort.is_descending();
        match path {
            "meta.created" if !descending => Some(Self::Creation),
            "meta.created" => Some(Self::Time { column: "r.created", descending }),
            "meta.lastModified" => Some(Self::Time { column: "r.modified", descending }),
            _ => None,
        }
    }

    /// Writes the query for the resources of the walk that are in a set, up to its end.
    pub(crate) fn query(&self, scope: &Scope<'_>, wanted: Wanted, set: &Set) -> Statement {
        let mut statement = Statement::default();
        let at = self.columns();
        let tenant = Value::from(scope.tenant);
        let resource_type = Value::from(scope.resource_type);
        match wanted {
            Wanted::Number => statement.text("SELECT ").text(at.n),
            Wanted::Place => statement.text(&format!("SELECT {}, {}, {}", at.n, at.created, at.id)),
            Wanted::Document => statement.text(concat!("SELECT ", columns!())),
            Wanted::Count => statement.text("SELECT count(*)"),
        };
        match self {
            Self::Creation | Self::Time { .. } => {
                let sql = " FROM scim_resources r WHERE r.tenant = {} AND r.type = {}";
                statement.push(sql, [tenant, resource_type]);
            }
            Self::Found(leaves) => {
                statement.text(" FROM scim_resources r WHERE r.n IN (");
                statement.join(" UNION ", leaves, |s, leaf| leaf.write_query(scope, s));
                statement.text(")");
            }
            Self::Equal { attribute, .. } | Self::Value { attribute, .. } => {
                statement.text(" FROM scim_values o");
                if wanted == Wanted::Document {
                    statement.text(" CROSS JOIN scim_resources r");
                }
                let sql = " WHERE o.tenant = {} AND o.type = {} AND o.attribute = {}";
                statement.push(sql, [tenant, resource_type, attribute.into()]);
                if wanted == Wanted::Document {
                    statement.text(" AND r.n = o.resource");
                }
                if let Self::Equal { key, .. } = self {
                    statement.push(" AND o.value = {}", [key.into()]);
                }
            }
        }
        if *set != Set::All {
            statement.text(" AND ");
            set.write_condition(scope, at, &mut statement);
        }
        statement
    }

    /// Writes the condition that a resource is on one side of a mark.
    pub(crate) fn bound(&self, mark: &Mark, side: Side, statement: &mut Statement) {
        let Columns { created, id, .. } = self.columns();
        let ahead = matches!(side, Side::Behind | Side::From);
        let operator = match side {
            Side::Behind => ">",
            Side::UpTo => "<=",
            Side::Before => "<",
            Side::From => ">=",
        };
        let place = || [Value::from(mark.created), Value::from(&mark.id)];
        let Some((key, value)) = self.key().zip(mark.key.clone()) else {
            let sql = format!(" AND ({created}, {id}) {operator} ({{}}, {{}})");
            statement.push(&sql, place());
            return;
        };
        if !self.is_descending() {
            let [at, named] = place();
            let sql = format!(" AND ({key}, {created}, {id}) {operator} ({{}}, {{}}, {{}})");
            statement.push(&sql, [value, at, named]);
            return;
        }
        // Only the key is turned round.
        let beyond = if ahead { "<" } else { ">" };
        statement.push(&format!(" AND {key} {beyond}= {{}}"), [value.clone()]);
        statement.push(&format!(" AND ({key} {beyond} {{}}"), [value.clone()]);
        statement.push(&format!(" OR {key} = {{}}"), [value]);
        statement.push(&format!(" AND ({created}, {id}) {operator} ({{}}, {{}}))"), place());
    }

    /// Writes the order, forwards or backwards.
    pub(crate) fn order(&self, backwards: bool, statement: &mut Statement) {
        let Columns { created, id, .. } = self.columns();
        let word = |backwards: bool| if backwards { " DESC" } else { "" };
        statement.text(" ORDER BY ");
        if let Some(key) = self.key() {
            statement.text(key).text(word(self.is_descending() != backwards)).text(", ");
        }
        statement.text(&format!("{created}{0}, {id}{0}", word(backwards)));
    }

    fn columns(&self) -> Columns {
        match self {
            Self::Equal { .. } | Self::Value { .. } => OF_VALUE,
            Self::Creation | Self::Time { .. } | Self::Found(_) => OF_RESOURCE,
        }
    }

    fn key(&self) -> Option<&'static str> {
        match self {
            Self::Value { .. } => Some("o.value"),
            Self::Time { column, .. } => Some(column),
            Self::Creation | Self::Equal { .. } | Self::Found(_) => None,
        }
    }

    fn is_descending(&self) -> bool {
        match self {
            Self::Value { descending, .. } | Self::Time { descending, .. } => *descending,
            Self::Creation | Self::Equal { .. } | Self::Found(_) => false,
        }
    }
}
