//! `cargo xtask vendors`: whether the libraries of vendors accept what `scimd` delivers.
//!
//! The receivers and what asks the libraries are in `conformance/vendors`; its README describes them.

mod stage;
mod traffic;
mod vectors;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::stage::Stage;
use self::vectors::{Tally, Vector};
use crate::packages;
use crate::requirements::{self, Purpose};
use crate::workspace::{command, output};

const PYPI: &[&str] = &[
    "standardwebhooks==1.1.0",
    "svix==2.9.1",
    "scalekit-sdk-python==2.21.0",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
];
const NPM: &[&str] = &["standardwebhooks@1.1.1", "svix@1.99.1", "@scalekit-sdk/node@2.11.0", "express@5.3.0"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the deliveries, and the changed ones that must be refused, to this file as a list, for other checks
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
}

/// `Ok(false)`: a library or an application said what it should not.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Peers)?;
    let folder = root.join("target/vendors");
    let [pypi, npm] =
        [PYPI, NPM].map(|packages| packages.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
    packages::install(root, &folder, &pypi, &npm)?;
    println!("building scimd");
    let built = command(root, "cargo", &["build", "--quiet", "-p", "scimd"]).status();
    ensure!(built.context("cannot start cargo")?.success(), "scimd does not build");

    let stage = Stage::start(root, &folder)?;
    traffic::before_rotation(&stage)?;
    let old = stage.received()?;
    let secrets = stage.rotate()?;
    traffic::during_rotation(&stage)?;
    let new = stage.received()?;
    stage.forge()?;
    let mut good = stage.judge_applications()?;
    let first = [secrets.old.as_str()];
    let both = [secrets.old.as_str(), secrets.new.as_str()];
    let rotated = new.get(old.len()..).unwrap_or_default();
    ensure!(
        rotated.iter().all(|delivery| delivery.has_signatures(2)),
        "a delivery is not signed with both secrets"
    );
    let vectors: Vec<Vector> = vectors::of(&old, &first, "signed with one secret")
        .into_iter()
        .chain(vectors::of(rotated, &both, "signed with two secrets"))
        .collect();
    stage.stop()?;

    let list = folder.join("list.json");
    std::fs::write(&list, serde_json::to_string_pretty(&vectors)?)?;
    if let Some(file) = &options.vectors {
        std::fs::copy(&list, file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{} deliveries, {} of them during the rotation", new.len(), new.len() - old.len());
    good &= ask(root, &folder, &list)?;
    Ok(good)
}

/// Asks all libraries about the list, and prints what they said.
fn ask(root: &Path, folder: &Path, list: &Path) -> Result<bool> {
    let checks = root.join("conformance/vendors");
    let list = list.display().to_string();
    let python = folder.join("venv/bin/python").display().to_string();
    let check = checks.join("check.py").display().to_string();
    let mut said = output(root, &python, &[&check, &list])?;
    // A module finds the packages that are installed beside it.
    std::fs::copy(checks.join("check.mjs"), folder.join("check.mjs"))?;
    let check = folder.join("check.mjs").display().to_string();
    said.push_str(&output(root, "node", &[&check, &list])?);
    let tally = Tally::read(&said)?;
    tally.print();
    Ok(tally.is_good())
}
