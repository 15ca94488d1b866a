//! One delivery attempt.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use crate::secret::Secret;
use crate::sign::headers;

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
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an attempt is acknowledged or it is not")]
pub enum Outcome {
    /// The receiver acknowledged with this 2xx status.
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
        /// The receiver's wish when to try again (RFC 9110 §10.2.3), where it is given in seconds.
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

    /// Makes one attempt. Any 2xx acknowledges; the rest of such a response decides nothing.
    pub async fn send(&self, delivery: &Delivery<'_>) -> Outcome {
        let Ok(url) = check_url(delivery.url, self.config.allow_loopback_http) else {
            return Outcome::unanswered(Failure::Refused);
        };
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(delivery.body.clone());
        for (name, value) in headers(delivery.secrets, delivery.id, delivery.timestamp, &delivery.body) {
            request = request.header(name, value);
        }
        let deadline = tokio::time::Instant::now() + self.config.deadline;
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(e)) if e.is_connect() => return Outcome::unanswered(Failure::Connect),
            Ok(Err(e)) if e.is_timeout() => return Outcome::unanswered(Failure::Timeout),
            Ok(Err(_)) => return Outcome::unanswered(Failure::Protocol),
            Err(_) => return Outcome::unanswered(Failure::Timeout),
        };
        let outcome = judge(&response);
        // What is left is read so that the connection can be used again, and only as far as is fair.
        let _ = tokio::time::timeout_at(deadline, drain(response, self.config.response_limit)).await;
        outcome
    }
}

fn judge(response: &Response) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Delivered { status: status.as_u16() };
    }
    let reason = match status.as_u16() {
        300..=399 => Failure::Redirect,
        410 => Failure::Gone,
        _ => Failure::Status,
    };
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
    Outcome::Failed {
        status: Some(status.as_u16()),
        reason,
        retry_after: retry_after.map(Duration::from_secs),
    }
}

async fn drain(mut response: Response, limit: usize) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= limit {
            return;
        }
    }
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
