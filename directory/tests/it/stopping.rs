//! A dispatcher that is told to stop.

use std::sync::Arc;
use std::time::Duration;

use scim_directory::{Clock, Dispatcher, DispatcherConfig};
use scim_sql::Engine;
use tokio::sync::{Notify, mpsc, watch};

use crate::delivery::{Receiver, URL, dispatcher};
use crate::support::{Site, SteppedClock, on_both_engines, until};

on_both_engines! {
    who_is_told_to_stop_begins_nothing_more,
    who_is_told_to_stop_while_recording_claims_nothing,
    what_ends_one_by_one_leaves_the_rest_leased,
}

async fn who_is_told_to_stop_begins_nothing_more(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    stop.send(true).unwrap();
    dispatcher(&site, &receiver).run(shutdown).await;
    assert_eq!(receiver.attempts(), []);
    assert_eq!(site.directories.backlog().await.unwrap().pending, 1);
}

async fn who_is_told_to_stop_while_recording_claims_nothing(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    for n in 0..20 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let receiver = Receiver::gated(&site, &gate, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(dispatcher(&site, &receiver).run(shutdown));
    until(|| receiver.attempts().len() == 4).await;
    // Somebody else writes while it wants to record them.
    let (held, mut is_held) = mpsc::unbounded_channel();
    let (release, is_released) = std::sync::mpsc::channel::<()>();
    let database = site.store.database().clone();
    let write = move |session: &scim_sql::Session<'_>| {
        session.execute("UPDATE dir_endpoints SET url = url", &[])?;
        held.send(()).unwrap();
        is_released.recv().unwrap();
        Ok::<_, scim_sql::DatabaseError>(())
    };
    let writing = tokio::spawn(async move { database.write(write).await });
    is_held.recv().await.unwrap();
    for _ in 0..50 {
        gate.notify_waiters();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.send(true).unwrap();
    release.send(()).unwrap();
    writing.await.unwrap().unwrap();
    while !running.is_finished() {
        gate.notify_waiters();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(receiver.attempts().len(), 4);
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.delivered, backlog.pending), (4, 16));
    assert_eq!(dispatcher(&site, &Receiver::new(&site, |_| Some(200))).deliver_due().await.unwrap(), 16);
}

async fn what_ends_one_by_one_leaves_the_rest_leased(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    for n in 0..6 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let (gate, clock) = (Arc::new(Notify::new()), SteppedClock::new());
    clock.advance(1);
    let receiver = Receiver::gated(&site, &gate, |_| Some(200));
    let stopping = |per_endpoint, receiver: &Arc<Receiver>| {
        let config = DispatcherConfig { per_endpoint, ..DispatcherConfig::default() };
        Dispatcher::new(
            &site.directories,
            Arc::clone(receiver) as _,
            Arc::clone(&clock) as Arc<dyn Clock>,
            config,
        )
    };
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(stopping(6, &receiver).run(shutdown));
    until(|| receiver.attempts().len() == 6).await;
    stop.send(true).unwrap();
    // Each ends before it would be time to look at the leases, all of them after the leases would have ended.
    for ended in 1..6 {
        clock.advance(3);
        gate.notify_one();
        site.delivered(ended).await;
    }
    let another = Receiver::new(&site, |_| Some(200));
    assert_eq!(stopping(6, &another).deliver_due().await.unwrap(), 0);
    gate.notify_one();
    running.await.unwrap();
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 6);
}
