#![doc = include_str!("../README.md")]

mod attribute;
mod attributes;
mod datetime;
mod dialect;
mod json;
mod path;
mod project;
mod read;
mod reference;
mod registry;
mod resource;
mod resource_type;
mod schema;
mod text;
mod value;

pub use compact_str::CompactString;

pub use attribute::{Attribute, Mutability, Returned, Type, Uniqueness};
pub use datetime::DateTime;
pub use dialect::{Dialect, Leniency, Note, Report};
pub use json::{JsonError, JsonLimits, parse_json, plain_length, write_json};
pub use path::{AttributePath, is_name, is_urn};
pub use project::{Projection, Selection, Shown};
pub use read::{Intent, ReadOptions, Violation, ViolationKind, coerce, finish, is_uri, read};
pub use reference::{referenced_id, resolve_reference};
pub use registry::{Registry, RegistryBuilder};
pub use resource::{Resource, etag};
pub use resource_type::{Extension, Located, Membership, ResourceType, Target, UniqueKey};
pub use schema::{
    ENTERPRISE_USER, GROUP, RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG, Schema, SchemaError,
    SchemaProblem, USER,
};
pub use text::{comparable, fold, normalize, uniqueness_key};
pub use value::{Array, IntoMembers, Number, Object, Value};
