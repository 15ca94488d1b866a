//! Method and path to operation: one table (RFC 7644 §3.2).

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use scim_schema::{Registry, ResourceType};

use crate::error::{Error, ErrorKind};

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create(Arc<ResourceType>),
    Get(Arc<ResourceType>, String),
    Replace(Arc<ResourceType>, String),
    Patch(Arc<ResourceType>, String),
    Delete(Arc<ResourceType>, String),
    /// A query by GET: of one type, or of all at the service root.
    List(Option<Arc<ResourceType>>),
    /// A query by POST.
    Search(Option<Arc<ResourceType>>),
    Bulk,
    /// `/Me` with any method it has.
    Me(Method),
    ServiceProviderConfig,
    ResourceTypes,
    ResourceType(String),
    Schemas,
    Schema(String),
}

impl Operation {
    /// Whether the operation reads what the service says about itself.
    pub(crate) fn is_discovery(&self) -> bool {
        matches!(
            self,
            Self::ServiceProviderConfig
                | Self::ResourceTypes
                | Self::ResourceType(_)
                | Self::Schemas
                | Self::Schema(_)
        )
    }

    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::Create(_) | Self::Replace(..) | Self::Patch(..) | Self::Delete(..) | Self::Bulk => true,
            Self::Me(method) => method != Method::GET,
            _ => false,
        }
    }
}

/// What a path leads to.
enum Endpoint {
    Root,
    Type(Arc<ResourceType>),
    Resource(Arc<ResourceType>, String),
    Search(Option<Arc<ResourceType>>),
    Bulk,
    Me,
    Discovery(Operation),
}

/// Finds the operation. The path is relative to the base URL; a version segment `v2` may come first
/// (RFC 7644 §3.13).
///
/// # Errors
/// 404 for an unknown path, 405 for a method that the path does not have, 400 `invalidVers` for another
/// version of the protocol.
pub(crate) fn route(method: &Method, path: &str, registry: &Registry) -> Result<Operation, Error> {
    // A HEAD is a GET whose body is left out at the end.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    match (endpoint(path, registry)?, method.as_str()) {
        (Endpoint::Root, "GET") => Ok(Operation::List(None)),
        (Endpoint::Root, _) => Err(Error::method_not_allowed("GET, HEAD")),
        (Endpoint::Type(t), "GET") => Ok(Operation::List(Some(t))),
        (Endpoint::Type(t), "POST") => Ok(Operation::Create(t)),
        (Endpoint::Type(_), _) => Err(Error::method_not_allowed("GET, HEAD, POST")),
        (Endpoint::Resource(t, id), "GET") => Ok(Operation::Get(t, id)),
        (Endpoint::Resource(t, id), "PUT") => Ok(Operation::Replace(t, id)),
        (Endpoint::Resource(t, id), "PATCH") => Ok(Operation::Patch(t, id)),
        (Endpoint::Resource(t, id), "DELETE") => Ok(Operation::Delete(t, id)),
        (Endpoint::Resource(..), _) => Err(Error::method_not_allowed("GET, HEAD, PUT, PATCH, DELETE")),
        (Endpoint::Search(t), "POST") => Ok(Operation::Search(t)),
        (Endpoint::Search(_) | Endpoint::Bulk, other) if other != "POST" => {
            Err(Error::method_not_allowed("POST"))
        }
        (Endpoint::Bulk, _) => Ok(Operation::Bulk),
        (Endpoint::Me, "GET" | "POST" | "PUT" | "PATCH" | "DELETE") => Ok(Operation::Me(method.clone())),
        (Endpoint::Me, _) => Err(Error::method_not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE")),
        (Endpoint::Discovery(operation), "GET") => Ok(operation),
        (Endpoint::Discovery(_), _) => Err(Error::method_not_allowed("GET, HEAD")),
        (Endpoint::Search(_), _) => Err(no_such_endpoint()),
    }
}

fn endpoint(path: &str, registry: &Registry) -> Result<Endpoint, Error> {
    let mut segments = path.split('/').filter(|s| !s.is_empty()).map(decode);
    let mut next = || segments.next().transpose();
    let mut first = next()?;
    if let Some(version) = first.as_deref().and_then(version) {
        if version != "2" {
            return Err(Error::new(
                ErrorKind::InvalidVers,
                "the service speaks version 2 of the protocol only",
            ));
        }
        first = next()?;
    }
    let Some(first) = first else { return Ok(Endpoint::Root) };
    let (second, third) = (next()?, next()?);
    if third.is_some() {
        return Err(no_such_endpoint());
    }
    match (first.as_str(), second) {
        (".search", None) => Ok(Endpoint::Search(None)),
        ("Bulk", None) => Ok(Endpoint::Bulk),
        ("Me", None) => Ok(Endpoint::Me),
        ("ServiceProviderConfig" | "ServiceProviderConfigs", None) => {
            Ok(Endpoint::Discovery(Operation::ServiceProviderConfig))
        }
        ("ResourceTypes", None) => Ok(Endpoint::Discovery(Operation::ResourceTypes)),
        ("ResourceTypes", Some(name)) => Ok(Endpoint::Discovery(Operation::ResourceType(name))),
        ("Schemas", None) => Ok(Endpoint::Discovery(Operation::Schemas)),
        ("Schemas", Some(urn)) => Ok(Endpoint::Discovery(Operation::Schema(urn))),
        (name, second) => {
            let resource_type = registry.resource_type_at(name).ok_or_else(no_such_endpoint)?;
            let resource_type = Arc::clone(resource_type);
            Ok(match second {
                None => Endpoint::Type(resource_type),
                Some(s) if s == ".search" => Endpoint::Search(Some(resource_type)),
                Some(id) => Endpoint::Resource(resource_type, id),
            })
        }
    }
}

fn no_such_endpoint() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such endpoint")
}

/// Each segment is decoded once. Bytes that are not UTF-8 can't name anything.
fn decode(segment: &str) -> Result<String, Error> {
    percent_decode_str(segment)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| no_such_endpoint())
}

/// The digits of a version segment: `v2` gives `2`.
fn version(segment: &str) -> Option<&str> {
    let digits = segment.strip_prefix('v')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}
