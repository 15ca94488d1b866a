//! Where deliveries may go: the vectors, over check and sending, with listeners that must see nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use scim_webhook::{
    Failure, Network, NetworkError, Outcome, Policy, Sender, SenderConfig, UrlError, check_url,
};

use crate::support::{Counting, send};

#[derive(serde::Deserialize)]
struct Refused {
    url: String,
    error: String,
    why: String,
}

#[derive(serde::Deserialize)]
struct Allowed {
    url: String,
    why: String,
}

fn refused() -> Vec<Refused> {
    serde_json::from_str(include_str!("../../testdata/ssrf-vectors.json")).unwrap()
}

fn name(error: UrlError) -> String {
    format!("{error:?}").split('(').next().unwrap().to_owned()
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn each_vector_is_refused_for_its_reason() {
    let vectors = refused();
    assert!(vectors.len() >= 150);
    let mut wrong = Vec::new();
    for Refused { url, error, why } in &vectors {
        let verdict = check_url(url, &Policy::default()).map_err(name);
        if verdict.as_ref().err() != Some(error) {
            wrong.push(format!("{url:?} ({why}): {error} expected, not {verdict:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn public_urls_are_allowed() {
    let vectors: Vec<Allowed> =
        serde_json::from_str(include_str!("../../testdata/allowed-urls.json")).unwrap();
    for Allowed { url, why } in vectors {
        let verdict = check_url(&url, &Policy::default());
        assert!(verdict.is_ok(), "{url} ({why}): {verdict:?}");
    }
}

/// The URL with this port, where it has a host and no port of its own.
fn with_port(url: &str, port: u16) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(end);
    let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    (!host.is_empty() && !has_port).then(|| format!("{scheme}://{host}:{port}{tail}"))
}

// mission: M-84
#[tokio::test]
async fn no_vector_makes_a_connection() {
    let v4 = Counting::start("0.0.0.0:0").await;
    let port = v4.address.port();
    let v6 = Counting::start("[::1]:0").await;
    let sender = Sender::new(SenderConfig::default()).unwrap();
    let mut sent = 0;
    for Refused { url, why, .. } in refused() {
        let ports = [with_port(&url, port), with_port(&url, v6.address.port())];
        for url in [Some(url)].into_iter().chain(ports).flatten() {
            let outcome = send(&sender, &url).await;
            assert_eq!(outcome, Outcome::unanswered(Failure::Refused), "{url:?} ({why})");
            sent += 1;
        }
    }
    assert!(sent > 700, "{sent}");
    assert_eq!((v4.connections().await, v6.connections().await), (0, 0));
    // The listeners do see what is let through.
    let open = SenderConfig { allow_loopback_http: true, ..SenderConfig::default() };
    let open = Sender::new(open).unwrap();
    for url in [format!("http://127.1:{port}/"), format!("http://{}/", v6.address)] {
        assert_eq!(send(&open, &url).await, Outcome::Delivered { status: 200 });
    }
    assert_eq!((v4.connections().await, v6.connections().await), (1, 1));
}

// mission: M-84
#[test]
fn plain_http_needs_the_switch_and_loopback() {
    let open = Policy { allow_loopback_http: true, ..Policy::default() };
    for (url, expected) in [
        ("http://localhost:1/", None),
        ("http://app.localhost/", None),
        ("http://[::1]:1/", None),
        ("http://127.0.0.1/", None),
        ("https://127.0.0.1:8443/", None),
        ("https://localhost/", None),
        ("http://app.example.com/hooks", Some(UrlError::Scheme)),
        ("http://localhost.example.com/", Some(UrlError::Scheme)),
        ("http://8.8.8.8/", Some(UrlError::Scheme)),
        ("http://[::ffff:127.0.0.1]/", Some(UrlError::Scheme)),
        ("http://0.0.0.0/", Some(UrlError::Scheme)),
        ("https://0.0.0.0/", Some(UrlError::Address("0.0.0.0/8 (this network)"))),
        ("https://10.0.0.1/", Some(UrlError::Address("10.0.0.0/8 (private use)"))),
        ("http://receiver/", Some(UrlError::Scheme)),
        ("https://receiver/", Some(UrlError::PrivateName)),
        ("https://localhost./", Some(UrlError::TrailingDot)),
        ("ftp://127.0.0.1/", Some(UrlError::Scheme)),
    ] {
        assert_eq!(check_url(url, &open).err(), expected, "{url}");
    }
}

#[test]
fn networks_that_the_operator_allows_are_reached_over_https_only() {
    let policy = Policy {
        allowed_networks: networks(&["10.1.0.0/16", "fd00::/8", "64:ff9b::/96"]),
        ..Policy::default()
    };
    for (url, allowed) in [
        ("https://10.1.2.3/", true),
        ("https://10.2.0.1/", false),
        ("http://10.1.2.3/", false),
        ("https://[fd12::1]/", true),
        ("https://[fc00::1]/", false),
        // A mapped address is another one than the one that is allowed.
        ("https://[::ffff:10.1.2.3]/", false),
        // A gateway goes on to the IPv4 address: public, allowed, not allowed.
        ("https://[64:ff9b::808:808]/", true),
        ("https://[64:ff9b::a01:203]/", true),
        ("https://[64:ff9b::7f00:1]/", false),
        // Names of private networks make sense now. What they resolve to is checked when it is known.
        ("https://receiver/", true),
        ("https://receiver.internal/", true),
        ("https://localhost/", false),
    ] {
        assert_eq!(check_url(url, &policy).is_ok(), allowed, "{url}");
    }
    let loopback = Policy { allowed_networks: networks(&["127.0.0.0/8"]), ..Policy::default() };
    assert!(check_url("https://localhost/", &loopback).is_ok());
    assert_eq!(check_url("http://localhost/", &loopback), Err(UrlError::Scheme));
}

#[test]
fn networks_are_read_strictly() {
    for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "fd00::/8", "::/0"] {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
    }
    assert_eq!("10.0.0.1".parse::<Network>().unwrap().to_string(), "10.0.0.1/32");
    assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
    for text in ["10.0.0.1/8", "fd00::1/8"] {
        assert_eq!(text.parse::<Network>(), Err(NetworkError::Start));
    }
    for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "example.com", "10.0.0.0/8 ", "::/129"] {
        assert_eq!(text.parse::<Network>(), Err(NetworkError::Syntax), "{text}");
    }
}

#[tokio::test]
async fn our_own_listeners_are_no_receivers_whatever_is_allowed() {
    let own = Counting::start("127.0.0.1:0").await;
    let everywhere = Counting::start("0.0.0.0:0").await;
    let other = Counting::start("127.0.0.1:0").await;
    let config = SenderConfig {
        allow_loopback_http: true,
        allowed_networks: networks(&["0.0.0.0/0"]),
        own_addresses: vec![own.address, everywhere.address],
        ..SenderConfig::default()
    };
    let policy = config.policy();
    let sender = Sender::new(config).unwrap();
    let refused = Outcome::unanswered(Failure::Refused);
    let to = |host: &str, port: u16| format!("http://{host}:{port}/");
    let everywhere_port = everywhere.address.port();
    for url in [
        to("127.0.0.1", own.address.port()),
        to("localhost", own.address.port()),
        to("127.0.0.1", everywhere_port),
        to("127.9.9.9", everywhere_port),
        to("localhost", everywhere_port),
    ] {
        assert_eq!(send(&sender, &url).await, refused, "{url}");
    }
    assert_eq!(check_url(&to("127.0.0.1", own.address.port()), &policy), Err(UrlError::OwnAddress));
    assert_eq!(check_url(&to("127.9.9.9", everywhere_port), &policy), Err(UrlError::OwnAddress));
    let delivered = Outcome::Delivered { status: 200 };
    assert_eq!(send(&sender, &to("127.0.0.1", other.address.port())).await, delivered);
    assert_eq!((own.connections().await, everywhere.connections().await), (0, 0));

    // A public address of this machine, at the port where it listens at all of them.
    let policy = Policy { own_addresses: vec!["[::]:443".parse().unwrap()], ..Policy::default() };
    let ours: IpAddr = "8.8.8.8".parse().unwrap();
    let check = |port| policy.check_address(SocketAddr::new(ours, port), |ip| ip == ours);
    assert_eq!((check(443), check(8443)), (Err(UrlError::OwnAddress), Ok(())));
    let theirs: SocketAddr = "8.8.4.4:443".parse().unwrap();
    assert_eq!(policy.check_address(theirs, |ip| ip == ours), Ok(()));
    // The same address, written as IPv6.
    let policy = Policy { own_addresses: vec!["[::ffff:8.8.8.8]:443".parse().unwrap()], ..policy };
    let same: SocketAddr = "8.8.8.8:443".parse().unwrap();
    assert_eq!(policy.check_address(same, |_| false), Err(UrlError::OwnAddress));
}

#[tokio::test]
async fn the_deadline_covers_the_connection_too() {
    // The queue of a listener that accepts nothing fills; further connections get no answer.
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        let stream = tokio::net::TcpStream::connect(address);
        filling.push(tokio::time::timeout(Duration::from_millis(50), stream).await);
    }
    let deadline = Duration::from_millis(300);
    let config = SenderConfig { allow_loopback_http: true, deadline, ..SenderConfig::default() };
    let started = std::time::Instant::now();
    let outcome = send(&Sender::new(config).unwrap(), &format!("http://{address}/")).await;
    assert_eq!(outcome, Outcome::unanswered(Failure::Timeout));
    assert!(started.elapsed() < Duration::from_secs(3));
}
