//! From a filter to the set of resources that may match.
//!
//! The index narrows, the matcher decides: a set may be too large, never too small. Whether it is exactly
//! the matches is known, so that the matcher has to look only where it is not.

use std::cell::RefCell;
use std::collections::HashMap;

use scim_core::edges::MAX_NESTING;
use scim_core::{Matcher, StoreError, TenantId};
use scim_filter::{Comparand, Operator, TypedExpr};
use scim_schema::{AttributePath, DateTime, Registry, ResourceType, Type, comparable, fold};

use crate::error::DatabaseError;
use crate::index::{
    CUT, FOLDED_ID, Index, Indexed, MISSING, ODD, SHORT, bool_key, cut, instant_key, number_key,
};
use crate::params;
use crate::session::{Session, is_storable};
use crate::sets::{Leaf, Set, Test};

/// A set that holds all resources of which something is true.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    pub(crate) set: Set,
    /// Whether it holds no others.
    pub(crate) exact: bool,
}

/// Translates filters on the resources of one type.
pub(crate) struct Narrow<'q> {
    session: &'q Session<'q>,
    registry: &'q Registry,
    index: &'q Index,
    tenant: &'q TenantId,
    resource_type: &'q ResourceType,
    /// What has been asked about the index: name, remark, whether there is one.
    remarks: RefCell<HashMap<(String, &'static str), bool>>,
}

/// Where a condition is true, and where it is false.
struct Both {
    yes: Narrowed,
    no: Narrowed,
}

impl<'q> Narrow<'q> {
    pub(crate) fn new(
        session: &'q Session<'q>,
        registry: &'q Registry,
        index: &'q Index,
        tenant: &'q TenantId,
        resource_type: &'q ResourceType,
    ) -> Self {
        Self { session, registry, index, tenant, resource_type, remarks: RefCell::default() }
    }

    /// Where a filter may match.
    pub(crate) fn filter(&self, filter: &Matcher) -> Result<Narrowed, StoreError> {
        let mut stack: Vec<Both> = Vec::new();
        for visit in filter.post_order(self.resource_type.name()) {
            let mut pop = || stack.pop().unwrap_or_else(Both::unknown);
            let both = match visit.expr {
                TypedExpr::And if visit.within.is_some() => {
                    let (right, left) = (pop(), pop());
                    // Two values may pass the two conditions.
                    Both { yes: left.yes.and(right.yes).inexact(), no: left.no.or(right.no) }
                }
                TypedExpr::And => {
                    let (right, left) = (pop(), pop());
                    Both { yes: left.yes.and(right.yes), no: left.no.or(right.no) }
                }
                TypedExpr::Or => {
                    let (right, left) = (pop(), pop());
                    let no = left.no.and(right.no);
                    let no = if visit.within.is_some() { no.inexact() } else { no };
                    Both { yes: left.yes.or(right.yes), no }
                }
                TypedExpr::Not => {
                    let Both { yes, no } = pop();
                    Both { yes: no, no: yes }
                }
                // No value is looked at where there are none.
                TypedExpr::Constant(_) if visit.within.is_some() => Both::unknown(),
                TypedExpr::Constant(value) => Both::constant(value),
                TypedExpr::ValuePath(_) => Both::of(pop().yes),
                TypedExpr::Present(path) => self.present(&path, visit.within.is_some())?,
                TypedExpr::Compare { path, operator, value } => {
                    self.compare(&path, operator, value, visit.within.is_some())?
                }
                _ => Both::unknown(),
            };
            stack.push(both);
        }
        Ok(stack.pop().unwrap_or_else(Both::unknown).yes)
    }

    /// Whether the keys of an attribute tell all of the order of its values.
    pub(crate) fn sorts(&self, indexed: &Indexed) -> Result<bool, StoreError> {
        let plain = !matches!(indexed.kind, Type::Integer | Type::Decimal);
        Ok(indexed.single
            && plain
            && !self.has(&indexed.remarks, ODD)?
            && !self.has(&indexed.remarks, CUT)?)
    }

    fn present(&self, path: &AttributePath<'_>, within: bool) -> Result<Both, StoreError> {
        if let Some(edges) = self.edges(path)? {
            return Ok(if within {
                Both::one_way(edges)
            } else {
                edges.map_or_else(Both::unknown, Both::exact)
            });
        }
        let path = path.to_string();
        if ["id", "meta", "meta.created", "meta.lastModified", "meta.resourceType"].contains(&path.as_str()) {
            return Ok(Both::constant(true));
        }
        let Some(indexed) = self.indexed(&path)? else { return Ok(Both::unknown()) };
        let from = match indexed.kind {
            Type::String | Type::Reference | Type::Binary => (String::new(), false),
            _ => (String::new(), true),
        };
        let test = Test::Range { from: Some(from), to: Some((MISSING.to_owned(), false)) };
        Ok(Both::of_values(indexed, test, true, within))
    }

    fn compare(
        &self,
        path: &AttributePath<'_>,
        operator: Operator,
        value: Comparand<'_>,
        within: bool,
    ) -> Result<Both, StoreError> {
        if operator == Operator::Ne {
            let Both { yes, no } = self.compare(path, Operator::Eq, value, within)?;
            // Of several values one may equal, and another not: only where `eq` is known to be false is
            // `ne` known to be true.
            let single = !within && self.is_single(path);
            return Ok(if single {
                Both { yes: no, no: yes }
            } else {
                Both { yes: Narrowed::all(), no: yes.inexact() }
            });
        }
        if value == Comparand::Null {
            return self.null(path, within);
        }
        if matches!(value, Comparand::Text { key, .. } if !is_storable(key)) {
            return Ok(Both::unknown());
        }
        let name = path.to_string();
        if path.urn.is_none() {
            match (path.attribute, path.sub, value) {
                ("id", None, Comparand::Text { key, .. }) => return self.id(operator, key),
                ("meta", Some("created" | "lastModified"), Comparand::Instant(instant)) => {
                    let set = match times(operator, instant) {
                        None => Set::Nothing,
                        Some((from, to)) if path.sub == Some("created") => {
                            Set::Leaf(Leaf::Created { from, to })
                        }
                        Some((from, to)) => Set::Leaf(Leaf::Modified { from, to }),
                    };
                    return Ok(Both::of(Narrowed { set, exact: true }));
                }
                ("meta", Some("resourceType"), Comparand::Text { key, case_exact, .. }) => {
                    let own = self.resource_type.name();
                    let own = comparable(own, case_exact);
                    return Ok(Both::constant(text_holds(operator, &own, key)));
                }
                ("id" | "meta", ..) => return Ok(Both::unknown()),
                _ => {}
            }
            if let Comparand::Text { key, case_exact: false, .. } = value
                && path.sub == Some("value")
            {
                if self.is_membership(path.attribute) {
                    return Ok(self.holders(operator, key, within));
                }
                if self.is_inverse(path.attribute) {
                    return self.members(path.attribute, operator, key, within);
                }
            }
        }
        let Some(indexed) = self.indexed(&name)? else { return Ok(Both::unknown()) };
        let (test, exact) = match value {
            Comparand::Text { base: Some(_), .. } => return Ok(Both::unknown()),
            Comparand::Text { key, case_exact, base: None } => {
                if case_exact != indexed.case_exact {
                    return Ok(Both::unknown());
                }
                match text_test(operator, key) {
                    Some((test @ (Test::Contains(_) | Test::EndsWith(_)), exact)) => {
                        // The end of a cut value is not there to be searched.
                        if self.has(&indexed.remarks, CUT)? {
                            return Ok(Both::unknown());
                        }
                        (test, exact)
                    }
                    Some(test) => test,
                    None if matches!(operator, Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le) => {
                        return Ok(Both::unknown());
                    }
                    // No value that has a key can equal it, or begin or end with it, or contain it.
                    None => {
                        let none = Narrowed { set: Set::Nothing, exact: true };
                        return Ok(if within {
                            Both { yes: none, no: Narrowed::all() }
                        } else {
                            Both::of(none)
                        });
                    }
                }
            }
            Comparand::Bool { missing_is_false: true, .. } => return Ok(Both::unknown()),
            Comparand::Bool { value, missing_is_false: false } => {
                (Test::Eq(bool_key(value).to_owned()), true)
            }
            Comparand::Instant(instant) => (key_test(operator, instant_key(instant)), true),
            Comparand::Number { nearest, exact } if !nearest.is_nan() => {
                // Of numbers that have the same key as the value some may be greater, some less.
                let operator = match operator {
                    Operator::Gt if !exact => Operator::Ge,
                    Operator::Lt if !exact => Operator::Le,
                    operator => operator,
                };
                (key_test(operator, number_key(nearest)), exact)
            }
            _ => return Ok(Both::unknown()),
        };
        Ok(Both::of_values(indexed, test, exact, within))
    }

    fn null(&self, path: &AttributePath<'_>, within: bool) -> Result<Both, StoreError> {
        if within {
            return Ok(Both::unknown());
        }
        if let Some(edges) = self.edges(path)? {
            let Some(leaf) = edges else { return Ok(Both::unknown()) };
            let Both { yes, no } = Both::exact(leaf);
            return Ok(Both { yes: no, no: yes });
        }
        if path.urn.is_none() && (path.attribute == "id" || path.attribute == "meta") {
            return Ok(Both::unknown());
        }
        Ok(match self.indexed(&path.to_string())? {
            Some(indexed) if indexed.single => {
                Both::of_values(indexed, Test::Eq(MISSING.to_owned()), true, false)
            }
            _ => Both::unknown(),
        })
    }

    fn id(&self, operator: Operator, key: &str) -> Result<Both, StoreError> {
        let odd_ids = self.has_name(FOLDED_ID)?;
        let Some((test, exact)) = text_test(operator, key) else {
            return Ok(Both::unknown());
        };
        Ok(match test {
            _ if !odd_ids && key.len() <= SHORT => {
                Both::of(Narrowed { set: Set::Leaf(Leaf::Id(test)), exact })
            }
            Test::Eq(_) => {
                let own = Set::Leaf(Leaf::Id(Test::Eq(key.to_owned())));
                let test = Test::Eq(cut(&fold(key)).to_owned());
                let folded = Leaf::Value { attribute: FOLDED_ID.to_owned(), single: true, test };
                Both::of(Narrowed { set: Set::or([own, Set::Leaf(folded)]), exact: false })
            }
            _ => Both::unknown(),
        })
    }

    /// Resources by their members.
    fn holders(&self, operator: Operator, key: &str, within: bool) -> Both {
        let searched = matches!(operator, Operator::Eq | Operator::Sw | Operator::Co | Operator::Ew);
        match text_test(operator, key) {
            Some((test, exact)) if searched && !key.is_empty() && key.len() <= SHORT => {
                let yes = Narrowed { set: Set::Leaf(Leaf::Holders(test)), exact };
                if within { Both { yes, no: Narrowed::all() } } else { Both::of(yes) }
            }
            _ => Both::unknown(),
        }
    }

    /// Resources by what they are members of, directly or through others.
    fn members(
        &self,
        inverse: &str,
        operator: Operator,
        key: &str,
        within: bool,
    ) -> Result<Both, StoreError> {
        if operator != Operator::Eq || key.contains('\0') {
            return Ok(Both::unknown());
        }
        let types = self.holder_types(inverse);
        let mut of = Vec::new();
        for name in &types {
            self.session.query(
                "SELECT id FROM scim_resources WHERE tenant = ?1 AND type = ?2 AND id = ?3
                 UNION ALL SELECT id FROM scim_values
                 WHERE tenant = ?1 AND type = ?2 AND attribute = ?4 AND value = ?5",
                params![self.tenant.as_str(), name, key, FOLDED_ID, cut(key)],
                |row| {
                    let id = row.text(0)?;
                    if fold(id) == key {
                        of.push(id.to_owned());
                    }
                    Ok::<_, DatabaseError>(())
                },
            )?;
        }
        let set = match of.len() {
            0 => Set::Nothing,
            _ => Set::Leaf(Leaf::Members { of, types, depth: MAX_NESTING }),
        };
        let yes = Narrowed { set, exact: true };
        Ok(if within { Both { yes, no: Narrowed::all() } } else { Both::of(yes) })
    }

    /// Where the attribute is made of edges: those that have any; the inner `None` where that can't be told.
    fn edges(&self, path: &AttributePath<'_>) -> Result<Option<Option<Leaf>>, StoreError> {
        let whole = path.urn.is_none() && matches!(path.sub, None | Some("value"));
        if whole && self.is_membership(path.attribute) {
            return Ok(Some(Some(Leaf::HaveMembers)));
        }
        if whole && self.is_inverse(path.attribute) {
            // Edges are looked up by the folded id of the member.
            let folded = self.has_name(FOLDED_ID)?;
            let types = self.holder_types(path.attribute);
            return Ok(Some((!folded && !types.is_empty()).then_some(Leaf::AreMembers { types })));
        }
        Ok(None)
    }

    fn is_membership(&self, attribute: &str) -> bool {
        self.resource_type.membership().is_some_and(|m| m.attribute() == attribute)
    }

    fn is_inverse(&self, attribute: &str) -> bool {
        self.resource_type.inverses().iter().any(|inverse| inverse == attribute)
    }

    /// The types of resources whose members show them under that attribute.
    fn holder_types(&self, inverse: &str) -> Vec<String> {
        let types = self.registry.resource_types().iter();
        let holders = types.filter(|t| t.membership().and_then(|m| m.inverse()) == Some(inverse));
        holders.map(|t| t.name().to_owned()).collect()
    }

    fn is_single(&self, path: &AttributePath<'_>) -> bool {
        let target = self.resource_type.resolve(path).and_then(scim_schema::Target::attribute);
        target.is_some_and(|located| !located.attribute.multi_valued() && !located.leaf().multi_valued())
    }

    /// The indexed attribute of that path, if its keys say all that the filter wants to know.
    fn indexed(&self, path: &str) -> Result<Option<&'q Indexed>, StoreError> {
        let Some(indexed) = self.index.find(self.resource_type.name(), path) else { return Ok(None) };
        Ok((!self.has(&indexed.remarks, ODD)?).then_some(indexed))
    }

    /// Whether there is that remark on an attribute.
    fn has(&self, name: &str, remark: &'static str) -> Result<bool, StoreError> {
        self.look(
            name,
            remark,
            "SELECT 1 FROM scim_values WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND value = ?4 LIMIT 1",
        )
    }

    fn has_name(&self, name: &str) -> Result<bool, StoreError> {
        // Every text is greater than the empty one.
        self.look(
            name,
            "",
            "SELECT 1 FROM scim_values WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND value >= ?4 LIMIT 1",
        )
    }

    fn look(&self, name: &str, remark: &'static str, sql: &str) -> Result<bool, StoreError> {
        let asked = (name.to_owned(), remark);
        if let Some(known) = self.remarks.borrow().get(&asked) {
            return Ok(*known);
        }
        let params = params![self.tenant.as_str(), self.resource_type.name(), name, remark];
        let found = self.session.first(sql, params, |_| Ok::<_, DatabaseError>(()))?.is_some();
        self.remarks.borrow_mut().insert(asked, found);
        Ok(found)
    }
}

impl Narrowed {
    pub(crate) fn all() -> Self {
        Self { set: Set::All, exact: false }
    }

    fn inexact(self) -> Self {
        Self { exact: self.set == Set::Nothing, ..self }
    }

    fn and(self, other: Self) -> Self {
        let exact = self.exact && other.exact;
        let set = Set::and([self.set, other.set]);
        Self { exact: exact || set == Set::Nothing, set }
    }

    fn or(self, other: Self) -> Self {
        let all = |n: &Self| n.exact && n.set == Set::All;
        let exact = self.exact && other.exact || all(&self) || all(&other);
        Self { exact, set: Set::or([self.set, other.set]) }
    }
}

impl Both {
    fn unknown() -> Self {
        Self { yes: Narrowed::all(), no: Narrowed::all() }
    }

    fn constant(value: bool) -> Self {
        Self::of(Narrowed { set: if value { Set::All } else { Set::Nothing }, exact: true })
    }

    fn exact(leaf: Leaf) -> Self {
        Self::of(Narrowed { set: Set::Leaf(leaf), exact: true })
    }

    /// Of what is true of one value nothing follows where it is not.
    fn one_way(leaf: Option<Leaf>) -> Self {
        let Some(leaf) = leaf else { return Self::unknown() };
        Self { yes: Narrowed { set: Set::Leaf(leaf), exact: true }, no: Narrowed::all() }
    }

    fn of(yes: Narrowed) -> Self {
        let no = if yes.exact {
            Narrowed { set: yes.set.clone().complement(), exact: true }
        } else {
            Narrowed::all()
        };
        Self { yes, no }
    }

    fn of_values(indexed: &Indexed, test: Test, exact: bool, within: bool) -> Self {
        let leaf = Leaf::Value { attribute: indexed.path.to_string(), single: indexed.single, test };
        let yes = Narrowed { set: Set::Leaf(leaf), exact };
        if within { Self { yes, no: Narrowed::all() } } else { Self::of(yes) }
    }
}

/// The test on keys for a comparison with a text, and whether it is exact. `None`: no key passes, or it
/// can't be told.
fn text_test(operator: Operator, key: &str) -> Option<(Test, bool)> {
    if key.starts_with(MISSING) || key.contains('\0') {
        return None;
    }
    let short = key.len() <= SHORT;
    let own = cut(key).to_owned();
    let below_missing = || Some((MISSING.to_owned(), false));
    let test = match operator {
        Operator::Eq => Test::Eq(own),
        Operator::Sw => {
            Test::Range { to: after_prefix(&own).map(|end| (end, false)), from: Some((own, true)) }
        }
        // In these the key is whole: what does not fit into a key is in none.
        Operator::Co if key.is_empty() => Test::Range { from: None, to: below_missing() },
        Operator::Ew if key.is_empty() => Test::Range { from: None, to: below_missing() },
        Operator::Co => return Some((Test::Contains(key.to_owned()), true)),
        Operator::Ew => return Some((Test::EndsWith(key.to_owned()), true)),
        _ if short => key_test(operator, own),
        Operator::Gt | Operator::Ge => key_test(Operator::Ge, own),
        Operator::Lt | Operator::Le => key_test(Operator::Le, own),
        Operator::Ne => return None,
    };
    Some((test, short))
}

/// The test for an order of keys.
fn key_test(operator: Operator, key: String) -> Test {
    let below_missing = Some((MISSING.to_owned(), false));
    match operator {
        Operator::Gt => Test::Range { from: Some((key, false)), to: below_missing },
        Operator::Ge => Test::Range { from: Some((key, true)), to: below_missing },
        Operator::Lt => Test::Range { from: None, to: Some((key, false)) },
        Operator::Le => Test::Range { from: None, to: Some((key, true)) },
        _ => Test::Eq(key),
    }
}

/// The microseconds, both ends included, of the times of resources that stand in that relation to an
/// instant; `None` for none.
fn times(operator: Operator, instant: DateTime) -> Option<(i64, i64)> {
    // Microseconds of an instant are rounded down, those of a resource are exact.
    let floor = instant.unix_micros();
    let whole = DateTime::from_unix_micros(floor) == instant;
    match operator {
        Operator::Eq => whole.then_some((floor, floor)),
        Operator::Ge if whole => Some((floor, i64::MAX)),
        Operator::Gt | Operator::Ge => Some((floor.checked_add(1)?, i64::MAX)),
        Operator::Lt if whole => Some((i64::MIN, floor.checked_sub(1)?)),
        Operator::Lt | Operator::Le => Some((i64::MIN, floor)),
        Operator::Ne | Operator::Co | Operator::Sw | Operator::Ew => None,
    }
}

fn text_holds(operator: Operator, value: &str, key: &str) -> bool {
    match operator {
        Operator::Eq => value == key,
        Operator::Ne => value != key,
        Operator::Co => value.contains(key),
        Operator::Sw => value.starts_with(key),
        Operator::Ew => value.ends_with(key),
        Operator::Gt => value > key,
        Operator::Ge => value >= key,
        Operator::Lt => value < key,
        Operator::Le => value <= key,
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
    // All texts have the empty prefix; a missing value has none.
    Some(MISSING.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_start_with_it() {
        for (prefix, end) in [("a", "b"), ("a\u{10ffff}", "b"), ("\u{d7ff}", "\u{e000}"), ("ab", "ac")] {
            assert_eq!(after_prefix(prefix).as_deref(), Some(end));
        }
        assert_eq!(after_prefix("").as_deref(), Some(MISSING));
    }

    #[test]
    fn times_between_microseconds_are_those_before_or_after() {
        let whole = DateTime::from_unix_micros(7);
        let between = DateTime::parse("1970-01-01T00:00:00.0000075Z").unwrap();
        for (operator, at_whole, at_between) in [
            (Operator::Eq, Some((7, 7)), None),
            (Operator::Gt, Some((8, i64::MAX)), Some((8, i64::MAX))),
            (Operator::Ge, Some((7, i64::MAX)), Some((8, i64::MAX))),
            (Operator::Lt, Some((i64::MIN, 6)), Some((i64::MIN, 7))),
            (Operator::Le, Some((i64::MIN, 7)), Some((i64::MIN, 7))),
        ] {
            assert_eq!(times(operator, whole), at_whole, "{operator}");
            assert_eq!(times(operator, between), at_between, "{operator}");
        }
    }
}
