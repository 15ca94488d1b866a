//! `scimd demo`: everything in one process, to be seen or to be used by a program.

mod play;
mod report;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use scim_conformance::simulators::Provider;
use scim_core::ServiceConfig;
use scim_directory::{Directories, Directory, NewDirectory, NewEndpoint, NewOrganization, Ordering, Scope};
use scim_webhook::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::state::State;
use crate::cli::DemoOptions;
use crate::database::DatabasePlace;
use crate::http::{HttpLimits, serve};
use crate::instance::{Files, Opened, Server, Settings, Telling, listen, make_folder, now};
use crate::logging::{self, Format};
use crate::receiver::Receiver;
use crate::routes::{RequestLimits, Routes};
use crate::shutdown::{Shutdown, Stop};

/// Test suites that make nothing but mistakes must not be stopped.
const FAILURES_PER_MINUTE: u32 = 1_000_000;
/// How long all deliveries may take after the last change.
const SETTLE: Duration = Duration::from_secs(60);

/// A demo that runs.
#[derive(Debug)]
struct Demo {
    server: Server,
    receiver: Receiver,
    /// Ends the receiver when it is dropped, which is after the server.
    _receiving: Shutdown,
    receiver_url: String,
    secret: String,
    directories: Vec<DemoDirectory>,
    api_base_url: String,
    api_key: String,
    folder: PathBuf,
}

/// A directory with its token.
#[derive(Clone, Debug)]
struct DemoDirectory {
    directory: Directory,
    base_url: String,
    token: String,
}

/// Runs until Ctrl-C or SIGTERM; with `--once` until the simulated providers are done.
pub(crate) async fn run(options: DemoOptions) -> Result<ExitCode> {
    if options.json {
        logging::start(Format::Json, "info")?;
    } else {
        logging::start(Format::Text, "warn")?;
    }
    let fresh = match &options.data {
        Some(folder) => {
            make_folder(folder)?;
            None
        }
        None => Some(TempDir::with_prefix("scimd-demo-").context("a fresh folder can't be made")?),
    };
    let folder = match (&options.data, &fresh) {
        (Some(folder), _) => folder.clone(),
        (None, Some(fresh)) => fresh.path().to_owned(),
        (None, None) => PathBuf::from("."),
    };
    let demo = Demo::start(&options, &folder).await?;
    let code = if options.json { demo.for_programs(&options).await } else { demo.for_people(&options).await };
    drop(fresh);
    code
}

impl Demo {
    async fn start(options: &DemoOptions, folder: &Path) -> Result<Self> {
        let database = match &options.database.url {
            Some(url) => url.place()?,
            None => DatabasePlace::File(folder.join("scimd.db")),
        };
        let files = Files { database, keys: folder.join("keys") };
        // The demo has a receiver of its own.
        let policy = Policy { allow_loopback_http: true, ..Policy::default() };
        let opened = Opened::open(&files, policy).await?;
        let listener = demo_listener(options.listen).await?;
        let address = listener.local_addr()?;
        let mut state = State::open(&folder.join("demo.json"))?;
        let receiving = receiver_listener(&mut state).await?;
        let receiver_url = format!("http://{}", receiving.local_addr()?);
        let directories = &opened.directories;
        ensure_directories(directories, options).await?;
        // The demo shows each event, also those whose place a later one would have taken.
        ensure_endpoint(directories, &format!("{receiver_url}/"), Ordering::Strict, &state).await?;
        if let Some(url) = &options.webhook_url {
            let ensured = ensure_endpoint(directories, url, Ordering::default(), &state).await;
            ensured.context("--webhook-url can't be used")?;
        }
        let base_url = format!("http://{address}");
        let api_key = api_key(directories, &mut state).await?;
        let api_base_url = format!("{base_url}{}", crate::api::PREFIX);
        let directories = with_tokens(directories, &mut state, &base_url).await?;
        let receiver = Receiver::open(&folder.join("received.ndjson"), state.secret()?)?;
        let settings = Settings {
            base_url,
            trusted_proxy: false,
            service: ServiceConfig::default(),
            telling: Telling::default(),
            nats: None,
            http: HttpLimits::default(),
            requests: RequestLimits::default(),
            failures_per_minute: FAILURES_PER_MINUTE,
        };
        let server = opened.start(listener, settings)?;
        let router = receiver.clone().router();
        let until = Shutdown::new();
        tokio::spawn(serve(receiving, router, HttpLimits::default(), until.phases()));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let secret = state.secret()?.expose();
        Ok(Self {
            server,
            receiver,
            _receiving: until,
            receiver_url,
            secret,
            directories,
            api_base_url,
            api_key,
            folder,
        })
    }

    async fn for_programs(self, options: &DemoOptions) -> Result<ExitCode> {
        play::play(&self, &options.providers(), false).await?;
        let stop = Stop::listen()?;
        println!("{}", self.ready_line());
        stop.asked().await;
        self.server.drain().await;
        Ok(ExitCode::SUCCESS)
    }

    async fn for_people(self, options: &DemoOptions) -> Result<ExitCode> {
        let played = play::play(&self, &options.providers(), true).await?;
        let settled = self.server.settle(SETTLE).await?;
        let problems = report::problems(&self, &played, settled).await?;
        report::show(&self).await?;
        report::verdict(&self, &problems).await?;
        if options.once {
            self.server.close().await;
            return Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        report::invite(&self);
        Stop::listen()?.asked().await;
        self.server.drain().await;
        Ok(ExitCode::SUCCESS)
    }

    /// What a program needs to know. What later versions bring is null.
    fn ready_line(&self) -> Value {
        let directories: Vec<Value> = self
            .directories
            .iter()
            .map(|d| {
                json!({"id": d.directory.id.as_str(), "scim_base_url": d.base_url, "scim_token": d.token})
            })
            .collect();
        json!({
            "directories": directories,
            "api_base_url": self.api_base_url,
            "api_key": self.api_key,
            "portal_url": null,
            "webhook_secret": self.secret,
            "receiver_url": self.receiver_url,
            "data_dir": self.folder,
            "pid": std::process::id()
        })
    }

    /// The directory that a simulated provider writes to.
    fn directory_of(&self, provider: Provider) -> Option<&DemoDirectory> {
        self.directories.iter().find(|d| d.directory.provider.as_str() == provider.name())
    }
}

async fn demo_listener(address: Option<SocketAddr>) -> Result<TcpListener> {
    if let Some(address) = address {
        return listen(address).await;
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await,
    }
}

/// The receiver keeps its port over restarts, because the endpoint's URL names it. The port is none that
/// systems hand out by themselves, so that it is free after a restart.
async fn receiver_listener(state: &mut State) -> Result<TcpListener> {
    if let Some(port) = state.receiver_port() {
        return listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    }
    let mut last = None;
    for _ in 0..100 {
        let random = getrandom::u32().context("the system has no random numbers")?;
        let port = 20_000_u16.saturating_add(u16::try_from(random % 10_000).unwrap_or_default());
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                state.set_receiver_port(port)?;
                return Ok(listener);
            }
            Err(error) => last = Some(error),
        }
    }
    let error = last.map_or_else(|| anyhow::anyhow!("no port was tried"), anyhow::Error::from);
    Err(error.context("no port is free for the webhook receiver"))
}

/// The organization, one directory for each provider, and as many as are asked for.
async fn ensure_directories(directories: &Directories, options: &DemoOptions) -> Result<()> {
    let organization = match directories.organizations().await?.into_iter().next() {
        Some(organization) => organization.id,
        None => {
            let new = NewOrganization { display_name: "Demo".to_owned(), external_id: None };
            directories.create_organization(new, now()).await?.id
        }
    };
    let mut known = directories.directories().await?;
    for provider in options.providers() {
        if !known.iter().any(|d| d.provider.as_str() == provider.name()) {
            let name = provider.label().to_owned();
            let provider = scim_directory::Provider::parse(provider.name()).unwrap_or_default();
            known.push(
                directories.create_directory(&organization, NewDirectory { name, provider }, now()).await?,
            );
        }
    }
    while known.len() < usize::from(options.directories) {
        let name = format!("Directory {}", known.len().saturating_add(1));
        let new = NewDirectory { name, ..NewDirectory::default() };
        known.push(directories.create_directory(&organization, new, now()).await?);
    }
    Ok(())
}

async fn ensure_endpoint(
    directories: &Directories,
    url: &str,
    ordering: Ordering,
    state: &State,
) -> Result<()> {
    let mut new = NewEndpoint { secret: Some(state.secret()?), ..NewEndpoint::at(url) };
    new.settings.ordering = ordering;
    directories.ensure_endpoint(new, now()).await?;
    Ok(())
}

/// Keys are shown once; the demo remembers its own.
async fn api_key(directories: &Directories, state: &mut State) -> Result<String> {
    if let Some(key) = state.api_key() {
        return Ok(key.to_owned());
    }
    let issued = directories.create_api_key("demo", Scope::ALL, None, now()).await?;
    state.set_api_key(issued.plain.expose())?;
    Ok(issued.plain.expose().to_owned())
}

/// Tokens are shown once; the demo remembers its own.
async fn with_tokens(
    directories: &Directories,
    state: &mut State,
    base_url: &str,
) -> Result<Vec<DemoDirectory>> {
    let mut all = Vec::new();
    for directory in directories.directories().await? {
        let token = match state.token(directory.id.as_str()) {
            Some(token) => token.to_owned(),
            None => {
                let issued = directories.issue_token(&directory.id, None, now()).await?;
                state.set_token(directory.id.as_str(), issued.plain.expose())?;
                issued.plain.expose().to_owned()
            }
        };
        let base_url = Routes::scim_base_url(base_url, &directory.id);
        all.push(DemoDirectory { directory, base_url, token });
    }
    ensure!(!all.is_empty(), "the demo has no directory");
    Ok(all)
}
