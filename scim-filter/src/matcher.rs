//! Filters typed against resource types, and their evaluation.

mod compile;
mod element;
mod error;
mod number;
mod program;
mod text;

use std::borrow::Borrow;
use std::sync::Arc;

use compact_str::CompactString;
use scim_schema::{AttributePath, DateTime, Resource, ResourceType};

use crate::filter::{Filter, Operator};
use compile::Scope;
use program::{Check, Leaf, Place, Program, Test};

pub use element::ElementMatcher;
pub use error::{FilterError, FilterErrorKind};

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

    /// Conditions that every match among the resources of that type satisfies, so that a store can use
    /// an index: one value of [`Conjunct::path`] stands in that relation to the value. The matcher still
    /// has the last word.
    ///
    /// ```
    /// use scim_filter::{ConjunctValue, Filter, MatchOptions, Matcher};
    ///
    /// let registry = scim_schema::Registry::standard();
    /// let filter = Filter::parse(r#"userName eq "Ann" and (title pr or active eq true)"#)?;
    /// let matcher = Matcher::new(&filter, registry.resource_types(), &MatchOptions::default())?;
    /// let found: Vec<_> = matcher.conjuncts("User").collect();
    /// assert_eq!(found.len(), 1);
    /// assert_eq!(found[0].path.to_string(), "userName");
    /// assert_eq!(found[0].value, ConjunctValue::Text { key: "ann", case_exact: false });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn conjuncts(&self, resource_type: &str) -> impl Iterator<Item = Conjunct<'_>> {
        self.program(resource_type).into_iter().flat_map(|program| {
            program.required.iter().filter_map(|(at, owner)| {
                let (place, leaf) = match &program.steps.get(*at)?.test {
                    Test::Attribute { place, leaf } => (place, leaf),
                    Test::Element(leaf) => match &program.steps.get((*owner)?)?.test {
                        Test::ValuePath { place, .. } => (place, leaf),
                        _ => return None,
                    },
                    _ => return None,
                };
                conjunct(place, leaf)
            })
        })
    }

    /// Whether the filter reads that common or base attribute (canonical name, such as `members`), or
    /// that attribute of an extension (`{urn}:{name}`), of any of the resource types: so a store knows
    /// what it must load.
    pub fn uses(&self, attribute: &str) -> bool {
        let tests = self.programs.iter().flat_map(|(_, program)| program.steps.iter().map(|s| &s.test));
        tests.into_iter().any(|test| match test {
            Test::Attribute { place, .. } | Test::ValuePath { place, .. } => place.is(attribute),
            Test::Extension { urn, .. } => attribute.starts_with(urn.as_str()),
            Test::Element(_) | Test::Constant(_) => false,
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

/// A condition that every match satisfies; see [`Matcher::conjuncts`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conjunct<'m> {
    /// The canonical path; the URN is that of the extension, base attributes have none.
    pub path: AttributePath<'m>,
    /// The operator; never `ne`.
    pub operator: Operator,
    /// What to compare with.
    pub value: ConjunctValue<'m>,
}

/// The value of a [`Conjunct`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConjunctValue<'m> {
    /// A string.
    Text {
        /// Its comparison form: [`scim_schema::normalize`] or, where letter case does not count,
        /// [`scim_schema::fold`] of the string. To look up unique values, give it to
        /// [`scim_schema::uniqueness_key`].
        key: &'m str,
        /// Whether letter case counts.
        case_exact: bool,
    },
    /// A boolean.
    Bool(bool),
    /// An instant.
    Instant(DateTime),
}

fn conjunct<'m>(place: &'m Place, leaf: &'m Leaf) -> Option<Conjunct<'m>> {
    let (operator, value) = match &leaf.check {
        Check::Text(text) if !text.is_relocated() => {
            (text.operator(), ConjunctValue::Text { key: text.key(), case_exact: text.is_exact() })
        }
        Check::Bool { value, negated: false, missing_is_false: false } => {
            (Operator::Eq, ConjunctValue::Bool(*value))
        }
        Check::Instant { operator, value } => (*operator, ConjunctValue::Instant(*value)),
        _ => return None,
    };
    let path = AttributePath {
        urn: place.extension.as_ref().map(|urn| urn.name.as_str()),
        attribute: &place.attribute.name,
        sub: leaf.sub.as_ref().map(|sub| sub.name.as_str()),
    };
    (operator != Operator::Ne).then_some(Conjunct { path, operator, value })
}
