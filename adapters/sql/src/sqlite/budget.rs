//! How much brief work may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::DatabaseError;

/// How many steps of SQLite's machine brief work may take. A row that is found by its key takes some tens.
const BRIEF: i64 = 5_000;
/// How many steps it takes until they are counted.
const STRIDE: i32 = 1_000;

/// Interrupts what takes too many steps on one connection.
pub(super) struct Budget {
    /// Negative: it was exceeded.
    left: Arc<AtomicI64>,
    /// How long work of any other kind waits for a lock.
    busy_timeout: Duration,
}

impl Budget {
    /// A budget for the work on a connection; unlimited until work is called brief.
    pub(super) fn new(connection: &mut Connection, busy_timeout: Duration) -> Result<Self, DatabaseError> {
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let counted = Arc::clone(&left);
        let count = move || counted.fetch_sub(i64::from(STRIDE), Ordering::Relaxed) <= i64::from(STRIDE);
        connection.progress_handler(STRIDE, Some(count))?;
        Ok(Self { left, busy_timeout })
    }

    /// Does work that is expected to be brief: what takes too many steps, or would have to wait for a lock,
    /// fails. `None`: it was interrupted, so that its answer is worth nothing.
    pub(super) fn hold<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce() -> T,
    ) -> Result<Option<T>, DatabaseError> {
        connection.busy_timeout(Duration::ZERO)?;
        self.left.store(BRIEF, Ordering::Relaxed);
        let done = work();
        let left = self.left.swap(i64::MAX, Ordering::Relaxed);
        connection.busy_timeout(self.busy_timeout)?;
        Ok((left > 0).then_some(done))
    }
}
