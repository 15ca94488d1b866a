//! `cargo xtask hostile`: texts and requests made to hurt, timed in a release build on a stack of 128 KiB.
//!
//! The inputs are those of the crates' own tests, which run them in a debug build and do not look at a clock; what is
//! measured and judged is in `fuzz/bodies/src/bin/hostile.rs`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// `Ok(false)`: something takes too long, or longer than its size explains.
pub(crate) fn run(root: &Path) -> Result<bool> {
    requirements::install(root, Purpose::Tests)?;
    let args = ["run", "--quiet", "--release", "--package", "scim-fuzz", "--bin", "hostile"];
    let status = command(root, "cargo", &args).status().context("cannot start cargo")?;
    Ok(status.success())
}
