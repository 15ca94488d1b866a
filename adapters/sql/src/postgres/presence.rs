//! Shows to others that this process is there.
//!
//! Each connection shares an advisory lock whose number is the process's. The server takes it away when the connection
//! ends: of all of them at once when the process is killed.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::error::DatabaseError;
use crate::session::Session;

/// What the locks of processes have in common: `SCIP` in ASCII.
const PRESENT: i32 = 1_396_918_608;
/// When a connection broke, others may have lost theirs too. So long they have to come back.
const BACK: Duration = Duration::from_secs(5);

/// A process, as others see it.
pub(super) struct Presence {
    number: i32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether it was ever seen.
    is_seen: bool,
    is_connected: bool,
    /// When a connection broke that there was.
    broken: Option<Instant>,
}

impl Presence {
    pub(super) fn new() -> Self {
        let number = RandomState::new().hash_one(std::process::id()) >> 33;
        Self { number: i32::try_from(number).unwrap_or_default(), state: Mutex::default() }
    }

    /// The number by which others see this process.
    pub(super) fn number(&self) -> Option<i32> {
        self.state().is_seen.then_some(self.number)
    }

    /// Whether those who are not seen are gone.
    pub(super) fn tells_of_others(&self) -> bool {
        let state = self.state();
        state.is_seen && state.is_connected && state.broken.is_none_or(|time| time.elapsed() >= BACK)
    }

    pub(super) fn is_connected(&self) {
        self.state().is_connected = true;
    }

    pub(super) fn is_broken(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_connected) {
            state.broken = Some(Instant::now());
        }
    }

    /// Shows this process by a connection, if the server can do that.
    pub(super) async fn show(&self, client: &Client) {
        let number = self.number;
        let lock = format!("SELECT pg_advisory_lock_shared({PRESENT}, {number})");
        // A server may have the function, and do nothing.
        let look = format!(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = {PRESENT} AND objid = {number}
                AND pid = pg_backend_pid()"
        );
        match tokio::try_join!(client.query_typed(&lock, &[]), client.query_typed(&look, &[])) {
            Ok((_, seen)) if !seen.is_empty() => self.state().is_seen = true,
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "other processes can't see that this one is there"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The numbers of all processes that use the database.
pub(super) fn present(session: &Session<'_>) -> Result<HashSet<i32>, DatabaseError> {
    let select = format!(
        "SELECT DISTINCT CAST(objid AS BIGINT) FROM pg_locks WHERE locktype = 'advisory' AND classid = {PRESENT}
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let mut present = HashSet::new();
    session.query(&select, &[], |row| {
        present.extend(i32::try_from(row.int(0)?));
        Ok::<_, DatabaseError>(())
    })?;
    Ok(present)
}
