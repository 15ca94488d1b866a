//! The message log, sending again, reading the log, forgetting, keys, and how changes are told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use scim_directory::{
    AuditRange, Clock, Deactivation, DeliveryFilter, DeliveryState, Direction, Directories, DirectoryError,
    EndpointId, EventFilter, EventOptions, EventType, LogPosition, NewEndpoint, Scope,
};
use scim_schema::DateTime;
use scim_sql::Engine;
use scim_webhook::verify;
use serde_json::{Value, json};

use crate::delivery::{Receiver, URL, dispatcher};
use crate::support::{Site, on_both_engines, parse, short};

on_both_engines! {
    every_attempt_is_in_the_log_of_messages,
    an_event_is_sent_again_to_one_or_to_all,
    a_deletion_that_is_sent_again_goes_first_too,
    what_was_given_up_is_recovered_unless_a_later_event_has_overtaken_it,
    what_was_never_meant_for_an_endpoint_is_replayed,
    no_update_overtakes_a_deactivation_that_is_replayed_or_recovered,
    whom_a_receiver_may_know_it_is_told_of_after_a_replay_too,
    the_log_is_read_in_pages_both_ways,
    what_came_while_an_endpoint_was_disabled_is_replayed_whenever_it_was_committed,
    old_events_are_forgotten_and_those_that_wait_are_not,
    what_waits_for_an_endpoint_that_was_disabled_long_ago_is_forgotten,
    what_is_proved_says_whether_it_is_all,
    an_api_key_opens_what_its_scopes_say,
    a_rotated_secret_signs_beside_the_new_one_until_its_time_is_over,
    keys_are_those_of_their_endpoint_and_not_too_many,
    switching_a_directory_is_told,
    deactivation_can_be_told_as_an_update,
    memberships_are_told_one_by_one_where_that_is_wanted,
    a_test_event_has_what_events_of_its_type_have,
}

async fn endpoint(site: &Site, url: &str) -> EndpointId {
    let created = site.directories.create_endpoint(NewEndpoint::at(url), site.clock.now());
    created.await.unwrap().endpoint.id
}

async fn every_attempt_is_in_the_log_of_messages(engine: Engine) {
    let site = Site::new(engine).await;
    let endpoint = endpoint(&site, URL).await;
    site.user("ann").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |a| Some(if a.number < 3 { 500 } else { 204 }));
    let mut dispatcher = dispatcher(&site, &receiver);
    for seconds in [0, 5, 300] {
        site.clock.advance(Duration::from_secs(seconds));
        dispatcher.deliver_due().await.unwrap();
    }
    let filter = DeliveryFilter { endpoint_id: Some(endpoint.clone()), ..DeliveryFilter::default() };
    let deliveries = site.directories.delivery_list(&filter, None, 10).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    let delivery = &deliveries[0];
    assert_eq!(
        (delivery.state, delivery.attempts, delivery.status),
        (DeliveryState::Delivered, 3, Some(204))
    );
    assert_eq!(delivery.event_type, EventType::UserCreated);
    assert!(delivery.finished.is_some() && delivery.next_attempt.is_none());
    assert_eq!(site.directories.delivery(&delivery.id).await.unwrap().as_ref(), Some(delivery));
    let attempts = site.directories.attempts(&delivery.id).await.unwrap();
    let statuses: Vec<Option<u16>> = attempts.iter().map(|a| a.status).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(204)]);
    let reasons: Vec<Option<&str>> = attempts.iter().map(|a| a.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("status"), Some("status"), None]);
    assert!(attempts.is_sorted_by_key(|a| a.at));
    let of_others = DeliveryFilter { states: vec![DeliveryState::Exhausted], ..filter.clone() };
    assert_eq!(site.directories.delivery_list(&of_others, None, 10).await.unwrap(), []);
    assert_eq!(site.directories.delivery_list(&filter, Some(&delivery.id), 10).await.unwrap(), []);
}

// mission: M-68
async fn an_event_is_sent_again_to_one_or_to_all(engine: Engine) {
    let site = Site::new(engine).await;
    let first = endpoint(&site, "https://one.example.com/").await;
    endpoint(&site, "https://two.example.com/").await;
    site.user("ann").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut dispatcher = dispatcher(&site, &receiver);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 2);
    let event = site.events().await.remove(0);
    assert_eq!(site.directories.resend(&event.id, Some(&first), site.clock.now()).await.unwrap(), 1);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    assert_eq!(site.directories.resend(&event.id, None, site.clock.now()).await.unwrap(), 2);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 2);
    assert!(receiver.attempts().iter().all(|a| a.event_id == event.id.as_str()), "the id stays");
    let delivery = site.directories.deliveries(&event.id).await.unwrap().remove(0);
    assert_eq!(site.directories.attempts(&delivery.id).await.unwrap().len(), 3);
    // One that came later and has never had the event.
    let late = endpoint(&site, "https://three.example.com/").await;
    assert_eq!(site.directories.resend(&event.id, Some(&late), site.clock.now()).await.unwrap(), 1);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    let nothing = scim_directory::EventId::parse("evt_0000000000000000000000").unwrap();
    let refused = site.directories.resend(&nothing, None, site.clock.now()).await;
    assert!(matches!(refused, Err(DirectoryError::NotFound { what: "event" })));
}

async fn exhaust(site: &Site, receiver: &std::sync::Arc<Receiver>) {
    let mut dispatcher = dispatcher(site, receiver);
    for _ in 0..12 {
        dispatcher.deliver_due().await.unwrap();
        site.clock.advance(Duration::from_secs(11 * 3600));
    }
}

// mission: M-66, M-68
async fn what_was_given_up_is_recovered_unless_a_later_event_has_overtaken_it(engine: Engine) {
    let site = Site::new(engine).await;
    let endpoint = endpoint(&site, URL).await;
    let ann = site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    let start = site.clock.now();
    exhaust(&site, &Receiver::new(&site, |_| Some(503))).await;
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.failed, backlog.pending), (2, 0));
    site.directories.set_endpoint_enabled(&endpoint, true, site.clock.now()).await.unwrap();
    // Meanwhile the application hears of ann by a later event.
    site.set(&format!("/Users/{ann}"), "title", json!("Lead")).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut dispatcher = dispatcher(&site, &receiver);
    dispatcher.deliver_due().await.unwrap();
    let recover = |since: DateTime| {
        let (site, endpoint) = (&site, &endpoint);
        async move { site.directories.recover(endpoint, since, None, site.clock.now()).await.unwrap() }
    };
    assert_eq!(recover(site.clock.now()).await, 0, "nothing that happened so late");
    assert_eq!(recover(start.plus_micros(-1_000_000)).await, 1, "ann's creation is overtaken");
    dispatcher.deliver_due().await.unwrap();
    let subjects: Vec<bool> = receiver.attempts().iter().map(|a| a.subject == ann).collect();
    assert_eq!(subjects, [true, false]);
}

// mission: M-68
async fn what_was_never_meant_for_an_endpoint_is_replayed(engine: Engine) {
    let site = Site::new(engine).await;
    let start = site.clock.now();
    site.user("early").await;
    site.catch_up().await;
    let endpoint = endpoint(&site, URL).await;
    site.user("ann").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |_| Some(200));
    let mut dispatcher = dispatcher(&site, &receiver);
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    let replay = |since: DateTime, until: Option<DateTime>| {
        let (site, endpoint) = (&site, &endpoint);
        async move { site.directories.replay_missing(endpoint, since, until, site.clock.now()).await.unwrap() }
    };
    assert_eq!(replay(start.plus_micros(-9), Some(start.plus_micros(-1))).await, 0);
    assert_eq!(replay(start.plus_micros(-1), None).await, 1);
    assert_eq!(replay(start.plus_micros(-1), None).await, 0, "not twice");
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    // What a later event has overtaken would be told with old data.
    let late = site.user("late").await;
    site.catch_up().await;
    site.set(&format!("/Users/{late}"), "title", json!("Lead")).await;
    let second = NewEndpoint::at("https://second.example.com/");
    let second = site.directories.create_endpoint(second, site.clock.now()).await.unwrap().endpoint.id;
    site.catch_up().await;
    dispatcher.deliver_due().await.unwrap();
    let now = site.clock.now();
    assert_eq!(
        site.directories.replay_missing(&second, start, None, now).await.unwrap(),
        2,
        "those before late"
    );
    // An event that an endpoint does not want is not missing.
    let mut groups = NewEndpoint::at("https://groups.example.com/");
    groups.settings.event_types = vec![EventType::GroupCreated];
    let groups = site.directories.create_endpoint(groups, site.clock.now()).await.unwrap().endpoint.id;
    let now = site.clock.now();
    assert_eq!(site.directories.replay_missing(&groups, start, None, now).await.unwrap(), 0);
}

// mission: M-11, M-68
async fn no_update_overtakes_a_deactivation_that_is_replayed_or_recovered(engine: Engine) {
    let site = Site::new(engine).await;
    let endpoint = endpoint(&site, URL).await;
    let (ann, bob) = (site.user("ann").await, site.user("bob").await);
    let group = site.group("Staff", &[&ann]).await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |attempt| {
        let body = std::str::from_utf8(&attempt.body).unwrap();
        let is_refused = body.contains("user_deleted")
            && body.contains("bob")
            && attempt.time.unix_seconds() < 2_000_000_000;
        Some(if is_refused { 500 } else { 200 })
    });
    let mut dispatcher = dispatcher(&site, &receiver);
    dispatcher.deliver_due().await.unwrap();
    // One is given up, and then there is an update.
    site.set(&format!("/Users/{bob}"), "active", json!(false)).await;
    site.catch_up().await;
    for _ in 0..8 {
        dispatcher.deliver_due().await.unwrap();
        site.clock.advance(Duration::from_secs(36_000));
    }
    assert_eq!(site.directories.backlog().await.unwrap().failed, 1);
    site.set(&format!("/Users/{bob}"), "title", json!("Former")).await;
    site.catch_up().await;
    assert_eq!(dispatcher.deliver_due().await.unwrap(), 1);
    // The other was never told, and then there is an update.
    site.directories.set_endpoint_enabled(&endpoint, false, site.clock.now()).await.unwrap();
    site.set(&format!("/Users/{ann}"), "active", json!(false)).await;
    site.catch_up().await;
    site.directories.set_endpoint_enabled(&endpoint, true, site.clock.now()).await.unwrap();
    site.remove_member(&group, &ann).await;
    site.catch_up().await;
    let before = receiver.attempts().len();
    site.clock.advance(Duration::from_secs(1_000_000_000));
    let now = site.clock.now();
    assert_eq!(site.directories.replay_disabled(&endpoint, now).await.unwrap(), 1);
    let start = DateTime::from_unix_micros(0);
    assert_eq!(site.directories.recover(&endpoint, start, None, now).await.unwrap(), 1);
    dispatcher.deliver_due().await.unwrap();
    let told: Vec<(String, String)> =
        receiver.attempts().into_iter().skip(before).map(|attempt| (attempt.subject, attempt.what)).collect();
    for user in [ann, bob] {
        assert!(told.contains(&(user.clone(), "user_deleted".to_owned())), "{user} in {told:?}");
    }
}

async fn whom_a_receiver_may_know_it_is_told_of_after_a_replay_too(engine: Engine) {
    let site = Site::new(engine).await;
    let (start, endpoint) = (site.clock.now(), endpoint(&site, URL).await);
    let switch = |on: bool| site.directories.set_endpoint_enabled(&endpoint, on, site.clock.now());
    // Its creation was never meant for the endpoint, and its change was given up: the receiver may have taken it.
    switch(false).await.unwrap();
    let ann = site.user("ann").await;
    site.catch_up().await;
    switch(true).await.unwrap();
    site.set(&format!("/Users/{ann}"), "title", json!("Lead")).await;
    site.catch_up().await;
    exhaust(&site, &Receiver::new(&site, |_| Some(500))).await;
    switch(false).await.unwrap();
    site.delete(&format!("/Users/{ann}")).await;
    site.catch_up().await;
    switch(true).await.unwrap();
    let now = site.clock.now();
    assert_eq!(site.directories.replay_missing(&endpoint, start, None, now).await.unwrap(), 2);
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let last = parse(std::str::from_utf8(&receiver.last().unwrap().body).unwrap());
    assert_eq!(last["type"], "organization.directory.user_deleted");
}

async fn the_log_is_read_in_pages_both_ways(engine: Engine) {
    let site = Site::new(engine).await;
    for n in 0..7 {
        site.user(&format!("user{n}")).await;
    }
    site.group("Staff", &[]).await;
    site.catch_up().await;
    let all: Vec<String> = site.events().await.iter().map(|e| e.id.to_string()).collect();
    let read = |filter: EventFilter, direction: Direction, limit: usize| {
        let directories = site.directories.clone();
        async move {
            let (mut ids, mut place) = (Vec::new(), LogPosition::START);
            loop {
                let page = directories.log(&filter, place, direction, limit).await.unwrap();
                ids.extend(page.events.iter().map(|logged| logged.event.id.to_string()));
                if !page.has_more {
                    return (ids, page.next);
                }
                place = page.next;
            }
        }
    };
    let (forward, end) = read(EventFilter::default(), Direction::Forward, 3).await;
    assert_eq!(forward, all);
    assert_eq!(end, site.directories.log_end().await.unwrap());
    let (mut backward, _) = read(EventFilter::default(), Direction::Backward, 3).await;
    backward.reverse();
    assert_eq!(backward, all);
    let groups = EventFilter { event_types: vec![EventType::GroupCreated], ..EventFilter::default() };
    assert_eq!(read(groups, Direction::Forward, 3).await.0, all[7..]);
    let ours = EventFilter { directory_ids: vec![site.directory.id.clone()], ..EventFilter::default() };
    assert_eq!(read(ours, Direction::Forward, 100).await.0, all);
    let theirs = scim_directory::OrganizationId::parse("org_0000000000000000000000").unwrap();
    let theirs = EventFilter { organization_ids: vec![theirs], ..EventFilter::default() };
    assert_eq!(read(theirs, Direction::Forward, 100).await.0.len(), 0);
    let one = site.directories.event(&site.events().await[2].id).await.unwrap().unwrap();
    assert_eq!(one.event, site.events().await[2]);
}

// mission: M-90
async fn old_events_are_forgotten_and_those_that_wait_are_not(engine: Engine) {
    let site = Site::new(engine).await;
    endpoint(&site, URL).await;
    site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    dispatcher(&site, &Receiver::new(&site, |_| Some(200))).deliver_due().await.unwrap();
    site.clock.advance(Duration::from_secs(3600));
    let cut = site.clock.now();
    site.user("eve").await;
    site.catch_up().await;
    let later = cut.plus_micros(1_000_000_000_000);
    assert_eq!(site.directories.forget_before(cut).await.unwrap(), 2);
    assert_eq!(site.directories.forget_before(cut).await.unwrap(), 0);
    assert_eq!(site.directories.forget_before(later).await.unwrap(), 0, "eve's event waits");
    assert_eq!(site.events().await.len(), 1);
    let all = EventFilter::default();
    let refused = site.directories.log(&all, LogPosition::START, Direction::Forward, 10).await;
    assert!(matches!(refused, Err(DirectoryError::Forgotten)));
    let start = site.directories.log_start().await.unwrap();
    let page = site.directories.log(&all, start, Direction::Forward, 10).await.unwrap();
    assert_eq!(page.events.len(), 1);
    let findings = Directories::check(&site.store).await.unwrap();
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.count > 0).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

async fn what_waits_for_an_endpoint_that_was_disabled_long_ago_is_forgotten(engine: Engine) {
    let site = Site::new(engine).await;
    let endpoint = endpoint(&site, URL).await;
    site.user("ann").await;
    site.catch_up().await;
    let day = Duration::from_secs(24 * 3600);
    site.clock.advance(day);
    site.directories.set_endpoint_enabled(&endpoint, false, site.clock.now()).await.unwrap();
    let disabled = site.clock.now();
    assert_eq!(site.directories.forget_before(disabled).await.unwrap(), 0, "it may be enabled again");
    assert_eq!(site.directories.forget_before(disabled.plus_micros(1)).await.unwrap(), 1);
    assert_eq!(site.directories.backlog().await.unwrap().pending, 0);
    site.directories.set_endpoint_enabled(&endpoint, true, site.clock.now()).await.unwrap();
    assert_eq!(site.directories.replay_disabled(&endpoint, site.clock.now()).await.unwrap(), 0);
}

// mission: M-68
async fn what_came_while_an_endpoint_was_disabled_is_replayed_whenever_it_was_committed(engine: Engine) {
    let site = Site::new(engine).await;
    let endpoint = endpoint(&site, URL).await;
    site.user("told").await;
    site.catch_up().await;
    // Committed before it was disabled, and in the log after.
    let late = site.user("late").await;
    site.clock.advance(Duration::from_secs(1));
    site.directories.set_endpoint_enabled(&endpoint, false, site.clock.now()).await.unwrap();
    site.catch_up().await;
    let missed = site.user("missed").await;
    site.catch_up().await;
    site.directories.set_endpoint_enabled(&endpoint, true, site.clock.now()).await.unwrap();
    assert_eq!(site.directories.replay_disabled(&endpoint, site.clock.now()).await.unwrap(), 2);
    assert_eq!(site.directories.replay_disabled(&endpoint, site.clock.now()).await.unwrap(), 0);
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let told: HashSet<String> = receiver.attempts().into_iter().map(|attempt| attempt.subject).collect();
    assert!(told.len() == 3 && told.contains(&late) && told.contains(&missed), "{told:?}");
}

// mission: M-62
async fn what_is_proved_says_whether_it_is_all(engine: Engine) {
    let site = Site::new(engine).await;
    endpoint(&site, URL).await;
    endpoint(&site, "https://other.example.com/hook").await;
    let since = site.clock.now();
    site.user("ann").await;
    site.user("bob").await;
    site.catch_up().await;
    let receiver = Receiver::new(&site, |a| Some(if a.number == 1 { 500 } else { 200 }));
    let mut dispatcher = dispatcher(&site, &receiver);
    for seconds in [0, 5] {
        site.clock.advance(Duration::from_secs(seconds));
        dispatcher.deliver_due().await.unwrap();
    }
    let directories = &site.directories;
    let scope =
        |since: DateTime| AuditRange { events: EventFilter::default(), since, until: site.clock.now() };
    let all = scope(since);
    let extent = directories.audit_extent(&all).await.unwrap();
    assert!(extent.is_complete);
    let found = directories.audit_places(&all, extent.start, extent.end).await.unwrap();
    assert_eq!((found.places.len(), found.next), (2, extent.end));
    let records = directories.audit_records(&found.places).await.unwrap();
    let events: Vec<_> = records.iter().map(|record| record.logged.event.clone()).collect();
    assert_eq!(events, site.events().await);
    for record in &records {
        let known = directories.deliveries(&record.logged.event.id).await.unwrap();
        assert_eq!(record.deliveries.len(), 2);
        for ((delivery, attempts), known) in record.deliveries.iter().zip(known) {
            assert_eq!(*delivery, known);
            assert_eq!(*attempts, directories.attempts(&delivery.id).await.unwrap());
            assert!(delivery.state == DeliveryState::Delivered && !attempts.is_empty());
        }
    }
    let most = records.iter().flat_map(|record| &record.deliveries).map(|(_, attempts)| attempts.len()).max();
    assert_eq!(most, Some(2), "the attempt that failed is there");

    site.clock.advance(Duration::from_secs(3600));
    let cut = site.clock.now();
    site.user("eve").await;
    site.catch_up().await;
    assert_eq!(directories.forget_before(cut).await.unwrap(), 2);
    let extent = directories.audit_extent(&scope(since)).await.unwrap();
    assert!(!extent.is_complete, "ann and bob were forgotten");
    let left = directories.audit_places(&scope(since), extent.start, extent.end).await.unwrap();
    assert_eq!(directories.audit_records(&left.places).await.unwrap().len(), 1);
    let refused = directories.audit_places(&scope(since), LogPosition::START, extent.end).await;
    assert!(matches!(refused, Err(DirectoryError::Forgotten)), "forgotten while it was read");
    let refused = directories.audit_records(&found.places).await;
    assert!(matches!(refused, Err(DirectoryError::Forgotten)), "forgotten after it was found");
    assert!(directories.audit_extent(&scope(cut)).await.unwrap().is_complete);
}

async fn an_api_key_opens_what_its_scopes_say(engine: Engine) {
    let site = Site::new(engine).await;
    let (directories, now) = (&site.directories, site.clock.now());
    let day = Duration::from_secs(24 * 3600);
    let scopes = [Scope::EventsRead, Scope::WebhooksRead];
    let issued = directories.create_api_key("cron", &scopes, Some(day), now).await.unwrap();
    let text = issued.plain.expose();
    assert!(text.starts_with("skc_"));
    let found = directories.authenticate_api_key(text, now).await.unwrap().unwrap();
    assert_eq!((found.id.clone(), found.scopes), (issued.key.id.clone(), scopes.to_vec()));
    for wrong in ["", "skc_", "dst_x", &format!("{text}x"), &text.replace("skc_", "dst_")] {
        assert_eq!(directories.authenticate_api_key(wrong, now).await.unwrap(), None, "{wrong}");
    }
    let end = now.plus_micros(24 * 3600 * 1_000_000);
    assert_eq!(directories.authenticate_api_key(text, end).await.unwrap(), None, "its time is over");
    assert!(directories.create_first_api_key("first", now).await.unwrap().is_none());
    assert!(directories.revoke_api_key(&issued.key.id, now).await.unwrap());
    assert!(!directories.revoke_api_key(&issued.key.id, now).await.unwrap());
    assert_eq!(directories.authenticate_api_key(text, now).await.unwrap(), None);
    assert!(directories.create_api_key("none", &[], None, now).await.is_err());
    assert_eq!(directories.api_keys().await.unwrap().len(), 1);
}

// mission: M-86
async fn a_rotated_secret_signs_beside_the_new_one_until_its_time_is_over(engine: Engine) {
    let site = Site::new(engine).await;
    let created = site.directories.create_endpoint(NewEndpoint::at(URL), site.clock.now()).await.unwrap();
    let (id, old) = (created.endpoint.id, created.secret);
    let day = Duration::from_secs(24 * 3600);
    let new = site.directories.rotate_secret(&id, None, day, site.clock.now()).await.unwrap();
    let key = site.directories.rotate_signing_key(&id, day, site.clock.now()).await.unwrap();
    assert_eq!(site.directories.verifying_keys(&id, site.clock.now()).await.unwrap(), [key]);
    let signed_for = |body: &'static str| {
        let site = &site;
        async move {
            site.user(body).await;
            site.catch_up().await;
            let receiver = Receiver::new(site, |_| Some(200));
            dispatcher(site, &receiver).deliver_due().await.unwrap();
            receiver.last().unwrap()
        }
    };
    let during = signed_for("ann").await;
    assert_eq!((during.secrets.len(), during.signing_keys.len()), (2, 1));
    assert_eq!(during.secrets[0].expose(), new.expose(), "the newest first");
    let seconds = during.time.unix_seconds();
    let secrets: Vec<_> = during.secrets.iter().collect();
    let headers = scim_webhook::headers(&secrets, &[], &during.event_id, seconds, &during.body);
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
    for secret in [&old, &new] {
        verify(secret, header, &during.body, seconds).unwrap();
    }
    site.clock.advance(day);
    let after = signed_for("bob").await;
    assert_eq!(after.secrets.iter().map(scim_webhook::Secret::expose).collect::<Vec<_>>(), [new.expose()]);
    site.directories.remove_signing_keys(&id).await.unwrap();
    assert_eq!(signed_for("eve").await.signing_keys.len(), 0);
    for _ in 0..10 {
        site.directories.rotate_secret(&id, None, day, site.clock.now()).await.unwrap();
    }
    let refused = site.directories.rotate_secret(&id, None, day, site.clock.now()).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "secret", .. })));
    site.directories.rotate_secret(&id, None, Duration::ZERO, site.clock.now()).await.unwrap();
}

// mission: M-86
async fn keys_are_those_of_their_endpoint_and_not_too_many(engine: Engine) {
    let site = Site::new(engine).await;
    let (with, without) = (endpoint(&site, URL).await, endpoint(&site, "https://b.example.com/").await);
    let (now, day) = (site.clock.now(), Duration::from_secs(24 * 3600));
    let mut keys = Vec::new();
    for _ in 0..11 {
        keys.insert(0, site.directories.rotate_signing_key(&with, day, now).await.unwrap());
    }
    let refused = site.directories.rotate_signing_key(&with, day, now).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "signing_key", .. })));
    assert_eq!(site.directories.verifying_keys(&with, now).await.unwrap(), keys, "the newest first");
    assert_eq!(site.directories.verifying_keys(&without, now).await.unwrap(), []);
    let all = site.directories.all_verifying_keys(now).await.unwrap();
    assert_eq!(all, HashMap::from([(with.clone(), keys.clone())]));
    let end = now.plus(day);
    assert_eq!(site.directories.all_verifying_keys(end).await.unwrap()[&with], keys[..1]);
    // One that was stolen is got rid of, however many others there are.
    let fresh = site.directories.rotate_signing_key(&with, Duration::ZERO, now).await.unwrap();
    let left = site.directories.verifying_keys(&with, now).await.unwrap();
    assert_eq!((left.len(), left[0]), (11, fresh));
    assert!(!left.contains(&keys[0]));
}

async fn switching_a_directory_is_told(engine: Engine) {
    let site = Site::new(engine).await;
    site.user("ann").await;
    site.catch_up().await;
    for enabled in [false, false, true] {
        site.directories.set_directory_enabled(&site.directory.id, enabled, site.clock.now()).await.unwrap();
    }
    let events = site.events().await;
    let told: Vec<(&str, u64)> = events.iter().map(|e| (e.event_type.as_str(), e.sequence)).collect();
    assert_eq!(told[1..], [("organization.directory_disabled", 2), ("organization.directory_enabled", 3)]);
    let body = parse(&events[1].body);
    assert_eq!(body["object"], "Directory");
    assert_eq!(body["data"]["enabled"], false);
    assert_eq!(body["data"]["id"], site.directory.id.as_str());
}

async fn deactivation_can_be_told_as_an_update(engine: Engine) {
    let mut site = Site::new(engine).await;
    let options = EventOptions { deactivation: Deactivation::Updated, ..EventOptions::default() };
    site.directories = site.directories.with_event_options(options);
    let ann = site.user("ann").await;
    for active in [false, true] {
        site.set(&format!("/Users/{ann}"), "active", json!(active)).await;
    }
    site.delete(&format!("/Users/{ann}")).await;
    let told: Vec<String> = site.news().await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(told, ["user_created", "user_updated", "user_updated", "user_deleted"]);
}

async fn memberships_are_told_one_by_one_where_that_is_wanted(engine: Engine) {
    let mut site = Site::new(engine).await;
    let options = EventOptions { member_events: true, ..EventOptions::default() };
    site.directories = site.directories.with_event_options(options);
    let plain = endpoint(&site, URL).await;
    let mut all = NewEndpoint::at("https://members.example.com/");
    all.settings.event_types = vec![EventType::GroupUserAdded, EventType::GroupUserRemoved];
    let asking = site.directories.create_endpoint(all, site.clock.now()).await.unwrap().endpoint.id;
    let (ann, bob) = (site.user("ann").await, site.user("bob").await);
    let group = site.group("Staff", &[&ann]).await;
    site.add_members(&group, &[&bob]).await;
    site.remove_member(&group, &ann).await;
    site.delete(&format!("/Users/{bob}")).await;
    site.catch_up().await;
    let events = site.events().await;
    let members: Vec<(String, Value)> = events
        .iter()
        .filter(|e| matches!(e.event_type, EventType::GroupUserAdded | EventType::GroupUserRemoved))
        .map(|e| (short(e.event_type), parse(&e.body)["data"]["user_id"].clone()))
        .collect();
    let expected = [
        ("group_user_added", &ann),
        ("group_user_added", &bob),
        ("group_user_removed", &ann),
        ("group_user_removed", &bob),
    ];
    assert_eq!(members, expected.map(|(what, id)| (what.to_owned(), json!(id))));
    let count = async |endpoint: &EndpointId| {
        let filter = DeliveryFilter { endpoint_id: Some(endpoint.clone()), ..DeliveryFilter::default() };
        site.directories.delivery_list(&filter, None, 100).await.unwrap().len()
    };
    assert_eq!(count(&asking).await, 4);
    assert_eq!(count(&plain).await, events.len() - 4, "who names no types does not get them");
}

// mission: M-14, M-19
async fn a_test_event_has_what_events_of_its_type_have(engine: Engine) {
    let mut site = Site::new(engine).await;
    let options = EventOptions { member_events: true, ..EventOptions::default() };
    site.directories = site.directories.with_event_options(options);
    let id = endpoint(&site, URL).await;
    let endpoint = site.directories.endpoint(&id).await.unwrap().unwrap();
    let ann = site.user("ann").await;
    let group = site.group("Staff", &[&ann]).await;
    site.remove_member(&group, &ann).await;
    site.set(&format!("/Users/{ann}"), "active", json!(false)).await;
    site.delete(&format!("/Groups/{group}")).await;
    site.catch_up().await;
    for enabled in [false, true] {
        site.directories.set_directory_enabled(&site.directory.id, enabled, site.clock.now()).await.unwrap();
    }
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    let mut types = HashSet::new();
    for event in site.events().await {
        let (test_id, body) = site.directories.test_body(event.event_type, &endpoint, site.clock.now());
        let (real, test) = (parse(&event.body), parse(&body));
        assert_eq!((&test["id"], &test["cause"]["kind"]), (&json!(test_id.as_str()), &json!("test")));
        for shared in ["type", "object", "display_name", "spec_version", "environment_id"] {
            assert_eq!(test[shared], real[shared]);
        }
        assert_eq!(test["data"]["object"], real["data"]["object"], "{body}");
        assert_eq!(fields(&test), fields(&real));
        assert_eq!(fields(&test["data"]), fields(&real["data"]), "{body}");
        types.insert(event.event_type);
    }
    let of_directories: HashSet<EventType> =
        EventType::ALL.iter().copied().filter(|event_type| !event_type.is_notice()).collect();
    assert_eq!(types, of_directories);
    for notice in EventType::ALL.iter().filter(|event_type| event_type.is_notice()) {
        let (_, body) = site.directories.test_body(*notice, &endpoint, site.clock.now());
        let test = parse(&body);
        assert_eq!(
            (&test["subject"], &test["data"]["endpoint_id"]),
            (&json!(id.as_str()), &json!(id.as_str()))
        );
        assert_eq!(test["directory_id"], Value::Null);
    }
}

// mission: M-11
async fn a_deletion_that_is_sent_again_goes_first_too(engine: Engine) {
    let site = Site::new(engine).await;
    for n in 0..12 {
        site.user(&format!("user{n}")).await;
    }
    let leaver = site.user("leaver").await;
    site.set(&format!("/Users/{leaver}"), "active", json!(false)).await;
    site.catch_up().await;
    let endpoint = endpoint(&site, URL).await;
    let events = site.events().await;
    for event in
        events.iter().filter(|event| event.subject != leaver || short(event.event_type) == "user_deleted")
    {
        let sent = site.directories.resend(&event.id, Some(&endpoint), site.clock.now()).await.unwrap();
        assert_eq!(sent, 1);
    }
    let receiver = Receiver::new(&site, |_| Some(200));
    dispatcher(&site, &receiver).deliver_due().await.unwrap();
    let attempts = receiver.attempts();
    assert_eq!((attempts.len(), &attempts[0].subject), (13, &leaver));
}
