//! Passing deliveries on to an application.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, USER_AGENT};
use reqwest::{Url, redirect};

/// How long the application may take. The server gives an attempt less.
const ANSWER: Duration = Duration::from_secs(30);
/// How much of its answer is passed back, in bytes.
const LIMIT: usize = 16 * 1024;

/// Where deliveries are passed on to.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    http: reqwest::Client,
    url: Url,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) enum Forwarded {
    /// The application answered.
    Answered { status: StatusCode, elapsed: Duration, body: Bytes },
    /// It did not.
    Failed { why: &'static str, elapsed: Duration },
}

impl Forward {
    /// To a URL on this machine or elsewhere.
    pub(super) fn to(url: &str) -> Result<Self> {
        let url =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.context("--forward-to must be a URL as http://localhost:3000/hook")?;
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().timeout(ANSWER);
        Ok(Self { http: client.build().context("there can be no HTTP client on this machine")?, url })
    }

    /// The body as it came, and the header fields that belong to it.
    pub(super) async fn pass_on(&self, headers: &HeaderMap, body: Bytes) -> Forwarded {
        let begun = Instant::now();
        let mut request = self.http.post(self.url.clone()).body(body);
        for (name, value) in headers {
            if name.as_str().starts_with("webhook-") || name == CONTENT_TYPE || name == USER_AGENT {
                request = request.header(name, value);
            }
        }
        let failed = |error: &reqwest::Error| {
            let why = if error.is_timeout() {
                "it does not answer in time"
            } else if error.is_connect() {
                "it can't be reached; does it run?"
            } else {
                "the connection broke off"
            };
            Forwarded::Failed { why, elapsed: begun.elapsed() }
        };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        let (status, mut body) = (response.status(), BytesMut::new());
        while body.len() < LIMIT {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend(chunk.iter().take(LIMIT.saturating_sub(body.len()))),
                Ok(None) => break,
                Err(error) => return failed(&error),
            }
        }
        Forwarded::Answered { status, elapsed: begun.elapsed(), body: body.freeze() }
    }
}
