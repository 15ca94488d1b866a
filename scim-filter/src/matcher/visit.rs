//! A typed filter as a tree, for those who translate it.

use scim_schema::{AttributePath, DateTime};

use super::program::{Check, Joint, Leaf, Place, Program, Test};
use crate::filter::Operator;

/// One step of [`Matcher::post_order`](super::Matcher::post_order).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TypedVisit<'m> {
    /// The expression.
    pub expr: TypedExpr<'m>,
    /// The attribute of the value path around the expression, if there is one: then it is about one value
    /// of that attribute, not about any.
    pub within: Option<AttributePath<'m>>,
}

/// An expression of a filter, its names and values as the resource type has them.
///
/// Paths are canonical; the URN is that of the extension, base attributes have none. Inside a value path
/// they begin with its attribute all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TypedExpr<'m> {
    /// Both match.
    And,
    /// One or both match.
    Or,
    /// The last one does not match.
    Not,
    /// What is so for each resource of the type: its schemas don't have the attribute.
    Constant(bool),
    /// One value of the attribute matches the last one.
    ValuePath(AttributePath<'m>),
    /// `pr` of an attribute or sub-attribute.
    Present(AttributePath<'m>),
    /// `pr` of the extension with that URN.
    Extension(&'m str),
    /// One value of the attribute stands in that relation to the value; an attribute without values acts
    /// as the single value null (ledger choice `ne-unassigned`).
    Compare {
        /// The attribute; for `emails eq "x"` it is `emails.value`.
        path: AttributePath<'m>,
        /// The relation.
        operator: Operator,
        /// What to compare with.
        value: Comparand<'m>,
    },
}

/// The value of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Comparand<'m> {
    /// No value. The operator is `eq` or `ne`, and the path is as written: `emails`, not `emails.value`.
    Null,
    /// A string.
    Text {
        /// Its comparison form: [`scim_schema::normalize`] or, where letter case does not count,
        /// [`scim_schema::fold`] of the string. Values compare in that form too, by code point.
        key: &'m str,
        /// Whether letter case counts.
        case_exact: bool,
        /// What is put in front of values that are relative references before they are compared.
        base: Option<&'m str>,
    },
    /// A boolean. The operator is `eq` or `ne`.
    Bool {
        /// The value.
        value: bool,
        /// Whether a value of a multi-valued attribute that lacks the sub-attribute has it as false, which
        /// is so of `primary`.
        missing_is_false: bool,
    },
    /// A number.
    Number {
        /// The nearest double. Numbers compare by value; their nearest doubles are in the same order, but
        /// numbers that differ may have the same one.
        nearest: f64,
        /// Whether values that have the same nearest double are equal.
        exact: bool,
    },
    /// An instant.
    Instant(DateTime),
}

pub(super) fn post_order(program: &Program) -> impl Iterator<Item = TypedVisit<'_>> {
    let mut brackets = vec![Brackets::None; program.steps.len()];
    for (at, step) in program.steps.iter().enumerate() {
        let (start, around) = match &step.test {
            Test::ValuePath { place, start } => (*start, Brackets::Of(place)),
            Test::Nowhere { start } => (*start, Brackets::Nowhere),
            _ => continue,
        };
        brackets.iter_mut().take(at).skip(start).for_each(|slot| *slot = around);
    }
    program.steps.iter().zip(brackets).filter_map(|(step, around)| {
        let owner = match around {
            Brackets::None => None,
            Brackets::Of(place) => Some(place),
            Brackets::Nowhere => return None,
        };
        let expr = match (&step.test, owner) {
            (Test::Joint(Joint::And), _) => TypedExpr::And,
            (Test::Joint(Joint::Or), _) => TypedExpr::Or,
            (Test::Joint(Joint::Not), _) => TypedExpr::Not,
            (Test::Constant(value), _) => TypedExpr::Constant(*value),
            (Test::Nowhere { .. }, _) => TypedExpr::Constant(false),
            (Test::ValuePath { place, .. }, _) => TypedExpr::ValuePath(place.path(None)),
            (Test::Extension { urn, .. }, _) => TypedExpr::Extension(urn),
            (Test::Attribute { place, leaf }, _) | (Test::Element(leaf), Some(place)) => leaf.typed(place),
            (Test::Element(_), None) => return None,
        };
        Some(TypedVisit { expr, within: owner.map(|place| place.path(None)) })
    })
}

/// What brackets a step stands in.
#[derive(Clone, Copy)]
enum Brackets<'p> {
    None,
    Of(&'p Place),
    /// Behind an attribute that the type does not have.
    Nowhere,
}

impl Place {
    fn path<'m>(&'m self, sub: Option<&'m str>) -> AttributePath<'m> {
        let urn = self.extension.as_ref().map(|urn| urn.name.as_str());
        AttributePath { urn, attribute: &self.attribute.name, sub }
    }
}

impl Leaf {
    fn typed<'m>(&'m self, place: &'m Place) -> TypedExpr<'m> {
        let path = place.path(self.sub.as_ref().map(|sub| sub.name.as_str()));
        let compare = |operator, value| TypedExpr::Compare { path, operator, value };
        let equality = |negated: bool| if negated { Operator::Ne } else { Operator::Eq };
        match &self.check {
            Check::Present { .. } => TypedExpr::Present(path),
            Check::Null { negated } => compare(equality(*negated), Comparand::Null),
            Check::Bool { value, negated, missing_is_false } => compare(
                equality(*negated),
                Comparand::Bool { value: *value, missing_is_false: *missing_is_false },
            ),
            Check::Number { operator, value } => {
                let (nearest, exact) = value.nearest();
                compare(*operator, Comparand::Number { nearest, exact })
            }
            Check::Instant { operator, value } => compare(*operator, Comparand::Instant(*value)),
            Check::Text(text) => compare(
                text.operator(),
                Comparand::Text { key: text.key(), case_exact: text.is_exact(), base: text.base() },
            ),
        }
    }
}
