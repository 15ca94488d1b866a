//! Headers of endpoints.

use std::time::Duration;

use scim_webhook::{
    Acknowledge, Failure, HeaderError, Outcome, Sender, SenderConfig, check_header, check_headers,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::{Counting, report, request};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_header_has_a_valid_name_and_value_and_is_not_the_senders() {
    for (name, value, lower) in [
        ("Authorization", "Bearer abc", "authorization"),
        ("X-Api-Key", "k", "x-api-key"),
        ("x_tenant!#$%&'*+.^`|~9", "a\tb", "x_tenant!#$%&'*+.^`|~9"),
        ("X-Empty", "", "x-empty"),
        ("User-Agent", "acme", "user-agent"),
        ("Webhooks", "not ours", "webhooks"),
    ] {
        assert_eq!(check_header(name, value).as_deref(), Ok(lower));
    }
    for name in [
        "webhook-id",
        "Webhook-Signature",
        "WEBHOOK-ANYTHING",
        "Host",
        "content-length",
        "Content-Type",
        "content-encoding",
        "Connection",
        "keep-alive",
        "transfer-encoding",
        "TE",
        "trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "proxy-connection",
        "proxy-x",
        "HTTP2-Settings",
        "date",
        "via",
    ] {
        assert_eq!(check_header(name, "x"), Err(HeaderError::Reserved), "{name}");
    }
    for name in ["", " ", "a b", "a:", "a\r\n", "a\0", "(a)", "a/b", "ë", ":path", "a\"", "[a]"] {
        assert_eq!(check_header(name, "x"), Err(HeaderError::Name), "{name:?}");
    }
    for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "\x7f", "\x1b[0m", "Zoë", " a", "a ", "\ta", "a\t"] {
        assert_eq!(check_header("x-a", value), Err(HeaderError::Value), "{value:?}");
    }
    assert_eq!(check_header("x-a", &"v".repeat(4094)), Err(HeaderError::Size));
}

#[test]
fn an_endpoint_has_at_most_20_headers_of_4096_bytes_and_each_once() {
    let numbered =
        |count: usize| -> Vec<_> { (0..count).map(|n| (format!("X-{n}"), String::new())).collect() };
    assert_eq!(check_headers(&numbered(20)).unwrap()[19].0, "x-19");
    assert_eq!(check_headers(&numbered(21)), Err(HeaderError::Count));
    assert_eq!(check_headers(&pairs(&[("X-A", "1"), ("x-a", "2")])), Err(HeaderError::Repeated));
    let sized = |size: usize| pairs(&[("x-a", &"v".repeat(2000)), ("x-b", &"v".repeat(size - 2006))]);
    assert!(check_headers(&sized(4096)).is_ok());
    assert_eq!(check_headers(&sized(4097)), Err(HeaderError::Size));
    let text = check_header("Secret-Name ", "secret value\n").unwrap_err().to_string();
    assert!(!text.to_lowercase().contains("secret"), "{text}");
}

fn sender() -> Sender {
    let deadline = Duration::from_secs(5);
    Sender::new(SenderConfig { allow_loopback_http: true, deadline, ..SenderConfig::default() }).unwrap()
}

#[tokio::test]
async fn they_are_sent_beside_those_of_the_sender() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, _) = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        head
    };
    let headers = pairs(&[("Authorization", "Bearer abc"), ("X-Tenant", "acme"), ("User-Agent", "acme/1")]);
    let sender = sender();
    let (report, head) = tokio::join!(report(&sender, &url, &headers, Acknowledge::default()), receiver);
    assert_eq!(report.outcome, Outcome::Delivered { status: 200 });
    let mut names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-tenant",
    ];
    assert_eq!(names, expected);
    for line in ["authorization: Bearer abc", "x-tenant: acme", "user-agent: acme/1"] {
        assert!(head.lines().any(|l| l == line), "{head}");
    }
}

#[tokio::test]
async fn an_attempt_with_a_header_that_is_not_allowed_sends_nothing() {
    let receiver = Counting::start("127.0.0.1:0").await;
    let url = format!("http://{}/hook", receiver.address);
    let sender = sender();
    for (name, value) in
        [("host", "internal"), ("webhook-id", "evt_2"), ("x-a", "b\r\nc: d"), ("content-length", "0")]
    {
        let report = report(&sender, &url, &pairs(&[(name, value)]), Acknowledge::default()).await;
        assert_eq!(report.outcome, Outcome::unanswered(Failure::Refused));
    }
    assert_eq!(receiver.connections().await, 0);
}
