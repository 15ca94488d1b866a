//! Migrations: numbered steps of each crate that has tables in the database.

use crate::error::{DatabaseError, OpenError};
use crate::params;
use crate::session::Session;

/// One step of a crate's tables, and the way back, in SQLite's words: `TEXT`, `INTEGER`, `BLOB`,
/// `INTEGER PRIMARY KEY`, `STRICT`, `WITHOUT ROWID`, which are translated for PostgreSQL.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written as a literal")]
pub struct Migration {
    /// Statements that make the step.
    pub up: &'static str,
    /// Statements that undo it.
    pub down: &'static str,
}

/// How many migrations of each namespace have been applied.
pub(crate) const VERSIONS_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_versions (
        namespace TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
";

#[derive(Debug)]
pub(crate) enum MigrateError {
    Database(DatabaseError),
    Open(Box<OpenError>),
}

impl MigrateError {
    pub(crate) fn into_open_error(self, place: &str) -> OpenError {
        match self {
            Self::Database(error) => error.into_open_error(place),
            Self::Open(error) => *error,
        }
    }
}

impl From<DatabaseError> for MigrateError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// Goes up or down to the state after the first `target` migrations.
pub(crate) fn migrate(
    session: &Session<'_>,
    place: &str,
    namespace: &str,
    migrations: &[Migration],
    target: usize,
) -> Result<(), MigrateError> {
    session.exclude()?;
    session.define(VERSIONS_TABLE)?;
    let select = "SELECT version FROM schema_versions WHERE namespace = ?1";
    let found = session.first(select, params![namespace], |row| row.int(0))?.unwrap_or(0);
    let known = migrations.len();
    let Some(current) = usize::try_from(found).ok().filter(|&v| v <= known) else {
        return Err(MigrateError::Open(Box::new(OpenError::FromTheFuture {
            place: place.to_owned(),
            namespace: namespace.to_owned(),
            found,
            known: i64::try_from(known).unwrap_or(i64::MAX),
        })));
    };
    let target = target.min(known);
    for migration in migrations.iter().take(target).skip(current) {
        session.define(migration.up)?;
    }
    for migration in migrations.iter().take(current).skip(target).rev() {
        session.define(migration.down)?;
    }
    if target != current {
        let version = i64::try_from(target).unwrap_or(i64::MAX);
        session.execute(
            "INSERT INTO schema_versions (namespace, version) VALUES (?1, ?2)
             ON CONFLICT (namespace) DO UPDATE SET version = excluded.version",
            params![namespace, version],
        )?;
        tracing::info!(namespace, from = current, to = target, "tables migrated");
    }
    Ok(())
}
