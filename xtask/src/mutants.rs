//! `cargo xtask mutants`: `scim-filter` and `scim-patch` with small mistakes put in, one at a time. The crates' tests
//! must catch them; those that may survive are listed, with reasons, in `xtask/mutants.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// How many of the mutants must be caught, in percent.
const LEAST: f64 = 90.0;

/// The list of survivors, from the root.
const SURVIVORS: &str = "xtask/mutants.toml";

/// Where cargo-mutants leaves its results, from the root.
const OUTPUT: &str = "target/mutants";

/// How long the tests of a crate may run with a mistake in it, in seconds: many times what they take without.
const TIMEOUT: &str = "120";

/// Tests that take long in a debug build: about time and memory, which few mistakes change. Only what the others miss
/// is tested with them.
const SLOW: &str = "hostile::";

/// Those of them that find nothing that others do not: sizes far beyond the limits.
const SKIPPED: &str = "hostile::hostile_";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only mutants of this file (from the root; a glob); can be given more than once
    #[arg(long)]
    file: Vec<String>,
    /// Only a part of the mutants: `1/8` is the second eighth
    #[arg(long)]
    shard: Option<String>,
    /// How many mutants are tested at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
}

impl Options {
    fn is_partial(&self) -> bool {
        !self.file.is_empty() || self.shard.is_some()
    }
}

/// Tests the mutants and judges the result.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Mutants)?;
    let list = std::fs::read_to_string(root.join(SURVIVORS)).with_context(|| format!("no {SURVIVORS}"))?;
    let accepted = accepted(&list)?;
    std::fs::create_dir_all(root.join(OUTPUT))?;
    let quick = test(root, options, &["--skip", SLOW], false)?;
    let left = quick.missed.len() + quick.timeout.len();
    println!("\n{left} are left for the slower tests\n");
    let results = match left {
        0 => quick,
        _ => quick.then(test(root, options, &["--skip", SKIPPED], true)?),
    };
    Ok(judge(&results, &accepted, options.is_partial()))
}

/// One run of cargo-mutants; `again` tests only what the last one did not catch.
fn test(root: &Path, options: &Options, tests: &[&str], again: bool) -> Result<Results> {
    let jobs = options.jobs.to_string();
    let mut args =
        vec!["mutants", "--package", "scim-filter", "--package", "scim-patch", "--profile", "mutants"];
    args.extend(["--jobs", &jobs, "--timeout", TIMEOUT, "--output", OUTPUT, "--no-shuffle"]);
    args.extend(again.then_some("--iterate"));
    args.extend(options.file.iter().flat_map(|file| ["--file", file]));
    args.extend(options.shard.iter().flat_map(|shard| ["--shard", shard.as_str()]));
    args.extend(["--", "--lib", "--tests", "--"]);
    args.extend(tests);
    let status = command(root, "cargo", &args).status().context("cannot start cargo mutants")?;
    // 2: some were missed; 3: some ran out of time. What that means is for us to say.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        bail!("cargo mutants ended with {status}");
    }
    let read = |name: &str| {
        let path = root.join(OUTPUT).join("mutants.out").join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(Results {
        caught: names(&read("caught.txt")?),
        timeout: names(&read("timeout.txt")?),
        missed: names(&read("missed.txt")?),
        unviable: names(&read("unviable.txt")?).len(),
    })
}

/// The mutants by what became of them.
#[derive(Debug, Default)]
struct Results {
    caught: Vec<String>,
    /// The tests did not come to an end, which is being caught too.
    timeout: Vec<String>,
    missed: Vec<String>,
    /// The compiler refused them.
    unviable: usize,
}

impl Results {
    /// With a second run, of those that were not caught.
    fn then(mut self, second: Self) -> Self {
        self.caught.extend(second.caught);
        Self { caught: self.caught, unviable: self.unviable + second.unviable, ..second }
    }
}

/// Prints the sums and the survivors; says whether few enough are left, all with a reason.
fn judge(results: &Results, accepted: &BTreeMap<String, String>, partial: bool) -> bool {
    let caught = results.caught.len() + results.timeout.len();
    let (all, missed) = (caught + results.missed.len(), results.missed.len());
    let (mut good, mut unknown) = (true, 0);
    for name in &results.missed {
        match accepted.get(name) {
            Some(reason) => println!("survives  {name}: {reason}"),
            None => {
                println!("MISSED    {name}");
                unknown += 1;
            }
        }
    }
    for name in accepted.keys().filter(|name| !partial && !results.missed.contains(name)) {
        println!("OUTDATED  {name}: it is listed, but does not survive");
        good = false;
    }
    let percent = percent(caught, all);
    println!(
        "{all} mutants: {caught} caught ({percent:.1} %, at least {LEAST} %), {} of them by running out of time; {missed} missed, {unknown} of \
         them without a reason in {SURVIVORS}; {} more do not compile",
        results.timeout.len(),
        results.unviable
    );
    good && all > 0 && unknown == 0 && percent >= LEAST
}

#[expect(clippy::cast_precision_loss, reason = "there are not so many mutants")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// The mutants of a result file of cargo-mutants, without line and column, which change with every edit.
fn names(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty()).map(name).collect()
}

/// `file:line:column: what` without line and column.
fn name(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.nth(2)) {
        (Some(file), Some(what)) => format!("{file}:{what}"),
        _ => line.to_owned(),
    }
}

/// The survivors that are listed, with their reasons.
fn accepted(list: &str) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        #[serde(default)]
        survivor: Vec<Survivor>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Survivor {
        mutant: String,
        reason: String,
    }
    let list: List = toml::from_str(list).context(SURVIVORS)?;
    let mut accepted = BTreeMap::new();
    for Survivor { mutant, reason } in list.survivor {
        if reason.trim().is_empty() {
            bail!("{SURVIVORS}: `{mutant}` has no reason");
        }
        if accepted.insert(mutant.clone(), reason).is_some() {
            bail!("{SURVIVORS}: `{mutant}` is there twice");
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_out_of_names() {
        let text = "a/src/b.rs:12:5: replace x -> Result<A::B, C> with Ok(())\n\na/src/b.rs:3:9: replace < with <= in y\n";
        assert_eq!(
            names(text),
            ["a/src/b.rs: replace x -> Result<A::B, C> with Ok(())", "a/src/b.rs: replace < with <= in y"]
        );
    }

    #[test]
    fn what_is_caught_late_is_caught() {
        let results = |caught: &str, missed: &str, unviable| Results {
            caught: names(caught),
            missed: names(missed),
            unviable,
            ..Results::default()
        };
        let both = results("a\nb", "c\nd", 2).then(results("c", "d", 0));
        assert_eq!((both.caught.len(), both.missed, both.unviable), (3, vec!["d".to_owned()], 2));
    }

    #[test]
    fn the_list_has_reasons() {
        let good = "[[survivor]]\nmutant = \"a\"\nreason = \"the same\"\n";
        assert_eq!(accepted(good).unwrap().get("a").map(String::as_str), Some("the same"));
        assert!(accepted("").unwrap().is_empty());
        assert!(accepted(&good.replace("the same", " ")).is_err());
        assert!(accepted(&format!("{good}{good}")).is_err());
        assert!(accepted("[[survivor]]\nmutant = \"a\"\n").is_err());
    }

    #[test]
    fn survivors_need_a_reason_and_must_be_few() {
        let many = |n: usize| (0..n).map(|i| format!("caught {i}")).collect::<Vec<_>>();
        let results = |caught: usize, missed: &[&str]| Results {
            caught: many(caught),
            missed: missed.iter().map(|name| (*name).to_owned()).collect(),
            ..Results::default()
        };
        let listed = BTreeMap::from([("a".to_owned(), "why".to_owned())]);
        assert!(judge(&results(9, &["a"]), &listed, false));
        assert!(!judge(&results(8, &["a"]), &listed, false), "too many survive");
        assert!(!judge(&results(99, &["a", "b"]), &listed, false), "one has no reason");
        assert!(!judge(&results(9, &[]), &listed, false), "a reason for nothing");
        assert!(judge(&results(9, &[]), &listed, true), "not all were tested");
        assert!(!judge(&Results::default(), &BTreeMap::new(), true), "nothing was tested");
        let slow = Results { timeout: many(9), ..results(0, &["a"]) };
        assert!(judge(&slow, &listed, false));
    }
}
