//! When attempts are made, in which order, and what becomes of them; under virtual time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use scim_directory::{
    Attempt, Clock, DeliveryState, Dispatcher, DispatcherConfig, EventType, NewDirectory, NewEndpoint,
    NewOrganization, Ordering, Transport,
};
use scim_sql::Engine;
use scim_webhook::{Failure, Outcome, Report};
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::support::{Site, VirtualClock, on_both_engines, parse, short, until};

on_both_engines! {
    attempts_are_made_exactly_at_the_times_of_the_table,
    an_acknowledged_event_is_not_sent_again,
    in_strict_order_each_event_waits_for_the_one_before_it,
    the_latest_event_takes_the_place_of_those_before_it,
    who_may_have_been_told_of_is_told_of_to_the_end,
    a_deletion_goes_before_what_waits,
    a_deactivation_is_told_whatever_comes_behind_it,
    in_strict_order_a_deletion_hurries_what_was_not_tried_before_it,
    one_endpoint_gets_four_attempts_at_once_and_does_not_delay_another,
    an_endpoint_that_may_take_all_there_is_does_not_delay_another,
    a_gone_endpoint_is_disabled,
    an_endpoint_gets_what_it_asked_for,
    an_attempt_under_way_at_a_crash_is_made_again_with_the_same_id,
    a_key_file_that_is_not_the_right_one_is_refused,
    a_secret_that_can_t_be_opened_stops_delivery_and_loses_nothing,
}

/// A receiver that answers by a rule, and notes each attempt.
#[derive(Debug)]
pub(crate) struct Receiver {
    clock: Arc<VirtualClock>,
    /// The status for an attempt; `None` for no answer.
    answer: fn(&Attempt) -> Option<u16>,
    attempts: Mutex<Vec<Noted>>,
    last: Mutex<Option<Attempt>>,
    bodies: Mutex<Vec<serde_json::Value>>,
    under_way: Mutex<(usize, usize)>,
    /// Attempts wait for this, if there is one.
    gate: Option<Arc<Notify>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Noted {
    second: i64,
    url: String,
    pub(crate) event_id: String,
    number: u32,
    pub(crate) what: String,
    pub(crate) subject: String,
}

impl Receiver {
    pub(crate) fn new(site: &Site, answer: fn(&Attempt) -> Option<u16>) -> Arc<Self> {
        Arc::new(Self::plain(site, answer))
    }

    fn plain(site: &Site, answer: fn(&Attempt) -> Option<u16>) -> Self {
        let clock = Arc::clone(&site.clock);
        Self {
            clock,
            answer,
            attempts: Mutex::default(),
            last: Mutex::default(),
            bodies: Mutex::default(),
            under_way: Mutex::default(),
            gate: None,
        }
    }

    /// Its attempts wait for the gate.
    pub(crate) fn gated(site: &Site, gate: &Arc<Notify>, answer: fn(&Attempt) -> Option<u16>) -> Arc<Self> {
        Arc::new(Self { gate: Some(Arc::clone(gate)), ..Self::plain(site, answer) })
    }

    pub(crate) fn attempts(&self) -> Vec<Noted> {
        self.attempts.lock().unwrap().clone()
    }

    /// The last attempt.
    pub(crate) fn last(&self) -> Option<Attempt> {
        self.last.lock().unwrap().clone()
    }

    /// The bodies, in the order of attempts.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        self.bodies.lock().unwrap().clone()
    }

    fn whats(&self) -> Vec<String> {
        self.attempts().into_iter().map(|a| a.what).collect()
    }
}

#[async_trait]
impl Transport for Receiver {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let body = parse(std::str::from_utf8(&attempt.body).unwrap());
        *self.last.lock().unwrap() = Some(attempt.clone());
        self.bodies.lock().unwrap().push(body.clone());
        self.attempts.lock().unwrap().push(Noted {
            second: self.clock.seconds(),
            url: attempt.url.clone(),
            event_id: attempt.event_id.clone(),
            number: attempt.number,
            what: short(EventType::parse(body["type"].as_str().unwrap()).unwrap()),
            subject: body["subject"].as_str().unwrap().to_owned(),
        });
        {
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        tokio::task::yield_now().await;
        self.under_way.lock().unwrap().0 -= 1;
        Report::of(match (self.answer)(attempt) {
            Some(status @ 200..=299) => Outcome::Delivered { status },
            Some(410) => Outcome::Failed { status: Some(410), reason: Failure::Gone, retry_after: None },
            Some(status) => {
                Outcome::Failed { status: Some(status), reason: Failure::Status, retry_after: None }
            }
            None => Outcome::unanswered(Failure::Timeout),
        })
    }
}

pub(crate) fn dispatcher(site: &Site, receiver: &Arc<Receiver>) -> Dispatcher {
    // The times of the table to the microsecond.
    let config = DispatcherConfig { jitter: 0.0, ..DispatcherConfig::default() };
    let clock: Arc<dyn Clock> = Arc::clone(&site.clock) as _;
    Dispatcher::new(&site.directories, Arc::clone(receiver) as _, clock, config)
}

pub(crate) const URL: &str = "https://app.example.com/hooks";

// mission: M-24, M-69, M-70
async fn attempts_are_made_exactly_at_the_times_of_the_table(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    // A bad signature in the receiver's eyes.
    let receiver = Receiver::new(&site, |_| Some(400));
    let start = site.clock.seconds();
    let mut dispatcher = dispatcher(&site, &receiver);
    // Second by second around each due time, minute by minute between.
    for seconds in [0, 5, 305, 2105, 9305, 27305, 63305, 99305, 200_000] {
        let mut now = site.clock.seconds() - start;
        while now < seconds {
            let step = if seconds - now > 120 { 60 } else { 1 };
            site.clock.advance(Duration::from_secs(step));
            now = site.clock.seconds() - start;
            if now < seconds {
                dispatcher.deliver_due().await.unwrap();
            }
        }
        dispatcher.deliver_due().await.unwrap();
    }
    let attempts = receiver.attempts();
    let times: Vec<i64> = attempts.iter().map(|a| a.second - start).collect();
    assert_eq!(times, [0, 5, 305, 2105, 9305, 27305, 63305, 99305]);
    assert_eq!(attempts.iter().map(|a| a.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(attempts.iter().all(|a| a.event_id == attempts[0].event_id));
    let event = site.events().await.remove(0);
    let record = site.directories.deliveries(&event.id).await.unwrap().remove(0);
    assert_eq!(record.state, DeliveryState::Exhausted);
    assert_eq!((record.attempts, record.status, record.next_attempt), (8, Some(400), None));
    assert_eq!(record.reason.as_deref(), Some("status"));
    assert_eq!(site.directories.backlog().await.unwrap().failed, 1);
}

// mission: M-23
async fn an_acknowledged_event_is_not_sent_again(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |a| Some(if a.number == 1 { 500 } else { 201 }));
    let mut dispatcher = dispatcher(&site, &receiver);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    let event = site.events().await.remove(0);
    let record = site.directories.deliveries(&event.id).await.unwrap().remove(0);
    assert_eq!(record.next_attempt, Some(site.clock.now().plus_micros(5_000_000)));
    site.clock.advance(Duration::from_secs(5));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    let record = site.directories.deliveries(&event.id).await.unwrap().remove(0);
    assert_eq!(record.state, DeliveryState::Delivered);
    assert_eq!((record.attempts, record.status, record.reason), (2, Some(201), None));
    site.clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 0);
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.delivered, backlog.failed), (0, 1, 0));
}

async fn in_strict_order_each_event_waits_for_the_one_before_it(engine: Engine) {
    let site = Site::new(engine).await;
    site.strict_endpoint(URL).await;
    let mut expected: HashMap<String, Vec<String>> = HashMap::new();
    for name in ["ann", "bob", "eve"] {
        let id = site.user(name).await;
        for title in ["a", "b", "c", "d"] {
            site.set(&format!("/Users/{id}"), "title", json!(title)).await;
        }
        expected.insert(id, Vec::new());
    }
    site.catch_up().await;
    for event in site.events().await {
        // Each is tried twice before the next one is tried at all.
        let expected = expected.get_mut(&event.subject).unwrap();
        expected.extend([event.id.to_string(), event.id.to_string()]);
    }
    let receiver = Receiver::new(&site, |a| Some(if a.number == 1 { 500 } else { 200 }));
    let mut dispatcher = dispatcher(&site, &receiver);
    for _ in 0..6 {
        dispatcher.deliver_due().await.unwrap();
        site.clock.advance(Duration::from_secs(5));
    }
    let mut sent: HashMap<String, Vec<String>> = HashMap::new();
    for attempt in receiver.attempts() {
        sent.entry(attempt.subject).or_default().push(attempt.event_id);
    }
    assert_eq!(sent, expected);
    assert!(receiver.under_way.lock().unwrap().1 > 1, "subjects are served side by side");
}

// mission: M-67
async fn the_latest_event_takes_the_place_of_those_before_it(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let (ann, bob, eve) = (site.user("ann").await, site.user("bob").await, site.user("eve").await);
    for id in [&ann, &bob] {
        for title in ["a", "b", "c"] {
            site.set(&format!("/Users/{id}"), "title", json!(title)).await;
        }
    }
    site.delete(&format!("/Users/{bob}")).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut dispatcher = dispatcher(&site, &receiver);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 2);
    // Ann's last update is told as her creation, Eve's as it is, and of Bob nobody has heard.
    let told = receiver.bodies();
    let of = |id: &str| told.iter().find(|body| body["subject"] == id);
    assert_eq!(of(&ann).unwrap()["type"], "organization.directory.user_created");
    assert_eq!(of(&ann).unwrap()["display_name"], "Directory User Created");
    assert_eq!(of(&ann).unwrap()["data"]["title"], "c");
    assert_eq!(of(&eve).unwrap()["type"], "organization.directory.user_created");
    assert_eq!(of(&bob), None);
    let events = site.events().await;
    let last = events.iter().rfind(|event| event.subject == ann).unwrap();
    assert_eq!(of(&ann).unwrap()["id"], last.id.as_str());
    let record = site.directories.deliveries(&last.id).await.unwrap().remove(0);
    assert_eq!((record.event_type, record.told_as), (EventType::UserUpdated, Some(EventType::UserCreated)));
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.delivered, backlog.superseded, backlog.pending), (2, 8, 0));
    assert_eq!(site.directories.metrics().superseded(), 8);
    // Now ann is known; what comes next is an update, and her end is told.
    for title in ["d", "e"] {
        site.set(&format!("/Users/{ann}"), "title", json!(title)).await;
    }
    site.catch_up().await;
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    assert_eq!(receiver.whats().last().unwrap(), "user_updated");
    site.delete(&format!("/Users/{ann}")).await;
    site.catch_up().await;
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    assert_eq!(receiver.whats().last().unwrap(), "user_deleted");
}

async fn who_may_have_been_told_of_is_told_of_to_the_end(engine: Engine) {
    let mut site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    // The receiver has processed it, and its answer was lost.
    let ann = site.user("ann").await;
    site.catch_up().await;
    dispatcher(&site, &Receiver::new(&site, |_| Some(500))).deliver_due().await.unwrap();
    site.delete(&format!("/Users/{ann}")).await;
    // It has got it, and this process dies before it hears so.
    let bob = site.user("bob").await;
    site.catch_up().await;
    let hanging = Receiver::gated(&site, &Arc::new(Notify::new()), |_| Some(200));
    {
        let mut dispatcher = dispatcher(&site, &hanging);
        let delivery = dispatcher.deliver_due();
        let dies = until(|| hanging.attempts().iter().any(|a| a.subject == bob));
        tokio::select! { _ = delivery => panic!("the receiver hangs"), () = dies => {} }
    }
    site = site.restarted().await;
    site.delete(&format!("/Users/{bob}")).await;
    site.catch_up().await;
    site.clock.advance(DispatcherConfig::default().lease);
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let mut told: Vec<(String, String)> =
        receiver.attempts().into_iter().map(|a| (a.subject, a.what)).collect();
    told.sort_unstable();
    let mut expected = [(ann, "user_deleted".to_owned()), (bob, "user_deleted".to_owned())];
    expected.sort_unstable();
    assert_eq!(told, expected);
}

// mission: M-11, M-61
async fn a_deletion_goes_before_what_waits(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint("https://latest.example.com/", &[]).await;
    site.strict_endpoint("https://strict.example.com/").await;
    let leaver = site.user("leaver").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |a| {
        Some(if std::str::from_utf8(&a.body).unwrap().contains("Title x") { 500 } else { 200 })
    });
    let mut dispatcher = dispatcher(&site, &receiver);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 2);
    // One event of the leaver has failed and waits.
    site.set(&format!("/Users/{leaver}"), "title", json!("Title x")).await;
    site.catch_up().await;
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 2);
    site.set(&format!("/Users/{leaver}"), "title", json!("Title y")).await;
    for n in 0..40 {
        site.user(&format!("user{n}")).await;
    }
    site.set(&format!("/Users/{leaver}"), "active", json!(false)).await;
    site.catch_up().await;
    let before = receiver.attempts().len();
    dispatcher.deliver_due().await.unwrap();
    for host in ["latest", "strict"] {
        let attempts: Vec<Noted> =
            receiver.attempts().into_iter().skip(before).filter(|a| a.url.contains(host)).collect();
        assert_eq!(attempts.len(), 41, "{host}");
        assert_eq!((attempts[0].what.as_str(), &attempts[0].subject), ("user_deleted", &leaver), "{host}");
    }
    // Those before it are not sent any more.
    site.clock.advance(Duration::from_secs(100_000));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 0);
    assert_eq!(site.directories.backlog().await.unwrap().superseded, 4);
}

// mission: M-11, M-19
async fn a_deactivation_is_told_whatever_comes_behind_it(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let (ann, bob) = (site.user("ann").await, site.user("bob").await);
    let group = site.group("Staff", &[&ann]).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |attempt| {
        let body = std::str::from_utf8(&attempt.body).unwrap();
        let is_bobs_first = body.contains("user_deleted") && body.contains("bob") && !body.contains("Former");
        Some(if is_bobs_first { 500 } else { 200 })
    });
    let mut dispatcher = dispatcher(&site, &receiver);
    dispatcher.deliver_due().await.unwrap();
    let before = receiver.attempts().len();
    // As identity providers do: who leaves leaves the groups too, before anybody was told.
    site.set(&format!("/Users/{ann}"), "active", json!(false)).await;
    site.remove_member(&group, &ann).await;
    // Another one's first attempt fails, and meanwhile there is a change.
    site.set(&format!("/Users/{bob}"), "active", json!(false)).await;
    site.catch_up().await;
    dispatcher.deliver_due().await.unwrap();
    for n in 0..40 {
        site.user(&format!("user{n}")).await;
    }
    site.set(&format!("/Users/{bob}"), "title", json!("Former")).await;
    site.catch_up().await;
    site.clock.advance(Duration::from_secs(5));
    dispatcher.deliver_due().await.unwrap();
    let bodies = receiver.bodies().split_off(before);
    let of = |user: &str| bodies.iter().filter(|body| body["subject"] == user).collect::<Vec<_>>();
    for (user, count, title) in [(&ann, 1, json!(null)), (&bob, 2, json!("Former"))] {
        let told = of(user);
        assert_eq!(told.len(), count, "{told:?}");
        for body in &told {
            assert_eq!(body["type"], "organization.directory.user_deleted");
            assert_eq!(body["display_name"], "Directory User Deleted");
            assert_eq!(body["data"]["reason"], "deactivated");
            assert_eq!((&body["data"]["active"], &body["data"]["groups"]), (&json!(false), &json!([])));
        }
        assert_eq!(told.last().unwrap()["data"]["title"], title);
    }
    // What comes when that was told is an update.
    site.set(&format!("/Users/{bob}"), "title", json!("Alumnus")).await;
    site.catch_up().await;
    dispatcher.deliver_due().await.unwrap();
    let last = receiver.bodies().pop().unwrap();
    assert_eq!(
        (&last["type"], last["data"].get("reason")),
        (&json!("organization.directory.user_updated"), None)
    );
}

async fn in_strict_order_a_deletion_hurries_what_was_not_tried_before_it(engine: Engine) {
    let site = Site::new(engine).await;
    site.strict_endpoint(URL).await;
    for n in 0..40 {
        site.user(&format!("user{n}")).await;
    }
    let leaver = site.user("leaver").await;
    site.set(&format!("/Users/{leaver}"), "title", json!("x")).await;
    site.set(&format!("/Users/{leaver}"), "active", json!(false)).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let attempts = receiver.attempts();
    assert_eq!(attempts.len(), 43);
    let of_leaver: Vec<(usize, &str)> = attempts
        .iter()
        .enumerate()
        .filter(|(_, a)| a.subject == leaver)
        .map(|(at, a)| (at, a.what.as_str()))
        .collect();
    let whats: Vec<&str> = of_leaver.iter().map(|(_, what)| *what).collect();
    assert_eq!(whats, ["user_created", "user_updated", "user_deleted"]);
    assert!(of_leaver[2].0 < 16, "{of_leaver:?}");
}

async fn one_endpoint_gets_four_attempts_at_once_and_does_not_delay_another(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint("https://slow.example.com/", &[]).await;
    site.endpoint("https://fast.example.com/", &[]).await;
    for n in 0..20 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let both = Both::new(&site, &gate);
    let clock: Arc<dyn Clock> = Arc::new(RealTime);
    let dispatcher =
        Dispatcher::new(&site.directories, Arc::clone(&both) as _, clock, DispatcherConfig::default());
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(dispatcher.run(shutdown));
    until(|| both.fast.attempts().len() == 20).await;
    assert_eq!(both.slow.attempts().len(), 4);
    // When it is told to stop, it records what has come back, waits for what is under way and records that.
    stop.send(true).unwrap();
    site.delivered(20).await;
    for _ in 0..4 {
        gate.notify_one();
    }
    running.await.unwrap();
    assert_eq!(both.slow.under_way.lock().unwrap().1, 4);
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.delivered, backlog.pending), (24, 16));
}

async fn an_endpoint_that_may_take_all_there_is_does_not_delay_another(engine: Engine) {
    let site = Site::new(engine).await;
    let mut slow = NewEndpoint::at("https://slow.example.com/");
    slow.settings.concurrency = Some(1000);
    site.directories.create_endpoint(slow, site.clock.now()).await.unwrap();
    site.endpoint("https://fast.example.com/", &[]).await;
    for n in 0..30 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let both = Both::new(&site, &gate);
    let config = DispatcherConfig { concurrency: 16, ..DispatcherConfig::default() };
    let dispatcher = Dispatcher::new(&site.directories, Arc::clone(&both) as _, Arc::new(RealTime), config);
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(dispatcher.run(shutdown));
    until(|| both.fast.attempts().len() == 30).await;
    assert_eq!(both.slow.attempts().len(), 12, "a quarter is for others");
    // What ends there makes room for more.
    for begun in 13..=30 {
        gate.notify_one();
        until(|| both.slow.attempts().len() == begun).await;
    }
    stop.send(true).unwrap();
    while !running.is_finished() {
        gate.notify_waiters();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.await.unwrap();
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 60);
}

/// A receiver whose attempts wait, and one that answers at once.
#[derive(Debug)]
struct Both {
    slow: Receiver,
    fast: Receiver,
}

impl Both {
    fn new(site: &Site, gate: &Arc<Notify>) -> Arc<Self> {
        let slow = Receiver { gate: Some(Arc::clone(gate)), ..Receiver::plain(site, |_| Some(200)) };
        Arc::new(Self { slow, fast: Receiver::plain(site, |_| Some(200)) })
    }
}

#[async_trait]
impl Transport for Both {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let to = if attempt.url.contains("slow") { &self.slow } else { &self.fast };
        to.attempt(attempt).await
    }
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct RealTime;

#[async_trait]
impl Clock for RealTime {
    fn now(&self) -> scim_schema::DateTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        scim_schema::DateTime::from_unix_micros(since.as_micros().try_into().unwrap())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

async fn a_gone_endpoint_is_disabled(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint("https://gone.example.com/", &[]).await;
    site.endpoint("https://there.example.com/", &[]).await;
    for n in 0..10 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let receiver = Receiver::new(&site, |a| Some(if a.url.contains("gone") { 410 } else { 200 }));
    let mut dispatcher = dispatcher(&site, &receiver);
    dispatcher.deliver_due().await.unwrap();
    let to = |host: &str| receiver.attempts().iter().filter(|a| a.url.contains(host)).count();
    assert_eq!(to("there"), 10);
    assert!(to("gone") <= 4, "only what was under way");
    let endpoints = site.directories.endpoints().await.unwrap();
    assert!(!endpoints[0].enabled && endpoints[1].enabled);
    assert_eq!(endpoints[0].disabled_reason.as_deref(), Some("gone"));
    // What comes now is for the other one alone; what waits does so until the endpoint is enabled again.
    site.user("late").await;
    site.catch_up().await;
    let (before, gone) = (receiver.attempts().len(), to("gone"));
    dispatcher.deliver_due().await.unwrap();
    assert_eq!(receiver.attempts().len(), before + 1);
    assert_eq!(site.directories.backlog().await.unwrap().pending, 0);
    site.directories.set_endpoint_enabled(&endpoints[0].id, true, site.clock.now()).await.unwrap();
    assert_eq!(site.directories.backlog().await.unwrap().pending, 10 - gone as u64);
}

async fn an_endpoint_gets_what_it_asked_for(engine: Engine) {
    let site = Site::new(engine).await;
    let now = site.clock.now();
    let other = NewOrganization { display_name: "Other".into(), external_id: None };
    let other = site.directories.create_organization(other, now).await.unwrap();
    site.directories
        .create_directory(&other.id, NewDirectory { name: "x".into(), ..<_>::default() }, now)
        .await
        .unwrap();
    let organization = site.directory.organization_id.clone();
    for (url, event_types, organization_ids) in [
        ("https://all.example.com/", vec![], vec![]),
        ("https://groups.example.com/", vec![EventType::GroupCreated, EventType::GroupDeleted], vec![]),
        ("https://ours.example.com/", vec![], vec![organization]),
        ("https://theirs.example.com/", vec![], vec![other.id]),
    ] {
        let mut new = NewEndpoint::at(url);
        (new.settings.event_types, new.settings.organization_ids) = (event_types, organization_ids);
        new.settings.ordering = Ordering::Strict;
        site.directories.create_endpoint(new, now).await.unwrap();
    }
    let ann = site.user("ann").await;
    let group = site.group("Staff", &[&ann]).await;
    site.delete(&format!("/Groups/{group}")).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let to = |host: &str| {
        let mut whats: Vec<String> =
            receiver.attempts().into_iter().filter(|a| a.url.contains(host)).map(|a| a.what).collect();
        whats.sort_unstable();
        whats
    };
    let all = ["group_created", "group_deleted", "user_created", "user_updated", "user_updated"];
    assert_eq!(to("all"), all);
    assert_eq!(to("ours"), all);
    assert_eq!(to("groups"), ["group_created", "group_deleted"]);
    assert!(to("theirs").is_empty());
    // An endpoint that comes later hears of what happens from then on.
    site.endpoint("https://late.example.com/", &[]).await;
    site.user("bob").await;
    site.catch_up().await;
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    assert_eq!(to("late"), ["user_created"]);
}

// mission: M-68
async fn an_attempt_under_way_at_a_crash_is_made_again_with_the_same_id(engine: Engine) {
    let mut site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    let gate = Arc::new(Notify::new());
    let hanging = Receiver::gated(&site, &gate, |_| Some(200));
    {
        let mut dispatcher = dispatcher(&site, &hanging);
        let delivery = dispatcher.deliver_due();
        let dies = async {
            until(|| hanging.attempts().len() == 2).await;
        };
        tokio::select! { _ = delivery => panic!("the receiver hangs"), () = dies => {} }
    }
    site = site.restarted().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut made = dispatcher(&site, &receiver).deliver_due().await.unwrap();
    for _ in 0..8 {
        // The server needs a moment to see that the process is dead; its leases are for ten seconds.
        if made > 0 || engine == Engine::Sqlite {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        site.clock.advance(Duration::from_secs(1));
        made = dispatcher(&site, &receiver).deliver_due().await.unwrap();
    }
    assert_eq!(made, 2);
    let ids = |receiver: &Receiver| {
        let mut ids: Vec<String> = receiver.attempts().into_iter().map(|a| a.event_id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&receiver), ids(&hanging));
    assert_eq!(receiver.whats(), ["user_created", "user_created"]);
    // The schedule outlives the process as well.
    site.user("eve").await;
    site.catch_up().await;
    let failing = Receiver::new(&site, |_| Some(500));
    dispatcher(&site, &failing).deliver_due().await.unwrap();
    site = site.restarted().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    site.clock.advance(Duration::from_millis(4999));
    assert_eq!(dispatcher(&site, &receiver).deliver_due().await.unwrap(), 0);
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(dispatcher(&site, &receiver).deliver_due().await.unwrap(), 1);
    assert_eq!(receiver.attempts()[0].number, 2);
}

async fn a_key_file_that_is_not_the_right_one_is_refused(engine: Engine) {
    let site = Site::new(engine).await;
    let keys = scim_directory::Keys::load_or_create(&site.place.folder.path().join("other-keys")).unwrap();
    let refused = scim_directory::Directories::open(site.store.database().clone(), keys).await;
    assert!(matches!(refused, Err(scim_directory::DirectoryError::WrongKeys)));
}

async fn a_secret_that_can_t_be_opened_stops_delivery_and_loses_nothing(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    site.user("ann").await;
    site.catch_up().await;
    let reverse = || {
        site.store.database().write(|session| {
            let sealed =
                session.first("SELECT sealed FROM dir_endpoint_keys", scim_sql::params![], |row| {
                    Ok::<_, scim_sql::DatabaseError>(row.bytes(0)?.to_vec())
                })?;
            let reversed: Vec<u8> = sealed.unwrap().into_iter().rev().collect();
            session
                .execute("UPDATE dir_endpoint_keys SET sealed = ?1", scim_sql::params![reversed.as_slice()])
        })
    };
    reverse().await.unwrap();
    let receiver = Receiver::new(&site, |_| Some(200));
    assert_eq!(dispatcher(&site, &receiver).deliver_due().await.unwrap(), 0);
    reverse().await.unwrap();
    assert_eq!(dispatcher(&site, &receiver).deliver_due().await.unwrap(), 1);
}
