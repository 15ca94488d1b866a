//! scim-core as a tower service.
