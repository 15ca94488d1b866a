//! `scimd`'s data: loaded once for a number of users and a version of the tables, and kept.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::server::{Access, Server, free_address, pinned};
use super::{Programs, SERVERS};
use crate::workspace::command;

/// What the data depends on. When one of them changes, it is loaded again.
const DEPENDS_ON: [&str; 4] = [
    "adapters/sql/src/tables.rs",
    "directory/src/tables.rs",
    "server/src/import/state.rs",
    "benches/src/population.rs",
];

/// The URL in resources; nobody asks it.
const BASE_URL: &str = "https://scim.example.com";
/// The directory with the users, and the one that new users are posted to.
const DIRECTORIES: [&str; 2] = ["Users", "Posts"];

/// A folder with `scimd`'s data.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    pub(super) users: usize,
    /// The directory with the users. Nothing is written there, so that each run finds the same.
    pub(super) access: Access,
    /// The directory of new users.
    pub(super) posts: Access,
    /// The file for the ids of the users.
    pub(super) ids: PathBuf,
}

/// What is written when the data is complete.
#[derive(Serialize, Deserialize)]
struct Loaded {
    access: Access,
    posts: Access,
}

impl Store {
    /// Loads users, unless they are there.
    pub(super) fn prepare(root: &Path, programs: &Programs, users: usize) -> Result<Self> {
        let folder = root.join(format!("target/bench-store/http-{users}-{:016x}", version(root)?));
        let file = folder.join("loaded.json");
        let loaded: Loaded = match std::fs::read_to_string(&file) {
            Ok(text) => {
                serde_json::from_str(&text).with_context(|| format!("{} is broken", file.display()))?
            }
            Err(_) => {
                let loaded = load(&folder, programs, users)?;
                std::fs::write(&file, serde_json::to_string(&loaded)?)?;
                loaded
            }
        };
        let ids = folder.join("ids.txt");
        Ok(Self { folder, users, access: loaded.access, posts: loaded.posts, ids })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts `scimd` on it, and says how long it took to be ready.
    pub(super) fn serve(&self, programs: &Programs) -> Result<(Server, Duration)> {
        serve(&self.folder, programs, Stdio::null())
    }
}

/// A number for the versions of the tables and of the users.
fn version(root: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for name in DEPENDS_ON {
        let text =
            std::fs::read_to_string(root.join(name)).with_context(|| format!("{name} can't be read"))?;
        text.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn serve(folder: &Path, programs: &Programs, stdout: impl Into<Stdio>) -> Result<(Server, Duration)> {
    let address = free_address()?;
    let config = configuration(folder, &address.to_string())?;
    let mut command = pinned(SERVERS, &programs.scimd);
    command.arg("serve").arg("--config").arg(&config).stdout(stdout).stderr(Stdio::null());
    Server::ready(command, address)
}

fn configuration(folder: &Path, listen: &str) -> Result<PathBuf> {
    let file = folder.join("scimd.toml");
    let data = folder.join("data");
    let mut text = format!("listen = {listen:?}\nbase_url = {BASE_URL:?}\ndata = {data:?}\n");
    text.push_str("[[organization]]\nname = \"Bench\"\n");
    for name in DIRECTORIES {
        text.push_str(&format!("[[organization.directory]]\nname = {name:?}\n"));
    }
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// From nothing; what an attempt left that was not finished is removed.
fn load(folder: &Path, programs: &Programs, users: usize) -> Result<Loaded> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{} can't be removed", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    println!("loading {users} users into {}; the next run finds them there", folder.display());
    let printed = folder.join("printed.txt");
    serve(folder, programs, File::create(&printed)?)?.0.stop()?;
    let printed = std::fs::read_to_string(&printed)?;
    let [access, posts] = DIRECTORIES.map(|name| access(&printed, name));
    import(folder, programs, users)?;
    let begun = Instant::now();
    let (server, _) = serve(folder, programs, Stdio::null())?;
    server.wait_until_quiet()?;
    server.stop()?;
    println!("events of the import: {} s", begun.elapsed().as_secs());
    Ok(Loaded { access: access?, posts: posts? })
}

fn import(folder: &Path, programs: &Programs, users: usize) -> Result<()> {
    let lines = folder.join("users.jsonl");
    let users = users.to_string();
    let made = command(folder, &programs.users.display().to_string(), &["--count", &users])
        .stdout(File::create(&lines)?)
        .status()
        .context("the users can't be made")?;
    ensure!(made.success(), "the users can't be made");
    let config = configuration(folder, "127.0.0.1:0")?;
    let status = command(folder, &programs.scimd.display().to_string(), &["import"])
        .arg(&lines)
        .arg("--config")
        .arg(&config)
        .args(["--directory", DIRECTORIES.first().copied().unwrap_or_default()])
        .status()
        .context("scimd can't be started")?;
    ensure!(status.success(), "the import failed");
    std::fs::remove_file(&lines).context("the file of users can't be removed")
}

/// What `scimd` printed of a directory when it made it.
fn access(printed: &str, name: &str) -> Result<Access> {
    let mut lines = printed.lines().skip_while(|line| line.strip_prefix("directory  ") != Some(name)).skip(1);
    let mut after = |label: &str| {
        let rest = lines.next()?.trim_start().strip_prefix(label)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let (url, token) = (after("SCIM base URL"), after("bearer token"));
    let (url, token) = url.zip(token).with_context(|| format!("scimd did not print the token of {name}"))?;
    let path = url.strip_prefix(BASE_URL).context("scimd printed another URL than the configured one")?;
    Ok(Access { path: path.to_owned(), token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_has_its_own_token() {
        let printed = "directory  Users\n  SCIM base URL  https://scim.example.com/scim/v2/d1\n  \
                       bearer token   t1  (shown this once)\ndirectory  Posts\n  \
                       SCIM base URL  https://scim.example.com/scim/v2/d2\n  bearer token   t2  (shown this once)\n";
        let posts = access(printed, "Posts").unwrap();
        assert_eq!((posts.path.as_str(), posts.token.as_str()), ("/scim/v2/d2", "t2"));
        assert_eq!(access(printed, "Users").unwrap().token, "t1");
        assert!(access(printed, "Others").is_err());
    }
}
