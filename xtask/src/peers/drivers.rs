//! The peers: which they are, how they are installed, and how they are asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::answer::Answer;
use super::cases::Case;
use crate::packages;
use crate::workspace::command;

/// An implementation of somebody else.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) registry: Registry,
    filters: bool,
    patches: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    PyPi,
    Npm,
}

const PEERS: &[Peer] = &[
    Peer { name: "scim2-models", version: "0.12.3", registry: Registry::PyPi, filters: true, patches: true },
    Peer { name: "scimmy", version: "1.3.5", registry: Registry::Npm, filters: true, patches: true },
    Peer { name: "scim-patch", version: "0.8.3", registry: Registry::Npm, filters: false, patches: true },
    Peer {
        name: "scim2-parse-filter",
        version: "0.2.10",
        registry: Registry::Npm,
        filters: true,
        patches: false,
    },
];

impl Peer {
    /// Whether the peer does what the case asks for.
    pub(crate) fn answers(&self, case: &Case) -> bool {
        if case.is_filter() { self.filters } else { self.patches }
    }
}

/// Every peer, or the one that is named.
pub(crate) fn chosen(name: Option<&str>) -> Result<Vec<&'static Peer>> {
    let chosen: Vec<&Peer> = PEERS.iter().filter(|peer| name.is_none_or(|name| name == peer.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        bail!("no such peer; there are: {}", names.join(", "));
    }
    Ok(chosen)
}

/// Installs all peers below `target/peers`, if these versions are not there.
pub(crate) fn install(root: &Path) -> Result<()> {
    let pinned = |registry: Registry, between: &str| -> Vec<String> {
        let of_registry = PEERS.iter().filter(|peer| peer.registry == registry);
        of_registry.map(|peer| format!("{}{between}{}", peer.name, peer.version)).collect()
    };
    let (python, javascript) = (pinned(Registry::PyPi, "=="), pinned(Registry::Npm, "@"));
    packages::install(root, &folder(root), &python, &javascript)
}

/// The answers of a peer to the cases, in their order.
pub(crate) fn ask(root: &Path, peer: &Peer, world: &Value, cases: &[&Case]) -> Result<Vec<Answer>> {
    let drivers = root.join("conformance/peers");
    let mut driver = match peer.registry {
        Registry::PyPi => {
            let mut driver = Command::new(folder(root).join("venv/bin/python"));
            driver.arg(drivers.join(format!("{}.py", peer.name)));
            driver
        }
        Registry::Npm => {
            // A module finds the packages that are installed beside it.
            for name in ["lines.mjs", &format!("{}.mjs", peer.name)] {
                fs::copy(drivers.join(name), folder(root).join(name)).with_context(|| name.to_owned())?;
            }
            let mut driver = Command::new("node");
            driver.arg(folder(root).join(format!("{}.mjs", peer.name)));
            driver
        }
    };
    answers(&mut driver, world, cases).with_context(|| peer.name)
}

/// Our answers, by the ids of the cases.
pub(crate) fn ours(root: &Path, world: &Value, cases: &[Case]) -> Result<BTreeMap<String, Answer>> {
    let words = ["run", "--quiet", "-p", "scim-conformance", "--bin", "scim-answers"];
    let asked: Vec<&Case> = cases.iter().collect();
    let answers = answers(&mut command(root, "cargo", &words), world, &asked).context("scim-answers")?;
    Ok(cases.iter().map(|case| case.id.clone()).zip(answers).collect())
}

/// Writes all lines to a driver and reads all its answers.
fn answers(driver: &mut Command, world: &Value, cases: &[&Case]) -> Result<Vec<Answer>> {
    let mut lines = format!("{world}\n");
    for case in cases {
        lines.push_str(&case.line());
        lines.push('\n');
    }
    let mut child =
        driver.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot be started")?;
    let mut stdin = child.stdin.take().context("no input")?;
    // Written beside the reading: a driver answers while there is still more to read.
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("ended with {}", output.status);
    }
    if !matches!(writer.join(), Ok(Ok(()))) {
        bail!("did not read its input to the end");
    }
    let text = String::from_utf8(output.stdout).context("wrote bytes that are not UTF-8")?;
    let mut found = Vec::new();
    for (case, line) in cases.iter().zip(text.lines()) {
        let (id, answer) = Answer::parse(line)?;
        if id != case.id {
            bail!("answered {id} where {} was asked", case.id);
        }
        found.push(answer);
    }
    if found.len() != cases.len() {
        bail!("answered {} of {} cases", found.len(), cases.len());
    }
    Ok(found)
}

fn folder(root: &Path) -> PathBuf {
    root.join("target/peers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_driver() {
        let drivers = crate::workspace::root().unwrap().join("conformance/peers");
        for peer in PEERS {
            let extension = if peer.registry == Registry::PyPi { "py" } else { "mjs" };
            assert!(drivers.join(format!("{}.{extension}", peer.name)).is_file(), "{}", peer.name);
            assert!(peer.filters || peer.patches);
        }
        assert_eq!(chosen(None).unwrap().len(), PEERS.len());
        assert_eq!(chosen(Some("scimmy")).unwrap().len(), 1);
        assert!(chosen(Some("nobody")).unwrap_err().to_string().contains("scim-patch"));
    }
}
