//! Where the program is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Problem;

const NAME: &str = "nats-server";
/// Where `cargo xtask test` installs it.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/nats/bin");

/// The program.
pub(crate) fn program() -> Result<PathBuf, Problem> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    search(&path, Path::new(INSTALLED)).ok_or_else(|| {
        Problem::new(
            "nats-server is not installed, and tests need it: run `cargo xtask test`, which installs it",
        )
    })
}

fn search(path: &OsStr, installed: &Path) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).chain([installed.to_owned()]);
    folders.map(|folder| folder.join(NAME)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_first() {
        let folder = tempfile::TempDir::new().unwrap();
        let install = |place: &str| {
            let folder = folder.path().join(place);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join(NAME), "").unwrap();
            folder
        };
        let nowhere = OsStr::new("/nowhere");
        assert_eq!(search(nowhere, &folder.path().join("target")), None);
        let target = install("target");
        assert_eq!(search(nowhere, &target), Some(target.join(NAME)));
        let own = install("own");
        assert_eq!(search(own.as_os_str(), &target), Some(own.join(NAME)));
    }
}
