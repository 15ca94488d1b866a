//! `cargo xtask bench-events`: how events get from a change to the application, and whether the targets hold.
//!
//! What is measured is in `server/examples/events/`: the program `scimd` as it is, over sockets.

mod targets;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::bench::table;
use crate::bench_http::machine;
use crate::requirements::{self, Purpose};
use crate::workspace::{built, command};

const HELP: &str = "\
Rows, by the numbers of the targets:
  T30  how long it takes from the answer to a change until the webhook has it: 200 changes a second, due at fixed
       moments, first alone, then while another organization's directory is loaded over SCIM as fast as it goes
  T31  how many events of a backlog are delivered in a second, signed, beside a bare HTTP client that posts the
       same bodies to the same receiver over as many connections
  T32  a PATCH that adds 10,000 members: its answer with and without an endpoint, and when the event of each member
       is recorded
  T33  a dead endpoint with a million events waiting: the memory of the process, what is left for another endpoint,
       and how fast it gets them once it is repaired

Of several rounds the best figures are compared. Server, receiver and load share the processors. A machine that does
something else makes all figures worse: times of single events most. Figures: target/bench-events.jsonl.";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Few events and short rounds, to see roughly where things are; missed targets are shown, but are no failure
    #[arg(long)]
    quick: bool,
    /// Which engines
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    engine: Engines,
    /// Only these targets, such as T30,T31
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    #[arg(default_values = ["T30", "T31", "T32", "T33"])]
    rows: Vec<Row>,
    /// How often each is measured. Default: T30 once, T33 twice, the others three times
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// How many events the dead endpoint of T33 has; with --quick 50,000
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(default_value_if("quick", "true", "50000"))]
    backlog: u64,
    /// Write the figures to this file as well, one a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engines {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Row {
    T30,
    T31,
    T32,
    T33,
}

/// What was measured in one round.
#[derive(Debug, Deserialize)]
struct Figure {
    bench: String,
    engine: String,
    value: f64,
    unit: String,
}

/// `Ok(false)`: a target is missed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Tests)?;
    println!("building scimd and what measures it");
    let build = ["build", "--quiet", "--release", "-p", "scimd"];
    // Apart from each other: what is measured has no more features than it has in production.
    for what in [&["--bin", "scimd"], &["--example", "events"]] {
        let built = command(root, "cargo", &build).args(what).status().context("cannot start cargo")?;
        ensure!(built.success(), "`cargo {} {}` failed", build.join(" "), what.join(" "));
    }
    if let Some(waiting) = machine::load_average().filter(|waiting| *waiting > 0.5) {
        println!(
            "the machine is busy (load average {waiting:.1}): the figures only show roughly where things are"
        );
    }
    let folder = root.join("target/bench-events");
    std::fs::create_dir_all(&folder)?;
    let mut lines = String::new();
    for engine in ["sqlite", "postgres"] {
        if options.engine != Engines::Both && format!("{:?}", options.engine).to_lowercase() != engine {
            continue;
        }
        lines.push_str(&measure(root, &folder, engine, options)?);
    }
    let file = root.join("target/bench-events.jsonl");
    for file in [Some(&file), options.json.as_ref()].into_iter().flatten() {
        std::fs::write(file, &lines).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let figures: Vec<Figure> =
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("unexpected figures")?;
    let targets = targets::judge(&figures);
    println!("\n{}", table::lines(&targets::table(&targets), &[1, 2, 3]));
    for note in targets::notes(&figures) {
        println!("{note}");
    }
    println!("figures: target/bench-events.jsonl");
    Ok(options.quick || targets.iter().all(|target| target.holds))
}

/// The figures of one engine, one a line.
fn measure(root: &Path, folder: &Path, engine: &str, options: &Options) -> Result<String> {
    let json = folder.join("part.jsonl");
    let rows: Vec<String> = options.rows.iter().map(|row| format!("{row:?}")).collect();
    let events = built(root, "release/examples/events");
    let mut measure = command(root, &events.to_string_lossy(), &["measure", "--engine", engine]);
    measure.arg("--scimd").arg(built(root, "release/scimd"));
    measure.arg("--folder").arg(folder).arg("--json").arg(&json);
    measure.args(["--rows", &rows.join(","), "--backlog", &options.backlog.to_string()]);
    if let Some(rounds) = options.rounds {
        measure.args(["--rounds", &rounds.to_string()]);
    }
    if options.quick {
        measure.arg("--quick");
    }
    if !measure.status().context("what is measured can't be run")?.success() {
        bail!("the events of {engine} could not be measured");
    }
    let lines = std::fs::read_to_string(&json)?;
    std::fs::remove_file(&json)?;
    Ok(lines)
}
