//! Measures what becomes of changes: how soon a webhook has them, how many are delivered, and what a dead
//! endpoint costs the others. `cargo xtask bench-events` runs it, and says what the figures should be.
//!
//! What is measured is the program `scimd`, as a process of its own, over sockets. The receiver of its webhooks
//! and the load are in this process.

mod backlog;
mod connection;
mod data;
mod delay;
mod figures;
mod floor;
mod members;
mod receiver;
mod scimd;
mod throughput;
mod users;

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::figures::Figures;

#[derive(Debug, Parser)]
#[command(about = "Measure how events get from a change to the application")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the program `scimd`
    Measure(Options),
    /// Post the lines of a file to a receiver, and print how many it took in a second: what a client can do
    Floor(floor::Options),
}

#[derive(Args, Debug)]
struct Options {
    /// The program that is measured
    #[arg(long, value_name = "FILE")]
    scimd: PathBuf,
    /// What it keeps its data in
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
    /// What to measure: targets by their number
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["T30", "T31", "T32", "T33"])]
    rows: Vec<Row>,
    /// How often each is measured. Default: T30 once, T33 twice, the others three times
    #[arg(long)]
    rounds: Option<u32>,
    /// Few changes and short rounds
    #[arg(long)]
    quick: bool,
    /// How many events the dead endpoint has waiting
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
    /// Where data is kept while it is measured
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Sqlite { "sqlite" } else { "postgres" })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Row {
    T30,
    T31,
    T32,
    T33,
}

impl Options {
    fn wants(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }

    fn rounds(&self, default: u32) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { default })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().what {
        What::Floor(options) => floor::run(&options).await,
        What::Measure(options) => measure(&options).await,
    }
}

async fn measure(options: &Options) -> Result<()> {
    let mut figures = Figures::new(options.engine);
    members::measure(options, &mut figures).await?;
    delay::measure(options, &mut figures).await?;
    throughput::measure(options, &mut figures).await?;
    backlog::measure(options, &mut figures).await?;
    figures.write(&options.json)
}
