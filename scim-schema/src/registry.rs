//! The schemas and resource types that a server knows.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;

use crate::attribute::{flag, text};
use crate::resource_type::{Extension, Membership, ResourceType};
use crate::schema::{ENTERPRISE_USER, GROUP, Schema, SchemaError, SchemaProblem, USER};
use crate::value::Value;

/// Endpoints of the protocol itself (RFC 7644 §3.2), which no resource type can take.
const RESERVED: [&str; 6] = ["serviceproviderconfig", "resourcetypes", "schemas", "me", "bulk", ".search"];

/// The schemas and resource types of a server, fixed once built.
///
/// ```
/// use scim_schema::Registry;
/// let registry = Registry::standard();
/// assert_eq!(registry.resource_type("User").unwrap().endpoint(), "/Users");
/// assert!(registry.schema("URN:IETF:params:scim:schemas:core:2.0:Group").is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    schemas: IndexMap<String, Arc<Schema>>,
    resource_types: Vec<Arc<ResourceType>>,
}

impl Registry {
    /// User with the enterprise extension, and Group with members.
    pub fn standard() -> Self {
        #[expect(clippy::expect_used, reason = "documents of this crate, read by every test")]
        let registry = RegistryBuilder::standard().build().expect("the bundled schemas are well formed");
        registry
    }

    /// A builder without schemas of resources. See [`RegistryBuilder::standard`] for one with User and Group.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::empty()
    }

    /// The schemas: those of the protocol, then as registered.
    pub fn schemas(&self) -> impl ExactSizeIterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// The schema under that URN, without regard to letter case.
    pub fn schema(&self, urn: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(&urn.to_ascii_lowercase())
    }

    /// The resource types, as registered.
    pub fn resource_types(&self) -> &[Arc<ResourceType>] {
        &self.resource_types
    }

    /// The resource type of that name (case-exact, RFC 7643 §3.1).
    pub fn resource_type(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|t| t.name == name)
    }

    /// The resource type at that endpoint, given with or without the leading slash.
    pub fn resource_type_at(&self, endpoint: &str) -> Option<&Arc<ResourceType>> {
        let endpoint = endpoint.strip_prefix('/').unwrap_or(endpoint);
        self.resource_types.iter().find(|t| t.endpoint.strip_prefix('/') == Some(endpoint))
    }
}

/// Collects schemas and resource types and checks that they fit together.
#[derive(Clone, Debug, Default)]
pub struct RegistryBuilder {
    schemas: IndexMap<String, Arc<Schema>>,
    resource_types: Vec<ResourceType>,
    warnings: Vec<String>,
}

impl RegistryBuilder {
    /// The schemas of ServiceProviderConfig, ResourceType and Schema only.
    fn empty() -> Self {
        let mut builder = Self::default();
        for document in [
            include_str!("../schemas/service-provider-config.json"),
            include_str!("../schemas/resource-type.json"),
            include_str!("../schemas/schema.json"),
        ] {
            builder.bundled(document);
        }
        builder
    }

    /// User with the enterprise extension, and Group with members.
    pub fn standard() -> Self {
        let mut builder = Self::default();
        for document in [
            include_str!("../schemas/user.json"),
            include_str!("../schemas/enterprise-user.json"),
            include_str!("../schemas/group.json"),
        ] {
            builder.bundled(document);
        }
        for (urn, schema) in Self::empty().schemas {
            builder.schemas.insert(urn, schema);
        }
        let schema = |urn: &str| builder.schemas.get(&urn.to_ascii_lowercase()).cloned();
        if let (Some(user), Some(enterprise), Some(group)) =
            (schema(USER), schema(ENTERPRISE_USER), schema(GROUP))
        {
            builder.resource_types.push(ResourceType {
                name: "User".into(),
                endpoint: "/Users".into(),
                description: "User accounts".into(),
                schema: user,
                extensions: vec![Extension { schema: enterprise, required: false }],
                membership: None,
                inverses: Vec::new(),
                default_projection: OnceLock::new(),
                facts: OnceLock::new(),
            });
            builder.resource_types.push(ResourceType {
                name: "Group".into(),
                endpoint: "/Groups".into(),
                description: "Groups".into(),
                schema: group,
                extensions: Vec::new(),
                membership: Some(Membership { attribute: "members".into(), inverse: Some("groups".into()) }),
                inverses: Vec::new(),
                default_projection: OnceLock::new(),
                facts: OnceLock::new(),
            });
        }
        builder
    }

    /// Adds a schema.
    ///
    /// # Errors
    /// When its URN is taken already.
    pub fn schema(mut self, schema: Schema) -> Result<Self, SchemaError> {
        self.warnings.extend(schema.lint());
        let key = schema.id().to_ascii_lowercase();
        if self.schemas.contains_key(&key) {
            return Err(SchemaError::at(schema.id(), SchemaProblem::Duplicate));
        }
        self.schemas.insert(key, Arc::new(schema));
        Ok(self)
    }

    /// Adds a Schema document.
    ///
    /// # Errors
    /// As [`Schema::from_json`] and [`RegistryBuilder::schema`].
    pub fn schema_json(self, document: &str) -> Result<Self, SchemaError> {
        self.schema(Schema::from_json(document)?)
    }

    /// Adds a resource type from a ResourceType document (RFC 7643 §6): `name`, `endpoint` (left out:
    /// the plural of the name), `description`, `schema`, `schemaExtensions`. A member of ours,
    /// `membership` with `attribute` and `inverse`, declares that the attribute's values are the ids of
    /// other resources.
    ///
    /// # Errors
    /// When a schema is not registered yet, a name or endpoint is taken, or the document is malformed.
    pub fn resource_type_json(self, document: &str) -> Result<Self, SchemaError> {
        let value: Value = serde_json::from_str(document)
            .map_err(|e| SchemaError::at("document", SchemaProblem::Json(e.to_string())))?;
        self.resource_type_value(&value)
    }

    /// As [`RegistryBuilder::resource_type_json`], from a document that has been parsed already.
    ///
    /// # Errors
    /// As [`RegistryBuilder::resource_type_json`].
    pub fn resource_type_value(mut self, value: &Value) -> Result<Self, SchemaError> {
        let object =
            value.as_object().ok_or_else(|| SchemaError::at("document", SchemaProblem::NotAnObject))?;
        let name = text(object, "name")
            .ok_or_else(|| SchemaError::at("document", SchemaProblem::Missing("name")))?;
        let fail = |problem| Err(SchemaError::at(name, problem));
        if self.resource_types.iter().any(|t| t.name.eq_ignore_ascii_case(name)) {
            return fail(SchemaProblem::Duplicate);
        }
        let endpoint = match text(object, "endpoint") {
            Some(endpoint) if endpoint.starts_with('/') => endpoint.to_owned(),
            Some(endpoint) => format!("/{endpoint}"),
            None => format!("/{name}s"),
        };
        let segment = endpoint.strip_prefix('/').unwrap_or_default();
        let well_formed =
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let is_version = segment.strip_prefix('v').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let taken = RESERVED.contains(&segment.to_ascii_lowercase().as_str())
            || self.resource_types.iter().any(|t| t.endpoint.eq_ignore_ascii_case(&endpoint));
        if !well_formed || is_version || taken {
            return fail(SchemaProblem::BadEndpoint);
        }
        let Some(urn) = text(object, "schema") else { return fail(SchemaProblem::Missing("schema")) };
        let schema = self.registered(urn)?;
        let mut extensions = Vec::new();
        for extension in object.get_ignore_case("schemaExtensions").map(Value::elements).unwrap_or_default() {
            // The short form, a bare URN, means an extension that is not required.
            let (urn, required) = match extension {
                Value::String(urn) => (urn.as_str(), false),
                Value::Object(o) => match text(o, "schema") {
                    Some(urn) => (urn, flag(o, name, "required")?),
                    None => return fail(SchemaProblem::Missing("schema")),
                },
                _ => return fail(SchemaProblem::BadCharacteristic("schemaExtensions")),
            };
            extensions.push(Extension { schema: self.registered(urn)?, required });
        }
        self.lint_extensions(name, &schema, &extensions);
        let membership = read_membership(object.get_ignore_case("membership"), name, &schema)?;
        self.resource_types.push(ResourceType {
            name: name.to_owned(),
            endpoint,
            description: text(object, "description").unwrap_or_default().to_owned(),
            schema,
            extensions,
            membership,
            inverses: Vec::new(),
            default_projection: OnceLock::new(),
            facts: OnceLock::new(),
        });
        Ok(self)
    }

    /// Adds an extension to a resource type that has been registered.
    ///
    /// # Errors
    /// When the type or the schema is not registered.
    pub fn extend(mut self, resource_type: &str, urn: &str, required: bool) -> Result<Self, SchemaError> {
        let schema = self.registered(urn)?;
        let Some(target) = self.resource_types.iter_mut().find(|t| t.name == resource_type) else {
            return Err(SchemaError::at(resource_type, SchemaProblem::UnknownSchema));
        };
        let base = Arc::clone(&target.schema);
        target.extensions.push(Extension { schema, required });
        let extensions = target.extensions.clone();
        self.lint_extensions(resource_type, &base, &extensions);
        Ok(self)
    }

    /// What looks like a mistake but is allowed, for a log at start.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The registry.
    ///
    /// # Errors
    /// None at present beyond those raised when things were added.
    pub fn build(mut self) -> Result<Registry, SchemaError> {
        let inverses: Vec<String> = self
            .resource_types
            .iter()
            .filter_map(|t| t.membership.as_ref().and_then(|m| m.inverse.clone()))
            .collect();
        for resource_type in &mut self.resource_types {
            resource_type.inverses =
                inverses.iter().filter(|i| resource_type.schema.attribute(i).is_some()).cloned().collect();
        }
        Ok(Registry {
            schemas: self.schemas,
            resource_types: self.resource_types.into_iter().map(Arc::new).collect(),
        })
    }

    fn bundled(&mut self, document: &str) {
        #[expect(clippy::expect_used, reason = "documents of this crate, read by every test")]
        let schema = Schema::from_json(document).expect("the bundled schemas are well formed");
        self.schemas.insert(schema.id().to_ascii_lowercase(), Arc::new(schema));
    }

    fn registered(&self, urn: &str) -> Result<Arc<Schema>, SchemaError> {
        let schema = self.schemas.get(&urn.to_ascii_lowercase()).cloned();
        schema.ok_or_else(|| SchemaError::at(urn, SchemaProblem::UnknownSchema))
    }

    /// RFC 7643 §3.3: extensions should not redefine core attributes.
    fn lint_extensions(&mut self, name: &str, schema: &Schema, extensions: &[Extension]) {
        for extension in extensions {
            for attribute in extension.schema.attributes() {
                let shadows = schema.attribute(attribute.name()).is_some()
                    || ResourceType::common_attributes()
                        .iter()
                        .any(|a| a.name().eq_ignore_ascii_case(attribute.name()));
                if shadows {
                    let urn = extension.schema.id();
                    self.warnings
                        .push(format!("{name}: {urn} redefines the core attribute {}", attribute.name()));
                }
            }
        }
    }
}

fn read_membership(
    value: Option<&Value>,
    name: &str,
    schema: &Schema,
) -> Result<Option<Membership>, SchemaError> {
    let Some(object) = value.and_then(Value::as_object) else { return Ok(None) };
    let attribute = text(object, "attribute").and_then(|a| schema.attribute(a));
    match attribute {
        Some(a) if a.multi_valued() && a.sub_attribute("value").is_some() => Ok(Some(Membership {
            attribute: a.name().to_owned(),
            inverse: text(object, "inverse").map(str::to_owned),
        })),
        _ => Err(SchemaError::at(name, SchemaProblem::BadMembership)),
    }
}
