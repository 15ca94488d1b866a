//! A Store of one's own for scim-core.
