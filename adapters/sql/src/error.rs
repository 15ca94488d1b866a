//! What goes wrong when a database is opened, and while it is used.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ffi;
use scim_core::StoreError;

/// Why a database can't be opened. The text is one sentence for the person who starts the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder that should hold the file is not there.
    #[error("the folder {} does not exist; create it, or name another place for the database", folder.display())]
    MissingFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process has the database open.
    #[error("the database {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not an SQLite database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// An SQLite database that another program made.
    #[error("{} is the SQLite database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database, but its content is not in order.
    #[error("the database {} is damaged ({problem}); restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A newer version of the program has written it.
    #[error(
        "the database {} was written by a newer version of this program (its {namespace} tables have version {found}, this program knows {known})", path.display()
    )]
    FromTheFuture {
        /// The file.
        path: PathBuf,
        /// Whose tables.
        namespace: String,
        /// The version in the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The disk is full.
    #[error("there is no space left on the disk of the database {}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder can't be written to.
    #[error("the database {} can't be written to: check the permissions of the file and its folder", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Values that must be unique by now are there twice.
    #[error(
        "the values of {attribute} of some {resource_type} resources are not unique, as the schema wants them"
    )]
    NotUnique {
        /// The type of the resources.
        resource_type: String,
        /// The path of the attribute.
        attribute: String,
    },
    /// An attribute that is to be indexed does not exist.
    #[error("{attribute} can't be indexed: it is not the path of a simple attribute of a resource type")]
    NotIndexable {
        /// The path as it was given.
        attribute: String,
    },
    /// The operating system refuses the file.
    #[error("the database {} can't be opened", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// SQLite refuses the file or a migration.
    #[error("the database {} can't be brought up to date", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: DatabaseError,
    },
}

/// Why the database did not do what it was asked, while it is open.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no space to write to. Nothing was written; it works again when there is space.
    #[error("there is no space left for the database")]
    Full(#[source] Arc<rusqlite::Error>),
    /// Another process holds a lock for longer than the busy timeout.
    #[error("the database is locked")]
    Busy(#[source] Arc<rusqlite::Error>),
    /// A value that must be unique is there already.
    #[error("a unique value is taken")]
    NotUnique(#[source] Arc<rusqlite::Error>),
    /// The file is damaged.
    #[error("the database is damaged")]
    Damaged(#[source] Arc<rusqlite::Error>),
    /// The file can't be read or written.
    #[error("the database can't be read or written")]
    Io(#[source] Arc<rusqlite::Error>),
    /// The database takes no more work: it is being closed, or the disk failed to confirm a write and
    /// only a restart shows what it holds.
    #[error("the database takes no more writes")]
    Stopped,
    /// Another write of the same transaction ended it, as a full disk does. Nothing was written.
    #[error("the transaction was ended by another write")]
    RolledBack,
    /// A piece of work panicked. It left nothing behind.
    #[error("the work on the database was aborted")]
    Aborted,
    /// Anything else: a mistake in a statement.
    #[error("a statement failed")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error().map(|e| e.extended_code) else {
            return Self::Sqlite(Arc::new(error));
        };
        let error = Arc::new(error);
        match (code, code & 0xff) {
            // Beyond ENOSPC: quotas and file size limits.
            (ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE, _) | (_, ffi::SQLITE_FULL) => {
                Self::Full(error)
            }
            (ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY, _) => Self::NotUnique(error),
            (_, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL) => Self::Busy(error),
            (_, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => Self::Damaged(error),
            (_, ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM) => {
                Self::Io(error)
            }
            _ => Self::Sqlite(error),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        let retry_after = match &error {
            DatabaseError::Full(_) => return Self::Full { source: Box::new(error) },
            DatabaseError::Busy(_) | DatabaseError::RolledBack => Duration::from_secs(1),
            DatabaseError::Io(_) | DatabaseError::Stopped => Duration::from_secs(10),
            DatabaseError::Damaged(_) => Duration::from_secs(60),
            DatabaseError::NotUnique(_) | DatabaseError::Aborted | DatabaseError::Sqlite(_) => {
                return Self::Other { store: "SQL", source: Box::new(error) };
            }
        };
        Self::Unavailable { retry_after: Some(retry_after), source: Box::new(error) }
    }
}

impl DatabaseError {
    /// As the reason why a database can't be opened.
    pub(crate) fn into_open_error(self, path: PathBuf) -> OpenError {
        match self {
            Self::Full(_) => OpenError::Full { path },
            Self::Busy(_) => OpenError::Locked { path },
            Self::Damaged(source) if is_code(&source, ffi::SQLITE_NOTADB) => OpenError::NotADatabase { path },
            Self::Damaged(source) => OpenError::Damaged { path, problem: source.to_string() },
            Self::Io(source) if is_code(&source, ffi::SQLITE_READONLY) => OpenError::ReadOnly { path },
            source => OpenError::Sqlite { path, source },
        }
    }

    /// Whether the disk failed to confirm a write, so that nobody knows what it holds.
    pub(crate) fn is_sync_failure(&self) -> bool {
        match self {
            Self::Io(source) => source.sqlite_error().is_some_and(|e| {
                matches!(e.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
            }),
            _ => false,
        }
    }
}

fn is_code(error: &rusqlite::Error, code: i32) -> bool {
    error.sqlite_error().is_some_and(|e| e.extended_code & 0xff == code)
}
