//! Where the server is, and how it is used.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::OpenError;

/// How a PostgreSQL database is used.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    pub(super) config: Config,
    /// How many writes run at once. Default 8. Each has a connection, made when it is first needed.
    pub writers: usize,
    /// How many reads run at once. Default: twice the processors, from 4 to 16.
    pub readers: usize,
    /// How long a statement may take. Default 30 s.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock. Default 5 s.
    pub lock_timeout: Duration,
    /// How long a connection may take to come about. Default 5 s.
    pub connect_timeout: Duration,
    /// Whether statements are prepared. Set it to false behind a pooler that gives each transaction another
    /// connection, such as PgBouncer in transaction mode: then nothing is kept in a connection. Default true.
    pub prepare: bool,
}

impl PostgresOptions {
    /// The defaults for a database, given by a URL (`postgresql://user:password@host:port/name`) or by
    /// `key=value` pairs.
    ///
    /// # Errors
    /// [`OpenError::Url`] when it can't be read, [`OpenError::Tls`] when it asks for TLS.
    pub fn new(url: &str) -> Result<Self, OpenError> {
        let config = Config::from_str(url).map_err(|error| OpenError::Url { problem: describe(&error) })?;
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let options = Self {
            config,
            writers: 8,
            readers: (2 * processors).clamp(4, 16),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            prepare: true,
        };
        if options.config.get_hosts().is_empty() {
            return Err(OpenError::Url { problem: "it names no host".to_owned() });
        }
        match options.config.get_ssl_mode() {
            // "prefer" goes without it where it can't be had.
            SslMode::Disable | SslMode::Prefer => Ok(options),
            _ => Err(OpenError::Tls { place: options.place() }),
        }
    }

    /// The database without user and password.
    pub(crate) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(i, host)| {
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{name} at {}", hosts.join(","))
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("place", &self.place())
            .field("writers", &self.writers)
            .field("readers", &self.readers)
            .field("prepare", &self.prepare)
            .finish_non_exhaustive()
    }
}

/// The message with what lies behind it. It holds names of settings, never their values.
fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
