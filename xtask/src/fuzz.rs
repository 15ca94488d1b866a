//! `cargo xtask fuzz`: each target of `fuzz/` for a while, from the committed corpus and from seeds.

mod corpus;

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// The longest input, in bytes: beyond the limits of every parser, so that the limits are met too.
const MAX_LEN: u32 = 32 * 1024;

/// The most memory a target may take, in MiB.
const MAX_RSS: u32 = 1024;

/// The longest one input may take, in seconds. Generous, as CI machines are shared.
const MAX_TIME: u32 = 5;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// How many processes work on a target
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Afterwards, keep the fewest inputs that reach as much, and make them the committed corpus
    #[arg(long)]
    minimize: bool,
    /// The target to run; all of them where it is left out
    target: Option<String>,
}

/// Builds and runs the targets. A finding ends the run and is kept under `fuzz/artifacts/`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Fuzzing)?;
    let manifest =
        std::fs::read_to_string(root.join("fuzz/Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let targets = targets(&manifest)?;
    let chosen: Vec<&String> = targets
        .iter()
        .filter(|target| options.target.as_ref().is_none_or(|wanted| wanted == *target))
        .collect();
    if chosen.is_empty() {
        bail!("no such target; there are: {}", targets.join(", "));
    }
    build(root)?;
    for target in chosen {
        let inputs = corpus::unpack(root, target)?;
        println!("fuzzing {target} for {} s from {inputs} inputs", options.seconds);
        if !fuzz(root, target, options)? {
            println!("{target}: a finding; the input is in fuzz/artifacts/{target}");
            return Ok(false);
        }
        if options.minimize {
            if !minimize(root, target)? {
                bail!("the corpus of {target} could not be minimised");
            }
            println!(
                "{target}: {} inputs are kept in fuzz/corpus/{target}.jsonl",
                corpus::pack(root, target)?
            );
        }
    }
    Ok(true)
}

/// The names of the `[[bin]]` tables, in order.
fn targets(manifest: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse().context("fuzz/Cargo.toml")?;
    let bins =
        manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml has no targets")?;
    Ok(bins.iter().filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect())
}

fn build(root: &Path) -> Result<()> {
    if !cargo_fuzz(root, "build", &[])? {
        bail!("the targets do not build");
    }
    Ok(())
}

fn fuzz(root: &Path, target: &str, options: &Options) -> Result<bool> {
    let jobs = format!("--jobs={}", options.jobs);
    let seconds = format!("-max_total_time={}", options.seconds);
    let limits = limits();
    let mut args = vec![target, jobs.as_str(), "--", &seconds, "-verbosity=0", "-print_final_stats=1"];
    args.extend(limits.iter().map(String::as_str));
    if options.jobs > 1 {
        // Several processes would go on after an input that takes too long or too much.
        args.extend(["-ignore_timeouts=0", "-ignore_ooms=0"]);
    }
    cargo_fuzz(root, "run", &args)
}

/// Keeps the fewest inputs that reach every branch that all of them reach, however often.
fn minimize(root: &Path, target: &str) -> Result<bool> {
    let limits = limits();
    let mut args = vec![target, "--", "-use_counters=0", "-verbosity=0"];
    args.extend(limits.iter().map(String::as_str));
    cargo_fuzz(root, "cmin", &args)
}

fn limits() -> [String; 3] {
    [format!("-max_len={MAX_LEN}"), format!("-rss_limit_mb={MAX_RSS}"), format!("-timeout={MAX_TIME}")]
}

/// Runs a subcommand of cargo-fuzz and says whether it succeeded.
fn cargo_fuzz(root: &Path, subcommand: &str, options: &[&str]) -> Result<bool> {
    // The code under test is safe Rust: the address sanitizer would only make it slower.
    let fixed = ["run", "nightly", "cargo", "fuzz", subcommand, "--fuzz-dir=fuzz", "--sanitizer=none"];
    let args = [&fixed, options].concat();
    let status = command(root, "rustup", &args).status().context("cannot start cargo fuzz")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_from_the_manifest() {
        let manifest = "[package]\nname = \"fuzz\"\n[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n";
        assert_eq!(targets(manifest).unwrap(), ["a", "b"]);
        assert!(targets("[package]\nname = \"fuzz\"\n").is_err());
    }
}
