//! T33: what it costs the process, and a healthy endpoint, that another one is dead and has a great many events
//! waiting.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::delay::{arrivals, change};
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scimd::Home;
use crate::throughput::delivered;
use crate::{Options, Row, users};

/// How many changes a second are made to see how long they take to the healthy endpoint.
const RATE: u32 = 100;
/// How long recording the backlog may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// So many of the events that waited are delivered when the endpoint is repaired.
const DRAINED: u64 = 20_000;
/// Nobody listens on the discard port: each connection is refused.
const DEAD: &str = "http://127.0.0.1:9/";

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    if !options.wants(Row::T33) {
        return Ok(());
    }
    let (seconds, count) = if options.quick { (5, 2000) } else { (15, 10_000) };
    println!("T33 on {}: a dead endpoint with {} events", options.engine, options.backlog);
    let receiver = Receiver::start().await?;
    let mut home = Home::new(options, "backlog", &["Users", "Backlog"]).await?;
    home.add_webhook(DEAD.to_owned(), None);
    home.serve().await?.stop()?;
    let changes = RATE * seconds;
    home.import("Users", "users", u64::from(changes))?;
    home.import("Backlog", "backlog", options.backlog)?;
    let scimd = home.serve().await?;
    let begun = Instant::now();
    for (directory, events) in [("Users", u64::from(changes)), ("Backlog", options.backlog)] {
        home.data.wait_for_events(&home.access(directory)?.directory, events, PATIENCE).await?;
    }
    let recorded = options.backlog as f64 / begun.elapsed().as_secs_f64();
    figures.add("backlog/recorded", recorded, "/s");
    figures.add("backlog/peak", scimd.peak_memory()?, "MiB");
    let users = home.access("Users")?.clone();
    let ids = users::ids(&mut scimd.connect().await?, &users, usize::try_from(changes)?).await?;
    scimd.stop()?;
    home.add_webhook(receiver.url(), None);
    for round in 1..=options.rounds(2) {
        for (bench, dead) in [("backlog/with", true), ("backlog/without", false)] {
            let scimd = home.serve().await?;
            home.enable(&scimd, DEAD, dead).await?;
            scimd.stop()?;
            let run = format!("{}.{round}", if dead { "with" } else { "without" });
            let delivered = delivered(&home, &receiver, "Users", &run, count).await?;
            figures.add(&format!("{bench}/throughput"), delivered.per_second, "/s");
            let scimd = delivered.scimd;
            receiver.wait_until_quiet(Duration::from_secs(1)).await;
            receiver.drain();
            let changes = change(&scimd, &users, &ids, RATE).await?;
            receiver.wait_for(ids.len(), PATIENCE).await?;
            let arrivals = arrivals(receiver.drain())?;
            let delays = changes.iter().map(|change| {
                let arrival = arrivals.get(&change.id).context("an event is missing")?;
                Ok(arrival.saturating_duration_since(change.done))
            });
            figures.add_times(&format!("{bench}/delay"), &mut delays.collect::<Result<Vec<_>>>()?)?;
            if dead {
                figures.add("backlog/peak", scimd.peak_memory()?, "MiB");
            }
            scimd.stop()?;
        }
    }
    drained(&home, options, figures).await?;
    home.remove()
}

/// The dead endpoint is repaired: how fast it gets what waited.
async fn drained(home: &Home, options: &Options, figures: &mut Figures) -> Result<()> {
    let receiver = Receiver::start().await?;
    let scimd = home.serve().await?;
    home.enable(&scimd, DEAD, true).await?;
    let begun = Instant::now();
    home.repair(&scimd, DEAD, &receiver.url()).await?;
    let some = options.backlog.min(DRAINED);
    receiver.wait_for(usize::try_from(some)?, PATIENCE).await?;
    figures.add("backlog/drained", some as f64 / begun.elapsed().as_secs_f64(), "/s");
    figures.add("backlog/peak", scimd.peak_memory()?, "MiB");
    scimd.stop()
}
