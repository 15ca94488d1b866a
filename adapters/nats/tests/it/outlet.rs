//! What is in the stream after events were published, whatever happened meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use scim_directory::Outlet as _;
use scim_nats::{Nats, NatsConfig, NewStream};
use scim_sql::Engine;
use scim_test_nats::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{PREFIX, STREAM, Site, jetstream, nats, stored, stored_ids};

#[tokio::test]
async fn an_event_is_a_message_with_its_names_and_its_text() {
    let site = Site::new(Engine::Sqlite).await;
    let ann = site.user("ann").await;
    site.set(&format!("/Users/{ann}"), "title", json!("Boss")).await;
    site.catch_up().await;
    let server = Server::start().unwrap();
    let events = site.events().await;
    nats(&server).publish(&events).await.unwrap();
    let stored = stored(&server).await;
    assert_eq!(stored.len(), 2);
    for (message, event) in stored.iter().zip(&events) {
        let what = event.event_type.as_str().strip_prefix("organization.directory.").unwrap();
        let (organization, directory) = (&site.directory.organization_id, &site.directory.id);
        assert_eq!(message.subject, format!("{PREFIX}.{organization}.{directory}.{what}"));
        assert_eq!(message.body, event.body);
        assert_eq!(message.header("Nats-Msg-Id"), event.id.as_str());
        assert_eq!(message.header("scim-event-type"), event.event_type.as_str());
        assert_eq!(message.header("scim-sequence"), event.sequence.to_string());
        assert_eq!(message.header("scim-subject"), ann);
    }
}

#[tokio::test]
async fn a_stream_is_made_as_it_is_configured() {
    let server = Server::start().unwrap();
    let new_stream = NewStream {
        max_age: Duration::from_secs(3_600),
        max_bytes: Some(1_000_000),
        duplicate_window: Duration::from_secs(300),
        replicas: 1,
    };
    let config = NatsConfig { new_stream, ..NatsConfig::at(server.url()) };
    Nats::new(config).unwrap().check().await.unwrap();
    let stream = jetstream(&server).await.get_stream(STREAM).await.unwrap();
    let made = &stream.cached_info().config;
    assert_eq!(made.subjects, [format!("{PREFIX}.>")]);
    assert_eq!((made.max_age.as_secs(), made.max_bytes), (3_600, 1_000_000));
    assert_eq!(made.duplicate_window.as_secs(), 300);
}

#[tokio::test]
async fn a_stream_that_is_there_stays_as_it_is() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(3).await;
    let server = Server::start().unwrap();
    let own = Config {
        name: STREAM.to_owned(),
        subjects: vec!["other.>".to_owned(), "scimd.>".to_owned()],
        max_messages: 2,
        ..Config::default()
    };
    jetstream(&server).await.create_stream(own).await.unwrap();
    nats(&server).publish(&site.events().await).await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await[1..]);
}

#[tokio::test]
async fn what_is_published_again_is_not_stored_again() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(40).await;
    let (server, events) = (Server::start().unwrap(), site.events().await);
    let outlet = nats(&server);
    // Some, all, some others, and all by another process.
    outlet.publish(&events[..20]).await.unwrap();
    outlet.publish(&events).await.unwrap();
    outlet.publish(&events[10..30]).await.unwrap();
    nats(&server).publish(&events).await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

#[tokio::test]
async fn many_events_at_once_are_stored_in_order() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(600).await;
    let (server, events) = (Server::start().unwrap(), site.events().await);
    let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
    assert!(twice.len() > 1_024, "more than are under way at once");
    nats(&server).publish(&twice).await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

#[tokio::test]
async fn a_stream_that_others_write_to_has_all_events_in_order() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(200).await;
    let (server, events) = (Server::start().unwrap(), site.events().await);
    let outlet = nats(&server);
    outlet.check().await.unwrap();
    let context = jetstream(&server).await;
    let noise = tokio::spawn(async move {
        loop {
            context.publish(format!("{PREFIX}.noise"), "x".into()).await.unwrap().await.unwrap();
        }
    });
    for events in events.chunks(50) {
        outlet.publish(events).await.unwrap();
    }
    noise.abort();
    let stored = stored(&server).await;
    let (noise, ours): (Vec<_>, Vec<_>) =
        stored.iter().partition(|message| message.subject.ends_with("noise"));
    assert!(!noise.is_empty());
    let ids: Vec<&str> = ours.iter().map(|message| message.header("Nats-Msg-Id")).collect();
    assert_eq!(ids, site.ids().await);
}

#[tokio::test]
async fn an_event_that_is_too_large_does_not_stop_those_behind_it() {
    let site = Site::new(Engine::Sqlite).await;
    let ann = site.user("ann").await;
    site.set(&format!("/Users/{ann}"), "title", json!("x".repeat(8_000))).await;
    site.set(&format!("/Users/{ann}"), "title", json!("Boss")).await;
    site.catch_up().await;
    let (server, events) = (Server::with("max_payload: 8192").unwrap(), site.events().await);
    nats(&server).publish(&events).await.unwrap();
    let stored = stored(&server).await;
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[0].body, events[0].body);
    assert_eq!((stored[0].header("scim-omitted"), stored[1].header("scim-omitted")), ("", "data changes"));
    let mut whole: Value = serde_json::from_str(&events[1].body).unwrap();
    whole["data"] = Value::Null;
    whole["changes"] = json!([]);
    assert_eq!(serde_json::from_str::<Value>(&stored[1].body).unwrap(), whole);
}

#[tokio::test]
async fn a_full_stream_says_so_and_goes_on_when_it_has_room() {
    let site = Site::new(Engine::Sqlite).await;
    site.users(10).await;
    let (server, events) = (Server::start().unwrap(), site.events().await);
    let full = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{PREFIX}.>")],
        max_messages: 5,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    let context = jetstream(&server).await;
    context.create_stream(&full).await.unwrap();
    let outlet = nats(&server);
    let error = outlet.publish(&events).await.unwrap_err().to_string();
    assert!(error.contains(events[5].id.as_str()) && error.contains("maximum messages"), "{error}");
    assert_eq!(stored_ids(&server).await, site.ids().await[..5]);
    context.update_stream(Config { max_messages: 100, ..full }).await.unwrap();
    outlet.publish(&events).await.unwrap();
    assert_eq!(stored_ids(&server).await, site.ids().await);
}

/// Passes on what a client sends, and ends each connection after so many bytes.
struct Cutter {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    async fn start(server: u16, bytes: impl Fn(usize) -> usize + Send + 'static) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(16).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let budget = bytes(counter.fetch_add(1, Ordering::SeqCst));
                tokio::spawn(pass(client, server, budget));
            }
        });
        Self { port, connections }
    }
}

async fn pass(client: TcpStream, server: u16, budget: usize) {
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut left = budget;
    let mut buffer = vec![0; 4_096];
    while left > 0 {
        let read = from_client.read(&mut buffer).await.unwrap_or(0);
        let passed = read.min(left);
        if passed == 0 || to_server.write_all(&buffer[..passed]).await.is_err() {
            break;
        }
        left -= passed;
    }
    // The client goes on until the way is full, and has events that it has not sent when the connection ends.
    tokio::time::sleep(Duration::from_millis(50)).await;
    answers.abort();
}

/// Wherever the connection ends, and whatever the client still sends of its own when it comes back.
#[tokio::test]
async fn the_order_of_the_stream_is_that_of_the_log_wherever_a_connection_breaks() {
    let site = Site::new(Engine::Sqlite).await;
    let ann = site.user("ann").await;
    // So large that they are not all on their way at once.
    for n in 0..100 {
        site.set(&format!("/Users/{ann}"), "title", json!(format!("{n}{}", "x".repeat(20_000)))).await;
    }
    site.catch_up().await;
    let (server, events, ids) = (Server::start().unwrap(), site.events().await, site.ids().await);
    let size: usize = events.iter().map(|event| event.body.len()).sum();
    let context = jetstream(&server).await;
    let mut broken = 0;
    for round in 1..=5 {
        // A little more goes through with each connection.
        let step = size * round / 40 + 700 * round;
        let cutter = Cutter::start(server.port(), move |n| 1_500 + n * step).await;
        let outlet = Nats::new(NatsConfig::at(format!("nats://127.0.0.1:{}", cutter.port))).unwrap();
        let mut attempts = 0;
        while outlet.publish(&events).await.is_err() {
            attempts += 1;
            assert!(attempts < 200, "it does not come through");
        }
        broken += attempts;
        assert!(cutter.connections.load(Ordering::SeqCst) > attempts);
        assert_eq!(stored_ids(&server).await, ids, "round {round}, {attempts} attempts");
        context.delete_stream(STREAM).await.unwrap();
    }
    assert!(broken >= 5, "{broken} connections were cut amid events");
}
