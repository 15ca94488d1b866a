//! Where PostgreSQL is, and who it runs as.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Problem;

/// Debian keeps the programs of each version in a folder of its own.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder with `initdb`, `postgres` and `psql`.
pub(crate) fn binaries() -> Result<PathBuf, Problem> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    search(&path, Path::new(DEBIAN)).ok_or_else(|| {
        Problem::new(
            "PostgreSQL is not installed, and tests need it: run `cargo xtask test`, which installs it",
        )
    })
}

fn search(path: &OsStr, debian: &Path) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(debian)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    // What is on the path may be a link to the folder that has all of them.
    let on_path = std::env::split_paths(path)
        .filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
    on_path.chain(versions.into_iter().map(|(_, folder)| folder)).find(|folder| {
        ["initdb", "postgres", "psql", "pg_isready"].iter().all(|name| folder.join(name).is_file())
    })
}

/// The user and group that take root's place.
pub(crate) fn user() -> Result<(u32, u32), Problem> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|name| entry(&users, name)).ok_or_else(|| {
        Problem::new("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it")
    })
}

fn entry(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then_some(fields)
    })?;
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_version_is_found_and_the_path_comes_first() {
        let folder = tempfile::TempDir::new().unwrap();
        let install = |place: &str| {
            let bin = folder.path().join(place);
            fs::create_dir_all(&bin).unwrap();
            for name in ["initdb", "postgres", "psql", "pg_isready"] {
                fs::write(bin.join(name), "").unwrap();
            }
            bin.canonicalize().unwrap()
        };
        let debian = folder.path().join("debian");
        assert_eq!(search(OsStr::new("/nowhere"), &debian), None);
        install("debian/9/bin");
        let newest = install("debian/16/bin");
        fs::create_dir_all(folder.path().join("debian/17/bin")).unwrap();
        let found = search(OsStr::new("/nowhere"), &debian).unwrap();
        assert_eq!(found.canonicalize().unwrap(), newest);
        let own = install("own");
        assert_eq!(search(own.as_os_str(), &debian), Some(own.clone()));
        // A link to one of the programs is as good as its folder.
        let links = folder.path().join("links");
        fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(own.join("initdb"), links.join("initdb")).unwrap();
        assert_eq!(search(links.as_os_str(), &debian), Some(own));
    }

    #[test]
    fn users_are_read() {
        let users = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/usr/sbin/nologin\n";
        assert_eq!(entry(users, "nobody"), Some((65534, 65533)));
        assert_eq!(entry(users, "postgres"), None);
    }
}
