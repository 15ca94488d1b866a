//! Connections that read, several at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::budget::Budget;
use super::{Options, open};
use crate::error::{DatabaseError, OpenError};
use crate::session::Session;

/// A pool: reads wait for a permit, then take an idle connection or open one.
pub(super) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

struct Shared {
    options: Options,
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    connection: Connection,
    budget: Budget,
}

impl Readers {
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
        let failed = |e: DatabaseError| e.into_open_error(&options.path.display().to_string());
        let first = Reader::open(options).map_err(failed)?;
        let shared = Shared { options: options.clone(), idle: Mutex::new(vec![first]) };
        Ok(Self { shared: Arc::new(shared), permits: Arc::new(Semaphore::new(options.readers.max(1))) })
    }

    /// On a thread that may block.
    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| DatabaseError::Stopped)?;
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let answer = shared.read(work);
            drop(permit);
            answer
        });
        done.await.map_err(|_| DatabaseError::Aborted)?
    }

    /// On the thread of the caller, if the work is brief.
    pub(super) async fn look_up<T, E, F>(&self, mut work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match self.read_here(&mut work) {
            Some(answer) => answer,
            None => self.read(work).await,
        }
    }

    /// `None`: it could not be done here and at once.
    fn read_here<T, E, F>(&self, work: &mut F) -> Option<Result<T, E>>
    where
        F: FnMut(&Session<'_>) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        let _permit = self.permits.try_acquire().ok()?;
        let reader = self.shared.idle()?;
        let brief = reader.budget.hold(&reader.connection, || reader.read(work));
        self.shared.give_back(reader);
        match brief.ok()?? {
            Ok(Ok(answer)) => Some(Ok(answer)),
            // Perhaps a lock was in the way. Whatever it was, it shows again where there is time for it.
            Ok(Err(_)) => None,
            Err(aborted) => Some(Err(aborted.into())),
        }
    }
}

impl Shared {
    fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        let reader = match self.idle() {
            Some(reader) => reader,
            None => Reader::open(&self.options)?,
        };
        let answer = reader.read(work);
        self.give_back(reader);
        answer?
    }

    /// The one that was used last: it knows more of the file.
    fn idle(&self) -> Option<Reader> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A connection that can't end its transaction is of no more use.
    fn give_back(&self, reader: Reader) {
        let connection = &reader.connection;
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }
}

impl Reader {
    fn open(options: &Options) -> Result<Self, DatabaseError> {
        let mut connection = open::open_reader(options)?;
        let budget = Budget::new(&mut connection, options.busy_timeout)?;
        Ok(Self { connection, budget })
    }

    /// Runs a piece of work on one state of the data; says if it panicked.
    fn read<T, E, F>(&self, work: F) -> Result<Result<T, E>, DatabaseError>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        catch_unwind(AssertUnwindSafe(|| snapshot(&self.connection, work)))
            .map_err(|_| DatabaseError::Aborted)
    }
}

fn snapshot<T, E, F>(connection: &Connection, work: F) -> Result<T, E>
where
    F: FnOnce(&Session<'_>) -> Result<T, E>,
    E: From<DatabaseError>,
{
    run(connection, "BEGIN")?;
    let answer = work(&Session::sqlite(connection));
    run(connection, "COMMIT")?;
    answer
}

fn run(connection: &Connection, sql: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
