//! scim-core as an axum router.
