//! Filters typed against resource types, and their evaluation.

mod compile;
mod element;
mod error;
mod number;
mod program;
mod text;
mod visit;

use std::borrow::Borrow;
use std::sync::Arc;

use compact_str::CompactString;
use scim_schema::{Resource, ResourceType};

use crate::filter::Filter;
use compile::Scope;
use program::{Program, Test};

pub use element::ElementMatcher;
pub use error::{FilterError, FilterErrorKind};
pub use visit::{Comparand, TypedExpr, TypedVisit};

/// A filter typed against one or several resource types, ready to be evaluated.
///
/// Names, types and case rules are looked up and values are prepared once, here. Evaluation neither
/// recurses nor allocates, but for text outside ASCII that has to be folded.
///
/// ```
/// use scim_filter::{Filter, MatchOptions, Matcher};
/// use scim_schema::{Registry, Resource};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let ann = Resource::from_canonical(serde_json::from_str(
///     r#"{"userName": "Ann", "emails": [{"type": "work", "value": "ann@example.com"}]}"#,
/// )?);
///
/// let filter = Filter::parse(r#"USERNAME eq "ann" and emails[type eq "work" and value ew ".com"]"#)?;
/// let matcher = Matcher::new(&filter, [user], &MatchOptions::default())?;
/// assert!(matcher.matches("User", &ann));
///
/// let filter = Filter::parse("active gt true")?;
/// let error = Matcher::new(&filter, [user], &MatchOptions::default()).unwrap_err();
/// assert_eq!(error.to_string(), "active: the operator gt can't be used with a boolean attribute");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matcher {
    programs: Vec<(CompactString, Program)>,
}

impl Matcher {
    /// Types a filter.
    ///
    /// With several resource types (a query at the root, RFC 7644 §3.4.2.1) an attribute that one of
    /// them lacks has no value there.
    ///
    /// # Errors
    /// [`FilterError`] where an attribute of one of the types can't be compared in that way: 400
    /// `invalidFilter`; its kind `Sensitive` tells apart filters on attributes that nobody may read
    /// (RFC 7644 §7.5.2).
    pub fn new<'t, T: Borrow<ResourceType> + 't>(
        filter: &Filter<'_>,
        resource_types: impl IntoIterator<Item = &'t T>,
        options: &MatchOptions,
    ) -> Result<Self, FilterError> {
        let programs = resource_types
            .into_iter()
            .map(|resource_type| {
                let resource_type = resource_type.borrow();
                let program = compile::compile(filter, Scope::Type(resource_type), options)?;
                Ok((CompactString::from(resource_type.name()), program))
            })
            .collect::<Result<_, FilterError>>()?;
        Ok(Self { programs })
    }

    /// Whether a resource of the type of that name matches. A resource of a type that the matcher was
    /// not made for does not match.
    pub fn matches(&self, resource_type: &str, resource: &Resource) -> bool {
        self.program(resource_type).is_some_and(|program| program.matches(resource))
    }

    /// The filter as it was typed for the resources of that type, children before parents and left
    /// before right: what a store that translates a filter wants. Nothing where the matcher was not made
    /// for the type.
    ///
    /// `and`, `or` and `not` are about the last two, or the last, of what was translated so far; a value
    /// path is about the last one.
    ///
    /// ```
    /// use scim_filter::{Comparand, Filter, MatchOptions, Matcher, Operator, TypedExpr};
    ///
    /// let registry = scim_schema::Registry::standard();
    /// let filter = Filter::parse(r#"USERNAME eq "Ann" and emails[type eq "work"]"#)?;
    /// let matcher = Matcher::new(&filter, registry.resource_types(), &MatchOptions::default())?;
    /// let mut stack = Vec::new();
    /// for visit in matcher.post_order("User") {
    ///     match visit.expr {
    ///         TypedExpr::Compare { path, operator: Operator::Eq, value: Comparand::Text { key, .. } } => {
    ///             stack.push(format!("{path} = {key}"));
    ///         }
    ///         TypedExpr::ValuePath(path) => {
    ///             let inner = stack.pop().unwrap();
    ///             stack.push(format!("one of {path} has {inner}"));
    ///         }
    ///         TypedExpr::And => {
    ///             let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
    ///             stack.push(format!("{left}, {right}"));
    ///         }
    ///         _ => panic!("this filter has no such expression"),
    ///     }
    /// }
    /// assert_eq!(stack, ["userName = ann, one of emails has emails.type = work"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post_order(&self, resource_type: &str) -> impl Iterator<Item = TypedVisit<'_>> {
        self.program(resource_type).into_iter().flat_map(visit::post_order)
    }

    /// Whether the filter reads that common or base attribute (canonical name, such as `members`), or
    /// that attribute of an extension (`{urn}:{name}`) or any of its attributes (`{urn}`), of any of the
    /// resource types: so a store knows what it must load.
    pub fn uses(&self, attribute: &str) -> bool {
        let tests = self.programs.iter().flat_map(|(_, program)| program.steps.iter().map(|s| &s.test));
        tests.into_iter().any(|test| match test {
            Test::Attribute { place, .. } | Test::ValuePath { place, .. } => place.is(attribute),
            Test::Extension { urn, .. } => attribute.starts_with(urn.as_str()),
            Test::Element(_) | Test::Constant(_) | Test::Joint(_) | Test::Nowhere { .. } => false,
        })
    }

    fn program(&self, resource_type: &str) -> Option<&Program> {
        self.programs.iter().find(|(name, _)| name == resource_type).map(|(_, program)| program)
    }
}

/// How values are matched.
#[derive(Clone, Debug, Default)]
pub struct MatchOptions {
    /// The base URL of the service, without a slash at the end. Where it is given, references that are
    /// stored relative to it (`Users/123`) compare as if they were absolute.
    pub base: Option<Arc<str>>,
}
