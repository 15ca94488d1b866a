//! A connection to NATS, with its stream made sure of.

use std::path::Path;
use std::sync::Arc;

use async_nats::connection::State;
use async_nats::jetstream::context::{
    ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use tokio::sync::watch;

use crate::config::{Login, NatsConfig, Servers, covers};
use crate::error::NatsError;

/// How often the client tries to come back on its own. What it has not sent by then is lost with it, and comes again.
const RECONNECTS: usize = 8;

/// A connection that was there a moment ago.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) context: jetstream::Context,
    client: Client,
    servers: String,
    /// What went wrong with it.
    trouble: watch::Receiver<Option<String>>,
}

impl Connection {
    /// Connects, and makes sure of the stream.
    pub(crate) async fn open(config: &NatsConfig, servers: &Servers) -> Result<Self, NatsError> {
        let (tell, trouble) = watch::channel(None);
        let tell = Arc::new(tell);
        let mut options = ConnectOptions::new()
            .name("scim-nats")
            .connection_timeout(config.timeout)
            .request_timeout(Some(config.timeout))
            .max_reconnects(RECONNECTS)
            .event_callback(move |event| {
                let tell = Arc::clone(&tell);
                async move {
                    if let Some(reason) = reason(&event) {
                        tell.send_replace(Some(reason));
                    }
                }
            });
        options = match servers.login.clone() {
            None => options,
            Some(Login::Token(token)) => options.token(token),
            Some(Login::Password(user, password)) => options.user_and_password(user, password),
        };
        if let Some(path) = &config.credentials_file {
            options = credentials(options, path)?;
        }
        if let Some(path) = &config.ca_file {
            std::fs::metadata(path)
                .map_err(|error| wrong_file("file of certificates", path, &error.to_string()))?;
            options = options.add_root_certificates(path.clone());
        }
        let connecting = options.connect(servers.addresses.as_slice());
        let shown = || servers.shown.clone();
        // The client's own limit is for each address that a name has.
        let client = match tokio::time::timeout(config.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    NatsError::NotLetIn { servers: shown() }
                }
                _ => NatsError::Unreachable { servers: shown(), reason: error.to_string() },
            })?,
            Err(_) => {
                return Err(NatsError::Unreachable { servers: shown(), reason: "timed out".to_owned() });
            }
        };
        let context = ContextBuilder::new().timeout(config.timeout).build(client.clone());
        let connection = Self { context, client, servers: shown(), trouble };
        tokio::select! {
            biased;
            made = connection.make_sure_of_stream(config) => made?,
            reason = connection.lost() => return Err(reason),
        }
        Ok(connection)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected && self.trouble.borrow().is_none()
    }

    /// How large a message may be, with its headers.
    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Comes back when the connection ends.
    pub(crate) async fn lost(&self) -> NatsError {
        let mut trouble = self.trouble.clone();
        let reason = match trouble.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        NatsError::Lost { servers: self.servers.clone(), reason: reason.unwrap_or_default() }
    }

    async fn make_sure_of_stream(&self, config: &NatsConfig) -> Result<(), NatsError> {
        let stream = || config.stream.clone();
        let no_jetstream = || NatsError::NoJetStream { servers: self.servers.clone() };
        let wanted = config.subjects();
        let found = match self.context.get_stream(&config.stream).await {
            Ok(found) => found,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return self.make_stream(config, wanted).await;
                }
                GetStreamErrorKind::JetStream(error) if is_off(error.error_code()) => {
                    return Err(no_jetstream());
                }
                _ if is_unanswered(&error) => return Err(no_jetstream()),
                _ => {
                    let reason = error.to_string();
                    return Err(NatsError::Stream { stream: stream(), what: "looked at", reason });
                }
            },
        };
        let subjects = &found.cached_info().config.subjects;
        if subjects.iter().any(|subject| covers(subject, &wanted)) {
            return Ok(());
        }
        Err(NatsError::OtherSubjects { stream: stream(), subjects: subjects.join(", "), wanted })
    }

    async fn make_stream(&self, config: &NatsConfig, subjects: String) -> Result<(), NatsError> {
        let new = &config.new_stream;
        let made = self.context.create_stream(Config {
            name: config.stream.clone(),
            description: Some("Events of directories".to_owned()),
            subjects: vec![subjects],
            storage: StorageType::File,
            max_age: new.max_age,
            max_bytes: new.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1),
            duplicate_window: new.duplicate_window,
            num_replicas: new.replicas,
            allow_direct: true,
            ..Config::default()
        });
        match made.await {
            Ok(_) => {
                tracing::info!(stream = config.stream, "the stream was made");
                Ok(())
            }
            Err(error) => {
                let reason = match error.kind() {
                    CreateStreamErrorKind::JetStream(error)
                        if error.error_code() == ErrorCode::STREAM_SUBJECT_OVERLAP =>
                    {
                        format!("another stream takes subjects of {}", config.subjects())
                    }
                    _ => error.to_string(),
                };
                Err(NatsError::Stream { stream: config.stream.clone(), what: "made", reason })
            }
        }
    }
}

/// What ends the use of a connection.
fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Disconnected => Some("it broke".to_owned()),
        Event::Closed => Some("it was closed".to_owned()),
        Event::LameDuckMode => Some("the server is about to stop".to_owned()),
        // What is not permitted is not answered.
        Event::ServerError(ServerError::Other(text)) => Some(text.clone()),
        Event::ServerError(error) => Some(error.to_string()),
        _ => None,
    }
}

fn credentials(options: ConnectOptions, path: &Path) -> Result<ConnectOptions, NatsError> {
    let wrong = |reason: &str| wrong_file("credentials file", path, reason);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let seed = text.trim();
    if seed.starts_with("SU") && !seed.contains(char::is_whitespace) {
        return Ok(options.nkey(seed.to_owned()));
    }
    // What the client says of it might hold some of it.
    options.credentials(&text).map_err(|_| wrong("it holds neither a user's JWT and seed nor a seed"))
}

fn wrong_file(what: &'static str, path: &Path, reason: &str) -> NatsError {
    NatsError::File { what, path: path.to_owned(), reason: reason.to_owned() }
}

fn is_off(code: ErrorCode) -> bool {
    code == ErrorCode::JETSTREAM_NOT_ENABLED || code == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
}

/// Whether nobody listens to what JetStream is asked.
fn is_unanswered(error: &(dyn std::error::Error + 'static)) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<RequestError>());
    source.is_some_and(|source| source.kind() == RequestErrorKind::NoResponders)
}
