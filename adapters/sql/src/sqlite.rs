//! The SQLite file: one writer thread that groups commits, and readers beside it.

mod budget;
pub(crate) mod copy;
mod open;
mod readers;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use self::open::FileLock;
use self::readers::Readers;
use self::writer::Writer;
use crate::error::{DatabaseError, OpenError};
use crate::session::Session;

/// How an SQLite file is opened.
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
    /// Whether a great deal is written at once: more memory, and the log goes into the file less often.
    /// Durability is the same. Default false.
    pub bulk: bool,
    /// Whether who is alone writes on the thread that asks, which spares two changes of threads. Only on
    /// tokio's multi-threaded runtime, and there not within a [`LocalSet`](tokio::task::LocalSet), where it
    /// would panic: see [`block_in_place`](tokio::task::block_in_place). Default false.
    pub write_here: bool,
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
            bulk: false,
            write_here: false,
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

/// An SQLite file that this process owns. Fields are dropped in this order: the lock is given back last.
pub(crate) struct SqliteFile {
    writer: Writer,
    readers: Readers,
    /// None where the file is only looked at.
    lock: Option<FileLock>,
}

impl SqliteFile {
    pub(crate) async fn open(options: Options) -> Result<Self, OpenError> {
        let place = options.path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = FileLock::take(&options.path)?;
            let connection = open::open(&options)?;
            let writer = Writer::start(connection, &options.path, options.write_here)?;
            let readers = Readers::open(&options)?;
            Ok(Self { writer, readers, lock: Some(lock) })
        });
        opened.await.unwrap_or_else(|_| Err(OpenError::Database { place, source: DatabaseError::Aborted }))
    }

    /// Opens a file to read it only, beside whoever owns it.
    pub(crate) async fn look(options: Options) -> Result<Self, OpenError> {
        let place = options.path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || {
            let connection = copy::open_to_read(&options.path)?;
            open::check_owner(&connection, &options.path)?;
            let writer = Writer::start(connection, &options.path, options.write_here)?;
            Ok(Self { writer, readers: Readers::open(&options)?, lock: None })
        });
        opened.await.unwrap_or_else(|_| Err(OpenError::Database { place, source: DatabaseError::Aborted }))
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.writer.write(work).await
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.readers.read(work).await
    }

    pub(crate) async fn look_up<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.readers.look_up(work).await
    }

    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.writer.commits()
    }

    /// None where another process may own the file.
    pub(crate) fn commit_count(&self) -> Option<u64> {
        self.lock.as_ref().map(|_| self.writer.commit_count())
    }
}
