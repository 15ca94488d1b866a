//! Which attributes of a resource a response shows (RFC 7644 §3.4.2.5 and §3.9).

use crate::attribute::{Attribute, Returned};
use crate::resource::Resource;
use crate::resource_type::{Extension, Located, ResourceType, Target};
use crate::value::{Object, Value};

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
    /// Rules for common and base attributes by canonical name, and for extension containers by URN.
    rules: Vec<(String, Rule)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Whole,
    /// Only these sub-attributes (of each value), or these attributes of an extension.
    Parts(Vec<(String, Rule)>),
}

impl Projection {
    /// Works out a selection. `set` holds the canonical paths that the client set with the same request:
    /// attributes with `returned: request` are shown when they are among them (RFC 7643 §7).
    pub fn new(resource_type: &ResourceType, selection: &Selection, set: &[String]) -> Self {
        let named: Vec<Target<'_>> = match selection {
            Selection::Default => Vec::new(),
            Selection::Only(paths) | Selection::Except(paths) => {
                paths.iter().filter_map(|p| resource_type.resolve_str(p.trim())).collect()
            }
        };
        let choice = Choice { selection, named, set };
        let mut rules = Vec::new();
        for attribute in resource_type.attributes() {
            if let Some(rule) = choice.attribute(None, attribute) {
                rules.push((attribute.name().to_owned(), rule));
            }
        }
        for extension in resource_type.extensions() {
            let parts: Vec<_> = extension
                .schema()
                .attributes()
                .iter()
                .filter_map(|a| choice.attribute(Some(extension), a).map(|rule| (a.name().to_owned(), rule)))
                .collect();
            let whole = parts.len() == extension.schema().attributes().len()
                && parts.iter().all(|(_, rule)| *rule == Rule::Whole);
            let rule = if whole { Rule::Whole } else { Rule::Parts(parts) };
            rules.push((extension.schema().id().to_owned(), rule));
        }
        Self { rules }
    }

    /// Whether values of the attribute (or extension) with this canonical name are shown at all, so that
    /// a store need not load what is not.
    pub fn shows(&self, name: &str) -> bool {
        self.rules.iter().any(|(n, rule)| n == name && !matches!(rule, Rule::Parts(p) if p.is_empty()))
    }

    /// The attributes that are shown, in the resource's order, without unassigned ones.
    pub fn apply(&self, resource: &Resource) -> Object {
        pick(resource.attributes(), &self.rules)
    }
}

fn pick(object: &Object, rules: &[(String, Rule)]) -> Object {
    let mut picked = Object::with_capacity(object.len());
    for (name, value) in object.iter() {
        let Some((_, rule)) = rules.iter().find(|(n, _)| n == name) else { continue };
        if let Some(value) = pick_value(value, rule) {
            picked.push(name, value);
        }
    }
    picked
}

fn pick_value(value: &Value, rule: &Rule) -> Option<Value> {
    let picked = match (rule, value) {
        (Rule::Whole, _) => value.clone(),
        (Rule::Parts(rules), Value::Object(object)) => Value::Object(pick(object, rules)),
        (Rule::Parts(_), Value::Array(items)) => {
            items.iter().filter_map(|item| pick_value(item, rule)).collect::<Vec<_>>().into()
        }
        (Rule::Parts(_), _) => return None,
    };
    (!picked.is_unassigned()).then_some(picked)
}

struct Choice<'s, 't> {
    selection: &'s Selection,
    named: Vec<Target<'t>>,
    set: &'s [String],
}

impl Choice<'_, '_> {
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
        let parts: Vec<_> = attribute
            .sub_attributes()
            .iter()
            .filter(|sub| self.sub_attribute(extension, attribute, sub, whole))
            .map(|sub| (sub.name().to_owned(), Rule::Whole))
            .collect();
        let all = parts.len() == attribute.sub_attributes().len();
        Some(if all { Rule::Whole } else { Rule::Parts(parts) })
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
    let urn = |e: Option<&Extension>| e.map(|e| e.schema().id().to_owned());
    std::ptr::eq(located.attribute, attribute)
        || (located.attribute.name() == attribute.name() && urn(located.extension) == urn(extension))
}
