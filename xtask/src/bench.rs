//! `cargo xtask bench`: ours against floors and peers, and whether the targets hold.
//!
//! The benchmarks are in `benches/`, a workspace of its own. Shared machines have bad moments, so everything
//! is measured in several rounds, what belongs together side by side, and the best figures are compared.

mod samples;
pub(crate) mod table;
mod targets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::requirements::{self, Purpose};
use crate::workspace::{command, output};

/// The programs of `benches/` and the features they are built with. `serde_json` is the floor of
/// `resources`; a peer that turns on another map in it is left out there.
const PROGRAMS: [(&str, &str); 2] = [("filters", "peers"), ("resources", "resource-peers")];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only benchmarks whose name has this in it; a regular expression. Targets that it leaves without
    /// figures are not judged
    #[arg(long)]
    filter: Option<String>,
    /// One short round, to see roughly where things are; missed targets are shown, but are no failure
    #[arg(long)]
    quick: bool,
    /// Only ours and the floors. Other libraries take minutes to build; targets against them are not judged
    #[arg(long)]
    alone: bool,
    /// How often everything is measured; the best figures are compared
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// A benchmark that an implementation is not timed in, because its answer is not right.
#[derive(Debug, Deserialize)]
struct Verdict {
    bench: String,
    #[serde(rename = "impl")]
    implementation: String,
    verdict: String,
    detail: String,
}

/// `Ok(false)`: a target is missed, or has no figures in a run of everything.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Benches)?;
    let home = root.join("benches/target/rounds");
    if home.exists() {
        std::fs::remove_dir_all(&home).context("the last run's figures can't be removed")?;
    }
    std::fs::create_dir_all(&home)?;
    println!("building the benchmarks");
    let programs = PROGRAMS.map(|(name, peers)| Program { name, peers: (!options.alone).then_some(peers) });
    for program in &programs {
        program.build(root)?;
    }
    let rounds = if options.quick { 1 } else { options.rounds };
    for round in 1..=rounds {
        for program in &programs {
            println!("round {round} of {rounds}: {}", program.name);
            program.measure(root, &home, round, options)?;
        }
    }
    let measured = samples::read(&home)?;
    if measured.is_empty() {
        bail!("no benchmark has that in its name");
    }
    let verdicts = verdicts(&home)?;
    let file = root.join("target/bench.json");
    std::fs::create_dir_all(root.join("target"))?;
    std::fs::write(&file, measured.to_json()?).with_context(|| format!("cannot write {}", file.display()))?;
    println!("\n{}", table::comparison(&measured, &verdicts));
    let targets = targets::judge(&measured, &allocations(root)?);
    println!("{}", table::targets(&targets));
    println!("figures: target/bench.json");
    // Only a part of the benchmarks may leave a target without figures.
    let part = options.alone || options.filter.is_some();
    Ok(options.quick || targets.iter().all(|target| target.holds.unwrap_or(part)))
}

/// A program of `benches/` with the feature that brings in the peers, where they are wanted.
struct Program {
    name: &'static str,
    peers: Option<&'static str>,
}

impl Program {
    fn command(&self, root: &Path) -> Command {
        let args = ["bench", "--quiet", "--locked", "--no-default-features", "--bench", self.name];
        let mut command = command(&root.join("benches"), "cargo", &args);
        if let Some(peers) = self.peers {
            command.args(["--features", peers]);
        }
        command
    }

    fn build(&self, root: &Path) -> Result<()> {
        let status = self.command(root).arg("--no-run").status().context("cannot start cargo")?;
        if !status.success() {
            bail!("the benchmark {} does not build", self.name);
        }
        Ok(())
    }

    /// Runs the benchmarks once, with the figures below `home`.
    fn measure(&self, root: &Path, home: &Path, round: u32, options: &Options) -> Result<()> {
        let mut command = self.command(root);
        command.arg("--").args(&options.filter);
        command.env("CRITERION_HOME", home.join(format!("{}-{round}", self.name)));
        command.env("SCIM_BENCH_VERDICTS", home.join(format!("{}.verdicts.json", self.name)));
        if options.quick {
            command.env("SCIM_BENCH_QUICK", "1");
        }
        let log = home.join(format!("{}-{round}.log", self.name));
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = command.spawn().context("cannot start cargo")?;
        let stdout = child.stdout.take().context("cargo's output is not connected")?;
        let progress = std::io::stdout().is_terminal();
        let mut done = 0;
        for line in BufReader::new(stdout).lines() {
            if line?.contains("time:") {
                done += 1;
                if progress {
                    print!("\r  {done} benchmarks");
                    std::io::stdout().flush()?;
                }
            }
        }
        println!("{}  {done} benchmarks", if progress { "\r" } else { "" });
        if !child.wait()?.success() {
            let log = std::fs::read_to_string(&log)?;
            let own = log.lines().filter(|line| !line.starts_with("Benchmarking "));
            bail!("the benchmark {} failed:\n{}", self.name, own.collect::<Vec<_>>().join("\n"));
        }
        Ok(())
    }
}

fn verdicts(home: &Path) -> Result<Vec<Verdict>> {
    let mut all = Vec::new();
    for (program, _) in PROGRAMS {
        let text = std::fs::read_to_string(home.join(format!("{program}.verdicts.json")))?;
        all.extend(serde_json::from_str::<Vec<Verdict>>(&text).context("unexpected verdicts")?);
    }
    Ok(all)
}

/// How often memory was asked for, by `parse/{fixture}`, `parse_owned/{fixture}` and `eval/{fixture}`.
fn allocations(root: &Path) -> Result<BTreeMap<String, u64>> {
    let args = ["bench", "--quiet", "--locked", "--no-default-features", "--bench", "allocations"];
    let json = output(&root.join("benches"), "cargo", &args)?;
    serde_json::from_str(&json).context("unexpected counts of allocations")
}
