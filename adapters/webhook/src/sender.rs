//! One delivery attempt.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

use crate::connect::{ConnectError, Connector, Resolver, SystemResolver};
use crate::guard::{Network, Policy, Target};
use crate::header::read_all;
use crate::key::SigningKey;
use crate::secret::Secret;
use crate::sign::headers;

/// How much of an answer is kept, in bytes.
const EXCERPT_LIMIT: usize = 4096;

/// How the sender introduces itself.
const AGENT: &str = concat!("scim-webhook/", env!("CARGO_PKG_VERSION"));
/// How long a connection is kept for the next attempt. Many receivers close theirs after 5 s, and an attempt
/// that meets the close fails.
const KEPT: Duration = Duration::from_secs(4);
/// How long the head of a response may be, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;

/// Makes delivery attempts over HTTP.
///
/// Each attempt is a POST of the body with the three headers. It goes only where [`Policy`] allows: a name is
/// resolved once for each connection, every address is checked, and the connection goes to a checked address.
/// No redirect is followed, no proxy of the environment is asked, there is one deadline for all of it, and no
/// more of the response is read than is set. It is HTTP/1.1: a connection serves one attempt at a time, so that
/// one that has died costs one attempt.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    policy: Arc<Policy>,
    deadline: Duration,
    response_limit: usize,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Where attempts may go, and their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct SenderConfig {
    /// As in [`Policy`]. Default: no.
    pub allow_loopback_http: bool,
    /// As in [`Policy`]. Default: none.
    pub allowed_networks: Vec<Network>,
    /// As in [`Policy`]. Default: none.
    pub own_addresses: Vec<SocketAddr>,
    /// Certificates of authorities that are trusted beside those of the system, in DER: for receivers in
    /// private networks. Default: none.
    pub root_certificates: Vec<Vec<u8>>,
    /// From the start of the attempt to the end of the response. Default: 15 s.
    pub deadline: Duration,
    /// How many bytes of the response's body are read; the connection is closed when there are more. Default:
    /// 16 KiB.
    pub response_limit: usize,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            allow_loopback_http: false,
            allowed_networks: Vec::new(),
            own_addresses: Vec::new(),
            root_certificates: Vec::new(),
            deadline: Duration::from_secs(15),
            response_limit: 16 * 1024,
        }
    }
}

impl SenderConfig {
    /// What endpoints are allowed by it, for [`check_url`](crate::check_url).
    pub fn policy(&self) -> Policy {
        Policy {
            allow_loopback_http: self.allow_loopback_http,
            allowed_networks: self.allowed_networks.clone(),
            own_addresses: self.own_addresses.clone(),
        }
    }
}

impl From<Policy> for SenderConfig {
    fn from(policy: Policy) -> Self {
        let Policy { allow_loopback_http, allowed_networks, own_addresses } = policy;
        Self { allow_loopback_http, allowed_networks, own_addresses, ..Self::default() }
    }
}

/// What to deliver, and where.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct Delivery<'a> {
    /// The endpoint's URL.
    pub url: &'a str,
    /// The event's id.
    pub id: &'a str,
    /// The time of the attempt, in whole seconds since 1970-01-01T00:00:00Z.
    pub timestamp: i64,
    /// The JSON text, as it is signed and sent.
    pub body: Bytes,
    /// The secrets to sign with, the newest first.
    pub secrets: &'a [&'a Secret],
    /// The Ed25519 keys to sign with, the newest first.
    pub signing_keys: &'a [&'a SigningKey],
    /// Further headers of the endpoint: names and values.
    pub headers: &'a [(String, String)],
    /// Which answers acknowledge.
    pub acknowledge: Acknowledge,
}

/// A POST that is no webhook: under the same guard and limits, without the headers of a delivery.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// The time of the attempt, in whole seconds since 1970-01-01T00:00:00Z.
    pub timestamp: i64,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further headers: names and values, as an endpoint may have them.
    pub headers: &'a [(String, String)],
    /// What is sent.
    pub body: Bytes,
}

/// Which statuses of an answer acknowledge a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "callers store it and must know all")]
pub enum Acknowledge {
    /// Any 2xx.
    #[default]
    Success,
    /// Only 200 and 201.
    Strict,
}

impl Acknowledge {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Strict => "200-201",
        }
    }

    /// The one of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Strict].into_iter().find(|rule| rule.as_str() == text)
    }

    fn accepts(self, status: u16) -> bool {
        match self {
            Self::Success => (200..300).contains(&status),
            Self::Strict => matches!(status, 200 | 201),
        }
    }
}

/// An attempt that came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by other transports too")]
pub struct Report {
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, to the end of what was read of the response.
    pub elapsed: Duration,
    /// The beginning of what the receiver answered, for whoever runs this program: at most 4 KiB as UTF-8,
    /// where bytes that are not, and control characters other than line feed and tab, are replaced.
    pub excerpt: String,
}

impl Report {
    /// A report of an attempt that took no time and got no body.
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, elapsed: Duration::ZERO, excerpt: String::new() }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an attempt is acknowledged or it is not")]
pub enum Outcome {
    /// The receiver acknowledged with this status.
    Delivered {
        /// The status.
        status: u16,
    },
    /// It did not.
    Failed {
        /// The status, if there was a response.
        status: Option<u16>,
        /// What went wrong.
        reason: Failure,
        /// The receiver's wish how long to wait (RFC 9110 §10.2.3). A time is counted from the response's
        /// `Date`, or from the attempt's timestamp where there is none.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// An attempt that got no response.
    pub fn unanswered(reason: Failure) -> Self {
        Self::Failed { status: None, reason, retry_after: None }
    }
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// A status that does not acknowledge.
    Status,
    /// A redirect, which is never followed.
    Redirect,
    /// 410: the receiver wants no more deliveries.
    Gone,
    /// The deadline passed.
    Timeout,
    /// No connection: name, network or TLS.
    Connect,
    /// The connection broke, or what came was not HTTP.
    Protocol,
    /// The URL, an address behind it, or a header of the endpoint is not allowed. Nothing was sent.
    Refused,
}

impl Failure {
    /// A stable name, for logs and stored results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
        }
    }
}

impl Sender {
    /// A sender with these limits.
    ///
    /// # Errors
    /// [`SenderError`] when TLS can't be set up, for example without any root certificates.
    pub fn new(config: SenderConfig) -> Result<Self, SenderError> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// A sender that finds addresses in another way than the operating system.
    ///
    /// # Errors
    /// As [`Sender::new`].
    pub fn with_resolver(config: SenderConfig, resolver: Arc<dyn Resolver>) -> Result<Self, SenderError> {
        let policy = Arc::new(config.policy());
        let SenderConfig { deadline, response_limit, root_certificates, .. } = config;
        let tls = Arc::new(tls(root_certificates).map_err(SenderError)?);
        let connector = Connector { policy: Arc::clone(&policy), resolver, tls, deadline };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEPT)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(HEAD_LIMIT)
            .build(connector);
        Ok(Self { client, policy, deadline, response_limit })
    }

    /// Makes one attempt. The status decides; the rest of a response decides nothing.
    pub async fn send(&self, delivery: &Delivery<'_>) -> Report {
        let request = || request(delivery.url, &self.policy, request_headers(delivery)?, &delivery.body);
        self.report(request(), delivery.acknowledge, delivery.timestamp).await
    }

    /// Makes one attempt at something else than a webhook. Any 2xx is `Delivered`.
    pub async fn post(&self, post: &Post<'_>) -> Report {
        let request = || request(post.url, &self.policy, post_headers(post)?, &post.body);
        self.report(request(), Acknowledge::Success, post.timestamp).await
    }

    async fn report(
        &self,
        request: Option<Request<Full<Bytes>>>,
        acknowledge: Acknowledge,
        timestamp: i64,
    ) -> Report {
        let started = Instant::now();
        let (outcome, body) = match self.exchange(request, acknowledge, timestamp).await {
            Ok(answered) => answered,
            Err(failure) => (Outcome::unanswered(failure), Vec::new()),
        };
        Report { outcome, elapsed: started.elapsed(), excerpt: excerpt(&body) }
    }

    /// Answers the outcome and the beginning of the response's body.
    async fn exchange(
        &self,
        request: Option<Request<Full<Bytes>>>,
        acknowledge: Acknowledge,
        timestamp: i64,
    ) -> Result<(Outcome, Vec<u8>), Failure> {
        let request = request.ok_or(Failure::Refused)?;
        let deadline = tokio::time::Instant::now() + self.deadline;
        let response = match tokio::time::timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Err(connect_failure(&error)),
            Ok(Err(_)) => return Err(Failure::Protocol),
            Err(_) => return Err(Failure::Timeout),
        };
        let outcome = judge(&response, acknowledge, timestamp);
        // What is left is read so that the connection can be used again, and only as far as is fair.
        let mut body = Vec::new();
        let drained = drain(response.into_body(), &mut body, self.response_limit);
        let _ = tokio::time::timeout_at(deadline, drained).await;
        Ok((outcome, body))
    }
}

/// HTTP/1.1 over TLS 1.2 and 1.3, trusting whom the system trusts.
fn tls(root_certificates: Vec<Vec<u8>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = root_certificates.into_iter().map(CertificateDer::from);
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // The verifier is the system's, which rustls calls a custom one.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// `None`: the URL is not allowed.
fn request(url: &str, policy: &Policy, headers: HeaderMap, body: &Bytes) -> Option<Request<Full<Bytes>>> {
    let target = Target::parse(url, policy).ok()?;
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.uri;
    *request.headers_mut() = headers;
    Some(request)
}

/// Tells a refusal by the guard from what the network did.
fn connect_failure(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<ConnectError>() {
            Some(ConnectError::Refused(_)) => return Failure::Refused,
            Some(ConnectError::TimedOut) => return Failure::Timeout,
            _ => cause = error.source(),
        }
    }
    Failure::Connect
}

/// The endpoint's headers and the sender's. `None`: one of them is not allowed.
fn request_headers(delivery: &Delivery<'_>) -> Option<HeaderMap> {
    let mut map = common_headers(delivery.headers, "application/json", &delivery.body)?;
    let (secrets, keys) = (delivery.secrets, delivery.signing_keys);
    for (name, value) in headers(secrets, keys, delivery.id, delivery.timestamp, &delivery.body) {
        map.insert(HeaderName::from_static(name), HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?);
    }
    Some(map)
}

fn post_headers(post: &Post<'_>) -> Option<HeaderMap> {
    common_headers(post.headers, post.content_type, &post.body)
}

fn common_headers(
    further: &[(String, String)],
    content_type: &'static str,
    body: &Bytes,
) -> Option<HeaderMap> {
    let mut map = read_all(further).ok()?;
    if !map.contains_key(USER_AGENT) {
        map.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    }
    map.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Also for an empty body (RFC 9110 §8.6), where the HTTP client would leave it out.
    map.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Some(map)
}

fn judge<B>(response: &Response<B>, acknowledge: Acknowledge, timestamp: i64) -> Outcome {
    let status = response.status().as_u16();
    if acknowledge.accepts(status) {
        return Outcome::Delivered { status };
    }
    let reason = match status {
        300..=399 => Failure::Redirect,
        410 => Failure::Gone,
        _ => Failure::Status,
    };
    let retry_after = retry_after(response.headers(), timestamp);
    Outcome::Failed { status: Some(status), reason, retry_after }
}

fn retry_after(headers: &HeaderMap, timestamp: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let sent = || SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(timestamp.try_into().ok()?));
    Some(time.duration_since(date.or_else(sent)?).unwrap_or_default())
}

async fn drain(mut response: Incoming, body: &mut Vec<u8>, limit: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = response.frame().await {
        let Some(chunk) = frame.data_ref() else { continue };
        read += chunk.len();
        let wanted = EXCERPT_LIMIT.saturating_sub(body.len());
        body.extend(chunk.iter().take(wanted));
        if read >= limit {
            return;
        }
    }
}

/// At most [`EXCERPT_LIMIT`] bytes of text that can be shown.
fn excerpt(body: &[u8]) -> String {
    let mut text = String::with_capacity(body.len().min(EXCERPT_LIMIT));
    for character in String::from_utf8_lossy(body).chars() {
        let shown = match character {
            '\n' | '\t' => character,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        if text.len() + shown.len_utf8() > EXCERPT_LIMIT {
            break;
        }
        text.push(shown);
    }
    text
}

/// Why a sender could not be made.
#[derive(Debug, thiserror::Error)]
#[error("TLS could not be set up")]
pub struct SenderError(#[source] rustls::Error);
