//! Who has leases, and what becomes of those of a process that has ended.
//!
//! A lease ends by itself. But what a dead process had begun shall not count against anybody for so long: on PostgreSQL it
//! is seen which processes are gone, and an SQLite file has belonged to nobody when it is opened.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Database, DatabaseError, Session, params};

use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::id::random_text;

/// How often it is looked who is gone.
pub(crate) const OFTEN: Duration = Duration::from_secs(1);

/// Rows that can be leased: their table and its key, and what is written where a lease has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leased {
    table: &'static str,
    key: &'static str,
    ended: &'static str,
}

/// Of a delivery it stays known that there was a lease, because an attempt may have been made.
pub(crate) const DELIVERIES: Leased =
    Leased { table: "dir_deliveries", key: "position", ended: "leased_until = 0, holder = NULL" };
pub(crate) const READERS: Leased =
    Leased { table: "dir_readers", key: "name", ended: "leased_until = NULL, holder = NULL" };
const STREAMS: Leased =
    Leased { table: "dir_set_streams", key: "number", ended: "leased_until = NULL, holder = NULL" };
const ALL: [Leased; 3] = [DELIVERIES, READERS, STREAMS];

impl Leased {
    /// Ends the leases of a holder that has no more use for them.
    pub(crate) fn give_back(&self, session: &Session<'_>, holder: &str) -> Result<(), DatabaseError> {
        let Self { table, ended, .. } = self;
        let update = format!("UPDATE {table} SET {ended} WHERE leased_until IS NOT NULL AND holder = ?1");
        session.execute(&update, params![holder]).map(drop)
    }
}

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

/// Ends the leases of everybody: all who had some are dead.
pub(crate) fn end_all_leases(session: &Session<'_>) -> Result<(), DatabaseError> {
    for Leased { table, ended, .. } in ALL {
        session.execute(&format!("UPDATE {table} SET {ended} WHERE leased_until IS NOT NULL"), params![])?;
    }
    Ok(())
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

impl Burials {
    /// Whether it is time to look. Who is told so looks.
    fn are_due(&self, now: DateTime) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let end = DateTime::from_unix_micros(last).plus(OFTEN);
        // A clock that was set back does not keep it from being done.
        let is_early = last <= now.unix_micros() && now < end;
        let set =
            || self.last.compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed);
        !is_early && set().is_ok()
    }
}

impl Directories {
    /// Ends the leases of processes that are gone, if it was not looked a moment ago. Nothing depends on it: leases end by
    /// themselves.
    pub(crate) async fn bury(&self, now: DateTime) {
        if self.database().presence().is_none() || !self.burials().are_due(now) {
            return;
        }
        if let Err(error) = self.bury_now().await {
            tracing::warn!(%error, "it can't be seen now which processes have ended");
        }
    }

    async fn bury_now(&self) -> Result<(), DirectoryError> {
        let holders = self.database().read(|session| {
            let holders =
                ALL.map(|of| format!("SELECT holder FROM {} WHERE leased_until IS NOT NULL", of.table));
            session.all(&holders.join(" UNION "), params![], |row| {
                Ok::<_, DirectoryError>(row.owned_or_null(0)?)
            })
        });
        let own = self.database().presence();
        let mut holders: Vec<String> = holders.await?.into_iter().flatten().collect();
        holders.retain(|holder| presence_of(holder).is_some_and(|number| Some(number) != own));
        if holders.is_empty() {
            return Ok(());
        }
        // Behind the look for leases: who had one then is seen now, if he is there.
        let Some(present) = self.database().present().await? else { return Ok(()) };
        holders.retain(|holder| presence_of(holder).is_some_and(|number| !present.contains(&number)));
        if holders.is_empty() {
            return Ok(());
        }
        tracing::info!(count = holders.len(), "the leases of processes that are gone end");
        self.database()
            .write(move |session| {
                let dead: Vec<Option<&str>> = holders.iter().map(|holder| Some(holder.as_str())).collect();
                for Leased { table, key, ended } in ALL {
                    // It waits for nobody: what another has locked is being taken over, or is found the next time.
                    let update = format!(
                        "UPDATE {table} SET {ended} WHERE {key} IN (
                            SELECT {key} FROM {table} WHERE leased_until IS NOT NULL AND holder = ANY(?1)
                            ORDER BY {key} FOR UPDATE SKIP LOCKED)"
                    );
                    session.execute(&update, params![&dead])?;
                }
                Ok::<_, DirectoryError>(())
            })
            .await?;
        self.new_deliveries().notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_once_in_a_second_however_often_somebody_asks() {
        let burials = Burials::default();
        let at = |millis: i64| DateTime::from_unix_micros(millis * 1000);
        let due: Vec<i64> = (0..40).map(|n| n * 100).filter(|millis| burials.are_due(at(*millis))).collect();
        assert_eq!(due, [0, 1000, 2000, 3000]);
        assert!(burials.are_due(at(-5000)), "the clock was set back");
    }

    #[test]
    fn a_holder_tells_by_which_number_its_process_is_seen() {
        assert_eq!(presence_of("abc@17"), Some(17));
        assert_eq!(presence_of("abc"), None);
        assert_eq!(presence_of(""), None);
    }
}
