//! Tells who waits that something was committed, here or by another process.
//!
//! Nothing depends on it: who waits also looks now and then. A notification in the transaction itself would
//! let all commits wait for each other; so it is sent behind them, once for all of the last moment.
//!
//! The connection also shows that the process is there. It holds an advisory lock, which the server takes away when the
//! connection ends: at once when the process is killed.

use std::future::poll_fn;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::connection::runtime;
use super::options::PostgresOptions;

/// At most one notification is sent in this time.
const MOMENT: Duration = Duration::from_millis(3);
/// How long to wait when the server can't be reached.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for the lock of this process, where another connection has it.
const AGAIN: Duration = Duration::from_millis(100);
/// What locks of processes that are there have in common: `SCIP` in ASCII.
pub(crate) const PRESENT: i32 = 1_396_918_608;

pub(super) struct Bell {
    /// Commits of this process.
    own: Option<watch::Sender<u64>>,
    /// Commits of all processes.
    all: Arc<watch::Sender<u64>>,
    /// The number of this process among those that are there.
    presence: i32,
    /// Whether others see it.
    is_seen: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bell {
    pub(super) fn start(options: Arc<PostgresOptions>) -> std::io::Result<Self> {
        let (own, own_commits) = watch::channel(0);
        let all = Arc::new(watch::channel(0).0);
        let presence =
            i32::try_from(RandomState::new().hash_one(std::process::id()) >> 33).unwrap_or_default();
        let is_seen = Arc::new(AtomicBool::new(false));
        // Behind a pooler there is no connection to listen on.
        let thread = if options.prepare {
            let runtime = runtime()?;
            let patience = options.connect_timeout;
            let (tried, has_tried) = mpsc::channel();
            let line = Line {
                options,
                all: Arc::clone(&all),
                presence,
                is_seen: Arc::clone(&is_seen),
                tried: Some(tried),
            };
            let run = move || runtime.block_on(run(line, own_commits));
            let thread = thread::Builder::new().name("postgres-bell".into()).spawn(run)?;
            // It works without, only others do not see this process yet.
            let _ = has_tried.recv_timeout(patience);
            Some(thread)
        } else {
            None
        };
        Ok(Self { own: Some(own), all, presence, is_seen, thread })
    }

    /// The number by which others see that this process is there, if they do now.
    pub(super) fn presence(&self) -> Option<i32> {
        self.is_seen.load(Ordering::Relaxed).then_some(self.presence)
    }

    /// Something was committed here.
    pub(super) fn ring(&self) {
        self.all.send_modify(|count| *count += 1);
        if let Some(own) = &self.own {
            own.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.all.subscribe()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.own = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// The connection, and what it is for.
struct Line {
    options: Arc<PostgresOptions>,
    all: Arc<watch::Sender<u64>>,
    presence: i32,
    is_seen: Arc<AtomicBool>,
    /// Told once that it was tried to be seen.
    tried: Option<mpsc::Sender<()>>,
}

async fn run(mut line: Line, mut own: watch::Receiver<u64>) {
    loop {
        let heard = tokio::select! {
            heard = line.hear(own.clone()) => heard,
            () = closed(&mut own) => return,
        };
        line.is_seen.store(false, Ordering::Relaxed);
        line.tried = None;
        if let Err(error) = heard {
            tracing::debug!(%error, "commits of other processes can't be heard of");
        }
        // What happened meanwhile was not heard.
        line.all.send_modify(|count| *count += 1);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = closed(&mut own) => return,
        }
    }
}

/// Until the database is closed.
async fn closed(own: &mut watch::Receiver<u64>) {
    while own.changed().await.is_ok() {}
}

impl Line {
    /// Listens and notifies, until the connection breaks.
    async fn hear(&mut self, mut own: watch::Receiver<u64>) -> Result<(), tokio_postgres::Error> {
        let mut config = self.options.config.clone();
        config.connect_timeout(self.options.connect_timeout);
        if config.get_application_name().is_none() {
            config.application_name("scim");
        }
        // A notification is a transaction too. It need not be on the disk: nothing rests on it.
        let given = config.get_options().unwrap_or_default();
        config.options(format!("{given} -c synchronous_commit=off").trim_start());
        let (client, mut connection) = config.connect(NoTls).await?;
        let presence = self.presence;
        let listen = async {
            let (_, me) = tokio::try_join!(
                client.batch_execute("LISTEN scim_commits"),
                client.query_typed("SELECT pg_backend_pid()", &[])
            )?;
            me.first().map_or(Ok(0), |row| row.try_get::<_, i32>(0))
        };
        let mut listen = std::pin::pin!(listen);
        let mut me = None;
        let mut show = std::pin::pin!(show(&client, presence));
        let mut is_shown = false;
        let notify = async {
            loop {
                if own.changed().await.is_err() {
                    return Ok(());
                }
                client.batch_execute("NOTIFY scim_commits").await?;
                tokio::time::sleep(MOMENT).await;
            }
        };
        let mut notify = std::pin::pin!(notify);
        loop {
            tokio::select! {
                message = poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(from))) if Some(from.process_id()) != me => {
                        self.all.send_modify(|count| *count += 1);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                listening = &mut listen, if me.is_none() => {
                    me = Some(listening?);
                    self.all.send_modify(|count| *count += 1);
                }
                is_seen = &mut show, if !is_shown => {
                    is_shown = true;
                    self.is_seen.store(is_seen, Ordering::Relaxed);
                    self.tried = None;
                }
                notified = &mut notify => return notified,
            }
        }
    }
}

/// Takes the lock that shows this process. `false` where that shows nothing: a server may have the function, and do
/// nothing.
async fn show(client: &Client, presence: i32) -> bool {
    let lock = format!("SELECT pg_try_advisory_lock({PRESENT}, {presence})");
    let look = format!(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = {PRESENT} AND objid = {presence}
            AND pid = pg_backend_pid()"
    );
    loop {
        let shown = async {
            let (taken, seen) =
                tokio::try_join!(client.query_typed(&lock, &[]), client.query_typed(&look, &[]))?;
            let is_taken = taken.first().map_or(Ok(false), |row| row.try_get(0))?;
            Ok::<_, tokio_postgres::Error>((is_taken, !seen.is_empty()))
        };
        match shown.await {
            Ok((true, is_seen)) => return is_seen,
            // Somebody is just asking for it, or the server has not noticed yet that the last connection broke.
            Ok((false, _)) => tokio::time::sleep(AGAIN).await,
            Err(error) => {
                tracing::debug!(%error, "other processes can't see that this one is there");
                return false;
            }
        }
    }
}
