//! One delivery attempt.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use crate::key::SigningKey;
use crate::secret::Secret;
use crate::sign::headers;

/// How much of an answer is kept, in bytes.
const EXCERPT_LIMIT: usize = 4096;

/// Makes delivery attempts over HTTP.
///
/// Each attempt is a POST of the body with the three headers: no redirects, no proxy from the environment,
/// a deadline for all of it, and no more of the response than is set.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client,
    config: SenderConfig,
}

/// The limits of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct SenderConfig {
    /// Whether plain HTTP to this machine itself is allowed, for development. Default: no.
    pub allow_loopback_http: bool,
    /// From the start of the connection to the end of the response. Default: 15 s.
    pub deadline: Duration,
    /// How many bytes of the response are read, in bytes; the connection is closed when there are more.
    /// Default: 16 KiB.
    pub response_limit: usize,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self { allow_loopback_http: false, deadline: Duration::from_secs(15), response_limit: 16 * 1024 }
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
    /// The URL may not be called.
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
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("scim-webhook/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SenderError)?;
        Ok(Self { client, config })
    }

    /// Makes one attempt. The status decides; the rest of a response decides nothing.
    pub async fn send(&self, delivery: &Delivery<'_>) -> Report {
        let started = Instant::now();
        let (outcome, body) = match self.exchange(delivery).await {
            Ok(answered) => answered,
            Err(failure) => (Outcome::unanswered(failure), Vec::new()),
        };
        Report { outcome, elapsed: started.elapsed(), excerpt: excerpt(&body) }
    }

    /// Answers the outcome and the beginning of the response's body.
    async fn exchange(&self, delivery: &Delivery<'_>) -> Result<(Outcome, Vec<u8>), Failure> {
        let url = check_url(delivery.url, self.config.allow_loopback_http).map_err(|_| Failure::Refused)?;
        let headers = request_headers(delivery).ok_or(Failure::Refused)?;
        let request = self.client.post(url).headers(headers).body(delivery.body.clone());
        let deadline = tokio::time::Instant::now() + self.config.deadline;
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(e)) if e.is_connect() => return Err(Failure::Connect),
            Ok(Err(e)) if e.is_timeout() => return Err(Failure::Timeout),
            Ok(Err(_)) => return Err(Failure::Protocol),
            Err(_) => return Err(Failure::Timeout),
        };
        let outcome = judge(&response, delivery);
        // What is left is read so that the connection can be used again, and only as far as is fair.
        let mut body = Vec::new();
        let drained = drain(response, &mut body, self.config.response_limit);
        let _ = tokio::time::timeout_at(deadline, drained).await;
        Ok((outcome, body))
    }
}

/// The endpoint's headers, and over them those that are ours. `None`: one of them can't be sent.
fn request_headers(delivery: &Delivery<'_>) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(delivery.headers.len() + 4);
    for (name, value) in delivery.headers {
        map.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    }
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (secrets, keys) = (delivery.secrets, delivery.signing_keys);
    for (name, value) in headers(secrets, keys, delivery.id, delivery.timestamp, &delivery.body) {
        map.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
    }
    Some(map)
}

fn judge(response: &Response, delivery: &Delivery<'_>) -> Outcome {
    let status = response.status().as_u16();
    if delivery.acknowledge.accepts(status) {
        return Outcome::Delivered { status };
    }
    let reason = match status {
        300..=399 => Failure::Redirect,
        410 => Failure::Gone,
        _ => Failure::Status,
    };
    let retry_after = retry_after(response.headers(), delivery.timestamp);
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

async fn drain(mut response: Response, body: &mut Vec<u8>, limit: usize) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
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

/// Whether an endpoint may have this URL: HTTPS, a host, no user name, no fragment. With
/// `allow_loopback_http` also plain HTTP to `localhost` and loopback addresses.
///
/// # Errors
/// [`UrlError`] says what is wrong, without the URL.
pub fn check_url(text: &str, allow_loopback_http: bool) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::Syntax)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if allow_loopback_http && is_loopback(&url) => Ok(url),
        _ => Err(UrlError::Scheme),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// Why a URL can't be an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not an absolute URL.
    #[error("the endpoint's URL is not an absolute URL")]
    Syntax,
    /// It is not HTTPS.
    #[error("the endpoint's URL must begin with https://")]
    Scheme,
    /// It holds a user name or password.
    #[error("the endpoint's URL must not hold a user name or password")]
    Credentials,
    /// It holds a fragment, which would not be sent.
    #[error("the endpoint's URL must not hold a fragment")]
    Fragment,
}

/// Why a sender could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up")]
pub struct SenderError(#[source] reqwest::Error);
