//! T31: how many events are delivered in a second, beside a bare client that posts the same bodies to the same
//! receiver.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::figures::Figures;
use crate::receiver::{Arrival, Receiver};
use crate::scimd::{Home, Scimd};
use crate::{Options, Row};

/// How long writing or delivering all events may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// How many attempts the endpoint has at once: as many as it has if nothing is said, and more.
const CONCURRENCIES: [usize; 2] = [4, 32];

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    if !options.wants(Row::T31) {
        return Ok(());
    }
    let count = if options.quick { 3000 } else { 20_000 };
    println!("T31 on {}: {count} events", options.engine);
    for concurrency in CONCURRENCIES {
        at(options, concurrency, count, figures).await?;
    }
    Ok(())
}

async fn at(options: &Options, concurrency: usize, count: u64, figures: &mut Figures) -> Result<()> {
    let receiver = Receiver::start().await?;
    let mut home = Home::new(options, "throughput", &["Users"]).await?;
    home.add_webhook(receiver.url(), Some(concurrency));
    // The endpoint is made by the first server that sees it.
    home.serve().await?.stop()?;
    for round in 1..=options.rounds(3) {
        let delivered = delivered(&home, &receiver, "Users", &format!("round{round}"), count).await?;
        let bench = format!("throughput/{concurrency}");
        figures.add(&format!("{bench}/ours"), delivered.per_second, "/s");
        figures.add(&format!("{bench}/processor"), delivered.processor_us, "µs");
        delivered.scimd.stop()?;
        let bodies = home.folder().join("bodies");
        write_bodies(&bodies, &delivered.arrivals)?;
        let floor = floor(&receiver, &bodies, concurrency)?;
        figures.add(&format!("{bench}/floor"), floor, "/s");
        receiver.drain();
    }
    home.remove()
}

/// What came of a backlog.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) per_second: f64,
    /// The server's processor time for a delivery.
    processor_us: f64,
    arrivals: Vec<Arrival>,
    /// The server, which still runs.
    pub(crate) scimd: Scimd,
}

/// Lets events of new users wait until all are recorded, then has them delivered.
pub(crate) async fn delivered(
    home: &Home,
    receiver: &Receiver,
    directory: &str,
    run: &str,
    count: u64,
) -> Result<Delivered> {
    let id = &home.access(directory)?.directory;
    let before = home.data.events(id)?;
    let scimd = home.serve().await?;
    home.pause(&scimd, directory, true).await?;
    scimd.stop()?;
    home.import(directory, run, count)?;
    let scimd = home.serve().await?;
    home.data.wait_for_events(id, before + count, PATIENCE).await?;
    // What the last transaction of events leaves behind is done.
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(receiver.count() == 0, "events of a directory were delivered whose delivery is paused");
    let (begun, used) = (Instant::now(), scimd.processor_time()?);
    home.pause(&scimd, directory, false).await?;
    receiver.wait_for(usize::try_from(count)?, PATIENCE).await?;
    let used = scimd.processor_time()?.saturating_sub(used);
    let arrivals = receiver.drain();
    let last = arrivals.iter().map(|arrival| arrival.time).max().context("no event was delivered")?;
    let per_second = arrivals.len() as f64 / (last - begun).as_secs_f64();
    let processor_us = used.as_secs_f64() * 1e6 / arrivals.len() as f64;
    Ok(Delivered { per_second, processor_us, arrivals, scimd })
}

fn write_bodies(file: &Path, arrivals: &[Arrival]) -> Result<()> {
    let mut text = Vec::new();
    for arrival in arrivals {
        text.extend_from_slice(&arrival.body);
        text.push(b'\n');
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What a bare client comes to, as a process of its own.
fn floor(receiver: &Receiver, bodies: &Path, connections: usize) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg("floor")
        .args(["--address", &receiver.address.to_string(), "--connections", &connections.to_string()])
        .arg("--bodies")
        .arg(bodies)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("the floor can't be started")?;
    ensure!(output.status.success(), "the floor ended with {}", output.status);
    String::from_utf8(output.stdout)?.trim().parse().context("the floor printed no rate")
}
