//! By poll.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use scim_directory::{DirectoryError, SetStreamId};
use scim_set::{PollRequest, PollResponse, SetError};
use scim_sql::Engine;

use super::{ISSUER, believed, keys, now, polled, push_to};
use crate::support::{Site, on_both_engines};

on_both_engines! {
    sets_come_again_until_they_are_acknowledged,
    errors_set_a_set_aside,
    a_long_poll_is_answered_when_something_happens,
    only_the_stream_s_own_token_opens_it,
    a_disabled_or_deleted_stream_is_not_answered,
}

async fn ask(site: &Site, stream: &SetStreamId, request: PollRequest) -> PollResponse {
    let request = PollRequest { return_immediately: true, ..request };
    site.directories.poll_sets(stream, request, ISSUER, Duration::ZERO, now(site)).await.unwrap()
}

fn up_to(count: u32) -> PollRequest {
    PollRequest { max_events: Some(count), ..PollRequest::default() }
}

/// Whom the SETs are about, by their names in order.
async fn told(site: &Site, response: &PollResponse) -> Vec<(String, String)> {
    let keys = keys(site).await;
    let mut told = Vec::new();
    for (id, token) in &response.sets {
        let set = believed(token, &keys);
        assert_eq!(set.id(), id);
        told.push((id.clone(), set.subject().external_id.clone().unwrap()));
    }
    told
}

// ledger: 9967-5-002
async fn sets_come_again_until_they_are_acknowledged(engine: Engine) {
    let site = Site::new(engine).await;
    let stream = site.set_stream(polled()).await.id;
    for name in ["ann", "ben", "cid", "dan"] {
        site.user(name).await;
    }
    site.catch_up().await;
    let first = ask(&site, &stream, up_to(2)).await;
    assert!(first.more_available);
    let told_first = told(&site, &first).await;
    let names: Vec<&str> = told_first.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["ext-ann", "ext-ben"], "the oldest first");
    // The answer was lost.
    let again = ask(&site, &stream, up_to(2)).await;
    assert_eq!(told(&site, &again).await, told_first);

    // The later one is acknowledged, with one that nobody knows.
    let ack = vec![told_first[1].0.clone(), "unknown".into(), "nul\0".into()];
    let next = ask(&site, &stream, PollRequest { ack: ack.clone(), ..up_to(2) }).await;
    let names: Vec<String> = told(&site, &next).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["ext-ann", "ext-cid"]);
    assert!(next.more_available);

    // To acknowledge only, and twice.
    for _ in 0..2 {
        let ack = next.sets.keys().cloned().collect();
        let answer = ask(&site, &stream, PollRequest { ack, ..up_to(0) }).await;
        assert!(answer.sets.is_empty());
    }
    let last = ask(&site, &stream, PollRequest::default()).await;
    let names: Vec<String> = told(&site, &last).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!((names, last.more_available), (vec!["ext-dan".to_owned()], false));
    let ack = last.sets.into_keys().collect();
    let none = ask(&site, &stream, PollRequest { ack, ..PollRequest::default() }).await;
    assert_eq!(none, PollResponse::default());
    let site = site.restarted().await;
    assert_eq!(ask(&site, &stream, PollRequest::default()).await, PollResponse::default());
    assert_eq!(site.directories.set_stream(&stream).await.unwrap().unwrap().acknowledged, 4);
}

async fn errors_set_a_set_aside(engine: Engine) {
    let site = Site::new(engine).await;
    let stream = site.set_stream(polled()).await.id;
    site.user("ann").await;
    site.user("ben").await;
    site.catch_up().await;
    let both: Vec<String> = ask(&site, &stream, up_to(9)).await.sets.into_keys().collect();
    let error = SetError { err: "invalid_request".into(), description: "no\nsense".into() };
    let set_errs = BTreeMap::from([(both[0].clone(), error.clone()), ("unknown".into(), error)]);
    // It is in both lists, and refused.
    let request = PollRequest { set_errs, ack: both.clone(), ..up_to(9) };
    let answer = ask(&site, &stream, request).await;
    assert!(answer.sets.is_empty());
    let refused = site.directories.refused_sets(&stream).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].id.as_str(), refused[0].error.description.as_str()),
        (both[0].as_str(), "nosense")
    );
    assert_eq!(site.directories.retry_refused_sets(&stream).await.unwrap(), 1);
    assert_eq!(ask(&site, &stream, up_to(9)).await.sets.into_keys().collect::<Vec<_>>(), [both[0].clone()]);
}

async fn a_long_poll_is_answered_when_something_happens(engine: Engine) {
    let site = Site::new(engine).await;
    let stream = site.set_stream(polled()).await.id;
    let (directories, time) = (site.directories.clone(), now(&site));
    let begun = Instant::now();
    let poll = {
        let stream = stream.clone();
        tokio::spawn(async move {
            let wait = Duration::from_secs(60);
            directories.poll_sets(&stream, PollRequest::default(), ISSUER, wait, time).await
        })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!poll.is_finished());
    site.user("ann").await;
    site.catch_up().await;
    let answer = poll.await.unwrap().unwrap();
    assert_eq!(told(&site, &answer).await[0].1, "ext-ann");
    assert!(begun.elapsed() < Duration::from_secs(30), "it did not wait to the end");

    let ack = answer.sets.into_keys().collect();
    let request = PollRequest { ack, ..PollRequest::default() };
    let wait = Duration::from_millis(300);
    let begun = Instant::now();
    let none = site.directories.poll_sets(&stream, request, ISSUER, wait, now(&site)).await.unwrap();
    assert!(none.sets.is_empty() && begun.elapsed() >= wait);
}

// ledger: 9967-5-003
async fn only_the_stream_s_own_token_opens_it(engine: Engine) {
    let site = Site::new(engine).await;
    let create = |settings| site.directories.create_set_stream(settings, now(&site));
    let one = create(polled()).await.unwrap();
    let other = create(polled()).await.unwrap();
    let pushed = create(push_to("http://127.0.0.1:9/")).await.unwrap();
    let token = one.token.as_ref().unwrap().expose().to_owned();
    assert!(token.starts_with("sst_"));
    assert!(pushed.token.is_none());
    let opens = |id: SetStreamId, token: String| {
        let directories = site.directories.clone();
        async move { directories.authenticate_set_stream(&id, &token).await.unwrap() }
    };
    assert!(opens(one.stream.id.clone(), token.clone()).await);
    for (id, token) in [
        (&other.stream.id, token.as_str()),
        (&pushed.stream.id, &token),
        (&pushed.stream.id, ""),
        (&one.stream.id, ""),
        (&one.stream.id, &format!("{token}x")),
        (&SetStreamId::parse("stream_0000000000000000000000").unwrap(), &token),
    ] {
        assert!(!opens(id.clone(), token.to_owned()).await, "{id} {token}");
    }
}

async fn a_disabled_or_deleted_stream_is_not_answered(engine: Engine) {
    let site = Site::new(engine).await;
    let stream = site.set_stream(polled()).await.id;
    site.user("ann").await;
    site.catch_up().await;
    let ask = || {
        let request = PollRequest { return_immediately: true, ..PollRequest::default() };
        site.directories.poll_sets(&stream, request, ISSUER, Duration::ZERO, now(&site))
    };
    site.directories.set_set_stream_enabled(&stream, false).await.unwrap();
    assert!(matches!(ask().await, Err(DirectoryError::Disabled { .. })));
    site.directories.set_set_stream_enabled(&stream, true).await.unwrap();
    assert_eq!(ask().await.unwrap().sets.len(), 1);
    site.directories.delete_set_stream(&stream).await.unwrap();
    assert!(matches!(ask().await, Err(DirectoryError::NotFound { .. })));
    assert!(matches!(
        site.directories.delete_set_stream(&stream).await,
        Err(DirectoryError::NotFound { .. })
    ));
    site.user("ben").await;
    site.catch_up().await;
    let left = |session: &scim_sql::Session<'_>| {
        session.first("SELECT count(*) FROM dir_sets", scim_sql::params![], |row| row.int(0))
    };
    let left = site.store.database().read::<_, scim_sql::DatabaseError, _>(left).await.unwrap();
    assert_eq!(left, Some(0));
}
