//! From the log to the stream: nothing is lost, nothing is twice, and the order stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::Method;
use scim_core::BoxError;
use scim_directory::{Event, Outlet};
use scim_nats::Nats;
use scim_sql::Engine;
use scim_test_nats::Server;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Site, Stored, count, nats, stored, stored_ids, until_stored};

/// Makes two tests of each function, one for each engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(scim_sql::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(scim_sql::Engine::Postgres).await;
            })*
        }
    };
}

on_both_engines! {
    a_consumer_that_folds_the_stream_has_the_state_of_the_directory,
    a_reader_goes_on_where_the_last_one_was,
    what_was_published_when_the_process_died_is_not_stored_twice,
    nothing_is_lost_and_nothing_is_twice_when_the_server_is_killed,
}

/// What a consumer knows who has read the stream from its beginning.
fn fold(stored: &[Stored]) -> BTreeMap<String, Value> {
    let mut known = BTreeMap::new();
    for message in stored {
        let mut body: Value = serde_json::from_str(&message.body).unwrap();
        let subject = message.header("scim-subject").to_owned();
        let mut data = body["data"].take();
        let reason = data.as_object_mut().unwrap().remove("reason");
        if message.subject.ends_with(".group_deleted") || reason == Some(json!("removed")) {
            assert!(known.remove(&subject).is_some(), "what goes was there");
        } else {
            known.insert(subject, data);
        }
    }
    known
}

/// What the directory says.
async fn state(site: &Site) -> BTreeMap<String, Value> {
    let directory = &site.directory.id;
    let users = site.directories.users(directory, None, 10_000).await.unwrap();
    let groups = site.directories.groups(directory, None, 10_000).await.unwrap();
    let all = users.into_iter().chain(groups).map(|value| serde_json::to_value(&value).unwrap());
    all.map(|value| (value["id"].as_str().unwrap().to_owned(), value)).collect()
}

async fn a_consumer_that_folds_the_stream_has_the_state_of_the_directory(engine: Engine) {
    let site = Site::new(engine).await;
    let server = Server::start().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(site.reader(nats(&server)).run(shutdown));
    let mut users = Vec::new();
    for n in 0..30 {
        users.push(site.user(&format!("user{n}")).await);
        if n % 7 == 0 {
            site.catch_up().await;
        }
    }
    let members: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Staff",
        "members": members,
    });
    let staff = site.scim(Method::POST, "/Groups", &group).await;
    let gone = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Gone",
        "members": members[..3],
    });
    let gone = site.scim(Method::POST, "/Groups", &gone).await;
    for (n, id) in users.iter().enumerate() {
        let path = format!("/Users/{id}");
        match n % 4 {
            0 => site.set(&path, "active", json!(false)).await,
            1 => drop(site.scim(Method::DELETE, &path, &Value::Null).await),
            _ => site.set(&path, "title", json!(format!("title {n}"))).await,
        }
    }
    site.set(&format!("/Groups/{staff}"), "displayName", json!("Everybody")).await;
    site.scim(Method::DELETE, &format!("/Groups/{gone}"), &Value::Null).await;
    site.catch_up().await;
    let ids = site.ids().await;
    until_stored(&server, ids.len()).await;
    stop.send(true).unwrap();
    running.await.unwrap();
    let stored = stored(&server).await;
    let stored_ids: Vec<&str> = stored.iter().map(|message| message.header("Nats-Msg-Id")).collect();
    assert_eq!(stored_ids, ids);
    let state = state(&site).await;
    assert!(state.len() > 20);
    assert_eq!(fold(&stored), state);
}

async fn a_reader_goes_on_where_the_last_one_was(engine: Engine) {
    let site = Site::new(engine).await;
    let server = Server::start().unwrap();
    site.users(5).await;
    assert_eq!(site.reader(nats(&server)).catch_up().await.unwrap(), 5);
    let site = site.restarted().await;
    site.clock.advance(31);
    site.users(3).await;
    assert_eq!(site.reader(nats(&server)).catch_up().await.unwrap(), 3);
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

/// Dies when all is published and before anybody can note it.
#[derive(Debug)]
struct Dying(Arc<Nats>);

#[async_trait]
impl Outlet for Dying {
    async fn publish(&self, events: &[Event]) -> Result<(), BoxError> {
        self.0.publish(events).await?;
        Err("died".into())
    }
}

async fn what_was_published_when_the_process_died_is_not_stored_twice(engine: Engine) {
    let site = Site::new(engine).await;
    let server = Server::start().unwrap();
    site.users(300).await;
    for _ in 0..2 {
        let mut dying = site.reader(Arc::new(Dying(nats(&server))));
        assert!(dying.catch_up().await.unwrap_err().to_string().contains("died"));
        site.clock.advance(31);
    }
    assert_eq!(count(&server).await, 256, "what goes in one call");
    assert_eq!(site.reader(nats(&server)).catch_up().await.unwrap(), 300);
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

async fn nothing_is_lost_and_nothing_is_twice_when_the_server_is_killed(engine: Engine) {
    let site = Site::new(engine).await;
    let server = Server::start().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(site.reader(nats(&server)).run(shutdown));
    for round in 1..=3 {
        site.users(250).await;
        // Amid them, as far as that can be hit.
        let begun = Instant::now();
        while count(&server).await <= (round - 1) * 350 && begun.elapsed() < Duration::from_millis(200) {}
        server.kill().unwrap();
        site.users(100).await;
        server.resume().unwrap();
        until_stored(&server, round * 350).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_processes_one_works_and_the_other_takes_over() {
    let site = Site::new(Engine::Postgres).await;
    let server = Server::start().unwrap();
    let process = async || {
        let (_, directories) = site.place.open().await;
        let (stop, shutdown) = watch::channel(false);
        let reader = site.reader_of(&directories, nats(&server));
        (stop, tokio::spawn(reader.run(shutdown)))
    };
    let (_first_stop, first) = process().await;
    site.users(100).await;
    until_stored(&server, 100).await;
    let (stop, second) = process().await;
    // It dies, and nobody gives its place back.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    site.users(50).await;
    // PostgreSQL sees that it is gone, long before its lease of half a minute ends.
    for _ in 0..8 {
        if count(&server).await == 150 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        site.clock.advance(1);
    }
    until_stored(&server, 150).await;
    stop.send(true).unwrap();
    second.await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_late_gets_all() {
    let site = Site::new(Engine::Sqlite).await;
    let server = Server::start().unwrap();
    server.stop().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(site.reader(nats(&server)).run(shutdown));
    site.users(20).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.resume().unwrap();
    until_stored(&server, 20).await;
    // And one that goes again does not keep the reader from stopping.
    server.stop().unwrap();
    site.users(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
}
