//! Packages of other languages, installed below `target/` in pinned versions.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::command;

/// Installs packages into a folder, PyPI's with a virtual environment `venv`, unless these versions are there.
///
/// # Errors
/// If one of them cannot be installed.
pub(crate) fn install(root: &Path, folder: &Path, pypi: &[String], npm: &[String]) -> Result<()> {
    let wanted = [pypi, npm].concat().join("\n");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing {} packages below {}", pypi.len() + npm.len(), folder.display());
    fs::create_dir_all(folder)?;
    shown(root, "python3", &["-m".into(), "venv".into(), path(&folder.join("venv"))])?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"].map(str::to_owned);
    shown(root, &path(&folder.join("venv/bin/pip")), &[pip.as_slice(), pypi].concat())?;
    let install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"];
    let install = install.map(str::to_owned);
    shown(root, "npm", &[install.as_slice(), &[path(folder)], npm].concat())?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a command with its output shown; it must succeed.
fn shown(root: &Path, program: &str, args: &[String]) -> Result<()> {
    println!("  {program} {}", args.join(" "));
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let status =
        command(root, program, &words).status().with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}
