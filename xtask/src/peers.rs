//! `cargo xtask peers`: the same filters and PATCH requests to implementations of others and to ours.
//!
//! The drivers of the peers and the verdicts on the differences are in `conformance/peers`; its README describes
//! what drivers read and write.

mod answer;
mod cases;
mod drivers;
mod report;
pub(crate) mod verdicts;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use crate::requirements::{self, Purpose};

use report::Tally;
use verdicts::Verdicts;

/// Runs filters and PATCH requests through scim2-models, scimmy, scim-patch and scim2-parse-filter, and compares.
///
/// Each difference must have a verdict in conformance/peers/verdicts.toml, which says by which sentence of the RFC
/// who is right; the run fails where one has none, or where a verdict has not as many differences as it says.
/// The peers are installed below target/peers, from PyPI and npm. The table at the end is the one of COMPARE.md.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print every difference below its verdict, with both answers
    #[arg(long)]
    list: bool,
    /// Only this peer, such as scimmy
    #[arg(long)]
    peer: Option<String>,
}

/// `Ok(false)`: a difference lacks a verdict, or a verdict its differences.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Peers)?;
    let verdicts = Verdicts::read(root)?;
    let peers = drivers::chosen(options.peer.as_deref())?;
    drivers::install(root)?;
    let (world, cases) = cases::collect(root)?;
    let ours = drivers::ours(root, &world, &cases)?;
    let mut good = true;
    let mut tallies = Vec::new();
    for peer in peers {
        let asked: Vec<_> = cases.iter().filter(|case| peer.answers(case)).collect();
        let theirs = drivers::ask(root, peer, &world, &asked)?;
        let mut tally = Tally::new(peer);
        for (case, their) in asked.into_iter().zip(&theirs) {
            let our = ours.get(&case.id).with_context(|| format!("we have not answered {}", case.id))?;
            tally.add(case, our, their, &verdicts);
        }
        good &= tally.check(&verdicts);
        if options.list {
            tally.print_differences(&verdicts);
        }
        tallies.push(tally);
    }
    println!();
    report::print_table(&tallies, &verdicts);
    Ok(good)
}
