//! scim-core's Store and ChangeFeed on SQLite.
