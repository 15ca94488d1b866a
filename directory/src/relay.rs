//! From the change feed to the event log.

mod record;
mod settle;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use scim_core::{ChangeEntry, ChangeFeed, FeedCursor};
use scim_sql::{Session, params};
use tokio::sync::watch;

use self::record::{Concerned, Recorder};
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::lock::Lock;

/// How many entries are read from the feed at once.
const ENTRIES: usize = 64;
/// How many events one transaction may make, so that no other write waits for long.
const EVENTS: usize = 200;
/// How long to wait after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to leave the feed to a relay of another process before looking again.
const OVERTAKEN: Duration = Duration::from_millis(25);

/// Reads the change feed and writes the event log, with one delivery for each endpoint that an event goes to.
///
/// Events, deliveries and the place in the feed are written in one transaction: each change makes its events
/// exactly once, wherever the process dies. A change that concerns many users is worked off in several
/// transactions, each of which moves the place. Where several processes have relays on one database, one works
/// at a time and any of them takes over.
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
    /// Entries that were read already; those behind the place begin at `next`.
    entries: Arc<[ChangeEntry]>,
    next: usize,
    /// The users that the entry begun concerns, in order.
    concerned: Option<Arc<Concerned>>,
}

impl From<Place> for Known {
    fn from(place: Place) -> Self {
        Self { place, entries: Arc::new([]), next: 0, concerned: None }
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

/// What became of a transaction.
enum Step {
    /// There was nothing to do.
    Idle,
    /// Another relay is at it.
    Overtaken,
    /// So many events were written.
    Written(usize),
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
                match self.transaction().await {
                    Ok(Step::Written(_)) => {}
                    Ok(Step::Overtaken) => tokio::time::sleep(OVERTAKEN).await,
                    Ok(Step::Idle) => self.wait().await,
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
        loop {
            match self.transaction().await? {
                Step::Idle => return Ok(events),
                Step::Overtaken => {}
                Step::Written(more) => events += more,
            }
        }
    }

    /// Writes one transaction's worth of events. Answers whether there was anything to do.
    ///
    /// # Errors
    /// As [`Relay::catch_up`].
    pub async fn step(&mut self) -> Result<bool, DirectoryError> {
        Ok(!matches!(self.transaction().await?, Step::Idle))
    }

    async fn transaction(&mut self) -> Result<Step, DirectoryError> {
        let database = self.directories.database();
        let mut known = match self.known.take() {
            Some(known) => known,
            None => database.read(|session| read_place(session, "")).await?.into(),
        };
        if known.next >= known.entries.len() {
            known.entries = self.feed.after(known.place.cursor, ENTRIES).await?.into();
            known.next = 0;
        }
        if known.entries.is_empty() {
            self.known = Some(known);
            return Ok(Step::Idle);
        }
        let directories = self.directories.clone();
        // After an error the place is read again: it is not known what became of the transaction.
        let Some(progress) = database.write(move |session| work(session, &directories, &known)).await? else {
            self.directories.tell_readers();
            return Ok(Step::Overtaken);
        };
        if progress.events > 0 {
            self.directories.new_deliveries().notify_one();
            self.directories.tell_readers();
        }
        tracing::debug!(entries = progress.entries, events = progress.events, "events written");
        self.known = Some(progress.known);
        Ok(Step::Written(progress.events))
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

/// One transaction. `None` when the place is not the one that was expected: another relay was faster.
fn work(
    session: &Session<'_>,
    directories: &Directories,
    known: &Known,
) -> Result<Option<Progress>, DirectoryError> {
    // One relay at a time: so events are numbered in the order of the feed.
    let mut place = read_place(session, Lock::Wait.words(session))?;
    if place != known.place {
        return Ok(None);
    }
    let mut recorder = Recorder::new(session, directories)?;
    let (mut next, mut concerned) = (known.next, known.concerned.clone());
    while let Some(entry) = known.entries.get(next) {
        let all = match (&place.fanned_out, concerned.take()) {
            (Some(_), Some(all)) => all,
            (Some(_), None) => recorder.concerned(entry)?,
            (None, _) => {
                recorder.expect_entries(known.entries.get(next..).unwrap_or_default())?;
                recorder.begin(entry)?;
                recorder.concerned(entry)?
            }
        };
        let after = place.fanned_out.take().unwrap_or_default();
        let start = all.ids.partition_point(|id| *id <= after);
        let mut last = after;
        let mut finished = true;
        for (index, id) in all.ids.iter().enumerate().skip(start) {
            if recorder.events() >= EVENTS {
                finished = false;
                break;
            }
            recorder.expect_moved(entry, all.ids.get(index..).unwrap_or_default())?;
            recorder.moved(entry, &all, id)?;
            last.clone_from(id);
        }
        if !finished {
            place.fanned_out = Some(last);
            concerned = Some(all);
            break;
        }
        place.cursor = entry.cursor;
        next += 1;
        if recorder.events() >= EVENTS {
            break;
        }
    }
    let events = recorder.events();
    recorder.finish()?;
    write_place(session, &place)?;
    let known_now = Known { place, entries: Arc::clone(&known.entries), next, concerned };
    Ok(Some(Progress { entries: next - known.next, known: known_now, events }))
}

/// The place, and the lock of its row if that is asked for.
fn read_place(session: &Session<'_>, lock: &str) -> Result<Place, DirectoryError> {
    let select = format!("SELECT major, minor, fanned_out FROM dir_feed WHERE one = 1{lock}");
    let place = session.first(&select, params![], |row| {
        let cursor = FeedCursor::from_parts(row.unsigned(0)?, row.unsigned(1)?);
        Ok::<_, DirectoryError>(Place { cursor, fanned_out: row.owned_or_null(2)? })
    })?;
    // The row came with the table.
    place.ok_or(DirectoryError::NotFound { what: "place in the feed" })
}

fn write_place(session: &Session<'_>, place: &Place) -> Result<(), DirectoryError> {
    let (major, minor) = place.cursor.parts();
    let update = "UPDATE dir_feed SET major = ?1, minor = ?2, fanned_out = ?3 WHERE one = 1";
    session.execute(update, params![major, minor, place.fanned_out.as_deref()])?;
    Ok(())
}
