//! What a filter means: whether it fits the schemas, and whether a resource matches (RFC 7644 §3.4.2.2).

use std::cmp::Ordering;

use serde_json::Value;

use super::compare::{comparable_text, instant, is_unassigned, numbers};
use super::filter::{Expr, Literal, Operator};
use super::schema::{Attribute, AttributePath, Kind, Located, ResourceType, Target};

/// That a filter doesn't fit the schemas: 400 `invalidFilter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidFilter;

/// Whether a filter fits each of the resource types.
///
/// # Errors
/// [`InvalidFilter`] where it does not fit one of them.
pub fn check(filter: &Expr, types: &[ResourceType]) -> Result<(), InvalidFilter> {
    types.iter().try_for_each(|resource_type| check_for(filter, resource_type))
}

fn check_for(filter: &Expr, resource_type: &ResourceType) -> Result<(), InvalidFilter> {
    match filter {
        Expr::Or(terms) | Expr::And(terms) => terms.iter().try_for_each(|t| check_for(t, resource_type)),
        Expr::Not(inner) => check_for(inner, resource_type),
        Expr::Present(path) => match resource_type.resolve(path) {
            Some(Target::Attribute(located)) if is_hidden(&located) => Err(InvalidFilter),
            _ => Ok(()),
        },
        Expr::Compare(path, operator, value) => match resource_type.resolve(path) {
            // Ledger choice `extension-pr`: no other operator.
            Some(Target::Extension(_)) => Err(InvalidFilter),
            Some(Target::Attribute(located)) if is_hidden(&located) => Err(InvalidFilter),
            Some(Target::Attribute(located)) => check_comparison(leaf(&located), *operator, value),
            None => check_null(*operator, value),
        },
        Expr::Values(path, inner) => match resource_type.resolve(path) {
            Some(Target::Attribute(Located { sub: Some(_), .. })) => Err(InvalidFilter),
            Some(Target::Attribute(located)) => check_values(inner, located.attribute),
            Some(Target::Extension(_)) => Err(InvalidFilter),
            None => Ok(()),
        },
    }
}

/// Whether a filter in brackets fits the attribute before them.
pub(super) fn check_values(filter: &Expr, attribute: &Attribute) -> Result<(), InvalidFilter> {
    // Ledger choices `password-filter`, `simple-value-path`.
    if attribute.hidden || (attribute.kind != Kind::Complex && !attribute.multi_valued) {
        return Err(InvalidFilter);
    }
    match filter {
        Expr::Or(terms) | Expr::And(terms) => terms.iter().try_for_each(|t| check_values(t, attribute)),
        Expr::Not(inner) => check_values(inner, attribute),
        Expr::Present(path) => sub_of(attribute, path).map(drop),
        Expr::Compare(path, operator, value) => check_comparison(sub_of(attribute, path)?, *operator, value),
        Expr::Values(..) => Err(InvalidFilter),
    }
}

/// A name in brackets: a sub-attribute, or the implied `value` of a list of simple values.
fn sub_of<'a>(attribute: &'a Attribute, path: &AttributePath) -> Result<&'a Attribute, InvalidFilter> {
    if path.urn.is_some() || path.sub.is_some() {
        return Err(InvalidFilter);
    }
    let found = match attribute.kind {
        Kind::Complex => attribute.sub(&path.attribute),
        _ => path.attribute.eq_ignore_ascii_case("value").then_some(attribute),
    };
    // Ledger choice `unknown-sub-attribute`.
    found.filter(|sub| !sub.hidden).ok_or(InvalidFilter)
}

/// Ledger choice `password-filter`.
fn is_hidden(located: &Located<'_>) -> bool {
    located.attribute.hidden || located.sub.is_some_and(|sub| sub.hidden)
}

fn leaf<'a>(located: &Located<'a>) -> &'a Attribute {
    located.sub.unwrap_or(located.attribute)
}

/// Ledger choice `null-order`.
fn check_null(operator: Operator, value: &Literal) -> Result<(), InvalidFilter> {
    let fits = *value != Literal::Null || matches!(operator, Operator::Eq | Operator::Ne);
    if fits { Ok(()) } else { Err(InvalidFilter) }
}

/// Whether an attribute can be compared in that way (table 3; ledger choices `type-mismatch`,
/// `boolean-string`, `substring-non-string`, `implicit-value`).
fn check_comparison(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<(), InvalidFilter> {
    check_null(operator, value)?;
    let equality = matches!(operator, Operator::Eq | Operator::Ne);
    let substring = matches!(operator, Operator::Co | Operator::Sw | Operator::Ew);
    let fits = match (attribute.kind, value) {
        (Kind::Complex, _) => {
            let value_sub = attribute.sub("value").filter(|sub| !sub.hidden).ok_or(InvalidFilter)?;
            return check_comparison(value_sub, operator, value);
        }
        (_, Literal::Null) => true,
        (Kind::String | Kind::Reference, Literal::Text(_)) => true,
        (Kind::Binary, Literal::Text(_)) => equality,
        (Kind::DateTime, Literal::Text(text)) => !substring && instant(text).is_some(),
        (Kind::Boolean, value) => equality && boolean(value).is_some(),
        (Kind::Integer | Kind::Decimal, Literal::Number(_)) => !substring,
        _ => false,
    };
    if fits { Ok(()) } else { Err(InvalidFilter) }
}

fn boolean(value: &Literal) -> Option<bool> {
    match value {
        Literal::Bool(value) => Some(*value),
        Literal::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Literal::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Whether a resource matches a filter that fits its type.
pub fn matches(filter: &Expr, resource_type: &ResourceType, resource: &Value) -> bool {
    match filter {
        Expr::Or(terms) => terms.iter().any(|t| matches(t, resource_type, resource)),
        Expr::And(terms) => terms.iter().all(|t| matches(t, resource_type, resource)),
        Expr::Not(inner) => !matches(inner, resource_type, resource),
        Expr::Present(path) => match resource_type.resolve(path) {
            None => false,
            Some(Target::Extension(extension)) => {
                resource.get(&extension.schema.urn).is_some_and(|container| {
                    let has_value = |a: &Attribute| container.get(&a.name).is_some_and(|v| is_present(v, a));
                    extension.schema.attributes.iter().any(|a| !a.hidden && has_value(a))
                })
            }
            Some(Target::Attribute(located)) => {
                values(&located, resource).iter().any(|v| is_present(v, leaf(&located)))
            }
        },
        Expr::Compare(path, operator, value) => match resource_type.resolve(path) {
            Some(Target::Attribute(located)) => {
                let found = values(&located, resource);
                // Ledger choice `ne-unassigned`: no value acts as the single value null.
                (found.is_empty() && null_compares(*operator, value))
                    || found.iter().any(|v| match located.sub {
                        Some(sub) => sub_compares(v, located.attribute, sub, *operator, value),
                        None => compares(v, located.attribute, *operator, value),
                    })
            }
            // Ledger choice `unknown-attribute`: no value.
            Some(Target::Extension(_)) | None => null_compares(*operator, value),
        },
        Expr::Values(path, inner) => match resource_type.resolve(path) {
            Some(Target::Attribute(located)) => {
                let elements = values(&located, resource);
                elements.iter().any(|element| matches_value(inner, located.attribute, element))
            }
            Some(Target::Extension(_)) | None => false,
        },
    }
}

/// Whether one value of an attribute matches a filter in brackets.
pub(super) fn matches_value(filter: &Expr, attribute: &Attribute, element: &Value) -> bool {
    match filter {
        Expr::Or(terms) => terms.iter().any(|t| matches_value(t, attribute, element)),
        Expr::And(terms) => terms.iter().all(|t| matches_value(t, attribute, element)),
        Expr::Not(inner) => !matches_value(inner, attribute, element),
        Expr::Present(path) => match sub_of(attribute, path) {
            Ok(sub) => sub_values(attribute, sub, element).iter().any(|v| is_present(v, sub)),
            Err(InvalidFilter) => false,
        },
        Expr::Compare(path, operator, value) => match sub_of(attribute, path) {
            Ok(sub) => sub_values(attribute, sub, element)
                .iter()
                .any(|v| sub_compares(v, attribute, sub, *operator, value)),
            Err(InvalidFilter) => false,
        },
        Expr::Values(..) => false,
    }
}

/// The values that a path leads to. Where it ends in a sub-attribute, each value of the attribute counts,
/// also one without that sub-attribute, which is null there.
fn values<'v>(located: &Located<'_>, resource: &'v Value) -> Vec<&'v Value> {
    let container = match located.extension {
        Some(extension) => resource.get(&extension.schema.urn),
        None => Some(resource),
    };
    let elements = elements(container.and_then(|c| c.get(&located.attribute.name)));
    match located.sub {
        None => elements,
        Some(sub) => {
            elements.iter().flat_map(|element| sub_values(located.attribute, sub, element)).collect()
        }
    }
}

/// The values of a sub-attribute of one value; null where there are none.
fn sub_values<'v>(attribute: &Attribute, sub: &Attribute, element: &'v Value) -> Vec<&'v Value> {
    if attribute.kind != Kind::Complex {
        return vec![element];
    }
    let mut found = elements(element.get(&sub.name));
    if found.is_empty() {
        found.push(&Value::Null);
    }
    found
}

/// The values of an attribute that are assigned, one by one.
pub(super) fn elements(value: Option<&Value>) -> Vec<&Value> {
    let all = match value {
        None => return Vec::new(),
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(single) => vec![single],
    };
    all.into_iter().filter(|v| !is_unassigned(v)).collect()
}

/// `pr`: a non-empty value, or a complex value with a non-empty node that may be known.
fn is_present(value: &Value, attribute: &Attribute) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(|v| is_present(v, attribute)),
        Value::Object(_) => attribute
            .subs
            .iter()
            .any(|sub| !sub.hidden && value.get(&sub.name).is_some_and(|v| is_present(v, sub))),
        _ => true,
    }
}

/// Whether that is the `primary` of RFC 7643 §2.4, which only multi-valued attributes have.
fn is_primary(attribute: &Attribute, sub: &Attribute) -> bool {
    attribute.multi_valued && sub.kind == Kind::Boolean && sub.name.eq_ignore_ascii_case("primary")
}

fn null_compares(operator: Operator, value: &Literal) -> bool {
    match operator {
        Operator::Eq => *value == Literal::Null,
        Operator::Ne => *value != Literal::Null,
        _ => false,
    }
}

/// Whether one value of a sub-attribute satisfies the comparison; null where there is none.
fn sub_compares(
    value: &Value,
    attribute: &Attribute,
    sub: &Attribute,
    operator: Operator,
    literal: &Literal,
) -> bool {
    // RFC 7643 §2.4: a value without `primary` is not primary.
    let not_primary = value.is_null() && *literal != Literal::Null && is_primary(attribute, sub);
    compares(if not_primary { &Value::Bool(false) } else { value }, sub, operator, literal)
}

/// The same for an attribute.
fn compares(value: &Value, attribute: &Attribute, operator: Operator, literal: &Literal) -> bool {
    if *literal == Literal::Null {
        // Ledger choice `eq-null`.
        return (operator == Operator::Eq) == value.is_null();
    }
    if attribute.kind == Kind::Complex {
        // Ledger choice `implicit-value`.
        let Some(sub) = attribute.sub("value") else { return false };
        return sub_values(attribute, sub, value)
            .iter()
            .any(|v| sub_compares(v, attribute, sub, operator, literal));
    }
    if value.is_null() {
        return null_compares(operator, literal);
    }
    let text = |v: &str| comparable_text(v, attribute.case_exact);
    match (value, literal) {
        (Value::Bool(value), literal) => {
            let equal = boolean(literal) == Some(*value);
            if operator == Operator::Ne { !equal } else { equal && operator == Operator::Eq }
        }
        (Value::Number(value), Literal::Number(literal)) => by_order(operator, numbers(value, literal)),
        (Value::String(value), Literal::Text(literal)) if attribute.kind == Kind::DateTime => {
            match (instant(value), instant(literal)) {
                (Some(value), Some(literal)) => by_order(operator, value.cmp(&literal)),
                _ => operator == Operator::Ne,
            }
        }
        (Value::String(value), Literal::Text(literal)) => match operator {
            Operator::Co => text(value).contains(&text(literal)),
            Operator::Sw => text(value).starts_with(&text(literal)),
            Operator::Ew => text(value).ends_with(&text(literal)),
            _ => by_order(operator, text(value).cmp(&text(literal))),
        },
        _ => operator == Operator::Ne,
    }
}

fn by_order(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Eq => order == Ordering::Equal,
        Operator::Ne => order != Ordering::Equal,
        Operator::Gt => order == Ordering::Greater,
        Operator::Ge => order != Ordering::Less,
        Operator::Lt => order == Ordering::Less,
        Operator::Le => order != Ordering::Greater,
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}
