//! One running server: database, directory sync, the SCIM service, and the jobs beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use scim_core::{ChangeFeed, DateTime, Registry, SecurityEvents, Service, ServiceConfig};
use scim_directory::{
    Clock, Directories, Dispatcher, DispatcherConfig, EventOptions, Keys, Normalizer, Relay, SetTransmitter,
    Transport,
};
use scim_set::EventUri;
use scim_sql::SqlStore;
use scim_webhook::{Policy, Sender, SenderConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{Api, ApiOptions};
use crate::auth::{DirectoryAuthenticator, Failures};
use crate::database::DatabasePlace;
use crate::environment::Machine;
use crate::http::{HttpLimits, serve};
use crate::nats::{self, Publishing};
use crate::routes::{KnownDirectories, RequestLimits, Routes, Sets};
use crate::shutdown::Shutdown;

/// How long between two looks for events that are too old.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Where the data is.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The database.
    pub(crate) database: DatabasePlace,
    /// The keys that open its secrets.
    pub(crate) keys: PathBuf,
}

/// How the server behaves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The public URL, without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) trusted_proxy: bool,
    pub(crate) service: ServiceConfig,
    pub(crate) telling: Telling,
    pub(crate) nats: Option<Publishing>,
    pub(crate) http: HttpLimits,
    pub(crate) requests: RequestLimits,
    pub(crate) failures_per_minute: u32,
}

/// What is done with events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Telling {
    pub(crate) options: EventOptions,
    pub(crate) normalizer: Normalizer,
    /// How long events are kept; `None` for ever.
    pub(crate) retention: Option<Duration>,
}

/// The data of a server, opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) directories: Directories,
    pub(crate) store: SqlStore,
    keys: Keys,
    policy: Policy,
}

impl Opened {
    /// Opens the database and the keys, or makes them.
    ///
    /// # Errors
    /// One sentence: what is missing, locked, full or damaged.
    pub(crate) async fn open(files: &Files, policy: Policy) -> Result<Self> {
        Self::open_for(files, policy, false).await
    }

    /// As [`Opened::open`]; `bulk` where a great deal is to be written.
    pub(crate) async fn open_for(files: &Files, policy: Policy, bulk: bool) -> Result<Self> {
        // Without its keys nobody could tell why no token fits a database.
        if let DatabasePlace::File(file) = &files.database {
            ensure!(
                !file.exists() || files.keys.exists(),
                "the key file {} is missing, but the database {} is there: put back the key file that belongs to it",
                files.keys.display(),
                file.display()
            );
        }
        let database = files.database.open_for(bulk).await?;
        let keys = Keys::load_or_create(&files.keys)?;
        let store = SqlStore::new(database.clone(), Registry::standard()).await?;
        let directories = Directories::open(database, keys.clone()).await;
        let directories = directories.with_context(|| format!("{} can't be used", files.keys.display()))?;
        let directories = directories.with_endpoint_policy(policy.clone());
        Ok(Self { directories, store, keys, policy })
    }

    /// Serves SCIM on a listener and delivers events, until it is told to stop.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub(crate) fn start(self, listener: TcpListener, settings: Settings) -> Result<Server> {
        let shutdown = Shutdown::new();
        let feed: Arc<dyn ChangeFeed> = Arc::new(self.store.clone());
        let (stop, stopped) = watch::channel(false);
        let mut policy = self.policy;
        policy.own_addresses.push(listener.local_addr().context("the address to listen at is not known")?);
        let transport = transport(&policy)?;
        let Telling { options, normalizer, retention } = settings.telling;
        let directories = self.directories.with_endpoint_policy(policy);
        let directories = directories.with_event_options(options).with_normalizer(normalizer);
        let mut jobs = start_jobs(&directories, Arc::clone(&feed), Arc::clone(&transport) as _, &stopped);
        let sets = SetTransmitter::new(
            &directories,
            Arc::clone(&transport) as _,
            Arc::new(Machine),
            settings.base_url.as_str(),
        );
        jobs.push(tokio::spawn(sets.run(stopped.clone())));
        jobs.push(tokio::spawn(nats::publish(directories.clone(), settings.nats, stopped.clone())));
        jobs.extend(retention.map(|time| tokio::spawn(forget(directories.clone(), time, stopped))));
        let failures = Failures::new(settings.failures_per_minute);
        let authenticator = DirectoryAuthenticator::new(directories.clone(), failures.clone());
        let base_url: Arc<str> = settings.base_url.as_str().into();
        let sets = Sets::new(
            directories.clone(),
            Arc::clone(&base_url),
            failures.clone(),
            shutdown.phases(),
            settings.requests.body_time,
        );
        let options = ApiOptions {
            transport,
            issuer: Arc::clone(&base_url),
            failures,
            phases: shutdown.phases(),
            trusted_proxy: settings.trusted_proxy,
            body_time: settings.requests.body_time,
            handler_time: settings.requests.handler_time,
        };
        let api = Api::new(directories.clone(), &self.keys, options);
        // Cursors hold ids of resources: only this server, and those that share its keys, can make them.
        let cursor_key = Some(self.keys.derive("cursors"));
        // What this server is able to deliver, whether there is a stream yet or not.
        let event_uris = EventUri::MADE.iter().map(|uri| uri.as_str().to_owned()).collect();
        let security_events = Some(SecurityEvents { event_uris });
        let config = ServiceConfig { cursor_key, security_events, ..settings.service };
        let service =
            Service::builder(format!("{}/scim/v2", settings.base_url), self.store, authenticator, Machine)
                .config(config)
                .build()
                .context("base_url can't be used")?;
        let routes = Routes {
            service,
            api,
            sets,
            directories: directories.clone(),
            base_url,
            limits: settings.requests,
            trusted_proxy: settings.trusted_proxy,
            phases: shutdown.phases(),
            known: KnownDirectories::default(),
        };
        let serving = serve(listener, routes.router(), settings.http, shutdown.phases());
        let serving = tokio::spawn(serving);
        Ok(Server { directories, feed, shutdown, stop, jobs, serving })
    }
}

/// What sends webhooks.
fn transport(policy: &Policy) -> Result<Arc<Sender>> {
    let sender = Sender::new(SenderConfig::from(policy.clone()));
    Ok(Arc::new(sender.context("webhooks can't be sent from this machine")?))
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) directories: Directories,
    feed: Arc<dyn ChangeFeed>,
    shutdown: Shutdown,
    stop: watch::Sender<bool>,
    jobs: Vec<JoinHandle<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Makes sure that every change up to now has its events.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        Relay::new(&self.directories, Arc::clone(&self.feed)).catch_up().await?;
        Ok(())
    }

    /// Waits until every change has become events and none of them waits for delivery; `false` if that
    /// did not happen in time.
    pub(crate) async fn settle(&self, time: Duration) -> Result<bool> {
        let end = tokio::time::Instant::now() + time;
        loop {
            self.catch_up().await?;
            if self.directories.backlog().await?.pending == 0 {
                return Ok(true);
            }
            if tokio::time::Instant::now() >= end {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets load balancers see that it stops, lets requests end, then the jobs.
    pub(crate) async fn drain(self) {
        tracing::info!("stopping");
        self.shutdown.drain().await;
        self.end().await;
    }

    /// Stops at once, but lets requests and attempts of delivery that run end.
    pub(crate) async fn close(self) {
        self.shutdown.close();
        self.end().await;
    }

    async fn end(self) {
        let _ = self.serving.await;
        self.stop.send_replace(true);
        for job in self.jobs {
            let _ = job.await;
        }
        tracing::info!(panics = crate::logging::panics(), "stopped");
    }
}

fn start_jobs(
    directories: &Directories,
    feed: Arc<dyn ChangeFeed>,
    transport: Arc<dyn Transport>,
    stopped: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let relay = Relay::new(directories, feed);
    let dispatcher = Dispatcher::new(directories, transport, Arc::new(Machine), DispatcherConfig::default());
    let (relay_stop, dispatcher_stop) = (stopped.clone(), stopped.clone());
    vec![
        tokio::spawn(async move { relay.run(relay_stop).await }),
        tokio::spawn(async move { dispatcher.run(dispatcher_stop).await }),
    ]
}

/// Forgets events that are older than `retention`, now and then, until it is told to stop.
async fn forget(directories: Directories, retention: Duration, mut stopped: watch::Receiver<bool>) {
    loop {
        let work = async {
            if let Err(error) = directories.forget_before(now().minus(retention)).await {
                tracing::warn!(%error, "old events can't be forgotten now");
            }
            tokio::time::sleep(FORGET_EVERY).await;
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            () = work => {}
        }
    }
}

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> DateTime {
        scim_core::Environment::now(self)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The time, for what is created outside of requests.
pub(crate) fn now() -> DateTime {
    scim_core::Environment::now(&Machine)
}

/// Listens, or says in one sentence why not.
pub(crate) async fn listen(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| match_port(address))
}

fn match_port(address: std::net::SocketAddr) -> String {
    format!("can't listen on {address}; is the port taken by another program?")
}

/// Makes a folder that only its owner can look into, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("the folder {} can't be made", folder.display()))
}
