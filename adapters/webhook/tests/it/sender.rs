//! Attempts against receivers on loopback.

use std::time::{Duration, Instant};

use scim_webhook::{Acknowledge, Failure, Outcome, Post, Report, Sender, SenderConfig, verify};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::{BODY, Counting, NOW, keep_all, report, request, secret, send};

fn sender(deadline: Duration) -> Sender {
    Sender::new(SenderConfig { allow_loopback_http: true, deadline, ..SenderConfig::default() }).unwrap()
}

/// One attempt against a receiver that answers with these bytes and closes.
async fn answered(response: &str) -> Outcome {
    answered_in_full(response, Acknowledge::default()).await.outcome
}

async fn answered_in_full(response: &str, acknowledge: Acknowledge) -> Report {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(response.as_bytes()).await.unwrap();
    };
    let sender = sender(Duration::from_secs(5));
    tokio::join!(report(&sender, &url, &[], acknowledge), receiver).0
}

fn failed(status: u16, reason: Failure) -> Outcome {
    Outcome::Failed { status: Some(status), reason, retry_after: None }
}

// mission: M-14, M-15
#[tokio::test]
async fn an_attempt_is_a_signed_json_post() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let received = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        received
    };
    let sender = sender(Duration::from_secs(5));
    let (outcome, (head, body)) = tokio::join!(send(&sender, &url), receiver);
    assert_eq!(outcome, Outcome::Delivered { status: 201 });
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"));
    assert_eq!(body, BODY);
    let header = |name: &str| {
        head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(verify(&secret(), header, body.as_bytes(), NOW).unwrap().id, "evt_1");
}

#[tokio::test]
async fn what_is_no_webhook_goes_under_the_same_guard_without_its_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sets", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let received = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        received
    };
    let headers = [("accept".to_owned(), "application/json".to_owned())];
    let post = Post {
        url: &url,
        timestamp: NOW,
        content_type: "application/secevent+jwt",
        headers: &headers,
        body: "a.b.c".into(),
    };
    let sender = sender(Duration::from_secs(5));
    let (report, (head, body)) = tokio::join!(sender.post(&post), receiver);
    assert_eq!((report.outcome, report.excerpt.as_str()), (failed(400, Failure::Status), "no"));
    assert_eq!(body, "a.b.c");
    for line in ["POST /sets HTTP/1.1", "content-type: application/secevent+jwt", "accept: application/json"]
    {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    assert!(!head.contains("webhook-id"), "{head}");
    let refused = sender.post(&Post { url: "http://192.0.2.1/", ..post }).await;
    assert_eq!(refused.outcome, Outcome::unanswered(Failure::Refused));
}

// mission: M-23, M-24
#[tokio::test]
async fn only_2xx_acknowledges() {
    for (response, outcome) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Outcome::Delivered { status: 200 }),
        ("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", Outcome::Delivered { status: 201 }),
        ("HTTP/1.1 204 No Content\r\n\r\n", Outcome::Delivered { status: 204 }),
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", failed(400, Failure::Status)),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", failed(410, Failure::Gone)),
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", failed(500, Failure::Status)),
        ("smtp.example.com ready\r\n\r\n", Outcome::unanswered(Failure::Protocol)),
        ("", Outcome::unanswered(Failure::Protocol)),
    ] {
        assert_eq!(answered(response).await, outcome, "{response:?}");
    }
}

#[tokio::test]
async fn strict_endpoints_acknowledge_with_200_and_201_only() {
    for (status, delivered) in [(200, true), (201, true), (202, false), (204, false), (226, false)] {
        let response = format!("HTTP/1.1 {status} Fine\r\nconnection: close\r\n\r\n");
        let outcome = answered_in_full(&response, Acknowledge::Strict).await.outcome;
        let expected =
            if delivered { Outcome::Delivered { status } } else { failed(status, Failure::Status) };
        assert_eq!(outcome, expected);
        assert_eq!(answered(&response).await, Outcome::Delivered { status });
    }
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_time() {
    // The attempt's timestamp is 2026-01-01T00:00:00Z.
    for (fields, seconds) in [
        ("retry-after: 120", Some(120)),
        ("retry-after: Thu, 01 Jan 2026 00:02:00 GMT", Some(120)),
        // The receiver's clock is an hour ahead.
        ("date: Thu, 01 Jan 2026 01:00:00 GMT\r\nretry-after: Thu, 01 Jan 2026 01:02:00 GMT", Some(120)),
        // The two obsolete forms (RFC 9110 §5.6.7).
        ("retry-after: Thursday, 01-Jan-26 00:02:00 GMT", Some(120)),
        ("retry-after: Thu Jan  1 00:02:00 2026", Some(120)),
        ("retry-after: Wed, 31 Dec 2025 23:00:00 GMT", Some(0)),
        ("retry-after: -1", None),
        ("retry-after: 1.5", None),
        ("retry-after: soon", None),
        ("x: y", None),
    ] {
        let response = format!("HTTP/1.1 429 Slow\r\n{fields}\r\ncontent-length: 0\r\n\r\n");
        let retry_after = seconds.map(Duration::from_secs);
        let expected = Outcome::Failed { status: Some(429), reason: Failure::Status, retry_after };
        assert_eq!(answered(&response).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn a_report_holds_the_beginning_of_the_answer_as_text() {
    let of = async |body: &[u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let head = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let sender = sender(Duration::from_secs(5));
        let report = tokio::join!(report(&sender, &url, &[], Acknowledge::default()), receiver).0;
        assert_eq!(report.outcome, failed(500, Failure::Status));
        assert!(report.elapsed > Duration::ZERO && report.elapsed < Duration::from_secs(5));
        report.excerpt
    };
    assert_eq!(of(b"").await, "");
    assert_eq!(of("Zo\u{eb}\n\tfailed".as_bytes()).await, "Zo\u{eb}\n\tfailed");
    assert_eq!(of(b"a\x1b[31mb\0c\r\nd\xff\x7f").await, "a\u{fffd}[31mb\u{fffd}c\u{fffd}\nd\u{fffd}\u{fffd}");
    assert_eq!(of(&[b'x'; 9000]).await, "x".repeat(4096));
    // A replacement is longer than what it replaces, and characters are kept whole.
    assert_eq!(of(&[0; 9000]).await, "\u{fffd}".repeat(1365));
    assert_eq!(of("\u{eb}".repeat(5000).as_bytes()).await.len(), 4096);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let target = elsewhere.local_addr().unwrap();
    let receiver = async {
        for status in ["301", "302", "303", "307", "308"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let head = format!("HTTP/1.1 {status} Moved\r\nlocation: http://{target}/\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(b"connection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    };
    let attempts = async {
        let sender = sender(Duration::from_secs(5));
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(send(&sender, &url).await, failed(status, Failure::Redirect));
        }
    };
    tokio::join!(receiver, attempts);
    assert!(tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await.is_err());
}

#[tokio::test]
async fn the_deadline_covers_a_receiver_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let started = Instant::now();
    let outcome = send(&sender(Duration::from_millis(200)), &url).await;
    assert_eq!(outcome, Outcome::unanswered(Failure::Timeout));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_endless_response_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n").await.unwrap();
        let mut written = 0;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {
            written += 4096;
        }
        written
    };
    let sender = sender(Duration::from_secs(10));
    let started = Instant::now();
    let (outcome, written) = tokio::join!(send(&sender, &url), receiver);
    assert_eq!(outcome, Outcome::Delivered { status: 200 });
    assert!(started.elapsed() < Duration::from_secs(5), "it ends with the limit, not with the deadline");
    // What the kernel's buffers took beyond the limit; far from what the receiver wanted to send.
    assert!(written < 64 * 1024 * 1024, "{written}");
}

#[tokio::test]
async fn nobody_listening_is_a_failed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(send(&sender(Duration::from_secs(5)), &url).await, Outcome::unanswered(Failure::Connect));
}

// mission: M-84
#[tokio::test]
async fn a_receiver_that_trickles_is_cut_by_the_deadline() {
    // One with a good status and a body without end, one that does not even end its head.
    for (start, outcome) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", Outcome::Delivered { status: 200 }),
        ("HTTP/1.1 200 OK\r\nx-slow: ", Outcome::unanswered(Failure::Timeout)),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Outcome::unanswered(Failure::Timeout)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let receiver = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            stream.write_all(start.as_bytes()).await.unwrap();
            let mut written = 0;
            while stream.write_all(if start.contains("103") { start.as_bytes() } else { b"x" }).await.is_ok()
            {
                written += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            written
        };
        let sender = sender(Duration::from_secs(1));
        let started = Instant::now();
        let (report, written) = tokio::join!(report(&sender, &url, &[], Acknowledge::default()), receiver);
        assert_eq!(report.outcome, outcome);
        assert!(report.elapsed >= Duration::from_secs(1), "{report:?}");
        // The receiver was hung up on.
        assert!(written >= 5 && started.elapsed() < Duration::from_secs(5), "{written}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await.unwrap();
        let mut written = 0;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {
            written += 4096;
        }
        written
    };
    let sender = sender(Duration::from_secs(10));
    let started = Instant::now();
    let (outcome, written) = tokio::join!(send(&sender, &url), receiver);
    assert_eq!(outcome, Outcome::unanswered(Failure::Protocol));
    assert!(started.elapsed() < Duration::from_secs(5), "it ends with the limit, not with the deadline");
    assert!(written < 64 * 1024 * 1024, "{written}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        keep_all(stream).await
    });
    let sender = sender(Duration::from_secs(5));
    for _ in 0..10 {
        assert_eq!(send(&sender, &url).await, Outcome::Delivered { status: 204 });
    }
    drop(sender);
    assert_eq!(receiver.await.unwrap().len(), 10);
}

#[tokio::test]
async fn one_receiver_is_reached() {
    let receiver = Counting::start("127.0.0.1:0").await;
    let url = format!("http://{}/", receiver.address);
    assert_eq!(send(&sender(Duration::from_secs(5)), &url).await, Outcome::Delivered { status: 200 });
    assert_eq!(receiver.connections().await, 1);
}

// mission: M-84
#[tokio::test]
async fn no_proxy_of_the_environment_is_asked() {
    let proxy = Counting::start("127.0.0.1:0").await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "sender::one_receiver_is_reached"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let url = format!("http://{}", proxy.address);
        child.env(name, &url).env(name.to_ascii_lowercase(), url);
    }
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections().await, 0);
}
