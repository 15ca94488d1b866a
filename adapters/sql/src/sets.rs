//! Sets of resources, as conditions of SQL: what an index finds, and what is made of it.

use crate::statement::{Statement, Value};

/// Some of the resources of one type and tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    All,
    Nothing,
    Leaf(Leaf),
    /// All that are not in it.
    Not(Leaf),
    And(Vec<Set>),
    Or(Vec<Set>),
}

/// What is found in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// By an indexed attribute.
    Value { attribute: String, single: bool, test: Test },
    /// By id.
    Id(Test),
    /// By time, in microseconds, both ends included.
    Created { from: i64, to: i64 },
    /// By time, in microseconds, both ends included.
    Modified { from: i64, to: i64 },
    /// Those that have members whose folded ids pass the test.
    Holders(Test),
    /// Those that have members.
    HaveMembers,
    /// The members of some resources, and the members of those, and so on. `types` are the types of
    /// resources whose memberships count.
    Members { of: Vec<String>, types: Vec<String>, depth: usize },
    /// Those that are members of resources of those types.
    AreMembers { types: Vec<String> },
}

/// A condition on one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Eq(String),
    /// Between two bounds; each says whether it is included.
    Range {
        from: Option<(String, bool)>,
        to: Option<(String, bool)>,
    },
    Contains(String),
    EndsWith(String),
}

/// How many resources a leaf finds, as far as can be told without looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expected {
    /// One at most.
    One,
    /// Those of one value.
    Few,
    /// Those of a range of values.
    Some,
    /// All entries must be looked at to tell.
    Unknown,
}

/// Whose resources, and how the engine does things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'q> {
    pub(crate) tenant: &'q str,
    pub(crate) resource_type: &'q str,
    /// The function that says where a text is in a text.
    pub(crate) position: &'static str,
}

/// Where the number, the time of creation and the id of the resource at hand stand in a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) n: &'static str,
    pub(crate) created: &'static str,
    pub(crate) id: &'static str,
}

/// A row of scim_resources.
pub(crate) const OF_RESOURCE: Columns = Columns { n: "r.n", created: "r.created", id: "r.id" };

/// A row of scim_values.
pub(crate) const OF_VALUE: Columns = Columns { n: "o.resource", created: "o.created", id: "o.id" };

impl Set {
    /// What is in all of the sets.
    pub(crate) fn and(sets: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for set in sets {
            match set {
                Self::All => {}
                Self::Nothing => return Self::Nothing,
                Self::And(inner) => parts.extend(inner),
                set if parts.contains(&set) => {}
                set => parts.push(set),
            }
        }
        match parts.len() {
            0 => Self::All,
            1 => parts.remove(0),
            _ => Self::And(parts),
        }
    }

    /// What is in one of the sets.
    pub(crate) fn or(sets: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for set in sets {
            match set {
                Self::Nothing => {}
                Self::All => return Self::All,
                Self::Or(inner) => parts.extend(inner),
                set if parts.contains(&set) => {}
                set => parts.push(set),
            }
        }
        match parts.len() {
            0 => Self::Nothing,
            1 => parts.remove(0),
            _ => Self::Or(parts),
        }
    }

    pub(crate) fn complement(self) -> Self {
        match self {
            Self::All => Self::Nothing,
            Self::Nothing => Self::All,
            Self::Leaf(leaf) => Self::Not(leaf),
            Self::Not(leaf) => Self::Leaf(leaf),
            Self::And(parts) => Self::or(parts.into_iter().map(Self::complement)),
            Self::Or(parts) => Self::and(parts.into_iter().map(Self::complement)),
        }
    }

    /// The same or a larger set, without what takes more than a look at one place for each resource.
    pub(crate) fn quick(self) -> Self {
        match self {
            Self::Leaf(leaf) if !leaf.is_quick() => Self::All,
            Self::Not(leaf) if !leaf.is_quick() => Self::All,
            Self::And(parts) => Self::and(parts.into_iter().map(Self::quick)),
            Self::Or(parts) => Self::or(parts.into_iter().map(Self::quick)),
            set => set,
        }
    }

    /// Writes the condition that the resource at hand is in the set.
    pub(crate) fn write_condition(&self, scope: &Scope<'_>, at: Columns, statement: &mut Statement) {
        match self {
            Self::All => {
                statement.text("1 = 1");
            }
            Self::Nothing => {
                statement.text("1 = 0");
            }
            Self::Leaf(leaf) => leaf.write_condition(scope, at, false, statement),
            Self::Not(leaf) => leaf.write_condition(scope, at, true, statement),
            Self::And(parts) | Self::Or(parts) => {
                let between = if matches!(self, Self::And(_)) { " AND " } else { " OR " };
                statement.text("(");
                statement.join(between, parts, |s, part| part.write_condition(scope, at, s));
                statement.text(")");
            }
        }
    }
}

impl Leaf {
    pub(crate) fn expected(&self) -> Expected {
        match self {
            Self::Id(Test::Eq(_)) => Expected::One,
            Self::Value { test: Test::Eq(_), .. } | Self::Holders(Test::Eq(_)) => Expected::Few,
            Self::Value { test, .. } | Self::Holders(test) | Self::Id(test) => match test {
                Test::Range { .. } | Test::Eq(_) => Expected::Some,
                Test::Contains(_) | Test::EndsWith(_) => Expected::Unknown,
            },
            Self::Created { .. } | Self::Modified { .. } | Self::Members { .. } => Expected::Some,
            Self::HaveMembers | Self::AreMembers { .. } => Expected::Unknown,
        }
    }

    /// Whether its query gives each resource once.
    pub(crate) fn is_distinct(&self) -> bool {
        match self {
            Self::Value { single, test, .. } => *single || matches!(test, Test::Eq(_)),
            Self::Id(_) | Self::Created { .. } | Self::Modified { .. } => true,
            Self::HaveMembers | Self::AreMembers { .. } => true,
            Self::Holders(_) | Self::Members { .. } => false,
        }
    }

    /// Whether it takes no more than a look at one place to tell of a resource if it is in.
    fn is_quick(&self) -> bool {
        match self {
            Self::Value { test, .. } | Self::Holders(test) => matches!(test, Test::Eq(_)),
            Self::Id(_) | Self::Created { .. } | Self::Modified { .. } => true,
            Self::HaveMembers | Self::AreMembers { .. } => true,
            Self::Members { .. } => false,
        }
    }

    /// Writes the query for the numbers of its resources.
    pub(crate) fn write_query(&self, scope: &Scope<'_>, statement: &mut Statement) {
        let tenant = || Value::from(scope.tenant);
        let resource_type = || Value::from(scope.resource_type);
        match self {
            Self::Value { attribute, test, .. } => {
                statement.push(
                    "SELECT v.resource AS n FROM scim_values v
                     WHERE v.tenant = {} AND v.type = {} AND v.attribute = {} AND ",
                    [tenant(), resource_type(), attribute.into()],
                );
                test.write("v.value", scope, statement);
            }
            Self::Holders(test) => {
                statement.push(
                    "SELECT h.n AS n FROM scim_members m
                     JOIN scim_resources h ON h.tenant = m.tenant AND h.id = m.holder
                     WHERE m.tenant = {} AND h.type = {} AND ",
                    [tenant(), resource_type()],
                );
                test.write("m.member_key", scope, statement);
            }
            Self::Members { of, types, depth } => {
                let kinds = |s: &mut Statement| {
                    s.join(", ", types, |s, name| {
                        s.bind(name.into());
                    });
                };
                statement.push(
                    "SELECT g.n AS n FROM (WITH RECURSIVE inside (root, member, depth) AS (
                     SELECT m.holder, m.member, 1 FROM scim_members m WHERE m.tenant = {} AND m.holder IN (",
                    [tenant()],
                );
                statement.join(", ", of, |s, id| {
                    s.bind(id.into());
                });
                statement.push(
                    ") UNION SELECT i.root, m.member, i.depth + 1 FROM inside i
                     JOIN scim_resources h ON h.tenant = {} AND h.id = i.member
                     JOIN scim_members m ON m.tenant = {} AND m.holder = h.id
                     WHERE i.depth < ",
                    [tenant(), tenant()],
                );
                statement.text(&format!("{depth} AND h.type IN ("));
                kinds(statement);
                // A resource in a circle belongs to itself only if it is its own member.
                statement.push(
                    ")) SELECT root, member, depth FROM inside) i
                     JOIN scim_resources g ON g.tenant = {} AND g.id = i.member
                     WHERE g.type = {} AND (i.depth = 1 OR i.member <> i.root)",
                    [tenant(), resource_type()],
                );
            }
            Self::Id(_)
            | Self::Created { .. }
            | Self::Modified { .. }
            | Self::HaveMembers
            | Self::AreMembers { .. } => {
                statement.push(
                    "SELECT x.n AS n FROM scim_resources x WHERE x.tenant = {} AND x.type = {} AND ",
                    [tenant(), resource_type()],
                );
                match self {
                    Self::Modified { from, to } => {
                        let bounds = [(*from).into(), (*to).into()];
                        statement.push("x.modified >= {} AND x.modified <= {}", bounds);
                    }
                    leaf => {
                        let at = Columns { n: "x.n", created: "x.created", id: "x.id" };
                        leaf.write_condition(scope, at, false, statement);
                    }
                }
            }
        }
    }

    fn write_condition(&self, scope: &Scope<'_>, at: Columns, negated: bool, statement: &mut Statement) {
        let tenant = || Value::from(scope.tenant);
        if negated {
            statement.text("NOT ");
        }
        match self {
            Self::Value { attribute, test: Test::Eq(key), .. } => {
                statement.push(
                    "EXISTS (SELECT 1 FROM scim_values v
                     WHERE v.tenant = {} AND v.type = {} AND v.attribute = {} AND v.value = {}",
                    [tenant(), scope.resource_type.into(), attribute.into(), key.into()],
                );
                statement.text(&format!(" AND v.created = {} AND v.id = {})", at.created, at.id));
            }
            Self::Holders(Test::Eq(key)) => {
                statement.push(
                    "EXISTS (SELECT 1 FROM scim_members m WHERE m.tenant = {} AND m.member_key = {}",
                    [tenant(), key.into()],
                );
                statement.text(&format!(" AND m.holder = {})", at.id));
            }
            Self::HaveMembers => {
                statement.push("EXISTS (SELECT 1 FROM scim_members m WHERE m.tenant = {}", [tenant()]);
                statement.text(&format!(" AND m.holder = {})", at.id));
            }
            Self::AreMembers { types } => {
                statement.push(
                    "EXISTS (SELECT 1 FROM scim_members m
                     JOIN scim_resources h ON h.tenant = m.tenant AND h.id = m.holder
                     WHERE m.tenant = {} AND h.type IN (",
                    [tenant()],
                );
                statement.join(", ", types, |s, name| {
                    s.bind(name.into());
                });
                statement.text(&format!(") AND m.member_key = {0} AND m.member = {0})", at.id));
            }
            Self::Id(test) => {
                statement.text("(");
                test.write(at.id, scope, statement);
                statement.text(")");
            }
            Self::Created { from, to } => {
                statement.text(&format!("({} >= ", at.created)).bind((*from).into());
                statement.text(&format!(" AND {} <= ", at.created)).bind((*to).into()).text(")");
            }
            Self::Modified { from, to } => {
                let bounds = [(*from).into(), (*to).into()];
                statement.text(&format!("EXISTS (SELECT 1 FROM scim_resources x WHERE x.n = {}", at.n));
                statement.push(" AND x.modified >= {} AND x.modified <= {})", bounds);
            }
            // Found once, then looked up. With the sum, no planner begins with it.
            Self::Value { .. } | Self::Holders(_) | Self::Members { .. } => {
                statement.text(&format!("{} + 0 IN (", at.n));
                self.write_query(scope, statement);
                statement.text(")");
            }
        }
    }
}

impl Test {
    pub(crate) fn write(&self, column: &str, scope: &Scope<'_>, statement: &mut Statement) {
        match self {
            Self::Eq(key) => {
                statement.text(column).push(" = {}", [key.into()]);
            }
            Self::Range { from, to } => {
                let bounds = [(from, " > ", " >= "), (to, " < ", " <= ")];
                let given: Vec<_> = bounds
                    .into_iter()
                    .filter_map(|(bound, out, with)| Some((bound.as_ref()?, out, with)))
                    .collect();
                if given.is_empty() {
                    statement.text("1 = 1");
                }
                statement.join(" AND ", given, |s, ((key, included), out, with)| {
                    s.text(column).text(if *included { with } else { out }).bind(key.into());
                });
            }
            Self::Contains(key) => {
                statement.text(scope.position).text("(").text(column).push(", {}) > 0", [key.into()]);
            }
            Self::EndsWith(key) => {
                let length = key.chars().count();
                statement.text(&format!("length({column}) >= {length} AND "));
                statement.text(&format!("substr({column}, length({column}) + 1 - {length}) = "));
                statement.bind(key.into());
            }
        }
    }
}
