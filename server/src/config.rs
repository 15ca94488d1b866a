//! The configuration file of `scimd serve`. Every key has a default but those that name what is served;
//! `server/scimd.example.toml` shows them all.

mod set_stream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use scim_core::ServiceConfig;
use scim_directory::{
    Deactivation, EndpointSettings, EventOptions, EventType, Normalizer, Ordering, Profile, Provider,
};
use scim_webhook::{Acknowledge, Policy, Secret};
use serde::Deserialize;

pub(crate) use self::set_stream::SetStream;
use crate::database::{DatabasePlace, DatabaseUrl};
use crate::http::HttpLimits;
use crate::instance::Telling;
use crate::logging::Format;
use crate::nats::{self, Publishing};
use crate::routes::RequestLimits;

/// The environment variable with an API key for the server to take.
const API_KEY: &str = "SCIMD_INITIAL_API_KEY";

/// What the file holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// The URL under which identity providers reach this server, without `/scim/v2`.
    pub(crate) base_url: String,
    /// The folder of the database and the keys.
    pub(crate) data: PathBuf,
    /// `sqlite://` and a path, or `postgres://…`; default: `scimd.db` in the data folder.
    database: Option<SecretText>,
    #[serde(default)]
    postgres: Postgres,
    /// Whether a proxy that ends TLS stands before this server.
    #[serde(default)]
    pub(crate) trusted_proxy: bool,
    /// Whether webhooks may go to plain HTTP on this machine.
    #[serde(default)]
    allow_loopback_http: bool,
    /// Networks that webhooks may go to although they are not public.
    #[serde(default)]
    allowed_networks: Vec<String>,
    /// A file with an API key that may do everything.
    api_key_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    events: Events,
    nats: Option<nats::Section>,
    #[serde(default)]
    limits: Limits,
    #[serde(default, rename = "organization")]
    pub(crate) organizations: Vec<Organization>,
    #[serde(default, rename = "webhook")]
    pub(crate) webhooks: Vec<Webhook>,
    #[serde(default, rename = "set_stream")]
    pub(crate) set_streams: Vec<SetStream>,
}

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: Format,
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Json, level: "info".to_owned() }
    }
}

/// `[events]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Events {
    deactivation: String,
    member_events: bool,
    raw_attributes: bool,
    retention_days: u32,
}

impl Default for Events {
    fn default() -> Self {
        let deactivation = Deactivation::default().as_str().to_owned();
        Self { deactivation, member_events: false, raw_attributes: true, retention_days: 90 }
    }
}

/// `[postgres]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Postgres {
    prepare: Option<bool>,
    writers: Option<usize>,
    readers: Option<usize>,
}

/// `[[organization]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organization {
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    #[serde(default, rename = "directory")]
    pub(crate) directories: Vec<Directory>,
}

/// `[[organization.directory]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    pub(crate) name: String,
    #[serde(default = "default_provider")]
    provider: String,
}

impl Directory {
    /// The identity provider.
    pub(crate) fn provider(&self) -> Result<Provider> {
        Provider::parse(&self.provider)
            .with_context(|| format!("provider of directory \"{}\" is not one that is known", self.name))
    }
}

/// `[[webhook]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    secret: Option<SecretText>,
    secret_file: Option<PathBuf>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default = "default_profile")]
    profile: String,
    #[serde(default = "default_acknowledge")]
    acknowledge: String,
    #[serde(default = "default_ordering")]
    ordering: String,
    rate: Option<u32>,
    concurrency: Option<u32>,
}

/// Never shown, also not by an error of the parser.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(String);

impl SecretText {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Webhook {
    /// Where events go, which of them, and how.
    pub(crate) fn settings(&self) -> Result<EndpointSettings> {
        let types = self.event_types.iter().map(|name| {
            EventType::parse(name).with_context(|| format!("event_types: there is no event type {name}"))
        });
        Ok(EndpointSettings {
            url: self.url.clone(),
            description: self.description.clone(),
            event_types: types.collect::<Result<_>>()?,
            profile: Profile::parse(&self.profile).context("profile must be \"standard\" or \"scalekit\"")?,
            acknowledge: Acknowledge::parse(&self.acknowledge)
                .context("acknowledge must be \"2xx\" or \"200-201\"")?,
            ordering: Ordering::parse(&self.ordering).context("ordering must be \"latest\" or \"strict\"")?,
            rate: self.rate,
            concurrency: self.concurrency,
            ..EndpointSettings::default()
        })
    }

    /// The signing secret, if one is configured.
    pub(crate) fn secret(&self) -> Result<Option<Secret>> {
        let text = match (&self.secret, &self.secret_file) {
            (Some(_), Some(_)) => bail!("webhook has both secret and secret_file; keep one of them"),
            (Some(secret), None) => secret.0.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("secret_file {} can't be read", path.display()))?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Secret::parse(text.trim()).context("secret of a webhook is not a signing secret")?))
    }
}

/// `[limits]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    body_bytes: usize,
    group_body_bytes: usize,
    bulk_body_bytes: usize,
    bulk_operations: usize,
    patch_operations: usize,
    page_size: usize,
    page_size_default: usize,
    header_bytes: usize,
    header_fields: usize,
    connections: usize,
    head_seconds: u64,
    body_seconds: u64,
    handler_seconds: u64,
    idle_seconds: u64,
    drain_seconds: u64,
    failed_authentications_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (service, http, request) =
            (ServiceConfig::default(), HttpLimits::default(), RequestLimits::default());
        Self {
            body_bytes: service.max_body,
            group_body_bytes: service.max_members_body,
            bulk_body_bytes: service.max_bulk_body,
            bulk_operations: service.max_bulk_operations,
            patch_operations: service.max_patch_operations,
            page_size: service.max_page_size,
            page_size_default: service.default_page_size,
            header_bytes: request.header_bytes,
            header_fields: request.header_fields,
            connections: http.connections,
            head_seconds: http.head_time.as_secs(),
            body_seconds: request.body_time.as_secs(),
            handler_seconds: request.handler_time.as_secs(),
            idle_seconds: http.idle_time.as_secs(),
            drain_seconds: http.drain_time.as_secs(),
            failed_authentications_per_minute: 10,
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_profile() -> String {
    Profile::default().as_str().to_owned()
}

fn default_acknowledge() -> String {
    Acknowledge::default().as_str().to_owned()
}

fn default_ordering() -> String {
    Ordering::default().as_str().to_owned()
}

fn default_provider() -> String {
    "generic".to_owned()
}

impl Config {
    /// Where webhooks may go.
    pub(crate) fn endpoint_policy(&self) -> Result<Policy> {
        let networks = self
            .allowed_networks
            .iter()
            .map(|text| text.parse().with_context(|| format!("allowed_networks: \"{text}\" can't be used")));
        Ok(Policy {
            allow_loopback_http: self.allow_loopback_http,
            allowed_networks: networks.collect::<Result<_>>()?,
            ..Policy::default()
        })
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// One sentence that names the file, and the key where it is one.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration file {} can't be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("the configuration file {} is wrong", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut config: Self = toml::from_str(text).map_err(|error| sentence(text, &error))?;
        config.base_url.truncate(config.base_url.trim_end_matches('/').len());
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let url: http::Uri = self.base_url.parse().context("base_url is not a URL")?;
        let secure = url.scheme_str() == Some("https");
        ensure!(secure || url.scheme_str() == Some("http"), "base_url must begin with https:// or http://");
        ensure!(url.query().is_none(), "base_url must not have a query");
        let plain_to_all = !self.listen.ip().is_loopback() && !self.trusted_proxy;
        ensure!(
            !plain_to_all,
            "listen is {}, which is not this machine alone, but this server speaks plain HTTP: listen on \
             127.0.0.1, or set trusted_proxy = true if a proxy that ends TLS stands before it",
            self.listen
        );
        let limits = &self.limits;
        for (key, value) in [
            ("body_bytes", limits.body_bytes),
            ("group_body_bytes", limits.group_body_bytes),
            ("bulk_body_bytes", limits.bulk_body_bytes),
            ("bulk_operations", limits.bulk_operations),
            ("patch_operations", limits.patch_operations),
            ("page_size", limits.page_size),
            ("page_size_default", limits.page_size_default),
            ("header_bytes", limits.header_bytes),
            ("header_fields", limits.header_fields),
            ("connections", limits.connections),
        ] {
            ensure!(value > 0, "limits.{key} must not be 0");
        }
        for (key, value) in [
            ("head_seconds", limits.head_seconds),
            ("body_seconds", limits.body_seconds),
            ("handler_seconds", limits.handler_seconds),
            ("idle_seconds", limits.idle_seconds),
        ] {
            ensure!(value > 0, "limits.{key} must not be 0");
        }
        ensure!(limits.drain_seconds <= 20, "limits.drain_seconds must not be more than 20");
        ensure!(!self.organizations.is_empty(), "there must be at least one [[organization]]");
        for organization in &self.organizations {
            ensure!(!organization.name.trim().is_empty(), "name of an organization must not be empty");
            for directory in &organization.directories {
                ensure!(!directory.name.trim().is_empty(), "name of a directory must not be empty");
                directory.provider()?;
            }
        }
        let policy = self.endpoint_policy()?;
        for webhook in &self.webhooks {
            scim_webhook::check_url(&webhook.url, &policy).context("url of a webhook can't be used")?;
            webhook.settings().with_context(|| format!("webhook {}", webhook.url))?;
            webhook.secret()?;
        }
        for stream in &self.set_streams {
            stream.check(&policy)?;
        }
        ensure!(
            Deactivation::parse(&self.events.deactivation).is_some(),
            "events.deactivation must be \"deleted\" or \"updated\""
        );
        self.nats()?;
        for (key, value) in [("writers", self.postgres.writers), ("readers", self.postgres.readers)] {
            ensure!(value != Some(0), "postgres.{key} must not be 0");
        }
        self.database(None).map(drop)
    }

    /// Where the database is; `url` goes before what the file says.
    pub(crate) fn database(&self, url: Option<&DatabaseUrl>) -> Result<DatabasePlace> {
        let mut place = match (url, &self.database) {
            (Some(url), _) => url.place()?,
            (None, Some(url)) => DatabasePlace::parse(&url.0).context("database can't be used")?,
            (None, None) => DatabasePlace::File(self.data.join("scimd.db")),
        };
        if let DatabasePlace::Server(options) = &mut place {
            options.prepare = self.postgres.prepare.unwrap_or(options.prepare);
            options.writers = self.postgres.writers.unwrap_or(options.writers);
            options.readers = self.postgres.readers.unwrap_or(options.readers);
        }
        Ok(place)
    }

    /// Whether and how events go to NATS.
    pub(crate) fn nats(&self) -> Result<Option<Publishing>> {
        self.nats.as_ref().map(nats::Section::publishing).transpose().context("[nats]")
    }

    /// The API key that is given to the server, by the environment or by a file; else it makes a first one.
    pub(crate) fn api_key(&self) -> Result<Option<String>> {
        if let Ok(key) = std::env::var(API_KEY) {
            return Ok(Some(key.trim().to_owned()));
        }
        let Some(file) = &self.api_key_file else { return Ok(None) };
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("api_key_file {} can't be read", file.display()))?;
        Ok(Some(text.trim().to_owned()))
    }

    /// What is done with events.
    pub(crate) fn telling(&self) -> Telling {
        let Events { member_events, raw_attributes, retention_days, .. } = self.events;
        let deactivation = Deactivation::parse(&self.events.deactivation).unwrap_or_default();
        let days = u64::from(retention_days);
        Telling {
            options: EventOptions { deactivation, member_events },
            normalizer: Normalizer { raw_attributes },
            retention: (days > 0).then(|| Duration::from_secs(days.saturating_mul(24 * 3600))),
        }
    }

    /// The options of the SCIM service.
    pub(crate) fn service(&self) -> ServiceConfig {
        ServiceConfig {
            max_body: self.limits.body_bytes,
            max_members_body: self.limits.group_body_bytes,
            max_bulk_body: self.limits.bulk_body_bytes,
            max_bulk_operations: self.limits.bulk_operations,
            max_patch_operations: self.limits.patch_operations,
            max_page_size: self.limits.page_size,
            default_page_size: self.limits.page_size_default,
            ..ServiceConfig::default()
        }
    }

    /// The limits of connections.
    pub(crate) fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            connections: self.limits.connections,
            head_time: Duration::from_secs(self.limits.head_seconds),
            idle_time: Duration::from_secs(self.limits.idle_seconds),
            drain_time: Duration::from_secs(self.limits.drain_seconds),
        }
    }

    /// The limits of requests.
    pub(crate) fn request_limits(&self) -> RequestLimits {
        RequestLimits {
            header_bytes: self.limits.header_bytes,
            header_fields: self.limits.header_fields,
            body_time: Duration::from_secs(self.limits.body_seconds),
            handler_time: Duration::from_secs(self.limits.handler_seconds),
        }
    }

    /// How many failed authentications an address has in a minute.
    pub(crate) fn failures_per_minute(&self) -> u32 {
        self.limits.failed_authentications_per_minute
    }
}

/// `line 3, key listen: …`, without the line itself, which may hold a secret.
fn sentence(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else { return anyhow::anyhow!("{}", error.message()) };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| !key.is_empty());
    let number = number.saturating_add(1);
    match key {
        Some(key) => anyhow::anyhow!("line {number}, key {key}: {}", error.message()),
        None => anyhow::anyhow!("line {number}: {}", error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "base_url = \"https://scim.example.com/\"\ndata = \"/srv\"\n[[organization]]\nname = \"Acme\"\n";

    fn wrong(text: &str) -> String {
        format!("{:#}", Config::parse(text).unwrap_err())
    }

    #[test]
    fn the_example_is_right_and_shows_the_defaults() {
        let example = Config::parse(include_str!("../scimd.example.toml")).unwrap();
        let least = Config::parse(LEAST).unwrap();
        assert_eq!(format!("{:?}", example.limits), format!("{:?}", least.limits));
        assert_eq!(format!("{:?}", example.log), format!("{:?}", least.log));
        assert_eq!(format!("{:?}", example.events), format!("{:?}", least.events));
        assert_eq!(example.listen, least.listen);
        assert_eq!(example.endpoint_policy().unwrap(), Policy::default());
        assert_eq!(least.endpoint_policy().unwrap(), Policy::default());
        let developing = Config::parse(&format!("allow_loopback_http = true\n{LEAST}")).unwrap();
        assert!(developing.endpoint_policy().unwrap().allow_loopback_http);
        let inside = Config::parse(&format!("allowed_networks = [\"10.0.0.0/8\"]\n{LEAST}")).unwrap();
        assert_eq!(inside.endpoint_policy().unwrap().allowed_networks, ["10.0.0.0/8".parse().unwrap()]);
        assert!(wrong(&format!("allowed_networks = [\"10.0.0.1/8\"]\n{LEAST}")).contains("allowed_networks"));
        assert_eq!(least.base_url, "https://scim.example.com");
        let place = least.database(None).unwrap();
        assert!(matches!(place, DatabasePlace::File(file) if file.as_os_str() == "/srv/scimd.db"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            wrong(&format!("lisen = \"127.0.0.1:80\"\n{LEAST}")).split(", expected").next().unwrap(),
            "line 1, key lisen: unknown field `lisen`"
        );
        assert!(wrong("data = \"/srv\"").contains("missing field `base_url`"));
        assert!(wrong(&format!("listen = 5\n{LEAST}")).starts_with("line 1, key listen: "));
        assert!(wrong(&format!("listen = \"0.0.0.0:80\"\n{LEAST}")).contains("trusted_proxy = true"));
        assert!(Config::parse(&format!("trusted_proxy = true\nlisten = \"0.0.0.0:80\"\n{LEAST}")).is_ok());
        assert!(wrong(&format!("database = \"mysql://x\"\n{LEAST}")).contains("postgres://"));
        assert!(wrong(&format!("{LEAST}[postgres]\nwriters = 0")).contains("postgres.writers"));
        assert!(wrong(&format!("{LEAST}[events]\ndeactivation = \"no\"")).contains("events.deactivation"));
        assert!(wrong(&format!("{LEAST}[limits]\nbody_bytes = 0")).contains("limits.body_bytes"));
        assert!(wrong(&format!("{LEAST}[limits]\nbody_bytes = -1")).contains("key body_bytes"));
        assert!(
            wrong(&format!("{LEAST}[[organization.directory]]\nname = \"a\"\nprovider = \"x\""))
                .contains("provider of directory \"a\"")
        );
        assert!(wrong(&format!("{LEAST}[[webhook]]\nurl = \"ftp://x\"")).contains("url of a webhook"));
        let stream = |more: &str| wrong(&format!("{LEAST}[[set_stream]]\naudience = \"app\"\n{more}"));
        assert!(stream("push_url = \"http://x\"").contains("push_url of the set_stream for app"));
        assert!(stream("content = \"all\"").contains("set_stream for app: content must be"));
        assert!(stream("authorization = \"hunter2\"").ends_with("there is no push_url"));
        assert!(
            stream("event_uris = [\"prov:create\"]").contains("prov:create is not an event that is made")
        );
    }

    #[test]
    fn nats_has_a_section() {
        let example = include_str!("../scimd.example.toml");
        let (_, section) = example.split_once("# [nats]").unwrap();
        let lines = section.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with("url_file")).collect();
        let shown = Config::parse(&format!("{LEAST}[nats]{}", lines.join("\n"))).unwrap();
        assert!(shown.nats().unwrap().is_some());
        assert!(Config::parse(LEAST).unwrap().nats().unwrap().is_none());
        let nats = |lines: &str| wrong(&format!("{LEAST}[nats]\n{lines}"));
        assert!(nats("").contains("[nats]: there must be url or url_file"));
        assert!(nats("url = \"nats://a\"\nurl_file = \"/b\"").contains("and not both"));
        assert!(nats("url = \"nats://a\"\nstream = \"a.b\"").contains("[nats]: stream must be a name"));
        assert!(nats("url = \"nats://a\"\nevent_types = [\"x\"]").contains("there is no event type x"));
        for url in ["url = \"http://u:hunter2@a\"", "url = [\"hunter2\"]", "url = \"hunter2"] {
            let sentence = nats(url);
            assert!(sentence.contains("url") && !sentence.contains("hunter2"), "{sentence}");
        }
        let config = Config::parse(&format!("{LEAST}[nats]\nurl = \"nats://u:hunter2@a\"")).unwrap();
        assert!(!format!("{config:?} {:?}", config.nats().unwrap()).contains("hunter2"));
    }

    #[test]
    fn a_server_is_used_as_the_file_says_and_the_command_line_goes_first() {
        let text = format!(
            "database = \"postgres://u:hunter2@db/sync\"\n{LEAST}[postgres]\nprepare = false\nwriters = 3"
        );
        let config = Config::parse(&text).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let DatabasePlace::Server(options) = config.database(None).unwrap() else { panic!("a server") };
        assert_eq!((options.prepare, options.writers), (false, 3));
        let url = DatabaseUrl::keep("sqlite:///a.db").unwrap();
        assert!(matches!(config.database(Some(&url)).unwrap(), DatabasePlace::File(_)));
        let sentence = wrong(&format!("database = \"postgres://u:hunter2@db:x/sync\"\n{LEAST}"));
        assert!(sentence.contains("database can't be used") && !sentence.contains("hunter2"), "{sentence}");
    }

    #[test]
    fn a_wrong_secret_is_not_repeated() {
        for line in ["secret = \"hunter2\"", "secret = [\"hunter2\"]", "secret = \"hunter2"] {
            let text = format!("{LEAST}[[webhook]]\nurl = \"https://app.example.com/hook\"\n{line}");
            let sentence = wrong(&text);
            assert!(!sentence.contains("hunter2"), "{sentence}");
            assert!(sentence.contains("secret"), "{sentence}");
        }
    }
}
