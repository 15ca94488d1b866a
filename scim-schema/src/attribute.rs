//! Attribute definitions and their characteristics (RFC 7643 §2.2 and §7).

use crate::attributes::Attributes;
use crate::path::is_name;
use crate::schema::{SchemaError, SchemaProblem};
use crate::value::{Object, Value};

/// A keyword of a schema document, to and from its text.
macro_rules! keyword {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_enums, reason = "RFC 7643 closes the list")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The keyword as RFC 7643 §7 spells it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

keyword! {
    /// The data type of an attribute (RFC 7643 §2.3).
    Type {
        /// Unicode text.
        String = "string",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A number that may have a fraction.
        Decimal = "decimal",
        /// A whole number.
        Integer = "integer",
        /// An xsd:dateTime.
        DateTime = "dateTime",
        /// Base64 text.
        Binary = "binary",
        /// A URI.
        Reference = "reference",
        /// An object of sub-attributes.
        Complex = "complex",
    }
}

keyword! {
    /// Who may change an attribute, and when.
    Mutability {
        /// Only the server.
        ReadOnly = "readOnly",
        /// The client, at any time.
        ReadWrite = "readWrite",
        /// The client, once.
        Immutable = "immutable",
        /// The client, at any time; nobody reads it.
        WriteOnly = "writeOnly",
    }
}

keyword! {
    /// When an attribute is in a response.
    Returned {
        /// In every response.
        Always = "always",
        /// In none.
        Never = "never",
        /// In responses that name no attributes, and in those that name it.
        Default = "default",
        /// In responses to requests that name or set it.
        Request = "request",
    }
}

keyword! {
    /// How far a value is unique.
    Uniqueness {
        /// Not at all.
        None = "none",
        /// Among the resources of one endpoint and tenant.
        Server = "server",
        /// Everywhere; enforced like `server`, which is as far as one server sees.
        Global = "global",
    }
}

/// The definition of one attribute or sub-attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    name: String,
    kind: Type,
    multi_valued: bool,
    description: String,
    required: bool,
    case_exact: bool,
    mutability: Mutability,
    returned: Returned,
    uniqueness: Uniqueness,
    canonical_values: Vec<String>,
    reference_types: Vec<String>,
    sub_attributes: Attributes,
}

impl Attribute {
    /// The name as it is written in responses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data type.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// Whether the value is a list.
    pub fn multi_valued(&self) -> bool {
        self.multi_valued
    }

    /// What the attribute is for, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether a resource must have a value.
    pub fn required(&self) -> bool {
        self.required
    }

    /// Whether letter case counts in comparisons. Always so for references and binaries (RFC 7643 §2.3.6, §2.3.7).
    pub fn case_exact(&self) -> bool {
        self.case_exact
    }

    /// Who may change it.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// When it is in a response.
    pub fn returned(&self) -> Returned {
        self.returned
    }

    /// How far it is unique.
    pub fn uniqueness(&self) -> Uniqueness {
        self.uniqueness
    }

    /// Suggested values.
    pub fn canonical_values(&self) -> &[String] {
        &self.canonical_values
    }

    /// For a reference: names of resource types, `external` or `uri`.
    pub fn reference_types(&self) -> &[String] {
        &self.reference_types
    }

    /// For a complex attribute: its parts.
    pub fn sub_attributes(&self) -> &[Attribute] {
        &self.sub_attributes
    }

    /// The sub-attribute of that name, without regard to letter case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        self.find(name).map(|(_, attribute)| attribute)
    }

    /// As [`Attribute::sub_attribute`], with the position among [`Attribute::sub_attributes`].
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Attribute)> {
        self.sub_attributes.find(name)
    }

    /// Whether the type is complex.
    pub fn is_complex(&self) -> bool {
        self.kind == Type::Complex
    }

    /// Whether no client may learn the value: writeOnly, or returned never.
    pub fn is_hidden(&self) -> bool {
        self.mutability == Mutability::WriteOnly || self.returned == Returned::Never
    }

    /// Whether a client gives the id of one other resource in it, as in `manager`: `value`, with `$ref` beside it.
    pub fn names_a_resource(&self) -> bool {
        !self.multi_valued()
            && self.mutability() != Mutability::ReadOnly
            && self.sub_attribute("value").is_some()
            && self.sub_attribute("$ref").is_some_and(Self::refers_to_resources)
    }

    /// Whether values are references to resources of this server: a reference whose types are names of
    /// resource types rather than `external` or `uri`.
    pub fn refers_to_resources(&self) -> bool {
        self.kind == Type::Reference
            && !self.reference_types.is_empty()
            && self.reference_types.iter().all(|t| t != "external" && t != "uri")
    }

    /// Reads a definition of a Schema document. `parent` is the path of the complex attribute above it.
    pub(crate) fn from_value(
        value: &Value,
        parent: Option<&str>,
        nesting: Nesting,
    ) -> Result<Self, SchemaError> {
        let at = |problem| SchemaError::at(parent.unwrap_or("attributes"), problem);
        let Some(object) = value.as_object() else {
            return Err(at(SchemaProblem::NotAnObject));
        };
        let name = text(object, "name").ok_or_else(|| at(SchemaProblem::Missing("name")))?;
        let path = match parent {
            Some(parent) => format!("{parent}.{name}"),
            None => name.to_owned(),
        };
        let fail = |problem| Err(SchemaError::at(&path, problem));
        if !is_name(name) {
            return fail(SchemaProblem::BadName);
        }
        let kind = keyword(object, &path, "type", Type::parse, Type::String)?;
        let multi_valued = flag(object, &path, "multiValued")?;
        let mutability = keyword(object, &path, "mutability", Mutability::parse, Mutability::ReadWrite)?;
        let returned = keyword(object, &path, "returned", Returned::parse, Returned::Default)?;
        let uniqueness = keyword(object, &path, "uniqueness", Uniqueness::parse, Uniqueness::None)?;
        let case_exact = match kind {
            Type::Reference | Type::Binary => true,
            Type::String => flag(object, &path, "caseExact")?,
            _ => false,
        };
        if uniqueness != Uniqueness::None {
            if matches!(kind, Type::Complex | Type::Boolean | Type::DateTime | Type::Binary) {
                return fail(SchemaProblem::NoUniqueness(kind.as_str()));
            }
            if returned == Returned::Never || mutability == Mutability::WriteOnly {
                return fail(SchemaProblem::HiddenUnique);
            }
        }
        let subs = object.get_ignore_case("subAttributes").map(Value::elements).unwrap_or_default();
        if kind != Type::Complex && !subs.is_empty() {
            return fail(SchemaProblem::SimpleWithSubAttributes);
        }
        if kind == Type::Complex && parent.is_some() && nesting == Nesting::TwoLevels {
            return fail(SchemaProblem::NestedComplex);
        }
        let mut sub_attributes = Attributes::default();
        for sub in subs {
            let sub = Self::from_value(sub, Some(&path), nesting)?;
            if sub_attributes.find(&sub.name).is_some() {
                return Err(SchemaError::at(&format!("{path}.{}", sub.name), SchemaProblem::Duplicate));
            }
            if multi_valued {
                check_predefined(&sub, &path)?;
            }
            sub_attributes.push(sub);
        }
        Ok(Self {
            kind,
            multi_valued,
            description: text(object, "description").unwrap_or_default().to_owned(),
            required: flag(object, &path, "required")?,
            case_exact,
            mutability,
            returned,
            uniqueness,
            canonical_values: texts(object, &path, "canonicalValues")?,
            reference_types: if kind == Type::Reference {
                texts(object, &path, "referenceTypes")?
            } else {
                Vec::new()
            },
            sub_attributes,
            name: name.to_owned(),
        })
    }

    /// The definition as part of a Schema document: all characteristics that the type has.
    pub(crate) fn to_value(&self) -> Value {
        let mut object = Object::new();
        object.push("name", self.name.as_str());
        object.push("type", self.kind.as_str());
        object.push("multiValued", self.multi_valued);
        object.push("description", self.description.as_str());
        object.push("required", self.required);
        if !self.canonical_values.is_empty() {
            object.push("canonicalValues", list(&self.canonical_values));
        }
        if matches!(self.kind, Type::String | Type::Reference | Type::Binary) {
            object.push("caseExact", self.case_exact);
        }
        object.push("mutability", self.mutability.as_str());
        object.push("returned", self.returned.as_str());
        if matches!(self.kind, Type::String | Type::Reference | Type::Binary | Type::Integer) {
            object.push("uniqueness", self.uniqueness.as_str());
        }
        if !self.reference_types.is_empty() {
            object.push("referenceTypes", list(&self.reference_types));
        }
        if !self.sub_attributes.is_empty() {
            let subs: Vec<Value> = self.sub_attributes.iter().map(Self::to_value).collect();
            object.push("subAttributes", subs);
        }
        Value::Object(object)
    }
}

/// How deep complex attributes may be nested: only the Schema resource itself may go to three levels
/// (RFC 7643 §7, `subAttributes`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    TwoLevels,
    SchemaResource,
}

/// The predefined sub-attributes of multi-valued attributes keep their types (RFC 7643 §2.4).
fn check_predefined(sub: &Attribute, parent: &str) -> Result<(), SchemaError> {
    let expected = match sub.name.to_ascii_lowercase().as_str() {
        "type" | "display" => Type::String,
        "primary" => Type::Boolean,
        "$ref" => Type::Reference,
        _ => return Ok(()),
    };
    if sub.kind == expected && !sub.multi_valued {
        return Ok(());
    }
    Err(SchemaError::at(&format!("{parent}.{}", sub.name), SchemaProblem::Predefined(expected.as_str())))
}

fn list(items: &[String]) -> Vec<Value> {
    items.iter().map(|s| Value::from(s.as_str())).collect()
}

pub(crate) fn text<'v>(object: &'v Object, name: &str) -> Option<&'v str> {
    object.get_ignore_case(name).and_then(Value::as_str)
}

pub(crate) fn flag(object: &Object, path: &str, name: &'static str) -> Result<bool, SchemaError> {
    match object.get_ignore_case(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(b)) => Ok(*b),
        Some(_) => Err(SchemaError::at(path, SchemaProblem::BadCharacteristic(name))),
    }
}

fn texts(object: &Object, path: &str, name: &'static str) -> Result<Vec<String>, SchemaError> {
    let values = object.get_ignore_case(name).map(Value::elements).unwrap_or_default();
    values
        .iter()
        .map(|v| v.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| SchemaError::at(path, SchemaProblem::BadCharacteristic(name)))
}

fn keyword<T>(
    object: &Object,
    path: &str,
    name: &'static str,
    parse: fn(&str) -> Option<T>,
    default: T,
) -> Result<T, SchemaError> {
    match object.get_ignore_case(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_str()
            .and_then(parse)
            .ok_or_else(|| SchemaError::at(path, SchemaProblem::BadCharacteristic(name))),
    }
}
