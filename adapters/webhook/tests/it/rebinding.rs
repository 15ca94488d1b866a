//! Names whose addresses change, and names with several. `127.0.0.2` stands for the public address, which
//! tests can't have: its network is allowed.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use scim_webhook::{Failure, Outcome, Resolver, Sender, SenderConfig};

use crate::support::{Counting, send};
use crate::tls::HttpsReceiver;

const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const FORBIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers with one list of addresses after the other, and from the start again.
#[derive(Debug)]
struct Turning {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Turning {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, "app.example.com");
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[turn % self.answers.len()].clone())
    }
}

/// A port at which nobody listens at either address.
fn free_port() -> u16 {
    loop {
        let one = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
        let port = one.local_addr().unwrap().port();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

struct Site {
    resolver: Arc<Turning>,
    sender: Sender,
    good: HttpsReceiver,
    forbidden: Counting,
    url: String,
}

impl Site {
    async fn new(answers: &[&[IpAddr]]) -> Self {
        // The same port on both addresses; at the one nobody must arrive.
        let port = free_port();
        let good = HttpsReceiver::start(&format!("127.0.0.2:{port}"), "app.example.com").await;
        let forbidden = Counting::start(&format!("127.0.0.1:{port}")).await;
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let resolver = Arc::new(Turning { answers, asked: AtomicUsize::new(0) });
        let config = SenderConfig {
            allowed_networks: vec!["127.0.0.2/32".parse().unwrap()],
            root_certificates: vec![good.root.clone()],
            ..SenderConfig::default()
        };
        let sender = Sender::with_resolver(config, Arc::clone(&resolver) as _).unwrap();
        Self { resolver, sender, good, forbidden, url: format!("https://app.example.com:{port}/hooks") }
    }

    fn asked(&self) -> usize {
        self.resolver.asked.load(Ordering::SeqCst)
    }
}

const REFUSED: Outcome = Outcome::Failed { status: None, reason: Failure::Refused, retry_after: None };

#[tokio::test]
async fn one_address_that_is_not_allowed_refuses_the_name() {
    for answer in [[GOOD, FORBIDDEN], [FORBIDDEN, GOOD]] {
        let site = Site::new(&[&answer]).await;
        assert_eq!(send(&site.sender, &site.url).await, REFUSED);
        assert_eq!((site.good.connections(), site.forbidden.connections().await), (0, 0));
    }
    for forbidden in [
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00::1",
        "fe80::1",
        "2001:db8::1",
        "ff02::1",
    ] {
        let site = Site::new(&[&[GOOD, forbidden.parse().unwrap()]]).await;
        assert_eq!(send(&site.sender, &site.url).await, REFUSED, "{forbidden}");
        assert_eq!((site.good.connections(), site.forbidden.connections().await), (0, 0));
    }
    let site = Site::new(&[&[]]).await;
    assert_eq!(send(&site.sender, &site.url).await, Outcome::unanswered(Failure::Connect));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let site = Site::new(&[&["127.0.0.2".parse().unwrap()]]).await;
    let closed = Counting::start("127.0.0.3:0").await.address;
    let answers = vec![vec![closed.ip(), GOOD]];
    let resolver = Arc::new(Turning { answers, asked: AtomicUsize::new(0) });
    let config = SenderConfig {
        allowed_networks: vec!["127.0.0.2/31".parse().unwrap()],
        root_certificates: vec![site.good.root.clone()],
        ..SenderConfig::default()
    };
    let sender = Sender::with_resolver(config, resolver).unwrap();
    assert_eq!(send(&sender, &site.url).await, Outcome::Delivered { status: 200 });
}

#[tokio::test]
async fn a_thousand_rebinds_reach_nothing_that_is_not_allowed() {
    let site = Site::new(&[&[GOOD], &[FORBIDDEN]]).await;
    let (mut delivered, mut refused) = (0, 0);
    for turn in 1..=1_000 {
        match send(&site.sender, &site.url).await {
            Outcome::Delivered { status: 200 } => delivered += 1,
            REFUSED => refused += 1,
            other => panic!("{other:?}"),
        }
        // What was checked is what was connected to: nobody asked again in between.
        assert_eq!(site.asked(), turn);
    }
    assert_eq!((delivered, refused), (500, 500));
    assert_eq!((site.good.connections(), site.forbidden.connections().await), (500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_turns_under_load_reaches_nothing_that_is_not_allowed() {
    let site = Site::new(&[&[GOOD], &[FORBIDDEN], &[GOOD, FORBIDDEN]]).await;
    let tasks = (0..16).map(|_| {
        let (sender, url) = (site.sender.clone(), site.url.clone());
        tokio::spawn(async move {
            let mut counts = [0, 0];
            let end = tokio::time::Instant::now() + Duration::from_millis(1500);
            while tokio::time::Instant::now() < end {
                match send(&sender, &url).await {
                    Outcome::Delivered { status: 200 } => counts[0] += 1,
                    REFUSED => counts[1] += 1,
                    other => panic!("{other:?}"),
                }
            }
            counts
        })
    });
    let (mut delivered, mut refused) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let counts: [usize; 2] = task.await.unwrap();
        delivered += counts[0];
        refused += counts[1];
    }
    assert!(delivered > 20 && refused > 40, "{delivered} {refused}");
    assert_eq!((site.good.connections(), site.forbidden.connections().await), (delivered, 0));
}

/// What never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Resolver for Silent {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn the_deadline_covers_the_resolver() {
    let config = SenderConfig { deadline: Duration::from_millis(200), ..SenderConfig::default() };
    let sender = Sender::with_resolver(config, Arc::new(Silent)).unwrap();
    let outcome = send(&sender, "https://app.example.com/").await;
    assert_eq!(outcome, Outcome::unanswered(Failure::Timeout));
}
