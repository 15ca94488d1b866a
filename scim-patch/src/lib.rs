//! SCIM 2.0 PATCH: body, plan, new resource and delta (RFC 7644 section 3.5.2).
