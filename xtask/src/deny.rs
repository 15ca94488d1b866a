//! `cargo xtask deny`: licences, bans, advisories and sources, by the rules of `deny.toml`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::requirements::{self, Purpose};
use crate::workspace::command;

pub(crate) fn run(root: &Path) -> Result<bool> {
    requirements::install(root, Purpose::Deny)?;
    let status = command(root, "cargo", &["deny", "--workspace", "check"])
        .status()
        .context("cannot start cargo deny")?;
    Ok(status.success())
}
