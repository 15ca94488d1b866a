//! All of it: SCIM in, signed webhooks out, over TCP on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scim_directory::{Dispatcher, DispatcherConfig};
use scim_sql::Engine;
use scim_webhook::{Secret, Sender, SenderConfig, verify};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::delivery::RealTime;
use crate::support::{Site, on_both_engines, parse, until};

on_both_engines! {
    changes_arrive_signed_at_once_and_failures_are_tried_again,
}

#[derive(Clone, Debug)]
struct Received {
    id: String,
    timestamp: i64,
    body: String,
}

/// Answers 500 as often as it is told, then 201; keeps what it has verified.
async fn receive(
    listener: TcpListener,
    secret: Arc<Mutex<Option<Secret>>>,
    failures: usize,
    received: Arc<Mutex<Vec<Received>>>,
) {
    let mut requests = 0;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, body) = request(&mut stream).await;
        let header = |name: &str| {
            head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
        };
        let now = header("webhook-timestamp").unwrap().parse().unwrap();
        let secret = secret.lock().unwrap().clone().unwrap();
        let verified = verify(&secret, header, body.as_bytes(), now).unwrap();
        let (id, timestamp) = (verified.id.to_owned(), verified.timestamp);
        received.lock().unwrap().push(Received { id, timestamp, body });
        requests += 1;
        let status = if requests <= failures { "500 No" } else { "201 Created" };
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        text.extend_from_slice(&buffer[..n]);
        let so_far = std::str::from_utf8(&text).unwrap();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert!(n > 0, "the request ended early");
    }
}

// mission: M-09, M-15, M-71, M-85
async fn changes_arrive_signed_at_once_and_failures_are_tried_again(engine: Engine) {
    let site = Site::new(engine).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let (secret, received) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::<Received>::new())));
    *secret.lock().unwrap() = Some(site.endpoint(&url, &[]).await);
    let receiver = tokio::spawn(receive(listener, secret, 2, Arc::clone(&received)));

    let sender = Sender::new(SenderConfig { allow_loopback_http: true, ..SenderConfig::default() }).unwrap();
    let config = DispatcherConfig::default();
    let dispatcher = Dispatcher::new(&site.directories, Arc::new(sender), Arc::new(RealTime), config);
    let (stop, shutdown) = watch::channel(false);
    let relaying = tokio::spawn(site.relay().run(shutdown.clone()));
    let dispatching = tokio::spawn(dispatcher.run(shutdown));

    let started = std::time::Instant::now();
    site.user("ann").await;
    site.user("bob").await;
    until(|| received.lock().unwrap().len() == 2).await;
    // Milliseconds on an idle machine. Not to be woken would take 30 s, and a second attempt 5 s.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    site.user("eve").await;
    site.group("Staff", &[]).await;
    until(|| received.lock().unwrap().len() == 4).await;
    // Both that failed come again 5 s later, as they were.
    until(|| received.lock().unwrap().len() == 6).await;
    stop.send(true).unwrap();
    relaying.await.unwrap();
    dispatching.await.unwrap();
    receiver.abort();

    let received = received.lock().unwrap().clone();
    let (first, later) = received.split_at(2);
    for one in first {
        let other = later.iter().find(|r| r.id == one.id).unwrap();
        assert_eq!(other.body, one.body);
        assert!((4..=7).contains(&(other.timestamp - one.timestamp)), "signed anew");
    }
    let events = site.events().await;
    assert_eq!(events.len(), 4);
    for event in &events {
        let sent = received.iter().find(|r| r.id == event.id.as_str()).unwrap();
        assert_eq!(sent.body, event.body, "the bytes of the log are the bytes sent");
        assert_eq!(parse(&sent.body)["id"], event.id.as_str());
    }
    let backlog = site.directories.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.delivered, backlog.failed), (0, 4, 0));
}
