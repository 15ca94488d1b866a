//! `scimd listen`: a receiver of webhooks for developers.

mod forward;
mod show;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use scim_webhook::{Secret, VerifyingKey, headers as signed_headers, verify, verify_asymmetric};
use serde_json::{Value, json};

use self::forward::{Forward, Forwarded};
use self::show::{Seen, Show};
use crate::cli::{ListenOptions, Source};
use crate::http::{HttpLimits, serve};
use crate::instance::{listen, now};
use crate::remote::{Client, Feed, full_type, given_key, query_of};
use crate::shutdown::{Shutdown, Stop};

/// The largest event that is taken, in bytes.
const BODY: usize = 64 << 20;

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn run(options: ListenOptions) -> Result<ExitCode> {
    let client = match given_key(&options.server)? {
        Some(key) => Some(Client::with_key(&options.server, key)?),
        None => None,
    };
    let key = match &options.secret {
        Some(text) => Key::parse(text.trim()).context("--secret can't be used")?,
        None => Key::Secret(fresh_secret()?),
    };
    let hook = Arc::new(Hook {
        key,
        status: options.status,
        forward: options.forward_to.as_deref().map(Forward::to).transpose()?,
        show: Show::new(options.server.json, options.body),
    });
    match options.from {
        Source::Webhooks => receive(&options, client, hook).await?,
        Source::Events => {
            let client =
                client.context("--from events needs an API key with events:read: set SCIMD_API_KEY")?;
            follow(&options, client, &hook).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes what the server delivers to this machine.
async fn receive(options: &ListenOptions, client: Option<Client>, hook: Arc<Hook>) -> Result<()> {
    ensure!(
        client.is_some() || options.secret.is_some(),
        "either an API key is needed (SCIMD_API_KEY), to make a webhook endpoint for this receiver, or --secret with \
         the signing secret of an endpoint that you made yourself"
    );
    if let Some(client) = &client {
        ensure!(
            client.is_local(),
            "the server at {} can't reach this machine: use --from events",
            client.server()
        );
    }
    let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router =
        Router::new().fallback(take).layer(DefaultBodyLimit::max(BODY)).with_state(Arc::clone(&hook));
    let stop = Stop::listen()?;
    let serving = Shutdown::new();
    let server = tokio::spawn(serve(listener, router, HttpLimits::default(), serving.phases()));
    let endpoint = match &client {
        Some(client) => Some(make_endpoint(client, options, &url, hook.secret()?).await?),
        None => None,
    };
    hook.show.ready(&url, &hook.key, endpoint.as_deref());
    stop.asked().await;
    // First nothing more is sent here, then nothing more is taken.
    if let (Some(client), Some(endpoint)) = (&client, &endpoint) {
        let removed = client.delete(&format!("/webhook_endpoints/{endpoint}")).await;
        removed.with_context(|| {
            format!("the endpoint is left behind; remove it with `scimd endpoints delete {endpoint}`")
        })?;
    }
    serving.close();
    let _ = server.await;
    Ok(())
}

/// Follows the event log, and does with each event as if it had been delivered.
async fn follow(options: &ListenOptions, client: Client, hook: &Hook) -> Result<()> {
    let secret = hook.secret()?;
    let stop = Stop::listen()?;
    let server = client.server().to_owned();
    let mut feed = Feed::open(client, query_of(&options.filter), "end").await?;
    hook.show.ready(&server, &hook.key, None);
    let stopped = stop.asked();
    tokio::pin!(stopped);
    loop {
        let told = tokio::select! {
            told = feed.next() => told?,
            () = &mut stopped => return Ok(()),
        };
        let id = told.event.get("id").and_then(Value::as_str).unwrap_or_default();
        let body = Bytes::from(told.body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in signed_headers(&[secret], &[], id, now().unix_seconds(), &body) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value)?);
        }
        let work = hook.take(&headers, body);
        tokio::select! {
            _ = work => {}
            () = &mut stopped => return Ok(()),
        }
    }
}

/// Answers the id of a webhook endpoint that is this receiver's own.
async fn make_endpoint(
    client: &Client,
    options: &ListenOptions,
    url: &str,
    secret: &Secret,
) -> Result<String> {
    let filter = &options.filter;
    let types: Vec<String> = filter.types.iter().map(|text| full_type(text)).collect();
    let body = json!({
        "url": url,
        "description": "scimd listen",
        "secret": secret.expose(),
        "event_types": types,
        "organization_ids": filter.organization,
        "directory_ids": filter.directory,
    });
    let made = client.post("/webhook_endpoints", &body).await.context(
        "no webhook endpoint could be made for this receiver. A server that may not send to http:// on this machine \
         (allow_loopback_http) is listened to with --from events",
    )?;
    made.get("id").and_then(Value::as_str).map(str::to_owned).context("the server's answer has no id")
}

fn fresh_secret() -> Result<Secret> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system has no random numbers")?;
    Ok(Secret::from_bytes(&random)?)
}

/// By what deliveries are verified.
#[derive(Debug)]
enum Key {
    /// The secret that is signed with.
    Secret(Secret),
    /// The public half of what is signed with.
    Verifying(VerifyingKey),
}

impl Key {
    fn parse(text: &str) -> Result<Self> {
        if text.starts_with("whpk_") {
            return Ok(Self::Verifying(VerifyingKey::parse(text)?));
        }
        Ok(Self::Secret(Secret::parse(text)?))
    }
}

/// The receiver.
#[derive(Debug)]
struct Hook {
    key: Key,
    /// What to answer, whatever comes.
    status: Option<u16>,
    forward: Option<Forward>,
    show: Show,
}

impl Hook {
    /// What can be signed with.
    fn secret(&self) -> Result<&Secret> {
        match &self.key {
            Key::Secret(secret) => Ok(secret),
            Key::Verifying(_) => bail!(
                "--secret whpk_… verifies only what an endpoint sends that you made yourself: leave out the API key \
                 (SCIMD_API_KEY) and --from events"
            ),
        }
    }

    /// Verifies, passes on, shows. Answers what is to be answered.
    async fn take(&self, headers: &HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let time = now().unix_seconds();
        let verified = match &self.key {
            Key::Secret(secret) => verify(secret, header, &body, time),
            Key::Verifying(key) => verify_asymmetric(key, header, &body, time),
        };
        let problem = verified.err();
        let forwarded = match &self.forward {
            Some(forward) => Some(forward.pass_on(headers, body.clone()).await),
            None => None,
        };
        let (status, answer) = match (&forwarded, self.status) {
            (_, Some(status)) => (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), Bytes::new()),
            (Some(Forwarded::Answered { status, body, .. }), None) => (*status, body.clone()),
            (Some(Forwarded::Failed { .. }), None) => (StatusCode::BAD_GATEWAY, Bytes::new()),
            (None, None) if problem.is_some() => (StatusCode::BAD_REQUEST, Bytes::new()),
            (None, None) => (StatusCode::OK, Bytes::new()),
        };
        let event = serde_json::from_slice(&body).unwrap_or_default();
        self.show.delivery(&Seen {
            id: header(scim_webhook::ID_HEADER).unwrap_or_default(),
            event: &event,
            problem: problem.map(|problem| problem.to_string()),
            answered: status.as_u16(),
            forwarded: forwarded.as_ref(),
        });
        (status, answer)
    }
}

async fn take(State(hook): State<Arc<Hook>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, answer) = hook.take(&headers, body).await;
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = status;
    response
}
