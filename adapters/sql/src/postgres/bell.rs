//! Tells who waits that something was committed, here or by another process.
//!
//! Nothing depends on it: who waits also looks now and then. A notification in the transaction itself would
//! let all commits wait for each other; so it is sent behind them, once for all of the last moment.

use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, NoTls};

use super::connection::runtime;
use super::options::PostgresOptions;
use super::presence::Presence;

/// At most one notification is sent in this time.
const MOMENT: Duration = Duration::from_millis(3);
/// How long to wait when the server can't be reached.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Bell {
    /// Commits of this process.
    own: Option<watch::Sender<u64>>,
    /// Commits of all processes.
    all: Arc<watch::Sender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Bell {
    pub(super) fn start(options: Arc<PostgresOptions>, presence: Arc<Presence>) -> std::io::Result<Self> {
        let (own, own_commits) = watch::channel(0);
        let all = Arc::new(watch::channel(0).0);
        // Behind a pooler there is no connection to listen on.
        let thread = if options.prepare {
            let runtime = runtime()?;
            let patience = options.connect_timeout;
            let (tried, has_tried) = mpsc::channel();
            let line = Line { options, all: Arc::clone(&all), presence, tried: Some(tried) };
            let run = move || runtime.block_on(run(line, own_commits));
            let thread = thread::Builder::new().name("postgres-bell".into()).spawn(run)?;
            // It works without, only others do not see this process yet.
            let _ = has_tried.recv_timeout(patience);
            Some(thread)
        } else {
            None
        };
        Ok(Self { own: Some(own), all, thread })
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
    presence: Arc<Presence>,
    /// Told once that it was tried to be seen.
    tried: Option<mpsc::Sender<()>>,
}

async fn run(mut line: Line, mut own: watch::Receiver<u64>) {
    loop {
        let heard = tokio::select! {
            heard = line.hear(own.clone()) => heard,
            () = closed(&mut own) => return,
        };
        line.presence.is_broken();
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
        let listen = async {
            let (_, me) = tokio::try_join!(
                client.batch_execute("LISTEN scim_commits"),
                client.query_typed("SELECT pg_backend_pid()", &[])
            )?;
            me.first().map_or(Ok(0), |row| row.try_get::<_, i32>(0))
        };
        let mut listen = std::pin::pin!(listen);
        let mut me = None;
        let presence = Arc::clone(&self.presence);
        let mut show = std::pin::pin!(presence.show(&client));
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
                () = &mut show, if !is_shown => {
                    is_shown = true;
                    self.presence.is_connected();
                    self.tried = None;
                }
                notified = &mut notify => return notified,
            }
        }
    }
}
