//! A database, whichever engine it is.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scim_core::{Committed, StoreError};
use tokio::sync::watch;

use crate::commit::Request;
use crate::error::{DatabaseError, OpenError};
use crate::migrate::{self, Migration};
use crate::postgres::{Manner, Postgres, PostgresOptions};
use crate::session::{Engine, Session};
use crate::sqlite::copy::{self, Versions};
use crate::sqlite::{Options, SqliteFile};

/// A database: an SQLite file that this process owns, or a database of a PostgreSQL server. Clones share it;
/// the last one that is dropped closes it.
///
/// What a write returns is durable. On SQLite the file is in WAL mode with `synchronous=FULL`, and writes
/// that wait at the same time share one transaction; one that fails undoes nothing of the others. On PostgreSQL
/// each write has a transaction, and several run at once.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    place: String,
    backend: Backend,
}

enum Backend {
    Sqlite(SqliteFile),
    Postgres(Postgres),
}

impl Database {
    /// Opens an SQLite file, or makes it.
    ///
    /// # Errors
    /// [`OpenError`]; its text is one sentence for the person who starts the program.
    pub async fn open(options: impl Into<Options>) -> Result<Self, OpenError> {
        let options = options.into();
        let place = options.path.display().to_string();
        let backend = Backend::Sqlite(SqliteFile::open(options).await?);
        Ok(Self { inner: Arc::new(Inner { place, backend }) })
    }

    /// Connects to a PostgreSQL database, which may be empty.
    ///
    /// # Errors
    /// [`OpenError`]; its text is one sentence for the person who starts the program.
    pub async fn connect(options: PostgresOptions) -> Result<Self, OpenError> {
        let place = options.place();
        let backend = Backend::Postgres(Postgres::connect(options).await?);
        Ok(Self { inner: Arc::new(Inner { place, backend }) })
    }

    /// Opens an SQLite file to read it only. Another process may own it, and write to it meanwhile.
    ///
    /// # Errors
    /// [`OpenError`]; its text is one sentence for the person who starts the program.
    pub async fn look(options: impl Into<Options>) -> Result<Self, OpenError> {
        let options = options.into();
        let place = options.path.display().to_string();
        let backend = Backend::Sqlite(SqliteFile::look(options).await?);
        Ok(Self { inner: Arc::new(Inner { place, backend }) })
    }

    /// Copies an SQLite file as it is at this moment, while its owner reads and writes it. The copy is checked
    /// whole and durable before it has its name. `progress` is told how many bytes are done, and of how many.
    /// Blocks the thread.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when the copy is there already.
    pub fn back_up(
        path: &Path,
        copy: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Versions, OpenError> {
        copy::back_up(path, copy, &mut progress)
    }

    /// Checks a copy of an SQLite file whole, and says how many migrations of each namespace it has. Blocks
    /// the thread.
    ///
    /// # Errors
    /// [`OpenError`] for what is not a sound copy of a file of this program.
    pub fn check_copy(path: &Path) -> Result<Versions, OpenError> {
        copy::check_copy(path)
    }

    /// Puts a copy in the place of an SQLite file that nobody uses. What was there is kept under the name that
    /// is answered. Blocks the thread.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when the file is in use, [`OpenError::Exists`] when it is there and shall not be
    /// replaced.
    pub fn restore(
        copy: &Path,
        path: &Path,
        replace: bool,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Option<PathBuf>, OpenError> {
        copy::restore(copy, path, replace, &mut progress)
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match &self.inner.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a piece of work that writes, in a transaction of its own. `Ok` comes back when all that it wrote
    /// is durable; of one that answers `Err` nothing stays. Once called, the work is done even if the future
    /// is dropped.
    ///
    /// The work must not begin or end transactions itself, must not wait for anything but the database,
    /// and should be short. Where a transaction could not be finished because of another one, the work is
    /// run again: it may have no effect but what it writes.
    ///
    /// # Errors
    /// What the work answers, or a [`DatabaseError`] when its transaction can't be committed.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.write_in(Manner::default(), work).await
    }

    /// As [`Database::write`], for work that changes no resources: who waits for changes need not look then. On PostgreSQL
    /// nobody is told, here or in other processes; on SQLite it makes no difference.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_quietly<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.write_in(Manner { quiet: true, ..Manner::default() }, work).await
    }

    /// As [`Database::write`], with a word about how.
    pub(crate) async fn write_in<T, E, F>(&self, manner: Manner, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.write(work).await,
            Backend::Postgres(server) => server.write(manner, work).await,
        }
    }

    /// Commits a batch, as [`Database::write`] does. On PostgreSQL new resources that wait at the same time may
    /// be inserted together.
    pub(crate) async fn commit(&self, request: Request) -> Result<Vec<Committed>, StoreError> {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.write(move |session: &Session<'_>| request.run(session)).await,
            Backend::Postgres(server) => server.commit(request).await,
        }
    }

    /// Runs a piece of work that reads, with one view of the data from its first statement to its last.
    ///
    /// # Errors
    /// What the work answers, or a [`DatabaseError`] when there is no connection for it.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.read(work).await,
            Backend::Postgres(server) => server.read(work).await,
        }
    }

    /// As [`Database::read`], for work that finds a few rows by their keys. On SQLite that takes less time
    /// than to hand it to another thread: it is run at once, by the thread that asks, unless all connections
    /// are in use. What turns out to take long is interrupted, and run again as [`Database::read`] does: the
    /// work may have no effect but its answer.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn look_up<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.look_up(work).await,
            Backend::Postgres(server) => server.read(work).await,
        }
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
        let place = self.inner.place.clone();
        let work =
            move |session: &Session<'_>| migrate::migrate(session, &place, &namespace, &migrations, version);
        let manner = Manner { patient: true, ..Manner::default() };
        let migrated = self.write_in(manner, work).await;
        migrated.map_err(|e: migrate::MigrateError| e.into_open_error(self.place()))
    }

    /// Changes whenever something has been committed; what [`Database::write_quietly`] writes need not be counted.
    pub fn commits(&self) -> watch::Receiver<u64> {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.commits(),
            Backend::Postgres(server) => server.commits(),
        }
    }

    /// How many commits there have been, where no other process writes to the database: what was read after
    /// as many commits as there are now is not out of date. A write is counted before it is answered. `None`
    /// where others may write: on PostgreSQL, and for a file that is only looked at.
    pub fn commit_count(&self) -> Option<u64> {
        match &self.inner.backend {
            Backend::Sqlite(file) => file.commit_count(),
            Backend::Postgres(_) => None,
        }
    }

    /// The number by which other processes see that this one uses the database, with [`Database::present`]. `None`
    /// where they can't: on SQLite there are none, behind a pooler no connection is this process's own, and not every
    /// server that speaks the protocol of PostgreSQL has advisory locks.
    pub fn presence(&self) -> Option<i32> {
        match &self.inner.backend {
            Backend::Sqlite(_) => None,
            Backend::Postgres(server) => server.presence(),
        }
    }

    /// The numbers of all processes that use the database now: one that is not among them has ended, or has lost all its
    /// connections. `None` where that can't be said: as of [`Database::presence`], and for some seconds after this
    /// process lost a connection, because others may have lost theirs too and be about to come back.
    ///
    /// # Errors
    /// What the database says.
    pub async fn present(&self) -> Result<Option<HashSet<i32>>, DatabaseError> {
        match &self.inner.backend {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(server) => server.present().await,
        }
    }

    /// What the database is called in messages: the path of the file, or name and host.
    pub fn place(&self) -> &str {
        &self.inner.place
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("place", &self.inner.place).finish_non_exhaustive()
    }
}
