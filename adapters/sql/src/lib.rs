//! scim-core's Store and ChangeFeed on SQLite.

mod error;
mod sqlite;

pub use error::{DatabaseError, OpenError};
pub use rusqlite;
pub use sqlite::{Database, Migration, Options};
