//! The whole protocol: any request line and body against a small directory.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use scim_core::{BearerToken, DateTime, Environment, MemoryStore, Registry, Service};

/// Answers of 500 and above that are no fault: what a service does not offer.
const NOT_OFFERED: u16 = 501;

/// No request makes the service panic or answer a server error; an error has a SCIM body and leaves everything as
/// it was.
///
/// The input is `METHOD target`, header lines, an empty line, and the body.
pub fn router(data: &[u8]) {
    let Some(request) = parse(data) else { return };
    let is_bulk = request.uri().path().ends_with("/Bulk");
    let service = service();
    let before = snapshot(&service);
    let response = block_on(service.handle(request));
    let status = response.status().as_u16();
    assert!(status < 500 || status == NOT_OFFERED, "{status}: {:?}", response.body());
    if status >= 400 && !response.body().is_empty() {
        let error: serde_json::Value = serde_json::from_slice(response.body()).expect("an error is JSON");
        assert_eq!(error["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
        assert_eq!(error["status"], status.to_string());
        assert!(error["detail"].as_str().is_some_and(|detail| detail.len() <= crate::LONGEST_MESSAGE));
    }
    if status >= 400 && !is_bulk {
        assert_eq!(before, snapshot(&service), "an error changed something");
    }
}

fn parse(data: &[u8]) -> Option<Request<Bytes>> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        request = request.header(parts.next()?, parts.next()?.trim_ascii());
    }
    let mut request = request.body(Bytes::copy_from_slice(body)).ok()?;
    let headers = request.headers_mut();
    headers.entry("authorization").or_insert_with(|| "Bearer secret".parse().expect("a header value"));
    headers.entry("content-type").or_insert_with(|| "application/scim+json".parse().expect("a header value"));
    Some(request)
}

/// A service with one user (`User1`) in one group (`Group2`).
fn service() -> Service {
    static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(Registry::standard()));
    let registry = Arc::clone(&REGISTRY);
    let service = Service::builder(
        "https://scim.example.test/v2",
        MemoryStore::new(Arc::clone(&registry)),
        BearerToken::new("secret"),
        Repeatable::default(),
    )
    .registry(registry)
    .build()
    .expect("a valid service");
    let user = br#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen","active":true,
        "emails":[{"type":"work","value":"b@example.com","primary":true},{"type":"home","value":"b@example.org"}]}"#;
    let group = br#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Guides",
        "members":[{"value":"User1"}]}"#;
    for (target, body) in [("/Users", &user[..]), ("/Groups", &group[..])] {
        let response = ask(&service, "POST", target, body);
        assert_eq!(response.status(), 201, "{:?}", response.body());
    }
    service
}

/// Everything that a client can see.
fn snapshot(service: &Service) -> Vec<Bytes> {
    ["/Users", "/Groups"].map(|target| ask(service, "GET", target, b"").into_body()).to_vec()
}

fn ask(service: &Service, method: &str, target: &str, body: &'static [u8]) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("authorization", "Bearer secret")
        .header("content-type", "application/scim+json")
        .body(Bytes::from_static(body))
        .expect("a valid request");
    block_on(service.handle(request))
}

/// The memory store never waits, so one poll is all it takes.
fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store does not wait"),
    }
}

/// The same time always, and ids that count.
#[derive(Debug, Default)]
struct Repeatable {
    ids: AtomicU64,
}

impl Environment for Repeatable {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(1_767_225_600_000_000)
    }

    fn new_id(&self, resource_type: &str) -> String {
        format!("{resource_type}{}", self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn request_id(&self) -> String {
        "request".to_owned()
    }
}
