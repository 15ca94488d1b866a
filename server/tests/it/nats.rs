//! `[nats]` of the configuration file, against a real NATS server.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt as _;
use reqwest::Method;
use scim_test_nats::Server;
use serde_json::{Value, json};

use crate::hook::{Delivered, Hook};
use crate::scimd::{Client, http};
use crate::serve::{Served, after, started, webhook};

fn serve(folder: &Path, hook: &Hook, nats: &str) -> Served {
    let more = format!("allow_loopback_http = true\n{nats}");
    started(folder, &webhook(&hook.url, "ordering = \"strict\""), &more, None).ready()
}

fn client(served: &Served, token: &str) -> Client {
    let base = after(&served.printed, "SCIM base URL").unwrap();
    let path = base.strip_prefix("https://scim.example.com").unwrap();
    Client { base_url: format!("http://{}{path}", served.address), token: token.to_owned(), http: http() }
}

fn log(folder: &Path, served: &Served) -> String {
    let file = folder.join(format!("{}.log", served.address.replace([':', '.'], "-")));
    std::fs::read_to_string(file).unwrap()
}

/// SIGTERM, and the end within a few seconds.
fn stop(served: &mut Served) {
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let begun = Instant::now();
    while served.child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(15), "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(served.child.wait().unwrap().success());
}

/// Waits for so many messages in the stream; their subjects and bodies.
async fn messages(server: &Server, count: usize) -> Vec<(String, Value)> {
    let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(30), "the stream does not have {count} events");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Ok(stream) = context.get_stream("people").await else { continue };
        if stream.cached_info().state.messages < count as u64 {
            continue;
        }
        let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
        let mut batch = consumer.fetch().max_messages(1_000).messages().await.unwrap();
        let mut messages = Vec::new();
        while let Some(message) = batch.next().await {
            let message = message.unwrap();
            let body = serde_json::from_slice(&message.payload).unwrap();
            messages.push((message.subject.to_string(), body));
        }
        return messages;
    }
}

#[tokio::test]
async fn events_are_published_once_over_restarts() {
    let (folder, server, hook) =
        (tempfile::tempdir().unwrap(), Server::start().unwrap(), Hook::start().await);
    let nats = format!(
        "[nats]\nurl = \"{}\"\nstream = \"people\"\nsubject_prefix = \"acme.people\"\n\
         event_types = [\"organization.directory.user_created\", \"organization.directory.user_deleted\"]\n",
        server.url()
    );
    let mut served = serve(folder.path(), &hook, &nats);
    let token = after(&served.printed, "bearer token").unwrap().to_owned();
    let ann = client(&served, &token).create_user("ann@example.com").await;
    let title = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": "Boss"}],
    });
    let path = format!("/Users/{ann}");
    assert_eq!(client(&served, &token).send(Method::PATCH, &path, title).await.0, 200);
    messages(&server, 1).await;
    stop(&mut served);
    let log_of_first = log(folder.path(), &served);
    let warns = |line: &str| line.contains("WARN") && (line.contains("nats") || line.contains("reader"));
    assert!(!log_of_first.lines().any(warns), "{log_of_first}");
    // What happens while NATS is away is made up for.
    server.stop().unwrap();
    let mut served = serve(folder.path(), &hook, &nats);
    client(&served, &token).create_user("bob@example.com").await;
    assert_eq!(client(&served, &token).send(Method::DELETE, &path, Value::Null).await.0, 204);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.resume().unwrap();
    let published = messages(&server, 3).await;
    stop(&mut served);
    let delivered: Vec<Value> = hook.up_to(4).await.iter().map(Delivered::event).collect();
    assert_eq!(published.len(), 3);
    for (n, (subject, body)) in published.iter().enumerate() {
        let what = ["user_created", "user_created", "user_deleted"][n];
        assert!(
            subject.starts_with("acme.people.org_") && subject.ends_with(&format!(".{what}")),
            "{subject}"
        );
        assert!(delivered.contains(body), "webhooks tell the same: {body}");
    }
    // Without the section nobody waits for what NATS has not.
    let served = serve(folder.path(), &hook, "");
    let begun = Instant::now();
    while !log(folder.path(), &served).contains("the configuration has no [nats] any more") {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", log(folder.path(), &served));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_stands_in_nobody_s_way() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::start().await);
    let nats = "[nats]\nurl = \"nats://ann:hunter2@127.0.0.1:1\"\n[log]\nlevel = \"debug\"\n";
    let mut served = serve(folder.path(), &hook, nats);
    let token = after(&served.printed, "bearer token").unwrap().to_owned();
    client(&served, &token).create_user("ann@example.com").await;
    hook.up_to(1).await;
    let begun = Instant::now();
    let sentence = "NATS at 127.0.0.1:1 can't be reached";
    while !log(folder.path(), &served).contains(sentence) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", log(folder.path(), &served));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client(&served, &token).create_user("bob@example.com").await;
    hook.up_to(2).await;
    stop(&mut served);
    assert!(!log(folder.path(), &served).contains("hunter2"));
}
