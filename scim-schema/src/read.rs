//! From what a client sent to a canonical, validated resource.

mod canonical;
mod coerce;
mod identity;
mod known;
mod place;

use std::fmt;

pub use coerce::{coerce, is_uri};

use self::coerce::coerce_at;
use self::place::Place;

use crate::attribute::{Attribute, Mutability};
use crate::dialect::{Dialect, Leniency, Report};
use crate::resource::Resource;
use crate::resource_type::{Extension, ResourceType};
use crate::schema::Schema;
use crate::value::{Array, Object, Value};

/// What a body is for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "HTTP has POST and PUT")]
pub enum Intent<'r> {
    /// A new resource (RFC 7644 §3.3).
    Create,
    /// The replacement of a resource (RFC 7644 §3.5.1), which is given.
    Replace(&'r Resource),
}

/// How strictly values are read, and the limits they are held to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
#[expect(clippy::struct_excessive_bools, reason = "each switch is independent of the others")]
pub struct ReadOptions<'o> {
    /// What is accepted beyond the RFCs' text.
    pub dialect: &'o Dialect,
    /// Strings outside the canonical values of their attribute are 400 `invalidValue` (RFC 7643 §2.3.1). Off by default.
    pub enforce_canonical_values: bool,
    /// Countries must be ISO 3166-1 alpha-2 codes (RFC 7643 §4.1.2; ledger choice `country-code`). Off by default.
    pub enforce_country_codes: bool,
    /// `timezone` must have the form of a name of the IANA database: a known area and a location, or one
    /// of the old names without area (RFC 7643 §4.1.2). The locations are not checked: new ones come
    /// several times a year. Off by default.
    pub enforce_time_zones: bool,
    /// Each value of `x509Certificates` must be one DER certificate (RFC 7643 §4.1.2); its form is checked,
    /// not its signature. Off by default.
    pub check_certificates: bool,
    /// Known values are brought to their canonical form: `type` to the schema's spelling, the domain of
    /// an e-mail address and instant-message addresses to lower case (RFC 7643 §2.4). Off by default.
    pub canonicalize: bool,
    /// The service's base URL; references below it are stored relative to it (RFC 7643 §2.3.7).
    pub base: Option<&'o str>,
    /// Values for readWrite attributes that a body leaves out (RFC 7644 §3.3); `null` in a body overrides them.
    pub defaults: Option<&'o Object>,
    /// The longest string, in bytes. Default 32 KiB.
    pub max_string: usize,
    /// The longest `userName`, `externalId` or other identifier that must be unique, in characters. Default 1,024.
    pub max_identifier: usize,
    /// How many values a multi-valued attribute may have. Default 1,000.
    pub max_values: usize,
    /// How many members a resource may have. Default 100,000.
    pub max_members: usize,
}

impl<'o> ReadOptions<'o> {
    /// The defaults under a dialect.
    pub fn new(dialect: &'o Dialect) -> Self {
        Self {
            dialect,
            enforce_canonical_values: false,
            enforce_country_codes: false,
            enforce_time_zones: false,
            check_certificates: false,
            canonicalize: false,
            base: None,
            defaults: None,
            max_string: 32 * 1024,
            max_identifier: 1024,
            max_values: 1000,
            max_members: 100_000,
        }
    }
}

/// Which rule a body broke; each has its `scimType` (RFC 7644 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViolationKind {
    /// The body does not conform to the schema: 400 `invalidSyntax`.
    InvalidSyntax,
    /// A value is missing, of the wrong type or not allowed: 400 `invalidValue`.
    InvalidValue,
    /// A change of what can't be changed: 400 `mutability`.
    Mutability,
    /// More values than the limit: 413.
    TooLarge,
}

/// What is wrong with a body: where, and why. Never says what the value was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation(Box<Fault>);

/// Apart and in a box, so that the results of what finds no fault stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: ViolationKind,
    path: String,
    reason: String,
}

impl Violation {
    /// A violation of `kind` at the attribute `path`.
    #[cold]
    pub fn new(kind: ViolationKind, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Box::new(Fault { kind, path: path.into(), reason: reason.into() }))
    }

    /// Which rule was broken.
    pub fn kind(&self) -> ViolationKind {
        self.0.kind
    }

    /// The attribute path; empty for the body as a whole.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Why, for a person.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.path.is_empty() {
            f.write_str(&self.0.reason)
        } else {
            write!(f, "{}: {}", self.0.path, self.0.reason)
        }
    }
}

fn invalid_value(path: impl fmt::Display, reason: impl Into<String>) -> Violation {
    Violation::new(ViolationKind::InvalidValue, path.to_string(), reason)
}

/// Reads the body of a POST or PUT: canonical names, checked and coerced values, readOnly attributes left
/// out, required ones present (RFC 7643 §2, RFC 7644 §3.3 and §3.5.1). `id` and `meta` are the caller's to set.
///
/// ```
/// use scim_schema::{Dialect, Intent, ReadOptions, Registry, Report, Value, read};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body: Value = serde_json::from_str(r#"{"USERNAME": "bjensen", "active": "True", "groups": []}"#)?;
/// let dialect = Dialect::default();
/// let mut report = Report::default();
/// let resource = read(body, user, Intent::Create, &ReadOptions::new(&dialect), &mut report)?;
/// assert_eq!(resource.get("userName").unwrap().as_str(), Some("bjensen"));
/// assert_eq!(resource.get("active").unwrap().as_bool(), Some(true));
///
/// let wrong: Value = serde_json::from_str(r#"{"userName": "bjensen", "active": "perhaps"}"#)?;
/// let error = read(wrong, user, Intent::Create, &ReadOptions::new(&dialect), &mut report).unwrap_err();
/// assert_eq!(error.to_string(), "active: must be true or false");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Violation`] names the first attribute that is wrong, and the reason.
pub fn read(
    body: Value,
    resource_type: &ResourceType,
    intent: Intent<'_>,
    options: &ReadOptions<'_>,
    report: &mut Report,
) -> Result<Resource, Violation> {
    let Value::Object(body) = body else {
        return Err(Violation::new(ViolationKind::InvalidSyntax, "", "the body must be a JSON object"));
    };
    let mut reader = Reader { resource_type, options, report };
    let mut given = Given::nothing(resource_type);
    for (key, value) in body {
        reader.member(&key, value, &mut given)?;
    }
    let mut resource = reader.assemble(&mut given, intent)?;
    reader.schemas(given.schemas, &mut resource)?;
    finish(&mut resource, resource_type)?;
    Ok(resource)
}

/// The last step of every change: `schemas` in line with the extensions in use, required attributes present.
///
/// # Errors
/// [`Violation`] names the required attribute or extension that is missing.
pub fn finish(resource: &mut Resource, resource_type: &ResourceType) -> Result<(), Violation> {
    resource.set_schemas(resource_type);
    for attribute in required(resource_type.schema()) {
        if is_missing(resource.get(attribute.name())) {
            return Err(missing(attribute.name()));
        }
    }
    for extension in resource_type.extensions() {
        let urn = extension.schema().id();
        match resource.get(urn) {
            None if extension.required() => return Err(missing(urn)),
            None => {}
            Some(container) => {
                for attribute in required(extension.schema()) {
                    if is_missing(container.get(attribute.name())) {
                        return Err(missing(&format!("{urn}:{}", attribute.name())));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The attributes that a client must give.
fn required(schema: &Schema) -> impl Iterator<Item = &Attribute> {
    schema.attributes().iter().filter(|a| a.required() && a.mutability() != Mutability::ReadOnly)
}

/// Without a value that counts: unassigned, or the empty string.
fn is_missing(value: Option<&Value>) -> bool {
    value.is_none_or(|v| v.is_unassigned() || v.as_str() == Some(""))
}

fn missing(path: &str) -> Violation {
    invalid_value(path, "a value is required")
}

/// What the body said about one attribute.
#[derive(Clone, Default)]
enum Slot {
    #[default]
    Nothing,
    Unassigned,
    Value(Value),
}

/// What the body said, by the positions of the attributes in their schemas.
struct Given {
    schemas: Option<Value>,
    /// For the common attributes, then those of the base schema.
    base: Vec<Slot>,
    /// For each extension; empty for one that the body does not have.
    extensions: Vec<Vec<Slot>>,
}

impl Given {
    fn nothing(resource_type: &ResourceType) -> Self {
        let count = ResourceType::common_attributes().len() + resource_type.schema().attributes().len();
        Self {
            schemas: None,
            base: vec![Slot::Nothing; count],
            extensions: vec![Vec::new(); resource_type.extensions().len()],
        }
    }
}

struct Reader<'t, 'o, 'r> {
    resource_type: &'t ResourceType,
    options: &'o ReadOptions<'o>,
    report: &'r mut Report,
}

impl Reader<'_, '_, '_> {
    fn member(&mut self, key: &str, value: Value, given: &mut Given) -> Result<(), Violation> {
        if key.eq_ignore_ascii_case("schemas") {
            return match given.schemas.replace(value) {
                None => Ok(()),
                Some(_) => Err(twice("schemas")),
            };
        }
        if let Some((at, attribute)) = self.resource_type.find(key) {
            return self.attribute(None, attribute, value, given.base.get_mut(at));
        }
        let mut extensions = self.resource_type.extensions().iter().zip(&mut given.extensions);
        match extensions.find(|(extension, _)| extension.schema().id().eq_ignore_ascii_case(key)) {
            Some((extension, slots)) => self.extension(extension, value, slots),
            None => self.unknown(key),
        }
    }

    fn extension(
        &mut self,
        extension: &Extension,
        value: Value,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Violation> {
        let urn = extension.schema().id();
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Ok(()),
            Value::Array(a) if a.is_empty() => return Ok(()),
            other => {
                let reason =
                    format!("must be an object of the extension's attributes, not {}", other.type_name());
                return Err(invalid_value(urn, reason));
            }
        };
        if slots.iter().any(|s| !matches!(s, Slot::Nothing)) {
            return Err(twice(urn));
        }
        slots.resize(extension.schema().attributes().len(), Slot::Nothing);
        for (key, value) in object {
            match extension.schema().find(&key) {
                Some((at, attribute)) => {
                    self.attribute(Some(extension), attribute, value, slots.get_mut(at))?;
                }
                None => self.unknown(format_args!("{urn}:{key}"))?,
            }
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        extension: Option<&Extension>,
        attribute: &Attribute,
        value: Value,
        slot: Option<&mut Slot>,
    ) -> Result<(), Violation> {
        let place = Place::of(extension, attribute);
        let Some(slot) = slot.filter(|slot| matches!(slot, Slot::Nothing)) else {
            return Err(twice(place));
        };
        if attribute.mutability() == Mutability::ReadOnly {
            if !value.is_unassigned() {
                self.report.note(Leniency::ReadOnlyIgnored, place);
            }
            return Ok(());
        }
        let members = self
            .resource_type
            .membership()
            .is_some_and(|m| extension.is_none() && m.attribute() == attribute.name());
        *slot = Slot::Value(value);
        if let Slot::Value(value) = slot
            && !coerce_at(value, attribute, &place, members, self.options, self.report)?
        {
            *slot = Slot::Unassigned;
        }
        Ok(())
    }

    fn unknown(&mut self, path: impl fmt::Display) -> Result<(), Violation> {
        if self.options.dialect.ignore_unknown_attributes {
            self.report.note(Leniency::AttributeIgnored, path);
            return Ok(());
        }
        // The name is the client's text, so the detail does not repeat it.
        Err(Violation::new(
            ViolationKind::InvalidSyntax,
            "",
            "the body has an attribute that no schema of the resource type defines",
        ))
    }

    /// The attributes in the order of the schemas, with what the stored resource contributes on a PUT.
    /// `schemas` is there, but null.
    fn assemble(&self, given: &mut Given, intent: Intent<'_>) -> Result<Resource, Violation> {
        let existing = match intent {
            Intent::Replace(resource) => Some(resource),
            Intent::Create => None,
        };
        let count = given.base.iter().filter(|s| !matches!(s, Slot::Nothing)).count();
        // Room for `schemas`, `id` and `meta` too.
        let mut attributes = Object::with_capacity(count + given.extensions.len() + 3);
        attributes.push("schemas", Value::Null);
        if let Some(id) = existing.and_then(|e| e.get("id")) {
            attributes.push("id", id.clone());
        }
        for (at, attribute) in self.resource_type.positions() {
            if matches!(attribute.name(), "schemas" | "id" | "meta") {
                continue;
            }
            let slot = given.base.get_mut(at).map(std::mem::take).unwrap_or_default();
            let existing = existing.and_then(|e| e.get(attribute.name()));
            if let Some(value) = self.settle(None, attribute, slot, existing)? {
                attributes.push(attribute.name(), value);
            }
        }
        for (extension, slots) in
            self.resource_type.extensions().iter().zip(std::mem::take(&mut given.extensions))
        {
            let urn = extension.schema().id();
            let existing = existing.and_then(|e| e.get(urn));
            let mut container = Object::with_capacity(slots.len());
            let mut slots = slots.into_iter();
            for attribute in extension.schema().attributes() {
                let slot = slots.next().unwrap_or_default();
                let existing = existing.and_then(|c| c.get(attribute.name()));
                if let Some(value) = self.settle(Some(extension), attribute, slot, existing)? {
                    container.push(attribute.name(), value);
                }
            }
            if !container.is_empty() {
                attributes.push(urn, container);
            }
        }
        Ok(Resource::from_canonical(attributes))
    }

    /// The value an attribute ends up with: the body's, a default, or what can't be taken away.
    fn settle(
        &self,
        extension: Option<&Extension>,
        attribute: &Attribute,
        given: Slot,
        existing: Option<&Value>,
    ) -> Result<Option<Value>, Violation> {
        match attribute.mutability() {
            Mutability::ReadOnly => return Ok(existing.cloned()),
            Mutability::Immutable => match (existing, &given) {
                (Some(old), Slot::Value(new)) if !same_value(attribute, old, new) => {
                    return Err(Violation::new(
                        ViolationKind::Mutability,
                        Place::of(extension, attribute).to_string(),
                        "the value is immutable and differs from the present one",
                    ));
                }
                (Some(old), _) => return Ok(Some(old.clone())),
                (None, _) => {}
            },
            Mutability::ReadWrite | Mutability::WriteOnly => {}
        }
        Ok(match given {
            Slot::Nothing => {
                let defaults = self.options.defaults.filter(|_| extension.is_none());
                defaults.and_then(|d| d.get(attribute.name())).cloned()
            }
            Slot::Unassigned => None,
            Slot::Value(mut value) => {
                if let Some(existing) = existing {
                    keep_read_only_parts(attribute, existing, &mut value);
                }
                Some(value)
            }
        })
    }

    /// Checks the `schemas` that the body listed (RFC 7643 §3 and §3.3).
    fn schemas(&mut self, listed: Option<Value>, resource: &mut Resource) -> Result<(), Violation> {
        let base = self.resource_type.schema().id();
        let dialect = self.options.dialect;
        let not_urns = || Violation::new(ViolationKind::InvalidSyntax, "schemas", "must be an array of URNs");
        let urns = match listed {
            None | Some(Value::Null) => Array::new(),
            Some(Value::Array(urns)) => urns,
            Some(urn @ Value::String(_)) => Array::from_iter([urn]),
            Some(_) => return Err(not_urns()),
        };
        if urns.is_empty() {
            if !dialect.infer_schemas {
                return Err(Violation::new(ViolationKind::InvalidSyntax, "schemas", "a value is required"));
            }
            self.report.note(Leniency::SchemaInferred, base);
        }
        let lists_none = urns.is_empty();
        let mut has_base = false;
        let mut known = Vec::with_capacity(urns.len());
        for listed in urns {
            let Some(urn) = listed.as_str() else { return Err(not_urns()) };
            let canonical = if urn.eq_ignore_ascii_case(base) {
                has_base = true;
                base
            } else if let Some(extension) = self.resource_type.extension(urn) {
                extension.schema().id()
            } else if dialect.drop_unknown_schemas {
                self.report.note(Leniency::SchemaDropped, urn);
                continue;
            } else {
                return Err(invalid_value("schemas", "lists a URN that the resource type does not have"));
            };
            known.push(if urn == canonical { listed } else { Value::from(canonical) });
        }
        if !has_base && !lists_none {
            if !dialect.infer_schemas {
                return Err(invalid_value("schemas", format!("must list the base schema {base}")));
            }
            self.report.note(Leniency::SchemaInferred, base);
        }
        for extension in self.resource_type.extensions() {
            let urn = extension.schema().id();
            let in_use = resource.get(urn).is_some();
            if in_use && !known.iter().any(|k| k.as_str() == Some(urn)) {
                if !dialect.infer_schemas {
                    return Err(invalid_value(
                        "schemas",
                        format!("must list {urn}, whose attributes the body has"),
                    ));
                }
                self.report.note(Leniency::SchemaInferred, urn);
            }
        }
        resource.attributes_mut().insert("schemas", known);
        Ok(())
    }
}

fn twice(path: impl fmt::Display) -> Violation {
    Violation::new(
        ViolationKind::InvalidSyntax,
        path.to_string(),
        "is given twice, in spellings that differ by letter case only",
    )
}

/// Whether two values of an attribute are the same by its comparison rules.
fn same_value(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) if !attribute.case_exact() => crate::fold(a) == crate::fold(b),
        _ => a == b,
    }
}

/// ReadOnly sub-attributes of a singular complex attribute stay as they are on the server.
fn keep_read_only_parts(attribute: &Attribute, existing: &Value, value: &mut Value) {
    let (Some(existing), Some(object)) = (existing.as_object(), value.as_object_mut()) else { return };
    for sub in attribute.sub_attributes().iter().filter(|s| s.mutability() == Mutability::ReadOnly) {
        if let Some(kept) = existing.get(sub.name()) {
            object.insert(sub.name(), kept.clone());
        }
    }
}
