//! Who has leases, and what becomes of those of a process that has ended.
//!
//! A lease ends by itself. On PostgreSQL it is also seen that the process of a holder is gone; then its leases are ended
//! at once, so that what it had begun does not count against anybody.

use std::sync::atomic::{AtomicI64, Ordering};

use scim_schema::DateTime;
use scim_sql::{Database, Session, params};

use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::id::random_text;

/// At most so often it is looked who is gone: microseconds.
const OFTEN: i64 = 1_000_000;

/// What has leases: the table, and what is written where one has ended. Of a delivery it stays known that there was a
/// lease, because an attempt may have been made.
const TABLES: [(&str, &str); 3] = [
    ("dir_deliveries", "leased_until = 0, holder = NULL"),
    ("dir_readers", "leased_until = NULL, holder = NULL"),
    ("dir_set_streams", "leased_until = NULL, holder = NULL"),
];

/// A name for a holder of leases in this process. Others find in it by which number they see the process.
pub(crate) fn holder(database: &Database) -> String {
    let name = random_text(16);
    match database.presence() {
        Some(presence) => format!("{name}@{presence}"),
        None => name,
    }
}

fn presence_of(holder: &str) -> Option<i32> {
    holder.split_once('@')?.1.parse().ok()
}

/// When it was last looked who is gone.
#[derive(Debug)]
pub(crate) struct Burials {
    last: AtomicI64,
}

impl Default for Burials {
    fn default() -> Self {
        Self { last: AtomicI64::new(i64::MIN) }
    }
}

impl Directories {
    /// Ends the leases of processes that are gone, if it was not looked a moment ago.
    pub(crate) async fn bury(&self, now: DateTime) -> Result<(), DirectoryError> {
        let Some(own) = self.database().presence() else { return Ok(()) };
        let (last, time) = (&self.burials().last, now.unix_micros());
        // A clock that was set back does not keep it from being done.
        if time.abs_diff(last.swap(time, Ordering::Relaxed)) < OFTEN.unsigned_abs() {
            return Ok(());
        }
        let dead = self.database().read(move |session| dead(session, own)).await?;
        if dead.is_empty() {
            return Ok(());
        }
        tracing::info!(count = dead.len(), "leases of processes that have ended are ended");
        self.database()
            .write(move |session| {
                for (table, ended) in TABLES {
                    let update = format!(
                        "UPDATE {table} SET {ended} WHERE leased_until IS NOT NULL AND holder = ANY(?1)"
                    );
                    let dead: Vec<Option<&str>> = dead.iter().map(|holder| Some(holder.as_str())).collect();
                    session.execute(&update, params![&dead])?;
                }
                Ok(())
            })
            .await
    }
}

/// The holders of leases whose processes are gone.
fn dead(session: &Session<'_>, own: i32) -> Result<Vec<String>, DirectoryError> {
    let [deliveries, readers, streams] =
        TABLES.map(|(table, _)| format!("SELECT holder FROM {table} WHERE leased_until IS NOT NULL"));
    let select = format!(
        "SELECT holder FROM ({deliveries} UNION {readers} UNION {streams}) h WHERE holder LIKE '%@%'"
    );
    let holders: Vec<String> = session.all(&select, params![], |row| row.owned(0))?;
    let mut dead = Vec::new();
    for holder in holders {
        if let Some(presence) = presence_of(&holder).filter(|presence| *presence != own)
            && session.is_gone(presence)?
        {
            dead.push(holder);
        }
    }
    Ok(dead)
}
