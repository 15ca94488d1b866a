//! The limits and options of a service. What is announced is what is enforced.

use scim_filter::Limits as FilterLimits;
use scim_schema::{JsonLimits, Object};

/// Limits and options of a [`Service`](crate::Service), with tested defaults.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
#[expect(clippy::struct_excessive_bools, reason = "each switch is independent of the others")]
pub struct ServiceConfig {
    /// The largest request body in bytes. Default 1 MiB.
    pub max_body: usize,
    /// The largest body of a PUT or PATCH of a resource with members, in bytes. Default 8 MiB.
    pub max_members_body: usize,
    /// The largest bulk body in bytes, announced as `bulk.maxPayloadSize`. Default 4 MiB.
    pub max_bulk_body: usize,
    /// How many operations a bulk job may have, announced as `bulk.maxOperations`. Default 1,000.
    pub max_bulk_operations: usize,
    /// How many operations a PATCH may have. Default 1,000.
    pub max_patch_operations: usize,
    /// The longest path and query in bytes. Default 16 KiB.
    pub max_uri: usize,
    /// Depth and size of JSON bodies.
    pub json: JsonLimits,
    /// Length, depth and size of filters.
    pub filter: FilterLimits,
    /// How many resources a page has when the client does not say. Default 100.
    pub default_page_size: usize,
    /// How many resources a page has at most, announced as `filter.maxResults`. Default 1,000.
    pub max_page_size: usize,
    /// How many resources a query of the service root may match before it is refused as `tooMany`. Default 100,000.
    pub max_root_results: u64,
    /// How long a cursor is good, in seconds, announced as `pagination.cursorTimeout`. Default 3,600.
    pub cursor_timeout: u64,
    /// Seals cursors. Servers that share a store share the key. The default is made from the base URL:
    /// it keeps clients from mistaking a cursor for something to be edited, not from forging one; set a
    /// random key where cursors must not be forged.
    pub cursor_key: Option<[u8; 32]>,
    /// Whether a query without paging parameters is answered with a cursor (RFC 9865 §2.3). Off by default.
    pub cursor_by_default: bool,
    /// The longest string value in bytes. Default 32 KiB.
    pub max_string: usize,
    /// How many values a multi-valued attribute may have. Default 1,000.
    pub max_values: usize,
    /// How many members one request may give. Default 100,000.
    pub max_members: usize,
    /// Whether `ServiceProviderConfig`, `ResourceTypes` and `Schemas` are readable without credentials. Default true.
    pub public_discovery: bool,
    /// What is done about members that do not exist (RFC 7643 §2.3.7). Default: [`UnknownMembers::Ignore`].
    pub unknown_members: UnknownMembers,
    /// Whether other references to resources of this service, such as `manager`, must exist. Default
    /// false: identity providers send a person before the manager.
    pub check_references: bool,
    /// Whether `externalId` is unique among the resources of a type and tenant. Default false.
    pub unique_external_id: bool,
    /// See [`ReadOptions::enforce_canonical_values`](scim_schema::ReadOptions). Default false.
    pub enforce_canonical_values: bool,
    /// See [`ReadOptions::enforce_country_codes`](scim_schema::ReadOptions). Default false.
    pub enforce_country_codes: bool,
    /// See [`ReadOptions::enforce_time_zones`](scim_schema::ReadOptions). Default false.
    pub enforce_time_zones: bool,
    /// See [`ReadOptions::check_certificates`](scim_schema::ReadOptions). Default false.
    pub check_certificates: bool,
    /// See [`ReadOptions::canonicalize`](scim_schema::ReadOptions). Default false.
    pub canonicalize: bool,
    /// Whether PATCH answers 204 when no attributes are asked for (ledger choice `patch-200`). Default false.
    pub patch_no_content: bool,
    /// Whether bulk is offered. Default true.
    pub bulk: bool,
    /// Values for attributes that a POST or PUT body leaves out, by the name of the resource type.
    pub defaults: Vec<(String, Object)>,
    /// Paths of attributes that may not stand in the filter of a URL; 403 `sensitive` (RFC 7644 §7.5.2).
    /// A search by POST may use them.
    pub sensitive_attributes: Vec<String>,
    /// What is announced of security event tokens (RFC 9967 §4); `None` where there are none. Default: `None`.
    pub security_events: Option<SecurityEvents>,
    /// Where people read about the service.
    pub documentation_uri: Option<String>,
    /// How often a write without `If-Match` is tried again when another write came between. Default 5.
    pub write_attempts: usize,
}

/// Which security event tokens a receiver can have of the service. Requests are never completed asynchronously:
/// `asyncRequest` is `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what the RFC lets a service choose")]
pub struct SecurityEvents {
    /// The URIs of the events that the service makes and delivers: `eventUris`.
    pub event_uris: Vec<String>,
}

/// What is done about members that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to do")]
pub enum UnknownMembers {
    /// They are left out and noted; the others are added. An identity provider that takes 400 for final,
    /// as Okta does, would lose the whole request over one person who is gone.
    #[default]
    Ignore,
    /// The request is refused: 400 `invalidValue`, and nothing of it is done.
    Reject,
    /// They are kept like any other.
    Keep,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_members_body: 8 << 20,
            max_bulk_body: 4 << 20,
            max_bulk_operations: 1000,
            max_patch_operations: 1000,
            max_uri: 16 * 1024,
            json: JsonLimits::default(),
            filter: FilterLimits::default(),
            default_page_size: 100,
            max_page_size: 1000,
            max_root_results: 100_000,
            cursor_timeout: 3600,
            cursor_key: None,
            cursor_by_default: false,
            max_string: 32 * 1024,
            max_values: 1000,
            max_members: 100_000,
            public_discovery: true,
            unknown_members: UnknownMembers::default(),
            check_references: false,
            unique_external_id: false,
            enforce_canonical_values: false,
            enforce_country_codes: false,
            enforce_time_zones: false,
            check_certificates: false,
            canonicalize: false,
            patch_no_content: false,
            bulk: true,
            defaults: Vec::new(),
            sensitive_attributes: Vec::new(),
            security_events: None,
            documentation_uri: None,
            write_attempts: 5,
        }
    }
}
