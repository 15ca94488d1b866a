//! Schema documents (RFC 7643 §7).

use std::fmt;

use crate::attribute::{Attribute, Nesting, text};
use crate::attributes::Attributes;
use crate::path::is_urn;
use crate::value::{Object, Value};

/// The URN of the Schema resource.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// The URN of the User schema (RFC 7643 §4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the Group schema (RFC 7643 §4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of the enterprise extension of User (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URN of the ServiceProviderConfig resource (RFC 7643 §5).
pub const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// The URN of the ResourceType resource (RFC 7643 §6).
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// A set of attributes under one URN: the base of a resource type, or an extension.
///
/// ```
/// use scim_schema::Schema;
/// let schema = Schema::from_json(r#"{
///     "id": "urn:example:params:scim:schemas:1.0:Badge", "name": "Badge",
///     "attributes": [{"name": "number", "type": "integer", "required": true}]
/// }"#)?;
/// assert!(schema.attribute("NUMBER").unwrap().required());
/// # Ok::<(), scim_schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    id: String,
    name: String,
    description: String,
    attributes: Attributes,
}

impl Schema {
    /// Reads a Schema document.
    ///
    /// # Errors
    /// [`SchemaError`] names the attribute and what is wrong with it: names outside the grammar, unknown
    /// types, sub-attributes of simple attributes, complex ones inside complex ones, doubled names,
    /// uniqueness on types that have none.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|e| SchemaError::at("document", SchemaProblem::Json(e.to_string())))?;
        Self::from_value(&value)
    }

    /// Reads a Schema document that has been parsed already.
    ///
    /// # Errors
    /// As [`Schema::from_json`].
    pub fn from_value(value: &Value) -> Result<Self, SchemaError> {
        let fail = |problem| SchemaError::at("document", problem);
        let object = value.as_object().ok_or_else(|| fail(SchemaProblem::NotAnObject))?;
        let id = text(object, "id").ok_or_else(|| fail(SchemaProblem::Missing("id")))?;
        if !is_urn(id) {
            return Err(fail(SchemaProblem::BadUrn));
        }
        let nesting = if id == SCHEMA { Nesting::SchemaResource } else { Nesting::TwoLevels };
        let definitions = object
            .get_ignore_case("attributes")
            .and_then(Value::as_array)
            .ok_or_else(|| fail(SchemaProblem::Missing("attributes")))?;
        let attributes = read_attributes(definitions, nesting)?;
        Ok(Self {
            id: id.to_owned(),
            name: text(object, "name").unwrap_or_default().to_owned(),
            description: text(object, "description").unwrap_or_default().to_owned(),
            attributes,
        })
    }

    /// The URN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the schema is for, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The attributes, in the document's order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The attribute of that name, without regard to letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.find(name).map(|(_, attribute)| attribute)
    }

    /// As [`Schema::attribute`], with the position among [`Schema::attributes`].
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Attribute)> {
        self.attributes.find(name)
    }

    /// The Schema resource that a client reads, without `meta`.
    pub fn to_value(&self) -> Value {
        let mut object = Object::new();
        object.push("schemas", vec![Value::from(SCHEMA)]);
        object.push("id", self.id.as_str());
        object.push("name", self.name.as_str());
        object.push("description", self.description.as_str());
        object.push("attributes", self.attributes.iter().map(Attribute::to_value).collect::<Vec<_>>());
        Value::Object(object)
    }

    /// Things that are allowed but look like mistakes: a complex attribute without sub-attributes, an
    /// attribute without description. For a log at start.
    pub fn lint(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for attribute in self.attributes.iter() {
            if attribute.is_complex() && attribute.sub_attributes().is_empty() {
                warnings.push(format!(
                    "{}:{}: a complex attribute without sub-attributes",
                    self.id,
                    attribute.name()
                ));
            }
            if attribute.description().is_empty() {
                warnings.push(format!("{}:{}: no description", self.id, attribute.name()));
            }
        }
        warnings
    }
}

pub(crate) fn read_attributes(definitions: &[Value], nesting: Nesting) -> Result<Attributes, SchemaError> {
    let mut attributes = Attributes::default();
    for definition in definitions {
        let attribute = Attribute::from_value(definition, None, nesting)?;
        if attributes.find(attribute.name()).is_some() {
            return Err(SchemaError::at(attribute.name(), SchemaProblem::Duplicate));
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

/// Why a schema or resource type was refused at registration: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SchemaError {
    path: String,
    problem: SchemaProblem,
}

impl SchemaError {
    pub(crate) fn at(path: &str, problem: SchemaProblem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// The attribute path, URN or name the problem is at.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    pub fn problem(&self) -> &SchemaProblem {
        &self.problem
    }
}

/// What is wrong with a schema or resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaProblem {
    /// The text is not JSON.
    Json(String),
    /// A definition is not an object.
    NotAnObject,
    /// A member is missing.
    Missing(&'static str),
    /// The id is not a URN.
    BadUrn,
    /// The name is outside the grammar of RFC 7643 §2.1.
    BadName,
    /// A characteristic has an unknown value or the wrong JSON type.
    BadCharacteristic(&'static str),
    /// A simple attribute with sub-attributes.
    SimpleWithSubAttributes,
    /// A complex attribute inside a complex one (RFC 7643 §2.3.8).
    NestedComplex,
    /// The name is used twice, without regard to letter case.
    Duplicate,
    /// The type can't be unique (RFC 7643 §2.3.2, §2.3.5, §2.3.6, §2.3.8).
    NoUniqueness(&'static str),
    /// Unique and never returned: a 409 would tell whether a value exists.
    HiddenUnique,
    /// A predefined sub-attribute with another type than RFC 7643 §2.4 gives it.
    Predefined(&'static str),
    /// The schema is not registered.
    UnknownSchema,
    /// The endpoint is not a path of one segment, or is one that the protocol uses.
    BadEndpoint,
    /// The membership attribute is not a multi-valued complex attribute with `value`.
    BadMembership,
}

impl fmt::Display for SchemaProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "not valid JSON: {e}"),
            Self::NotAnObject => f.write_str("must be a JSON object"),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::BadUrn => {
                f.write_str("`id` must be a URN such as urn:example:params:scim:schemas:1.0:Thing")
            }
            Self::BadName => f.write_str("a name is a letter followed by letters, digits, `-` and `_`"),
            Self::BadCharacteristic(name) => {
                write!(f, "`{name}` has a value that RFC 7643 section 7 does not define")
            }
            Self::SimpleWithSubAttributes => f.write_str("only a complex attribute has sub-attributes"),
            Self::NestedComplex => f.write_str("a complex attribute can't hold another complex attribute"),
            Self::Duplicate => f.write_str("the name is used twice"),
            Self::NoUniqueness(kind) => write!(f, "an attribute of type {kind} can't be unique"),
            Self::HiddenUnique => f.write_str("an attribute that is never returned can't be unique"),
            Self::Predefined(kind) => {
                write!(f, "a sub-attribute of this name in a multi-valued attribute must be of type {kind}")
            }
            Self::UnknownSchema => f.write_str("the schema is not registered"),
            Self::BadEndpoint => {
                f.write_str("the endpoint must be one path segment, such as /Devices, not taken by another")
            }
            Self::BadMembership => {
                f.write_str("membership needs a multi-valued complex attribute with `value`")
            }
        }
    }
}
