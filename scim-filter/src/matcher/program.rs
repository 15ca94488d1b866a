//! What a typed filter is compiled to: tests with jumps, so that evaluation needs no stack.

use std::sync::atomic::{AtomicUsize, Ordering};

use compact_str::CompactString;
use scim_schema::{DateTime, Object, Resource, Value};

use super::number::Decimal;
use super::text::TextCheck;
use crate::filter::Operator;

/// The jump target that means "matches". Targets other than these two lie ahead of the step.
pub(super) const ACCEPT: usize = usize::MAX;
/// The jump target that means "does not match".
pub(super) const REJECT: usize = usize::MAX - 1;

/// Steps at the same places as the nodes they are made from.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// The first step.
    pub(super) start: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) test: Test,
    pub(super) yes: usize,
    pub(super) no: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Steps of `and`, `or` and `not` are never reached: their operands jump past them.
    Joint(Joint),
    /// What is known without a resource.
    Constant(bool),
    /// Whether the extension's object holds a value that may be read.
    ///
    /// The attributes that may be read are listed, each with its sub-attributes that may not.
    Extension { urn: CompactString, shown: Vec<(CompactString, Vec<CompactString>)> },
    /// A condition on an attribute.
    Attribute { place: Place, leaf: Leaf },
    /// A value path on an attribute that the type does not have: the steps from `start` are never reached.
    Nowhere { start: usize },
    /// Whether one value of the attribute passes the steps from `start`.
    ValuePath { place: Place, start: usize },
    /// A condition on the value at hand, inside a value path.
    Element(Leaf),
}

/// What puts conditions together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Joint {
    And,
    Or,
    Not,
}

/// Where an attribute is in a resource.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The URN of its extension.
    pub(super) extension: Option<Member>,
    pub(super) attribute: Member,
}

/// A member of an object, and where it was found last: resources of one type mostly have it in the same place.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: CompactString,
    place: AtomicUsize,
}

impl Member {
    pub(super) fn new(name: &str) -> Self {
        Self { name: CompactString::from(name), place: AtomicUsize::new(0) }
    }

    #[inline]
    fn value<'r>(&self, object: &'r Object) -> Option<&'r Value> {
        let last = self.place.load(Ordering::Relaxed);
        let (place, value) = object.find(&self.name, last)?;
        if place != last {
            self.place.store(place, Ordering::Relaxed);
        }
        Some(value)
    }
}

impl Clone for Member {
    fn clone(&self) -> Self {
        Self::new(&self.name)
    }
}

impl Place {
    /// Whether this is the attribute `name` or `{urn}:{name}`, or in the extension `{urn}`.
    pub(super) fn is(&self, path: &str) -> bool {
        match &self.extension {
            Some(urn) => path
                .strip_prefix(urn.name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':') == Some(&self.attribute.name)),
            None => self.attribute.name == path,
        }
    }

    #[inline]
    fn value<'r>(&self, resource: &'r Resource) -> Option<&'r Value> {
        let attributes = resource.attributes();
        match &self.extension {
            Some(urn) => self.attribute.value(urn.value(attributes)?.as_object()?),
            None => self.attribute.value(attributes),
        }
    }
}

/// A check on an attribute or on one sub-attribute.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) sub: Option<Member>,
    pub(super) check: Check,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    /// `pr`; sub-attributes that nobody may read don't count.
    Present { hidden: Vec<CompactString> },
    /// `eq null`, or `ne null`.
    Null { negated: bool },
    /// `eq` or `ne` with a boolean.
    Bool { value: bool, negated: bool, missing_is_false: bool },
    /// A comparison of numbers.
    Number { operator: Operator, value: Decimal },
    /// A comparison of instants.
    Instant { operator: Operator, value: DateTime },
    /// A comparison of strings.
    Text(TextCheck),
}

impl Program {
    pub(super) fn matches(&self, resource: &Resource) -> bool {
        self.run(self.start, |test| match test {
            Test::Constant(result) => *result,
            Test::Extension { urn, shown } => {
                let has = |name: &str, hidden: &[CompactString]| {
                    let value = resource.get(urn).and_then(|container| container.get(name));
                    value.is_some_and(|value| is_present(value, hidden))
                };
                shown.iter().any(|(name, hidden)| has(name, hidden))
            }
            Test::Attribute { place, leaf } => leaf.matches(place.value(resource)),
            Test::ValuePath { place, start } => {
                let values = place.value(resource).map(Value::elements).unwrap_or_default();
                values.iter().any(|value| self.value_matches(*start, value))
            }
            Test::Element(_) | Test::Joint(_) | Test::Nowhere { .. } => false,
        })
    }

    /// Runs steps of a value path on one value.
    pub(super) fn value_matches(&self, start: usize, value: &Value) -> bool {
        !value.is_unassigned()
            && self.run(start, |test| match test {
                Test::Element(leaf) => leaf.matches_one(value),
                _ => false,
            })
    }

    #[inline]
    fn run(&self, start: usize, test: impl Fn(&Test) -> bool) -> bool {
        let mut at = start;
        while let Some(step) = self.steps.get(at) {
            at = if test(&step.test) { step.yes } else { step.no };
        }
        at == ACCEPT
    }
}

impl Leaf {
    /// Any value of the attribute will do (RFC 7644 §3.4.2.2).
    #[inline]
    fn matches(&self, value: Option<&Value>) -> bool {
        match (value, &self.check, &self.sub) {
            // By far the most conditions: one string.
            (Some(Value::String(value)), Check::Text(text), None) => text.matches(value),
            _ => self.matches_any(value),
        }
    }

    fn matches_any(&self, value: Option<&Value>) -> bool {
        any(value, |value| match value {
            Some(value) => self.matches_one(value),
            None => self.check.matches(None),
        })
    }

    /// On one value of the attribute.
    fn matches_one(&self, value: &Value) -> bool {
        match &self.sub {
            Some(sub) => {
                let value = value.as_object().and_then(|object| sub.value(object));
                any(value, |value| self.check.matches_part(value))
            }
            None => self.check.matches(Some(value)),
        }
    }
}

/// Whether one of the values passes; an attribute without values acts as the single value null (ledger
/// choice `ne-unassigned`).
fn any(value: Option<&Value>, test: impl Fn(Option<&Value>) -> bool) -> bool {
    let mut values = value.map(Value::elements).unwrap_or_default().iter().filter(|v| !v.is_unassigned());
    match values.next() {
        None => test(None),
        Some(first) => test(Some(first)) || values.any(|value| test(Some(value))),
    }
}

impl Check {
    /// On a sub-attribute of a value; a missing `primary` is false (RFC 7643 §2.4).
    fn matches_part(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Bool { value, negated, missing_is_false: true }, None) => *value == *negated,
            _ => self.matches(value),
        }
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            return match self {
                Self::Present { .. } => false,
                Self::Null { negated } => !*negated,
                Self::Bool { negated, .. } => *negated,
                Self::Number { operator, .. } | Self::Instant { operator, .. } => *operator == Operator::Ne,
                Self::Text(text) => text.operator() == Operator::Ne,
            };
        };
        match (self, value) {
            (Self::Present { hidden }, value) => is_present(value, hidden),
            (Self::Null { negated }, _) => *negated,
            (Self::Bool { value: wanted, negated, .. }, Value::Bool(value)) => (wanted == value) != *negated,
            (Self::Number { operator, value: wanted }, Value::Number(value)) => {
                holds(*operator, Decimal::compare_stored(value, *wanted))
            }
            (Self::Instant { operator, value: wanted }, Value::String(value)) => {
                holds(*operator, DateTime::parse(value).map(|value| value.cmp(wanted)))
            }
            (Self::Text(text), Value::String(value)) => text.matches(value),
            // A value of another type than the schema says is not identical with anything.
            _ => self.matches(None),
        }
    }
}

/// Whether the order of two values is one that the operator asks for.
fn holds(operator: Operator, order: Option<std::cmp::Ordering>) -> bool {
    let Some(order) = order else { return operator == Operator::Ne };
    match operator {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

/// `pr`: a value that is not empty, or an object or list that holds one. Values of SCIM are at most three
/// levels deep; what lies deeper counts as soon as it is assigned.
fn is_present(value: &Value, hidden: &[CompactString]) -> bool {
    value.elements().iter().any(|value| match value {
        Value::Object(object) => object.iter().any(|(name, value)| {
            !hidden.iter().any(|h| h == name)
                && value.elements().iter().any(|value| match value {
                    Value::Object(object) => object.iter().any(|(_, value)| is_plain_present(value)),
                    value => is_plain_present(value),
                })
        }),
        value => is_plain_present(value),
    })
}

fn is_plain_present(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        value => !value.is_unassigned(),
    }
}
