//! Where the workspace is, what it holds, and how to run a command in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The root of the workspace: the folder above `xtask/`.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest_dir =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let parent = Path::new(&manifest_dir).parent().context("xtask/ has no folder above it")?;
    Ok(parent.to_path_buf())
}

/// A command that runs in `root` and reads nothing from the terminal.
pub(crate) fn command(root: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root).stdin(Stdio::null());
    command
}

/// Runs a command to its end and hands back its standard output.
///
/// # Errors
/// If it cannot be started, exits non-zero, or writes something that is not UTF-8.
pub(crate) fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let shown = format!("{program} {}", args.join(" "));
    let output = command(root, program, args)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` wrote bytes that are not UTF-8"))
}

/// Where cargo has put what it built of the workspace in `folder`: `name` below its target folder, such as
/// `release/scimd`.
pub(crate) fn built(folder: &Path, name: &str) -> PathBuf {
    built_below(folder, std::env::var_os("CARGO_TARGET_DIR"), name)
}

/// A relative target folder is relative to where cargo was run.
fn built_below(folder: &Path, target: Option<OsString>, name: &str) -> PathBuf {
    let target = target.filter(|target| !target.is_empty()).unwrap_or_else(|| OsString::from("target"));
    folder.join(target).join(name)
}

/// What `cargo metadata` tells of the members of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

impl Metadata {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let json = output(root, "cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
        serde_json::from_str(&json).context("cargo metadata: unexpected answer")
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The folder of a package, relative to the root, with forward slashes.
    pub(crate) fn folder(&self, package: &Package) -> String {
        let manifest = &package.manifest_path;
        let relative = manifest.strip_prefix(&self.workspace_root).unwrap_or(manifest);
        slashes(relative.parent().unwrap_or(Path::new("")))
    }
}

impl Package {
    pub(crate) fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|k| k == kind))
    }
}

/// The text files of the workspace by their path from the root, with forward slashes.
///
/// Test data (`conformance/data`), build output and files that are not UTF-8 are left out.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: BTreeMap<String, String>,
}

impl Sources {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in walk(root)? {
            let name = slashes(&path);
            if name.starts_with("conformance/data/") {
                continue;
            }
            if let Ok(text) = std::fs::read_to_string(root.join(&path)) {
                files.insert(name, text);
            }
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The files whose name ends in `.extension`.
    pub(crate) fn with_extension(&self, extension: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
            .filter(move |(name, _)| Path::new(name).extension().is_some_and(|found| found == extension))
    }
}

/// Every file below `folder`, sorted, relative to it; build output and hidden folders are left out.
pub(crate) fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    const SKIPPED: &[&str] = &["target", "artifacts", "corpus", "coverage", "__pycache__", "node_modules"];
    const HIDDEN_BUT_OURS: &[&str] = &[".cargo", ".ci", ".gitignore"];

    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let entries =
            std::fs::read_dir(&current).with_context(|| format!("cannot list {}", current.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && !HIDDEN_BUT_OURS.contains(&name.as_ref()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                if !SKIPPED.contains(&name.as_ref()) {
                    folders.push(entry.path());
                }
            } else if let Ok(relative) = entry.path().strip_prefix(folder) {
                found.push(relative.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A relative path as the documents write it: with forward slashes.
pub(crate) fn slashes(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_where_cargo_puts_it() {
        let built =
            |target: Option<&str>| built_below(Path::new("/here"), target.map(Into::into), "release/scimd");
        assert_eq!(built(None), Path::new("/here/target/release/scimd"));
        assert_eq!(built(Some("")), Path::new("/here/target/release/scimd"));
        assert_eq!(built(Some("out")), Path::new("/here/out/release/scimd"));
        assert_eq!(built(Some("/there")), Path::new("/there/release/scimd"));
    }
}
