//! Migrations: numbered steps of each crate that has tables in the file.

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::error::{DatabaseError, OpenError};

/// One step of a crate's tables, and the way back.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written as a literal")]
pub struct Migration {
    /// Statements that make the step.
    pub up: &'static str,
    /// Statements that undo it.
    pub down: &'static str,
}

/// How many migrations of each namespace have been applied.
pub(super) const VERSIONS_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_versions (
        namespace TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
";

#[derive(Debug)]
pub(super) enum MigrateError {
    Database(DatabaseError),
    Open(Box<OpenError>),
}

impl MigrateError {
    pub(super) fn into_open_error(self, path: &Path) -> OpenError {
        match self {
            Self::Database(error) => error.into_open_error(path.to_owned()),
            Self::Open(error) => *error,
        }
    }
}

impl From<DatabaseError> for MigrateError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Goes up or down to the state after the first `target` migrations.
pub(super) fn migrate(
    tx: &Transaction<'_>,
    path: &Path,
    namespace: &str,
    migrations: &[Migration],
    target: usize,
) -> Result<(), MigrateError> {
    let select = "SELECT version FROM schema_versions WHERE namespace = ?1";
    let found: i64 = tx.query_row(select, [namespace], |row| row.get(0)).optional()?.unwrap_or(0);
    let known = migrations.len();
    let Some(current) = usize::try_from(found).ok().filter(|&v| v <= known) else {
        return Err(MigrateError::Open(Box::new(OpenError::FromTheFuture {
            path: path.to_owned(),
            namespace: namespace.to_owned(),
            found,
            known: i64::try_from(known).unwrap_or(i64::MAX),
        })));
    };
    let target = target.min(known);
    for migration in migrations.iter().take(target).skip(current) {
        tx.execute_batch(migration.up)?;
    }
    for migration in migrations.iter().take(current).skip(target).rev() {
        tx.execute_batch(migration.down)?;
    }
    if target != current {
        let version = i64::try_from(target).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT INTO schema_versions (namespace, version) VALUES (?1, ?2)
             ON CONFLICT (namespace) DO UPDATE SET version = excluded.version",
            params![namespace, version],
        )?;
        tracing::info!(namespace, from = current, to = target, "tables migrated");
    }
    Ok(())
}
