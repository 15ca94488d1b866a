//! Where events go, and under which names.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use crate::error::NatsError;

/// Where events go: servers, stream and subjects.
///
/// `NatsConfig { stream: "EVENTS".into(), ..NatsConfig::at("nats://127.0.0.1:4222") }`
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct NatsConfig {
    /// `nats://host:4222`, or `tls://host:4222` where the connection must be encrypted; several servers of one
    /// cluster have a comma between them. May hold `user:password@` or `token@`. Never shown.
    pub url: String,
    /// A file with a user's JWT and seed, as `nsc` writes it, or with a seed alone. Read with each connection.
    pub credentials_file: Option<PathBuf>,
    /// PEM certificates of who vouches for the servers, in place of those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// The stream. Default: `scimd`.
    pub stream: String,
    /// What subjects begin with. Default: `scimd.events`.
    pub subject_prefix: String,
    /// How the stream is made where it is not there. A stream that is there stays as it is.
    pub new_stream: NewStream,
    /// How long a server has for an answer. Default: 10 s.
    pub timeout: Duration,
}

/// How a stream is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct NewStream {
    /// How long it keeps events; zero for ever. Default: 30 days.
    pub max_age: Duration,
    /// How many bytes of events it keeps; then the oldest go. Default: no limit.
    pub max_bytes: Option<u64>,
    /// For how long it knows the ids of its events, and takes none of them again. Default: 2 minutes.
    pub duplicate_window: Duration,
    /// On how many servers of a cluster it is, 1 to 5. Default: 1.
    pub replicas: usize,
}

impl NatsConfig {
    /// The defaults, for servers at this URL.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials_file: None,
            ca_file: None,
            stream: "scimd".to_owned(),
            subject_prefix: "scimd.events".to_owned(),
            new_stream: NewStream::default(),
            timeout: Duration::from_secs(10),
        }
    }

    /// The subjects of all events.
    pub(crate) fn subjects(&self) -> String {
        format!("{}.>", self.subject_prefix)
    }

    pub(crate) fn check(&self) -> Result<Servers, NatsError> {
        let invalid = |field, problem| Err(NatsError::Invalid { field, problem });
        let name = self.stream.as_str();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c)) {
            return invalid("stream", "must be a name without blanks, dots, slashes, * and >");
        }
        let is_token = |token: &str| {
            !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || "*>".contains(c))
        };
        if self.subject_prefix.starts_with('$') || !self.subject_prefix.split('.').all(is_token) {
            return invalid(
                "subject_prefix",
                "must be words with dots between them, without blanks, * and >",
            );
        }
        let (window, age) = (self.new_stream.duplicate_window, self.new_stream.max_age);
        if window < Duration::from_millis(100) || (!age.is_zero() && window > age) {
            return invalid("duplicate_window", "must be at least 100 ms, and not longer than max_age");
        }
        if !(1..=5).contains(&self.new_stream.replicas) {
            return invalid("replicas", "must be 1 to 5");
        }
        if self.new_stream.max_bytes.is_some_and(|bytes| bytes == 0 || i64::try_from(bytes).is_err()) {
            return invalid("max_bytes", "must not be 0");
        }
        if self.timeout.is_zero() {
            return invalid("timeout", "must not be 0");
        }
        Servers::parse(&self.url)
    }
}

impl Default for NewStream {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(30 * 24 * 60 * 60),
            max_bytes: None,
            duplicate_window: Duration::from_secs(120),
            replicas: 1,
        }
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("url", &"…")
            .field("credentials_file", &self.credentials_file)
            .field("ca_file", &self.ca_file)
            .field("stream", &self.stream)
            .field("subject_prefix", &self.subject_prefix)
            .field("new_stream", &self.new_stream)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// What the URL says. The addresses hold no secrets: the client logs them.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) addresses: Vec<ServerAddr>,
    pub(crate) login: Option<Login>,
    /// Hosts and ports, for people.
    pub(crate) shown: String,
}

/// How the URL says who we are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password(String, String),
    Token(String),
}

impl Servers {
    fn parse(text: &str) -> Result<Self, NatsError> {
        const NOT_A_URL: NatsError = NatsError::Invalid {
            field: "url",
            problem: "must be nats://host:port or tls://host:port, with commas between several",
        };
        let mut servers = Self { addresses: Vec::new(), login: None, shown: String::new() };
        for part in text.split(',').map(str::trim) {
            let address: ServerAddr = part.parse().map_err(|_| NOT_A_URL)?;
            if !matches!(address.scheme(), "nats" | "tls") || address.host().is_empty() {
                return Err(NOT_A_URL);
            }
            let between = if servers.shown.is_empty() { "" } else { ", " };
            servers.shown = format!("{}{between}{}:{}", servers.shown, address.host(), address.port());
            let mut url = address.into_inner();
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let login = match (url.username(), url.password()) {
                ("", None) => None,
                (token, None) => Some(Login::Token(decoded(token))),
                (user, Some(password)) => Some(Login::Password(decoded(user), decoded(password))),
            };
            if servers.login.is_some() && login.is_some() && login != servers.login {
                return Err(NatsError::Invalid { field: "url", problem: "must not name two users" });
            }
            servers.login = servers.login.or(login);
            url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| NOT_A_URL)?;
            servers.addresses.push(ServerAddr::from_url(url).map_err(|_| NOT_A_URL)?);
        }
        Ok(servers)
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// Whether every subject of a pattern is one of another pattern.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide, mut narrow) = (wide.split('.'), narrow.split('.'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(own), Some(token)) if own == token => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_says() {
        for wide in ["a.b.>", "a.>", ">", "*.b.>", "*.*.>", "a.*.>"] {
            assert!(covers(wide, "a.b.>"), "{wide}");
        }
        for wide in ["a.b.*", "a.b", "a.b.c.>", "b.>", "a.c.>", "a.b.c", "*", "*.*", "*.*.*"] {
            assert!(!covers(wide, "a.b.>"), "{wide}");
        }
        assert!(covers("a.b", "a.b") && covers("a.*", "a.b") && !covers("a.*", "a.b.c"));
    }

    #[test]
    fn a_url_names_servers_and_one_user() {
        let servers = Servers::parse("nats://ann:p%40ss@a.example:4223, tls://b.example").unwrap();
        assert_eq!(servers.shown, "a.example:4223, b.example:4222");
        assert!(servers.login == Some(Login::Password("ann".into(), "p@ss".into())));
        let urls: Vec<_> = servers.addresses.iter().map(|address| address.clone().into_inner()).collect();
        assert_eq!(urls[0].as_str(), "nats://a.example:4223");
        assert_eq!((urls[1].scheme(), urls[1].host_str()), ("tls", Some("b.example")));
        assert!(Servers::parse("nats://s3cret@a").unwrap().login == Some(Login::Token("s3cret".into())));
        assert!(Servers::parse("127.0.0.1:4222").unwrap().login.is_none());
        for wrong in
            ["", "http://a", "ws://a", "nats://", "nats://a:x", "nats://a,", "nats://u:p@a,nats://v:p@a"]
        {
            let error = Servers::parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("url must "), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = NatsConfig::at("nats://127.0.0.1");
        assert!(good.check().is_ok());
        let minute = Duration::from_secs(60);
        let short = NewStream { max_age: minute, ..NewStream::default() };
        for (field, wrong) in [
            ("stream", NatsConfig { stream: "a.b".into(), ..good.clone() }),
            ("stream", NatsConfig { stream: String::new(), ..good.clone() }),
            ("subject_prefix", NatsConfig { subject_prefix: "a..b".into(), ..good.clone() }),
            ("subject_prefix", NatsConfig { subject_prefix: "a.>".into(), ..good.clone() }),
            ("subject_prefix", NatsConfig { subject_prefix: "$JS.a".into(), ..good.clone() }),
            ("duplicate_window", NatsConfig { new_stream: short.clone(), ..good.clone() }),
            (
                "replicas",
                NatsConfig { new_stream: NewStream { replicas: 0, ..NewStream::default() }, ..good.clone() },
            ),
            (
                "max_bytes",
                NatsConfig {
                    new_stream: NewStream { max_bytes: Some(0), ..NewStream::default() },
                    ..good.clone()
                },
            ),
            ("timeout", NatsConfig { timeout: Duration::ZERO, ..good.clone() }),
            ("url", NatsConfig::at("nonsense://x")),
        ] {
            let error = wrong.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field} must ")), "{error}");
        }
        let fits = NewStream { duplicate_window: minute, ..short };
        assert!(NatsConfig { new_stream: fits, ..good }.check().is_ok());
    }

    #[test]
    fn no_secret_is_shown() {
        let config = NatsConfig::at("nats://ann:hunter2@127.0.0.1");
        let servers = config.check().unwrap();
        assert!(!format!("{config:?} {servers:?} {:?}", servers.addresses).contains("hunter2"));
    }
}
