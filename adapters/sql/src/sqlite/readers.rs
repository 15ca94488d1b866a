//! Connections that read, beside the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

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
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
        let failed = |e: DatabaseError| e.into_open_error(&options.path.display().to_string());
        let first = open::open_reader(options).map_err(failed)?;
        let shared = Shared { options: options.clone(), idle: Mutex::new(vec![first]) };
        Ok(Self { shared: Arc::new(shared), permits: Arc::new(Semaphore::new(options.readers.max(1))) })
    }

    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| DatabaseError::Stopped)?;
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let answer = shared.run(work);
            drop(permit);
            answer
        });
        done.await.map_err(|_| DatabaseError::Aborted)?
    }
}

impl Shared {
    fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::open_reader(&self.options)?,
        };
        let answer = catch_unwind(AssertUnwindSafe(|| snapshot(&connection, work)));
        // A connection that could not end its transaction is of no more use.
        let ended = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        if ended {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        answer.unwrap_or_else(|_| Err(DatabaseError::Aborted.into()))
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
