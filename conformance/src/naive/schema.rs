//! Schemas and resource types, read from their JSON documents (RFC 7643 §6 and §7).

use serde_json::Value;

/// The common attributes of every resource (RFC 7643 §3.1).
const COMMON: &str = include_str!("../../data/spec/schemas/common-attributes.json");

/// The data types of RFC 7643 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// §2.3.1
    String,
    /// §2.3.2
    Boolean,
    /// §2.3.3
    Decimal,
    /// §2.3.4
    Integer,
    /// §2.3.5
    DateTime,
    /// §2.3.6
    Binary,
    /// §2.3.7
    Reference,
    /// §2.3.8
    Complex,
}

/// The characteristic `mutability` of RFC 7643 §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutability {
    /// Never changed by a client.
    ReadOnly,
    /// Changed at will.
    ReadWrite,
    /// Set once.
    Immutable,
    /// Changed at will, never shown.
    WriteOnly,
}

/// An attribute or sub-attribute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attribute {
    /// The name, as the schema spells it.
    pub name: String,
    /// The data type.
    pub kind: Kind,
    /// Whether it is a list.
    pub multi_valued: bool,
    /// Whether it must have a value.
    pub required: bool,
    /// Whether letter case counts. Always so for references and binaries (ledger choice `reference-case`).
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// Whether nobody may read it: writeOnly, or returned never.
    pub hidden: bool,
    /// The parts of a complex attribute.
    pub subs: Vec<Attribute>,
}

impl Attribute {
    fn from_json(document: &Value) -> Option<Self> {
        let word = |name: &str| document.get(name).and_then(Value::as_str);
        let flag = |name: &str| document.get(name).and_then(Value::as_bool).unwrap_or(false);
        let kind = match word("type").unwrap_or("string") {
            "string" => Kind::String,
            "boolean" => Kind::Boolean,
            "decimal" => Kind::Decimal,
            "integer" => Kind::Integer,
            "dateTime" => Kind::DateTime,
            "binary" => Kind::Binary,
            "reference" => Kind::Reference,
            "complex" => Kind::Complex,
            _ => return None,
        };
        let mutability = match word("mutability").unwrap_or("readWrite") {
            "readOnly" => Mutability::ReadOnly,
            "readWrite" => Mutability::ReadWrite,
            "immutable" => Mutability::Immutable,
            "writeOnly" => Mutability::WriteOnly,
            _ => return None,
        };
        let subs = document.get("subAttributes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Some(Self {
            name: word("name")?.to_owned(),
            kind,
            multi_valued: flag("multiValued"),
            required: flag("required"),
            case_exact: flag("caseExact") || matches!(kind, Kind::Binary | Kind::Reference),
            mutability,
            hidden: mutability == Mutability::WriteOnly || word("returned") == Some("never"),
            subs: subs.iter().map(Self::from_json).collect::<Option<_>>()?,
        })
    }

    /// The sub-attribute of that name, in any letter case.
    pub fn sub(&self, name: &str) -> Option<&Self> {
        find(&self.subs, name)
    }
}

/// A schema: a URN and its attributes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// The URN.
    pub urn: String,
    /// The attributes.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// Reads a Schema document; `None` where it is none.
    pub fn from_json(document: &Value) -> Option<Self> {
        let attributes = document.get("attributes")?.as_array()?;
        Some(Self {
            urn: document.get("id")?.as_str()?.to_owned(),
            attributes: attributes.iter().map(Attribute::from_json).collect::<Option<_>>()?,
        })
    }
}

/// An extension of a resource type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Extension {
    /// Its schema.
    pub schema: Schema,
    /// Whether each resource of the type must have it.
    pub required: bool,
}

/// A resource type with the schemas that it uses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResourceType {
    /// The name.
    pub name: String,
    /// The base schema.
    pub base: Schema,
    /// `schemas`, `id`, `externalId`, `meta`.
    pub common: Vec<Attribute>,
    /// The extensions.
    pub extensions: Vec<Extension>,
    /// The attribute whose values are the ids of other resources.
    pub members: Option<String>,
}

/// What a path means.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target<'t> {
    /// A whole extension.
    Extension(&'t Extension),
    /// An attribute or sub-attribute.
    Attribute(Located<'t>),
}

/// An attribute and where it is in a resource.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Located<'t> {
    /// The extension in whose container it is.
    pub extension: Option<&'t Extension>,
    /// The attribute.
    pub attribute: &'t Attribute,
    /// The sub-attribute.
    pub sub: Option<&'t Attribute>,
}

impl ResourceType {
    /// Reads a ResourceType document and the schemas that it names; `None` where one is missing or malformed.
    ///
    /// `membership.attribute` is the attribute whose values are ids of other resources; the standard
    /// Group has it without saying so.
    pub fn from_json(document: &Value, schemas: &[Value]) -> Option<Self> {
        let schema = |urn: &str| {
            let is_it = |s: &&Value| s.get("id").and_then(Value::as_str) == Some(urn);
            schemas.iter().find(is_it).and_then(Schema::from_json)
        };
        let mut extensions = Vec::new();
        for extension in document.get("schemaExtensions").and_then(Value::as_array).into_iter().flatten() {
            let urn = extension.get("schema").unwrap_or(extension).as_str()?;
            let required = extension.get("required").and_then(Value::as_bool).unwrap_or(false);
            extensions.push(Extension { schema: schema(urn)?, required });
        }
        let base = schema(document.get("schema")?.as_str()?)?;
        let declared = document.get("membership").and_then(|m| m.get("attribute")).and_then(Value::as_str);
        let is_group = base.urn == "urn:ietf:params:scim:schemas:core:2.0:Group";
        let members = declared.or(is_group.then_some("members")).map(str::to_owned);
        let common: Value = serde_json::from_str(COMMON).ok()?;
        let common = common.get("attributes")?.as_array()?.iter().map(Attribute::from_json);
        Some(Self {
            name: document.get("name")?.as_str()?.to_owned(),
            base,
            common: common.collect::<Option<_>>()?,
            extensions,
            members,
        })
    }

    /// The extension under that URN, in any letter case.
    pub fn extension(&self, urn: &str) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.schema.urn.eq_ignore_ascii_case(urn))
    }

    /// The common or base attribute of that name, in any letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.common, name).or_else(|| find(&self.base.attributes, name))
    }

    /// What a path means to this type (RFC 7644 §3.10); `None` where no schema of the type defines it.
    pub fn resolve(&self, path: &AttributePath) -> Option<Target<'_>> {
        if let Some(extension) = self.extension(&path.text) {
            return Some(Target::Extension(extension));
        }
        let name = path.attribute.as_str();
        let (extension, attribute) = match &path.urn {
            Some(urn) if urn.eq_ignore_ascii_case(&self.base.urn) => (None, self.attribute(name)?),
            Some(urn) => {
                let extension = self.extension(urn)?;
                (Some(extension), find(&extension.schema.attributes, name)?)
            }
            None => match self.attribute(name) {
                Some(attribute) => (None, attribute),
                // Ledger choice `unqualified-extension`: exactly one extension has it.
                None => {
                    let mut owners = Vec::new();
                    for extension in &self.extensions {
                        if let Some(attribute) = find(&extension.schema.attributes, name) {
                            owners.push((Some(extension), attribute));
                        }
                    }
                    let [owner] = owners[..] else { return None };
                    owner
                }
            },
        };
        let sub = match &path.sub {
            Some(sub) => Some(attribute.sub(sub)?),
            None => None,
        };
        Some(Target::Attribute(Located { extension, attribute, sub }))
    }
}

/// `attrPath` of RFC 7644 figure 1: `[URI ":"] ATTRNAME *1subAttr`, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributePath {
    /// The whole text.
    pub text: String,
    /// The URN before the last colon.
    pub urn: Option<String>,
    /// The attribute's name.
    pub attribute: String,
    /// The sub-attribute's name.
    pub sub: Option<String>,
}

impl AttributePath {
    /// Splits a text; `None` where it does not follow the grammar.
    ///
    /// A schema's URN alone is a path as well (ledger choice `extension-path`), also one that ends in a
    /// version, which is no name: `urn:example:device:1.0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (urn, rest) = match text.rsplit_once(':') {
            Some((urn, rest)) => (Some(urn), rest),
            None => (None, text),
        };
        if urn.is_some() {
            let mut parts = text.splitn(3, ':');
            let scheme = parts.next()?;
            let (namespace, specific) = (parts.next()?, parts.next()?);
            let characters = |c: char| c.is_ascii_alphanumeric() || ":-._~!$&'()*+,;=@%/".contains(c);
            let well_formed = scheme.eq_ignore_ascii_case("urn")
                && !namespace.is_empty()
                && !specific.is_empty()
                && text.chars().all(characters);
            if !well_formed {
                return None;
            }
        }
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let version = urn.is_some() && rest.starts_with(|c: char| c.is_ascii_digit());
        let named = is_name(attribute) && sub.is_none_or(is_name);
        if !version && !named {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            urn: urn.map(str::to_owned),
            attribute: attribute.to_owned(),
            sub: sub.map(str::to_owned),
        })
    }
}

/// `ATTRNAME`: a letter, then letters, digits, `-` and `_`; or `$ref` (ledger choice `dollar-ref`).
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (first && rest) || text.eq_ignore_ascii_case("$ref")
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name))
}
