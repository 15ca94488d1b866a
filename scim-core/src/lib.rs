//! The SCIM 2.0 protocol: HTTP request, operation, store, response (RFC 7644).
