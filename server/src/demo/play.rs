//! Plays identity providers against the demo's own socket.

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use scim_conformance::SocketClient;
use scim_conformance::simulators::{Provider, Simulator};

use super::{Demo, DemoDirectory};

/// A provider that has played, and the client it used.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) simulator: Simulator,
    pub(super) client: SocketClient,
}

/// Plays each provider in its directory, one after the other. A directory that was used before is left
/// as it is.
pub(super) async fn play(demo: &Demo, providers: &[Provider], people: bool) -> Result<Vec<Played>> {
    demo.server.catch_up().await?;
    let mut turns: Vec<(Simulator, &DemoDirectory)> = Vec::new();
    for provider in providers {
        let directory = demo.directory_of(*provider).context("a provider has no directory")?;
        let used = !demo.server.directories.events(&directory.directory.id, 0, 1).await?.is_empty();
        if !used {
            turns.push((Simulator::new(*provider), directory));
        } else if people {
            println!("{} has played here before and is not played again.", provider.label());
        }
    }
    let total: usize = turns.iter().map(|(simulator, _)| simulator.total()).sum();
    let bar = if people { bar(total)? } else { ProgressBar::hidden() };
    let mut played = Vec::new();
    for (simulator, directory) in turns {
        let client = SocketClient::new(&directory.base_url, Some(&directory.token))
            .map_err(|error| anyhow!("the simulated provider has no HTTP client: {error}"))?;
        let label = simulator.provider().label();
        let shown = bar.clone();
        let mut progress = move |progress: scim_conformance::simulators::Progress<'_>| {
            shown.inc(1);
            shown.set_message(format!("{label}: {}", progress.title));
        };
        let outcome = simulator.run(&client, &mut progress).await;
        if outcome.is_err() {
            bar.abandon();
        }
        outcome.with_context(|| format!("{label} would show its administrator an error"))?;
        played.push(Played { simulator, client });
    }
    bar.finish_with_message("done");
    Ok(played)
}

fn bar(total: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(u64::try_from(total)?);
    let style = ProgressStyle::with_template("{bar:32.green/white} {pos:>3}/{len} requests  {wide_msg}")?;
    bar.set_style(style);
    Ok(bar)
}
