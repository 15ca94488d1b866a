//! Many requests: each connection sends the next one when the last one is answered, or requests are due at fixed times.
//!
//! At a fixed rate the time of an answer counts from the moment that its request was due, so that waiting for a free
//! connection shows.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::Server;
use crate::connection::Connection;
use crate::machine::Times;
use crate::work::{Kind, Work};

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum)]
    work: Kind,
    /// The file of the users' ids
    #[arg(long)]
    ids: Option<PathBuf>,
    /// How many users there are
    #[arg(long, default_value_t = 1)]
    users: usize,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long it is measured
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// What is asked before, without being measured
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// Send so many requests a second. Default: as many as are answered
    #[arg(long)]
    per_second: Option<f64>,
    /// What the names of new users begin with
    #[arg(long, default_value = "new")]
    run: String,
    /// The server's process, to see how busy it is
    #[arg(long)]
    process: Option<u32>,
}

/// What the connections share.
struct Run {
    work: RefCell<Work>,
    /// How long answers took, in nanoseconds.
    times: RefCell<Vec<u32>>,
    begin: Instant,
    end: Instant,
    /// When the next request is due, where there is a rate.
    due: Option<Mutex<Instant>>,
    interval: Duration,
}

/// Asks, and says what came of it.
pub(crate) async fn run(options: Options) -> Result<Value> {
    let ids = options.ids.as_ref().map(Server::read_ids).transpose()?.unwrap_or_default();
    let mut work = Work::new(options.work, &options.server, ids, options.users, &options.run)?;
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        connections.push(Connection::open(options.server.address).await?);
    }
    if let Some(first) = connections.first_mut() {
        prepare(&mut work, first).await?;
    }
    let begin = Instant::now() + Duration::from_secs_f64(options.warm_up);
    let end = begin + Duration::from_secs_f64(options.seconds);
    let run = Run {
        work: RefCell::new(work),
        times: RefCell::new(Vec::with_capacity(1 << 20)),
        begin,
        end,
        due: options.per_second.map(|_| Mutex::new(Instant::now())),
        interval: options.per_second.map(|rate| Duration::from_secs_f64(1.0 / rate)).unwrap_or_default(),
    };
    let watching = async {
        tokio::time::sleep_until(begin.into()).await;
        let before = Times::now(options.process);
        tokio::time::sleep_until(end.into()).await;
        Ok((before, Times::now(options.process)))
    };
    // A server on the same machine would have to wake this processor for each answer that it waits for, which takes
    // as long as a third of the least answer. No server does that for a client behind a network.
    let staying_awake = async {
        while Instant::now() < end {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let asking = try_join_all(connections.iter_mut().map(|connection| run.ask(connection)));
    let (_, (before, after), ()) = tokio::try_join!(asking, watching, staying_awake)?;
    let mut times = run.times.into_inner();
    ensure!(!times.is_empty(), "nothing was answered");
    times.sort_unstable();
    let part = |part: f64| micros(times[((times.len() - 1) as f64 * part) as usize]);
    let busy = |time: Option<Duration>| time.map(|time| rounded(time.as_secs_f64() / options.seconds));
    let server = after.server_since(&before);
    Ok(json!({
        "answers": times.len(),
        "per_second": rounded(times.len() as f64 / options.seconds),
        "p50_us": part(0.5),
        "p99_us": part(0.99),
        "worst_us": part(1.0),
        "server_us": server.map(|time| rounded(time.as_secs_f64() * 1e6 / times.len() as f64)),
        "server_busy": busy(server),
        "load_busy": busy(after.own_since(&before)),
        "steal": after.steal_since(&before).map(rounded),
    }))
}

async fn prepare(work: &mut Work, connection: &mut Connection) -> Result<()> {
    let mut request = Vec::new();
    for _ in 0..work.preparation() {
        work.write(&mut request);
        work.check(&connection.ask(&request).await?)?;
    }
    Ok(())
}

impl Run {
    /// One connection's requests, until the time is over.
    async fn ask(&self, connection: &mut Connection) -> Result<()> {
        let mut request = Vec::new();
        loop {
            let Some(due) = self.due().await else { return Ok(()) };
            self.work.borrow_mut().write(&mut request);
            let answer = connection.ask(&request).await.context("a request failed")?;
            let done = Instant::now();
            self.work.borrow().check(&answer)?;
            // At a fixed rate each request that was due is counted, however late its answer.
            let counts =
                if self.due.is_some() { due >= self.begin } else { done >= self.begin && done < self.end };
            if counts {
                let time = done.saturating_duration_since(due).as_nanos();
                self.times.borrow_mut().push(u32::try_from(time).unwrap_or(u32::MAX));
            }
        }
    }

    /// Waits until the next request is due, and says since when. `None`: the time is over.
    async fn due(&self) -> Option<Instant> {
        let due = match &self.due {
            None => Instant::now(),
            Some(next) => {
                let mut next = next.lock().await;
                let due = *next;
                *next = due + self.interval;
                // A sleep is too coarse. This process has a processor of its own.
                while due < self.end && Instant::now() < due {
                    tokio::task::yield_now().await;
                }
                due
            }
        };
        (due < self.end).then_some(due)
    }
}

fn micros(nanoseconds: u32) -> f64 {
    rounded(f64::from(nanoseconds) / 1e3)
}

/// To three digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
