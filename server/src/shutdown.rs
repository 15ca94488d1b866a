//! From the signal to the end: not ready, closing, gone.

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

/// How long the server goes on after the signal while it says that it is not ready, so that whoever
/// balances load sends the next requests elsewhere.
const NOTICE: Duration = Duration::from_secs(1);
/// After this the process ends whatever still runs.
const DEADLINE: Duration = Duration::from_secs(25);

/// The life of the server; each phase includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Not ready; still answers, and closes each connection after its answer.
    Draining,
    /// No new connections.
    Closing,
}

/// Sees in which phase the server is.
#[derive(Clone, Debug)]
pub(crate) struct Phases(watch::Receiver<Phase>);

impl Phases {
    /// Whether the server was told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Waits until the server is told to stop.
    pub(crate) async fn draining(&self) {
        let _ = self.0.clone().wait_for(|now| *now >= Phase::Draining).await;
    }

    /// Waits until no new connection is to be taken.
    pub(crate) async fn closing(&self) {
        // An error means that nobody can tell any more: the same as the end.
        let _ = self.0.clone().wait_for(|now| *now == Phase::Closing).await;
    }
}

/// Moves the server from phase to phase.
#[derive(Debug)]
pub(crate) struct Shutdown(watch::Sender<Phase>);

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    pub(crate) fn phases(&self) -> Phases {
        Phases(self.0.subscribe())
    }

    /// Says that the server stops, waits for load balancers to see it, then closes.
    pub(crate) async fn drain(&self) {
        self.0.send_replace(Phase::Draining);
        tokio::time::sleep(NOTICE).await;
        self.0.send_replace(Phase::Closing);
    }

    /// Closes at once, where nobody balances load.
    pub(crate) fn close(&self) {
        self.0.send_replace(Phase::Closing);
    }
}

/// Hears SIGTERM and Ctrl-C from the moment it is made.
#[derive(Debug)]
pub(crate) struct Stop(Signals);

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self(Signals::new().context("signals can't be waited for")?))
    }

    /// Waits for a signal. From then on the process ends after the deadline at the latest, and at once
    /// on a second signal.
    pub(crate) async fn asked(self) {
        let mut signals = self.0;
        signals.next().await;
        tokio::spawn(async move {
            tokio::select! {
                () = signals.next() => tracing::warn!("a second signal: ending at once"),
                () = tokio::time::sleep(DEADLINE) => tracing::error!("not done at the deadline: ending"),
            }
            std::process::exit(1);
        });
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
