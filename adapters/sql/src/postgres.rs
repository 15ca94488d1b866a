//! A PostgreSQL server: threads that write, threads that read, each with a connection of its own.

mod bell;
mod connection;
mod dialect;
mod fault;
mod lanes;
mod options;
mod pool;
mod presence;
mod queue;
mod transaction;
pub(crate) mod value;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use scim_core::{Committed, StoreError};
use tokio::sync::watch;

use self::bell::Bell;
use self::connection::Connection;
pub use self::options::PostgresOptions;
use self::pool::{Kind, Pool};
use self::presence::{Presence, present};
pub(crate) use self::transaction::PostgresTransaction;
use crate::commit::Request;
use crate::error::{DatabaseError, OpenError};
use crate::session::Session;

/// How many shards the counts of a tenant may have.
const SHARDS: u64 = 32;

/// What each piece of work may say about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// It may take as long as it needs, as a migration does.
    pub(crate) patient: bool,
    /// Nobody needs to be told that it is committed.
    pub(crate) quiet: bool,
}

/// A server in use. Fields are dropped in this order.
pub(crate) struct Postgres {
    writers: Pool,
    readers: Pool,
    bell: Bell,
    presence: Arc<Presence>,
}

impl Postgres {
    pub(crate) async fn connect(options: PostgresOptions) -> Result<Self, OpenError> {
        let place = options.place();
        let started = tokio::task::spawn_blocking(move || {
            let options = Arc::new(options);
            check(&options)?;
            let presence = Arc::new(Presence::new());
            let bell = Bell::start(Arc::clone(&options), Arc::clone(&presence));
            let bell = bell.map_err(|e| thread_error(&options, e))?;
            // Processes that share a server seldom share a shard.
            let first = RandomState::new().hash_one(std::process::id()) % SHARDS;
            let pool = |kind, workers| Pool::start(&options, &presence, kind, workers, first);
            let writers = pool(Kind::Write, options.writers).map_err(|e| thread_error(&options, e))?;
            let readers = pool(Kind::Read, options.readers).map_err(|e| thread_error(&options, e))?;
            Ok(Self { writers, readers, bell, presence })
        });
        started.await.unwrap_or_else(|_| Err(OpenError::Database { place, source: DatabaseError::Aborted }))
    }

    pub(crate) async fn write<T, E, F>(&self, manner: Manner, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let answer = self.writers.run(manner, work).await;
        if answer.is_ok() && !manner.quiet {
            self.bell.ring();
        }
        answer
    }

    /// Commits a batch.
    pub(crate) async fn commit(&self, request: Request) -> Result<Vec<Committed>, StoreError> {
        let answer = self.writers.commit(request).await;
        if answer.is_ok() {
            self.bell.ring();
        }
        answer
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.readers.run(Manner::default(), work).await
    }

    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.bell.commits()
    }

    pub(crate) fn presence(&self) -> Option<i32> {
        self.presence.number()
    }

    pub(crate) async fn present(&self) -> Result<Option<HashSet<i32>>, DatabaseError> {
        if !self.presence.tells_of_others() {
            return Ok(None);
        }
        self.read(present).await.map(Some)
    }
}

/// Connects once, so that what is wrong is said at the start.
fn check(options: &PostgresOptions) -> Result<(), OpenError> {
    let place = options.place();
    let failed = |source| fault::open_error(&place, source);
    let runtime = connection::runtime().map_err(|e| thread_error(options, e))?;
    let connection = Connection::open(&runtime, options).map_err(failed)?;
    let setting = |name: &str| {
        let rows = runtime.block_on(connection.client().simple_query(&format!("SHOW {name}")));
        let rows = rows.map_err(|e| DatabaseError::from(e).into_open_error(&place))?;
        let found = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok::<_, OpenError>(found.unwrap_or_default())
    };
    let encoding = setting("server_encoding")?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { place: place.clone(), found: encoding });
    }
    let version = setting("server_version_num")?;
    if version.parse::<u32>().is_ok_and(|version| version < 130_000) {
        let found = setting("server_version")?;
        return Err(OpenError::TooOld { place, found });
    }
    Ok(())
}

fn thread_error(options: &PostgresOptions, source: std::io::Error) -> OpenError {
    OpenError::Database { place: options.place(), source: DatabaseError::Io(Arc::new(source)) }
}
