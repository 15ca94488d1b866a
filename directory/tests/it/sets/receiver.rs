//! A receiver of pushed SETs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scim_directory::{Clock, SetTransmitter};
use scim_webhook::{Sender, SenderConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::ISSUER;
use crate::support::Site;

/// One request: its head, and the token.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) token: String,
}

/// Answers as it is told, then 202.
#[derive(Debug)]
pub(crate) struct SetReceiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl SetReceiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sets", listener.local_addr().unwrap());
        let (received, answers) = (Arc::default(), Arc::default());
        tokio::spawn(serve(listener, Arc::clone(&received), Arc::clone(&answers)));
        Self { url, received, answers }
    }

    /// The next requests are answered so, one after the other.
    pub(crate) fn answer(&self, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        self.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, token) = request(&mut stream).await;
        received.lock().unwrap().push(Received { head, token });
        let (status, body) = answers.lock().unwrap().pop_front().unwrap_or((202, String::new()));
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "the request is whole");
        text.extend_from_slice(&buffer[..n]);
        let so_far = std::str::from_utf8(&text).unwrap();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return (head.to_owned(), body.to_owned());
        }
    }
}

/// A transmitter as the server has it.
pub(crate) fn transmitter(site: &Site, clock: Arc<dyn Clock>) -> SetTransmitter {
    let deadline = Duration::from_secs(5);
    let config = SenderConfig { allow_loopback_http: true, deadline, ..SenderConfig::default() };
    SetTransmitter::new(&site.directories, Arc::new(Sender::new(config).unwrap()), clock, ISSUER)
}

/// Makes SETs of what happened, and pushes what is due. Answers how many attempts that were.
pub(crate) async fn push(site: &Site) -> usize {
    site.catch_up().await;
    transmitter(site, Arc::clone(&site.clock) as _).push_due().await.unwrap()
}
