//! `cargo xtask tidy`: the checks that no compiler makes. Each check is a file of its own below.

mod arrows;
mod copies;
mod crates;
mod hygiene;
mod ledger;
mod links;
mod readme;
mod verdicts;

use std::path::Path;

use anyhow::Result;

use crate::workspace::{Metadata, Sources, command, output};

/// Runs every check and prints what each found.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let metadata = Metadata::read(root)?;
    let sources = Sources::read(root)?;
    let mut good = true;
    let mut show = |name: &str, outcome: Outcome| {
        good &= outcome.errors.is_empty();
        outcome.print(name);
    };
    show("crate arrows", arrows::check(&metadata));
    show("pure crates", arrows::purity(|package| dependency_tree(root, package))?);
    show("crates", crates::check(&metadata, &sources));
    show("README commands", readme::check(&metadata, &sources, |words| accepts(root, words)));
    show("ledger", ledger::check(root, &sources)?);
    show("data copies", copies::check(root)?);
    show("verdicts on peers", verdicts::check(root)?);
    show("house rules", hygiene::check(&sources));
    show("links", links::check(&sources));
    Ok(good)
}

/// What a check found.
#[derive(Debug, Default)]
struct Outcome {
    /// Figures worth a line also where all is well.
    facts: Vec<String>,
    /// Places to look at; they do not fail the check.
    warnings: Vec<String>,
    /// Each one fails the check.
    errors: Vec<String>,
}

impl Outcome {
    fn fact(&mut self, text: impl Into<String>) {
        self.facts.push(text.into());
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }

    fn print(&self, name: &str) {
        println!("{} {name}", if self.errors.is_empty() { "ok  " } else { "FAIL" });
        for fact in &self.facts {
            println!("       {fact}");
        }
        for warning in &self.warnings {
            println!("  warn {warning}");
        }
        for error in &self.errors {
            println!("  FAIL {error}");
        }
    }
}

/// The names of all normal dependencies of a package, its own first, without repetition.
fn dependency_tree(root: &Path, package: &str) -> Result<Vec<String>> {
    let text = output(
        root,
        "cargo",
        &["tree", "-p", package, "--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"],
    )?;
    let mut names: Vec<String> = Vec::new();
    for name in text.lines().filter_map(|line| line.split_whitespace().next()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether a program of the workspace knows a command line: it is run with `--help` behind it.
fn accepts(root: &Path, words: &[&str]) -> bool {
    let mut args = vec!["run", "--quiet"];
    args.extend(words.iter().filter(|word| **word != "--release"));
    if !words.contains(&"--") {
        args.push("--");
    }
    args.push("--help");
    command(root, "cargo", &args).output().is_ok_and(|output| output.status.success())
}
