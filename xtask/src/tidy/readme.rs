//! The commands of the README: each one exists, and the two that open it stand where a newcomer looks first.

use clap::Parser as _;

use super::Outcome;
use crate::Cli;
use crate::workspace::{Metadata, Sources};

/// How the first two commands of the README begin, in this order.
const OPENING: [&str; 2] = ["cargo run --release -p scimd -- demo", "cargo xtask test"];

/// Cargo's own subcommands that a README may use.
const CARGO: &[&str] = &["add", "bench", "build", "check", "clippy", "doc", "fmt", "install", "test"];

/// Checks every `cargo` line in the `sh` blocks of the README.
///
/// `accepts` gets the words after `cargo run` and says whether the program knows them.
pub(super) fn check(metadata: &Metadata, sources: &Sources, accepts: impl Fn(&[&str]) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(readme) = sources.get("README.md") else {
        outcome.error("README.md is missing");
        return outcome;
    };
    let commands = commands(readme);
    for (place, expected) in OPENING.iter().enumerate() {
        if !commands.get(place).is_some_and(|command| command.starts_with(expected)) {
            outcome.error(format!("README.md: command {} must be `{expected}`", place + 1));
        }
    }
    for command in &commands {
        if let Err(reason) = check_command(metadata, command, &accepts) {
            outcome.error(format!("README.md: `{command}`: {reason}"));
        }
    }
    outcome.fact(format!("{} commands", commands.len()));
    outcome
}

/// The lines of the `sh` blocks that call cargo, without comments.
fn commands(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_shell = false;
    for line in markdown.lines().map(str::trim) {
        if let Some(info) = line.strip_prefix("```") {
            in_shell = matches!(info.trim(), "sh" | "bash" | "shell" | "console");
        } else if in_shell {
            let line = line.trim_start_matches("$ ");
            let line = line.split_once(" #").map_or(line, |(command, _)| command).trim();
            if line.starts_with("cargo ") {
                found.push(line.to_owned());
            }
        }
    }
    found
}

fn check_command(
    metadata: &Metadata,
    command: &str,
    accepts: impl Fn(&[&str]) -> bool,
) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let Some((&subcommand, rest)) = words.get(1).zip(words.get(2..)) else {
        return Err("no subcommand".into());
    };
    for package in values(rest, &["-p", "--package"]) {
        if metadata.package(package).is_none() {
            return Err(format!("no package {package}"));
        }
    }
    match subcommand {
        "xtask" => {
            let words = std::iter::once("cargo xtask").chain(rest.iter().copied());
            Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
        }
        "run" if accepts(rest) => Ok(()),
        "run" => Err("the program does not build, or does not accept these words".into()),
        known if CARGO.contains(&known) => Ok(()),
        unknown => Err(format!("cargo has no `{unknown}` here")),
    }
}

/// The words that follow one of `flags`, up to `--`.
fn values<'w>(words: &[&'w str], flags: &[&str]) -> Vec<&'w str> {
    let own = words.iter().take_while(|word| **word != "--");
    own.clone().zip(own.skip(1)).filter(|(flag, _)| flags.contains(flag)).map(|(_, value)| *value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;

    fn errors(readme: &str) -> Vec<String> {
        let scimd = Package {
            name: "scimd".into(),
            manifest_path: "root/server/Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        };
        let metadata = Metadata { packages: vec![scimd], workspace_root: "root".into() };
        let sources = Sources::of(&[("README.md", readme)]);
        check(&metadata, &sources, |words| !words.contains(&"dance")).errors
    }

    const GOOD: &str = "```sh\ncargo run --release -p scimd -- demo # look\ncargo xtask test\n```\n";

    #[test]
    fn the_opening_commands_stand_in_order() {
        assert_eq!(errors(GOOD), [""; 0]);
        assert_eq!(errors("```sh\ncargo xtask test\ncargo run --release -p scimd -- demo\n```").len(), 2);
        assert_eq!(errors("# Hello").len(), 2);
        assert_eq!(errors("```text\ncargo run --release -p scimd -- demo\ncargo xtask test\n```").len(), 2);
    }

    #[test]
    fn a_command_that_does_not_exist_is_found() {
        for bad in [
            "cargo xtask dance",
            "cargo xtask fuzz --minutes 3",
            "cargo run -p scimd -- dance",
            "cargo run -p gone -- demo",
            "cargo test --package gone",
            "cargo dance",
        ] {
            assert_eq!(errors(&format!("{GOOD}```sh\n{bad}\n```\n")).len(), 1, "{bad}");
        }
        assert_eq!(errors(&format!("{GOOD}```sh\ncargo test -p scimd\n$ cargo xtask tidy\n```")), [""; 0]);
    }
}
