//! Which attributes of a resource a response shows (RFC 7644 §3.4.2.5 and §3.9).

mod shown;

use std::sync::Arc;

use compact_str::CompactString;

pub use self::shown::Shown;
use crate::attribute::{Attribute, Returned};
use crate::resource::Resource;
use crate::resource_type::{Extension, Located, ResourceType, Target};
use crate::value::Object;

/// What a request says about attributes. Names that no schema defines are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7644 makes the two parameters mutually exclusive")]
pub enum Selection {
    /// Nothing: the default set.
    #[default]
    Default,
    /// `attributes`: these, with those that are always returned.
    Only(Vec<String>),
    /// `excludedAttributes`: the default set without these, but never without those always returned.
    Except(Vec<String>),
}

/// A [`Selection`] worked out for one resource type.
///
/// ```
/// use scim_schema::{Object, Projection, Registry, Resource, Selection, Value};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let attributes: Object = serde_json::from_str(
///     r#"{"id": "1", "userName": "b", "name": {"givenName": "B", "familyName": "J"}}"#)?;
/// let resource = Resource::from_canonical(attributes);
/// let projection = Projection::new(user, &Selection::Only(vec!["NAME.givenName".into()]), &[]);
/// let shown = projection.apply(&resource);
/// assert_eq!(serde_json::to_string(&shown)?, r#"{"id":"1","name":{"givenName":"B"}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Projection {
    /// For common and base attributes by canonical name, and for extension containers by URN.
    rules: Arc<Named<Rule>>,
}

type Named<T> = Vec<(CompactString, T)>;

/// What is shown of a value.
#[derive(Clone, Debug)]
enum Rule {
    Whole(References),
    /// Only these sub-attributes (of each value), or these attributes of an extension.
    Parts(Named<Rule>),
}

/// Where in a value references to resources of this service can stand.
#[derive(Clone, Debug)]
enum References {
    Nowhere,
    /// The value, or each value of a list, is one.
    Here,
    /// In these sub-attributes (of each value), or these attributes of an extension.
    Parts(Named<References>),
}

impl Projection {
    /// Works out a selection. `set` holds the canonical paths that the client set with the same request:
    /// attributes with `returned: request` are shown when they are among them (RFC 7643 §7).
    pub fn new(resource_type: &ResourceType, selection: &Selection, set: &[String]) -> Self {
        let work_out = || Self::work_out(resource_type, selection, set);
        match selection {
            // What most requests ask for is worked out once.
            Selection::Default if set.is_empty() || !resource_type.shows_on_request() => {
                resource_type.default_projection.get_or_init(work_out).clone()
            }
            _ => work_out(),
        }
    }

    fn work_out(resource_type: &ResourceType, selection: &Selection, set: &[String]) -> Self {
        let named: Vec<Target<'_>> = match selection {
            Selection::Default => Vec::new(),
            Selection::Only(paths) | Selection::Except(paths) => {
                paths.iter().filter_map(|p| resource_type.resolve_str(p.trim())).collect()
            }
        };
        let choice = Choice { selection, named, set };
        let count = resource_type.schema().attributes().len() + resource_type.extensions().len();
        let mut rules = Vec::with_capacity(ResourceType::common_attributes().len() + count);
        for attribute in resource_type.attributes() {
            if let Some(rule) = choice.attribute(None, attribute) {
                rules.push((attribute.name().into(), rule));
            }
        }
        for extension in resource_type.extensions() {
            rules.push((extension.schema().id().into(), choice.extension(extension)));
        }
        Self { rules: Arc::new(rules) }
    }

    /// Whether values of the attribute (or extension) with this canonical name are shown at all, so that
    /// a store need not load what is not.
    pub fn shows(&self, name: &str) -> bool {
        self.rules.iter().any(|(n, rule)| n == name && !matches!(rule, Rule::Parts(p) if p.is_empty()))
    }

    /// The attributes that are shown, in the resource's order, without unassigned ones. References are as
    /// the resource has them.
    pub fn apply(&self, resource: &Resource) -> Object {
        shown::copy(resource.attributes(), &self.rules)
    }

    /// The same without a copy, to be written out. References to resources of this service are made
    /// absolute under the base URL.
    ///
    /// ```
    /// # use scim_schema::{Projection, Registry, Resource, Selection};
    /// # let registry = Registry::standard();
    /// # let user = registry.resource_type("User").unwrap();
    /// let projection = Projection::new(user, &Selection::Except(vec!["active".into()]), &[]);
    /// let resource = Resource::from_canonical(serde_json::from_str(
    ///     r#"{"id": "1", "active": true, "meta": {"location": "Users/1"}}"#)?);
    /// let shown = projection.show(&resource, "https://h/v2");
    /// assert_eq!(serde_json::to_string(&shown)?, r#"{"id":"1","meta":{"location":"https://h/v2/Users/1"}}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn show<'s>(&'s self, resource: &'s Resource, base: &'s str) -> Shown<'s> {
        Shown::new(resource, &self.rules, base)
    }
}

impl References {
    fn of_parts<'n>(parts: impl Iterator<Item = (&'n str, Self)>) -> Self {
        let parts: Named<Self> = parts
            .filter(|(_, references)| !matches!(references, Self::Nowhere))
            .map(|(name, references)| (name.into(), references))
            .collect();
        if parts.is_empty() { Self::Nowhere } else { Self::Parts(parts) }
    }
}

struct Choice<'s, 't> {
    selection: &'s Selection,
    named: Vec<Target<'t>>,
    set: &'s [String],
}

impl Choice<'_, '_> {
    fn extension(&self, extension: &Extension) -> Rule {
        let attributes = extension.schema().attributes();
        let mut parts = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            if let Some(rule) = self.attribute(Some(extension), attribute) {
                parts.push((attribute.name(), rule));
            }
        }
        let complete =
            parts.len() == attributes.len() && parts.iter().all(|(_, rule)| matches!(rule, Rule::Whole(_)));
        if !complete {
            return Rule::Parts(parts.into_iter().map(|(name, rule)| (name.into(), rule)).collect());
        }
        Rule::Whole(References::of_parts(parts.into_iter().filter_map(|(name, rule)| match rule {
            Rule::Whole(references) => Some((name, references)),
            Rule::Parts(_) => None,
        })))
    }

    fn attribute(&self, extension: Option<&Extension>, attribute: &Attribute) -> Option<Rule> {
        if attribute.is_hidden() {
            return None;
        }
        let whole = self.names_whole(extension, attribute);
        let show = match (attribute.returned(), self.selection) {
            (Returned::Never, _) => false,
            (Returned::Always, _) => true,
            (Returned::Default, Selection::Default) => true,
            (Returned::Request, Selection::Default | Selection::Except(_)) => {
                !whole && self.was_set(&Located { extension, attribute, sub: None })
            }
            (_, Selection::Only(_)) => whole || self.names_part(extension, attribute),
            (Returned::Default, Selection::Except(_)) => !whole,
        };
        if !show {
            return None;
        }
        if attribute.refers_to_resources() {
            return Some(Rule::Whole(References::Here));
        }
        let subs = attribute.sub_attributes();
        let is_shown = |sub: &&Attribute| self.sub_attribute(extension, attribute, sub, whole);
        if !subs.iter().all(|sub| is_shown(&sub)) {
            let shown = subs.iter().filter(is_shown);
            let parts = shown.map(|s| (s.name().into(), Rule::Whole(references_of(extension, attribute, s))));
            return Some(Rule::Parts(parts.collect()));
        }
        Some(Rule::Whole(References::of_parts(
            subs.iter().map(|s| (s.name(), references_of(extension, attribute, s))),
        )))
    }

    fn sub_attribute(
        &self,
        extension: Option<&Extension>,
        attribute: &Attribute,
        sub: &Attribute,
        whole: bool,
    ) -> bool {
        if sub.is_hidden() {
            return false;
        }
        let named = self.named.iter().any(|t| {
            matches!(t, Target::Attribute(l) if is_same(l, extension, attribute)
                && l.sub.is_some_and(|s| s.name() == sub.name()))
        });
        match (sub.returned(), self.selection) {
            (Returned::Never, _) => false,
            (Returned::Always, _) => true,
            (Returned::Default, Selection::Default) => true,
            (Returned::Default, Selection::Except(_)) => !named,
            (Returned::Default, Selection::Only(_)) => {
                whole
                    || named
                    || (attribute.returned() == Returned::Always && !self.names_part(extension, attribute))
            }
            (Returned::Request, Selection::Only(_)) => named,
            (Returned::Request, _) => {
                !named && self.was_set(&Located { extension, attribute, sub: Some(sub) })
            }
        }
    }

    fn names_whole(&self, extension: Option<&Extension>, attribute: &Attribute) -> bool {
        self.named.iter().any(|target| match target {
            Target::Extension(e) => extension.is_some_and(|own| own.schema().id() == e.schema().id()),
            Target::Attribute(l) => l.sub.is_none() && is_same(l, extension, attribute),
        })
    }

    fn names_part(&self, extension: Option<&Extension>, attribute: &Attribute) -> bool {
        self.named
            .iter()
            .any(|t| matches!(t, Target::Attribute(l) if l.sub.is_some() && is_same(l, extension, attribute)))
    }

    fn was_set(&self, located: &Located<'_>) -> bool {
        let path = located.path();
        let below = |set: &String| {
            set == &path
                || set.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'))
                || path.strip_prefix(set.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.set.iter().any(below)
    }
}

fn is_same(located: &Located<'_>, extension: Option<&Extension>, attribute: &Attribute) -> bool {
    let same_owner = match (located.extension, extension) {
        (Some(a), Some(b)) => a.schema().id() == b.schema().id(),
        (None, None) => true,
        _ => false,
    };
    std::ptr::eq(located.attribute, attribute) || (located.attribute.name() == attribute.name() && same_owner)
}

fn references_of(extension: Option<&Extension>, attribute: &Attribute, sub: &Attribute) -> References {
    let is_location = extension.is_none() && attribute.name() == "meta" && sub.name() == "location";
    if sub.refers_to_resources() || is_location { References::Here } else { References::Nowhere }
}
