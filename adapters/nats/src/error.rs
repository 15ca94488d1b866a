//! What goes wrong.

use std::path::PathBuf;

/// Why events can't be published: one sentence, which says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The configuration can't be used.
    #[error("{field} {problem}")]
    Invalid {
        /// The field of the configuration.
        field: &'static str,
        /// What is wrong, as the rest of a sentence.
        problem: &'static str,
    },
    /// There is no connection.
    #[error(
        "NATS at {servers} can't be reached ({reason}): is nats-server running there, and is the URL right?"
    )]
    Unreachable {
        /// Hosts and ports.
        servers: String,
        /// What the machine says.
        reason: String,
    },
    /// The server does not know us.
    #[error("NATS at {servers} does not let us in: check the user in the URL, or the credentials file")]
    NotLetIn {
        /// Hosts and ports.
        servers: String,
    },
    /// A file of the configuration can't be used.
    #[error("the {what} {} can't be used: {reason}", path.display())]
    File {
        /// What kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server keeps no streams.
    #[error("NATS at {servers} has no JetStream: start nats-server with -js, or enable it for the account")]
    NoJetStream {
        /// Hosts and ports.
        servers: String,
    },
    /// The stream is there, and is for something else.
    #[error(
        "the stream {stream} is there and takes {subjects}, not {wanted}: add that subject to it, or configure \
         another stream or subject prefix"
    )]
    OtherSubjects {
        /// The stream.
        stream: String,
        /// What it takes.
        subjects: String,
        /// What it would have to take.
        wanted: String,
    },
    /// The stream can't be made, or not be asked for.
    #[error("the stream {stream} can't be {what}: {reason}")]
    Stream {
        /// The stream.
        stream: String,
        /// `made` or `looked at`.
        what: &'static str,
        /// What the server says.
        reason: String,
    },
    /// The server did not take an event.
    #[error("the stream {stream} does not take event {event}: {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// The event.
        event: String,
        /// What the server says.
        reason: String,
    },
    /// The server did not say whether it took events.
    #[error(
        "NATS at {servers} has not acknowledged event {event} within {seconds} s: the event is sent again"
    )]
    Unacknowledged {
        /// Hosts and ports.
        servers: String,
        /// The event.
        event: String,
        /// How long the answer took at least.
        seconds: u64,
    },
    /// The connection ended, or the server did not like what it got.
    #[error("the connection to NATS at {servers} ended: {reason}")]
    Lost {
        /// Hosts and ports.
        servers: String,
        /// What is known of it.
        reason: String,
    },
}
