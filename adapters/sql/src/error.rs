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
    /// Another process has the database open, or holds a lock in it.
    #[error("the database {place} is in use by another process")]
    Locked {
        /// The database.
        place: String,
    },
    /// There is a file already.
    #[error("{} is there already", path.display())]
    Exists {
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
    #[error("the database {place} is damaged ({problem}); restore it from a backup")]
    Damaged {
        /// The database.
        place: String,
        /// What was found.
        problem: String,
    },
    /// A newer version of the program has written it.
    #[error(
        "the database {place} was written by a newer version of this program (its {namespace} tables have version {found}, this program knows {known})"
    )]
    FromTheFuture {
        /// The database.
        place: String,
        /// Whose tables.
        namespace: String,
        /// The version in the database.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The disk is full.
    #[error("there is no space left on the disk of the database {place}")]
    Full {
        /// The database.
        place: String,
    },
    /// The file or its folder can't be written to.
    #[error("the database {} can't be written to: check the permissions of the file and its folder", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The address of the server can't be read.
    #[error("the address of the database can't be used: {problem}")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// The address asks for an encrypted connection.
    #[error(
        "the database {place} is to be reached by TLS (sslmode=require), which is not supported: use sslmode=disable within a network that you trust, or a tunnel"
    )]
    Tls {
        /// The database.
        place: String,
    },
    /// The server does not answer.
    #[error("the server of the database {place} can't be reached")]
    Unreachable {
        /// The database.
        place: String,
        /// What happened.
        source: scim_core::BoxError,
    },
    /// The server does not let this program in.
    #[error("the server refuses the connection to the database {place}: {problem}")]
    Refused {
        /// The database.
        place: String,
        /// What the server says.
        problem: String,
    },
    /// The database can't hold all texts.
    #[error("the database {place} has the encoding {found}; create it with the encoding UTF8")]
    Encoding {
        /// The database.
        place: String,
        /// Its encoding.
        found: String,
    },
    /// The server is of an old version.
    #[error("the server of the database {place} is PostgreSQL {found}; 13 is the oldest version that works")]
    TooOld {
        /// The database.
        place: String,
        /// The version of the server.
        found: String,
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
    /// The database refuses a migration, or what must be done before its use.
    #[error("the database {place} can't be brought up to date")]
    Database {
        /// The database.
        place: String,
        /// What happened.
        source: DatabaseError,
    },
}

/// What the engine says, to be read by people.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why the database did not do what it was asked, while it is open.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no space to write to. Nothing was written; it works again when there is space.
    #[error("there is no space left for the database")]
    Full(#[source] Source),
    /// Another transaction is in the way for longer than the timeout, or the database has too much to do.
    #[error("the database is locked")]
    Busy(#[source] Source),
    /// A value that must be unique is there already.
    #[error("a unique value is taken")]
    NotUnique(#[source] Source),
    /// The file is damaged.
    #[error("the database is damaged")]
    Damaged(#[source] Source),
    /// The file can't be read or written.
    #[error("the database can't be read or written")]
    Io(#[source] Source),
    /// The server of the database can't be reached, or was lost on the way. If that was during a commit,
    /// nobody knows whether it happened.
    #[error("the server of the database can't be reached")]
    Lost(#[source] Source),
    /// A text has a NUL character in it, which no table can hold.
    #[error("a text with a NUL character can't be stored")]
    Nul,
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
    Statement(#[source] Source),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error().map(|e| e.extended_code) else {
            return Self::Statement(Arc::new(error));
        };
        let error: Source = Arc::new(error);
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
            _ => Self::Statement(error),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        let retry_after = match &error {
            DatabaseError::Full(_) => return Self::Full { source: Box::new(error) },
            DatabaseError::Busy(_) | DatabaseError::RolledBack | DatabaseError::Lost(_) => {
                Duration::from_secs(1)
            }
            DatabaseError::Io(_) | DatabaseError::Stopped => Duration::from_secs(10),
            DatabaseError::Damaged(_) => Duration::from_secs(60),
            DatabaseError::NotUnique(_)
            | DatabaseError::Aborted
            | DatabaseError::Nul
            | DatabaseError::Statement(_) => {
                return Self::Other { store: "SQL", source: Box::new(error) };
            }
        };
        Self::Unavailable { retry_after: Some(retry_after), source: Box::new(error) }
    }
}

impl DatabaseError {
    /// As the reason why a database can't be opened.
    pub(crate) fn into_open_error(self, place: &str) -> OpenError {
        let place = place.to_owned();
        match self {
            Self::Full(_) => OpenError::Full { place },
            Self::Busy(_) => OpenError::Locked { place },
            Self::Damaged(source) if code(&source) == Some(ffi::SQLITE_NOTADB) => {
                OpenError::NotADatabase { path: place.into() }
            }
            Self::Damaged(source) => OpenError::Damaged { place, problem: source.to_string() },
            Self::Io(source) if code(&source) == Some(ffi::SQLITE_READONLY) => {
                OpenError::ReadOnly { path: place.into() }
            }
            source => OpenError::Database { place, source },
        }
    }

    /// The server has not answered for too long.
    pub(crate) fn silent() -> Self {
        Self::unreachable("the server does not answer")
    }

    pub(crate) fn unreachable(reason: &'static str) -> Self {
        Self::Lost(Arc::new(std::io::Error::new(std::io::ErrorKind::TimedOut, reason)))
    }

    /// Whether the disk failed to confirm a write, so that nobody knows what it holds.
    pub(crate) fn is_sync_failure(&self) -> bool {
        match self {
            Self::Io(source) => extended_code(source)
                .is_some_and(|code| matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)),
            _ => false,
        }
    }
}

/// SQLite's code, where the error is one of SQLite.
fn code(source: &Source) -> Option<i32> {
    extended_code(source).map(|code| code & 0xff)
}

fn extended_code(source: &Source) -> Option<i32> {
    source.downcast_ref::<rusqlite::Error>()?.sqlite_error().map(|e| e.extended_code)
}
