//! Receivers and deliveries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scim_webhook::{Acknowledge, Delivery, Outcome, Report, Secret, Sender};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const NOW: i64 = 1_767_225_600;
pub(crate) const BODY: &str = r#"{"type": "organization.directory.user_created"}"#;

pub(crate) fn secret() -> Secret {
    Secret::from_bytes(&[9; 32]).unwrap()
}

/// A delivery of [`BODY`], signed with [`secret`].
pub(crate) async fn report(
    sender: &Sender,
    url: &str,
    headers: &[(String, String)],
    acknowledge: Acknowledge,
) -> Report {
    let delivery = Delivery {
        url,
        id: "evt_1",
        timestamp: NOW,
        body: BODY.into(),
        secrets: &[&secret()],
        signing_keys: &[],
        headers,
        acknowledge,
    };
    sender.send(&delivery).await
}

pub(crate) async fn send(sender: &Sender, url: &str) -> Outcome {
    report(sender, url, &[], Acknowledge::default()).await.outcome
}

/// Reads one request: head and body as texts.
pub(crate) async fn request(stream: &mut TcpStream) -> (String, String) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "the request ended early");
        text.extend_from_slice(&buffer[..n]);
        if let Some(received) = take(&mut text) {
            return (received.head, String::from_utf8(received.body).unwrap());
        }
    }
}

/// A receiver that answers each request with 200 and closes, and counts its connections.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Counting {
    pub(crate) async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                });
            }
        });
        Self { address, connections, task }
    }

    /// How many connections there were, when those under way have had their time.
    pub(crate) async fn connections(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// Takes a request from what has come, if all of it has.
fn take(text: &mut Vec<u8>) -> Option<Received> {
    let end = text.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(text[..end].to_vec()).unwrap();
    let mut received = Received { head, body: Vec::new() };
    let whole = end + 4 + received.header("content-length").unwrap().parse::<usize>().unwrap();
    received.body = text.get(end + 4..whole)?.to_vec();
    text.drain(..whole);
    Some(received)
}

/// Answers each request of a connection with 204, and keeps what it got.
pub(crate) async fn keep_all(mut stream: TcpStream) -> Vec<Received> {
    let (mut kept, mut text, mut buffer) = (Vec::new(), Vec::new(), vec![0; 65536]);
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        if n == 0 {
            return kept;
        }
        text.extend_from_slice(&buffer[..n]);
        while let Some(received) = take(&mut text) {
            kept.push(received);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    }
}
