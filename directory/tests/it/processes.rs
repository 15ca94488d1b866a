//! Several dispatchers, relays and processes on one database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scim_directory::{
    Clock, Directories, Dispatcher, DispatcherConfig, NewDirectory, NewEndpoint, NewOrganization, Relay,
};
use scim_sql::Engine;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::delivery::{RealTime, Receiver, URL, dispatcher};
use crate::support::{Site, on_both_engines, until};

on_both_engines! {
    all_dispatchers_together_keep_the_limit_of_an_endpoint,
    an_attempt_whose_lease_ended_is_another_s,
    an_attempt_that_takes_longer_than_a_lease_stays_with_its_dispatcher,
    what_is_left_at_the_end_is_recorded,
}

/// A dispatcher that runs, as that of another process.
fn running(
    directories: &Directories,
    receiver: &Arc<Receiver>,
    shutdown: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let clock: Arc<dyn Clock> = Arc::new(RealTime);
    let config = DispatcherConfig::default();
    tokio::spawn(Dispatcher::new(directories, Arc::clone(receiver) as _, clock, config).run(shutdown.clone()))
}

async fn all_dispatchers_together_keep_the_limit_of_an_endpoint(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    for n in 0..12 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let receiver = Receiver::gated(&site, &gate, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    let dispatchers: Vec<_> = (0..3).map(|_| running(&site.directories, &receiver, &shutdown)).collect();
    until(|| receiver.attempts().len() == 4).await;
    // Long enough for all of them to look a few times.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.attempts().len(), 4);
    for done in 1..=12 {
        gate.notify_one();
        until(|| receiver.attempts().len() >= 12.min(4 + done)).await;
    }
    stop.send(true).unwrap();
    for dispatcher in dispatchers {
        dispatcher.await.unwrap();
    }
    assert_eq!(receiver.attempts().len(), 12);
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 12);
}

async fn an_attempt_that_takes_longer_than_a_lease_stays_with_its_dispatcher(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let receiver = Receiver::gated(&site, &gate, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    let config = DispatcherConfig { lease: Duration::from_millis(1500), ..DispatcherConfig::default() };
    let dispatchers: Vec<_> = (0..2)
        .map(|_| {
            let clock: Arc<dyn Clock> = Arc::new(RealTime);
            let dispatcher = Dispatcher::new(&site.directories, Arc::clone(&receiver) as _, clock, config);
            tokio::spawn(dispatcher.run(shutdown.clone()))
        })
        .collect();
    until(|| receiver.attempts().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(receiver.attempts().len(), 1, "nobody else has made it");
    // Also while its dispatcher stops.
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    gate.notify_one();
    for dispatcher in dispatchers {
        dispatcher.await.unwrap();
    }
    assert_eq!(receiver.attempts().len(), 1);
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 1);
}

async fn an_attempt_whose_lease_ended_is_another_s(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    // It hangs for longer than its lease, and then it fails.
    let slow = Receiver::gated(&site, &gate, |_| Some(500));
    let mut late = dispatcher(&site, &slow);
    let late = tokio::spawn(async move { late.deliver_due().await.unwrap() });
    until(|| slow.attempts().len() == 1).await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut other = dispatcher(&site, &receiver);
    assert_eq!(other.deliver_due().await.unwrap(), 0, "it is not this one's");
    site.clock.advance(DispatcherConfig::default().lease);
    assert_eq!(other.deliver_due().await.unwrap(), 1);
    gate.notify_one();
    assert_eq!(late.await.unwrap(), 1);
    let event = site.events().await.remove(0);
    let record = site.directories.deliveries(&event.id).await.unwrap().remove(0);
    assert_eq!((record.attempts, record.status), (1, Some(200)), "the late failure changes nothing");
    assert_eq!(site.directories.backlog().await.unwrap().pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_dead_process_had_is_free_at_once_on_postgres() {
    let site = Site::new(Engine::Postgres).await;
    site.strict_endpoint(URL).await;
    for n in 0..6 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let (store, directories) = site.place.open().await;
    let silent = Receiver::gated(&site, &Arc::new(Notify::new()), |_| Some(200));
    let clock: Arc<dyn Clock> = site.clock.clone();
    let mut dead =
        Dispatcher::new(&directories, Arc::clone(&silent) as _, clock, DispatcherConfig::default());
    dead.step().await.unwrap();
    until(|| silent.attempts().len() == 4).await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut other = dispatcher(&site, &receiver);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(other.deliver_due().await.unwrap(), 0, "it is there, and has all that the endpoint may have");
    drop((dead, directories, store));
    // However often it is looked.
    let mut looks = 0;
    while other.deliver_due().await.unwrap() == 0 {
        looks += 1;
        assert!(looks < 40, "its leases are for ten seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
        site.clock.advance(Duration::from_millis(200));
    }
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 6);
}

async fn what_is_left_at_the_end_is_recorded(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let receiver = Receiver::gated(&site, &gate, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    let ending = running(&site.directories, &receiver, &shutdown);
    until(|| receiver.attempts().len() == 2).await;
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.notify_one();
    gate.notify_one();
    ending.await.unwrap();
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 2);
    assert_eq!(site.directories.metrics().in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_tell_and_deliver_each_event_once_and_in_order() {
    let site = Site::new(Engine::Postgres).await;
    site.strict_endpoint(URL).await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let (stop, shutdown) = watch::channel(false);
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let (store, directories) = site.place.open().await;
        jobs.push(running(&directories, &receiver, &shutdown));
        jobs.push(tokio::spawn(Relay::new(&directories, Arc::new(store)).run(shutdown.clone())));
    }
    let mut ids = Vec::new();
    for name in ["ann", "bob", "eve", "joe", "kim"] {
        ids.push(site.user(name).await);
    }
    for title in ["a", "b", "c", "d", "e", "f"] {
        for id in &ids {
            site.set(&format!("/Users/{id}"), "title", json!(title)).await;
        }
    }
    until(|| receiver.attempts().len() >= 35).await;
    stop.send(true).unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    let (mut logged, mut sent): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
    for event in site.events().await {
        logged.entry(event.subject.clone()).or_default().push(event.id.to_string());
    }
    for attempt in receiver.attempts() {
        sent.entry(attempt.subject).or_default().push(attempt.event_id);
    }
    assert_eq!(sent, logged);
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 35);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_make_each_thing_once() {
    let site = Site::new(Engine::Postgres).await;
    let now = site.clock.now();
    let starts = (0..4).map(|_| {
        let place = site.place.clone();
        tokio::spawn(async move {
            let (_, directories) = place.open().await;
            let new = NewOrganization { display_name: "New".into(), external_id: None };
            let organization = directories.find_or_create_organization(new, now).await.unwrap();
            let new = NewDirectory { name: "Staff".into(), ..NewDirectory::default() };
            let directory = directories.find_or_create_directory(&organization.id, new, now).await.unwrap();
            let token = directories.issue_first_token(&directory.id, now).await.unwrap();
            let new = NewEndpoint::at(URL);
            let endpoint = directories.ensure_endpoint(new, now).await.unwrap();
            let environment = directories.environment_id().to_string();
            ((environment, organization, directory), token.is_some(), endpoint.is_some())
        })
    });
    let starts: Vec<_> = starts.collect();
    let mut answers = Vec::new();
    for start in starts {
        answers.push(start.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.0 == answers[0].0));
    assert_eq!(answers[0].0.0, site.directories.environment_id().to_string());
    assert_eq!(answers.iter().filter(|answer| answer.1).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.2).count(), 1);
    assert_eq!(site.directories.directories().await.unwrap().len(), 2);
    assert_eq!(site.directories.endpoints().await.unwrap().len(), 1);
}

/// Row D1: of three dispatchers one dies every moment, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dispatchers_that_die_lose_nothing_and_send_little_twice() {
    let site = Site::new(Engine::Postgres).await;
    site.strict_endpoint(URL).await;
    for n in 0..150 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let clock: Arc<dyn Clock> = Arc::new(RealTime);
    let config = DispatcherConfig { lease: Duration::from_millis(300), ..DispatcherConfig::default() };
    let (_stop, shutdown) = watch::channel(false);
    let start = || {
        let dispatcher =
            Dispatcher::new(&site.directories, Arc::clone(&receiver) as _, Arc::clone(&clock), config);
        tokio::spawn(dispatcher.run(shutdown.clone()))
    };
    let mut running: Vec<JoinHandle<()>> = (0..3).map(|_| start()).collect();
    let mut kills = 0;
    let begun = std::time::Instant::now();
    while site.directories.backlog().await.unwrap().pending > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{kills} kills");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if kills < 15 {
            running.remove(0).abort();
            running.push(start());
            kills += 1;
        }
    }
    for dispatcher in running {
        dispatcher.abort();
    }
    let attempts = receiver.attempts();
    let mut ids: Vec<&str> = attempts.iter().map(|a| a.event_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 150);
    // So many were under way when one died.
    assert!(attempts.len() <= 150 + kills * 4, "{} attempts, {kills} deaths", attempts.len());
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 150);
}
