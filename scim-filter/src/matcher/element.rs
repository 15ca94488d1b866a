//! Filters on the values of one attribute: what stands in the brackets of a PATCH path.

use scim_schema::{Attribute, Type, Value};

use super::MatchOptions;
use super::compile::{self, Scope};
use super::error::{FilterError, FilterErrorKind};
use super::number::Decimal;
use super::program::Program;
use crate::filter::{Filter, Literal, Node, Operator};

/// A filter typed against one attribute, to be evaluated on the attribute's values one by one.
///
/// ```
/// use scim_filter::{ElementMatcher, MatchOptions, Path};
/// use scim_schema::{Registry, Value};
///
/// let registry = Registry::standard();
/// let emails = registry.resource_type("User").unwrap().attribute("emails").unwrap();
/// let path = Path::parse(r#"emails[type eq "work" and primary eq true].value"#)?;
/// let matcher = ElementMatcher::new(path.filter().unwrap(), emails, &MatchOptions::default())?;
///
/// let work: Value = serde_json::from_str(r#"{"type": "Work", "value": "a@example.com", "primary": true}"#)?;
/// assert!(matcher.matches(&work));
/// assert_eq!(
///     matcher.eq_terms().unwrap(),
///     [("type".to_owned(), Value::from("work")), ("primary".to_owned(), Value::from(true))],
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ElementMatcher {
    program: Program,
    eq_terms: Option<Vec<(String, Value)>>,
}

impl ElementMatcher {
    /// Types a filter whose paths are names of sub-attributes of `attribute`, which is complex, or
    /// multi-valued and simple; the values of the latter are called `value`.
    ///
    /// # Errors
    /// [`FilterError`]: 400 `invalidFilter`.
    pub fn new(
        filter: &Filter<'_>,
        attribute: &Attribute,
        options: &MatchOptions,
    ) -> Result<Self, FilterError> {
        if !attribute.is_complex() && !attribute.multi_valued() {
            return Err(FilterError::new(FilterErrorKind::NotAValuePath, attribute.name()));
        }
        let program = compile::compile(filter, Scope::Values(attribute), options)?;
        Ok(Self { program, eq_terms: eq_terms(filter, attribute) })
    }

    /// Whether one value of the attribute matches. A missing `primary` counts as false (RFC 7643 §2.4).
    pub fn matches(&self, value: &Value) -> bool {
        self.program.value_matches(self.program.start, value)
    }

    /// Canonical names of sub-attributes with the values that make a new value match, in the order of
    /// the filter. `None` where the filter is more than `eq` terms joined by `and`, compares with null,
    /// or asks for two values of one sub-attribute: then there is no saying what the new value should be.
    pub fn eq_terms(&self) -> Option<&[(String, Value)]> {
        self.eq_terms.as_deref()
    }
}

fn eq_terms(filter: &Filter<'_>, attribute: &Attribute) -> Option<Vec<(String, Value)>> {
    let mut terms: Vec<(String, Value)> = Vec::new();
    for node in filter.nodes() {
        let (path, literal) = match *node {
            Node::And { .. } => continue,
            Node::Compare { path, operator: Operator::Eq, value } => {
                (filter.path(path), filter.literal(value))
            }
            _ => return None,
        };
        let definition = compile::element_sub(&path, attribute)?;
        let kind = definition.unwrap_or(attribute).kind();
        let name = definition.map_or("value", Attribute::name);
        let value = match (kind, literal) {
            (Type::Boolean, Literal::String(text)) => Value::from(compile::boolean(text)?),
            (_, Literal::Bool(b)) => Value::from(b),
            (_, Literal::Number(n)) => Value::Number(Decimal::parse(n).to_number()?),
            (_, Literal::String(text)) => Value::from(text),
            (_, Literal::Null) => return None,
        };
        match terms.iter().find(|(known, _)| known == name) {
            Some((_, known)) if *known == value => {}
            Some(_) => return None,
            None => terms.push((name.to_owned(), value)),
        }
    }
    Some(terms)
}
