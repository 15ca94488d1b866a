//! Endpoints that fail, are slow, or get a great deal; under virtual time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use scim_core::{Batch, Cause, Change, Document, Precondition, Store as _, Write};
use scim_directory::{
    Attempt, Clock, DeliveryFilter, DeliveryState, Directory, Dispatcher, DispatcherConfig, Endpoint,
    EndpointId, EndpointSettings, EventType, NewDirectory, NewEndpoint, NewOrganization, Transport,
};
use scim_schema::{Object, Resource, Value};
use scim_sql::Engine;
use scim_webhook::{Failure, Outcome, Report};
use serde_json::json;
use tokio::sync::watch;

use crate::delivery::URL;
use crate::support::{Site, SteppedClock, on_both_engines, parse, until};

on_both_engines! {
    after_ten_failures_an_endpoint_has_rest_and_is_then_probed,
    failures_at_one_url_do_not_count_against_another,
    what_the_last_url_answers_late_does_not_count_against_the_new_one,
    a_receiver_that_asks_to_be_left_alone_is_left_alone,
    an_endpoint_that_fails_for_five_days_is_disabled,
    a_rate_is_kept,
    no_organization_waits_for_the_events_of_another,
    what_was_there_before_waits_for_what_happens_now,
    the_events_of_a_paused_directory_wait,
    a_delivery_that_breaks_its_attempt_off_is_set_aside,
    a_backlog_of_one_endpoint_is_not_in_the_way_of_another,
    who_wants_to_know_hears_how_deliveries_go,
    a_notice_goes_out_at_once,
}

/// Answers by a rule, and notes what it gets.
struct Rule {
    answer: Box<dyn Fn(&Attempt) -> Outcome + Send + Sync>,
    /// When, where, and of which subject.
    noted: Mutex<Vec<(i64, String, String)>>,
    site_clock: Arc<dyn Clock>,
    under_way: Mutex<(usize, usize)>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

#[async_trait]
impl Transport for Rule {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let body = parse(std::str::from_utf8(&attempt.body).unwrap());
        let time = self.site_clock.now().unix_seconds();
        let subject = body["subject"].as_str().unwrap().to_owned();
        self.noted.lock().unwrap().push((time, attempt.url.clone(), subject));
        {
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        tokio::task::yield_now().await;
        self.under_way.lock().unwrap().0 -= 1;
        Report::of((self.answer)(attempt))
    }
}

impl Rule {
    fn new(site: &Site, answer: impl Fn(&Attempt) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            noted: Mutex::default(),
            site_clock: Arc::clone(&site.clock) as _,
            under_way: Mutex::default(),
        })
    }

    fn dispatcher(self: &Arc<Self>, site: &Site) -> Dispatcher {
        let config = DispatcherConfig { jitter: 0.0, ..DispatcherConfig::default() };
        Dispatcher::new(&site.directories, Arc::clone(self) as _, Arc::clone(&site.clock) as _, config)
    }

    fn noted(&self) -> Vec<(i64, String, String)> {
        self.noted.lock().unwrap().clone()
    }

    /// How many attempts were under way at once since it was last asked.
    fn most_at_once(&self) -> usize {
        std::mem::take(&mut *self.under_way.lock().unwrap()).1
    }
}

const GOOD: Outcome = Outcome::Delivered { status: 200 };

fn bad(status: u16) -> Outcome {
    Outcome::Failed { status: Some(status), reason: Failure::Status, retry_after: None }
}

async fn endpoint(site: &Site) -> Endpoint {
    site.directories.endpoints().await.unwrap().remove(0)
}

/// Users of a directory, in one commit.
async fn grow(site: &Site, directory: &Directory, kind: &str, names: impl Iterator<Item = String>) {
    let user = Arc::clone(site.store.registry().resource_type("User").unwrap());
    let write = |name: String| {
        let mut attributes = Object::new();
        attributes.push("schemas", vec![Value::from(user.schema().id())]);
        attributes.push("id", name.as_str());
        attributes.push("userName", name.as_str());
        let resource = Resource::from_canonical(attributes);
        let document = Document { unique: user.unique_keys(&resource), resource };
        let change = Change::Insert { document, members: Vec::new() };
        let precondition = Precondition::Absent;
        Write { resource_type: user.clone(), id: name.as_str().into(), precondition, change }
    };
    let writes: Vec<Write> = names.map(write).collect();
    let cause = Cause { kind: kind.into(), request_id: "req".into() };
    let batch = Batch { writes, now: site.clock.now(), cause, check_members: true };
    site.store.commit(&directory.tenant(), batch).await.unwrap();
    site.catch_up().await;
}

async fn other_directory(site: &Site) -> Directory {
    let new = NewOrganization { display_name: "Other".into(), external_id: None };
    let other = site.directories.create_organization(new, site.clock.now()).await.unwrap();
    let new = NewDirectory { name: "x".into(), ..NewDirectory::default() };
    site.directories.create_directory(&other.id, new, site.clock.now()).await.unwrap()
}

async fn after_ten_failures_an_endpoint_has_rest_and_is_then_probed(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    grow(&site, &site.directory, "scim", (0..30).map(|n| format!("diruser_{n}"))).await;
    let is_up = Arc::new(Mutex::new(false));
    let up = Arc::clone(&is_up);
    let rule = Rule::new(&site, move |_| if *up.lock().unwrap() { GOOD } else { bad(500) });
    let mut dispatcher = rule.dispatcher(&site);
    let first = dispatcher.deliver_due().await.unwrap();
    assert!((10..14).contains(&first), "{first}: ten, and what was under way");
    assert_eq!(endpoint(&site).await.health.failures, 10);
    for pause in [30, 60, 120, 240, 300, 300] {
        site.clock.advance(Duration::from_secs(pause - 1));
        assert_eq!(dispatcher.deliver_due().await.unwrap(), 0);
        site.clock.advance(Duration::from_secs(1));
        assert_eq!(dispatcher.deliver_due().await.unwrap(), 1, "one finds out whether it is back");
    }
    // Nothing was counted that was not attempted.
    let filter = DeliveryFilter::default();
    let made: u32 =
        site.directories.delivery_list(&filter, None, 100).await.unwrap().iter().map(|d| d.attempts).sum();
    assert_eq!(usize::try_from(made).unwrap(), first + 6);
    *is_up.lock().unwrap() = true;
    site.clock.advance(Duration::from_secs(3600));
    rule.most_at_once();
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 30);
    assert_eq!(rule.most_at_once(), 4);
    let health = endpoint(&site).await.health;
    assert_eq!((health.failures, health.failing_since, health.not_before), (0, None, None));
    assert_eq!(health.last_delivered, Some(site.clock.now()));
}

async fn failures_at_one_url_do_not_count_against_another(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    grow(&site, &site.directory, "scim", (0..30).map(|n| format!("diruser_{n}"))).await;
    let rule = Rule::new(&site, |attempt| if attempt.url == URL { bad(500) } else { GOOD });
    let mut dispatcher = rule.dispatcher(&site);
    let failed = dispatcher.deliver_due().await.unwrap();
    let Endpoint { id, settings, .. } = endpoint(&site).await;
    let described = EndpointSettings { description: "Ours".into(), ..settings };
    site.directories.update_endpoint(&id, described.clone(), site.clock.now()).await.unwrap();
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 0, "it is the same receiver");
    assert_eq!(endpoint(&site).await.health.failures, 10);
    let moved = EndpointSettings { url: format!("{URL}/v2"), ..described };
    site.directories.update_endpoint(&id, moved, site.clock.now()).await.unwrap();
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 30 - failed);
    assert_eq!(rule.most_at_once(), 4);
}

async fn what_the_last_url_answers_late_does_not_count_against_the_new_one(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    grow(&site, &site.directory, "scim", (0..4).map(|n| format!("diruser_{n}"))).await;
    let gone = Outcome::Failed { status: Some(410), reason: Failure::Gone, retry_after: None };
    let rule = Rule::new(&site, move |attempt| if attempt.url == URL { gone } else { GOOD });
    let mut dispatcher = rule.dispatcher(&site);
    dispatcher.step().await.unwrap();
    assert_eq!(dispatcher.in_flight(), 4);
    let Endpoint { id, settings, .. } = endpoint(&site).await;
    let moved = EndpointSettings { url: format!("{URL}/v2"), ..settings };
    site.directories.update_endpoint(&id, moved, site.clock.now()).await.unwrap();
    dispatcher.deliver_due().await.unwrap();
    let Endpoint { enabled, health, .. } = endpoint(&site).await;
    assert!(enabled);
    assert_eq!(health.failures, 0);
    site.clock.advance(Duration::from_secs(10));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 4, "they are tried again, there");
}

async fn a_receiver_that_asks_to_be_left_alone_is_left_alone(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    grow(&site, &site.directory, "scim", (0..8).map(|n| format!("diruser_{n}"))).await;
    let start = site.clock.now().unix_seconds();
    let clock = Arc::clone(&site.clock);
    let rule = Rule::new(&site, move |_| {
        let retry_after = Some(Duration::from_secs(100));
        let overloaded = Outcome::Failed { status: Some(429), reason: Failure::Status, retry_after };
        if clock.now().unix_seconds() - start < 250 { overloaded } else { GOOD }
    });
    let mut dispatcher = rule.dispatcher(&site);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 4, "those that were begun together");
    let mut made = Vec::new();
    for _ in 0..40 {
        site.clock.advance(Duration::from_secs(10));
        rule.most_at_once();
        let count = dispatcher.deliver_due().await.unwrap();
        if count > 0 {
            made.push((site.clock.now().unix_seconds() - start, count));
        }
        if made.len() < 3 {
            assert!(rule.most_at_once() <= 1, "one at a time");
        }
    }
    assert_eq!(made[..2], [(100, 1), (200, 1)]);
    assert_eq!(made[2].0, 300);
    assert_eq!(made[2..].iter().map(|(_, count)| count).sum::<usize>(), 8);
    assert!(!endpoint(&site).await.health.is_slow);
}

// Row D6.
async fn an_endpoint_that_fails_for_five_days_is_disabled(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let other = "https://operator.example.com/";
    site.endpoint(other, &[EventType::EndpointDisabled]).await;
    let rule = Rule::new(&site, |a| if a.url == URL { bad(500) } else { GOOD });
    let mut dispatcher = rule.dispatcher(&site);
    let five_days = 5 * 24 * 3600;
    site.user("first").await;
    site.catch_up().await;
    dispatcher.deliver_due().await.unwrap();
    let start = site.clock.now().unix_seconds();
    let failing = endpoint(&site).await;
    assert_eq!(failing.health.failing_since.unwrap().unix_seconds(), start);
    let mut hours = 0;
    while endpoint(&site).await.enabled {
        hours += 1;
        site.clock.advance(Duration::from_secs(3600));
        if hours % 6 == 0 {
            site.user(&format!("user{hours}")).await;
            site.catch_up().await;
        }
        dispatcher.deliver_due().await.unwrap();
        assert!(hours < 200, "it is never disabled");
    }
    let attempts: Vec<i64> =
        rule.noted().iter().filter(|(_, url, _)| url == URL).map(|(time, ..)| time - start).collect();
    let at = *attempts.last().unwrap();
    assert!(at >= five_days, "{at}");
    assert!(
        attempts[..attempts.len() - 1].iter().all(|time| *time < five_days),
        "the first failure after it"
    );
    let disabled = endpoint(&site).await;
    assert_eq!(disabled.disabled_reason.as_deref(), Some("failing"));
    assert_eq!(disabled.disabled_at.unwrap().unix_seconds() - start, at);
    assert_eq!(rule.noted().iter().filter(|(_, url, _)| url == other).count(), 1, "the operator is told");
    // Nothing goes there until it is enabled again; then what it missed is replayed.
    site.user("late").await;
    site.catch_up().await;
    site.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 0);
    let now = site.clock.now();
    let since = now.plus_micros(-1_000_000 * 30 * 24 * 3600);
    site.directories.set_endpoint_enabled(&disabled.id, true, now).await.unwrap();
    site.directories.recover(&disabled.id, since, None, now).await.unwrap();
    assert_eq!(site.directories.replay_missing(&disabled.id, since, None, now).await.unwrap(), 1);
    let rule = Rule::new(&site, |_| GOOD);
    let mut dispatcher = rule.dispatcher(&site);
    dispatcher.deliver_due().await.unwrap();
    site.clock.advance(Duration::from_secs(36_000));
    dispatcher.deliver_due().await.unwrap();
    let users = site.directories.users(&site.directory.id, None, 1000).await.unwrap().len();
    assert_eq!(rule.noted().len(), users);
    assert_eq!(site.directories.backlog().await.unwrap().pending, 0);
}

async fn a_rate_is_kept(engine: Engine) {
    let site = Site::new(engine).await;
    let settings = EndpointSettings {
        url: URL.into(),
        rate: Some(3),
        concurrency: Some(8),
        ..EndpointSettings::default()
    };
    let new = NewEndpoint { settings, secret: None };
    site.directories.create_endpoint(new, site.clock.now()).await.unwrap();
    grow(&site, &site.directory, "scim", (0..10).map(|n| format!("diruser_{n}"))).await;
    let rule = Rule::new(&site, |_| GOOD);
    let mut dispatcher = rule.dispatcher(&site);
    let mut counts = Vec::new();
    for _ in 0..8 {
        counts.push(dispatcher.deliver_due().await.unwrap());
        site.clock.advance(Duration::from_millis(500));
    }
    assert_eq!(counts, [3, 0, 3, 0, 3, 0, 1, 0]);
}

async fn no_organization_waits_for_the_events_of_another(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let other = other_directory(&site).await;
    grow(&site, &site.directory, "scim", (0..600).map(|n| format!("diruser_large{n}"))).await;
    site.clock.advance(Duration::from_secs(60));
    grow(&site, &other, "scim", (0..5).map(|n| format!("diruser_small{n}"))).await;
    let rule = Rule::new(&site, |_| GOOD);
    rule.dispatcher(&site).deliver_due().await.unwrap();
    let noted = rule.noted();
    assert_eq!(noted.len(), 605);
    let last = noted.iter().rposition(|(_, _, subject)| subject.contains("small")).unwrap();
    assert!(last < 12, "every second attempt is the other organization's: {last}");
}

async fn what_was_there_before_waits_for_what_happens_now(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    grow(&site, &site.directory, "import", (0..100).map(|n| format!("diruser_old{n}"))).await;
    site.clock.advance(Duration::from_secs(60));
    grow(&site, &site.directory, "scim", (0..5).map(|n| format!("diruser_new{n}"))).await;
    let rule = Rule::new(&site, |_| GOOD);
    rule.dispatcher(&site).deliver_due().await.unwrap();
    let noted = rule.noted();
    assert_eq!(noted.len(), 105);
    assert!(noted[..5].iter().all(|(_, _, subject)| subject.contains("new")), "{:?}", &noted[..6]);
}

async fn the_events_of_a_paused_directory_wait(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let other = other_directory(&site).await;
    site.directories.set_delivery_paused(&site.directory.id, true).await.unwrap();
    grow(&site, &site.directory, "scim", (0..9).map(|n| format!("diruser_paused{n}"))).await;
    grow(&site, &other, "scim", (0..5).map(|n| format!("diruser_other{n}"))).await;
    let rule = Rule::new(&site, |_| GOOD);
    let mut dispatcher = rule.dispatcher(&site);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 5);
    assert!(rule.noted().iter().all(|(_, _, subject)| subject.contains("other")));
    assert_eq!(dispatcher.step().await.unwrap(), None, "nothing wakes it while they wait");
    site.directories.set_delivery_paused(&site.directory.id, false).await.unwrap();
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 9);
}

async fn a_delivery_that_breaks_its_attempt_off_is_set_aside(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let poison = site.user("poison").await;
    site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    let rule = Rule::new(&site, |a| {
        assert!(!std::str::from_utf8(&a.body).unwrap().contains("poison"), "a mistake in the transport");
        GOOD
    });
    let mut dispatcher = rule.dispatcher(&site);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 3);
    assert_eq!(site.directories.backlog().await.unwrap().delivered, 2);
    for _ in 0..10 {
        site.clock.advance(Duration::from_secs(10 * 3600));
        dispatcher.deliver_due().await.unwrap();
    }
    assert_eq!(rule.noted().iter().filter(|(_, _, subject)| *subject == poison).count(), 5);
    let filter = DeliveryFilter { states: vec![DeliveryState::Exhausted], ..DeliveryFilter::default() };
    let aside = site.directories.delivery_list(&filter, None, 10).await.unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!((aside[0].subject.as_str(), aside[0].reason.as_deref()), (poison.as_str(), Some("panic")));
    assert_eq!(endpoint(&site).await.health.failures, 0, "the endpoint can't help it");
    assert!(site.directories.metrics().attempts().any(|counted| counted == ("panic", 5)));
    assert_eq!(site.directories.metrics().in_flight(), 0);
}

// Rows D2 and D4, small.
async fn a_backlog_of_one_endpoint_is_not_in_the_way_of_another(engine: Engine) {
    let site = Site::new(engine).await;
    for n in 0..10 {
        site.endpoint(&format!("https://well{n}.example.com/"), &[]).await;
    }
    let dead = "https://dead.example.com/";
    site.endpoint(dead, &[EventType::UserCreated]).await;
    let is_up = Arc::new(Mutex::new(false));
    let up = Arc::clone(&is_up);
    let rule = Rule::new(&site, move |a| match *up.lock().unwrap() {
        false if a.url.contains("dead") => Outcome::unanswered(Failure::Timeout),
        _ => GOOD,
    });
    let mut dispatcher = rule.dispatcher(&site);
    for round in 0..5 {
        grow(&site, &site.directory, "scim", (0..100).map(|n| format!("diruser_{round}_{n}"))).await;
        dispatcher.deliver_due().await.unwrap();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for (_, url, _) in rule.noted() {
            *count.entry(url).or_default() += 1;
        }
        let of_dead = count.remove(dead).unwrap_or_default();
        assert!(of_dead <= 4 + 10 + round, "{of_dead}");
        assert_eq!(count.len(), 10);
        assert!(count.values().all(|count| *count == 100 * (round + 1)), "{count:?}");
        site.clock.advance(Duration::from_secs(60));
    }
    *is_up.lock().unwrap() = true;
    site.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 500);
    assert_eq!(site.directories.backlog().await.unwrap().pending, 0);
}

async fn who_wants_to_know_hears_how_deliveries_go(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[]).await;
    let types = [EventType::DeliveryFailing, EventType::DeliveryExhausted, EventType::DeliveryRecovered];
    let operator = "https://operator.example.com/";
    site.endpoint(operator, &types).await;
    let ann = site.user("ann").await;
    site.catch_up().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (notices, is_up) = (Arc::clone(&told), Arc::new(Mutex::new(false)));
    let up = Arc::clone(&is_up);
    let rule = Rule::new(&site, move |a| {
        if a.url == operator {
            notices.lock().unwrap().push(parse(std::str::from_utf8(&a.body).unwrap()));
        }
        if *up.lock().unwrap() || a.url == operator { GOOD } else { bad(500) }
    });
    let mut dispatcher = rule.dispatcher(&site);
    let told = |from: usize| -> Vec<(String, u64)> {
        let told = told.lock().unwrap();
        let said = |body: &serde_json::Value| {
            assert_eq!(body["object"], "WebhookDelivery");
            assert_eq!(body["data"]["subject"], json!(ann));
            (body["type"].as_str().unwrap().to_owned(), body["data"]["attempts"].as_u64().unwrap())
        };
        told.iter().skip(from).map(said).collect()
    };
    for hours in [0, 1, 1, 1, 10, 10, 10, 10, 10] {
        site.clock.advance(Duration::from_secs(hours * 3600));
        dispatcher.deliver_due().await.unwrap();
    }
    assert_eq!(told(0), [("webhook.delivery_failing".into(), 4), ("webhook.delivery_exhausted".into(), 8)]);
    *is_up.lock().unwrap() = true;
    for title in ["a", "b"] {
        site.set(&format!("/Users/{ann}"), "title", json!(title)).await;
        site.catch_up().await;
        dispatcher.deliver_due().await.unwrap();
        dispatcher.deliver_due().await.unwrap();
    }
    assert_eq!(told(2), [("webhook.delivery_recovered".into(), 1)], "once");
    let id: EndpointId = endpoint(&site).await.id;
    let filter = DeliveryFilter { endpoint_id: Some(id), ..DeliveryFilter::default() };
    assert_eq!(site.directories.delivery_list(&filter, None, 10).await.unwrap().len(), 3, "not of notices");
}

async fn a_notice_goes_out_at_once(engine: Engine) {
    let site = Site::new(engine).await;
    site.endpoint(URL, &[EventType::UserCreated]).await;
    let other = "https://operator.example.com/";
    site.endpoint(other, &[EventType::EndpointDisabled]).await;
    site.user("ann").await;
    site.catch_up().await;
    let gone = Outcome::Failed { status: Some(410), reason: Failure::Gone, retry_after: None };
    let rule = Rule::new(&site, move |a| if a.url == URL { gone } else { GOOD });
    // No more time passes: it does not wait for its next look.
    let clock = SteppedClock::new();
    clock.advance(1);
    let config = DispatcherConfig::default();
    let dispatcher = Dispatcher::new(&site.directories, Arc::clone(&rule) as _, clock, config);
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(dispatcher.run(shutdown));
    until(|| rule.noted().iter().any(|(_, url, _)| url == other)).await;
    stop.send(true).unwrap();
    running.await.unwrap();
}
