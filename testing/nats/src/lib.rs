#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod find;

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// What the child of the test process does: it takes commands line by line, and answers each with a line.
/// When there are no more it ends the server and removes the folder.
const WATCHER: &str = include_str!("watcher.sh");

/// A NATS server with JetStream. When it is dropped, and when the process ends, it is gone with its streams.
pub struct Server {
    folder: PathBuf,
    port: u16,
    watcher: Mutex<Watcher>,
}

struct Watcher {
    child: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server that lets everybody in.
    ///
    /// # Errors
    /// When the program is not there, or does not run.
    pub fn start() -> Result<Self, Problem> {
        Self::with("")
    }

    /// Starts a server with these lines in its configuration. `jetstream { … }` is among them already.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn with(configuration: &str) -> Result<Self, Problem> {
        Self::start_with("jetstream { store_dir: \"store\" }", configuration)
    }

    /// Starts a server that has no streams.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn without_jetstream() -> Result<Self, Problem> {
        Self::start_with("", "")
    }

    fn start_with(jetstream: &str, configuration: &str) -> Result<Self, Problem> {
        let program = find::program()?;
        let folder = tempfile::Builder::new().prefix("scim-nats-").tempdir()?;
        let text = format!("listen: \"127.0.0.1:-1\"\nports_file_dir: \".\"\n{jetstream}\n{configuration}\n");
        std::fs::write(folder.path().join("nats.conf"), text)?;
        // In a process group of its own: Ctrl-C is for the tests, and the watcher cleans up behind them.
        let spawned = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(program)
            .arg(folder.path())
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned?;
        let (Some(commands), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Problem::new("the watcher of nats-server has no pipes"));
        };
        let watcher =
            Mutex::new(Watcher { child, commands: Some(commands), replies: BufReader::new(replies) });
        // From here on the folder belongs to the watcher.
        let mut server = Self { folder: folder.keep(), port: 0, watcher };
        let port = server.reply(&mut server.lock())?;
        server.port = port;
        Ok(server)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, with its configuration, its log and its streams.
    pub fn folder(&self) -> &Path {
        &self.folder
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

    /// Starts the server again, on the same port and with the same streams.
    ///
    /// # Errors
    /// When it does not come.
    pub fn resume(&self) -> Result<(), Problem> {
        self.command("start")
    }

    fn command(&self, command: &str) -> Result<(), Problem> {
        let mut watcher = self.lock();
        let Some(commands) = &mut watcher.commands else { return Err(Problem::new("it was stopped")) };
        writeln!(commands, "{command}")?;
        self.reply(&mut watcher).map(drop)
    }

    /// The port, from the watcher's answer.
    fn reply(&self, watcher: &mut Watcher) -> Result<u16, Problem> {
        let mut line = String::new();
        watcher.replies.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some(("done", port)) => {
                port.parse().map_err(|_| Problem::new(format!("nats-server listens nowhere: {port}")))
            }
            None => Err(Problem::new("the watcher of nats-server is gone")),
            Some(_) => Err(Problem::new(line.trim_end())),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut watcher = self.lock();
        watcher.commands = None;
        let _ = watcher.child.wait();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
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
        Self(format!("nats-server for tests can't be started: {error}"))
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
