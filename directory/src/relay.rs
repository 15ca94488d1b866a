//! From the change feed to the event log.

mod record;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use scim_core::{ChangeEntry, ChangeFeed, FeedCursor};
use scim_sql::rusqlite::{Connection, params};
use tokio::sync::watch;

use self::record::Recorder;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::projection::{signed, unsigned};

/// How many entries are read from the feed at once.
const ENTRIES: usize = 64;
/// How many events one transaction may make, so that no other write waits for long.
const EVENTS: usize = 200;
/// How long to wait after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads the change feed and writes the event log, with one delivery for each endpoint that an event goes to.
///
/// Events, deliveries and the place in the feed are written in one transaction: each change makes its events
/// exactly once, wherever the process dies. A change that concerns many users is worked off in several
/// transactions, each of which moves the place. Two relays on one database do no harm.
pub struct Relay {
    directories: Directories,
    feed: Arc<dyn ChangeFeed>,
    /// What is known of the place; read from the database when it is not.
    known: Option<Known>,
}

/// The place in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The last entry that is done.
    cursor: FeedCursor,
    /// The entry behind it is begun, and its users up to this id have their events.
    fanned_out: Option<String>,
}

/// The place, and what is known beside it. All but the place is a saving, and can be found out again.
struct Known {
    place: Place,
    /// Entries behind the place that were read already.
    entries: VecDeque<ChangeEntry>,
    /// The users that the entry begun concerns, in order.
    concerned: Option<Arc<[String]>>,
}

impl From<Place> for Known {
    fn from(place: Place) -> Self {
        Self { place, entries: VecDeque::new(), concerned: None }
    }
}

/// What a transaction did.
struct Progress {
    known: Known,
    /// Entries that are done.
    entries: usize,
    /// Events that were written.
    events: usize,
}

impl Relay {
    /// A relay for the feed of the store that holds the directories' resources.
    pub fn new(directories: &Directories, feed: Arc<dyn ChangeFeed>) -> Self {
        Self { directories: directories.clone(), feed, known: None }
    }

    /// Works until `shutdown` is true. Errors are logged, and tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        loop {
            let work = async {
                match self.step().await {
                    Ok(true) => {}
                    Ok(false) => self.wait().await,
                    Err(error) => {
                        tracing::warn!(%error, "events can't be written now");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            tokio::select! {
                biased;
                // A transaction that was begun is finished, even if nobody waits for it.
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = work => {}
            }
        }
    }

    /// Works until the log has all that the feed has. Answers how many events were written.
    ///
    /// # Errors
    /// When feed or database fail; what is written stays, and nothing is lost.
    pub async fn catch_up(&mut self) -> Result<usize, DirectoryError> {
        let mut events = 0;
        while let Some(progress) = self.transaction().await? {
            events += progress;
        }
        Ok(events)
    }

    /// Writes one transaction's worth of events. Answers whether there was anything to do.
    ///
    /// # Errors
    /// As [`Relay::catch_up`].
    pub async fn step(&mut self) -> Result<bool, DirectoryError> {
        Ok(self.transaction().await?.is_some())
    }

    async fn transaction(&mut self) -> Result<Option<usize>, DirectoryError> {
        let mut known = match self.known.take() {
            Some(known) => known,
            None => self.directories.database().read_sqlite(read_place).await?.into(),
        };
        if known.entries.is_empty() {
            known.entries = self.feed.after(known.place.cursor, ENTRIES).await?.into();
        }
        if known.entries.is_empty() {
            self.known = Some(known);
            return Ok(None);
        }
        let directories = self.directories.clone();
        let write = move |tx: &Connection| work(tx, &directories, known);
        // After an error the place is read again: it is not known what became of the transaction.
        let Some(progress) = self.directories.database().write_sqlite(write).await? else {
            // Another relay was faster.
            return Ok(Some(0));
        };
        if progress.events > 0 {
            self.directories.new_deliveries().notify_one();
        }
        tracing::debug!(entries = progress.entries, events = progress.events, "events written");
        self.known = Some(progress.known);
        Ok(Some(progress.events))
    }

    async fn wait(&self) {
        let cursor = self.known.as_ref().map_or(FeedCursor::START, |known| known.place.cursor);
        if let Err(error) = self.feed.wait(cursor).await {
            tracing::warn!(%error, "the change feed can't be waited for");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("feed", &self.feed).finish_non_exhaustive()
    }
}

/// One transaction. `None` when the place is not the one that was expected.
fn work(
    tx: &Connection,
    directories: &Directories,
    known: Known,
) -> Result<Option<Progress>, DirectoryError> {
    let Known { mut place, mut entries, mut concerned } = known;
    if read_place(tx)? != place {
        return Ok(None);
    }
    let mut recorder = Recorder::new(tx, directories)?;
    let mut done = 0;
    while let Some(entry) = entries.front() {
        let ids = match (&place.fanned_out, concerned.take()) {
            (Some(_), Some(ids)) => ids,
            (Some(_), None) => recorder.concerned(entry)?,
            (None, _) => {
                recorder.begin(entry)?;
                recorder.concerned(entry)?
            }
        };
        let after = place.fanned_out.take().unwrap_or_default();
        let start = ids.partition_point(|id| *id <= after);
        let mut last = after;
        let mut finished = true;
        for id in ids.iter().skip(start) {
            if recorder.events() >= EVENTS {
                finished = false;
                break;
            }
            recorder.user_moved(entry, id)?;
            last.clone_from(id);
        }
        if !finished {
            place.fanned_out = Some(last);
            concerned = Some(ids);
            break;
        }
        place.cursor = entry.cursor;
        entries.pop_front();
        done += 1;
        if recorder.events() >= EVENTS {
            break;
        }
    }
    let events = recorder.events();
    write_place(tx, &place)?;
    Ok(Some(Progress { known: Known { place, entries, concerned }, entries: done, events }))
}

fn read_place(db: &Connection) -> Result<Place, DirectoryError> {
    let select = "SELECT major, minor, fanned_out FROM dir_feed WHERE one = 1";
    Ok(db.prepare_cached(select)?.query_row([], |row| {
        let cursor = FeedCursor::from_parts(unsigned(row.get(0)?), unsigned(row.get(1)?));
        Ok(Place { cursor, fanned_out: row.get(2)? })
    })?)
}

fn write_place(tx: &Connection, place: &Place) -> Result<(), DirectoryError> {
    let (major, minor) = place.cursor.parts();
    let update = "UPDATE dir_feed SET major = ?1, minor = ?2, fanned_out = ?3 WHERE one = 1";
    tx.prepare_cached(update)?.execute(params![signed(major), signed(minor), place.fanned_out])?;
    Ok(())
}
