//! Filters that are mostly right, so that they match now and then.

use serde_json::Value;

use super::entropy::Entropy;
use super::values;
use super::world::World;
use crate::naive::{Attribute, Kind, ResourceType};

impl World {
    /// The text of a filter for these resources.
    pub fn filter(&self, entropy: &mut Entropy<'_>) -> String {
        let text = self.expression(entropy, 3);
        if entropy.chance(4) { mangled(entropy, &text) } else { text }
    }

    fn expression(&self, entropy: &mut Entropy<'_>, depth: usize) -> String {
        if depth == 0 {
            return self.term(entropy);
        }
        match entropy.weighted(&[50, 16, 16, 10, 6]) {
            0 => self.term(entropy),
            1 => self.pair(entropy, depth, "and"),
            2 => self.pair(entropy, depth, "or"),
            3 => format!(
                "{}({})",
                entropy.pick(&["not ", "not", "NOT  "]),
                self.expression(entropy, depth - 1)
            ),
            _ => format!("({})", self.expression(entropy, depth - 1)),
        }
    }

    fn pair(&self, entropy: &mut Entropy<'_>, depth: usize, word: &str) -> String {
        let left = self.expression(entropy, depth - 1);
        let right = self.expression(entropy, depth - 1);
        let word = if entropy.chance(15) { values::recased(entropy, word) } else { word.to_owned() };
        format!("{left}{}{word}{}{right}", space(entropy), space(entropy))
    }

    fn term(&self, entropy: &mut Entropy<'_>) -> String {
        let Some(resource_type) = entropy.choose(&self.types) else { return "id pr".to_owned() };
        if entropy.chance(5) {
            return unknown(entropy, resource_type);
        }
        let (extension, attribute) = any_attribute(entropy, resource_type);
        let path = attribute_text(entropy, resource_type, extension, attribute);
        let brackets = if attribute.kind == Kind::Complex || attribute.multi_valued { 35 } else { 2 };
        if entropy.chance(brackets) {
            let inner = self.inner(entropy, extension, attribute, 2);
            let behind = if entropy.chance(8) {
                let sub = entropy.choose(&attribute.subs);
                let name = sub.map_or("value", |sub| &sub.name);
                let leaf = sub.unwrap_or(attribute);
                format!(".{name}{}", self.condition(entropy, extension, attribute, sub, leaf))
            } else {
                String::new()
            };
            return format!("{path}[{inner}]{behind}");
        }
        let with_sub = if attribute.kind == Kind::Complex { 75 } else { 2 };
        if entropy.chance(with_sub) {
            let sub = entropy.choose(&attribute.subs).filter(|_| !entropy.chance(3));
            let name = sub.map_or("nothing", |sub| &sub.name);
            let name = if entropy.chance(10) { values::recased(entropy, name) } else { name.to_owned() };
            let leaf = sub.unwrap_or(attribute);
            return format!("{path}.{name}{}", self.condition(entropy, extension, attribute, sub, leaf));
        }
        let implied = attribute.subs.iter().find(|sub| sub.name == "value");
        let leaf = implied.unwrap_or(attribute);
        format!("{path}{}", self.condition(entropy, extension, attribute, implied, leaf))
    }

    /// What may stand in brackets behind an attribute.
    pub(super) fn inner(
        &self,
        entropy: &mut Entropy<'_>,
        extension: Option<&str>,
        attribute: &Attribute,
        depth: usize,
    ) -> String {
        if depth > 0 {
            let inner = |entropy: &mut Entropy<'_>| self.inner(entropy, extension, attribute, depth - 1);
            match entropy.weighted(&[70, 12, 8, 6, 4]) {
                0 => {}
                1 => return format!("{} and {}", inner(entropy), inner(entropy)),
                2 => return format!("{} or {}", inner(entropy), inner(entropy)),
                3 => return format!("not ({})", inner(entropy)),
                _ => return format!("( {} )", inner(entropy)),
            }
        }
        let sub = entropy.choose(&attribute.subs).filter(|_| !entropy.chance(2));
        let name = sub.map_or("value", |sub| &sub.name);
        let name = if entropy.chance(8) { values::recased(entropy, name) } else { name.to_owned() };
        let leaf = sub.unwrap_or(attribute);
        format!("{name}{}", self.condition(entropy, extension, attribute, sub, leaf))
    }

    /// ` pr`, or an operator with a value.
    fn condition(
        &self,
        entropy: &mut Entropy<'_>,
        extension: Option<&str>,
        attribute: &Attribute,
        sub: Option<&Attribute>,
        leaf: &Attribute,
    ) -> String {
        let present = if leaf.kind == Kind::Complex { 60 } else { 12 };
        if entropy.chance(present) {
            return format!("{}{}", space(entropy), if entropy.chance(10) { "PR" } else { "pr" });
        }
        let operators: &[&str] = match leaf.kind {
            _ if entropy.chance(8) => &["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"],
            Kind::Boolean | Kind::Binary | Kind::Complex => &["eq", "ne"],
            Kind::String | Kind::Reference => {
                &["eq", "eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
            }
            _ => &["eq", "eq", "ne", "gt", "ge", "lt", "le"],
        };
        let operator = entropy.pick(operators);
        let operator =
            if entropy.chance(6) { values::recased(entropy, operator) } else { operator.to_owned() };
        let sampled = self.value_of(entropy, extension, attribute, sub).filter(|_| entropy.chance(50));
        let literal = match sampled {
            _ if entropy.chance(5) => "null".to_owned(),
            Some(value) if !value.is_object() && !value.is_array() => literal(entropy, &value),
            _ => self.made_up(entropy, leaf.kind),
        };
        let gap = if literal.starts_with('"') && entropy.chance(5) { "" } else { space(entropy) };
        format!("{}{operator}{gap}{literal}", space(entropy))
    }

    fn made_up(&self, entropy: &mut Entropy<'_>, kind: Kind) -> String {
        let kinds = [Kind::String, Kind::Boolean, Kind::Integer, Kind::DateTime];
        let kind = if entropy.chance(5) { *entropy.choose(&kinds).unwrap_or(&kind) } else { kind };
        let word = match kind {
            Kind::Boolean => {
                return entropy
                    .pick(&["true", "false", "\"True\"", "\"FALSE\"", "\"yes\"", "True"])
                    .to_owned();
            }
            Kind::Integer | Kind::Decimal => return values::number(entropy).to_owned(),
            Kind::DateTime => values::date(entropy),
            Kind::Binary => entropy.pick(&["AQID", "aqid", "AQ==", "AQ"]),
            Kind::Reference => {
                entropy.pick(&["https://example.com/A", "https://example.com/", "Users/u1", "urn:"])
            }
            _ => values::word(entropy),
        };
        literal(entropy, &Value::from(word))
    }
}

/// A base, common or extension attribute, with the URN of its extension.
pub(super) fn any_attribute<'t>(
    entropy: &mut Entropy<'_>,
    resource_type: &'t ResourceType,
) -> (Option<&'t str>, &'t Attribute) {
    let mut all: Vec<(Option<&str>, &Attribute)> =
        resource_type.base.attributes.iter().map(|a| (None, a)).collect();
    for extension in &resource_type.extensions {
        all.extend(extension.schema.attributes.iter().map(|a| (Some(extension.schema.urn.as_str()), a)));
    }
    let common: Vec<(Option<&str>, &Attribute)> = resource_type.common.iter().map(|a| (None, a)).collect();
    let from = if entropy.chance(8) { &common } else { &all };
    #[expect(clippy::expect_used, reason = "the common attributes are always there")]
    entropy.choose(from).copied().or_else(|| common.first().copied()).expect("an attribute")
}

/// The attribute's name with or without URN.
pub(super) fn attribute_text(
    entropy: &mut Entropy<'_>,
    resource_type: &ResourceType,
    extension: Option<&str>,
    attribute: &Attribute,
) -> String {
    let with_urn = if extension.is_some() { 75 } else { 10 };
    let text = if entropy.chance(with_urn) {
        format!("{}:{}", extension.unwrap_or(&resource_type.base.urn), attribute.name)
    } else {
        attribute.name.clone()
    };
    if entropy.chance(8) { values::recased(entropy, &text) } else { text }
}

fn unknown(entropy: &mut Entropy<'_>, resource_type: &ResourceType) -> String {
    let urn = resource_type.extensions.first().map_or("urn:example:none:1.0:X", |e| e.schema.urn.as_str());
    match entropy.below(10) {
        0 => "nothing pr".to_owned(),
        1 => "nothing eq \"x\"".to_owned(),
        2 => "nothing.at ne 1".to_owned(),
        3 => "nothing gt null".to_owned(),
        4 => "nothing[x eq 1]".to_owned(),
        5 => format!("{urn} pr"),
        6 => format!("{urn} eq \"x\""),
        7 => format!("{urn}:nothing ne null"),
        8 => format!("{urn}[x pr]"),
        _ => format!("{} pr", resource_type.base.urn),
    }
}

fn space(entropy: &mut Entropy<'_>) -> &'static str {
    if entropy.chance(4) { "  " } else { " " }
}

/// A value as a filter writes it, with more escapes than are needed now and then.
fn literal(entropy: &mut Entropy<'_>, value: &Value) -> String {
    let text = value.to_string();
    let Some(word) = value.as_str().filter(|_| entropy.chance(12)) else { return text };
    let mut escaped = String::from('"');
    let mut units = [0; 2];
    for c in word.chars() {
        if entropy.chance(40) || c < ' ' || c == '"' || c == '\\' {
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.push('"');
    escaped
}

/// A text with one character more, less or other.
pub(super) fn mangled(entropy: &mut Entropy<'_>, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = entropy.below(chars.len() + 1);
    let with = entropy
        .pick(&[' ', '(', ')', '[', ']', '"', '.', ':', '\\', 'a', '0', '-', '$', 'é', '\t', '\u{0}', 'n']);
    match entropy.below(3) {
        0 => chars.insert(at, with),
        1 if at < chars.len() => drop(chars.remove(at)),
        _ => match chars.get_mut(at) {
            Some(c) => *c = with,
            None => chars.push(with),
        },
    }
    chars.into_iter().collect()
}
