//! A client of the API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Response, Url, redirect};
use serde_json::Value;

use crate::api::PREFIX;
use crate::cli::ServerOptions;
use crate::terminal::printable;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// Asks one server with one key.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    key: String,
}

impl Client {
    /// A client as the command line says.
    pub(crate) fn new(options: &ServerOptions) -> Result<Self> {
        let key = key(options)?.with_context(|| {
            "an API key is needed: put it into SCIMD_API_KEY. `scimd serve` prints the first one when there is \
             none; `scimd api-key create --config scimd.toml --name NAME --scope all` makes another"
        })?;
        Self::with_key(options, key)
    }

    /// A client if the command line has a key.
    pub(crate) fn with_key(options: &ServerOptions, key: String) -> Result<Self> {
        let server = options.server.trim_end_matches('/');
        let url = Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let server =
            url.with_context(|| format!("--server must be a URL as https://scim.example.com, not {server}"))?;
        let builder = reqwest::Client::builder().redirect(redirect::Policy::none()).connect_timeout(ANSWER);
        // A proxy of the environment can't reach this machine as this machine does.
        let builder = if is_loopback(&server) { builder.no_proxy() } else { builder };
        let http = builder.build().context("there can be no HTTP client on this machine")?;
        Ok(Self { http, server, key })
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.server)
    }

    /// The server's URL.
    pub(crate) fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.json(Method::GET, path, query, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(Method::PATCH, path, &[], Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.json(Method::DELETE, path, &[], None).await.map(drop)
    }

    /// A stream of events, without a time limit.
    pub(crate) async fn stream(&self, query: &[(&str, String)], last: Option<&str>) -> Result<Response> {
        let mut request = self.request(Method::GET, "/events", query).header(ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.checked(request.send().await).await
    }

    /// What is answered to a POST, to be read as it comes.
    pub(crate) async fn post_for_stream(&self, path: &str, body: &Value) -> Result<Response> {
        let request = self.request(Method::POST, path, &[]).header(CONTENT_TYPE, "application/json");
        self.checked(request.body(body.to_string()).send().await).await
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let mut request = self.request(method, path, query).timeout(ANSWER);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = self.checked(request.send().await).await?;
        let text = response.text().await.context("the answer of the server broke off")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| self.stranger())
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut url = self.server.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{PREFIX}{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// An answer that is a success; else what the server says is wrong.
    async fn checked(&self, answer: Result<Response, reqwest::Error>) -> Result<Response> {
        let response = match answer {
            Ok(response) => response,
            // The error of the library would repeat the URL with its query.
            Err(error) => {
                let why = if error.is_timeout() { "does not answer in time" } else { "can't be reached" };
                bail!(
                    "the server at {} {why}. Does it run? Another one is named by --server or SCIMD_SERVER",
                    self.server()
                );
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Value =
            serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
        let Some(detail) = problem.get("detail").and_then(Value::as_str).map(printable) else {
            bail!("{} (status {status})", self.stranger());
        };
        let sentence = match status.as_u16() {
            401 => format!("{detail}. Look at SCIMD_API_KEY, or --api-key and --api-key-file"),
            403 => format!("{detail}: use a key that has it; `scimd api-key create` makes one"),
            500..=599 => {
                let id = problem.get("request_id").and_then(Value::as_str).map(printable).unwrap_or_default();
                bail!("{detail} (status {status}, {id})")
            }
            _ => detail,
        };
        Err(Refusal { sentence }.into())
    }

    fn stranger(&self) -> String {
        format!("the server at {} answers, but not as scimd does", self.server())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.server()).finish_non_exhaustive()
    }
}

/// What a server says that does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Refusal {
    sentence: String,
}

/// The key that the command line, a file or the environment gives.
pub(crate) fn key(options: &ServerOptions) -> Result<Option<String>> {
    match (&options.api_key, &options.api_key_file) {
        (Some(key), _) => Ok(Some(key.trim().to_owned())),
        (None, Some(file)) => read_secret(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// The one line of a file.
pub(crate) fn read_secret(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    Ok(text.trim().to_owned())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
