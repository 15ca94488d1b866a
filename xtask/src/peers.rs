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
