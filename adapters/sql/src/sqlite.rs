//! The SQLite file: one writer thread that groups commits, readers beside it, migrations.

mod migrate;
mod open;
mod readers;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::sync::watch;

pub use self::migrate::Migration;
use self::open::FileLock;
use self::readers::Readers;
use self::writer::Writer;
use crate::error::{DatabaseError, OpenError};

/// How a database is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The file. Its folder must exist.
    pub path: PathBuf,
    /// How many reads run at once. Default: twice the processors, from 4 to 16.
    pub readers: usize,
    /// How long a statement waits for a lock that another program holds. Default 5 s.
    pub busy_timeout: Duration,
    /// Files up to this many bytes are checked whole when they are opened. Default 32 MiB.
    pub check_up_to: u64,
    /// How many pages the file may have; `None` for SQLite's own limit. A write beyond it fails as on
    /// a full disk.
    pub max_pages: Option<u32>,
}

impl Options {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            path: path.into(),
            readers: (2 * processors).clamp(4, 16),
            busy_timeout: Duration::from_secs(5),
            check_up_to: 32 << 20,
            max_pages: None,
        }
    }
}

impl From<&Path> for Options {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<PathBuf> for Options {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

/// An SQLite file that this process owns. Clones share it; the last one that is dropped closes it.
///
/// What a write returns is durable: the file is in WAL mode with `synchronous=FULL`. Writes that wait
/// at the same time share one transaction, each in a savepoint of its own.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: the lock is given back last.
struct Inner {
    writer: Writer,
    readers: Readers,
    path: PathBuf,
    _lock: FileLock,
}

impl Database {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`OpenError`]; its text is one sentence for the person who starts the program.
    pub async fn open(options: impl Into<Options>) -> Result<Self, OpenError> {
        let options = options.into();
        let path = options.path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = FileLock::take(&options.path)?;
            let connection = open::open(&options)?;
            let writer = Writer::start(connection, &options.path)?;
            let readers = Readers::open(&options)?;
            Ok(Inner { writer, readers, path: options.path, _lock: lock })
        });
        match opened.await {
            Ok(inner) => inner.map(|inner| Self { inner: Arc::new(inner) }),
            Err(_) => Err(OpenError::Sqlite { path, source: DatabaseError::Aborted }),
        }
    }

    /// Runs a piece of work that writes, in the writer thread. `Ok` comes back when all that it wrote is
    /// durable; of one that answers `Err` nothing stays. Once called, the work is done even if the
    /// future is dropped.
    ///
    /// The work must not begin or end transactions itself, must not wait for anything but the database,
    /// and should be short: no other write runs meanwhile.
    ///
    /// # Errors
    /// What the work answers, or a [`DatabaseError`] when its transaction can't be committed.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.inner.writer.write(work).await
    }

    /// Runs a piece of work that reads, on a blocking thread, with one view of the data from its first
    /// statement to its last.
    ///
    /// # Errors
    /// What the work answers, or a [`DatabaseError`] when there is no connection for it.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.inner.readers.read(work).await
    }

    /// Brings the tables of a crate up to date. Each namespace counts its migrations for itself; all
    /// that are missing are applied in one transaction.
    ///
    /// # Errors
    /// [`OpenError::FromTheFuture`] when more have been applied than are given here.
    pub async fn migrate(&self, namespace: &str, migrations: &[Migration]) -> Result<(), OpenError> {
        let up_to = migrations.len();
        self.migrate_to(namespace, migrations, up_to).await
    }

    /// As [`Database::migrate`], but to the state after the first `version` migrations: up or down.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn migrate_to(
        &self,
        namespace: &str,
        migrations: &[Migration],
        version: usize,
    ) -> Result<(), OpenError> {
        let (namespace, migrations) = (namespace.to_owned(), migrations.to_vec());
        let path = self.inner.path.clone();
        let work = move |tx: &Transaction<'_>| migrate::migrate(tx, &path, &namespace, &migrations, version);
        self.write(work).await.map_err(|e: migrate::MigrateError| e.into_open_error(&self.inner.path))
    }

    /// Changes whenever something has been committed.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.writer.commits()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.inner.path).finish_non_exhaustive()
    }
}
