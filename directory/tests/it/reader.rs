//! Readers of the log: what they publish, in which order, and whose turn it is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use scim_core::BoxError;
use scim_directory::{Clock, Directories, Event, EventFilter, EventType, Outlet, Reader};
use scim_sql::{Database, DatabaseError, Engine, params};
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::support::{START, Site, SteppedClock, on_both_engines, until};

on_both_engines! {
    all_events_come_once_and_in_order,
    what_was_published_when_the_process_died_comes_again_with_the_same_ids,
    an_idle_reader_only_reads,
    what_nobody_wants_costs_no_write,
    what_nobody_wants_is_forgotten_all_the_same,
    who_comes_late_begins_where_the_log_does,
    a_reader_that_is_removed_holds_nothing_back,
    readers_of_two_names_each_get_all,
    a_slow_outlet_keeps_its_place,
    who_was_away_for_longer_than_its_lease_does_not_move_the_place,
    who_has_lost_its_place_stops_publishing,
    a_stop_lets_what_was_begun_end_and_gives_the_place_back,
    a_stop_does_not_wait_for_ever,
    a_failing_outlet_lets_another_process_try,
}

/// An outlet that notes what it gets.
#[derive(Debug, Default)]
struct Shelf {
    published: Mutex<Vec<Event>>,
    /// How many calls have begun, and how many were dropped before their end.
    begun: AtomicUsize,
    dropped: AtomicUsize,
    /// Each call waits for this, if there is one.
    gate: Option<Notify>,
    /// Calls fail, after the events are there.
    fails: AtomicBool,
}

impl Shelf {
    fn gated() -> Arc<Self> {
        Arc::new(Self { gate: Some(Notify::new()), ..Self::default() })
    }

    fn open_gate(&self) {
        self.gate.as_ref().unwrap().notify_one();
    }

    fn ids(&self) -> Vec<String> {
        self.published.lock().unwrap().iter().map(|event| event.id.to_string()).collect()
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// Counts a call that does not come to its end.
struct Call<'s>(&'s Shelf, bool);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Outlet for Shelf {
    async fn publish(&self, events: &[Event]) -> Result<(), BoxError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let mut call = Call(self, false);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        call.1 = true;
        self.published.lock().unwrap().extend_from_slice(events);
        if self.fails.load(Ordering::SeqCst) { Err("out of order".into()) } else { Ok(()) }
    }
}

fn reader(directories: &Directories, shelf: &Arc<Shelf>, clock: &Arc<SteppedClock>) -> Reader {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Reader::new(directories, "shelf", EventFilter::default(), Arc::clone(shelf) as _, clock)
}

/// The place of a reader, as the database has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    position: i64,
    holder: Option<String>,
    leased_until: Option<i64>,
}

async fn place(database: &Database, name: &str) -> Option<Place> {
    let name = name.to_owned();
    let row = database.read(move |session| {
        let select = "SELECT position, holder, leased_until FROM dir_readers WHERE name = ?1";
        session.first(select, params![&name], |row| {
            let (position, holder) = (row.int(0)?, row.owned_or_null(1)?);
            Ok::<_, DatabaseError>(Place { position, holder, leased_until: row.int_or_null(2)? })
        })
    });
    row.await.unwrap()
}

/// The ids of all events of the log.
async fn logged(site: &Site) -> Vec<String> {
    site.events().await.into_iter().map(|event| event.id.to_string()).collect()
}

async fn users(site: &Site, count: usize) {
    users_named(site, "user", count).await;
}

async fn users_named(site: &Site, name: &str, count: usize) {
    for n in 0..count {
        site.user(&format!("{name}{n}")).await;
    }
    site.catch_up().await;
}

/// Waits until the place of a reader is behind all events.
async fn at_the_end(site: &Site, name: &str) {
    let database = site.store.database();
    let end = database.read(|session| {
        let select = "SELECT max(position) FROM dir_events";
        session.first::<_, DatabaseError>(select, params![], |row| row.int(0))
    });
    let (end, begun) = (end.await.unwrap().unwrap(), Instant::now());
    while place(database, name).await.is_none_or(|place| place.position < end) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the place is not kept");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn all_events_come_once_and_in_order(engine: Engine) {
    let site = Site::new(engine).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    let mut one = reader(&site.directories, &shelf, &clock);
    assert_eq!(one.catch_up().await.unwrap(), 0);
    // More than go into one call.
    users(&site, 300).await;
    assert_eq!(one.catch_up().await.unwrap(), 300);
    assert_eq!(shelf.ids(), logged(&site).await);
    assert_eq!(one.catch_up().await.unwrap(), 0);
    assert_eq!(shelf.begun(), 2);
    // Another process waits until the lease ends, and goes on.
    let ann = site.user("ann").await;
    site.catch_up().await;
    let mut other = reader(&site.directories, &shelf, &clock);
    assert_eq!(other.catch_up().await.unwrap(), 0, "it is not this one's turn");
    clock.advance(31);
    assert_eq!(other.catch_up().await.unwrap(), 1);
    site.set(&format!("/Users/{ann}"), "title", json!("Boss")).await;
    site.catch_up().await;
    assert_eq!(one.catch_up().await.unwrap(), 0, "it is not this one's turn any more");
    assert_eq!(other.catch_up().await.unwrap(), 1);
    assert_eq!(shelf.ids(), logged(&site).await);
}

async fn what_was_published_when_the_process_died_comes_again_with_the_same_ids(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 3).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    shelf.fails.store(true, Ordering::SeqCst);
    let mut dying = reader(&site.directories, &shelf, &clock);
    let error = dying.catch_up().await.unwrap_err().to_string();
    assert_eq!(error, "the outlet of events fails: out of order");
    drop(dying);
    shelf.fails.store(false, Ordering::SeqCst);
    let site = site.restarted().await;
    let mut next = reader(&site.directories, &shelf, &clock);
    let mut published = next.catch_up().await.unwrap();
    for _ in 0..8 {
        // PostgreSQL needs a moment to see that the process is dead; its lease is for half a minute.
        if published > 0 || engine == Engine::Sqlite {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        clock.advance(1);
        published = next.catch_up().await.unwrap();
    }
    assert_eq!(published, 3);
    let ids = shelf.ids();
    assert_eq!(ids[..3], ids[3..]);
    assert_eq!(ids[3..], logged(&site).await);
}

async fn an_idle_reader_only_reads(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    let database = site.store.database().clone();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(reader(&site.directories, &shelf, &clock).run(shutdown));
    until(|| shelf.ids().len() == 2).await;
    // The place is written a moment after.
    at_the_end(&site, "shelf").await;
    let before = (place(&database, "shelf").await, changed(&site));
    for _ in 0..8 {
        clock.advance(7);
        site.directories.events_written().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!((place(&database, "shelf").await, changed(&site)), before);
    // Its lease has ended long ago, and it goes on all the same.
    site.user("ann").await;
    site.catch_up().await;
    until(|| shelf.ids().len() == 3).await;
    stop.send(true).unwrap();
    running.await.unwrap();
    let place = place(&database, "shelf").await.unwrap();
    assert_eq!((place.holder, place.leased_until), (None, None));
}

/// When the file of the database was written to; nothing on PostgreSQL.
fn changed(site: &Site) -> Option<std::time::SystemTime> {
    let file = site.place.folder.path().join("scim.db-wal");
    site.place.url.is_none().then(|| std::fs::metadata(file).unwrap().modified().unwrap())
}

async fn what_nobody_wants_costs_no_write(engine: Engine) {
    let site = Site::new(engine).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    let filter = EventFilter { event_types: vec![EventType::UserDeleted], ..EventFilter::default() };
    let outlet: Arc<dyn Outlet> = Arc::clone(&shelf) as _;
    let mut reader =
        Reader::new(&site.directories, "gone", filter.clone(), outlet, Arc::clone(&clock) as Arc<dyn Clock>);
    let database = site.store.database().clone();
    let ann = site.user("ann").await;
    users(&site, 5).await;
    assert_eq!(reader.catch_up().await.unwrap(), 0);
    assert_eq!(place(&database, "gone").await, None);
    site.delete(&format!("/Users/{ann}")).await;
    site.user("eve").await;
    site.catch_up().await;
    assert_eq!(reader.catch_up().await.unwrap(), 1);
    let position = place(&database, "gone").await.unwrap().position;
    let deleted = site.directories.log(&filter, Default::default(), Default::default(), 10).await.unwrap();
    assert_eq!(shelf.ids(), [deleted.events[0].event.id.to_string()]);
    assert!(position >= i64::try_from(deleted.events[0].position.number()).unwrap());
    // It is not published again by who knows only the database.
    clock.advance(31);
    let outlet: Arc<dyn Outlet> = Arc::clone(&shelf) as _;
    let mut other = Reader::new(&site.directories, "gone", filter, outlet, clock);
    assert_eq!(other.catch_up().await.unwrap(), 0);
}

async fn what_nobody_wants_is_forgotten_all_the_same(engine: Engine) {
    let site = Site::new(engine).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    let filter = EventFilter { event_types: vec![EventType::UserDeleted], ..EventFilter::default() };
    let mut reader = Reader::new(&site.directories, "gone", filter, Arc::clone(&shelf) as _, clock.clone());
    let ann = site.user("ann").await;
    site.delete(&format!("/Users/{ann}")).await;
    site.catch_up().await;
    assert_eq!(reader.catch_up().await.unwrap(), 1);
    users(&site, 5).await;
    assert_eq!(reader.catch_up().await.unwrap(), 0);
    let end = i64::try_from(site.directories.log_end().await.unwrap().number()).unwrap();
    let database = site.store.database().clone();
    assert!(place(&database, "gone").await.unwrap().position < end);
    clock.advance(601);
    assert_eq!(reader.catch_up().await.unwrap(), 0);
    assert_eq!(place(&database, "gone").await.unwrap().position, end);
}

async fn who_comes_late_begins_where_the_log_does(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 3).await;
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(site.directories.forget_before(site.clock.now()).await.unwrap(), 3);
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    let mut reader = reader(&site.directories, &shelf, &clock);
    assert_eq!(reader.catch_up().await.unwrap(), 0);
    site.user("ann").await;
    site.catch_up().await;
    assert_eq!(reader.catch_up().await.unwrap(), 1);
    assert_eq!(reader.catch_up().await.unwrap(), 0);
}

async fn a_reader_that_is_removed_holds_nothing_back(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 1).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    assert_eq!(reader(&site.directories, &shelf, &clock).catch_up().await.unwrap(), 1);
    users_named(&site, "more", 2).await;
    site.clock.advance(Duration::from_secs(60));
    let forget = async || site.directories.forget_before(site.clock.now()).await.unwrap();
    assert_eq!(forget().await, 1, "what it has not published stays");
    assert!(!site.directories.remove_reader("shelf", clock.now()).await.unwrap(), "somebody has it");
    clock.advance(31);
    assert!(site.directories.remove_reader("shelf", clock.now()).await.unwrap());
    assert!(!site.directories.remove_reader("shelf", clock.now()).await.unwrap());
    assert_eq!(forget().await, 2);
}

async fn readers_of_two_names_each_get_all(engine: Engine) {
    let site = Site::new(engine).await;
    let (shelf, clock) = (Arc::new(Shelf::default()), SteppedClock::new());
    users(&site, 2).await;
    assert_eq!(reader(&site.directories, &shelf, &clock).catch_up().await.unwrap(), 2);
    let outlet: Arc<dyn Outlet> = Arc::clone(&shelf) as _;
    let mut other = Reader::new(&site.directories, "other", EventFilter::default(), outlet, clock);
    assert_eq!(other.catch_up().await.unwrap(), 2);
}

async fn a_slow_outlet_keeps_its_place(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (slow, clock) = (Shelf::gated(), SteppedClock::new());
    let database = site.store.database().clone();
    let mut one = reader(&site.directories, &slow, &clock);
    let one = tokio::spawn(async move { one.catch_up().await.unwrap() });
    until(|| slow.begun() == 1).await;
    let shelf = Arc::new(Shelf::default());
    let mut other = reader(&site.directories, &shelf, &clock);
    let first = place(&database, "shelf").await.unwrap().leased_until;
    // Two minutes, and a lease has half of one.
    for _ in 0..60 {
        clock.advance(2);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(other.catch_up().await.unwrap(), 0);
    }
    let last = place(&database, "shelf").await.unwrap().leased_until;
    assert!(last.unwrap() >= first.unwrap() + 90_000_000);
    slow.open_gate();
    assert_eq!(one.await.unwrap(), 2);
    assert_eq!(slow.ids(), logged(&site).await);
    assert_eq!(other.catch_up().await.unwrap(), 0);
}

async fn who_was_away_for_longer_than_its_lease_does_not_move_the_place(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (slow, clock) = (Shelf::gated(), SteppedClock::new());
    let database = site.store.database().clone();
    let mut away = reader(&site.directories, &slow, &clock);
    let mut away = Box::pin(away.catch_up());
    tokio::select! {
        _ = &mut away => panic!("it waits for its gate"),
        () = until(|| slow.begun() == 1) => {}
    }
    // As a process that gets no processor time.
    clock.advance(31);
    let shelf = Arc::new(Shelf::default());
    let mut other = reader(&site.directories, &shelf, &clock);
    assert_eq!(other.catch_up().await.unwrap(), 2);
    site.user("ann").await;
    site.catch_up().await;
    assert_eq!(other.catch_up().await.unwrap(), 1);
    let there = place(&database, "shelf").await;
    slow.open_gate();
    assert_eq!(away.await.unwrap(), 0);
    assert_eq!(place(&database, "shelf").await, there);
}

async fn who_has_lost_its_place_stops_publishing(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (slow, clock) = (Shelf::gated(), SteppedClock::new());
    let database = site.store.database().clone();
    let mut one = reader(&site.directories, &slow, &clock);
    let one = tokio::spawn(async move { one.catch_up().await.unwrap() });
    until(|| slow.begun() == 1).await;
    let until_then = START + 3_600_000_000;
    let steal = database.write(move |session| {
        let update = "UPDATE dir_readers SET holder = 'another', leased_until = ?1";
        session.execute(update, params![until_then])
    });
    steal.await.unwrap();
    clock.advance(11);
    assert_eq!(one.await.unwrap(), 0);
    assert_eq!((slow.begun(), slow.dropped.load(Ordering::SeqCst)), (1, 1));
    let another = Place { position: 0, holder: Some("another".into()), leased_until: Some(until_then) };
    assert_eq!(place(&database, "shelf").await, Some(another));
}

async fn a_stop_lets_what_was_begun_end_and_gives_the_place_back(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (slow, clock) = (Shelf::gated(), SteppedClock::new());
    let database = site.store.database().clone();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(reader(&site.directories, &slow, &clock).run(shutdown));
    until(|| slow.begun() == 1).await;
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!running.is_finished());
    slow.open_gate();
    running.await.unwrap();
    let end = i64::try_from(site.directories.log_end().await.unwrap().number()).unwrap();
    let expected = Place { position: end, ..Place::default() };
    assert_eq!(place(&database, "shelf").await, Some(expected));
    // Another process need not wait.
    assert_eq!(reader(&site.directories, &slow, &clock).catch_up().await.unwrap(), 0);
    assert_eq!(slow.begun(), 1);
}

async fn a_stop_does_not_wait_for_ever(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let (stuck, clock) = (Shelf::gated(), SteppedClock::new());
    let database = site.store.database().clone();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(reader(&site.directories, &stuck, &clock).run(shutdown));
    until(|| stuck.begun() == 1).await;
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    clock.advance(5);
    running.await.unwrap();
    assert_eq!(stuck.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(place(&database, "shelf").await, Some(Place::default()));
}

async fn a_failing_outlet_lets_another_process_try(engine: Engine) {
    let site = Site::new(engine).await;
    users(&site, 2).await;
    let clock = SteppedClock::new();
    let (bad, good) = (Arc::new(Shelf::default()), Arc::new(Shelf::default()));
    bad.fails.store(true, Ordering::SeqCst);
    let (stop, shutdown) = watch::channel(false);
    let failing = tokio::spawn(reader(&site.directories, &bad, &clock).run(shutdown));
    until(|| bad.begun() == 1).await;
    let begun = Instant::now();
    let mut other = reader(&site.directories, &good, &clock);
    // No time passes: it does not wait for the end of a lease.
    while other.catch_up().await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the place is not given back");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(good.ids(), logged(&site).await);
    assert_eq!(bad.begun(), 1, "it waits before it tries again");
    stop.send(true).unwrap();
    failing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_share_the_work_and_publish_each_event_once() {
    let site = Site::new(Engine::Postgres).await;
    let clock = SteppedClock::new();
    let shelf = Arc::new(Shelf::default());
    let (mut stops, mut running) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (_, directories) = site.place.open().await;
        let (stop, shutdown) = watch::channel(false);
        stops.push(stop);
        running.push(tokio::spawn(reader(&directories, &shelf, &clock).run(shutdown)));
    }
    for n in 0..30 {
        site.user(&format!("user{n}")).await;
        site.catch_up().await;
        // Now and then the one that worked was idle for so long that it is anyone's turn.
        if n % 5 == 0 {
            at_the_end(&site, "shelf").await;
            clock.advance(40);
        }
    }
    until(|| shelf.ids().len() >= 30).await;
    assert_eq!(shelf.ids(), logged(&site).await);
    // One stops, the other goes on.
    stops.remove(0).send(true).unwrap();
    running.remove(0).await.unwrap();
    site.user("ann").await;
    site.catch_up().await;
    clock.advance(40);
    until(|| shelf.ids().len() >= 31).await;
    stops.remove(0).send(true).unwrap();
    running.remove(0).await.unwrap();
    assert_eq!(shelf.ids(), logged(&site).await);
}
