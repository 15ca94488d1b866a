//! `cargo xtask spec DIR`: the specification cases of any folder, run by the conformance crate's program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::command;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder with `filter-cases.json`, `patch-cases.json` and `filter-docs.json`; the project's own if left out
    dir: Option<PathBuf>,
}

/// The program's last line is `N passed, N failed`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let dir = match &options.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => root.join("conformance/data/spec"),
    };
    let status =
        command(root, "cargo", &["run", "--quiet", "-p", "scim-conformance", "--bin", "scim-spec", "--"])
            .arg(dir)
            .status()
            .context("cannot start cargo")?;
    Ok(status.success())
}
