//! By push.

use std::sync::Arc;
use std::time::Duration;

use scim_set::Verified;
use scim_sql::Engine;
use serde_json::json;
use tokio::sync::watch;

use super::receiver::{SetReceiver, push, transmitter};
use super::{believed, keys, names, payload, push_to};
use crate::delivery::RealTime;
use crate::support::{Site, on_both_engines, parse, until};

on_both_engines! {
    each_change_is_pushed_signed_and_in_order,
    failures_are_tried_again_by_the_schedule_and_a_restart_loses_nothing,
    a_set_that_is_refused_does_not_stop_the_stream,
    what_is_wrong_with_the_setup_keeps_the_stream_waiting,
    a_receiver_that_is_gone_or_fails_for_days_is_disabled,
    one_slow_stream_does_not_delay_another_and_one_process_has_it_at_a_time,
    what_a_directory_keeps_back_waits,
}

async fn sets(site: &Site, receiver: &SetReceiver) -> Vec<Verified> {
    let keys = keys(site).await;
    receiver.received().iter().map(|received| believed(&received.token, &keys)).collect()
}

// ledger: 9967-2.1-005, 9967-2.4-001, 9967-2.4.4-001, 9967-2.4.5-001, 9967-2.4.6-001, 9967-5-004
async fn each_change_is_pushed_signed_and_in_order(engine: Engine) {
    let site = Site::new(engine).await;
    let before = site.user("before").await;
    site.catch_up().await;
    let receiver = SetReceiver::start().await;
    let stream = site.set_stream(push_to(&receiver.url)).await;
    let user = site.user("ann").await;
    let path = format!("/Users/{user}");
    site.set(&path, "title", json!("Lead")).await;
    let group = site.group("Staff", &[&user]).await;
    site.set(&path, "active", json!(false)).await;
    site.set(&path, "active", json!(true)).await;
    site.add_members(&group, &[&before]).await;
    site.delete(&path).await;
    site.delete(&format!("/Groups/{group}")).await;
    assert_eq!(push(&site).await, 9);

    let sets = sets(&site, &receiver).await;
    let told: Vec<_> = sets.iter().map(|set| (set.subject().uri.clone(), names(set))).collect();
    let of = |uri: &str, events: &[&str]| (uri.to_owned(), events.iter().map(|e| (*e).to_owned()).collect());
    let group_path = format!("/Groups/{group}");
    let expected: Vec<(String, Vec<String>)> = vec![
        of(&path, &["prov:create:full"]),
        of(&path, &["prov:patch:full"]),
        of(&group_path, &["prov:create:full"]),
        of(&path, &["prov:patch:full", "prov:deactivate"]),
        of(&path, &["prov:patch:full", "prov:activate"]),
        of(&group_path, &["prov:patch:full"]),
        of(&path, &["prov:delete"]),
        // The group has lost the member.
        of(&group_path, &["prov:patch:full"]),
        of(&group_path, &["prov:delete"]),
    ];
    assert_eq!(told, expected);
    let created = payload(&sets[0]);
    assert_eq!(created["data"]["userName"], "ann@example.com");
    assert_eq!(created["data"]["id"], user);
    assert_eq!(sets[0].subject().external_id.as_deref(), Some("ext-ann"));
    assert_eq!(payload(&sets[2])["data"]["members"][0]["value"], user);
    let patch = json!([{"op": "replace", "path": "title", "value": "Lead"}]);
    assert_eq!(payload(&sets[1])["data"]["Operations"], patch);
    assert_eq!(payload(&sets[1])["version"], "W/\"2\"");
    let gone = json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]);
    assert_eq!(payload(&sets[7])["data"]["Operations"], gone);

    // The same change in the event log.
    let event = site.events().await.into_iter().find(|event| event.subject == user).unwrap();
    assert!(sets[0].id().starts_with(event.id.as_str()));
    assert_eq!(sets[0].transaction(), parse(&event.body)["cause"]["request_id"].as_str());
    assert_eq!(
        sets[0].claims().get("iat").and_then(scim_schema::Value::as_i64),
        Some(event.occurred_at.unix_seconds())
    );
    let directory = sets[0].claims().get("directory_id").and_then(|id| id.as_str());
    assert_eq!(directory, Some(site.directory.id.as_str()));
    // The same request, and two subjects: two SETs.
    assert_eq!(sets[6].transaction(), sets[7].transaction());

    let head = &receiver.received()[0].head;
    for line in [
        "POST /sets HTTP/1.1",
        "content-type: application/secevent+jwt",
        "accept: application/json",
        "authorization: Bearer push-7",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    assert_eq!(push(&site).await, 0, "all are acknowledged");
    let stream = site.directories.set_stream(&stream.id).await.unwrap().unwrap();
    assert_eq!((stream.acknowledged, stream.health.failures, stream.last_error), (9, 0, None));
    assert_eq!(site.directories.waiting_sets(&stream.id).await.unwrap(), 0);
}

// ledger: 9967-2.2-002, 9967-5-002
async fn failures_are_tried_again_by_the_schedule_and_a_restart_loses_nothing(engine: Engine) {
    let mut site = Site::new(engine).await;
    let receiver = SetReceiver::start().await;
    let stream = site.set_stream(push_to(&receiver.url)).await;
    for name in ["ann", "ben", "cid"] {
        site.user(name).await;
    }
    receiver.answer(&[(202, ""), (500, ""), (200, "welcome"), (429, ""), (202, "")]);
    assert_eq!(push(&site).await, 2, "the first, and the second, which fails");
    for wait in [5, 300] {
        assert_eq!(push(&site).await, 0, "not yet");
        site.clock.advance(Duration::from_secs(wait));
        site = site.restarted().await;
        assert_eq!(push(&site).await, 1, "after {wait} s");
    }
    let failing = site.directories.set_stream(&stream.id).await.unwrap().unwrap();
    assert_eq!((failing.health.failures, failing.last_error.as_deref()), (3, Some("429")));
    site.clock.advance(Duration::from_secs(1800));
    site = site.restarted().await;
    assert_eq!(push(&site).await, 2);

    let sets = sets(&site, &receiver).await;
    let names: Vec<&str> = sets.iter().map(|set| set.subject().external_id.as_deref().unwrap()).collect();
    assert_eq!(names, ["ext-ann", "ext-ben", "ext-ben", "ext-ben", "ext-ben", "ext-cid"]);
    for again in &sets[2..5] {
        assert_eq!(again.claims(), sets[1].claims(), "the same SET, txn and all");
    }
    // A process that dies between the receiver's answer and its own note says the same again.
    let healthy = site.directories.set_stream(&stream.id).await.unwrap().unwrap();
    assert_eq!((healthy.health.failures, healthy.acknowledged), (0, 3));
}

async fn a_set_that_is_refused_does_not_stop_the_stream(engine: Engine) {
    let site = Site::new(engine).await;
    let receiver = SetReceiver::start().await;
    let stream = site.set_stream(push_to(&receiver.url)).await;
    for name in ["ann", "ben", "cid"] {
        site.user(name).await;
    }
    let own = r#"{"err": "no_such_code", "description": "own words"}"#;
    receiver.answer(&[
        (400, r#"{"err": "invalid_request", "description": "what is that?"}"#),
        (202, ""),
        (400, own),
    ]);
    assert_eq!(push(&site).await, 3);
    let refused = site.directories.refused_sets(&stream.id).await.unwrap();
    let errors: Vec<_> =
        refused.iter().map(|r| (r.error.err.as_str(), r.error.description.as_str())).collect();
    assert_eq!(errors, [("invalid_request", "what is that?"), ("no_such_code", "own words")]);
    assert_eq!(push(&site).await, 0, "they are set aside");

    // The receiver has been mended.
    assert_eq!(site.directories.retry_refused_sets(&stream.id).await.unwrap(), 2);
    assert_eq!(push(&site).await, 2);
    let ids: Vec<String> = sets(&site, &receiver).await.iter().map(|set| set.id().to_owned()).collect();
    assert_eq!(ids[3..], [ids[0].clone(), ids[2].clone()]);
    assert!(site.directories.refused_sets(&stream.id).await.unwrap().is_empty());
}

async fn what_is_wrong_with_the_setup_keeps_the_stream_waiting(engine: Engine) {
    let site = Site::new(engine).await;
    let receiver = SetReceiver::start().await;
    let stream = site.set_stream(push_to(&receiver.url)).await;
    site.user("ann").await;
    site.user("ben").await;
    let codes =
        ["invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"];
    for code in codes {
        receiver.answer(&[(400, &format!(r#"{{"err": "{code}", "description": ""}}"#))]);
        assert_eq!(push(&site).await, 1, "{code}");
        let stream = site.directories.set_stream(&stream.id).await.unwrap().unwrap();
        assert_eq!(stream.last_error.as_deref(), Some(code));
        assert_eq!(push(&site).await, 0, "every SET would be refused alike");
        site.clock.advance(Duration::from_secs(36_000));
    }
    assert!(site.directories.refused_sets(&stream.id).await.unwrap().is_empty());
    // A 400 that is no error object, as a proxy sends it, decides nothing either.
    receiver.answer(&[(400, "<html>")]);
    assert_eq!(push(&site).await, 1);
    site.clock.advance(Duration::from_secs(36_000));
    assert_eq!(push(&site).await, 2);
    let sets = sets(&site, &receiver).await;
    assert!(sets[..7].iter().all(|set| set.id() == sets[0].id()));
}

async fn a_receiver_that_is_gone_or_fails_for_days_is_disabled(engine: Engine) {
    let site = Site::new(engine).await;
    let receiver = SetReceiver::start().await;
    let stream = site.set_stream(push_to(&receiver.url)).await;
    let state = || async { site.directories.set_stream(&stream.id).await.unwrap().unwrap() };
    site.user("ann").await;
    receiver.answer(&[(410, "")]);
    assert_eq!(push(&site).await, 1);
    let gone = state().await;
    assert_eq!((gone.enabled, gone.disabled_reason.as_deref()), (false, Some("gone")));
    site.clock.advance(Duration::from_secs(36_000));
    assert_eq!(push(&site).await, 0);

    site.directories.set_set_stream_enabled(&stream.id, true).await.unwrap();
    let mut attempts = 0;
    while state().await.enabled {
        receiver.answer(&[(503, "")]);
        attempts += push(&site).await;
        site.clock.advance(Duration::from_secs(36_000));
    }
    assert_eq!(attempts, 13, "every ten hours for five days");
    assert_eq!(state().await.disabled_reason.as_deref(), Some("failing"));
    site.user("ben").await;
    assert_eq!(push(&site).await, 0);
    // What waited is there; what happened meanwhile is not.
    site.directories.set_set_stream_enabled(&stream.id, true).await.unwrap();
    site.user("cid").await;
    assert_eq!(push(&site).await, 2);
    let sets = sets(&site, &receiver).await;
    let last: Vec<_> =
        sets[sets.len() - 2..].iter().map(|set| set.subject().external_id.clone().unwrap()).collect();
    assert_eq!(last, ["ext-ann", "ext-cid"]);
}

async fn one_slow_stream_does_not_delay_another_and_one_process_has_it_at_a_time(engine: Engine) {
    let site = Site::new(engine).await;
    // It takes connections and says nothing until the deadline of the sender.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = SetReceiver::start().await;
    let slow = site.set_stream(push_to(&format!("http://{}/", silent.local_addr().unwrap()))).await;
    let (asked, mut is_asked) = watch::channel(false);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = silent.accept().await {
            kept.push(connection);
            asked.send_replace(true);
        }
    });
    site.set_stream(push_to(&receiver.url)).await;
    for n in 0..5 {
        site.user(&format!("user{n}")).await;
    }
    site.catch_up().await;
    let (stop, stopped) = watch::channel(false);
    let others: Vec<_> =
        (0..3).map(|_| tokio::spawn(transmitter(&site, Arc::new(RealTime)).run(stopped.clone()))).collect();
    let receiver = Arc::new(receiver);
    until(|| receiver.received().len() == 5).await;
    let waiting = site.directories.waiting_sets(&slow.id).await.unwrap();
    assert_eq!(waiting, 5, "the other stream is still at its first");
    is_asked.wait_for(|asked| *asked).await.unwrap();
    stop.send(true).unwrap();
    for other in others {
        other.await.unwrap();
    }
    let ids: Vec<String> = sets(&site, &receiver).await.iter().map(|set| set.id().to_owned()).collect();
    assert!(ids.is_sorted(), "in order, and each once: {ids:?}");
    assert_eq!(ids.len(), 5);
    let slow = site.directories.set_stream(&slow.id).await.unwrap().unwrap();
    assert!(slow.health.failures >= 1 && slow.last_error.as_deref() == Some("timeout"), "{slow:?}");
}

async fn what_a_directory_keeps_back_waits(engine: Engine) {
    let site = Site::new(engine).await;
    let receiver = SetReceiver::start().await;
    site.set_stream(push_to(&receiver.url)).await;
    site.directories.set_delivery_paused(&site.directory.id, true).await.unwrap();
    site.user("ann").await;
    assert_eq!(push(&site).await, 0);
    site.directories.set_delivery_paused(&site.directory.id, false).await.unwrap();
    assert_eq!(push(&site).await, 1);
}
