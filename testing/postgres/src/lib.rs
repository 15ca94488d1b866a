#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod find;

use std::fmt;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the child of the test process does: it takes commands line by line, and answers each with a line.
/// When there are no more it ends the server and removes the folder.
const WATCHER: &str = include_str!("watcher.sh");

/// Whether the server waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it waits or it does not")]
pub enum Durability {
    /// As a real server does.
    Full,
    /// Faster; what is committed may be lost with the server.
    None,
}

/// A PostgreSQL server. When it is dropped, and when the process ends, it is gone.
///
/// So is its data, except where it was started by [`Cluster::keep`].
pub struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    watcher: Mutex<Watcher>,
    databases: AtomicU64,
}

struct Watcher {
    child: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Cluster {
    /// The one server that all tests of the process share. It does not wait for the disk.
    ///
    /// # Errors
    /// When there are no binaries, or they do not run.
    pub fn shared() -> Result<&'static Self, Problem> {
        static SHARED: OnceLock<Result<Cluster, Problem>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::None)).as_ref().map_err(Clone::clone)
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When there are no binaries, or they do not run.
    pub fn start(durability: Durability) -> Result<Self, Problem> {
        Self::start_on(None, durability)
    }

    /// Starts a server whose data stays in a folder when the server goes. If the folder has such data
    /// already, the server goes on with it; else the folder is made, in one that is there.
    ///
    /// # Errors
    /// As [`Cluster::start`]. Where root starts it, also when the user that the server runs as can't come to
    /// the folder.
    pub fn keep(data: &Path, durability: Durability) -> Result<Self, Problem> {
        Self::start_on(Some(data), durability)
    }

    fn start_on(kept: Option<&Path>, durability: Durability) -> Result<Self, Problem> {
        let binaries = find::binaries()?;
        let folder = tempfile::Builder::new().prefix("scim-pg-").tempdir()?;
        let data = kept.map_or_else(|| Ok(folder.path().join("data")), std::path::absolute)?;
        if kept.is_some() && !data.exists() {
            std::fs::create_dir(&data)?;
        }
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "watcher"]).arg(&binaries).arg(folder.path()).arg(&data);
        if durability == Durability::None {
            for setting in ["fsync=off", "full_page_writes=off"] {
                command.args(["-c", setting]);
            }
        }
        for setting in ["listen_addresses=", "max_connections=400", "shared_buffers=64MB"] {
            command.args(["-c", setting]);
        }
        if std::fs::metadata(folder.path())?.uid() == 0 {
            let (user, group) = find::user()?;
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))?;
            if kept.is_some() {
                std::os::unix::fs::chown(&data, Some(user), Some(group))?;
            }
            command.uid(user).gid(group);
        }
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700))?;
        // In a process group of its own: Ctrl-C is for the tests, and the watcher cleans up behind them.
        let spawned = command
            .current_dir(folder.path())
            .env_remove("PGDATA")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned?;
        let (Some(commands), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Problem::new("the watcher of PostgreSQL has no pipes"));
        };
        let watcher =
            Mutex::new(Watcher { child, commands: Some(commands), replies: BufReader::new(replies) });
        // From here on the folder belongs to the watcher.
        let cluster = Self { folder: folder.keep(), binaries, watcher, databases: AtomicU64::new(0) };
        cluster.reply(&mut cluster.lock())?;
        Ok(cluster)
    }

    /// A new and empty database: its URL.
    ///
    /// # Errors
    /// When the server does not make it.
    pub fn database(&self) -> Result<String, Problem> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database of that name.
    pub fn url(&self, name: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://scim@{folder}/{name}")
    }

    /// Runs a statement in a database, by `psql`. What it answers, a row to a line.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn sql(&self, name: &str, statement: &str) -> Result<String, Problem> {
        let output = Command::new(self.binaries.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "scim",
                "-d",
                name,
                "-c",
                statement,
            ])
            .arg("-h")
            .arg(&self.folder)
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(Problem::new(String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Stops the server as an administrator does.
    ///
    /// # Errors
    /// When the watcher is gone.
    pub fn stop(&self) -> Result<(), Problem> {
        self.command("stop")
    }

    /// Ends the server by `kill -9`.
    ///
    /// # Errors
    /// When the watcher is gone.
    pub fn kill(&self) -> Result<(), Problem> {
        self.command("kill")
    }

    /// Starts the server again, and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not come.
    pub fn resume(&self) -> Result<(), Problem> {
        self.command("start")
    }

    /// The folder with the server's programs, such as `pgbench`.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The folder of the server, with its socket, its log and, unless that is kept elsewhere, its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self, command: &str) -> Result<(), Problem> {
        let mut watcher = self.lock();
        let Some(commands) = &mut watcher.commands else { return Err(Problem::new("it was stopped")) };
        writeln!(commands, "{command}")?;
        self.reply(&mut watcher)
    }

    fn reply(&self, watcher: &mut Watcher) -> Result<(), Problem> {
        let mut line = String::new();
        watcher.replies.read_line(&mut line)?;
        match line.trim_end() {
            "done" => Ok(()),
            "" => Err(Problem::new("the watcher of PostgreSQL is gone")),
            problem => Err(Problem::new(problem)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut watcher = self.lock();
        watcher.commands = None;
        let _ = watcher.child.wait();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why there is no server: one sentence. It is shown as it is, also where a test unwraps it.
#[derive(Clone)]
pub struct Problem(String);

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self(format!("PostgreSQL for tests can't be started: {error}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}
