//! Headers that an endpoint wants with each delivery.

use http::{HeaderMap, HeaderName, HeaderValue};

/// How many headers an endpoint may have.
pub const HEADER_COUNT_LIMIT: usize = 20;
/// How long their names and values may be together, in bytes.
pub const HEADER_SIZE_LIMIT: usize = 4096;

/// Headers that say how the message travels, what the body is or who it is for: they are the sender's.
const RESERVED: [&str; 14] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
const RESERVED_PREFIXES: [&str; 2] = ["webhook-", "proxy-"];

/// Checks one header of an endpoint and answers its name in lower case.
///
/// ```
/// use scim_webhook::{HeaderError, check_header};
/// assert_eq!(check_header("X-Tenant", "acme").as_deref(), Ok("x-tenant"));
/// assert_eq!(check_header("Webhook-Id", "1"), Err(HeaderError::Reserved));
/// ```
///
/// # Errors
/// [`HeaderError`] says what is wrong, without name and value: they may be secret.
pub fn check_header(name: &str, value: &str) -> Result<String, HeaderError> {
    read(name, value).map(|(name, _)| name.as_str().to_owned())
}

/// Checks all headers of an endpoint and answers them with their names in lower case.
///
/// # Errors
/// [`HeaderError`] where one of them is wrong, comes twice, or they are too many or too long together.
pub fn check_headers(headers: &[(String, String)]) -> Result<Vec<(String, String)>, HeaderError> {
    read_all(headers)?;
    Ok(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect())
}

pub(crate) fn read_all(headers: &[(String, String)]) -> Result<HeaderMap, HeaderError> {
    if headers.len() > HEADER_COUNT_LIMIT {
        return Err(HeaderError::Count);
    }
    if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_SIZE_LIMIT {
        return Err(HeaderError::Size);
    }
    // With room for those of the sender.
    let mut map = HeaderMap::with_capacity(headers.len() + 6);
    for (name, value) in headers {
        let (name, value) = read(name, value)?;
        if map.insert(name, value).is_some() {
            return Err(HeaderError::Repeated);
        }
    }
    Ok(map)
}

fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    if name.len() + value.len() > HEADER_SIZE_LIMIT {
        return Err(HeaderError::Size);
    }
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name)?;
    let is_reserved = RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    if is_reserved {
        return Err(HeaderError::Reserved);
    }
    if !value.is_ascii() || value.trim_matches([' ', '\t']) != value {
        return Err(HeaderError::Value);
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| HeaderError::Value)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Why an endpoint can't have some header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token (RFC 9110 §5.1).
    #[error("the name of a header has letters, digits and any of !#$%&'*+-.^_`|~, and is not empty")]
    Name,
    /// The value holds what a field value must not (RFC 9110 §5.5), or is not ASCII.
    #[error("the value of a header is ASCII without line breaks, and has no space at its ends")]
    Value,
    /// The header is the sender's.
    #[error(
        "headers of the connection and the body, and those that begin with webhook- or proxy-, are set by the sender"
    )]
    Reserved,
    /// A name comes twice.
    #[error("an endpoint can have a header once: join its values with a comma")]
    Repeated,
    /// More than [`HEADER_COUNT_LIMIT`].
    #[error("an endpoint can have 20 headers")]
    Count,
    /// More than [`HEADER_SIZE_LIMIT`].
    #[error("the headers of an endpoint can have 4096 bytes together")]
    Size,
}
