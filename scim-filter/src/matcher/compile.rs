//! From the nodes of a filter to a program for one resource type, or for the values of one attribute.

use compact_str::CompactString;
use scim_schema::{Attribute, AttributePath, DateTime, Extension, Located, ResourceType, Target, Type};

use super::MatchOptions;
use super::error::{FilterError, FilterErrorKind};
use super::number::Decimal;
use super::program::{ACCEPT, Check, Joint, Leaf, Member, Place, Program, REJECT, Step, Test};
use super::text::TextCheck;
use crate::filter::{Filter, Literal, Node, Operator};

/// What paths of a filter are looked up in.
#[derive(Clone, Copy)]
pub(super) enum Scope<'t> {
    /// A resource.
    Type(&'t ResourceType),
    /// One value of an attribute.
    Values(&'t Attribute),
}

pub(super) fn compile(
    filter: &Filter<'_>,
    scope: Scope<'_>,
    options: &MatchOptions,
) -> Result<Program, FilterError> {
    let nodes = filter.nodes();
    let layout = Layout::new(nodes);
    let mut steps = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let slot = layout.slots.get(at).copied().unwrap_or_default();
        let test = match slot.owner.and_then(|owner| nodes.get(owner)) {
            Some(Node::ValuePath { path, .. }) => match value_path_attribute(filter.path(*path), scope)? {
                Some((_, attribute)) => test(filter, *node, Scope::Values(attribute), options)?,
                None => Test::Constant(false),
            },
            _ => test(filter, *node, scope, options)?,
        };
        steps.push(Step { test, yes: slot.yes, no: slot.no });
    }
    Ok(Program { steps, start: layout.start })
}

/// Where each node stands: where to go on from it, in which value path it is.
struct Layout {
    slots: Vec<Slot>,
    start: usize,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    yes: usize,
    no: usize,
    owner: Option<usize>,
}

impl Layout {
    /// Goes from the root, which is last, to the leaves. Conditions are met in the order of the text, so
    /// the first condition of a right side is the node behind the left side; a value path is met before
    /// the conditions inside it.
    fn new(nodes: &[Node]) -> Self {
        let mut first: Vec<usize> = (0..nodes.len()).collect();
        for (at, node) in nodes.iter().enumerate() {
            if let Node::ValuePath { start, .. } = node
                && let Some(first) = first.get_mut(start.get())
            {
                *first = at;
            }
        }
        let entry = |at: usize| first.get(at).copied().unwrap_or(REJECT);
        let root = Slot { yes: ACCEPT, no: REJECT, owner: None };
        let mut slots = vec![root; nodes.len()];
        for (at, node) in nodes.iter().enumerate().rev() {
            let slot = slots.get(at).copied().unwrap_or_default();
            let mut set = |at: usize, slot: Slot| {
                if let Some(place) = slots.get_mut(at) {
                    *place = slot;
                }
            };
            let last = at.wrapping_sub(1);
            match node {
                Node::And { left } => {
                    set(left.get(), Slot { yes: entry(left.get() + 1), ..slot });
                    set(last, slot);
                }
                Node::Or { left } => {
                    set(left.get(), Slot { no: entry(left.get() + 1), ..slot });
                    set(last, slot);
                }
                Node::Not => set(last, Slot { yes: slot.no, no: slot.yes, ..slot }),
                Node::ValuePath { .. } => {
                    set(last, Slot { yes: ACCEPT, no: REJECT, owner: Some(at) });
                }
                Node::Compare { .. } | Node::Present(_) => {}
            }
        }
        Self { slots, start: entry(0) }
    }
}

fn test(
    filter: &Filter<'_>,
    node: Node,
    scope: Scope<'_>,
    options: &MatchOptions,
) -> Result<Test, FilterError> {
    let (path, comparison) = match node {
        Node::And { .. } => return Ok(Test::Joint(Joint::And)),
        Node::Or { .. } => return Ok(Test::Joint(Joint::Or)),
        Node::Not => return Ok(Test::Joint(Joint::Not)),
        Node::ValuePath { path, start } => {
            return Ok(match value_path_attribute(filter.path(path), scope)? {
                Some((extension, attribute)) => {
                    Test::ValuePath { place: place(extension, attribute), start: start.get() }
                }
                None => Test::Nowhere { start: start.get() },
            });
        }
        Node::Present(path) => (filter.path(path), None),
        Node::Compare { path, operator, value } => {
            (filter.path(path), Some((operator, filter.literal(value))))
        }
    };
    let fail = |kind| FilterError::new(kind, path);
    if let Some((operator, Literal::Null)) = comparison
        && !matches!(operator, Operator::Eq | Operator::Ne)
    {
        return Err(fail(FilterErrorKind::NullOrder));
    }
    match scope {
        Scope::Values(attribute) => {
            let sub = element_sub(&path, attribute).ok_or(fail(FilterErrorKind::UnknownSubAttribute))?;
            leaf(attribute, sub, comparison, options).map(Test::Element).map_err(fail)
        }
        Scope::Type(resource_type) => match resource_type.resolve(&path) {
            None => Ok(Test::Constant(without_value(comparison))),
            Some(Target::Extension(extension)) if comparison.is_none() => Ok(extension_test(extension)),
            Some(Target::Extension(_)) => Err(fail(FilterErrorKind::ExtensionOperator)),
            Some(Target::Attribute(Located { extension, attribute, sub })) => {
                let leaf = leaf(attribute, sub, comparison, options).map_err(fail)?;
                Ok(Test::Attribute { place: place(extension, attribute), leaf })
            }
        },
    }
}

/// What a condition says of an attribute without value.
fn without_value(comparison: Option<(Operator, Literal<'_>)>) -> bool {
    match comparison {
        Some((Operator::Eq, Literal::Null)) => true,
        Some((Operator::Ne, value)) => value != Literal::Null,
        _ => false,
    }
}

/// The attribute before brackets; `None` where no schema has it.
fn value_path_attribute<'t>(
    path: AttributePath<'_>,
    scope: Scope<'t>,
) -> Result<Option<(Option<&'t Extension>, &'t Attribute)>, FilterError> {
    let fail = |kind| Err(FilterError::new(kind, path));
    let Scope::Type(resource_type) = scope else { return fail(FilterErrorKind::UnknownSubAttribute) };
    match resource_type.resolve(&path) {
        None => Ok(None),
        Some(Target::Attribute(Located { extension, attribute, sub: None })) => {
            if attribute.is_hidden() {
                fail(FilterErrorKind::Sensitive)
            } else if attribute.is_complex() || attribute.multi_valued() {
                Ok(Some((extension, attribute)))
            } else {
                fail(FilterErrorKind::NotAValuePath)
            }
        }
        Some(_) => fail(FilterErrorKind::NotAValuePath),
    }
}

/// The sub-attribute that a path inside brackets names. Values of a simple attribute are called `value`
/// (ledger choice `simple-value-path`).
pub(super) fn element_sub<'t>(
    path: &AttributePath<'_>,
    attribute: &'t Attribute,
) -> Option<Option<&'t Attribute>> {
    if path.urn.is_some() || path.sub.is_some() {
        return None;
    }
    if attribute.is_complex() {
        attribute.sub_attribute(path.attribute).map(Some)
    } else {
        path.attribute.eq_ignore_ascii_case("value").then_some(None)
    }
}

fn leaf<'t>(
    attribute: &'t Attribute,
    mut sub: Option<&'t Attribute>,
    comparison: Option<(Operator, Literal<'_>)>,
    options: &MatchOptions,
) -> Result<Leaf, FilterErrorKind> {
    let hidden = |sub: Option<&Attribute>| attribute.is_hidden() || sub.is_some_and(Attribute::is_hidden);
    if hidden(sub) {
        return Err(FilterErrorKind::Sensitive);
    }
    let check = match comparison {
        None => {
            let leaf = sub.unwrap_or(attribute);
            Check::Present { hidden: hidden_names(leaf.sub_attributes()) }
        }
        Some((operator, literal)) => {
            let mut leaf = sub.unwrap_or(attribute);
            if leaf.is_complex() {
                let value = if sub.is_none() { leaf.sub_attribute("value") } else { None };
                leaf = value.ok_or(FilterErrorKind::NeedsSubAttribute)?;
                if hidden(value) {
                    return Err(FilterErrorKind::Sensitive);
                }
                // Whether a complex attribute is assigned does not depend on its `value` alone.
                sub = if literal == Literal::Null { None } else { value };
            }
            let missing_is_false =
                sub.is_some_and(|s| s.name().eq_ignore_ascii_case("primary")) && attribute.multi_valued();
            check(leaf, operator, literal, missing_is_false, options)?
        }
    };
    Ok(Leaf { sub: sub.map(|sub| Member::new(sub.name())), check })
}

/// Types a comparison (RFC 7644 table 3, ledger choices `type-mismatch`, `substring-non-string`).
fn check(
    attribute: &Attribute,
    operator: Operator,
    literal: Literal<'_>,
    missing_is_false: bool,
    options: &MatchOptions,
) -> Result<Check, FilterErrorKind> {
    if literal == Literal::Null {
        return Ok(Check::Null { negated: operator == Operator::Ne });
    }
    let kind = attribute.kind();
    let equality = matches!(operator, Operator::Eq | Operator::Ne);
    let substring = matches!(operator, Operator::Co | Operator::Sw | Operator::Ew);
    let supported = match kind {
        Type::String | Type::Reference => true,
        Type::Boolean | Type::Binary | Type::Complex => equality,
        Type::Integer | Type::Decimal | Type::DateTime => !substring,
    };
    if !supported {
        return Err(FilterErrorKind::Operator { operator, kind: kind.as_str() });
    }
    let mismatch = |expected| Err(FilterErrorKind::TypeMismatch { expected });
    match (kind, literal) {
        (Type::Boolean, Literal::Bool(value)) => {
            Ok(Check::Bool { value, negated: operator == Operator::Ne, missing_is_false })
        }
        (Type::Boolean, Literal::String(text)) => match boolean(text) {
            Some(value) => Ok(Check::Bool { value, negated: operator == Operator::Ne, missing_is_false }),
            None => mismatch("true or false"),
        },
        (Type::Boolean, _) => mismatch("true or false"),
        (Type::Integer | Type::Decimal, Literal::Number(text)) => {
            Ok(Check::Number { operator, value: Decimal::parse(text) })
        }
        (Type::Integer | Type::Decimal, _) => mismatch("a number"),
        (Type::DateTime, Literal::String(text)) => match DateTime::parse(text) {
            Some(value) => Ok(Check::Instant { operator, value }),
            None => mismatch("a dateTime such as \"2011-05-13T04:42:34Z\""),
        },
        (Type::DateTime, _) => mismatch("a dateTime such as \"2011-05-13T04:42:34Z\""),
        (_, Literal::String(text)) => {
            let base = if kind == Type::Reference { options.base.clone() } else { None };
            Ok(Check::Text(TextCheck::new(operator, text, attribute.case_exact(), base)))
        }
        _ => mismatch("a string"),
    }
}

/// Entra ID sends booleans as strings (ledger choice `boolean-string`).
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn extension_test(extension: &Extension) -> Test {
    let schema = extension.schema();
    let shown = schema.attributes().iter().filter(|attribute| !attribute.is_hidden());
    let shown = shown.map(|a| (CompactString::from(a.name()), hidden_names(a.sub_attributes())));
    Test::Extension { urn: CompactString::from(schema.id()), shown: shown.collect() }
}

fn hidden_names(attributes: &[Attribute]) -> Vec<CompactString> {
    attributes.iter().filter(|a| a.is_hidden()).map(|a| CompactString::from(a.name())).collect()
}

fn place(extension: Option<&Extension>, attribute: &Attribute) -> Place {
    Place {
        extension: extension.map(|extension| Member::new(extension.schema().id())),
        attribute: Member::new(attribute.name()),
    }
}
